//! The one-click pipeline: window → coarse answer → longest axis → cube → fine answer → back to the image
//! (Jiang et al., ISBI 2023). One window cannot suit a nodule and a sarcoma, so it grows while the answer reaches its
//! border.

use std::sync::Arc;
use std::time::Instant;

use hilum_core::geometry::{Grid, WorldPoint};
use hilum_core::job::Observer;
use hilum_core::label::BoxMask;
use hilum_core::prompt::Click;
use hilum_core::volume::Volume;

use super::InferError;
use super::answer::{self, Answer};
use super::clicks::Clicks;
use super::clock::Clock;
use super::stage::{Runner, StageInput, StageOutput};
use super::window::{Window, previous_in_cube, window_sides};
use crate::catalog::{Catalog, CatalogError};
use crate::device::{self, DeviceChoice};
use crate::train::recipe::Stage;
use crate::transform::cube::{cube_grid, resample};
use crate::transform::principal::{PrincipalAxes, principal_axes};

/// Side of the cube where the coarse answer is empty.
const EMPTY_SIDE_MM: f64 = 96.0;
/// A cube is cut anew, once, if the fine answer asks for one that is larger or smaller by more than this factor.
const RECUT_FACTOR: f64 = 1.35;

/// What to segment. Everything is captured here: the image may be replaced in the window meanwhile.
#[derive(Clone, Debug)]
pub struct ClickRequest {
    /// The image.
    pub volume: Arc<Volume>,
    /// All clicks of the object, oldest first.
    pub clicks: Vec<Click>,
    /// The object as it is now, when clicks refine it.
    pub previous: Option<BoxMask>,
}

/// The answer to a [`ClickRequest`].
#[derive(Clone, Debug)]
pub struct ClickResult {
    /// The object on the image's grid.
    pub mask: BoxMask,
    /// Seconds of each stage, in order.
    pub seconds: Vec<(String, f64)>,
    /// Identity of the stage-2 model.
    pub model: String,
    /// Where it ran.
    pub device: String,
    /// How sure the network is, 0..=1: soft Dice between its probabilities and its own mask.
    pub quality: Option<f32>,
    /// What a person should know: fallbacks, an empty first stage.
    pub notes: Vec<String>,
}

/// Everything between the click and the mask, for a look inside.
#[derive(Clone, Debug)]
pub struct Intermediates {
    /// Grid of the coarse window.
    pub window: Grid,
    /// Intensities in the window, `[z, y, x]`.
    pub window_values: Vec<f32>,
    /// Distance cue in the window.
    pub cue: Vec<f32>,
    /// Coarse probability in the window.
    pub coarse: Vec<f32>,
    /// Axes of the coarse component, if it was not empty.
    pub axes: Option<PrincipalAxes>,
    /// Grid of the cube.
    pub cube: Grid,
    /// Intensities in the cube.
    pub cube_values: Vec<f32>,
    /// Fine probability in the cube.
    pub fine: Vec<f32>,
    /// Attention maps of the fine network: name, shape `[z, y, x]`, values.
    pub maps: Vec<(String, [usize; 3], Vec<f32>)>,
}

/// The loaded pipeline. It owns tensors: keep it on one thread.
pub struct OneClick {
    coarse: Runner,
    fine: Runner,
    margin: f64,
    min_side_mm: f64,
    window_mm: f64,
    device_name: String,
    is_cpu: bool,
    catalog: Catalog,
}

impl OneClick {
    /// Loads the stage-2 model of this identity (or the default) and its stage-1 model.
    ///
    /// # Errors
    /// [`InferError`] if a model or the device is not there.
    pub fn load(model_id: Option<&str>, device: &DeviceChoice) -> Result<Self, InferError> {
        Self::from_catalog(Catalog::new(None)?, model_id, *device)
    }

    /// The same with the models of a catalog.
    ///
    /// # Errors
    /// As [`OneClick::load`].
    pub fn from_catalog(
        catalog: Catalog,
        model_id: Option<&str>,
        choice: DeviceChoice,
    ) -> Result<Self, InferError> {
        let opened = device::open(choice)?;
        let fine = catalog.fine(model_id)?;
        let unsuitable =
            |what: &str| CatalogError::Unsuitable { id: fine.card.id.clone(), what: what.to_owned() };
        let coarse_id = fine.card.coarse.as_deref().ok_or_else(|| unsuitable("names no first stage"))?;
        let coarse = catalog.find(coarse_id)?;
        let Stage::Fine { margin, min_side_mm } = fine.card.stage else {
            return Err(unsuitable("is no second stage").into());
        };
        let Stage::Coarse { window_mm } = coarse.card.stage else {
            return Err(unsuitable("names a first stage that is none").into());
        };
        Ok(Self {
            coarse: Runner::new(coarse, &opened.device)?,
            fine: Runner::new(fine, &opened.device)?,
            margin,
            min_side_mm,
            window_mm,
            device_name: opened.name,
            is_cpu: opened.is_cpu,
            catalog,
        })
    }

    /// Identity of the stage-2 model.
    pub fn model_id(&self) -> &str {
        &self.fine.card().id
    }

    /// Name of the device in use.
    pub fn device_name(&self) -> &str {
        &self.device_name
    }

    /// Runs both networks once on an empty cube, so that kernels are compiled before the first click.
    /// Returns the seconds it took.
    ///
    /// # Errors
    /// [`InferError::Failed`] if neither the device nor the CPU can run the networks.
    pub fn warm_up(&mut self) -> Result<f64, InferError> {
        let begun = Instant::now();
        let mut notes = Vec::new();
        let grid = cube_grid(WorldPoint::origin(), self.window_mm, self.coarse.card().size)
            .map_err(|e| InferError::Failed { device: self.device_name.clone(), cause: e.to_string() })?;
        let values = vec![0.0; grid.voxel_count()];
        let input = StageInput::empty(&grid, &values);
        self.with_fallback(&mut notes, |s| s.coarse.run(&input, false))?;
        let fine_grid = cube_grid(WorldPoint::origin(), EMPTY_SIDE_MM, self.fine.card().size)
            .map_err(|e| InferError::Failed { device: self.device_name.clone(), cause: e.to_string() })?;
        let values = vec![0.0; fine_grid.voxel_count()];
        let input = StageInput::empty(&fine_grid, &values);
        self.with_fallback(&mut notes, |s| s.fine.run(&input, false))?;
        Ok(begun.elapsed().as_secs_f64())
    }

    /// The object at the clicks.
    ///
    /// # Errors
    /// [`InferError`] for clicks that make no sense, a device that fails together with the CPU, or cancellation.
    pub fn segment(
        &mut self,
        request: &ClickRequest,
        observer: &dyn Observer,
    ) -> Result<ClickResult, InferError> {
        Ok(self.segment_with(request, observer, false)?.0)
    }

    /// As [`OneClick::segment`], together with everything in between.
    ///
    /// # Errors
    /// As [`OneClick::segment`].
    pub fn segment_with(
        &mut self,
        request: &ClickRequest,
        observer: &dyn Observer,
        with_maps: bool,
    ) -> Result<(ClickResult, Intermediates), InferError> {
        let clicks = Clicks::check(request)?;
        let mut notes = Vec::new();
        let mut clock = Clock::new(observer);
        let (window, axes) = self.coarse_answer(request, &clicks, &mut clock, &mut notes)?;
        if axes.is_none() {
            notes.push(format!(
                "the first stage found nothing at the click; a cube of {EMPTY_SIDE_MM} mm is used"
            ));
        }
        let fine = self.fine_answer(request, &clicks, axes.as_ref(), with_maps, &mut clock, &mut notes)?;
        clock.begin("back")?;
        let Answer { mask, quality } =
            answer::to_image(&fine.output.probability, &fine.cube, request, &mut notes);
        let result = ClickResult {
            mask,
            seconds: clock.finish(),
            model: self.model_id().to_owned(),
            device: self.device_name.clone(),
            quality,
            notes,
        };
        let intermediates = Intermediates {
            cue: crate::transform::cue::distance_cue(
                &window.grid,
                &clicks.positive,
                crate::transform::cue::POSITIVE_RANGE_MM,
            ),
            window: window.grid,
            window_values: window.values,
            coarse: window.probability,
            axes,
            cube: fine.cube,
            cube_values: fine.values,
            fine: fine.output.probability,
            maps: fine.output.maps,
        };
        Ok((result, intermediates))
    }

    /// Stage 1 in windows of growing size, until the answer keeps away from the border.
    fn coarse_answer(
        &mut self,
        request: &ClickRequest,
        clicks: &Clicks,
        clock: &mut Clock<'_>,
        notes: &mut Vec<String>,
    ) -> Result<(Window, Option<PrincipalAxes>), InferError> {
        let sides = window_sides(self.window_mm, &request.volume, clicks, request.previous.as_ref());
        let mut last = None;
        for side in sides {
            clock.begin("coarse")?;
            let window = self.coarse_in_window(request, clicks, side, notes)?;
            let component = window.component(clicks);
            let is_left = component.as_ref().is_some_and(|inside| window.is_left_by(inside));
            let axes = component.and_then(|inside| principal_axes(&window.grid, &inside));
            last = Some((window, axes));
            if !is_left {
                break;
            }
        }
        Ok(last.expect("there is at least one window"))
    }

    /// Runs stage 1 in a window of `side_mm`.
    fn coarse_in_window(
        &mut self,
        request: &ClickRequest,
        clicks: &Clicks,
        side_mm: f64,
        notes: &mut Vec<String>,
    ) -> Result<Window, InferError> {
        let grid =
            cube_grid(clicks.center().0, side_mm, self.coarse.card().size).map_err(|e| self.failed(&e))?;
        let values = resample(&request.volume, &grid, request.volume.range().min);
        let previous =
            request.previous.as_ref().and_then(|mask| previous_in_cube(mask, &request.volume, &grid));
        let input = stage_input(request, clicks, &grid, &values, previous.as_deref());
        let output = self.with_fallback(notes, |s| s.coarse.run(&input, false))?;
        Ok(Window { grid, values, probability: output.probability, previous })
    }

    /// The cube around an object that holds every click (networks.md D12).
    fn cube(&self, axes: Option<&PrincipalAxes>, clicks: &Clicks) -> Grid {
        let (center, side) = match axes {
            Some(axes) => (axes.centroid, (self.margin * axes.lengths_mm[0]).max(self.min_side_mm)),
            None => (clicks.center().0, EMPTY_SIDE_MM),
        };
        let reach = clicks.positive.iter().map(|c| (c - center).amax()).fold(0.0, f64::max);
        cube_grid(center, side.max(2.1 * reach), self.fine.card().size)
            .expect("the side is positive and the size comes from a card that loaded")
    }

    /// Stage 2 in the cube that the coarse object asks for, and once more where its own answer asks for another.
    fn fine_answer(
        &mut self,
        request: &ClickRequest,
        clicks: &Clicks,
        axes: Option<&PrincipalAxes>,
        with_maps: bool,
        clock: &mut Clock<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Fine, InferError> {
        clock.begin("fine")?;
        let fine = self.fine_in_cube(request, clicks, self.cube(axes, clicks), with_maps, notes)?;
        let inside: Vec<bool> = fine.output.probability.iter().map(|p| *p >= 0.5).collect();
        let component = answer::component_at(&inside, &fine.cube, &clicks.positive);
        let Some(axes) = component.and_then(|inside| principal_axes(&fine.cube, &inside)) else {
            return Ok(fine);
        };
        let better = self.cube(Some(&axes), clicks);
        let factor = better.extent_mm()[0] / fine.cube.extent_mm()[0];
        if (1.0 / RECUT_FACTOR..=RECUT_FACTOR).contains(&factor) {
            return Ok(fine);
        }
        clock.begin("fine")?;
        self.fine_in_cube(request, clicks, better, with_maps, notes)
    }

    fn fine_in_cube(
        &mut self,
        request: &ClickRequest,
        clicks: &Clicks,
        cube: Grid,
        with_maps: bool,
        notes: &mut Vec<String>,
    ) -> Result<Fine, InferError> {
        let values = resample(&request.volume, &cube, request.volume.range().min);
        let previous =
            request.previous.as_ref().and_then(|mask| previous_in_cube(mask, &request.volume, &cube));
        let input = stage_input(request, clicks, &cube, &values, previous.as_deref());
        let output = self.with_fallback(notes, |s| s.fine.run(&input, with_maps))?;
        Ok(Fine { cube, values, output })
    }

    /// Runs `work`; if the GPU fails, loads the networks on the CPU, says so, and runs it again.
    fn with_fallback(
        &mut self,
        notes: &mut Vec<String>,
        work: impl Fn(&Self) -> Result<StageOutput, String>,
    ) -> Result<StageOutput, InferError> {
        let cause = match work(self) {
            Ok(output) => return Ok(output),
            Err(cause) => cause,
        };
        if self.is_cpu {
            return Err(InferError::Failed { device: self.device_name.clone(), cause });
        }
        let failed = std::mem::replace(
            self,
            Self::from_catalog(self.catalog.clone(), Some(self.model_id()), DeviceChoice::Cpu)?,
        );
        notes.push(format!("{} failed ({cause}); the CPU is used from now on", failed.device_name));
        work(self).map_err(|cause| InferError::Failed { device: self.device_name.clone(), cause })
    }

    fn failed(&self, cause: &impl ToString) -> InferError {
        InferError::Failed { device: self.device_name.clone(), cause: cause.to_string() }
    }
}

fn stage_input<'a>(
    request: &ClickRequest,
    clicks: &'a Clicks,
    grid: &'a Grid,
    values: &'a [f32],
    previous: Option<&'a [f32]>,
) -> StageInput<'a> {
    let modality = request.volume.meta().modality;
    StageInput { grid, values, modality, positive: &clicks.positive, negative: &clicks.negative, previous }
}

/// The second stage's cube and answer.
struct Fine {
    cube: Grid,
    values: Vec<f32>,
    output: StageOutput,
}
