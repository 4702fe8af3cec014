//! What is found out about a flat picture beside its pixels, and what is kept of it from one day to the next.

mod measure;
mod page;
mod table;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, bail};
use hilum_core::fundus::{
    ClaheOptions, Enhancement, FieldOfView, FundusCheck, Laterality, LateralityGuess, Picture, check,
    enhance, laterality_of,
};
use hilum_core::io::{self, FileKind, Limits, OpenOptions, Selection, raster, read_small_text, replace_file};
use hilum_core::label::LabelMap;
use hilum_core::volume::{Volume, Voxels};
use hilum_models::catalog::sha256_hex;
use serde::{Deserialize, Serialize};

pub use measure::{
    CUP, PhotoReading, RIM, VESSELS, measure, of_mask, parts, with_disc, with_mask, with_vessels,
};
pub use page::{PageRequest, standing, write as write_page};
pub use table::{TableRow, write as write_table};

/// Version of the file beside kept labels.
const RECORD_VERSION: u32 = 1;

/// What a picture tells before anybody has outlined anything.
#[derive(Clone, Debug, PartialEq)]
pub struct PhotoFacts {
    /// Whether it is a photograph of the fundus, or why it cannot be told.
    pub check: Result<FundusCheck, String>,
    /// The field of view; `None` of a picture too small for one.
    pub field: Option<FieldOfView>,
    /// The eye by header or file name.
    pub named: Option<LateralityGuess>,
    /// Pages of its file, where that is a TIFF.
    pub pages: Vec<raster::Page>,
}

impl PhotoFacts {
    /// Looks at an image of one slice.
    pub fn of(volume: &Volume, path: Option<&Path>) -> Self {
        let pages = path.and_then(|path| raster::pages(path, &Limits::default()).ok()).unwrap_or_default();
        match Picture::of(volume) {
            Ok(picture) => {
                let field = FieldOfView::of(&picture);
                let check = check(&picture, &field);
                let named = laterality_of(path, None, &field);
                Self { check: Ok(check), field: Some(field), named, pages }
            }
            Err(error) => Self { check: Err(error.to_string()), field: None, named: None, pages },
        }
    }

    /// Whether it surely enough is a photograph of the fundus.
    pub fn is_fundus(&self) -> bool {
        self.check.as_ref().is_ok_and(|check| check.is_fundus)
    }

    /// What speaks against a photograph of the fundus.
    pub fn doubts(&self) -> String {
        match &self.check {
            Ok(check) => check.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            Err(why) => why.clone(),
        }
    }
}

/// How far a person is with a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// Nothing is outlined.
    #[default]
    Open,
    /// A network outlined it and nobody has changed that.
    Proposed,
    /// A person changed it.
    Corrected,
    /// A person has looked and agrees.
    Reviewed,
}

impl ReviewState {
    /// As shown to people and written into tables.
    pub fn text(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Proposed => "proposed",
            Self::Corrected => "corrected",
            Self::Reviewed => "reviewed",
        }
    }
}

/// What is kept of a picture beside its labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhotoRecord {
    /// How far a person is.
    pub state: ReviewState,
    /// The eye, if a person said.
    pub eye: Option<Laterality>,
    /// A person has it measured although it does not look like a fundus.
    pub measured_anyway: bool,
    /// The models that proposed.
    pub models: Vec<String>,
    /// Vertical ratio with its interval.
    pub vertical: Option<[f64; 3]>,
    /// The row of the table.
    pub cells: TableRow,
}

/// The record as it is stored, with what tells whether the picture is still the same.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    image: PathBuf,
    bytes: u64,
    modified_unix_secs: u64,
    #[serde(flatten)]
    record: PhotoRecord,
}

/// A picture's labels and what is known of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// What is known.
    pub record: PhotoRecord,
    /// The labels.
    pub labels: LabelMap,
}

/// What opening a flat picture finds beside its pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenedPhoto {
    /// What it tells.
    pub facts: PhotoFacts,
    /// What was kept.
    pub kept: Option<Kept>,
    /// Why what was kept cannot be used, for people.
    pub note: Option<String>,
}

impl OpenedPhoto {
    /// Looks at an image of one slice, and for what is kept of it; `None` of a volume.
    pub fn of(volume: &Volume, path: Option<&Path>, store: Option<&Path>) -> Option<Self> {
        if !volume.grid().is_flat() {
            return None;
        }
        let found = store.zip(path).map(|(store, path)| load(store, path, volume));
        let (kept, note) = match found {
            Some(Ok(kept)) => (kept, None),
            Some(Err(error)) => (None, Some(format!("{error:#}"))),
            None => (None, None),
        };
        Some(Self { facts: PhotoFacts::of(volume, path), kept, note })
    }
}

/// What is to be kept of a picture.
#[derive(Clone, Debug)]
pub struct KeepPhoto {
    /// The image's number.
    pub session: u64,
    /// Where pictures are kept.
    pub store: PathBuf,
    /// The picture.
    pub image: PathBuf,
    /// Which page or part of it.
    pub selection: Selection,
    /// What is known.
    pub record: PhotoRecord,
    /// The labels, if they changed.
    pub labels: Option<Arc<LabelMap>>,
}

impl KeepPhoto {
    /// Writes labels, then the record; each file is whole or the old one.
    ///
    /// # Errors
    /// What the disk said.
    pub fn write(&self) -> anyhow::Result<()> {
        let home = home(&self.store, &self.image, &self.selection);
        std::fs::create_dir_all(&home)
            .with_context(|| format!("cannot make a folder: {}", home.display()))?;
        if let Some(labels) = &self.labels {
            let [width, height, _] = labels.grid().dims();
            raster::save_labels(&home.join("labels.png"), &labels.to_voxels(), [width, height])?;
        }
        let (bytes, modified_unix_secs) = stamp(&self.image).unwrap_or_default();
        let stored = Stored {
            version: RECORD_VERSION,
            image: self.image.clone(),
            bytes,
            modified_unix_secs,
            record: self.record.clone(),
        };
        let text = serde_json::to_vec_pretty(&stored)?;
        replace_file(&home.join("record.json"), |out| out.write_all(&text))?;
        Ok(())
    }
}

/// The folder of a picture, or of a part of it: the same whenever it is opened from the same place.
fn home(store: &Path, image: &Path, selection: &Selection) -> PathBuf {
    let path = std::path::absolute(image).unwrap_or_else(|_| image.to_owned());
    let mut name = path.into_os_string().into_encoded_bytes();
    match (selection.page.unwrap_or(0), selection.region) {
        (0, None) => {}
        // No path holds a zero byte.
        (page, None) => name.extend(format!("\0{page}").bytes()),
        (page, Some(region)) => name.extend(format!("\0{page},{region}").bytes()),
    }
    let key = sha256_hex(&name);
    store.join(&key[..20])
}

/// Size and time of the last change.
fn stamp(image: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(image).ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((metadata.len(), modified.as_secs()))
}

/// The record of a picture; `None` if there is none, or if the picture is not the one it was made for.
pub fn record(store: &Path, image: &Path, selection: &Selection) -> anyhow::Result<Option<PhotoRecord>> {
    let path = home(store, image, selection).join("record.json");
    let text = match read_small_text(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let stored: Stored = serde_json::from_str(&text)
        .with_context(|| format!("what was kept of this picture is damaged: {}", path.display()))?;
    if stored.version != RECORD_VERSION {
        bail!("what was kept of this picture is of another version of the program: {}", path.display());
    }
    let is_same = stamp(image) == Some((stored.bytes, stored.modified_unix_secs));
    Ok(is_same.then_some(stored.record))
}

fn load(store: &Path, image: &Path, volume: &Volume) -> anyhow::Result<Option<Kept>> {
    let (grid, selection) = (volume.grid(), Selection::of(volume));
    let Some(record) = record(store, image, &selection)? else { return Ok(None) };
    let path = home(store, image, &selection).join("labels.png");
    if !path.is_file() {
        return Ok(Some(Kept { record, labels: LabelMap::new(*grid) }));
    }
    let opened = io::open(&path, &OpenOptions::default(), &())?;
    if opened.volume.grid().dims() != grid.dims() {
        bail!("the labels kept of this picture have another size: {}", path.display());
    }
    let values = match opened.volume.voxels() {
        Voxels::U8(values) => values.iter().map(|v| u16::from(*v)).collect(),
        Voxels::U16(values) => values.clone(),
        other => bail!("the labels kept of this picture are {}: {}", other.type_name(), path.display()),
    };
    Ok(Some(Kept { record, labels: LabelMap::from_voxels(*grid, values)? }))
}

/// The pictures in a folder, by name; empty if it holds DICOM files, which are opened as such.
pub fn pictures(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let mut found = Vec::new();
    for path in files.into_iter().filter(|path| path.is_file()) {
        match io::probe(&path) {
            Ok(FileKind::Raster) => found.push(path),
            Ok(FileKind::Dicom) => return Vec::new(),
            _ => {}
        }
    }
    found
}

/// A picture to be seen in another way.
#[derive(Clone, Debug)]
pub struct EnhanceRequest {
    /// The image's number.
    pub session: u64,
    /// The picture.
    pub volume: Arc<Volume>,
    /// What is known of it.
    pub facts: Arc<PhotoFacts>,
    /// How.
    pub how: Enhancement,
}

impl EnhanceRequest {
    /// The picture as it is to be seen; `None` where there is no picture.
    pub fn run(&self) -> Option<Volume> {
        let picture = Picture::of(&self.volume).ok()?;
        let field = self.facts.field.as_ref().map(|field| field.mask.as_slice());
        let pixels = enhance(&picture, field, self.how, &ClaheOptions::default());
        Volume::new(*self.volume.grid(), Voxels::Rgb8(pixels), self.volume.meta().clone()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_core::phantom::{FundusPhantomOptions, fundus_phantom};

    #[test]
    fn what_is_kept_comes_back_until_the_picture_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let (store, image) = (folder.path().join("store"), folder.path().join("one_OD.png"));
        let options = FundusPhantomOptions { size: [320, 280], ..FundusPhantomOptions::default() };
        let phantom = fundus_phantom(&options).unwrap();
        raster::save(&image, phantom.volume.voxels(), options.size).unwrap();
        let opened = OpenedPhoto::of(&phantom.volume, Some(&image), Some(&store)).unwrap();
        assert!(opened.facts.is_fundus(), "{}", opened.facts.doubts());
        assert_eq!(opened.facts.named.unwrap().laterality, Laterality::Right);
        assert!(opened.kept.is_none() && opened.note.is_none());

        let values = phantom.disc_cup.iter().map(|v| u16::from(*v)).collect();
        let labels = Arc::new(LabelMap::from_voxels(*phantom.volume.grid(), values).unwrap());
        let record = PhotoRecord { state: ReviewState::Reviewed, ..PhotoRecord::default() };
        let keep = KeepPhoto {
            session: 1,
            store: store.clone(),
            image: image.clone(),
            selection: Selection::default(),
            record: record.clone(),
            labels: Some(Arc::clone(&labels)),
        };
        keep.write().unwrap();
        let kept = OpenedPhoto::of(&phantom.volume, Some(&image), Some(&store)).unwrap().kept.unwrap();
        assert_eq!((kept.record, kept.labels.to_voxels()), (record, labels.to_voxels()));

        std::fs::write(home(&store, &image, &Selection::default()).join("record.json"), "{").unwrap();
        let damaged = OpenedPhoto::of(&phantom.volume, Some(&image), Some(&store)).unwrap();
        assert!(damaged.kept.is_none() && damaged.note.unwrap().contains("damaged"));
        keep.write().unwrap();
        let smaller = FundusPhantomOptions { size: [300, 280], seed: 2, ..options };
        let other = fundus_phantom(&smaller).unwrap();
        raster::save(&image, other.volume.voxels(), smaller.size).unwrap();
        assert!(record_of(&store, &image).is_none(), "another picture of the same name");
    }

    fn record_of(store: &Path, image: &Path) -> Option<PhotoRecord> {
        super::record(store, image, &Selection::default()).unwrap()
    }
}
