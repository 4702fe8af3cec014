//! Atrous spatial pyramid pooling: parallel convolutions of growing dilation and the mean of the image.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};

use super::super::blocks::{Activation, ConvBlock};
use super::super::renamed;
use super::super::resnet::BATCH_NORM;
use super::super::trace::Trace;
use super::conv;

/// How a code names the parts of its pyramid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AsppNames {
    /// `convs.0` … `convs.4`, `project`: torchvision and VainF.
    Torchvision,
    /// `aspp1` … `aspp4`, `global_avg_pool`, `conv1`: jfzhang95.
    Jfzhang95,
}

impl AsppNames {
    fn branch(self, index: usize) -> String {
        match self {
            Self::Torchvision => format!("convs.{index}"),
            Self::Jfzhang95 if index < 4 => format!("aspp{}", index + 1),
            Self::Jfzhang95 => "global_avg_pool".to_owned(),
        }
    }

    /// The code's key of the field path of one of the pyramid's parameters.
    pub(super) fn reference_key(self, path: &str) -> String {
        if let Some(rest) = path.strip_prefix("convs.") {
            let (index, rest) = rest.split_once('.').unwrap_or((rest, ""));
            let branch = self.branch(index.parse().unwrap_or(0));
            let rest = match self {
                Self::Torchvision => renamed(rest, &[("conv.", "0."), ("norm.", "1.")]),
                Self::Jfzhang95 => renamed(rest, &[("conv.", "atrous_conv."), ("norm.", "bn.")]),
            };
            return format!("{branch}.{rest}");
        }
        match self {
            Self::Torchvision => renamed(
                path,
                &[
                    ("mean.conv.", "convs.4.1."),
                    ("mean.norm.", "convs.4.2."),
                    ("project.conv.", "project.0."),
                    ("project.norm.", "project.1."),
                ],
            ),
            Self::Jfzhang95 => renamed(
                path,
                &[
                    ("mean.conv.", "global_avg_pool.1."),
                    ("mean.norm.", "global_avg_pool.2."),
                    ("project.conv.", "conv1."),
                    ("project.norm.", "bn1."),
                ],
            ),
        }
    }
}

/// Sizes of a pyramid.
pub(super) struct AsppConfig {
    pub(super) channels_in: usize,
    /// Channels of each branch and of the result.
    pub(super) channels: usize,
    pub(super) rates: [usize; 3],
    /// Share of features dropped in training.
    pub(super) dropout: f64,
    pub(super) names: AsppNames,
}

impl AsppConfig {
    pub(super) fn init(&self, device: &Device) -> Aspp {
        let &Self { channels_in, channels, rates, .. } = self;
        let block = |spec| ConvBlock::new(spec, BATCH_NORM, Activation::Relu, device);
        let mut convs = vec![block(conv(channels_in, channels, 1))];
        convs.extend(rates.map(|rate| block(conv(channels_in, channels, 3).dilation(rate))));
        Aspp {
            convs,
            mean: block(conv(channels_in, channels, 1)),
            project: block(conv(5 * channels, channels, 1)),
            dropout: DropoutConfig::new(self.dropout).init(),
            names: self.names,
        }
    }
}

/// The pyramid.
#[derive(Module, Debug)]
pub(super) struct Aspp {
    convs: Vec<ConvBlock>,
    mean: ConvBlock,
    project: ConvBlock,
    dropout: Dropout,
    #[module(skip)]
    names: AsppNames,
}

impl Aspp {
    /// `[batch, channels_in, 1, y, x]` to `[batch, channels, 1, y, x]`; notes the branches as parts of `name`.
    pub(super) fn forward(&self, x: Tensor<5>, name: &str, trace: &mut Trace) -> Tensor<5> {
        let [_, _, z, y, x_size] = x.dims();
        let mut branches: Vec<_> = self.convs.iter().map(|block| block.forward(x.clone())).collect();
        // An enlarged image of one pixel is that pixel everywhere, whichever way corners are treated.
        let mean = self.mean.forward(x.mean_dim(3).mean_dim(4));
        let [batch, channels, ..] = mean.dims();
        branches.push(mean.expand([batch, channels, z, y, x_size]));
        for (index, branch) in branches.iter().enumerate() {
            trace.tensor(&format!("{name}.{}", self.names.branch(index)), branch);
        }
        let y = self.dropout.forward(self.project.forward(Tensor::cat(branches, 1)));
        trace.tensor(name, &y);
        y
    }
}
