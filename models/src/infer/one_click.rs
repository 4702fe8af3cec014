//! The one-click pipeline: window → coarse answer → longest axis → cube → fine answer → back to the image
//! (Jiang et al., ISBI 2023). One window cannot suit a nodule and a sarcoma, so windows of growing size are
//! tried, and the answer is kept of which both networks are surest.

use std::sync::Arc;
use std::time::Instant;

use hilum_core::geometry::{Grid, WorldPoint};
use hilum_core::job::{Cancelled, Observer};
use hilum_core::label::BoxMask;
use hilum_core::prompt::Click;
use hilum_core::volume::Volume;

use super::InferError;
use super::answer::{self, Answer};
use super::stage::{Runner, StageInput, StageOutput};
use crate::catalog::{Catalog, CatalogError};
use crate::device::{self, DeviceChoice};
use crate::train::recipe::Stage;
use crate::transform::cube::{cube_grid, resample, resample_mask};
use crate::transform::principal::{PrincipalAxes, principal_axes};

/// Side of the cube where the coarse answer is empty.
const EMPTY_SIDE_MM: f64 = 96.0;
/// Windows of growing size that are tried.
const MAX_WINDOWS: usize = 3;
/// By how much it grows.
pub(crate) const WINDOW_GROWTH: f64 = 1.5;
/// Longest object over the side of the window that suits it; training cuts windows by the same rule.
pub(crate) const WINDOW_SHARE: f64 = 0.8;
/// By how much a larger window must be surer than a smaller one: it takes whole organs for lesions more easily.
const WINDOW_MARGIN: f32 = 0.03;

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
        let mut best: Option<Attempt> = None;
        for side in self.window_sides(request, &clicks) {
            let attempt = self.attempt(request, &clicks, side, with_maps, &mut clock, &mut notes)?;
            if best.as_ref().is_none_or(|best| attempt.confidence > best.confidence + WINDOW_MARGIN) {
                best = Some(attempt);
            }
        }
        let Attempt { window, axes, cube, values, output, answer, .. } =
            best.expect("there is at least one window");
        if axes.is_none() {
            notes.push("the first stage found nothing at the click; a cube of 96 mm is used".into());
        }
        let Answer { mask, quality } = answer;
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
            cube,
            cube_values: values,
            fine: output.probability,
            maps: output.maps,
        };
        Ok((result, intermediates))
    }

    /// Sides of the windows that are tried, in mm: the network's own, and larger ones while the image is larger.
    /// A refining click keeps to the window that suits the object at hand, which grows with it.
    fn window_sides(&self, request: &ClickRequest, clicks: &Clicks) -> Vec<f64> {
        let largest = request.volume.grid().extent_mm().into_iter().fold(0.0, f64::max);
        let mut side = self.window_mm.max(2.5 * clicks.center().1);
        let mut sides = vec![side];
        while sides.len() < MAX_WINDOWS && side < largest {
            side *= WINDOW_GROWTH;
            sides.push(side);
        }
        if let Some(length_mm) = request.previous.as_ref().and_then(|mask| length_of(mask, &request.volume)) {
            let suits = |side: &f64| length_mm <= WINDOW_SHARE * side;
            let first = sides.iter().position(suits).unwrap_or(sides.len() - 1);
            sides = vec![sides[first]];
        }
        sides
    }

    /// Both stages with a window of one size.
    fn attempt(
        &mut self,
        request: &ClickRequest,
        clicks: &Clicks,
        side_mm: f64,
        with_maps: bool,
        clock: &mut Clock<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Attempt, InferError> {
        clock.begin("coarse")?;
        let window = self.coarse_answer(request, clicks, side_mm, notes)?;
        let component = window.component(clicks);
        let axes = component.as_ref().and_then(|inside| principal_axes(&window.grid, inside));
        let cube = self.cube(axes.as_ref(), clicks);
        clock.begin("fine")?;
        let (values, output) = self.fine_answer(request, clicks, &cube, with_maps, notes)?;
        clock.begin("back")?;
        let answer = answer::to_image(&output.probability, &cube, request, notes);
        let coarse = component.and_then(|inside| answer::soft_dice(&window.probability, &inside));
        let confidence = answer.quality.unwrap_or(0.0) + coarse.unwrap_or(0.0);
        Ok(Attempt { window, axes, cube, values, output, answer, confidence })
    }

    /// Runs stage 1 in a window of `side_mm`.
    fn coarse_answer(
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
        let input = StageInput {
            grid: &grid,
            values: &values,
            modality: request.volume.meta().modality,
            positive: &clicks.positive,
            negative: &clicks.negative,
            previous: previous.as_deref(),
        };
        let output = self.with_fallback(notes, |s| s.coarse.run(&input, false))?;
        Ok(Window { grid, values, probability: output.probability, previous })
    }

    /// The cube around the coarse object that holds every click (networks.md D12).
    fn cube(&self, axes: Option<&PrincipalAxes>, clicks: &Clicks) -> Grid {
        let (center, side) = match axes {
            Some(axes) => (axes.centroid, (self.margin * axes.lengths_mm[0]).max(self.min_side_mm)),
            None => (clicks.center().0, EMPTY_SIDE_MM),
        };
        let reach = clicks.positive.iter().map(|c| (c - center).amax()).fold(0.0, f64::max);
        cube_grid(center, side.max(2.1 * reach), self.fine.card().size)
            .expect("the side is positive and the size comes from a card that loaded")
    }

    fn fine_answer(
        &mut self,
        request: &ClickRequest,
        clicks: &Clicks,
        cube: &Grid,
        with_maps: bool,
        notes: &mut Vec<String>,
    ) -> Result<(Vec<f32>, StageOutput), InferError> {
        let values = resample(&request.volume, cube, request.volume.range().min);
        let previous =
            request.previous.as_ref().and_then(|mask| previous_in_cube(mask, &request.volume, cube));
        let input = StageInput {
            grid: cube,
            values: &values,
            modality: request.volume.meta().modality,
            positive: &clicks.positive,
            negative: &clicks.negative,
            previous: previous.as_deref(),
        };
        let output = self.with_fallback(notes, |s| s.fine.run(&input, with_maps))?;
        Ok((values, output))
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

/// Longest axis of a mask in mm; `None` for an empty one.
fn length_of(mask: &BoxMask, volume: &Volume) -> Option<f64> {
    let grid = volume.grid().sub_grid(mask.region()).ok()?;
    principal_axes(&grid, mask.inside()).map(|axes| axes.lengths_mm[0])
}

/// Share of each cube voxel that lies in the present mask.
fn previous_in_cube(mask: &BoxMask, volume: &Volume, cube: &Grid) -> Option<Vec<f32>> {
    // One voxel of margin, so that the mask's own border is a border.
    let region = mask.region().grown([1; 3], volume.grid().dims());
    let grid = volume.grid().sub_grid(region).ok()?;
    let padded = mask.cut(region);
    let share = resample_mask(padded.inside(), &grid, cube);
    Some(share.into_iter().map(|s| if s >= 0.5 { 1.0 } else { 0.0 }).collect())
}

/// Clicks in the patient.
struct Clicks {
    positive: Vec<WorldPoint>,
    negative: Vec<WorldPoint>,
}

impl Clicks {
    fn check(request: &ClickRequest) -> Result<Self, InferError> {
        let grid = request.volume.grid();
        let dims = grid.dims();
        if grid.is_flat() {
            return Err(InferError::Flat { dims });
        }
        if let Some(click) = request.clicks.iter().find(|c| !grid.full_box().contains(c.voxel)) {
            return Err(InferError::Outside { voxel: click.voxel, dims });
        }
        let of = |positive: bool| {
            request.clicks.iter().filter(|c| c.positive == positive).map(|c| grid.world_of(c.voxel)).collect()
        };
        let clicks = Self { positive: of(true), negative: of(false) };
        if clicks.positive.is_empty() { Err(InferError::NoClick) } else { Ok(clicks) }
    }

    /// Middle of the positive clicks and the largest extent between them along an axis.
    fn center(&self) -> (WorldPoint, f64) {
        let (mut low, mut high) = (self.positive[0].coords, self.positive[0].coords);
        for click in &self.positive {
            low = low.inf(&click.coords);
            high = high.sup(&click.coords);
        }
        (WorldPoint::from((low + high) / 2.0), (high - low).amax())
    }
}

/// The coarse answer in its window.
struct Window {
    grid: Grid,
    values: Vec<f32>,
    probability: Vec<f32>,
    previous: Option<Vec<f32>>,
}

impl Window {
    /// The component at the clicks, else the nearest, else nothing (networks.md D11). What was accepted so far
    /// counts as object, so that a refining click never cuts the cube smaller than the object at hand.
    fn component(&self, clicks: &Clicks) -> Option<Vec<bool>> {
        let mut mask: Vec<bool> = self.probability.iter().map(|p| *p >= 0.5).collect();
        for (inside, previous) in mask.iter_mut().zip(self.previous.iter().flatten()) {
            *inside |= *previous >= 0.5;
        }
        answer::component_at(&mask, &self.grid, &clicks.positive)
    }
}

/// Both stages with one size of window.
struct Attempt {
    window: Window,
    axes: Option<PrincipalAxes>,
    cube: Grid,
    values: Vec<f32>,
    output: StageOutput,
    answer: Answer,
    /// How sure both networks are of their own masks, 0..=2.
    confidence: f32,
}

/// Times the stages and stops between them when asked to.
struct Clock<'a> {
    observer: &'a dyn Observer,
    seconds: Vec<(String, f64)>,
    present: Option<usize>,
    begun: u64,
    since: Instant,
}

/// Stages of the pipeline over all windows.
const STAGES: u64 = 3 * MAX_WINDOWS as u64;

impl<'a> Clock<'a> {
    fn new(observer: &'a dyn Observer) -> Self {
        Self { observer, seconds: Vec::new(), present: None, begun: 0, since: Instant::now() }
    }

    fn begin(&mut self, stage: &str) -> Result<(), Cancelled> {
        self.close();
        if self.observer.is_cancelled() {
            return Err(Cancelled);
        }
        self.observer.progress(stage, self.begun, STAGES);
        self.begun += 1;
        self.present = match self.seconds.iter().position(|(name, _)| name == stage) {
            Some(known) => Some(known),
            None => {
                self.seconds.push((stage.to_owned(), 0.0));
                Some(self.seconds.len() - 1)
            }
        };
        Ok(())
    }

    fn close(&mut self) {
        let elapsed = self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        if let Some(present) = self.present {
            self.seconds[present].1 += elapsed;
        }
    }

    fn finish(mut self) -> Vec<(String, f64)> {
        self.close();
        self.seconds
    }
}
