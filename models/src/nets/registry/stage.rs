//! Where in a network a weight lies, by the beginning of its name.

/// Part of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerStage {
    /// From the image to features.
    Encoder,
    /// From features of all resolutions to those of the answer; attention among them.
    Decoder,
    /// From features to the answer.
    Last,
}

/// Beginnings of the names in the encoder, and of those that make answers, of each network.
const STAGES: [(&str, &[&str], &[&str]); 19] = [
    ("attention_unet_2d", &["Conv1.", "Conv2.", "Conv3.", "Conv4.", "Conv5."], &["Conv_1x1."]),
    ("attention_unet_3d", &["conv", "center."], &["dsv", "final."]),
    ("attention_unet_grid_3d", &["conv", "center."], &["dsv", "final."]),
    ("daf_stack", &["resnext."], &["predict"]),
    ("danet", &["pretrained."], &["head.conv6", "head.conv7", "head.conv8"]),
    ("deeplabv3", &["backbone."], &["classifier.4"]),
    ("deeplabv3_plus", &["backbone."], &["decoder.last_conv"]),
    ("espnet3d", &["level"], &["classifier"]),
    ("espnet3d_div", &["esp.level"], &["esp.classifier", "aux"]),
    ("hanet", &["backbone."], &["decoder.last_conv"]),
    ("lesion_net", &["encoder."], &["heads."]),
    ("monai_attention_unet", &["model.0."], &["model.2."]),
    ("plain_conv_unet", &["encoder."], &["decoder.seg_layers"]),
    ("r2attu_net", &["RRCNN"], &["Conv_1x1."]),
    ("residual_encoder_unet", &["encoder."], &["decoder.seg_layers"]),
    ("sagan_wsi", &["trunk."], &["out"]),
    ("unet_2d", &["Conv1.", "Conv2.", "Conv3.", "Conv4.", "Conv5."], &["Conv_1x1."]),
    ("unetr", &["vit.", "encoder"], &["out"]),
    ("unetr_div", &["vit.", "encoder"], &["out"]),
];

/// Where the weight `key`, named as the reference names it, lies in a network of the registry.
pub fn layer_stage(arch: &str, key: &str) -> LayerStage {
    let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| key.starts_with(beginning));
    match STAGES.iter().find(|(name, ..)| *name == arch) {
        Some((_, _, last)) if begins(last) => LayerStage::Last,
        Some((_, encoder, _)) if begins(encoder) => LayerStage::Encoder,
        _ => LayerStage::Decoder,
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::nets::{AnyNetwork, architectures};

    #[test]
    fn every_network_has_an_encoder_a_decoder_and_a_last_layer() {
        let mut failures = Vec::new();
        for info in architectures() {
            let network = AnyNetwork::from_name(info.arch, info.default_config, &Device::flex()).unwrap();
            let shapes = network.weight_shapes();
            let count = |stage| shapes.iter().filter(|(key, _)| layer_stage(info.arch, key) == stage).count();
            let counts = [LayerStage::Encoder, LayerStage::Decoder, LayerStage::Last].map(count);
            // Of all the weights the last layer has few.
            if counts.contains(&0) || counts[2] * 4 > shapes.len() {
                let mut tops: Vec<String> = shapes
                    .iter()
                    .map(|(key, _)| key.split('.').take(2).collect::<Vec<_>>().join("."))
                    .collect();
                tops.dedup();
                failures.push(format!("{} {counts:?}: {tops:?}", info.arch));
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}
