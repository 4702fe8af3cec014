//! Which voxel belongs to what: label maps, the table that names labels, binary masks, and their storage.

mod map;
mod mask;
mod rle;
mod table;

pub use map::{LabelMap, LabelMapError};
pub use mask::{BoxMask, MaskError, RowSpan};
pub use rle::{RleError, RunLengths};
pub(crate) use rle::{count_leading, push_varint, read_varint, runs_of};
pub use table::{
    BACKGROUND, DIFFERENCES, LabelEntry, LabelTable, LookChange, MAX_NAME_CHARS, TableChange, TableError,
    color_of, is_note,
};
