//! Everything the window shows. Widgets read it; only [`crate::app`] changes it.

mod album;
mod cine;
mod dialog;
mod editing;
mod enabled;
mod engine;
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
mod slide;
mod teaching;
mod tool;
mod turn;
mod views;
mod worklist;

use hilum_models::infer::DeviceInfo;

use crate::jobs::ModelInfo;

pub use album::{Album, AlbumFraming, AlbumPicture, Found, Next, NextLabels};
pub use cine::{CINE_RANGE_HZ, Cine};
pub use dialog::{DeidentifyChoice, DeidentifyStep, Dialog, Guarded, KeysPage, Opening, SeriesChoice};
pub use editing::{
    Draft, EditOptions, Editing, HoleChoice, IslandChoice, OperationKind, Plan, RunningOperation, Seed,
    ShownSlice, Walk, slice_at, slice_of,
};
pub use engine::EngineState;
pub use inspect::{
    Against, ClassShares, Inspecting, KeptMap, LabelledBy, MapKey, MapScale, MapView, Together,
};
pub use kept::KeptList;
pub use keys::{KeyMap, pressed_shortcut, shortcut_from_text, shortcut_text, shown_shortcut};
pub use layout::Layout;
pub use messages::{Message, Messages, Severity};
pub use mouse::{Drag, MouseHand, MousePreset};
pub use photo::{
    DiscPart, EllipseDrag, Handle, KeptReview, LABEL_WITH, LabelPurpose, OUTLINE_DISC, OUTLINE_VESSELS,
    Photo, RunningLabels, eye_table, is_by_networks,
};
pub use readout::Readout;
pub use remote::{Login, Remote, RunningRemote, ServerDraft, Typed};
pub use scene::{OVERLAY, Scene, SceneMode, SurfacePart};
pub use session::{Dirty, Measurement, RunningSegmentation, Session};
pub use settings::{BRUSH_RANGE_MM, Settings};
pub use slide::SlideChoice;
pub use teaching::{Curves, LookingBack, RunningLesson, RunningRank, TeachChoice, Teaching};
pub use tool::Tool;
pub use turn::Turn;
pub use views::{KeptViews, ViewId, Views, auto_window};
pub use worklist::{MaskChoice, NextCase, OpenCase, OpenWorklist, OpeningCase};

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
}
