//! Drawing one training sample: a cube of values with the object's mask and a click in it.

use hilum_core::geometry::{Affine, Grid, WorldPoint};
use hilum_core::volume::Modality;
use nalgebra::{Matrix3, Vector3};
use rand::{Rng, RngExt as _};

use super::augment;
use super::dataset::{Case, Dataset, Host, Loaded};
use super::recipe::{Recipe, Stage};
use super::shapes::{Body, Irregularity, log_uniform, normal, random_rotation};
use crate::infer::{WINDOW_GROWTH, WINDOW_SHARE};
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
    pub fn draw(dataset: &Dataset, recipe: &Recipe, rng: &mut impl Rng) -> Self {
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

    fn draw_once(dataset: &Dataset, recipe: &Recipe, rng: &mut impl Rng) -> Self {
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
pub fn plain(case: &Case, nth: usize, recipe: &Recipe, jitter: Vector3<f64>) -> Sample {
    let click = case.inside_world(nth);
    let pose = Pose { linear: Matrix3::identity(), scale: 1.0 };
    place(case, click, &pose, recipe, jitter, 1.0)
}

fn from_case(case: &Case, recipe: &Recipe, rng: &mut impl Rng) -> Sample {
    let click = case.inside_world(rng.random_range(0..case.inside.len()));
    let length = case.axes.lengths_mm[0].max(1.0);
    let apparent = if rng.random_bool(0.5) {
        length * log_uniform(0.8, 1.25, rng)
    } else {
        log_uniform(12.0, 130.0, rng)
    };
    let pose = Pose::random((apparent / length).clamp(0.12, 2.5), rng);
    let jitter = Vector3::from_fn(|_, _| normal(rng) * 0.08);
    let stretch = (normal(rng) * 0.22).exp();
    place(case, click, &pose, recipe, jitter, stretch)
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

/// The cube that the pipeline's stage would cut for an object of `length_mm` centred at `centroid` with a click at
/// `click`, all in the presented frame. Grows until the click lies in it.
fn stage_grid(
    recipe: &Recipe,
    centroid: WorldPoint,
    click: WorldPoint,
    length_mm: f64,
    jitter: Vector3<f64>,
    stretch: f64,
) -> Grid {
    let (center, side_mm) = match recipe.stage {
        Stage::Coarse { window_mm } => (click, window_mm * window_growth(length_mm, window_mm, stretch)),
        Stage::Fine { margin, min_side_mm } => {
            let center = centroid + jitter * length_mm;
            let side = (margin * length_mm * stretch).max(min_side_mm);
            (center, side.max(2.1 * (click - center).amax()))
        }
    };
    cube_grid(center, side_mm, recipe.size).expect("the size was checked with the recipe")
}

/// How far the pipeline would have let the window grow: it does while the object reaches the border.
fn window_growth(length_mm: f64, window_mm: f64, stretch: f64) -> f64 {
    let needed = length_mm * stretch / (WINDOW_SHARE * window_mm);
    if needed <= 1.0 {
        1.0
    } else if needed <= WINDOW_GROWTH {
        WINDOW_GROWTH
    } else {
        WINDOW_GROWTH * WINDOW_GROWTH
    }
}

fn place(
    case: &Case,
    click: WorldPoint,
    pose: &Pose,
    recipe: &Recipe,
    jitter: Vector3<f64>,
    stretch: f64,
) -> Sample {
    let origin = case.axes.centroid;
    let click = pose.presented(click, origin);
    let length = case.axes.lengths_mm[0] * pose.scale;
    let grid = stage_grid(recipe, WorldPoint::origin(), click, length, jitter, stretch);
    let source = pose.source_grid(&grid, origin);
    let values = resample(&case.volume, &source, case.volume.range().min);
    let target = resample_mask(&case.mask, case.volume.grid(), &source);
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

/// A random body; in a coarse window at least three voxels long.
fn random_lesion(recipe: &Recipe, rng: &mut impl Rng) -> (Body, f64) {
    let shortest = match recipe.stage {
        Stage::Coarse { window_mm } => 3.0 * window_mm / recipe.size as f64,
        Stage::Fine { .. } => 7.0,
    };
    let length = log_uniform(shortest, 120.0, rng);
    let irregularity = Irregularity { elongation: 2.2, dents: 0.4 };
    (Body::random(WorldPoint::origin(), length, irregularity, rng), length)
}

/// A point in a body, by rejection; its middle if the dents leave none.
fn point_inside(body: &Body, length_mm: f64, rng: &mut impl Rng) -> WorldPoint {
    for _ in 0..200 {
        let offset = Vector3::from_fn(|_, _| rng.random_range(-0.5..0.5) * length_mm);
        if body.depth_mm(body.center() + offset) < 0.0 {
            return body.center() + offset;
        }
    }
    body.center()
}

fn planted(host: &Host, recipe: &Recipe, rng: &mut impl Rng) -> Sample {
    let (body, length) = random_lesion(recipe, rng);
    let click = point_inside(&body, length, rng);
    let grid = random_stage_grid(recipe, &body, click, length, rng);
    let pose = Pose::random(log_uniform(0.7, 1.5, rng), rng);
    let spot = host.body[rng.random_range(0..host.body.len())] as usize;
    let origin = host.volume.grid().world_of(host.volume.grid().voxel(spot));
    let source = pose.source_grid(&grid, origin);
    let values = resample(&host.volume, &source, host.volume.range().min);
    with_lesion(grid, values, &body, click, 1.0, Modality::Ct, rng)
}

fn random_stage_grid(
    recipe: &Recipe,
    body: &Body,
    click: WorldPoint,
    length: f64,
    rng: &mut impl Rng,
) -> Grid {
    let jitter = Vector3::from_fn(|_, _| normal(rng) * 0.08);
    let stretch = (normal(rng) * 0.22).exp();
    stage_grid(recipe, body.center(), click, length, jitter, stretch)
}

/// Tissue levels of CT in HU from which scenes are made: lung, fat, water, muscle, organs, vessels, bone.
const LEVELS_HU: [f32; 9] = [-900.0, -800.0, -100.0, 0.0, 45.0, 60.0, 110.0, 180.0, 600.0];

fn scene(recipe: &Recipe, rng: &mut impl Rng) -> Sample {
    let (body, length) = random_lesion(recipe, rng);
    let click = point_inside(&body, length, rng);
    let grid = random_stage_grid(recipe, &body, click, length, rng);
    let mut level = || LEVELS_HU[rng.random_range(0..LEVELS_HU.len())] + normal(rng) as f32 * 15.0;
    let mut values = vec![level(); grid.voxel_count()];
    let reach = grid.extent_mm()[0];
    for _ in 0..rng.random_range(3..9) {
        let center = grid.center_world() + Vector3::from_fn(|_, _| rng.random_range(-0.6..0.6) * reach);
        let elongation = if rng.random_bool(0.5) { 8.0 } else { 1.6 };
        let size = log_uniform(0.1, 1.2, rng) * reach;
        let thing = Body::random(center, size, Irregularity { elongation, dents: 0.3 }, rng);
        let level = LEVELS_HU[rng.random_range(0..LEVELS_HU.len())] + normal(rng) as f32 * 15.0;
        let edge = log_uniform(0.3, 3.0, rng);
        paint(&mut values, &grid, &thing, edge, |_, _| level);
    }
    let noise = log_uniform(2.0, 25.0, rng) as f32;
    augment::add_noise(&mut values, recipe.size, noise, rng.random_bool(0.6), rng);
    let modality = if rng.random_bool(0.5) { Modality::Ct } else { Modality::Other };
    with_lesion(grid, values, &body, click, 1.0, modality, rng)
}

/// Blends a body into values: `level(depth_mm, old)` inside, softly over `edge_mm`.
fn paint(values: &mut [f32], grid: &Grid, body: &Body, edge_mm: f64, level: impl Fn(f64, f32) -> f32) {
    for (i, value) in values.iter_mut().enumerate() {
        let depth = body.depth_mm(grid.world_of(grid.voxel(i)));
        let share = (1.0 / (1.0 + (depth / edge_mm * 2.0).exp())) as f32;
        if share > 0.003 {
            *value += share * (level(depth, *value) - *value);
        }
    }
}

/// Look of a planted lesion.
struct Look {
    level: f32,
    /// How much of the host's own texture shines through.
    grain: f32,
    core: f32,
    core_depth_mm: f64,
}

impl Look {
    fn random(host_level: f32, host_sd: f32, length_mm: f64, scale: f32, rng: &mut impl Rng) -> Self {
        let in_lung = host_level < -400.0 * scale;
        let (level, grain) = if in_lung {
            let solid = rng.random_bool(0.8);
            let level = if solid { rng.random_range(-60.0..90.0) } else { rng.random_range(-600.0..-250.0) };
            (level, rng.random_range(0.03..0.2))
        } else {
            let sign = if rng.random_bool(0.6) { -1.0 } else { 1.0 };
            let least = 20.0f64.max(f64::from(host_sd.min(40.0)));
            let contrast = log_uniform(least, 160.0, rng) as f32;
            (host_level + sign * contrast, rng.random_range(0.25..1.0))
        };
        let core =
            if rng.random_bool(0.25) { rng.random_range(-0.7..0.7) * (level - host_level) } else { 0.0 };
        Self { level, grain, core, core_depth_mm: rng.random_range(0.1..0.3) * length_mm }
    }
}

fn with_lesion(
    grid: Grid,
    mut values: Vec<f32>,
    body: &Body,
    click: WorldPoint,
    scale: f32,
    modality: Modality,
    rng: &mut impl Rng,
) -> Sample {
    let target: Vec<f32> = (0..values.len())
        .map(|i| if body.depth_mm(grid.world_of(grid.voxel(i))) < 0.0 { 1.0 } else { 0.0 })
        .collect();
    let mut under: Vec<f32> =
        values.iter().zip(&target).filter(|(_, t)| **t > 0.0).map(|(v, _)| *v).collect();
    under.sort_unstable_by(f32::total_cmp);
    let host_level = under.get(under.len() / 2).copied().unwrap_or(0.0);
    let (_, host_sd) = augment::mean_and_sd(&under);
    let length = 2.0 * (body.depth_mm(body.center()).abs());
    let look = Look::random(host_level, host_sd, length, scale, rng);
    let edge = log_uniform(0.25, 3.0, rng).min(0.15 * length);
    paint(&mut values, &grid, body, edge.max(0.1), |depth, old| {
        let core = if depth < -look.core_depth_mm { look.core } else { 0.0 };
        look.level + core + look.grain * (old - host_level).clamp(-80.0, 80.0)
    });
    Sample { grid, values, target, modality, positive: vec![click], negative: Vec::new(), previous: None }
}
