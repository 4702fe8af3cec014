//! Stand-ins for tests of the window; nothing here runs in the program itself.

use std::sync::Arc;

use hilum_core::geometry::{Affine, Grid, VoxelBox};
use hilum_core::job::Observer;
use hilum_core::label::BoxMask;
use hilum_core::prompt::Click;
use hilum_core::volume::{ImageMeta, Modality, Volume, Voxels};
use hilum_models::catalog::Region;
use hilum_models::infer::{ClickRequest, ClickResult, DenseError, InferError};
use nalgebra::{Matrix3, Rotation3, Vector3};

use crate::jobs::{Engine, EngineFactory, Labeller, LabellerFactory, Labels};

/// A small CT of odd size, anisotropic spacing and oblique position, with a different value in every voxel.
///
/// # Panics
/// Never; the affine is known to be invertible.
pub fn oblique_volume() -> Volume {
    let dims = [13, 9, 7];
    let rotation = Rotation3::from_euler_angles(0.4, -0.25, 0.9).into_inner();
    let linear = rotation * Matrix3::from_diagonal(&Vector3::new(0.8, -1.3, 2.9));
    let affine = Affine::new(linear, Vector3::new(-3.0, 5.0, 8.0)).expect("a rotation is invertible");
    let grid = Grid::new(dims, affine).expect("no axis is empty");
    let values = (0..grid.voxel_count()).map(|i| ((i * 7919) % 2003) as i16 - 1000).collect();
    let meta = ImageMeta {
        modality: Modality::Ct,
        title: "oblique".into(),
        has_physical_spacing: true,
        ..Default::default()
    };
    Volume::new(grid, Voxels::I16(values), meta).expect("as many voxels as the grid has")
}

/// A CT with given voxels.
///
/// # Panics
/// If their number differs from the grid's.
pub fn fixed_volume(grid: &Grid, voxels: Voxels) -> Volume {
    let meta = ImageMeta { modality: Modality::Ct, has_physical_spacing: true, ..Default::default() };
    Volume::new(*grid, voxels, meta).expect("as many voxels as the grid has")
}

/// A stand-in for the network: the voxels around the positive clicks whose values are close to theirs. It
/// tells nothing about segmentation; it only lets tests of the window run in no time.
pub struct GrowingEngine;

/// How far a value may be from that of the click.
const TOLERANCE: f32 = 60.0;
/// How far the stand-in grows, in voxels.
const REACH: usize = 16;

impl Engine for GrowingEngine {
    fn device(&self) -> String {
        "test device".into()
    }

    fn model(&self) -> String {
        "test model".into()
    }

    fn warm_up(&mut self) -> Result<f64, InferError> {
        Ok(0.25)
    }

    fn segment(
        &mut self,
        request: &ClickRequest,
        observer: &dyn Observer,
    ) -> Result<ClickResult, InferError> {
        observer.progress("growing", 0, 1);
        let positive = request.clicks.iter().find(|click| click.positive).ok_or(InferError::NoClick)?;
        assert!(positive.voxel != [0; 3], "the test wants a panic");
        let grid = request.volume.grid();
        let around = VoxelBox::of_voxel(positive.voxel).grown([REACH; 3], grid.dims());
        let seed = request.volume.value(positive.voxel).unwrap_or_default();
        let forbidden = |voxel: [usize; 3]| {
            let near = |click: &Click| (0..3).all(|a| click.voxel[a].abs_diff(voxel[a]) <= 2);
            request.clicks.iter().any(|click| !click.positive && near(click))
        };
        let mut inside = vec![false; grid.voxel_count()];
        let mut front = vec![positive.voxel];
        while let Some(voxel) = front.pop() {
            let index = grid.index(voxel);
            let close = request.volume.value(voxel).is_some_and(|v| (v - seed).abs() < TOLERANCE);
            if inside[index] || !close || forbidden(voxel) {
                continue;
            }
            inside[index] = true;
            for axis in 0..3 {
                for step in [-1, 1] {
                    let mut next = voxel;
                    next[axis] = next[axis].wrapping_add_signed(step);
                    if around.contains(next) {
                        front.push(next);
                    }
                }
            }
        }
        Ok(ClickResult {
            mask: BoxMask::from_fn(around, |voxel| inside[grid.index(voxel)]),
            seconds: vec![("growing".into(), 0.01)],
            model: self.model(),
            device: self.device(),
            quality: Some(0.9),
            notes: Vec::new(),
        })
    }
}

/// Makes [`GrowingEngine`]s.
pub fn growing_engine() -> EngineFactory {
    Arc::new(|_| Ok(Box::new(GrowingEngine)))
}

/// A stand-in for the networks of the eye: a round disc around the brightest spot with a cup of half its size, and for
/// vessels every tenth column, or the first columns of a volume. It tells nothing about photographs; it only lets tests of the window run in no time.
pub struct DiscLabeller {
    finds_vessels: bool,
    model: String,
}

impl Labeller for DiscLabeller {
    fn device(&self) -> String {
        "test device".into()
    }

    fn label(&mut self, volume: &Volume, observer: &dyn Observer) -> Result<Labels, DenseError> {
        if observer.is_cancelled() {
            return Err(hilum_core::job::Cancelled.into());
        }
        let [width, height, depth] = volume.grid().dims();
        let region = |name: &str, label, within: Option<&str>| Region {
            name: name.into(),
            label,
            within: within.map(Into::into),
            is_single: false,
        };
        if depth > 1 {
            let values = (0..width * height * depth).map(|i| u16::from(i % width < 3)).collect();
            let regions = vec![region("part", 1, None)];
            return Ok(Labels { values, regions, models: vec![self.model.clone()], doubts: Vec::new() });
        }
        if self.finds_vessels {
            let values = (0..width * height).map(|i| u16::from(i % width % 10 == 0)).collect();
            return Ok(Labels {
                values,
                regions: vec![region("vessel", 1, None)],
                models: vec!["vessels-test".into()],
                doubts: Vec::new(),
            });
        }
        let bright = |x: usize, y: usize| volume.value([x, y, 0]).unwrap_or_default();
        let block = |x: usize, y: usize| -> f32 { (0..64).map(|i| bright(x + i % 8, y + i / 8)).sum() };
        let blocks = (0..height / 8).flat_map(|y| (0..width / 8).map(move |x| (8 * x, 8 * y)));
        let (x, y) = blocks
            .max_by(|a, b| block(a.0, a.1).total_cmp(&block(b.0, b.1)))
            .ok_or_else(|| DenseError::NotFound("disc".into()))?;
        let center = [x as f64 + 4.0, y as f64 + 4.0];
        let inside = |radius: f64| move |at: [f64; 2]| (at[0] - center[0]).hypot(at[1] - center[1]) <= radius;
        let radius = width.min(height) as f64 / 12.0;
        let (disc, cup) = (inside(radius), inside(radius / 2.0));
        let label = |i: usize| {
            let at = [(i % width) as f64, (i / width) as f64];
            u16::from(disc(at)) + u16::from(cup(at))
        };
        Ok(Labels {
            values: (0..width * height).map(label).collect(),
            regions: vec![region("disc", 1, None), region("cup", 2, Some("disc"))],
            models: vec!["disc-test".into()],
            doubts: Vec::new(),
        })
    }
}

/// Makes [`DiscLabeller`]s; a model called `broken` panics.
pub fn disc_labeller() -> LabellerFactory {
    Arc::new(|choice| {
        assert!(choice.model != "broken", "the test wants a panic");
        let (finds_vessels, model) = (choice.model.contains("vessel"), choice.model.clone());
        Ok(Box::new(DiscLabeller { finds_vessels, model }))
    })
}

/// The same; a click on voxel (0, 0, 0) panics, as a framework might.
pub fn broken_engine() -> EngineFactory {
    growing_engine()
}
