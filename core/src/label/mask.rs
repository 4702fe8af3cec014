//! Binary masks in a box of voxels.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::LabelMap;
use crate::geometry::VoxelBox;
use crate::provenance::hex;

/// Why a mask cannot exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// The number of values differs from the number of voxels of the box.
    #[error("{found} values do not fill a box of {size:?} voxels")]
    Count {
        /// Values at hand.
        found: usize,
        /// Voxels along x, y, z.
        size: [usize; 3],
    },
}

/// Voxels `x.start..x.end` of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowSpan {
    /// Slice.
    pub z: usize,
    /// Row.
    pub y: usize,
    /// First voxel.
    pub x_start: usize,
    /// One past the last voxel.
    pub x_end: usize,
}

/// A binary mask in a box of voxels of a larger grid; outside the box it is `false`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxMask {
    region: VoxelBox,
    inside: Vec<bool>,
}

impl BoxMask {
    /// A mask over a box, values `[z, y, x]` of the box.
    ///
    /// # Errors
    /// [`MaskError::Count`] if the number of values is not that of the box.
    pub fn new(region: VoxelBox, inside: Vec<bool>) -> Result<Self, MaskError> {
        if inside.len() != region.voxel_count() {
            return Err(MaskError::Count { found: inside.len(), size: region.size() });
        }
        Ok(Self { region, inside })
    }

    /// SHA-256 of the voxels that are inside, as 64 hexadecimal digits: of every row span in memory order as the
    /// little-endian `u64`s z, y, first x and one past the last x. The same for the same voxels in boxes of any size.
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        for span in self.spans() {
            for number in [span.z, span.y, span.x_start, span.x_end] {
                hasher.update((number as u64).to_le_bytes());
            }
        }
        hex(&hasher.finalize())
    }

    /// A mask made by asking for every voxel of a box, in memory order.
    pub fn from_fn(region: VoxelBox, mut inside: impl FnMut([usize; 3]) -> bool) -> Self {
        let mut values = Vec::with_capacity(region.voxel_count());
        for (y, z) in region.rows() {
            values.extend((region.start()[0]..region.end()[0]).map(|x| inside([x, y, z])));
        }
        Self { region, inside: values }
    }

    /// The voxels of a label, in their smallest box.
    pub fn from_labels(map: &LabelMap, label: u16) -> Self {
        Self::from_labels_in(map, label, map.bounds(label))
    }

    /// The voxels of a label within a box, which is cut to the map.
    pub fn from_labels_in(map: &LabelMap, label: u16, region: VoxelBox) -> Self {
        let region = region.intersection(&map.grid().full_box());
        let mut inside = Vec::with_capacity(region.voxel_count());
        for (y, z) in region.rows() {
            let row = &map.row(y, z)[region.start()[0]..region.end()[0]];
            inside.extend(row.iter().map(|v| *v == label));
        }
        Self { region, inside }
    }

    /// The box.
    pub fn region(&self) -> VoxelBox {
        self.region
    }

    /// The values, `[z, y, x]` of the box.
    pub fn inside(&self) -> &[bool] {
        &self.inside
    }

    /// Whether a voxel of the grid is in the mask.
    pub fn contains(&self, voxel: [usize; 3]) -> bool {
        self.region.contains(voxel) && self.inside[self.index_of(voxel)]
    }

    /// Number of voxels in the mask.
    pub fn count(&self) -> usize {
        self.inside.iter().filter(|v| **v).count()
    }

    /// Whether no voxel is in the mask.
    pub fn is_empty(&self) -> bool {
        !self.inside.contains(&true)
    }

    /// The same voxels in their smallest box.
    pub fn tightened(&self) -> Self {
        if self.region.is_empty() {
            return Self::default();
        }
        let local = VoxelBox::around(&self.inside, self.region.size(), |v| *v);
        let offset = self.region.start();
        let shifted = |corner: [usize; 3]| [0, 1, 2].map(|a| corner[a] + offset[a]);
        self.cut(VoxelBox::new(shifted(local.start()), shifted(local.end())))
    }

    /// The part of the mask in a box, which becomes its box; voxels beyond the old box are `false`.
    pub fn cut(&self, region: VoxelBox) -> Self {
        Self::from_fn(region, |voxel| self.contains(voxel))
    }

    /// Runs of voxels in the mask, in memory order.
    pub fn spans(&self) -> impl Iterator<Item = RowSpan> + '_ {
        let width = self.region.size()[0];
        self.region.rows().enumerate().flat_map(move |(row, (y, z))| {
            let line = &self.inside[row * width..(row + 1) * width];
            let mut x_end = self.region.start()[0];
            line.chunk_by(|a, b| a == b).filter_map(move |run| {
                let x_start = x_end;
                x_end += run.len();
                run[0].then_some(RowSpan { z, y, x_start, x_end })
            })
        })
    }

    /// Index of a voxel of the box in [`BoxMask::inside`].
    pub(crate) fn index_of(&self, voxel: [usize; 3]) -> usize {
        let [x, y, z] = [0, 1, 2].map(|a| voxel[a] - self.region.start()[a]);
        let size = self.region.size();
        (z * size[1] + y) * size[0] + x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Grid;

    fn corner_and_line() -> BoxMask {
        BoxMask::from_fn(VoxelBox::new([1, 2, 3], [6, 5, 6]), |[x, y, z]| {
            (x >= 3 && y == 3 && z == 4) || [x, y, z] == [2, 4, 5]
        })
    }

    #[test]
    fn a_mask_needs_as_many_values_as_its_box() {
        let error = BoxMask::new(VoxelBox::new([0; 3], [2, 2, 2]), vec![true; 7]).unwrap_err();
        assert_eq!(error, MaskError::Count { found: 7, size: [2, 2, 2] });
    }

    #[test]
    fn tightening_keeps_the_voxels_and_drops_the_rest() {
        let (loose, tight) = (corner_and_line(), corner_and_line().tightened());
        assert_eq!(tight.region(), VoxelBox::new([2, 3, 4], [6, 5, 6]));
        assert_eq!(tight.count(), 4);
        for voxel in [[3, 3, 4], [5, 3, 4], [2, 4, 5], [2, 3, 4], [0, 0, 0], [9, 9, 9]] {
            assert_eq!(tight.contains(voxel), loose.contains(voxel), "{voxel:?}");
        }
        assert!(BoxMask::from_fn(VoxelBox::new([0; 3], [2; 3]), |_| false).tightened().region().is_empty());
        assert!(BoxMask::default().tightened().is_empty());
    }

    #[test]
    fn spans_are_the_runs_of_the_rows() {
        let spans: Vec<_> = corner_and_line().spans().collect();
        let expected =
            [RowSpan { z: 4, y: 3, x_start: 3, x_end: 6 }, RowSpan { z: 5, y: 4, x_start: 2, x_end: 3 }];
        assert_eq!(spans, expected);
    }

    #[test]
    fn a_label_becomes_its_mask() {
        let grid = Grid::from_spacing([3, 2, 2], [1.0; 3]).unwrap();
        let map = LabelMap::from_voxels(grid, vec![0, 7, 7, 0, 0, 0, 0, 0, 2, 0, 0, 7]).unwrap();
        let mask = BoxMask::from_labels(&map, 7);
        assert_eq!((mask.region().start(), mask.count()), ([1, 0, 0], 3));
        assert!(mask.contains([2, 1, 1]) && !mask.contains([2, 0, 1]));
        assert!(BoxMask::from_labels(&map, 5).is_empty());
    }
}
