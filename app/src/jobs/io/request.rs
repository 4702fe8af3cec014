//! What can be asked of the thread that reads, writes and measures.

use std::path::PathBuf;
use std::sync::Arc;

use hilum_core::io::{LabelName, Selection};
use hilum_core::job::CancelToken;
use hilum_core::label::LabelMap;
use hilum_core::volume::{Source, Volume};

use super::super::map_file::{FigureFile, MapFile};
use super::super::photo::{EnhanceRequest, KeepPhoto, PageRequest, TableRow};
use super::super::{Numbered, OpenProject, Picture, TableRequest};

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
        /// Which image of it.
        selection: Selection,
        /// Where labels of pictures are kept.
        store: Option<PathBuf>,
        /// Stops it.
        cancel: CancelToken,
    },
    /// Look at what pages a slide has, to choose a part of it.
    Slide {
        /// The file.
        path: PathBuf,
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
        /// Which image of it.
        selection: Selection,
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
            | Self::Slide { .. }
            | Self::Keep(_)
            | Self::Flush(_) => None,
        }
    }
}
