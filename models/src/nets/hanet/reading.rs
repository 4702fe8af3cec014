//! The readings of HANet's paper: it leaves open what these fields decide (networks.md section 7, H1 to H7).

use serde::{Deserialize, Serialize};

/// How logits are brought to 0 … 1 before they are compared with δ (networks.md H1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalisation {
    /// Each row from its least to its greatest logit. No row loses all its edges, whatever δ ≤ 1.
    #[default]
    Row,
    /// The whole map from its least to its greatest logit. A large δ empties most rows.
    Map,
    /// The logistic function of each logit.
    Sigmoid,
    /// The softmax over each row; its values are about 1/N, so that only a small δ leaves edges.
    Softmax,
    /// The cosine c of query and key, as (1 + c) / 2.
    Cosine,
}

/// What the softmax of equation 4 is taken of (H2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Logits {
    /// The logits A* themselves; with δ = 0 and one hop this is plain self-attention.
    #[default]
    Raw,
    /// The normalised map Â.
    Normalised,
}

/// What Bʰ counts (H3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Paths {
    /// Whether there is a walk of h edges.
    #[default]
    Exist,
    /// How many walks of h edges there are, as equation 2 is written.
    Count,
}

/// What becomes of the logits where Bʰ is 0 (H4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Erased {
    /// They are left out of the softmax.
    #[default]
    Masked,
    /// They are set to 0 before the softmax, as equation 4 is written, and so keep weight.
    LiteralZero,
}

/// Along which axis of Ã features are summed (H5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// H·Ãᵀ: a pixel takes the mean of what it looks at, with weights of sum 1.
    #[default]
    Rows,
    /// H·Ã, as equation 5 is written.
    Columns,
}

/// What training sees of the threshold that makes edges (H7). The answer of the network is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdGradient {
    /// Nothing: edges are constants, and gradients reach the logits of those that are kept.
    #[default]
    None,
    /// Straight through (Bengio et al., arXiv 1308.3432): a threshold is the identity for the gradient, which thus
    /// reaches every correlation that was compared with δ, and the walks over several hops.
    StraightThrough,
}

/// A reading of the paper; the default is the recommended one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HaReading {
    /// How logits are brought to 0 … 1 before they are compared with δ.
    pub normalisation: Normalisation,
    /// What the softmax is taken of.
    pub logits: Logits,
    /// What Bʰ counts.
    pub paths: Paths,
    /// What becomes of logits where Bʰ is 0.
    pub erased: Erased,
    /// Along which axis features are summed.
    pub aggregation: Aggregation,
    /// Whether every pixel is its own neighbour, so that Bʰ means "in at most h hops" (H6).
    pub self_loops: bool,
    /// Whether logits are divided by √c.
    pub scaled: bool,
    /// What training sees of the threshold.
    pub threshold_gradient: ThresholdGradient,
}

impl Default for HaReading {
    fn default() -> Self {
        Self {
            normalisation: Normalisation::Row,
            logits: Logits::Raw,
            paths: Paths::Exist,
            erased: Erased::Masked,
            aggregation: Aggregation::Rows,
            self_loops: false,
            scaled: true,
            threshold_gradient: ThresholdGradient::None,
        }
    }
}

/// One answer to a question that the paper leaves open and that changes what a pixel's maps show (networks.md table H; H5 and
/// H7 decide what is made of the maps and what training sees of them).
#[derive(Debug, Clone, Copy)]
pub struct ReadingOption {
    /// The row of the table.
    pub row: &'static str,
    /// What it is called in commands; no two rows share a name.
    pub name: &'static str,
    /// What it is called in the table.
    pub title: &'static str,
    set: fn(&mut HaReading),
}

impl ReadingOption {
    /// All, row by row, the recommended one of each row first.
    pub const ALL: [Self; 13] = [
        Self::new("H1", "row_minmax", "row min–max", |r| r.normalisation = Normalisation::Row),
        Self::new("H1", "map_minmax", "map min–max", |r| r.normalisation = Normalisation::Map),
        Self::new("H1", "sigmoid", "sigmoid", |r| r.normalisation = Normalisation::Sigmoid),
        Self::new("H1", "row_softmax", "row softmax", |r| r.normalisation = Normalisation::Softmax),
        Self::new("H1", "cosine", "cosine", |r| r.normalisation = Normalisation::Cosine),
        Self::new("H2", "raw", "raw A*", |r| r.logits = Logits::Raw),
        Self::new("H2", "normalised", "normalised Â", |r| r.logits = Logits::Normalised),
        Self::new("H3", "boolean", "boolean", |r| r.paths = Paths::Exist),
        Self::new("H3", "counts", "counts", |r| r.paths = Paths::Count),
        Self::new("H4", "masked", "−∞ mask", |r| r.erased = Erased::Masked),
        Self::new("H4", "literal_zero", "literal zero", |r| r.erased = Erased::LiteralZero),
        Self::new("H6", "exact_walks", "exact walks", |r| r.self_loops = false),
        Self::new("H6", "self_loops", "self-loops", |r| r.self_loops = true),
    ];
    /// The rows of the table with what each is about.
    pub const ROWS: [(&'static str, &'static str); 5] = [
        ("H1", "normalisation to 0 … 1"),
        ("H2", "softmax of"),
        ("H3", "walks over hops"),
        ("H4", "erased edges"),
        ("H6", "own pixel"),
    ];

    const fn new(
        row: &'static str,
        name: &'static str,
        title: &'static str,
        set: fn(&mut HaReading),
    ) -> Self {
        Self { row, name, title, set }
    }

    /// The option of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|option| option.name == name)
    }

    /// A reading with this answer, otherwise unchanged.
    #[must_use]
    pub fn applied(&self, reading: HaReading) -> HaReading {
        let mut read = reading;
        (self.set)(&mut read);
        read
    }

    /// Whether a reading has this answer.
    pub fn is_of(&self, reading: HaReading) -> bool {
        self.applied(reading) == reading
    }
}

impl HaReading {
    /// Its answers by their names in the table, those that leave the maps as they are apart.
    pub fn told(self) -> String {
        let answers = ReadingOption::ALL.into_iter().filter(|option| option.is_of(self));
        answers.map(|option| option.title).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reading_has_one_answer_to_each_row() {
        let recommended = HaReading::default();
        for (row, _) in ReadingOption::ROWS {
            let of_row: Vec<_> = ReadingOption::ALL.into_iter().filter(|option| option.row == row).collect();
            assert!(of_row[0].is_of(recommended), "{row}: the recommended one comes first");
            for option in &of_row {
                let read = option.applied(recommended);
                let answers: Vec<_> = of_row.iter().filter(|o| o.is_of(read)).map(|o| o.name).collect();
                assert_eq!(answers, [option.name]);
                assert_eq!(ReadingOption::named(option.name).unwrap().applied(recommended), read);
            }
        }
        assert_eq!(recommended.told(), "row min–max, raw A*, boolean, −∞ mask, exact walks");
        assert!(ReadingOption::named("Row min-max").is_none());
    }
}
