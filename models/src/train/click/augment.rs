//! Changes of intensity and resolution that a network must not mind, on cubes `[z, y, x]`.

use hilum_core::volume::Modality;
use rand::{Rng, RngExt as _};

use super::shapes::{log_uniform, normal};

/// Changes the values of a crop as another scanner, protocol or reconstruction might have.
pub fn intensities(values: &mut [f32], size: usize, modality: Modality, rng: &mut impl Rng) {
    let (mean, sd) = mean_and_sd(values);
    if rng.random_bool(0.25) {
        coarsen(values, size, rng.random_range(0..3), rng.random_range(2..=4));
    }
    if rng.random_bool(0.2) {
        (0..3).for_each(|axis| blur(values, size, axis));
    }
    if modality == Modality::Ct {
        // HU are calibrated: only what contrast agent, kernel and dose change.
        let shift = normal(rng) as f32 * 15.0;
        let gain = 1.0 + normal(rng) as f32 * 0.08;
        values.iter_mut().for_each(|v| *v = (*v - 40.0) * gain + 40.0 + shift);
    } else {
        let gain = log_uniform(0.6, 1.6, rng) as f32;
        let inverted = rng.random_bool(0.25);
        let gamma = log_uniform(0.7, 1.4, rng) as f32;
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let range = values.iter().copied().fold(f32::NEG_INFINITY, f32::max) - low;
        if range > 0.0 {
            for v in values.iter_mut() {
                let share = ((*v - low) / range).powf(gamma);
                *v = (if inverted { 1.0 - share } else { share }) * range * gain;
            }
        }
    }
    if rng.random_bool(0.5) {
        let strength = if modality == Modality::Ct { 30.0 } else { 0.15 * sd.max(1e-6) };
        add_noise(values, size, strength * rng.random::<f32>(), rng.random_bool(0.5), rng);
    }
    debug_assert!(values.iter().all(|v| v.is_finite()), "mean {mean}");
}

/// Adds normal noise of standard deviation `sd`, grainy like a soft kernel if `smooth`.
pub fn add_noise(values: &mut [f32], size: usize, sd: f32, smooth: bool, rng: &mut impl Rng) {
    let mut noise: Vec<f32> = (0..values.len()).map(|_| fast_normal(rng)).collect();
    let mut gain = sd;
    if smooth {
        (0..3).for_each(|axis| blur(&mut noise, size, axis));
        // Three passes of the 1-2-1 filter leave (6/16)^(3/2) of the deviation.
        gain /= (6.0f32 / 16.0).powf(1.5);
    }
    values.iter_mut().zip(noise).for_each(|(v, n)| *v += gain * n);
}

/// Sum of four uniform numbers: near enough to normal, and four times as quick.
fn fast_normal(rng: &mut impl Rng) -> f32 {
    let bits = rng.next_u64();
    let sum: f32 = (0..4).map(|i| (bits >> (16 * i) & 0xffff) as f32 / 65536.0).sum();
    (sum - 2.0) * 3.0f32.sqrt()
}

/// One pass of the filter ¼ ½ ¼ along an axis (0 = x, 1 = y, 2 = z); edges repeat.
pub fn blur(values: &mut [f32], size: usize, axis: usize) {
    along_lines(values, size, axis, |line| {
        let mut before = line[0];
        for i in 0..line.len() {
            let here = line[i];
            let after = line[(i + 1).min(line.len() - 1)];
            line[i] = 0.25 * before + 0.5 * here + 0.25 * after;
            before = here;
        }
    });
}

/// Thick slices: averages runs of `factor` voxels along an axis and interpolates linearly between them.
pub fn coarsen(values: &mut [f32], size: usize, axis: usize, factor: usize) {
    let mut means = Vec::new();
    along_lines(values, size, axis, |line| {
        means.clear();
        means.extend(line.chunks(factor).map(|c| c.iter().sum::<f32>() / c.len() as f32));
        for (i, v) in line.iter_mut().enumerate() {
            let at = ((i as f32 + 0.5) / factor as f32 - 0.5).clamp(0.0, (means.len() - 1) as f32);
            let low = at as usize;
            let high = (low + 1).min(means.len() - 1);
            *v = means[low] + (at - low as f32) * (means[high] - means[low]);
        }
    });
}

fn along_lines(values: &mut [f32], size: usize, axis: usize, mut change: impl FnMut(&mut [f32])) {
    let stride = size.pow(axis as u32);
    let mut line = vec![0.0; size];
    for start in (0..values.len()).filter(|i| (i / stride).is_multiple_of(size)) {
        (0..size).for_each(|i| line[i] = values[start + i * stride]);
        change(&mut line);
        (0..size).for_each(|i| values[start + i * stride] = line[i]);
    }
}

/// Mean and standard deviation.
pub fn mean_and_sd(values: &[f32]) -> (f32, f32) {
    let n = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / n;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn noise_has_the_asked_deviation_smooth_or_not() {
        for smooth in [false, true] {
            let mut values = vec![0.0; 32 * 32 * 32];
            add_noise(&mut values, 32, 5.0, smooth, &mut ChaCha8Rng::seed_from_u64(3));
            let (mean, sd) = mean_and_sd(&values);
            assert!(mean.abs() < 0.3 && (sd - 5.0).abs() < 0.6, "{mean} ± {sd}");
        }
    }

    #[test]
    fn a_ramp_survives_blur_and_coarsening_in_the_middle() {
        for axis in 0..3 {
            let mut values: Vec<f32> =
                (0..4096usize).map(|i| (i / 16usize.pow(axis as u32) % 16) as f32).collect();
            let ramp = values.clone();
            blur(&mut values, 16, axis);
            coarsen(&mut values, 16, axis, 2);
            let middle = 8 * 273;
            assert!((values[middle] - ramp[middle]).abs() < 1e-5);
        }
    }

    #[test]
    fn changed_intensities_are_finite_for_every_modality() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        for modality in [Modality::Ct, Modality::Mr] {
            for _ in 0..20 {
                let mut values: Vec<f32> = (0..512).map(|i| i as f32 - 200.0).collect();
                intensities(&mut values, 8, modality, &mut rng);
                assert!(values.iter().all(|v| v.is_finite()));
            }
        }
    }
}
