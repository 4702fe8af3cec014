//! What the weights in use come from, and which of all were best.

use std::collections::BTreeMap;

use super::compare::CaseDifference;
use super::record::{CaseRecord, VersionState};
use super::{CaseUse, TeachingCase, Versions};

impl Versions {
    /// What the weights in use have learned, they and those that they were made of: case by case the hash of its labels.
    fn learned(&self) -> BTreeMap<String, Option<String>> {
        let all = self.list();
        let mut learned: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut at = self.current();
        // Records that name each other as parents end here.
        for _ in 0..all.len() {
            let Some(version) = all.iter().find(|version| version.record.id == at) else { break };
            for case in &version.record.cases {
                if matches!(case.purpose, CaseUse::Corrected | CaseUse::Earlier) {
                    learned.entry(case.id.clone()).or_insert_with(|| case.labels_sha256.clone());
                }
            }
            at.clone_from(&version.record.parent.id);
        }
        learned
    }

    /// Marks those corrected cases as earlier ones that the weights in use have learned already, with the labels that they
    /// have now; where nothing new would remain, all stay as they are. Takes out cases set aside that were learned before:
    /// they cannot judge any more. Gives back their names.
    pub fn mark_earlier(&self, cases: &mut Vec<TeachingCase>) -> Vec<String> {
        let learned = self.learned();
        let is_biased =
            |case: &TeachingCase| case.purpose == CaseUse::SetAside && learned.contains_key(&case.id);
        let biased = cases.iter().filter(|case| is_biased(case)).map(|case| case.id.clone()).collect();
        cases.retain(|case| !is_biased(case));
        let is_known = |case: &TeachingCase| {
            case.purpose == CaseUse::Corrected
                && learned
                    .get(&case.id)
                    .is_some_and(|hash| case.labels_sha256().is_none_or(|now| Some(now) == *hash))
        };
        let known: Vec<bool> = cases.iter().map(is_known).collect();
        let has_new =
            cases.iter().zip(&known).any(|(case, known)| case.purpose == CaseUse::Corrected && !known);
        if has_new {
            let known = cases.iter_mut().zip(known).filter(|(_, known)| *known);
            known.for_each(|(case, _)| case.purpose = CaseUse::Earlier);
        }
        biased
    }

    /// Of all weights that were ever in use those with the best mean Dice on the cases that are set aside now, as far as
    /// their comparisons tell; those that all come from where they tell nothing. None if they are in use. New weights are
    /// compared with them, too: a loss that is small every time must not add up.
    pub fn best(&self, cases: &[TeachingCase]) -> Option<String> {
        let is_aside = |id: &str| cases.iter().any(|c| c.purpose == CaseUse::SetAside && c.id == id);
        let all = self.list();
        // What has learned a case cannot be judged by it.
        let is_fair = |cases: &[CaseRecord]| {
            let learned = |case: &CaseRecord| matches!(case.purpose, CaseUse::Corrected | CaseUse::Earlier);
            !cases.iter().any(|case| learned(case) && is_aside(&case.id))
        };
        let was_in_use = |id: &str| {
            let record = all.iter().map(|version| &version.record).find(|record| record.id == id);
            id == self.base()
                || record.is_some_and(|r| r.state == VersionState::Published && is_fair(&r.cases))
        };
        // Weights, then case: the newest comparison counts.
        let mut known: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
        for comparison in all.iter().filter_map(|version| version.record.comparison.as_ref()) {
            for case in comparison.cases.iter().filter(|case| is_aside(&case.id)) {
                for (id, dices) in [(&comparison.current, &case.current), (&comparison.new, &case.new)] {
                    if let Some(mean) = CaseDifference::mean_of(dices).filter(|_| was_in_use(id)) {
                        known.entry(id).or_default().insert(&case.id, mean);
                    }
                }
            }
        }
        let mean = |dices: &BTreeMap<&str, f64>| dices.values().sum::<f64>() / dices.len() as f64;
        // Of equal ones the first, which is the oldest: identities of versions count up.
        let best =
            known.iter().map(|(id, dices)| (*id, mean(dices))).fold(None, |best, (id, mean)| match best {
                Some((_, most)) if most >= mean => best,
                _ => Some((id, mean)),
            });
        let best = best.map_or(self.base(), |(id, _)| id).to_owned();
        (best != self.current()).then_some(best)
    }
}
