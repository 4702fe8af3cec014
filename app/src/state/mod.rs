//! Everything the window shows. Widgets read it; only [`crate::app`] changes it.

mod album;
mod cine;
mod editing;
mod inspect;
mod kept;
mod keys;
mod layout;
mod messages;
mod mouse;
mod photo;
mod readout;
mod remote;
mod scene;
mod session;
mod settings;
mod teaching;
mod turn;
mod views;
mod worklist;

use std::path::PathBuf;

use egui::KeyboardShortcut;
use hilum_core::io::SeriesSummary;
use hilum_core::io::dicom::deidentify::DeidentifyOptions;
use hilum_core::job::CancelToken;
use hilum_core::label::LabelTable;
use hilum_core::provenance::UsedModel;
use hilum_core::volume::{Modality, Source};
use hilum_models::catalog::{ClickTask, DenseTask};
use hilum_models::infer::{DeviceChoice, DeviceInfo};
use hilum_models::train::recipe::Stage;

use crate::jobs::{CopyProgress, EngineChoice, ImageProblem, ModelInfo, OpenProject};

pub use album::{Album, AlbumPicture, Found, Next, NextLabels};
pub use cine::{CINE_RANGE_HZ, Cine};
pub use editing::{
    Draft, EditOptions, Editing, HoleChoice, IslandChoice, OperationKind, Plan, RunningOperation, Seed,
    ShownSlice, Walk, slice_at, slice_of,
};
pub use inspect::{Against, ClassShares, Inspecting, KeptMap, MapKey, MapScale, MapView};
pub use kept::KeptList;
pub use keys::{KeyMap, pressed_shortcut, shortcut_from_text, shortcut_text};
pub use layout::Layout;
pub use messages::{Message, Messages, Severity};
pub use mouse::{Drag, MouseHand, MousePreset};
pub use photo::{DiscPart, EllipseDrag, Handle, LabelPurpose, Photo, RunningLabels, eye_table};
pub use readout::Readout;
pub use remote::{Login, Remote, RunningRemote, ServerDraft, Typed};
pub use scene::{OVERLAY, Scene, SceneMode, SurfacePart};
pub use session::{Dirty, Measurement, RunningSegmentation, Session};
pub use settings::{BRUSH_RANGE_MM, Settings};
pub use teaching::{Curves, LookingBack, RunningLesson, RunningRank, TeachChoice, Teaching};
pub use turn::Turn;
pub use views::{KeptViews, ViewId, Views, auto_window};
pub use worklist::{MaskChoice, NextCase, OpenCase, OpenWorklist, OpeningCase};

use crate::command::UiCommand;

/// What the left mouse button does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tool {
    /// Window and level.
    #[default]
    Navigate,
    /// Clicks for the network.
    Point,
    /// Painting.
    Brush,
    /// Erasing.
    Eraser,
    /// Dragging the ellipses of disc and cup.
    Ellipse,
    /// Painting voxels of a range of values.
    Threshold,
    /// Painting up to edges.
    Adaptive,
    /// Outlines by corners.
    Polygon,
    /// Outlines by hand.
    Lasso,
    /// An operation that is looked at before it is applied.
    Operation(OperationKind),
    /// Measuring a distance.
    Distance,
    /// Measuring an angle.
    Angle,
}

impl Tool {
    /// Whether it paints or erases by strokes.
    pub fn is_brush(self) -> bool {
        matches!(self, Self::Brush | Self::Eraser | Self::Threshold | Self::Adaptive)
    }

    /// Whether it draws outlines.
    pub fn is_outline(self) -> bool {
        matches!(self, Self::Polygon | Self::Lasso)
    }

    /// The operation in the hand.
    pub fn operation(self) -> Option<OperationKind> {
        match self {
            Self::Operation(kind) => Some(kind),
            _ => None,
        }
    }

    /// Points that one measurement of the tool takes; 0 if it does not measure.
    pub fn ruler_points(self) -> usize {
        match self {
            Self::Distance => 2,
            Self::Angle => 3,
            _ => 0,
        }
    }
}

/// An image that is being opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Which request.
    pub request: u64,
    /// Name without the folder.
    pub name: String,
    /// Stops it.
    pub cancel: CancelToken,
    /// What is being done.
    pub what: String,
    /// Share done, where known.
    pub share: Option<f32>,
}

/// Series of a folder, for the person to choose from.
#[derive(Clone, Debug)]
pub struct SeriesChoice {
    /// The folder.
    pub path: PathBuf,
    /// What was found.
    pub series: Vec<SeriesSummary>,
}

/// The dialog in front of the window.
#[derive(Clone, Debug, Default)]
pub enum Dialog {
    /// None.
    #[default]
    None,
    /// The command palette with the text typed so far.
    Palette(String),
    /// About the program.
    About,
    /// All keys, to be seen and changed.
    Shortcuts(KeysPage),
    /// Settings.
    Settings,
    /// Searching and fetching from servers.
    OpenFromServer,
    /// Storing labels on a server.
    StoreOnServer,
    /// Settings of servers.
    Servers,
    /// The model browser.
    Models,
    /// Warnings of the image.
    Warnings,
    /// Which series.
    Series(SeriesChoice),
    /// Which masks are taken over as labels of which cases.
    Masks(MaskChoice),
    /// There is unsaved work and the person wants to do this.
    Unsaved(Guarded),
    /// Work that was kept without a project.
    Kept(KeptList),
    /// The image of a project is not where or what it was.
    Relocate(ImageProblem),
    /// Copies without names are to be made, are being made, or were made.
    Deidentify(DeidentifyStep),
    /// An earlier session left unsaved work on this image.
    Recover {
        /// Steps that were made.
        steps: usize,
    },
}

/// How far making copies without names is.
#[derive(Clone, Debug)]
pub enum DeidentifyStep {
    /// The person chooses.
    Choose(DeidentifyChoice),
    /// Files are copied.
    Running(CopyProgress),
    /// What was done, for people.
    Done(Vec<String>),
}

/// What the person chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeidentifyChoice {
    /// Choices that the profile leaves.
    pub options: DeidentifyOptions,
    /// Not everything in the folder.
    pub only_this_series: bool,
}

impl Default for DeidentifyChoice {
    fn default() -> Self {
        Self { options: DeidentifyOptions::default(), only_this_series: true }
    }
}

/// The page of keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeysPage {
    /// Commands are shown whose names hold this.
    pub filter: String,
    /// The next combination that is pressed becomes one of this command's.
    pub listening: Option<UiCommand>,
    /// That combination, if another command has it.
    pub taken: Option<KeyboardShortcut>,
}

/// What the guard of unsaved work holds back.
#[derive(Clone, Debug, PartialEq)]
pub enum Guarded {
    /// Closing the window.
    Quit,
    /// Closing the image.
    CloseImage,
    /// Opening another image.
    Open {
        /// File or folder; `None` for the sample case.
        path: Option<PathBuf>,
        /// A series of it.
        series_uid: Option<String>,
    },
    /// Opening a project.
    OpenProject(OpenProject),
    /// Looking at several pictures.
    OpenPictures(Vec<PathBuf>),
    /// Looking at another picture of the album.
    Picture(usize),
    /// Looking at a case of the worklist.
    Case(hilum_core::worklist::CaseId),
}

/// What is known about the network.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum EngineState {
    /// Nobody has needed it.
    #[default]
    Idle,
    /// Weights are being loaded or kernels warmed up.
    Loading,
    /// Ready.
    Ready {
        /// Name of the device.
        device: String,
        /// Identity of the model.
        model: String,
        /// Seconds of the warm-up.
        warm_up_secs: f64,
    },
    /// It cannot be used.
    Failed(String),
}

/// Everything the window shows.
#[derive(Debug, Default)]
pub struct AppState {
    /// What is remembered.
    pub settings: Settings,
    /// The image that is open.
    pub session: Option<Session>,
    /// The image that is being opened.
    pub opening: Option<Opening>,
    /// The dialog in front.
    pub dialog: Dialog,
    /// Short messages.
    pub messages: Messages,
    /// What the left button does.
    pub tool: Tool,
    /// The tool in hand before a button of the mouse that erases was pressed.
    pub held: Option<Tool>,
    /// New points do not belong to the object; outlines cut.
    pub negative: bool,
    /// Options of the tools that change labels.
    pub options: EditOptions,
    /// Devices found; empty until they were looked for.
    pub devices: Vec<DeviceInfo>,
    /// Models found; empty until they were looked for.
    pub models: Vec<ModelInfo>,
    /// Models were looked for.
    pub models_known: bool,
    /// Servers, and what was searched for on them.
    pub remote: Remote,
    /// The worklist that is open.
    pub worklist: Option<OpenWorklist>,
    /// The pictures that are looked at one after the other.
    pub album: Option<Album>,
    /// Where the network looked, while that is shown.
    pub inspect: Option<Inspecting>,
    /// The network.
    pub engine: EngineState,
    /// A mask is being written.
    pub saving: bool,
    /// Name of the graphics adapter that draws the slices; `None` when the CPU does.
    pub graphics: Option<String>,
    /// The table of measurements is shown.
    pub show_measurements: bool,
    /// The panels at the sides are hidden, so that the image has their room.
    pub hides_panels: bool,
    /// Speed and memory.
    pub readout: Readout,
    /// The window may close without asking.
    pub may_close: bool,
}

impl AppState {
    /// The open image, if it is complete and may be edited.
    pub fn editable(&self) -> Option<&Session> {
        self.session.as_ref().filter(|session| session.can_edit())
    }

    /// The open picture, if disc and cup are measured on it.
    pub fn eye(&self) -> Option<&Photo> {
        self.editable()?.photo.as_ref().filter(|photo| photo.is_eye())
    }

    /// The model for a purpose of the program: one of the user's own before one inside the program.
    pub fn model_for(&self, purpose: &str) -> Option<&ModelInfo> {
        let fits = |model: &&ModelInfo| {
            model.card.dense().is_some_and(|task| task.purpose.as_deref() == Some(purpose))
        };
        self.models.iter().filter(fits).min_by_key(|model| model.is_embedded)
    }

    /// Models with the hashes of their weights, each after the one that it builds on.
    pub fn used_models(&self, ids: &[String]) -> Vec<UsedModel> {
        let mut used: Vec<UsedModel> = Vec::new();
        let mut add = |id: &str| {
            let model = self.models.iter().find(|model| model.card.id == id);
            let versions = self.worklist.as_ref().and_then(|worklist| worklist.teaching.versions.as_ref());
            let version = versions.and_then(|list| list.versions.iter().find(|version| version.id == id));
            let weights_sha256 = model
                .map(|model| model.card.weights_sha256.clone())
                .or_else(|| version.map(|version| version.weights_sha256.clone()))
                .unwrap_or_default();
            if used.iter().all(|known| known.id != id) {
                used.push(UsedModel { id: id.to_owned(), weights_sha256 });
            }
        };
        for id in ids {
            // A version builds on what its model builds on.
            let base = id.split('@').next().unwrap_or(id);
            let model = self.models.iter().find(|model| model.card.id == base);
            if let Some(coarse) = model.and_then(|m| m.card.click()).and_then(|task| task.coarse.as_deref()) {
                add(coarse);
            }
            add(id);
        }
        used
    }

    /// Where versions lie that were taught with the worklist that is open.
    pub fn versions_folder(&self) -> Option<PathBuf> {
        self.worklist.as_ref().map(|worklist| worklist.folder.join("versions"))
    }

    /// Whether a model labels every pixel of an image.
    pub fn is_labeller(&self, id: &str) -> bool {
        self.models.iter().any(|model| model.card.id == id && model.card.dense().is_some())
    }

    /// The labels that a model gives; one label called "Lesion" without such a model.
    pub fn labels_of(&self, model: Option<&str>) -> LabelTable {
        let model = self.models.iter().find(|known| Some(known.card.id.as_str()) == model);
        model.and_then(|model| model.card.dense()).map(DenseTask::label_table).unwrap_or_default()
    }

    /// A model for a new worklist: the first one that labels volumes of every kind by itself.
    pub fn default_labeller(&self) -> Option<String> {
        let labeller = |model: &&ModelInfo| {
            model.card.dense().is_some_and(|task| task.purpose.is_none() && task.around.is_none())
        };
        self.models.iter().find(labeller).map(|model| model.card.id.clone())
    }

    /// The device asked for.
    pub fn device_choice(&self) -> DeviceChoice {
        self.settings.device()
    }

    /// The device asked for, and the model that answers clicks: that of the worklist where it is one, in the version
    /// that is in use there, else the one of the settings.
    pub fn engine_choice(&self) -> EngineChoice {
        let device = self.settings.device();
        let worklist = self.worklist.as_ref();
        let taught = worklist.and_then(|worklist| worklist.list.model.as_ref());
        match taught.filter(|model| self.answers_clicks(model)) {
            Some(model) => {
                let current = worklist.and_then(|worklist| worklist.teaching.current());
                let current = current.filter(|id| id.split('@').next() == Some(model.as_str()));
                let model = Some(current.map_or_else(|| model.clone(), str::to_owned));
                EngineChoice { device, model, versions: self.versions_folder() }
            }
            None => EngineChoice { device, model: self.settings.model.clone(), versions: None },
        }
    }

    /// Whether a model answers clicks by itself.
    pub fn answers_clicks(&self, id: &str) -> bool {
        let is_fine = |task: &ClickTask| matches!(task.stage, Stage::Fine { .. });
        self.models.iter().any(|model| model.card.id == id && model.card.click().is_some_and(is_fine))
    }

    /// Whether a command makes sense now; menus, palette and keys all ask here.
    pub fn is_enabled(&self, command: UiCommand) -> bool {
        use UiCommand as C;
        if let Some(worklist) = self.list_command(command) {
            return worklist;
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
            C::MeasureAnyway => editable.is_some_and(|s| s.photo.as_ref().is_some_and(|p| !p.is_eye())),
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
