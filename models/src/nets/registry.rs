//! All networks by name: make one from a name and a configuration, load and save its weights.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::trace::{Prediction, Trace};
use super::{NetError, NetworkConfig, SegmentationNetwork};
use crate::checkpoint::{
    FloatFormat, KeyRules, StateDict, apply, collect, collect_for_reference, count_parameters,
    fold_spectral_norm, weight_shapes,
};

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

            fn copies(&self, key: &str) -> Vec<String> {
                match self { $(Self::$variant(net) => net.copies(key),)+ }
            }

            fn unused(&self) -> Vec<(String, Vec<usize>)> {
                match self { $(Self::$variant(net) => net.unused(),)+ }
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
    AttentionUnet2d, super::unet_2d::AttentionUnet2dConfig, super::unet_2d::Unet2d, "attention_unet_2d",
        "Attention U-Net for planar images: gates at the skip connections' resolution";
    AttentionUnet3d, super::attention_unet_3d::AttentionUnet3dConfig, super::attention_unet_3d::AttentionUnet3d,
        "attention_unet_3d", "Attention U-Net for volumes, with deep supervision fused into its logits";
    AttentionUnetGrid3d, super::attention_unet_3d::AttentionUnetGrid3dConfig,
        super::attention_unet_3d::AttentionUnetGrid3d, "attention_unet_grid_3d",
        "Attention U-Net for volumes of thick slices: only its gates look across slices";
    Danet, super::danet::DanetConfig, super::danet::Danet, "danet",
        "DANet: position and channel attention over a dilated residual trunk";
    DeepLabV3, super::deeplab::DeepLabV3Config, super::deeplab::DeepLabV3, "deeplabv3",
        "DeepLabV3: a pyramid of dilated convolutions over a dilated residual trunk";
    DeepLabV3Plus, super::deeplab::DeepLabV3PlusConfig, super::deeplab::DeepLabV3Plus, "deeplabv3_plus",
        "DeepLabV3+: DeepLabV3 with a decoder that joins fine features";
    DafStack, super::daf_stack::DafStackConfig, super::daf_stack::DafStack, "daf_stack",
        "Multi-scale self-guided attention for planar images: position and channel attention in two steps";
    Espnet3d, super::espnet3d::Espnet3dConfig, super::espnet3d::Espnet3d, "espnet3d",
        "3D-ESPNet: efficient spatial pyramids of dilated convolutions";
    Espnet3dDiv, super::espnet3d::Espnet3dDivConfig, super::espnet3d::Espnet3dDiv, "espnet3d_div",
        "3D-ESPNet with Div-attention junctions in its decoder";
    Hanet, super::hanet::HanetConfig, super::hanet::Hanet, "hanet",
        "HANet: attention along the hops of a graph of correlated pixels";
    LesionNet, super::lesion_net::LesionNetConfig, super::lesion_net::LesionNet, "lesion_net",
        "Light U-shaped network of Hilum with optional Div-attention junctions, for a CPU";
    MonaiAttentionUnet, super::monai_attention_unet::MonaiAttentionUnetConfig,
        super::monai_attention_unet::MonaiAttentionUnet, "monai_attention_unet",
        "MONAI's Attention U-Net for planar images or volumes: strided convolutions, gates at all levels";
    PlainConvUNet, super::plain_conv_unet::PlainConvUNetConfig, super::plain_conv_unet::PlainConvUNet,
        "plain_conv_unet", "nnU-Net's plain convolutional U-Net";
    R2AttUnet, super::unet_2d::R2AttUnetConfig, super::unet_2d::Unet2d, "r2attu_net",
        "Attention U-Net for planar images with recurrent residual blocks";
    ResidualEncoderUNet, super::residual_encoder_unet::ResidualEncoderUNetConfig,
        super::residual_encoder_unet::ResidualEncoderUNet, "residual_encoder_unet",
        "nnU-Net's U-Net with a residual encoder";
    SaganWsi, super::sagan_wsi::SaganWsiConfig, super::sagan_wsi::SaganWsi, "sagan_wsi",
        "SAGAN's generator for whole slides: residual U-shape with self-attention, spectrally normalised";
    Unet2d, super::unet_2d::Unet2dConfig, super::unet_2d::Unet2d, "unet_2d", "U-Net for planar images";
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

    /// This network with the weights of a checkpoint under the reference's names; spectrally normalised weights are
    /// folded.
    ///
    /// # Errors
    /// Missing or unused names, other shapes: all are listed.
    pub fn with_weights(self, weights: &StateDict) -> Result<Self, NetError> {
        let weights = fold_spectral_norm(weights)?;
        let network = apply(self.network, &weights)?;
        // What the checkpoint may lack is drawn now: drawn when first used, it would disturb the generator of others.
        let _alone = alone();
        network.visit(&mut Draw);
        Ok(Self { network, ..self })
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

/// `module` on `device` with all its weights drawn reproducibly from `seed`.
pub(crate) fn drawn<M: Module>(module: M, seed: u64, device: &Device) -> M {
    let _alone = alone();
    device.seed(seed);
    module.visit(&mut Draw);
    module
}

/// Looks at every parameter, which draws it; burn leaves it to the first use.
struct Draw;

impl ModuleVisitor for Draw {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        drop(param.val());
    }
}

/// Keeps others from drawing weights: the device has one generator for all threads.
fn alone() -> MutexGuard<'static, ()> {
    DRAWING.lock().unwrap_or_else(PoisonError::into_inner)
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
