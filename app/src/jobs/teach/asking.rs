//! Asking a network which cases it knows least of.

use std::path::Path;

use hilum_core::job::Observer as _;
use hilum_core::worklist::{Case, CaseId, Doubt, Role, WorklistStore};
use hilum_models::device::{self, DeviceChoice};
use hilum_models::infer::Dense;
use hilum_models::teach::{Candidate, CaseUncertainty, Control, Strategy, TeachError, order, uncertainty};

use super::super::teach_cases::open_case_image;
use super::{Failed, TeachProgress, TeachWorker, versions_of};

/// Files hold no infinite numbers.
fn finite(value: f64) -> f64 {
    value.clamp(-f64::MAX, f64::MAX)
}

/// Most cases that are done and looked at for how like them the others are.
const MOST_KNOWN: usize = 40;

/// A network that is asked about cases.
struct Asking<'a> {
    worker: &'a TeachWorker,
    request: u64,
    worklist: &'a Path,
    model: &'a Dense,
    control: &'a Control,
}

impl Asking<'_> {
    /// What the network says of every case whose image can be opened.
    fn about(&self, cases: &[&Case], by: Strategy) -> Result<Vec<(String, CaseUncertainty)>, Failed> {
        let mut said = Vec::with_capacity(cases.len());
        for (nth, case) in cases.iter().enumerate() {
            let share = Some(nth as f32 / cases.len() as f32);
            let text = format!("asking about {}", case.name);
            self.worker.progress(self.request, TeachProgress::Doing(text, share));
            let volume = match open_case_image(self.worklist, case) {
                Ok(volume) => volume,
                Err(error) => {
                    self.worker.progress(self.request, TeachProgress::Warning(format!("{error:#}")));
                    continue;
                }
            };
            if self.control.is_cancelled() {
                return Err(Failed::Stopped);
            }
            let id = case.id.to_string();
            let found = uncertainty(self.model, &id, &volume, by, 1, self.control)?;
            said.push((id, found));
        }
        Ok(said)
    }
}

impl TeachWorker {
    pub(super) fn rank(
        &self,
        request: u64,
        worklist: &Path,
        strategy: Strategy,
        choice: DeviceChoice,
        control: &Control,
    ) -> Result<Vec<(CaseId, Doubt)>, Failed> {
        let list = WorklistStore::peek(worklist).map_err(|error| Failed::Why(error.to_string()))?;
        let versions = versions_of(worklist).map_err(Failed::Why)?;
        let (catalog, current) = (self.catalog(&versions)?, versions.current());
        let device = device::open(choice).map_err(TeachError::from)?;
        let model = Dense::load(&catalog, &current, &device.device).map_err(TeachError::from)?;
        let (open, known): (Vec<&Case>, Vec<&Case>) =
            list.cases().iter().partition(|case| !case.state.is_done() && case.role == Role::Teaching);
        let asked = Asking { worker: self, request, worklist, model: &model, control };
        let candidates: Vec<Candidate> = asked
            .about(&open, strategy)?
            .into_iter()
            .map(|(id, uncertainty)| Candidate { id, uncertainty })
            .collect();
        // What is like a case that is done, or set aside, can wait. Chance looks at nothing.
        let step = known.len().div_ceil(MOST_KNOWN).max(1);
        let known: Vec<&Case> = known.into_iter().step_by(step).collect();
        let known = if strategy == Strategy::Random { Vec::new() } else { known };
        let known: Vec<Vec<f32>> =
            asked.about(&known, Strategy::Random)?.into_iter().map(|(_, found)| found.descriptor).collect();
        let ranked = order(&candidates, &known, strategy);
        let by_id = |id: &str| open.iter().find(|case| case.id.to_string() == id).map(|case| case.id);
        let doubts = ranked.into_iter().enumerate().filter_map(|(nth, ranked)| {
            let (value, reason, model) = (ranked.score, ranked.reason, current.clone());
            let rank = u32::try_from(nth + 1).unwrap_or(u32::MAX);
            Some((by_id(&ranked.id)?, Doubt { value: finite(value), reason, model, rank }))
        });
        Ok(doubts.collect())
    }
}
