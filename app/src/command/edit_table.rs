//! Names, tool-tips and keys of the commands that change labels by outlines and operations.

use egui::Key;

use super::UiCommand;
use super::table::{Description, ctrl, key, row, shift};
use crate::state::{AppState, OperationKind, Session};

/// Whether a command makes sense for an image that may be edited.
type Needs = fn(&AppState, &Session) -> bool;

impl UiCommand {
    /// When a command of this file makes sense; `None` for other commands.
    pub(crate) fn drawing_needs(self) -> Option<Needs> {
        self.drawing()?;
        Some(match self {
            Self::OpBetween => |_, session| !session.views.is_flat(),
            Self::CopyToNext | Self::CopyToPrevious => |_, session| {
                !session.views.is_flat()
                    && session.document.labels().count(session.document.table().active()) > 0
            },
            Self::RemoveCorner => |_, session| session.editing.draft.is_some(),
            Self::PreviewAgain => |state, session| {
                state.tool.operation().is_some_and(|kind| state.options.operation(kind, session).is_some())
            },
            _ => |_, _| true,
        })
    }

    /// The operation that a command takes into the hand.
    pub fn operation(self) -> Option<OperationKind> {
        Some(match self {
            Self::OpGrow => OperationKind::Grow,
            Self::OpFill => OperationKind::Fill,
            Self::OpHoles => OperationKind::Holes,
            Self::OpBetween => OperationKind::Between,
            Self::OpIslands => OperationKind::Islands,
            Self::OpMedian => OperationKind::Median,
            Self::OpSmoothAll => OperationKind::SmoothAll,
            Self::OpMargin => OperationKind::Margin,
            Self::OpHollow => OperationKind::Hollow,
            Self::OpLogic => OperationKind::Logic,
            _ => return None,
        })
    }

    pub(super) fn drawing(self) -> Option<Description> {
        Some(match self {
            Self::ToolThreshold => {
                row("Threshold brush", "Paint only voxels with values in a range", const { &[shift(Key::T)] })
            }
            Self::ToolAdaptive => row(
                "Adaptive brush",
                "Paint what looks like the place under the cursor, up to its edges",
                const { &[shift(Key::B)] },
            ),
            Self::ToolPolygon => row(
                "Polygon",
                "Click corners; Enter or a double click closes, T switches between adding and cutting",
                const { &[shift(Key::L)] },
            ),
            Self::ToolLasso => row(
                "Lasso",
                "Draw an outline by hand; T switches between adding and cutting",
                const { &[key(Key::L)] },
            ),
            Self::RemoveCorner => row(
                "Remove last corner",
                "Take the last corner of the polygon back",
                const { &[key(Key::Backspace)] },
            ),
            Self::CopyToNext => row(
                "Copy mask to next slice",
                "The active label in the next slice becomes as it is in this one",
                const { &[ctrl(Key::PageDown)] },
            ),
            Self::CopyToPrevious => row(
                "Copy mask to previous slice",
                "The active label in the previous slice becomes as it is in this one",
                const { &[ctrl(Key::PageUp)] },
            ),
            Self::NextDrawOver => row(
                "Next draw-over rule",
                "Everywhere, outside other labels, inside one label only",
                const { &[shift(Key::D)] },
            ),
            Self::ToggleDrawRange => row(
                "Toggle draw-over range",
                "Let edits change only voxels with values in a range",
                const { &[shift(Key::X)] },
            ),
            Self::PreviewAgain => row(
                "Preview operation again",
                "Show what the operation would change now",
                const { &[shift(Key::Enter)] },
            ),
            _ => return self.operation_row(),
        })
    }

    fn operation_row(self) -> Option<Description> {
        Some(match self {
            Self::OpGrow => row(
                "Grow along image",
                "Grow the label through similar values, up to edges, by at most so many mm",
                const { &[shift(Key::G)] },
            ),
            Self::OpFill => row(
                "Fill region",
                "Click a region to fill it, in the slice or in 3-D",
                const { &[key(Key::U)] },
            ),
            Self::OpHoles => row("Fill holes", "Fill what the label encloses", const { &[shift(Key::U)] }),
            Self::OpBetween => row(
                "Fill between slices",
                "Fill the empty slices between labelled ones with shapes in between",
                const { &[shift(Key::F)] },
            ),
            Self::OpIslands => row(
                "Islands",
                "Keep the largest or the clicked part, remove small ones, or split them into labels",
                const { &[shift(Key::I)] },
            ),
            Self::OpMedian => row(
                "Median smoothing",
                "Smooth the label: every voxel follows the majority around it",
                const { &[shift(Key::S)] },
            ),
            Self::OpSmoothAll => row(
                "Joint smoothing",
                "Smooth all labels together, without gaps or overlaps",
                const { &[shift(Key::J)] },
            ),
            Self::OpMargin => {
                row("Margin", "Grow or shrink the label by a distance", const { &[shift(Key::M)] })
            }
            Self::OpHollow => row("Hollow", "Leave a shell of the label", const { &[shift(Key::H)] }),
            Self::OpLogic => row(
                "Combine labels",
                "Union, intersection, difference, inversion or copy of labels",
                const { &[shift(Key::O)] },
            ),
            _ => return None,
        })
    }
}
