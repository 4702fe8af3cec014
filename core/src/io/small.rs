//! Texts that are small by their nature: settings, cards, recipes, records.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

/// More than any card, recipe or record has.
const MAX_BYTES: u64 = 16 << 20;

/// The text of a file of at most 16 MiB. What has no end, such as a device, is not read further either.
///
/// # Errors
/// A file that cannot be read, is larger or is no UTF-8.
pub fn read_small_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(
            ErrorKind::FileTooLarge,
            format!("it has more than {} MiB; no such file has", MAX_BYTES >> 20),
        ));
    }
    String::from_utf8(bytes)
        .map_err(|error| io::Error::new(ErrorKind::InvalidData, format!("it is no UTF-8 text ({error})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_up_to_the_limit_and_nothing_beyond() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card.json");
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(read_small_text(&path).unwrap(), "{}");
        std::fs::write(&path, [0xFF]).unwrap();
        assert!(read_small_text(&path).unwrap_err().to_string().contains("UTF-8"));
        File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert!(read_small_text(&path).unwrap_err().to_string().contains("16 MiB"));
    }

    #[cfg(unix)]
    #[test]
    fn what_has_no_end_is_refused() {
        assert_eq!(read_small_text(Path::new("/dev/zero")).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}
