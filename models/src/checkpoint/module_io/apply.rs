//! From named tensors into a module.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};

use super::{FieldPath, KeyRules, stored_shape, transpose};
use crate::checkpoint::{CheckpointError, StateDict, StoredTensor};

/// The module with the weights of `dict`, whose names are the reference's.
///
/// # Errors
/// [`CheckpointError::Mismatch`] lists every missing or unused name and every other shape;
/// `num_batches_tracked` and the network's optional names are tolerated either way.
pub fn apply<M: Module + KeyRules>(module: M, dict: &StateDict) -> Result<M, CheckpointError> {
    let tensors = canonical_tensors(&module, dict)?;
    // The mapper consumes the module, so its naming rules are asked of a clone (parameters are shared).
    let rules = module.clone();
    let mut applier = Applier {
        rules: &rules,
        tensors: &tensors,
        path: FieldPath::default(),
        used: BTreeSet::new(),
        missing: Vec::new(),
        shapes: Vec::new(),
        error: None,
    };
    let module = module.map(&mut applier);
    let Applier { used, missing, shapes, error, .. } = applier;
    if let Some(error) = error {
        return Err(error);
    }
    let needless = |key: &&String| !used.contains(key.as_str()) && !is_tolerated(&rules, key);
    let unused: Vec<String> = tensors.keys().filter(needless).cloned().collect();
    if missing.is_empty() && unused.is_empty() && shapes.is_empty() {
        Ok(module)
    } else {
        Err(CheckpointError::Mismatch { missing, unused, shapes })
    }
}

fn is_tolerated(rules: &impl KeyRules, key: &str) -> bool {
    key.ends_with("num_batches_tracked") || rules.is_optional(key)
}

/// Tensors by main name; copies under other names must be equal.
fn canonical_tensors<'a>(
    rules: &impl KeyRules,
    dict: &'a StateDict,
) -> Result<BTreeMap<String, &'a StoredTensor>, CheckpointError> {
    let mut tensors: BTreeMap<String, (&str, &StoredTensor)> = BTreeMap::new();
    for (name, tensor) in dict.iter() {
        let (first_name, first) = *tensors.entry(rules.canonical_key(name)).or_insert((name, tensor));
        if name != first_name && (first.bytes() != tensor.bytes() || first.shape() != tensor.shape()) {
            return Err(CheckpointError::Alias { first: first_name.to_owned(), second: name.to_owned() });
        }
    }
    Ok(tensors.into_iter().map(|(key, (_, tensor))| (key, tensor)).collect())
}

struct Applier<'a, R> {
    rules: &'a R,
    tensors: &'a BTreeMap<String, &'a StoredTensor>,
    path: FieldPath,
    used: BTreeSet<String>,
    missing: Vec<String>,
    shapes: Vec<(String, Vec<usize>, Vec<usize>)>,
    error: Option<CheckpointError>,
}

impl<R: KeyRules> Applier<'_, R> {
    /// Values and shape in burn's layout, or `None` after noting what is wrong.
    fn find(&mut self, needed: &[usize]) -> Option<TensorData> {
        let key = self.rules.reference_key(&self.path.path());
        let Some(stored) = self.tensors.get(&key) else {
            if !self.rules.is_optional(&key) {
                self.missing.push(key);
            }
            return None;
        };
        self.used.insert(key.clone());
        let Some(mut values) = stored.to_f32() else {
            let dtype = format!("{:?}", stored.dtype());
            self.error = Some(CheckpointError::DataType { name: key, dtype });
            return None;
        };
        let transposed = self.path.is_transposed();
        let expected = stored_shape(needed, self.rules.is_planar(), transposed);
        if stored.shape() != expected {
            self.shapes.push((key, expected, stored.shape().to_vec()));
            return None;
        }
        if transposed {
            (values, _) = transpose(&values, &expected);
        }
        Some(TensorData::new(values, needed.to_vec()))
    }
}

impl<R: KeyRules> ModuleMapper for Applier<'_, R> {
    fn enter_module(&mut self, name: &str, owner: &str) {
        self.path.enter(name, owner);
    }

    fn exit_module(&mut self, _name: &str, owner: &str) {
        self.path.exit(owner);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let needed: Vec<usize> = param.lazy_shape().to_vec();
        match self.find(&needed) {
            Some(data) => {
                let tensor = Tensor::from_data(data, &param.lazy_device());
                let id = param.id;
                param.transform_for_load(tensor, id)
            }
            None => param,
        }
    }
}
