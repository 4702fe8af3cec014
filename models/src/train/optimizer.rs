//! The optimisers, with state under the names of the parameters.
//!
//! burn's own optimisers key their state by parameter identities that a reloaded network does not have, so a
//! continued run would begin without moments. Here state goes by field path, and a continued run is bit-identical.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::checkpoint::{CheckpointError, FloatFormat, StateDict, StoredTensor};

/// How a gradient becomes a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum OptimizerRule {
    /// Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019).
    AdamW {
        /// Decay of the running mean of gradients, and of squared gradients.
        #[serde(default = "usual_betas")]
        betas: [f64; 2],
        /// Keeps the division finite.
        #[serde(default = "careful_epsilon")]
        epsilon: f64,
    },
    /// Adam whose weight decay is added to the gradient (Kingma and Ba, ICLR 2015; PyTorch's `Adam`).
    Adam {
        /// See [`OptimizerRule::AdamW`].
        #[serde(default = "usual_betas")]
        betas: [f64; 2],
        /// See [`OptimizerRule::AdamW`].
        #[serde(default = "usual_epsilon")]
        epsilon: f64,
    },
    /// Gradient descent with momentum, weight decay added to the gradient (PyTorch's `SGD`).
    Sgd {
        /// Share of the last step that is taken again.
        momentum: f64,
        /// Whether the step looks ahead (Nesterov).
        #[serde(default)]
        nesterov: bool,
    },
}

impl Default for OptimizerRule {
    fn default() -> Self {
        Self::AdamW { betas: usual_betas(), epsilon: careful_epsilon() }
    }
}

fn usual_betas() -> [f64; 2] {
    [0.9, 0.999]
}

/// Small batches leave parameters with hardly any gradient for long: a larger constant keeps their steps small.
fn careful_epsilon() -> f64 {
    1e-5
}

fn usual_epsilon() -> f64 {
    1e-8
}

impl OptimizerRule {
    /// Says which value makes no sense.
    pub(super) fn check(&self) -> Result<(), String> {
        let share = |name: &str, value: f64| match (0.0..1.0).contains(&value) {
            true => Ok(()),
            false => Err(format!("optimizer.{name} is {value}; it must be 0 or more and below 1")),
        };
        match self {
            Self::AdamW { betas, epsilon } | Self::Adam { betas, epsilon } => {
                betas.iter().try_for_each(|beta| share("betas", *beta))?;
                let is_positive = epsilon.is_finite() && *epsilon > 0.0;
                if is_positive {
                    Ok(())
                } else {
                    Err(format!("optimizer.epsilon is {epsilon}; it must be above 0"))
                }
            }
            Self::Sgd { momentum, .. } => share("momentum", *momentum),
        }
    }
}

/// An optimiser with its running means.
#[derive(Debug)]
pub struct Optimizer {
    rule: OptimizerRule,
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

impl Optimizer {
    /// An optimiser that has seen no gradient.
    pub fn new(rule: OptimizerRule, weight_decay: f64) -> Self {
        Self { rule, weight_decay, moments: BTreeMap::new() }
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

    /// Takes up where [`Optimizer::state`] was written.
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
        let decay = self.weight_decay;
        let decayed = |gradient: Tensor<1>| match decay {
            0.0 => gradient,
            decay => gradient + value.clone().mul_scalar(decay),
        };
        match self.rule {
            OptimizerRule::AdamW { betas, epsilon } => {
                let step = moments.adam(gradient, betas, epsilon);
                value.mul_scalar(1.0 - rate * decay) - step.mul_scalar(rate)
            }
            OptimizerRule::Adam { betas, epsilon } => {
                let step = moments.adam(decayed(gradient), betas, epsilon);
                value - step.mul_scalar(rate)
            }
            OptimizerRule::Sgd { momentum, nesterov } => {
                let gradient = decayed(gradient);
                moments.first = moments.first.clone().mul_scalar(momentum) + gradient.clone();
                let step = match nesterov {
                    true => gradient + moments.first.clone().mul_scalar(momentum),
                    false => moments.first.clone(),
                };
                value - step.mul_scalar(rate)
            }
        }
    }
}

impl Moments {
    /// The direction of Adam's step, and the means that go on from it.
    fn adam(&mut self, gradient: Tensor<1>, [beta_1, beta_2]: [f64; 2], epsilon: f64) -> Tensor<1> {
        self.first = self.first.clone().mul_scalar(beta_1) + gradient.clone().mul_scalar(1.0 - beta_1);
        self.second =
            self.second.clone().mul_scalar(beta_2) + (gradient.clone() * gradient).mul_scalar(1.0 - beta_2);
        let mean = self.first.clone().div_scalar(1.0 - beta_1.powi(self.steps));
        let spread = self.second.clone().div_scalar(1.0 - beta_2.powi(self.steps)).sqrt();
        mean / spread.add_scalar(epsilon)
    }
}

/// The walk that updates every parameter which has a gradient.
struct Step<'a> {
    optimizer: &'a mut Optimizer,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Module, Debug)]
    struct Three {
        p: Param<Tensor<1>>,
    }

    /// Four steps down p³ as PyTorch 2.13 makes them, from 1, −2, 0.5 with a weight decay of 0.1.
    #[test]
    fn every_rule_steps_as_pytorch_does() {
        let device = Device::flex().autodiff();
        let cases = [
            (OptimizerRule::Sgd { momentum: 0.9, nesterov: false }, 0.01, [0.743549, -3.298647, 0.430895]),
            (OptimizerRule::Sgd { momentum: 0.9, nesterov: true }, 0.01, [0.679771, -4.098421, 0.410748]),
            (
                OptimizerRule::Adam { betas: [0.5, 0.99], epsilon: 1e-8 },
                0.05,
                [0.807387, -2.203171, 0.315967],
            ),
            (OptimizerRule::default(), 0.05, [0.783679, -2.15916, 0.297012]),
        ];
        for (rule, rate, expected) in cases {
            let start = Tensor::<1>::from_data([1.0f32, -2.0, 0.5], &device).require_grad();
            let mut module = Three { p: Param::from_tensor(start) };
            let mut optimizer = Optimizer::new(rule, 0.1);
            for _ in 0..4 {
                let loss = module.p.val().powi_scalar(3).sum();
                let gradients = GradientsParams::from_grads(loss.backward(), &module);
                module = optimizer.step(rate, module, gradients);
            }
            let found: Vec<f32> = module.p.val().into_data().try_to_vec().unwrap();
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 2e-5, "{rule:?}: {found} is not {expected}");
            }
        }
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        assert!(OptimizerRule::default().check().is_ok());
        for rule in [
            OptimizerRule::Sgd { momentum: 1.0, nesterov: false },
            OptimizerRule::Adam { betas: [0.9, 1.5], epsilon: 1e-8 },
            OptimizerRule::Adam { betas: [0.9, 0.99], epsilon: 0.0 },
        ] {
            assert!(rule.check().is_err(), "{rule:?}");
        }
    }
}
