//! Spectral normalisation in checkpoints of PyTorch: the weight W and the estimates of its first singular vectors
//! become the weight W/σ(W) that is really used (Miyato et al., 2018).

use std::borrow::Cow;

use super::{CheckpointError, FloatFormat, StateDict, StoredTensor};

/// Ends of the names of W, u and v: a common wrapper's, PyTorch's older and newer ones.
const FORMS: [[&str; 3]; 3] = [
    ["weight_bar", "weight_u", "weight_v"],
    ["weight_orig", "weight_u", "weight_v"],
    ["parametrizations.weight.original", "parametrizations.weight.0._u", "parametrizations.weight.0._v"],
];
/// Power iterations at most; a trained checkpoint needs one or two.
const MAX_ITERATIONS: usize = 500;
/// Relative change of σ at which the iteration has settled.
const SETTLED: f64 = 1e-10;

/// The checkpoint with every spectrally normalised weight replaced by `weight` = W/σ(W), σ found by power iteration
/// from the stored `u`; borrowed where there is none. W without a `u` is left as it is.
///
/// # Errors
/// W or u that do not hold numbers or do not fit each other.
pub fn fold(dict: &StateDict) -> Result<Cow<'_, StateDict>, CheckpointError> {
    let mut folded = Cow::Borrowed(dict);
    for (name, stored) in dict.iter() {
        let form = FORMS.iter().find_map(|form| Some((name.strip_suffix(form[0])?, form)));
        let Some((layer, [_, u_name, v_name])) = form else { continue };
        let [u_name, v_name] = [u_name, v_name].map(|end| format!("{layer}{end}"));
        let (Some((u, _)), Some((values, shape))) = (dict.floats(&u_name)?, dict.floats(name)?) else {
            continue;
        };
        let sigma = spectral_norm(&values, &shape, &u).ok_or_else(|| CheckpointError::Format {
            message: format!(
                "'{u_name}' has {} values; the matrix '{name}' {shape:?} has no such axis or is not finite",
                u.len()
            ),
        })?;
        let values: Vec<f32> = values.iter().map(|w| (f64::from(*w) / sigma) as f32).collect();
        let tensors = folded.to_mut();
        for old in [name, &u_name, &v_name] {
            tensors.remove(old);
        }
        let weight = StoredTensor::from_f32(&values, stored.shape().to_vec(), FloatFormat::F32);
        tensors.insert(format!("{layer}weight"), weight);
    }
    Ok(folded)
}

/// σ of W as a matrix whose rows are the axis that `u` has a value for: the first, or for PyTorch's transposed
/// convolutions the second. `None` where `u` fits neither or σ is no positive number.
fn spectral_norm(values: &[f32], shape: &[usize], u: &[f32]) -> Option<f64> {
    let fits = |axis: &usize| shape.get(*axis) == Some(&u.len()) && !u.is_empty();
    // Where both axes fit, u is the first singular vector of the right matrix only.
    let matrices = [0, 1].into_iter().filter(fits).map(|axis| Matrix::new(values, shape, axis));
    let aligned = matrices.map(|matrix| (matrix.alignment(u), matrix));
    let (_, matrix) = aligned.reduce(|a, b| if b.0 > a.0 { b } else { a })?;
    let sigma = matrix.largest_singular_value(u);
    (sigma.is_finite() && sigma > 0.0).then_some(sigma)
}

/// A matrix, row-major.
struct Matrix {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

impl Matrix {
    /// Rows along `axis` (0 or 1) of a tensor.
    fn new(values: &[f32], shape: &[usize], axis: usize) -> Self {
        let rows = shape[axis];
        let columns = values.len() / rows;
        if axis == 0 {
            return Self { rows, columns, values: values.iter().map(|v| f64::from(*v)).collect() };
        }
        let inner = shape[2..].iter().product::<usize>();
        let at = |row: usize, column: usize| (column / inner * rows + row) * inner + column % inner;
        let values = (0..rows * columns).map(|i| f64::from(values[at(i / columns, i % columns)])).collect();
        Self { rows, columns, values }
    }

    /// One power iteration: the new u of length 1 and σ = |W·v| with v = Wᵀu/|Wᵀu|.
    fn step(&self, u: &[f64]) -> (Vec<f64>, f64) {
        let mut v = vec![0.0; self.columns];
        for (row, u) in self.values.chunks_exact(self.columns).zip(u) {
            for (v, w) in v.iter_mut().zip(row) {
                *v += w * u;
            }
        }
        normalise(&mut v);
        let dot = |row: &[f64]| row.iter().zip(&v).map(|(w, v)| w * v).sum();
        let mut u: Vec<f64> = self.values.chunks_exact(self.columns).map(dot).collect();
        let sigma = normalise(&mut u);
        (u, sigma)
    }

    /// Cosine between `u` and the next iteration's.
    fn alignment(&self, u: &[f32]) -> f64 {
        let mut u: Vec<f64> = u.iter().map(|v| f64::from(*v)).collect();
        normalise(&mut u);
        self.step(&u).0.iter().zip(&u).map(|(a, b)| a * b).sum()
    }

    fn largest_singular_value(&self, u: &[f32]) -> f64 {
        debug_assert_eq!(self.rows, u.len());
        let mut u: Vec<f64> = u.iter().map(|v| f64::from(*v)).collect();
        normalise(&mut u);
        let mut sigma = 0.0;
        for _ in 0..MAX_ITERATIONS {
            let before = sigma;
            (u, sigma) = self.step(&u);
            if !sigma.is_finite() || (sigma - before).abs() <= SETTLED * sigma {
                break;
            }
        }
        sigma
    }
}

/// Divides by the length, which is returned; a zero vector stays.
fn normalise(vector: &mut [f64]) -> f64 {
    let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|v| *v /= length);
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dict(entries: &[(&str, &[f32], &[usize])]) -> StateDict {
        let mut dict = StateDict::default();
        for (name, values, shape) in entries {
            dict.insert(*name, StoredTensor::from_f32(values, shape.to_vec(), FloatFormat::F32));
        }
        dict
    }

    #[test]
    fn every_form_becomes_the_weight_with_norm_one() {
        // The singular values of [[3, 0], [4, 5]] are √45 and √5.
        let w = [3.0, 0.0, 4.0, 5.0];
        for [weight, u, v] in FORMS {
            let names = [weight, u, v].map(|end| format!("conv.{end}"));
            let vector: &[f32] = &[0.6, 0.8];
            let given = dict(&[
                (&names[0], &w, &[2, 2, 1, 1]),
                (&names[1], vector, &[2]),
                (&names[2], vector, &[2]),
                ("conv.bias", vector, &[2]),
            ]);
            let folded = fold(&given).unwrap();
            let names: Vec<_> = folded.iter().map(|(name, _)| name).collect();
            assert_eq!(names, ["conv.bias", "conv.weight"], "{weight}");
            let (values, _) = folded.floats("conv.weight").unwrap().unwrap();
            for (value, w) in values.iter().zip(w) {
                assert!((value - w / 45.0f32.sqrt()).abs() < 1e-6, "{values:?}");
            }
        }
    }

    #[test]
    fn the_axis_of_a_transposed_convolution_is_told_by_its_vector() {
        // [in 2, out 2, kernel 1×2]: as a matrix of the first axis σ is √8, of the second √(6 + √20).
        let w = [2.0, 0.0, 0.0, 2.0, 1.0, 1.0, 1.0, 0.0];
        let norms = [0, 1].map(|axis| {
            let matrix = Matrix::new(&w, &[2, 2, 1, 2], axis);
            let mut u = vec![1.0, 0.3];
            for _ in 0..200 {
                u = matrix.step(&u).0;
            }
            (u.iter().map(|v| *v as f32).collect::<Vec<_>>(), matrix.step(&u).1)
        });
        assert!((norms[0].1 - norms[1].1).abs() > 0.01, "the example tells nothing: {norms:?}");
        for (u, sigma) in norms {
            let found = spectral_norm(&w, &[2, 2, 1, 2], &u).unwrap();
            assert!((found - sigma).abs() < 1e-6, "{found} is not {sigma}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named_and_what_is_plain_is_left_alone() {
        let given = dict(&[("a.weight_orig", &[1.0, 2.0], &[1, 2]), ("a.weight_u", &[1.0, 2.0, 3.0], &[3])]);
        let error = fold(&given).unwrap_err().to_string();
        assert!(error.contains("a.weight_u") && error.contains("3 values"), "{error}");
        let zero = dict(&[("a.weight_orig", &[0.0, 0.0], &[1, 2]), ("a.weight_u", &[1.0], &[1])]);
        assert!(fold(&zero).is_err());
        let plain = dict(&[("a.weight", &[1.0], &[1])]);
        assert!(matches!(fold(&plain).unwrap(), Cow::Borrowed(_)));
    }
}
