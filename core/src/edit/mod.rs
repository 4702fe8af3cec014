//! Operations on labels that are not strokes: margins, islands, smoothing, growing, filling, logic.
//!
//! An [`Operation`] looks at an [`EditBasis`], a snapshot of a document, and plans a [`Change`]: which voxels would
//! get which label under the draw-over rule and the locks. Nothing is changed until a document is asked to make the
//! change one step, so that a change can be planned on another thread, looked at and dropped.
//!
//! Distances are Euclidean between voxel centres in mm, with the voxel spacing of every axis; a sheared grid counts
//! as rectangular. The border of the image is no border of a label: nothing shrinks from there.

mod between;
mod between_planes;
mod change;
mod fill;
mod geodesic;
mod islands;
mod joint;
mod logic;
mod margin;
mod median;
mod shape;
mod slice;

pub use change::{Change, EditBasis, EditRule};
pub(crate) use change::{Given, LARGE_VOXELS};
pub use fill::FillScope;
pub use islands::{IslandRule, MAX_SPLIT};
pub use logic::Logic;
pub use margin::Shell;

use nalgebra::Vector3;

use crate::job::{Cancelled, Observer};
use crate::label::{BoxMask, TableError};
use crate::paint::CutPlane;
use crate::patch::PatchError;

/// Largest margin, thickness or growth in mm.
pub const MAX_DISTANCE_MM: f64 = 200.0;
/// Largest radius or standard deviation of smoothing in mm.
pub const MAX_SMOOTH_MM: f64 = 25.0;
/// Largest [`Operation::Grow::edge`].
pub const MAX_EDGE: f64 = 100.0;

/// An operation on the active label, [`Operation::SmoothAll`] on all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// Grows to where a way from the label, measured in mm and made longer by values unlike the label's, ends.
    Grow {
        /// How far in mm, above 0.
        limit_mm: f64,
        /// How strongly the image holds back: the way through values one standard deviation off the label's mean is
        /// `1 + edge` times as long. 0 grows evenly.
        edge: f64,
    },
    /// Fills what the label encloses.
    FillHoles(FillScope),
    /// Fills what hangs together with a voxel: the same label, and a value near that of the voxel.
    FillRegion {
        /// The voxel.
        seed: [usize; 3],
        /// Within a slice or everywhere.
        scope: FillScope,
        /// Largest difference from the value of the seed; any without it.
        tolerance: Option<f32>,
    },
    /// Fills between labelled slices with shapes in between.
    FillBetween {
        /// Voxel axis across the slices: 0 = x, 1 = y, 2 = z.
        axis: usize,
    },
    /// Fills between labelled slices that are oblique to the grid.
    FillBetweenPlanes {
        /// Normal of the slices, in world space.
        normal: Vector3<f64>,
    },
    /// Works on connected parts.
    Islands(IslandRule),
    /// Every voxel follows the majority of a ball around it.
    Median {
        /// Radius of the ball in mm.
        radius_mm: f64,
    },
    /// Smooths all labels together, without gaps or overlaps.
    SmoothAll {
        /// Standard deviation of the Gaussian in mm.
        sigma_mm: f64,
    },
    /// Grows by a distance, or shrinks by a negative one.
    Margin {
        /// Distance in mm, not 0.
        distance_mm: f64,
    },
    /// Leaves a shell, at least one voxel thick.
    Hollow {
        /// Thickness of the shell in mm.
        thickness_mm: f64,
        /// Where the shell lies.
        shell: Shell,
    },
    /// Joins the label with another one.
    Logic {
        /// How.
        logic: Logic,
        /// The other label; ignored by [`Logic::Invert`].
        other: u16,
        /// The other label is first grown by so many mm.
        margin_mm: f64,
    },
    /// The label in one slice becomes as it is in another.
    CopySlice {
        /// Voxel axis across the slices.
        axis: usize,
        /// The slice copied.
        from: usize,
        /// The slice that changes.
        to: usize,
    },
    /// The label in the slice of one plane becomes as it is in that of a parallel one; for planes oblique to the grid.
    CopyPlane {
        /// The plane copied.
        plane: CutPlane,
        /// How many slices further along its normal the plane lies that changes.
        slices: f64,
    },
}

/// Why an operation cannot be carried out.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OperationError {
    /// It was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// No voxel to begin with.
    #[error("label {id} ({name}) has no voxels; paint some first or choose another label")]
    EmptyLabel {
        /// The label.
        id: u16,
        /// Its name.
        name: String,
    },
    /// A number out of range.
    #[error("{what} of {value} is not above {low} and at most {high}")]
    Parameter {
        /// What it is.
        what: &'static str,
        /// What was asked for.
        value: f64,
        /// Where it must be above.
        low: f64,
        /// What it may be at most.
        high: f64,
    },
    /// A voxel beside the image, or without the label.
    #[error("voxel {voxel:?} is not {expected}; click again")]
    Seed {
        /// The voxel.
        voxel: [usize; 3],
        /// What it should be.
        expected: &'static str,
    },
    /// An axis or slice that does not exist.
    #[error("there is no slice {slice} along axis {axis}")]
    Slice {
        /// Axis asked for.
        axis: usize,
        /// Slice asked for, counted from 0.
        slice: usize,
    },
    /// A plane without direction or place.
    #[error("the plane has no direction; put the planes back and turn them again")]
    Plane,
    /// Nothing lies between slices.
    #[error(
        "no empty slices lie between labelled ones; draw the label in two slices with a gap between them"
    )]
    NoGap,
    /// Too many parts to become labels.
    #[error("the label has {found} islands, at most {MAX_SPLIT} can become labels; remove small ones first")]
    TooManyIslands {
        /// How many.
        found: usize,
    },
    /// The other label is the active one.
    #[error("choose another label than the active one")]
    SameLabel,
    /// Nothing would change.
    #[error("nothing would change")]
    Nothing,
    /// Every change is forbidden.
    #[error("nothing may change here: locked labels or the draw-over rule protect all of these voxels")]
    Protected,
    /// The label must not change.
    #[error("label {id} ({name}) is locked; unlock it in the list of labels or choose another one")]
    Locked {
        /// The label.
        id: u16,
        /// Its name.
        name: String,
    },
    /// A label cannot be added.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A label map and a mask do not fit.
    #[error(transparent)]
    Patch(#[from] PatchError),
}

impl Operation {
    /// Name of the step in the history.
    pub fn step_name(&self) -> &'static str {
        match self {
            Self::Grow { .. } => "Grow",
            Self::FillHoles(_) => "Fill holes",
            Self::FillRegion { .. } => "Fill region",
            Self::FillBetween { .. } | Self::FillBetweenPlanes { .. } => "Fill between slices",
            Self::Islands(rule) => rule.step_name(),
            Self::Median { .. } => "Median smoothing",
            Self::SmoothAll { .. } => "Joint smoothing",
            Self::Margin { distance_mm } if *distance_mm < 0.0 => "Shrink margin",
            Self::Margin { .. } => "Grow margin",
            Self::Hollow { .. } => "Hollow",
            Self::Logic { logic, .. } => logic.step_name(),
            Self::CopySlice { .. } | Self::CopyPlane { .. } => "Copy slice",
        }
    }

    /// What the operation would change. It takes a while on large labels; the observer is asked at least every
    /// slice whether to go on.
    ///
    /// # Errors
    /// [`OperationError`] with what to do, also where nothing would change.
    pub fn plan(&self, basis: &EditBasis, observer: &dyn Observer) -> Result<Change, OperationError> {
        self.plan_patch(basis, observer)?.with_outcome(basis)
    }

    fn plan_patch(&self, basis: &EditBasis, observer: &dyn Observer) -> Result<Change, OperationError> {
        self.check()?;
        if !matches!(self, Self::SmoothAll { .. }) {
            basis.check_active()?;
        }
        let name = self.step_name();
        let mask = match *self {
            Self::Grow { limit_mm, edge } => geodesic::grow(basis, limit_mm, edge, observer)?,
            Self::FillHoles(scope) => fill::holes(basis, scope, observer)?,
            Self::FillRegion { seed, scope, tolerance } => {
                fill::region(basis, seed, scope, tolerance, observer)?
            }
            Self::FillBetween { axis } => between::fill(basis, axis, observer)?,
            Self::FillBetweenPlanes { normal } => between_planes::fill(basis, normal, observer)?,
            Self::Islands(IslandRule::Split) => return islands::split(basis, name),
            Self::Islands(rule) => islands::keep(basis, rule)?,
            Self::Median { radius_mm } => median::smooth(basis, radius_mm, observer)?,
            Self::SmoothAll { sigma_mm } => return joint::smooth(basis, sigma_mm, name, observer),
            Self::Margin { distance_mm } => margin::margin(basis, distance_mm, observer)?,
            Self::Hollow { thickness_mm, shell } => margin::hollow(basis, thickness_mm, shell, observer)?,
            Self::Logic { logic, other, margin_mm } => {
                logic::combine(basis, logic, other, margin_mm, observer)?
            }
            Self::CopySlice { axis, from, to } => slice::copy(basis, axis, from, to)?,
            Self::CopyPlane { plane, slices } => slice::copy_plane(basis, &plane, slices)?,
        };
        Change::of_mask(basis, name, &mask)
    }

    /// The plane that it works on.
    fn plane(&self) -> Option<CutPlane> {
        match *self {
            Self::CopyPlane { plane, .. } => Some(plane),
            Self::FillHoles(scope) | Self::FillRegion { scope, .. } => match scope {
                FillScope::Plane(plane) | FillScope::EveryPlane(plane) => Some(plane),
                _ => None,
            },
            _ => None,
        }
    }

    fn check(&self) -> Result<(), OperationError> {
        if self.plane().is_some_and(|plane| CutPlane::new(plane.point, plane.normal).is_none()) {
            return Err(OperationError::Plane);
        }
        let within = |what, value: f64, low: f64, high: f64| {
            let fits = value > low && value <= high;
            if fits { Ok(()) } else { Err(OperationError::Parameter { what, value, low, high }) }
        };
        match *self {
            Self::Grow { limit_mm, edge } => {
                within("a growth in mm", limit_mm, 0.0, MAX_DISTANCE_MM)?;
                within("an edge strength", edge, -f64::MIN_POSITIVE, MAX_EDGE)
            }
            Self::Median { radius_mm } => within("a radius in mm", radius_mm, 0.0, MAX_SMOOTH_MM),
            Self::SmoothAll { sigma_mm } => {
                within("a standard deviation in mm", sigma_mm, 0.0, MAX_SMOOTH_MM)
            }
            Self::Margin { distance_mm } => within("a margin in mm", distance_mm.abs(), 0.0, MAX_DISTANCE_MM),
            Self::Hollow { thickness_mm, .. } => {
                within("a thickness in mm", thickness_mm, 0.0, MAX_DISTANCE_MM)
            }
            Self::Logic { margin_mm, .. } => {
                within("a margin in mm", margin_mm, -f64::MIN_POSITIVE, MAX_DISTANCE_MM)
            }
            Self::Islands(IslandRule::RemoveSmall { volume_mm3 }) => {
                within("a volume in mm³", volume_mm3, 0.0, f64::MAX)
            }
            Self::CopyPlane { slices, .. } => within("a number of slices", slices.abs(), 0.0, 1000.0),
            Self::FillRegion { tolerance: Some(tolerance), .. } => {
                within("a tolerance", f64::from(tolerance), -f64::MIN_POSITIVE, f64::from(f32::MAX))
            }
            _ => Ok(()),
        }
    }
}

/// Asks whether to go on, after telling how far the work is.
fn go_on(observer: &dyn Observer, what: &str, done: usize, total: usize) -> Result<(), Cancelled> {
    observer.progress(what, done as u64, total as u64);
    if observer.is_cancelled() { Err(Cancelled) } else { Ok(()) }
}

/// A mask of the same box with other values.
fn replaced(mask: &BoxMask, inside: Vec<bool>) -> BoxMask {
    BoxMask::new(mask.region(), inside).expect("as many values as the box has voxels")
}

#[cfg(test)]
mod tests;
