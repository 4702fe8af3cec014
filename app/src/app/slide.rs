//! Files that hold several images: parts of slides, time points.

use std::path::{Path, PathBuf};

use hilum_core::geometry::Grid;
use hilum_core::io::Selection;

use super::HilumApp;
use crate::command::Action;
use crate::jobs::{IoRequest, SlidePages};
use crate::state::{Dialog, KeptViews, Session, SlideChoice};

/// Where a person looked in an image of a file, for the next image of the same file.
#[derive(Debug)]
pub(super) struct LastLook {
    path: PathBuf,
    grid: Grid,
    views: KeptViews,
}

impl HilumApp {
    /// Another image of the file that is open may be looked at in the same place.
    pub(super) fn remember_look(&mut self, path: &Path) {
        let is_it = |session: &&Session| session.volume().meta().source.path() == Some(path);
        self.last_look = self.state.editable().filter(is_it).map(|session| LastLook {
            path: path.to_owned(),
            grid: *session.volume().grid(),
            views: session.views.kept(),
        });
    }

    pub(super) fn look_as_before(&mut self, path: Option<&Path>, session: &mut Session) {
        let Some(last) = self.last_look.take().filter(|last| Some(last.path.as_path()) == path) else {
            return;
        };
        let volume = std::sync::Arc::clone(session.volume());
        if last.grid.matches(volume.grid()) {
            session.views.show_kept(&volume, &last.views);
        }
    }

    /// Reads what the open slide holds; the dialog comes with the answer.
    pub(super) fn look_at_slide(&mut self) {
        if let Some(path) = self.state.slide_path() {
            self.ask_io(IoRequest::Slide { path });
        }
    }

    pub(super) fn show_slide(&mut self, found: Result<Box<SlidePages>, String>) {
        match found {
            Ok(slide) if matches!(self.state.dialog, Dialog::None) => {
                let choice = SlideChoice::new(*slide, self.state.session.as_ref());
                self.state.dialog = Dialog::Slide(choice);
            }
            // Something else is in front by now.
            Ok(_) => {}
            Err(error) => self.state.messages.error(error),
        }
    }

    pub(super) fn choose_part(&mut self, part: Selection) {
        if let Dialog::Slide(choice) = &mut self.state.dialog {
            choice.selection = part;
        }
    }

    /// Opens a neighbouring time point where the one that is open is looked at.
    pub(super) fn open_time_point(&mut self, after: bool) {
        let Some(time_point) = self.state.neighbouring_time_point(after) else { return };
        let Some(volume) = self.state.editable().map(|session| session.volume()) else { return };
        let Some(path) = volume.meta().source.path().map(Path::to_owned) else { return };
        let selection = Selection { time_point, ..Selection::of(volume) };
        self.actions.send(Action::Open { path, selection });
    }
}
