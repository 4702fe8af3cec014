//! What a project remembers beside the work: the views, and the choices that belong to the case. Whatever belongs to
//! the hand, such as the size of the brush, is in the settings.

use std::sync::Arc;

use hilum_core::document::EditCommand;
use hilum_core::paint::IntensityRange;
use hilum_core::patch::DrawOver;
use serde::{Deserialize, Serialize};

use crate::state::{AppState, EditOptions, KeptReview, KeptViews, Layout, Photo, Session};

/// What is kept; whatever a program does not know of it is left as it is.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct View {
    #[serde(flatten)]
    views: KeptViews,
    layout: Option<Layout>,
    show_mask: bool,
    surface_opacity: Vec<(u16, f32)>,
    draw_over: DrawOver,
    /// Values that the threshold brush takes.
    threshold: Option<IntensityRange>,
    /// Values that any edit may change, while `is_within` holds.
    within: Option<IntensityRange>,
    is_within: bool,
    /// How far a person is with a flat picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    photo: Option<KeptReview>,
}

impl Default for View {
    fn default() -> Self {
        Self {
            views: KeptViews::default(),
            layout: None,
            show_mask: true,
            surface_opacity: Vec::new(),
            draw_over: DrawOver::default(),
            threshold: None,
            within: None,
            is_within: false,
            photo: None,
        }
    }
}

/// What is looked at, to be kept.
pub(super) fn of(state: &AppState) -> serde_json::Value {
    let Some(session) = &state.session else { return serde_json::Value::Null };
    let options = &state.options;
    let view = View {
        views: session.views.kept(),
        layout: Some(state.settings.layout),
        show_mask: session.show_mask,
        surface_opacity: session.scene.opacities().collect(),
        draw_over: session.document.draw_over(),
        threshold: options.threshold,
        within: options.within,
        is_within: options.is_within,
        photo: session.photo.as_ref().map(Photo::review),
    };
    serde_json::to_value(view).unwrap_or_default()
}

/// Shows what was kept, as far as it makes sense. Returns the layout, which a person may want to keep as it is.
pub(super) fn show(
    session: &mut Session,
    options: &mut EditOptions,
    kept: &serde_json::Value,
) -> Option<Layout> {
    let view = View::deserialize(kept).ok()?;
    let volume = Arc::clone(session.volume());
    session.views.show_kept(&volume, &view.views);
    session.show_mask = view.show_mask;
    for (label, opacity) in view.surface_opacity.into_iter().filter(|(_, opacity)| opacity.is_finite()) {
        session.scene.set_opacity(label, opacity);
    }
    let has_label = |label| session.document.table().get(label).is_some();
    if !matches!(view.draw_over, DrawOver::Label(label) if !has_label(label)) {
        session.document.apply(EditCommand::SetDrawOver(view.draw_over)).ok();
    }
    let sound = |range: Option<IntensityRange>| range.filter(IntensityRange::is_valid);
    options.threshold = sound(view.threshold);
    options.within = sound(view.within);
    options.is_within = view.is_within && options.within.is_some();
    if let (Some(photo), Some(review)) = (&mut session.photo, view.photo) {
        photo.take_review(review);
    }
    view.layout
}
