//! What leaves the program about an image as a whole: pictures of its views, copies without names.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail};
use hilum_core::io::dicom::capture::Capture;
use hilum_core::io::dicom::deidentify::{Deidentify, DeidentifyOptions, DeidentifyReport, PseudonymKey};
use hilum_core::job::{CancelToken, Observer};
use hilum_core::volume::Source;

use super::{Event, Inbox};

/// A picture of what the window shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// Red, green and blue of each pixel, rows from the top.
    pub pixels: Vec<[u8; 3]>,
    /// The image that is shown.
    pub source: Source,
    /// What it shows.
    pub description: String,
}

impl Picture {
    /// Writes it: `.png`, or `.dcm` for a Secondary Capture in the study of the image.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        let [width, height] = self.size;
        match ending.as_str() {
            "png" => {
                let bytes = self.pixels.as_flattened().to_vec();
                let picture =
                    image::RgbImage::from_raw(width, height, bytes).context("the picture has no pixels")?;
                let mut png = std::io::Cursor::new(Vec::new());
                picture.write_to(&mut png, image::ImageFormat::Png)?;
                hilum_core::io::replace_file(path, |out| out.write_all(png.get_ref()))?;
                Ok(())
            }
            "dcm" => {
                let side = |n| u16::try_from(n).context("the picture is larger than DICOM can say");
                let size = [side(width)?, side(height)?];
                let capture = Capture {
                    size,
                    pixels: &self.pixels,
                    source: &self.source,
                    description: &self.description,
                };
                Ok(capture.save(path)?)
            }
            _ => bail!("a picture is a .png or a .dcm file: {}", path.display()),
        }
    }
}

/// Copies to be made without what identifies the patient.
#[derive(Clone, Debug)]
pub struct DeidentifyRequest {
    /// File or folder of the originals.
    pub source: PathBuf,
    /// Only this series.
    pub only_series: Option<String>,
    /// Where to.
    pub target: PathBuf,
    /// The secret key of the project or of this computer; made where it is not there.
    pub key: PathBuf,
    /// Choices.
    pub options: DeidentifyOptions,
}

/// How far copying is; shared with the window.
#[derive(Clone, Debug, Default)]
pub struct CopyProgress {
    /// Asked to stop.
    pub cancel: CancelToken,
    done_and_total: Arc<[AtomicU64; 2]>,
}

impl CopyProgress {
    /// Share of the files that was done.
    pub fn share(&self) -> f32 {
        let [done, total] = [0, 1].map(|i| self.done_and_total[i].load(Ordering::Relaxed));
        done as f32 / total.max(1) as f32
    }
}

impl Observer for CopyProgress {
    fn progress(&self, _what: &str, done: u64, total: u64) {
        self.done_and_total[0].store(done, Ordering::Relaxed);
        self.done_and_total[1].store(total, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}

impl DeidentifyRequest {
    /// Copies on a thread of its own; the answer comes as [`Event::Deidentified`].
    ///
    /// # Errors
    /// If the system refuses another thread.
    pub fn start(self, progress: CopyProgress, inbox: Inbox) -> std::io::Result<()> {
        let work = move || {
            let done = std::panic::catch_unwind(|| self.run(&progress));
            let answer = done
                .unwrap_or_else(|_| Err("a fault of the program stopped it; please report it".to_owned()));
            inbox.send(Event::Deidentified(answer));
        };
        std::thread::Builder::new().name("deidentify".into()).spawn(work).map(drop)
    }

    fn run(&self, progress: &CopyProgress) -> Result<Vec<String>, String> {
        let key = PseudonymKey::open_or_create(&self.key).map_err(|error| error.to_string())?;
        let wanted = Deidentify {
            source: &self.source,
            only_series: self.only_series.as_deref(),
            target: &self.target,
            key: &key,
            options: self.options,
        };
        wanted
            .run(progress)
            .map(|report| told(&report, &self.target, &self.key))
            .map_err(|error| error.to_string())
    }
}

/// The report for people, what they must look at first.
fn told(report: &DeidentifyReport, target: &Path, key: &Path) -> Vec<String> {
    let mut lines: Vec<String> = report.warnings.iter().map(|warning| format!("Look: {warning}")).collect();
    lines.push(format!(
        "{} files of {} patients were copied to {}, read back and compared: the pixels are those of the originals, and no name \
         or number of a patient was found in their texts.",
        report.written,
        report.patients.len(),
        target.display()
    ));
    lines.push(format!(
        "The key of the pseudonyms stays with the originals, never with the copies: {}",
        key.display()
    ));
    let reasons: BTreeSet<&str> = report.left_out.iter().map(|(_, why)| why.as_str()).collect();
    for reason in reasons {
        let count = report.left_out.iter().filter(|(_, why)| why == reason).count();
        lines.push(format!("{count} files were left out: {reason}."));
    }
    lines
}
