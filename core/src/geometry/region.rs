//! Boxes of voxels.

use serde::{Deserialize, Serialize};

/// A half-open box of voxels `start..end` along `(x, y, z)`; empty where an axis has `end <= start`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoxelBox {
    start: [usize; 3],
    end: [usize; 3],
}

impl VoxelBox {
    /// The box from `start` up to, not including, `end`.
    pub fn new(start: [usize; 3], end: [usize; 3]) -> Self {
        Self { start, end: [0, 1, 2].map(|a| end[a].max(start[a])) }
    }

    /// The box of a single voxel.
    pub fn of_voxel(voxel: [usize; 3]) -> Self {
        Self { start: voxel, end: voxel.map(|v| v + 1) }
    }

    /// First voxel.
    pub fn start(&self) -> [usize; 3] {
        self.start
    }

    /// One past the last voxel of every axis.
    pub fn end(&self) -> [usize; 3] {
        self.end
    }

    /// Voxels along x, y, z.
    pub fn size(&self) -> [usize; 3] {
        [0, 1, 2].map(|a| self.end[a] - self.start[a])
    }

    /// Number of voxels.
    pub fn voxel_count(&self) -> usize {
        self.size().iter().product()
    }

    /// Whether there is no voxel in it.
    pub fn is_empty(&self) -> bool {
        self.size().contains(&0)
    }

    /// Whether a voxel lies in it.
    pub fn contains(&self, voxel: [usize; 3]) -> bool {
        (0..3).all(|a| (self.start[a]..self.end[a]).contains(&voxel[a]))
    }

    /// The voxels of both boxes.
    pub fn intersection(&self, other: &Self) -> Self {
        Self::new(
            [0, 1, 2].map(|a| self.start[a].max(other.start[a])),
            [0, 1, 2].map(|a| self.end[a].min(other.end[a])),
        )
    }

    /// The smallest box around both; an empty box adds nothing.
    pub fn union(&self, other: &Self) -> Self {
        if self.is_empty() {
            return *other;
        }
        if other.is_empty() {
            return *self;
        }
        Self::new(
            [0, 1, 2].map(|a| self.start[a].min(other.start[a])),
            [0, 1, 2].map(|a| self.end[a].max(other.end[a])),
        )
    }

    /// The box grown by `margin` voxels on every side, kept within `dims`.
    pub fn grown(&self, margin: [usize; 3], dims: [usize; 3]) -> Self {
        Self::new(
            [0, 1, 2].map(|a| self.start[a].saturating_sub(margin[a])),
            [0, 1, 2].map(|a| self.end[a].saturating_add(margin[a]).min(dims[a])),
        )
    }

    /// The rows of the box as `(y, z)`, z slowest; a row spans `start()[0]..end()[0]`. An empty box has none.
    pub fn rows(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let last = if self.is_empty() { self.start[2] } else { self.end[2] };
        let (y, z) = (self.start[1]..self.end[1], self.start[2]..last);
        z.flat_map(move |z| y.clone().map(move |y| (y, z)))
    }

    /// The smallest box around the voxels of a `[z, y, x]` array of `dims` for which `inside` holds.
    pub fn around<T>(voxels: &[T], dims: [usize; 3], inside: impl Fn(&T) -> bool) -> Self {
        Self::around_rows(voxels.chunks_exact(dims[0]), dims, inside)
    }

    /// The same of rows that come one after the other.
    pub fn around_rows<'a, T: 'a>(
        rows: impl Iterator<Item = &'a [T]>,
        dims: [usize; 3],
        inside: impl Fn(&T) -> bool,
    ) -> Self {
        let mut found = Self::default();
        for (row, line) in rows.enumerate() {
            let Some(first) = line.iter().position(&inside) else { continue };
            let last = line.iter().rposition(&inside).unwrap_or(first);
            let (y, z) = (row % dims[1], row / dims[1]);
            found = found.union(&Self::new([first, y, z], [last + 1, y + 1, z + 1]));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn union_ignores_empty_boxes_and_intersection_can_be_empty() {
        let a = VoxelBox::new([1, 2, 3], [4, 5, 6]);
        assert_eq!(a.union(&VoxelBox::default()), a);
        assert!(a.intersection(&VoxelBox::new([4, 2, 3], [9, 9, 9])).is_empty());
    }

    #[test]
    fn a_box_without_voxels_has_no_rows() {
        let rows = |start, end| VoxelBox::new(start, end).rows().collect::<Vec<_>>();
        assert_eq!(rows([5, 1, 2], [5, 4, 6]), []);
        assert_eq!(rows([1, 4, 2], [5, 4, 6]), []);
        assert_eq!(rows([1, 3, 2], [5, 5, 4]), [(3, 2), (4, 2), (3, 3), (4, 3)]);
    }

    #[test]
    fn around_finds_the_tightest_box() {
        let mut voxels = vec![0u8; 4 * 5 * 6];
        voxels[(2 * 5 + 1) * 4 + 3] = 1;
        voxels[(4 * 5 + 3) * 4 + 1] = 1;
        let found = VoxelBox::around(&voxels, [4, 5, 6], |v| *v != 0);
        assert_eq!(found, VoxelBox::new([1, 1, 2], [4, 4, 5]));
        assert!(VoxelBox::around(&voxels, [4, 5, 6], |v| *v == 9).is_empty());
    }
}
