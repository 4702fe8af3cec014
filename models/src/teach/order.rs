//! Which cases come next: those of which the network knows least, but no twins of one another.

use serde::{Deserialize, Serialize};

use super::uncertainty::{CaseUncertainty, Strategy};

/// A case that may come next.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The case.
    pub id: String,
    /// What the network says of it.
    pub uncertainty: CaseUncertainty,
}

/// A case in its place, with why it is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// The case.
    pub id: String,
    /// How little the network knows of it.
    pub score: f64,
    /// Its place by that alone, from 1.
    pub place: usize,
    /// Why it stands here, in words.
    pub reason: String,
}

/// Puts candidates in order.
///
/// The first is that of which least is known. Each next one is that with the largest product of its place (1 for the
/// least known, falling to 0 for the best known) and its distance from the nearest case before it, in shares of the
/// largest such distance: the greedy covering of k-centre, weighted by doubt. `known` are descriptors of cases that are
/// labelled already. By chance, cases are put in the order of chance alone.
pub fn order(candidates: &[Candidate], known: &[Vec<f32>], strategy: Strategy) -> Vec<Ranked> {
    let n = candidates.len();
    let mut by_score: Vec<usize> = (0..n).collect();
    by_score.sort_by(|a, b| {
        let (a, b) = (&candidates[*a], &candidates[*b]);
        b.uncertainty.score.total_cmp(&a.uncertainty.score).then(a.id.cmp(&b.id))
    });
    let mut place = vec![0; n];
    by_score.iter().enumerate().for_each(|(nth, index)| place[*index] = nth + 1);
    let ranked = |index: usize, why: String| Ranked {
        id: candidates[index].id.clone(),
        score: candidates[index].uncertainty.score,
        place: place[index],
        reason: why,
    };
    if strategy == Strategy::Random {
        return by_score
            .into_iter()
            .map(|index| ranked(index, format!("by chance, {} of {n}", place[index])))
            .collect();
    }
    let spread = Spread::of(candidates.iter().map(|c| &c.uncertainty.descriptor).chain(known));
    let mut nearest: Vec<f64> = candidates
        .iter()
        .map(|c| {
            known.iter().map(|k| spread.distance(&c.uncertainty.descriptor, k)).fold(f64::INFINITY, f64::min)
        })
        .collect();
    let mut left = by_score;
    let mut chosen = Vec::with_capacity(n);
    while !left.is_empty() {
        let farthest = left.iter().map(|i| nearest[*i]).filter(|d| d.is_finite()).fold(0.0, f64::max);
        let share = |index: usize| {
            if farthest > 0.0 && nearest[index].is_finite() { nearest[index] / farthest } else { 1.0 }
        };
        let worth = |index: usize| (1.0 - (place[index] - 1) as f64 / n as f64) * share(index);
        // The first of equals is that with the better place.
        let best = left.iter().copied().enumerate().fold((0, f64::NEG_INFINITY), |best, (at, index)| {
            if worth(index) > best.1 { (at, worth(index)) } else { best }
        });
        let index = left.remove(best.0);
        let why = reason(
            strategy,
            &candidates[index],
            place[index],
            n,
            (!chosen.is_empty() || !known.is_empty()).then(|| share(index)),
        );
        chosen.push(ranked(index, why));
        for other in &left {
            let between = spread.distance(
                &candidates[*other].uncertainty.descriptor,
                &candidates[index].uncertainty.descriptor,
            );
            nearest[*other] = nearest[*other].min(between);
        }
    }
    chosen
}

fn reason(strategy: Strategy, case: &Candidate, place: usize, n: usize, share: Option<f64>) -> String {
    let score = case.uncertainty.score;
    let doubt = if score.is_finite() {
        let sure = if place == 1 { "least sure of all: " } else { "" };
        format!("{sure}{} {score:.3}, {} of {n}", strategy.title(), ordinal(place))
    } else {
        "nothing was found in it".to_owned()
    };
    match share {
        Some(share) if share >= 0.66 => format!("{doubt}; unlike those before it"),
        Some(share) if share < 0.33 => format!("{doubt}; much like one before it"),
        _ => doubt,
    }
}

fn ordinal(n: usize) -> String {
    let end = match (n % 100, n % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{n}{end}")
}

/// Distances in standard deviations of each number of a descriptor, so that none rules by its unit.
struct Spread {
    deviations: Vec<f64>,
}

impl Spread {
    fn of<'a>(all: impl Iterator<Item = &'a Vec<f32>> + Clone) -> Self {
        let length = all.clone().map(Vec::len).max().unwrap_or(0);
        let deviation = |at: usize| {
            let values: Vec<f64> = all.clone().filter_map(|d| d.get(at)).map(|v| f64::from(*v)).collect();
            let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
            (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len().max(1) as f64).sqrt()
        };
        Self { deviations: (0..length).map(deviation).collect() }
    }

    /// Root mean square of the differences.
    fn distance(&self, a: &[f32], b: &[f32]) -> f64 {
        let used = self.deviations.iter().zip(a.iter().zip(b)).filter(|(d, _)| **d > 1e-12);
        let squares: Vec<f64> = used.map(|(d, (a, b))| (f64::from(a - b) / d).powi(2)).collect();
        (squares.iter().sum::<f64>() / squares.len().max(1) as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: &str, score: f64, at: [f32; 2]) -> Candidate {
        let uncertainty = CaseUncertainty { score, descriptor: at.to_vec(), has_answer: true };
        Candidate { id: id.into(), uncertainty }
    }

    #[test]
    fn twins_of_the_first_come_late() {
        let cases = [
            candidate("a", 0.9, [0.0, 0.0]),
            candidate("twin of a", 0.89, [0.0, 0.01]),
            candidate("b", 0.5, [5.0, 5.0]),
            candidate("c", 0.4, [-5.0, 5.0]),
        ];
        let ids: Vec<String> = order(&cases, &[], Strategy::Entropy).into_iter().map(|r| r.id).collect();
        assert_eq!(ids[0], "a");
        assert_eq!(ids[3], "twin of a");
        let first = &order(&cases, &[], Strategy::Entropy)[0];
        assert_eq!(first.reason, "least sure of all: mean entropy 0.900, 1st of 4");
    }

    #[test]
    fn what_is_like_a_labelled_case_waits() {
        let cases = [candidate("a", 0.9, [0.0, 0.0]), candidate("b", 0.8, [5.0, 5.0])];
        let first = order(&cases, &[vec![0.0, 0.0]], Strategy::Variance).remove(0);
        assert_eq!(first.id, "b");
        assert!(first.reason.ends_with("unlike those before it"), "{}", first.reason);
    }

    #[test]
    fn chance_looks_at_nothing_else() {
        let cases = [candidate("a", 0.1, [0.0, 0.0]), candidate("b", 0.8, [0.0, 0.0])];
        let ids: Vec<String> = order(&cases, &[], Strategy::Random).into_iter().map(|r| r.id).collect();
        assert_eq!(ids, ["b", "a"]);
    }
}
