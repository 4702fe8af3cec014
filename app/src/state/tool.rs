//! What the left mouse button does.

use super::OperationKind;

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
