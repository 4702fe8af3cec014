//! Random numbers that are the same on every machine and in every release.

/// SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
#[derive(Clone, Debug)]
pub(crate) struct SplitMix(u64);

impl SplitMix {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `bound`, by multiplication (Lemire 2019); uneven by less than `bound` / 2⁶⁴.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// A number in `low..high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A nearly normal number of mean 0 and variance 1: the sum of four uniform ones, which needs no
    /// logarithm and is therefore the same to the last bit everywhere.
    pub fn normal(&mut self) -> f32 {
        let bits = self.bits();
        let sum: i64 = (0..4).map(|part| (bits >> (16 * part) & 0xffff) as i64).sum();
        // Variance of four uniform numbers in 0..65536: 4 · 65536² / 12.
        (sum - 2 * 65535) as f32 / 37_837.23
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_the_reference() {
        // First outputs for seed 1234567 as published with the reference implementation.
        let mut random = SplitMix::new(1_234_567);
        assert_eq!(random.bits(), 6_457_827_717_110_365_317);
        assert_eq!(random.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let mut random = SplitMix::new(5);
        let values: Vec<f32> = (0..50_000).map(|_| random.normal()).collect();
        let mean = values.iter().sum::<f32>() / 50_000.0;
        let variance = values.iter().map(|v| v * v).sum::<f32>() / 50_000.0;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }
}
