//! Commands that carry data.

use std::cell::RefCell;
use std::path::PathBuf;

use egui::{KeyboardShortcut, Vec2};
use hilum_core::fundus::{Enhancement, Laterality};
use hilum_core::geometry::{PatientDirection, WorldPoint};
use hilum_core::io::Selection;
use hilum_core::label::LookChange;
use hilum_core::worklist::{CaseFilter, CaseId, CaseOrder, Role};
use hilum_dicomweb::{Query, Uid};
use hilum_models::infer::DeviceChoice;
use hilum_models::nets::HopReading;
use nalgebra::Vector3;

use super::{EditAction, UiCommand};
use crate::jobs::{Compared, ImageProblem, MapChoice, OpenProject};
use crate::state::{
    Against, DeidentifyChoice, DiscPart, Handle, MapKey, MapScale, MapView, ServerDraft, Settings,
    TeachChoice, Turn, Typed, ViewId,
};

/// A named window for CT.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    /// Name shown.
    pub name: &'static str,
    /// Centre in HU.
    pub center: f32,
    /// Width in HU.
    pub width: f32,
    /// The command that applies it.
    pub command: UiCommand,
}

impl Preset {
    /// The presets of the number keys.
    pub const CT: [Self; 6] = [
        Self { name: "Soft tissue", center: 40.0, width: 400.0, command: UiCommand::Preset1 },
        Self { name: "Lung", center: -600.0, width: 1500.0, command: UiCommand::Preset2 },
        Self { name: "Bone", center: 400.0, width: 1800.0, command: UiCommand::Preset3 },
        Self { name: "Brain", center: 40.0, width: 80.0, command: UiCommand::Preset4 },
        Self { name: "Liver", center: 90.0, width: 150.0, command: UiCommand::Preset5 },
        Self { name: "Mediastinum", center: 50.0, width: 350.0, command: UiCommand::Preset6 },
    ];
}

/// Changes of what is looked at.
#[derive(Clone, Debug, PartialEq)]
pub enum ViewAction {
    /// All planes through this point.
    Crosshair(WorldPoint),
    /// Slices forward (or back) in a view.
    Scroll(ViewId, f64),
    /// Move the image with the mouse, in points, in a view of a size.
    Pan(ViewId, Vec2, Vec2),
    /// Zoom by a factor around a screen position, given as offset from the middle of the view, whose size
    /// follows; all in points.
    Zoom(ViewId, f32, Vec2, Vec2),
    /// Centre and width.
    Window(f32, f32),
    /// The mouse is over a voxel position of a view, or over none.
    Hover(Option<(ViewId, WorldPoint)>),
    /// Show one view alone, or all again.
    Maximise(ViewId),
    /// Turn a plane about the crosshair: the axis in the world and the angle in radians.
    TurnPlane(ViewId, Vector3<f64>, f64),
    /// Turn a plane exactly so.
    SetTurn(ViewId, Turn),
    /// Turn what the 3-D view shows, by points.
    Orbit(Vec2),
    /// See the 3-D view from a side of the body.
    LookFrom(PatientDirection),
    /// Opacity of the surface of a label in the 3-D view.
    SurfaceOpacity(u16, f32),
}

/// Changes of the keys of commands.
#[derive(Clone, Debug, PartialEq)]
pub enum KeysAction {
    /// Show commands whose names hold this.
    Filter(String),
    /// The next combination that is pressed becomes one of this command's; `None`: it does not.
    Listen(Option<UiCommand>),
    /// This combination was pressed.
    Pressed(KeyboardShortcut),
    /// Give the command the combination, although another one has it.
    Take(UiCommand, KeyboardShortcut),
    /// Take a combination from a command.
    Remove(UiCommand, KeyboardShortcut),
    /// The keys of the program for one command.
    Reset(UiCommand),
    /// The keys of the program for all commands.
    ResetAll,
}

/// What the attention panel asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum InspectAction {
    /// Run this model; `None`: the one that answers clicks.
    Look(Option<String>),
    /// Show this map.
    Show(MapKey),
    /// Opacity over the image, 0 to 1.
    Opacity(f32),
    /// Lay the map over the image so.
    View(MapView),
    /// Share of the map inside its contour, 0 to 1.
    Share(f64),
    /// Which values get the ends of the colours.
    Scale(MapScale),
    /// Compare the map with this.
    Against(Against),
    /// Keep the map, to compare others with it.
    Keep,
    /// Forget a kept map.
    Forget(u64),
    /// Let pictures blink, or hold them at the compared picture (`false`) or at the map.
    Hold(Option<bool>),
    /// List the maps of this layer of this network only.
    Layer(Option<(usize, String)>),
    /// Show what the channels of this layer look at: its position.
    Channels(usize),
    /// Show a surface around a share of the map in the 3-D view, or none.
    InScene(bool),
    /// Count the attention of all pixels of each class, or stop that.
    Classes(bool),
    /// Show the histogram of this class and hop or head: positions.
    ClassShown(usize, usize),
    /// Read graphs so; `None`: as in their network.
    Read(Option<HopReading>),
    /// The maps of random weights.
    Randomise,
    /// The answer without the place that the map points at.
    Occlude,
    /// Write the map there; `None`: ask where.
    Export(Option<PathBuf>),
    /// Write a figure with the maps that belong to it there; `None`: ask where.
    Figure(Option<PathBuf>),
    /// Close the panel.
    Close,
}

/// Work on the object being segmented and on labels.
#[derive(Clone, Debug, PartialEq)]
pub enum SegmentAction {
    /// A click at a world position.
    Click {
        /// Where.
        at: WorldPoint,
        /// Whether it belongs to the object.
        positive: bool,
    },
    /// The brush goes down.
    StrokeStart(ViewId, WorldPoint),
    /// It moves.
    StrokeMove(WorldPoint),
    /// It goes up.
    StrokeEnd,
    /// The other button of the mouse erases while it is held.
    HoldEraser(bool),
    /// Brush radius in mm.
    BrushRadius(f32),
    /// Go to a point in the history: number of steps that stay applied.
    GoTo(usize),
    /// Choose, show, hide, protect or fade a label.
    Look(LookChange),
    /// Rename a label.
    Rename(u16, String),
    /// Give a label another colour.
    Recolor(u16, [u8; 3]),
    /// Remove a label and its voxels.
    Remove(u16),
}

/// Measuring.
#[derive(Clone, Debug, PartialEq)]
pub enum MeasureAction {
    /// The next point of the distance or angle being drawn.
    Place(WorldPoint),
    /// Drop what is being drawn.
    CancelDraft,
    /// Remove a distance or an angle.
    Remove(u32),
    /// Show the place of a distance or an angle.
    GoTo(u32),
    /// Show the long axis of a label.
    GoToAxis(u16),
    /// Compare these; `None`: nothing.
    Compare(Option<Compared>),
    /// Read this mask for comparison.
    Reference(PathBuf),
    /// Write the table there.
    Save(PathBuf),
}

/// Work on a flat picture. Places are pixels of the picture.
#[derive(Clone, Debug, PartialEq)]
pub enum PhotoAction {
    /// It is this eye.
    Eye(Laterality),
    /// See it this way.
    Enhance(Enhancement),
    /// Grab an ellipse.
    Grab(DiscPart, Handle),
    /// Drag it there.
    Drag([f64; 2]),
    /// Let it go.
    Drop,
    /// Look at a picture of the album.
    Show(usize),
    /// Label the image with this model.
    LabelWith(String),
    /// Write the table there.
    ExportTable(PathBuf),
    /// Write the page there.
    SavePage(PathBuf),
}

/// What several people agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consensus {
    /// What more than half mark.
    Majority,
    /// What STAPLE finds likely.
    Staple,
    /// Where not all agree.
    Differences,
}

/// Work on a worklist.
#[derive(Clone, Debug, PartialEq)]
pub enum WorklistAction {
    /// Make one of this folder.
    Create(PathBuf),
    /// Open the one in this folder.
    OpenList(PathBuf),
    /// Add the images in files and folders.
    Add(Vec<PathBuf>),
    /// Look in this folder for what somebody else drew.
    ImportOutlines(PathBuf),
    /// Look in this folder for masks of the cases.
    FindMasks(PathBuf),
    /// Whether the masks that are shown are right.
    MasksAreRight(bool),
    /// Take the masks that are shown over as labels.
    TakeMasks,
    /// Write the masks of all cases that are done into this folder.
    WriteMasks(PathBuf),
    /// Look at a case.
    Show(CaseId),
    /// Show these cases.
    Filter(CaseFilter),
    /// In this order.
    Order(CaseOrder),
    /// Let this model propose; `None`: none.
    Model(Option<String>),
    /// The comment so far.
    Typing(String),
    /// The comment is finished.
    Comment,
    /// Use a case for teaching or for judging.
    Role(CaseId, Role),
    /// Take a case off the list.
    Remove(CaseId),
    /// Take over what several people agree on.
    TakeConsensus(Consensus),
}

/// Teaching the model of a worklist.
#[derive(Clone, Debug, PartialEq)]
pub enum TeachAction {
    /// Teach this way from now on.
    Choose(TeachChoice),
    /// Use a version or not, because a person says so.
    Decide {
        /// Its number.
        version: u32,
        /// Whether it is to be used.
        yes: bool,
    },
    /// Show where a version looked while it learned.
    Look(MapChoice),
    /// At this place of the slider over its steps.
    LookAt(usize),
    /// With this opacity over the image, 0 to 1.
    LookOpacity(f32),
    /// Show that no more.
    StopLooking,
    /// Compare the version of this number with the weights in use.
    Compare(u32),
    /// Go back to weights that were in use before.
    RollBack(String),
}

/// Searching, fetching and storing on servers.
#[derive(Clone, Debug, PartialEq)]
pub enum RemoteAction {
    /// Ask this server.
    Choose(String),
    /// Search for this.
    Query(Box<Query>),
    /// Search.
    Search,
    /// Show the series of a study.
    ShowStudy(Uid),
    /// Fetch a series and open it.
    Fetch {
        /// Its study.
        study: Uid,
        /// It.
        series: Uid,
    },
    /// Store the labels.
    Store,
    /// Ask whether the server answers.
    Test,
    /// Stop what runs.
    Stop,
    /// The password or token so far, and whether the key ring is to keep it.
    Typing(Typed, bool),
    /// It is complete.
    LogIn,
    /// Settings of a server so far; `None`: no more.
    Draft(Option<Box<ServerDraft>>),
    /// They are complete.
    SaveServer,
    /// Forget a server.
    RemoveServer(String),
}

/// Everything widgets can ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// A command without data.
    Ui(UiCommand),
    /// Open a path, or one of the images that it holds.
    Open {
        /// File or folder.
        path: PathBuf,
        /// Which image of it.
        selection: Selection,
    },
    /// Of the slide that a part is chosen of: this page, and this part of it, or all.
    Part(Selection),
    /// Look at several pictures one after the other.
    OpenPictures(Vec<PathBuf>),
    /// Work on a flat picture.
    Photo(PhotoAction),
    /// Measure.
    Measure(MeasureAction),
    /// Work on a worklist.
    Worklist(WorklistAction),
    /// Work that was kept without a project.
    Kept(KeptAction),
    /// Search, fetch and store on servers.
    Remote(RemoteAction),
    /// Teach the model of the worklist.
    Teach(TeachAction),
    /// See where the network looked.
    Inspect(InspectAction),
    /// Open a project.
    OpenProject(OpenProject),
    /// Make a project of this folder.
    SaveProject(PathBuf),
    /// Ask where the image of a project lies now.
    AskImage(ImageProblem),
    /// Take the labels of this file over.
    ImportMask(PathBuf),
    /// Save the mask there.
    SaveTo(PathBuf),
    /// Write the surfaces of the labels there.
    ExportSurface(PathBuf),
    /// Write the picture that was taken there.
    SavePicture(PathBuf),
    /// Copy DICOM files without names.
    Deidentify(DeidentifyAction),
    /// Look.
    View(ViewAction),
    /// Edit.
    Segment(SegmentAction),
    /// Draw outlines and plan operations.
    Edit(EditAction),
    /// Use another device.
    Device(DeviceChoice),
    /// Let another model answer clicks; `None`: the program's own choice.
    Model(Option<String>),
    /// Change the settings.
    Settings(Box<Settings>),
    /// Change keys.
    Keys(KeysAction),
    /// Text of the palette.
    PaletteText(String),
    /// Close whatever dialog is in front.
    CloseDialog,
    /// Remove a message.
    Dismiss(u64),
    /// Leave and drop the work, after the guard has asked.
    Discard,
    /// Leave without a mask file; the work waits until the image is opened again.
    KeepForLater,
    /// Save, then do what the guard held back.
    SaveThenContinue,
    /// Take back what an earlier session left.
    Recover(bool),
}

/// Work that was kept without a project; each by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptAction {
    /// Go on with it.
    Open(String),
    /// Ask whether it shall be deleted.
    AskDelete(String),
    /// It shall not.
    Keep,
    /// It shall.
    Delete,
}

impl Action {
    /// Open a path as it is shown when nobody chose.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        Self::Open { path: path.into(), selection: Selection::default() }
    }
}

impl From<KeptAction> for Action {
    fn from(action: KeptAction) -> Self {
        Self::Kept(action)
    }
}

/// Copying DICOM files without names.
#[derive(Clone, Debug, PartialEq)]
pub enum DeidentifyAction {
    /// Choose options.
    Choose(DeidentifyChoice),
    /// Ask where the copies go.
    AskTarget,
    /// Copy there.
    Into(PathBuf),
    /// Stop copying.
    Stop,
}

impl From<DeidentifyAction> for Action {
    fn from(action: DeidentifyAction) -> Self {
        Self::Deidentify(action)
    }
}

impl From<UiCommand> for Action {
    fn from(command: UiCommand) -> Self {
        Self::Ui(command)
    }
}

impl From<ViewAction> for Action {
    fn from(action: ViewAction) -> Self {
        Self::View(action)
    }
}

impl From<SegmentAction> for Action {
    fn from(action: SegmentAction) -> Self {
        Self::Segment(action)
    }
}

impl From<EditAction> for Action {
    fn from(action: EditAction) -> Self {
        Self::Edit(action)
    }
}

impl From<MeasureAction> for Action {
    fn from(action: MeasureAction) -> Self {
        Self::Measure(action)
    }
}

impl From<WorklistAction> for Action {
    fn from(action: WorklistAction) -> Self {
        Self::Worklist(action)
    }
}

impl From<TeachAction> for Action {
    fn from(action: TeachAction) -> Self {
        Self::Teach(action)
    }
}

impl From<RemoteAction> for Action {
    fn from(action: RemoteAction) -> Self {
        Self::Remote(action)
    }
}

impl From<InspectAction> for Action {
    fn from(action: InspectAction) -> Self {
        Self::Inspect(action)
    }
}

impl From<KeysAction> for Action {
    fn from(action: KeysAction) -> Self {
        Self::Keys(action)
    }
}

impl From<PhotoAction> for Action {
    fn from(action: PhotoAction) -> Self {
        Self::Photo(action)
    }
}

/// Collects what widgets ask for during a frame.
#[derive(Debug, Default)]
pub struct Actions(RefCell<Vec<Action>>);

impl Actions {
    /// Asks for something.
    pub fn send(&self, action: impl Into<Action>) {
        self.0.borrow_mut().push(action.into());
    }

    /// Everything asked for, in order.
    pub fn take(&self) -> Vec<Action> {
        self.0.take()
    }
}
