//! The table of all networks, and what it makes of it: one type for all, made by name.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::checkpoint::{FlattenedGrid, KeyRules};
use crate::nets::trace::Trace;
use crate::nets::{
    NetError, NetworkConfig, SegmentationNetwork, TrainingOutput, attention_unet_3d, daf_stack, danet,
    deeplab, espnet3d, hanet, lesion_net, monai_attention_unet, plain_conv_unet, residual_encoder_unet,
    sagan_wsi, unet_2d, unetr,
};

/// Networks of one origin, as people look for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Attention U-Net with its relatives and the U-Nets it is compared with.
    AttentionUnet,
    /// DANet: position and channel attention.
    Danet,
    /// DeepLabV3 and V3+.
    DeepLab,
    /// UNETR and 3D-ESPNet, with and without Div-attention.
    DivAttention,
    /// HANet: hierarchical attention.
    Hanet,
    /// nnU-Net's U-Nets.
    NnUnet,
    /// Hilum's own networks for one click.
    OneClick,
    /// The self-attention GAN for whole slides.
    SelfAttentionGan,
    /// Multi-scale self-guided attention.
    SelfGuidedAttention,
}

impl Family {
    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::AttentionUnet => "Attention U-Net",
            Self::Danet => "DANet",
            Self::DeepLab => "DeepLab",
            Self::DivAttention => "Div-attention",
            Self::Hanet => "HANet",
            Self::NnUnet => "nnU-Net",
            Self::OneClick => "One click",
            Self::SelfAttentionGan => "Self-attention GAN",
            Self::SelfGuidedAttention => "Self-guided attention",
        }
    }
}

/// Name and default configuration of a network.
#[derive(Debug, Clone, Serialize)]
pub struct ArchitectureInfo {
    /// The name in recipes, cards and on the command line.
    pub arch: &'static str,
    /// Where it belongs.
    pub family: Family,
    /// One sentence.
    pub about: &'static str,
    /// Its default configuration.
    pub default_config: Value,
}

macro_rules! networks {
    ($($variant:ident, $config:path, $network:path, $arch:literal, $family:ident, $about:literal;)+) => {
        /// The networks as one module, so that training and inference need no generics.
        #[derive(Module, Debug)]
        #[expect(clippy::large_enum_variant, reason = "burn has no modules behind a Box; there is one a network")]
        pub(super) enum Network {
            $(#[doc = $about] $variant($network),)+
        }

        /// All networks, sorted by name.
        pub fn architectures() -> Vec<ArchitectureInfo> {
            let mut all = vec![$(ArchitectureInfo {
                arch: $arch,
                family: Family::$family,
                about: $about,
                default_config: to_json(&<$config>::default()),
            },)+];
            all.sort_by_key(|info| info.arch);
            all
        }

        impl Network {
            pub(super) fn make(arch: &str, config: Value, device: &Device) -> Result<(Self, Value), NetError> {
                match arch {
                    $($arch => {
                        let config: $config = parse_config(arch, config)?;
                        Ok((Self::$variant(config.init(device)), to_json(&config)))
                    })+
                    _ => Err(unknown(arch)),
                }
            }

            /// The configuration of the same network for arrays whose axes are in the opposite order.
            pub(super) fn reversed_config(arch: &str, config: Value) -> Result<Value, NetError> {
                match arch {
                    $($arch => {
                        let config: $config = parse_config(arch, config)?;
                        let reversed = config.with_reversed_axes();
                        let arch = arch.to_owned();
                        Ok(to_json(&reversed.map_err(|reason| NetError::Axes { arch, reason })?))
                    })+
                    _ => Err(unknown(arch)),
                }
            }

            pub(super) fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
                match self { $(Self::$variant(net) => net.check_input(shape),)+ }
            }

            pub(super) fn forward_training(&self, x: Tensor<5>) -> TrainingOutput {
                match self { $(Self::$variant(net) => net.forward_training(x),)+ }
            }

            pub(super) fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
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

            fn flattened_grid(&self, key: &str) -> Option<FlattenedGrid> {
                match self { $(Self::$variant(net) => net.flattened_grid(key),)+ }
            }
        }
    };
}

networks! {
    AttentionUnet2d, unet_2d::AttentionUnet2dConfig, unet_2d::Unet2d, "attention_unet_2d", AttentionUnet,
        "Attention U-Net for planar images: gates at the skip connections' resolution";
    AttentionUnet3d, attention_unet_3d::AttentionUnet3dConfig, attention_unet_3d::AttentionUnet3d,
        "attention_unet_3d", AttentionUnet,
        "Attention U-Net for volumes, with deep supervision fused into its logits";
    AttentionUnetGrid3d, attention_unet_3d::AttentionUnetGrid3dConfig, attention_unet_3d::AttentionUnetGrid3d,
        "attention_unet_grid_3d", AttentionUnet,
        "Attention U-Net for volumes of thick slices: only its gates look across slices";
    Danet, danet::DanetConfig, danet::Danet, "danet", Danet,
        "DANet: position and channel attention over a dilated residual trunk";
    DeepLabV3, deeplab::DeepLabV3Config, deeplab::DeepLabV3, "deeplabv3", DeepLab,
        "DeepLabV3: a pyramid of dilated convolutions over a dilated residual trunk";
    DeepLabV3Plus, deeplab::DeepLabV3PlusConfig, deeplab::DeepLabV3Plus, "deeplabv3_plus", DeepLab,
        "DeepLabV3+: DeepLabV3 with a decoder that joins fine features";
    DafStack, daf_stack::DafStackConfig, daf_stack::DafStack, "daf_stack", SelfGuidedAttention,
        "Multi-scale self-guided attention for planar images: position and channel attention in two steps";
    Espnet3d, espnet3d::Espnet3dConfig, espnet3d::Espnet3d, "espnet3d", DivAttention,
        "3D-ESPNet: efficient spatial pyramids of dilated convolutions";
    Espnet3dDiv, espnet3d::Espnet3dDivConfig, espnet3d::Espnet3dDiv, "espnet3d_div", DivAttention,
        "3D-ESPNet with Div-attention junctions in its decoder";
    Hanet, hanet::HanetConfig, hanet::Hanet, "hanet", Hanet,
        "HANet: attention along the hops of a graph of correlated pixels";
    LesionNet, lesion_net::LesionNetConfig, lesion_net::LesionNet, "lesion_net", OneClick,
        "Light U-shaped network of Hilum with optional Div-attention junctions, for a CPU";
    MonaiAttentionUnet, monai_attention_unet::MonaiAttentionUnetConfig, monai_attention_unet::MonaiAttentionUnet,
        "monai_attention_unet", AttentionUnet,
        "MONAI's Attention U-Net for planar images or volumes: strided convolutions, gates at all levels";
    PlainConvUNet, plain_conv_unet::PlainConvUNetConfig, plain_conv_unet::PlainConvUNet,
        "plain_conv_unet", NnUnet,
        "nnU-Net's plain convolutional U-Net";
    R2AttUnet, unet_2d::R2AttUnetConfig, unet_2d::Unet2d, "r2attu_net", AttentionUnet,
        "Attention U-Net for planar images with recurrent residual blocks";
    ResidualEncoderUNet, residual_encoder_unet::ResidualEncoderUNetConfig, residual_encoder_unet::ResidualEncoderUNet,
        "residual_encoder_unet", NnUnet,
        "nnU-Net's U-Net with a residual encoder";
    SaganWsi, sagan_wsi::SaganWsiConfig, sagan_wsi::SaganWsi, "sagan_wsi", SelfAttentionGan,
        "SAGAN's generator for whole slides: residual U-shape with self-attention, spectrally normalised";
    Unet2d, unet_2d::Unet2dConfig, unet_2d::Unet2d, "unet_2d", AttentionUnet,
        "U-Net for planar images";
    Unetr, unetr::UnetrConfig, unetr::Unetr, "unetr", DivAttention,
        "UNETR: vision transformer encoder, convolutional decoder";
    UnetrDiv, unetr::UnetrDivConfig, unetr::UnetrDiv, "unetr_div", DivAttention,
        "UNETR with Div-attention junctions in its decoder";
}

/// The network of this name.
pub fn architecture(arch: &str) -> Option<ArchitectureInfo> {
    architectures().into_iter().find(|info| info.arch == arch)
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
