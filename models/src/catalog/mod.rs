//! The models at hand: those inside the program and those the user added, each with its card.

mod card;
mod import;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use hilum_core::io::read_small_text;
use sha2::{Digest as _, Sha256};

use crate::checkpoint::{CheckpointError, StateDict, read_weights};
use crate::nets::{AnyNetwork, NetError};
use crate::train::recipe::Stage;

pub use card::{Around, AxisOrder, Card, ClickTask, DenseTask, Region, Task};
pub use import::{Import, ImportError, Imported, import};

struct EmbeddedModel {
    card: &'static str,
    weights: &'static [u8],
    discriminator: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// There is no such model.
    #[error("there is no model \"{id}\"; there are: {known}")]
    Unknown {
        /// The identity asked for.
        id: String,
        /// All identities.
        known: String,
    },
    /// No model answers clicks.
    #[error("no model for clicks in volumes is installed; train or import one (hilum train, hilum models)")]
    NoneForClicks,
    /// A card is broken.
    #[error("the card of a model is not understood ({cause}): {path}")]
    Card {
        /// The reason.
        cause: serde_json::Error,
        /// The card.
        path: PathBuf,
    },
    /// The weights are not those the card speaks of.
    #[error(
        "the weights of {id} have the SHA-256 {found}, the card says {expected}; install the model again"
    )]
    Changed {
        /// The model.
        id: String,
        /// Of the weights at hand.
        found: String,
        /// Of the card.
        expected: String,
    },
    /// The model cannot do what is asked.
    #[error("the model {id} {what}")]
    Unsuitable {
        /// The model.
        id: String,
        /// Why.
        what: String,
    },
    /// A file cannot be read.
    #[error("cannot read the model ({cause}): {path}")]
    Io {
        /// What the system said.
        cause: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// The network or its weights.
    #[error(transparent)]
    Network(#[from] NetError),
}

/// A model with where its weights are.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its card.
    pub card: Card,
    weights: Weights,
    /// Of the discriminator that it was taught against.
    discriminator: Option<Weights>,
}

#[derive(Clone, Debug)]
enum Weights {
    Embedded(&'static [u8]),
    File(PathBuf),
}

/// All models, by identity.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    models: Vec<Model>,
    problems: Vec<String>,
}

impl Catalog {
    /// The models inside the program, and those in `folder` (one folder a model with `card.json` and
    /// `weights.safetensors`), if there is one. A user's model hides an embedded one of the same identity.
    ///
    /// # Errors
    /// [`CatalogError`] if a card inside the program is broken; for the user's see [`Catalog::problems`].
    pub fn new(folder: Option<&Path>) -> Result<Self, CatalogError> {
        let mut models = Vec::new();
        for embedded in EMBEDDED {
            let card = parse_card(embedded.card, Path::new("embedded"))?;
            let discriminator = embedded.discriminator.map(Weights::Embedded);
            models.push(Model { card, weights: Weights::Embedded(embedded.weights), discriminator });
        }
        let mut catalog = Self { models, problems: Vec::new() };
        for model in folder.map(user_models).unwrap_or_default() {
            match model {
                Ok(model) => catalog.add(model),
                Err(error) => catalog.problems.push(error.to_string()),
            }
        }
        catalog.models.sort_by(|a, b| a.card.id.cmp(&b.card.id));
        Ok(catalog)
    }

    /// Why some of the user's models are not among [`Catalog::models`].
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Adds a model; it takes the place of one of the same identity.
    pub fn add(&mut self, model: Model) {
        self.models.retain(|known| known.card.id != model.card.id);
        self.models.push(model);
        self.models.sort_by(|a, b| a.card.id.cmp(&b.card.id));
    }

    /// All models, sorted by identity.
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// The model of an identity.
    ///
    /// # Errors
    /// [`CatalogError::Unknown`], which lists what there is.
    pub fn find(&self, id: &str) -> Result<&Model, CatalogError> {
        self.models.iter().find(|model| model.card.id == id).ok_or_else(|| CatalogError::Unknown {
            id: id.to_owned(),
            known: self.models.iter().map(|m| m.card.id.as_str()).collect::<Vec<_>>().join(", "),
        })
    }

    /// The stage-2 model for clicks in volumes: the one of this identity, or the default.
    ///
    /// # Errors
    /// [`CatalogError`] if it is not there or is no stage-2 model.
    pub fn fine(&self, id: Option<&str>) -> Result<&Model, CatalogError> {
        let is_fine =
            |model: &&Model| model.card.click().is_some_and(|task| matches!(task.stage, Stage::Fine { .. }));
        match id {
            Some(id) => {
                let model = self.find(id)?;
                if is_fine(&model) {
                    return Ok(model);
                }
                let what =
                    "does not answer clicks by itself; choose a second stage of the one-click pipeline"
                        .to_owned();
                Err(CatalogError::Unsuitable { id: id.to_owned(), what })
            }
            None => {
                let mut fine = self.models.iter().filter(is_fine);
                fine.clone()
                    .find(|m| m.card.click().is_some_and(|task| task.is_default))
                    .or_else(|| fine.next())
                    .ok_or(CatalogError::NoneForClicks)
            }
        }
    }
}

impl Model {
    /// The model in a folder with `card.json` and `weights.safetensors`.
    ///
    /// # Errors
    /// [`CatalogError`] if the card cannot be read or is not understood.
    pub fn read(folder: &Path) -> Result<Self, CatalogError> {
        read_model(&folder.join("card.json"))
    }

    /// Whether it is inside the program.
    pub fn is_embedded(&self) -> bool {
        matches!(self.weights, Weights::Embedded(_))
    }

    /// The discriminator that it was taught against, `discriminator.safetensors` beside its weights; `None` without one.
    pub fn discriminator(&self) -> Option<Result<StateDict, CheckpointError>> {
        Some(match self.discriminator.as_ref()? {
            Weights::Embedded(bytes) => StateDict::from_bytes(*bytes),
            Weights::File(path) => StateDict::read(path),
        })
    }

    /// Bytes of its weights.
    ///
    /// # Errors
    /// [`CatalogError::Io`].
    pub fn weights_len(&self) -> Result<u64, CatalogError> {
        match &self.weights {
            Weights::Embedded(bytes) => Ok(bytes.len() as u64),
            Weights::File(path) => std::fs::metadata(path)
                .map(|m| m.len())
                .map_err(|cause| CatalogError::Io { cause, path: path.clone() }),
        }
    }

    /// Makes the network with its weights, after comparing them with the card's checksum.
    ///
    /// # Errors
    /// [`CatalogError`] if the weights are not those of the card or do not fit the network.
    pub fn load(&self, device: &Device) -> Result<AnyNetwork, CatalogError> {
        let network = AnyNetwork::from_name(&self.card.arch, self.card.config.clone(), device)?;
        Ok(network.with_weights(&self.weights()?)?)
    }

    /// Its weights, after comparing them with the card's checksum.
    ///
    /// # Errors
    /// [`CatalogError`] if they are not those of the card or cannot be read.
    pub fn weights(&self) -> Result<StateDict, CatalogError> {
        let dict = match &self.weights {
            Weights::Embedded(bytes) => {
                self.verify(bytes)?;
                StateDict::from_bytes(*bytes)
            }
            Weights::File(path) => {
                let bytes =
                    read_weights(path).map_err(|cause| CatalogError::Io { cause, path: path.clone() })?;
                self.verify(&bytes)?;
                StateDict::from_bytes(bytes)
            }
        };
        Ok(dict.map_err(NetError::from)?)
    }

    /// The network as it was trained, for arrays with the axes in the order of its card: for export. To be run, take
    /// [`Model::load`].
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load_as_trained(&self, device: &Device) -> Result<AnyNetwork, CatalogError> {
        let network = self.load(device)?;
        match self.card.axes {
            AxisOrder::Zyx => Ok(network),
            AxisOrder::Xyz => Ok(network.with_reversed_axes(device)?),
        }
    }

    fn verify(&self, bytes: &[u8]) -> Result<(), CatalogError> {
        let found = sha256_hex(bytes);
        if found == self.card.weights_sha256 {
            return Ok(());
        }
        Err(CatalogError::Changed {
            id: self.card.id.clone(),
            found,
            expected: self.card.weights_sha256.clone(),
        })
    }
}

/// SHA-256 as hexadecimal text.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse_card(text: &str, path: &Path) -> Result<Card, CatalogError> {
    serde_json::from_str(text).map_err(|cause| CatalogError::Card { cause, path: path.to_owned() })
}

/// Models of a folder; a card that cannot be read costs its own model, not the others.
fn user_models(folder: &Path) -> Vec<Result<Model, CatalogError>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut cards: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path().join("card.json")))
        .filter(|card| card.is_file())
        .collect();
    cards.sort();
    cards.iter().map(|card| read_model(card)).collect()
}

/// The model of a card, its weights beside it.
fn read_model(card: &Path) -> Result<Model, CatalogError> {
    let io = |cause| CatalogError::Io { cause, path: card.to_owned() };
    let text = read_small_text(card).map_err(io)?;
    let weights = Weights::File(card.with_file_name("weights.safetensors"));
    let beside = Some(card.with_file_name("discriminator.safetensors")).filter(|file| file.is_file());
    Ok(Model { card: parse_card(&text, card)?, weights, discriminator: beside.map(Weights::File) })
}

#[cfg(test)]
mod tests {
    use hilum_core::geometry::Grid;
    use hilum_core::volume::{ImageMeta, Volume, Voxels};

    use super::*;

    #[test]
    fn a_model_taught_against_a_discriminator_brings_it_along() {
        let catalog = Catalog::new(None).unwrap();
        let judge = catalog.find("kidney-sagan").unwrap().discriminator().unwrap().unwrap();
        assert!(judge.iter().any(|(name, _)| name == "dense.weight"));
        assert!(catalog.find("vessels-hanet").unwrap().discriminator().is_none());
    }

    #[test]
    fn an_unknown_model_is_answered_with_those_there_are() {
        let text = Catalog::new(None).unwrap().find("no-such").unwrap_err().to_string();
        assert!(text.contains("no-such"), "{text}");
    }

    #[test]
    fn a_model_doubts_images_of_another_kind_than_it_learned_from() {
        let image = |dims: [usize; 3], voxels| {
            let grid = Grid::from_spacing(dims, [1.0; 3]).unwrap();
            Volume::new(grid, voxels, ImageMeta::default()).unwrap()
        };
        let photograph = image([4, 4, 1], Voxels::Rgb8(vec![[9, 4, 2]; 16]));
        let ct = image([4, 4, 2], Voxels::I16(vec![0; 32]));
        let catalog = Catalog::new(None).unwrap();
        let doubts = |id: &str, image: &Volume| {
            catalog.find(id).unwrap().card.dense().unwrap().doubts_about(image).join("; ")
        };
        assert_eq!(doubts("disc-cup", &photograph), "");
        assert_eq!(doubts("hippocampus-attention-unet", &ct), "");
        assert_eq!(doubts("lung-hanet", &ct), "", "a network of slices may label a volume");
        let told = doubts("disc-cup", &ct);
        assert!(
            told.contains("4 × 4 × 2") && told.contains("is grey") && told.contains("is a volume"),
            "{told}"
        );
        let told = doubts("hippocampus-attention-unet", &photograph);
        assert!(told.contains("has colours") && told.contains("single slice"), "{told}");
        let grey = image([4, 4, 1], Voxels::Rgb8((0..16).map(|v| [v; 3]).collect()));
        assert_eq!(doubts("lung-hanet", &grey), "", "grey in three channels is grey");
        assert!(doubts("disc-cup", &grey).contains("is grey"));
    }

    #[test]
    fn every_embedded_model_loads_and_names_what_it_needs() {
        let catalog = Catalog::new(None).unwrap();
        for model in catalog.models() {
            model.load(&Device::flex()).unwrap();
            assert!(!model.card.licence.is_empty() && !model.card.limits.is_empty(), "{}", model.card.id);
            if let Some(coarse) = model.card.click().and_then(|task| task.coarse.as_deref()) {
                let coarse = catalog.find(coarse).unwrap().card.click().unwrap();
                assert!(matches!(coarse.stage, Stage::Coarse { .. }));
            }
        }
    }

    #[test]
    fn a_broken_card_costs_its_own_model_only() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("broken")).unwrap();
        std::fs::write(folder.path().join("broken/card.json"), "{\"id\": 3}").unwrap();
        let catalog = Catalog::new(Some(folder.path())).unwrap();
        assert_eq!(catalog.models().len(), Catalog::new(None).unwrap().models().len());
        assert!(catalog.problems()[0].contains("broken"), "{:?}", catalog.problems());
    }

    #[test]
    fn changed_weights_are_refused() {
        let Some(model) = Catalog::new(None).unwrap().models().first().cloned() else { return };
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("mine");
        std::fs::create_dir(&home).unwrap();
        std::fs::write(home.join("card.json"), serde_json::to_string(&model.card).unwrap()).unwrap();
        std::fs::write(home.join("weights.safetensors"), b"something else").unwrap();
        let catalog = Catalog::new(Some(folder.path())).unwrap();
        let mine = catalog.find(&model.card.id).unwrap();
        assert!(!mine.is_embedded());
        assert!(matches!(mine.load(&Device::flex()), Err(CatalogError::Changed { .. })));
    }
}
