//! 3D-ESPNet (Nuechterlein & Mehta, 2018; networks.md 4.2), and 3D-ESPNet with Div-attention in its decoder
//! (Jiang et al., ISBI 2023; networks.md 4.3).

mod div;
mod layers;
mod parts;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::nnunet::Shape3;
use super::trace::Trace;
use super::{MAX_CHANNELS, NetworkConfig, SegmentationNetwork, check_range};
use layers::{AspBlock, Cbr, Esp, UpSampler};
use parts::{InputSize, Tail, Trunk};

use crate::checkpoint::KeyRules;
pub use div::{Espnet3dDiv, Espnet3dDivConfig};

/// Configuration of [`Espnet3d`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Espnet3dConfig {
    /// Channels of the logits.
    pub classes: usize,
    /// Channels of the input.
    pub channels: usize,
    /// Channels of level 0, level 1, level 2 and level 3 (in the paper 16, 32, 128, 256).
    pub widths: [usize; 4],
    /// Size `[z, y, x]` that every input is first resampled to by adaptive average pooling. `null`: the next
    /// multiple of 8. The reference uses 128 for prediction although it trained without.
    pub inp_res: Option<Shape3>,
}

impl Default for Espnet3dConfig {
    fn default() -> Self {
        Self { classes: 4, channels: 4, widths: [16, 32, 128, 256], inp_res: None }
    }
}

impl Espnet3dConfig {
    fn input_size(&self) -> InputSize {
        InputSize { channels: self.channels, resolution: self.inp_res.map(Shape3::zyx) }
    }
}

impl NetworkConfig for Espnet3dConfig {
    type Network = Espnet3d;

    fn with_reversed_axes(self) -> Result<Self, String> {
        Ok(Self { inp_res: self.inp_res.map(Shape3::reversed), ..self })
    }

    fn validate(&self) -> Result<(), String> {
        check_range("classes", self.classes, 1024)?;
        check_range("channels", self.channels, 1024)?;
        for width in self.widths {
            check_range("widths", width, MAX_CHANNELS)?;
        }
        if self.widths[1..].iter().any(|&width| width < 4) {
            return Err(format!("widths is {:?}; levels 1 to 3 need at least 4 channels", self.widths));
        }
        for size in self.inp_res.iter().flat_map(|size| size.zyx()) {
            if size < 16 || !size.is_multiple_of(8) || size > 512 {
                return Err(format!("inp_res has {size}; sizes must be multiples of 8 from 16 to 512"));
            }
        }
        Ok(())
    }

    fn init(&self, device: &Device) -> Espnet3d {
        let [_, w1, w2, w3] = self.widths;
        let esp = |from, to| Esp::new(from, to, 1, device);
        Espnet3d {
            trunk: Trunk::new(self.channels, self.widths, device),
            up_l3_l2: UpSampler::new(w3, w2, device),
            merge_l2: esp(2 * w2, w2),
            dec_l2: vec![esp(w2, w2), esp(w2, w2)],
            up_l2_l1: UpSampler::new(w2, w1, device),
            merge_l1: esp(2 * w1, w1),
            dec_l1: (
                esp(w1, w1),
                esp(w1, w1),
                Cbr::new(w1, self.classes, 3, 1, device),
                AspBlock::new(self.classes, device),
            ),
            tail: Tail::new(self.classes, device),
            input: self.input_size(),
        }
    }
}

/// 3D-ESPNet; see the module's description.
#[derive(Module, Debug)]
pub struct Espnet3d {
    trunk: Trunk,
    up_l3_l2: UpSampler,
    merge_l2: Esp,
    dec_l2: Vec<Esp>,
    up_l2_l1: UpSampler,
    merge_l1: Esp,
    dec_l1: (Esp, Esp, Cbr, AspBlock),
    tail: Tail,
    #[module(skip)]
    input: InputSize,
}

impl SegmentationNetwork for Espnet3d {
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        self.input.check(shape)
    }

    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        let [_, _, z, y, w] = x.dims();
        let [level1, level2, level3] = self.trunk.forward(self.input.prepare(x), trace);
        let up = self.up_l3_l2.forward(level3);
        let x = self.merge_l2.forward(Tensor::cat(vec![up, level2], 1));
        trace.tensor("merge_l2", &x);
        let x = self.dec_l2.iter().fold(x, |x, block| block.forward(x));
        let up = self.up_l2_l1.forward(x);
        let x = self.merge_l1.forward(Tensor::cat(vec![up, level1], 1));
        trace.tensor("merge_l1", &x);
        let (first, second, narrow, asp) = &self.dec_l1;
        let x = asp.forward(narrow.forward(second.forward(first.forward(x))));
        trace.tensor("dec_l1.3", &x);
        vec![self.tail.forward(x, [z, y, w], trace)]
    }
}

impl KeyRules for Espnet3d {
    fn reference_key(&self, path: &str) -> String {
        parts::reference_key(path)
    }
}
