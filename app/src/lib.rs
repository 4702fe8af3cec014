//! Hilum: click a lesion, get its outline. The window and the command line.

pub mod app;
pub mod cli;
pub mod colormap;
pub mod command;
mod figure;
pub mod jobs;
pub mod memory;
pub mod panels;
pub mod render;
pub mod state;
pub mod testing;
pub mod theme;
pub mod viewport;
pub mod window;
