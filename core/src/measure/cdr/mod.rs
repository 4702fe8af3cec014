//! Cup-to-disc ratio and rim of an optic disc, from a mask of disc and cup.
//!
//! Coordinates are those of pixels, `(x, y)` with x to the right and y down; the centre of a pixel has whole
//! numbers. Lengths are pixels of the picture, since photographs carry no scale.
//!
//! [`DiscMask`] holds disc and cup (the cup always inside the disc), [`read_disc`] measures them. Both take well
//! under a frame, so that figures can follow a dragged outline.

mod contour;
mod ellipse;
mod extent;
mod labels;
mod perturb;
mod quality;
mod rim;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub use contour::{closed_curve, mask_from_contour};
pub use ellipse::Ellipse;
pub use extent::Extent;
pub use labels::{DiscLabels, DiscMask, Leftovers};
pub use perturb::{Motion, Perturbation, Ratio, Shift};
pub use quality::{Quality, QualityReason, Trust};
pub use rim::{Isnt, Narrowest, Quadrants, Rim, RimProfile, RimWidth};

use crate::fundus::{Circle, Laterality};

/// Why a mask cannot be read as optic disc and cup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CdrError {
    /// The number of labels is not that of the picture's pixels.
    #[error("{found} labels do not fill a picture of {width} × {height} pixels")]
    Size {
        /// Labels at hand.
        found: usize,
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// Rim and cup are to be told apart by one label.
    #[error("rim and cup both have label {label}, and 0 is background; give them two labels above 0")]
    SameLabel {
        /// The label.
        label: u16,
    },
    /// No pixel is rim or cup.
    #[error(
        "there is no optic disc: no pixel has label {rim} (rim) or {cup} (cup); outline the disc, or say which \
         labels mean rim and cup"
    )]
    NoDisc {
        /// Label of the rim.
        rim: u16,
        /// Label of the cup.
        cup: u16,
    },
}

/// What to take into account beside the mask.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReadOptions {
    /// Which eye; without it nasal and temporal are not told apart.
    pub laterality: Option<Laterality>,
    /// How far the outlines may be wrong.
    pub perturbation: Perturbation,
    /// The round field of view of the photograph, against which the size of the disc is judged.
    pub field_of_view: Option<Circle>,
}

/// Cup over disc, each with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratios {
    /// Image rows from the first to the last of the cup, over those of the disc. This is *the* CDR.
    pub vertical: Ratio,
    /// Image columns likewise.
    pub horizontal: Ratio,
    /// Pixels of the cup over pixels of the disc (rim and cup).
    pub area: Ratio,
}

/// All figures of an optic disc.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DiscReading {
    /// `None` if no cup is marked: then there is no ratio, which is not a ratio of 0.
    pub ratios: Option<Ratios>,
    /// The rim; `None` if no cup is marked.
    pub rim: Option<Rim>,
    /// The disc, rim and cup together.
    pub disc: Extent,
    /// The cup.
    pub cup: Option<Extent>,
    /// The perturbation behind every interval, in pixels.
    pub shift_px: f64,
    /// Whether both outlines were moved together.
    pub motion: Motion,
    /// Whether to trust it, and why not.
    pub quality: Quality,
}

/// Measures an optic disc.
///
/// Diameters count rows or columns of the largest connected part, both ends included. Every interval is that of
/// the outlines moved by the [`Perturbation`] along their normal: a diameter D becomes D ± 2δ, an area A becomes
/// A ± P·δ + π·δ² with the perimeter P (Steiner 1840), which is exact for outlines that
/// are convex and nowhere bent more sharply than a circle of radius δ.
pub fn read_disc(mask: &DiscMask, options: &ReadOptions) -> DiscReading {
    let disc = Extent::of_tight(mask.disc());
    let cup = (!mask.cup().is_empty()).then(|| Extent::of_tight(mask.cup()));
    let shift_px = options.perturbation.shift_px(disc.height_px as f64);
    let motion = options.perturbation.motion;
    let ratios = cup.as_ref().map(|cup| Ratios {
        vertical: Ratio::of_lengths(cup.height_px as f64, disc.height_px as f64, shift_px, motion),
        horizontal: Ratio::of_lengths(cup.width_px as f64, disc.width_px as f64, shift_px, motion),
        area: Ratio::of_areas(cup, &disc, shift_px, motion),
    });
    let rim = cup.as_ref().map(|_| {
        let profile = RimProfile::of(mask, disc.center);
        Rim::of(profile, options.laterality, shift_px, motion)
    });
    let quality = Quality::of(mask, &disc, cup.as_ref(), rim.as_ref(), options);
    DiscReading { ratios, rim, disc, cup, shift_px, motion, quality }
}

/// The vertical cup-to-disc ratio alone; 0 where no cup is marked, as published errors of the ratio count it.
pub fn vertical_cdr(mask: &DiscMask) -> f64 {
    let rows = |part: &crate::label::BoxMask| part.region().size()[1] as f64;
    if mask.cup().is_empty() { 0.0 } else { rows(mask.cup()) / rows(mask.disc()) }
}
