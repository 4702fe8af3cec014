//! Connected components of a mask.

use crate::geometry::VoxelBox;
use crate::label::{BoxMask, RowSpan};

/// Which voxels count as neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connectivity {
    /// Voxels that share a face.
    #[default]
    Six,
    /// Voxels that share a face, an edge or a corner.
    TwentySix,
}

/// One connected component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// Number of voxels.
    pub voxel_count: usize,
    /// Smallest box around it.
    pub bounds: VoxelBox,
}

/// The connected components of a mask, in the order of their first voxel in memory.
///
/// Found by joining runs of voxels with those of the rows before (L. He et al., "A run-based two-scan labeling
/// algorithm", 2008), so that the cost follows the number of runs.
#[derive(Clone, Debug)]
pub struct Components {
    spans: Vec<RowSpan>,
    /// Component of every span.
    owners: Vec<usize>,
    all: Vec<Component>,
}

impl Components {
    /// Labels the components of a mask.
    pub fn of(mask: &BoxMask, connectivity: Connectivity) -> Self {
        Self::of_spans(mask.spans().collect(), mask.region(), connectivity)
    }

    /// The same of spans within a box, in memory order and apart from each other.
    pub fn of_spans(spans: Vec<RowSpan>, region: VoxelBox, connectivity: Connectivity) -> Self {
        let parents = joined_spans(&spans, region, connectivity);
        let mut all: Vec<Component> = Vec::new();
        let mut owners = Vec::with_capacity(spans.len());
        for (index, span) in spans.iter().enumerate() {
            // The root of a set is its smallest member, so its owner is already known.
            let owner = match root(&parents, index) {
                first if first == index => {
                    all.push(Component { voxel_count: 0, bounds: VoxelBox::default() });
                    all.len() - 1
                }
                first => owners[first],
            };
            owners.push(owner);
            all[owner].voxel_count += span.x_end - span.x_start;
            all[owner].bounds = all[owner].bounds.union(&span_box(span));
        }
        Self { spans, owners, all }
    }

    /// All components.
    pub fn all(&self) -> &[Component] {
        &self.all
    }

    /// Index of the component that holds a voxel.
    pub fn at(&self, voxel: [usize; 3]) -> Option<usize> {
        let [x, y, z] = voxel;
        let after = self.spans.partition_point(|s| (s.z, s.y, s.x_start) <= (z, y, x));
        let span = self.spans.get(after.checked_sub(1)?)?;
        (span.z == z && span.y == y && x < span.x_end).then(|| self.owners[after - 1])
    }

    /// The spans of a component in memory order.
    pub fn spans(&self, index: usize) -> impl Iterator<Item = RowSpan> + '_ {
        self.owned_spans().filter(move |(_, owner)| *owner == index).map(|(span, _)| span)
    }

    /// Every span with the index of its component, in memory order.
    pub fn owned_spans(&self) -> impl Iterator<Item = (RowSpan, usize)> + '_ {
        self.spans.iter().copied().zip(self.owners.iter().copied())
    }

    /// Index of the component with most voxels; the first of equals.
    pub fn largest(&self) -> Option<usize> {
        (0..self.all.len()).rev().max_by_key(|index| self.all[*index].voxel_count)
    }

    /// The voxels of a component in their smallest box; empty for an index that does not exist.
    pub fn mask(&self, index: usize) -> BoxMask {
        let Some(component) = self.all.get(index) else { return BoxMask::default() };
        let region = component.bounds;
        let size = region.size();
        let mut inside = vec![false; region.voxel_count()];
        for span in self.spans(index) {
            let (y, z) = (span.y - region.start()[1], span.z - region.start()[2]);
            let row = (z * size[1] + y) * size[0];
            let first = row + span.x_start - region.start()[0];
            inside[first..first + span.x_end - span.x_start].fill(true);
        }
        BoxMask::new(region, inside).unwrap_or_default()
    }
}

fn span_box(span: &RowSpan) -> VoxelBox {
    VoxelBox::new([span.x_start, span.y, span.z], [span.x_end, span.y + 1, span.z + 1])
}

/// Union-find over spans; the parent of a set's smallest member is itself.
fn joined_spans(spans: &[RowSpan], region: VoxelBox, connectivity: Connectivity) -> Vec<usize> {
    let rows = row_ranges(spans, region);
    let height = region.size()[1] as isize;
    let (reach, before): (usize, &[(isize, isize)]) = match connectivity {
        Connectivity::Six => (0, &[(-1, 0), (0, -1)]),
        Connectivity::TwentySix => (1, &[(-1, 0), (-1, -1), (0, -1), (1, -1)]),
    };
    let mut parents: Vec<usize> = (0..spans.len()).collect();
    for (row, range) in rows.iter().enumerate().filter(|(_, range)| !range.is_empty()) {
        let (y, z) = (row as isize % height, row as isize / height);
        for (dy, dz) in before {
            let (ny, nz) = (y + dy, z + dz);
            if ny >= 0 && nz >= 0 && ny < height {
                join_rows(
                    spans,
                    range.clone(),
                    rows[(nz * height + ny) as usize].clone(),
                    reach,
                    &mut parents,
                );
            }
        }
    }
    parents
}

/// For every row of the box the indices of its spans.
fn row_ranges(spans: &[RowSpan], region: VoxelBox) -> Vec<std::ops::Range<usize>> {
    let mut next = 0;
    region
        .rows()
        .map(|(y, z)| {
            let start = next;
            while spans.get(next).is_some_and(|span| (span.z, span.y) == (z, y)) {
                next += 1;
            }
            start..next
        })
        .collect()
}

/// Joins touching spans of two rows by walking along both.
fn join_rows(
    spans: &[RowSpan],
    mut a: std::ops::Range<usize>,
    mut b: std::ops::Range<usize>,
    reach: usize,
    parents: &mut [usize],
) {
    while !a.is_empty() && !b.is_empty() {
        let (one, other) = (&spans[a.start], &spans[b.start]);
        if one.x_start < other.x_end + reach && other.x_start < one.x_end + reach {
            join(parents, a.start, b.start);
        }
        if one.x_end < other.x_end {
            a.start += 1;
        } else {
            b.start += 1;
        }
    }
}

fn join(parents: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root_halving(parents, a), root_halving(parents, b));
    parents[a.max(b)] = a.min(b);
}

fn root(parents: &[usize], mut index: usize) -> usize {
    while parents[index] != index {
        index = parents[index];
    }
    index
}

fn root_halving(parents: &mut [usize], mut index: usize) -> usize {
    while parents[index] != index {
        parents[index] = parents[parents[index]];
        index = parents[index];
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mask_of(dims: [usize; 3], inside: &[bool]) -> BoxMask {
        BoxMask::new(VoxelBox::new([2, 3, 4], [0, 1, 2].map(|a| [2, 3, 4][a] + dims[a])), inside.to_vec())
            .unwrap()
    }

    /// Flood fill, voxel by voxel.
    fn flooded(mask: &BoxMask, seed: [usize; 3], connectivity: Connectivity) -> Vec<[usize; 3]> {
        let mut found = vec![seed];
        let mut next = 0;
        while next < found.len() {
            let at = found[next];
            next += 1;
            for code in 0..27 {
                let step = [code % 3, code / 3 % 3, code / 9];
                let distance = step.iter().filter(|s| **s != 1).count();
                if distance == 0 || (connectivity == Connectivity::Six && distance > 1) {
                    continue;
                }
                let neighbour = [0, 1, 2].map(|a| at[a] + step[a] - 1);
                if mask.contains(neighbour) && !found.contains(&neighbour) {
                    found.push(neighbour);
                }
            }
        }
        found.sort_unstable();
        found
    }

    proptest! {
        #[test]
        fn components_equal_a_flood_fill(
            inside in prop::collection::vec(prop::bool::weighted(0.35), 5 * 4 * 3),
            corners: bool,
        ) {
            let connectivity = if corners { Connectivity::TwentySix } else { Connectivity::Six };
            let mask = mask_of([5, 4, 3], &inside);
            let components = Components::of(&mask, connectivity);
            let counted: usize = components.all().iter().map(|c| c.voxel_count).sum();
            prop_assert_eq!(counted, mask.count());
            for z in 4..7 { for y in 3..7 { for x in 2..7 {
                let Some(index) = components.at([x, y, z]) else {
                    prop_assert!(!mask.contains([x, y, z]));
                    continue;
                };
                let expected = flooded(&mask, [x, y, z], connectivity);
                let found = components.mask(index);
                prop_assert_eq!(found.count(), expected.len());
                prop_assert!(expected.iter().all(|voxel| found.contains(*voxel)));
                prop_assert_eq!(components.all()[index].voxel_count, expected.len());
                prop_assert_eq!(found.tightened().region(), components.all()[index].bounds);
            }}}
        }
    }

    #[test]
    fn the_largest_is_found_and_nothing_in_an_empty_mask() {
        let components =
            Components::of(&mask_of([5, 1, 1], &[true, false, true, true, false]), Connectivity::Six);
        assert_eq!(components.largest(), Some(1));
        assert_eq!(components.mask(1).region(), VoxelBox::new([4, 3, 4], [6, 4, 5]));
        let none = Components::of(&BoxMask::default(), Connectivity::Six);
        assert_eq!((none.largest(), none.at([0, 0, 0]), none.mask(0).count()), (None, None, 0));
    }
}
