//! Holes, and regions that hang together with a click.

use super::{EditBasis, OperationError, go_on, replaced};
use crate::geometry::VoxelBox;
use crate::job::Observer;
use crate::label::{BoxMask, RowSpan};
use crate::paint::{Components, Connectivity, CutPlane, Slab};

/// Where filling looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FillScope {
    /// In one slice.
    Slice {
        /// Voxel axis across it.
        axis: usize,
        /// Its index, from 0.
        slice: usize,
    },
    /// In every slice on its own.
    EverySlice {
        /// Voxel axis across them.
        axis: usize,
    },
    /// In the slice of a plane that may be oblique to the grid.
    Plane(CutPlane),
    /// In each of the slices of parallel planes a slice's thickness apart; together they hold every voxel once.
    EveryPlane(CutPlane),
    /// In three dimensions.
    Volume,
}

/// The active label with its holes filled: what it encloses, whatever label that has. A hollow that opens to the
/// border of the image is none.
pub(super) fn holes(
    basis: &EditBasis,
    scope: FillScope,
    observer: &dyn Observer,
) -> Result<BoxMask, OperationError> {
    let mask = basis.mask()?;
    let region = mask.region();
    let mut inside = mask.inside().to_vec();
    let mut fill = |part: VoxelBox, flat: Option<usize>| {
        for hole in holes_in(&mask, part, flat) {
            fill_spans(&mask, hole.into_iter(), &mut inside);
        }
    };
    match scope {
        FillScope::Volume => fill(region, None),
        FillScope::Plane(plane) => {
            fill_slab(&mask, &Slab::new(basis.grid(), &plane), &mut inside);
        }
        FillScope::EveryPlane(plane) => {
            let tiles = Slab::tiles(basis.grid(), &plane, region);
            let (first, count) = (*tiles.start(), tiles.clone().count());
            for tile in tiles {
                go_on(observer, "filling slices", (tile - first) as usize, count)?;
                fill_slab(&mask, &Slab::tile(basis.grid(), &plane, tile), &mut inside);
            }
        }
        FillScope::Slice { axis, slice } => {
            fill(basis.slice_box(axis, slice)?.intersection(&region), Some(axis));
        }
        FillScope::EverySlice { axis } => {
            basis.slice_box(axis, 0)?;
            for slice in region.start()[axis]..region.end()[axis] {
                go_on(observer, "filling slices", slice - region.start()[axis], region.size()[axis])?;
                fill(basis.slice_box(axis, slice)?.intersection(&region), Some(axis));
            }
        }
    }
    Ok(replaced(&mask, inside))
}

/// The components of what is not in the mask that touch no face of a part, those across the `flat` axis left out.
fn holes_in(mask: &BoxMask, part: VoxelBox, flat: Option<usize>) -> Vec<Vec<crate::label::RowSpan>> {
    let outside = BoxMask::from_fn(part, |voxel| !mask.contains(voxel));
    let components = Components::of(&outside, Connectivity::Six);
    let is_open = |bounds: &VoxelBox| {
        (0..3)
            .filter(|axis| Some(*axis) != flat)
            .any(|axis| bounds.start()[axis] == part.start()[axis] || bounds.end()[axis] == part.end()[axis])
    };
    let closed = components.all().iter().enumerate().filter(|(_, hole)| !is_open(&hole.bounds));
    closed.map(|(index, _)| components.spans(index).collect()).collect()
}

fn fill_spans(mask: &BoxMask, spans: impl Iterator<Item = RowSpan>, inside: &mut [bool]) {
    for span in spans {
        let first = mask.index_of([span.x_start, span.y, span.z]);
        inside[first..first + span.x_end - span.x_start].fill(true);
    }
}

/// Fills the holes that a mask has within a slab: what has no way out to where the slab leaves the mask's box.
fn fill_slab(mask: &BoxMask, slab: &Slab, inside: &mut [bool]) {
    let region = mask.region();
    let mut outside = Vec::new();
    for span in slab.spans(region) {
        let mut begun = None;
        for x in span.x_start..=span.x_end {
            let is_out = x < span.x_end && !mask.contains([x, span.y, span.z]);
            match begun {
                None if is_out => begun = Some(x),
                Some(x_start) if !is_out => {
                    outside.push(RowSpan { x_start, x_end: x, ..span });
                    begun = None;
                }
                _ => {}
            }
        }
    }
    let components = Components::of_spans(outside, region, Connectivity::Six);
    for index in 0..components.all().len() {
        if !components.spans(index).any(|span| leads_out(slab, region, span)) {
            fill_spans(mask, components.spans(index), inside);
        }
    }
}

/// Whether a voxel of a span has a neighbour in the slab that is not in the box: beyond it there is no mask, or no
/// image.
fn leads_out(slab: &Slab, region: VoxelBox, span: RowSpan) -> bool {
    let (start, end) = (region.start().map(|c| c as i64), region.end().map(|c| c as i64));
    let beside = |x: usize| {
        let voxel = [x, span.y, span.z].map(|c| c as i64);
        (0..6).any(|side| {
            let (axis, mut next) = (side / 2, voxel);
            next[axis] += if side % 2 == 0 { -1 } else { 1 };
            (next[axis] < start[axis] || next[axis] >= end[axis]) && slab.contains(next)
        })
    };
    let is_at = |axis: usize, at: usize| at as i64 == start[axis] || at as i64 + 1 == end[axis];
    if is_at(1, span.y) || is_at(2, span.z) {
        return (span.x_start..span.x_end).any(beside);
    }
    beside(span.x_start) || beside(span.x_end - 1)
}

/// The active label with the region around a voxel: what has its label, and a value within the tolerance of its own.
pub(super) fn region(
    basis: &EditBasis,
    seed: [usize; 3],
    scope: FillScope,
    tolerance: Option<f32>,
    observer: &dyn Observer,
) -> Result<BoxMask, OperationError> {
    let part = match scope {
        FillScope::Volume | FillScope::Plane(_) | FillScope::EveryPlane(_) => basis.grid().full_box(),
        FillScope::Slice { axis, slice } => basis.slice_box(axis, slice)?,
        FillScope::EverySlice { axis } => basis.slice_box(axis, seed.get(axis).copied().unwrap_or(0))?,
    };
    let slab = match scope {
        FillScope::Plane(plane) => Some(Slab::new(basis.grid(), &plane)),
        FillScope::EveryPlane(plane) => {
            let through = CutPlane { point: basis.grid().world_of(seed), ..plane };
            Some(Slab::new(basis.grid(), &through))
        }
        _ => None,
    };
    let in_slab = |voxel: [usize; 3]| slab.as_ref().is_none_or(|slab| slab.contains(voxel.map(|c| c as i64)));
    if !part.contains(seed) || !in_slab(seed) {
        return Err(OperationError::Seed { voxel: seed, expected: "in the image's slice" });
    }
    let label = basis.labels.value(seed);
    let value = basis.image.value(seed).unwrap_or_default();
    let fits = |voxel: [usize; 3]| {
        let here = || basis.image.voxels().value(basis.grid().index(voxel));
        let near = |tolerance: f32| (here() - value).abs() <= tolerance;
        basis.labels.value(voxel) == label && tolerance.is_none_or(near) && in_slab(voxel)
    };
    let flood = Flood { part, visited: vec![false; part.voxel_count()], bounds: VoxelBox::default() };
    let filled = flood.run(seed, fits, observer)?;
    Ok(basis.with_active(&filled))
}

/// A flood fill by rows; memory is bounded by the box, whatever the image looks like.
struct Flood {
    part: VoxelBox,
    visited: Vec<bool>,
    bounds: VoxelBox,
}

impl Flood {
    fn run(
        mut self,
        seed: [usize; 3],
        fits: impl Fn([usize; 3]) -> bool,
        observer: &dyn Observer,
    ) -> Result<BoxMask, OperationError> {
        let mut front = vec![seed];
        let (mut rows, mut filled) = (0usize, 0usize);
        while let Some(voxel) = front.pop() {
            if rows.is_multiple_of(1 << 12) {
                go_on(observer, "filling", filled, self.visited.len())?;
            }
            rows += 1;
            let Some((first, last)) = self.fill_row(voxel, &fits) else { continue };
            filled += last - first;
            self.push_neighbours(voxel, (first, last), &fits, &mut front);
        }
        let whole = BoxMask::new(self.part, self.visited).unwrap_or_default();
        Ok(whole.cut(self.bounds))
    }

    fn at(&self, [x, y, z]: [usize; 3]) -> usize {
        let (start, size) = (self.part.start(), self.part.size());
        ((z - start[2]) * size[1] + y - start[1]) * size[0] + x - start[0]
    }

    /// Fills the run of a row around a voxel; `None` if there is nothing to fill.
    fn fill_row(
        &mut self,
        [x, y, z]: [usize; 3],
        fits: impl Fn([usize; 3]) -> bool,
    ) -> Option<(usize, usize)> {
        if self.visited[self.at([x, y, z])] || !fits([x, y, z]) {
            return None;
        }
        let (low, high) = (self.part.start()[0], self.part.end()[0]);
        let first = (low..x).rev().take_while(|x| fits([*x, y, z])).last().unwrap_or(x);
        let last = (x + 1..high).take_while(|x| fits([*x, y, z])).last().unwrap_or(x) + 1;
        let at = self.at([first, y, z]);
        self.visited[at..at + last - first].fill(true);
        self.bounds = self.bounds.union(&VoxelBox::new([first, y, z], [last, y + 1, z + 1]));
        Some((first, last))
    }

    /// Remembers one voxel of every run of the four rows beside that touches `first..last`.
    fn push_neighbours(
        &self,
        [_, y, z]: [usize; 3],
        (first, last): (usize, usize),
        fits: impl Fn([usize; 3]) -> bool,
        front: &mut Vec<[usize; 3]>,
    ) {
        for (dy, dz) in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
            let (y, z) = (y.wrapping_add_signed(dy), z.wrapping_add_signed(dz));
            if !self.part.contains([first, y, z]) {
                continue;
            }
            let here = self.at([first, y, z]);
            let mut in_run = false;
            for x in first..last {
                let open = !self.visited[here + x - first] && fits([x, y, z]);
                if open && !in_run {
                    front.push([x, y, z]);
                }
                in_run = open;
            }
        }
    }
}
