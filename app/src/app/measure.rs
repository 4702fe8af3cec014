//! Distances, angles and the table of measurements.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hilum_core::document::EditCommand;
use hilum_core::geometry::WorldPoint;
use hilum_core::label::LabelMap;
use hilum_core::ruler::RulerShape;
use nalgebra::{Point3, center};

use super::HilumApp;
use crate::command::{MeasureAction, UiCommand};
use crate::jobs::{Ask, Compared, IoRequest, MeasureTable, TableRequest};
use crate::panels::sheet;
use crate::state::{Severity, Tool};

impl HilumApp {
    /// Commands about measuring; `false` if it is none.
    pub(super) fn run_measure(&mut self, ctx: &egui::Context, command: UiCommand) -> bool {
        use UiCommand as C;
        match command {
            C::ShowMeasurements => self.state.show_measurements = !self.state.show_measurements,
            C::ClearRulers => drop(self.edit(EditCommand::ClearRulers)),
            C::CompareWithMask => self.ask(Ask::CompareMask),
            C::CopyMeasurements => self.copy_table(ctx),
            C::SaveMeasurements => {
                let Some(session) = self.state.editable() else { return true };
                let mask = session.proposed_mask_name();
                let name = format!("{}_measurements.csv", mask.trim_end_matches("_mask.nii.gz"));
                self.ask(Ask::SaveMeasurements { name });
            }
            C::JumpToLongAxis => {
                if let Some(session) = self.state.editable() {
                    self.go_to_axis(session.document.table().active());
                }
            }
            // Escape drops what is being drawn before anything else.
            C::Reject if self.is_drawing() => self.measure(ctx, MeasureAction::CancelDraft),
            _ => return false,
        }
        true
    }

    fn is_drawing(&self) -> bool {
        self.state.session.as_ref().is_some_and(|session| !session.ruler_draft.is_empty())
    }

    pub(super) fn measure(&mut self, _ctx: &egui::Context, action: MeasureAction) {
        match action {
            MeasureAction::Place(at) => self.place(at),
            MeasureAction::CancelDraft => {
                if let Some(session) = &mut self.state.session {
                    session.ruler_draft.clear();
                }
            }
            MeasureAction::Remove(id) => drop(self.edit(EditCommand::RemoveRuler(id))),
            MeasureAction::GoTo(id) => {
                let rulers = self.state.session.as_ref().map(|session| session.document.rulers().list());
                let ruler = rulers.and_then(|list| list.iter().find(|ruler| ruler.id == id));
                let Some(points) = ruler.map(|ruler| ruler.shape.points()) else { return };
                // Within the plane of the line: its middle, or the vertex.
                self.look_at(if points.len() == 3 { points[1] } else { center(&points[0], &points[1]) });
            }
            MeasureAction::GoToAxis(label) => self.go_to_axis(label),
            MeasureAction::Compare(compared) => {
                if let Some(session) = &mut self.state.session {
                    session.compared = compared;
                }
            }
            MeasureAction::Reference(path) => {
                let Some(session) = self.state.editable() else { return };
                let image = Arc::clone(session.volume());
                let session = session.id;
                self.ask_io(IoRequest::ReadReference { session, path, image });
            }
            MeasureAction::Save(path) => self.save_table(path),
        }
    }

    fn place(&mut self, at: WorldPoint) {
        let needed = self.state.tool.ruler_points();
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        if needed == 0 || session.ruler_draft.last().is_some_and(|last| (last - at).norm() < 1e-6) {
            return;
        }
        session.ruler_draft.push(at);
        if session.ruler_draft.len() < needed {
            return;
        }
        let points: Vec<[f64; 3]> = session.ruler_draft.drain(..).map(|point| point.coords.into()).collect();
        let shape = match (self.state.tool, &points[..]) {
            (Tool::Distance, &[a, b]) => RulerShape::Distance([a, b]),
            (Tool::Angle, &[a, vertex, b]) => RulerShape::Angle([a, vertex, b]),
            _ => return,
        };
        self.edit(EditCommand::AddRuler(shape));
    }

    /// The planes through a place.
    fn look_at(&mut self, at: WorldPoint) {
        if let Some(session) = &mut self.state.session {
            let volume = Arc::clone(session.volume());
            session.views.set_crosshair(&volume, at);
        }
    }

    /// The planes through the middle of a label's long axis.
    fn go_to_axis(&mut self, label: u16) {
        let Some(session) = self.state.editable() else { return };
        let of_table =
            session.table.as_ref().and_then(|table| table.rows.iter().find(|row| row.label == label));
        let is_active = session.document.table().active() == label;
        let active = session.active_recist().copied().filter(|_| is_active);
        let Some(recist) = active.or_else(|| of_table?.figures.recist) else { return };
        let [from, to] = [recist.long_axis.from_voxel, recist.long_axis.to_voxel];
        let middle = Point3::from([0, 1, 2].map(|a| (from[a] + to[a]) / 2.0));
        let world = session.volume().grid().affine().world_from_voxel(middle);
        self.look_at(world);
    }

    /// Measures all labels once the hand rests, while the table is shown.
    pub(super) fn fill_table_when_quiet(&mut self) {
        if !self.state.show_measurements {
            return;
        }
        let Some(session) = self.state.session.as_mut().filter(|session| session.can_edit()) else { return };
        let wanted = (session.labels_revision, session.compared);
        let is_known = session.table.is_some() && session.table_asked == Some(wanted);
        if session.document.is_stroking() || is_known || session.table_asked == Some(wanted) {
            return;
        }
        let request = TableRequest {
            session: session.id,
            labels_revision: session.labels_revision,
            volume: Arc::clone(session.volume()),
            labels: Arc::clone(session.document.labels()),
            reference: session.reference.as_ref().map(|(_, labels)| Arc::clone(labels)),
            compared: session.compared,
        };
        if self.io.ask(IoRequest::Table(request)).is_ok() {
            session.table_asked = Some(wanted);
        }
    }

    pub(super) fn take_table(&mut self, session: u64, table: MeasureTable) {
        if let Some(open) = self.state.session.as_mut().filter(|open| open.id == session) {
            open.table = Some(table);
        }
    }

    /// Takes a mask to compare with; the active label is compared with the label of the same number in it, or with its
    /// first one.
    pub(super) fn take_reference(&mut self, id: u64, path: &Path, labels: Result<Box<LabelMap>, String>) {
        let Some(session) = self.state.session.as_mut().filter(|open| open.id == id) else { return };
        let labels = match labels {
            Ok(labels) => labels,
            Err(error) => return self.state.messages.error(error),
        };
        let (found, expected) = (labels.grid().dims(), session.volume().grid().dims());
        if !labels.grid().matches(session.volume().grid()) {
            return self.state.messages.error(format!(
                "the mask has {found:?} voxels at other places than the image's {expected:?}; resample it first: {}",
                path.display()
            ));
        }
        let active = session.document.table().active();
        let used = labels.used_labels();
        let Some(first) = used.first() else {
            return self.state.messages.error(format!("the mask has no labelled voxel: {}", path.display()));
        };
        let other = if used.contains(&active) { active } else { *first };
        session.compared = Some(Compared { label: active, other, in_reference: true });
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        session.reference = Some((name, Arc::from(labels)));
        session.table_asked = None;
        self.state.show_measurements = true;
    }

    fn copy_table(&mut self, ctx: &egui::Context) {
        let Some(session) = self.state.editable() else { return };
        let rows = sheet::rows(session);
        ctx.copy_text(sheet::tab_separated(&rows));
        let text = format!("{} rows were copied; paste them into a spreadsheet", rows.len() - 1);
        self.state.messages.say(Severity::Info, text);
    }

    fn save_table(&mut self, path: PathBuf) {
        let Some(session) = self.state.editable() else { return };
        let path = if path.extension().is_some() { path } else { path.with_extension("csv") };
        self.ask_io(IoRequest::WriteText { path, text: sheet::comma_separated(&sheet::rows(session)) });
    }
}
