//! Work that was kept without a project: listed, opened, deleted.

use std::path::Path;
use std::sync::mpsc::sync_channel;

use hilum_core::job::CancelToken;
use hilum_core::project::KeptWork;

use super::HilumApp;
use super::project::LAST_REQUEST;
use crate::command::{Action, KeptAction};
use crate::jobs::{KeptEvent, OpenProject, ProjectRequest, kept};
use crate::state::{Dialog, KeptList, Severity};

impl HilumApp {
    /// Opens the list and begins to read it.
    pub(super) fn show_kept(&mut self) {
        let listing = self.number();
        let cancel = CancelToken::default();
        let (sender, written) = sync_channel(1);
        // Without an answer the list shows what is there.
        self.project.ask_waiting(ProjectRequest::Flush(sender), LAST_REQUEST).ok();
        let begun = match &self.kept_folder {
            None => Err("no folder for kept work could be found on this system".to_owned()),
            Some(root) => kept::list(root, listing, written, cancel.clone(), &self.inbox)
                .map_err(|error| error.to_string()),
        };
        let is_complete = begun.is_err();
        self.state.dialog = Dialog::Kept(KeptList {
            listing,
            cancel,
            found: Vec::new(),
            is_complete,
            asked: None,
            problem: begun.err(),
        });
    }

    pub(super) fn kept(&mut self, action: KeptAction) {
        let Dialog::Kept(list) = &mut self.state.dialog else { return };
        match action {
            KeptAction::Open(name) => {
                let Some(work) = list.get(&name).cloned() else { return };
                self.leave_kept();
                self.open_kept(&work);
            }
            KeptAction::AskDelete(name) => list.asked = Some(name).filter(|name| list.get(name).is_some()),
            KeptAction::Keep => list.asked = None,
            KeptAction::Delete => {
                let asked = list.asked.take();
                let Some(work) = asked.and_then(|name| list.get(&name).cloned()) else { return };
                if let Err(error) = kept::delete(work, &self.inbox) {
                    self.state.messages.error(error.to_string());
                }
            }
        }
    }

    /// The list is closed; what was still being read is not wanted any more.
    pub(super) fn leave_kept(&mut self) {
        if let Dialog::Kept(list) = &self.state.dialog {
            list.cancel.cancel();
            self.state.dialog = Dialog::None;
        }
    }

    /// Pictures open as themselves, with all that belongs to them, and find their work; a volume is looked for and
    /// compared as that of a project, so that one that moved is asked for.
    fn open_kept(&mut self, work: &KeptWork) {
        let image = work.image.as_ref().filter(|image| image.grid.dims()[2] == 1);
        let picture = image.and_then(|image| Some((image.path.clone()?, image.selection.clone())));
        self.actions.send(match picture.filter(|(path, _)| path.exists()) {
            Some((path, selection)) => Action::Open { path, selection },
            None => Action::OpenProject(OpenProject { folder: work.folder.clone(), image_at: None }),
        });
    }

    pub(super) fn take_in_kept(&mut self, event: KeptEvent) {
        match event {
            KeptEvent::Found { listing, work } => {
                if let Dialog::Kept(list) = &mut self.state.dialog
                    && list.listing == listing
                {
                    list.add(*work);
                }
            }
            KeptEvent::Listed { listing, result } => {
                if let Dialog::Kept(list) = &mut self.state.dialog
                    && list.listing == listing
                {
                    (list.is_complete, list.problem) = (true, result.err());
                }
            }
            KeptEvent::Deleted { folder, image, result } => {
                if let (Ok(_), Dialog::Kept(list)) = (&result, &mut self.state.dialog) {
                    list.found.retain(|work| work.folder != folder);
                }
                match result {
                    Ok(true) => {
                        let text = format!("The kept work on {image} was deleted; the image is untouched");
                        self.state.messages.say(Severity::Info, text);
                    }
                    Ok(false) => {
                        let text = format!(
                            "The kept work on {image} was deleted; files that are not Hilum's stay in {}",
                            folder.display()
                        );
                        self.state.messages.say(Severity::Info, text);
                    }
                    Err(why) => self.state.messages.error(why),
                }
            }
        }
    }

    /// Whether a project is no project of a person's but work that was kept.
    pub(super) fn is_kept_work(&self, folder: &Path) -> bool {
        self.kept_folder.is_some() && folder.parent() == self.kept_folder.as_deref()
    }
}
