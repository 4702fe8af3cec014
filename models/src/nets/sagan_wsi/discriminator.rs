//! The discriminator of SAGAN-WSI: whether a segmentation was drawn by a person or by the generator.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::blocks::Trunk;
use super::{ATTENTION_STRIDE, SIZE_MULTIPLE};
use crate::checkpoint::KeyRules;
use crate::nets::trace::Trace;
use crate::nets::{check_attention, check_channels, check_multiple, check_range};
use hilum_kernels::work;

/// Largest image edge, in pixels.
const MAX_EDGE: usize = 16_384;

/// Configuration of [`SaganWsiDiscriminator`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SaganWsiDiscriminatorConfig {
    /// Number of classes, background included.
    pub num_classes: usize,
    /// Channels of the first block; the deepest have 16 times as many.
    pub w: usize,
    /// Size `[y, x]` of the images, in pixels, multiples of 64: the last layer has a weight for every place.
    pub size: [usize; 2],
    /// Whether it looks at label maps, as the published notebook has it, instead of probabilities (the default).
    /// Labels have no gradient: the generator then learns nothing from the discriminator.
    pub argmax_compat: bool,
}

impl Default for SaganWsiDiscriminatorConfig {
    fn default() -> Self {
        Self { num_classes: 4, w: 32, size: [256, 256], argmax_compat: false }
    }
}

impl SaganWsiDiscriminatorConfig {
    /// Says which field is out of range, so that [`SaganWsiDiscriminatorConfig::init`] cannot fail.
    ///
    /// # Errors
    /// The field, its value and what it may be.
    pub fn validate(&self) -> Result<(), String> {
        check_range("num_classes", self.num_classes, 1024)?;
        super::check_width(self.w)?;
        for edge in self.size {
            check_range("size", edge, MAX_EDGE)?;
        }
        let [height, width] = self.size;
        let shape = [1, self.in_channels(), 1, height, width];
        check_multiple(shape, SIZE_MULTIPLE).map_err(|e| format!("size: {e}"))?;
        check_attention(shape, [1, height / ATTENTION_STRIDE, width / ATTENTION_STRIDE], usize::MAX)
    }

    /// Channels of what it looks at: 1 for label maps, else the number of classes.
    pub fn in_channels(&self) -> usize {
        if self.argmax_compat { 1 } else { self.num_classes }
    }

    /// Makes the discriminator.
    pub fn init(&self, device: &Device) -> SaganWsiDiscriminator {
        let places = (self.size[0] / SIZE_MULTIPLE[1]) * (self.size[1] / SIZE_MULTIPLE[2]);
        SaganWsiDiscriminator {
            trunk: Trunk::new(self.in_channels(), self.w, device),
            dense: LinearConfig::new(16 * self.w * places, 1).init(device),
            in_channels: self.in_channels(),
            size: self.size,
        }
    }
}

/// What the discriminator is shown of a generator's `logits` `[batch, classes, z, y, x]`: the probabilities, through
/// which gradients flow; or with `argmax_compat` the most likely class as a number, `[batch, 1, z, y, x]`, which stops
/// them, as in the published notebook.
pub fn discriminator_input(logits: Tensor<5>, argmax_compat: bool) -> Tensor<5> {
    if argmax_compat { logits.argmax(1).float() } else { softmax(logits, 1) }
}

/// The discriminator; see the module's description.
#[derive(Module, Debug)]
pub struct SaganWsiDiscriminator {
    trunk: Trunk,
    dense: Linear,
    in_channels: usize,
    #[module(skip)]
    size: [usize; 2],
}

impl SaganWsiDiscriminator {
    /// Says what is wrong with an input of this shape `[batch, channels, z, y, x]`.
    ///
    /// # Errors
    /// Another number of channels or size than it was made for.
    pub fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        check_channels(shape, self.in_channels)?;
        let [height, width] = self.size;
        if shape[2..] == [1, height, width] {
            return Ok(());
        }
        Err(format!("it was made for z, y, x = [1, {height}, {width}]; crop or resample the segmentation"))
    }

    /// Logit of "drawn by a person" for each segmentation, `[batch, 1]`; `x` is what [`discriminator_input`] yields,
    /// of the shape that [`SaganWsiDiscriminator::check_input`] accepts.
    pub fn logit(&self, x: Tensor<5>, trace: &mut Trace) -> Tensor<2> {
        let deepest = self.trunk.forward(x, trace).deepest;
        // (channel, y, x), as PyTorch flattens; the weight of a Keras checkpoint is ordered (y, x, channel).
        work::linear(&self.dense, deepest.flatten::<2>(1, 4))
    }

    /// Probability of "drawn by a person" for each segmentation, `[batch, 1]`.
    pub fn forward(&self, x: Tensor<5>, trace: &mut Trace) -> Tensor<2> {
        sigmoid(self.logit(x, trace))
    }
}

impl KeyRules for SaganWsiDiscriminator {
    fn is_planar(&self) -> bool {
        true
    }
}
