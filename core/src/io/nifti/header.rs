//! A header of either version, in one form and checked.
//!
//! NIfTI-1 headers are parsed by the `nifti` crate. It knows no NIfTI-2, reads a file voxel by voxel, allocates
//! what a header claims and cannot write into another file's header, so those parts are Hilum's own.

use std::path::Path;

use nifti::{Endianness, NiftiHeader, NiftiType};

use super::fields::{self, HeaderBytes, Version};
use crate::io::{OpenError, Warning};

/// The fields that Hilum uses.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// The bytes as in the file.
    pub(super) raw: HeaderBytes,
    /// `dim[0]` is the number of axes.
    pub(super) dim: [i64; 8],
    /// Code of the voxel type.
    pub(super) datatype: i16,
    /// Bits of a voxel.
    pub(super) bitpix: i16,
    /// `pixdim[0]` is qfac.
    pub(super) pixdim: [f64; 8],
    /// Where the voxels start.
    pub(super) vox_offset: f64,
    /// Value = slope · stored + inter.
    pub(super) scl_slope: f64,
    /// Value = slope · stored + inter.
    pub(super) scl_inter: f64,
    /// Values shown black and white.
    pub(super) cal: [f64; 2],
    /// Units of space in the low three bits.
    pub(super) xyzt_units: u8,
    /// What the voxels mean.
    pub(super) intent_code: i64,
    /// Positive if the quaternion is valid.
    pub(super) qform_code: i64,
    /// Positive if the rows are valid.
    pub(super) sform_code: i64,
    /// b, c, d.
    pub(super) quatern: [f64; 3],
    /// Position of the first voxel, RAS.
    pub(super) qoffset: [f64; 3],
    /// Affine map, RAS.
    pub(super) srow: [[f64; 4]; 3],
    /// Free text.
    pub(super) descrip: String,
}

/// What the header promises about the voxels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Voxels along x, y, z.
    pub(super) dims: [usize; 3],
    /// Volumes in the file.
    pub(super) time_points: usize,
    /// Type of a stored voxel.
    pub(super) datatype: NiftiType,
    /// First byte of the voxels.
    pub(super) offset: u64,
    /// Bytes of one volume.
    pub(super) frame_bytes: u64,
}

impl Header {
    /// Parses the first bytes of a file.
    pub(super) fn parse(start: &[u8], path: &Path) -> Result<Self, OpenError> {
        let raw = HeaderBytes::detect(start).ok_or_else(|| not_a_header(start, path))?;
        match raw.version() {
            Version::One => Self::one(raw, path),
            Version::Two => Ok(Self::two(raw)),
        }
    }

    fn one(raw: HeaderBytes, path: &Path) -> Result<Self, OpenError> {
        let h = NiftiHeader::from_reader(raw.bytes())
            .map_err(|e| OpenError::invalid(format!("the NIfTI header cannot be read ({e})"), path))?;
        if (h.endianness == Endianness::Big) != raw.is_big_endian() {
            // The crate guesses the byte order from the number of axes, we know it from the header's size.
            let axes = raw.int(fields::DIM, 0);
            return Err(OpenError::invalid(
                format!("the NIfTI header has {axes} axes; 1 to 7 are possible"),
                path,
            ));
        }
        Ok(Self {
            dim: h.dim.map(|d| i64::from(d.cast_signed())),
            datatype: h.datatype,
            bitpix: h.bitpix,
            pixdim: h.pixdim.map(f64::from),
            vox_offset: f64::from(h.vox_offset),
            scl_slope: f64::from(h.scl_slope),
            scl_inter: f64::from(h.scl_inter),
            cal: [h.cal_min, h.cal_max].map(f64::from),
            xyzt_units: h.xyzt_units,
            intent_code: i64::from(h.intent_code),
            qform_code: i64::from(h.qform_code),
            sform_code: i64::from(h.sform_code),
            quatern: [h.quatern_b, h.quatern_c, h.quatern_d].map(f64::from),
            qoffset: [h.quatern_x, h.quatern_y, h.quatern_z].map(f64::from),
            srow: [h.srow_x, h.srow_y, h.srow_z].map(|row| row.map(f64::from)),
            descrip: raw.text(fields::DESCRIP),
            raw,
        })
    }

    fn two(raw: HeaderBytes) -> Self {
        let int = |field| raw.int(field, 0);
        let float = |field| raw.float(field, 0);
        let three = |field| [0, 1, 2].map(|i| raw.float(field, i));
        Self {
            dim: std::array::from_fn(|i| raw.int(fields::DIM, i)),
            datatype: int(fields::DATATYPE) as i16,
            bitpix: int(fields::BITPIX) as i16,
            pixdim: std::array::from_fn(|i| raw.float(fields::PIXDIM, i)),
            vox_offset: float(fields::VOX_OFFSET),
            scl_slope: float(fields::SCL_SLOPE),
            scl_inter: float(fields::SCL_INTER),
            cal: [float(fields::CAL_MIN), float(fields::CAL_MAX)],
            xyzt_units: int(fields::XYZT_UNITS) as u8,
            intent_code: int(fields::INTENT_CODE),
            qform_code: int(fields::QFORM_CODE),
            sform_code: int(fields::SFORM_CODE),
            quatern: three(fields::QUATERN),
            qoffset: three(fields::QOFFSET),
            srow: [0, 1, 2].map(|r| [0, 1, 2, 3].map(|c| raw.float(fields::SROW, 4 * r + c))),
            descrip: raw.text(fields::DESCRIP),
            raw,
        }
    }

    /// Size, type and place of the voxels, checked against each other but not against the file.
    pub(super) fn layout(&self, path: &Path, warnings: &mut Vec<Warning>) -> Result<Layout, OpenError> {
        let (dims, time_points) = self.sizes(path, warnings)?;
        let datatype = self.voxel_type(path)?;
        let bits = 8 * datatype.size_of() as i64;
        if i64::from(self.bitpix) != bits {
            warnings.push(Warning::Repaired {
                what: format!("bitpix is {}; {bits} was used, as the data type asks", self.bitpix),
            });
        }
        let frame_bytes = dims
            .iter()
            .try_fold(datatype.size_of() as u64, |bytes, n| bytes.checked_mul(*n as u64))
            .filter(|bytes| bytes.checked_mul(time_points as u64).is_some_and(|all| all < 1 << 62))
            .ok_or_else(|| too_many(dims, path))?;
        Ok(Layout { dims, time_points, datatype, offset: self.offset(path, warnings)?, frame_bytes })
    }

    fn sizes(&self, path: &Path, warnings: &mut Vec<Warning>) -> Result<([usize; 3], usize), OpenError> {
        let axes = self.dim[0];
        if !(1..=7).contains(&axes) {
            let what = format!("the NIfTI header has {axes} axes; 1 to 7 are possible");
            return Err(OpenError::invalid(what, path));
        }
        let mut sizes = [1usize; 7];
        for axis in 1..=axes as usize {
            let size = self.dim[axis];
            sizes[axis - 1] = match usize::try_from(size) {
                Ok(size) if size > 0 => size,
                Ok(_) if axis > 3 => {
                    let what = format!("dim[{axis}] is 0; 1 was used");
                    warnings.push(Warning::Repaired { what });
                    1
                }
                _ => {
                    let what = format!("dim[{axis}] of the NIfTI header is {size}; it must be at least 1");
                    return Err(OpenError::invalid(what, path));
                }
            };
        }
        if sizes[4..].iter().any(|n| *n > 1) {
            let shown: Vec<String> = sizes[..axes as usize].iter().map(ToString::to_string).collect();
            let what = format!(
                "a NIfTI file of {} (intent {}) holds vectors or more than time on its fourth axis; \
                 save one component as a 3-D or 4-D file",
                shown.join(" × "),
                self.intent_code
            );
            return Err(OpenError::unsupported(what, path));
        }
        Ok(([sizes[0], sizes[1], sizes[2]], sizes[3]))
    }

    fn voxel_type(&self, path: &Path) -> Result<NiftiType, OpenError> {
        let code = self.datatype;
        let refuse = |name: &str| {
            let what = format!("NIfTI data type {code} ({name}) cannot be shown; convert it to float32");
            Err(OpenError::unsupported(what, path))
        };
        match (NiftiHeader { datatype: code, ..NiftiHeader::default() }).data_type() {
            Ok(NiftiType::Float128) => refuse("128-bit float"),
            Ok(NiftiType::Complex256) => refuse("256-bit complex"),
            Ok(datatype) => Ok(datatype),
            Err(_) if code == 1 => refuse("one bit a voxel"),
            Err(_) => refuse("unknown"),
        }
    }

    fn offset(&self, path: &Path, warnings: &mut Vec<Warning>) -> Result<u64, OpenError> {
        let declared = self.vox_offset;
        if !(0.0..9e15).contains(&declared) || declared.fract() != 0.0 {
            let what =
                format!("vox_offset of the NIfTI header is {declared}; it must be a position in the file");
            return Err(OpenError::invalid(what, path));
        }
        let offset = declared as u64;
        let least = if self.raw.is_single_file() { self.raw.version().header_len() as u64 } else { 0 };
        if offset >= least {
            return Ok(offset);
        }
        let used = self.raw.version().first_voxel();
        let what = format!("vox_offset is {offset}, inside the header; {used} was used");
        warnings.push(Warning::Repaired { what });
        Ok(used)
    }
}

fn too_many(dims: [usize; 3], path: &Path) -> OpenError {
    let [x, y, z] = dims;
    OpenError::too_large(
        format!("the NIfTI header claims {x} × {y} × {z} voxels, more than any file holds"),
        path,
    )
}

fn not_a_header(start: &[u8], path: &Path) -> OpenError {
    let size = start.get(..4).and_then(|s| <[u8; 4]>::try_from(s).ok());
    let says_analyze = size.is_some_and(|s| i32::from_le_bytes(s) == 348 || i32::from_be_bytes(s) == 348);
    if says_analyze && start.len() >= 348 {
        let what = "the header has no NIfTI magic; an ANALYZE 7.5 file does not say which side is left, \
                    convert it to NIfTI";
        return OpenError::unsupported(what, path);
    }
    if start.len() < 348 {
        let what =
            format!("the file ends inside its NIfTI header (348 bytes expected, {} found)", start.len());
        return OpenError::invalid(what, path);
    }
    OpenError::invalid("the file is named like NIfTI but does not start with a NIfTI header", path)
}
