//! All networks by name: make one from a name and a configuration, load and save its weights.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::trace::{Prediction, Trace};
use super::{NetError, NetworkConfig, SegmentationNetwork};
use crate::checkpoint::{FloatFormat, KeyRules, StateDict, apply, collect, count_parameters, weight_shapes};

/// Most parameters a configuration may ask for (4 GiB of weights); more are typing errors.
const MAX_PARAMETERS: usize = 1 << 30;

/// Held while weights are drawn, so that a seed decides them whatever other threads do.
static DRAWING: Mutex<()> = Mutex::new(());

/// Name and default configuration of a network.
#[derive(Debug, Clone, Serialize)]
pub struct ArchitectureInfo {
    /// The name in recipes, cards and on the command line.
    pub arch: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Its default configuration.
    pub default_config: Value,
}

macro_rules! networks {
    ($($variant:ident, $config:path, $network:path, $arch:literal, $about:literal;)+) => {
        /// The networks as one module, so that training and inference need no generics.
        #[derive(Module, Debug)]
        #[expect(clippy::large_enum_variant, reason = "burn has no modules behind a Box; there is one a network")]
        enum Network {
            $(#[doc = $about] $variant($network),)+
        }

        /// All networks, sorted by name.
        pub fn architectures() -> Vec<ArchitectureInfo> {
            let mut all = vec![$(ArchitectureInfo {
                arch: $arch,
                about: $about,
                default_config: to_json(&<$config>::default()),
            },)+];
            all.sort_by_key(|info| info.arch);
            all
        }

        impl Network {
            fn make(arch: &str, config: Value, device: &Device) -> Result<(Self, Value), NetError> {
                match arch {
                    $($arch => {
                        let config: $config = parse_config(arch, config)?;
                        Ok((Self::$variant(config.init(device)), to_json(&config)))
                    })+
                    _ => Err(unknown(arch)),
                }
            }

            fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
                match self { $(Self::$variant(net) => net.check_input(shape),)+ }
            }

            fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
                match self { $(Self::$variant(net) => net.forward_traced(x, trace),)+ }
            }
        }

        impl KeyRules for Network {
            fn reference_key(&self, path: &str) -> String {
                match self { $(Self::$variant(net) => net.reference_key(path),)+ }
            }

            fn canonical_key(&self, key: &str) -> String {
                match self { $(Self::$variant(net) => net.canonical_key(key),)+ }
            }

            fn is_planar(&self) -> bool {
                match self { $(Self::$variant(net) => net.is_planar(),)+ }
            }

            fn is_optional(&self, key: &str) -> bool {
                match self { $(Self::$variant(net) => net.is_optional(key),)+ }
            }
        }
    };
}

networks! {
    Espnet3d, super::espnet3d::Espnet3dConfig, super::espnet3d::Espnet3d, "espnet3d",
        "3D-ESPNet: efficient spatial pyramids of dilated convolutions";
    Espnet3dDiv, super::espnet3d::Espnet3dDivConfig, super::espnet3d::Espnet3dDiv, "espnet3d_div",
        "3D-ESPNet with Div-attention junctions in its decoder";
    LesionNet, super::lesion_net::LesionNetConfig, super::lesion_net::LesionNet, "lesion_net",
        "Light U-shaped network of Hilum with optional Div-attention junctions, for a CPU";
    PlainConvUNet, super::plain_conv_unet::PlainConvUNetConfig, super::plain_conv_unet::PlainConvUNet,
        "plain_conv_unet", "nnU-Net's plain convolutional U-Net";
    ResidualEncoderUNet, super::residual_encoder_unet::ResidualEncoderUNetConfig,
        super::residual_encoder_unet::ResidualEncoderUNet, "residual_encoder_unet",
        "nnU-Net's U-Net with a residual encoder";
    Unetr, super::unetr::UnetrConfig, super::unetr::Unetr, "unetr",
        "UNETR: vision transformer encoder, convolutional decoder";
    UnetrDiv, super::unetr::UnetrDivConfig, super::unetr::UnetrDiv, "unetr_div",
        "UNETR with Div-attention junctions in its decoder";
}

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
        let network = Self::from_name(arch, config, device)?;
        // The device has one generator for all threads.
        let _alone = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
        device.seed(seed);
        Ok(network.materialize())
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

    /// Logits of all heads `[batch, classes, z, y, x]`, finest (and final) first.
    ///
    /// # Errors
    /// An input that does not fit, see [`AnyNetwork::check_input`].
    pub fn forward_heads(&self, x: Tensor<5>) -> Result<Vec<Tensor<5>>, NetError> {
        self.forward_traced(x, &mut Trace::off())
    }

    /// The final logits `[batch, classes, z, y, x]`.
    ///
    /// # Errors
    /// An input that does not fit, see [`AnyNetwork::check_input`].
    pub fn forward(&self, x: Tensor<5>) -> Result<Tensor<5>, NetError> {
        Ok(self.forward_heads(x)?.swap_remove(0))
    }

    /// Logits of all heads and the attention maps.
    ///
    /// # Errors
    /// An input that does not fit, see [`AnyNetwork::check_input`].
    pub fn forward_with_attention(&self, x: Tensor<5>) -> Result<Prediction, NetError> {
        let mut trace = Trace::attention();
        let heads = self.forward_traced(x, &mut trace)?;
        Ok(Prediction { heads, maps: trace.maps })
    }

    /// Logits of all heads; notes in `trace` what it asks for.
    ///
    /// # Errors
    /// An input that does not fit, see [`AnyNetwork::check_input`].
    pub fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Result<Vec<Tensor<5>>, NetError> {
        self.check_input(x.dims())?;
        Ok(self.network.forward_traced(x, trace))
    }

    /// This network with the weights of a checkpoint under the reference's names.
    ///
    /// # Errors
    /// Missing or unused names, other shapes: all are listed.
    pub fn with_weights(self, weights: &StateDict) -> Result<Self, NetError> {
        Ok(Self { network: apply(self.network, weights)?, ..self })
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

fn parse_config<C: NetworkConfig + DeserializeOwned + Default>(
    arch: &str,
    config: Value,
) -> Result<C, NetError> {
    let error = |message: String| NetError::Config { arch: arch.to_owned(), message };
    let fields = config.as_object().cloned().unwrap_or_default();
    let config: C = match config {
        Value::Null => C::default(),
        value => serde_json::from_value(value).map_err(|e| error(e.to_string()))?,
    };
    // serde does not notice unknown fields beside a flattened struct.
    let known = to_json(&config);
    if let Some(field) = fields.keys().find(|field| known.get(field.as_str()).is_none()) {
        let known: Vec<_> = known.as_object().into_iter().flat_map(|o| o.keys().cloned()).collect();
        return Err(error(format!("unknown field '{field}'; known fields: {}", known.join(", "))));
    }
    config.validate().map_err(error)?;
    Ok(config)
}

fn to_json(config: &impl Serialize) -> Value {
    serde_json::to_value(config).expect("configurations are plain data with string keys")
}

fn unknown(arch: &str) -> NetError {
    let known: Vec<_> = architectures().iter().map(|info| info.arch).collect();
    NetError::UnknownArchitecture { arch: arch.to_owned(), known: known.join(", ") }
}
