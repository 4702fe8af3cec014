//! Which commands make sense now, and which switches are on.

use hilum_core::volume::{Modality, Source};

use super::{AppState, Layout, MousePreset, Photo, SceneMode, Session, Tool, ViewId};
use crate::command::UiCommand;

impl AppState {
    /// Whether a command makes sense now; menus, palette and keys all ask here.
    pub fn is_enabled(&self, command: UiCommand) -> bool {
        use UiCommand as C;
        if let Some(worklist) = self.list_command(command) {
            return worklist;
        }
        if let Some(picture) = self.picture_command(command) {
            return picture;
        }
        let session = self.session.as_ref();
        let editable = self.editable();
        let has_preview = editable.is_some_and(|s| s.document.preview().is_some());
        let has_points = editable.is_some_and(|s| !s.document.prompts().is_empty());
        match command {
            C::ImportMask | C::SaveProject | C::ShowMeasurements => editable.is_some(),
            C::ToolDistance | C::ToolAngle | C::CompareWithMask | C::ShowAttention => editable.is_some(),
            C::CopyMeasurements | C::SaveMeasurements => editable.is_some_and(Session::has_measurements),
            C::ClearRulers => editable.is_some_and(|s| !s.document.rulers().is_empty()),
            C::JumpToLongAxis => editable.is_some_and(|s| s.active_recist().is_some()),
            C::ChoosePart => self.slide_path().is_some(),
            C::NextTimePoint => self.neighbouring_time_point(true).is_some(),
            C::PreviousTimePoint => self.neighbouring_time_point(false).is_some(),
            C::ExportSurface => {
                editable.is_some_and(|s| (1..=u16::MAX).any(|label| s.document.labels().count(label) > 0))
            }
            C::StoreOnServer => self.can_store_labels(),
            C::SavePicture => editable.is_some(),
            C::Deidentify => {
                editable.is_some_and(|s| matches!(s.volume().meta().source, Source::Dicom { .. }))
            }
            C::Save | C::SaveAs => editable.is_some() && !self.saving,
            C::Undo => editable.is_some_and(|s| s.document.can_undo()),
            C::Redo => editable.is_some_and(|s| s.document.can_redo()),
            C::Accept => has_preview || editable.is_some_and(Session::can_apply),
            C::Reject => {
                let can_drop = |s: &Session| s.can_drop() || !s.ruler_draft.is_empty();
                has_preview || has_points || editable.is_some_and(can_drop)
            }
            C::Cancel => {
                self.opening.is_some()
                    || self.remote.running.is_some()
                    || session.is_some_and(|s| {
                        s.running.is_some() || s.editing.running.is_some() || !s.labelling.is_empty()
                    })
            }
            C::ToolPoint => editable.is_some_and(Session::can_segment),
            C::ToggleSign => editable.is_some_and(|s| self.tool.is_outline() || s.can_segment()),
            C::ToolBrush | C::ToolEraser | C::ToggleBall | C::BrushSmaller | C::BrushLarger => {
                editable.is_some()
            }
            _ if command.drawing_needs().is_some() => {
                editable.is_some_and(|s| command.drawing_needs().is_some_and(|needs| needs(self, s)))
            }
            C::PreviousLabel | C::NextLabel | C::AddLabel | C::ToggleMask => editable.is_some(),
            C::ClearLabel | C::CenterOnLabel => {
                editable.is_some_and(|s| s.document.labels().count(s.document.table().active()) > 0)
            }
            _ if is_about_planes(command) => session.is_some_and(|s| !s.views.is_flat()),
            C::ToggleCine => session.is_some_and(|s| !s.views.is_flat() && !s.is_glimpse),
            C::ResetPlanes => session.is_some_and(|s| s.views.is_turned()),
            C::UseTool => editable.is_some_and(|s| !s.views.is_flat()),
            C::CloseImage | C::ResetView | C::AutoWindow | C::ToolNavigate | C::ToggleInterpolation => {
                session.is_some()
            }
            C::Preset1 | C::Preset2 | C::Preset3 | C::Preset4 | C::Preset5 | C::Preset6 => {
                // Hounsfield units; what an unknown scale is, a person may know.
                session.is_some_and(|s| matches!(s.volume().meta().modality, Modality::Ct | Modality::Other))
            }
            C::ShowWarnings => session.is_some_and(|s| !s.warnings.is_empty()),
            _ => true,
        }
    }

    /// Whether a command about flat pictures makes sense; `None` of other commands.
    fn picture_command(&self, command: UiCommand) -> Option<bool> {
        use UiCommand as C;
        let (session, editable) = (self.session.as_ref(), self.editable());
        Some(match command {
            C::NextPicture => self.album.as_ref().is_some_and(|album| album.neighbour(true).is_some()),
            C::PreviousPicture => self.album.as_ref().is_some_and(|album| album.neighbour(false).is_some()),
            C::OutlineDisc => self.eye().is_some() && self.model_for("disc_cup").is_some(),
            C::OutlineVessels => self.eye().is_some() && self.model_for("vessels").is_some(),
            C::MarkReviewed => editable.is_some_and(|s| {
                s.photo
                    .as_ref()
                    .is_some_and(|photo| photo.is_eye() && photo.figures().is_some_and(|r| r.disc.is_ok()))
            }),
            C::ZoomToDisc | C::SavePage => {
                self.eye().and_then(Photo::figures).is_some_and(|reading| reading.disc.is_ok())
            }
            C::ExportTable => self.album.is_some() || self.eye().is_some(),
            C::SwitchEye | C::ToolEllipse => self.eye().is_some(),
            C::NextEnhancement => {
                session.is_some_and(|s| s.photo.is_some() && Photo::can_enhance(s.volume()))
            }
            C::LabelImage => editable.is_some() && self.labelling_models().next().is_some(),
            C::MeasureAnyway => editable.is_some_and(|s| s.photo.as_ref().is_some_and(|p| !p.is_eye())),
            _ => return None,
        })
    }

    /// Whether a command is a switch that is on.
    pub fn is_on(&self, command: UiCommand) -> bool {
        use UiCommand as C;
        let single = |view| self.session.as_ref().is_some_and(|s| s.views.single == view);
        match command {
            C::ToolNavigate => self.tool == Tool::Navigate,
            C::ToolPoint => self.tool == Tool::Point,
            C::ToolBrush => self.tool == Tool::Brush,
            C::ToolEraser => self.tool == Tool::Eraser,
            C::ToolEllipse => self.tool == Tool::Ellipse,
            C::ToolThreshold => self.tool == Tool::Threshold,
            C::ToolAdaptive => self.tool == Tool::Adaptive,
            C::ToolPolygon => self.tool == Tool::Polygon,
            C::ToolLasso => self.tool == Tool::Lasso,
            C::ToggleDrawRange => self.options.is_within,
            _ if command.operation().is_some() => self.tool.operation() == command.operation(),
            C::ToolDistance => self.tool == Tool::Distance,
            C::ToolAngle => self.tool == Tool::Angle,
            C::ShowMeasurements => self.show_measurements,
            C::ShowAttention => self.inspect.is_some(),
            C::ToggleMask => self.session.as_ref().is_some_and(|s| s.show_mask),
            C::ToggleInterpolation => self.settings.linear,
            C::ToggleCrosshair => self.settings.crosshair,
            C::TogglePanels => !self.hides_panels,
            C::ToggleBall => self.settings.ball,
            C::LayoutScene => single(Some(ViewId::Scene)),
            C::MaximiseView => self.session.as_ref().is_some_and(|s| s.views.single.is_some()),
            C::ToggleCine => self.session.as_ref().is_some_and(|s| s.views.cine.is_some()),
            C::TurnPlanes => self.session.as_ref().is_some_and(|s| s.views.turning),
            C::ToggleBounce => self.settings.bounce,
            C::SceneSurfaces => self.settings.scene == SceneMode::Surfaces,
            C::SceneMip => self.settings.scene == SceneMode::Mip,
            C::SceneVolume => self.settings.scene == SceneMode::Volume,
            C::ToggleTheme => self.settings.dark,
            C::ToggleContrast => self.settings.high_contrast,
            C::ToggleReadout => self.settings.readout,
            C::MouseRadiology => self.settings.mouse == MousePreset::Radiology,
            C::MouseItkSnap => self.settings.mouse == MousePreset::ItkSnap,
            C::MouseSlicer => self.settings.mouse == MousePreset::Slicer,
            C::LayoutAxial => single(Some(ViewId::PLANES[0])),
            C::LayoutCoronal => single(Some(ViewId::PLANES[1])),
            C::LayoutSagittal => single(Some(ViewId::PLANES[2])),
            _ if single(None) => {
                Layout::ALL.iter().any(|(layout, c)| *c == command && *layout == self.settings.layout)
            }
            _ => false,
        }
    }
}

/// Whether a command is about planes of a volume, or its 3-D view, and needs nothing else.
fn is_about_planes(command: UiCommand) -> bool {
    use UiCommand as C;
    matches!(
        command,
        C::PreviousSlice
            | C::NextSlice
            | C::PreviousSlices
            | C::NextSlices
            | C::FirstSlice
            | C::LastSlice
            | C::LayoutAll
            | C::LayoutAxial
            | C::LayoutCoronal
            | C::LayoutSagittal
            | C::LayoutScene
            | C::LayoutTwo
            | C::LayoutLarge
            | C::LayoutFour
            | C::EnlargeView
            | C::MaximiseView
            | C::NextView
            | C::SceneSurfaces
            | C::SceneMip
            | C::SceneVolume
            | C::TurnPlanes
            | C::CrosshairLeft
            | C::CrosshairRight
            | C::CrosshairUp
            | C::CrosshairDown
            | C::CrosshairFarLeft
            | C::CrosshairFarRight
            | C::CrosshairFarUp
            | C::CrosshairFarDown
            | C::ToggleCrosshair
    )
}
