//! New weights against the present ones, case by case.

use hilum_core::measure::{Summary, summarize};
use serde::{Deserialize, Serialize};

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
    /// The interval of the mean difference lies above 0, and no region is worse. Against the best weights so far, no loss.
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CaseDifference {
    /// The case.
    pub id: String,
    /// Dice of each region with the present weights. Where the case does not show the region it is 1 for an empty answer
    /// and 0 for any other; none where there is nothing to click.
    pub current: Vec<Option<f64>>,
    /// Dice of each region with the new weights.
    pub new: Vec<Option<f64>>,
    /// Dice of each region with the best weights so far, if those are not in use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub best: Vec<Option<f64>>,
    /// Volume in ml of regions that the case does not show: in the answer of the present weights, and of the new ones.
    #[serde(default)]
    pub invented_ml: [f64; 2],
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
    /// The same against the best weights that were ever in use, if they are not in use now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<AgainstBest>,
    /// What follows.
    pub verdict: Verdict,
    /// The same in words.
    pub reason: String,
}

/// New weights against the best that were ever in use: what is lost a little every time adds up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgainstBest {
    /// The best weights so far.
    pub id: String,
    /// Region by region; `current` is the best weights.
    pub regions: Vec<RegionDifference>,
    /// Differences of the cases' mean Dice.
    pub difference: Option<Summary>,
    /// What follows from this alone.
    pub verdict: Verdict,
}

impl CaseDifference {
    /// Mean difference over the regions; none where there is none.
    pub fn mean(&self) -> Option<f64> {
        mean_difference(&self.new, &self.current)
    }

    /// Mean of some Dice; none without one.
    pub(super) fn mean_of(dices: &[Option<f64>]) -> Option<f64> {
        let known: Vec<f64> = dices.iter().copied().flatten().collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }
}

fn mean_difference(new: &[Option<f64>], old: &[Option<f64>]) -> Option<f64> {
    let each: Vec<Option<f64>> = new.iter().zip(old).map(|(new, old)| Some((*new)? - (*old)?)).collect();
    CaseDifference::mean_of(&each)
}

/// Dice of the weights that the new ones are compared with.
type Old = fn(&CaseDifference) -> &[Option<f64>];

/// Region by region, and over all.
fn differences(
    regions: &[String],
    cases: &[CaseDifference],
    old: Old,
) -> (Vec<RegionDifference>, Option<Summary>) {
    let region = |(index, name): (usize, &String)| {
        let pairs: Vec<(f64, f64)> = cases
            .iter()
            .filter_map(|case| Some(((*old(case).get(index)?)?, (*case.new.get(index)?)?)))
            .collect();
        let each: Vec<f64> = pairs.iter().map(|(old, new)| new - old).collect();
        let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
        let difference = summarize(&each, RESAMPLES, SEED)?;
        Some(RegionDifference { name: name.clone(), current: mean(|p| p.0), new: mean(|p| p.1), difference })
    };
    let regions = regions.iter().enumerate().filter_map(region).collect();
    let means: Vec<f64> = cases.iter().filter_map(|case| mean_difference(&case.new, old(case))).collect();
    (regions, summarize(&means, RESAMPLES, SEED))
}

impl Comparison {
    /// Judges the differences of some cases; `regions` are their names, `best` the weights whose Dice the cases have as
    /// `best`.
    pub fn of(
        current: &str,
        best: Option<&str>,
        new: &str,
        regions: &[String],
        cases: Vec<CaseDifference>,
    ) -> Self {
        let (by_region, difference) = differences(regions, &cases, |case| &case.current);
        let (verdict, mut reason) = judge(difference.as_ref(), &by_region);
        let invented = cases
            .iter()
            .fold([0.0, 0.0], |sum, case| [sum[0] + case.invented_ml[0], sum[1] + case.invented_ml[1]]);
        if invented != [0.0, 0.0] {
            let [now, then] = invented;
            reason += &format!("; where nothing is, {then:.2} ml are marked (now {now:.2} ml)");
        }
        let best = best.map(|id| {
            let (regions, difference) = differences(regions, &cases, |case| &case.best);
            let verdict = judge(difference.as_ref(), &regions).0;
            AgainstBest { id: id.to_owned(), regions, difference, verdict }
        });
        let (verdict, reason) = match &best {
            Some(best) => best.joined(verdict, reason),
            None => (verdict, reason),
        };
        let (current, new) = (current.to_owned(), new.to_owned());
        Self { current, new, regions: by_region, cases, difference, best, verdict, reason }
    }
}

impl AgainstBest {
    /// What follows from both.
    fn joined(&self, verdict: Verdict, reason: String) -> (Verdict, String) {
        let Some(d) = &self.difference else { return (verdict, reason) };
        let figures = format!(
            "{}, the best so far: {:+.3} (95 % {:+.3} to {:+.3})",
            self.id, d.mean, d.ci95_low, d.ci95_high
        );
        match (verdict, self.verdict) {
            (Verdict::Better, Verdict::Worse) => {
                let advice = "going back to that one may be wiser";
                (Verdict::Tie, format!("{reason}. But worse than {figures}; {advice}"))
            }
            (Verdict::NotWorse | Verdict::Tie, Verdict::Worse) => {
                (Verdict::Worse, format!("{reason}. Worse than {figures}: small losses must not add up"))
            }
            (Verdict::NotWorse, Verdict::Tie) => {
                (Verdict::Tie, format!("{reason}. It may be worse than {figures}"))
            }
            _ => (verdict, format!("{reason}. Against {figures}")),
        }
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
            ..CaseDifference::default()
        };
        let cases = differences.iter().enumerate().map(case).collect();
        Comparison::of("old", None, "new", &["a".into(), "b".into()], cases).verdict
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
            ..CaseDifference::default()
        };
        let cases = (0..8).map(case).collect();
        let verdict = Comparison::of("old", None, "new", &["a".into(), "b".into()], cases).verdict;
        assert_eq!(verdict, Verdict::Tie);
    }

    #[test]
    fn a_region_that_a_case_does_not_show_has_no_difference_there() {
        let (current, new) = (vec![None, Some(0.5)], vec![None, Some(0.6)]);
        let case = CaseDifference { id: "x".into(), current, new, ..CaseDifference::default() };
        assert!((case.mean().unwrap() - 0.1).abs() < 1e-12);
        let all = Comparison::of("old", None, "new", &["a".into(), "b".into()], vec![case]);
        assert_eq!(all.regions.len(), 1);
    }

    /// Differences from the present weights that spread around `mean`.
    fn spread(current: f64, best: f64, mean: f64) -> Vec<CaseDifference> {
        let case = |nth: usize| CaseDifference {
            id: nth.to_string(),
            current: vec![Some(current)],
            new: vec![Some(current + mean + [0.004, -0.004][nth % 2])],
            best: vec![Some(best)],
            ..CaseDifference::default()
        };
        (0..20).map(case).collect()
    }

    #[test]
    fn small_losses_do_not_add_up_over_versions() {
        let names = ["a".to_owned()];
        let (best, mut current, mut published) = (0.8, 0.8, 0);
        for version in 1..=10 {
            let new = format!("v{version}");
            let is_in_use = version == 1;
            let reference = (!is_in_use).then_some("v0");
            let table = Comparison::of("now", reference, &new, &names, spread(current, best, -0.001));
            if table.verdict.allows() {
                published += 1;
                current -= 0.001;
            } else {
                assert!(table.reason.contains("v0, the best so far"), "{}", table.reason);
            }
        }
        assert!((1..=5).contains(&published), "{published} small losses were let pass: {current}");
        assert!(best - current <= TOLERATED_LOSS);
        // Alone, each of them would.
        let alone = Comparison::of("now", None, "v", &names, spread(current, best, -0.001));
        assert!(alone.verdict.allows(), "{}", alone.reason);
    }

    #[test]
    fn better_than_what_is_in_use_but_worse_than_before_asks() {
        let names = ["a".to_owned()];
        let table = Comparison::of("now", Some("old"), "new", &names, spread(0.5, 0.8, 0.1));
        assert_eq!((table.verdict, table.best.unwrap().verdict), (Verdict::Tie, Verdict::Worse));
        assert!(table.reason.contains("going back"), "{}", table.reason);
    }
}
