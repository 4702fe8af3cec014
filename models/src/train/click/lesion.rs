//! Synthetic lesions: shape, look, and how they are painted into an image.

use hilum_core::geometry::{Grid, WorldPoint};
use nalgebra::Vector3;
use rand::{Rng, RngExt as _};

use super::shapes::{Body, Irregularity, log_uniform, random_rotation};

/// A lesion's shape: one body, or a few that have grown together.
#[derive(Clone, Debug)]
pub(super) struct Lesion {
    lobes: Vec<Body>,
    length_mm: f64,
}

impl Lesion {
    /// A random lesion around `center`, about `length_mm` long.
    pub(super) fn random(center: WorldPoint, length_mm: f64, rng: &mut impl Rng) -> Self {
        let irregularity = Irregularity { elongation: 2.2, dents: 0.4 };
        if rng.random_bool(0.75) {
            return Self { lobes: vec![Body::random(center, length_mm, irregularity, rng)], length_mm };
        }
        let direction = random_rotation(rng) * Vector3::x();
        let lobes = [-0.2, 0.25]
            .map(|at| Body::random(center + direction * at * length_mm, 0.6 * length_mm, irregularity, rng));
        Self { lobes: lobes.to_vec(), length_mm }
    }

    /// Its longest axis, about.
    pub(super) fn length_mm(&self) -> f64 {
        self.length_mm
    }

    /// Its middle.
    pub(super) fn center(&self) -> WorldPoint {
        let sum = self.lobes.iter().fold(Vector3::zeros(), |sum, lobe| sum + lobe.center().coords);
        WorldPoint::from(sum / self.lobes.len() as f64)
    }

    fn depth_mm(&self, at: WorldPoint) -> f64 {
        self.lobes.iter().map(|lobe| lobe.depth_mm(at)).fold(f64::INFINITY, f64::min)
    }

    /// A point inside, by rejection; a lobe's middle if the dents leave none.
    pub(super) fn point_inside(&self, rng: &mut impl Rng) -> WorldPoint {
        for _ in 0..200 {
            let offset = Vector3::from_fn(|_, _| rng.random_range(-0.5..0.5) * self.length_mm);
            if self.depth_mm(self.center() + offset) < 0.0 {
                return self.center() + offset;
            }
        }
        self.lobes[0].center()
    }

    /// Which voxels of `grid` lie inside, `[z, y, x]`.
    pub(super) fn mask(&self, grid: &Grid) -> Vec<bool> {
        let mut mask = vec![false; grid.voxel_count()];
        for lobe in &self.lobes {
            visit(grid, lobe, 0.0, |i, _, depth| mask[i] |= depth < 0.0);
        }
        mask
    }

    /// Blends the lesion into `values`, whose tissue at its place has the level `host`.
    pub(super) fn paint(&self, values: &mut [f32], grid: &Grid, host: f32, look: &Look) {
        for (nth, lobe) in self.lobes.iter().enumerate() {
            visit(grid, lobe, 3.0 * look.edge_mm, |i, at, depth| {
                // A voxel of two lobes belongs to the deeper one.
                let others = self.lobes.iter().enumerate().filter(|(other, _)| *other != nth);
                if others.map(|(_, other)| other.depth_mm(at)).all(|other| other > depth) {
                    let new = look.level(at, depth, values[i], host);
                    values[i] += share_inside(depth, look.edge_mm) * (new - values[i]);
                }
            });
        }
    }
}

/// Largest difference between parts of a lesion in HU.
const LARGEST_VARIATION: f32 = 120.0;

/// What a lesion looks like, in the image's unit.
#[derive(Clone, Debug)]
pub(super) struct Look {
    level: f32,
    /// How much of the host's own texture shines through.
    grain: f32,
    /// Change of level deeper than this, as in necrosis.
    core: f32,
    core_depth_mm: f64,
    /// Patches of another level: amplitude and waves per mm with their phase.
    mottle: f32,
    waves: [(Vector3<f64>, f64); 3],
    edge_mm: f64,
}

impl Look {
    /// A look that can be told from tissue of the level `host` and deviation `host_sd` in HU.
    pub(super) fn random(host: f32, host_sd: f32, length_mm: f64, rng: &mut impl Rng) -> Self {
        let (level, grain) = if host < -400.0 {
            let solid = rng.random_bool(0.8);
            let level = if solid { rng.random_range(-60.0..90.0) } else { rng.random_range(-600.0..-250.0) };
            (level, rng.random_range(0.03..0.2))
        } else {
            let sign = if rng.random_bool(0.6) { -1.0 } else { 1.0 };
            let least = 18.0f64.max(0.8 * f64::from(host_sd.min(40.0)));
            let contrast = log_uniform(least, 160.0, rng) as f32;
            (host + sign * contrast, rng.random_range(0.25..1.0))
        };
        // In a lung the contrast is that of air; what varies within a lesion is tissue.
        let contrast = (level - host).clamp(-LARGEST_VARIATION, LARGEST_VARIATION);
        let core = if rng.random_bool(0.3) { rng.random_range(-1.1..0.7) * contrast } else { 0.0 };
        let mottle = if rng.random_bool(0.3) { rng.random_range(0.1..0.5) * contrast.abs() } else { 0.0 };
        let waves = std::array::from_fn(|_| {
            let wavelength = log_uniform(0.2, 0.7, rng) * length_mm;
            let direction = random_rotation(rng) * Vector3::x();
            let turn = std::f64::consts::TAU;
            (direction * turn / wavelength, rng.random_range(0.0..turn))
        });
        let edge_mm = log_uniform(0.25, 3.0, rng).min(0.12 * length_mm).max(0.1);
        let core_depth_mm = rng.random_range(0.08..0.25) * length_mm;
        Self { level, grain, core, core_depth_mm, mottle, waves, edge_mm }
    }

    fn level(&self, at: WorldPoint, depth_mm: f64, old: f32, host: f32) -> f32 {
        let core = self.core * share_inside(depth_mm + self.core_depth_mm, self.edge_mm);
        let mottle = if self.mottle > 0.0 {
            let sum: f64 = self.waves.iter().map(|(wave, phase)| (wave.dot(&at.coords) + phase).sin()).sum();
            self.mottle * sum as f32 / 2.0
        } else {
            0.0
        };
        self.level + core + mottle + self.grain * (old - host).clamp(-80.0, 80.0)
    }
}

/// Blends a body of one level into values, softly over `edge_mm`.
pub(super) fn paint_body(values: &mut [f32], grid: &Grid, body: &Body, edge_mm: f64, level: f32) {
    visit(grid, body, 3.0 * edge_mm, |i, _, depth| {
        values[i] += share_inside(depth, edge_mm) * (level - values[i]);
    });
}

/// Visits index, place and depth in mm of every voxel in a body or less than `margin_mm` outside.
fn visit(grid: &Grid, body: &Body, margin_mm: f64, mut each: impl FnMut(usize, WorldPoint, f64)) {
    let region = body.voxels_near(grid, margin_mm);
    let step = grid.affine().linear().column(0).into_owned();
    for (y, z) in region.rows() {
        let first = [region.start()[0], y, z];
        let (start, index) = (grid.world_of(first), grid.index(first));
        for x in 0..region.size()[0] {
            let at = start + step * x as f64;
            let depth = body.depth_mm(at);
            if depth < margin_mm {
                each(index + x, at, depth);
            }
        }
    }
}

/// Share of a voxel that belongs to a body whose surface is `depth_mm` deep under it.
fn share_inside(depth_mm: f64, edge_mm: f64) -> f32 {
    (1.0 / (1.0 + (depth_mm / edge_mm * 2.0).exp())) as f32
}

/// Median and standard deviation of the values under a mask; `None` for an empty one.
pub(super) fn tissue_under(values: &[f32], mask: &[bool]) -> Option<(f32, f32)> {
    let mut under: Vec<f32> = values.iter().zip(mask).filter(|(_, m)| **m).map(|(v, _)| *v).collect();
    under.sort_unstable_by(f32::total_cmp);
    let median = *under.get(under.len() / 2)?;
    Some((median, super::augment::mean_and_sd(&under).1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn a_painted_lesion_differs_from_its_host_where_its_mask_is() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let grid = Grid::from_spacing([40, 40, 40], [1.0; 3]).unwrap();
        for _ in 0..10 {
            let lesion = Lesion::random(grid.center_world(), 20.0, &mut rng);
            let look = Look { core: 0.0, mottle: 0.0, ..Look::random(50.0, 5.0, 20.0, &mut rng) };
            let mut values = vec![50.0; grid.voxel_count()];
            lesion.paint(&mut values, &grid, 50.0, &look);
            let mask = lesion.mask(&grid);
            let (inside, _) = tissue_under(&values, &mask).unwrap();
            assert!((inside - 50.0).abs() > 9.0, "{inside}");
            assert_eq!(values[0], 50.0);
            assert!(lesion.depth_mm(lesion.point_inside(&mut rng)) < 0.0);
        }
    }

    #[test]
    fn a_body_beside_the_image_paints_nothing() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let grid = Grid::from_spacing([13, 9, 7], [1.0, 2.0, 3.0]).unwrap();
        for direction in (0..6).map(|i| (i % 3, if i < 3 { -90.0 } else { 90.0 })) {
            let mut center = grid.center_world();
            center[direction.0] += direction.1;
            let lesion = Lesion::random(center, 20.0, &mut rng);
            let mut values = vec![50.0; grid.voxel_count()];
            lesion.paint(&mut values, &grid, 50.0, &Look::random(50.0, 5.0, 20.0, &mut rng));
            assert!(
                values.iter().all(|value| *value == 50.0) && lesion.mask(&grid).iter().all(|inside| !inside)
            );
        }
    }
}
