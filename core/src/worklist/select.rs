//! Which cases are shown, and in which order.

use serde::{Deserialize, Serialize};

use super::case::{Case, CaseId, CaseState, Role};
use super::list::Worklist;

/// Which cases are shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CaseFilter {
    /// States shown; all when empty.
    pub states: Vec<CaseState>,
    /// Role shown; both without one.
    pub role: Option<Role>,
    /// Part of the name, the annotator's name or the comment, in whatever case.
    pub text: String,
}

impl CaseFilter {
    /// Whether a case is shown.
    pub fn shows(&self, case: &Case) -> bool {
        let text = self.text.trim().to_lowercase();
        let holds = |field: &str| field.to_lowercase().contains(&text);
        (self.states.is_empty() || self.states.contains(&case.state))
            && self.role.is_none_or(|role| role == case.role)
            && (text.is_empty()
                || holds(&case.name)
                || holds(&case.comment)
                || case.annotator.as_deref().is_some_and(holds))
    }
}

/// The order of cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseOrder {
    /// As they were added.
    #[default]
    Added,
    /// By name, numbers in names as numbers.
    Name,
    /// By state, first what is new.
    State,
    /// Last changed first.
    Changed,
    /// Longest work first.
    Spent,
    /// What the network is least sure of first; cases it was not asked about last.
    Doubt,
}

impl CaseOrder {
    /// All.
    pub const ALL: [Self; 6] =
        [Self::Added, Self::Name, Self::State, Self::Changed, Self::Spent, Self::Doubt];
}

impl Worklist {
    /// The cases that a filter shows, in order; equal ones as they were added.
    pub fn listed(&self, filter: &CaseFilter, order: CaseOrder) -> Vec<CaseId> {
        let mut cases: Vec<&Case> = self.cases().iter().filter(|case| filter.shows(case)).collect();
        match order {
            CaseOrder::Added => {}
            CaseOrder::Name => cases.sort_by_cached_key(|case| natural(&case.name)),
            CaseOrder::State => cases.sort_by_key(|case| case.state),
            CaseOrder::Changed => cases.sort_by_key(|case| std::cmp::Reverse(case.changed_unix_secs)),
            CaseOrder::Spent => cases.sort_by(|a, b| b.spent_secs.total_cmp(&a.spent_secs)),
            CaseOrder::Doubt => {
                cases.sort_by_key(|case| case.doubt.as_ref().map_or(u32::MAX, |doubt| doubt.rank));
            }
        }
        cases.into_iter().map(|case| case.id).collect()
    }

    /// The next case that is not done, after `after` in this order and from the start again at its end.
    pub fn next_open(&self, after: Option<CaseId>, filter: &CaseFilter, order: CaseOrder) -> Option<CaseId> {
        let listed = self.listed(filter, order);
        let start = after.and_then(|id| listed.iter().position(|other| *other == id)).map_or(0, |at| at + 1);
        let is_open = |id: &&CaseId| self.case(**id).is_ok_and(|case| !case.state.is_done());
        // What the network is least sure of comes first whatever was open before.
        let start = if order == CaseOrder::Doubt { 0 } else { start };
        let (before, behind) = listed.split_at(start.min(listed.len()));
        behind.iter().chain(before).filter(|id| Some(**id) != after).find(is_open).copied()
    }
}

/// A key that sorts "case 9" before "case 10".
fn natural(name: &str) -> Vec<(u64, String)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number = rest[..digits].parse().unwrap_or(if digits == 0 { 0 } else { u64::MAX });
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        parts.push((number, rest[..end].to_lowercase()));
        rest = &rest[end..];
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::case::{CaseImage, Doubt};
    use super::super::list::CaseChange;
    use super::*;
    use crate::label::LabelTable;

    fn list(names: &[&str]) -> Worklist {
        let mut list = Worklist::new("w", LabelTable::default(), None);
        for name in names {
            list.add(Path::new("/w"), CaseImage::at(format!("/i/{name}.nii")), 0).unwrap();
        }
        list
    }

    fn names(list: &Worklist, ids: &[CaseId]) -> Vec<String> {
        ids.iter().map(|id| list.case(*id).unwrap().name.clone()).collect()
    }

    fn doubt(rank: u32) -> CaseChange {
        let (reason, model) = (String::new(), "m".into());
        CaseChange::Doubt(Some(Doubt { value: 1.0, reason, model, rank }))
    }

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let list = list(&["case10", "case9", "Case 2", "b"]);
        let by_name = list.listed(&CaseFilter::default(), CaseOrder::Name);
        assert_eq!(names(&list, &by_name), ["b", "case9", "case10", "Case 2"]);
    }

    #[test]
    fn filters_look_at_state_role_and_text() {
        let mut list = list(&["a", "b", "c"]);
        list.apply(CaseId(1), CaseChange::State(CaseState::Reviewed), 1).unwrap();
        list.apply(CaseId(2), CaseChange::Comment("Metal artefact".into()), 1).unwrap();
        list.apply(CaseId(3), CaseChange::Role(Role::SetAside), 1).unwrap();
        let shown = |filter: CaseFilter| names(&list, &list.listed(&filter, CaseOrder::Added));
        let reviewed = CaseFilter { states: vec![CaseState::Reviewed], ..CaseFilter::default() };
        assert_eq!(shown(reviewed), ["a"]);
        let metal = CaseFilter { text: " METAL ".into(), ..CaseFilter::default() };
        assert_eq!(shown(metal), ["b"]);
        let aside = CaseFilter { role: Some(Role::SetAside), ..CaseFilter::default() };
        assert_eq!(shown(aside), ["c"]);
    }

    #[test]
    fn the_next_case_goes_round_and_leaves_out_what_is_done() {
        let mut list = list(&["a", "b", "c"]);
        let all = CaseFilter::default();
        let next = |list: &Worklist, after| list.next_open(after, &all, CaseOrder::Added);
        assert_eq!(next(&list, None), Some(CaseId(1)));
        assert_eq!(next(&list, Some(CaseId(3))), Some(CaseId(1)));
        list.apply(CaseId(2), CaseChange::State(CaseState::Corrected), 1).unwrap();
        assert_eq!(next(&list, Some(CaseId(1))), Some(CaseId(3)));
        list.apply(CaseId(3), CaseChange::State(CaseState::Corrected), 1).unwrap();
        assert_eq!(next(&list, Some(CaseId(1))), None, "the case that is open is not the next one");
    }

    #[test]
    fn the_least_sure_case_comes_first() {
        let mut list = list(&["a", "b", "c"]);
        list.apply(CaseId(3), doubt(1), 1).unwrap();
        list.apply(CaseId(1), doubt(2), 1).unwrap();
        let all = CaseFilter::default();
        assert_eq!(names(&list, &list.listed(&all, CaseOrder::Doubt)), ["c", "a", "b"]);
        assert_eq!(list.next_open(Some(CaseId(2)), &all, CaseOrder::Doubt), Some(CaseId(3)));
    }
}
