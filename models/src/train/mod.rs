//! Making weights: recipe → samples → loss → steps → a run folder that can be resumed.

pub(crate) mod attention;
mod average;
pub mod class_loss;
pub mod click;
pub mod dense;
mod export;
mod folder;
mod layers;
pub mod loss;
mod optimizer;
mod plot;
pub mod recipe;
mod run;
pub(crate) mod teacher;
pub(crate) mod trainer;
pub(crate) mod validation;

pub use attention::{AttentionRecipe, KeptMap, kept_maps};
pub use export::export_model;
pub use layers::{Layers, Transfer};
pub use plot::save_curves;
pub use recipe::{Recipe, RecipeError};
pub use run::{Progress, RunEvent, RunSummary, TrainError, train};
pub use validation::{CaseScore, Validation};
