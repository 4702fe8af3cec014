//! Residual networks as trunks of planar segmentation networks, and as classifiers (He et al., CVPR 2016; grouped
//! convolutions: Xie et al., CVPR 2017; networks.md 3.1).
//!
//! Parameters are named as torchvision names them. A checkpoint fits whatever the output stride and the dilation
//! rule are: they change no shape, so both are configured, never guessed.

mod config;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::Trace;
use super::blocks::{Activation, Conv, Norm, NormKind};
use super::pool3d::{PoolWindow, max_pool3d};
use crate::checkpoint::KeyRules;
use hilum_kernels::work;

pub use config::{DilationRule, ResidualKind, Sampling, TrunkConfig};

/// Batch normalisation as PyTorch has it.
pub(crate) const BATCH_NORM: NormKind = NormKind::Batch { eps: 1e-5 };

/// A residual block.
#[derive(Module, Debug)]
struct Residual {
    conv1: Conv,
    bn1: Norm,
    conv2: Conv,
    bn2: Norm,
    conv3: Option<Conv>,
    bn3: Option<Norm>,
    downsample: Option<(Conv, Norm)>,
}

impl Residual {
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let y = self.bn1.forward_activated(self.conv1.forward(x.clone()), Activation::Relu);
        let y = self.conv2.forward(y);
        let y = match (&self.conv3, &self.bn3) {
            (Some(conv3), Some(bn3)) => {
                bn3.forward(conv3.forward(self.bn2.forward_activated(y, Activation::Relu)))
            }
            _ => self.bn2.forward(y),
        };
        let shortcut = match &self.downsample {
            Some((conv, norm)) => norm.forward(conv.forward(x)),
            None => x,
        };
        Activation::Relu.forward(y + shortcut)
    }
}

/// A residual network without its classifier.
#[derive(Module, Debug)]
pub struct Trunk {
    conv1: Conv,
    bn1: Norm,
    layer1: Vec<Residual>,
    layer2: Vec<Residual>,
    layer3: Vec<Residual>,
    layer4: Vec<Residual>,
}

impl Trunk {
    /// Features behind the four stages, finest first, of images `[batch, channels, 1, y, x]`.
    pub fn forward(&self, x: Tensor<5>) -> [Tensor<5>; 4] {
        let x = self.bn1.forward_activated(self.conv1.forward(x), Activation::Relu);
        let window = PoolWindow { kernel: [1, 3, 3], stride: [1, 2, 2], padding: [0, 1, 1] };
        let run =
            |x: &Tensor<5>, stage: &[Residual]| stage.iter().fold(x.clone(), |x, block| block.forward(x));
        let layer1 = run(&max_pool3d(x, window), &self.layer1);
        let layer2 = run(&layer1, &self.layer2);
        let layer3 = run(&layer2, &self.layer3);
        let layer4 = run(&layer3, &self.layer4);
        [layer1, layer2, layer3, layer4]
    }
}

/// A residual network that classifies images: the trunk, the mean over all pixels, one linear layer.
#[derive(Module, Debug)]
pub struct ResNet {
    trunk: Trunk,
    fc: Linear,
}

impl ResNet {
    /// For images of `in_channels` channels.
    pub fn new(
        config: &TrunkConfig,
        in_channels: usize,
        sampling: Sampling,
        classes: usize,
        device: &Device,
    ) -> Self {
        let [.., features] = config.channels();
        Self {
            trunk: config.init(in_channels, sampling, device),
            fc: LinearConfig::new(features, classes).init(device),
        }
    }

    /// Logits `[batch, classes]` of images `[batch, channels, 1, y, x]`; notes the stages in `trace`.
    pub fn forward(&self, x: Tensor<5>, trace: &mut Trace) -> Tensor<2> {
        let stages = self.trunk.forward(x);
        for (name, stage) in ["layer1", "layer2", "layer3", "layer4"].into_iter().zip(&stages) {
            trace.tensor(name, stage);
        }
        let [.., last] = stages;
        let [batch, channels, ..] = last.dims();
        let mean = last.reshape([batch as i64, channels as i64, -1]).mean_dim(2).reshape([batch, channels]);
        work::linear(&self.fc, mean)
    }
}

impl KeyRules for ResNet {
    fn reference_key(&self, path: &str) -> String {
        path.strip_prefix("trunk.").unwrap_or(path).to_owned()
    }

    fn is_planar(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
