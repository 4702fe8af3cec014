//! Clicks by rule instead of by hand: how good the pipeline is after one, two, three … clicks.

use std::sync::Arc;

use hilum_core::job::Observer;
use hilum_core::label::BoxMask;
use hilum_core::prompt::Click;
use hilum_core::volume::Volume;
use serde::Serialize;

use super::{ClickRequest, InferError, OneClick};
use crate::metric::dice;
use crate::train::click::largest_error_center;

/// The state after a simulated click.
#[derive(Clone, Debug, Serialize)]
pub struct SimulatedClick {
    /// Number of clicks so far.
    pub clicks: usize,
    /// The click that was added: voxel and whether positive.
    pub click: ([usize; 3], bool),
    /// Dice against the truth.
    pub dice: f64,
    /// Seconds of each stage.
    pub seconds: Vec<(String, f64)>,
    /// How sure the network said it was.
    pub quality: Option<f32>,
}

/// Segments the object of `truth` (`[z, y, x]` on the image's grid) with up to `clicks` clicks, each at the centre of
/// the largest error region: the voxel of the largest 6-connected missed or wrongly marked region that is farthest
/// from the region's edge. The first click falls into the middle of the object.
///
/// # Errors
/// [`InferError`] as for a click by hand.
pub fn simulate_clicks(
    pipeline: &mut OneClick,
    volume: &Arc<Volume>,
    truth: &[bool],
    clicks: usize,
    observer: &dyn Observer,
) -> Result<Vec<SimulatedClick>, InferError> {
    let grid = *volume.grid();
    let mut answer = vec![false; truth.len()];
    let mut given: Vec<Click> = Vec::new();
    let mut previous = None;
    let mut states = Vec::new();
    for count in 1..=clicks {
        let Some((voxel, positive)) = largest_error_center(truth, &answer, &grid) else { break };
        given.push(Click { voxel, positive });
        let request = ClickRequest { volume: volume.clone(), clicks: given.clone(), previous };
        let result = pipeline.segment(&request, observer)?;
        answer = full_mask(&result.mask, truth.len(), &grid);
        states.push(SimulatedClick {
            clicks: count,
            click: (voxel, positive),
            dice: dice(truth, &answer),
            seconds: result.seconds,
            quality: result.quality,
        });
        previous = Some(result.mask);
    }
    Ok(states)
}

fn full_mask(mask: &BoxMask, len: usize, grid: &hilum_core::geometry::Grid) -> Vec<bool> {
    let mut full = vec![false; len];
    for span in mask.spans() {
        let start = grid.index([span.x_start, span.y, span.z]);
        full[start..start + (span.x_end - span.x_start)].fill(true);
    }
    full
}
