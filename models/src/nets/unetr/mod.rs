//! UNETR (Hatamizadeh et al., WACV 2022; MONAI's form, networks.md 4.1): a vision transformer as encoder,
//! its intermediate outputs brought up by transposed convolutions, a convolutional decoder; and UNETR with
//! Div-attention in its decoder (Jiang et al., ISBI 2023; networks.md 4.3).

mod backbone;
mod div;
mod vit;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::blocks::{Conv, ConvSpec, NormKind};
use super::nnunet::Shape3;
use super::trace::Trace;
use super::{MAX_CHANNELS, NetworkConfig, SegmentationNetwork, check_channels, check_range};
use backbone::{Backbone, MonaiBlock, TransposedConv};

use crate::checkpoint::{FlattenedGrid, KeyRules};
pub use div::{UnetrDiv, UnetrDivConfig};
pub use vit::PatchProjection;
use vit::{PATCH, VitSpec};

/// Configuration of [`Unetr`], under the names of the reference's constructor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnetrConfig {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the logits.
    pub out_channels: usize,
    /// Size of the input, `[z, y, x]`, multiples of 16; position embeddings fix it.
    pub img_size: Shape3,
    /// Channels at full resolution; doubled at each coarser level.
    pub feature_size: usize,
    /// Length of a token.
    pub hidden_size: usize,
    /// Width of the perceptron in a transformer block.
    pub mlp_dim: usize,
    /// Attention heads; divides `hidden_size`.
    pub num_heads: usize,
    /// How a patch becomes a token.
    pub proj_type: PatchProjection,
    /// `"instance"`, `"batch"`, or with options `["group", {"num_groups": 4}]`.
    pub norm_name: Value,
    /// Whether a convolution block follows each transposed convolution of the encoder's branches.
    pub conv_block: bool,
    /// Whether blocks are residual.
    pub res_block: bool,
    /// Share of values dropped in the transformer while training.
    pub dropout_rate: f64,
    /// Must be 3.
    pub spatial_dims: usize,
    /// Whether the query-key-value layer has a bias.
    pub qkv_bias: bool,
    /// Accepted for the reference's sake: attention is shown on demand, never kept.
    pub save_attn: bool,
}

impl Default for UnetrConfig {
    fn default() -> Self {
        Self {
            in_channels: 1,
            out_channels: 1,
            img_size: Shape3::Cube(96),
            feature_size: 16,
            hidden_size: 768,
            mlp_dim: 3072,
            num_heads: 12,
            proj_type: PatchProjection::Conv,
            norm_name: Value::String("instance".to_owned()),
            conv_block: true,
            res_block: true,
            dropout_rate: 0.0,
            spatial_dims: 3,
            qkv_bias: false,
            save_attn: false,
        }
    }
}

impl UnetrConfig {
    /// The normalisation of the convolution blocks.
    fn norm(&self) -> Result<NormKind, String> {
        let (name, options) = match &self.norm_name {
            Value::String(name) => (name.as_str(), &Value::Null),
            Value::Array(pair) => match pair.as_slice() {
                [Value::String(name)] => (name.as_str(), &Value::Null),
                [Value::String(name), options @ Value::Object(_)] => (name.as_str(), options),
                _ => ("", &Value::Null),
            },
            _ => ("", &Value::Null),
        };
        let eps = options["eps"].as_f64().unwrap_or(1e-5);
        match name.to_ascii_lowercase().as_str() {
            "instance" => {
                Ok(NormKind::Instance { affine: options["affine"].as_bool().unwrap_or(false), eps })
            }
            "batch" => Ok(NormKind::Batch { eps }),
            "group" => match options["num_groups"].as_u64() {
                Some(groups) if groups > 0 && (self.feature_size as u64).is_multiple_of(groups) => {
                    Ok(NormKind::Group { groups: groups as usize, eps })
                }
                _ => Err(format!(
                    "norm_name 'group' needs num_groups that divides feature_size {}",
                    self.feature_size
                )),
            },
            _ => Err(format!(
                "norm_name is {}; it must be \"instance\", \"batch\" or [\"group\", {{…}}]",
                self.norm_name
            )),
        }
    }

    fn vit_spec(&self) -> VitSpec {
        VitSpec {
            channels: self.in_channels,
            grid: self.img_size.zyx().map(|size| size / PATCH),
            hidden: self.hidden_size,
            mlp: self.mlp_dim,
            heads: self.num_heads,
            projection: self.proj_type,
            qkv_bias: self.qkv_bias,
            dropout: self.dropout_rate,
        }
    }

    /// The normalisation of a configuration that [`NetworkConfig::validate`] accepted.
    fn valid_norm(&self) -> NormKind {
        self.norm().unwrap_or(NormKind::INSTANCE_PLAIN)
    }
}

impl NetworkConfig for UnetrConfig {
    type Network = Unetr;

    fn with_reversed_axes(self) -> Result<Self, String> {
        Ok(Self { img_size: self.img_size.reversed(), ..self })
    }

    fn validate(&self) -> Result<(), String> {
        check_range("in_channels", self.in_channels, 1024)?;
        check_range("out_channels", self.out_channels, 1024)?;
        check_range("feature_size", self.feature_size, MAX_CHANNELS / 8)?;
        check_range("hidden_size", self.hidden_size, MAX_CHANNELS)?;
        check_range("mlp_dim", self.mlp_dim, 4 * MAX_CHANNELS)?;
        check_range("num_heads", self.num_heads, self.hidden_size)?;
        if !self.hidden_size.is_multiple_of(self.num_heads) {
            return Err(format!(
                "hidden_size {} is not a multiple of num_heads {}",
                self.hidden_size, self.num_heads
            ));
        }
        for size in self.img_size.zyx() {
            if size == 0 || !size.is_multiple_of(PATCH) || size > 1024 {
                return Err(format!("img_size has {size}; sizes must be multiples of {PATCH}, up to 1024"));
            }
        }
        if !(0.0..1.0).contains(&self.dropout_rate) {
            return Err(format!("dropout_rate is {}; it must be 0 or more and below 1", self.dropout_rate));
        }
        if self.spatial_dims != 3 {
            return Err(format!("spatial_dims is {}; only 3 is supported", self.spatial_dims));
        }
        self.norm().map(|_| ())
    }

    fn init(&self, device: &Device) -> Unetr {
        let f = self.feature_size;
        let norm = self.valid_norm();
        let up = |from, to| UpBlock {
            transp_conv: TransposedConv::new(from, to, device),
            conv_block: MonaiBlock::new(2 * to, to, norm, self.res_block, device),
        };
        Unetr {
            backbone: Backbone::new(self, norm, device),
            decoder5: up(self.hidden_size, 8 * f),
            decoder4: up(8 * f, 4 * f),
            decoder3: up(4 * f, 2 * f),
            decoder2: up(2 * f, f),
            out: ConvSpec::head(f, self.out_channels).init(device),
            in_channels: self.in_channels,
            size: self.img_size.zyx(),
        }
    }
}

/// Decoder block: transposed convolution, concatenation (up, skip), convolution block.
#[derive(Module, Debug)]
struct UpBlock {
    transp_conv: TransposedConv,
    conv_block: MonaiBlock,
}

impl UpBlock {
    fn forward(&self, x: Tensor<5>, skip: Tensor<5>) -> Tensor<5> {
        self.conv_block.forward(Tensor::cat(vec![self.transp_conv.forward(x), skip], 1))
    }
}

/// UNETR; see the module's description.
#[derive(Module, Debug)]
pub struct Unetr {
    backbone: Backbone,
    decoder5: UpBlock,
    decoder4: UpBlock,
    decoder3: UpBlock,
    decoder2: UpBlock,
    out: Conv,
    in_channels: usize,
    #[module(skip)]
    size: [usize; 3],
}

/// An error unless the input has the size the position embeddings were made for.
fn check_size(shape: [usize; 5], channels: usize, size: [usize; 3]) -> Result<(), String> {
    check_channels(shape, channels)?;
    if shape[2..] == size {
        return Ok(());
    }
    Err(format!("its position embeddings fix z, y, x to {size:?}; resample or crop the volume"))
}

/// The reference's key of a field path: MONAI wraps each convolution in a module of its own.
fn monai_key(path: &str) -> String {
    let path = path.strip_prefix("backbone.").unwrap_or(path);
    if path.starts_with("div") {
        return super::div_attention::junction_key(path);
    }
    ["conv1", "conv2", "conv3"]
        .iter()
        .fold(path.replace("patch_embeddings.linear.", "patch_embeddings.1."), |path, conv| {
            path.replace(&format!(".{conv}."), &format!(".{conv}.conv."))
        })
}

/// The weights in which patches, or the voxels of a patch, are numbered row-major.
fn flattened_grid(key: &str, size: [usize; 3]) -> Option<FlattenedGrid> {
    let grid = match key.strip_prefix("vit.patch_embedding.")? {
        "position_embeddings" => size.map(|size| size / PATCH),
        "patch_embeddings.1.weight" => [PATCH; 3],
        _ => return None,
    };
    Some(FlattenedGrid { axis: 1, grid })
}

/// Tensors that some versions of the reference save and none uses.
fn is_unused_by_reference(key: &str) -> bool {
    key.contains(".norm_cross_attn.")
        || key.contains(".cross_attn.")
        || key.ends_with("patch_embedding.cls_token")
}

impl SegmentationNetwork for Unetr {
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        check_size(shape, self.in_channels, self.size)
    }

    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        let [enc1, enc2, enc3, enc4, bottom] = self.backbone.forward(x, trace);
        let x = self.decoder5.forward(bottom, enc4);
        trace.tensor("decoder5", &x);
        let x = self.decoder4.forward(x, enc3);
        trace.tensor("decoder4", &x);
        let x = self.decoder3.forward(x, enc2);
        trace.tensor("decoder3", &x);
        let x = self.decoder2.forward(x, enc1);
        trace.tensor("decoder2", &x);
        vec![self.out.forward(x)]
    }
}

impl KeyRules for Unetr {
    fn reference_key(&self, path: &str) -> String {
        match path.strip_prefix("out.") {
            Some(name) => format!("out.conv.conv.{name}"),
            None => monai_key(path),
        }
    }

    fn flattened_grid(&self, key: &str) -> Option<FlattenedGrid> {
        flattened_grid(key, self.size)
    }

    fn is_optional(&self, key: &str) -> bool {
        is_unused_by_reference(key)
    }

    fn unused(&self) -> Vec<(String, Vec<usize>)> {
        self.backbone.unused()
    }
}
