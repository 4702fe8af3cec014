//! Tools that change labels: their options, and what is under way.

use std::time::Instant;

use hilum_core::edit::{
    EditRule, FillScope, IslandRule, Logic, MAX_DISTANCE_MM, MAX_EDGE, MAX_SMOOTH_MM, Operation, Shell,
};
use hilum_core::geometry::WorldPoint;
use hilum_core::job::CancelToken;
use hilum_core::paint::{CutPlane, IntensityRange, MAX_SPREAD};
use nalgebra::Vector3;
use serde::{Deserialize, Serialize};

use super::{Session, ViewId};
use crate::viewport::slice_axis;

/// An operation with a preview, as a tool in the hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OperationKind {
    /// Grow along the image.
    Grow,
    /// Fill what was clicked.
    Fill,
    /// Fill holes.
    Holes,
    /// Fill between slices.
    Between,
    /// Keep, remove or split islands.
    Islands,
    /// Median smoothing.
    Median,
    /// Joint smoothing.
    SmoothAll,
    /// Grow or shrink by a margin.
    Margin,
    /// Leave a shell.
    Hollow,
    /// Combine two labels.
    Logic,
}

/// What becomes of islands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IslandChoice {
    /// Keep the largest.
    #[default]
    KeepLargest,
    /// Keep the one that is clicked.
    KeepClicked,
    /// Remove the small ones.
    RemoveSmall,
    /// A label for each.
    Split,
}

impl IslandChoice {
    /// All of them with their names.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::KeepLargest, "Keep largest"),
        (Self::KeepClicked, "Keep clicked"),
        (Self::RemoveSmall, "Remove small"),
        (Self::Split, "Split into labels"),
    ];
}

/// Where holes are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HoleChoice {
    /// In the slice that is shown.
    Slice,
    /// In every slice on its own.
    EverySlice,
    /// In three dimensions.
    #[default]
    Volume,
}

impl HoleChoice {
    /// All of them with their names.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Slice, "This slice"), (Self::EverySlice, "Every slice"), (Self::Volume, "3-D")];
}

/// Options of the tools that change labels. Those that belong to the hand are kept in the settings, those that belong
/// to the case in its project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EditOptions {
    /// Values that the threshold brush takes; none until the brush is first taken.
    #[serde(skip)]
    pub threshold: Option<IntensityRange>,
    /// Standard deviations that the adaptive brush takes.
    pub spread: f32,
    /// Values that any edit may change, while `is_within` holds.
    #[serde(skip)]
    pub within: Option<IntensityRange>,
    /// Whether only these values may change.
    #[serde(skip)]
    pub is_within: bool,
    /// Plane of operations that work by slices.
    #[serde(skip)]
    pub plane: ViewId,
    /// How far to grow along the image, in mm.
    pub grow_mm: f64,
    /// How strongly the image holds back.
    pub edge: f64,
    /// Fill in three dimensions, not only in the slice.
    pub fill_volume: bool,
    /// Fill only values near the clicked one.
    pub is_tolerant: bool,
    /// How near.
    pub tolerance: f32,
    /// Where holes are looked for.
    pub holes: HoleChoice,
    /// What becomes of islands.
    pub islands: IslandChoice,
    /// Smaller islands go, in mm³.
    pub island_mm3: f64,
    /// Radius of the median in mm.
    pub median_mm: f64,
    /// Standard deviation of joint smoothing in mm.
    pub sigma_mm: f64,
    /// Margin in mm.
    pub margin_mm: f64,
    /// The margin is taken off.
    pub shrink: bool,
    /// Thickness of a shell in mm.
    pub hollow_mm: f64,
    /// Where the shell lies.
    pub shell: Shell,
    /// How labels are combined.
    pub logic: Logic,
    /// With which other label.
    #[serde(skip)]
    pub other: Option<u16>,
    /// Margin around the other label in mm.
    pub logic_margin_mm: f64,
}

impl Default for EditOptions {
    fn default() -> Self {
        Self {
            threshold: None,
            spread: 2.5,
            within: None,
            is_within: false,
            plane: ViewId::PLANES[0],
            grow_mm: 5.0,
            edge: 1.0,
            fill_volume: false,
            is_tolerant: false,
            tolerance: 50.0,
            holes: HoleChoice::default(),
            islands: IslandChoice::default(),
            island_mm3: 100.0,
            median_mm: 2.0,
            sigma_mm: 1.5,
            margin_mm: 3.0,
            shrink: false,
            hollow_mm: 2.0,
            shell: Shell::default(),
            logic: Logic::default(),
            other: None,
            logic_margin_mm: 0.0,
        }
    }
}

impl EditOptions {
    /// The same with every number in its range; a settings file may have been edited by hand.
    #[must_use]
    pub fn sane(mut self) -> Self {
        fn within<T: PartialOrd + Copy>(value: &mut T, low: T, high: T, default: T) {
            // Neither does a value that is no number lie in the range.
            if !(*value >= low && *value <= high) {
                *value = default;
            }
        }
        let default = Self::default();
        within(&mut self.spread, 0.1, MAX_SPREAD, default.spread);
        within(&mut self.tolerance, 0.0, f32::MAX, default.tolerance);
        within(&mut self.edge, 0.0, MAX_EDGE, default.edge);
        within(&mut self.grow_mm, 0.1, MAX_DISTANCE_MM, default.grow_mm);
        within(&mut self.island_mm3, 0.1, f64::MAX, default.island_mm3);
        within(&mut self.median_mm, 0.1, MAX_SMOOTH_MM, default.median_mm);
        within(&mut self.sigma_mm, 0.1, MAX_SMOOTH_MM, default.sigma_mm);
        within(&mut self.margin_mm, 0.1, MAX_DISTANCE_MM, default.margin_mm);
        within(&mut self.hollow_mm, 0.1, MAX_DISTANCE_MM, default.hollow_mm);
        within(&mut self.logic_margin_mm, 0.0, MAX_DISTANCE_MM, default.logic_margin_mm);
        self
    }

    /// Drops what belongs to the image that was open: values and another label.
    pub fn forget_case(&mut self) {
        (self.threshold, self.within, self.is_within, self.other) = (None, None, false, None);
    }

    /// The other label of a combination: the one chosen if it is still there, else the first that is not active.
    pub fn other_label(&self, session: &Session) -> Option<u16> {
        let table = session.document.table();
        let others = || table.entries().iter().map(|entry| entry.id).filter(|id| *id != table.active());
        self.other.filter(|other| others().any(|id| id == *other)).or_else(|| others().next())
    }

    /// The operation as the options say; `None` while it lacks a click or another label.
    pub fn operation(&self, kind: OperationKind, session: &Session) -> Option<Operation> {
        let shown = slice_of(session, self.plane);
        Some(match kind {
            OperationKind::Grow => Operation::Grow { limit_mm: self.grow_mm, edge: self.edge },
            OperationKind::Fill => {
                let Seed { voxel: seed, slice } = session.editing.seed?;
                let scope = if self.fill_volume { FillScope::Volume } else { slice.scope() };
                Operation::FillRegion { seed, scope, tolerance: self.is_tolerant.then_some(self.tolerance) }
            }
            OperationKind::Holes => Operation::FillHoles(match self.holes {
                HoleChoice::Slice => shown.scope(),
                HoleChoice::EverySlice => shown.every_scope(session),
                HoleChoice::Volume if session.views.is_flat() => shown.every_scope(session),
                HoleChoice::Volume => FillScope::Volume,
            }),
            OperationKind::Between => match shown {
                ShownSlice::OfFile { axis, .. } => Operation::FillBetween { axis },
                ShownSlice::Turned(plane) => Operation::FillBetweenPlanes { normal: plane.normal },
            },
            OperationKind::Islands => Operation::Islands(match self.islands {
                IslandChoice::KeepLargest => IslandRule::KeepLargest,
                IslandChoice::KeepClicked => IslandRule::KeepAt(session.editing.seed?.voxel),
                IslandChoice::RemoveSmall => IslandRule::RemoveSmall { volume_mm3: self.island_mm3 },
                IslandChoice::Split => IslandRule::Split,
            }),
            OperationKind::Median => Operation::Median { radius_mm: self.median_mm },
            OperationKind::SmoothAll => Operation::SmoothAll { sigma_mm: self.sigma_mm },
            OperationKind::Margin => {
                Operation::Margin { distance_mm: if self.shrink { -self.margin_mm } else { self.margin_mm } }
            }
            OperationKind::Hollow => Operation::Hollow { thickness_mm: self.hollow_mm, shell: self.shell },
            OperationKind::Logic => Operation::Logic {
                logic: self.logic,
                other: match self.logic {
                    Logic::Invert => 0,
                    _ => self.other_label(session)?,
                },
                margin_mm: self.logic_margin_mm,
            },
        })
    }

    /// Whether the operation waits for clicks.
    pub fn needs_click(&self, kind: OperationKind) -> bool {
        kind == OperationKind::Fill
            || (kind == OperationKind::Islands && self.islands == IslandChoice::KeepClicked)
    }
}

/// What of the image a view cuts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ShownSlice {
    /// A slice of the file.
    OfFile {
        /// The voxel axis across it.
        axis: usize,
        /// Its index, from 0.
        slice: usize,
    },
    /// The voxels that a plane oblique to them cuts.
    Turned(CutPlane),
}

impl ShownSlice {
    /// For filling in this slice.
    fn scope(self) -> FillScope {
        match self {
            Self::OfFile { axis, slice } => FillScope::Slice { axis, slice },
            Self::Turned(plane) => FillScope::Plane(plane),
        }
    }

    /// For filling in all slices of this kind; they do not move with the crosshair.
    fn every_scope(self, session: &Session) -> FillScope {
        match self {
            Self::OfFile { axis, .. } => FillScope::EverySlice { axis },
            Self::Turned(plane) => {
                let point = session.volume().grid().center_world();
                FillScope::EveryPlane(CutPlane { point, ..plane })
            }
        }
    }
}

/// What a view cuts at the crosshair.
pub fn slice_of(session: &Session, view: ViewId) -> ShownSlice {
    slice_at(session, view, session.views.crosshair)
}

/// What a plane of a view through a place cuts.
pub fn slice_at(session: &Session, view: ViewId, at: WorldPoint) -> ShownSlice {
    let (grid, into) = (session.volume().grid(), session.views.axes(view).into);
    let of_file = |axis: usize, slice: i64| ShownSlice::OfFile {
        axis,
        slice: slice.clamp(0, grid.dims()[axis] as i64 - 1) as usize,
    };
    match CutPlane::new(at, into) {
        Some(plane) if !session.views.is_flat() => match plane.aligned(grid) {
            Some((axis, slice)) => of_file(axis, slice),
            None => ShownSlice::Turned(plane),
        },
        _ => of_file(slice_axis(grid, into), 0),
    }
}

/// A click of an operation that needs one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seed {
    /// The voxel.
    pub voxel: [usize; 3],
    /// What the view showed.
    pub slice: ShownSlice,
}

/// An outline being drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Where it is drawn.
    pub view: ViewId,
    /// Normal of its plane.
    pub normal_world: Vector3<f64>,
    /// Its corners.
    pub vertices: Vec<WorldPoint>,
}

impl Draft {
    /// Whether it encloses something.
    pub fn can_close(&self) -> bool {
        self.vertices.len() >= 3
    }
}

/// An operation that is being planned.
#[derive(Clone, Debug)]
pub struct RunningOperation {
    /// Which request.
    pub request: u64,
    /// When it was asked.
    pub since: Instant,
    /// What it is doing.
    pub what: String,
    /// Share done, where known.
    pub share: Option<f32>,
    /// Stops it.
    pub cancel: CancelToken,
}

/// Everything that a plan depends on beside the voxels.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The operation.
    pub operation: Operation,
    /// What may change.
    pub rule: EditRule,
    /// The label it works on.
    pub label: u16,
}

/// Edits that are under way in a session.
#[derive(Clone, Debug, Default)]
pub struct Editing {
    /// The outline being drawn.
    pub draft: Option<Draft>,
    /// The last click of an operation that needs one.
    pub seed: Option<Seed>,
    /// The operation being planned.
    pub running: Option<RunningOperation>,
    /// What was asked for last, and the state of the labels then.
    pub asked: Option<(Plan, u64)>,
    /// What was applied last: it is not previewed again by itself.
    pub applied: Option<Plan>,
    /// Why there is no preview.
    pub note: Option<String>,
    /// A walk through the history that takes longer than a frame.
    pub walk: Option<Walk>,
}

/// A walk through the history under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Number of the request.
    pub request: u64,
    /// Where it leads: so many of the known steps applied.
    pub position: usize,
}

impl Editing {
    /// Stops planning.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.cancel.cancel();
        }
    }
}
