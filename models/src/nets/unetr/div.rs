//! UNETR with Div-attention: each up block becomes a junction with a supervised head (networks.md 4.3).

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::super::blocks::{Conv, ConvSpec};
use super::super::div_attention::{DivAttention, DivAttentionConfig, DivReading, JunctionPlace};
use super::super::trace::Trace;
use super::super::{NetworkConfig, SegmentationNetwork};
use super::backbone::Backbone;
use super::{UnetrConfig, check_size, flattened_grid, is_unused_by_reference, monai_key};
use crate::checkpoint::{FlattenedGrid, KeyRules};

/// Configuration of [`UnetrDiv`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct UnetrDivConfig {
    /// That of the UNETR below the decoder.
    #[serde(flatten)]
    pub unetr: UnetrConfig,
    /// Reading of the divergence equation.
    #[serde(default)]
    pub reading: DivReading,
}

impl NetworkConfig for UnetrDivConfig {
    type Network = UnetrDiv;

    fn with_reversed_axes(self) -> Result<Self, String> {
        Ok(Self { unetr: self.unetr.with_reversed_axes()?, ..self })
    }

    fn validate(&self) -> Result<(), String> {
        self.unetr.validate()
    }

    fn init(&self, device: &Device) -> UnetrDiv {
        let config = &self.unetr;
        let (f, norm) = (config.feature_size, config.valid_norm());
        let junction = |low, here| {
            let base = DivAttentionConfig::new(low, here, config.in_channels);
            DivAttentionConfig { norm, reading: self.reading, ..base }.init(device)
        };
        let head = |from| ConvSpec::head(from, config.out_channels).init(device);
        UnetrDiv {
            backbone: Backbone::new(config, norm, device),
            div5: junction(config.hidden_size, 8 * f),
            div4: junction(8 * f, 4 * f),
            div3: junction(4 * f, 2 * f),
            div2: junction(2 * f, f),
            out2: head(f),
            out3: head(2 * f),
            out4: head(4 * f),
            out5: head(8 * f),
            in_channels: config.in_channels,
            size: config.img_size.zyx(),
        }
    }
}

/// UNETR with Div-attention. Heads: `out2` (final), `out3`, `out4`, `out5`.
#[derive(Module, Debug)]
pub struct UnetrDiv {
    backbone: Backbone,
    div5: DivAttention,
    div4: DivAttention,
    div3: DivAttention,
    div2: DivAttention,
    out2: Conv,
    out3: Conv,
    out4: Conv,
    out5: Conv,
    in_channels: usize,
    #[module(skip)]
    size: [usize; 3],
}

impl SegmentationNetwork for UnetrDiv {
    fn check_input(&self, shape: [usize; 5]) -> Result<(), String> {
        check_size(shape, self.in_channels, self.size)
    }

    fn forward_traced(&self, x: Tensor<5>, trace: &mut Trace) -> Vec<Tensor<5>> {
        let [enc1, enc2, enc3, enc4, mut low] = self.backbone.forward(x.clone(), trace);
        let steps = [
            ("div5", &self.div5, &self.out5, enc4),
            ("div4", &self.div4, &self.out4, enc3),
            ("div3", &self.div3, &self.out3, enc2),
            ("div2", &self.div2, &self.out2, enc1),
        ];
        let mut heads = Vec::with_capacity(steps.len());
        for (step, (layer, junction, head, skip)) in steps.into_iter().enumerate() {
            let place = JunctionPlace { layer, level: 3 - step, head: Some(head) };
            low = junction.forward(low, skip, &x, place, trace);
            trace.tensor(layer, &low);
            heads.push(head.forward(low.clone()));
        }
        heads.reverse();
        heads
    }
}

impl KeyRules for UnetrDiv {
    fn reference_key(&self, path: &str) -> String {
        monai_key(path)
    }

    fn flattened_grid(&self, key: &str) -> Option<FlattenedGrid> {
        flattened_grid(key, self.size)
    }

    fn is_optional(&self, key: &str) -> bool {
        is_unused_by_reference(key)
    }

    fn unused(&self) -> Vec<(String, Vec<usize>)> {
        self.backbone.unused()
    }
}
