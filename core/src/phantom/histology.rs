//! A synthetic section of the kidney's cortex with the class of every pixel.

use serde::Serialize;

use crate::geometry::{Grid, GridError};
use crate::random::SplitMix;
use crate::volume::{ImageMeta, Modality, Volume, Voxels};

/// Names of the classes by label; 0 is everything between them.
pub const HISTOLOGY_CLASSES: [&str; 6] =
    ["interstitium", "glomerular tuft", "capsule", "proximal tubule", "distal tubule", "artery"];

/// Dye of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stain {
    /// Haematoxylin and eosin: pink with blue nuclei.
    He,
    /// Periodic acid-Schiff: magenta membranes.
    Pas,
}

/// Which section.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HistologyPhantomOptions {
    /// Decides place, size and form of everything.
    pub seed: u64,
    /// Columns and rows.
    pub size: [usize; 2],
    /// Dye; without it the seed decides.
    pub stain: Option<Stain>,
    /// Pixels along a glomerulus.
    pub glomerulus_px: f64,
}

impl Default for HistologyPhantomOptions {
    /// 1024 × 1024 pixels at about 1 µm.
    fn default() -> Self {
        Self { seed: 1, size: [1024, 1024], stain: None, glomerulus_px: 180.0 }
    }
}

/// A synthetic section with its truth.
#[derive(Debug)]
pub struct HistologyPhantom {
    /// The picture in 8-bit colour.
    pub volume: Volume,
    /// Class of every pixel, `[y, x]`; see [`HISTOLOGY_CLASSES`].
    pub truth: Vec<u8>,
    /// The dye.
    pub stain: Stain,
    /// Whole structures by class; the first stands for none.
    pub counts: [usize; 6],
}

/// Makes a synthetic section. The same options give the same pixels.
///
/// # Errors
/// [`GridError`] for a size that no image can have.
pub fn histology_phantom(options: &HistologyPhantomOptions) -> Result<HistologyPhantom, GridError> {
    let [width, height] = options.size;
    let grid = Grid::from_spacing([width, height, 1], [1.0; 3])?;
    let mut random = SplitMix::new(options.seed);
    let drawn = if random.between(0.0, 1.0) < 0.5 { Stain::He } else { Stain::Pas };
    let stain = options.stain.unwrap_or(drawn);
    let mut canvas = Canvas {
        size: options.size,
        dyes: Dyes::new(stain, &mut random),
        colors: Vec::new(),
        truth: vec![0; width * height],
    };
    canvas.colors = vec![canvas.dyes.stroma; width * height];
    let mut counts = [0; 6];
    for structure in placed(options, &mut random) {
        structure.kind.classes().iter().for_each(|class| counts[usize::from(*class)] += 1);
        canvas.paint(&structure);
    }
    canvas.nuclei(options.glomerulus_px, &mut random);
    let noisy = canvas.colors.iter().map(|color| {
        let grain = 4.0 * random.normal();
        color.map(|c| (c + grain + 2.0 * random.normal()).round().clamp(0.0, 255.0) as u8)
    });
    let voxels = Voxels::Rgb8(noisy.collect());
    let meta = ImageMeta {
        modality: Modality::Photograph,
        title: format!("Synthetic section {}", options.seed),
        time_points: 1,
        ..ImageMeta::default()
    };
    let volume = Volume::new(grid, voxels, meta).expect("one colour a pixel");
    Ok(HistologyPhantom { volume, truth: canvas.truth, stain, counts })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Glomerulus,
    Proximal,
    Distal,
    Artery,
}

impl Kind {
    fn classes(self) -> &'static [u8] {
        match self {
            Self::Glomerulus => &[1, 2],
            Self::Proximal => &[3],
            Self::Distal => &[4],
            Self::Artery => &[5],
        }
    }
}

/// A structure with a wavy outline.
struct Structure {
    kind: Kind,
    center: [f64; 2],
    radius: f64,
    /// Height, number and phase of its waves.
    waves: [(f64, f64, f64); 2],
    /// Squeeze along a direction: tubules are cut at a slant.
    squeeze: f64,
    angle_rad: f64,
}

impl Structure {
    fn new(kind: Kind, center: [f64; 2], radius: f64, random: &mut SplitMix) -> Self {
        let mut wave =
            |count: f64| (random.between(0.01, 0.06), count, random.between(0.0, std::f64::consts::TAU));
        let waves = [wave(3.0), wave(5.0)];
        let squeeze =
            if kind == Kind::Glomerulus { random.between(0.85, 1.0) } else { random.between(0.6, 1.0) };
        Self { kind, center, radius, waves, squeeze, angle_rad: random.between(0.0, std::f64::consts::PI) }
    }

    /// Distance from the centre as a share of the outline's: 1 on it.
    fn share(&self, x: f64, y: f64) -> f64 {
        let (sin, cos) = self.angle_rad.sin_cos();
        let (dx, dy) = (x - self.center[0], y - self.center[1]);
        let (along, across) = (dx * cos + dy * sin, (dy * cos - dx * sin) / self.squeeze);
        let angle = across.atan2(along);
        let wavy: f64 =
            self.waves.iter().map(|(height, count, phase)| height * (count * angle + phase).sin()).sum();
        along.hypot(across) / (self.radius * (1.0 + wavy))
    }
}

/// Structures that do not touch, larger ones first, as many as find room.
fn placed(options: &HistologyPhantomOptions, random: &mut SplitMix) -> Vec<Structure> {
    let [width, height] = options.size.map(|n| n as f64);
    let unit = if options.glomerulus_px.is_finite() {
        options.glomerulus_px.clamp(16.0, 4096.0) / 2.0
    } else {
        90.0
    };
    let tries_of = |per_area: f64| ((width * height / (unit * unit) * per_area) as usize).clamp(8, 200_000);
    let mut found: Vec<Structure> = Vec::new();
    let mut buckets = Buckets::new([width, height], 2.6 * unit);
    for (kind, low, high, per_area) in [
        (Kind::Glomerulus, 0.85, 1.1, 0.12),
        (Kind::Artery, 0.3, 0.55, 0.05),
        (Kind::Proximal, 0.3, 0.42, 12.0),
        (Kind::Distal, 0.2, 0.3, 12.0),
    ] {
        for _ in 0..tries_of(per_area) {
            let center = [random.between(0.0, width), random.between(0.0, height)];
            let radius = unit * random.between(low, high);
            let gap = 0.04 * unit;
            let is_free = buckets.near(center).all(|i| {
                let other: &Structure = &found[i];
                let distance = (center[0] - other.center[0]).hypot(center[1] - other.center[1]);
                distance > 1.08 * (radius + other.radius) + gap
            });
            if is_free {
                buckets.add(center, found.len());
                found.push(Structure::new(kind, center, radius, random));
            }
        }
    }
    found
}

/// Which structures lie near a place.
struct Buckets {
    columns: usize,
    rows: usize,
    side: f64,
    cells: Vec<Vec<usize>>,
}

impl Buckets {
    fn new([width, height]: [f64; 2], side: f64) -> Self {
        let (columns, rows) = ((width / side) as usize + 1, (height / side) as usize + 1);
        Self { columns, rows, side, cells: vec![Vec::new(); columns * rows] }
    }

    fn cell(&self, at: [f64; 2]) -> [usize; 2] {
        [
            ((at[0] / self.side) as usize).min(self.columns - 1),
            ((at[1] / self.side) as usize).min(self.rows - 1),
        ]
    }

    fn add(&mut self, at: [f64; 2], index: usize) {
        let [x, y] = self.cell(at);
        self.cells[y * self.columns + x].push(index);
    }

    fn near(&self, at: [f64; 2]) -> impl Iterator<Item = usize> {
        let [x, y] = self.cell(at);
        let rows = y.saturating_sub(1)..(y + 2).min(self.rows);
        rows.flat_map(move |y| (x.saturating_sub(1)..(x + 2).min(self.columns)).map(move |x| (x, y)))
            .flat_map(|(x, y)| self.cells[y * self.columns + x].iter().copied())
    }
}

/// Colours of the tissues.
struct Dyes {
    stroma: [f32; 3],
    lumen: [f32; 3],
    membrane: [f32; 3],
    tuft: [f32; 3],
    proximal: [f32; 3],
    distal: [f32; 3],
    muscle: [f32; 3],
    nucleus: [f32; 3],
}

impl Dyes {
    fn new(stain: Stain, random: &mut SplitMix) -> Self {
        let strength = random.between(0.8, 1.1) as f32;
        let dyed = |color: [f32; 3]| color.map(|c| 255.0 - strength * (255.0 - c));
        let lumen = [244.0, 240.0, 244.0];
        match stain {
            Stain::He => Self {
                stroma: dyed([233.0, 196.0, 210.0]),
                lumen,
                membrane: dyed([214.0, 140.0, 170.0]),
                tuft: dyed([205.0, 140.0, 180.0]),
                proximal: dyed([222.0, 120.0, 150.0]),
                distal: dyed([232.0, 165.0, 190.0]),
                muscle: dyed([214.0, 110.0, 140.0]),
                nucleus: dyed([95.0, 65.0, 140.0]),
            },
            Stain::Pas => Self {
                stroma: dyed([220.0, 200.0, 222.0]),
                lumen,
                membrane: dyed([160.0, 50.0, 130.0]),
                tuft: dyed([190.0, 130.0, 185.0]),
                proximal: dyed([205.0, 140.0, 190.0]),
                distal: dyed([215.0, 180.0, 215.0]),
                muscle: dyed([200.0, 130.0, 170.0]),
                nucleus: dyed([90.0, 80.0, 150.0]),
            },
        }
    }

    /// Class and colour at a share of a structure's radius; `share` is at most 1.
    fn at(&self, kind: Kind, share: f64) -> (u8, [f32; 3]) {
        match kind {
            Kind::Glomerulus if share > 0.95 => (2, self.membrane),
            Kind::Glomerulus if share > 0.84 => (2, self.lumen),
            Kind::Glomerulus => (1, self.tuft),
            Kind::Proximal if share > 0.93 => (3, self.membrane),
            Kind::Proximal => (3, if share > 0.3 { self.proximal } else { self.lumen }),
            Kind::Distal if share > 0.93 => (4, self.membrane),
            Kind::Distal => (4, if share > 0.55 { self.distal } else { self.lumen }),
            Kind::Artery => (5, if share > 0.45 { self.muscle } else { self.lumen }),
        }
    }
}

/// The section while it is painted.
struct Canvas {
    size: [usize; 2],
    dyes: Dyes,
    colors: Vec<[f32; 3]>,
    truth: Vec<u8>,
}

impl Canvas {
    fn paint(&mut self, structure: &Structure) {
        let [width, height] = self.size;
        let reach = 1.15 * structure.radius + 1.0;
        let ends = |axis: usize, count: usize| {
            let low = (structure.center[axis] - reach).max(0.0) as usize;
            low..((structure.center[axis] + reach).max(0.0) as usize + 1).min(count)
        };
        for y in ends(1, height) {
            for x in ends(0, width) {
                let share = structure.share(x as f64, y as f64);
                if share <= 1.0 {
                    let (class, color) = self.dyes.at(structure.kind, share);
                    let mesh = if class == 1 { loops(x, y, structure.radius) } else { 0.0 };
                    let index = y * width + x;
                    self.truth[index] = class;
                    let light = self.dyes.lumen;
                    self.colors[index] = [0, 1, 2].map(|c| color[c] + mesh * (light[c] - color[c]));
                }
            }
        }
    }

    /// Nuclei wherever there are cells: not in lumina.
    fn nuclei(&mut self, glomerulus_px: f64, random: &mut SplitMix) {
        let [width, height] = self.size;
        let radius = (glomerulus_px / 45.0).clamp(1.0, 40.0);
        let count = ((width * height) as f64 / (radius * radius * 60.0)) as usize;
        for _ in 0..count {
            let at = [random.between(0.0, width as f64), random.between(0.0, height as f64)];
            let middle =
                self.colors[(at[1] as usize).min(height - 1) * width + (at[0] as usize).min(width - 1)];
            if middle == self.dyes.lumen {
                continue;
            }
            let reach = radius.ceil() as usize;
            let (cx, cy) = (at[0] as usize, at[1] as usize);
            for y in cy.saturating_sub(reach)..(cy + reach + 1).min(height) {
                for x in cx.saturating_sub(reach)..(cx + reach + 1).min(width) {
                    let distance = (x as f64 - at[0]).hypot(y as f64 - at[1]);
                    let share = ((radius - distance) / 1.5 + 0.5).clamp(0.0, 0.85) as f32;
                    let color = &mut self.colors[y * width + x];
                    color.iter_mut().zip(self.dyes.nucleus).for_each(|(c, n)| *c += share * (n - *c));
                }
            }
        }
    }
}

/// Capillary loops of a tuft: a fine bright net.
fn loops(x: usize, y: usize, radius: f64) -> f32 {
    let unit = std::f64::consts::TAU / (radius / 4.0).max(3.0);
    let (x, y) = (x as f64 * unit, y as f64 * unit);
    let wave = (x + 0.8 * (0.6 * y).sin()).sin() * (y + 0.9 * (0.7 * x).cos()).sin();
    if wave > 0.35 { 0.6 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fundus::{FieldOfView, Picture, check};

    fn options(seed: u64) -> HistologyPhantomOptions {
        HistologyPhantomOptions { seed, size: [512, 400], glomerulus_px: 110.0, ..Default::default() }
    }

    #[test]
    fn a_seed_decides_every_pixel() {
        let (a, b) = (histology_phantom(&options(3)).unwrap(), histology_phantom(&options(3)).unwrap());
        assert_eq!((a.volume.voxels(), &a.truth), (b.volume.voxels(), &b.truth));
        assert_ne!(a.truth, histology_phantom(&options(4)).unwrap().truth);
    }

    #[test]
    fn every_class_occurs_in_its_own_colour_and_no_section_is_an_eye() {
        for (seed, stain) in [(1, Stain::He), (2, Stain::Pas)] {
            let phantom =
                histology_phantom(&HistologyPhantomOptions { stain: Some(stain), ..options(seed) }).unwrap();
            let Voxels::Rgb8(colors) = phantom.volume.voxels() else { panic!("colour") };
            for class in 0..6u8 {
                let pixels: Vec<_> = (0..colors.len()).filter(|i| phantom.truth[*i] == class).collect();
                assert!(pixels.len() > colors.len() / 200, "{class}: {}", pixels.len());
                assert!(class == 0 || phantom.counts[usize::from(class)] > 0);
            }
            let picture = Picture::of(&phantom.volume).unwrap();
            assert!(!check(&picture, &FieldOfView::of(&picture)).is_fundus);
        }
    }

    #[test]
    fn any_size_can_be_made_and_none_is_refused() {
        for size in [[1, 1], [30, 7], [64, 64]] {
            let phantom = histology_phantom(&HistologyPhantomOptions { size, ..options(1) }).unwrap();
            assert_eq!(phantom.truth.len(), size[0] * size[1]);
        }
        assert!(histology_phantom(&HistologyPhantomOptions { size: [9, 0], ..options(1) }).is_err());
        let wild = HistologyPhantomOptions { glomerulus_px: f64::NAN, ..options(1) };
        assert!(histology_phantom(&wild).is_ok());
    }
}
