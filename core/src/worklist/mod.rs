//! Worklists: many images to be labelled alike, each with its state, and what a network is taught with.
//!
//! | in the folder | holds |
//! |---|---|
//! | `worklist.json` | cases, labels, the model; with a checksum |
//! | `worklist.previous.json` | the same before the last change |
//! | `cases/0001/` … | the project of a case (see [`project`](crate::project)) |
//! | `cases/0001/outlines/` | what other annotators drew, one NIfTI file each |
//! | `versions/` | weights taught with these cases |
//! | `lock` | who writes |

mod case;
mod find;
mod list;
mod select;
mod store;

pub use case::{Case, CaseId, CaseImage, CaseState, Doubt, Outline, Role};
pub use find::{FoundImages, find_images, mask_for};
pub use list::{CaseChange, Worklist, WorklistError};
pub use select::{CaseFilter, CaseOrder};
pub use store::{WORKLIST_SCHEMA, WorklistStore, is_worklist};
