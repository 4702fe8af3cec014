//! What weights answer on the cases set aside, as a user would have it: whole images labelled, or one click an object.

use std::sync::Arc;

use hilum_core::geometry::Grid;
use hilum_core::job::{Cancelled, Observer};

use super::case::{OpenedCase, regions_of};
use super::compare::{CaseDifference, Comparison};
use super::objects::objects_of;
use super::{CaseUse, TeachError, TeachingCase};
use crate::catalog::{Catalog, DenseTask, Task};
use crate::device::OpenDevice;
use crate::infer::{Dense, DenseError, OneClick, simulate_clicks};
use crate::metric::dice;
use crate::train::validation::Quiet;

/// What the answer to a click is called in the tables.
const CLICKED: &str = "object after 1 click";

/// Weights that are judged.
enum Candidate {
    Dense(Box<Dense>),
    Click(Box<OneClick>),
}

/// What weights answer on a case.
struct Answered {
    dices: Vec<Option<f64>>,
    invented_ml: f64,
}

/// Compares two models of a catalog on the cases that are set aside, each labelled as a user would have it labelled,
/// mirrorings and locator included; for networks that answer clicks, every object is clicked once in its middle (see
/// [`simulate_clicks`]) and a case counts with the mean over its objects. `best` are further weights that the new ones
/// must not be worse than, see [`Versions::best`](super::Versions::best).
///
/// # Errors
/// [`TeachError`] for models that differ in what they label, a case that cannot be read, a device that fails, and when
/// the observer asks to stop.
pub fn compare(
    catalog: &Catalog,
    [current, new]: [&str; 2],
    best: Option<&str>,
    cases: &[TeachingCase],
    device: &OpenDevice,
    observer: &dyn Observer,
) -> Result<Comparison, TeachError> {
    let best = best.filter(|best| *best != current && *best != new);
    let mut models = Vec::with_capacity(3);
    for id in [Some(current), Some(new), best].into_iter().flatten() {
        models.push(Candidate::load(catalog, id, device)?);
    }
    if models.iter().any(|model| !model.is_like(&models[0])) {
        return Err(TeachError::Unsuitable(format!("{current} and {new} label different regions")));
    }
    let set_aside: Vec<_> = cases.iter().filter(|case| case.purpose == CaseUse::SetAside).collect();
    let mut rows = Vec::with_capacity(set_aside.len());
    for (nth, case) in set_aside.iter().enumerate() {
        observer.wait_while_paused();
        if observer.is_cancelled() {
            return Err(Cancelled.into());
        }
        observer.progress("comparing", nth as u64, set_aside.len() as u64);
        let opened = case.open()?;
        let mut answers = models.iter_mut().map(|model| model.answer(&opened, &Quiet(observer)));
        let mut next = || answers.next().transpose();
        let (Some(current), Some(new)) = (next()?, next()?) else { continue };
        let best = next()?.map(|best| best.dices).unwrap_or_default();
        let invented_ml = [current.invented_ml, new.invented_ml];
        let (current, new) = (current.dices, new.dices);
        rows.push(CaseDifference { id: case.id.clone(), current, new, best, invented_ml });
    }
    Ok(Comparison::of(current, best, new, &models[0].names(), rows))
}

impl Candidate {
    fn load(catalog: &Catalog, id: &str, device: &OpenDevice) -> Result<Self, TeachError> {
        Ok(match catalog.find(id)?.card.task {
            Task::Dense(_) => Self::Dense(Box::new(Dense::load(catalog, id, &device.device)?)),
            Task::Click(_) => Self::Click(Box::new(OneClick::on(catalog.clone(), Some(id), device.clone())?)),
            Task::Unassigned => {
                return Err(TeachError::Unsuitable(format!("the model {id} has no task to be judged in")));
            }
        })
    }

    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dense(a), Self::Dense(b)) => a.task().regions == b.task().regions,
            (Self::Click(_), Self::Click(_)) => true,
            _ => false,
        }
    }

    fn names(&self) -> Vec<String> {
        match self {
            Self::Dense(model) => model.task().regions.iter().map(|region| region.name.clone()).collect(),
            Self::Click(_) => vec![CLICKED.to_owned()],
        }
    }

    fn answer(&mut self, case: &OpenedCase, observer: &dyn Observer) -> Result<Answered, TeachError> {
        match self {
            Self::Dense(model) => {
                let labels = match model.segment(&case.volume, observer) {
                    Ok(answer) => answer.labels,
                    // What is not found is an answer too: an empty one.
                    Err(DenseError::NotFound(_)) => vec![0; case.volume.voxels().len()],
                    Err(error) => return Err(error.into()),
                };
                Ok(of_labels(model.task(), &case.labels, &labels, case.volume.grid()))
            }
            Self::Click(pipeline) => {
                let mut dices = Vec::new();
                for object in objects_of(&case.labels, case.volume.grid()) {
                    let truth = object.cut(case.volume.grid().full_box());
                    let volume = Arc::clone(&case.volume);
                    let states = simulate_clicks(pipeline, &volume, truth.inside(), 1, observer)?;
                    dices.push(states.last().map(|state| state.dice));
                }
                Ok(Answered { dices: vec![CaseDifference::mean_of(&dices)], invented_ml: 0.0 })
            }
        }
    }
}

/// Dice of every region, also of those that the truth does not show: there any voxel is one too many.
fn of_labels(task: &DenseTask, truth: &[u16], answer: &[u16], grid: &Grid) -> Answered {
    let pairs = regions_of(task, truth).into_iter().zip(regions_of(task, answer));
    let voxel_ml = grid.spacing_mm().iter().product::<f64>() / 1000.0;
    let mut answered = Answered { dices: Vec::new(), invented_ml: 0.0 };
    for (truth, answer) in pairs {
        if !truth.contains(&true) {
            answered.invented_ml += answer.iter().filter(|inside| **inside).count() as f64 * voxel_ml;
        }
        answered.dices.push(Some(dice(&truth, &answer)));
    }
    answered
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_region_that_is_not_there_counts_what_is_invented() {
        let task: DenseTask = serde_json::from_value(json!({
            "input": {"color": false, "normalize": {"kind": "image"}, "scale": {"kind": "keep"}},
            "regions": [{"name": "a", "label": 1}, {"name": "b", "label": 2}], "tile": [1, 4, 4]
        }))
        .unwrap();
        let grid = Grid::from_spacing([4, 1, 1], [10.0; 3]).unwrap();
        let found = of_labels(&task, &[1, 1, 0, 0], &[1, 1, 2, 2], &grid);
        assert_eq!((found.dices, found.invented_ml), (vec![Some(1.0), Some(0.0)], 2.0));
        let empty = of_labels(&task, &[0; 4], &[0; 4], &grid);
        assert_eq!((empty.dices, empty.invented_ml), (vec![Some(1.0), Some(1.0)], 0.0));
    }
}
