//! Clicks of a request, checked and in the patient.

use hilum_core::geometry::{VoxelBox, WorldPoint};
use hilum_core::volume::Volume;

use super::InferError;
use super::one_click::ClickRequest;

/// Clicks in the patient.
pub(super) struct Clicks {
    pub(super) positive: Vec<WorldPoint>,
    pub(super) negative: Vec<WorldPoint>,
}

/// How far around a click something must be seen.
const SEEN_MM: f64 = 30.0;

/// The value that all voxels around one have, if it is the same; not a number where none has a finite one.
fn only_value(volume: &Volume, voxel: [usize; 3]) -> Option<f32> {
    let grid = volume.grid();
    let reach = grid.spacing_mm().map(|spacing| (SEEN_MM / spacing).ceil() as usize);
    let around = VoxelBox::new(voxel, voxel.map(|v| v + 1)).grown(reach, grid.dims());
    let values = volume.box_values(around);
    let mut finite = values.into_iter().filter(|value| value.is_finite());
    let Some(first) = finite.next() else { return Some(f32::NAN) };
    finite.all(|value| value == first).then_some(first)
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
        if clicks.positive.is_empty() {
            return Err(InferError::NoClick);
        }
        let positive = request.clicks.iter().filter(|click| click.positive);
        let blank: Vec<Option<f32>> =
            positive.map(|click| only_value(&request.volume, click.voxel)).collect();
        match blank.iter().copied().collect::<Option<Vec<f32>>>().and_then(|values| values.first().copied()) {
            Some(value) => Err(InferError::Blank { value, reach_mm: SEEN_MM }),
            None => Ok(clicks),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_core::geometry::{Affine, Grid};
    use hilum_core::prompt::Click;
    use hilum_core::volume::{ImageMeta, Voxels};
    use std::sync::Arc;

    /// A volume of 2 mm voxels that is 7 but for one place.
    fn request(odd_one: Option<([usize; 3], f32)>, fill: f32, at: &[[usize; 3]]) -> ClickRequest {
        let grid = Grid::new([60, 40, 40], Affine::from_spacing([2.0; 3]).unwrap()).unwrap();
        let mut values = vec![fill; grid.voxel_count()];
        if let Some((voxel, value)) = odd_one {
            values[grid.index(voxel)] = value;
        }
        let volume = Arc::new(Volume::new(grid, Voxels::F32(values), ImageMeta::default()).unwrap());
        let clicks = at.iter().map(|voxel| Click { voxel: *voxel, positive: true }).collect();
        ClickRequest { volume, clicks, previous: None }
    }

    #[test]
    fn where_nothing_is_to_be_seen_nothing_is_found() {
        let middle = [20, 20, 20];
        let refusal = |request| Clicks::check(&request).err().map(|error| error.to_string());
        let blank = refusal(request(None, 7.0, &[middle])).unwrap();
        assert!(blank.contains("within 30 mm") && blank.contains("(7)"), "{blank}");
        assert!(refusal(request(None, f32::NAN, &[middle])).unwrap().contains("NaN"));
        // One voxel at the end of the reach is enough, one beyond is not.
        assert!(refusal(request(Some(([35, 20, 20], 9.0)), 7.0, &[middle])).is_none());
        assert!(refusal(request(Some(([36, 20, 20], 9.0)), 7.0, &[middle])).is_some());
        assert!(refusal(request(Some(([36, 20, 20], f32::NAN)), 7.0, &[[36, 20, 20]])).is_some());
        // Of several clicks one that sees something is enough.
        assert!(refusal(request(Some(([50, 20, 20], 9.0)), 7.0, &[middle, [48, 20, 20]])).is_none());
    }
}
