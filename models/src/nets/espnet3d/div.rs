//! 3D-ESPNet with Div-attention: up-sampling, merging and decoder blocks become two junctions, the coarser
//! one with a supervised head (networks.md 4.3).

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::super::blocks::{Conv, ConvSpec};
use super::super::div_attention::{
    DivAttention, DivAttentionConfig, DivReading, JunctionPlace, junction_key,
};
use super::super::trace::Trace;
use super::super::{NetworkConfig, SegmentationNetwork};
use super::Espnet3dConfig;
use super::layers::{AspBlock, Cbr};
use super::parts::{self, InputSize, Tail, Trunk};
use crate::checkpoint::KeyRules;

/// Configuration of [`Espnet3dDiv`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Espnet3dDivConfig {
    /// That of the 3D-ESPNet around the junctions.
    #[serde(flatten)]
    pub espnet: Espnet3dConfig,
    /// Reading of the divergence equation.
    #[serde(default)]
    pub reading: DivReading,
}

impl NetworkConfig for Espnet3dDivConfig {
    type Network = Espnet3dDiv;

    fn with_reversed_axes(self) -> Result<Self, String> {
        Ok(Self { espnet: self.espnet.with_reversed_axes()?, ..self })
    }

    fn validate(&self) -> Result<(), String> {
        self.espnet.validate()
    }

    fn init(&self, device: &Device) -> Espnet3dDiv {
        let config = &self.espnet;
        let [_, w1, w2, w3] = config.widths;
        let junction = |low, here| {
            let base = DivAttentionConfig::new(low, here, config.channels);
            DivAttentionConfig { reading: self.reading, ..base }.init(device)
        };
        Espnet3dDiv {
            trunk: Trunk::new(config.channels, config.widths, device),
            dec_l1: (Cbr::new(w1, config.classes, 3, 1, device), AspBlock::new(config.classes, device)),
            tail: Tail::new(config.classes, device),
            div2: junction(w3, w2),
            div1: junction(w2, w1),
            aux2: ConvSpec::head(w2, config.classes).init(device),
            input: config.input_size(),
        }
    }
}

/// 3D-ESPNet with Div-attention. Heads: the final logits, and `aux2` at a quarter of the size.
#[derive(Module, Debug)]
pub struct Espnet3dDiv {
    trunk: Trunk,
    dec_l1: (Cbr, AspBlock),
    tail: Tail,
    div2: DivAttention,
    div1: DivAttention,
    aux2: Conv,
    #[module(skip)]
    input: InputSize,
}

impl SegmentationNetwork for Espnet3dDiv {
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        self.input.check(shape)
    }

    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        let [_, _, z, y, w] = x.dims();
        let image = self.input.prepare(x);
        let [level1, level2, level3] = self.trunk.forward(image.clone(), trace);
        let place = JunctionPlace { layer: "div2", level: 2, head: Some(&self.aux2) };
        let x = self.div2.forward(level3, level2, &image, place, trace);
        trace.tensor("div2", &x);
        let aux = self.aux2.forward(x.clone());
        let place = JunctionPlace { layer: "div1", level: 1, head: None };
        let x = self.div1.forward(x, level1, &image, place, trace);
        trace.tensor("div1", &x);
        let (narrow, asp) = &self.dec_l1;
        let x = asp.forward(narrow.forward(x));
        vec![self.tail.forward(x, [z, y, w], trace), aux]
    }
}

impl KeyRules for Espnet3dDiv {
    fn reference_key(&self, path: &str) -> String {
        if path.starts_with("div") || path.starts_with("aux") {
            junction_key(path)
        } else {
            format!("esp.{}", parts::reference_key(path))
        }
    }
}
