//! Agreement of masks while training; reports use `hilum_core::measure`.

/// Dice coefficient of two masks; 1 if both are empty.
pub fn dice(truth: &[bool], answer: &[bool]) -> f64 {
    let both = truth.iter().zip(answer).filter(|(t, a)| **t && **a).count();
    let total = truth.iter().filter(|v| **v).count() + answer.iter().filter(|v| **v).count();
    if total == 0 { 1.0 } else { 2.0 * both as f64 / total as f64 }
}
