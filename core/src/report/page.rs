//! One PDF page with text in Helvetica, lines and pictures. Places are points from the upper left corner of an A4
//! page, y downwards.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::{Content, Filter, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr};

/// Width of an A4 page in points.
pub(super) const WIDTH: f32 = 595.0;
/// Height of an A4 page in points.
pub(super) const HEIGHT: f32 = 842.0;
/// Mean width of a letter of Helvetica as a share of its size, a little more than true so that no line runs over.
const LETTER: f32 = 0.52;

/// A colour, each channel 0 to 1.
pub(super) type Color = [f32; 3];

/// A page while it is filled.
pub(super) struct Page {
    content: Content,
    images: Vec<Image>,
}

struct Image {
    size: [usize; 2],
    packed: Vec<u8>,
}

impl Page {
    /// An empty page.
    pub fn new() -> Self {
        Self { content: Content::new(), images: Vec::new() }
    }

    /// A line of text whose foot is at `y`.
    pub fn text(&mut self, [x, y]: [f32; 2], size: f32, is_bold: bool, text: &str) {
        let font = if is_bold { Name(b"F2") } else { Name(b"F1") };
        self.content.set_fill_gray(0.1);
        self.content.begin_text().set_font(font, size).next_line(x, HEIGHT - y);
        self.content.show(Str(&encoded(text))).end_text();
    }

    /// Text in lines no wider than `width`; returns the `y` of the next line.
    pub fn paragraph(&mut self, [x, mut y]: [f32; 2], size: f32, width: f32, text: &str) -> f32 {
        for line in wrapped(text, (width / (LETTER * size)) as usize) {
            self.text([x, y], size, false, &line);
            y += 1.25 * size;
        }
        y
    }

    /// A line through places.
    pub fn line(&mut self, points: &[[f32; 2]], width: f32, [r, g, b]: Color, is_closed: bool) {
        let Some(([x, y], rest)) = points.split_first() else { return };
        self.content.set_line_width(width).set_stroke_rgb(r, g, b).move_to(*x, HEIGHT - y);
        for [x, y] in rest {
            self.content.line_to(*x, HEIGHT - y);
        }
        if is_closed {
            self.content.close_and_stroke();
        } else {
            self.content.stroke();
        }
    }

    /// A filled square around a place.
    pub fn dot(&mut self, [x, y]: [f32; 2], half: f32, [r, g, b]: Color) {
        self.content
            .set_fill_rgb(r, g, b)
            .rect(x - half, HEIGHT - y - half, 2.0 * half, 2.0 * half)
            .fill_nonzero();
    }

    /// A picture `[y, x]` of `size` columns and rows, in a box of the page: left, top, width, height.
    pub fn picture(&mut self, pixels: &[[u8; 3]], size: [usize; 2], [x, y, width, height]: [f32; 4]) {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail.
        let packed =
            packer.write_all(bytemuck::cast_slice(pixels)).and_then(|()| packer.finish()).unwrap_or_default();
        let name = format!("I{}", self.images.len());
        self.images.push(Image { size, packed });
        self.content.save_state().transform([width, 0.0, 0.0, height, x, HEIGHT - y - height]);
        self.content.x_object(Name(name.as_bytes())).restore_state();
    }
}

/// A document of pages.
pub(super) fn document(title: &str, pages: Vec<Page>) -> Vec<u8> {
    let mut next = 0;
    let mut new_ref = || {
        next += 1;
        Ref::new(next)
    };
    let (catalog, tree, info, plain, bold) = (new_ref(), new_ref(), new_ref(), new_ref(), new_ref());
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree);
    pdf.document_info(info).title(TextStr(title)).producer(TextStr("Hilum"));
    for (id, font) in [(plain, Name(b"Helvetica")), (bold, Name(b"Helvetica-Bold"))] {
        pdf.type1_font(id).base_font(font).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    let ids: Vec<Ref> = pages.iter().map(|_| new_ref()).collect();
    pdf.pages(tree).kids(ids.iter().copied()).count(ids.len() as i32);
    for (id, page) in ids.into_iter().zip(pages) {
        let content = new_ref();
        let images: Vec<Ref> = page.images.iter().map(|_| new_ref()).collect();
        let mut writer = pdf.page(id);
        writer.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).parent(tree).contents(content);
        let mut resources = writer.resources();
        resources.fonts().pair(Name(b"F1"), plain).pair(Name(b"F2"), bold);
        let mut objects = resources.x_objects();
        for (index, image) in images.iter().enumerate() {
            objects.pair(Name(format!("I{index}").as_bytes()), *image);
        }
        objects.finish();
        resources.finish();
        writer.finish();
        for (id, image) in images.into_iter().zip(&page.images) {
            let mut object = pdf.image_xobject(id, &image.packed);
            object.filter(Filter::FlateDecode);
            object.width(image.size[0] as i32).height(image.size[1] as i32);
            object.color_space().device_rgb();
            object.bits_per_component(8);
        }
        pdf.stream(content, &page.content.finish());
    }
    pdf.finish()
}

/// Text in the encoding of the fonts, Windows-1252; what it lacks is written out or becomes a question mark.
fn encoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            ' '..='~' | '\u{a0}'..='ÿ' => bytes.push(letter as u32 as u8),
            '–' => bytes.push(0x96),
            '—' => bytes.push(0x97),
            '…' => bytes.push(0x85),
            '’' => bytes.push(0x92),
            '≥' => bytes.extend(b">="),
            '≤' => bytes.extend(b"<="),
            '−' => bytes.push(b'-'),
            _ => bytes.push(b'?'),
        }
    }
    bytes
}

/// Lines of at most `most` letters, broken between words where there are any.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let most = most.max(8);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        for (index, piece) in word.chars().collect::<Vec<_>>().chunks(most).enumerate() {
            let piece: String = piece.iter().collect();
            let line = lines.last_mut().filter(|line| {
                index == 0 && (line.is_empty() || line.chars().count() + 1 + piece.chars().count() <= most)
            });
            match line {
                Some(line) if line.is_empty() => line.push_str(&piece),
                Some(line) => line.push_str(&format!(" {piece}")),
                None => lines.push(piece),
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_become_their_codes() {
        assert_eq!(encoded("a–b ≥ é…漢"), b"a\x96b >= \xe9\x85?");
    }

    #[test]
    fn lines_are_broken_between_words_and_long_words_within() {
        assert_eq!(wrapped("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(wrapped("abcdefghijkl", 8), ["abcdefgh", "ijkl"]);
        assert_eq!(wrapped("", 9), [""]);
    }
}
