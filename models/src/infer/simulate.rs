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
    let mut clicker = Clicker::new(volume, truth);
    let mut states = Vec::new();
    while states.len() < clicks {
        let Some(request) = clicker.next_request() else { break };
        let result = pipeline.segment(&request, observer)?;
        let last = request.clicks[request.clicks.len() - 1];
        states.push(SimulatedClick {
            clicks: request.clicks.len(),
            click: (last.voxel, last.positive),
            dice: clicker.take(result.mask),
            seconds: result.seconds,
            quality: result.quality,
        });
    }
    Ok(states)
}

/// Who clicks by rule: each time into the middle of the largest error.
pub(crate) struct Clicker<'a> {
    volume: &'a Arc<Volume>,
    truth: &'a [bool],
    answer: Vec<bool>,
    clicks: Vec<Click>,
    previous: Option<BoxMask>,
}

impl<'a> Clicker<'a> {
    /// Before the first click; `truth` is `[z, y, x]` on the image's grid.
    pub(crate) fn new(volume: &'a Arc<Volume>, truth: &'a [bool]) -> Self {
        Self { volume, truth, answer: vec![false; truth.len()], clicks: Vec::new(), previous: None }
    }

    /// All clicks so far and a further one; `None` where nothing is wrong.
    pub(crate) fn next_request(&mut self) -> Option<ClickRequest> {
        let (voxel, positive) = largest_error_center(self.truth, &self.answer, self.volume.grid())?;
        self.clicks.push(Click { voxel, positive });
        let previous = self.previous.clone();
        Some(ClickRequest { volume: self.volume.clone(), clicks: self.clicks.clone(), previous })
    }

    /// Looks at what came back; its Dice against the truth.
    pub(crate) fn take(&mut self, mask: BoxMask) -> f64 {
        self.answer = full_mask(&mask, self.truth.len(), self.volume.grid());
        self.previous = Some(mask);
        dice(self.truth, &self.answer)
    }

    /// The last answer, `[z, y, x]` on the image's grid.
    pub(crate) fn answer(&self) -> &[bool] {
        &self.answer
    }
}

fn full_mask(mask: &BoxMask, len: usize, grid: &hilum_core::geometry::Grid) -> Vec<bool> {
    let mut full = vec![false; len];
    for span in mask.spans() {
        let start = grid.index([span.x_start, span.y, span.z]);
        full[start..start + (span.x_end - span.x_start)].fill(true);
    }
    full
}
