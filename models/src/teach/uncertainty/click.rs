//! How little a network that answers clicks knows of an object, from its answer to one click.

use hilum_core::geometry::{Affine, Grid, WorldPoint};
use hilum_core::job::{Cancelled, Observer};
use nalgebra::Vector3;

use super::{
    CaseUncertainty, DESCRIPTOR_EDGE, Strategy, chance, descriptor, disagreement, entropy_bits, mean_at,
    neighbourhood, variance_at,
};
use crate::infer::{ClickRequest, FineStage};
use crate::teach::TeachError;
use crate::transform::channels::{Channel, Crop, channels};
use crate::transform::cube::{cube_grid, resample, resample_values};
use crate::transform::principal::PrincipalAxes;

/// How little a second stage knows of an object at a place that is known, as [`super::uncertainty`] says it of an image.
///
/// `id` and `seed` decide [`Strategy::Random`] alone.
///
/// # Errors
/// [`TeachError`] for a network without two paths where their disagreement is asked for, a device that fails, and when
/// the observer asks to stop.
pub(in crate::teach) fn click_uncertainty(
    stage: &FineStage,
    id: &str,
    request: &ClickRequest,
    axes: &PrincipalAxes,
    strategy: Strategy,
    seed: u64,
    observer: &dyn Observer,
) -> Result<CaseUncertainty, TeachError> {
    let cube = stage.cube(request, axes)?;
    let answer = stage.probability(request, &cube)?;
    let count = answer.iter().filter(|p| **p >= 0.5).count();
    let near = neighbourhood(std::slice::from_ref(&answer), cube.dims());
    let score = match strategy {
        Strategy::Random => chance(id, seed),
        Strategy::Entropy => mean_at(&near, |voxel| entropy_bits(answer[voxel])),
        Strategy::Variance => {
            let mut answers = vec![vec![answer.clone()]];
            for changed in changed_cubes(&cube) {
                if observer.is_cancelled() {
                    return Err(Cancelled.into());
                }
                let there = stage.probability(request, &changed)?;
                answers.push(vec![resample_values(&there, &changed, &cube, 0.0)]);
            }
            mean_at(&near, |voxel| variance_at(&answers, voxel))
        }
        Strategy::Divergence => disagreement(stage.id(), &stage.attention(request, &cube)?)?,
    };
    let voxel_mm3 = cube.spacing_mm().iter().product::<f64>();
    let size = (count as f64 * voxel_mm3) as f32;
    Ok(CaseUncertainty {
        score,
        descriptor: descriptor(looks(request, &cube), [size].into_iter()),
        has_answer: count > 0,
    })
}

/// The cube mirrored along each axis, as samples were while the network learned, and moved by half a voxel: changes that
/// should not change the answer.
fn changed_cubes(cube: &Grid) -> Vec<Grid> {
    let affine = cube.affine();
    let (linear, origin) = (affine.linear(), affine.origin().coords);
    let grid = |linear, origin| {
        let affine = Affine::new(linear, origin).expect("a mirrored or moved cube is invertible like itself");
        Grid::new(cube.dims(), affine).expect("it has the voxels of the cube itself")
    };
    let mirrored = (0..3).map(|axis| {
        let mut step = *linear;
        step.column_mut(axis).neg_mut();
        grid(step, origin + linear.column(axis) * (cube.dims()[axis] as f64 - 1.0))
    });
    let moved = grid(*linear, origin + linear * Vector3::repeat(0.5));
    mirrored.chain([moved]).collect()
}

/// Values of the image in a coarse grid over the cube, as a network sees them.
fn looks(request: &ClickRequest, cube: &Grid) -> Vec<f32> {
    let coarse = cube_grid(cube.center_world(), cube.extent_mm()[0], DESCRIPTOR_EDGE)
        .expect("a coarser grid over the cube is as valid as the cube");
    let values = resample(&request.volume, &coarse, request.volume.range().min);
    let clicks: Vec<WorldPoint> =
        request.clicks.iter().map(|click| request.volume.grid().world_of(click.voxel)).collect();
    let crop = Crop {
        grid: &coarse,
        values: &values,
        modality: request.volume.meta().modality,
        positive: &clicks,
        negative: &[],
        previous: None,
    };
    channels(&crop, &[Channel::Image])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirrored_cube_shows_the_same_points_and_its_values_come_back() {
        let cube = cube_grid(WorldPoint::new(5.0, -3.0, 2.0), 12.0, 4).unwrap();
        let changed = changed_cubes(&cube);
        assert_eq!(changed.len(), 4);
        assert!((changed[1].world_of([0, 3, 0]) - cube.world_of([0, 0, 0])).norm() < 1e-12);
        for mirrored in &changed[..3] {
            let values: Vec<f32> =
                (0..64).map(|i| mirrored.world_of(mirrored.voxel(i)).coords.sum() as f32).collect();
            let back = resample_values(&values, mirrored, &cube, 0.0);
            for (i, value) in back.iter().enumerate() {
                assert!((value - cube.world_of(cube.voxel(i)).coords.sum() as f32).abs() < 1e-4);
            }
        }
        let step = changed[3].world_of([0, 0, 0]) - cube.world_of([0, 0, 0]);
        assert!((step - Vector3::repeat(1.5)).norm() < 1e-12);
    }
}
