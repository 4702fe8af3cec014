//! The doors of the networks' crate: weights, cards and recipes, as others may hand them over.

use hilum_models::catalog::{Catalog, Model, sha256_hex};
use hilum_models::checkpoint::StateDict;
use hilum_models::train::recipe::Recipe;

use super::in_folder;

/// Opens bytes as weights of any kind.
pub fn open_weights(bytes: &[u8]) {
    in_folder(|folder| {
        let path = folder.join("weights");
        std::fs::write(&path, bytes).expect("a file");
        if let Ok(weights) = StateDict::read_any(&path) {
            for (name, tensor) in weights.iter() {
                let floats = weights.floats(name);
                let count = tensor.shape().iter().product::<usize>();
                if let Ok(Some((values, _))) = floats {
                    assert_eq!(values.len(), count, "a shape and its values");
                }
            }
        }
    });
}

/// Opens a model by its card, whose weights fit no network, and asks for the network all the same.
pub fn open_model(bytes: &[u8]) {
    in_folder(|folder| {
        let weights = StateDict::default().to_bytes(&[]).expect("no tensors");
        std::fs::write(folder.join("weights.safetensors"), &weights).expect("a file");
        let card = String::from_utf8_lossy(bytes).replace("SHA256", &sha256_hex(&weights));
        std::fs::write(folder.join("card.json"), card).expect("a file");
        if let Ok(model) = Model::read(folder) {
            let _ = (model.card.dense().map(|task| task.label_table()), model.load(&hilum_models::device::cpu().device));
        }
        let _ = Catalog::new(folder.parent());
    });
}

/// Reads a recipe, which may extend another one of its folder.
pub fn read_recipe(bytes: &[u8]) {
    in_folder(|folder| {
        std::fs::write(folder.join("base.toml"), BASE).expect("a file");
        let path = folder.join("recipe.toml");
        std::fs::write(&path, bytes).expect("a file");
        let _ = Recipe::read(&path);
    });
}

const BASE: &str = include_str!("../../resources/recipes/disc-cup-common.toml");
