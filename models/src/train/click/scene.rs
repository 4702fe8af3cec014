//! Lesions in scenes of random shapes and textures: more variety than a few real images hold.

use hilum_core::geometry::Grid;
use hilum_core::volume::Modality;
use nalgebra::{Point3, Vector3};
use rand::{Rng, RngExt as _};

use super::augment;
use super::lesion::{Lesion, paint_body};
use super::sample::{Framing, Sample, lesion_length, stage_grid, with_lesion};
use super::shapes::{Body, Irregularity, log_uniform, normal};
use crate::train::recipe::ClickRecipe;

/// Tissue levels of CT in HU from which scenes are made: lung, fat, water, muscle, organs, vessels, bone.
const LEVELS_HU: [f32; 9] = [-900.0, -800.0, -100.0, 0.0, 45.0, 60.0, 110.0, 180.0, 600.0];
/// Range of levels of soft organs in HU.
const ORGAN_HU: std::ops::Range<f32> = 30.0..160.0;

/// A lesion somewhere: among random things, in an organ with vessels, or in a lung.
pub(super) fn scene(recipe: &ClickRecipe, rng: &mut impl Rng) -> Sample {
    let length = lesion_length(recipe, rng);
    let lesion = Lesion::random(Point3::origin(), length, rng);
    let click = lesion.point_inside(rng);
    let grid = stage_grid(recipe, lesion.center(), click, length, &Framing::random(rng));
    let mut canvas = Canvas { values: vec![0.0; grid.voxel_count()], grid: &grid };
    match rng.random_range(0..5) {
        0..2 => canvas.random_things(rng),
        2..4 => canvas.organ(&lesion, rng),
        _ => canvas.lung(rng),
    }
    let mut values = canvas.values;
    let noise = log_uniform(2.0, 25.0, rng) as f32;
    augment::add_noise(&mut values, recipe.size, noise, rng.random_bool(0.6), rng);
    let modality = if rng.random_bool(0.5) { Modality::Ct } else { Modality::Other };
    with_lesion(grid, values, &lesion, click, modality, rng)
}

struct Canvas<'a> {
    values: Vec<f32>,
    grid: &'a Grid,
}

impl Canvas<'_> {
    fn reach(&self) -> f64 {
        self.grid.extent_mm()[0]
    }

    fn anywhere(&self, rng: &mut impl Rng) -> Point3<f64> {
        let reach = self.reach();
        self.grid.center_world() + Vector3::from_fn(|_, _| rng.random_range(-0.6..0.6) * reach)
    }

    fn paint(&mut self, body: &Body, level: f32, rng: &mut impl Rng) {
        let edge = log_uniform(0.3, 3.0, rng);
        paint_body(&mut self.values, self.grid, body, edge, level);
    }

    fn random_things(&mut self, rng: &mut impl Rng) {
        let background = random_level(rng);
        self.values.fill(background);
        for _ in 0..rng.random_range(3..9) {
            let elongation = if rng.random_bool(0.5) { 8.0 } else { 1.6 };
            let size = log_uniform(0.1, 1.2, rng) * self.reach();
            let center = self.anywhere(rng);
            let thing = Body::random(center, size, Irregularity { elongation, dents: 0.3 }, rng);
            let level = random_level(rng);
            self.paint(&thing, level, rng);
        }
    }

    /// An organ around the lesion, whose surface may lie close: the lesion is wanted, not the organ.
    fn organ(&mut self, lesion: &Lesion, rng: &mut impl Rng) {
        self.random_things(rng);
        let length = lesion.length_mm() * log_uniform(1.3, 6.0, rng);
        let offset = Vector3::from_fn(|_, _| rng.random_range(-0.25..0.25) * (length - lesion.length_mm()));
        let shape = Irregularity { elongation: 1.7, dents: 0.25 };
        let organ = Body::random(lesion.center() + offset, length, shape, rng);
        let level = rng.random_range(ORGAN_HU);
        self.paint(&organ, level, rng);
        let contrast = rng.random_range(-20.0..90.0);
        self.vessels(level + contrast, rng);
    }

    /// Air, vessels, and often the chest wall or the heart at one side.
    fn lung(&mut self, rng: &mut impl Rng) {
        let air = rng.random_range(-920.0..-720.0);
        self.values.fill(air);
        self.vessels(rng.random_range(-50.0..90.0), rng);
        for _ in 0..rng.random_range(0..3) {
            let size = log_uniform(0.5, 2.5, rng) * self.reach();
            let center = self.anywhere(rng);
            let away = Vector3::from_fn(|_, _| rng.random_range(-0.5..0.5) * size);
            let wall = Body::random(center + away, size, Irregularity { elongation: 2.0, dents: 0.1 }, rng);
            let level = rng.random_range(20.0..80.0);
            self.paint(&wall, level, rng);
        }
    }

    fn vessels(&mut self, level: f32, rng: &mut impl Rng) {
        for _ in 0..rng.random_range(2..14) {
            let size = log_uniform(0.15, 1.0, rng) * self.reach();
            let center = self.anywhere(rng);
            let vessel = Body::random(center, size, Irregularity { elongation: 14.0, dents: 0.15 }, rng);
            self.paint(&vessel, level, rng);
        }
    }
}

fn random_level(rng: &mut impl Rng) -> f32 {
    LEVELS_HU[rng.random_range(0..LEVELS_HU.len())] + normal(rng) as f32 * 15.0
}
