//! Turning what a hand does into sets of voxels: brushes and connected components.

mod brush;
mod components;

pub use brush::{BrushShape, MAX_BRUSH_RADIUS_MM, sweep};
pub use components::{Component, Components, Connectivity};
