//! What was measured so far, in a table that a later run goes on with.

use std::fmt::Write as _;

use super::results::{Measured, SimulatedState};
use crate::teach::TeachError;

const HEADER: &str = "strategy,seed,labelled,share,dice,clicks,strokes,added";
/// Name, in the column of strategies, of a training with the whole pool.
const ALL: &str = "all";
/// Between the cases of a row: no file name holds it.
const BETWEEN: &str = "/";

impl Measured {
    /// Keeps a state; one that was measured before is replaced.
    pub(super) fn keep(&mut self, state: SimulatedState) {
        let key = |s: &SimulatedState| (s.strategy, s.seed, s.labelled);
        match self.states.iter_mut().find(|known| key(known) == key(&state)) {
            Some(known) => *known = state,
            None => self.states.push(state),
        }
    }

    /// A row for every state, and one of the strategy `all` for every training with the whole pool.
    pub fn to_csv(&self, pool: usize) -> String {
        let mut text = format!("{HEADER}\n");
        for (seed, dice) in &self.full {
            writeln!(text, "{ALL},{seed},{pool},1,{dice},,,").ok();
        }
        for s in &self.states {
            let (name, added) = (s.strategy.name(), s.added.join(BETWEEN));
            let (labelled, share) = (s.labelled, s.share);
            writeln!(
                text,
                "{name},{},{labelled},{share},{},{},{},{added}",
                s.seed, s.dice, s.clicks, s.strokes
            )
            .ok();
        }
        text
    }

    /// Reads what [`Measured::to_csv`] wrote.
    ///
    /// # Errors
    /// [`TeachError::Unsuitable`] naming the line.
    pub fn from_csv(text: &str) -> Result<Self, TeachError> {
        let refuse = |nth: usize, line: &str| {
            TeachError::Unsuitable(format!("line {} of the states is not understood: \"{line}\"", nth + 1))
        };
        let mut measured = Self::default();
        for (nth, line) in text.lines().enumerate() {
            if nth == 0 && line == HEADER {
                continue;
            }
            let row = if nth == 0 { None } else { Row::of(line) };
            match row.ok_or_else(|| refuse(nth, line))? {
                Row::All(seed, dice) => measured.full.push((seed, dice)),
                Row::State(state) => measured.keep(state),
            }
        }
        Ok(measured)
    }
}

enum Row {
    All(u64, f64),
    State(SimulatedState),
}

impl Row {
    fn of(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.splitn(8, ',').collect();
        let [strategy, seed, labelled, share, dice, clicks, strokes, added] = cells[..] else { return None };
        let (seed, dice) = (seed.parse().ok()?, number(dice)?);
        if strategy == ALL {
            return Some(Self::All(seed, dice));
        }
        Some(Self::State(SimulatedState {
            strategy: strategy.parse().ok()?,
            seed,
            labelled: labelled.parse().ok()?,
            share: number(share)?,
            dice,
            clicks: clicks.parse().ok()?,
            strokes: strokes.parse().ok()?,
            added: added.split(BETWEEN).filter(|case| !case.is_empty()).map(str::to_owned).collect(),
        }))
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}
