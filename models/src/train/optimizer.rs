//! Adam with decoupled weight decay (Loshchilov and Hutter, 2019) whose state has the names of the parameters.
//!
//! burn's own optimiser keys its state by parameter identities that a reloaded network does not have, so a
//! continued run would begin without moments. Here state goes by field path, and a continued run is bit-identical.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::checkpoint::{CheckpointError, FloatFormat, StateDict, StoredTensor};

/// Decay of the running mean of gradients.
const BETA_1: f64 = 0.9;
/// Decay of the running mean of squared gradients.
const BETA_2: f64 = 0.999;
/// Keeps the division finite.
const EPSILON: f64 = 1e-5;

/// The optimiser with its running means.
#[derive(Debug)]
pub struct AdamW {
    weight_decay: f64,
    moments: BTreeMap<String, Moments>,
}

/// Running means of one parameter, flattened.
#[derive(Debug)]
struct Moments {
    steps: i32,
    first: Tensor<1>,
    second: Tensor<1>,
}

impl AdamW {
    /// An optimiser that has seen no gradient.
    pub fn new(weight_decay: f64) -> Self {
        Self { weight_decay, moments: BTreeMap::new() }
    }

    /// The module after one step of size `rate` against the gradients.
    pub fn step<M: Module>(&mut self, rate: f64, module: M, gradients: GradientsParams) -> M {
        module.map(&mut Step { optimizer: self, rate, gradients, path: Vec::new() })
    }

    /// All running means under `first.PATH` and `second.PATH`, and the step counts under `steps.PATH`.
    ///
    /// # Errors
    /// A device that cannot give a tensor back.
    pub fn state(&self) -> Result<StateDict, CheckpointError> {
        let mut dict = StateDict::default();
        for (path, moments) in &self.moments {
            for (kind, tensor) in [("first", &moments.first), ("second", &moments.second)] {
                let name = format!("{kind}.{path}");
                let values =
                    tensor.to_data().convert_dtype(DType::F32).try_to_vec::<f32>().map_err(|e| {
                        CheckpointError::Device { name: name.clone(), message: format!("{e:?}") }
                    })?;
                let shape = vec![values.len()];
                dict.insert(name, StoredTensor::from_f32(&values, shape, FloatFormat::F32));
            }
            let steps = StoredTensor::from_f32(&[moments.steps as f32], vec![1], FloatFormat::F32);
            dict.insert(format!("steps.{path}"), steps);
        }
        Ok(dict)
    }

    /// Takes up where [`AdamW::state`] was written.
    pub fn restore(&mut self, state: &StateDict, device: &Device) {
        let values = |kind: &str, path: &str| state.get(&format!("{kind}.{path}"))?.to_f32();
        let tensor = |values: Vec<f32>| {
            let count = values.len();
            Tensor::<1>::from_data(TensorData::new(values, [count]), device)
        };
        self.moments = state
            .iter()
            .filter_map(|(name, _)| {
                let path = name.strip_prefix("first.")?;
                let moments = Moments {
                    steps: *values("steps", path)?.first()? as i32,
                    first: tensor(values("first", path)?),
                    second: tensor(values("second", path)?),
                };
                Some((path.to_owned(), moments))
            })
            .collect();
    }

    /// The parameter after a step against `gradient`, both flattened.
    fn update(&mut self, path: String, rate: f64, value: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        let fresh = || Moments { steps: 0, first: gradient.zeros_like(), second: gradient.zeros_like() };
        let moments = self.moments.entry(path).or_insert_with(fresh);
        moments.steps += 1;
        moments.first = moments.first.clone().mul_scalar(BETA_1) + gradient.clone().mul_scalar(1.0 - BETA_1);
        moments.second = moments.second.clone().mul_scalar(BETA_2)
            + (gradient.clone() * gradient).mul_scalar(1.0 - BETA_2);
        let mean = moments.first.clone().div_scalar(1.0 - BETA_1.powi(moments.steps));
        let spread = moments.second.clone().div_scalar(1.0 - BETA_2.powi(moments.steps)).sqrt();
        value.mul_scalar(1.0 - rate * self.weight_decay)
            - (mean / spread.add_scalar(EPSILON)).mul_scalar(rate)
    }
}

/// The walk that updates every parameter which has a gradient.
struct Step<'a> {
    optimizer: &'a mut AdamW,
    rate: f64,
    gradients: GradientsParams,
    path: Vec<String>,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let Some(gradient) = self.gradients.remove::<D>(id) else {
            return Param::from_mapped_value(id, tensor, mapper);
        };
        let needs_gradient = tensor.is_require_grad();
        let shape = tensor.dims();
        let count = shape.iter().product::<usize>();
        let (value, gradient) = (tensor.inner().reshape([count]), gradient.reshape([count]));
        let value = self.optimizer.update(self.path.join("."), self.rate, value, gradient);
        let mut tensor = Tensor::from_inner(value.reshape(shape));
        if needs_gradient {
            tensor = tensor.require_grad();
        }
        Param::from_mapped_value(id, tensor, mapper)
    }
}
