//! Painting slices: a shader where there is a graphics device, the CPU where there is none. Both take the
//! geometry of [`crate::viewport::SliceView`] and the colours of [`SliceLook`].

mod cpu;
mod gpu;
mod look;
mod quality;
mod ray;
mod scene;
mod scene_cpu;
mod scene_pipelines;
#[cfg(test)]
mod scene_tests;
#[cfg(test)]
mod tests;
mod texture;

pub use cpu::{CpuScene, draw as draw_on_cpu};
pub use gpu::{SliceCallback, SliceRenderer};
pub use look::{LabelColors, PREVIEW_COLOR, SliceLook, SliceUniforms};
pub use quality::Pace;
pub use ray::RayScene;
pub use scene::{SceneCallback, SceneFrame, SceneRenderer};
pub use scene_cpu::ScenePainter;
pub use texture::{Gpu, TextureError};
