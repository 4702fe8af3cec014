//! Pictures of the views, and copies of the images without names.

use std::path::PathBuf;

use egui::ColorImage;
use hilum_core::volume::Source;

use super::HilumApp;
use crate::command::DeidentifyAction;
use crate::jobs::{Ask, CopyProgress, DeidentifyRequest, Event as JobEvent, IoRequest, Picture};
use crate::state::{DeidentifyChoice, DeidentifyStep, Dialog, Severity};

impl HilumApp {
    /// Asks the system for the pixels of the window; they come with one of the next frames.
    pub(super) fn take_picture(&mut self, ctx: &egui::Context) {
        let inbox = self.inbox.clone();
        ctx.request_screenshot(move |screen| {
            inbox.send(JobEvent::Screen(screen));
        });
    }

    /// Cuts the views out of the picture of the window, and asks where to put them.
    pub(super) fn take_in_screen(&mut self, ctx: &egui::Context, screen: &ColorImage) {
        let Some(session) = &self.state.session else { return };
        let title = session.volume().meta().title.clone();
        let source = session.volume().meta().source.clone();
        let (size, pixels) = cropped(screen, self.images, ctx.content_rect());
        if pixels.is_empty() {
            return;
        }
        let name = format!("{}.png", title.replace(['/', '\\', ':'], "_"));
        let folder = source.path().and_then(|path| path.parent()).map(std::path::Path::to_owned);
        self.picture = Some(Picture { size, pixels, source, description: format!("Views of {title}") });
        self.ask(Ask::SavePicture { name, folder });
    }

    /// Writes the picture that was taken.
    pub(super) fn save_picture(&mut self, path: PathBuf) {
        let path = if path.extension().is_some() { path } else { path.with_extension("png") };
        if let Some(picture) = self.picture.take() {
            self.ask_io(IoRequest::WritePicture { path, picture: Box::new(picture) });
        }
    }

    /// The files of the open image, if they are DICOM: where they lie, and the UID of the series.
    fn dicom_source(&self) -> Option<(PathBuf, String)> {
        match &self.state.session.as_ref()?.volume().meta().source {
            Source::Dicom { path, series_uid, .. } => {
                let uid = series_uid.split('#').next().unwrap_or_default().to_owned();
                Some((path.clone(), uid))
            }
            _ => None,
        }
    }

    pub(super) fn deidentify(&mut self, action: DeidentifyAction) {
        match action {
            DeidentifyAction::Choose(choice) => {
                self.state.dialog = Dialog::Deidentify(DeidentifyStep::Choose(choice))
            }
            DeidentifyAction::AskTarget => self.ask(Ask::DeidentifyInto),
            DeidentifyAction::Into(target) => self.start_deidentifying(target),
            DeidentifyAction::Stop => {
                if let Dialog::Deidentify(DeidentifyStep::Running(progress)) = &self.state.dialog {
                    progress.cancel.cancel();
                }
            }
        }
    }

    fn start_deidentifying(&mut self, target: PathBuf) {
        let Dialog::Deidentify(DeidentifyStep::Choose(choice)) = self.state.dialog else { return };
        let Some((mut source, series_uid)) = self.dicom_source() else { return };
        // A series that was opened by one of its files lies beside it.
        if !source.is_dir()
            && let Some(folder) = source.parent()
        {
            source = folder.to_owned();
        }
        let project = self.state.session.as_ref().and_then(|session| session.project.clone());
        let Some(folder) = project.or_else(|| self.keys_folder.clone()) else {
            self.state
                .messages
                .error("there is no folder for the key of the pseudonyms; save a project first");
            return;
        };
        let DeidentifyChoice { options, only_this_series } = choice;
        let request = DeidentifyRequest {
            source,
            only_series: only_this_series.then_some(series_uid),
            target,
            key: folder.join("pseudonyms.key.json"),
            options,
        };
        let progress = CopyProgress::default();
        if let Err(error) = request.start(progress.clone(), self.inbox.clone()) {
            self.state.messages.error(format!("the copies cannot be made: {error}"));
            return;
        }
        self.state.dialog = Dialog::Deidentify(DeidentifyStep::Running(progress));
    }

    /// Shows what became of it. A person who closed the dialog meanwhile is told all the same.
    pub(super) fn take_in_deidentified(&mut self, answer: Result<Vec<String>, String>) {
        match answer {
            Ok(lines) => match &self.state.dialog {
                Dialog::None | Dialog::Deidentify(_) => {
                    self.state.dialog = Dialog::Deidentify(DeidentifyStep::Done(lines));
                }
                // Another dialog waits for an answer.
                _ => lines.into_iter().for_each(|line| self.state.messages.say(Severity::Warning, line)),
            },
            Err(why) => {
                if matches!(self.state.dialog, Dialog::Deidentify(_)) {
                    self.state.dialog = Dialog::None;
                }
                self.state.messages.say(Severity::Error, format!("De-identifying ended: {why}"));
            }
        }
    }
}

/// The part of a picture of the whole window that lies in `part`; alpha is dropped, the window is opaque.
fn cropped(screen: &ColorImage, part: egui::Rect, whole: egui::Rect) -> ([u32; 2], Vec<[u8; 3]>) {
    let scale = screen.size[0] as f32 / whole.width().max(1.0);
    let pixel = |at: f32, limit: usize| ((at * scale).round().max(0.0) as usize).min(limit);
    let (left, right) = (pixel(part.left(), screen.size[0]), pixel(part.right(), screen.size[0]));
    let (top, bottom) = (pixel(part.top(), screen.size[1]), pixel(part.bottom(), screen.size[1]));
    let rows = (top..bottom).flat_map(|y| screen.pixels[y * screen.size[0]..][left..right].iter());
    let pixels: Vec<[u8; 3]> = rows.map(|color| [color.r(), color.g(), color.b()]).collect();
    ([right.saturating_sub(left) as u32, bottom.saturating_sub(top) as u32], pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::{Color32, Rect, pos2};

    #[test]
    fn the_views_are_cut_out_at_the_scale_of_the_screen() {
        let size = [20, 10];
        let pixels = (0..200).map(|i| Color32::from_rgb((i % 20) as u8, (i / 20) as u8, 0)).collect();
        let screen = ColorImage::new(size, pixels);
        let part = Rect::from_min_max(pos2(2.0, 1.0), pos2(5.0, 3.0));
        let (size, pixels) = cropped(&screen, part, Rect::from_min_max(pos2(0.0, 0.0), pos2(10.0, 5.0)));
        assert_eq!(size, [6, 4]);
        assert_eq!((pixels[0], pixels[23]), ([4, 2, 0], [9, 5, 0]));
        let beyond = Rect::from_min_max(pos2(8.0, 4.0), pos2(99.0, 99.0));
        assert_eq!(cropped(&screen, beyond, Rect::from_min_max(pos2(0.0, 0.0), pos2(10.0, 5.0))).0, [4, 2]);
    }
}
