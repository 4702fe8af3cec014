//! From a module to named tensors.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor};

use super::{FieldPath, KeyRules, stored_shape, transpose};
use crate::checkpoint::{CheckpointError, FloatFormat, StateDict, StoredTensor};

/// All parameters and running statistics under the reference's names.
///
/// # Errors
/// A device that cannot give a tensor back.
pub fn collect<M: Module + KeyRules>(module: &M, format: FloatFormat) -> Result<StateDict, CheckpointError> {
    let mut collector = Collector {
        rules: module,
        path: FieldPath::default(),
        format,
        dict: StateDict::default(),
        error: None,
    };
    module.visit(&mut collector);
    match collector.error {
        Some(error) => Err(error),
        None => Ok(collector.dict),
    }
}

struct Collector<'a, R> {
    rules: &'a R,
    path: FieldPath,
    format: FloatFormat,
    dict: StateDict,
    error: Option<CheckpointError>,
}

impl<R: KeyRules> ModuleVisitor for Collector<'_, R> {
    fn enter_module(&mut self, name: &str, owner: &str) {
        self.path.enter(name, owner);
    }

    fn exit_module(&mut self, _name: &str, owner: &str) {
        self.path.exit(owner);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let key = self.rules.reference_key(&self.path.path());
        let shape = param.dims().to_vec();
        match param.val().into_data().convert_dtype(DType::F32).try_to_vec::<f32>() {
            Ok(mut values) => {
                let is_transposed = self.path.is_transposed();
                if is_transposed {
                    (values, _) = transpose(&values, &shape);
                }
                let shape = stored_shape(&shape, self.rules.is_planar(), is_transposed);
                self.dict.insert(key, StoredTensor::from_f32(&values, shape, self.format));
            }
            Err(e) => self.error = Some(CheckpointError::Device { name: key, message: format!("{e:?}") }),
        }
    }
}

/// All weights as the reference would save them, so that it loads them strictly: with the copies under other names,
/// the parameters that it never uses (zero), and the counters of batch normalisation.
///
/// # Errors
/// A device that cannot give a tensor back.
pub fn collect_for_reference<M: Module + KeyRules>(module: &M) -> Result<StateDict, CheckpointError> {
    let mut dict = collect(module, FloatFormat::F32)?;
    let main: Vec<(String, StoredTensor)> = dict.iter().map(|(k, t)| (k.to_owned(), t.clone())).collect();
    for (key, tensor) in main {
        if let Some(layer) = key.strip_suffix("running_mean") {
            dict.insert(format!("{layer}num_batches_tracked"), StoredTensor::from_i64(0));
        }
        for copy in module.copies(&key) {
            dict.insert(copy, tensor.clone());
        }
    }
    for (key, shape) in module.unused() {
        let zeros = vec![0.0; shape.iter().product()];
        dict.insert(key, StoredTensor::from_f32(&zeros, shape, FloatFormat::F32));
    }
    Ok(dict)
}
