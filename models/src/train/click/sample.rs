//! Drawing one training sample: a cube of values with the object's mask and a click in it.

use hilum_core::geometry::{Affine, Grid, WorldPoint};
use hilum_core::volume::Modality;
use nalgebra::{Matrix3, Vector3};
use rand::{Rng, RngExt as _};

use super::augment;
use super::dataset::{Case, Dataset, Host, Loaded};
use super::lesion::{Lesion, Look, tissue_under};
use super::scene::scene;
use super::shapes::{log_uniform, normal, random_rotation};
use crate::infer::{MAX_WINDOWS, WINDOW_GROWTH, WINDOW_SHARE};
use crate::train::recipe::{ClickRecipe, Stage};
use crate::transform::channels::{Channel, Crop, channels};
use crate::transform::cube::{cube_grid, resample, resample_mask};

/// Fewest voxels of the object in a cube; smaller ones teach nothing.
const MIN_TARGET_VOXELS: usize = 5;
/// Tries before the last draw is used whatever it holds.
const MAX_TRIES: usize = 20;

/// A cube as a network will see it, with the answer.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Place of the cube, in a frame of its own: only millimetres matter.
    pub grid: Grid,
    /// Intensities `[z, y, x]`.
    pub values: Vec<f32>,
    /// 1 inside the object, 0 outside.
    pub target: Vec<f32>,
    /// How the network is told the image was made.
    pub modality: Modality,
    /// Positive clicks.
    pub positive: Vec<WorldPoint>,
    /// Negative clicks.
    pub negative: Vec<WorldPoint>,
    /// The previous answer, for samples of later clicks.
    pub previous: Option<Vec<f32>>,
}

impl Sample {
    /// Draws a sample by the recipe's sources and weights.
    pub fn draw(dataset: &Dataset, recipe: &ClickRecipe, rng: &mut impl Rng) -> Self {
        let mut sample = Self::draw_once(dataset, recipe, rng);
        for _ in 0..MAX_TRIES {
            if sample.target.iter().filter(|t| **t > 0.5).count() >= MIN_TARGET_VOXELS {
                break;
            }
            sample = Self::draw_once(dataset, recipe, rng);
        }
        augment::intensities(&mut sample.values, recipe.size, sample.modality, rng);
        if sample.modality == Modality::Ct && rng.random_bool(0.2) {
            // A file does not always say that it is CT.
            sample.modality = Modality::Other;
        }
        sample
    }

    fn draw_once(dataset: &Dataset, recipe: &ClickRecipe, rng: &mut impl Rng) -> Self {
        let total: f64 = dataset.sources.iter().map(|(weight, _)| weight).sum();
        let mut at = rng.random_range(0.0..total);
        for (weight, source) in &dataset.sources {
            at -= weight;
            if at < 0.0 {
                return match source {
                    Loaded::Cases(cases) => from_case(&cases[rng.random_range(0..cases.len())], recipe, rng),
                    Loaded::Hosts(hosts) => planted(&hosts[rng.random_range(0..hosts.len())], recipe, rng),
                    Loaded::Scenes => scene(recipe, rng),
                };
            }
        }
        scene(recipe, rng)
    }

    /// The network's input, `[channel, z, y, x]`.
    pub fn input(&self, wanted: &[Channel]) -> Vec<f32> {
        let crop = Crop {
            grid: &self.grid,
            values: &self.values,
            modality: self.modality,
            positive: &self.positive,
            negative: &self.negative,
            previous: self.previous.as_deref(),
        };
        channels(&crop, wanted)
    }

    /// The object as a mask.
    pub fn truth(&self) -> Vec<bool> {
        self.target.iter().map(|t| *t > 0.5).collect()
    }
}

/// A case as it is, clicked at the `nth` voxel of its object: what validation looks at.
pub fn plain(case: &Case, nth: usize, recipe: &ClickRecipe, jitter: Vector3<f64>) -> Sample {
    let click = case.inside_world(nth);
    let pose = Pose { linear: Matrix3::identity(), scale: 1.0 };
    place(case, click, &pose, recipe, &Framing { jitter, stretch: 1.0, window: WindowChoice::Suiting })
}

fn from_case(case: &Case, recipe: &ClickRecipe, rng: &mut impl Rng) -> Sample {
    let click = case.inside_world(rng.random_range(0..case.inside.len()));
    let length = case.axes.lengths_mm[0].max(1.0);
    let apparent = if rng.random_bool(0.5) {
        length * log_uniform(0.8, 1.25, rng)
    } else {
        log_uniform(12.0, 130.0, rng)
    };
    let pose = Pose::random((apparent / length).clamp(0.12, 2.5), rng);
    place(case, click, &pose, recipe, &Framing::random(rng))
}

/// How the presented frame lies in the source: rotated, mirrored, enlarged by `scale`.
struct Pose {
    linear: Matrix3<f64>,
    scale: f64,
}

impl Pose {
    fn random(scale: f64, rng: &mut impl Rng) -> Self {
        let rotation =
            if rng.random_bool(0.7) { random_rotation(rng).into_inner() } else { Matrix3::identity() };
        let mirror = Vector3::from_fn(|_, _| if rng.random_bool(0.5) { 1.0 } else { -1.0 });
        Self { linear: rotation * Matrix3::from_diagonal(&mirror) / scale, scale }
    }

    /// The grid in the source whose values are presented on `presented`, whose origin lies at `origin`.
    fn source_grid(&self, presented: &Grid, origin: WorldPoint) -> Grid {
        let linear = self.linear * presented.affine().linear();
        let start = origin.coords + self.linear * presented.affine().origin().coords;
        let affine = Affine::new(linear, start).expect("a rotation times a positive scale is invertible");
        Grid::new(presented.dims(), affine).expect("the size was checked with the recipe")
    }

    fn presented(&self, source: WorldPoint, origin: WorldPoint) -> WorldPoint {
        let inverse = self.linear.try_inverse().expect("a rotation times a positive scale is invertible");
        WorldPoint::from(inverse * (source - origin))
    }
}

/// How the cube lies around the object.
pub(super) struct Framing {
    /// Shift of a fine cube, in lengths of the object.
    jitter: Vector3<f64>,
    /// How much too long the object was thought to be.
    stretch: f64,
    window: WindowChoice,
}

/// Which of the pipeline's windows a coarse sample is cut with.
#[derive(Clone, Copy, PartialEq)]
enum WindowChoice {
    /// The smallest that holds the object.
    Suiting,
    /// One of those before, which the object leaves: the answer must reach the border, so that the pipeline goes on.
    /// How far down the list of smaller ones, 0..1.
    TooSmall(f64),
    /// The one after.
    TooLarge,
}

impl Framing {
    pub(super) fn random(rng: &mut impl Rng) -> Self {
        let window = match rng.random_range(0..20) {
            0..9 => WindowChoice::Suiting,
            9..17 => WindowChoice::TooSmall(rng.random()),
            _ => WindowChoice::TooLarge,
        };
        let jitter = Vector3::from_fn(|_, _| normal(rng) * 0.08);
        Self { jitter, stretch: (normal(rng) * 0.22).exp(), window }
    }
}

/// The cube that the pipeline's stage would cut for an object of `length_mm` centred at `centroid` with a click at
/// `click`, all in the presented frame. Grows until the click lies in it.
pub(super) fn stage_grid(
    recipe: &ClickRecipe,
    centroid: WorldPoint,
    click: WorldPoint,
    length_mm: f64,
    framing: &Framing,
) -> Grid {
    let (center, side_mm) = match recipe.stage {
        Stage::Coarse { window_mm } => (click, window_mm * window_growth(length_mm, window_mm, framing)),
        Stage::Fine { margin, min_side_mm } => {
            let center = centroid + framing.jitter * length_mm;
            let side = (margin * length_mm * framing.stretch).max(min_side_mm);
            (center, side.max(2.1 * (click - center).amax()))
        }
    };
    cube_grid(center, side_mm, recipe.size).expect("the size was checked with the recipe")
}

/// How far the pipeline's window has grown when this sample is cut.
fn window_growth(length_mm: f64, window_mm: f64, framing: &Framing) -> f64 {
    let suits = |step: &usize| {
        length_mm * framing.stretch <= WINDOW_SHARE * window_mm * WINDOW_GROWTH.powi(*step as i32)
    };
    let suiting = (0..MAX_WINDOWS).find(suits).unwrap_or(MAX_WINDOWS - 1);
    let step = match framing.window {
        WindowChoice::Suiting => suiting,
        WindowChoice::TooSmall(share) => (share * suiting as f64) as usize,
        WindowChoice::TooLarge => (suiting + 1).min(MAX_WINDOWS - 1),
    };
    WINDOW_GROWTH.powi(step as i32)
}

fn place(case: &Case, click: WorldPoint, pose: &Pose, recipe: &ClickRecipe, framing: &Framing) -> Sample {
    let origin = case.axes.centroid;
    let click = pose.presented(click, origin);
    let length = case.axes.lengths_mm[0] * pose.scale;
    let grid = stage_grid(recipe, WorldPoint::origin(), click, length, framing);
    let source = pose.source_grid(&grid, origin);
    let values = resample(&case.volume, &source, case.volume.range().min);
    let target = resample_mask(&case.mask, &case.mask_grid, &source);
    Sample {
        grid,
        values,
        target: target.into_iter().map(|share| if share >= 0.5 { 1.0 } else { 0.0 }).collect(),
        modality: case.modality,
        positive: vec![click],
        negative: Vec::new(),
        previous: None,
    }
}

/// Length of a synthetic lesion; in a coarse window at least three voxels.
pub(super) fn lesion_length(recipe: &ClickRecipe, rng: &mut impl Rng) -> f64 {
    let shortest = match recipe.stage {
        Stage::Coarse { window_mm } => 3.0 * window_mm / recipe.size as f64,
        Stage::Fine { .. } => 6.0,
    };
    log_uniform(shortest, 120.0, rng)
}

fn planted(host: &Host, recipe: &ClickRecipe, rng: &mut impl Rng) -> Sample {
    let length = lesion_length(recipe, rng);
    let lesion = Lesion::random(WorldPoint::origin(), length, rng);
    let click = lesion.point_inside(rng);
    let grid = stage_grid(recipe, lesion.center(), click, length, &Framing::random(rng));
    let pose = Pose::random(log_uniform(0.7, 1.5, rng), rng);
    let source = pose.source_grid(&grid, host.random_place(rng));
    let values = resample(&host.volume, &source, host.volume.range().min);
    with_lesion(grid, values, &lesion, click, Modality::Ct, rng)
}

/// The values with the lesion painted into them.
pub(super) fn with_lesion(
    grid: Grid,
    mut values: Vec<f32>,
    lesion: &Lesion,
    click: WorldPoint,
    modality: Modality,
    rng: &mut impl Rng,
) -> Sample {
    let mask = lesion.mask(&grid);
    let (host, host_sd) = tissue_under(&values, &mask).unwrap_or_default();
    let look = Look::random(host, host_sd, lesion.length_mm(), rng);
    lesion.paint(&mut values, &grid, host, &look);
    let target = mask.into_iter().map(|inside| f32::from(u8::from(inside))).collect();
    Sample { grid, values, target, modality, positive: vec![click], negative: Vec::new(), previous: None }
}
