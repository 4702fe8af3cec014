//! The vision transformer of UNETR (MONAI's form; networks.md 4.1): patches of 16³ voxels become tokens,
//! twelve pre-norm transformer blocks, a final layer norm. No class token.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::super::blocks::{Conv, ConvSpec};
use super::super::pixel_attention::{AttentionPlace, PixelRows};
use super::super::trace::{MapMeaning, Trace};
use hilum_kernels::work::{self, matmul};

/// Edge of a patch, in voxels.
pub const PATCH: usize = 16;

/// Halvings from a voxel to a patch.
const PATCH_LEVEL: usize = PATCH.ilog2() as usize;

/// Transformer blocks.
pub const BLOCKS: usize = 12;

/// Spread of newly drawn token weights, as usual for vision transformers.
const TOKEN_STD: f64 = 0.02;

/// How a patch becomes a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchProjection {
    /// A convolution with kernel = stride = 16.
    Conv,
    /// A linear layer on the patch's voxels, channel fastest.
    Perceptron,
}

/// Sizes of the transformer.
#[derive(Debug, Clone, Copy)]
pub struct VitSpec {
    /// Channels of the input.
    pub channels: usize,
    /// Patches along z, y, x.
    pub grid: [usize; 3],
    /// Length of a token.
    pub hidden: usize,
    /// Width of the hidden layer of a block's perceptron.
    pub mlp: usize,
    /// Attention heads; divides `hidden`.
    pub heads: usize,
    /// How a patch becomes a token.
    pub projection: PatchProjection,
    /// Whether the query-key-value layer has a bias.
    pub qkv_bias: bool,
    /// Share of values dropped while training.
    pub dropout: f64,
}

/// A linear layer with small normal weights and zero bias.
fn linear(from: usize, to: usize, bias: bool, device: &Device) -> Linear {
    let small = Initializer::Normal { mean: 0.0, std: TOKEN_STD };
    let mut layer = LinearConfig::new(from, to).with_bias(bias).with_initializer(small).init(device);
    layer.bias = bias.then(|| Initializer::Zeros.init([to], device));
    layer
}

#[derive(Module, Debug)]
enum PatchEmbeddings {
    Conv(Conv),
    Perceptron(Flattened),
}

#[derive(Module, Debug)]
struct Flattened {
    linear: Linear,
}

#[derive(Module, Debug)]
struct PatchEmbedding {
    position_embeddings: Param<Tensor<3>>,
    patch_embeddings: PatchEmbeddings,
    dropout: Dropout,
}

impl PatchEmbedding {
    fn new(spec: &VitSpec, device: &Device) -> Self {
        let small = Initializer::Normal { mean: 0.0, std: TOKEN_STD };
        let tokens = spec.grid.iter().product::<usize>();
        let embeddings = match spec.projection {
            PatchProjection::Conv => {
                PatchEmbeddings::Conv(ConvSpec::head(spec.channels, spec.hidden).patches(PATCH).init(device))
            }
            PatchProjection::Perceptron => {
                let voxels = PATCH * PATCH * PATCH * spec.channels;
                PatchEmbeddings::Perceptron(Flattened { linear: linear(voxels, spec.hidden, true, device) })
            }
        };
        Self {
            position_embeddings: small.init([1, tokens, spec.hidden], device),
            patch_embeddings: embeddings,
            dropout: DropoutConfig::new(spec.dropout).init(),
        }
    }

    /// `[batch, channels, z, y, x]` to `[batch, tokens, hidden]`, tokens row-major over (z, y, x).
    fn forward(&self, x: Tensor<5>) -> Tensor<3> {
        let [batch, channels, z, y, w] = x.dims();
        let grid = [z / PATCH, y / PATCH, w / PATCH];
        let tokens = grid.iter().product::<usize>();
        let voxels = channels * PATCH * PATCH * PATCH;
        let patches = x.reshape([batch, channels, grid[0], PATCH, grid[1], PATCH, grid[2], PATCH]);
        let embedded = match &self.patch_embeddings {
            // A convolution with kernel = stride is one matrix product over the patches.
            PatchEmbeddings::Conv(conv) => {
                let patches = patches.permute([0, 2, 4, 6, 1, 3, 5, 7]).reshape([batch, tokens, voxels]);
                let hidden = conv.weight.dims()[0];
                let weight = conv.weight.val().reshape([hidden, voxels]).transpose();
                let embedded = matmul(patches, weight.unsqueeze::<3>());
                match &conv.bias {
                    Some(bias) => embedded + bias.val().reshape([1, 1, hidden]),
                    None => embedded,
                }
            }
            PatchEmbeddings::Perceptron(layer) => {
                let patches = patches.permute([0, 2, 4, 6, 3, 5, 7, 1]).reshape([batch, tokens, voxels]);
                work::linear(&layer.linear, patches)
            }
        };
        self.dropout.forward(embedded + self.position_embeddings.val())
    }
}

#[derive(Module, Debug)]
struct SelfAttention {
    qkv: Linear,
    out_proj: Linear,
    dropout: Dropout,
    heads: usize,
}

impl SelfAttention {
    /// Attended tokens; notes the attention matrix `[batch, heads, query, key]` of the layer.
    fn forward(&self, x: Tensor<3>, place: AttentionPlace<'_>, trace: &mut Trace) -> Tensor<3> {
        let [batch, tokens, hidden] = x.dims();
        let dim = hidden / self.heads;
        let qkv =
            work::linear(&self.qkv, x).reshape([batch, tokens, 3, self.heads, dim]).permute([2, 0, 3, 1, 4]);
        let part = |i: usize| {
            qkv.clone().slice([i..i + 1, 0..batch, 0..self.heads, 0..tokens, 0..dim]).squeeze_dim::<4>(0)
        };
        let scale = 1.0 / (dim as f64).sqrt();
        let attention = softmax(matmul(part(0), part(1).transpose()).mul_scalar(scale), 3);
        trace.tensor(&format!("{}.attn.att_mat", place.layer), &attention);
        if trace.wants_maps() {
            let [z, y, w] = place.spatial_shape;
            let received = attention.clone().mean_dim(2).reshape([batch, self.heads, z, y, w]);
            trace.map(place.layer, place.level, received, MapMeaning::AttentionReceived);
        }
        trace.look(place.layer, place.level, batch, || {
            let columns = |x: Tensor<4>| x.reshape([batch * self.heads, tokens, dim]).swap_dims(1, 2);
            PixelRows {
                queries: columns(part(0).mul_scalar(scale)),
                keys: columns(part(1)),
                heads: self.heads,
                spatial_shape: place.spatial_shape,
            }
        });
        let mixed = matmul(self.dropout.forward(attention), part(2));
        let mixed = mixed.permute([0, 2, 1, 3]).reshape([batch, tokens, hidden]);
        self.dropout.forward(work::linear(&self.out_proj, mixed))
    }
}

#[derive(Module, Debug)]
struct Mlp {
    linear1: Linear,
    linear2: Linear,
    dropout: Dropout,
}

#[derive(Module, Debug)]
struct TransformerBlock {
    mlp: Mlp,
    norm1: LayerNorm,
    attn: SelfAttention,
    norm2: LayerNorm,
    // Part of the reference's checkpoints and never used by it either.
    norm_cross_attn: LayerNorm,
}

impl TransformerBlock {
    fn new(spec: &VitSpec, device: &Device) -> Self {
        let hidden = spec.hidden;
        let dropout = DropoutConfig::new(spec.dropout).init();
        let norm = || LayerNormConfig::new(hidden).init(device);
        Self {
            mlp: Mlp {
                linear1: linear(hidden, spec.mlp, true, device),
                linear2: linear(spec.mlp, hidden, true, device),
                dropout: dropout.clone(),
            },
            norm1: norm(),
            attn: SelfAttention {
                qkv: linear(hidden, 3 * hidden, spec.qkv_bias, device),
                out_proj: linear(hidden, hidden, true, device),
                dropout,
                heads: spec.heads,
            },
            norm2: norm(),
            norm_cross_attn: norm(),
        }
    }

    fn forward(&self, x: Tensor<3>, place: AttentionPlace<'_>, trace: &mut Trace) -> Tensor<3> {
        let x = x.clone() + self.attn.forward(self.norm1.forward(x), place, trace);
        let mlp = &self.mlp;
        let y = work::linear(&mlp.linear1, self.norm2.forward(x.clone()));
        let y = mlp.dropout.forward(gelu(y));
        x + mlp.dropout.forward(work::linear(&mlp.linear2, y))
    }
}

/// The transformer; see the module's description.
#[derive(Module, Debug)]
pub struct Vit {
    patch_embedding: PatchEmbedding,
    blocks: Vec<TransformerBlock>,
    norm: LayerNorm,
    #[module(skip)]
    grid: [usize; 3],
}

impl Vit {
    /// A transformer of these sizes.
    pub fn new(spec: &VitSpec, device: &Device) -> Self {
        Self {
            patch_embedding: PatchEmbedding::new(spec, device),
            blocks: (0..BLOCKS).map(|_| TransformerBlock::new(spec, device)).collect(),
            norm: LayerNormConfig::new(spec.hidden).init(device),
            grid: spec.grid,
        }
    }

    /// Norms in front of the cross-attention that the reference has but never uses.
    pub(super) fn unused(&self) -> Vec<(String, Vec<usize>)> {
        let [width] = self.norm.gamma.dims();
        let of_block = |block: usize| {
            ["weight", "bias"].map(|part| (format!("vit.blocks.{block}.norm_cross_attn.{part}"), vec![width]))
        };
        (0..BLOCKS).flat_map(of_block).collect()
    }

    /// `[batch, channels, z, y, x]` to the outputs of all blocks and, last, the normalised final output,
    /// each as a volume of tokens `[batch, hidden, z / 16, y / 16, x / 16]`.
    pub fn forward(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        let mut x = self.patch_embedding.forward(x);
        trace.tensor("vit.patch_embedding", &x);
        let mut outputs = Vec::with_capacity(BLOCKS + 1);
        for (i, block) in self.blocks.iter().enumerate() {
            let layer = format!("vit.blocks.{i}");
            let place = AttentionPlace { layer: &layer, level: PATCH_LEVEL, spatial_shape: self.grid };
            x = block.forward(x, place, trace);
            trace.tensor(&layer, &x);
            outputs.push(self.volume(x.clone()));
        }
        let x = self.norm.forward(x);
        trace.tensor("vit.norm", &x);
        outputs.push(self.volume(x));
        outputs
    }

    fn volume(&self, tokens: Tensor<3>) -> Tensor<5> {
        let [batch, _, hidden] = tokens.dims();
        let [z, y, w] = self.grid;
        tokens.transpose().reshape([batch, hidden, z, y, w])
    }
}
