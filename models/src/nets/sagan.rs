//! The self-attention GAN of natural images (Zhang et al., ICML 2019) in its first published PyTorch form
//! (networks.md 5.2): discriminator and generator of 64 × 64 pixels. Its self-attention is [`PositionAttention`].
//!
//! Convolutions hold the weight W/σ(W) that the reference computes in every forward from W and its estimate of the
//! first singular vector: fold a checkpoint first ([`crate::checkpoint::fold_spectral_norm`]).

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::blocks::{Activation, Conv, ConvSpec, Norm, NormKind, UpConv};
use super::dual_attention::PositionAttention;
use super::trace::Trace;
use super::{MAX_CHANNELS, check_range};
use crate::checkpoint::KeyRules;

/// Edge of the images, in pixels: the reference's layers fit no other.
pub const IMAGE_SIZE: usize = 64;

const LEAKY: Activation = Activation::LeakyRelu(0.1);

/// Configuration of [`SaganDiscriminator`] and [`SaganGenerator`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SaganConfig {
    /// Edge of the images, in pixels; 64.
    pub image_size: usize,
    /// Channels of the discriminator's first and the generator's last hidden layer; the deepest have 8 times as many.
    pub conv_dim: usize,
    /// Numbers that the generator makes an image from.
    pub z_dim: usize,
}

impl Default for SaganConfig {
    fn default() -> Self {
        Self { image_size: IMAGE_SIZE, conv_dim: 64, z_dim: 100 }
    }
}

impl SaganConfig {
    /// Says which field is out of range, so that the networks can be made.
    ///
    /// # Errors
    /// The field, its value and what it may be.
    pub fn validate(&self) -> Result<(), String> {
        if self.image_size != IMAGE_SIZE {
            return Err(format!("image_size is {}; the layers fit {IMAGE_SIZE} only", self.image_size));
        }
        check_range("conv_dim", self.conv_dim, MAX_CHANNELS / 8)?;
        if self.conv_dim < 8 {
            return Err(format!("conv_dim is {}; self-attention needs at least 8 channels", self.conv_dim));
        }
        check_range("z_dim", self.z_dim, MAX_CHANNELS)
    }

    /// Makes the discriminator.
    pub fn init_discriminator(&self, device: &Device) -> SaganDiscriminator {
        let c = self.conv_dim;
        let attention = |channels, level| PositionAttention::new(channels, device).at_level(level);
        let layer = |from, to| halving(from, to).init(device);
        SaganDiscriminator {
            l1: layer(3, c),
            l2: layer(c, 2 * c),
            l3: layer(2 * c, 4 * c),
            l4: layer(4 * c, 8 * c),
            last: ConvSpec::planar(8 * c, 1, 4).padding([0; 3]).init(device),
            attn1: attention(4 * c, 3),
            attn2: attention(8 * c, 4),
        }
    }

    /// Makes the generator.
    pub fn init_generator(&self, device: &Device) -> SaganGenerator {
        let c = self.conv_dim;
        let attention = |channels, level| PositionAttention::new(channels, device).at_level(level);
        let layer = |spec: ConvSpec, to: usize| GeneratorLayer {
            conv: spec.init_transposed([0; 3], device),
            norm: NormKind::Batch { eps: 1e-5 }.init(to, device),
        };
        SaganGenerator {
            l1: layer(ConvSpec::planar(self.z_dim, 8 * c, 4).padding([0; 3]), 8 * c),
            l2: layer(halving(8 * c, 4 * c), 4 * c),
            l3: layer(halving(4 * c, 2 * c), 2 * c),
            l4: layer(halving(2 * c, c), c),
            last: halving(c, 3).init_transposed([0; 3], device),
            attn1: attention(2 * c, 2),
            attn2: attention(c, 1),
        }
    }
}

/// Kernel 4, stride 2, padding 1: halves y and x, or doubles them when transposed.
fn halving(from: usize, to: usize) -> ConvSpec {
    ConvSpec::planar(from, to, 4).stride([1, 2, 2]).padding([0, 1, 1])
}

/// Judges images of 64 × 64 pixels.
#[derive(Module, Debug)]
pub struct SaganDiscriminator {
    l1: Conv,
    l2: Conv,
    l3: Conv,
    l4: Conv,
    last: Conv,
    attn1: PositionAttention,
    attn2: PositionAttention,
}

impl SaganDiscriminator {
    /// A score for each image of `x` `[batch, 3, 1, 64, 64]`: `[batch]`, larger for real ones.
    pub fn forward(&self, x: Tensor<5>, trace: &mut Trace) -> Tensor<1> {
        let batch = x.dims()[0];
        let shallow = [&self.l1, &self.l2, &self.l3];
        let x = shallow.into_iter().fold(x, |x, conv| LEAKY.forward(conv.forward(x)));
        let x = self.attn1.forward(x, "attn1", trace);
        let x = LEAKY.forward(self.l4.forward(x));
        let x = self.attn2.forward(x, "attn2", trace);
        self.last.forward(x).reshape([batch])
    }
}

impl KeyRules for SaganDiscriminator {
    fn reference_key(&self, path: &str) -> String {
        in_sequence(path)
    }

    fn is_planar(&self) -> bool {
        true
    }
}

#[derive(Module, Debug)]
struct GeneratorLayer {
    conv: UpConv,
    norm: Norm,
}

impl GeneratorLayer {
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        self.norm.forward_activated(self.conv.forward(x), Activation::Relu)
    }
}

/// Makes images of 64 × 64 pixels from random numbers.
#[derive(Module, Debug)]
pub struct SaganGenerator {
    l1: GeneratorLayer,
    l2: GeneratorLayer,
    l3: GeneratorLayer,
    l4: GeneratorLayer,
    last: UpConv,
    attn1: PositionAttention,
    attn2: PositionAttention,
}

impl SaganGenerator {
    /// Images `[batch, 3, 1, 64, 64]` with values between -1 and 1 from `z` `[batch, z_dim]`.
    pub fn forward(&self, z: Tensor<2>, trace: &mut Trace) -> Tensor<5> {
        let [batch, numbers] = z.dims();
        let x = z.reshape([batch, numbers, 1, 1, 1]);
        let x = [&self.l1, &self.l2, &self.l3].into_iter().fold(x, |x, layer| layer.forward(x));
        let x = self.attn1.forward(x, "attn1", trace);
        let x = self.attn2.forward(self.l4.forward(x), "attn2", trace);
        self.last.forward(x).tanh()
    }
}

impl KeyRules for SaganGenerator {
    fn reference_key(&self, path: &str) -> String {
        in_sequence(path)
    }

    fn is_planar(&self) -> bool {
        true
    }
}

/// The reference keeps each layer in a sequence, its convolution in a wrapper except for the last layer's.
fn in_sequence(path: &str) -> String {
    match path.split_once('.') {
        Some(("last", parameter)) => format!("last.0.{parameter}"),
        Some((layer, rest)) if !layer.starts_with("attn") => match rest.strip_prefix("norm.") {
            Some(parameter) => format!("{layer}.1.{parameter}"),
            None => format!("{layer}.0.module.{}", rest.trim_start_matches("conv.")),
        },
        _ => path.to_owned(),
    }
}
