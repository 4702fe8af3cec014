//! Which model is looked into where nobody chose: the one that made the labels on the screen, else one that suits the image.

use hilum_core::volume::{Modality, Volume};
use hilum_models::catalog::DenseTask;
use hilum_models::transform::frame::Normalize;

use crate::jobs::ModelInfo;
use crate::state::{AppState, Session};

/// How the history calls labels that a model gave to a whole image.
pub const LABELLED_WITH: &str = "Label with ";

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
            known.map(|known| known.model.as_str()).or_else(|| step.strip_prefix(LABELLED_WITH))
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
        if labels.count(0) == labels.voxels().len() {
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
            (self.doubts_about(&model.card.id, volume).len(), !has_values_of(task, volume))
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

/// Whether a model's way to bring values to a common range is that for such images: a window is one of Hounsfield units.
fn has_values_of(task: &DenseTask, image: &Volume) -> bool {
    let has_units = image.meta().modality == Modality::Ct;
    matches!(task.input.normalize, Normalize::Window { .. }) == has_units
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hilum_core::document::{Document, EditCommand, NewLabel};
    use hilum_core::geometry::Grid;
    use hilum_core::label::{LabelMap, LabelTable};
    use hilum_core::volume::{ImageMeta, Voxels};
    use hilum_core::worklist::Worklist;
    use hilum_models::catalog::Catalog;

    use super::*;
    use crate::jobs::{OpenedPhoto, VersionList};
    use crate::state::{OpenWorklist, Photo};

    const VOLUMES: &str = "hippocampus-attention-unet";
    const SLICES: &str = "lung-hanet";

    fn image(depth: usize, modality: Modality) -> Volume {
        let grid = Grid::from_spacing([6, 5, depth], [1.0; 3]).unwrap();
        let voxels = Voxels::I16((0..grid.voxel_count() as i16).collect());
        Volume::new(grid, voxels, ImageMeta { modality, ..ImageMeta::default() }).unwrap()
    }

    fn state(volume: Volume) -> AppState {
        let models = Catalog::new(None).unwrap();
        let info = |card| ModelInfo { card, is_embedded: true };
        let models = models.models().iter().map(|model| info(model.card.clone())).collect();
        let session = Session::new(1, Document::new(Arc::new(volume)), Vec::new(), false);
        AppState { models, models_known: true, session: Some(session), ..AppState::default() }
    }

    /// Labels one voxel, as a step of this name.
    fn label(state: &mut AppState, voxel: usize, name: &str) {
        let document = &mut state.session.as_mut().unwrap().document;
        let mut values = vec![0; document.labels().voxels().len()];
        values[voxel] = 1;
        let labels = LabelMap::from_voxels(*document.labels().grid(), values).unwrap();
        let names = vec![NewLabel::named(1, "part")];
        document.apply(EditCommand::ReplaceLabels { name: name.into(), labels, names }).unwrap();
    }

    #[test]
    fn the_model_that_made_the_labels_is_looked_into() {
        let mut state = state(image(1, Modality::Other));
        assert_eq!(state.attention_model().as_deref(), Some(SLICES), "nothing is labelled: what suits");
        label(&mut state, 3, "Label with hippocampus-attention-unet");
        assert_eq!(state.attention_model().as_deref(), Some(VOLUMES), "whatever suits better");
        label(&mut state, 4, "Outline something");
        let session = state.session.as_mut().unwrap();
        session.credit_step("Outline something", "disc-cup");
        assert_eq!(state.attention_model().as_deref(), Some("disc-cup"));
        state.session.as_mut().unwrap().document.apply(EditCommand::Undo).unwrap();
        assert_eq!(
            state.attention_model().as_deref(),
            Some(VOLUMES),
            "its labels are those on the screen again"
        );
        state.models.retain(|model| model.card.id != VOLUMES);
        assert_eq!(state.attention_model().as_deref(), Some(SLICES), "a model that is gone is not asked");
    }

    #[test]
    fn what_was_kept_of_a_picture_tells_its_model() {
        let volume = image(1, Modality::Other);
        let opened = OpenedPhoto::of(&volume, None, None).unwrap();
        let mut state = state(volume);
        label(&mut state, 3, "Opened");
        let mut photo = Photo::new(&opened, None);
        photo.models = vec!["disc-locate".into(), "disc-cup".into()];
        state.session.as_mut().unwrap().photo = Some(photo);
        assert_eq!(state.attention_model().as_deref(), Some("disc-cup"));
    }

    #[test]
    fn versions_are_looked_into_as_versions() {
        let mut state = state(image(1, Modality::Other));
        let list = Worklist::new("list", LabelTable::default(), Some(SLICES.into()));
        state.worklist = Some(OpenWorklist::new("list".into(), list));
        label(&mut state, 3, "Label with lung-hanet@0002");
        assert_eq!(state.attention_model().as_deref(), Some("lung-hanet@0002"));
        // A version that is gone gives way to the one in use.
        let versions = VersionList {
            base: SLICES.into(),
            current: "lung-hanet@0001".into(),
            previous: None,
            versions: Vec::new(),
        };
        state.worklist.as_mut().unwrap().teaching.versions = Some(versions);
        assert_eq!(state.attention_model().as_deref(), Some("lung-hanet@0001"));
        // Nor is the model of the worklist taken for an image that it has doubts about.
        state.worklist.as_mut().unwrap().list.model = Some(VOLUMES.into());
        assert_eq!(state.attention_model().as_deref(), Some(SLICES), "that of volumes has doubts");
    }

    #[test]
    fn without_labels_the_model_suits_the_image() {
        assert_eq!(state(image(4, Modality::Mr)).attention_model().as_deref(), Some(VOLUMES));
        assert_eq!(state(image(4, Modality::Ct)).attention_model().as_deref(), Some(SLICES));
        let state = state(image(1, Modality::Other));
        let volume = state.session.as_ref().unwrap().volume();
        assert!(state.doubts_about(SLICES, volume).is_empty());
        assert!(state.doubts_about("hippocampus-attention-unet@0003", volume)[0].contains("volumes"));
        let doubts = state.doubts_about("disc-cup", volume);
        assert!(doubts.iter().any(|doubt| doubt.contains("photographs of the fundus")), "{doubts:?}");
    }
}
