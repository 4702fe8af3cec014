//! The residual blocks, the self-attention and the encoder that generator and discriminator share.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Slice, Tensor};

use super::spectral::SpectralConv;
use crate::nets::blocks::{Activation, Norm, NormKind};
use crate::nets::pixel_attention::{AttentionPlace, attend};
use crate::nets::trace::Trace;

const LEAKY: Activation = Activation::LeakyRelu(0.2);
/// Keras' default.
const BATCH_NORM: NormKind = NormKind::Batch { eps: 1e-3 };

/// Mean of 2×2 pixels; y and x are even.
fn halved(x: &Tensor<5>) -> Tensor<5> {
    let tap = |dy: isize, dx: isize| {
        let all = Slice::new(0, None, 1);
        x.clone().slice([all, all, all, Slice::new(dy, None, 2), Slice::new(dx, None, 2)])
    };
    (tap(0, 0) + tap(0, 1) + tap(1, 0) + tap(1, 1)) * 0.25
}

/// The first block: halves the size.
#[derive(Module, Debug)]
struct FirstBlock {
    c1: SpectralConv,
    c2: SpectralConv,
    cr: SpectralConv,
}

impl FirstBlock {
    fn new(name: &str, from: usize, to: usize, device: &Device) -> Self {
        let conv = |field: &str, from| SpectralConv::new(format!("{name}.{field}"), from, to, 3, device);
        Self { c1: conv("c1", from), c2: conv("c2", to), cr: conv("cr", from) }
    }

    fn forward(&self, x: Tensor<5>, trace: &mut Trace) -> Tensor<5> {
        let shortcut = self.cr.forward(halved(&x), trace);
        let y = LEAKY.forward(self.c1.forward(x, trace));
        halved(&self.c2.forward(y, trace)) + shortcut
    }
}

/// A block of three convolutions; halves the size where it has a projected shortcut.
#[derive(Module, Debug)]
struct DownBlock {
    c1: SpectralConv,
    c2: SpectralConv,
    c3: SpectralConv,
    cr: Option<SpectralConv>,
}

impl DownBlock {
    fn new(name: &str, from: usize, to: usize, halves: bool, device: &Device) -> Self {
        let conv = |field: &str, from| SpectralConv::new(format!("{name}.{field}"), from, to, 3, device);
        Self {
            c1: conv("c1", from),
            c2: conv("c2", to),
            c3: conv("c3", to),
            cr: halves.then(|| conv("cr", from)),
        }
    }

    fn forward(&self, x: Tensor<5>, trace: &mut Trace) -> Tensor<5> {
        let y = LEAKY.forward(self.c1.forward(x.clone(), trace));
        let y = LEAKY.forward(self.c2.forward(y, trace));
        let y = self.c3.forward(y, trace);
        match &self.cr {
            Some(cr) => halved(&(y + cr.forward(x, trace))),
            None => x + y,
        }
    }
}

/// x + γ·v(attention·h(x)), attention = softmax over the keys of ⟨f, g⟩.
#[derive(Module, Debug)]
pub(super) struct SelfAttention {
    gamma: Param<Tensor<1>>,
    f: SpectralConv,
    g: SpectralConv,
    h: SpectralConv,
    v: SpectralConv,
    #[module(skip)]
    name: String,
}

impl SelfAttention {
    pub(super) fn new(name: &str, channels: usize, device: &Device) -> Self {
        let conv = |field: &str, from, to| SpectralConv::new(format!("{name}.{field}"), from, to, 1, device);
        let (depth, half) = ((channels / 4).max(1), channels / 2);
        Self {
            gamma: Initializer::Zeros.init([1], device),
            f: conv("f", channels, depth),
            g: conv("g", channels, depth),
            h: conv("h", channels, half),
            v: conv("v", half, channels),
            name: name.to_owned(),
        }
    }

    /// `level` is the number of halvings before it.
    pub(super) fn forward(&self, x: Tensor<5>, level: usize, trace: &mut Trace) -> Tensor<5> {
        let [batch, _, z, height, width] = x.dims();
        let [f, g, h] =
            [&self.f, &self.g, &self.h].map(|conv| conv.forward(x.clone(), trace).flatten::<3>(2, 4));
        let place = AttentionPlace { layer: &self.name, level, spatial_shape: [z, height, width] };
        let seen = attend(&f, &g, &h, place, trace);
        let seen = seen.reshape([batch, h.dims()[1], z, height, width]);
        let y = x + self.v.forward(seen, trace) * self.gamma.val().reshape([1, 1, 1, 1, 1]);
        trace.tensor(&self.name, &y);
        y
    }
}

/// Doubles the size: convT(ReLU(BN(x))) + convT(x).
#[derive(Module, Debug)]
pub(super) struct UpBlock {
    bn: Norm,
    c: SpectralConv,
    cr: SpectralConv,
    #[module(skip)]
    name: String,
}

impl UpBlock {
    pub(super) fn new(name: &str, from: usize, to: usize, device: &Device) -> Self {
        let conv = |field: &str| SpectralConv::doubling(format!("{name}.{field}"), from, to, device);
        Self { bn: BATCH_NORM.init(from, device), c: conv("c"), cr: conv("cr"), name: name.to_owned() }
    }

    pub(super) fn forward(&self, x: Tensor<5>, trace: &mut Trace) -> Tensor<5> {
        let activated = self.bn.forward_activated(x.clone(), Activation::Relu);
        let y = self.c.forward(activated, trace) + self.cr.forward(x, trace);
        trace.tensor(&self.name, &y);
        y
    }
}

/// The encoder: seven blocks, six of which halve the size; self-attention behind the second.
#[derive(Module, Debug)]
pub(super) struct Trunk {
    b1: FirstBlock,
    b2: DownBlock,
    att: SelfAttention,
    b3: DownBlock,
    b4: DownBlock,
    b5: DownBlock,
    b6: DownBlock,
    b7: DownBlock,
}

/// What the encoder yields at 1/64 of the size, and on the way.
pub(super) struct Encoded {
    /// Activated, `[batch, 16·width, z, y/64, x/64]`.
    pub(super) deepest: Tensor<5>,
    /// Results of the blocks 1 to 5, at 1/2, 1/4, … of the size; that of block 2 before the attention.
    pub(super) skips: [Tensor<5>; 5],
}

impl Trunk {
    pub(super) fn new(in_channels: usize, width: usize, device: &Device) -> Self {
        let down = |block: usize, from: usize, to: usize| {
            DownBlock::new(&format!("trunk.b{block}"), from * width, to * width, block < 7, device)
        };
        Self {
            b1: FirstBlock::new("trunk.b1", in_channels, width, device),
            b2: down(2, 1, 2),
            att: SelfAttention::new("trunk.att", 2 * width, device),
            b3: down(3, 2, 4),
            b4: down(4, 4, 8),
            b5: down(5, 8, 8),
            b6: down(6, 8, 16),
            b7: down(7, 16, 16),
        }
    }

    pub(super) fn forward(&self, x: Tensor<5>, trace: &mut Trace) -> Encoded {
        let x1 = self.b1.forward(x, trace);
        trace.tensor("trunk.b1", &x1);
        let x2 = self.b2.forward(x1.clone(), trace);
        trace.tensor("trunk.b2", &x2);
        let x3 = self.b3.forward(self.att.forward(x2.clone(), 2, trace), trace);
        let x4 = self.b4.forward(x3.clone(), trace);
        let x5 = self.b5.forward(x4.clone(), trace);
        let x7 = self.b7.forward(self.b6.forward(x5.clone(), trace), trace);
        trace.tensor("trunk.b7", &x7);
        Encoded { deepest: LEAKY.forward(x7), skips: [x1, x2, x3, x4, x5] }
    }
}
