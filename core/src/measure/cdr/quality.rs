//! When a reading of the disc is not to be trusted, and why.

use serde::Serialize;

use super::{DiscMask, Ellipse, Extent, ReadOptions, Rim};
use crate::label::BoxMask;

/// How far to trust a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Nothing speaks against it.
    Good,
    /// Look at the outlines before using it.
    Check,
    /// Do not use it.
    No,
}

impl Trust {
    /// As shown to people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Check => "check the outlines",
            Self::No => "do not use",
        }
    }
}

/// Something that speaks against a reading.
#[derive(Clone, Debug, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum QualityReason {
    /// There is a disc and no cup.
    #[error("no cup is marked, so there is no cup-to-disc ratio (that is not a ratio of 0)")]
    NoCup,
    /// The disc reaches the border of the picture.
    #[error("the disc touches the {side} border of the picture; a part of it may be missing")]
    CutByBorder {
        /// Which border.
        side: &'static str,
    },
    /// The disc reaches out of the field of view.
    #[error("{percent:.0} % of the disc lie outside the field of view; a part of it may be missing")]
    CutByFieldOfView {
        /// Share of the disc's pixels outside.
        percent: f64,
    },
    /// A few pixels carry no ratio.
    #[error("the disc is only {rows} rows high; one row changes the ratio by {step:.3}")]
    FewPixels {
        /// Rows of the disc.
        rows: usize,
        /// One over them.
        step: f64,
    },
    /// Too small for its picture.
    #[error(
        "the disc is implausibly small: its diameter is {percent:.1} % of the field of view (usual: 10 to 35 %)"
    )]
    DiscTooSmall {
        /// Mean diameter over that of the field of view.
        percent: f64,
    },
    /// Too large for its picture.
    #[error(
        "the disc is implausibly large: its diameter is {percent:.1} % of the field of view (usual: 10 to 35 %)"
    )]
    DiscTooLarge {
        /// Mean diameter over that of the field of view.
        percent: f64,
    },
    /// Not the shape of a disc.
    #[error("the disc is no ellipse: {percent:.1} % of its area differ from the best one")]
    DiscNotElliptical {
        /// Pixels in only one of both, over those of the disc.
        percent: f64,
    },
    /// Not the shape of a cup.
    #[error("the cup is no ellipse: {percent:.1} % of its area differ from the best one")]
    CupNotElliptical {
        /// Pixels in only one of both, over those of the cup.
        percent: f64,
    },
    /// Much longer than wide.
    #[error("the disc is {ratio:.2} times as long as wide; a tilted disc, or a wrong outline")]
    DiscElongated {
        /// Longer over shorter axis.
        ratio: f64,
    },
    /// The mask has more than one disc.
    #[error(
        "the mask has {parts} separate discs; the largest is measured, {percent:.1} % of the pixels are not"
    )]
    SeveralDiscs {
        /// Connected parts.
        parts: usize,
        /// Share of the pixels in the others.
        percent: f64,
    },
    /// The mask has more than one cup.
    #[error(
        "the mask has {parts} separate cups; the largest is measured, {percent:.1} % of the pixels are not"
    )]
    SeveralCups {
        /// Connected parts.
        parts: usize,
        /// Share of the pixels in the others.
        percent: f64,
    },
    /// The cup was drawn beyond the disc.
    #[error("{percent:.1} % of the cup lay outside the disc and were cut off")]
    CupOutsideDisc {
        /// Share of the cup's pixels.
        percent: f64,
    },
    /// The cup reaches the disc's outline over a part of the clock.
    #[error("there is no rim over {degrees:.0}° of the clock")]
    NoRim {
        /// Degrees without rim.
        degrees: f64,
    },
    /// A ratio that hardly any eye has.
    #[error("a vertical ratio of {value:.2} is unusual (usual: 0.1 to 0.95)")]
    RatioUnusual {
        /// The vertical ratio.
        value: f64,
    },
    /// The picture itself is in doubt; added by whoever looked at it.
    #[error("this does not look like a colour photograph of the fundus: {why}")]
    NotAFundus {
        /// What speaks against it.
        why: String,
        /// Whether it may be one all the same, such as a red-free photograph.
        is_possible: bool,
    },
    /// The interval is so wide that the figure says little.
    #[error("the outlines' uncertainty leaves the vertical ratio open between {low:.2} and {high:.2}")]
    WideInterval {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
}

impl QualityReason {
    /// How much this reason alone takes away.
    pub fn trust(&self) -> Trust {
        match self {
            Self::NoCup | Self::CutByBorder { .. } | Self::NotAFundus { is_possible: false, .. } => Trust::No,
            Self::CutByFieldOfView { percent } | Self::CupOutsideDisc { percent } if *percent > 20.0 => {
                Trust::No
            }
            Self::DiscNotElliptical { percent } if *percent > 25.0 => Trust::No,
            Self::DiscTooSmall { percent } if *percent < 4.0 => Trust::No,
            Self::DiscTooLarge { percent } if *percent > 60.0 => Trust::No,
            Self::FewPixels { rows, .. } if *rows < 12 => Trust::No,
            Self::SeveralDiscs { percent, .. } if *percent > 20.0 => Trust::No,
            _ => Trust::Check,
        }
    }
}

/// Whether to trust a reading.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// The worst of the reasons.
    pub trust: Trust,
    /// 1 without any reason; each halves it, one that forbids use makes it 0.
    pub score: f64,
    /// What speaks against it.
    pub reasons: Vec<QualityReason>,
}

/// Rows below which one row is more than 2 % of the ratio.
const FEW_ROWS: usize = 50;
/// Shares below which separate parts are specks.
const SPECK_PERCENT: f64 = 1.0;

impl Quality {
    /// Sums up reasons.
    pub fn from_reasons(reasons: Vec<QualityReason>) -> Self {
        let trust = reasons.iter().map(QualityReason::trust).max().unwrap_or(Trust::Good);
        let score = if trust == Trust::No { 0.0 } else { 0.5f64.powi(reasons.len() as i32) };
        Self { trust, score, reasons }
    }

    /// The same with further reasons.
    pub fn with(mut self, more: impl IntoIterator<Item = QualityReason>) -> Self {
        self.reasons.extend(more);
        Self::from_reasons(self.reasons)
    }

    pub(super) fn of(
        mask: &DiscMask,
        disc: &Extent,
        cup: Option<&Extent>,
        rim: Option<&Rim>,
        options: &ReadOptions,
    ) -> Self {
        let mut reasons = Vec::new();
        reasons.extend(border(mask));
        reasons.extend(size(mask, disc, options));
        reasons.extend(shape(mask, disc, cup));
        reasons.extend(parts(mask));
        match (cup, rim) {
            (Some(cup), Some(rim)) => reasons.extend(figures(disc, cup, rim, options)),
            _ => reasons.push(QualityReason::NoCup),
        }
        Self::from_reasons(reasons)
    }
}

fn border(mask: &DiscMask) -> impl Iterator<Item = QualityReason> {
    let (region, [width, height]) = (mask.disc().region(), mask.size());
    let sides = [
        (region.start()[0] == 0, "left"),
        (region.start()[1] == 0, "upper"),
        (region.end()[0] == width, "right"),
        (region.end()[1] == height, "lower"),
    ];
    sides.into_iter().filter(|(touches, _)| *touches).map(|(_, side)| QualityReason::CutByBorder { side })
}

fn size(mask: &DiscMask, disc: &Extent, options: &ReadOptions) -> Vec<QualityReason> {
    let mut reasons = Vec::new();
    let rows = disc.height_px;
    if rows < FEW_ROWS {
        reasons.push(QualityReason::FewPixels { rows, step: 1.0 / rows as f64 });
    }
    let Some(field) = options.field_of_view else { return reasons };
    let diameter = (4.0 * disc.area_px as f64 / std::f64::consts::PI).sqrt();
    let percent = 100.0 * diameter / (2.0 * field.radius_px);
    // A disc is 1.5 to 2 mm wide, and 20° to 60° of view are 6 to 18 mm of retina.
    if percent < 7.0 {
        reasons.push(QualityReason::DiscTooSmall { percent });
    } else if percent > 40.0 {
        reasons.push(QualityReason::DiscTooLarge { percent });
    }
    let (start, end) = (mask.disc().region().start(), mask.disc().region().end());
    let corner = |right: bool, low: bool| {
        [if right { end[0] } else { start[0] } as f64, if low { end[1] } else { start[1] } as f64]
    };
    if [false, true]
        .into_iter()
        .all(|right| [false, true].into_iter().all(|low| field.contains(corner(right, low))))
    {
        return reasons;
    }
    let outside: usize = mask
        .disc()
        .spans()
        .map(|span| {
            (span.x_start..span.x_end).filter(|x| !field.contains([*x as f64, span.y as f64])).count()
        })
        .sum();
    let percent = 100.0 * outside as f64 / disc.area_px as f64;
    if percent > 1.0 {
        reasons.push(QualityReason::CutByFieldOfView { percent });
    }
    reasons
}

fn shape(mask: &DiscMask, disc: &Extent, cup: Option<&Extent>) -> Vec<QualityReason> {
    let mut reasons = Vec::new();
    let percent = difference_percent(mask.disc(), &disc.ellipse, mask.size());
    if percent > 10.0 {
        reasons.push(QualityReason::DiscNotElliptical { percent });
    }
    let ratio = 1.0 / disc.ellipse.axis_ratio();
    if ratio > 1.5 {
        reasons.push(QualityReason::DiscElongated { ratio });
    }
    if let Some(cup) = cup {
        let percent = difference_percent(mask.cup(), &cup.ellipse, mask.size());
        if percent > 25.0 {
            reasons.push(QualityReason::CupNotElliptical { percent });
        }
    }
    reasons
}

/// Pixels in only one of a mask and its ellipse, in percent of the mask.
fn difference_percent(mask: &BoxMask, ellipse: &Ellipse, size: [usize; 2]) -> f64 {
    let fitted = ellipse.mask(size);
    let (a, b) = (mask.region(), fitted.region());
    let both = a.intersection(&b);
    let row = |m: &BoxMask, y: usize| {
        let (start, width) = (m.region().start(), m.region().size()[0]);
        let first = (y - start[1]) * width + both.start()[0] - start[0];
        first..first + both.size()[0]
    };
    let common: usize = (both.start()[1]..both.end()[1])
        .map(|y| {
            let (a, b) = (&mask.inside()[row(mask, y)], &fitted.inside()[row(&fitted, y)]);
            a.iter().zip(b).filter(|(a, b)| **a & **b).count()
        })
        .sum();
    let (in_mask, in_fitted) = (mask.count(), fitted.count());
    100.0 * (in_mask + in_fitted - 2 * common) as f64 / in_mask.max(1) as f64
}

fn parts(mask: &DiscMask) -> Vec<QualityReason> {
    let left = mask.leftovers();
    let mut reasons = Vec::new();
    let percent = 100.0 * left.disc_share;
    if percent > SPECK_PERCENT {
        reasons.push(QualityReason::SeveralDiscs { parts: left.disc_parts, percent });
    }
    let percent = 100.0 * left.cup_share;
    if percent > SPECK_PERCENT {
        reasons.push(QualityReason::SeveralCups { parts: left.cup_parts, percent });
    }
    let percent = 100.0 * left.cup_outside_share;
    if percent > SPECK_PERCENT {
        reasons.push(QualityReason::CupOutsideDisc { percent });
    }
    reasons
}

fn figures(disc: &Extent, cup: &Extent, rim: &Rim, options: &ReadOptions) -> Vec<QualityReason> {
    let mut reasons = Vec::new();
    let profile = &rim.profile;
    let rays = profile.disc_radius_px.len();
    let without = (0..rays).filter(|ray| profile.width_px(*ray) < 0.5).count();
    let degrees = 360.0 * without as f64 / rays as f64;
    if degrees >= 5.0 {
        reasons.push(QualityReason::NoRim { degrees });
    }
    let (cup, disc) = (cup.height_px as f64, disc.height_px as f64);
    let value = cup / disc;
    if !(0.1..=0.95).contains(&value) {
        reasons.push(QualityReason::RatioUnusual { value });
    }
    let shift = options.perturbation.shift_px(disc);
    let vertical = super::Ratio::of_lengths(cup, disc, shift, options.perturbation.motion);
    if vertical.high - vertical.low > 0.3 {
        reasons.push(QualityReason::WideInterval { low: vertical.low, high: vertical.high });
    }
    reasons
}
