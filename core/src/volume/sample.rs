//! Values between voxels.

use nalgebra::Point3;

use super::Volume;

impl Volume {
    /// Trilinear value at a continuous voxel coordinate; `None` outside the outermost voxel centres by more
    /// than half a voxel. Within that half voxel the edge value continues.
    pub fn value_at(&self, point: Point3<f64>) -> Option<f32> {
        self.grid().voxel_at(point)?;
        let dims = self.grid().dims();
        let mut low = [0; 3];
        let mut share = [0.0f32; 3];
        for axis in 0..3 {
            let p = point[axis].clamp(0.0, (dims[axis] - 1) as f64);
            low[axis] = (p as usize).min(dims[axis].saturating_sub(2));
            share[axis] = (p - low[axis] as f64) as f32;
        }
        let mut sum = 0.0;
        for corner in 0..8 {
            let mut weight = 1.0;
            let mut at = low;
            for axis in 0..3 {
                let high = corner >> axis & 1 == 1;
                weight *= if high { share[axis] } else { 1.0 - share[axis] };
                at[axis] = (low[axis] + usize::from(high)).min(dims[axis] - 1);
            }
            if weight > 0.0 {
                sum += weight * self.voxels().value(self.grid().index(at));
            }
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Grid;
    use crate::volume::{ImageMeta, Voxels};
    use proptest::prelude::*;

    fn ramp() -> Volume {
        let grid = Grid::from_spacing([5, 4, 3], [1.0; 3]).unwrap();
        let values = (0..60).map(|i| (i % 5) as f32 + 10.0 * (i / 5 % 4) as f32 + 100.0 * (i / 20) as f32);
        Volume::new(grid, Voxels::F32(values.collect()), ImageMeta::default()).unwrap()
    }

    proptest! {
        #[test]
        fn a_linear_ramp_is_reproduced(x in 0.0..4.0f64, y in 0.0..3.0f64, z in 0.0..2.0f64) {
            let value = ramp().value_at(Point3::new(x, y, z)).unwrap();
            prop_assert!((f64::from(value) - (x + 10.0 * y + 100.0 * z)).abs() < 1e-3);
        }
    }

    #[test]
    fn the_edge_continues_for_half_a_voxel_and_no_further() {
        assert_eq!(ramp().value_at(Point3::new(-0.4, 0.0, 0.0)), Some(0.0));
        assert_eq!(ramp().value_at(Point3::new(-0.6, 0.0, 0.0)), None);
    }
}
