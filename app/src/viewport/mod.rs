//! The views: geometry, mouse, and what is drawn over the image.

mod attention;
mod contour;
mod ellipse;
mod input;
mod outline;
mod overlay;
mod rulers;
mod scene;
mod slice_bar;
mod turn;
mod view;
mod widget;

pub use attention::BLINK_SECS;
pub use overlay::{TURNED_NOTE, readout_lines};
pub use view::{
    ScreenAxes, SliceView, VoxelFromPixel, extent_along, plane_of_flat, slice_axis, slice_step_mm,
};
use widget::view_id;
pub use widget::{CpuSlices, ViewContext, is_view, label_colors, show};
