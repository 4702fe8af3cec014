use hilum_core::geometry::{Affine, Grid};
use hilum_core::volume::{ImageMeta, Volume, Voxels};
use nalgebra::{Matrix3, Vector3};

use super::*;

fn input(scale: Scale) -> ImageInput {
    ImageInput { color: false, normalize: Normalize::Window { low: 0.0, high: 400.0 }, scale }
}

fn ramp(dims: [usize; 3], affine: Affine) -> Volume {
    let [nx, ny, nz] = dims;
    let value = |i: usize| (i % nx) as f32 + 10.0 * (i / nx % ny) as f32 + 50.0 * (i / nx / ny) as f32;
    let voxels = Voxels::F32((0..nx * ny * nz).map(value).collect());
    Volume::new(Grid::new(dims, affine).unwrap(), voxels, ImageMeta::default()).unwrap()
}

#[test]
fn the_images_own_frame_gives_its_values_back() {
    let volume = ramp([5, 4, 3], Affine::from_spacing([1.0; 3]).unwrap());
    let wanted = input(Scale::Keep);
    let frame = Frame::whole(&volume, &wanted);
    let values = Prepared::new(&volume, &wanted).sample(&frame);
    for (i, value) in values.iter().enumerate() {
        assert!((value - (volume.voxels().value(i) / 200.0 - 1.0)).abs() < 1e-5);
    }
    let back = to_image(&values, &frame, [5, 4, 3], 9.0);
    assert_eq!(back.len(), 60);
    back.iter().zip(&values).for_each(|(b, v)| assert!((b - v).abs() < 1e-6));
}

#[test]
fn an_oblique_anisotropic_volume_is_seen_along_the_patients_axes_and_found_again() {
    // Voxel x runs to the feet, y to the right, z to the back, slightly turned; sizes are odd and unequal.
    let turn = nalgebra::Rotation3::from_euler_angles(0.1, 0.05, -0.08).into_inner();
    let axes = Matrix3::new(0.0, -0.8, 0.0, 0.0, 0.0, 3.0, -1.5, 0.0, 0.0);
    let affine = Affine::new(turn * axes, Vector3::new(5.0, -7.0, 11.0)).unwrap();
    let volume = ramp([7, 9, 5], affine);
    let wanted = input(Scale::Spacing { mm: [0.8, 3.0, 1.5] });
    let frame = Frame::whole(&volume, &wanted);
    assert_eq!(frame.dims, [9, 5, 7]);
    // A step along the frame's axes leads to the patient's left, back and head.
    for axis in 0..3 {
        let step = volume.grid().affine().world_vector(frame.step.column(axis).into());
        assert!(step[axis] > 0.9 * step.norm(), "axis {axis}: {step}");
    }
    let values = Prepared::new(&volume, &wanted).sample(&frame);
    let back = to_image(&values, &frame, [7, 9, 5], 9.0);
    for (i, value) in back.iter().enumerate() {
        assert!((value - (volume.voxels().value(i) / 200.0 - 1.0)).abs() < 1e-4, "voxel {i}");
    }
}

#[test]
fn a_coarser_frame_averages_what_it_covers() {
    let dims = [8, 8, 1];
    let values: Vec<f32> = (0..64).map(|i| if (i % 8 + i / 8) % 2 == 0 { 400.0 } else { 0.0 }).collect();
    let grid = Grid::from_spacing(dims, [1.0; 3]).unwrap();
    let volume = Volume::new(grid, Voxels::F32(values), ImageMeta::default()).unwrap();
    let prepared = Prepared::new(&volume, &input(Scale::Keep));
    let frame = Frame::square(Vector3::new(3.5, 3.5, 0.0), 8.0, [4, 4]);
    for value in prepared.sample(&frame) {
        assert!(value.abs() < 1e-5, "a chess board is grey from afar, not {value}");
    }
}

#[test]
fn the_field_of_a_photograph_gets_the_asked_width() {
    let dims = [100, 60, 1];
    let values =
        (0..6000).map(|i| if (20..80).contains(&(i % 100)) { [180, 90, 40] } else { [2, 1, 1] }).collect();
    let grid = Grid::from_spacing(dims, [1.0; 3]).unwrap();
    let volume = Volume::new(grid, Voxels::Rgb8(values), ImageMeta::default()).unwrap();
    let wanted = ImageInput { color: true, normalize: Normalize::Field, scale: Scale::Field { pixels: 30 } };
    let frame = Frame::whole(&volume, &wanted);
    assert_eq!(frame.dims, [50, 30, 1]);
    let values = Prepared::new(&volume, &wanted).sample(&frame);
    assert_eq!(values.len(), 3 * 50 * 30);
    assert!(values[15 * 50 + 25].abs() < 1e-3, "the field is the mean: {}", values[15 * 50 + 25]);
}
