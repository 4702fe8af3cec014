//! Which side of the body a file shows.

use std::path::Path;

use dicom_dictionary_std::tags;

use super::header::Header;
use crate::io::Limits;

/// The letter of Image Laterality (0020,0062), else of Laterality (0020,0060): `R`, `L`, `U` or `B`; `None` if the
/// path is no DICOM file or says nothing. Only the header is read.
pub fn laterality_code(path: &Path) -> Option<char> {
    if !path.is_file() {
        return None;
    }
    let header = Header::read(path, &Limits::default()).ok()??;
    let texts = [tags::IMAGE_LATERALITY, tags::LATERALITY].map(|tag| header.elements.text(tag));
    texts.into_iter().flatten().find_map(|text| text.trim().chars().next())
}

#[cfg(test)]
mod tests {
    use dicom_core::VR;

    use super::*;
    use crate::io::dicom::tests::Writer;

    #[test]
    fn the_header_tells_the_side_and_the_image_before_the_series() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eye.dcm");
        let writer = || Writer::new(3, 2, [0.0; 3], &[1, 2, 3, 4, 5, 6]);
        writer().text(tags::LATERALITY, VR::CS, "L").write(&path);
        assert_eq!(laterality_code(&path), Some('L'));
        writer().text(tags::LATERALITY, VR::CS, "L").text(tags::IMAGE_LATERALITY, VR::CS, "R").write(&path);
        assert_eq!(laterality_code(&path), Some('R'));
        writer().write(&path);
        assert_eq!(laterality_code(&path), None);
        std::fs::write(&path, "no DICOM").unwrap();
        assert_eq!((laterality_code(&path), laterality_code(folder.path())), (None, None));
    }
}
