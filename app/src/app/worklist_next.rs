//! The next case of a worklist: opened, and labelled by the network, before it is looked at.

use std::sync::Arc;

use hilum_core::job::CancelToken;
use hilum_core::project::is_project;
use hilum_core::worklist::{CaseId, CaseState};

use super::HilumApp;
use super::worklist::worklist_version;
use crate::jobs::{InferRequest, IoRequest, LabelAnswer, LabelChoice, LabelRequest};
use crate::state::{Found, LabelPurpose, NextCase, NextLabels, OpeningCase, RunningLabels, Severity};

impl HilumApp {
    /// Opens the next case that nobody has worked on, once the open one rests.
    pub(super) fn prefetch_case(&mut self) {
        let is_busy = self.state.opening.is_some()
            || self.state.session.as_ref().is_none_or(|session| !session.labelling.is_empty());
        let Some(worklist) = self.state.worklist.as_ref().filter(|worklist| worklist.open.is_some()) else {
            return;
        };
        let next = worklist.next();
        if is_busy || next == worklist.next.as_ref().map(|next| next.case) {
            return;
        }
        let (request, cancel) = (self.number(), CancelToken::default());
        let Some(worklist) = &mut self.state.worklist else { return };
        // Another order, another next case.
        worklist.next = None;
        let Some(case) = next.and_then(|id| worklist.list.case(id).ok()) else { return };
        if is_project(&case.project_folder(&worklist.folder)) {
            return;
        }
        let asked = IoRequest::Prefetch {
            request,
            path: case.image.resolved(&worklist.folder),
            selection: case.image.selection.clone(),
            store: self.photo_store.clone(),
            cancel: cancel.clone(),
        };
        if self.io.ask(asked).is_ok() {
            let labels = NextLabels::NotAsked;
            worklist.next = Some(NextCase { case: case.id, request, cancel, found: None, labels });
        }
    }

    /// Whether an image that was opened early is that of the next case.
    pub(super) fn is_next_case(&self, request: u64) -> bool {
        let next = self.state.worklist.as_ref().and_then(|worklist| worklist.next.as_ref());
        next.is_some_and(|next| next.request == request)
    }

    /// Keeps the image of the next case.
    pub(super) fn take_prefetched_case(&mut self, found: Option<Found>) {
        if let Some(next) = self.state.worklist.as_mut().and_then(|worklist| worklist.next.as_mut()) {
            next.found = found;
            self.label_next_case();
        }
    }

    /// Labels of another model, or another version of it, are worth nothing: they are made again.
    pub(super) fn renew_labels_of_next_case(&mut self) {
        let Some(next) = self.state.worklist.as_mut().and_then(|worklist| worklist.next.as_mut()) else {
            return;
        };
        if let NextLabels::Running { cancel, .. } = &next.labels {
            cancel.cancel();
        }
        next.labels = NextLabels::NotAsked;
        self.label_next_case();
    }

    fn label_next_case(&mut self) {
        let (request, device, versions) =
            (self.number(), self.state.device_choice(), self.state.versions_folder());
        let Some(worklist) = &self.state.worklist else { return };
        let Some(model) = worklist.list.model.clone().filter(|model| self.state.is_labeller(model)) else {
            return;
        };
        let model = worklist_version(&self.state, model);
        let Some(worklist) = &mut self.state.worklist else { return };
        let Some(next) = &mut worklist.next else { return };
        let is_new = worklist.list.case(next.case).is_ok_and(|case| case.state == CaseState::New);
        let Some(found) = next.found.as_ref().filter(|_| is_new) else { return };
        // The eye workspace outlines photographs itself.
        if found.photo.as_ref().is_some_and(|photo| photo.facts.is_fundus()) {
            return;
        }
        let (volume, cancel) = (Arc::clone(&found.volume), CancelToken::default());
        let choice = LabelChoice { device, model: model.clone(), versions };
        let asked = LabelRequest { request, choice, volume, cancel: cancel.clone() };
        if self.infer.ask(InferRequest::Label(asked)).is_ok() {
            next.labels = NextLabels::Running { request, model, cancel };
        }
    }

    /// Keeps labels for the next case; gives back an answer that is for somebody else.
    pub(super) fn take_labels_of_next_case(
        &mut self,
        request: u64,
        result: Result<Box<LabelAnswer>, Option<String>>,
    ) -> Option<Result<Box<LabelAnswer>, Option<String>>> {
        let next = self.state.worklist.as_mut().and_then(|worklist| worklist.next.as_mut());
        let Some(labels) = next.map(|next| &mut next.labels) else { return Some(result) };
        if !matches!(&*labels, NextLabels::Running { request: asked, .. } if *asked == request) {
            return Some(result);
        }
        *labels = NextLabels::Done(result);
        None
    }

    /// Shows a case that was opened early; `false` if it was not.
    pub(super) fn show_prefetched_case(&mut self, id: CaseId) -> bool {
        let Some(worklist) = &mut self.state.worklist else { return false };
        let is_there = |next: &mut NextCase| next.case == id && next.found.is_some();
        let Some(mut next) = worklist.next.take_if(is_there) else {
            // What was read for another case is not waited for.
            worklist.next = None;
            return false;
        };
        let Some(found) = next.found.take() else { return false };
        worklist.opening = Some(OpeningCase { case: id, request: next.request });
        if let Some(opening) = self.state.opening.take() {
            opening.cancel.cancel();
        }
        let path = found.volume.meta().source.path().map(std::path::Path::to_owned);
        self.show_opened(path.as_deref(), found);
        self.case_opened(next.request);
        let labels = std::mem::replace(&mut next.labels, NextLabels::NotAsked);
        self.adopt_for_case(labels);
        true
    }

    fn adopt_for_case(&mut self, labels: NextLabels) {
        if matches!(labels, NextLabels::NotAsked) {
            return;
        }
        self.with_open_case(|open| open.asked = true);
        let running = |request, model, cancel| RunningLabels {
            request,
            purpose: LabelPurpose::Proposal,
            model,
            labels_revision: 0,
            cancel,
            since: std::time::Instant::now(),
            what: "Waiting for the network".into(),
            share: None,
        };
        match labels {
            NextLabels::NotAsked => {}
            NextLabels::Running { request, model, cancel } => {
                if let Some(session) = &mut self.state.session {
                    session.labelling.push(running(request, model, cancel));
                }
            }
            NextLabels::Done(Ok(answer)) => {
                let model = answer.labels.models.last().cloned().unwrap_or_default();
                self.write_labels(&running(0, model, CancelToken::default()), *answer);
            }
            NextLabels::Done(Err(Some(error))) => self.state.messages.say(Severity::Warning, error),
            NextLabels::Done(Err(None)) => self.with_open_case(|open| open.asked = false),
        }
    }
}
