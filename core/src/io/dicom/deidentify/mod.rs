//! De-identification of DICOM objects: the Basic Application Level Confidentiality Profile of PS3.15, annex E.
//!
//! UIDs, patients and dates are exchanged by a secret key ([`PseudonymKey`]): what was together stays together, over
//! any number of exports with the same key. Every file is read back: its pixels are those of the original, and none of the
//! patient's names and numbers stands in it any more.

mod burned_in;
mod identifiers;
mod original;
mod profile;
mod pseudonym;
mod rewrite;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use dicom_core::value::Value;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

pub use pseudonym::PseudonymKey;

use super::scan;
use crate::io::{Limits, OpenError, OpenOptions, SaveError, replace_file};
use crate::job::Observer;
use original::Original;
use rewrite::Rewriter;

/// What happens to dates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dates {
    /// All dates of a patient move back by the same number of days, so that intervals stay; times of day stay.
    #[default]
    Moved,
    /// They are taken out.
    Removed,
}

/// Options of the profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeidentifyOptions {
    /// What happens to dates.
    pub dates: Dates,
    /// Sex, age, size, weight and pregnancy stay.
    pub keep_characteristics: bool,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeidentifyReport {
    /// Files that were written.
    pub written: usize,
    /// Pseudonyms of the patients, each with the number of its files.
    pub patients: BTreeMap<String, usize>,
    /// Private elements that were taken out.
    pub removed_private: usize,
    /// Texts that the profile keeps, but that held a name or number of the patient, and were emptied.
    pub cleaned: usize,
    /// Files that were left out, and why; the paths are those of the originals.
    pub left_out: Vec<(PathBuf, String)>,
    /// What a person must look at.
    pub warnings: Vec<String>,
}

/// Why nothing, or not all, was written.
#[derive(Debug, thiserror::Error)]
pub enum DeidentifyError {
    /// The originals cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file cannot be written.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// The target is not an empty folder of its own.
    #[error("{what}: {path}")]
    Target {
        /// What is wrong.
        what: String,
        /// The folder.
        path: PathBuf,
    },
}

/// What is to be de-identified.
#[derive(Clone, Copy, Debug)]
pub struct Deidentify<'a> {
    /// A DICOM file, or a folder with files at any depth.
    pub source: &'a Path,
    /// Only the objects of this series.
    pub only_series: Option<&'a str>,
    /// A folder that is empty or not there yet.
    pub target: &'a Path,
    /// What pseudonyms follow from.
    pub key: &'a PseudonymKey,
    /// Choices that the profile leaves.
    pub options: DeidentifyOptions,
}

impl Deidentify<'_> {
    /// Writes every DICOM object of the source into the target without what identifies the patient, one folder each for
    /// patient, study and series, with names that tell nothing.
    ///
    /// Objects that consist of text (reports, embedded documents, presentation states) are left out, for no rule can clean
    /// them, and so are files that are no DICOM objects.
    ///
    /// # Errors
    /// [`DeidentifyError`] if the originals cannot be read at all or a file cannot be written. A copy that, read back, still
    /// holds a name or has other pixels is removed and listed as left out. Who stops gets the report of what was done.
    pub fn run(&self, observer: &dyn Observer) -> Result<DeidentifyReport, DeidentifyError> {
        let (source, limits) = (self.source, Limits::default());
        check_target(source, self.target)?;
        let paths = match source.is_dir() {
            true => scan::list(source, limits.max_depth, &limits, observer)?,
            false => vec![source.to_owned()],
        };
        let mut report = DeidentifyReport::default();
        let mut series = Series::default();
        for (done, path) in paths.iter().enumerate() {
            if observer.is_cancelled() {
                let told = format!("it was stopped: {done} of {} files were looked at", paths.len());
                report.warnings.push(told);
                break;
            }
            observer.progress("de-identifying", done as u64, paths.len() as u64);
            match Original::read(path, self.only_series, &limits) {
                Ok(Some(original)) => self.one(original, path, &mut series, &mut report)?,
                Ok(None) => {}
                Err(why) => report.left_out.push((path.clone(), why)),
            }
        }
        if report.written == 0 {
            let why =
                report.left_out.first().map_or_else(String::new, |(_, why)| format!(" (the first: {why})"));
            let what = format!("none of {} files can be de-identified{why}", paths.len());
            return Err(OpenError::NotFound { what, path: source.to_owned() }.into());
        }
        look_for_text(&series, &mut report);
        Ok(report)
    }
}

/// Folders of series, with the number of files in them.
#[derive(Default)]
struct Series(BTreeMap<PathBuf, usize>);

/// The copy must not mix with originals, nor with what others put there.
fn check_target(source: &Path, target: &Path) -> Result<(), DeidentifyError> {
    let refuse = |what: &str| Err(DeidentifyError::Target { what: what.to_owned(), path: target.to_owned() });
    if std::fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some()) {
        return refuse("the folder for the copies is not empty; name a new one");
    }
    if let (Some(source), Some(target)) = (real(source), real(target))
        && source.is_dir()
        && target.starts_with(source)
    {
        return refuse("the folder for the copies lies in that of the originals; name another one");
    }
    Ok(())
}

/// Where a path leads, through every link, also if its last parts are not there yet.
fn real(path: &Path) -> Option<PathBuf> {
    let whole = std::path::absolute(path).ok()?;
    let there = whole.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    let (part, real) = there?;
    Some(real.join(whole.strip_prefix(part).ok()?))
}

impl Deidentify<'_> {
    fn one(
        &self,
        mut original: Original,
        path: &Path,
        series: &mut Series,
        report: &mut DeidentifyReport,
    ) -> Result<(), DeidentifyError> {
        let key = self.key;
        let object = std::mem::replace(&mut original.object, InMemDicomObject::new_empty());
        let text = |tag| {
            object
                .get(tag)
                .and_then(|e| e.to_str().ok())
                .unwrap_or_default()
                .trim_matches(['\0', ' '])
                .to_owned()
        };
        let (study_uid, series_uid) = (text(tags::STUDY_INSTANCE_UID), text(tags::SERIES_INSTANCE_UID));
        let instance_uid = text(tags::SOP_INSTANCE_UID);
        let (modality, burned_in) = (text(tags::MODALITY), text(tags::BURNED_IN_ANNOTATION));
        if object.tags().any(|tag| tag.group() & 0xFF00 == 0x6000 && tag.element() == 0x0102)
            && object.get(tags::PIXEL_DATA).is_some_and(|pixels| pixels.vr() == dicom_core::VR::OW)
        {
            tell(
                report,
                "overlays were removed; one that is drawn into unused bits of the pixels stays there"
                    .to_owned(),
            );
        }
        let pixels = object.get(tags::PIXEL_DATA).cloned();
        let mut rewriter = Rewriter::new(key, self.options, &object);
        let new = rewriter.object(object);

        let name = rewriter.pseudonym().to_owned();
        let folder = self.target.join(&name).join(format!("study-{}", key.short(&study_uid))).join(format!(
            "{}-{}",
            plain(&modality),
            key.short(&series_uid)
        ));
        note(&burned_in, &modality, series.0.contains_key(&folder), report);
        let number = series.0.entry(folder.clone()).or_default();
        *number += 1;
        let to = folder.join(format!("{number:05}.dcm"));

        let failed = |cause: String| SaveError::Io { cause: std::io::Error::other(cause), path: to.clone() };
        let bytes = original.file(&new, &key.uid(&instance_uid)).map_err(failed)?;
        std::fs::create_dir_all(&folder).map_err(|cause| SaveError::Io { cause, path: folder.clone() })?;
        replace_file(&to, |out| out.write_all(&bytes))?;

        if let Err(what) = verify(&to, pixels.as_ref(), &rewriter) {
            // It may still tell who the patient is.
            std::fs::remove_file(&to).map_err(|cause| SaveError::Io { cause, path: to.clone() })?;
            report.left_out.push((path.to_owned(), what));
            return Ok(());
        }
        report.written += 1;
        *report.patients.entry(name).or_default() += 1;
        report.removed_private += rewriter.counts.removed_private;
        report.cleaned += rewriter.counts.cleaned;
        Ok(())
    }
}

/// Letters and digits of a modality, for the name of a folder.
fn plain(modality: &str) -> String {
    let letters: String = modality.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    if letters.is_empty() { "series".to_owned() } else { letters }
}

/// Says a thing once.
fn tell(report: &mut DeidentifyReport, warning: String) {
    if !report.warnings.contains(&warning) {
        report.warnings.push(warning);
    }
}

/// What the object itself says about text in its pixels.
fn note(burned_in: &str, modality: &str, is_known: bool, report: &mut DeidentifyReport) {
    if is_known && burned_in != "YES" {
        return;
    }
    if burned_in == "YES" {
        tell(
            report,
            format!(
                "a {modality} series says that text is burned into its pixels: look at it before passing it on"
            ),
        );
    } else if burned_in != "NO" && ["US", "XA", "RF", "ES", "SC", "OT", "XC"].contains(&modality) {
        tell(
            report,
            format!(
                "{modality} images often have names burned into their pixels, and this one does not say that it has none: look at it before passing it on"
            ),
        );
    }
}

/// Compares the written file with what it should be.
fn verify(path: &Path, pixels: Option<&InMemElement>, rewriter: &Rewriter) -> Result<(), String> {
    let back = Original::read(path, None, &Limits::default())
        .and_then(|back| back.ok_or_else(|| "it is gone".to_owned()))
        .map_err(|error| format!("it cannot be read back: {error}"))?
        .object;
    if !same_pixels(back.get(tags::PIXEL_DATA), pixels) {
        return Err("its pixels differ from those of the original".to_owned());
    }
    match rewriter.standing(&back) {
        Some(tag) => Err(format!("element {tag} still holds a name or number of the patient")),
        None => Ok(()),
    }
}

/// Whether two pixel elements hold the same bytes. A value of odd length, which the standard forbids and some write all the
/// same, has a byte of padding in the copy.
fn same_pixels(copy: Option<&InMemElement>, original: Option<&InMemElement>) -> bool {
    let (Some(copy), Some(original)) = (copy, original) else { return copy.is_none() && original.is_none() };
    match (copy.value(), original.value()) {
        (Value::Primitive(copy), Value::Primitive(original)) => {
            let (copy, original) = (copy.to_bytes(), original.to_bytes());
            let padding = copy.strip_prefix(&*original);
            padding.is_some_and(|rest| rest.is_empty() || rest == [0] && original.len() % 2 == 1)
        }
        (Value::PixelSequence(copy), Value::PixelSequence(original)) => {
            let padded =
                |a: &[u8], b: &[u8]| a.strip_prefix(b).is_some_and(|rest| rest.is_empty() || rest == [0]);
            copy.fragments().len() == original.fragments().len()
                && copy.fragments().iter().zip(original.fragments()).all(|(a, b)| padded(a, b))
        }
        _ => false,
    }
}

/// Looks at the pixels of every series that was written, also where a person stopped before the end.
fn look_for_text(series: &Series, report: &mut DeidentifyReport) {
    for folder in series.0.keys() {
        // What cannot be opened as an image (a structure set) has no pixels to look at.
        let Ok(opened) = super::open(folder, &OpenOptions::default(), &()) else { continue };
        if let Some(slice) = burned_in::text_in(&opened.volume) {
            let shown = folder.display();
            tell(
                report,
                format!(
                    "text seems to be burned into the pixels (slice {}): look at {shown} before passing it on",
                    slice + 1
                ),
            );
        }
    }
}
