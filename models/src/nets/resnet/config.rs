//! What a trunk is made of: layers, widths, output stride and dilation.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::super::blocks::ConvSpec;
use super::super::{MAX_CHANNELS, check_range};
use super::{BATCH_NORM, Residual, Trunk};

/// What a stage is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResidualKind {
    /// Two 3×3 convolutions (ResNet-18 and -34). A dilation holds for both.
    Basic,
    /// A 3×3 convolution between two 1×1 convolutions, the last to four times the planes (ResNet-50 and deeper).
    #[default]
    Bottleneck,
}

impl ResidualKind {
    /// Channels behind a block, as a multiple of its planes.
    fn expansion(self) -> usize {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }
}

/// Where convolutions are dilated so that the output stride stays below 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DilationRule {
    /// Dilation 2 then 4, each from the second block of its stage on: torchvision's
    /// `replace_stride_with_dilation`.
    Torchvision,
    /// Dilation 2 in stage 3 at output stride 8; 1, 2, 4 times the base rate in the last stage (DeepLabv3;
    /// jfzhang95's code, which HANet builds on).
    #[default]
    MultiGrid,
    /// Like `Torchvision` in stage 3; 4, 8, 16 in the last stage at output stride 8 (DANet).
    Danet,
}

/// Layers and widths of a trunk. The default is ResNet-101; `{"layers": [3, 4, 6, 3]}` is ResNet-50,
/// `{"block": "basic", "layers": [2, 2, 2, 2]}` ResNet-18.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrunkConfig {
    /// What the stages are made of.
    pub block: ResidualKind,
    /// Blocks per stage.
    pub layers: [usize; 4],
    /// Channels of the first convolution.
    pub stem: usize,
    /// Planes of the four stages; a bottleneck's output has four times as many channels.
    pub planes: [usize; 4],
    /// Groups of channels in the 3×3 convolutions of bottlenecks.
    pub groups: usize,
    /// Channels per group at 64 planes.
    pub base_width: usize,
}

impl Default for TrunkConfig {
    fn default() -> Self {
        Self::resnet101()
    }
}

impl TrunkConfig {
    const fn new(block: ResidualKind, layers: [usize; 4]) -> Self {
        Self { block, layers, stem: 64, planes: [64, 128, 256, 512], groups: 1, base_width: 64 }
    }

    /// ResNet-18.
    pub const fn resnet18() -> Self {
        Self::new(ResidualKind::Basic, [2, 2, 2, 2])
    }

    /// ResNet-34.
    pub const fn resnet34() -> Self {
        Self::new(ResidualKind::Basic, [3, 4, 6, 3])
    }

    /// ResNet-50.
    pub const fn resnet50() -> Self {
        Self::new(ResidualKind::Bottleneck, [3, 4, 6, 3])
    }

    /// ResNet-101.
    pub const fn resnet101() -> Self {
        Self::new(ResidualKind::Bottleneck, [3, 4, 23, 3])
    }

    /// ResNeXt-101 with 32 groups of 8 channels at 64 planes.
    pub const fn resnext101_32x8d() -> Self {
        Self { groups: 32, base_width: 8, ..Self::resnet101() }
    }

    /// Channels behind each stage, finest first.
    pub fn channels(&self) -> [usize; 4] {
        self.planes.map(|planes| planes * self.block.expansion())
    }

    /// Channels of the 3×3 convolution of a bottleneck.
    fn inner_width(&self, planes: usize) -> usize {
        planes * self.base_width / 64 * self.groups
    }

    /// Says which field (of the field `trunk`) is out of range.
    pub fn validate(&self) -> Result<(), String> {
        check_range("trunk.stem", self.stem, MAX_CHANNELS)?;
        check_range("trunk.groups", self.groups, 1024)?;
        check_range("trunk.base_width", self.base_width, 1024)?;
        for (&layers, &planes) in self.layers.iter().zip(&self.planes) {
            check_range("trunk.layers", layers, 256)?;
            check_range("trunk.planes", planes, MAX_CHANNELS)?;
            match self.block {
                ResidualKind::Basic if self.groups != 1 || self.base_width != 64 => {
                    return Err(
                        "trunk.block is basic; then trunk.groups must be 1 and trunk.base_width 64".into()
                    );
                }
                ResidualKind::Bottleneck => {
                    check_range("width of the 3×3 convolutions", self.inner_width(planes), MAX_CHANNELS)?;
                }
                ResidualKind::Basic => {}
            }
        }
        Ok(())
    }

    /// Makes the trunk for images of `in_channels` channels.
    pub fn init(&self, in_channels: usize, sampling: Sampling, device: &Device) -> Trunk {
        let mut from = self.stem;
        let mut stage = |stage: usize| {
            let planes = self.planes[stage];
            let dilations = sampling.dilations(stage, self.layers[stage]);
            let blocks = dilations.into_iter().enumerate().map(|(index, dilation)| {
                let stride = if index == 0 { sampling.stride(stage) } else { 1 };
                let block = self.residual(from, planes, stride, dilation, device);
                from = planes * self.block.expansion();
                block
            });
            blocks.collect::<Vec<_>>()
        };
        let [layer1, layer2, layer3, layer4] = [stage(0), stage(1), stage(2), stage(3)];
        let stem_stride = if sampling.output_stride == 4 { 1 } else { 2 };
        let stem =
            ConvSpec::planar(in_channels, self.stem, 7).stride([1, stem_stride, stem_stride]).bias(false);
        Trunk {
            conv1: stem.init(device),
            bn1: BATCH_NORM.init(self.stem, device),
            layer1,
            layer2,
            layer3,
            layer4,
        }
    }

    fn residual(
        &self,
        from: usize,
        planes: usize,
        stride: usize,
        dilation: usize,
        device: &Device,
    ) -> Residual {
        let to = planes * self.block.expansion();
        let conv = |from, to, kernel| ConvSpec::planar(from, to, kernel).bias(false);
        let step = [1, stride, stride];
        let norm = |channels| BATCH_NORM.init(channels, device);
        let downsample =
            (stride != 1 || from != to).then(|| (conv(from, to, 1).stride(step).init(device), norm(to)));
        match self.block {
            ResidualKind::Basic => Residual {
                conv1: conv(from, planes, 3).dilation(dilation).stride(step).init(device),
                bn1: norm(planes),
                conv2: conv(planes, planes, 3).dilation(dilation).init(device),
                bn2: norm(planes),
                conv3: None,
                bn3: None,
                downsample,
            },
            ResidualKind::Bottleneck => {
                let inner = self.inner_width(planes);
                let middle = conv(inner, inner, 3).groups(self.groups).dilation(dilation).stride(step);
                Residual {
                    conv1: conv(from, inner, 1).init(device),
                    bn1: norm(inner),
                    conv2: middle.init(device),
                    bn2: norm(inner),
                    conv3: Some(conv(inner, to, 1).init(device)),
                    bn3: Some(norm(to)),
                    downsample,
                }
            }
        }
    }
}

/// How far a trunk reduces its input, and what makes up for the smaller stride.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// Size of the input over that of the last stage: 32, 16, 8 or 4. At 4 the trunk is that of 8 with a first
    /// convolution of stride 1.
    pub output_stride: usize,
    /// Where convolutions are dilated instead.
    pub rule: DilationRule,
}

impl Sampling {
    /// No dilation: output stride 32.
    pub const PLAIN: Self = Self { output_stride: 32, rule: DilationRule::Torchvision };

    /// Says whether `output_stride` is out of range.
    pub fn validate(&self) -> Result<(), String> {
        if [4, 8, 16, 32].contains(&self.output_stride) {
            Ok(())
        } else {
            Err(format!("output_stride is {}; it must be 4, 8, 16 or 32", self.output_stride))
        }
    }

    /// Size `[y, x]` of the last stage for an image of this size: every halving keeps the even samples.
    pub fn last_size(self, size: [usize; 2]) -> [usize; 2] {
        size.map(|size| size.div_ceil(self.output_stride))
    }

    /// Stride of stage 0 to 3.
    fn stride(self, stage: usize) -> usize {
        match (stage, self.output_stride) {
            (0, _) | (3, ..=16) | (2, ..=8) => 1,
            _ => 2,
        }
    }

    /// Dilation of every block of stage 0 to 3.
    pub(super) fn dilations(self, stage: usize, blocks: usize) -> Vec<usize> {
        // The dilation that the strides left out call for: before this stage, and from it on.
        let (before, rate) = match (stage, self.output_stride) {
            (3, 16) | (2, ..=8) => (1, 2),
            (3, ..=8) => (2, 4),
            _ => return vec![1; blocks],
        };
        let block_dilation = |block: usize| match (self.rule, stage, rate) {
            (DilationRule::MultiGrid, 3, _) | (DilationRule::Danet, 3, 4) => rate << (block % 3),
            (DilationRule::MultiGrid, ..) => rate,
            _ if block == 0 => before,
            _ => rate,
        };
        (0..blocks).map(block_dilation).collect()
    }
}
