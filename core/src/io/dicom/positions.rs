//! Whether distances along the slice normal are regular, and the regular ones that take their place.

use crate::io::Warning;

/// Share of the step by which a slice may miss its place in a regular stack.
const PLACE_TOLERANCE: f64 = 0.1;
/// Gaps are filled up to this many times the slices at hand (and at least a hundred).
const MAX_FILL: usize = 8;

/// What kind of stack the distances make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Spread {
    Regular,
    /// Regular but for slices that are not there.
    Gaps {
        missing: usize,
        largest_mm: f64,
        at_mm: f64,
    },
    Uneven {
        min_mm: f64,
        max_mm: f64,
    },
}

/// Regular places for slices.
#[derive(Debug)]
pub(super) struct Positions {
    pub spread: Spread,
    pub step_mm: f64,
    /// Planes of the regular stack.
    pub count: usize,
    /// Where each slice lies among them.
    pub voxel_z: Vec<f64>,
}

impl Positions {
    /// Judges strictly ascending distances; a single slice takes `declared_step_mm`.
    pub fn of(distances_mm: &[f64], declared_step_mm: f64) -> Result<Self, String> {
        let count = distances_mm.len();
        let regular = |step_mm| Self {
            spread: Spread::Regular,
            step_mm,
            count,
            voxel_z: (0..count).map(|z| z as f64).collect(),
        };
        if count < 2 {
            return Ok(regular(declared_step_mm));
        }
        let range = distances_mm[count - 1] - distances_mm[0];
        let mean = range / (count - 1) as f64;
        if worst_miss(distances_mm, mean, |z| z as f64) <= PLACE_TOLERANCE {
            return Ok(regular(mean));
        }
        match gaps(distances_mm) {
            Some(gaps) => Ok(gaps),
            None => uneven(distances_mm),
        }
        .and_then(|positions| {
            if positions.count > count.saturating_mul(MAX_FILL).max(count + 100) {
                let largest = differences(distances_mm).fold(0.0, f64::max);
                return Err(format!(
                    "two neighbouring slices lie {largest:.1} mm apart; this is no single stack"
                ));
            }
            Ok(positions)
        })
    }

    /// What a person should know about it.
    pub fn warning(&self) -> Option<Warning> {
        match self.spread {
            Spread::Regular => None,
            Spread::Gaps { missing, largest_mm, at_mm } => {
                Some(Warning::MissingSlices { count: missing, gap_mm: largest_mm, position_mm: at_mm })
            }
            Spread::Uneven { min_mm, max_mm } => {
                Some(Warning::UnevenSlices { min_mm, max_mm, used_mm: self.step_mm })
            }
        }
    }
}

fn differences(distances_mm: &[f64]) -> impl Iterator<Item = f64> {
    distances_mm.windows(2).map(|pair| pair[1] - pair[0])
}

/// Largest distance of a slice from its place, in steps.
fn worst_miss(distances_mm: &[f64], step_mm: f64, place: impl Fn(usize) -> f64) -> f64 {
    let miss = |(z, d): (usize, &f64)| ((d - distances_mm[0]) / step_mm - place(z)).abs();
    distances_mm.iter().enumerate().map(miss).fold(0.0, f64::max)
}

/// A regular stack of which some slices are absent, if that explains every distance.
fn gaps(distances_mm: &[f64]) -> Option<Positions> {
    let mut sorted: Vec<f64> = differences(distances_mm).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let usual = sorted[(sorted.len() - 1) / 2];
    let mut places = vec![0.0];
    let mut last = 0.0;
    for difference in differences(distances_mm) {
        last += (difference / usual).round().max(1.0);
        places.push(last);
    }
    let step_mm = (distances_mm[distances_mm.len() - 1] - distances_mm[0]) / last;
    if worst_miss(distances_mm, step_mm, |z| places[z]) > PLACE_TOLERANCE {
        return None;
    }
    let (mut largest_mm, mut at_mm) = (0.0, 0.0);
    for pair in distances_mm.windows(2) {
        if pair[1] - pair[0] > largest_mm {
            (largest_mm, at_mm) = (pair[1] - pair[0], f64::midpoint(pair[0], pair[1]));
        }
    }
    let count = (last as usize).saturating_add(1);
    let missing = count - distances_mm.len();
    Some(Positions { spread: Spread::Gaps { missing, largest_mm, at_mm }, step_mm, count, voxel_z: places })
}

/// Any other stack: as fine as its finest distance, but with no more than twice as many planes.
fn uneven(distances_mm: &[f64]) -> Result<Positions, String> {
    let (min_mm, max_mm) =
        differences(distances_mm).fold((f64::INFINITY, 0.0f64), |(low, high), d| (low.min(d), high.max(d)));
    let range = distances_mm[distances_mm.len() - 1] - distances_mm[0];
    let intervals = (range / min_mm - 1e-6).ceil().min(2.0 * (distances_mm.len() - 1) as f64).max(1.0);
    if !intervals.is_finite() {
        return Err("the slice positions are not usable".to_owned());
    }
    let step_mm = range / intervals;
    let voxel_z = distances_mm.iter().map(|d| (d - distances_mm[0]) / step_mm).collect();
    Ok(Positions {
        spread: Spread::Uneven { min_mm, max_mm },
        step_mm,
        count: intervals as usize + 1,
        voxel_z,
    })
}
