//! The two kinds of network that the loop can teach: what they answer on a case, and what correcting that costs.

use std::sync::Arc;

use hilum_core::geometry::Grid;
use hilum_core::job::{Cancelled, Observer};
use hilum_core::label::LabelMap;
use hilum_core::volume::Volume;

use super::config::ClickRule;
use super::cost::correction_cost;
use crate::infer::{Clicker, Dense, FineStage};
use crate::metric::dice;
use crate::teach::case::{OpenedCase, regions_of};
use crate::teach::objects::objects_of;
use crate::teach::uncertainty::click_uncertainty;
use crate::teach::{CaseUncertainty, CaseUse, Strategy, TeachError, TeachingCase, uncertainty};
use crate::train::recipe::TaskRecipe;
use crate::transform::principal::{PrincipalAxes, principal_axes};

/// Clicks and strokes.
pub(super) type Cost = [usize; 2];

/// A case of a simulation, in memory.
pub(super) struct LoopCase {
    /// Its name.
    pub(super) id: String,
    volume: Arc<Volume>,
    /// The truth, `[z, y, x]`; where clicks are answered, 1 in the object that is clicked.
    labels: Vec<u16>,
    map: Arc<LabelMap>,
    /// Axes of the object that is clicked.
    axes: Option<PrincipalAxes>,
}

impl LoopCase {
    /// A case for the networks of a recipe: of one that is clicked, the largest object is looked at alone.
    pub(super) fn of(opened: OpenedCase, task: &TaskRecipe) -> Result<Self, TeachError> {
        let OpenedCase { id, volume, mut labels } = opened;
        let grid = *volume.grid();
        let mut axes = None;
        if matches!(task, TaskRecipe::Click(_)) {
            let found = largest_object(&labels, &grid).ok_or_else(|| {
                let why = "its mask shows no object of ten voxels or more in a volume of several slices";
                TeachError::Unsuitable(format!("the case {id} cannot be clicked: {why}"))
            })?;
            (labels, axes) = (found.0, Some(found.1));
        }
        let map = LabelMap::from_voxels(grid, labels.clone()).expect("labels were checked against the image");
        Ok(Self { id, volume, labels, map: Arc::new(map), axes })
    }

    /// The same for a training.
    pub(super) fn teaching(&self, purpose: CaseUse) -> TeachingCase {
        TeachingCase::memory(&self.id, self.volume.clone(), Some(self.map.clone()), purpose)
    }

    /// What it costs to draw it from nothing. Before any network has learned there is nobody to answer clicks.
    pub(super) fn drawing_cost(&self) -> Cost {
        let [clicks, strokes] = self.cost_from(&vec![0; self.labels.len()]);
        [if self.axes.is_some() { 0 } else { clicks }, strokes]
    }

    fn cost_from(&self, answer: &[u16]) -> Cost {
        correction_cost(answer, &self.labels, self.volume.grid().dims())
    }

    fn axes(&self) -> &PrincipalAxes {
        self.axes.as_ref().expect("cases of networks that answer clicks have an object")
    }

    fn truth(&self) -> Vec<bool> {
        self.labels.iter().map(|label| *label != 0).collect()
    }
}

/// Labels of the largest object alone, and its axes.
fn largest_object(labels: &[u16], grid: &Grid) -> Option<(Vec<u16>, PrincipalAxes)> {
    let object = objects_of(labels, grid).into_iter().next().filter(|_| !grid.is_flat())?;
    let axes = principal_axes(&grid.sub_grid(object.region()).ok()?, object.inside())?;
    let whole = object.cut(grid.full_box());
    Some((whole.inside().iter().map(|inside| u16::from(*inside)).collect(), axes))
}

/// A network as it is in one round.
pub(super) trait Learner {
    /// Dice of its answer on a case, region by region.
    fn dices(&self, case: &LoopCase, observer: &dyn Observer) -> Result<Vec<f64>, TeachError>;

    /// What correcting its answer on a case costs.
    fn cost(&self, case: &LoopCase, observer: &dyn Observer) -> Result<Cost, TeachError>;

    /// How little it knows of a case.
    fn uncertainty(
        &self,
        case: &LoopCase,
        strategy: Strategy,
        seed: u64,
        observer: &dyn Observer,
    ) -> Result<CaseUncertainty, TeachError>;
}

/// A network that labels whole images.
pub(super) struct DenseLearner(pub(super) Dense);

impl Learner for DenseLearner {
    fn dices(&self, case: &LoopCase, observer: &dyn Observer) -> Result<Vec<f64>, TeachError> {
        let labels = self.0.segment(&case.volume, observer)?.labels;
        let answer = regions_of(self.0.task(), &labels);
        let truth = regions_of(self.0.task(), &case.labels);
        Ok(truth.iter().zip(&answer).map(|(truth, answer)| dice(truth, answer)).collect())
    }

    fn cost(&self, case: &LoopCase, observer: &dyn Observer) -> Result<Cost, TeachError> {
        Ok(case.cost_from(&self.0.segment(&case.volume, observer)?.labels))
    }

    fn uncertainty(
        &self,
        case: &LoopCase,
        strategy: Strategy,
        seed: u64,
        observer: &dyn Observer,
    ) -> Result<CaseUncertainty, TeachError> {
        uncertainty(&self.0, &case.id, &case.volume, strategy, seed, observer)
    }
}

/// The second stage of the one-click pipeline. It is given the cube around the middle of the truth, of the side that its
/// recipe says for an object of the truth's length: the first stages at hand have learned from patients whose labels are
/// counted here.
pub(super) struct ClickLearner {
    pub(super) stage: FineStage,
    pub(super) rule: ClickRule,
}

impl ClickLearner {
    /// Clicks by rule until the person is content: Dice after every click, and the answer to the first one.
    fn clicks(
        &self,
        case: &LoopCase,
        rule: ClickRule,
        observer: &dyn Observer,
    ) -> Result<(Vec<f64>, Vec<u16>), TeachError> {
        let truth = case.truth();
        let mut clicker = Clicker::new(&case.volume, &truth);
        let (mut dices, mut first) = (Vec::new(), Vec::new());
        while dices.len() < rule.most && dices.last().is_none_or(|dice| *dice < rule.enough_dice) {
            if observer.is_cancelled() {
                return Err(Cancelled.into());
            }
            let Some(request) = clicker.next_request() else { break };
            dices.push(clicker.take(self.stage.answer(&request, case.axes())?));
            if dices.len() == 1 {
                first = clicker.answer().iter().map(|inside| u16::from(*inside)).collect();
            }
        }
        Ok((dices, first))
    }
}

impl Learner for ClickLearner {
    fn dices(&self, case: &LoopCase, observer: &dyn Observer) -> Result<Vec<f64>, TeachError> {
        Ok(self.clicks(case, ClickRule { most: 1, ..self.rule }, observer)?.0)
    }

    /// Clicks until the person is content or gives up; or the strokes that painting over the errors of the first answer
    /// takes.
    fn cost(&self, case: &LoopCase, observer: &dyn Observer) -> Result<Cost, TeachError> {
        let (dices, first) = self.clicks(case, self.rule, observer)?;
        Ok([dices.len(), case.cost_from(&first)[1]])
    }

    fn uncertainty(
        &self,
        case: &LoopCase,
        strategy: Strategy,
        seed: u64,
        observer: &dyn Observer,
    ) -> Result<CaseUncertainty, TeachError> {
        let truth = case.truth();
        let mut clicker = Clicker::new(&case.volume, &truth);
        let request = clicker.next_request().expect("the object has voxels, none of which is answered yet");
        click_uncertainty(&self.stage, &case.id, &request, case.axes(), strategy, seed, observer)
    }
}
