//! What a project remembers of the views.

use hilum_core::geometry::WorldPoint;
use nalgebra::Point3;
use serde::{Deserialize, Serialize};

use crate::state::{Session, ViewId};

/// Position and window; whatever a program does not know of it is left as it is.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct View {
    crosshair_mm: Option<[f64; 3]>,
    window_center: Option<f32>,
    window_width: Option<f32>,
    /// Number of the view that is shown alone.
    single: Option<usize>,
    show_mask: bool,
}

impl Default for View {
    fn default() -> Self {
        Self { crosshair_mm: None, window_center: None, window_width: None, single: None, show_mask: true }
    }
}

/// The views of a session, to be kept.
pub(super) fn of(session: &Session) -> serde_json::Value {
    let views = &session.views;
    let view = View {
        crosshair_mm: Some(views.crosshair.coords.into()),
        window_center: Some(views.center),
        window_width: Some(views.width),
        single: views.single.map(ViewId::index),
        show_mask: session.show_mask,
    };
    serde_json::to_value(view).unwrap_or_default()
}

/// Shows what was kept, as far as it makes sense.
pub(super) fn show(session: &mut Session, kept: &serde_json::Value) {
    let Ok(view) = View::deserialize(kept) else { return };
    let volume = std::sync::Arc::clone(session.volume());
    if let Some(at) = view.crosshair_mm.filter(|at| at.iter().all(|c| c.is_finite())) {
        session.views.set_crosshair(&volume, WorldPoint::from(Point3::from(at)));
    }
    if let (Some(center), Some(width)) = (view.window_center, view.window_width)
        && center.is_finite()
        && width.is_finite()
        && width > 0.0
    {
        (session.views.center, session.views.width) = (center, width);
    }
    if !session.views.is_flat() {
        session.views.single = view.single.and_then(|index| ViewId::PLANES.get(index).copied());
    }
    session.show_mask = view.show_mask;
}
