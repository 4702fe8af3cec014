//! Projects: a folder in which the state of a document survives a crash, `kill -9` and loss of power.
//!
//! | file | holds |
//! |---|---|
//! | `project.json` | format, schema version, which image; written once, last, when a project is created |
//! | `snapshot-N.bin` | the whole state with its history at the start of generation N, checksummed |
//! | `journal-N.bin` | every change since, appended as checksummed records |
//! | `lock` | the process that may write, held locked by the operating system while it lives |
//!
//! Compaction starts journal N+1, writes snapshot N+1 from snapshot and journal N (which makes the generation),
//! and only then removes generation N: whatever moment the power fails at, one complete generation is there.

mod error;
mod frame;
mod image;
mod lock;
mod saved;
mod store;

pub use error::{StoreError, StoreWarning};
pub use image::{ImageMismatch, ImageReference};
pub use saved::Saved;
pub use store::{Store, peek, set_aside};

/// Version of the files that this program writes. Raise it with every change of a stored type, keep the old
/// types, and convert in `frame::decode_snapshot` and `frame::decode_records`.
pub const SCHEMA_VERSION: u32 = 1;
