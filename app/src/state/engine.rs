//! Which models there are, and which of them answers what.

use std::path::PathBuf;

use hilum_core::label::LabelTable;
use hilum_core::provenance::UsedModel;
use hilum_models::catalog::{Card, ClickTask, DenseTask};
use hilum_models::infer::DeviceChoice;
use hilum_models::train::recipe::Stage;

use super::AppState;
use crate::jobs::{EngineChoice, ModelInfo};

/// What is known about the network.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum EngineState {
    /// Nobody has needed it.
    #[default]
    Idle,
    /// Weights are being loaded or kernels warmed up.
    Loading,
    /// Ready.
    Ready {
        /// Name of the device.
        device: String,
        /// Identity of the model.
        model: String,
        /// Seconds of the warm-up.
        warm_up_secs: f64,
    },
    /// It cannot be used.
    Failed(String),
}

impl AppState {
    /// The model for a purpose of the program: one of the user's own before one inside the program.
    pub fn model_for(&self, purpose: &str) -> Option<&ModelInfo> {
        let fits = |model: &&ModelInfo| {
            model.card.dense().is_some_and(|task| task.purpose.as_deref() == Some(purpose))
        };
        self.models.iter().filter(fits).min_by_key(|model| model.is_embedded)
    }

    /// The models that label whole images.
    pub fn labelling_models(&self) -> impl Iterator<Item = &Card> {
        self.models.iter().map(|model| &model.card).filter(|card| card.dense().is_some())
    }

    /// Models with the hashes of their weights, each after the one that it builds on.
    pub fn used_models(&self, ids: &[String]) -> Vec<UsedModel> {
        let mut used: Vec<UsedModel> = Vec::new();
        let mut add = |id: &str| {
            let model = self.models.iter().find(|model| model.card.id == id);
            let versions = self.worklist.as_ref().and_then(|worklist| worklist.teaching.versions.as_ref());
            let version = versions.and_then(|list| list.versions.iter().find(|version| version.id == id));
            let weights_sha256 = model
                .map(|model| model.card.weights_sha256.clone())
                .or_else(|| version.map(|version| version.weights_sha256.clone()))
                .unwrap_or_default();
            if used.iter().all(|known| known.id != id) {
                used.push(UsedModel { id: id.to_owned(), weights_sha256 });
            }
        };
        for id in ids {
            // A version builds on what its model builds on.
            let base = id.split('@').next().unwrap_or(id);
            let model = self.models.iter().find(|model| model.card.id == base);
            if let Some(coarse) = model.and_then(|m| m.card.click()).and_then(|task| task.coarse.as_deref()) {
                add(coarse);
            }
            add(id);
        }
        used
    }

    /// Where versions lie that were taught with the worklist that is open.
    pub fn versions_folder(&self) -> Option<PathBuf> {
        self.worklist.as_ref().map(|worklist| worklist.folder.join("versions"))
    }

    /// Whether a model labels every pixel of an image.
    pub fn is_labeller(&self, id: &str) -> bool {
        self.models.iter().any(|model| model.card.id == id && model.card.dense().is_some())
    }

    /// The labels that a model gives; one label called "Lesion" without such a model.
    pub fn labels_of(&self, model: Option<&str>) -> LabelTable {
        let model = self.models.iter().find(|known| Some(known.card.id.as_str()) == model);
        model.and_then(|model| model.card.dense()).map(DenseTask::label_table).unwrap_or_default()
    }

    /// A model for a new worklist: the first one that labels volumes of every kind by itself.
    pub fn default_labeller(&self) -> Option<String> {
        let labeller = |model: &&ModelInfo| {
            model.card.dense().is_some_and(|task| task.purpose.is_none() && task.around.is_none())
        };
        self.models.iter().find(labeller).map(|model| model.card.id.clone())
    }

    /// The device asked for.
    pub fn device_choice(&self) -> DeviceChoice {
        self.settings.device()
    }

    /// The device asked for, and the model that answers clicks: that of the worklist where it is one, in the version
    /// that is in use there, else the one of the settings.
    pub fn engine_choice(&self) -> EngineChoice {
        let device = self.settings.device();
        let worklist = self.worklist.as_ref();
        let taught = worklist.and_then(|worklist| worklist.list.model.as_ref());
        match taught.filter(|model| self.answers_clicks(model)) {
            Some(model) => {
                let current = worklist.and_then(|worklist| worklist.teaching.current());
                let current = current.filter(|id| id.split('@').next() == Some(model.as_str()));
                let model = Some(current.map_or_else(|| model.clone(), str::to_owned));
                EngineChoice { device, model, versions: self.versions_folder() }
            }
            None => EngineChoice { device, model: self.settings.model.clone(), versions: None },
        }
    }

    /// Whether a model answers clicks by itself.
    pub fn answers_clicks(&self, id: &str) -> bool {
        let is_fine = |task: &ClickTask| matches!(task.stage, Stage::Fine { .. });
        self.models.iter().any(|model| model.card.id == id && model.card.click().is_some_and(is_fine))
    }
}
