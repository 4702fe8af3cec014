//! The case of a worklist that is opened, worked on and left.

use std::path::{Path, PathBuf};

use hilum_core::io::Selection;
use hilum_core::project::is_project;
use hilum_core::worklist::{Case, CaseChange, CaseId, CaseState};

use super::HilumApp;
use super::worklist::worklist_version;
use crate::jobs::OpenProject;
use crate::state::{OpenCase, OpeningCase};

impl HilumApp {
    /// Opens a case: its project, or its image if nobody has worked on it.
    pub(super) fn open_case(&mut self, id: CaseId) {
        self.leave_case();
        if self.show_prefetched_case(id) {
            return;
        }
        let Some(worklist) = &self.state.worklist else { return };
        let Ok(case) = worklist.list.case(id) else { return };
        let folder = case.project_folder(&worklist.folder);
        let image = case.image.resolved(&worklist.folder);
        let selection = case.image.selection.clone();
        if is_project(&folder) {
            // Where the list says that the image lies; the project itself knows where it was.
            let image_at = image.exists().then_some(image);
            self.open_project(OpenProject { folder, image_at });
        } else {
            self.open_path(image, selection);
        }
        let Some(request) = self.state.opening.as_ref().map(|opening| opening.request) else { return };
        self.with_worklist(|worklist| worklist.opening = Some(OpeningCase { case: id, request }));
    }

    /// The case of the open list that an image is: opened by its file, it has the case's labels all the same.
    pub(super) fn case_of_image(&self, path: &Path, selection: &Selection) -> Option<CaseId> {
        let worklist = self.state.worklist.as_ref()?;
        let is_it = |case: &&Case| {
            let image = &case.image;
            image.selection == *selection && image.resolved(&worklist.folder) == path
        };
        worklist.list.cases().iter().find(is_it).map(|case| case.id)
    }

    /// Folder for the project of the case that is being opened by this request.
    pub(super) fn folder_of_opening_case(&self) -> Option<PathBuf> {
        let worklist = self.state.worklist.as_ref()?;
        let case = worklist.list.case(worklist.opening?.case).ok()?;
        Some(case.project_folder(&worklist.folder))
    }

    /// No case is being opened any more.
    pub(super) fn forget_opening_case(&mut self) {
        self.with_worklist(|worklist| worklist.opening = None);
    }

    /// A project is being opened: if it is that of a case, the case is.
    pub(super) fn expect_case_of(&mut self, project: &Path, request: u64) {
        self.with_worklist(|worklist| {
            let is_its = |case: &&Case| case.project_folder(&worklist.folder) == project;
            let case = worklist.list.cases().iter().find(is_its).map(|case| case.id);
            worklist.opening = case.map(|case| OpeningCase { case, request });
        });
    }

    /// Folder of the project of the case that is open.
    pub(super) fn folder_of_open_case(&self) -> Option<PathBuf> {
        let worklist = self.state.worklist.as_ref()?;
        Some(worklist.case()?.project_folder(&worklist.folder))
    }

    /// An image was opened by this request. If it is not that of a case, it belongs to none.
    pub(super) fn case_opened(&mut self, request: u64) {
        let Some(session) = &self.state.session else { return };
        let (session, history) = (session.id, session.document.history().state());
        self.with_worklist(|worklist| {
            let opening = worklist.opening.take().filter(|opening| opening.request == request);
            worklist.open =
                opening.map(|opening| OpenCase { case: opening.case, session, history, asked: false });
            worklist.comparison = None;
            worklist.comment = None;
        });
    }

    /// A case whose image cannot be opened stays closed, and the one before stays open.
    pub(super) fn case_failed(&mut self, request: u64) {
        self.with_worklist(|worklist| {
            worklist.opening.take_if(|opening| opening.request == request);
        });
    }

    /// What the hand did to the open case, and what the network should propose.
    pub(super) fn follow_case(&mut self) {
        let Some(open) = self.state.worklist.as_ref().and_then(|worklist| worklist.open) else { return };
        let Some(session) = self.state.session.as_ref().filter(|session| session.id == open.session) else {
            // Another image was opened without the list.
            self.leave_case();
            self.with_worklist(|worklist| worklist.open = None);
            return;
        };
        let history = session.document.history().state();
        if history != open.history && !session.document.is_stroking() {
            self.change_case(open.case, CaseChange::Edited);
            self.with_open_case(|open| open.history = history);
        }
        self.propose_for_case();
    }

    pub(super) fn with_open_case(&mut self, change: impl FnOnce(&mut OpenCase)) {
        if let Some(open) = self.state.worklist.as_mut().and_then(|worklist| worklist.open.as_mut()) {
            change(open);
        }
    }

    /// Asks the model of the list about a case that nobody has touched.
    fn propose_for_case(&mut self) {
        let Some(worklist) = &self.state.worklist else { return };
        let (Some(open), Some(case)) = (worklist.open, worklist.case()) else { return };
        let Some(model) = worklist.list.model.clone() else { return };
        let is_free = self.state.editable().is_some_and(|session| session.labelling.is_empty());
        let is_photo = self.state.eye().is_some();
        if open.asked || case.state != CaseState::New || !is_free || !self.state.models_known || is_photo {
            return;
        }
        self.with_open_case(|open| open.asked = true);
        if self.state.is_labeller(&model) {
            let version = worklist_version(&self.state, model);
            self.propose_labels(version);
        }
    }

    /// A network labelled the open image.
    pub(super) fn case_proposed(&mut self, model: &str) {
        let Some(session) = &self.state.session else { return };
        let (id, history) = (session.id, session.document.history().state());
        let Some(worklist) = &self.state.worklist else { return };
        let Some(open) = worklist.open.filter(|open| open.session == id) else { return };
        self.change_case(open.case, CaseChange::Proposed { model: model.to_owned() });
        self.with_open_case(|open| open.history = history);
    }

    pub(super) fn leave_case(&mut self) {
        self.keep_comment();
        self.keep_work(0.5);
    }

    pub(super) fn keep_comment(&mut self) {
        let Some(worklist) = &mut self.state.worklist else { return };
        let (Some(open), Some(comment)) = (worklist.open, worklist.comment.take()) else { return };
        self.change_case(open.case, CaseChange::Comment(comment));
    }

    pub(super) fn keep_work(&mut self, at_least_secs: f64) {
        let Some(worklist) = &mut self.state.worklist else { return };
        let Some(open) = worklist.open else {
            // Time without a case belongs to none.
            worklist.take_work(0.0);
            return;
        };
        if let Some(secs) = worklist.take_work(at_least_secs) {
            self.change_case(open.case, CaseChange::Worked { annotator: self.annotator(), secs });
        }
    }
}
