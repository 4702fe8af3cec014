//! What that thread answers.

use std::path::PathBuf;
use std::sync::Arc;

use hilum_core::fundus::Enhancement;
use hilum_core::io::{Opened, SeriesSummary};
use hilum_core::label::LabelMap;
use hilum_core::volume::Volume;

use super::super::photo::{OpenedPhoto, PhotoRecord};
use super::super::slide::SlidePages;
use super::super::{ImageProblem, ImportedMask, MeasureTable, OpenedProject};
use crate::state::Measurement;

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
    /// What pages a slide has, or why that cannot be told, for people.
    Slide(Result<Box<SlidePages>, String>),
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
