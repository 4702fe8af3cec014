//! Where a NIfTI header puts its voxels in the patient, and the way back.
//!
//! The file speaks of RAS (x to the right, y anterior); Hilum of LPS, so rows x and y change sign. Methods 1 to 3
//! refer to the comment "3D IMAGE (VOLUME) ORIENTATION" in `nifti1.h`.

use std::path::Path;

use nalgebra::{Matrix3, Point3, Quaternion, Rotation3, UnitQuaternion, Vector3};

use super::fields::{self, HeaderBytes};
use super::header::Header;
use crate::geometry::{Affine, AffineError, Grid};
use crate::io::{OpenError, Warning};

/// Part of the finest voxel by which sform and qform may differ without a warning.
const FORMS_TOLERANCE_VOXELS: f64 = 0.1;
/// Cosine between two voxel axes up to which a quaternion can hold the orientation.
const MAX_SHEAR_COSINE: f64 = 1e-5;
/// Rounding of the sum of three squares stored in `f32`.
const ROUNDING_OF_SQUARES: f64 = 1e-7;
const METRES: u8 = 1;
const MILLIMETRES: u8 = 2;
const MICROMETRES: u8 = 3;

/// The map from voxels to LPS millimetres: sform, else qform, else spacing alone.
pub(super) fn affine(
    header: &Header,
    dims: [usize; 3],
    path: &Path,
    warnings: &mut Vec<Warning>,
) -> Result<Affine, OpenError> {
    let mm = millimetres_per_unit(header, warnings);
    let sform = (header.sform_code > 0).then(|| from_sform(header, dims, mm));
    let qform = (header.qform_code > 0).then(|| from_qform(header, dims, mm, path));
    match (sform, qform) {
        (Some(Ok(sform)), Some(Ok(qform))) => {
            let finest = sform.spacing_mm().into_iter().fold(f64::INFINITY, f64::min);
            let distance_mm = largest_distance(&sform, &qform, dims);
            if distance_mm > FORMS_TOLERANCE_VOXELS * finest {
                warnings.push(Warning::FormsDiffer { distance_mm });
            }
            Ok(sform)
        }
        (Some(Ok(sform)), _) => Ok(sform),
        (Some(Err(cause)), Some(Ok(qform))) => {
            warnings.push(Warning::Repaired {
                what: format!("the sform is not usable ({cause}); the qform is used"),
            });
            Ok(qform)
        }
        (Some(Err(cause)), _) => Err(OpenError::invalid(cause.to_string(), path)),
        (None, Some(qform)) => qform,
        (None, None) => {
            warnings.push(Warning::NoOrientation);
            let spacing = spacing(header, dims, mm, path)?;
            to_lps(Matrix3::from_diagonal(&spacing), Vector3::zeros())
                .map_err(|e| OpenError::invalid(e.to_string(), path))
        }
    }
}

fn millimetres_per_unit(header: &Header, warnings: &mut Vec<Warning>) -> f64 {
    match header.xyzt_units & 7 {
        METRES => 1000.0,
        MICROMETRES => 0.001,
        0 | MILLIMETRES => 1.0,
        other => {
            warnings.push(Warning::Repaired {
                what: format!("the unit of length has code {other}; mm was used"),
            });
            1.0
        }
    }
}

/// Method 3: the affine as it stands. A flat image may leave its third axis out.
fn from_sform(header: &Header, dims: [usize; 3], mm: f64) -> Result<Affine, AffineError> {
    let mut linear = Matrix3::from_fn(|r, c| header.srow[r][c]) * mm;
    let origin = Vector3::from_fn(|r, _| header.srow[r][3]) * mm;
    for (axis, size) in dims.into_iter().enumerate() {
        if size == 1 && linear.column(axis).norm() == 0.0 {
            let normal = linear.column((axis + 1) % 3).cross(&linear.column((axis + 2) % 3));
            if let Some(unit) = normal.try_normalize(0.0) {
                linear.set_column(axis, &unit);
            }
        }
    }
    to_lps(linear, origin)
}

/// Method 2: a rotation as the last three parts of a unit quaternion, spacings, and qfac.
fn from_qform(header: &Header, dims: [usize; 3], mm: f64, path: &Path) -> Result<Affine, OpenError> {
    let spacing = spacing(header, dims, mm, path)?;
    let [b, c, d] = header.quatern;
    let rest = 1.0 - (b * b + c * c + d * d);
    // Three parts in f32 leave this much doubt about the fourth; at half a turn its root would tilt the image.
    let a = if rest < ROUNDING_OF_SQUARES { 0.0 } else { rest.sqrt() };
    let rotation = UnitQuaternion::from_quaternion(Quaternion::new(a, b, c, d)).to_rotation_matrix();
    let qfac = if header.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let scale = Matrix3::from_diagonal(&Vector3::new(spacing.x, spacing.y, spacing.z * qfac));
    to_lps(rotation.into_inner() * scale, Vector3::from(header.qoffset) * mm)
        .map_err(|e| OpenError::invalid(format!("the qform is not usable: {e}"), path))
}

/// `pixdim[1..4]` in mm; an axis of one voxel may leave it out.
fn spacing(header: &Header, dims: [usize; 3], mm: f64, path: &Path) -> Result<Vector3<f64>, OpenError> {
    let mut spacing = Vector3::zeros();
    for axis in 0..3 {
        let declared = header.pixdim[axis + 1];
        spacing[axis] = if declared > 0.0 && declared.is_finite() {
            declared * mm
        } else if dims[axis] == 1 {
            1.0
        } else {
            let name = ["x", "y", "z"][axis];
            let what = format!(
                "the spacing along {name} is {declared}; it must be positive, repair pixdim in the header"
            );
            return Err(OpenError::invalid(what, path));
        };
    }
    Ok(spacing)
}

fn to_lps(mut linear: Matrix3<f64>, mut origin: Vector3<f64>) -> Result<Affine, AffineError> {
    for row in 0..2 {
        linear.row_mut(row).neg_mut();
        origin[row] = -origin[row];
    }
    Affine::new(linear, origin)
}

fn largest_distance(one: &Affine, other: &Affine, dims: [usize; 3]) -> f64 {
    (0..8)
        .map(|corner| {
            let at = Point3::from([0, 1, 2].map(|a| (corner >> a & 1) as f64 * (dims[a] - 1) as f64));
            (one.world_from_voxel(at) - other.world_from_voxel(at)).norm()
        })
        .fold(0.0, f64::max)
}

/// Writes size and place of a grid: sform always, qform where the voxel axes stand at right angles.
pub(super) fn write_grid(header: &mut HeaderBytes, grid: &Grid) {
    header.set_int(fields::DIM, 0, 3);
    for axis in 0..7 {
        header.set_int(fields::DIM, axis + 1, grid.dims().get(axis).map_or(1, |n| *n as i64));
    }
    header.set_int(fields::XYZT_UNITS, 0, i64::from(MILLIMETRES));
    let mut rows = grid.affine().rows();
    for row in &mut rows[..2] {
        *row = row.map(|v| -v);
    }
    for (r, row) in rows.iter().enumerate() {
        for (c, value) in row.iter().enumerate() {
            header.set_float(fields::SROW, 4 * r + c, *value);
        }
    }
    header.set_int(fields::SFORM_CODE, 0, 1);
    header.set_float(fields::PIXDIM, 0, 1.0);
    let spacing = grid.spacing_mm();
    for (axis, step) in spacing.iter().enumerate() {
        header.set_float(fields::PIXDIM, axis + 1, *step);
    }
    let directions = Matrix3::from_fn(|r, c| rows[r][c] / spacing[c]);
    write_quaternion(header, directions, [0, 1, 2].map(|r| rows[r][3]));
}

fn write_quaternion(header: &mut HeaderBytes, mut directions: Matrix3<f64>, origin: [f64; 3]) {
    let shear = [(0, 1), (0, 2), (1, 2)]
        .map(|(a, b)| directions.column(a).dot(&directions.column(b)).abs())
        .into_iter()
        .fold(0.0, f64::max);
    if shear > MAX_SHEAR_COSINE {
        header.set_int(fields::QFORM_CODE, 0, 0);
        return;
    }
    if directions.determinant() < 0.0 {
        directions.column_mut(2).neg_mut();
        header.set_float(fields::PIXDIM, 0, -1.0);
    }
    let rotation = Rotation3::from_matrix_unchecked(directions);
    let q = UnitQuaternion::from_rotation_matrix(&rotation);
    let sign = if q.w < 0.0 { -1.0 } else { 1.0 };
    for (index, part) in [q.i, q.j, q.k].into_iter().enumerate() {
        header.set_float(fields::QUATERN, index, sign * part);
        header.set_float(fields::QOFFSET, index, origin[index]);
    }
    header.set_int(fields::QFORM_CODE, 0, 1);
}
