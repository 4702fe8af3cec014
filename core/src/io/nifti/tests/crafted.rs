//! Files made for one rule of the standard each.

use super::*;
use crate::io::Warning;
use crate::volume::Voxels;

const BOTH: [Version; 2] = [Version::One, Version::Two];

fn opened(header: &HeaderBytes, voxels: &[u8]) -> Result<Opened, OpenError> {
    let folder = Folder::new();
    open_plain(&folder.write("file.nii", &file_bytes(header, voxels)))
}

fn voxels_with_scaling(datatype: i64, bits: i64, stored: &[u8], slope: f64, inter: f64) -> Voxels {
    let count = stored.len() as i64 * 8 / bits;
    let mut header = header(Version::One, &[count, 1, 1], datatype, bits);
    header.set_float(fields::SCL_SLOPE, 0, slope);
    header.set_float(fields::SCL_INTER, 0, inter);
    opened(&header, stored).unwrap().volume.voxels().clone()
}

#[test]
fn a_slope_of_zero_or_none_scales_nothing() {
    let stored = [3i16.to_le_bytes(), (-7i16).to_le_bytes()].concat();
    let want = Voxels::I16(vec![3, -7]);
    for slope in [0.0, f64::NAN, f64::INFINITY, 1.0] {
        let inter = if slope == 1.0 { 0.0 } else { 5.0 };
        assert_eq!(voxels_with_scaling(4, 16, &stored, slope, inter), want, "slope {slope}");
    }
    assert_eq!(voxels_with_scaling(4, 16, &stored, 1.0, f64::NAN), want);
}

#[test]
fn whole_intercepts_keep_integers_and_slopes_make_floats() {
    let stored = [0u16.to_le_bytes(), 3000u16.to_le_bytes()].concat();
    assert_eq!(voxels_with_scaling(512, 16, &stored, 1.0, -1024.0), Voxels::I16(vec![-1024, 1976]));
    assert_eq!(voxels_with_scaling(512, 16, &stored, 0.5, -1.0), Voxels::F32(vec![-1.0, 1499.0]));
    assert_eq!(voxels_with_scaling(2, 8, &[0, 200], 1.0, 100_000.0), Voxels::I32(vec![100_000, 100_200]));
}

#[test]
fn wide_integers_take_the_narrowest_type_and_say_when_they_are_rounded() {
    let wide = |values: &[i64]| {
        let stored: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        voxels_with_scaling(1024, 64, &stored, 0.0, 0.0)
    };
    assert_eq!(wide(&[0, 255]), Voxels::U8(vec![0, 255]));
    assert_eq!(wide(&[-1, 255]), Voxels::I16(vec![-1, 255]));
    assert_eq!(wide(&[0, 65_535]), Voxels::U16(vec![0, 65_535]));
    assert_eq!(wide(&[-1, 65_535]), Voxels::I32(vec![-1, 65_535]));
    assert_eq!(wide(&[5, 1 << 40, 7]), Voxels::F32(vec![5.0, (1u64 << 40) as f32, 7.0]));
    let header = header(Version::One, &[2, 1, 1], 1280, 64);
    let stored = [u64::MAX.to_le_bytes(), 1u64.to_le_bytes()].concat();
    let opened = opened(&header, &stored).unwrap();
    assert_eq!(opened.volume.voxels(), &Voxels::F32(vec![u64::MAX as f32, 1.0]));
    assert!(opened.warnings[0].to_string().contains("1 values are too large"));
}

#[test]
fn flat_files_and_trailing_ones_are_images_of_one_slice() {
    for version in BOTH {
        for dims in [&[3, 2][..], &[6], &[3, 2, 1, 1, 1, 1, 1], &[3, 2, 1, 0]] {
            let mut header = header(version, dims, 2, 8);
            header.set_float(fields::PIXDIM, 3, 0.0);
            header.set_float(fields::SROW, 10, 0.0);
            let volume = opened(&header, &[1, 2, 3, 4, 5, 6]).unwrap().volume;
            assert_eq!(volume.voxels(), &Voxels::U8(vec![1, 2, 3, 4, 5, 6]));
            assert!(volume.grid().is_flat());
            assert!((volume.grid().spacing_mm()[2] - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn units_of_length_become_millimetres() {
    for (code, spacing) in [(0, 2.0), (1, 2000.0), (2, 2.0), (3, 0.002), (2 + 8, 2.0)] {
        let mut header = header(Version::Two, &[2, 2, 2], 2, 8);
        for axis in 0..3 {
            header.set_float(fields::SROW, 5 * axis, 2.0);
        }
        header.set_int(fields::XYZT_UNITS, 0, code);
        let got = opened(&header, &[0; 8]).unwrap().volume.grid().spacing_mm();
        assert!((got[0] - spacing).abs() < 1e-9 * spacing, "unit {code}: {got:?}");
    }
}

/// A quarter turn about z, written as a quaternion, with either handedness.
#[test]
fn the_qform_rotates_and_qfac_mirrors_the_third_axis() {
    for (qfac, sign) in [(1.0, 1.0), (0.0, 1.0), (-1.0, -1.0)] {
        let mut header = header(Version::One, &[2, 2, 2], 2, 8);
        header.set_int(fields::SFORM_CODE, 0, 0);
        header.set_int(fields::QFORM_CODE, 0, 1);
        header.set_float(fields::PIXDIM, 0, qfac);
        for (axis, spacing) in [2.0, 3.0, 4.0].into_iter().enumerate() {
            header.set_float(fields::PIXDIM, axis + 1, spacing);
            header.set_float(fields::QOFFSET, axis, 10.0 * (axis + 1) as f64);
        }
        header.set_float(fields::QUATERN, 2, std::f64::consts::FRAC_1_SQRT_2);
        let rows = opened(&header, &[0; 8]).unwrap().volume.grid().affine().rows();
        let want = [[0.0, 3.0, 0.0, -10.0], [-2.0, 0.0, 0.0, -20.0], [0.0, 0.0, 4.0 * sign, 30.0]];
        for (got, want) in rows.iter().flatten().zip(want.iter().flatten()) {
            assert!((got - want).abs() < 1e-6, "qfac {qfac}: {rows:?}");
        }
    }
}

#[test]
fn forms_that_differ_are_announced_and_a_broken_sform_yields_to_the_qform() {
    let mut both = header(Version::One, &[2, 2, 2], 2, 8);
    both.set_int(fields::QFORM_CODE, 0, 1);
    assert_eq!(opened(&both, &[0; 8]).unwrap().warnings, []);
    both.set_float(fields::QOFFSET, 0, 7.5);
    assert_eq!(opened(&both, &[0; 8]).unwrap().warnings, [Warning::FormsDiffer { distance_mm: 7.5 }]);
    both.set_float(fields::SROW, 10, 0.0);
    let fallen_back = opened(&both, &[0; 8]).unwrap();
    assert!(
        matches!(&fallen_back.warnings[..], [Warning::Repaired { what }] if what.contains("qform is used"))
    );
    assert_eq!(fallen_back.volume.grid().affine().origin().x, -7.5);
    both.set_int(fields::QFORM_CODE, 0, 0);
    assert!(opened(&both, &[0; 8]).unwrap_err().to_string().contains("singular"));
}

#[test]
fn nonsense_in_a_header_is_refused_with_its_value() {
    let refused = |change: &dyn Fn(&mut HeaderBytes), reason: &str| {
        for version in BOTH {
            let mut header = header(version, &[2, 2, 2], 2, 8);
            change(&mut header);
            let message = opened(&header, &[0; 8]).unwrap_err().to_string();
            assert!(message.contains(reason), "{message}");
        }
    };
    refused(&|h| h.set_int(fields::DIM, 2, 0), "dim[2] of the NIfTI header is 0");
    refused(&|h| h.set_int(fields::DIM, 1, -5), "is -5");
    refused(&|h| h.set_int(fields::DIM, 0, 9), "9 axes");
    refused(&|h| h.set_int(fields::DATATYPE, 0, 1536), "128-bit float");
    refused(&|h| h.set_int(fields::DATATYPE, 0, 2048), "256-bit complex");
    refused(&|h| h.set_int(fields::DATATYPE, 0, 1), "one bit");
    refused(&|h| h.set_int(fields::DATATYPE, 0, 77), "77 (unknown)");
    refused(&|h| h.set_int(fields::VOX_OFFSET, 0, -16), "vox_offset of the NIfTI header is -16");
    refused(&|h| h.set_float(fields::SROW, 0, f64::NAN), "not a number");
    let no_form = |pixdim: f64| {
        move |h: &mut HeaderBytes| {
            h.set_int(fields::SFORM_CODE, 0, 0);
            h.set_float(fields::PIXDIM, 2, pixdim);
        }
    };
    refused(&no_form(0.0), "spacing along y is 0");
    refused(&no_form(-1.0), "spacing along y is -1");
    refused(&no_form(f64::NAN), "spacing along y is NaN");
}

#[test]
fn the_first_slice_comes_before_the_rest_and_work_can_be_cancelled() {
    let folder = Folder::new();
    let (nx, ny, nz) = (300, 200, 101);
    let header = header(Version::One, &[nx, ny, nz], 4, 16);
    let stored: Vec<u8> = (0..nx * ny * nz).flat_map(|i| ((i / (nx * ny)) as i16).to_le_bytes()).collect();
    let bytes = file_bytes(&header, &stored);
    for (name, bytes, z) in [("a.nii", bytes.clone(), 50), ("a.nii.gz", gzip(&bytes), 0)] {
        let path = folder.write(name, &bytes);
        let watcher = Watcher::default();
        let volume = open(&path, &OpenOptions::default(), &watcher).unwrap().volume;
        let slices = watcher.slices.take();
        assert_eq!(slices.len(), 1);
        assert_eq!(slices[0].value([7, 9, 0]), Some(z as f32));
        assert_eq!(slices[0].grid().world_of([1, 2, 0]), volume.grid().world_of([1, 2, z]));
        let total = stored.len() as u64;
        assert_eq!(watcher.reports.borrow().last(), Some(&(total, total)));
        let cancelling = Watcher { cancel_after: Some(1), ..Watcher::default() };
        let result = open(&path, &OpenOptions::default(), &cancelling);
        assert!(matches!(result, Err(OpenError::Cancelled(_))));
    }
}

#[test]
fn gzip_members_in_a_row_and_bytes_behind_them_are_read_as_gzip_does() {
    let folder = Folder::new();
    let bytes = file_bytes(&header(Version::One, &[4, 2, 1], 2, 8), &[1, 2, 3, 4, 5, 6, 7, 8]);
    let (front, back) = bytes.split_at(200);
    let path = folder.write("two.nii.gz", &[gzip(front), gzip(back), vec![0; 100]].concat());
    assert_eq!(values(&open_plain(&path).unwrap().volume), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let mut damaged = gzip(&bytes);
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    let message = open_plain(&folder.write("bad.nii.gz", &damaged)).unwrap_err().to_string();
    assert!(message.contains("damaged"), "{message}");
}
