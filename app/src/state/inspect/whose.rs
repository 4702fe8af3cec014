//! Which model is looked into where nobody chose: the one that made the labels on the screen, else one that suits the image.

use std::cmp::Reverse;

use hilum_core::volume::Volume;
use hilum_models::catalog::DenseTask;
use hilum_models::transform::frame::Scale;

use crate::jobs::ModelInfo;
use crate::state::{AppState, LABEL_WITH, Session};

/// A model whose input shows less than one of so many parts of an image along a side is one for smaller images.
const MAX_TILES: usize = 3;

/// A step of the history in which a network labelled the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledBy {
    /// Name of the step.
    pub step: String,
    /// Identity of the model, or of the version of it.
    pub model: String,
}

impl Session {
    /// Remembers which model made a step of the history.
    pub fn credit_step(&mut self, step: &str, model: &str) {
        self.labelled.retain(|known| known.step != step);
        self.labelled.push(LabelledBy { step: step.to_owned(), model: model.to_owned() });
    }

    /// The model that made labels last, of the steps that are not undone.
    fn labelled_by(&self) -> Option<&str> {
        let history = self.document.history();
        let applied: Vec<&str> = history.steps().take(history.cursor()).collect();
        applied.into_iter().rev().find_map(|step| {
            let known = self.labelled.iter().find(|known| known.step == step);
            // Of a project that was opened again the name of the step alone is left.
            known.map(|known| known.model.as_str()).or_else(|| step.strip_prefix(LABEL_WITH))
        })
    }
}

impl AppState {
    /// The model to look into: the one, and the version of it, that made the labels of the open image; without such
    /// labels that of the worklist, else the model that suits the image best.
    pub fn attention_model(&self) -> Option<String> {
        let session = self.editable()?;
        let made = self.makers_of_labels(session).into_iter().find(|id| self.can_look_into(id));
        made.map(str::to_owned).or_else(|| self.suitable_model(session.volume()))
    }

    /// Who made the labels on the screen, by what is known of that: the history, the case of the worklist, what was
    /// kept of the picture.
    fn makers_of_labels<'a>(&'a self, session: &'a Session) -> Vec<&'a str> {
        let labels = session.document.labels();
        if labels.is_blank() {
            return Vec::new();
        }
        let list =
            self.worklist.as_ref().filter(|list| list.open.is_some_and(|open| open.session == session.id));
        let case = list.and_then(|list| list.case()).and_then(|case| case.proposed_by.as_deref());
        let photo = session.photo.iter().flat_map(|photo| photo.models.iter().rev().map(String::as_str));
        session.labelled_by().into_iter().chain(case).chain(photo).collect()
    }

    /// Whether a model labels images and is there, or is a version of one that is there.
    fn can_look_into(&self, id: &str) -> bool {
        let Some((base, _)) = id.split_once('@') else { return self.is_labeller(id) };
        let Some(list) = &self.worklist else { return false };
        // As long as the versions are being read, what the labels say of themselves counts.
        let is_there = list.teaching.versions.as_ref().is_none_or(|versions| {
            versions.base != base || versions.versions.iter().any(|version| version.id == id)
        });
        self.is_labeller(base) && is_there
    }

    fn suitable_model(&self, volume: &Volume) -> Option<String> {
        let has_doubts = |id: &str| !self.doubts_about(id, volume).is_empty();
        let list = self.worklist.as_ref();
        if let Some(model) = list.and_then(|list| list.list.model.as_ref()).filter(|id| self.is_labeller(id))
            && !has_doubts(model)
        {
            let current = list.and_then(|list| list.teaching.current());
            let version = current.filter(|id| id.split('@').next() == Some(model.as_str()));
            return Some(version.unwrap_or(model).to_owned());
        }
        if self.eye().is_some()
            && let Some(model) = self.model_for("disc_cup").filter(|model| !has_doubts(&model.card.id))
        {
            return Some(model.card.id.clone());
        }
        let labellers = self.models.iter().filter_map(|model| Some((model, model.card.dense()?)));
        let rank = |(model, task): &(&ModelInfo, &DenseTask)| {
            let doubts = self.doubts_about(&model.card.id, volume).len();
            let is_small = tiles_along(task, volume) > MAX_TILES;
            let is_planar = task.tile[0] == 1 && !volume.grid().is_flat();
            // Of equals the one that sees more detail.
            (doubts, is_small, is_planar, Reverse(samples_across(task, volume)))
        };
        labellers.min_by_key(rank).map(|(model, _)| model.card.id.clone())
    }

    /// Why an image is hardly one for a model or a version of it, for people; empty where nothing speaks against it.
    pub fn doubts_about(&self, id: &str, image: &Volume) -> Vec<String> {
        let base = id.split('@').next().unwrap_or(id);
        let model = self.models.iter().find(|model| model.card.id == base);
        let Some(task) = model.and_then(|model| model.card.dense()) else { return Vec::new() };
        let mut doubts = task.doubts_about(image);
        if task.purpose.is_some() && self.eye().is_none() {
            doubts.push("the model is for photographs of the fundus, and this image is not one".to_owned());
        }
        doubts
    }
}

/// Samples of a model's input across an image.
fn samples_across(task: &DenseTask, image: &Volume) -> usize {
    let (columns, spacing_mm) = (image.grid().dims()[0], image.grid().spacing_mm()[0]);
    match task.input.scale {
        Scale::Keep => columns,
        Scale::Field { pixels } => pixels,
        Scale::Spacing { mm } => (columns as f64 * spacing_mm / mm[0]) as usize,
    }
}

/// How many tiles a model needs along the longest way through an image: one that learned from crops around an organ needs
/// many for a whole body, one that learned from whole images one.
fn tiles_along(task: &DenseTask, image: &Volume) -> usize {
    let (dims, spacing_mm) = (image.grid().dims(), image.grid().spacing_mm());
    let [z, y, x] = task.tile;
    let tiles = [x, y, z].into_iter().enumerate().filter(|(axis, tile)| *axis < 2 || *tile > 1).map(
        |(axis, tile)| {
            let samples = match task.input.scale {
                Scale::Keep => dims[axis] as f64,
                Scale::Field { pixels } => pixels as f64 * dims[axis] as f64 / dims[0].max(1) as f64,
                Scale::Spacing { mm } => {
                    dims[axis] as f64 * spacing_mm[axis] / mm[axis].max(f64::MIN_POSITIVE)
                }
            };
            (samples / tile.max(1) as f64).ceil() as usize
        },
    );
    tiles.max().unwrap_or(1)
}
