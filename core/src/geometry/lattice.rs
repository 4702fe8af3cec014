//! Two grids whose voxels are the same points of space, counted from another corner or along other axes.

use nalgebra::Matrix3;

use super::Grid;

/// How voxels of one grid are called in another that lies on the same lattice of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lattice {
    /// The axis of the other grid that each axis follows; a permutation.
    axis: [usize; 3],
    /// +1 or −1: whether each axis runs along it or against it.
    step: [i64; 3],
    /// The voxel of the other grid at voxel (0, 0, 0).
    offset: [i64; 3],
}

impl Lattice {
    /// The relation from one grid to another, if every voxel centre of `from` lies on a centre of `to`'s lattice
    /// (inside `to` or beyond it) within `tolerance_voxels`. An axis with one voxel has no direction to compare.
    pub fn between(from: &Grid, to: &Grid, tolerance_voxels: f64) -> Option<Self> {
        let columns = [0, 1, 2].map(|a| to.affine().voxel_vector(from.affine().linear().column(a).into()));
        let steps = Matrix3::from_columns(&columns);
        let mut axis = [usize::MAX; 3];
        let mut step = [1; 3];
        for a in 0..3 {
            if from.dims()[a] > 1 {
                let follows = steps.column(a).iamax();
                axis[a] = follows;
                step[a] = if steps[(follows, a)] < 0.0 { -1 } else { 1 };
            }
        }
        for a in 0..3 {
            if axis[a] == usize::MAX {
                axis[a] = free_axis(&axis, steps.column(a).iamax())?;
                step[a] = if steps[(axis[a], a)] < 0.0 { -1 } else { 1 };
            }
        }
        let first = to.affine().voxel_from_world(from.affine().origin());
        let offset = [0, 1, 2].map(|a| first[a].round());
        if offset.iter().any(|o| o.abs() > 1e12) {
            return None;
        }
        let found = Self { axis, step, offset: offset.map(|o| o as i64) };
        (found.is_permutation() && found.fits(from, to, tolerance_voxels)).then_some(found)
    }

    fn is_permutation(&self) -> bool {
        (0..3).all(|a| self.axis.contains(&a))
    }

    fn fits(&self, from: &Grid, to: &Grid, tolerance_voxels: f64) -> bool {
        (0..8).all(|corner| {
            let voxel = [0, 1, 2].map(|a| if corner >> a & 1 == 1 { from.dims()[a] - 1 } else { 0 });
            let exact = to.affine().voxel_from_world(from.world_of(voxel));
            let named = self.voxel(voxel);
            (0..3).all(|a| (exact[a] - named[a] as f64).abs() <= tolerance_voxels)
        })
    }

    /// What a voxel is called in the other grid; may lie beyond its edges.
    pub fn voxel(&self, voxel: [usize; 3]) -> [i64; 3] {
        let mut other = self.offset;
        for a in 0..3 {
            other[self.axis[a]] += self.step[a] * voxel[a] as i64;
        }
        other
    }

    /// The index in the array of the other grid, if the voxel lies in it.
    pub fn index_in(&self, other: &Grid, voxel: [usize; 3]) -> Option<usize> {
        let at = self.voxel(voxel);
        let inside = (0..3).all(|a| at[a] >= 0 && (at[a] as u64) < other.dims()[a] as u64);
        inside.then(|| other.index(at.map(|v| v as usize)))
    }
}

/// The preferred axis if nobody follows it yet, else any that nobody follows.
fn free_axis(taken: &[usize; 3], preferred: usize) -> Option<usize> {
    [preferred, 0, 1, 2].into_iter().find(|a| !taken.contains(a))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Affine, VoxelBox};
    use nalgebra::{Rotation3, Vector3};

    fn oblique() -> Grid {
        let rotation = Rotation3::from_euler_angles(0.3, -0.7, 1.1).into_inner();
        let linear = rotation * Matrix3::from_diagonal(&Vector3::new(0.7, 0.9, 3.3));
        Grid::new([5, 7, 3], Affine::new(linear, Vector3::new(-120.0, 33.5, 900.25)).unwrap()).unwrap()
    }

    #[test]
    fn a_turned_box_names_the_same_points() {
        let grid = oblique();
        let part = grid.sub_grid(VoxelBox::new([1, 2, 0], [4, 7, 2])).unwrap();
        // x and z change places, y runs backwards.
        let a = part.affine();
        let linear = Matrix3::from_columns(&[
            a.linear().column(2).into_owned(),
            -a.linear().column(1).into_owned(),
            a.linear().column(0).into_owned(),
        ]);
        let turned =
            Grid::new([2, 5, 3], Affine::new(linear, part.world_of([0, 4, 0]).coords).unwrap()).unwrap();
        let lattice = Lattice::between(&turned, &grid, 1e-6).unwrap();
        for index in 0..turned.voxel_count() {
            let voxel = turned.voxel(index);
            let other = grid.voxel(lattice.index_in(&grid, voxel).unwrap());
            assert!((grid.world_of(other) - turned.world_of(voxel)).norm() < 1e-9);
        }
        let back = Lattice::between(&grid, &turned, 1e-6).unwrap();
        assert_eq!(back.index_in(&turned, [0, 0, 0]), None);
    }

    #[test]
    fn half_a_voxel_beside_is_another_lattice() {
        let grid = oblique();
        let moved = Grid::new(grid.dims(), grid.affine().shifted(Vector3::new(0.5, 0.0, 0.0))).unwrap();
        assert_eq!(Lattice::between(&moved, &grid, 0.1), None);
        let coarse = Grid::from_spacing([5, 7, 3], [2.0; 3]).unwrap();
        assert_eq!(Lattice::between(&coarse, &Grid::from_spacing([9, 9, 9], [1.0; 3]).unwrap(), 0.1), None);
    }
}
