//! How little a network that labels images knows of one.

use burn::tensor::{Tensor, TensorData};
use hilum_core::job::Observer;
use hilum_core::volume::Volume;
use nalgebra::Vector3;

use super::{
    CaseUncertainty, DESCRIPTOR_EDGE, Strategy, chance, descriptor, disagreement, entropy_bits, mean_at,
    neighbourhood, variance_at,
};
use crate::catalog::DenseTask;
use crate::infer::{Dense, DenseError, probabilities};
use crate::teach::TeachError;
use crate::transform::frame::{Frame, Prepared, to_image};

/// How little a model knows of an image.
///
/// `id` and `seed` decide [`Strategy::Random`] alone.
///
/// # Errors
/// [`TeachError`] for a network without two paths where their disagreement is asked for, a device that fails, and when
/// the observer asks to stop.
pub fn uncertainty(
    model: &Dense,
    id: &str,
    volume: &Volume,
    strategy: Strategy,
    seed: u64,
    observer: &dyn Observer,
) -> Result<CaseUncertainty, TeachError> {
    let task = DenseTask { average_flips: Vec::new(), ..model.task().clone() };
    let frame = match model.frame_of(volume, observer) {
        Ok((frame, _)) => frame,
        // Where not even the place is found, nothing is known: such cases come first, but for chance.
        Err(DenseError::NotFound(_)) => {
            let whole = Frame::whole(volume, &task.input);
            let prepared = Prepared::new(volume, &task.input);
            let score = if strategy == Strategy::Random { chance(id, seed) } else { f64::INFINITY };
            return Ok(CaseUncertainty {
                score,
                descriptor: describe(&prepared, &whole, &[]),
                has_answer: false,
            });
        }
        Err(error) => return Err(error.into()),
    };
    let prepared = Prepared::new(volume, &task.input);
    let answer_on = |frame: &Frame| -> Result<Vec<Vec<f32>>, TeachError> {
        let on_frame = probabilities(model.network(), &task, &prepared, frame, model.device(), observer)?;
        let dims = volume.grid().dims();
        Ok(on_frame.chunks(frame.len()).map(|region| to_image(region, frame, dims, 0.0)).collect())
    };
    let answer = answer_on(&frame)?;
    let counts: Vec<usize> = answer.iter().map(|p| p.iter().filter(|p| **p >= 0.5).count()).collect();
    let near = neighbourhood(&answer, volume.grid().dims());
    let score = match strategy {
        Strategy::Random => chance(id, seed),
        Strategy::Entropy => mean_at(&near, |voxel| {
            answer.iter().map(|p| entropy_bits(p[voxel])).sum::<f64>() / answer.len() as f64
        }),
        Strategy::Variance => {
            let mut answers = vec![answer.clone()];
            for changed in changed_frames(&frame, model.task()) {
                answers.push(answer_on(&changed)?);
            }
            mean_at(&near, |voxel| variance_at(&answers, voxel))
        }
        Strategy::Divergence => {
            divergence(model, &task, &prepared, &middle_tile(&frame, &task, &answer, volume))?
        }
    };
    let has_answer = counts.iter().any(|count| *count > 0);
    Ok(CaseUncertainty { score, descriptor: describe(&prepared, &frame, &counts), has_answer })
}

/// The frame mirrored along each axis that the model was trained to be mirrored along (x where it says none), and moved
/// by half a sample: changes that should not change the answer.
fn changed_frames(frame: &Frame, task: &DenseTask) -> Vec<Frame> {
    let axes = if task.average_flips.is_empty() { vec![0] } else { task.average_flips.clone() };
    let mirrored = axes.into_iter().map(|axis| {
        let mut step = frame.step;
        step.column_mut(axis).neg_mut();
        let last = frame.step.column(axis) * (frame.dims[axis] as f64 - 1.0);
        Frame { start: frame.start + last, step, dims: frame.dims }
    });
    let half = Vector3::from_fn(|axis, _| if frame.dims[axis] > 1 { 0.5 } else { 0.0 });
    let moved = Frame { start: frame.start + frame.step * half, ..*frame };
    mirrored.chain([moved]).collect()
}

/// One tile of the frame, around the middle of what was found.
fn middle_tile(frame: &Frame, task: &DenseTask, answer: &[Vec<f32>], volume: &Volume) -> Frame {
    let [z, y, x] = task.tile;
    let grid = volume.grid();
    let (mut sum, mut count) = (Vector3::zeros(), 0.0);
    for region in answer {
        for (voxel, _) in region.iter().enumerate().filter(|(_, p)| **p >= 0.5) {
            sum += Vector3::from(grid.voxel(voxel).map(|v| v as f64));
            count += 1.0;
        }
    }
    let half = Vector3::from_fn(|axis, _| (frame.dims[axis] as f64 - 1.0) / 2.0);
    let center = if count > 0.0 { sum / count } else { frame.start + frame.step * half };
    Frame::around(center, frame.step, [x, y, z])
}

/// Mean disagreement of the two paths in a tile.
fn divergence(model: &Dense, task: &DenseTask, prepared: &Prepared, tile: &Frame) -> Result<f64, TeachError> {
    let [z, y, x] = task.tile;
    let data = TensorData::new(prepared.sample(tile), [1, task.input.channels(), z, y, x]);
    let input = Tensor::<5>::from_data(data, model.device());
    let maps = model.network().forward_with_attention(input)?.maps;
    disagreement(model.id(), &maps)
}

/// Values of the image in a coarse grid over the frame, and the logarithm of the size of each region.
fn describe(prepared: &Prepared, frame: &Frame, counts: &[usize]) -> Vec<f32> {
    let dims = frame.dims.map(|n| n.min(DESCRIPTOR_EDGE));
    let mut step = frame.step;
    for (axis, (fine, coarse)) in frame.dims.iter().zip(dims).enumerate() {
        step.column_mut(axis).scale_mut(*fine as f64 / coarse as f64);
    }
    let half = Vector3::from_fn(|axis, _| (frame.dims[axis] as f64 - 1.0) / 2.0);
    let coarse = Frame::around(frame.start + frame.step * half, step, dims);
    descriptor(prepared.sample(&coarse), counts.iter().map(|count| *count as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirrored_frame_shows_the_same_points() {
        let frame = Frame::square(Vector3::new(5.0, 6.0, 0.0), 8.0, [4, 4]);
        let task: DenseTask = serde_json::from_value(serde_json::json!({
            "input": {"color": false, "normalize": {"kind": "image"}, "scale": {"kind": "keep"}},
            "regions": [{"name": "a", "label": 1}], "tile": [1, 4, 4], "average_flips": [1]
        }))
        .unwrap();
        let mirrored = changed_frames(&frame, &task)[0];
        let last = frame.start + frame.step * Vector3::new(0.0, 3.0, 0.0);
        assert!((mirrored.start - last).norm() < 1e-12);
        assert!((mirrored.start + mirrored.step * Vector3::new(0.0, 3.0, 0.0) - frame.start).norm() < 1e-12);
    }
}
