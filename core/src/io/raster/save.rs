//! Writing pictures and the masks of pictures as PNG.

use std::io::Write;
use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _};

use crate::io::{OpenOptions, SaveError, replace_file};
use crate::volume::Voxels;

/// Saves labels as a grey PNG whose grey values are the labels, reads it back and compares.
///
/// # Shapes
/// `labels` is `[y, x]` of `size` columns and rows; stored with 8 bits if all are below 256, else with 16.
///
/// # Errors
/// [`SaveError::Unsupported`] for another ending or number of labels, [`SaveError::Io`] if the file cannot be written
/// (an existing file is then untouched), [`SaveError::ReadBack`] if it reads back differently.
pub fn save_labels(path: &Path, labels: &[u16], size: [usize; 2]) -> Result<(), SaveError> {
    let is_narrow = labels.iter().all(|label| *label <= u16::from(u8::MAX));
    let voxels = if is_narrow {
        Voxels::U8(labels.iter().map(|label| *label as u8).collect())
    } else {
        Voxels::U16(labels.to_vec())
    };
    save(path, &voxels, size)
}

/// Saves a picture as PNG, reads it back and compares.
///
/// # Shapes
/// `voxels` is `[y, x]` of `size` columns and rows.
///
/// # Errors
/// As [`save_labels`]; also for voxels that are neither 8-bit colour nor 8- or 16-bit grey.
pub fn save(path: &Path, voxels: &Voxels, size: [usize; 2]) -> Result<(), SaveError> {
    let refuse = |what: String| SaveError::Unsupported { what, path: path.to_owned() };
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    if !name.ends_with(".png") {
        return Err(refuse("a picture is saved as .png".into()));
    }
    if size[0].checked_mul(size[1]) != Some(voxels.len()) || voxels.is_empty() {
        return Err(refuse(format!("{} pixels do not fill {} × {}", voxels.len(), size[0], size[1])));
    }
    let [Ok(width), Ok(height)] = size.map(u32::try_from) else {
        return Err(refuse(format!("a PNG cannot have {} × {} pixels", size[0], size[1])));
    };
    let write = |out: &mut dyn Write, bytes: &[u8], color: ExtendedColorType| {
        PngEncoder::new(out).write_image(bytes, width, height, color).map_err(std::io::Error::other)
    };
    replace_file(path, |mut out| match voxels {
        Voxels::U8(grey) => write(&mut out, grey, ExtendedColorType::L8),
        // The encoder takes words in the machine's own order.
        Voxels::U16(grey) => write(&mut out, bytemuck::cast_slice(grey), ExtendedColorType::L16),
        Voxels::Rgb8(colors) => write(&mut out, bytemuck::cast_slice(colors), ExtendedColorType::Rgb8),
        other => Err(std::io::Error::other(format!("{} cannot be saved as PNG", other.type_name()))),
    })?;
    let differs = |what: String| SaveError::ReadBack { what, path: path.to_owned() };
    let back = super::open(path, &OpenOptions::default(), &()).map_err(|e| differs(e.to_string()))?.volume;
    if back.grid().dims() != [size[0], size[1], 1] || back.voxels() != voxels {
        return Err(differs("other pixels".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_and_labels_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        save_labels(&path, &[0, 1, 2, 255, 7, 0], [3, 2]).unwrap();
        save_labels(&path, &[0, 1, 2, 256, 65535, 0], [2, 3]).unwrap();
        let opened = super::super::open(&path, &OpenOptions::default(), &()).unwrap();
        assert_eq!(*opened.volume.voxels(), Voxels::U16(vec![0, 1, 2, 256, 65535, 0]));
        save(&path, &Voxels::Rgb8(vec![[1, 2, 3], [255, 0, 9]]), [1, 2]).unwrap();
    }

    #[test]
    fn what_no_png_holds_is_refused_and_leaves_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        save_labels(&path, &[3], [1, 1]).unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(save_labels(&path, &[1, 2], [3, 1]).is_err());
        assert!(save_labels(&path, &[], [0, 1]).is_err());
        assert!(save(&path, &Voxels::F32(vec![0.5]), [1, 1]).is_err());
        assert!(save_labels(&folder.path().join("a.jpg"), &[1], [1, 1]).is_err());
        assert!(save_labels(&folder.path().join("no/a.png"), &[1], [1, 1]).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
