//! The page of a patient's optic discs.

use super::page::{Color, HEIGHT, Page, WIDTH, document};
use crate::fundus::{LateralityGuess, Picture};
use crate::measure::cdr::{DiscMask, DiscReading, Motion, Ratio, Rim, RimProfile};

/// One photograph with what was measured on it.
#[derive(Clone, Copy, Debug)]
pub struct EyeEntry<'a> {
    /// Name of the photograph.
    pub name: &'a str,
    /// The photograph.
    pub picture: &'a Picture<'a>,
    /// Disc and cup.
    pub mask: &'a DiscMask,
    /// All figures.
    pub reading: &'a DiscReading,
    /// Which eye, if anything tells.
    pub laterality: Option<LateralityGuess>,
    /// Who or what outlined it, and whether a person has looked.
    pub standing: &'a str,
}

/// The optic discs of a patient.
#[derive(Clone, Debug)]
pub struct EyeReport<'a> {
    /// How the patient is called, such as the beginning of the file names.
    pub patient: &'a str,
    /// Who made the page and when.
    pub made: &'a str,
    /// The photographs, two a page.
    pub eyes: Vec<EyeEntry<'a>>,
}

const MARGIN: f32 = 40.0;
/// Width of the two columns.
const COLUMN: f32 = 247.0;
/// Where the right column starts.
const RIGHT: f32 = WIDTH - MARGIN - COLUMN;
/// Height of a photograph on the page.
const PICTURE: f32 = 165.0;
/// Height of an eye on the page.
const BAND: f32 = 372.0;
/// Pixels along the longer side of a photograph on the page.
const PICTURE_PIXELS: usize = 700;
const DISC: Color = [0.34, 0.71, 0.91];
const CUP: Color = [0.90, 0.62, 0.0];
const FRAME: Color = [0.55, 0.55, 0.55];

/// The report as a PDF: for every eye the photograph and the disc with outlines, the ratios with their intervals, the
/// rim around the clock, and what speaks against trusting them. Two eyes fit on the page.
pub fn eye_report_pdf(report: &EyeReport<'_>) -> Vec<u8> {
    let bands: Vec<&[EyeEntry<'_>]> = match report.eyes.len() {
        0 => vec![&[]],
        _ => report.eyes.chunks(2).collect(),
    };
    let pages = bands.into_iter().map(|eyes| {
        let mut page = Page::new();
        page.text([MARGIN, 52.0], 16.0, true, "Optic disc report");
        page.text([MARGIN, 68.0], 10.0, false, report.patient);
        for (index, eye) in eyes.iter().enumerate() {
            eye_band(&mut page, eye, 88.0 + BAND * index as f32);
        }
        let foot = HEIGHT - 28.0;
        page.text([MARGIN, foot], 8.0, true, "For research use; not for diagnosis.");
        page.text([RIGHT, foot], 8.0, false, report.made);
        page
    });
    document(&format!("Optic disc report {}", report.patient), pages.collect())
}

fn eye_band(page: &mut Page, eye: &EyeEntry<'_>, top: f32) {
    let title = eye.laterality.map_or_else(
        || "Eye not known".to_owned(),
        |guess| format!("{} ({})", capital(guess.laterality.text()), guess.laterality.code()),
    );
    page.text([MARGIN, top + 10.0], 12.0, true, &title);
    page.text([RIGHT, top + 10.0], 9.0, false, eye.name);
    let (profile, has_cup) = (RimProfile::of(eye.mask, eye.reading.disc.center), eye.reading.cup.is_some());
    let size = eye.picture.size();
    let top = top + 18.0;
    let whole = Crop { left: 0.0, top: 0.0, width: size[0] as f64, height: size[1] as f64 };
    for (crop, left) in [(whole, MARGIN), (Crop::around_disc(eye), RIGHT)] {
        let shown = crop.draw(page, eye.picture, [left, top, COLUMN, PICTURE]);
        let mut outline = |radius: &[f64], color: Color| {
            let points: Vec<[f32; 2]> =
                profile.outline(radius, 2).into_iter().map(|p| shown.place(p)).collect();
            page.line(&points, 1.0, color, true);
        };
        outline(&profile.disc_radius_px, DISC);
        if has_cup {
            outline(&profile.cup_radius_px, CUP);
        }
    }
    let top = top + PICTURE + 16.0;
    figures(page, eye, top);
    if let Some(rim) = &eye.reading.rim {
        plot(page, rim, [RIGHT + 22.0, top, COLUMN - 26.0, 118.0]);
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A part of a photograph, in pixels.
#[derive(Clone, Copy)]
struct Crop {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

/// A crop on the page.
struct Shown {
    crop: Crop,
    left: f32,
    top: f32,
    scale: f64,
}

impl Shown {
    fn place(&self, [x, y]: [f64; 2]) -> [f32; 2] {
        // The centre of a pixel has whole numbers, its corner lies half a pixel before.
        let along = |value: f64, start: f64| ((value + 0.5 - start) * self.scale) as f32;
        [self.left + along(x, self.crop.left), self.top + along(y, self.crop.top)]
    }
}

impl Crop {
    /// The disc with as much around it as a third of its size, in the form of the column.
    fn around_disc(eye: &EyeEntry<'_>) -> Self {
        let (disc, [columns, rows]) = (&eye.reading.disc, eye.picture.size());
        let height =
            (1.7 * disc.height_px as f64).max(1.7 * disc.width_px as f64 * f64::from(PICTURE / COLUMN));
        let height = height.min(rows as f64);
        let width = (height * f64::from(COLUMN / PICTURE)).min(columns as f64);
        let start =
            |center: f64, length: f64, all: usize| (center - length / 2.0).clamp(0.0, all as f64 - length);
        Self {
            left: start(disc.center[0], width, columns),
            top: start(disc.center[1], height, rows),
            width,
            height,
        }
    }

    /// Draws the part as large as fits a box of the page.
    fn draw(self, page: &mut Page, picture: &Picture<'_>, [left, top, width, height]: [f32; 4]) -> Shown {
        let scale = (f64::from(width) / self.width).min(f64::from(height) / self.height);
        let (pixels, size) = self.sampled(picture);
        let shown = [self.width * scale, self.height * scale].map(|v| v as f32);
        page.picture(&pixels, size, [left, top, shown[0], shown[1]]);
        Shown { crop: self, left, top, scale }
    }

    /// The part with no more pixels than the page needs: means over the pixels that fall into one.
    fn sampled(self, picture: &Picture<'_>) -> (Vec<[u8; 3]>, [usize; 2]) {
        let [columns, rows] = picture.size();
        let step = (self.width.max(self.height) / PICTURE_PIXELS as f64).max(1.0);
        let size = [self.width, self.height].map(|v| ((v / step) as usize).max(1));
        let range = |start: f64, index: usize, all: usize| {
            let from = ((start + index as f64 * step) as usize).min(all - 1);
            from..((start + (index + 1) as f64 * step) as usize).clamp(from + 1, all)
        };
        let mut pixels = Vec::with_capacity(size[0] * size[1]);
        for y in 0..size[1] {
            for x in 0..size[0] {
                let (mut sum, mut count) = ([0u32; 3], 0u32);
                for row in range(self.top, y, rows) {
                    for column in range(self.left, x, columns) {
                        let pixel = picture.pixels()[row * columns + column];
                        (0..3).for_each(|c| sum[c] += u32::from(pixel[c]));
                        count += 1;
                    }
                }
                pixels.push(sum.map(|s| (s / count.max(1)) as u8));
            }
        }
        (pixels, size)
    }
}

fn interval(ratio: Ratio) -> String {
    format!("{:.2} ({:.2} to {:.2})", ratio.value, ratio.low, ratio.high)
}

fn figures(page: &mut Page, eye: &EyeEntry<'_>, top: f32) {
    let reading = eye.reading;
    let mut y = top + 10.0;
    match &reading.ratios {
        Some(ratios) => {
            page.text([MARGIN, y], 12.0, true, &format!("Vertical CDR {}", interval(ratios.vertical)));
            y += 15.0;
            page.text([MARGIN, y], 9.0, false, &format!("Horizontal CDR {}", interval(ratios.horizontal)));
            y += 12.0;
            page.text([MARGIN, y], 9.0, false, &format!("Area CDR {}", interval(ratios.area)));
        }
        None => page.text([MARGIN, y], 12.0, true, "No cup marked, no ratio"),
    }
    y += 12.0;
    let (disc, cup) = (&reading.disc, reading.cup.as_ref());
    let cup = cup.map_or_else(String::new, |c| format!(", cup {} × {}", c.width_px, c.height_px));
    page.text([MARGIN, y], 9.0, false, &format!("Disc {} × {}{cup} pixels", disc.width_px, disc.height_px));
    let mut lines = Vec::new();
    if let Some(rim) = &reading.rim {
        let narrow = rim.narrowest;
        lines.push(format!(
            "Narrowest rim {:.1} % of the disc at {} o'clock",
            100.0 * narrow.width.share,
            narrow.clock_hour
        ));
        lines.extend(rim.isnt.as_ref().map(|isnt| {
            let verdict = if isnt.holds { "holds" } else { "does not hold" };
            let doubt = if isnt.certain { "" } else { ", not beyond the outlines' uncertainty" };
            format!("ISNT rule {verdict} (order {}){doubt}", isnt.order)
        }));
    }
    lines.push(eye.standing.to_owned());
    let how = if reading.motion == Motion::Together { "together" } else { "each on its own" };
    lines.push(format!("Intervals: outlines moved by {:.1} pixels, {how}", reading.shift_px));
    lines.push(format!("Quality: {}", reading.quality.trust.text()));
    lines.extend(reading.quality.reasons.iter().map(|reason| format!("– {reason}")));
    y += 12.0;
    for (index, line) in lines.iter().enumerate() {
        if y > top + BAND - PICTURE - 50.0 && index + 1 < lines.len() {
            page.text([MARGIN, y], 8.0, false, &format!("… and {} more", lines.len() - index));
            return;
        }
        y = page.paragraph([MARGIN, y], 8.5, COLUMN, line);
    }
}

/// Width of the rim against the clock, from 12 to 12 o'clock, in percent of the disc's diameter.
fn plot(page: &mut Page, rim: &Rim, [left, top, width, height]: [f32; 4]) {
    let profile = &rim.profile;
    let rays = profile.disc_radius_px.len();
    let one = |ray: usize| {
        let diameter = profile.disc_radius_px[ray] + profile.disc_radius_px[(ray + rays / 2) % rays];
        if diameter > 0.0 { 100.0 * profile.width_px(ray) / diameter } else { 0.0 }
    };
    // Means over 7° hide the corners of the pixels.
    let share = |ray: usize| (ray + rays - 3..=ray + rays + 3).map(|ray| one(ray % rays)).sum::<f64>() / 7.0;
    let highest =
        rim.clock_hours.iter().map(|w| 100.0 * w.share_high).chain((0..rays).map(share)).fold(0.0, f64::max);
    let top_percent = ((highest / 10.0).ceil() * 10.0).clamp(10.0, 100.0);
    let place = |turn: f64, percent: f64| {
        [left + width * turn as f32, top + height * (1.0 - (percent / top_percent).min(1.0) as f32)]
    };
    page.text([left, top - 4.0], 8.0, false, "Rim, % of the disc's diameter, by clock hour as seen");
    for percent in [0.0, top_percent / 2.0, top_percent] {
        page.line(&[place(0.0, percent), place(1.0, percent)], 0.4, FRAME, false);
        let [x, y] = place(0.0, percent);
        page.text([x - 18.0, y + 3.0], 8.0, false, &format!("{percent:.0}"));
    }
    for (turn, hour) in [(0.0, "12"), (0.25, "3"), (0.5, "6"), (0.75, "9"), (1.0, "12")] {
        page.line(&[place(turn, 0.0), place(turn, top_percent)], 0.4, FRAME, false);
        let [x, y] = place(turn, 0.0);
        page.text([x - 3.0, y + 10.0], 8.0, false, hour);
    }
    let line: Vec<[f32; 2]> =
        (0..rays).map(|ray| place((ray as f64 + 0.5) / rays as f64, share(ray))).collect();
    page.line(&line, 0.8, [0.2, 0.2, 0.2], false);
    for (index, hour) in rim.clock_hours.iter().enumerate() {
        let turn = (index as f64 + 1.0) / 12.0;
        page.line(
            &[place(turn, 100.0 * hour.share_low), place(turn, 100.0 * hour.share_high)],
            0.8,
            CUP,
            false,
        );
        page.dot(place(turn, 100.0 * hour.share), 1.6, CUP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fundus::Laterality;
    use crate::label::BoxMask;
    use crate::measure::cdr::{DiscLabels, ReadOptions, read_disc};
    use crate::phantom::{FundusPhantomOptions, fundus_phantom};

    #[test]
    fn a_page_holds_two_eyes_their_figures_and_pictures() {
        let options = FundusPhantomOptions { seed: 2, size: [500, 430], ..Default::default() };
        let phantom = fundus_phantom(&options).unwrap();
        let picture = Picture::of(&phantom.volume).unwrap();
        let labels: Vec<u16> = phantom.disc_cup.iter().map(|v| u16::from(*v)).collect();
        let mask = DiscMask::from_labels(&labels, [500, 430], DiscLabels::default()).unwrap();
        let disc_alone = DiscMask::from_masks(mask.disc(), &BoxMask::default(), [500, 430]).unwrap();
        let eye = ReadOptions { laterality: Some(Laterality::Left), ..Default::default() };
        let readings = [read_disc(&mask, &eye), read_disc(&disc_alone, &eye)];
        let guess = Some(LateralityGuess::by_person(Laterality::Left));
        let entry = |i: usize| EyeEntry {
            name: "a ≥ (b) \\ name",
            picture: &picture,
            mask: [&mask, &disc_alone][i],
            reading: &readings[i],
            laterality: guess.filter(|_| i == 0),
            standing: ["Reviewed by a person", "Outlined by a network"][i],
        };
        let pdf = |eyes: Vec<EyeEntry<'_>>| eye_report_pdf(&EyeReport { patient: "P 7", made: "test", eyes });
        let count =
            |pdf: &[u8], words: &str| pdf.windows(words.len()).filter(|w| *w == words.as_bytes()).count();
        let two = pdf(vec![entry(0), entry(1)]);
        assert!(two.starts_with(b"%PDF-") && two.trim_ascii_end().ends_with(b"%%EOF"));
        assert_eq!((count(&two, "/MediaBox"), count(&two, "/Subtype /Image")), (1, 4));
        let vertical = format!("Vertical CDR {:.2}", readings[0].ratios.unwrap().vertical.value);
        assert_eq!(count(&two, &vertical), 1, "{vertical}");
        for words in [
            "Left eye",
            "Eye not known",
            "No cup marked",
            "not for diagnosis",
            "Reviewed by",
            "Outlined by a",
        ] {
            assert_eq!(count(&two, words), 1, "{words}");
        }
        let three = pdf(vec![entry(0), entry(1), entry(0)]);
        assert_eq!((count(&three, "/MediaBox"), count(&pdf(Vec::new()), "/MediaBox")), (2, 1));
    }
}
