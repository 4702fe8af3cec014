//! Cubes in patient space: cutting one out of an image and putting an answer back (networks.md D12).

use hilum_core::geometry::{Affine, Grid, GridError, VoxelBox, WorldPoint};
use hilum_core::volume::Volume;
use hilum_core::with_scalar_voxels;
use nalgebra::{Matrix3, Point3, Vector3};
use rayon::prelude::*;

/// Most samples averaged along an axis where the target is coarser than the image.
const MAX_SUPERSAMPLING: usize = 4;

/// A cube of `size`³ voxels and `side_mm` edge length around a point, aligned with the patient (LPS) axes.
///
/// # Errors
/// [`GridError`] for a side that is not positive or a size of zero.
pub fn cube_grid(center: WorldPoint, side_mm: f64, size: usize) -> Result<Grid, GridError> {
    let step = side_mm / size.max(1) as f64;
    let half = step * (size.max(1) - 1) as f64 / 2.0;
    let origin = center.coords - Vector3::repeat(half);
    Grid::new([size; 3], Affine::new(Matrix3::from_diagonal_element(step), origin)?)
}

/// Trilinear values of `volume` at the voxels of `target`, `[z, y, x]`; `outside` beyond the image.
///
/// Where a target voxel is larger than an image voxel, several samples are averaged, so that noise and small
/// structures are not picked at random. Values that are not finite count as `outside`.
#[expect(clippy::unnecessary_cast, reason = "one body for every voxel type")]
pub fn resample(volume: &Volume, target: &Grid, outside: f32) -> Vec<f32> {
    let offsets = supersampling_offsets(volume.grid(), target);
    with_scalar_voxels!(
        volume.voxels(),
        data => resample_array(data, |v| v as f32, volume.grid(), target, &offsets, outside),
        rgb data => {
            let luma = |v: [u8; 3]| 0.299 * f32::from(v[0]) + 0.587 * f32::from(v[1]) + 0.114 * f32::from(v[2]);
            resample_array(data, luma, volume.grid(), target, &offsets, outside)
        }
    )
}

/// Share of each voxel of `target` that lies in a mask on `grid`, `[z, y, x]`, in 0..=1.
pub fn resample_mask(mask: &[bool], grid: &Grid, target: &Grid) -> Vec<f32> {
    let offsets = supersampling_offsets(grid, target);
    resample_array(mask, |v| f32::from(u8::from(v)), grid, target, &offsets, 0.0)
}

/// Trilinear values of an array on `grid` at the voxels of `target`, without averaging.
pub fn resample_values(values: &[f32], grid: &Grid, target: &Grid, outside: f32) -> Vec<f32> {
    resample_array(values, |v| v, grid, target, &[Vector3::zeros()], outside)
}

/// The box of voxels of `image` whose centres a cube covers, grown by one voxel; may be empty.
pub fn covered_box(cube: &Grid, image: &Grid) -> VoxelBox {
    let mut low = Vector3::repeat(f64::INFINITY);
    let mut high = Vector3::repeat(f64::NEG_INFINITY);
    let edge = cube.dims().map(|n| n as f64 - 0.5);
    for corner in 0..8 {
        let at = Point3::from([0, 1, 2].map(|a| if corner >> a & 1 == 1 { edge[a] } else { -0.5 }));
        let voxel = image.affine().voxel_from_world(cube.affine().world_from_voxel(at));
        low = low.inf(&voxel.coords);
        high = high.sup(&voxel.coords);
    }
    let dims = image.dims();
    let clamp = |v: f64, a: usize| v.clamp(0.0, dims[a] as f64) as usize;
    VoxelBox::new(
        [0, 1, 2].map(|a| clamp(low[a].floor(), a)),
        [0, 1, 2].map(|a| clamp(high[a].ceil() + 1.0, a)),
    )
}

/// Brings values of a cube back to the voxels of `image` that it covers: the box and its values `[z, y, x]`,
/// `outside` where a voxel of the box lies beyond the cube.
pub fn project_back(values: &[f32], cube: &Grid, image: &Grid, outside: f32) -> (VoxelBox, Vec<f32>) {
    let region = covered_box(cube, image);
    match image.sub_grid(region) {
        Ok(target) => (region, resample_values(values, cube, &target, outside)),
        Err(_) => (VoxelBox::default(), Vec::new()),
    }
}

/// Offsets within a target voxel, in target voxels, at which samples are averaged.
fn supersampling_offsets(source: &Grid, target: &Grid) -> Vec<Vector3<f64>> {
    let steps = [0, 1, 2].map(|axis| {
        let step = source.affine().voxel_vector(target.affine().linear().column(axis).into_owned());
        (step.amax().round() as usize).clamp(1, MAX_SUPERSAMPLING)
    });
    let place = |i: usize, n: usize| (i as f64 + 0.5) / n as f64 - 0.5;
    let mut offsets = Vec::with_capacity(steps.iter().product());
    for z in 0..steps[2] {
        for y in 0..steps[1] {
            for x in 0..steps[0] {
                offsets.push(Vector3::new(place(x, steps[0]), place(y, steps[1]), place(z, steps[2])));
            }
        }
    }
    offsets
}

fn resample_array<T: Copy + Sync>(
    data: &[T],
    value: impl Fn(T) -> f32 + Copy + Sync,
    source: &Grid,
    target: &Grid,
    offsets: &[Vector3<f64>],
    outside: f32,
) -> Vec<f32> {
    let [nx, ny, _] = target.dims();
    let sampler = Trilinear::new(data, value, source.dims(), outside);
    let step = source.affine().voxel_vector(target.affine().linear().column(0).into_owned());
    let weight = 1.0 / offsets.len() as f32;
    let offsets: Vec<_> =
        offsets.iter().map(|o| source.affine().voxel_vector(target.affine().world_vector(*o))).collect();
    let mut out = vec![0.0f32; target.voxel_count()];
    out.par_chunks_mut(nx).enumerate().for_each(|(row, line)| {
        let start = source.affine().voxel_from_world(target.world_of([0, row % ny, row / ny])).coords;
        for (x, out) in line.iter_mut().enumerate() {
            let at = start + step * x as f64;
            *out = offsets.iter().map(|o| sampler.at(at + o)).sum::<f32>() * weight;
        }
    });
    out
}

/// Trilinear look-up in an array; the edge continues for half a voxel.
struct Trilinear<'a, T, F> {
    data: &'a [T],
    value: F,
    dims: [usize; 3],
    outside: f32,
}

impl<'a, T: Copy, F: Fn(T) -> f32> Trilinear<'a, T, F> {
    fn new(data: &'a [T], value: F, dims: [usize; 3], outside: f32) -> Self {
        Self { data, value, dims, outside }
    }

    fn at(&self, point: Vector3<f64>) -> f32 {
        let mut low = [0usize; 3];
        let mut stride = [0usize; 3];
        let mut share = [0.0f32; 3];
        let strides = [1, self.dims[0], self.dims[0] * self.dims[1]];
        for axis in 0..3 {
            let last = (self.dims[axis] - 1) as f64;
            let p = point[axis];
            if !(p >= -0.5 && p <= last + 0.5) {
                return self.outside;
            }
            let p = p.clamp(0.0, last);
            low[axis] = p as usize;
            share[axis] = (p - low[axis] as f64) as f32;
            stride[axis] = if low[axis] + 1 < self.dims[axis] { strides[axis] } else { 0 };
        }
        let base = low[0] + low[1] * strides[1] + low[2] * strides[2];
        let read = |index: usize| {
            let v = (self.value)(self.data[index]);
            if v.is_finite() { v } else { self.outside }
        };
        let line = |index: usize| {
            let a = read(index);
            a + share[0] * (read(index + stride[0]) - a)
        };
        let plane = |index: usize| {
            let a = line(index);
            a + share[1] * (line(index + stride[1]) - a)
        };
        let near = plane(base);
        near + share[2] * (plane(base + stride[2]) - near)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_core::volume::{ImageMeta, Voxels};

    /// An oblique, anisotropic, odd-sized image whose value is a linear function of the world position.
    fn linear_image() -> Volume {
        let rotation = nalgebra::Rotation3::from_euler_angles(0.2, -0.4, 0.9).into_inner();
        let linear = rotation * Matrix3::from_diagonal(&Vector3::new(0.8, -1.1, 2.7));
        let grid =
            Grid::new([41, 35, 17], Affine::new(linear, Vector3::new(5.0, -7.0, 11.0)).unwrap()).unwrap();
        let values = (0..grid.voxel_count()).map(|i| plane_value(grid.world_of(grid.voxel(i)))).collect();
        Volume::new(grid, Voxels::F32(values), ImageMeta::default()).unwrap()
    }

    fn plane_value(p: WorldPoint) -> f32 {
        (3.0 * p.x - 2.0 * p.y + 0.5 * p.z) as f32
    }

    #[test]
    fn a_linear_image_is_resampled_exactly_at_every_spacing() {
        let image = linear_image();
        for side in [6.0, 14.0, 24.0] {
            let cube = cube_grid(image.grid().center_world(), side, 9).unwrap();
            // Beyond the outermost centres the edge value continues, and samples are spread over a cube voxel.
            let margin = 1.0 + side / 9.0;
            let inside = |p: WorldPoint| {
                let voxel = image.grid().affine().voxel_from_world(p);
                let dims = image.grid().dims();
                (0..3).all(|a| voxel[a] >= margin && voxel[a] <= (dims[a] - 1) as f64 - margin)
            };
            let values = resample(&image, &cube, -1e9);
            let places = values.iter().enumerate().map(|(i, value)| (cube.world_of(cube.voxel(i)), value));
            let compared = places.filter(|(p, _)| inside(*p)).inspect(|(p, value)| {
                assert!((**value - plane_value(*p)).abs() < 1e-2, "{value} is not {}", plane_value(*p));
            });
            assert!(compared.count() > 100, "most of a cube of {side} mm lies inside");
        }
        let cube = cube_grid(image.grid().center_world(), 6.0, 9).unwrap();
        assert!(resample(&image, &cube, -1e9).iter().all(|v| *v > -1e6), "the small cube lies inside");
    }

    #[test]
    fn a_cube_is_centred_on_its_point() {
        let center = WorldPoint::new(1.0, 2.0, 3.0);
        let cube = cube_grid(center, 30.0, 10).unwrap();
        assert!((cube.center_world() - center).norm() < 1e-12);
        assert_eq!(cube.spacing_mm(), [3.0; 3]);
    }

    #[test]
    fn values_come_back_to_where_they_were() {
        let image = linear_image();
        let cube = cube_grid(image.grid().center_world(), 12.0, 25).unwrap();
        let values: Vec<f32> =
            (0..cube.voxel_count()).map(|i| plane_value(cube.world_of(cube.voxel(i)))).collect();
        let (region, back) = project_back(&values, &cube, image.grid(), f32::NAN);
        let inside = back.iter().filter(|v| v.is_finite()).count();
        let expected = 12.0f64.powi(3) / image.grid().affine().voxel_volume_mm3();
        assert!((inside as f64 / expected - 1.0).abs() < 0.1, "{inside} voxels instead of {expected}");
        let sub = image.grid().sub_grid(region).unwrap();
        for (i, value) in back.iter().enumerate().filter(|(_, v)| v.is_finite()) {
            // Half a voxel beyond the outermost centres the edge value continues.
            assert!((value - plane_value(sub.world_of(sub.voxel(i)))).abs() < 1.5);
        }
    }

    #[test]
    fn a_cube_beside_the_image_covers_nothing() {
        let image = linear_image();
        let cube = cube_grid(WorldPoint::new(5000.0, 0.0, 0.0), 12.0, 5).unwrap();
        assert!(project_back(&[0.0; 125], &cube, image.grid(), 0.0).0.is_empty());
    }

    #[test]
    fn half_covered_voxels_have_half_a_share() {
        let grid = Grid::from_spacing([8, 8, 8], [1.0; 3]).unwrap();
        let mask: Vec<bool> = (0..512).map(|i| grid.voxel(i)[0] < 4).collect();
        let target = Grid::new(
            [2, 2, 2],
            Affine::new(Matrix3::identity() * 4.0, Vector3::new(3.5, 2.0, 2.0)).unwrap(),
        );
        let share = resample_mask(&mask, &grid, &target.unwrap());
        assert!((share[0] - 0.5).abs() < 1e-6, "{}", share[0]);
    }
}
