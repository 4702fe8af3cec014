//! The encoder that UNETR and UNETR with Div-attention share: the transformer and the branches that bring
//! its outputs to the sizes of the decoder.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::super::blocks::{Activation, Conv, ConvSpec, LEAKY_SLOPE, Norm, NormKind, ResidualBlock, UpConv};
use super::super::trace::Trace;
use super::UnetrConfig;
use super::vit::Vit;

/// A transposed convolution by factor 2 without bias; the reference wraps it in a module of its own.
#[derive(Module, Debug)]
pub(super) struct TransposedConv {
    conv: UpConv,
}

impl TransposedConv {
    pub(super) fn new(from: usize, to: usize, device: &Device) -> Self {
        Self { conv: ConvSpec::new(from, to, [1; 3]).bias(false).init_upsampling([2; 3], device) }
    }

    pub(super) fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        self.conv.forward(x)
    }
}

/// Two convolutions, with or without a shortcut.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "burn has no modules behind a Box; there are a few a network")]
pub(super) enum MonaiBlock {
    Residual(ResidualBlock),
    Basic(BasicBlock),
}

impl MonaiBlock {
    pub(super) fn new(from: usize, to: usize, norm: NormKind, residual: bool, device: &Device) -> Self {
        if residual {
            return Self::Residual(ResidualBlock::new(from, to, norm, device));
        }
        let conv = |from| ConvSpec::new(from, to, [3; 3]).bias(false).init(device);
        Self::Basic(BasicBlock {
            conv1: conv(from),
            conv2: conv(to),
            norm1: norm.init(to, device),
            norm2: norm.init(to, device),
        })
    }

    pub(super) fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        match self {
            Self::Residual(block) => block.forward(x),
            Self::Basic(block) => block.forward(x),
        }
    }
}

/// Two convolutions without a shortcut.
#[derive(Module, Debug)]
pub(super) struct BasicBlock {
    conv1: Conv,
    conv2: Conv,
    norm1: Norm,
    norm2: Norm,
}

impl BasicBlock {
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let leaky = Activation::LeakyRelu(LEAKY_SLOPE);
        let x = self.norm1.forward_activated(self.conv1.forward(x), leaky);
        self.norm2.forward_activated(self.conv2.forward(x), leaky)
    }
}

#[derive(Module, Debug)]
struct Layered {
    layer: MonaiBlock,
}

/// One doubling of a branch.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "burn has no modules behind a Box; there are a few a network")]
enum Doubling {
    Plain(TransposedConv),
    Refined((TransposedConv, MonaiBlock)),
}

/// Brings tokens to the size of a decoder level.
#[derive(Module, Debug)]
struct Branch {
    transp_conv_init: TransposedConv,
    blocks: Vec<Doubling>,
}

impl Branch {
    fn new(config: &UnetrConfig, norm: NormKind, to: usize, doublings: usize, device: &Device) -> Self {
        let doubling = |_| {
            let up = TransposedConv::new(to, to, device);
            if config.conv_block {
                Doubling::Refined((up, MonaiBlock::new(to, to, norm, config.res_block, device)))
            } else {
                Doubling::Plain(up)
            }
        };
        Self {
            transp_conv_init: TransposedConv::new(config.hidden_size, to, device),
            blocks: (0..doublings).map(doubling).collect(),
        }
    }

    fn forward(&self, tokens: Tensor<5>) -> Tensor<5> {
        self.blocks.iter().fold(self.transp_conv_init.forward(tokens), |x, doubling| match doubling {
            Doubling::Plain(up) => up.forward(x),
            Doubling::Refined((up, block)) => block.forward(up.forward(x)),
        })
    }
}

/// The encoder.
#[derive(Module, Debug)]
pub(super) struct Backbone {
    vit: Vit,
    encoder1: Layered,
    encoder2: Branch,
    encoder3: Branch,
    encoder4: Branch,
}

impl Backbone {
    /// Names and shapes of parameters that the reference never uses.
    pub(super) fn unused(&self) -> Vec<(String, Vec<usize>)> {
        self.vit.unused()
    }

    pub(super) fn new(config: &UnetrConfig, norm: NormKind, device: &Device) -> Self {
        let f = config.feature_size;
        let branch = |to, doublings| Branch::new(config, norm, to, doublings, device);
        Self {
            vit: Vit::new(&config.vit_spec(), device),
            encoder1: Layered {
                layer: MonaiBlock::new(config.in_channels, f, norm, config.res_block, device),
            },
            encoder2: branch(2 * f, 2),
            encoder3: branch(4 * f, 1),
            encoder4: branch(8 * f, 0),
        }
    }

    /// The four skips, finest first, and the transformer's final output.
    pub(super) fn forward(&self, x: Tensor<5>, trace: &mut Trace) -> [Tensor<5>; 5] {
        let mut tokens = self.vit.forward(x.clone(), trace);
        // The reference takes the outputs of the 4th, 7th and 10th block.
        let bottom = tokens.swap_remove(super::vit::BLOCKS);
        let enc4 = self.encoder4.forward(tokens.swap_remove(9));
        let enc3 = self.encoder3.forward(tokens.swap_remove(6));
        let enc2 = self.encoder2.forward(tokens.swap_remove(3));
        let enc1 = self.encoder1.layer.forward(x);
        for (name, tensor) in
            [("encoder1", &enc1), ("encoder2", &enc2), ("encoder3", &enc3), ("encoder4", &enc4)]
        {
            trace.tensor(name, tensor);
        }
        [enc1, enc2, enc3, enc4, bottom]
    }
}
