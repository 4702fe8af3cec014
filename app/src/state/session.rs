//! The image that is open and everything about it that is not part of the document.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hilum_core::document::{Document, Effects};
use hilum_core::geometry::{VoxelBox, WorldPoint};
use hilum_core::io::raster::PixelRegion;
use hilum_core::io::{Selection, Warning};
use hilum_core::job::CancelToken;
use hilum_core::label::{BoxMask, LabelMap};
use hilum_core::measure::Recist;
use hilum_core::prompt::Prompts;
use hilum_core::volume::Volume;
use hilum_models::infer::ClickResult;

use super::{Draft, Editing, Photo, RunningLabels, Scene, Views};
use crate::jobs::{Compared, MeasureTable};

/// Proposals remembered, so that going back in the history needs no network.
const KEPT_PROPOSALS: usize = 16;

/// A request to the network that has not been answered.
#[derive(Clone, Debug)]
pub struct RunningSegmentation {
    /// Which request.
    pub request: u64,
    /// The clicks it was made for, as the document numbers them.
    pub prompts_revision: u64,
    /// Stops it.
    pub cancel: CancelToken,
    /// When it was asked.
    pub since: std::time::Instant,
    /// What it is doing.
    pub what: String,
    /// Share done, where known.
    pub share: Option<f32>,
}

/// Size of a label.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// State of the labels that was measured.
    pub labels_revision: u64,
    /// The label.
    pub label: u16,
    /// Volume in ml.
    pub volume_ml: f64,
    /// Long and short axis, where the mask is large enough. They span all parts.
    pub recist: Option<Recist>,
    /// Pieces that do not touch.
    pub parts: usize,
    /// Mean and standard deviation of the values inside.
    pub mean_sd: Option<(f64, f64)>,
}

/// What a change of the document asks the renderer to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dirty {
    /// Voxels whose labels changed.
    pub labels: VoxelBox,
    /// The proposal changed.
    pub preview: bool,
    /// Colours or visibility changed.
    pub colors: bool,
    /// The picture is seen in another way.
    pub image: bool,
}

/// An open image.
#[derive(Debug)]
pub struct Session {
    /// Identity; another image has another number.
    pub id: u64,
    /// Image, labels, clicks, proposal, history.
    pub document: Document,
    /// What is unusual about the image.
    pub warnings: Vec<Warning>,
    /// One slice, shown while the rest is being read; not to be edited.
    pub is_glimpse: bool,
    /// What is looked at.
    pub views: Views,
    /// Surfaces of the labels.
    pub scene: Scene,
    /// Where the mask was saved.
    pub mask_path: Option<PathBuf>,
    /// The question to the network that is under way.
    pub running: Option<RunningSegmentation>,
    /// The network's last answer.
    pub result: Option<ClickResult>,
    /// Folder of the project that a person saved, where there is one.
    pub project: Option<PathBuf>,
    /// Changes are kept on disk, for the next time that the image is opened.
    pub is_kept: bool,
    /// Why changes cannot be written at present, for people.
    pub not_kept: Option<String>,
    /// Points of the distance or angle that is being drawn.
    pub ruler_draft: Vec<WorldPoint>,
    /// Figures of all labels.
    pub table: Option<MeasureTable>,
    /// The figures that were asked for: state of the labels, and what is compared.
    pub table_asked: Option<(u64, Option<Compared>)>,
    /// A mask that was read for comparison, and its name.
    pub reference: Option<(String, Arc<LabelMap>)>,
    /// What is compared.
    pub compared: Option<Compared>,
    /// The last measurement.
    pub measurement: Option<Measurement>,
    /// Number of changes of labels.
    pub labels_revision: u64,
    /// The measurement that was asked for: label and state of the labels.
    pub measuring: Option<(u16, u64)>,
    /// Position of the brush in the last event of the stroke under way.
    pub stroke_at: Option<WorldPoint>,
    /// All labels are drawn.
    pub show_mask: bool,
    /// Questions for labels that are under way.
    pub labelling: Vec<RunningLabels>,
    /// Which model made which step of the history.
    pub labelled: Vec<super::LabelledBy>,
    /// Outlines and operations under way.
    pub editing: Editing,
    /// What is known of a flat picture.
    pub photo: Option<Photo>,
    /// What the renderer has not seen yet.
    pub dirty: Dirty,
    proposals: Vec<(Prompts, ClickResult)>,
}

impl Session {
    /// Opens an image without labels.
    pub fn new(id: u64, document: Document, warnings: Vec<Warning>, is_glimpse: bool) -> Self {
        let views = Views::new(document.image());
        let full = document.image().grid().full_box();
        Self {
            id,
            document,
            warnings,
            is_glimpse,
            scene: Scene::new(full.size()),
            views,
            mask_path: None,
            running: None,
            result: None,
            project: None,
            is_kept: false,
            not_kept: None,
            ruler_draft: Vec::new(),
            table: None,
            table_asked: None,
            reference: None,
            compared: None,
            measurement: None,
            measuring: None,
            labels_revision: 0,
            stroke_at: None,
            show_mask: true,
            labelling: Vec::new(),
            labelled: Vec::new(),
            editing: Editing::default(),
            photo: None,
            dirty: Dirty { labels: full, preview: true, colors: true, image: false },
            proposals: Vec::new(),
        }
    }

    /// Goes on with another document of the same image.
    pub fn replace_document(&mut self, document: Document) {
        let labels = document.image().grid().full_box();
        self.dirty = Dirty { labels, preview: true, colors: true, image: self.dirty.image };
        if let Some(photo) = &mut self.photo {
            photo.forget_marks();
            photo.drag = None;
        }
        self.scene.touch(labels);
        self.document = document;
        self.editing.stop();
        self.editing = Editing::default();
        self.labels_revision += 1;
        self.ruler_draft.clear();
        self.table = None;
        self.table_asked = None;
        self.measurement = None;
        self.measuring = None;
    }

    /// The image.
    pub fn volume(&self) -> &Arc<Volume> {
        self.document.image()
    }

    /// The image as it is seen.
    pub fn seen(&self) -> &Arc<Volume> {
        self.photo.as_ref().and_then(Photo::seen).unwrap_or_else(|| self.volume())
    }

    /// Draws the whole image again.
    pub fn redraw(&mut self) {
        let labels = self.volume().grid().full_box();
        self.dirty = Dirty { labels, preview: true, colors: true, image: true };
    }

    /// Stops every question to a network, and planning.
    pub fn stop_asking(&mut self) {
        self.editing.stop();
        if let Some(running) = self.running.take() {
            running.cancel.cancel();
        }
        for running in self.labelling.drain(..) {
            running.cancel.cancel();
        }
    }

    /// Whether one-click segmentation works on this image.
    pub fn can_segment(&self) -> bool {
        !self.is_glimpse && !self.views.is_flat()
    }

    /// Whether labels may be changed now.
    pub fn can_edit(&self) -> bool {
        !self.is_glimpse
    }

    /// Whether an outline or a planned operation can be made a step.
    pub fn can_apply(&self) -> bool {
        let is_planned = self.document.staged().is_some() && self.editing.running.is_none();
        is_planned || self.editing.draft.as_ref().is_some_and(Draft::can_close)
    }

    /// Whether there is an outline or an operation to drop.
    pub fn can_drop(&self) -> bool {
        let editing = &self.editing;
        self.document.staged().is_some() || editing.running.is_some() || editing.draft.is_some()
    }

    /// Whether all changes wait on disk for the next time that the image is opened.
    pub fn can_wait(&self) -> bool {
        self.is_kept && self.not_kept.is_none()
    }

    /// Whether closing the image asks: something would be lost, or there is no mask file of it yet.
    pub fn has_unsaved_work(&self) -> bool {
        let in_project = self.project.is_some() && self.not_kept.is_none();
        let is_kept = in_project || self.photo.as_ref().is_some_and(|photo| photo.is_kept);
        !self.is_glimpse && !is_kept && self.document.is_modified_since_save()
    }

    /// Notes what the renderer must draw again.
    pub fn note(&mut self, effects: &Effects) {
        self.scene.note(effects);
        if effects.labels_changed {
            self.labels_revision += 1;
            self.dirty.labels = self.dirty.labels.union(&effects.dirty);
        }
        self.dirty.preview |= effects.preview_changed;
        self.dirty.colors |= effects.table_changed;
    }

    /// Whether there is anything for the table of measurements.
    pub fn has_measurements(&self) -> bool {
        !self.document.rulers().is_empty()
            || self.document.labels().used_labels().iter().any(|label| *label > 0)
    }

    /// The axes of the active label, as it is now.
    pub fn active_recist(&self) -> Option<&Recist> {
        let active = self.document.table().active();
        let measured = self.measurement.as_ref()?;
        let is_current = measured.label == active && measured.labels_revision == self.labels_revision;
        measured.recist.as_ref().filter(|_| is_current && !self.views.is_flat())
    }

    /// Remembers an answer of the network for its clicks.
    pub fn remember(&mut self, prompts: Prompts, result: ClickResult) {
        self.proposals.retain(|(old, _)| *old != prompts);
        self.proposals.push((prompts, result));
        if self.proposals.len() > KEPT_PROPOSALS {
            self.proposals.remove(0);
        }
    }

    /// Forgets all answers: another network is asked from now on.
    pub fn forget_answers(&mut self) {
        self.proposals.clear();
    }

    /// The answer to clicks that were asked about before.
    pub fn remembered(&self, prompts: &Prompts) -> Option<&ClickResult> {
        self.proposals.iter().find(|(old, _)| old == prompts).map(|(_, result)| result)
    }

    /// The object as the network last proposed it for all clicks but the last: the start of a refinement.
    pub fn previous_mask(&self) -> Option<BoxMask> {
        let before = self.document.prompts().without_last();
        self.remembered(&before).map(|result| result.mask.clone())
    }

    /// Where the mask is saved if nobody says otherwise: beside the image, `_mask.nii.gz` for its ending.
    pub fn proposed_mask_name(&self) -> String {
        let path = self.volume().meta().source.path();
        let name = path.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_else(|| self.volume().meta().title.clone());
        let mut stem = name.as_str();
        for ending in [
            ".gz", ".nii", ".hdr", ".img", ".dcm", ".nrrd", ".nhdr", ".mha", ".mhd", ".png", ".jpg", ".jpeg",
            ".tif", ".tiff", ".svs", ".bmp",
        ] {
            stem = stem.strip_suffix(ending).unwrap_or(stem);
        }
        let safe: String =
            stem.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
        let name = if safe.is_empty() { "image" } else { &safe };
        format!("{name}{}_mask.nii.gz", part_of_name(&Selection::of(self.volume())))
    }
}

/// What tells masks of several images of one file apart.
fn part_of_name(selection: &Selection) -> String {
    let mut name = String::new();
    if selection.time_point > 0 {
        name += &format!("_t{}", selection.time_point + 1);
    }
    if let Some(page) = selection.page.filter(|page| *page > 0) {
        name += &format!("_page{page}");
    }
    if let Some(PixelRegion { start: [x, y], size: [width, height] }) = selection.region {
        name += &format!("_{x}_{y}_{width}x{height}");
    }
    name
}
