//! Between an image and what a network sees; every step says how to get back.

pub mod channels;
pub mod cube;
pub mod cue;
pub mod frame;
pub mod principal;
