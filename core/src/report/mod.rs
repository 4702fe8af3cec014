//! Pages to keep: what was measured, with the picture it was measured on.

mod eye;
mod page;

pub use eye::{EyeEntry, EyeReport, eye_report_pdf};
