//! What stands for a patient, a UID or a date: always the same for the same key, and not to be undone without it.

use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::io::OpenError;

/// Dates move back by up to ten years.
const MAX_SHIFT_DAYS: u64 = 3650;
const KEY_BYTES: usize = 32;
const MAX_FILE_BYTES: u64 = 4096;

/// The secret of a project. Whoever has it and a list of patients can find out who is who, so it stays with the originals.
#[derive(Clone, PartialEq, Eq)]
pub struct PseudonymKey([u8; KEY_BYTES]);

/// The key on disk.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: String,
    version: u32,
    key: String,
    note: String,
}

const FORMAT: &str = "hilum-pseudonym-key";
const NOTE: &str = "Keep this file with the original images: with it new exports get the same pseudonyms, UIDs and dates, and \
                    patients can be found again. Never pass it on together with what was exported.";

impl PseudonymKey {
    /// A key of 256 random bits.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The key in a file; a new one is made and written where there is none.
    ///
    /// # Errors
    /// [`OpenError`] for a file that is no key or cannot be read, or that cannot be made.
    pub fn open_or_create(path: &Path) -> Result<Self, OpenError> {
        if path.exists() {
            return Self::open(path);
        }
        let key = Self::random();
        key.save(path).map_err(|error| OpenError::io(error, path))?;
        Ok(key)
    }

    fn open(path: &Path) -> Result<Self, OpenError> {
        let length = std::fs::metadata(path).map_err(|error| OpenError::io(error, path))?.len();
        let refuse = |what: &str| OpenError::invalid(format!("this is no key of pseudonyms: {what}"), path);
        if length > MAX_FILE_BYTES {
            return Err(refuse("it is too long"));
        }
        let text = std::fs::read_to_string(path).map_err(|error| OpenError::io(error, path))?;
        let stored: Stored = serde_json::from_str(&text).map_err(|error| refuse(&error.to_string()))?;
        if stored.format != FORMAT || stored.version != 1 {
            return Err(refuse(&format!("it says {} {}, not {FORMAT} 1", stored.format, stored.version)));
        }
        let bytes = stored.key.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        });
        let bytes: Option<Vec<u8>> = bytes.collect();
        let key = bytes.and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes).ok());
        key.map(Self).ok_or_else(|| refuse("its key has not 64 hexadecimal digits"))
    }

    /// Writes a new file that only its owner may read, where the system knows such.
    fn save(&self, path: &Path) -> std::io::Result<()> {
        let key = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        let stored = Stored { format: FORMAT.into(), version: 1, key, note: NOTE.into() };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        // Temporary files belong to their owner alone, and keep that when they get their name.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(serde_json::to_string_pretty(&stored)?.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        Ok(())
    }

    /// 128 bits that follow from the key and a value; `purpose` keeps uses apart. The nested hash is that of HMAC
    /// without its padding: a value cannot be prolonged.
    fn digest(&self, purpose: &str, value: &str) -> u128 {
        let inner =
            Sha256::new().chain_update(self.0).chain_update(purpose).chain_update([0]).chain_update(value);
        let outer = Sha256::new().chain_update(self.0).chain_update(inner.finalize()).finalize();
        outer.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    }

    /// What a patient is called.
    pub fn patient(&self, id: &str) -> String {
        const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        let digest = self.digest("patient", id.trim());
        let letter = |at: u32| char::from(LETTERS[(digest >> (5 * at) & 31) as usize]);
        format!("P-{}", (0..10).map(letter).collect::<String>())
    }

    /// A UID for a UID (PS3.5 annex B.2); those that DICOM itself gives out stay.
    pub fn uid(&self, uid: &str) -> String {
        if uid.is_empty() || uid.starts_with("1.2.840.10008.") {
            return uid.to_owned();
        }
        // Version 8 (made by the maker's own rule), variant 1 of RFC 9562.
        let number = self.digest("uid", uid) & !(0xF << 76) & !(0b11 << 62) | 8 << 76 | 0b10 << 62;
        format!("2.25.{number}")
    }

    /// By how many days the dates of a patient move back; at least one.
    pub fn shift_days(&self, id: &str) -> i64 {
        // The remainder is below 3650.
        (self.digest("date", id.trim()) % u128::from(MAX_SHIFT_DAYS)) as i64 + 1
    }

    /// Eight digits for the name of a folder.
    pub fn short(&self, uid: &str) -> String {
        format!("{:08x}", self.digest("folder", uid) & 0xFFFF_FFFF)
    }
}

/// The key does not show, not even in a log.
impl std::fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PseudonymKey")
    }
}

/// A date or a moment of DICOM (`YYYYMMDD`, whatever follows stays) moved back by days; `None` for what is no date.
pub(super) fn moved_back(text: &str, days: i64) -> Option<String> {
    let digits = text.get(..8).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    let number = |range: std::ops::Range<usize>| digits[range].parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month, day) = date_of(day_number(year, month, day) - days);
    (year > 0).then(|| format!("{year:04}{month:02}{day:02}{}", &text[8..]))
}

/// Days since 0000-03-01 in the Gregorian calendar, which begins its years in March so that the leap day stands last.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (month * 153 + 2) / 5
        + day
        - 1
}

fn date_of(number: i64) -> (i64, i64, i64) {
    // A year has 365.2425 days on average; the guess may be one too late.
    let guess = (number * 10_000 + 14_780).div_euclid(3_652_425);
    let start = |year: i64| day_number(year, 3, 1);
    let year = if start(guess) > number { guess - 1 } else { guess };
    let day = number - start(year);
    let month = (day * 5 + 2) / 153;
    let day = day - (month * 153 + 2) / 5 + 1;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_gives_the_same_names_again_and_another_key_others() {
        let (a, b) = (PseudonymKey([1; 32]), PseudonymKey([2; 32]));
        assert_eq!(a.patient("4711 "), a.patient("4711"));
        assert_ne!(a.patient("4711"), b.patient("4711"));
        assert_ne!(a.patient("4711"), a.patient("4712"));
        assert_ne!(a.uid("1.2.3"), a.uid("1.2.4"));
        assert_eq!(a.uid("1.2.840.10008.5.1.4.1.1.2"), "1.2.840.10008.5.1.4.1.1.2");
        assert!(a.uid("1.2.3").len() <= 64);
        assert_eq!(format!("{a:?}"), "PseudonymKey");
    }

    #[test]
    fn a_key_is_kept_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        let key = PseudonymKey::open_or_create(&path).unwrap();
        assert_eq!(PseudonymKey::open_or_create(&path).unwrap(), key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for damaged in [
            text.replace("hilum", "other"),
            text[..40].to_owned(),
            text.replace("\"key\": \"", "\"key\": \"é"),
        ] {
            std::fs::write(&path, damaged).unwrap();
            let told = PseudonymKey::open_or_create(&path).unwrap_err().to_string();
            assert!(told.contains("no key of pseudonyms"), "{told}");
        }
    }

    #[test]
    fn dates_move_over_months_and_leap_days() {
        assert_eq!(moved_back("20240301", 1).unwrap(), "20240229");
        assert_eq!(moved_back("20230301", 1).unwrap(), "20230228");
        assert_eq!(moved_back("20000301", 1).unwrap(), "20000229");
        assert_eq!(moved_back("19000301", 1).unwrap(), "19000228");
        assert_eq!(moved_back("20200101", 1).unwrap(), "20191231");
        assert_eq!(moved_back("20200101123000.5+0100", 366).unwrap(), "20181231123000.5+0100");
        for no_date in ["", "2020", "2020-01-01", "20201301", "20200100", "abcdefgh", "ééééé"] {
            assert_eq!(moved_back(no_date, 1), None, "{no_date}");
        }
    }

    proptest! {
        #[test]
        fn intervals_stay(days in 1_i64..200_000, shift in 1_i64..3651) {
            let date = |number| { let (y, m, d) = date_of(number); format!("{y:04}{m:02}{d:02}") };
            let start = day_number(1900, 1, 1);
            prop_assert_eq!(moved_back(&date(start + days), shift).unwrap(), date(start + days - shift));
            let (y, m, d) = date_of(start + days);
            prop_assert_eq!(day_number(y, m, d), start + days);
        }
    }
}
