//! Photographs of the eye's fundus: whether a picture is one, what of it is retina, which eye, and how to see more.

mod check;
mod clahe;
mod enhance;
mod field;
mod laterality;
mod picture;
#[cfg(test)]
mod tests;

pub use check::{FundusCheck, FundusReason, check};
pub use clahe::{ClaheOptions, clahe};
pub use enhance::{Enhancement, enhance};
pub use field::{Circle, FieldKind, FieldOfView};
pub use laterality::{
    Laterality, LateralityGuess, LateralitySource, laterality_from_disc, laterality_from_name, laterality_of,
    laterality_with_disc, patient_from_name,
};
pub use picture::{Picture, PictureError};
