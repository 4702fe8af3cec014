//! Clicks of a request, checked and in the patient.

use hilum_core::geometry::WorldPoint;

use super::InferError;
use super::one_click::ClickRequest;

/// Clicks in the patient.
pub(super) struct Clicks {
    pub(super) positive: Vec<WorldPoint>,
    pub(super) negative: Vec<WorldPoint>,
}

impl Clicks {
    pub(super) fn check(request: &ClickRequest) -> Result<Self, InferError> {
        let grid = request.volume.grid();
        let dims = grid.dims();
        if grid.is_flat() {
            return Err(InferError::Flat { dims });
        }
        if let Some(click) = request.clicks.iter().find(|c| !grid.full_box().contains(c.voxel)) {
            return Err(InferError::Outside { voxel: click.voxel, dims });
        }
        let of = |positive: bool| {
            request.clicks.iter().filter(|c| c.positive == positive).map(|c| grid.world_of(c.voxel)).collect()
        };
        let clicks = Self { positive: of(true), negative: of(false) };
        if clicks.positive.is_empty() { Err(InferError::NoClick) } else { Ok(clicks) }
    }

    /// Middle of the positive clicks and the largest extent between them along an axis.
    pub(super) fn center(&self) -> (WorldPoint, f64) {
        let (mut low, mut high) = (self.positive[0].coords, self.positive[0].coords);
        for click in &self.positive {
            low = low.inf(&click.coords);
            high = high.sup(&click.coords);
        }
        (WorldPoint::from((low + high) / 2.0), (high - low).amax())
    }
}
