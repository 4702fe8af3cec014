//! Work with the tools that draw outlines and plan operations.

use hilum_core::geometry::WorldPoint;
use hilum_core::patch::DrawOver;

use crate::state::{EditOptions, ViewId};

/// What the tools that change labels can ask for beside strokes.
#[derive(Clone, Debug, PartialEq)]
pub enum EditAction {
    /// Other options.
    Options(Box<EditOptions>),
    /// Which voxels edits may change.
    DrawOver(DrawOver),
    /// The place that an operation begins from.
    Seed(ViewId, WorldPoint),
    /// A corner of an outline; the first one begins it.
    Corner(ViewId, WorldPoint),
    /// A free-hand outline begins.
    LassoStart(ViewId, WorldPoint),
    /// It goes on.
    LassoTo(WorldPoint),
    /// The outline is complete.
    Close,
}
