//! The second stage of the one-click pipeline alone, where the place of the object is known.

use burn::tensor::Device;
use hilum_core::geometry::{Grid, WorldPoint};
use hilum_core::label::BoxMask;

use super::InferError;
use super::answer;
use super::clicks::Clicks;
use super::one_click::{ClickRequest, stage_input};
use super::stage::Runner;
use super::window::previous_in_cube;
use crate::catalog::{Catalog, CatalogError};
use crate::nets::AttentionMap;
use crate::train::recipe::Stage;
use crate::transform::cube::{cube_grid, resample};
use crate::transform::principal::PrincipalAxes;

/// The side of a cube that the second stage looks at, and its voxels.
#[derive(Clone, Copy, Debug)]
pub(super) struct CubeRule {
    /// Side over the longest axis of the object.
    pub(super) margin: f64,
    /// Shortest side.
    pub(super) min_side_mm: f64,
    /// Voxels along each edge.
    pub(super) size: usize,
}

impl CubeRule {
    /// The cube around a place that holds every click (networks.md D12).
    pub(super) fn cube(&self, axes: &PrincipalAxes, clicks: &[WorldPoint]) -> Grid {
        let side = (self.margin * axes.lengths_mm[0]).max(self.min_side_mm);
        self.holding(axes.centroid, side, clicks)
    }

    /// A cube of at least this side that holds every click.
    pub(super) fn holding(&self, center: WorldPoint, side_mm: f64, clicks: &[WorldPoint]) -> Grid {
        let reach = clicks.iter().map(|c| (c - center).amax()).fold(0.0, f64::max);
        cube_grid(center, side_mm.max(2.1 * reach), self.size)
            .expect("the side is positive and the size comes from a card that loaded")
    }
}

/// A second stage on its device. It owns tensors: keep it on one thread.
pub(crate) struct FineStage {
    runner: Runner,
    rule: CubeRule,
    device_name: String,
}

impl FineStage {
    /// Loads a model of the catalog; no first stage is needed.
    ///
    /// # Errors
    /// [`InferError::Model`] if it is missing, broken or no second stage.
    pub(crate) fn load(
        catalog: &Catalog,
        id: &str,
        device: &Device,
        device_name: &str,
    ) -> Result<Self, InferError> {
        let model = catalog.find(id)?;
        let no_fine = || CatalogError::Unsuitable { id: id.to_owned(), what: "is no second stage".into() };
        let task = model.card.click().ok_or_else(no_fine)?;
        let Stage::Fine { margin, min_side_mm } = task.stage else { return Err(no_fine().into()) };
        let rule = CubeRule { margin, min_side_mm, size: task.size };
        Ok(Self { runner: Runner::new(model, task, device)?, rule, device_name: device_name.to_owned() })
    }

    /// Identity of its model.
    pub(crate) fn id(&self) -> &str {
        self.runner.id()
    }

    /// The cube for an object with these axes that holds every click.
    ///
    /// # Errors
    /// [`InferError`] for clicks that make no sense.
    pub(crate) fn cube(&self, request: &ClickRequest, axes: &PrincipalAxes) -> Result<Grid, InferError> {
        Ok(self.rule.cube(axes, &Clicks::check(request)?.positive))
    }

    /// Probability of the object in a cube, `[z, y, x]`.
    ///
    /// # Errors
    /// [`InferError`] for clicks that make no sense and a device that fails.
    pub(crate) fn probability(&self, request: &ClickRequest, cube: &Grid) -> Result<Vec<f32>, InferError> {
        self.with_input(request, cube, |runner, input| Ok(runner.run(input, false)?.probability))
    }

    /// What the network's attention shows in a cube.
    ///
    /// # Errors
    /// As [`FineStage::probability`].
    pub(crate) fn attention(
        &self,
        request: &ClickRequest,
        cube: &Grid,
    ) -> Result<Vec<AttentionMap>, InferError> {
        self.with_input(request, cube, Runner::attention)
    }

    /// The object at the clicks, in the cube around a known place; with a mask at hand, as a correction of it.
    ///
    /// # Errors
    /// As [`FineStage::probability`].
    pub(crate) fn answer(&self, request: &ClickRequest, axes: &PrincipalAxes) -> Result<BoxMask, InferError> {
        let cube = self.cube(request, axes)?;
        let probability = self.probability(request, &cube)?;
        let is_correction = request.previous.is_some();
        Ok(answer::to_image(&probability, &cube, request, is_correction, &mut Vec::new()).mask)
    }

    fn with_input<T>(
        &self,
        request: &ClickRequest,
        cube: &Grid,
        work: impl FnOnce(&Runner, &super::stage::StageInput<'_>) -> Result<T, String>,
    ) -> Result<T, InferError> {
        let clicks = Clicks::check(request)?;
        let values = resample(&request.volume, cube, request.volume.range().min);
        let previous =
            request.previous.as_ref().and_then(|mask| previous_in_cube(mask, &request.volume, cube));
        let input = stage_input(request, &clicks, cube, &values, previous.as_deref());
        work(&self.runner, &input)
            .map_err(|cause| InferError::Failed { device: self.device_name.clone(), cause })
    }
}
