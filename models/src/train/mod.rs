//! Making weights: recipe → samples → loss → steps → a run folder that can be resumed.

pub mod augment;
mod average;
pub mod click;
pub mod dataset;
mod export;
mod folder;
mod lesion;
pub mod loss;
mod optimizer;
mod plot;
pub mod recipe;
mod run;
pub mod sample;
mod scene;
pub mod shapes;
mod validate;

pub use export::export_model;
pub use recipe::{Recipe, RecipeError};
pub use run::{Progress, RunEvent, RunSummary, TrainError, train};
pub use validate::{CaseScore, Validation};
