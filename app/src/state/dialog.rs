//! What stands in front of the window, and what waits for an answer.

use std::path::PathBuf;

use egui::KeyboardShortcut;
use hilum_core::io::dicom::deidentify::DeidentifyOptions;
use hilum_core::io::{Selection, SeriesSummary};
use hilum_core::job::CancelToken;

use super::{KeptList, MaskChoice, SlideChoice};
use crate::command::UiCommand;
use crate::jobs::{CopyProgress, ImageProblem, OpenProject};

/// An image that is being opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Which request.
    pub request: u64,
    /// Name without the folder.
    pub name: String,
    /// Stops it.
    pub cancel: CancelToken,
    /// What is being done.
    pub what: String,
    /// Share done, where known.
    pub share: Option<f32>,
}

/// Series of a folder, for the person to choose from.
#[derive(Clone, Debug)]
pub struct SeriesChoice {
    /// The folder.
    pub path: PathBuf,
    /// What was found.
    pub series: Vec<SeriesSummary>,
}

/// The dialog in front of the window.
#[derive(Clone, Debug, Default)]
pub enum Dialog {
    /// None.
    #[default]
    None,
    /// The command palette with the text typed so far.
    Palette(String),
    /// About the program.
    About,
    /// All keys, to be seen and changed.
    Shortcuts(KeysPage),
    /// Settings.
    Settings,
    /// Searching and fetching from servers.
    OpenFromServer,
    /// Storing labels on a server.
    StoreOnServer,
    /// Settings of servers.
    Servers,
    /// The model browser.
    Models,
    /// Warnings of the image.
    Warnings,
    /// Which series.
    Series(SeriesChoice),
    /// Which part of a slide.
    Slide(SlideChoice),
    /// Which masks are taken over as labels of which cases.
    Masks(MaskChoice),
    /// There is unsaved work and the person wants to do this.
    Unsaved(Guarded),
    /// Work that was kept without a project.
    Kept(KeptList),
    /// The image of a project is not where or what it was.
    Relocate(ImageProblem),
    /// Copies without names are to be made, are being made, or were made.
    Deidentify(DeidentifyStep),
    /// An earlier session left unsaved work on this image.
    Recover {
        /// Steps that were made.
        steps: usize,
    },
}

/// How far making copies without names is.
#[derive(Clone, Debug)]
pub enum DeidentifyStep {
    /// The person chooses.
    Choose(DeidentifyChoice),
    /// Files are copied.
    Running(CopyProgress),
    /// What was done, for people.
    Done(Vec<String>),
}

/// What the person chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeidentifyChoice {
    /// Choices that the profile leaves.
    pub options: DeidentifyOptions,
    /// Not everything in the folder.
    pub only_this_series: bool,
}

impl Default for DeidentifyChoice {
    fn default() -> Self {
        Self { options: DeidentifyOptions::default(), only_this_series: true }
    }
}

/// The page of keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeysPage {
    /// Commands are shown whose names hold this.
    pub filter: String,
    /// The next combination that is pressed becomes one of this command's.
    pub listening: Option<UiCommand>,
    /// That combination, if another command has it.
    pub taken: Option<KeyboardShortcut>,
}

/// What the guard of unsaved work holds back.
#[derive(Clone, Debug, PartialEq)]
pub enum Guarded {
    /// Closing the window.
    Quit,
    /// Closing the image.
    CloseImage,
    /// Opening another image.
    Open {
        /// File or folder; `None` for the sample case.
        path: Option<PathBuf>,
        /// Which image of it.
        selection: Selection,
    },
    /// Opening a project.
    OpenProject(OpenProject),
    /// Looking at several pictures.
    OpenPictures(Vec<PathBuf>),
    /// Looking at another picture of the album.
    Picture(usize),
    /// Looking at a case of the worklist.
    Case(hilum_core::worklist::CaseId),
}
