//! The thread that reads, writes and measures.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hilum_core::fundus::Enhancement;
use hilum_core::geometry::Grid;
use hilum_core::io::{FileKind, LabelName, OpenError, OpenObserver, OpenOptions, Opened, SeriesSummary};
use hilum_core::job::{CancelToken, Observer};
use hilum_core::label::{BoxMask, LabelMap};
use hilum_core::measure::{Recist, mask_statistics, recist};
use hilum_core::paint::{Components, Connectivity};
use hilum_core::phantom::{CtPhantomOptions, ct_phantom};
use hilum_core::volume::{Source, Volume};

use super::map_file::{FigureFile, MapFile};
use super::open_project::Refusal;
use super::photo::{self, EnhanceRequest, KeepPhoto, OpenedPhoto, PageRequest, PhotoRecord, TableRow};
use super::{
    Event, ImageProblem, ImportedMask, Inbox, MeasureTable, Numbered, OpenProject, OpenedProject, Picture,
    TableRequest, ahead, masks,
};
use crate::state::Measurement;

/// Progress is told at most this often.
const PROGRESS_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_RELEASE: Duration = Duration::from_secs(20);

/// A mask to be written.
#[derive(Clone, Debug)]
pub struct SaveRequest {
    /// The image it belongs to.
    pub session: u64,
    /// Where to.
    pub path: PathBuf,
    /// The labels.
    pub labels: Arc<LabelMap>,
    /// Where the image came from.
    pub source: Source,
    /// Names of the labels.
    pub names: Vec<LabelName>,
    /// State of the document's history that is being saved.
    pub state: u64,
}

/// A label to be measured.
#[derive(Clone, Debug)]
pub struct MeasureRequest {
    /// The image.
    pub session: u64,
    /// State of its labels.
    pub labels_revision: u64,
    /// The image's values.
    pub volume: Arc<Volume>,
    /// The labels.
    pub labels: Arc<LabelMap>,
    /// Which one.
    pub label: u16,
}

/// What can be asked of the thread.
#[derive(Debug)]
pub enum IoRequest {
    /// Open an image, or list the series of a folder that holds several.
    Open {
        /// Number of the request.
        request: u64,
        /// File or folder.
        path: PathBuf,
        /// A series of it.
        series_uid: Option<String>,
        /// Time point of a 4-D file, from 0.
        time_point: usize,
        /// Where labels of pictures are kept.
        store: Option<PathBuf>,
        /// Stops it.
        cancel: CancelToken,
    },
    /// Open a project.
    OpenProject {
        /// Number of the request.
        request: u64,
        /// Which.
        project: OpenProject,
        /// Brings word when the window has let go of the project before, which may be the same.
        released: std::sync::mpsc::Receiver<()>,
        /// Stops it.
        cancel: CancelToken,
    },
    /// Measure all labels.
    Table(TableRequest),
    /// Read a mask to compare with.
    ReadReference {
        /// The image.
        session: u64,
        /// The file.
        path: PathBuf,
        /// What it must lie on.
        image: Arc<Volume>,
    },
    /// Write a text.
    WriteText {
        /// Where to.
        path: PathBuf,
        /// The text.
        text: String,
    },
    /// Look at several pictures one after the other.
    Pictures {
        /// Number of the request.
        request: u64,
        /// The pictures.
        paths: Vec<PathBuf>,
        /// Where their labels are kept.
        store: Option<PathBuf>,
    },
    /// Open a picture before it is asked for.
    Prefetch {
        /// Number of the request.
        request: u64,
        /// The picture, or the image of a case.
        path: PathBuf,
        /// A series of it.
        series_uid: Option<String>,
        /// Time point of a 4-D file, from 0.
        time_point: usize,
        /// Where its labels are kept.
        store: Option<PathBuf>,
        /// Stops it.
        cancel: CancelToken,
    },
    /// Show a picture in another way.
    Enhance(EnhanceRequest),
    /// Write the table of results.
    WriteTable {
        /// Where to.
        path: PathBuf,
        /// Its rows.
        rows: Vec<TableRow>,
    },
    /// Write the page of a patient.
    WritePage(Box<PageRequest>),
    /// Write a map of attention.
    WriteMap(MapFile),
    /// Write a figure of maps of attention.
    WriteFigure(Box<FigureFile>),
    /// Keep what was made of a picture. In the queue of what opens pictures, so that one that is opened again is as
    /// it was left.
    Keep(Box<KeepPhoto>),
    /// Tells `sender` when everything before is done.
    Flush(std::sync::mpsc::SyncSender<()>),
    /// Make the synthetic case.
    Sample {
        /// Number of the request.
        request: u64,
    },
    /// Read a mask.
    ImportMask {
        /// The image it is for.
        session: u64,
        /// The file.
        path: PathBuf,
        /// What it must lie on.
        image: Arc<Volume>,
    },
    /// Write a mask.
    Save(SaveRequest),
    /// Write the surfaces of the labels.
    ExportSurface(SaveRequest),
    /// Write a picture of the views.
    WritePicture {
        /// Where to; the ending says how.
        path: PathBuf,
        /// It.
        picture: Box<Picture>,
    },
    /// Measure a label.
    Measure(MeasureRequest),
}

impl Numbered for IoRequest {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Open { request, .. }
            | Self::OpenProject { request, .. }
            | Self::Sample { request }
            | Self::Pictures { request, .. }
            | Self::Prefetch { request, .. } => Some(*request),
            Self::ImportMask { .. }
            | Self::Save(_)
            | Self::ExportSurface(_)
            | Self::Measure(_)
            | Self::Table(_)
            | Self::ReadReference { .. }
            | Self::WriteText { .. }
            | Self::Enhance(_)
            | Self::WriteTable { .. }
            | Self::WritePage(_)
            | Self::WriteMap(_)
            | Self::WriteFigure(_)
            | Self::WritePicture { .. }
            | Self::Keep(_)
            | Self::Flush(_) => None,
        }
    }
}

/// What it answers.
#[derive(Debug)]
pub enum IoEvent {
    /// How far opening is.
    Progress {
        /// Number of the request.
        request: u64,
        /// What is being done.
        what: String,
        /// Share done, where known.
        share: Option<f32>,
    },
    /// One slice, before the rest.
    FirstSlice {
        /// Number of the request.
        request: u64,
        /// The slice in its place.
        slice: Box<Volume>,
    },
    /// The folder holds several series.
    Series {
        /// Number of the request.
        request: u64,
        /// The folder.
        path: PathBuf,
        /// What it holds.
        series: Vec<SeriesSummary>,
    },
    /// The image is open.
    Opened {
        /// Number of the request.
        request: u64,
        /// File or folder; `None` for the synthetic case.
        path: Option<PathBuf>,
        /// Image and warnings.
        opened: Box<Opened>,
        /// Of an image of one slice: what it tells.
        photo: Option<Box<OpenedPhoto>>,
    },
    /// A project is open.
    ProjectOpened {
        /// Number of the request.
        request: u64,
        /// It.
        project: Box<OpenedProject>,
    },
    /// The image of a project is not where or what it was.
    ImageProblem {
        /// Number of the request.
        request: u64,
        /// What is wrong.
        problem: ImageProblem,
    },
    /// All labels were measured.
    Table {
        /// The image.
        session: u64,
        /// Their figures.
        table: Box<MeasureTable>,
    },
    /// A mask to compare with was read, or not.
    Reference {
        /// The image.
        session: u64,
        /// The file.
        path: PathBuf,
        /// Its labels, or why not, for people.
        labels: Result<Box<LabelMap>, String>,
    },
    /// The folder holds pictures.
    Pictures {
        /// Number of the request.
        request: u64,
        /// The pictures with what is kept of them.
        pictures: Vec<(PathBuf, Option<PhotoRecord>)>,
        /// What cannot be used of what was kept, for people.
        notes: Vec<String>,
    },
    /// A picture was opened before it was asked for; `None`: it cannot be, which is told when it is asked for.
    Prefetched {
        /// Number of the request.
        request: u64,
        /// Image and warnings, and what it tells.
        found: Option<Box<(Opened, Option<OpenedPhoto>)>>,
    },
    /// A picture seen in another way.
    Enhanced {
        /// The image.
        session: u64,
        /// How.
        how: Enhancement,
        /// What it looks like.
        volume: Option<Arc<Volume>>,
    },
    /// What was made of a picture cannot be kept.
    NotKept {
        /// The image.
        session: u64,
        /// Why, for people.
        why: String,
    },
    /// Something that a person asked to be written was, or not.
    Written {
        /// Where to.
        path: PathBuf,
        /// Why not, for people.
        error: Option<String>,
    },
    /// It cannot be opened; `None`: the person cancelled.
    OpenFailed {
        /// Number of the request.
        request: u64,
        /// Why, for people.
        error: Option<String>,
    },
    /// A mask was read, or not.
    MaskRead {
        /// The image it is for.
        session: u64,
        /// It, or why not, for people.
        mask: Result<Box<ImportedMask>, String>,
    },
    /// A mask was written, or not.
    Saved {
        /// The image.
        session: u64,
        /// Where to.
        path: PathBuf,
        /// State of the history that was saved.
        state: u64,
        /// Why not, for people.
        error: Option<String>,
    },
    /// A label was measured.
    Measured {
        /// The image.
        session: u64,
        /// Its size.
        measurement: Box<Measurement>,
    },
}

/// Handles one request on the `io` thread.
pub fn handle(request: IoRequest, inbox: &Inbox) {
    let event = match request {
        IoRequest::Open { request, path, series_uid, time_point, store, cancel } => {
            let watcher = Watcher { request, cancel, inbox, last: std::sync::Mutex::new(None) };
            let options = OpenOptions { series_uid, time_point, ..OpenOptions::default() };
            open(path, &options, store.as_deref(), &watcher)
        }
        IoRequest::OpenProject { request, project, released, cancel } => {
            released.recv_timeout(LONGEST_RELEASE).ok();
            let watcher = Watcher { request, cancel, inbox, last: std::sync::Mutex::new(None) };
            open_project(&project, &watcher)
        }
        IoRequest::Table(asked) => IoEvent::Table { session: asked.session, table: Box::new(asked.run()) },
        IoRequest::ReadReference { session, path, image } => {
            let labels = masks::read(&path, &image);
            IoEvent::Reference { session, path, labels }
        }
        IoRequest::WriteText { path, text } => {
            let written = hilum_core::io::replace_file(&path, |out| out.write_all(text.as_bytes()));
            IoEvent::Written { path, error: written.err().map(|error| error.to_string()) }
        }
        IoRequest::Pictures { request, paths, store } => {
            ahead::list_pictures(request, paths, store.as_deref())
        }
        IoRequest::Prefetch { request, path, series_uid, time_point, store, cancel } => {
            let options = OpenOptions { series_uid, time_point, ..OpenOptions::default() };
            ahead::prefetch(request, &path, &options, store.as_deref(), &cancel)
        }
        IoRequest::Enhance(asked) => {
            let volume = asked.run().map(Arc::new);
            IoEvent::Enhanced { session: asked.session, how: asked.how, volume }
        }
        IoRequest::WriteTable { path, rows } => {
            let error = photo::write_table(&path, &rows).err().map(|error| error.to_string());
            IoEvent::Written { path, error }
        }
        IoRequest::Keep(photo) => match photo.write() {
            Ok(()) => return,
            Err(error) => {
                let why = format!("The outlines are not kept: {error:#}");
                IoEvent::NotKept { session: photo.session, why }
            }
        },
        IoRequest::Flush(sender) => {
            // Nobody may be waiting any more.
            sender.send(()).ok();
            return;
        }
        IoRequest::WriteMap(asked) => {
            let error = asked.write().err().map(|error| format!("{error:#}"));
            IoEvent::Written { path: asked.path, error }
        }
        IoRequest::WriteFigure(asked) => {
            let error = asked.write().err().map(|error| format!("{error:#}"));
            IoEvent::Written { path: asked.path, error }
        }
        IoRequest::WritePage(asked) => {
            let error = photo::write_page(&asked).err().map(|error| format!("{error:#}"));
            IoEvent::Written { path: asked.path, error }
        }
        IoRequest::WritePicture { path, picture } => {
            let error = picture.write(&path).err().map(|error| format!("{error:#}"));
            IoEvent::Written { path, error }
        }
        IoRequest::Sample { request } => sample(request),
        IoRequest::ImportMask { session, path, image } => {
            IoEvent::MaskRead { session, mask: masks::import(&path, &image) }
        }
        IoRequest::Save(request) => masks::save(request),
        IoRequest::ExportSurface(request) => masks::export_surface(&request),
        IoRequest::Measure(request) => match measure(&request) {
            Some(measurement) => {
                IoEvent::Measured { session: request.session, measurement: Box::new(measurement) }
            }
            None => return,
        },
    };
    inbox.send(Event::Io(event));
}

fn open(path: PathBuf, options: &OpenOptions, store: Option<&Path>, watcher: &Watcher<'_>) -> IoEvent {
    let request = watcher.request;
    match choose_or_open(&path, options, watcher) {
        Ok(Found::Series(series)) => IoEvent::Series { request, path, series },
        Ok(Found::Pictures(paths)) => ahead::list_pictures(request, paths, store),
        Ok(Found::Image(opened)) => {
            let photo = OpenedPhoto::of(&opened.volume, Some(&path), store).map(Box::new);
            IoEvent::Opened { request, path: Some(path), opened, photo }
        }
        Err(OpenError::Cancelled(_)) => IoEvent::OpenFailed { request, error: None },
        Err(error) => IoEvent::OpenFailed { request, error: Some(error.to_string()) },
    }
}

fn open_project(project: &OpenProject, watcher: &Watcher<'_>) -> IoEvent {
    let request = watcher.request;
    match project.run(&Quiet(watcher)) {
        Ok(project) => IoEvent::ProjectOpened { request, project: Box::new(project) },
        Err(Refusal::Image(problem)) => IoEvent::ImageProblem { request, problem },
        Err(Refusal::Cancelled) => IoEvent::OpenFailed { request, error: None },
        Err(Refusal::Failed(error)) => IoEvent::OpenFailed { request, error: Some(error) },
    }
}

enum Found {
    Series(Vec<SeriesSummary>),
    Pictures(Vec<PathBuf>),
    Image(Box<Opened>),
}

fn choose_or_open(path: &Path, options: &OpenOptions, watcher: &Watcher<'_>) -> Result<Found, OpenError> {
    if options.series_uid.is_none() && hilum_core::io::probe(path)? == FileKind::Folder {
        let pictures = photo::pictures(path);
        if !pictures.is_empty() {
            return Ok(Found::Pictures(pictures));
        }
        let series = hilum_core::io::list_series(path, options, watcher)?;
        if series.len() > 1 {
            return Ok(Found::Series(series));
        }
    }
    hilum_core::io::open(path, options, watcher).map(|opened| Found::Image(Box::new(opened)))
}

fn sample(request: u64) -> IoEvent {
    match ct_phantom(&CtPhantomOptions::default()) {
        Ok(phantom) => {
            let opened = Opened { volume: phantom.volume, warnings: Vec::new() };
            IoEvent::Opened { request, path: None, opened: Box::new(opened), photo: None }
        }
        Err(error) => IoEvent::OpenFailed { request, error: Some(error.to_string()) },
    }
}

/// Measures within the label's box, so that a small lesion in a large image takes no time.
fn measure(request: &MeasureRequest) -> Option<Measurement> {
    let mask = BoxMask::from_labels(&request.labels, request.label);
    let grid = request.volume.grid();
    let volume_ml = request.labels.volume_ml(request.label);
    let empty = Measurement {
        labels_revision: request.labels_revision,
        label: request.label,
        volume_ml,
        recist: None,
        parts: Components::of(&mask, Connectivity::Six).all().len(),
        mean_sd: None,
    };
    if mask.is_empty() {
        return Some(empty);
    }
    let part: Grid = grid.sub_grid(mask.region()).ok()?;
    let values = hilum_core::volume::Voxels::F32(request.volume.box_values(mask.region()));
    let image = Volume::new(part, values, request.volume.meta().clone()).ok()?;
    let statistics = mask_statistics(&image, mask.inside()).ok().flatten();
    Some(Measurement {
        recist: recist(mask.inside(), &part)
            .ok()
            .flatten()
            .map(|found| in_image(found, mask.region().start())),
        mean_sd: statistics.map(|s| (s.mean, s.sd)),
        ..empty
    })
}

/// Brings a measurement of a part of the image to the numbering of the whole.
fn in_image(mut found: Recist, start: [usize; 3]) -> Recist {
    found.slice += start[2];
    let ends =
        [&mut found.long_axis, &mut found.short_axis].map(|axis| [&mut axis.from_voxel, &mut axis.to_voxel]);
    for end in ends.into_iter().flatten() {
        *end = [0, 1, 2].map(|a| end[a] + start[a] as f64);
    }
    found
}

/// Tells the window how opening goes.
struct Watcher<'a> {
    request: u64,
    cancel: CancelToken,
    inbox: &'a Inbox,
    last: std::sync::Mutex<Option<Instant>>,
}

impl Observer for Watcher<'_> {
    fn progress(&self, what: &str, done: u64, total: u64) {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.is_some_and(|at| at.elapsed() < PROGRESS_PAUSE) && done < total {
            return;
        }
        *last = Some(Instant::now());
        let share = (total > 0).then(|| done as f32 / total as f32);
        let event = IoEvent::Progress { request: self.request, what: what.to_owned(), share };
        self.inbox.try_send(Event::Io(event));
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}

/// Tells how opening goes, without a first slice: the image may be the wrong one.
struct Quiet<'a>(&'a Watcher<'a>);

impl Observer for Quiet<'_> {
    fn progress(&self, what: &str, done: u64, total: u64) {
        self.0.progress(what, done, total);
    }

    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl OpenObserver for Quiet<'_> {}

impl OpenObserver for Watcher<'_> {
    fn first_slice(&self, slice: Volume) {
        let event = IoEvent::FirstSlice { request: self.request, slice: Box::new(slice) };
        self.inbox.try_send(Event::Io(event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::oblique_volume;
    use hilum_core::geometry::VoxelBox;

    #[test]
    fn a_measurement_is_told_in_the_voxels_of_the_whole_image() {
        let volume = Arc::new(oblique_volume());
        let region = VoxelBox::new([3, 2, 4], [9, 4, 5]);
        let grid = *volume.grid();
        let inside = |i| u16::from(region.contains(grid.voxel(i))) * 7;
        let labels = LabelMap::from_voxels(grid, (0..grid.voxel_count()).map(inside).collect()).unwrap();
        let request =
            MeasureRequest { session: 1, labels_revision: 3, volume, labels: Arc::new(labels), label: 7 };
        let measured = measure(&request).unwrap();
        let recist = measured.recist.unwrap();
        assert_eq!((measured.labels_revision, recist.slice), (3, 4));
        for end in [recist.long_axis.from_voxel, recist.long_axis.to_voxel] {
            assert!(region.contains(end.map(|c| c.round() as usize)), "{end:?}");
        }
        assert!((measured.volume_ml - 12.0 * grid.affine().voxel_volume_mm3() / 1000.0).abs() < 1e-9);
        assert!(measure(&MeasureRequest { label: 2, ..request }).unwrap().recist.is_none());
    }
}
