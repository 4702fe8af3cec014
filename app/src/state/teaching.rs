//! Teaching the model of a worklist.

use std::time::Instant;

use hilum_models::inspect::FieldMap;
use hilum_models::teach::{Control, Forecast, Strategy, TeachOptions};
use hilum_models::train::Layers;
use serde::{Deserialize, Serialize};

use crate::jobs::{MapsOverSteps, TeachOutcome, TeachProgress, VersionList};

/// Points of a curve that are kept; every second one goes when there are more.
const MOST_POINTS: usize = 2000;

/// What a person chooses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TeachChoice {
    /// Which layers learn.
    pub layers: Layers,
    /// Minutes that it may take.
    pub minutes: f64,
    /// Exactly so many steps, within the time; else as many as fit.
    pub steps: Option<usize>,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// By what cases are put in order.
    pub strategy: Strategy,
}

impl Default for TeachChoice {
    fn default() -> Self {
        let TeachOptions { budget_seconds, learning_rate, layers, steps, .. } = TeachOptions::default();
        Self { layers, minutes: budget_seconds / 60.0, steps, learning_rate, strategy: Strategy::Entropy }
    }
}

impl TeachChoice {
    /// The same with every number in its range.
    #[must_use]
    pub fn sane(self) -> Self {
        let default = Self::default();
        let within = |value: f64, low: f64, high: f64, default: f64| {
            if value.is_finite() { value.clamp(low, high) } else { default }
        };
        Self {
            minutes: within(self.minutes, 0.1, 1440.0, default.minutes),
            learning_rate: within(self.learning_rate, 1e-6, 0.1, default.learning_rate),
            steps: self.steps.map(|steps| steps.clamp(1, 100_000)),
            ..self
        }
    }
}

/// A fine-tuning that goes on.
#[derive(Clone, Debug)]
pub struct RunningLesson {
    /// Number of its request.
    pub request: u64,
    /// Pauses and stops it.
    pub control: Control,
    /// When it began.
    pub since: Instant,
    /// What is being done.
    pub what: String,
    /// Share of it that is done, where it is known.
    pub share: Option<f32>,
}

/// Numbers of a fine-tuning, by step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// Loss.
    pub loss: Vec<[f64; 2]>,
    /// Mean Dice on cases set aside.
    pub set_aside: Vec<[f64; 2]>,
    /// Mean Dice on cases learned earlier.
    pub earlier: Vec<[f64; 2]>,
}

/// Asking the network about all cases.
#[derive(Clone, Debug)]
pub struct RunningRank {
    /// Number of its request.
    pub request: u64,
    /// Stops it.
    pub control: Control,
    /// What is being done.
    pub what: String,
    /// Share done.
    pub share: Option<f32>,
}

/// Teaching the model of a worklist.
#[derive(Debug, Default)]
pub struct Teaching {
    /// What is chosen.
    pub choice: TeachChoice,
    /// The versions of the model, once they are known.
    pub versions: Option<VersionList>,
    /// The fine-tuning that goes on.
    pub running: Option<RunningLesson>,
    /// What the running or last one will take, or took.
    pub forecast: Option<Forecast>,
    /// Its numbers.
    pub curves: Curves,
    /// What the last one brought.
    pub last: Option<TeachOutcome>,
    /// The network is asked about all cases.
    pub ranking: Option<RunningRank>,
    /// Where a version looked while it learned, as it is shown.
    pub looking: Option<LookingBack>,
}

/// Where a version looked while it learned.
#[derive(Clone, Debug, PartialEq)]
pub struct LookingBack {
    /// The maps.
    pub maps: MapsOverSteps,
    /// Which of them is shown.
    pub at: usize,
    /// Opacity over the image, 0 to 1.
    pub opacity: f32,
    /// Counts what was read, so that pictures of maps are made anew.
    pub revision: u64,
}

impl LookingBack {
    /// Begins with the last map; what was chosen before stays chosen.
    pub fn new(maps: MapsOverSteps, before: Option<&Self>) -> Self {
        let last = maps.steps.len().saturating_sub(1);
        let at = before.map_or(last, |before| before.at.min(last));
        let opacity = before.map_or(0.55, |before| before.opacity);
        Self { maps, at, opacity, revision: before.map_or(0, |before| before.revision + 1) }
    }

    /// The map that is shown, with its step.
    pub fn shown(&self) -> Option<&(usize, FieldMap)> {
        self.maps.steps.get(self.at)
    }

    /// Smallest and largest value over all steps, so that colours mean the same at each.
    pub fn range(&self) -> [f32; 2] {
        let ranges = self.maps.steps.iter().map(|(_, map)| map.range());
        let ends = |[low, high]: [f32; 2], [l, h]: [f32; 2]| [low.min(l), high.max(h)];
        let [low, high] = ranges.fold([f32::INFINITY, f32::NEG_INFINITY], ends);
        if low <= high { [low, high] } else { [0.0, 0.0] }
    }

    /// Whether the maps are of the case of this name; objects of a case count up behind it.
    pub fn is_of(&self, case: &str) -> bool {
        let rest = self.maps.case.strip_prefix(case);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" ("))
    }
}

impl Teaching {
    /// A fine-tuning begins.
    pub fn begin(&mut self, request: u64, control: Control) {
        let what = "Waiting".to_owned();
        let since = Instant::now();
        self.running = Some(RunningLesson { request, control, since, what, share: None });
        self.forecast = None;
        self.curves = Curves::default();
        self.last = None;
    }

    /// Takes in how the work goes on; gives back what a person should read.
    pub fn take(&mut self, request: u64, what: TeachProgress) -> Option<String> {
        if let Some(ranking) = self.ranking.as_mut().filter(|ranking| ranking.request == request) {
            return match what {
                TeachProgress::Doing(what, share) => {
                    (ranking.what, ranking.share) = (what, share);
                    None
                }
                TeachProgress::Warning(text) => Some(text),
                _ => None,
            };
        }
        let running = self.running.as_mut().filter(|running| running.request == request)?;
        match what {
            TeachProgress::Doing(what, share) => (running.what, running.share) = (what, share),
            TeachProgress::Forecast(forecast) => self.forecast = Some(forecast),
            TeachProgress::Step(step, of, loss, _) => {
                running.what = format!("step {step} of {of}");
                running.share = Some(step as f32 / of.max(1) as f32);
                push(&mut self.curves.loss, [step as f64, loss]);
            }
            TeachProgress::Dice(step, set_aside, earlier) => {
                let curves = &mut self.curves;
                for (curve, dice) in [(&mut curves.set_aside, set_aside), (&mut curves.earlier, earlier)] {
                    if let Some(dice) = dice {
                        push(curve, [step as f64, dice]);
                    }
                }
            }
            TeachProgress::Warning(text) => return Some(text),
        }
        None
    }

    /// Stops whatever goes on.
    pub fn stop(&self) {
        if let Some(running) = &self.running {
            running.control.stop();
        }
        if let Some(ranking) = &self.ranking {
            ranking.control.stop();
        }
    }

    /// The weights that propose now: of a version, or of the model itself.
    pub fn current(&self) -> Option<&str> {
        self.versions.as_ref().map(|versions| versions.current.as_str())
    }
}

impl Drop for Teaching {
    fn drop(&mut self) {
        self.stop();
    }
}

fn push(curve: &mut Vec<[f64; 2]>, point: [f64; 2]) {
    curve.push(point);
    if curve.len() > MOST_POINTS {
        let mut nth = 0;
        curve.retain(|_| {
            nth += 1;
            nth % 2 == 1
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_an_older_fine_tuning_are_dropped() {
        let mut teaching = Teaching::default();
        teaching.begin(2, Control::default());
        teaching.take(1, TeachProgress::Step(5, 10, 0.5, 0.1));
        assert_eq!(teaching.curves, Curves::default());
        teaching.take(2, TeachProgress::Step(5, 10, 0.5, 0.1));
        teaching.take(2, TeachProgress::Dice(5, Some(0.8), None));
        assert_eq!(teaching.curves.loss, [[5.0, 0.5]]);
        assert_eq!((teaching.curves.set_aside.len(), teaching.curves.earlier.len()), (1, 0));
        assert_eq!(teaching.running.as_ref().and_then(|running| running.share), Some(0.5));
        let warning = teaching.take(2, TeachProgress::Warning("less memory".into()));
        assert_eq!(warning.as_deref(), Some("less memory"));
    }

    #[test]
    fn a_long_curve_stays_short_and_keeps_its_ends() {
        let mut curve = Vec::new();
        for step in 0..10_000 {
            push(&mut curve, [f64::from(step), 1.0]);
        }
        assert!(curve.len() <= MOST_POINTS);
        assert_eq!((curve[0][0], curve.last().map(|p| p[0])), (0.0, Some(9999.0)));
    }
}
