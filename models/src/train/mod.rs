//! Making weights: recipe → samples → loss → steps → a run folder that can be resumed.

pub mod augment;
pub mod click;
pub mod dataset;
mod export;
pub mod loss;
mod plot;
pub mod recipe;
mod run;
pub mod sample;
pub mod shapes;
mod validate;

pub use export::export_model;
pub use recipe::{Recipe, RecipeError};
pub use run::{RunEvent, RunSummary, TrainError, train};
