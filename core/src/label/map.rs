//! One label a voxel.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use super::RunLengths;
use crate::geometry::{Grid, VoxelBox};
use crate::provenance::hex;

/// Number of values a label can take.
const LABEL_VALUES: usize = 1 << 16;

/// Labels looked at together when a map is copied.
const BLOCK: usize = 2048;

/// A number that no state of any map of this program has had.
fn new_stamp() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// Why labels do not fit a grid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelMapError {
    /// The number of labels differs from the grid's number of voxels.
    #[error("{found} labels do not fill a grid of {dims:?} voxels")]
    Count {
        /// Labels at hand.
        found: usize,
        /// Voxels along x, y, z.
        dims: [usize; 3],
    },
}

/// A label for every voxel of a [`Grid`], `[z, y, x]`; 0 is background.
///
/// It changes only through a [`LabelPatch`](crate::patch::LabelPatch), so that every change can be undone.
#[derive(Debug)]
pub struct LabelMap {
    grid: Grid,
    voxels: Vec<u16>,
    /// Voxels of each label, kept up to date because the window shows volumes in every frame.
    counts: Vec<usize>,
    stamp: u64,
}

impl Clone for LabelMap {
    /// Copies what is labelled: the pages of the copy that hold background alone take no memory.
    fn clone(&self) -> Self {
        let mut voxels = vec![0; self.voxels.len()];
        for (to, from) in voxels.chunks_mut(BLOCK).zip(self.voxels.chunks(BLOCK)) {
            if super::rle::count_leading(from, 0) < from.len() {
                to.copy_from_slice(from);
            }
        }
        Self { grid: self.grid, voxels, counts: self.counts.clone(), stamp: self.stamp }
    }
}

impl PartialEq for LabelMap {
    /// The same labels at the same place, however they came about.
    fn eq(&self, other: &Self) -> bool {
        self.grid == other.grid && (self.stamp == other.stamp || self.voxels == other.voxels)
    }
}

impl LabelMap {
    /// All background.
    pub fn new(grid: Grid) -> Self {
        let mut counts = vec![0; LABEL_VALUES];
        counts[0] = grid.voxel_count();
        Self { grid, voxels: vec![0; grid.voxel_count()], counts, stamp: new_stamp() }
    }

    /// Joins labels, `[z, y, x]`, with their grid.
    ///
    /// # Errors
    /// [`LabelMapError::Count`] if their number differs from the grid's.
    pub fn from_voxels(grid: Grid, voxels: Vec<u16>) -> Result<Self, LabelMapError> {
        if voxels.len() != grid.voxel_count() {
            return Err(LabelMapError::Count { found: voxels.len(), dims: grid.dims() });
        }
        let mut counts = vec![0; LABEL_VALUES];
        for run in super::runs_of(&voxels) {
            counts[usize::from(run[0])] += run.len();
        }
        Ok(Self { grid, voxels, counts, stamp: new_stamp() })
    }

    /// Size and place.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The labels, `[z, y, x]`.
    pub fn voxels(&self) -> &[u16] {
        &self.voxels
    }

    /// The label of a voxel; background outside.
    pub fn value(&self, voxel: [usize; 3]) -> u16 {
        if self.grid.full_box().contains(voxel) { self.voxels[self.grid.index(voxel)] } else { 0 }
    }

    /// Number of voxels of a label; does not scan.
    pub fn count(&self, label: u16) -> usize {
        self.counts[usize::from(label)]
    }

    /// Every label with at least one voxel, background excluded, ascending.
    pub fn used_labels(&self) -> Vec<u16> {
        (1..=u16::MAX).filter(|label| self.count(*label) > 0).collect()
    }

    /// The smallest box around a label; empty if it has no voxel. Scans the map.
    pub fn bounds(&self, label: u16) -> VoxelBox {
        if self.count(label) == 0 {
            return VoxelBox::default();
        }
        VoxelBox::around(&self.voxels, self.grid.dims(), |v| *v == label)
    }

    /// Volume of a label in millilitres.
    pub fn volume_ml(&self, label: u16) -> f64 {
        self.count(label) as f64 * self.grid.affine().voxel_volume_mm3() / 1000.0
    }

    /// SHA-256 of size and labels as 64 hexadecimal digits: of the three sizes as little-endian `u64`, then of the runs of
    /// equal labels `[z, y, x]`, each as length and label in LEB128. The place in space is not part of it.
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        for size in self.grid.dims() {
            hasher.update((size as u64).to_le_bytes());
        }
        hasher.update(RunLengths::encode(&self.voxels).packed());
        hex(&hasher.finalize())
    }

    /// Identity of the present labels: two maps with the same stamp hold the same, for a copy keeps it and every change
    /// gives a new one. Means nothing in another run of the program.
    pub fn stamp(&self) -> u64 {
        self.stamp
    }

    /// Writes new labels over ranges that hold only an old one: (range, old, new). For
    /// [`LabelPatch`](crate::patch::LabelPatch) alone.
    pub(crate) fn fill(&mut self, changes: impl Iterator<Item = (Range<usize>, u16, u16)>) {
        self.stamp = new_stamp();
        for (range, old, new) in changes {
            self.counts[usize::from(old)] -= range.len();
            self.counts[usize::from(new)] += range.len();
            self.voxels[range].fill(new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_bounds_follow_the_voxels() {
        let grid = Grid::from_spacing([3, 2, 2], [1.0, 2.0, 5.0]).unwrap();
        let map = LabelMap::from_voxels(grid, vec![0, 7, 7, 0, 0, 0, 0, 0, 2, 0, 0, 7]).unwrap();
        assert_eq!((map.count(7), map.count(2), map.count(0), map.count(9)), (3, 1, 8, 0));
        assert_eq!(map.used_labels(), [2, 7]);
        assert_eq!(map.bounds(7), VoxelBox::new([1, 0, 0], [3, 2, 2]));
        assert!(map.bounds(9).is_empty());
        assert!((map.volume_ml(7) - 0.03).abs() < 1e-12);
        assert_eq!((map.value([2, 0, 1]), map.value([3, 0, 0])), (2, 0));
    }

    #[test]
    fn a_copy_is_the_same_until_either_changes() {
        let grid = Grid::from_spacing([50, 50, 50], [1.0; 3]).unwrap();
        let mut voxels = vec![0; grid.voxel_count()];
        (voxels[7], voxels[2 * BLOCK], voxels[124_999]) = (3, 4, 5);
        let map = LabelMap::from_voxels(grid, voxels).unwrap();
        let mut copy = map.clone();
        assert_eq!((copy.stamp(), copy.voxels(), copy.count(4)), (map.stamp(), map.voxels(), 1));
        copy.fill([(7..8, 3, 0)].into_iter());
        assert!(copy.stamp() != map.stamp() && copy != map);
        copy.fill([(7..8, 0, 3)].into_iter());
        assert!(copy.stamp() != map.stamp(), "no stamp is used twice");
        assert_eq!(copy, map);
    }

    #[test]
    fn too_few_labels_are_refused() {
        let grid = Grid::from_spacing([3, 2, 2], [1.0; 3]).unwrap();
        let error = LabelMap::from_voxels(grid, vec![0; 11]).unwrap_err();
        assert_eq!(error, LabelMapError::Count { found: 11, dims: [3, 2, 2] });
    }
}
