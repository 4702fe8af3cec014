//! What can be asked of a document, and what comes of it.

use nalgebra::{Point3, Vector3};

use crate::edit::Change;
use crate::geometry::VoxelBox;
use crate::io::LabelName;
use crate::label::{BoxMask, LabelMap, LookChange, TableError};
use crate::paint::{BrushFilter, BrushShape, IntensityRange, MAX_SPREAD, MAX_VERTICES};
use crate::patch::{DrawOver, LabelPatch, PatchError};
use crate::prompt::Click;
use crate::ruler::RulerShape;

use super::{Arrival, Foreseen, StateError};

/// What a stroke does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrokeTool {
    /// Gives voxels the active label.
    Brush,
    /// Takes the active label from voxels; other labels stay.
    Eraser,
    /// Takes any label that is not locked from voxels.
    EraseAll,
    /// Gives voxels of one label another one; everything else stays, so that a part never leaves its whole.
    Relabel {
        /// Label of the voxels that change.
        from: u16,
        /// The label they get.
        to: u16,
    },
}

impl StrokeTool {
    /// Name of the step in the history.
    pub fn step_name(self) -> &'static str {
        match self {
            Self::Brush => "Brush",
            Self::Eraser => "Eraser",
            Self::EraseAll => "Erase all labels",
            Self::Relabel { .. } => "Relabel",
        }
    }
}

/// What a label that comes with a mask is called, and its colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLabel {
    /// Value in the mask.
    pub id: u16,
    /// Its name.
    pub name: String,
    /// Red, green, blue (sRGB); without, the label keeps the colour that it has or gets that of its value. A label that
    /// is called so already keeps its own.
    pub color: Option<[u8; 3]>,
}

impl NewLabel {
    /// A label with a name and no colour of its own.
    pub fn named(id: u16, name: impl Into<String>) -> Self {
        Self { id, name: name.into(), color: None }
    }
}

impl From<LabelName> for NewLabel {
    fn from(label: LabelName) -> Self {
        Self { id: label.value, name: label.name, color: Some(label.color) }
    }
}

/// A request to change a document; the only way to change one.
#[derive(Clone, Debug)]
pub enum EditCommand {
    /// Adds a click to the object being segmented. Step "Add point".
    AddClick(Click),
    /// Takes the last click back. Step "Remove point".
    RemoveLastClick,
    /// Takes all clicks back. Step "Clear points".
    ClearClicks,
    /// Shows a proposal for the object; no step.
    SetPreview(BoxMask),
    /// Writes the proposal into the active label and clears the clicks: one step, "Segment lesion".
    AcceptPreview,
    /// Drops the proposal and, as step "Discard points", its clicks.
    RejectPreview,
    /// Starts a stroke into the active label. Changes nothing by itself.
    BeginStroke {
        /// What the stroke does.
        tool: StrokeTool,
        /// Footprint.
        shape: BrushShape,
        /// Radius in mm, above 0.
        radius_mm: f64,
    },
    /// Paints along a straight line between two pointer positions (LPS mm); equal ones make a dab.
    StrokeTo {
        /// Where the pointer was; a disc lies in the plane through it.
        from: Point3<f64>,
        /// Where the pointer is.
        to: Point3<f64>,
    },
    /// Makes the stroke one step, "Brush" or "Eraser". A stroke that changed nothing is no step.
    EndStroke,
    /// Takes the stroke back.
    CancelStroke,
    /// Paints or erases what a closed outline in a plane encloses (see [`polygon`](crate::paint::polygon)): one
    /// step of that name, "Cut" with it for the eraser.
    DrawPolygon {
        /// Name of the step.
        name: String,
        /// What is done to the voxels inside.
        tool: StrokeTool,
        /// Normal of the plane in world space.
        normal_world: Vector3<f64>,
        /// Corners in LPS mm; the first one lies in the plane.
        vertices: Vec<Point3<f64>>,
    },
    /// Shows what an operation would change, in place of an earlier one. Changes nothing by itself.
    StageChange(Box<Change>),
    /// Makes the staged change: one step of its name.
    ApplyChange,
    /// Drops the staged change.
    DropChange,
    /// Which voxels under the brush strokes take from now on; neither saved nor a step. The eraser takes all.
    SetBrushFilter(BrushFilter),
    /// Only voxels with values in this range may change; neither saved nor a step.
    SetDrawWithin(Option<IntensityRange>),
    /// Gives a label to all voxels of a mask (0 erases): one step of that name.
    WriteMask {
        /// Name of the step.
        name: String,
        /// The voxels.
        mask: BoxMask,
        /// The label they get.
        label: u16,
    },
    /// Replaces all labels that are not locked, for example by those of a file: one step of that name. Labels
    /// that the table lacks are added.
    ReplaceLabels {
        /// Name of the step, such as "Import mask".
        name: String,
        /// The new labels, on the image's grid.
        labels: LabelMap,
        /// What labels are called. A label that has voxels already keeps its name and its colour.
        names: Vec<NewLabel>,
    },
    /// Adds a label with the next free number and colour and makes it active. Step "Add label".
    AddLabel {
        /// Its name; "Label N" without.
        name: Option<String>,
    },
    /// Makes the voxels of a label background. Step "Clear label".
    ClearLabel(u16),
    /// Removes a label with its voxels. Step "Remove label".
    RemoveLabel(u16),
    /// Step "Rename label"; renaming again at once is the same step.
    RenameLabel {
        /// The label.
        id: u16,
        /// Its new name.
        name: String,
    },
    /// Step "Recolor label"; recolouring again at once is the same step.
    SetColor {
        /// The label.
        id: u16,
        /// Red, green, blue (sRGB).
        color: [u8; 3],
    },
    /// Visibility, opacity, protection, active label: saved, but no step (see [`LookChange`]).
    Look(LookChange),
    /// Which voxels edits may change; neither saved nor a step.
    SetDrawOver(DrawOver),
    /// Keeps a distance or an angle. Step "Add distance" or "Add angle".
    AddRuler(RulerShape),
    /// Removes a distance or an angle by its number. Step "Remove distance" or "Remove angle".
    RemoveRuler(u32),
    /// Removes all distances and angles. Step "Remove all rulers".
    ClearRulers,
    /// Takes the last step back.
    Undo,
    /// Makes the step again that was taken back.
    Redo,
    /// Undoes or redoes until so many of the known steps are applied.
    GoTo(usize),
    /// Undoes or redoes as far as a [`Journey`](super::Journey) went, with the labels that it found.
    Arrive(Box<Arrival>),
    /// Makes the step that a command led to beside the document (see [`Document::ahead`](super::Document::ahead)).
    Foreseen(Box<Foreseen>),
}

/// What a command changed, so that only this is drawn and computed again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Box around the voxels whose labels or preview changed; empty if none did.
    pub dirty: VoxelBox,
    /// Labels of voxels changed.
    pub labels_changed: bool,
    /// The table of labels changed.
    pub table_changed: bool,
    /// Clicks changed: a new proposal is due, or none any more.
    pub prompts_changed: bool,
    /// The proposal changed.
    pub preview_changed: bool,
    /// Distances or angles changed.
    pub rulers_changed: bool,
    /// Steps of the history, or the position in it, changed.
    pub history_changed: bool,
}

impl Effects {
    /// Both effects together.
    pub fn and(self, other: Self) -> Self {
        Self {
            dirty: self.dirty.union(&other.dirty),
            labels_changed: self.labels_changed || other.labels_changed,
            table_changed: self.table_changed || other.table_changed,
            prompts_changed: self.prompts_changed || other.prompts_changed,
            preview_changed: self.preview_changed || other.preview_changed,
            rulers_changed: self.rulers_changed || other.rulers_changed,
            history_changed: self.history_changed || other.history_changed,
        }
    }

    /// Whether nothing changed.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn of_labels(patch: &LabelPatch) -> Self {
        Self { dirty: patch.bounds(), labels_changed: !patch.is_empty(), ..Self::default() }
    }

    pub(super) fn of_preview(region: VoxelBox) -> Self {
        Self { dirty: region, preview_changed: true, ..Self::default() }
    }

    pub(super) fn with_history(self) -> Self {
        Self { history_changed: true, ..self }
    }
}

/// Why a document refuses a command. It is then as it was before.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EditError {
    /// A click beside the image.
    #[error("the click at voxel {voxel:?} lies outside the image of {dims:?} voxels")]
    ClickOutside {
        /// The voxel clicked.
        voxel: [usize; 3],
        /// Voxels of the image along x, y, z.
        dims: [usize; 3],
    },
    /// No click to take back.
    #[error("there is no point to remove")]
    NoClick,
    /// Nothing proposed.
    #[error("there is no proposal to accept; click into the object first")]
    NoPreview,
    /// A proposal without voxels.
    #[error("the proposal is empty; click again, nearer to the middle of the object")]
    EmptyPreview,
    /// The label must not change.
    #[error("label {id} ({name}) is locked; unlock it in the list of labels or choose another one")]
    Locked {
        /// The label.
        id: u16,
        /// Its name.
        name: String,
    },
    /// Every voxel concerned is protected.
    #[error("nothing was changed: all of these voxels are protected by locked labels or the draw-over rule")]
    Protected,
    /// A radius that is no radius.
    #[error("the brush radius of {radius_mm} mm is not above 0 and at most {max_mm} mm")]
    Radius {
        /// The radius asked for.
        radius_mm: f64,
        /// The largest allowed.
        max_mm: f64,
    },
    /// A filter that takes nothing or everything.
    #[error(
        "the brush needs a range from a lower to a higher value, or a spread above 0 and at most {MAX_SPREAD}"
    )]
    Filter,
    /// An outline that encloses nothing.
    #[error(
        "the outline needs 3 to {MAX_VERTICES} corners around at least one voxel; this one has {corners}"
    )]
    Outline {
        /// Its corners.
        corners: usize,
    },
    /// No operation planned.
    #[error("no change is waiting to be applied")]
    NoChange,
    /// The labels have changed since the operation was planned.
    #[error("the labels have changed since this preview was made; preview the operation again")]
    StaleChange,
    /// A disc without a plane.
    #[error("the plane of the brush has no direction")]
    Plane,
    /// Painting without a stroke.
    #[error("no stroke has begun")]
    NoStroke,
    /// Labels on other voxels than the image's.
    #[error("the mask has {found:?} voxels at other places than the image's {expected:?}; resample it first")]
    Grid {
        /// Voxels of the mask.
        found: [usize; 3],
        /// Voxels of the image.
        expected: [usize; 3],
    },
    /// No such distance or angle.
    #[error("there is no distance or angle with the number {id}")]
    NoRuler {
        /// The number asked for.
        id: u32,
    },
    /// A distance or angle between points that lie on each other, or nowhere.
    #[error("a distance needs two different points and an angle three")]
    Ruler,
    /// Nothing to undo.
    #[error("there is nothing to undo")]
    NothingToUndo,
    /// Nothing to redo.
    #[error("there is nothing to redo")]
    NothingToRedo,
    /// A change of the table is refused.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A change of labels is refused.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// The state refuses a record.
    #[error(transparent)]
    State(#[from] StateError),
}
