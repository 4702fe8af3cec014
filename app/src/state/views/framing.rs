//! Where a view looks and how large it shows things.

use egui::Vec2;
use hilum_core::geometry::WorldPoint;
use hilum_core::volume::Volume;
use serde::{Deserialize, Serialize};

use crate::viewport::{ScreenAxes, extent_along};

/// Share of a view that a fitted image leaves free.
const FIT_MARGIN: f64 = 1.08;

/// Where a view looks and how large.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Framing {
    pub(super) center: WorldPoint,
    pub(super) zoom: Zoom,
}

/// How large a view shows things.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Zoom {
    /// The whole image fits.
    Fit,
    /// A square of so many mm fits.
    Square(f64),
    /// So many mm a point.
    MmPerPoint(f64),
}

/// Millimetres per point at which the whole image fits.
pub(super) fn fit(volume: &Volume, axes: &ScreenAxes, size: Vec2) -> f64 {
    let span = |direction| {
        let (low, high) = extent_along(volume.grid(), direction);
        high - low
    };
    let across = span(axes.right) / f64::from(size.x.max(1.0));
    let along = span(axes.down) / f64::from(size.y.max(1.0));
    across.max(along).max(1e-9) * FIT_MARGIN
}

/// Millimetres per point at which the whole image fits from whatever side it is seen.
pub(super) fn fit_any_side(volume: &Volume, size: Vec2) -> f64 {
    let diagonal = volume.grid().extent_mm().into_iter().map(|mm| mm * mm).sum::<f64>().sqrt();
    // The corners of the image are hardly ever of interest.
    (diagonal * 0.75 / f64::from(size.min_elem().max(1.0))).max(1e-9)
}
