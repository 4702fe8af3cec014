//! The one-click pipeline: window → coarse answer → longest axis → cube → fine answer → back to the image
//! (Jiang et al., ISBI 2023). One window cannot suit a nodule and a sarcoma, so windows of growing size are tried.

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
use super::fine::CubeRule;
use super::stage::{Runner, StageInput, StageOutput};
use super::window::{Trust, Window, axes_of, previous_in_cube, window_sides};
use crate::catalog::{Catalog, CatalogError, Model};
use crate::device::{self, DeviceChoice, OpenDevice};
use crate::inspect::Subject;
use crate::train::recipe::Stage;
use crate::transform::channels::Channel;
use crate::transform::cube::{cube_grid, resample};
use crate::transform::principal::{PrincipalAxes, principal_axes};

/// Side of the cube where the coarse answer is empty.
const EMPTY_SIDE_MM: f64 = 96.0;
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
    rule: CubeRule,
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
        Self::on(catalog, model_id, device::open(choice)?)
    }

    /// The same on a device that is open.
    ///
    /// # Errors
    /// As [`OneClick::load`].
    pub fn on(catalog: Catalog, model_id: Option<&str>, opened: OpenDevice) -> Result<Self, InferError> {
        let fine = catalog.fine(model_id)?;
        let unsuitable = |model: &Model, what: &str| CatalogError::Unsuitable {
            id: model.card.id.clone(),
            what: what.to_owned(),
        };
        let no_fine = || unsuitable(fine, "is no second stage");
        let fine_task = fine.card.click().ok_or_else(no_fine)?;
        let Stage::Fine { margin, min_side_mm } = fine_task.stage else { return Err(no_fine().into()) };
        let coarse_id = fine_task.coarse.as_deref();
        let coarse = catalog.find(coarse_id.ok_or_else(|| unsuitable(fine, "names no first stage"))?)?;
        let no_coarse = || unsuitable(coarse, "is no first stage, although another model names it as such");
        let coarse_task = coarse.card.click().ok_or_else(no_coarse)?;
        let Stage::Coarse { window_mm } = coarse_task.stage else { return Err(no_coarse().into()) };
        Ok(Self {
            coarse: Runner::new(coarse, coarse_task, &opened.device)?,
            fine: Runner::new(fine, fine_task, &opened.device)?,
            rule: CubeRule { margin, min_side_mm, size: fine_task.size },
            window_mm,
            device_name: opened.name,
            is_cpu: opened.is_cpu,
            catalog,
        })
    }

    /// Identity of the stage-2 model.
    pub fn model_id(&self) -> &str {
        self.fine.id()
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
        let grid = cube_grid(WorldPoint::origin(), self.window_mm, self.coarse.size())
            .map_err(|e| InferError::Failed { device: self.device_name.clone(), cause: e.to_string() })?;
        let values = vec![0.0; grid.voxel_count()];
        let input = StageInput::empty(&grid, &values);
        self.with_fallback(&mut notes, |s| s.coarse.run(&input, false))?;
        let fine_grid = cube_grid(WorldPoint::origin(), EMPTY_SIDE_MM, self.fine.size())
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
        let attempt = self.best_attempt(request, &clicks, with_maps, &mut clock, &mut notes)?;
        let Attempt { window, axes, fine, answer: Answer { mask, quality }, notes: of_attempt, .. } = attempt;
        if axes.is_none() {
            notes.push(format!(
                "the first stage found nothing at the click; a cube of {EMPTY_SIDE_MM} mm is used"
            ));
        }
        notes.extend(of_attempt);
        if !clicks.negative.is_empty() && !self.fine.sees(Channel::Negative) {
            notes.push(format!(
                "the model {} does not see negative clicks; erase with the brush",
                self.model_id()
            ));
        }
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

    /// The object at the clicks, and both networks with what they were given, the first stage first, to be looked
    /// into. Where a mask at hand took the place of the first stage, the second stands alone.
    ///
    /// # Errors
    /// As [`OneClick::segment`].
    pub fn subjects(
        &mut self,
        request: &ClickRequest,
        observer: &dyn Observer,
    ) -> Result<(ClickResult, Vec<Subject>), InferError> {
        let (result, between) = self.segment_with(request, observer, false)?;
        let clicks = Clicks::check(request)?;
        let subject = |runner: &Runner, stage: &str, grid: &Grid, values: &[f32]| {
            let previous =
                request.previous.as_ref().and_then(|mask| previous_in_cube(mask, &request.volume, grid));
            runner.subject(stage, &stage_input(request, &clicks, grid, values, previous.as_deref()))
        };
        let mut subjects = Vec::new();
        if between.window != between.cube {
            subjects.push(subject(&self.coarse, "coarse", &between.window, &between.window_values));
        }
        subjects.push(subject(&self.fine, "fine", &between.cube, &between.cube_values));
        Ok((result, subjects))
    }

    /// Both stages in windows of growing size; of all attempts the one that both networks are surest of, see
    /// [`super::window`].
    fn best_attempt(
        &mut self,
        request: &ClickRequest,
        clicks: &Clicks,
        with_maps: bool,
        clock: &mut Clock<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Attempt, InferError> {
        if let Some(axes) = request.previous.as_ref().and_then(|mask| axes_of(mask, &request.volume)) {
            let attempt = self.refinement(request, clicks, axes, with_maps, clock, notes)?;
            if attempt.fine.follows(request) {
                return Ok(attempt);
            }
            // The object may reach farther than the second stage can see around the mask at hand.
        }
        let mut best: Option<Attempt> = None;
        for side in window_sides(self.window_mm, &request.volume, clicks) {
            let attempt = self.attempt(request, clicks, side, with_maps, clock, notes)?;
            let may_be_larger = attempt.trust.may_be_larger();
            if best.as_ref().is_none_or(|best| attempt.trust.beats(&best.trust)) {
                best = Some(attempt);
            }
            if !may_be_larger {
                break;
            }
        }
        Ok(best.expect("there is at least one window"))
    }

    /// The second stage alone: for a further click, the mask at hand takes the place of the first stage's answer.
    fn refinement(
        &mut self,
        request: &ClickRequest,
        clicks: &Clicks,
        axes: PrincipalAxes,
        with_maps: bool,
        clock: &mut Clock<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Attempt, InferError> {
        clock.begin("fine")?;
        let cube = self.cube(Some(&axes), clicks);
        let fine = self.fine_in_cube(request, clicks, cube, with_maps, notes)?;
        clock.begin("back")?;
        let mut notes = Vec::new();
        let answer = answer::to_image(&fine.output.probability, &fine.cube, request, true, &mut notes);
        let at_hand = request.previous.as_ref().and_then(|m| previous_in_cube(m, &request.volume, &cube));
        let window = Window {
            grid: cube,
            values: fine.values.clone(),
            probability: at_hand.unwrap_or_default(),
            previous: None,
        };
        let trust = Trust {
            side_mm: cube.extent_mm()[0],
            length_mm: axes.lengths_mm[0],
            is_left: false,
            coarse: 1.0,
            fine: answer.quality.unwrap_or(0.0),
        };
        Ok(Attempt { window, axes: Some(axes), fine, answer, trust, notes })
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
        let window = self.coarse_in_window(request, clicks, side_mm, notes)?;
        let component = window.component(clicks);
        let axes = component.as_ref().and_then(|inside| principal_axes(&window.grid, inside));
        clock.begin("fine")?;
        let fine = self.fine_in_cube(request, clicks, self.cube(axes.as_ref(), clicks), with_maps, notes)?;
        clock.begin("back")?;
        let mut notes = Vec::new();
        let answer = answer::to_image(&fine.output.probability, &fine.cube, request, false, &mut notes);
        let trust = Trust {
            side_mm,
            length_mm: axes.as_ref().map_or(0.0, |axes| axes.lengths_mm[0]),
            is_left: component.as_ref().is_some_and(|inside| window.is_left_by(inside)),
            coarse: component
                .and_then(|inside| answer::soft_dice(&window.probability, &inside))
                .unwrap_or(0.0),
            fine: answer.quality.unwrap_or(0.0),
        };
        Ok(Attempt { window, axes, fine, answer, trust, notes })
    }

    /// Runs stage 1 in a window of `side_mm`.
    fn coarse_in_window(
        &mut self,
        request: &ClickRequest,
        clicks: &Clicks,
        side_mm: f64,
        notes: &mut Vec<String>,
    ) -> Result<Window, InferError> {
        let grid = cube_grid(clicks.center().0, side_mm, self.coarse.size()).map_err(|e| self.failed(&e))?;
        let values = resample(&request.volume, &grid, request.volume.range().min);
        let previous =
            request.previous.as_ref().and_then(|mask| previous_in_cube(mask, &request.volume, &grid));
        let input = stage_input(request, clicks, &grid, &values, previous.as_deref());
        let output = self.with_fallback(notes, |s| s.coarse.run(&input, false))?;
        Ok(Window { grid, values, probability: output.probability, previous })
    }

    /// The cube around an object that holds every click; around the clicks where none was found.
    fn cube(&self, axes: Option<&PrincipalAxes>, clicks: &Clicks) -> Grid {
        match axes {
            Some(axes) => self.rule.cube(axes, &clicks.positive),
            None => self.rule.holding(clicks.center().0, EMPTY_SIDE_MM, &clicks.positive),
        }
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

pub(super) fn stage_input<'a>(
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

impl Fine {
    /// Whether the network agrees that the newest click, if it is a positive one, belongs to the object.
    fn follows(&self, request: &ClickRequest) -> bool {
        let Some(last) = request.clicks.last().filter(|click| click.positive) else { return true };
        let at = request.volume.grid().world_of(last.voxel);
        self.cube.voxel_at_world(at).is_some_and(|v| self.output.probability[self.cube.index(v)] >= 0.5)
    }
}

/// Both stages with one size of window.
struct Attempt {
    window: Window,
    axes: Option<PrincipalAxes>,
    fine: Fine,
    answer: Answer,
    trust: Trust,
    notes: Vec<String>,
}
