//! The segmentation networks of Hilum with their pre- and post-processing, inference and training.
//!
//! `nets` defines the networks, `checkpoint` reads and writes their weights, `transform` turns an image into what
//! a network sees and back, `infer` runs the one-click pipeline, `train` makes weights, `teach` makes them better on a
//! person's corrections, `inspect` shows where a network looked, `catalog` lists models.

pub mod bench;
pub mod catalog;
pub mod checkpoint;
pub mod device;
pub mod golden;
pub mod infer;
pub mod inspect;
pub mod metric;
pub mod nets;
pub mod teach;
pub mod train;
pub mod transform;
