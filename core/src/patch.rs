//! The only thing that changes a label map.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::geometry::VoxelBox;
use crate::label::{
    BACKGROUND, BoxMask, LabelMap, RowSpan, count_leading, push_varint, read_varint, runs_of,
};

/// Why a patch cannot be made or applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The voxels to change lie outside the label map.
    #[error("the mask spans voxels {start:?}..{end:?}, outside the image of {dims:?} voxels")]
    Outside {
        /// First voxel.
        start: [usize; 3],
        /// One past the last voxel.
        end: [usize; 3],
        /// Voxels of the map along x, y, z.
        dims: [usize; 3],
    },
    /// The number of labels differs from the number of voxels to fill.
    #[error("{found} labels do not fill {expected} voxels")]
    Count {
        /// Labels at hand.
        found: usize,
        /// Voxels to fill.
        expected: usize,
    },
    /// The patch was made for a map of another size.
    #[error("a change of an image of {patch:?} voxels does not fit one of {map:?}")]
    Grid {
        /// Size the patch was made for.
        patch: [usize; 3],
        /// Size of the map.
        map: [usize; 3],
    },
    /// The map does not hold what the patch says it replaces.
    #[error("a stored change expects label {expected} at voxel {voxel:?}, which holds {found}")]
    Stale {
        /// Where.
        voxel: [usize; 3],
        /// What the patch replaces.
        expected: u16,
        /// What is there.
        found: u16,
    },
    /// Stored runs are malformed.
    #[error("a stored change of labels is damaged at byte {at}")]
    Damaged {
        /// Offset in the packed runs.
        at: usize,
    },
}

/// Which voxels an edit may change, beside the locked ones, which it never may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DrawOver {
    /// Any voxel.
    #[default]
    Everywhere,
    /// Only voxels without a label.
    Background,
    /// Only voxels of one label.
    Label(u16),
}

/// Decides which voxels an edit may change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OverwriteRule {
    /// Where the edit may write.
    pub draw_over: DrawOver,
    /// Labels whose voxels neither grow nor shrink.
    pub locked: Vec<u16>,
}

impl OverwriteRule {
    /// Whether a voxel of label `old` may become `new`.
    pub fn allows(&self, old: u16, new: u16) -> bool {
        let there = match self.draw_over {
            DrawOver::Everywhere => true,
            DrawOver::Background => old == BACKGROUND,
            DrawOver::Label(label) => old == label,
        };
        there && !self.locked.contains(&old) && !self.locked.contains(&new)
    }
}

/// Neighbouring voxels of one row that change from one label to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Array index of the first voxel.
    pub start: usize,
    /// Number of voxels.
    pub len: usize,
    /// Label before.
    pub old: u16,
    /// Label after, another one.
    pub new: u16,
}

impl Run {
    fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// A change of a label map: runs of voxels with the label before and after, in memory order, none across rows.
///
/// Packed, because a thousand of them are kept: a run takes the distance from the end of the run before and
/// twice its length (plus one where it makes the same change as the run before, else old and new label
/// follow), as LEB128 integers. The same bytes go to disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct LabelPatch {
    dims: [usize; 3],
    packed: Vec<u8>,
    bounds: VoxelBox,
    voxel_count: usize,
}

/// The part of a patch that goes to disk.
#[derive(Serialize, Deserialize)]
struct Stored {
    dims: [usize; 3],
    packed: Vec<u8>,
}

impl LabelPatch {
    /// Gives the voxels of a mask a label where the rule allows.
    ///
    /// # Errors
    /// [`PatchError::Outside`] if the mask's box leaves the map.
    pub fn from_mask(
        map: &LabelMap,
        mask: &BoxMask,
        new: u16,
        rule: &OverwriteRule,
    ) -> Result<Self, PatchError> {
        check_inside(map, mask.region())?;
        Self::from_spans(map, mask.spans(), new, rule)
    }

    /// Gives spans of voxels, in memory order and apart from each other, a label where the rule allows.
    ///
    /// # Errors
    /// [`PatchError::Outside`] if a span leaves the map or goes back.
    pub fn from_spans(
        map: &LabelMap,
        spans: impl IntoIterator<Item = RowSpan>,
        new: u16,
        rule: &OverwriteRule,
    ) -> Result<Self, PatchError> {
        let dims = map.grid().dims();
        let mut builder = PatchBuilder::new(dims);
        for RowSpan { z, y, x_start, x_end } in spans {
            if x_start >= x_end {
                continue;
            }
            let mut start = map.grid().index([x_start, y, z]);
            if x_end > dims[0] || y >= dims[1] || z >= dims[2] || start < builder.end() {
                return Err(outside(map, VoxelBox::new([x_start, y, z], [x_end, y + 1, z + 1])));
            }
            for same in runs_of(&map.row(y, z)[x_start..x_end]) {
                if same[0] != new && rule.allows(same[0], new) {
                    builder.push(Run { start, len: same.len(), old: same[0], new });
                }
                start += same.len();
            }
        }
        Ok(builder.finish())
    }

    /// Gives every voxel of a box its own new label, `[z, y, x]` of the box, where the rule allows.
    ///
    /// # Errors
    /// [`PatchError::Outside`] or [`PatchError::Count`].
    pub fn replace_box(
        map: &LabelMap,
        region: VoxelBox,
        labels: &[u16],
        rule: &OverwriteRule,
    ) -> Result<Self, PatchError> {
        check_inside(map, region)?;
        if labels.len() != region.voxel_count() {
            return Err(PatchError::Count { found: labels.len(), expected: region.voxel_count() });
        }
        Ok(Self::replace_rows(map, region, labels.chunks_exact(region.size()[0].max(1)), rule))
    }

    /// Makes one map the other where the rule allows.
    ///
    /// # Errors
    /// [`PatchError::Grid`] if they differ in size.
    pub fn replace_all(map: &LabelMap, with: &LabelMap, rule: &OverwriteRule) -> Result<Self, PatchError> {
        let (dims, wanted) = (map.grid().dims(), with.grid().dims());
        if dims != wanted {
            return Err(PatchError::Grid { patch: wanted, map: dims });
        }
        let rows = with.stretches().flat_map(|stretch| stretch.chunks_exact(dims[0]));
        Ok(Self::replace_rows(map, map.grid().full_box(), rows, rule))
    }

    fn replace_rows<'a>(
        map: &LabelMap,
        region: VoxelBox,
        new: impl Iterator<Item = &'a [u16]>,
        rule: &OverwriteRule,
    ) -> Self {
        let (x_start, x_end) = (region.start()[0], region.end()[0]);
        let mut builder = PatchBuilder::new(map.grid().dims());
        for ((y, z), new_row) in region.rows().zip(new) {
            let old_row = &map.row(y, z)[x_start..x_end];
            if old_row == new_row {
                continue;
            }
            let start = map.grid().index([x_start, y, z]);
            for (x, (old, new)) in old_row.iter().zip(new_row).enumerate() {
                if old != new && rule.allows(*old, *new) {
                    builder.push(Run { start: start + x, len: 1, old: *old, new: *new });
                }
            }
        }
        builder.finish()
    }

    /// One patch that does the work of two that touch no voxel twice; `None` if they do.
    pub fn merged(&self, other: &Self) -> Option<Self> {
        if self.dims != other.dims {
            return None;
        }
        let mut builder = PatchBuilder::new(self.dims);
        let (mut mine, mut theirs) = (self.runs().peekable(), other.runs().peekable());
        loop {
            let next = match (mine.peek(), theirs.peek()) {
                (None, None) => return Some(builder.finish()),
                (Some(a), Some(b)) if a.start < b.start => mine.next(),
                (Some(_), None) => mine.next(),
                _ => theirs.next(),
            };
            let run = next?;
            if run.start < builder.end() {
                return None;
            }
            builder.push(run);
        }
    }

    /// Changes the map.
    ///
    /// # Errors
    /// [`PatchError::Grid`] or [`PatchError::Stale`] if it was made for another state; nothing changes then.
    pub fn apply(&self, map: &mut LabelMap) -> Result<(), PatchError> {
        self.write(map, |run| run)
    }

    /// Changes the map back.
    ///
    /// # Errors
    /// As [`LabelPatch::apply`].
    pub fn revert(&self, map: &mut LabelMap) -> Result<(), PatchError> {
        self.write(map, |run| Run { old: run.new, new: run.old, ..run })
    }

    /// The patch that undoes this one.
    pub fn inverse(&self) -> Self {
        let mut builder = PatchBuilder::new(self.dims);
        for run in self.runs() {
            builder.push(Run { old: run.new, new: run.old, ..run });
        }
        builder.finish()
    }

    /// The runs in memory order.
    pub fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        let mut reader = RunReader::new(&self.packed);
        std::iter::from_fn(move || reader.next_run())
    }

    /// The smallest box around all changed voxels.
    pub fn bounds(&self) -> VoxelBox {
        self.bounds
    }

    /// Voxels along x, y, z of the map it was made for.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Number of changed voxels.
    pub fn voxel_count(&self) -> usize {
        self.voxel_count
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.voxel_count == 0
    }

    /// Bytes of the packed runs, a measure of the work that the patch makes.
    pub(crate) fn packed_bytes(&self) -> usize {
        self.packed.len()
    }

    /// Memory taken.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.packed.len()
    }

    fn write(&self, map: &mut LabelMap, direction: impl Fn(Run) -> Run) -> Result<(), PatchError> {
        let dims = map.grid().dims();
        if dims != self.dims {
            return Err(PatchError::Grid { patch: self.dims, map: dims });
        }
        for run in self.runs().map(&direction) {
            let fitting = count_leading(map.in_row(run.range()), run.old);
            if fitting < run.len {
                let index = run.start + fitting;
                let (voxel, found) = (map.grid().voxel(index), map.at(index));
                return Err(PatchError::Stale { voxel, expected: run.old, found });
            }
        }
        map.fill(self.runs().map(direction).map(|run| (run.range(), run.old, run.new)));
        Ok(())
    }
}

impl From<LabelPatch> for Stored {
    fn from(patch: LabelPatch) -> Self {
        Self { dims: patch.dims, packed: patch.packed }
    }
}

impl TryFrom<Stored> for LabelPatch {
    type Error = PatchError;

    /// Checks every run, so that applying a patch can never leave its map.
    fn try_from(stored: Stored) -> Result<Self, PatchError> {
        let [nx, ny, nz] = stored.dims;
        let damaged = |at| PatchError::Damaged { at };
        let count = nx.checked_mul(ny).and_then(|n| n.checked_mul(nz)).ok_or(damaged(0))?;
        let mut reader = RunReader::new(&stored.packed);
        let mut builder = PatchBuilder::new(stored.dims);
        while reader.at < stored.packed.len() {
            let at = reader.at;
            let run = reader.next_run().ok_or(damaged(at))?;
            let in_row = nx > 0 && run.len <= nx - run.start % nx && run.start < count;
            if run.len == 0 || run.old == run.new || !in_row {
                return Err(damaged(at));
            }
            builder.push(run);
        }
        Ok(builder.finish())
    }
}

/// Packs runs that come in memory order, joining neighbours that make the same change.
struct PatchBuilder {
    patch: LabelPatch,
    pending: Option<Run>,
    packed_end: usize,
    change: (u16, u16),
    /// The row of the last run: its first voxel's index, y and z. Dividing for every run would take most of the time
    /// where rows fall into many.
    row: Option<(usize, usize, usize)>,
}

impl PatchBuilder {
    fn new(dims: [usize; 3]) -> Self {
        let patch = LabelPatch { dims, packed: Vec::new(), bounds: VoxelBox::default(), voxel_count: 0 };
        Self { patch, pending: None, packed_end: 0, change: (0, 0), row: None }
    }

    /// One past the last voxel pushed.
    fn end(&self) -> usize {
        self.pending.map_or(0, |run| run.range().end)
    }

    fn push(&mut self, run: Run) {
        if let Some(last) = &mut self.pending {
            let joins = last.range().end == run.start && (last.old, last.new) == (run.old, run.new);
            if joins && !run.start.is_multiple_of(self.patch.dims[0]) {
                last.len += run.len;
                return;
            }
        }
        self.pack_pending();
        self.pending = Some(run);
    }

    fn pack_pending(&mut self) {
        let Some(run) = self.pending.take() else { return };
        let same = (run.old, run.new) == self.change;
        let packed = &mut self.patch.packed;
        push_varint(packed, (run.start - self.packed_end) as u64);
        push_varint(packed, (run.len as u64) << 1 | u64::from(same));
        if !same {
            push_varint(packed, u64::from(run.old));
            push_varint(packed, u64::from(run.new));
        }
        self.change = (run.old, run.new);
        self.packed_end = run.range().end;
        self.patch.voxel_count += run.len;
        let [nx, ny, _] = self.patch.dims;
        let in_row = self.row.filter(|(first, ..)| run.start - first < nx);
        let (first, y, z) =
            in_row.unwrap_or_else(|| (run.start / nx * nx, run.start / nx % ny, run.start / (nx * ny)));
        self.row = Some((first, y, z));
        let x = run.start - first;
        let row = VoxelBox::new([x, y, z], [x + run.len, y + 1, z + 1]);
        self.patch.bounds = self.patch.bounds.union(&row);
    }

    fn finish(mut self) -> LabelPatch {
        self.pack_pending();
        self.patch.packed.shrink_to_fit();
        self.patch
    }
}

/// Unpacks runs.
struct RunReader<'a> {
    packed: &'a [u8],
    at: usize,
    end: usize,
    change: (u16, u16),
}

impl<'a> RunReader<'a> {
    fn new(packed: &'a [u8]) -> Self {
        Self { packed, at: 0, end: 0, change: (0, 0) }
    }

    /// The next run; `None` at the end or where the bytes make no sense.
    fn next_run(&mut self) -> Option<Run> {
        let gap = usize::try_from(read_varint(self.packed, &mut self.at)?).ok()?;
        let token = read_varint(self.packed, &mut self.at)?;
        if token & 1 == 0 {
            let old = u16::try_from(read_varint(self.packed, &mut self.at)?).ok()?;
            let new = u16::try_from(read_varint(self.packed, &mut self.at)?).ok()?;
            self.change = (old, new);
        }
        let start = self.end.checked_add(gap)?;
        let len = usize::try_from(token >> 1).ok()?;
        self.end = start.checked_add(len)?;
        Some(Run { start, len, old: self.change.0, new: self.change.1 })
    }
}

fn check_inside(map: &LabelMap, region: VoxelBox) -> Result<(), PatchError> {
    let full = map.grid().full_box();
    if region.is_empty() || region.intersection(&full) == region { Ok(()) } else { Err(outside(map, region)) }
}

fn outside(map: &LabelMap, region: VoxelBox) -> PatchError {
    PatchError::Outside { start: region.start(), end: region.end(), dims: map.grid().dims() }
}

#[cfg(test)]
mod tests;
