//! Synthetic images whose truth is known: a CT of a trunk with lesions, a photograph of the fundus, a section of
//! the kidney; for people without images of their own, for the case that the window opens with, and for tests.
//!
//! Organs and lesions are closed shapes in patient space, so that the same patient can be scanned on any grid.

mod anatomy;
mod fundus;
mod histology;
mod lesions;
mod shape;

use nalgebra::{Matrix3, Point3, Vector3};
use serde::Serialize;

use crate::geometry::{Affine, Grid, GridError, VoxelBox};
use crate::random::SplitMix;
use crate::volume::{ImageMeta, Modality, Volume, Voxels};
pub use fundus::{FundusAnatomy, FundusPhantom, FundusPhantomOptions, fundus_phantom};
pub use histology::{HISTOLOGY_CLASSES, HistologyPhantom, HistologyPhantomOptions, Stain, histology_phantom};
use shape::Shape;

/// Which patient, scanned how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CtPhantomOptions {
    /// Decides size, place, form and texture of everything.
    pub seed: u64,
    /// Voxels along x, y, z.
    pub dims: [usize; 3],
    /// Distance of voxels along x, y, z in mm.
    pub spacing_mm: [f64; 3],
    /// Standard deviation of the noise in HU.
    pub noise_hu: f32,
}

impl Default for CtPhantomOptions {
    /// The whole trunk in 224 × 192 × 72 voxels of 1.5 × 1.5 × 3 mm with the noise of a routine abdominal CT.
    fn default() -> Self {
        Self { seed: 1, dims: [224, 192, 72], spacing_mm: [1.5, 1.5, 3.0], noise_hu: 12.0 }
    }
}

/// A lesion of a phantom.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhantomLesion {
    /// Its value in [`CtPhantom::truth`].
    pub label: u8,
    /// What it imitates.
    pub name: &'static str,
    /// A voxel `(x, y, z)` well inside: a place to click.
    pub click_voxel: [usize; 3],
    /// Its voxels.
    pub voxel_count: usize,
    /// Mean HU of the lesion less that of its surroundings, before noise.
    pub contrast_hu: f32,
}

/// A synthetic CT with its truth.
#[derive(Debug)]
pub struct CtPhantom {
    /// The image in HU.
    pub volume: Volume,
    /// One label a lesion, 0 elsewhere, `[z, y, x]` on the image's grid.
    pub truth: Vec<u8>,
    /// The lesions that lie in the image, by label.
    pub lesions: Vec<PhantomLesion>,
}

/// Half the width of the blurred edge of organs in mm: the resolution of a CT.
const EDGE_MM: f64 = 0.9;

/// Makes a synthetic CT. The same options give the same voxels.
///
/// # Errors
/// [`GridError`] for a size or spacing that no image can have.
pub fn ct_phantom(options: &CtPhantomOptions) -> Result<CtPhantom, GridError> {
    let grid = grid_around_origin(options)?;
    let mut random = SplitMix::new(options.seed);
    let mut canvas = Canvas { grid, hu: vec![-1000.0; grid.voxel_count()] };
    let build = random.between(0.95, 1.05);
    for organ in anatomy::organs(build) {
        canvas.paint(&organ);
    }
    canvas.texture(&mut random);
    let mut truth = vec![0u8; grid.voxel_count()];
    let mut found = Vec::new();
    for (index, lesion) in lesions::lesions(build, &mut random).iter().enumerate() {
        let label = index as u8 + 1;
        if let Some(painted) = canvas.paint_lesion(lesion, label, &mut truth) {
            found.push(painted);
        }
    }
    canvas.noise(options.noise_hu, &mut random);
    let voxels = Voxels::I16(canvas.hu.iter().map(|hu| hu.round().clamp(-1024.0, 3071.0) as i16).collect());
    let volume = Volume::new(grid, voxels, meta(options.seed)).expect("the canvas fills its grid");
    Ok(CtPhantom { volume, truth, lesions: found })
}

fn grid_around_origin(options: &CtPhantomOptions) -> Result<Grid, GridError> {
    let CtPhantomOptions { dims, spacing_mm, .. } = *options;
    let origin = Vector3::from_fn(|a, _| -0.5 * spacing_mm[a] * (dims[a].max(1) - 1) as f64);
    Grid::new(dims, Affine::new(Matrix3::from_diagonal(&Vector3::from(spacing_mm)), origin)?)
}

fn meta(seed: u64) -> ImageMeta {
    ImageMeta {
        modality: Modality::Ct,
        title: format!("Synthetic CT {seed}"),
        window: Some((40.0, 400.0)),
        time_points: 1,
        has_physical_spacing: true,
        ..ImageMeta::default()
    }
}

/// The image while it is being painted.
struct Canvas {
    grid: Grid,
    hu: Vec<f32>,
}

impl Canvas {
    fn paint(&mut self, organ: &anatomy::Organ) {
        self.visit(&organ.shape, EDGE_MM, |hu, _, depth, _| {
            let share = share_inside(depth, EDGE_MM);
            *hu += share * (organ.hu - *hu);
        });
    }

    /// Runs over the voxels on and near a shape with `(hu, index, depth in mm, place)`.
    fn visit(
        &mut self,
        shape: &Shape,
        edge_mm: f64,
        mut each: impl FnMut(&mut f32, usize, f64, Point3<f64>),
    ) {
        let region = self.box_around(shape, edge_mm);
        for (y, z) in region.rows() {
            for x in region.start()[0]..region.end()[0] {
                let place = self.grid.world_of([x, y, z]);
                let depth = shape.depth_mm(place);
                if depth > -edge_mm {
                    let index = self.grid.index([x, y, z]);
                    each(&mut self.hu[index], index, depth, place);
                }
            }
        }
    }

    fn box_around(&self, shape: &Shape, edge_mm: f64) -> VoxelBox {
        let (low, high) = shape.bounds_mm();
        let clip = |world: Point3<f64>, extra: f64| {
            let voxel = self.grid.affine().voxel_from_world(world);
            [0, 1, 2].map(|a| (voxel[a] + extra).clamp(0.0, self.grid.dims()[a] as f64) as usize)
        };
        let margin = Vector3::repeat(edge_mm);
        VoxelBox::new(clip(low - margin, 0.0), clip(high + margin, 2.0))
    }

    fn paint_lesion(
        &mut self,
        lesion: &lesions::Lesion,
        label: u8,
        truth: &mut [u8],
    ) -> Option<PhantomLesion> {
        let (mut count, mut inside, mut ring, mut ring_count) = (0usize, 0.0f64, 0.0f64, 0usize);
        let (mut deepest, mut click) = (f64::NEG_INFINITY, 0);
        let edge = lesion.edge_mm;
        self.visit(&lesion.shape, edge.max(4.0), |hu, index, depth, place| {
            if depth <= 0.0 {
                (ring, ring_count) = (ring + f64::from(*hu), ring_count + 1);
            }
            *hu += share_inside(depth, edge) * (lesion.hu_at(depth, place) - *hu);
            if depth > 0.0 {
                truth[index] = label;
                (count, inside) = (count + 1, inside + f64::from(*hu));
                if depth > deepest {
                    (deepest, click) = (depth, index);
                }
            }
        });
        (count > 0).then(|| PhantomLesion {
            label,
            name: lesion.name,
            click_voxel: self.grid.voxel(click),
            voxel_count: count,
            contrast_hu: (inside / count as f64 - ring / ring_count.max(1) as f64) as f32,
        })
    }

    /// Uneven perfusion: a few slow waves through everything that is soft tissue.
    fn texture(&mut self, random: &mut SplitMix) {
        let waves = shape::Waves::new(random, 5, 12.0, 45.0);
        for index in 0..self.hu.len() {
            if (-200.0..300.0).contains(&self.hu[index]) {
                self.hu[index] += 4.0 * waves.at(self.grid.world_of(self.grid.voxel(index)).coords) as f32;
            }
        }
    }

    /// Noise that neighbours in a slice share in part, as after a soft reconstruction kernel.
    fn noise(&mut self, sd_hu: f32, random: &mut SplitMix) {
        // Weights 1 2 1 along both axes leave 3/8 of the standard deviation.
        let scale = sd_hu / 0.375 / 16.0;
        let [nx, ny, _] = self.grid.dims();
        let (wide, high) = (nx + 2, ny + 2);
        let mut white = vec![0.0f32; wide * high];
        for slice in self.hu.chunks_exact_mut(nx * ny) {
            white.iter_mut().for_each(|value| *value = random.normal());
            for (index, hu) in slice.iter_mut().enumerate() {
                let at = index / nx * wide + index % nx;
                let row = |start: usize| white[start] + 2.0 * white[start + 1] + white[start + 2];
                *hu += scale * (row(at) + 2.0 * row(at + wide) + row(at + 2 * wide));
            }
        }
    }
}

/// Share of a voxel that a shape fills, from the depth of its centre below the surface.
fn share_inside(depth_mm: f64, edge_mm: f64) -> f32 {
    let t = ((depth_mm / edge_mm + 1.0) / 2.0).clamp(0.0, 1.0);
    (t * t * (3.0 - 2.0 * t)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(seed: u64) -> CtPhantomOptions {
        CtPhantomOptions { seed, dims: [112, 96, 44], spacing_mm: [3.0, 3.0, 5.0], ..Default::default() }
    }

    #[test]
    fn a_seed_decides_every_voxel() {
        let (a, b) = (ct_phantom(&small(3)).unwrap(), ct_phantom(&small(3)).unwrap());
        assert_eq!(a.volume.voxels(), b.volume.voxels());
        assert_eq!(a.truth, b.truth);
        assert_ne!(a.truth, ct_phantom(&small(4)).unwrap().truth);
    }

    #[test]
    fn lesions_are_where_they_are_said_to_be_and_differ_from_their_surroundings() {
        for seed in 0..6 {
            let phantom = ct_phantom(&CtPhantomOptions { noise_hu: 0.0, ..small(seed) }).unwrap();
            let grid = phantom.volume.grid();
            assert_eq!(phantom.lesions.len(), 6, "seed {seed}");
            for lesion in &phantom.lesions {
                assert_eq!(phantom.truth[grid.index(lesion.click_voxel)], lesion.label, "{lesion:?}");
                let count = phantom.truth.iter().filter(|t| **t == lesion.label).count();
                assert_eq!(count, lesion.voxel_count);
                assert!(lesion.contrast_hu.abs() > 8.0, "seed {seed}: {lesion:?}");
            }
            let contrasts = phantom.lesions.iter().map(|l| l.contrast_hu.abs());
            assert!(contrasts.clone().fold(0.0, f32::max) > 300.0, "none is obvious");
            assert!(contrasts.fold(f32::INFINITY, f32::min) < 40.0, "none is subtle");
        }
    }

    #[test]
    fn tissues_have_the_values_of_a_ct() {
        let phantom = ct_phantom(&small(1)).unwrap();
        let at = |x: f64, y: f64, z: f64| phantom.volume.value_at_world_for_test(Point3::new(x, y, z));
        assert!((at(-160.0, -135.0, 0.0) + 1000.0).abs() < 60.0, "air");
        assert!((at(70.0, 20.0, 100.0) + 850.0).abs() < 80.0, "lung");
        assert!((at(82.0, 30.0, -30.0) - 120.0).abs() < 60.0, "spleen");
        let range = phantom.volume.range();
        assert!(range.max > 300.0 && range.min < -950.0, "bone and air: {range:?}");
    }

    impl Volume {
        fn value_at_world_for_test(&self, place: Point3<f64>) -> f32 {
            self.value(self.grid().voxel_at_world(place).unwrap()).unwrap()
        }
    }

    #[test]
    fn the_noise_has_the_strength_that_was_asked_for() {
        let air = |noise_hu| {
            let phantom = ct_phantom(&CtPhantomOptions { noise_hu, ..small(1) }).unwrap();
            phantom.volume.box_values(VoxelBox::new([0, 0, 0], [112, 5, 44]))
        };
        let (clean, noisy) = (air(0.0), air(15.0));
        let squares: f32 = clean.iter().zip(&noisy).map(|(c, n)| (n - c).powi(2)).sum();
        // Values below −1024 are cut off, which takes a little away.
        let sd = (squares / clean.len() as f32).sqrt();
        assert!((13.0..15.5).contains(&sd), "{sd}");
    }

    #[test]
    fn a_grid_without_voxels_is_refused_and_one_beside_the_patient_is_air() {
        assert!(ct_phantom(&CtPhantomOptions { dims: [0, 4, 4], ..small(1) }).is_err());
        let tiny = CtPhantomOptions { dims: [1, 1, 1], ..small(1) };
        assert_eq!(ct_phantom(&tiny).unwrap().truth, [0]);
    }
}
