//! Flat pictures: outlines by a network, figures that follow every change, ways to see, what is kept.

use std::path::Path;
use std::sync::Arc;

use hilum_core::document::{Document, EditCommand, NewLabel};
use hilum_core::fundus::{Enhancement, Laterality};
use hilum_core::job::CancelToken;
use hilum_core::label::{LabelMap, LabelTable};
use hilum_core::measure::cdr::{CdrError, DiscLabels};
use hilum_core::volume::Volume;
use hilum_models::catalog::Region;

use super::HilumApp;
use crate::command::{LABEL_IMAGE_WITH, PhotoAction, UiCommand};
use crate::jobs::photo::{CUP, RIM, measure, of_mask, parts, with_disc, with_mask, with_vessels};
use crate::jobs::{
    Ask, InferRequest, Kept, LabelAnswer, LabelChoice, LabelRequest, OpenedPhoto, ReviewState,
};
use crate::state::{
    AlbumFraming, Dialog, DiscPart, EllipseDrag, Handle, LABEL_WITH, LabelPurpose, OUTLINE_DISC,
    OUTLINE_VESSELS, Photo, RunningLabels, Session, Severity, eye_table,
};

/// The document and what is known of a flat picture that was just opened.
pub(super) fn photo_document(
    volume: Arc<Volume>,
    path: Option<&Path>,
    opened: OpenedPhoto,
) -> (Document, Photo) {
    let mut photo = Photo::new(&opened, path);
    let is_eye = photo.is_eye();
    let (labels, record) = match opened.kept {
        Some(Kept { record, labels }) => (labels, Some(record)),
        None => (LabelMap::new(*volume.grid()), None),
    };
    let mut table = if is_eye { eye_table() } else { LabelTable::default() };
    for change in table.adding_missing(&labels.used_labels()) {
        // The table was just asked what it lacks.
        table.apply(&change).ok();
    }
    let document =
        Document::starting_with(Arc::clone(&volume), table, labels).unwrap_or_else(|_| Document::new(volume));
    if let Some(record) = record {
        photo.mark(&document, record.state);
    }
    (document, photo)
}

impl HilumApp {
    /// Commands about pictures; `false` if it is none.
    pub(super) fn run_photo(&mut self, ctx: &egui::Context, command: UiCommand) -> bool {
        use UiCommand as C;
        match command {
            C::OutlineDisc => self.outline("disc_cup", LabelPurpose::DiscCup),
            C::OutlineVessels => self.outline("vessels", LabelPurpose::Vessels),
            C::MeasureAnyway => self.measure_anyway(),
            C::LabelImage => self.state.dialog = Dialog::Palette(format!("{LABEL_IMAGE_WITH} ")),
            C::SwitchEye => {
                let known = self.state.eye().and_then(Photo::figures).and_then(|reading| reading.eye);
                self.say_eye(known.map_or(Laterality::Right, |guess| guess.laterality.other()));
            }
            C::NextEnhancement => self.next_enhancement(),
            C::ZoomToDisc => self.frame(AlbumFraming::Disc),
            C::MarkReviewed => self.mark_reviewed(),
            C::PreviousPicture => self.flip(ctx, false),
            C::NextPicture => self.flip(ctx, true),
            C::ExportTable => self.ask(Ask::ExportTable { name: "eyes.csv".into() }),
            C::SavePage => self.ask_for_page(),
            _ => return false,
        }
        true
    }

    pub(super) fn photo(&mut self, ctx: &egui::Context, action: PhotoAction) {
        match action {
            PhotoAction::Eye(eye) => self.say_eye(eye),
            PhotoAction::Enhance(how) => self.enhance(how),
            PhotoAction::Grab(part, handle) => self.grab(part, handle),
            PhotoAction::Drag(at) => self.drag(at),
            PhotoAction::Drop => self.drop_ellipse(),
            PhotoAction::Show(at) => self.guard(ctx, crate::state::Guarded::Picture(at)),
            PhotoAction::LabelWith(model) => self.ask_labels(model, LabelPurpose::Plain),
            PhotoAction::ExportTable(path) => self.export_table(path),
            PhotoAction::SavePage(path) => self.save_page(path),
        }
    }

    fn outline(&mut self, purpose: &str, what: LabelPurpose) {
        if let Some(model) = self.state.model_for(purpose).map(|model| model.card.id.clone()) {
            self.ask_labels(model, what);
        }
    }

    /// Lets a model propose labels for the open image, unless a person is faster.
    pub(super) fn propose_labels(&mut self, model: String) {
        self.ask_labels(model, LabelPurpose::Proposal);
    }

    /// Asks a model to label the open image; an older question of the kind is stopped.
    fn ask_labels(&mut self, model: String, purpose: LabelPurpose) {
        let request = self.number();
        let (device, versions) = (self.state.device_choice(), self.state.versions_folder());
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        session.labelling.retain(|old| {
            let stays = old.purpose != purpose;
            if !stays {
                old.cancel.cancel();
            }
            stays
        });
        let cancel = CancelToken::default();
        session.labelling.push(RunningLabels {
            request,
            purpose,
            model: model.clone(),
            labels_revision: session.labels_revision,
            cancel: cancel.clone(),
            since: std::time::Instant::now(),
            what: "Waiting for the network".into(),
            share: None,
        });
        let volume = Arc::clone(session.volume());
        let asked = LabelRequest { request, choice: LabelChoice { device, model, versions }, volume, cancel };
        if self.infer.ask(InferRequest::Label(asked)).is_err() {
            session.labelling.retain(|running| running.request != request);
            self.state.messages.error("the network is busy; try again in a moment");
        }
    }

    /// Outlines a fundus photograph that nobody has outlined, once the models are known.
    pub(super) fn outline_when_due(&mut self) {
        let Some(model) = self.state.model_for("disc_cup").map(|model| model.card.id.clone()) else { return };
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        let Some(photo) = session.photo.as_mut().filter(|photo| photo.is_eye() && !photo.asked) else {
            return;
        };
        photo.asked = true;
        let is_open = photo.state(&session.document) == ReviewState::Open;
        if is_open && session.labelling.is_empty() {
            self.ask_labels(model, LabelPurpose::DiscCup);
        }
    }

    /// Takes labels over, if they are waited for.
    pub(super) fn take_labels(&mut self, request: u64, result: Result<Box<LabelAnswer>, Option<String>>) {
        let Some(result) = self.take_labels_of_next_case(request, result) else { return };
        let Some(result) = self.take_labels_of_next(request, result) else { return };
        let Some(session) = &mut self.state.session else { return };
        let Some(at) = session.labelling.iter().position(|running| running.request == request) else {
            return;
        };
        let running = session.labelling.remove(at);
        match result {
            Ok(answer) => self.write_labels(&running, *answer),
            Err(Some(error)) => self.state.messages.error(error),
            Err(None) => {}
        }
    }

    /// One named step of the history.
    pub(super) fn write_labels(&mut self, running: &RunningLabels, answer: LabelAnswer) {
        let LabelAnswer { labels, note, device, .. } = answer;
        for note in note.into_iter().chain(labels.doubts.iter().cloned()) {
            self.state.messages.say(Severity::Warning, note);
        }
        let Some(session) = self.state.editable() else { return };
        let old = session.document.labels();
        if labels.values.len() != old.grid().voxel_count() {
            self.state.messages.error("the network answered for another image");
            return;
        }
        if running.purpose == LabelPurpose::Proposal && session.labels_revision != running.labels_revision {
            let text = "Your own labels are kept; the proposal of the network came later";
            self.state.messages.say(Severity::Info, text);
            return;
        }
        let (name, new, names) = match running.purpose {
            LabelPurpose::DiscCup => {
                if session.labels_revision != running.labels_revision {
                    let text =
                        "Your own outlines are kept; ask for those of the network again if you want them";
                    self.state.messages.say(Severity::Info, text);
                    return;
                }
                let Some(names) = disc_labels(&labels.regions) else {
                    let text = format!("the model {} has no regions called disc and cup", running.model);
                    self.state.messages.error(text);
                    return;
                };
                let Some(new) = with_disc(old, &labels.values, names) else {
                    let text = format!(
                        "The network found no optic disc in {}. Is it in the picture? Draw it with the ellipse or \
                         the brush",
                        session.volume().meta().title
                    );
                    self.state.messages.say(Severity::Warning, text);
                    return;
                };
                (OUTLINE_DISC.to_owned(), new, eye_names())
            }
            LabelPurpose::Vessels => {
                (OUTLINE_VESSELS.to_owned(), with_vessels(old, &labels.values), eye_names())
            }
            LabelPurpose::Plain | LabelPurpose::Proposal => {
                let Ok(new) = LabelMap::from_voxels(*old.grid(), labels.values) else { return };
                let names =
                    labels.regions.iter().map(|region| NewLabel::named(region.label, &region.name)).collect();
                (format!("{LABEL_WITH}{}", running.model), new, names)
            }
        };
        let before = session.photo.as_ref().map(|photo| photo.state(&session.document));
        let step = name.clone();
        if self.edit(EditCommand::ReplaceLabels { name, labels: new, names }).is_none() {
            return;
        }
        self.credit_labels(&labels.models, &device);
        if let Some(session) = &mut self.state.session {
            session.credit_step(&step, labels.models.last().unwrap_or(&running.model));
        }
        if let Some(model) = labels.models.last() {
            self.case_proposed(model);
        }
        let Some(Session { document, photo: Some(photo), .. }) = &mut self.state.session else { return };
        for model in labels.models {
            if !photo.models.contains(&model) {
                photo.models.push(model);
            }
        }
        match (running.purpose, before) {
            (LabelPurpose::DiscCup, _) => photo.mark(document, ReviewState::Proposed),
            // Vessels say nothing about the outlines of disc and cup.
            (LabelPurpose::Vessels, Some(state)) => photo.mark(document, state),
            _ => {}
        }
    }

    fn measure_anyway(&mut self) {
        let can_keep = self.photo_store.is_some();
        let Some(mut session) = self.state.session.take() else { return };
        if let Some(photo) = &mut session.photo {
            photo.measured_anyway = true;
            photo.reading = None;
            photo.is_kept = can_keep && photo.path.is_some();
        }
        let document = &session.document;
        // Labels that somebody has made keep their names.
        let is_untouched = document.history().is_empty() && document.labels().used_labels().is_empty();
        // A project, such as that of a case, goes on with the names that it has.
        if is_untouched && session.project.is_none() {
            let (volume, labels) = (Arc::clone(document.image()), LabelMap::clone(document.labels()));
            if let Ok(document) = Document::starting_with(volume, eye_table(), labels) {
                session.replace_document(document);
                self.detach();
                self.attach(&mut session);
            }
        }
        self.state.session = Some(session);
    }

    fn say_eye(&mut self, eye: Laterality) {
        if let Some(Session { photo: Some(photo), .. }) = &mut self.state.session {
            photo.eye = Some(eye);
            photo.reading = None;
        }
    }

    fn mark_reviewed(&mut self) {
        if let Some(Session { document, photo: Some(photo), .. }) = &mut self.state.session {
            photo.mark(document, ReviewState::Reviewed);
        }
    }

    /// Measures what changed since the last time; within a frame.
    pub(super) fn read_photo(&mut self) {
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        let (document, revision) = (&session.document, session.labels_revision);
        let Some(photo) = session.photo.as_mut().filter(|photo| photo.is_eye()) else { return };
        if photo.drag.is_some() || photo.reading.as_ref().is_some_and(|(of, _)| *of == revision) {
            return;
        }
        photo.reading = Some((revision, measure(&photo.facts, document.labels(), photo.eye)));
    }

    pub(super) fn take_enhanced(&mut self, id: u64, how: Enhancement, volume: Option<Arc<Volume>>) {
        let Some(session) = self.state.session.as_mut().filter(|session| session.id == id) else { return };
        if session.photo.as_mut().is_some_and(|photo| photo.take_enhanced(how, volume)) {
            session.redraw();
        }
    }

    fn grab(&mut self, part: DiscPart, handle: Handle) {
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        let before = parts(session.document.labels());
        let ellipse = match (handle, part) {
            (Handle::Corner(_), _) => None,
            (_, DiscPart::Disc) => hilum_core::measure::cdr::Ellipse::fit(&before.0),
            (_, DiscPart::Cup) => hilum_core::measure::cdr::Ellipse::fit(&before.1),
        };
        if let Some(photo) = &mut session.photo {
            photo.drag = Some(EllipseDrag { part, handle, ellipse, before });
        }
    }

    fn drag(&mut self, at: [f64; 2]) {
        let Some(session) = &mut self.state.session else { return };
        let [width, height, _] = session.document.image().grid().dims();
        let revision = session.labels_revision;
        let Some(photo) = &mut session.photo else { return };
        let Some(drag) = &mut photo.drag else { return };
        drag.drag_to(at);
        let mask = drag.mask([width, height]).ok_or(CdrError::NoDisc { rim: RIM, cup: CUP });
        let vessel_share = photo.figures().and_then(|reading| reading.vessel_share);
        let mut reading = of_mask(&photo.facts, mask, photo.eye);
        reading.vessel_share = vessel_share;
        photo.reading = Some((revision, reading));
    }

    fn drop_ellipse(&mut self) {
        let Some(session) = &mut self.state.session else { return };
        let [width, height, _] = session.document.image().grid().dims();
        let Some(photo) = &mut session.photo else { return };
        let Some(drag) = photo.drag.take() else { return };
        photo.reading = None;
        if drag.ellipse.is_none() {
            return;
        }
        let Some(mask) = drag.mask([width, height]) else {
            let text = "Nothing was changed: the ellipse holds no pixel of the picture, or there is no disc for the cup";
            self.state.messages.say(Severity::Warning, text);
            return;
        };
        let name = match drag.part {
            DiscPart::Disc => "Disc ellipse",
            DiscPart::Cup => "Cup ellipse",
        };
        let labels = with_mask(session.document.labels(), &mask);
        self.edit(EditCommand::ReplaceLabels { name: name.into(), labels, names: Vec::new() });
    }
}

impl HilumApp {
    /// Takes a label off the list. Rim and cup of an eye stay on it, for its figures are made of them: without its outline the
    /// cup is rim, and without the rim there is no disc.
    pub(super) fn remove_label(&mut self, id: u16) {
        let is_eye = self.state.session.as_ref().and_then(|s| s.photo.as_ref()).is_some_and(Photo::is_eye);
        let Some(session) = self.state.editable().filter(|_| is_eye && [RIM, CUP].contains(&id)) else {
            return self.edit_aside(EditCommand::RemoveLabel(id), Vec::new());
        };
        let labels = session.document.labels();
        if labels.count(id) == 0 {
            let text = "Rim and cup stay on the list: the figures of the disc are made of them";
            return self.state.messages.say(Severity::Info, text);
        }
        let (name, without) = match id {
            CUP => ("Remove cup", RIM),
            _ => ("Remove disc", 0),
        };
        let left = |label: u16| if label == CUP || label == id { without } else { label };
        let Ok(labels) = LabelMap::from_voxels(*labels.grid(), labels.iter().map(left).collect()) else {
            return;
        };
        self.edit(EditCommand::ReplaceLabels { name: name.into(), labels, names: Vec::new() });
    }
}

fn eye_names() -> Vec<NewLabel> {
    eye_table().entries().iter().map(|entry| NewLabel::named(entry.id, &entry.name)).collect()
}

/// Which labels of an answer are rim and cup.
fn disc_labels(regions: &[Region]) -> Option<DiscLabels> {
    let label = |name: &str| regions.iter().find(|region| region.name == name).map(|region| region.label);
    Some(DiscLabels { rim: label("disc").or_else(|| label("rim"))?, cup: label("cup")? })
}
