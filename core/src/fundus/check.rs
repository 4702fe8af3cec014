//! Whether a picture is a colour photograph of the fundus at all.

use serde::Serialize;

use super::{FieldKind, FieldOfView, Picture};

/// Something that speaks for or against a fundus photograph.
#[derive(Clone, Debug, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FundusReason {
    /// No colour at all.
    #[error(
        "the picture has no colour, so that a red-free photograph cannot be told from other grey pictures"
    )]
    Gray,
    /// Nothing to see.
    #[error("the picture is nearly uniform")]
    Uniform,
    /// Not the red or orange of a retina.
    #[error("the colours are not those of a retina: mean red {red:.0}, green {green:.0}, blue {blue:.0}")]
    Colour {
        /// Mean of the field of view.
        red: f64,
        /// Mean of the field of view.
        green: f64,
        /// Mean of the field of view.
        blue: f64,
    },
    /// Fine texture all over, as in histology.
    #[error("there is fine structure all over ({texture:.3}; a retina has less than {most:.3})")]
    Texture {
        /// Mean step between neighbours over the mean brightness.
        texture: f64,
        /// The most a retina has.
        most: f64,
    },
    /// No black around a round field.
    #[error("there is no dark ground around it")]
    NoDarkGround,
    /// A dark ground around something that is not round.
    #[error("what lies on the dark ground is not round ({percent:.0} % of its outline lie on a circle)")]
    NotRound {
        /// Share of the outline on the best circle.
        percent: f64,
    },
}

/// Whether a picture is a fundus photograph, and what decided.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FundusCheck {
    /// The verdict.
    pub is_fundus: bool,
    /// 0 surely not, 1 surely; 0.5 and more is yes.
    pub score: f64,
    /// Share of red in the mean colour of the field of view, over that of green.
    pub red_over_green: f64,
    /// Green over blue.
    pub green_over_blue: f64,
    /// Mean step between neighbouring pixels of a picture of 256 pixels, over the mean brightness.
    pub texture: f64,
    /// Share of the outline on a circle.
    pub roundness: f64,
    /// What speaks against it.
    pub reasons: Vec<FundusReason>,
}

/// Side to which a picture is reduced for its texture.
const TEXTURE_SIDE: usize = 256;
/// The most texture of a retina in a round field on dark ground, which nothing else in colour has.
const MOST_TEXTURE_IN_ROUND: f64 = 0.12;
/// The most texture of a retina elsewhere.
const MOST_TEXTURE: f64 = 0.06;

/// Judges a picture by its colours, its texture and the form of its field of view.
pub fn check(picture: &Picture<'_>, field: &FieldOfView) -> FundusCheck {
    let (small, factor) = picture.reduced(TEXTURE_SIDE);
    let stats = Stats::of(&small, factor, field);
    let [red, green, blue] = stats.mean;
    let (red_over_green, green_over_blue) = (red / green.max(1.0), green / blue.max(1.0));
    let mut reasons = Vec::new();
    let mut score: f64 = 1.0;
    let mut less = |factor: f64, reason: FundusReason| {
        score *= factor;
        reasons.push(reason);
    };
    if stats.deviation < 2.0 {
        less(0.0, FundusReason::Uniform);
    }
    if picture.is_gray() {
        less(0.2, FundusReason::Gray);
    } else if red_over_green < 1.05 || green_over_blue < 0.85 {
        less(0.3, FundusReason::Colour { red, green, blue });
    }
    let most = if field.kind == FieldKind::Round { MOST_TEXTURE_IN_ROUND } else { MOST_TEXTURE };
    if stats.texture > most {
        less(0.4, FundusReason::Texture { texture: stats.texture, most });
    }
    match field.kind {
        FieldKind::Round => {}
        // A crop around the disc has no ground; then the colours must be beyond doubt.
        FieldKind::Whole if red_over_green > 1.25 && green_over_blue > 1.15 => {
            less(0.7, FundusReason::NoDarkGround);
        }
        FieldKind::Whole => less(0.45, FundusReason::NoDarkGround),
        FieldKind::Irregular => less(0.4, FundusReason::NotRound { percent: 100.0 * field.roundness }),
    }
    let roundness = field.roundness;
    FundusCheck {
        is_fundus: score >= 0.5,
        score,
        red_over_green,
        green_over_blue,
        texture: stats.texture,
        roundness,
        reasons,
    }
}

/// Colours and texture inside the field of view.
struct Stats {
    mean: [f64; 3],
    deviation: f64,
    texture: f64,
}

impl Stats {
    fn of(small: &Picture<'_>, factor: usize, field: &FieldOfView) -> Self {
        let [width, height] = small.size();
        let inside = |x: usize, y: usize| {
            let (x, y) = (x * factor + factor / 2, y * factor + factor / 2);
            field.mask[y * field.size[0] + x]
        };
        let (mut count, mut sum, mut squares) = (0.0, [0.0; 3], 0.0);
        let (mut steps, mut step_count) = (0.0, 0.0);
        for y in 1..height - 1 {
            for x in 1..width - 1 {
                // Neighbours count too, so that the edge of the field is no texture.
                if ![(x, y), (x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)]
                    .iter()
                    .all(|(x, y)| inside(*x, *y))
                {
                    continue;
                }
                let at = |x: usize, y: usize| small.pixels()[y * width + x].map(f64::from);
                let pixel = at(x, y);
                (0..3).for_each(|c| sum[c] += pixel[c]);
                count += 1.0;
                squares += pixel[1] * pixel[1];
                steps += (at(x + 1, y)[1] - pixel[1]).abs() + (at(x, y + 1)[1] - pixel[1]).abs();
                step_count += 2.0;
            }
        }
        let n = f64::max(count, 1.0);
        let mean = sum.map(|s| s / n);
        let bright = (mean[0] + mean[1] + mean[2]) / 3.0;
        Self {
            mean,
            deviation: (squares / n - mean[1] * mean[1]).max(0.0).sqrt(),
            texture: steps / f64::max(step_count, 1.0) / bright.max(1.0),
        }
    }
}
