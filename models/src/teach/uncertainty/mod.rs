//! How little a network knows of a case: one number a case, by which cases are put in order.

mod click;
mod dense;

use hilum_core::measure::distance::squared_mm;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::TeachError;
use crate::catalog::sha256_hex;
use crate::infer::DenseError;
use crate::nets::{AttentionMap, MapMeaning};

pub(super) use click::click_uncertainty;
pub use dense::uncertainty;

/// By what cases are put in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// By chance, from a seed: what every other order must beat.
    Random,
    /// Mean entropy of the answer around what was found.
    Entropy,
    /// Variance of the answers to the mirrored and the slightly moved image.
    Variance,
    /// Disagreement of the two paths of Div-attention networks.
    Divergence,
}

impl std::str::FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "random" => Ok(Self::Random),
            "entropy" => Ok(Self::Entropy),
            "variance" => Ok(Self::Variance),
            "divergence" => Ok(Self::Divergence),
            other => Err(format!("\"{other}\" is no order; use random, entropy, variance or divergence")),
        }
    }
}

impl Strategy {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Entropy => "entropy",
            Self::Variance => "variance",
            Self::Divergence => "divergence",
        }
    }

    /// What its number is, in words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Random => "chance",
            Self::Entropy => "mean entropy",
            Self::Variance => "variance of the answers to the changed image",
            Self::Divergence => "disagreement of the two paths",
        }
    }
}

/// What a network says of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseUncertainty {
    /// The larger, the less the network knows; comparable among cases of one model and strategy.
    pub score: f64,
    /// What the case looks like to an order that avoids twins: values of the image in a coarse grid around what was
    /// found, and the size of each region.
    pub descriptor: Vec<f32>,
    /// Whether anything was found.
    pub has_answer: bool,
}

/// Voxels on each side of what was found that count: the network's doubt lies at edges, and the large background, of
/// which it is sure, would hide it and make small organs in large images look known.
const MARGIN_VOXELS: f32 = 3.0;
/// Share of all voxels that count where nothing was found: the likeliest.
const LIKELIEST_SHARE: f64 = 0.01;
/// Edge of the coarse grid of a descriptor.
const DESCRIPTOR_EDGE: usize = 6;

/// A number in 0..1 that depends on nothing but the case and the seed.
fn chance(id: &str, seed: u64) -> f64 {
    let digest = sha256_hex(id.as_bytes());
    let of_id = u64::from_str_radix(&digest[..16], 16).unwrap_or(0);
    ChaCha8Rng::seed_from_u64(of_id ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).random()
}

/// Entropy of a coin that shows heads with probability `p`, in bits.
fn entropy_bits(p: f32) -> f64 {
    let p = f64::from(p).clamp(1e-7, 1.0 - 1e-7);
    -p * p.log2() - (1.0 - p) * (1.0 - p).log2()
}

/// Voxels in and around what was found; the likeliest where nothing was.
fn neighbourhood(answer: &[Vec<f32>], dims: [usize; 3]) -> Vec<usize> {
    let voxels = answer.first().map_or(0, Vec::len);
    let most = |voxel: usize| answer.iter().map(|p| p[voxel]).fold(0.0, f32::max);
    let found: Vec<bool> = (0..voxels).map(|voxel| most(voxel) >= 0.5).collect();
    if found.contains(&true) {
        // In voxels: the distance to the nearest voxel that was found.
        let distance = squared_mm(&found, dims, [1.0; 3]);
        return (0..voxels).filter(|voxel| distance[*voxel] <= MARGIN_VOXELS * MARGIN_VOXELS).collect();
    }
    let mut order: Vec<usize> = (0..voxels).collect();
    let count = ((voxels as f64 * LIKELIEST_SHARE) as usize).clamp(1.min(voxels), voxels);
    order.sort_by(|a, b| most(*b).total_cmp(&most(*a)).then(a.cmp(b)));
    order.truncate(count);
    order
}

fn mean_at(voxels: &[usize], value: impl Fn(usize) -> f64) -> f64 {
    voxels.iter().map(|voxel| value(*voxel)).sum::<f64>() / voxels.len().max(1) as f64
}

/// Variance of several answers at a voxel, averaged over the regions.
fn variance_at(answers: &[Vec<Vec<f32>>], voxel: usize) -> f64 {
    let regions = answers[0].len();
    let of_region = |region: usize| {
        let values = || answers.iter().map(|answer| f64::from(answer[region][voxel]));
        let mean = values().sum::<f64>() / answers.len() as f64;
        values().map(|v| (v - mean).powi(2)).sum::<f64>() / answers.len() as f64
    };
    (0..regions).map(of_region).sum::<f64>() / regions as f64
}

/// Mean disagreement of the two paths over all junctions of the model `id`, above the least in each map.
///
/// A map is e^r / mean(e^r) of the disagreement r = |σ(upper) − σ(lower)|, so that its mean is always 1; but where the
/// paths agree most, r is nearly 0, and ln(map / least) is r there and everywhere.
fn disagreement(id: &str, maps: &[AttentionMap]) -> Result<f64, TeachError> {
    let mut means = Vec::new();
    for map in maps.iter().filter(|map| map.meaning == MapMeaning::Divergence) {
        let channels = map.tensor.dims()[1];
        let data = map.tensor.clone().try_into_data();
        let values: Vec<f32> = data
            .map_err(|e| DenseError::Device(e.to_string()))?
            .try_to_vec()
            .map_err(|e| DenseError::Device(format!("{e:?}")))?;
        for channel in values.chunks((values.len() / channels.max(1)).max(1)) {
            let least = channel.iter().copied().fold(f32::INFINITY, f32::min).max(f32::MIN_POSITIVE);
            let sum: f64 = channel.iter().map(|v| f64::from((v / least).ln())).sum();
            means.push(sum / channel.len() as f64);
        }
    }
    if means.is_empty() {
        return Err(TeachError::Unsuitable(format!(
            "the model {id} has no two paths that could disagree; use entropy or variance"
        )));
    }
    Ok(means.iter().sum::<f64>() / means.len() as f64)
}

/// What a case looks like: values of its image in a coarse grid, and the logarithm of the size of each region.
fn descriptor(mut values: Vec<f32>, sizes: impl Iterator<Item = f32>) -> Vec<f32> {
    let weight = (values.len() as f32).sqrt();
    // All values together weigh as much as one size.
    values.iter_mut().for_each(|value| *value /= weight);
    values.extend(sizes.map(|size| (1.0 + size).ln()));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_at_the_edge_counts_and_a_sure_background_does_not() {
        let line = |n: usize| {
            let mut p = vec![0.0f32; n];
            p[40..60].fill(1.0);
            p[39] = 0.5;
            p
        };
        let score = |n: usize| {
            let answer = vec![line(n)];
            let near = neighbourhood(&answer, [n, 1, 1]);
            mean_at(&near, |voxel| entropy_bits(answer[0][voxel]))
        };
        assert!(score(100) > 0.03);
        assert!((score(100) - score(5000)).abs() < 1e-12);
    }

    #[test]
    fn nothing_found_looks_at_the_likeliest() {
        let mut p = vec![0.01f32; 1000];
        p[7] = 0.4;
        assert_eq!(neighbourhood(&[p], [1000, 1, 1])[0], 7);
    }

    #[test]
    fn chance_is_the_same_for_a_case_and_seed() {
        assert_eq!(chance("a", 1), chance("a", 1));
        assert!(chance("a", 1) != chance("b", 1) && chance("a", 1) != chance("a", 2));
    }
}
