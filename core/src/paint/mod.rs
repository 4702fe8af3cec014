//! Turning what a hand does into sets of voxels: brushes, polygons and connected components.

mod brush;
mod components;
mod filter;
mod plane;
mod polygon;

pub use brush::{BrushShape, MAX_BRUSH_RADIUS_MM, sweep};
pub use components::{Component, Components, Connectivity};
pub use filter::{BrushFilter, IntensityRange, MAX_SPREAD, like_seed};
pub use plane::CutPlane;
pub(crate) use plane::{Slab, foot};
pub use polygon::{MAX_VERTICES, polygon};
