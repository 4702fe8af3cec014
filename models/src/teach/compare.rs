//! New weights against the present ones, case by case.

use hilum_core::job::{Cancelled, Observer};
use hilum_core::measure::{Summary, summarize};
use serde::{Deserialize, Serialize};

use super::case::regions_of;
use super::{CaseUse, TeachError, TeachingCase};
use crate::catalog::Catalog;
use crate::device::OpenDevice;
use crate::infer::{Dense, DenseError};
use crate::metric::dice;
use crate::train::validation::Quiet;

/// Fewest cases set aside of which a verdict is drawn: six differences of one sign are the fewest that chance gives in
/// less than one of twenty tries (sign test, 2·0.5⁶ = 0.03).
pub const MIN_CASES: usize = 6;
/// Loss of mean Dice that counts as none.
pub const TOLERATED_LOSS: f64 = 0.005;
/// Draws of the bootstrap, and their seed.
const RESAMPLES: usize = 5000;
const SEED: u64 = 1;

/// What the cases set aside say of new weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The interval of the mean difference lies above 0, and no region is worse.
    Better,
    /// The interval excludes a loss of more than [`TOLERATED_LOSS`], over all and in every region.
    NotWorse,
    /// The interval holds both gain and loss: a person decides.
    Tie,
    /// The interval lies below 0, over all or in a region by more than [`TOLERATED_LOSS`].
    Worse,
    /// Fewer than [`MIN_CASES`] cases are set aside: a person decides.
    TooFew,
}

/// One case under both weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseDifference {
    /// The case.
    pub id: String,
    /// Dice of each region with the present weights; none where the case does not show the region.
    pub current: Vec<Option<f64>>,
    /// Dice of each region with the new weights.
    pub new: Vec<Option<f64>>,
}

/// One region over all cases that show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegionDifference {
    /// The region.
    pub name: String,
    /// Mean Dice with the present weights.
    pub current: f64,
    /// Mean Dice with the new weights.
    pub new: f64,
    /// New less present, case by case, with 95 % bootstrap interval.
    pub difference: Summary,
}

/// The table by which new weights are judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The present weights.
    pub current: String,
    /// The new weights.
    pub new: String,
    /// Region by region.
    pub regions: Vec<RegionDifference>,
    /// Case by case.
    pub cases: Vec<CaseDifference>,
    /// Differences of the cases' mean Dice; none without cases.
    pub difference: Option<Summary>,
    /// What follows.
    pub verdict: Verdict,
    /// The same in words.
    pub reason: String,
}

/// Compares two models of a catalog on the cases that are set aside, each labelled as a user would have it labelled,
/// mirrorings and locator included.
///
/// # Errors
/// [`TeachError`] for models that differ in what they label, a case that cannot be read, a device that fails, and when
/// the observer asks to stop.
pub fn compare(
    catalog: &Catalog,
    current: &str,
    new: &str,
    cases: &[TeachingCase],
    device: &OpenDevice,
    observer: &dyn Observer,
) -> Result<Comparison, TeachError> {
    let load = |id: &str| Dense::load(catalog, id, &device.device);
    let models = [load(current)?, load(new)?];
    if models[0].task().regions != models[1].task().regions {
        return Err(TeachError::Unsuitable(format!("{current} and {new} label different regions")));
    }
    let set_aside: Vec<_> = cases.iter().filter(|case| case.purpose == CaseUse::SetAside).collect();
    let mut rows = Vec::with_capacity(set_aside.len());
    for (nth, case) in set_aside.iter().enumerate() {
        if observer.is_cancelled() {
            return Err(Cancelled.into());
        }
        observer.progress("comparing", nth as u64, set_aside.len() as u64);
        rows.push(compare_case(&models, case, observer)?);
    }
    let names: Vec<String> = models[0].task().regions.iter().map(|region| region.name.clone()).collect();
    Ok(Comparison::of(current, new, &names, rows))
}

fn compare_case(
    models: &[Dense; 2],
    case: &TeachingCase,
    observer: &dyn Observer,
) -> Result<CaseDifference, TeachError> {
    let loaded = case.load()?;
    let task = models[0].task();
    let truth = regions_of(task, loaded.labels.as_deref().unwrap_or_default());
    let dices = |model: &Dense| -> Result<Vec<Option<f64>>, TeachError> {
        let labels = match model.segment(&loaded.volume, &Quiet(observer)) {
            Ok(answer) => answer.labels,
            // What is not found is an answer too: an empty one.
            Err(DenseError::NotFound(_)) => vec![0; loaded.volume.voxels().len()],
            Err(error) => return Err(error.into()),
        };
        let answer = regions_of(task, &labels);
        let dice_of =
            |(truth, answer): (&Vec<bool>, &Vec<bool>)| truth.contains(&true).then(|| dice(truth, answer));
        Ok(truth.iter().zip(&answer).map(dice_of).collect())
    };
    Ok(CaseDifference { id: case.id.clone(), current: dices(&models[0])?, new: dices(&models[1])? })
}

impl CaseDifference {
    /// Mean difference over the regions that the case shows; none where it shows none.
    pub fn mean(&self) -> Option<f64> {
        let each: Vec<f64> = self
            .new
            .iter()
            .zip(&self.current)
            .filter_map(|(new, current)| Some((*new)? - (*current)?))
            .collect();
        (!each.is_empty()).then(|| each.iter().sum::<f64>() / each.len() as f64)
    }
}

impl Comparison {
    /// Judges the differences of some cases; `regions` are their names.
    pub fn of(current: &str, new: &str, regions: &[String], cases: Vec<CaseDifference>) -> Self {
        let region = |(index, name): (usize, &String)| {
            let pairs: Vec<(f64, f64)> = cases
                .iter()
                .filter_map(|case| Some(((*case.current.get(index)?)?, (*case.new.get(index)?)?)))
                .collect();
            let differences: Vec<f64> = pairs.iter().map(|(current, new)| new - current).collect();
            let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
            let difference = summarize(&differences, RESAMPLES, SEED)?;
            Some(RegionDifference {
                name: name.clone(),
                current: mean(|p| p.0),
                new: mean(|p| p.1),
                difference,
            })
        };
        let regions: Vec<RegionDifference> = regions.iter().enumerate().filter_map(region).collect();
        let means: Vec<f64> = cases.iter().filter_map(CaseDifference::mean).collect();
        let difference = summarize(&means, RESAMPLES, SEED);
        let (verdict, reason) = judge(difference.as_ref(), &regions);
        Self { current: current.into(), new: new.into(), regions, cases, difference, verdict, reason }
    }
}

fn judge(over_all: Option<&Summary>, regions: &[RegionDifference]) -> (Verdict, String) {
    let Some(over_all) = over_all.filter(|summary| summary.n >= MIN_CASES) else {
        let n = over_all.map_or(0, |summary| summary.n);
        let reason = format!(
            "{n} cases are set aside; a verdict needs {MIN_CASES}. Look at the table and decide, or set more cases aside"
        );
        return (Verdict::TooFew, reason);
    };
    let figures = format!(
        "mean difference {:+.3} (95 % {:+.3} to {:+.3}) over {} cases",
        over_all.mean, over_all.ci95_low, over_all.ci95_high, over_all.n
    );
    // A region that few cases show can hold a verdict up, but not bring one down: its interval is too narrow.
    let is_shown = |region: &&RegionDifference| region.difference.n >= MIN_CASES;
    let lost = regions.iter().filter(is_shown).find(|region| region.difference.ci95_high < -TOLERATED_LOSS);
    if let Some(region) = lost {
        let low = format!("{:+.3}", region.difference.mean);
        return (Verdict::Worse, format!("{} is worse by {low}; {figures}", region.name));
    }
    if over_all.ci95_high < 0.0 {
        return (Verdict::Worse, figures);
    }
    let holds = |summary: &Summary| summary.ci95_low >= -TOLERATED_LOSS;
    if over_all.ci95_low > 0.0 && regions.iter().all(|region| region.difference.mean >= -TOLERATED_LOSS) {
        return (Verdict::Better, figures);
    }
    if holds(over_all) && regions.iter().all(|region| holds(&region.difference)) {
        return (Verdict::NotWorse, figures);
    }
    (Verdict::Tie, format!("{figures}: it may be a gain or a loss"))
}

impl Verdict {
    /// Whether it allows publishing without a person's word.
    pub fn allows(self) -> bool {
        matches!(self, Self::Better | Self::NotWorse)
    }

    /// Whether a person must decide.
    pub fn asks(self) -> bool {
        matches!(self, Self::Tie | Self::TooFew)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(differences: &[[f64; 2]]) -> Verdict {
        let case = |(nth, [a, b]): (usize, &[f64; 2])| CaseDifference {
            id: nth.to_string(),
            current: vec![Some(0.8), Some(0.7)],
            new: vec![Some(0.8 + a), Some(0.7 + b)],
        };
        let cases = differences.iter().enumerate().map(case).collect();
        Comparison::of("old", "new", &["a".into(), "b".into()], cases).verdict
    }

    #[test]
    fn verdicts_follow_the_intervals() {
        assert_eq!(verdict(&[[0.05, 0.04]; 5]), Verdict::TooFew);
        assert_eq!(verdict(&[[0.05, 0.04]; 6]), Verdict::Better);
        assert_eq!(verdict(&[[-0.05, -0.04]; 6]), Verdict::Worse);
        assert_eq!(verdict(&[[0.0, 0.0]; 6]), Verdict::NotWorse);
        let mixed = [[0.1, 0.1], [-0.1, -0.1], [0.08, 0.1], [-0.09, -0.1], [0.1, 0.07], [-0.1, -0.1]];
        assert_eq!(verdict(&mixed), Verdict::Tie);
    }

    #[test]
    fn a_gain_does_not_hide_what_one_region_lost() {
        assert_eq!(verdict(&[[0.2, -0.05]; 8]), Verdict::Worse);
        // Lost by less than is tolerated.
        assert_eq!(verdict(&[[0.2, -0.003]; 8]), Verdict::Better);
    }

    #[test]
    fn a_region_in_few_cases_asks_and_does_not_refuse() {
        let case = |nth: usize| CaseDifference {
            id: nth.to_string(),
            current: vec![Some(0.8), (nth == 0).then_some(0.7)],
            new: vec![Some(0.8), (nth == 0).then_some(0.6)],
        };
        let cases = (0..8).map(case).collect();
        let verdict = Comparison::of("old", "new", &["a".into(), "b".into()], cases).verdict;
        assert_eq!(verdict, Verdict::Tie);
    }

    #[test]
    fn a_region_that_a_case_does_not_show_has_no_difference_there() {
        let case =
            CaseDifference { id: "x".into(), current: vec![None, Some(0.5)], new: vec![None, Some(0.6)] };
        assert!((case.mean().unwrap() - 0.1).abs() < 1e-12);
        let all = Comparison::of("old", "new", &["a".into(), "b".into()], vec![case]);
        assert_eq!(all.regions.len(), 1);
    }
}
