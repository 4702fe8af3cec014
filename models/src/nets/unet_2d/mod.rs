//! The planar networks of LeeJunHyun's Image_Segmentation (networks.md 1.3): U-Net (Ronneberger et al., 2015),
//! Attention U-Net (Oktay et al., 2018) and its combination with recurrent residual blocks (Alom et al., 2018).

mod config;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::attention_gate::{AdditiveGate, BATCH_NORM};
use super::blocks::{Activation, Conv, ConvBlock, ConvSpec};
use super::keys::entry;
use super::planar::by_slices;
use super::pool3d::{PoolWindow, max_pool3d};
use super::resize3d::{ResizeMode, resize3d};
use super::trace::{MapMeaning, Trace};
use super::{SegmentationNetwork, check_channels, check_multiple};
use crate::checkpoint::KeyRules;

pub use config::{AttentionUnet2dConfig, R2AttUnetConfig, Unet2dConfig};

fn conv_block(from: usize, to: usize, device: &Device) -> ConvBlock {
    ConvBlock::new(ConvSpec::planar(from, to, 3), BATCH_NORM, Activation::Relu, device)
}

/// What computes at a level: two convolutions, or two recurrent convolutions beside a shortcut.
#[derive(Module, Debug)]
struct Block {
    /// The shortcut of a recurrent block.
    project: Option<Conv>,
    convs: [ConvBlock; 2],
    /// How often a recurrent convolution sees its own answer.
    repeats: usize,
}

impl Block {
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        match &self.project {
            None => self.convs.iter().fold(x, |x, conv| conv.forward(x)),
            Some(project) => {
                let x = project.forward(x);
                x.clone() + self.convs.iter().fold(x, |x, conv| recur(conv, self.repeats, &x))
            }
        }
    }
}

/// The convolution of `x`, then `repeats` times of the sum of `x` and its last answer, with the same weights.
fn recur(conv: &ConvBlock, repeats: usize, x: &Tensor<5>) -> Tensor<5> {
    (0..repeats).fold(conv.forward(x.clone()), |answer, _| conv.forward(x.clone() + answer))
}

/// A planar U-Net with optional gates and recurrent blocks. Gates act at the skip connection's resolution, on all four.
#[derive(Module, Debug)]
pub struct Unet2d {
    encoder: Vec<Block>,
    up: Vec<ConvBlock>,
    gates: Option<Vec<AdditiveGate>>,
    decoder: Vec<Block>,
    head: Conv,
    img_ch: usize,
    is_recurrent: bool,
}

impl Unet2d {
    /// The reference's name of its blocks in the encoder and in the decoder.
    fn block_names(&self) -> [&'static str; 2] {
        if self.is_recurrent { ["RRCNN", "Up_RRCNN"] } else { ["Conv", "Up_conv"] }
    }

    fn forward_images(&self, mut x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        let [name, _] = self.block_names();
        let mut skips = Vec::with_capacity(self.encoder.len());
        for (level, block) in self.encoder.iter().enumerate() {
            if level > 0 {
                skips.push(x.clone());
                x = max_pool3d(x, PoolWindow::tiling([1, 2, 2]));
            }
            x = block.forward(x);
            trace.tensor(&format!("{name}{}", level + 1), &x);
        }
        for level in (0..self.decoder.len()).rev() {
            let [_, _, z, height, width] = x.dims();
            let enlarged = resize3d(x, [z, 2 * height, 2 * width], ResizeMode::Nearest);
            let up = self.up[level].forward(enlarged);
            let skip = self.gate(level, &up, skips.swap_remove(level), trace);
            x = self.decoder[level].forward(Tensor::cat(vec![skip, up], 1));
        }
        vec![self.head.forward(x)]
    }

    /// The skip connection of `level`, gated by `up` where there are gates.
    fn gate(&self, level: usize, up: &Tensor<5>, skip: Tensor<5>, trace: &mut Trace) -> Tensor<5> {
        let Some(gates) = &self.gates else { return skip };
        let gated = gates[level].forward(up.clone(), skip);
        let layer = format!("Att{}", level + 2);
        trace.tensor(&layer, &gated.features);
        trace.tensor(&format!("{layer}.alpha"), &gated.alpha);
        trace.map(&layer, level, gated.alpha, MapMeaning::GateCoefficient);
        gated.features
    }
}

impl SegmentationNetwork for Unet2d {
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        check_channels(shape, self.img_ch)?;
        check_multiple(shape, [1, 16, 16])
    }

    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        by_slices(x, trace, |images, trace| self.forward_images(images, trace))
    }
}

impl KeyRules for Unet2d {
    fn is_planar(&self) -> bool {
        true
    }

    fn reference_key(&self, path: &str) -> String {
        let [encoder, decoder] = self.block_names();
        if let Some((level, rest)) = entry(path, "encoder") {
            format!("{encoder}{}.{}", level + 1, self.block_key(rest))
        } else if let Some((level, rest)) = entry(path, "decoder") {
            format!("{decoder}{}.{}", level + 2, self.block_key(rest))
        } else if let Some((level, rest)) = entry(path, "up") {
            // The enlargement takes place 0 of the reference's sequence.
            format!("Up{}.up.{}", level + 2, in_sequence(rest, 1))
        } else if let Some((level, rest)) = entry(path, "gates") {
            format!("Att{}.{}", level + 2, rest.replace("w_", "W_"))
        } else {
            path.replace("head.", "Conv_1x1.")
        }
    }
}

impl Unet2d {
    /// The reference's key of a path into a block.
    fn block_key(&self, path: &str) -> String {
        match entry(path, "convs") {
            Some((index, rest)) if self.is_recurrent => {
                format!("RCNN.{index}.conv.{}", in_sequence(rest, 0))
            }
            // Convolution, normalisation and ReLU take three places each.
            Some((index, rest)) => format!("conv.{}", in_sequence(rest, 3 * index)),
            None => path.replace("project.", "Conv_1x1."),
        }
    }
}

/// The reference's key of a path into a [`ConvBlock`] whose convolution has place `first` in a sequence.
fn in_sequence(path: &str, first: usize) -> String {
    path.replace("conv.", &format!("{first}.")).replace("norm.", &format!("{}.", first + 1))
}
