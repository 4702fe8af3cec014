//! Asking where a network looked, and taking the answers in.

mod files;

use std::sync::Arc;

use hilum_core::job::CancelToken;
use hilum_models::infer::ClickRequest;

use super::HilumApp;
use crate::command::InspectAction;
use crate::jobs::{
    InferRequest, InspectAnswer, InspectChoice, InspectRequest, InspectWhat, LabelChoice, MapKind, RowAnswer,
};
use crate::state::{ClassShares, Inspecting};

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
            InspectAction::Show(key) => {
                inspect.wished = Some(key.clone());
                inspect.chosen = Some(key);
                inspect.compare();
            }
            InspectAction::View(view) => inspect.view = view,
            InspectAction::Share(share) => inspect.share = share.clamp(0.01, 0.99),
            InspectAction::Against(against) => {
                inspect.against = against;
                inspect.compare();
            }
            InspectAction::Keep => self.keep_map(),
            InspectAction::Forget(number) => {
                inspect.kept.retain(|kept| kept.number != number);
                inspect.compare();
            }
            InspectAction::Hold(held) => inspect.held = held,
            InspectAction::Layer(layer) => inspect.layer = layer,
            InspectAction::Channels(at) => inspect.channels_shown = at,
            InspectAction::InScene(shown) => inspect.in_scene = shown,
            InspectAction::Classes(wanted) => inspect.wants_classes = wanted,
            InspectAction::ClassShown(class, channel) => inspect.class_shown = (class, channel),
            InspectAction::Opacity(opacity) => inspect.opacity = opacity.clamp(0.0, 1.0),
            InspectAction::Scale(scale) => inspect.scale = scale,
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
            InspectAction::Figure(path) => self.export_figure(path),
            InspectAction::Close => self.close_attention(),
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
            if let Some((_, cancel)) = &old.running {
                cancel.cancel();
            }
            next = next.following(old);
        }
        self.state.inspect = Some(next);
        self.ask_attention(what, "Running the network");
    }

    fn close_attention(&mut self) {
        if let Some(session) = &mut self.state.session {
            session.scene.set_overlay(None);
        }
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
        let is_free = inspect.running.is_none() && !inspect.looks.is_empty();
        if !is_free || session.document.is_stroking() {
            return;
        }
        if inspect.rows_for == Some(wanted) {
            if !self.tend_surface() {
                self.tend_classes();
            }
            return;
        }
        let labels = Arc::clone(session.document.labels());
        let what = InspectWhat::Rows { at: wanted.0, reading: wanted.1, labels, labels_revision: wanted.2 };
        if let Some(inspect) = &mut self.state.inspect {
            inspect.rows_for = Some(wanted);
        }
        self.ask_attention(what, "Reading the maps of the pixel");
    }

    /// The surface in the 3-D view follows the map and the share; whether it was asked for.
    fn tend_surface(&mut self) -> bool {
        let Some((inspect, session)) = self.state.inspect.as_mut().zip(self.state.session.as_mut()) else {
            return false;
        };
        let shown = inspect.shown().filter(|shown| inspect.in_scene && shown.map.grid.dims()[2] > 1);
        let Some(map) = shown.map(|shown| Arc::clone(&shown.map)) else {
            if inspect.scene_for.take().is_some() {
                session.scene.set_overlay(None);
            }
            return false;
        };
        let wanted = inspect.chosen.clone().map(|key| (key, inspect.share, inspect.revision));
        if inspect.scene_for == wanted {
            return false;
        }
        inspect.scene_for = wanted;
        let what = InspectWhat::Surface { map, share: inspect.share };
        self.ask_attention(what, "Drawing the map in 3-D");
        true
    }

    /// The histograms over all pixels of each class follow the layer, the sliders and the labels.
    fn tend_classes(&mut self) {
        let Some((inspect, session)) = self.state.inspect.as_ref().zip(self.state.editable()) else { return };
        let labels = session.document.labels();
        let Some((look, layer, is_plain)) = inspect.layer_of_shown() else { return };
        let is_known = inspect.classes.as_ref().is_some_and(|known| {
            (known.look, &known.layer, known.is_plain) == (look, &layer, is_plain)
                && (known.reading, known.labels_revision) == (inspect.reading, session.labels_revision)
        });
        if !inspect.wants_classes || is_known || labels.is_blank() {
            return;
        }
        let (reading, labels) = (inspect.reading, Arc::clone(labels));
        let asked = ClassShares {
            look,
            layer: layer.clone(),
            is_plain,
            reading,
            labels_revision: session.labels_revision,
            found: Vec::new(),
        };
        if let Some(inspect) = &mut self.state.inspect {
            inspect.classes = Some(asked);
        }
        let what = InspectWhat::Classes { look, layer, is_plain, reading, labels };
        self.ask_attention(what, "Counting the attention of all pixels");
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
            Ok(InspectAnswer::Opened(looks, maps, notes)) => {
                inspect.looks = looks;
                inspect.replace(&[MapKind::Pass, MapKind::Row, MapKind::Plain, MapKind::Random], maps);
                for note in notes {
                    self.state.messages.say(crate::state::Severity::Warning, note);
                }
            }
            Ok(InspectAnswer::Rows(RowAnswer { maps, densities, channels, secs })) => {
                inspect.rows_secs = Some(secs);
                inspect.channels = channels;
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
            Ok(InspectAnswer::Classes(found)) => {
                if let Some(classes) = &mut inspect.classes {
                    classes.found = found;
                }
            }
            Ok(InspectAnswer::Surface(mesh)) => {
                if let Some(session) = self.state.session.as_mut().filter(|s| s.id == inspect.session) {
                    session.scene.set_overlay(Some(mesh).filter(|mesh| !mesh.triangles.is_empty()));
                }
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
