//! Maps of attention as files: their numbers, and figures with the image, the labels and maps beside each other, each with
//! its colour bar, as PNG or SVG.

mod canvas;
mod choice;
mod plane;

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use hilum_core::geometry::{Grid, WorldPoint};
use hilum_core::io::nifti::save_volume;
use hilum_core::io::replace_file;
use hilum_core::volume::{ImageMeta, Volume, Voxels};
use hilum_models::inspect::FieldMap;
use hilum_models::nets::MapMeaning;
use image::{ImageFormat, Rgb, RgbImage};

use crate::colormap::{bar_number, color_of};
use crate::jobs::MapKind;
use canvas::{Anchor, Canvas, Lettering, Raster, Svg};
pub(crate) use choice::{Candidate, Choice, beside, first, together};
pub(crate) use plane::{Drawn, Plane};

/// Room around things, in units of the page.
const GAP: f32 = 14.0;
/// Sizes of text.
const CAPTION: f32 = 11.0;
const NUMBER: f32 = 9.0;
const BAR: f32 = 7.0;
/// From one line of text to the next.
const LINE: f32 = 13.0;

/// Writes values `[z, y, x]` on a grid as NIfTI of 32-bit numbers.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn save_numbers(path: &Path, title: &str, grid: &Grid, values: Vec<f32>) -> anyhow::Result<()> {
    let meta = ImageMeta { title: title.to_owned(), has_physical_spacing: true, ..ImageMeta::default() };
    let volume = Volume::new(*grid, Voxels::F32(values), meta)?;
    Ok(save_volume(path, &volume)?)
}

/// One picture of a figure.
struct Panel {
    caption: String,
    picture: RgbImage,
    /// The marked pixel, as shares of width and height.
    cross: Option<[f32; 2]>,
    /// The ends of the colours, and whether they have a middle.
    bar: Option<([f32; 2], bool)>,
}

/// Pictures of one plane beside each other.
pub(crate) struct Figure<'a> {
    plane: Plane,
    volume: &'a Volume,
    /// Values shown black and white.
    window: [f32; 2],
    drawn: Option<Drawn<'a>>,
    panels: Vec<Panel>,
    columns: usize,
    note: String,
    /// Further lines below it.
    notes: Vec<String>,
    /// What the colours of labels mean.
    legend: Vec<([u8; 3], String)>,
}

impl<'a> Figure<'a> {
    /// The plane through a point over what a network saw. `window`: the values shown black and white.
    pub(crate) fn new(
        volume: &'a Volume,
        field: &Grid,
        at: WorldPoint,
        window: [f32; 2],
        drawn: Option<Drawn<'a>>,
    ) -> Self {
        let plane = Plane::through(at, volume, field);
        Self {
            plane,
            volume,
            window,
            drawn,
            panels: Vec::new(),
            columns: 1,
            note: String::new(),
            notes: Vec::new(),
            legend: Vec::new(),
        }
    }

    /// The image, and if there are labels the image with them.
    pub(crate) fn add_image(&mut self, cross: Option<WorldPoint>) {
        let cross = cross.map(|at| self.plane.share_of(at));
        let picture = self.plane.image(self.volume, self.window, None);
        self.panels.push(Panel { caption: "image".into(), picture, cross, bar: None });
        if let Some(drawn) = &self.drawn {
            let picture = self.plane.image(self.volume, self.window, Some(drawn));
            self.panels.push(Panel { caption: "labels".into(), picture, cross: None, bar: None });
        }
    }

    /// A map with these ends of its colours.
    pub(crate) fn add_map(&mut self, caption: String, map: &FieldMap, range: [f32; 2]) {
        self.panels.push(Panel {
            caption,
            picture: self.plane.map(map, range, self.drawn.as_ref()),
            cross: map.query.map(|at| self.plane.share_of(at)),
            bar: Some((range, map.meaning.is_signed())),
        });
    }

    /// Image, labels and maps in rows. With `is_scale_shared` maps of the same meaning share the ends of their colours.
    pub(crate) fn fill(&mut self, choice: &Choice<'_>, is_scale_shared: bool, note: &str) {
        let maps = &choice.maps;
        self.columns = choice.columns.max(1);
        self.add_image(maps.iter().find_map(|candidate| candidate.map.query));
        let mut level = None;
        for candidate in maps {
            if choice.is_by_level && level != Some(candidate.map.level) {
                level = Some(candidate.map.level);
                self.fill_row();
            }
            let alike = maps.iter().filter(|o| is_scale_shared && o.map.meaning == candidate.map.meaning);
            let range = alike.fold(ends(candidate.map), |[low, high], o| {
                let [l, h] = ends(o.map);
                [low.min(l), high.max(h)]
            });
            let origin = match candidate.kind {
                MapKind::Plain => " (plain self-attention)",
                MapKind::Random => " (random weights)",
                MapKind::Pass | MapKind::Row => "",
            };
            self.add_map(format!("{}{origin}", candidate.map.name), candidate.map, range);
        }
        let scale = if is_scale_shared {
            "one scale for all maps of a meaning"
        } else {
            "each map on a scale of its own"
        };
        self.note = format!("{note} · {scale} · not for diagnosis");
    }

    /// Image, labels and two maps that are compared.
    pub(crate) fn fill_pair(
        &mut self,
        (other, name): (&FieldMap, &str),
        chosen: Candidate<'_>,
        is_scale_shared: bool,
        note: &str,
    ) {
        let join = |[low, high]: [f32; 2], [l, h]: [f32; 2]| [low.min(l), high.max(h)];
        let both = join(ends(other), ends(chosen.map));
        let range = |map| if is_scale_shared { both } else { ends(map) };
        self.add_image(chosen.map.query.or(other.query));
        self.add_map(name.to_owned(), other, range(other));
        self.add_map(format!("shown: {}", chosen.map.name), chosen.map, range(chosen.map));
        self.columns = self.panels.len();
        let scale =
            if is_scale_shared { "one scale for both maps" } else { "each map on a scale of its own" };
        self.note = format!("{note} · {scale} · not for diagnosis");
    }

    /// Adds a line below the figure.
    pub(crate) fn add_note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Says what the colours of labels mean.
    pub(crate) fn add_legend(&mut self, entries: impl IntoIterator<Item = ([u8; 3], String)>) {
        self.legend.extend(entries);
    }

    /// Ends a row.
    fn fill_row(&mut self) {
        while !self.panels.len().is_multiple_of(self.columns) {
            let picture = RgbImage::from_pixel(1, 1, Rgb([255; 3]));
            self.panels.push(Panel { caption: String::new(), picture, cross: None, bar: None });
        }
    }

    /// Writes it; the ending of the name says as what.
    ///
    /// # Errors
    /// Another ending than .png and .svg; a file that cannot be written.
    pub(crate) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let failed = || format!("the figure was not written: {}", path.display());
        if name.ends_with(".svg") {
            let mut svg = Svg::new(self.size(), &self.note);
            self.draw(&mut svg)?;
            let text = svg.finish();
            replace_file(path, |out| out.write_all(text.as_bytes())).with_context(failed)
        } else if name.ends_with(".png") {
            let mut raster = Raster::new(self.size());
            self.draw(&mut raster)?;
            raster.pixels.save_with_format(path, ImageFormat::Png).with_context(failed)
        } else {
            bail!("the name of a figure must end in .png or .svg: {}", path.display())
        }
    }

    /// Height of a panel with its texts and bar.
    fn row_height(&self) -> f32 {
        self.plane.units()[1] + CAPTION + 5.0 + BAR + NUMBER + 8.0 + GAP
    }

    fn size(&self) -> [f32; 2] {
        let columns = self.columns.min(self.panels.len()).max(1);
        let rows = self.panels.len().div_ceil(columns).max(1);
        let width = (self.plane.units()[0] + GAP) * columns as f32 + GAP;
        let lines = 1 + self.notes.len() + usize::from(!self.legend.is_empty());
        [width, self.row_height() * rows as f32 + 2.0 * GAP + NUMBER + LINE * (lines - 1) as f32]
    }

    fn draw(&self, canvas: &mut dyn Canvas) -> anyhow::Result<()> {
        let mut lettering = Lettering::new();
        let [width, height] = self.plane.units();
        let columns = self.columns.min(self.panels.len()).max(1);
        for (number, panel) in self.panels.iter().enumerate() {
            let left = GAP + (width + GAP) * (number % columns) as f32;
            let top = GAP + self.row_height() * (number / columns) as f32;
            let picture_top = top + CAPTION + 5.0;
            let caption = lettering.fitted(&panel.caption, CAPTION, width);
            canvas.text([left, top + CAPTION], CAPTION, Anchor::Start, &caption);
            if panel.caption.is_empty() {
                continue;
            }
            canvas.picture([left, picture_top], [width, height], &panel.picture)?;
            if let Some([x, y]) = panel.cross.filter(|at| at.iter().all(|v| (0.0..=1.0).contains(v))) {
                cross(canvas, [left + x * width, picture_top + y * height]);
            }
            if let Some((range, is_signed)) = panel.bar {
                let bar_top = picture_top + height + 4.0;
                canvas.picture([left, bar_top], [width, BAR], &bar(is_signed))?;
                let base = bar_top + BAR + NUMBER;
                canvas.text([left, base], NUMBER, Anchor::Start, &bar_number(range[0]));
                canvas.text([left + width, base], NUMBER, Anchor::End, &bar_number(range[1]));
                if is_signed {
                    canvas.text([left + width / 2.0, base], NUMBER, Anchor::Middle, "0");
                }
            }
        }
        self.draw_below(canvas, &mut lettering)
    }

    /// The lines below the pictures, what the colours of labels mean first.
    fn draw_below(&self, canvas: &mut dyn Canvas, lettering: &mut Lettering) -> anyhow::Result<()> {
        let [page, bottom] = self.size();
        let mut base = bottom - GAP / 2.0 - LINE * self.notes.len() as f32;
        if !self.legend.is_empty() {
            let (mut left, base) = (GAP, base - LINE);
            for (color, name) in &self.legend {
                let room = page - GAP - left - 1.5 * NUMBER;
                if room < 3.0 * NUMBER {
                    canvas.text([left, base], NUMBER, Anchor::Start, "…");
                    break;
                }
                let swatch = RgbImage::from_pixel(1, 1, Rgb(*color));
                canvas.picture([left, base - 0.8 * NUMBER], [NUMBER, 0.8 * NUMBER], &swatch)?;
                let name = lettering.fitted(name, NUMBER, room);
                canvas.text([left + 1.5 * NUMBER, base], NUMBER, Anchor::Start, &name);
                left += 1.5 * NUMBER + lettering.width(&name, NUMBER) + GAP;
            }
        }
        for note in std::iter::once(&self.note).chain(&self.notes) {
            let note = lettering.fitted(note, NUMBER, page - 2.0 * GAP);
            canvas.text([GAP, base], NUMBER, Anchor::Start, &note);
            base += LINE;
        }
        Ok(())
    }
}

/// The ends of the colours of a map: its smallest and largest value; of signed numbers as far below 0 as above; of whom a
/// pixel reaches at least 0 and 1, so that one who reaches everybody is told from one who reaches nobody.
pub(crate) fn ends(map: &FieldMap) -> [f32; 2] {
    let [low, high] = map.range();
    if map.meaning.is_signed() {
        let most = low.abs().max(high.abs());
        return [-most, most];
    }
    if map.meaning == MapMeaning::Neighbours { [low.min(0.0), high.max(1.0)] } else { [low, high] }
}

fn bar(is_signed: bool) -> RgbImage {
    RgbImage::from_fn(128, 1, |x, _| Rgb(color_of((x as f32 + 0.5) / 128.0, [0.0, 1.0], is_signed)))
}

fn cross(canvas: &mut dyn Canvas, [x, y]: [f32; 2]) {
    for (width, color) in [(3.5, [0; 3]), (1.5, [255; 3])] {
        canvas.line([x - 5.0, y], [x + 5.0, y], width, color);
        canvas.line([x, y - 5.0], [x, y + 5.0], width, color);
    }
}

/// Writes the figure of one map: the image and the map, the marked pixel as a cross.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn save_picture(path: &Path, volume: &Volume, field: &Grid, map: &FieldMap) -> anyhow::Result<()> {
    let at = map.query.unwrap_or_else(|| field.center_world());
    let window = volume.central().unwrap_or((0.0, 1.0));
    let mut figure = Figure::new(volume, field, at, window.into(), None);
    let candidate = Candidate { look: 0, kind: MapKind::Pass, map };
    figure.fill(
        &Choice { maps: vec![candidate], columns: 2, is_by_level: false },
        false,
        map.meaning.title(),
    );
    figure.save(path)
}

#[cfg(test)]
mod tests;
