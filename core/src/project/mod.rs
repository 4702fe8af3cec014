//! Projects: a folder in which the state of a document survives a crash, `kill -9` and loss of power.
//!
//! | file | holds |
//! |---|---|
//! | `project.json` | format, schema version, which image, a checksum |
//! | `snapshot-N.bin` | the image's reference and the whole state with its history at the start of generation N, checksummed |
//! | `journal-N.bin` | every change since, appended as checksummed records |
//! | `provenance.jsonl` | where every change comes from (see [`provenance`](crate::provenance)) |
//! | `view.json` | what was looked at; worth nothing for the work |
//! | `lock` | who writes and since when, held locked by the operating system while the program lives |
//!
//! Compaction starts journal N+1 and writes snapshot N+1 from snapshot and journal N (which makes the generation);
//! generation N−1 is removed, N stays. Whatever moment the power fails at, one complete generation is there, and any
//! one damaged or missing file is made up for by the others, but for the records of a damaged journal itself.

mod error;
pub(crate) mod files;
mod frame;
mod generation;
mod image;
mod kept;
pub(crate) mod lock;
mod manifest;
mod saved;
pub(crate) mod sealed;
mod store;

pub use error::{StoreError, StoreWarning};
pub use image::{ImageMismatch, ImageReference};
pub use kept::{KeptContents, KeptWork, find_kept, list_kept};
pub use lock::Owner;
pub use saved::Saved;
pub use store::{Store, is_project, peek, read, set_aside};

/// Version of the files that this program writes. Raise it with every change of a stored type, keep the old
/// types, and convert in `frame::decode_snapshot` and `frame::decode_records`; keep a project of the old version
/// beside the tests.
pub const SCHEMA_VERSION: u32 = 3;
