//! Activations.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::activation::{leaky_relu, relu};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// What follows a normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Nothing.
    Identity,
    /// max(x, 0).
    Relu,
    /// x for x ≥ 0, else slope·x.
    LeakyRelu(f64),
}

impl Activation {
    /// Applies it to any tensor.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Identity => x,
            Self::Relu => relu(x),
            Self::LeakyRelu(slope) => leaky_relu(x, slope),
        }
    }
}

/// A leaky ReLU whose one slope is learned (He et al., 2015).
#[derive(Module, Debug)]
pub struct PRelu {
    /// The slope, `[1]`.
    pub weight: Param<Tensor<1>>,
}

impl PRelu {
    /// With a slope of 0.25.
    pub fn new(device: &Device) -> Self {
        Self { weight: Initializer::Constant { value: 0.25 }.init([1], device) }
    }

    /// x for x ≥ 0, else slope·x.
    pub fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let below = x.clone().clamp_max(0.0) * self.weight.val().reshape([1, 1, 1, 1, 1]);
        relu(x) + below
    }
}
