//! What nnU-Net's networks share: the values their constructors take, and the aliases in their checkpoints.

use serde::{Deserialize, Serialize};

use super::blocks::{Activation, LEAKY_SLOPE, NormKind};
use super::{MAX_CHANNELS, check_range};

/// A value for all stages or one per stage. As in the reference a list is always one value per stage, also where it
/// has three numbers, which could be a size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerStage<T> {
    /// One per stage.
    Each(Vec<T>),
    /// The same everywhere.
    All(T),
}

impl<T: Copy> PerStage<T> {
    /// The value of a stage; where each stage has its own, there must be one for it.
    pub fn get(&self, stage: usize) -> T {
        match self {
            Self::All(value) => *value,
            Self::Each(values) => values[stage],
        }
    }

    /// An error unless there is a value for each of `stages` stages.
    fn check_len(&self, field: &str, stages: usize) -> Result<(), String> {
        match self {
            Self::Each(values) if values.len() != stages => {
                Err(format!("{field} has {} entries; it must have {stages}", values.len()))
            }
            _ => Ok(()),
        }
    }
}

impl PerStage<usize> {
    /// An error unless there is a value in `1..=max` for each stage.
    pub fn check(&self, field: &str, stages: usize, max: usize) -> Result<(), String> {
        self.check_len(field, stages)?;
        (0..stages).try_for_each(|stage| check_range(field, self.get(stage), max))
    }
}

/// A size along z, y, x: one number for all three, or three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Shape3 {
    /// The same along each axis.
    Cube(usize),
    /// `[z, y, x]`.
    Box([usize; 3]),
}

impl Shape3 {
    /// `[z, y, x]`.
    pub fn zyx(self) -> [usize; 3] {
        match self {
            Self::Cube(size) => [size; 3],
            Self::Box(size) => size,
        }
    }

    /// The same size with the axes in the opposite order.
    pub fn reversed(self) -> Self {
        match self {
            Self::Cube(size) => Self::Cube(size),
            Self::Box([z, y, x]) => Self::Box([x, y, z]),
        }
    }
}

impl PerStage<Shape3> {
    /// The same sizes with the axes in the opposite order.
    pub fn reversed(self) -> Self {
        match self {
            Self::Each(sizes) => Self::Each(sizes.into_iter().map(Shape3::reversed).collect()),
            Self::All(size) => Self::All(size.reversed()),
        }
    }
}

/// The only convolution of a network for volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Conv3dName {
    /// `torch.nn.Conv3d`.
    #[default]
    #[serde(alias = "torch.nn.modules.conv.Conv3d")]
    Conv3d,
}

/// Normalisations of nnU-Net plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum NormName {
    /// `torch.nn.InstanceNorm3d`.
    #[default]
    #[serde(alias = "torch.nn.modules.instancenorm.InstanceNorm3d")]
    InstanceNorm3d,
    /// `torch.nn.BatchNorm3d`.
    #[serde(alias = "torch.nn.modules.batchnorm.BatchNorm3d")]
    BatchNorm3d,
}

/// Options of the normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NormSettings {
    /// Added to the variance.
    pub eps: f64,
    /// Learned scale and shift.
    pub affine: bool,
    /// Has no effect on instance normalisation.
    pub momentum: f64,
}

impl Default for NormSettings {
    fn default() -> Self {
        Self { eps: 1e-5, affine: true, momentum: 0.1 }
    }
}

impl NormSettings {
    /// The normalisation of this name with these options.
    pub fn kind(self, name: NormName) -> NormKind {
        match name {
            NormName::InstanceNorm3d => NormKind::Instance { affine: self.affine, eps: self.eps },
            NormName::BatchNorm3d => NormKind::Batch { eps: self.eps },
        }
    }
}

/// Activations of nnU-Net plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum NonlinName {
    /// `torch.nn.LeakyReLU`.
    #[default]
    #[serde(alias = "torch.nn.LeakyReLU", alias = "torch.nn.modules.activation.LeakyReLU")]
    LeakyReLU,
    /// `torch.nn.ReLU`.
    #[serde(alias = "torch.nn.ReLU", alias = "torch.nn.modules.activation.ReLU")]
    ReLU,
}

/// Options of the activation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NonlinSettings {
    /// Slope below zero of a leaky ReLU.
    pub negative_slope: f64,
    /// Has no effect on the result.
    pub inplace: bool,
}

impl Default for NonlinSettings {
    fn default() -> Self {
        Self { negative_slope: LEAKY_SLOPE, inplace: true }
    }
}

impl NonlinSettings {
    /// The activation of this name with these options.
    pub fn activation(self, name: NonlinName) -> Activation {
        match name {
            NonlinName::LeakyReLU => Activation::LeakyRelu(self.negative_slope),
            NonlinName::ReLU => Activation::Relu,
        }
    }
}

/// Drop-out is not supported: `null` is the only value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DropoutSetting;

/// What all blocks of a network share.
#[derive(Debug, Clone, Copy)]
pub struct BlockOptions {
    /// Whether convolutions have a bias.
    pub bias: bool,
    /// Normalisation behind each convolution.
    pub norm: NormKind,
    /// Activation behind each normalisation.
    pub activation: Activation,
}

/// An error unless features, kernels and strides describe `stages` resolutions.
pub fn check_stages(
    stages: usize,
    features: &PerStage<usize>,
    kernels: &PerStage<Shape3>,
    strides: &PerStage<Shape3>,
) -> Result<(), String> {
    if !(2..=10).contains(&stages) {
        return Err(format!("n_stages is {stages}; it must be 2 to 10"));
    }
    features.check("features_per_stage", stages, MAX_CHANNELS)?;
    kernels.check_len("kernel_sizes", stages)?;
    strides.check_len("strides", stages)?;
    for stage in 0..stages {
        for size in kernels.get(stage).zyx() {
            if size % 2 == 0 || size > 15 {
                return Err(format!("kernel_sizes has {size}; sizes must be odd, 1 to 15"));
            }
        }
        strides.get(stage).zyx().iter().try_for_each(|&stride| check_range("strides", stride, 8))?;
    }
    Ok(())
}

/// What an input's size must be a multiple of: the product of the strides.
pub fn size_multiple(stages: usize, strides: &PerStage<Shape3>) -> [usize; 3] {
    let per_axis = |axis: usize| (0..stages).map(|stage| strides.get(stage).zyx()[axis]).product();
    [per_axis(0), per_axis(1), per_axis(2)]
}

/// The reference saves encoder tensors four times and decoder convolutions twice; `.conv`/`.norm` under
/// `encoder`/`decoder` are the main names.
pub fn canonical_key(key: &str) -> String {
    let key =
        key.strip_prefix("decoder.encoder.").map_or_else(|| key.to_owned(), |rest| format!("encoder.{rest}"));
    key.replace(".all_modules.0.", ".conv.").replace(".all_modules.1.", ".norm.")
}

/// The other names under which the reference saves the tensor of a main name.
pub fn copies(key: &str) -> Vec<String> {
    let mut names = vec![key.to_owned()];
    if key.starts_with("encoder.") {
        names.push(format!("decoder.{key}"));
    }
    let listed: Vec<String> = names
        .iter()
        .map(|name| name.replace(".conv.", ".all_modules.0.").replace(".norm.", ".all_modules.1."))
        .filter(|name| name.contains(".all_modules."))
        .collect();
    names.extend(listed);
    names.remove(0);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_names_of_an_encoder_tensor_lead_to_one() {
        let main = "encoder.stages.0.0.convs.1.norm.bias";
        for alias in [
            main,
            "encoder.stages.0.0.convs.1.all_modules.1.bias",
            "decoder.encoder.stages.0.0.convs.1.norm.bias",
            "decoder.encoder.stages.0.0.convs.1.all_modules.1.bias",
        ] {
            assert_eq!(canonical_key(alias), main);
        }
    }

    #[test]
    fn three_numbers_are_three_stages_and_no_size() {
        let strides: PerStage<Shape3> = serde_json::from_str("[1, 2, 2]").unwrap();
        assert_eq!([0, 1, 2].map(|stage| strides.get(stage).zyx()), [[1; 3], [2; 3], [2; 3]]);
        let kernels: PerStage<Shape3> = serde_json::from_str("[[1, 3, 3], 3]").unwrap();
        assert_eq!([0, 1].map(|stage| kernels.get(stage).zyx()), [[1, 3, 3], [3; 3]]);
    }

    #[test]
    fn wrong_stage_counts_name_the_field() {
        let features = PerStage::Each(vec![4, 8]);
        let (kernels, strides) = (PerStage::All(Shape3::Cube(3)), PerStage::All(Shape3::Cube(1)));
        let error = check_stages(3, &features, &kernels, &strides).unwrap_err();
        assert!(error.contains("features_per_stage"), "{error}");
        let error = check_stages(2, &features, &PerStage::All(Shape3::Box([3, 2, 3])), &strides).unwrap_err();
        assert!(error.contains("kernel_sizes has 2"), "{error}");
    }
}
