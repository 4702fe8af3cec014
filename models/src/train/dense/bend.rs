//! Smooth random deformations of an image around a sample: organs differ in shape more than a turn and a scale say.

use std::f64::consts::TAU;

use nalgebra::Vector3;
use rand::{Rng, RngExt as _};

use super::super::click::shapes::normal;
use super::super::recipe::DenseAugment;
use crate::transform::frame::Frame;

/// Waves whose sum displaces a point: few, so that they stay smooth, enough that no two samples look alike.
const WAVES: usize = 4;
/// Their lengths in sides of the sample.
const WAVE_LENGTHS: std::ops::Range<f64> = 0.3..1.5;

/// One wave of displacement.
#[derive(Debug)]
struct Wave {
    /// Direction and size of the displacement, in voxels of the image.
    amplitude: Vector3<f64>,
    /// Phase a voxel along each axis of the image.
    phase: Vector3<f64>,
    start: f64,
}

/// A ring moved in or out inside a circle, whose edge stays: a wider or narrower cup in the same disc.
#[derive(Debug)]
struct Ring {
    center: Vector3<f64>,
    radius: f64,
    strength: f64,
}

/// Where a sample looks instead, for every point of the image.
#[derive(Debug, Default)]
pub(super) struct Bend {
    waves: Vec<Wave>,
    ring: Option<Ring>,
}

impl Bend {
    /// Draws a deformation for a sample on `frame`; `around` is centre and extent of what the sample shows.
    pub(super) fn draw(
        frame: &Frame,
        around: Option<(Vector3<f64>, f64)>,
        augment: &DenseAugment,
        rng: &mut impl Rng,
    ) -> Self {
        let mut bend = Self::default();
        if augment.elastic > 0.0 {
            bend.waves = (0..WAVES).map(|_| Wave::draw(frame, augment.elastic, rng)).collect();
        }
        if let (Some((center, extent)), true) = (around, augment.concentric > 0.0) {
            let strength = augment.concentric * rng.random_range(-1.0..=1.0);
            bend.ring = Some(Ring { center, radius: extent / 2.0, strength });
        }
        bend
    }

    /// Where to look for what is shown at `at`, in voxels of the image.
    pub(super) fn apply(&self, at: Vector3<f64>) -> Vector3<f64> {
        let moved = self.ring.as_ref().map_or(at, |ring| ring.apply(at));
        self.waves
            .iter()
            .fold(moved, |sum, wave| sum + wave.amplitude * (wave.phase.dot(&at) + wave.start).sin())
    }
}

impl Wave {
    /// A wave whose largest local stretch is about `stretch` over √[`WAVES`], so that all together give `stretch`.
    fn draw(frame: &Frame, stretch: f64, rng: &mut impl Rng) -> Self {
        let side = |axis: usize| frame.step.column(axis).norm() * frame.dims[axis] as f64;
        let widest = side(0).max(side(1)).max(side(2));
        let length = widest * rng.random_range(WAVE_LENGTHS);
        // Within the axes that the sample has, turned as the sample is.
        let mut direction = || {
            let along = (0..3).filter(|axis| frame.dims[*axis] > 1);
            along.map(|axis| frame.step.column(axis).normalize() * normal(rng)).sum::<Vector3<f64>>()
        };
        let unit = |v: Vector3<f64>| v.try_normalize(1e-9).unwrap_or_default();
        let (amplitude, phase) = (unit(direction()), unit(direction()));
        Self {
            amplitude: amplitude * (stretch * length / TAU / (WAVES as f64).sqrt()),
            phase: phase * (TAU / length),
            start: rng.random_range(0.0..TAU),
        }
    }
}

impl Ring {
    /// ρ becomes ρ + s·ρ·(1 − ρ) inside the circle, which is monotone for |s| < 1 and keeps middle and edge.
    fn apply(&self, at: Vector3<f64>) -> Vector3<f64> {
        let from_center = at - self.center;
        let rho = from_center.norm() / self.radius;
        if rho >= 1.0 { at } else { self.center + from_center * (1.0 + self.strength * (1.0 - rho)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    fn frame() -> Frame {
        Frame::square(Vector3::new(20.0, 30.0, 0.0), 40.0, [64, 64])
    }

    #[test]
    fn a_plane_stays_a_plane_and_stretches_as_much_as_asked() {
        let augment = DenseAugment { elastic: 0.2, ..DenseAugment::default() };
        for seed in 0..50 {
            let bend = Bend::draw(&frame(), None, &augment, &mut ChaCha8Rng::seed_from_u64(seed));
            for i in 0..200 {
                let at = Vector3::new(f64::from(i % 20) * 2.0, f64::from(i / 20) * 4.0, 0.0);
                let step = Vector3::new(0.01, 0.0, 0.0);
                let stretch = (bend.apply(at + step) - bend.apply(at) - step).norm() / step.norm();
                assert!(bend.apply(at).z == 0.0 && stretch <= 0.2 * 2.0 + 1e-6, "{stretch}");
            }
        }
    }

    #[test]
    fn a_ring_moves_and_the_edge_stays() {
        let center = Vector3::new(20.0, 30.0, 0.0);
        let augment = DenseAugment { concentric: 0.7, ..DenseAugment::default() };
        let mut largest: f64 = 0.0;
        for seed in 0..20 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let bend = Bend::draw(&frame(), Some((center, 16.0)), &augment, &mut rng);
            let at =
                |rho: f64| (bend.apply(center + Vector3::new(8.0 * rho, 0.0, 0.0)) - center).norm() / 8.0;
            let radii: Vec<f64> = (0..=20).map(|i| at(f64::from(i) / 20.0)).collect();
            assert!(radii.windows(2).all(|pair| pair[0] < pair[1]), "{radii:?}");
            assert!(at(0.0) < 1e-12 && (at(1.0) - 1.0).abs() < 1e-12 && (at(1.5) - 1.5).abs() < 1e-12);
            largest = largest.max((at(0.5) - 0.5).abs());
        }
        assert!(largest > 0.1, "{largest}");
    }
}
