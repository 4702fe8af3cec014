//! Asking where a network looked, and taking the answers in.

use std::path::PathBuf;
use std::sync::Arc;

use hilum_core::job::CancelToken;
use hilum_models::infer::ClickRequest;

use super::HilumApp;
use crate::command::InspectAction;
use crate::jobs::{
    Ask, InferRequest, InspectAnswer, InspectChoice, InspectRequest, InspectWhat, IoRequest, LabelChoice,
    MapFile, MapKind,
};
use crate::state::Inspecting;

impl HilumApp {
    /// Opens the panel with the model that answered the click or labels such images, or closes it.
    pub(super) fn toggle_attention(&mut self) {
        if self.state.inspect.is_some() {
            self.close_attention();
            return;
        }
        let Some(session) = self.state.editable() else { return };
        let has_clicks = session.can_segment() && session.document.prompts().positive().next().is_some();
        let model = if has_clicks { None } else { self.state.attention_model() };
        if model.is_none() && !has_clicks {
            let text = "Click inside a lesion first, or install a model that labels images";
            self.state.messages.say(crate::state::Severity::Warning, text);
            return;
        }
        self.look(model);
    }

    pub(super) fn inspect(&mut self, action: InspectAction) {
        let Some(inspect) = &mut self.state.inspect else { return };
        match action {
            InspectAction::Look(model) => self.look(model),
            InspectAction::Show(key) => inspect.chosen = Some(key),
            InspectAction::Opacity(opacity) => inspect.opacity = opacity.clamp(0.0, 1.0),
            InspectAction::ShareScale(yes) => inspect.is_scale_shared = yes,
            InspectAction::Read(reading) => inspect.reading = reading,
            InspectAction::Randomise => self.ask_attention(InspectWhat::Random, "Drawing random weights"),
            InspectAction::Occlude => {
                let shown = inspect.shown().filter(|shown| shown.kind != MapKind::Random);
                if let Some(what) =
                    shown.map(|shown| InspectWhat::Occlude { look: shown.look, map: Arc::clone(&shown.map) })
                {
                    self.ask_attention(what, "Taking the place away");
                }
            }
            InspectAction::Export(path) => self.export_map(path),
            InspectAction::Close => self.close_attention(),
        }
    }

    /// Writes the map that is shown.
    fn export_map(&mut self, path: Option<PathBuf>) {
        let shown = self.state.inspect.as_ref().and_then(Inspecting::shown);
        let Some((shown, session)) = shown.zip(self.state.editable()) else { return };
        let Some(path) = path else {
            let safe = |c: char| if c.is_alphanumeric() { c } else { '_' };
            let ending = if session.volume().grid().is_flat() { "png" } else { "nii.gz" };
            let name = format!("{}.{ending}", shown.map.name.chars().map(safe).collect::<String>());
            self.ask(Ask::SaveMap { name });
            return;
        };
        let file = MapFile { path, map: Arc::clone(&shown.map), volume: Arc::clone(session.volume()) };
        if self.io.ask(IoRequest::WriteMap(file)).is_err() {
            self.state.messages.error("the thread that writes files is busy; try again in a moment");
        }
    }

    /// Runs a model for the open image; `None`: the one that answers clicks.
    fn look(&mut self, model: Option<String>) {
        let (device, versions) = (self.state.device_choice(), self.state.versions_folder());
        let engine = self.state.engine_choice();
        let Some(session) = self.state.editable() else { return };
        let choice = match &model {
            Some(model) => InspectChoice::Labels(LabelChoice { device, model: model.clone(), versions }),
            None => InspectChoice::Clicks(
                engine,
                ClickRequest {
                    volume: Arc::clone(session.volume()),
                    clicks: session.document.prompts().clicks().to_vec(),
                    previous: session.previous_mask(),
                },
            ),
        };
        let what = InspectWhat::Open {
            choice,
            volume: Arc::clone(session.volume()),
            at: session.views.crosshair,
            labels: Arc::clone(session.document.labels()),
            labels_revision: session.labels_revision,
        };
        let mut next = Inspecting::new(session.id, model);
        if let Some(old) = self.state.inspect.take() {
            (next.opacity, next.is_scale_shared, next.revision) =
                (old.opacity, old.is_scale_shared, old.revision + 1);
            if let Some((_, cancel)) = old.running {
                cancel.cancel();
            }
        }
        self.state.inspect = Some(next);
        self.ask_attention(what, "Running the network");
    }

    fn close_attention(&mut self) {
        if let Some((_, cancel)) = self.state.inspect.take().and_then(|inspect| inspect.running) {
            cancel.cancel();
        }
        let request = self.number();
        let what = InspectWhat::Close;
        self.infer
            .ask(InferRequest::Inspect(InspectRequest { request, what, cancel: CancelToken::default() }))
            .ok();
    }

    fn ask_attention(&mut self, what: InspectWhat, told: &str) {
        let request = self.number();
        let cancel = CancelToken::default();
        let Some(inspect) = &mut self.state.inspect else { return };
        inspect.running = Some((request, cancel.clone()));
        told.clone_into(&mut inspect.what);
        if self.infer.ask(InferRequest::Inspect(InspectRequest { request, what, cancel })).is_err() {
            inspect.running = None;
            self.state.messages.error("the network is busy; try again in a moment");
        }
    }

    /// The maps of a pixel follow the crosshair, the sliders and the labels, one question at a time; another image closes
    /// the panel.
    pub(super) fn tend_attention(&mut self) {
        let Some(inspect) = &self.state.inspect else { return };
        let Some(session) = self.state.editable().filter(|session| session.id == inspect.session) else {
            self.close_attention();
            return;
        };
        let wanted = (session.views.crosshair, inspect.reading, session.labels_revision);
        let has_rows = inspect.running.is_none() && !inspect.looks.is_empty();
        if !has_rows || inspect.rows_for == Some(wanted) || session.document.is_stroking() {
            return;
        }
        let labels = Arc::clone(session.document.labels());
        let what = InspectWhat::Rows { at: wanted.0, reading: wanted.1, labels, labels_revision: wanted.2 };
        if let Some(inspect) = &mut self.state.inspect {
            inspect.rows_for = Some(wanted);
        }
        self.ask_attention(what, "Reading the maps of the pixel");
    }

    pub(super) fn take_attention(
        &mut self,
        request: u64,
        result: Result<Box<InspectAnswer>, Option<String>>,
    ) {
        let Some(inspect) = &mut self.state.inspect else { return };
        if inspect.running.take_if(|(running, _)| *running == request).is_none() {
            return;
        }
        match result.map(|answer| *answer) {
            Ok(InspectAnswer::Opened(looks, maps)) => {
                inspect.looks = looks;
                inspect.replace(&[MapKind::Pass, MapKind::Row, MapKind::Plain, MapKind::Random], maps);
            }
            Ok(InspectAnswer::Rows(maps, densities, secs)) => {
                inspect.rows_secs = Some(secs);
                for (look, density) in inspect.looks.iter_mut().zip(densities) {
                    look.density = density;
                }
                let with_pass = maps.iter().any(|map| map.kind == MapKind::Pass);
                let kinds = [MapKind::Row, MapKind::Plain, MapKind::Pass];
                inspect.replace(if with_pass { &kinds } else { &kinds[..2] }, maps);
            }
            Ok(InspectAnswer::Random(maps)) => inspect.replace(&[MapKind::Random], maps),
            Ok(InspectAnswer::Occluded { found, .. }) => {
                inspect.occlusion = inspect.chosen.clone().map(|key| (key, found));
            }
            Ok(InspectAnswer::Closed) | Err(None) => {}
            Err(Some(error)) => {
                if inspect.looks.is_empty() {
                    self.state.inspect = None;
                }
                self.state.messages.error(error);
            }
        }
    }
}

impl crate::state::AppState {
    /// The model that labels images of this kind: for photographs of the fundus that of disc and cup, else the first.
    pub fn attention_model(&self) -> Option<String> {
        let eye = || self.eye().and_then(|_| self.model_for("disc_cup")).map(|model| model.card.id.clone());
        let first =
            || self.models.iter().find(|model| model.card.dense().is_some()).map(|m| m.card.id.clone());
        eye().or_else(|| self.default_labeller()).or_else(first)
    }
}
