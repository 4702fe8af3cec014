//! One label a voxel.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use super::{BACKGROUND, RleError, RunLengths};
use crate::geometry::{Grid, VoxelBox};
use crate::provenance::hex;

/// About how many labels lie in a page: so many are copied when a map changes of which there is a copy.
const PAGE_VOXELS: usize = 1 << 15;

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

/// Notes that voxels change from one label to another.
fn recount(counts: &mut Vec<usize>, voxels: usize, old: u16, new: u16) {
    if counts.len() <= usize::from(new) {
        counts.resize(usize::from(new) + 1, 0);
    }
    counts[usize::from(old)] -= voxels;
    counts[usize::from(new)] += voxels;
}

/// A label for every voxel of a [`Grid`], `[z, y, x]`; 0 is background.
///
/// It changes only through a [`LabelPatch`](crate::patch::LabelPatch), so that every change can be undone.
///
/// Labels lie in pages of whole rows. A copy shares all pages with its original until either changes, and then all but the
/// changed ones; background takes one page for the whole map.
#[derive(Clone, Debug)]
pub struct LabelMap {
    grid: Grid,
    pages: Box<[Arc<[u16]>]>,
    /// A page has `1 << page_shift` rows; the last may have fewer.
    page_shift: u32,
    /// Voxels of each label up to the largest, kept up to date because the window shows volumes in every frame.
    counts: Vec<usize>,
    stamp: u64,
}

impl PartialEq for LabelMap {
    /// The same labels at the same place, however they came about.
    fn eq(&self, other: &Self) -> bool {
        self.grid == other.grid && self.has_labels_of(other)
    }
}

impl LabelMap {
    /// All background.
    pub fn new(grid: Grid) -> Self {
        let [width, height, depth] = grid.dims();
        let page_shift = (PAGE_VOXELS / width.max(1)).max(1).ilog2();
        let (rows, page_rows) = (height * depth, 1 << page_shift);
        let blank: Arc<[u16]> = vec![0; width * rows.min(page_rows)].into();
        let mut pages = vec![blank; rows / page_rows];
        if rows % page_rows > 0 {
            pages.push(vec![0; width * (rows % page_rows)].into());
        }
        Self { grid, pages: pages.into(), page_shift, counts: vec![grid.voxel_count()], stamp: new_stamp() }
    }

    /// Joins labels, `[z, y, x]`, with their grid.
    ///
    /// # Errors
    /// [`LabelMapError::Count`] if their number differs from the grid's.
    pub fn from_voxels(grid: Grid, voxels: Vec<u16>) -> Result<Self, LabelMapError> {
        if voxels.len() != grid.voxel_count() {
            return Err(LabelMapError::Count { found: voxels.len(), dims: grid.dims() });
        }
        let mut map = Self::new(grid);
        let mut start = 0;
        for run in super::runs_of(&voxels) {
            map.fill_run(start..start + run.len(), BACKGROUND, run[0]);
            start += run.len();
        }
        Ok(map)
    }

    /// Unpacks labels.
    ///
    /// # Errors
    /// [`RleError`] if the runs are malformed or do not fill the grid, or memory would not do for a map without background.
    pub fn from_runs(grid: Grid, runs: &RunLengths) -> Result<Self, RleError> {
        let count = grid.voxel_count();
        // A stored size may be a lie; a map that cannot be had ends the program.
        let room = Vec::<u16>::new().try_reserve_exact(count);
        room.map_err(|_| RleError::Count { found: 0, expected: count })?;
        let mut map = Self::new(grid);
        runs.each(count, |range, label| map.fill_run(range, BACKGROUND, label))?;
        Ok(map)
    }

    /// Size and place.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The labels, `[z, y, x]`, in stretches of whole rows.
    pub fn stretches(&self) -> impl Iterator<Item = &[u16]> + Clone {
        self.pages.iter().map(|page| &**page)
    }

    /// The labels one after the other, `[z, y, x]`.
    pub fn iter(&self) -> impl Iterator<Item = u16> + Clone + '_ {
        self.stretches().flatten().copied()
    }

    /// A copy of all labels, `[z, y, x]`.
    pub fn to_voxels(&self) -> Vec<u16> {
        let mut voxels = Vec::with_capacity(self.grid.voxel_count());
        self.stretches().for_each(|stretch| voxels.extend_from_slice(stretch));
        voxels
    }

    /// The labels along x at a place.
    ///
    /// # Panics
    /// Outside the map.
    #[inline]
    pub fn row(&self, y: usize, z: usize) -> &[u16] {
        let [width, height, _] = self.grid.dims();
        assert!(y < height, "row {y} of {height}");
        let (page, row) = self.page_of(z * height + y);
        &self.pages[page][row * width..(row + 1) * width]
    }

    /// The label of a voxel; background outside.
    #[inline]
    pub fn value(&self, [x, y, z]: [usize; 3]) -> u16 {
        let [width, height, depth] = self.grid.dims();
        if x >= width || y >= height || z >= depth {
            return BACKGROUND;
        }
        let (page, row) = self.page_of(z * height + y);
        self.pages[page][row * width + x]
    }

    /// The label at an array index.
    ///
    /// # Panics
    /// Outside the map.
    pub fn at(&self, index: usize) -> u16 {
        self.in_row(index..index + 1)[0]
    }

    /// Labels of one row by their array indices.
    pub(crate) fn in_row(&self, range: Range<usize>) -> &[u16] {
        let page_len = self.page_len();
        let page = range.start / page_len;
        let start = range.start - page * page_len;
        &self.pages[page][start..start + range.len()]
    }

    /// Labels in a page that is full.
    fn page_len(&self) -> usize {
        self.grid.dims()[0] << self.page_shift
    }

    /// The page that holds a row, and which of its rows that is.
    #[inline]
    fn page_of(&self, row: usize) -> (usize, usize) {
        (row >> self.page_shift, row & ((1 << self.page_shift) - 1))
    }

    /// Whether all is background.
    pub fn is_blank(&self) -> bool {
        self.count(BACKGROUND) == self.grid.voxel_count()
    }

    /// Whether another map of this size holds the same labels; pages that both share need no look.
    pub fn has_labels_of(&self, other: &Self) -> bool {
        let is_same = |(a, b): (&Arc<[u16]>, &Arc<[u16]>)| Arc::ptr_eq(a, b) || a == b;
        self.grid.dims() == other.grid.dims()
            && (self.stamp == other.stamp || self.pages.iter().zip(&other.pages).all(is_same))
    }

    /// Number of voxels of a label; does not scan.
    pub fn count(&self, label: u16) -> usize {
        self.counts.get(usize::from(label)).copied().unwrap_or(0)
    }

    /// Every label with at least one voxel, background excluded, ascending.
    pub fn used_labels(&self) -> Vec<u16> {
        (1..=u16::MAX).take(self.counts.len() - 1).filter(|label| self.count(*label) > 0).collect()
    }

    /// The smallest box around a label; empty if it has no voxel. Scans the map.
    pub fn bounds(&self, label: u16) -> VoxelBox {
        if self.count(label) == 0 {
            return VoxelBox::default();
        }
        let rows = self.stretches().flat_map(|stretch| stretch.chunks_exact(self.grid.dims()[0]));
        VoxelBox::around_rows(rows, self.grid.dims(), |v| *v == label)
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
        hasher.update(self.runs().packed());
        hex(&hasher.finalize())
    }

    /// The labels packed.
    pub fn runs(&self) -> RunLengths {
        RunLengths::of_stretches(self.stretches())
    }

    /// Identity of the present labels: two maps with the same stamp hold the same, for a copy keeps it and every change
    /// gives a new one. Means nothing in another run of the program.
    pub fn stamp(&self) -> u64 {
        self.stamp
    }

    /// Writes new labels over ranges in rows that hold only an old one: (range, old, new). For
    /// [`LabelPatch`](crate::patch::LabelPatch) alone.
    pub(crate) fn fill(&mut self, changes: impl Iterator<Item = (Range<usize>, u16, u16)>) {
        self.stamp = new_stamp();
        let page_len = self.page_len();
        // Neighbours mostly share their page, which is made this map's own once.
        let (mut first, mut page): (usize, &mut [u16]) = (0, &mut []);
        for (range, old, new) in changes {
            recount(&mut self.counts, range.len(), old, new);
            if !(first..first + page.len()).contains(&range.start) {
                let nth = range.start / page_len;
                (first, page) = (nth * page_len, Arc::make_mut(&mut self.pages[nth]));
            }
            page[range.start - first..range.end - first].fill(new);
        }
    }

    /// Writes a new label over one range, which may span rows and pages.
    fn fill_run(&mut self, range: Range<usize>, old: u16, new: u16) {
        if old == new {
            return;
        }
        recount(&mut self.counts, range.len(), old, new);
        let page_len = self.page_len();
        let mut start = range.start;
        while start < range.end {
            let (page, first) = (start / page_len, start % page_len);
            let last = page_len.min(first + range.end - start);
            Arc::make_mut(&mut self.pages[page])[first..last].fill(new);
            start += last - first;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    fn a_copy_shares_all_pages_but_the_changed_ones() {
        let grid = Grid::from_spacing([50, 50, 50], [1.0; 3]).unwrap();
        let mut voxels = vec![0; grid.voxel_count()];
        (voxels[7], voxels[60_000], voxels[124_999]) = (3, 4, 5);
        let map = LabelMap::from_voxels(grid, voxels.clone()).unwrap();
        let mut copy = map.clone();
        assert_eq!((copy.stamp(), copy.to_voxels(), copy.count(4)), (map.stamp(), voxels.clone(), 1));
        copy.fill([(7..8, 3, 0)].into_iter());
        assert!(copy.stamp() != map.stamp() && copy != map && !copy.has_labels_of(&map));
        assert_eq!((map.at(7), copy.at(7)), (3, 0));
        let shared = map.pages.iter().zip(&copy.pages).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!((map.pages.len(), shared), (5, 4));
        copy.fill([(7..8, 0, 3)].into_iter());
        assert!(copy.stamp() != map.stamp(), "no stamp is used twice");
        assert_eq!(copy, map);
    }

    #[test]
    fn background_takes_one_page() {
        let map = LabelMap::new(Grid::from_spacing([512, 512, 300], [1.0; 3]).unwrap());
        assert!(map.is_blank() && map.pages.iter().all(|page| Arc::ptr_eq(page, &map.pages[0])));
        assert_eq!(map.stretches().map(<[u16]>::len).sum::<usize>(), 512 * 512 * 300);
    }

    proptest! {
        #[test]
        fn every_way_to_a_label_finds_the_same(
            dims in [1usize..40, 1usize..60, 1usize..40],
            runs in prop::collection::vec((0usize..4000, 0u16..4), 1..40),
        ) {
            let grid = Grid::from_spacing(dims, [1.0; 3]).unwrap();
            let drawn = runs.iter().flat_map(|(len, label)| std::iter::repeat_n(*label, *len));
            let voxels: Vec<u16> = drawn.chain(std::iter::repeat(0)).take(grid.voxel_count()).collect();
            let map = LabelMap::from_voxels(grid, voxels.clone()).unwrap();
            prop_assert_eq!(map.to_voxels(), voxels.clone());
            prop_assert_eq!(map.iter().collect::<Vec<_>>(), voxels.clone());
            prop_assert_eq!(map.runs(), RunLengths::encode(&voxels));
            let unpacked = LabelMap::from_runs(grid, &map.runs()).unwrap();
            prop_assert!(unpacked == map && unpacked.counts == map.counts);
            for label in 0..4 {
                prop_assert_eq!(map.count(label), voxels.iter().filter(|v| **v == label).count());
                prop_assert_eq!(map.bounds(label), VoxelBox::around(&voxels, dims, |v| *v == label));
            }
            for (index, label) in voxels.iter().enumerate() {
                let voxel = grid.voxel(index);
                prop_assert_eq!([map.at(index), map.value(voxel), map.row(voxel[1], voxel[2])[voxel[0]]], [*label; 3]);
            }
        }
    }

    #[test]
    fn a_lie_about_the_size_is_refused_before_allocation() {
        let grid = Grid::from_spacing([1 << 20, 1 << 20, 1 << 19], [1.0; 3]).unwrap();
        let error = LabelMap::from_runs(grid, &RunLengths::encode(&[0; 8])).unwrap_err();
        assert_eq!(error, RleError::Count { found: 0, expected: 1 << 59 });
    }

    #[test]
    fn too_few_labels_are_refused() {
        let grid = Grid::from_spacing([3, 2, 2], [1.0; 3]).unwrap();
        let error = LabelMap::from_voxels(grid, vec![0; 11]).unwrap_err();
        assert_eq!(error, LabelMapError::Count { found: 11, dims: [3, 2, 2] });
    }
}
