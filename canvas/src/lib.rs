//! A window without a graphics device: what egui wants drawn, and slices of volumes, drawn by the processor.
//!
//! A driver in software shades every pixel of the window anew for every frame. [`Canvas`] keeps its picture and draws again only
//! where the shapes differ from those of the frame before; [`mod@slice`] makes the picture of a plane through a volume with
//! straight loops where the plane follows the voxel axes; [`surface`] and [`rays`] draw the 3-D view.
//!
//! Colours are egui's: sRGB with premultiplied alpha, mixed as they are, like on a graphics device with a plain target.

mod canvas;
mod color;
mod damage;
mod mesh;
mod pool;
mod quad;
pub mod rays;
mod region;
pub mod slice;
pub mod surface;
mod texture;
mod triangle;

pub use canvas::Canvas;
pub use region::Region;
