//! Drawing one sample: a patch of an image with its regions, moved, turned and recoloured.

use nalgebra::{Matrix3, Rotation2, Vector3};
use rand::{Rng, RngExt as _};

use super::super::click::shapes::normal;
use super::super::recipe::{DenseAugment, DenseRecipe, Framing};
use super::bend::Bend;
use super::data::{Case, DenseData};
use crate::transform::frame::Frame;

/// A patch with the answer.
#[derive(Debug)]
pub(super) struct Sample {
    /// `[channel, z, y, x]`.
    pub(super) input: Vec<f32>,
    /// Share of each voxel that lies in each region, `[region, z, y, x]`.
    pub(super) target: Vec<f32>,
    /// Whether each region is known.
    pub(super) known: Vec<bool>,
    /// Whether the answer is a network's instead of a person's.
    pub(super) is_soft: bool,
}

impl Sample {
    /// Draws a sample by the recipe's sources and weights.
    pub(super) fn draw(data: &DenseData, recipe: &DenseRecipe, rng: &mut impl Rng) -> Self {
        let total: f64 = data.sources.iter().map(|(weight, _)| weight).sum();
        let mut at = rng.random_range(0.0..total);
        let mut chosen = &data.sources[0].1;
        for (weight, cases) in &data.sources {
            if *weight > 0.0 && !cases.is_empty() {
                chosen = cases;
            }
            at -= weight;
            if at < 0.0 {
                break;
            }
        }
        Self::of(&chosen[rng.random_range(0..chosen.len())], recipe, rng)
    }

    fn of(case: &Case, recipe: &DenseRecipe, rng: &mut impl Rng) -> Self {
        let [nz, ny, nx] = recipe.patch;
        let frame = match (&recipe.framing, case.around) {
            (Framing::Around { side, shift, stretch, .. }, Some((center, extent))) => {
                let error = Vector3::new(normal(rng), normal(rng), 0.0) * (*shift * extent);
                let side = side * extent * (normal(rng) * stretch).exp();
                Frame::square(center + error, side, [ny, nx])
            }
            (Framing::Patches { foreground }, _) => {
                Frame::around(place(case, *foreground, rng), case.frame.step, [nx, ny, nz])
            }
            (Framing::Around { .. }, None) => case.frame,
        };
        let frame = moved(&frame, &recipe.augment, rng);
        let bend = Bend::draw(&frame, case.around, &recipe.augment, rng);
        let mut input = case.image.sample_bent(&frame, |at| bend.apply(at));
        recolor(&mut input, [nx, ny, nz], recipe.augment.intensity, rng);
        let target = case.masks.sample_bent(&frame, |at| bend.apply(at));
        Self { input, target, known: case.known.clone(), is_soft: case.is_soft }
    }
}

/// Where a patch lies: in a known region, or anywhere.
fn place(case: &Case, foreground: f64, rng: &mut impl Rng) -> Vector3<f64> {
    let regions: Vec<_> = case.places.iter().filter(|places| !places.is_empty()).collect();
    if !regions.is_empty() && rng.random_bool(foreground) {
        let places = regions[rng.random_range(0..regions.len())];
        return places[rng.random_range(0..places.len())];
    }
    let share = |n: usize, rng: &mut dyn FnMut() -> f64| rng() * (n as f64 - 1.0);
    let mut draw = || rng.random::<f64>();
    let at = Vector3::from_fn(|axis, _| share(case.frame.dims[axis], &mut draw));
    case.frame.start + case.frame.step * at
}

/// The frame turned in its plane, enlarged and mirrored around its middle.
fn moved(frame: &Frame, augment: &DenseAugment, rng: &mut impl Rng) -> Frame {
    let angle = augment.rotation_degrees.to_radians() * rng.random_range(-1.0..=1.0);
    let turn = Rotation2::new(angle);
    let size = augment.scale.ln() * rng.random_range(-1.0..=1.0);
    let mut change = Matrix3::identity();
    change.fixed_view_mut::<2, 2>(0, 0).copy_from(turn.matrix());
    let in_plane = size.exp();
    let across = if frame.dims[2] > 1 { in_plane } else { 1.0 };
    change *= Matrix3::from_diagonal(&Vector3::new(in_plane, in_plane, across));
    for &axis in &augment.flips {
        if rng.random_bool(0.5) {
            change.column_mut(axis).neg_mut();
        }
    }
    let half = Vector3::from_fn(|axis, _| (frame.dims[axis] as f64 - 1.0) / 2.0);
    Frame::around(frame.start + frame.step * half, frame.step * change, frame.dims)
}

/// Changes normalised values as another camera, stain or scanner might have.
fn recolor(values: &mut [f32], [nx, ny, nz]: [usize; 3], strength: f64, rng: &mut impl Rng) {
    if strength <= 0.0 {
        return;
    }
    let voxels = nx * ny * nz;
    let s = strength as f32;
    let mut draw = |sd: f32| sd * s * normal(rng) as f32;
    let (gain, shift) = (draw(0.15).exp(), draw(0.2));
    let channels: Vec<[f32; 2]> =
        (0..values.len() / voxels).map(|_| [gain * draw(0.08).exp(), shift + draw(0.1)]).collect();
    for (channel, [gain, shift]) in values.chunks_mut(voxels).zip(channels) {
        channel.iter_mut().for_each(|v| *v = *v * gain + shift);
    }
    if rng.random_bool((0.2 * strength).min(1.0)) {
        values.chunks_mut(nx).for_each(soften);
        for plane in values.chunks_mut(nx * ny) {
            soften_columns(plane, nx);
        }
    }
    if rng.random_bool((0.3 * strength).min(1.0)) {
        let sd = 0.1 * s * rng.random::<f32>();
        values.iter_mut().for_each(|v| *v += sd * (rng.random::<f32>() + rng.random::<f32>() - 1.0) * 2.45);
    }
}

/// One pass of the filter ¼ ½ ¼ along a line.
fn soften(line: &mut [f32]) {
    let mut before = line[0];
    for i in 0..line.len() {
        let (here, after) = (line[i], line[(i + 1).min(line.len() - 1)]);
        line[i] = 0.25 * before + 0.5 * here + 0.25 * after;
        before = here;
    }
}

/// The same down the columns of a plane.
fn soften_columns(plane: &mut [f32], nx: usize) {
    let rows = plane.len() / nx;
    let mut before = plane[..nx].to_vec();
    for y in 0..rows {
        for x in 0..nx {
            let (here, after) = (plane[y * nx + x], plane[(y + 1).min(rows - 1) * nx + x]);
            plane[y * nx + x] = 0.25 * before[x] + 0.5 * here + 0.25 * after;
            before[x] = here;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn a_moved_frame_keeps_its_middle_and_its_size() {
        let frame = Frame::square(Vector3::new(20.0, 30.0, 0.0), 16.0, [8, 8]);
        let augment = DenseAugment {
            rotation_degrees: 90.0,
            scale: 1.5,
            flips: vec![0, 1],
            intensity: 0.0,
            ..DenseAugment::default()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..20 {
            let moved = moved(&frame, &augment, &mut rng);
            let middle = moved.start + moved.step * Vector3::new(3.5, 3.5, 0.0);
            assert!((middle - Vector3::new(20.0, 30.0, 0.0)).norm() < 1e-9);
            let size = moved.step.column(0).norm();
            assert!((2.0 / 1.5 - 1e-9..=3.0 + 1e-9).contains(&size), "{size}");
        }
    }

    #[test]
    fn no_strength_changes_nothing_and_some_stays_finite() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let values: Vec<f32> = (0..3 * 64).map(|i| (i as f32).sin()).collect();
        let mut same = values.clone();
        recolor(&mut same, [8, 8, 1], 0.0, &mut rng);
        assert_eq!(same, values);
        for _ in 0..30 {
            recolor(&mut same, [8, 8, 1], 1.0, &mut rng);
        }
        assert!(same.iter().all(|v| v.is_finite()) && same != values);
    }
}
