//! All networks by name: make one from a name and a configuration, load and save its weights.

mod draw;
mod stage;
mod table;

use std::collections::BTreeSet;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde_json::Value;

use super::trace::{Prediction, Trace};
use super::{NetError, TrainingOutput};
use crate::checkpoint::{
    FloatFormat, KeyRules, StateDict, StoredTensor, apply, collect, collect_for_reference, count_parameters,
    fold_spectral_norm, reverse_axes, training_only, weight_shapes,
};
use draw::draw_rest;
use table::Network;

pub(crate) use draw::{drawn, reseed};
pub use stage::{LayerStage, layer_stage};
pub use table::{ArchitectureInfo, Family, architecture, architectures};

/// Most parameters a configuration may ask for (4 GiB of weights); more are typing errors.
const MAX_PARAMETERS: usize = 1 << 30;

/// A network of any kind with its name and configuration. It is a burn [`Module`]: it can be optimised,
/// moved between devices, and switched between training and inference.
#[derive(Module, Debug)]
pub struct AnyNetwork {
    network: Network,
    #[module(skip)]
    arch: String,
    #[module(skip)]
    config: Value,
}

impl AnyNetwork {
    /// Makes the network `arch` from its configuration (a JSON object; missing fields take the defaults;
    /// `null` = all defaults). Weights are drawn when first used, see [`AnyNetwork::seeded`].
    ///
    /// # Errors
    /// An unknown name; a field that is unknown, of the wrong type or out of range.
    pub fn from_name(arch: &str, config: Value, device: &Device) -> Result<Self, NetError> {
        let (network, config) = Network::make(arch, config, device)?;
        let parameters = count_parameters(&network);
        if parameters > MAX_PARAMETERS {
            let message =
                format!("{parameters} parameters are more than {MAX_PARAMETERS}; use fewer channels");
            return Err(NetError::Config { arch: arch.to_owned(), message });
        }
        Ok(Self { network, arch: arch.to_owned(), config })
    }

    /// Makes the network and draws all its weights reproducibly from `seed` (He et al., 2015; biases 0).
    ///
    /// # Errors
    /// As [`AnyNetwork::from_name`].
    pub fn seeded(arch: &str, config: Value, seed: u64, device: &Device) -> Result<Self, NetError> {
        Ok(drawn(Self::from_name(arch, config, device)?, seed, device))
    }

    /// Its name in the registry.
    pub fn arch(&self) -> &str {
        &self.arch
    }

    /// Its complete configuration: [`AnyNetwork::from_name`] makes the same network from it.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Whether it works on planar images: it sees each slice of a volume on its own.
    pub fn is_planar(&self) -> bool {
        self.network.is_planar()
    }

    /// Number of learned parameters (running statistics not counted).
    pub fn parameter_count(&self) -> usize {
        count_parameters(&self.network)
    }

    /// Names (the reference's) and shapes (PyTorch's) of all weights and running statistics.
    pub fn weight_shapes(&self) -> Vec<(String, Vec<usize>)> {
        weight_shapes(&self.network)
    }

    /// Says why an input of this shape `[batch, channels, z, y, x]` cannot be taken.
    ///
    /// # Errors
    /// A wrong number of channels or a size the network cannot halve as often as it must.
    pub fn check_input(&self, shape: [usize; 5]) -> Result<(), NetError> {
        let error = |message| NetError::Input { arch: self.arch.clone(), shape, message };
        self.network.check_input(shape).map_err(error)
    }

    /// The smallest usual input that it takes, `[1, channels, z, y, x]`; `None` if it takes none of them.
    pub fn example_shape(&self) -> Option<[usize; 5]> {
        const SIZES: [usize; 10] = [16, 32, 48, 64, 80, 96, 112, 128, 224, 256];
        let channels = (1..=64).find(|&channels| {
            // A network that has only one size says so before it looks at the channels, or after.
            SIZES.iter().any(|&n| self.takes([1, channels, n, n, n]) || self.takes([1, channels, 1, n, n]))
                || self.odd_shape(channels).is_some()
        })?;
        if self.is_planar() {
            return SIZES.iter().map(|&n| [1, channels, 1, n, n]).find(|shape| self.takes(*shape));
        }
        SIZES
            .iter()
            .map(|&n| [1, channels, n, n, n])
            .find(|shape| self.takes(*shape))
            .or(self.odd_shape(channels))
    }

    /// An input with unequal edges that it takes.
    fn odd_shape(&self, channels: usize) -> Option<[usize; 5]> {
        const SIZES: [usize; 7] = [16, 32, 48, 64, 80, 96, 128];
        let mut shapes: Vec<[usize; 3]> =
            SIZES.iter().flat_map(|&z| SIZES.map(|y| SIZES.map(|x| [z, y, x]))).flatten().collect();
        shapes.sort_by_key(|shape| shape.iter().product::<usize>());
        shapes.into_iter().map(|[z, y, x]| [1, channels, z, y, x]).find(|shape| self.takes(*shape))
    }

    fn takes(&self, shape: [usize; 5]) -> bool {
        self.network.check_input(shape).is_ok()
    }

    /// Logits of all heads `[batch, classes, z, y, x]`, finest (and final) first.
    ///
    /// # Errors
    /// An input that does not fit, see [`AnyNetwork::check_input`].
    pub fn forward_heads(&self, x: Tensor<5>) -> Result<Vec<Tensor<5>>, NetError> {
        self.forward_traced(x, &mut Trace::off())
    }

    /// What the network is taught by, see [`TrainingOutput`].
    ///
    /// # Errors
    /// An input that does not fit, see [`AnyNetwork::check_input`].
    pub fn forward_training(&self, x: Tensor<5>) -> Result<TrainingOutput, NetError> {
        self.check_input(x.dims())?;
        Ok(self.network.forward_training(x))
    }

    /// The final logits `[batch, classes, z, y, x]`.
    ///
    /// # Errors
    /// An input that does not fit, see [`AnyNetwork::check_input`].
    pub fn forward(&self, x: Tensor<5>) -> Result<Tensor<5>, NetError> {
        Ok(self.forward_heads(x)?.swap_remove(0))
    }

    /// Logits of all heads, the attention maps, and what any pixel looks at on demand.
    ///
    /// # Errors
    /// An input that does not fit, see [`AnyNetwork::check_input`].
    pub fn forward_with_attention(&self, x: Tensor<5>) -> Result<Prediction, NetError> {
        let mut trace = Trace::attention();
        let heads = self.forward_traced(x, &mut trace)?;
        Ok(trace.prediction(heads))
    }

    /// The same, and what modules make of their inputs and change in the answer, see [`Trace::inside`].
    ///
    /// # Errors
    /// An input that does not fit, see [`AnyNetwork::check_input`].
    pub fn forward_inspected(&self, x: Tensor<5>) -> Result<Prediction, NetError> {
        let mut trace = Trace::inside();
        let heads = self.forward_traced(x, &mut trace)?;
        Ok(trace.prediction(heads))
    }

    /// Logits of all heads; notes in `trace` what it asks for.
    ///
    /// # Errors
    /// An input that does not fit, see [`AnyNetwork::check_input`].
    pub fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Result<Vec<Tensor<5>>, NetError> {
        self.check_input(x.dims())?;
        Ok(self.network.forward_traced(x, trace))
    }

    /// This network with the weights of a checkpoint under the reference's names; spectrally normalised weights are
    /// folded.
    ///
    /// # Errors
    /// Missing or unused names, other shapes: all are listed.
    pub fn with_weights(self, weights: &StateDict) -> Result<Self, NetError> {
        let weights = fold_spectral_norm(weights)?;
        let network = apply(self.network, &weights)?;
        draw_rest(&network);
        Ok(Self { network, ..self })
    }

    /// This network with those weights of another that have the same names and shapes, and the names of those that it
    /// keeps as they are.
    ///
    /// # Errors
    /// A checkpoint of which nothing fits; a device that fails to give its memory back.
    pub fn with_weights_of_another(self, donor: &StateDict) -> Result<(Self, BTreeSet<String>), NetError> {
        let donor = fold_spectral_norm(donor)?;
        let mut weights = self.weights(FloatFormat::F32)?;
        let mut kept = BTreeSet::new();
        let names: Vec<String> = weights.iter().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            let fits =
                |tensor: &&StoredTensor| weights.get(&name).is_some_and(|w| w.shape() == tensor.shape());
            match donor.get(&name).filter(fits).cloned() {
                Some(tensor) => weights.insert(name, tensor),
                None => {
                    kept.insert(name);
                }
            }
        }
        if kept.len() == weights.iter().count() {
            let message = "no weight of the other network has a name and shape of this one".to_owned();
            return Err(NetError::Config { arch: self.arch, message });
        }
        Ok((self.with_weights(&weights)?, kept))
    }

    /// This network with gradients for those learned weights alone whose names (the reference's) `trains` accepts.
    #[must_use]
    pub fn training_only(self, trains: impl Fn(&str) -> bool) -> Self {
        Self { network: training_only(self.network, trains), ..self }
    }

    /// This network with the weights of a safetensors file (f32, f16, bf16 or f64).
    ///
    /// # Errors
    /// A file that cannot be read or does not fit.
    pub fn with_weights_file(self, path: &Path) -> Result<Self, NetError> {
        self.with_weights(&StateDict::read(path)?)
    }

    /// All weights and running statistics under the reference's names.
    ///
    /// # Errors
    /// A device that fails to give its memory back.
    pub fn weights(&self, format: FloatFormat) -> Result<StateDict, NetError> {
        Ok(collect(&self.network, format)?)
    }

    /// An error where [`AnyNetwork::with_reversed_axes`] would refuse the network `arch` of this configuration.
    ///
    /// # Errors
    /// [`NetError::Axes`]; an unknown name or a bad configuration.
    pub fn check_reversible(arch: &str, config: Value) -> Result<(), NetError> {
        Network::reversed_config(arch, config).map(|_| ())
    }

    /// The same network for arrays whose axes are in the opposite order, `[x, y, z]` instead of `[z, y, x]`, with these
    /// weights turned accordingly: of the transposed input it gives the transposed answer.
    ///
    /// # Errors
    /// [`NetError::Axes`] for a network of planar images; a device that fails to give its memory back.
    pub fn with_reversed_axes(&self, device: &Device) -> Result<Self, NetError> {
        let config = Network::reversed_config(&self.arch, self.config.clone())?;
        let weights = collect(&self.network, FloatFormat::F32)?;
        let reversed = reverse_axes(&weights, |key| self.network.flattened_grid(key))?;
        Self::from_name(&self.arch, config, device)?.with_weights(&reversed)
    }

    /// Writes the weights as safetensors (f32) such that the reference loads them strictly, see
    /// [`collect_for_reference`].
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write_reference_checkpoint(&self, path: &Path) -> Result<(), NetError> {
        Ok(collect_for_reference(&self.network)?.write(path, &[])?)
    }

    /// Writes the weights as safetensors, with name and configuration in the file's metadata.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save_weights(&self, path: &Path, format: FloatFormat) -> Result<(), NetError> {
        let weights = self.weights(format)?;
        let metadata = [("arch", self.arch.clone()), ("config", self.config.to_string())];
        Ok(weights.write(path, &metadata.map(|(key, value)| (key.to_owned(), value)))?)
    }
}
