//! A synthetic photograph of the fundus with the truth of disc, cup, vessels and field of view.

mod vessels;

use nalgebra::Vector3;
use serde::Serialize;

use super::shape::Waves;
use crate::fundus::{Circle, Laterality};
use crate::geometry::{Grid, GridError};
use crate::label::BoxMask;
use crate::measure::cdr::Ellipse;
use crate::random::SplitMix;
use crate::volume::{ImageMeta, Modality, Volume, Voxels};
use vessels::Tree;

/// Which eye, photographed how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FundusPhantomOptions {
    /// Decides place, size and form of everything.
    pub seed: u64,
    /// Columns and rows.
    pub size: [usize; 2],
    /// Which eye; without it the seed decides.
    pub laterality: Option<Laterality>,
    /// Standard deviation of the noise, of 255.
    pub noise: f32,
}

impl Default for FundusPhantomOptions {
    /// 1024 × 880 pixels with the noise of a good camera.
    fn default() -> Self {
        Self { seed: 1, size: [1024, 880], laterality: None, noise: 3.0 }
    }
}

/// What the phantom shows, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FundusAnatomy {
    /// Which eye.
    pub laterality: Laterality,
    /// Field of view.
    pub field: Circle,
    /// Outline of the disc.
    pub disc: Ellipse,
    /// Outline of the cup.
    pub cup: Ellipse,
    /// Centre of the macula `(x, y)`.
    pub macula: [f64; 2],
}

/// A synthetic photograph with its truth.
#[derive(Debug)]
pub struct FundusPhantom {
    /// The picture in 8-bit colour.
    pub volume: Volume,
    /// 1 rim, 2 cup, 0 elsewhere, `[y, x]`.
    pub disc_cup: Vec<u8>,
    /// Whether a pixel is vessel, `[y, x]`.
    pub vessels: Vec<bool>,
    /// Whether a pixel is in the field of view, `[y, x]`.
    pub field: Vec<bool>,
    /// Places and sizes.
    pub anatomy: FundusAnatomy,
}

/// Makes a synthetic photograph. The same options give the same pixels.
///
/// # Errors
/// [`GridError`] for a size that no image can have.
pub fn fundus_phantom(options: &FundusPhantomOptions) -> Result<FundusPhantom, GridError> {
    let [width, height] = options.size;
    let grid = Grid::from_spacing([width, height, 1], [1.0; 3])?;
    let mut random = SplitMix::new(options.seed);
    let anatomy = FundusAnatomy::new(options, &mut random);
    let tree = Tree::grow(&anatomy, &mut random);
    let depth = tree.depth(options.size);
    let field: Vec<bool> = pixels(options.size).map(|at| anatomy.field.contains(at)).collect();
    let vessels: Vec<bool> =
        depth.iter().zip(&field).map(|(vessel, inside)| *inside && vessel.share > 0.5).collect();
    let mut disc_cup = vec![0u8; width * height];
    for (shape, label) in [(anatomy.disc, 1), (anatomy.cup, 2)] {
        stamp(&shape.mask(options.size), label, &mut disc_cup, width);
    }
    disc_cup.iter_mut().zip(&field).filter(|(_, inside)| !**inside).for_each(|(label, _)| *label = 0);
    let scene = Scene::new(anatomy, &mut random);
    let colors = pixels(options.size)
        .zip(depth.iter().zip(&field))
        .map(|(at, (vessel, inside))| {
            let color = if *inside { scene.color(at, vessel) } else { [5.0, 4.0, 3.0] };
            color.map(|c| (c + options.noise * random.normal()).round().clamp(0.0, 255.0) as u8)
        })
        .collect();
    let meta = ImageMeta {
        modality: Modality::Photograph,
        title: format!("Synthetic fundus {}", options.seed),
        time_points: 1,
        ..ImageMeta::default()
    };
    let volume = Volume::new(grid, Voxels::Rgb8(colors), meta).expect("one colour a pixel");
    Ok(FundusPhantom { volume, disc_cup, vessels, field, anatomy })
}

fn pixels([width, height]: [usize; 2]) -> impl Iterator<Item = [f64; 2]> {
    (0..height).flat_map(move |y| (0..width).map(move |x| [x as f64, y as f64]))
}

fn stamp(mask: &BoxMask, label: u8, labels: &mut [u8], width: usize) {
    for span in mask.spans() {
        labels[span.y * width + span.x_start..span.y * width + span.x_end].fill(label);
    }
}

impl FundusAnatomy {
    fn new(options: &FundusPhantomOptions, random: &mut SplitMix) -> Self {
        let [width, height] = options.size.map(|n| n as f64);
        let drawn = if random.between(0.0, 1.0) < 0.5 { Laterality::Right } else { Laterality::Left };
        let laterality = options.laterality.unwrap_or(drawn);
        // The disc lies on the nose's side: right in a right eye.
        let nasal = if laterality == Laterality::Right { 1.0 } else { -1.0 };
        let radius_px = 0.48 * width.min(height);
        let center = [(width - 1.0) / 2.0, (height - 1.0) / 2.0];
        let at = |x: f64, y: f64| [center[0] + nasal * x * radius_px, center[1] + y * radius_px];
        let disc_center = at(random.between(0.35, 0.6), random.between(-0.08, 0.05));
        let half_height = random.between(0.13, 0.18) * radius_px;
        let half_width = half_height * random.between(0.84, 0.97);
        let tilt = random.between(-0.15, 0.15);
        let disc = upright(disc_center, half_width, half_height, tilt);
        let share = random.between(0.25, 0.8);
        let slack = (1.0 - share) * half_width;
        let cup_center = [
            disc_center[0] - nasal * random.between(0.0, 0.35) * slack,
            disc_center[1] + random.between(-0.3, 0.3) * slack,
        ];
        let cup = upright(cup_center, share * half_width, share * half_height, tilt);
        let macula = [disc_center[0] - nasal * 5.0 * half_height, disc_center[1] + 0.4 * half_height];
        Self { laterality, field: Circle { center, radius_px }, disc, cup, macula }
    }
}

/// An ellipse higher than wide, turned a little.
fn upright(center: [f64; 2], half_width: f64, half_height: f64, tilt_rad: f64) -> Ellipse {
    let angle_rad = std::f64::consts::FRAC_PI_2 + tilt_rad;
    Ellipse { center, semi_axes_px: [half_height, half_width], angle_rad }
}

/// Colours of everything.
struct Scene {
    anatomy: FundusAnatomy,
    retina: [f64; 3],
    texture: Waves,
    light: [f64; 2],
}

impl Scene {
    fn new(anatomy: FundusAnatomy, random: &mut SplitMix) -> Self {
        let brightness = random.between(0.75, 1.1);
        let retina = [random.between(165.0, 215.0), random.between(75.0, 105.0), random.between(30.0, 55.0)];
        let radius = anatomy.field.radius_px;
        Self {
            retina: retina.map(|c| c * brightness),
            texture: Waves::new(random, 9, radius / 12.0, radius / 2.0),
            light: [random.between(-0.3, 0.3), random.between(-0.3, 0.3)],
            anatomy,
        }
    }

    fn color(&self, at: [f64; 2], vessel: &vessels::Pixel) -> [f32; 3] {
        let FundusAnatomy { field, disc, cup, macula, .. } = self.anatomy;
        let from = |center: [f64; 2], unit: f64| (at[0] - center[0]).hypot(at[1] - center[1]) / unit;
        let lit = [0, 1].map(|a| field.center[a] + self.light[a] * field.radius_px);
        let vignette = 1.0 - 0.35 * (from(lit, field.radius_px) / 1.3).powi(2);
        let waves = 1.0 + 0.09 * self.texture.at(Vector3::new(at[0], at[1], 0.0));
        let fovea = 1.0 - 0.4 * (-(from(macula, disc.semi_axes_px[0]) / 0.9).powi(2)).exp();
        let mut color = self.retina.map(|c| c * vignette * waves * fovea);
        let mut blend = |share: f64, with: [f64; 3]| {
            color.iter_mut().zip(with).for_each(|(c, w)| *c += share * (w * vignette - *c));
        };
        blend(0.85 * inside(&disc, at, 0.06), [245.0, 165.0, 95.0]);
        blend(0.9 * inside(&cup, at, 0.12), [253.0, 225.0, 165.0]);
        let blood = if vessel.is_vein { [95.0, 28.0, 18.0] } else { [140.0, 45.0, 25.0] };
        blend(0.75 * vessel.share, blood);
        color.map(|c| c as f32)
    }
}

/// Share of a place inside an ellipse with an edge that is soft over a share of its radius.
fn inside(shape: &Ellipse, at: [f64; 2], edge: f64) -> f64 {
    let (sin, cos) = shape.angle_rad.sin_cos();
    let (x, y) = (at[0] - shape.center[0], at[1] - shape.center[1]);
    let along = (x * cos + y * sin) / shape.semi_axes_px[0];
    let across = (y * cos - x * sin) / shape.semi_axes_px[1];
    let t = ((1.0 - along.hypot(across)) / edge + 0.5).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fundus::{FieldKind, FieldOfView, Picture, check, laterality_from_disc};
    use crate::measure::Confusion;
    use crate::measure::cdr::{DiscLabels, DiscMask, ReadOptions, Trust, read_disc};

    fn options(seed: u64) -> FundusPhantomOptions {
        FundusPhantomOptions { seed, size: [560, 500], ..Default::default() }
    }

    #[test]
    fn a_seed_decides_every_pixel() {
        let (a, b) = (fundus_phantom(&options(3)).unwrap(), fundus_phantom(&options(3)).unwrap());
        assert_eq!(
            (a.volume.voxels(), &a.vessels, &a.disc_cup),
            (b.volume.voxels(), &b.vessels, &b.disc_cup)
        );
        assert_ne!(a.disc_cup, fundus_phantom(&options(4)).unwrap().disc_cup);
    }

    #[test]
    fn phantoms_look_like_eyes_and_their_truth_can_be_measured() {
        for seed in 0..8 {
            let phantom = fundus_phantom(&options(seed)).unwrap();
            let picture = Picture::of(&phantom.volume).unwrap();
            let field = FieldOfView::of(&picture);
            assert_eq!(field.kind, FieldKind::Round);
            assert!(check(&picture, &field).is_fundus, "seed {seed}: {:?}", check(&picture, &field));
            assert!(Confusion::of(&field.mask, &phantom.field).unwrap().dice() > 0.98, "seed {seed}");
            let labels: Vec<u16> = phantom.disc_cup.iter().map(|v| u16::from(*v)).collect();
            let mask = DiscMask::from_labels(&labels, picture.size(), DiscLabels::default()).unwrap();
            let options = ReadOptions { field_of_view: Some(field.circle), ..Default::default() };
            let reading = read_disc(&mask, &options);
            assert_eq!(reading.quality.trust, Trust::Good, "seed {seed}: {:?}", reading.quality);
            let expected = phantom.anatomy.cup.semi_axes_px[0] / phantom.anatomy.disc.semi_axes_px[0];
            assert!((reading.ratios.unwrap().vertical.value - expected).abs() < 0.02, "seed {seed}");
            let eye = laterality_from_disc(reading.disc.center, &field).unwrap().laterality;
            assert_eq!(eye, phantom.anatomy.laterality);
        }
    }

    #[test]
    fn vessels_are_darker_than_their_surroundings_and_cover_a_tenth() {
        let phantom = fundus_phantom(&options(5)).unwrap();
        let Voxels::Rgb8(colors) = phantom.volume.voxels() else { panic!("colour") };
        let mean = |wanted: bool| {
            let greens = (0..colors.len()).filter(|i| phantom.field[*i] && phantom.vessels[*i] == wanted);
            let values: Vec<f64> = greens.map(|i| f64::from(colors[i][1])).collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        assert!(mean(true) < 0.75 * mean(false), "{} {}", mean(true), mean(false));
        let share = |mask: &[bool]| mask.iter().filter(|v| **v).count() as f64;
        let density = share(&phantom.vessels) / share(&phantom.field);
        assert!((0.05..0.2).contains(&density), "{density}");
    }

    #[test]
    fn any_size_can_be_made_and_none_is_refused() {
        for size in [[1, 1], [40, 40], [33, 200]] {
            let phantom = fundus_phantom(&FundusPhantomOptions { size, ..options(1) }).unwrap();
            assert_eq!(phantom.disc_cup.len(), size[0] * size[1]);
        }
        assert!(fundus_phantom(&FundusPhantomOptions { size: [0, 5], ..options(1) }).is_err());
        let left = FundusPhantomOptions { laterality: Some(Laterality::Left), ..options(9) };
        let anatomy = fundus_phantom(&left).unwrap().anatomy;
        assert!(anatomy.disc.center[0] < anatomy.field.center[0]);
    }
}
