//! From clicks to proposals, and measuring.

use std::sync::Arc;

use hilum_core::document::{EditCommand, Effects};
use hilum_core::job::CancelToken;
use hilum_core::provenance::Origin;
use hilum_models::infer::{ClickRequest, ClickResult};

use super::HilumApp;
use crate::jobs::{InferRequest, IoRequest, MeasureRequest, drop_aside};
use crate::state::{RunningSegmentation, Severity};

impl HilumApp {
    /// Changes the document and whatever follows from it. Refusals are told.
    pub(super) fn edit(&mut self, command: EditCommand) -> Option<Effects> {
        if !matches!(command, EditCommand::Foreseen(_) | EditCommand::SetPreview(_)) {
            self.finish_aside();
        }
        self.finish_walk_before(&command);
        let session = self.state.session.as_mut().filter(|session| session.can_edit())?;
        let result = session.document.apply(command);
        session.document.take_spent().into_iter().for_each(drop_aside);
        match result {
            Ok(effects) => {
                session.note(&effects);
                if effects.prompts_changed {
                    self.propose();
                }
                Some(effects)
            }
            Err(error) => {
                self.state.messages.say(Severity::Warning, error.to_string());
                None
            }
        }
    }

    /// Asks the network about the clicks as they are now; an older question is stopped.
    pub(super) fn propose(&mut self) {
        let number = self.number();
        let engine = self.state.engine_choice();
        let Some(session) = &mut self.state.session else { return };
        if let Some(running) = session.running.take() {
            running.cancel.cancel();
        }
        let prompts = session.document.prompts().clone();
        if let Some(known) = session.remembered(&prompts).cloned() {
            self.show_mask(known);
            return;
        }
        if prompts.positive().next().is_none() {
            if !prompts.is_empty() {
                let text = "Click inside the lesion first; then click where the proposal leaks";
                self.state.messages.say(Severity::Info, text);
            }
            return;
        }
        let what = ClickRequest {
            volume: Arc::clone(session.volume()),
            clicks: prompts.clicks().to_vec(),
            previous: session.previous_mask(),
        };
        let cancel = CancelToken::default();
        session.running = Some(RunningSegmentation {
            request: number,
            prompts_revision: session.document.prompts_revision(),
            cancel: cancel.clone(),
            since: std::time::Instant::now(),
            what: "Waiting for the network".into(),
            share: None,
        });
        if self.infer.ask(InferRequest::Segment { request: number, engine, what, cancel }).is_err() {
            session.running = None;
            self.state.messages.error("the network is busy; try again in a moment");
        }
    }

    /// Shows an answer, if it is the one that is waited for and the clicks are still the same.
    pub(super) fn show_answer(&mut self, request: u64, result: Result<Box<ClickResult>, Option<String>>) {
        let Some(session) = &mut self.state.session else { return };
        let Some(running) = session.running.take_if(|running| running.request == request) else { return };
        self.state.readout.last_click_secs = Some(running.since.elapsed().as_secs_f64());
        match result {
            Ok(result) if running.prompts_revision == session.document.prompts_revision() => {
                let prompts = session.document.prompts().clone();
                session.remember(prompts, (*result).clone());
                self.show_mask(*result);
            }
            Ok(_) | Err(None) => {}
            Err(Some(error)) => self.state.messages.error(error),
        }
    }

    /// Writes the proposal into the active label, and where it comes from into the record of provenance.
    pub(super) fn accept_proposal(&mut self) {
        let Some(session) = self.state.editable() else { return };
        let result = session.result.as_ref();
        let origin = result.filter(|result| session.document.preview().is_some_and(|p| **p == result.mask));
        let origin = origin.map(|result| {
            let models = self.state.used_models(std::slice::from_ref(&result.model));
            let clicks = session.document.prompts().clicks().to_vec();
            let mask_sha256 = Some(result.mask.sha256());
            Origin { models, device: result.device.clone(), clicks, mask_sha256 }
        });
        let before = session.document.history().state();
        if self.edit(EditCommand::AcceptPreview).is_some()
            && let (Some(session), Some(origin)) = (&mut self.state.session, origin)
            && session.document.history().state() != before
        {
            session.document.credit(origin);
        }
    }

    /// Notes in the record of provenance which models made the last step.
    pub(super) fn credit_labels(&mut self, models: &[String], device: &str) {
        let models = self.state.used_models(models);
        let origin = Origin { models, device: device.to_owned(), clicks: Vec::new(), mask_sha256: None };
        if let Some(session) = &mut self.state.session {
            session.document.credit(origin);
        }
    }

    fn show_mask(&mut self, result: ClickResult) {
        if result.mask.is_empty() {
            let text = "The network found nothing there; click nearer to the middle of the lesion";
            self.state.messages.say(Severity::Warning, text);
        }
        self.edit(EditCommand::SetPreview(result.mask.clone()));
        if let Some(session) = &mut self.state.session {
            session.result = Some(result);
        }
    }

    /// Measures the active label once the hand rests.
    pub(super) fn measure_when_quiet(&mut self) {
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        let label = session.document.table().active();
        let wanted = (label, session.labels_revision);
        let known = session.measurement.as_ref().map(|m| (m.label, m.labels_revision));
        let nothing = session.document.labels().count(label) == 0;
        if nothing
            || session.document.is_stroking()
            || known == Some(wanted)
            || session.measuring == Some(wanted)
        {
            return;
        }
        let request = MeasureRequest {
            session: session.id,
            labels_revision: session.labels_revision,
            volume: Arc::clone(session.volume()),
            labels: Arc::clone(session.document.labels()),
            label,
        };
        if self.io.ask(IoRequest::Measure(request)).is_ok() {
            session.measuring = Some(wanted);
        }
    }
}
