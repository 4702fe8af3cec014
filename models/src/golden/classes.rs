//! Which network and configuration a class of a reference stands for, and what the reference calls its outputs.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use serde_json::{Map, Value, json};

use super::{Description, attention_unets, residual_nets};

/// Name in the registry and configuration of the class, or `None` for an unknown class.
pub(super) fn network(golden: &Description) -> Option<(&'static str, Value)> {
    let constructor = || golden.constructor.clone();
    match golden.short_class() {
        "PlainConvUNet" => Some(("plain_conv_unet", Value::Object(constructor()))),
        "ResidualEncoderUNet" => Some(("residual_encoder_unet", Value::Object(constructor()))),
        "UNETR" => Some(("unetr", Value::Object(constructor()))),
        "UnetrDiv" => Some(("unetr_div", unetr_div_config(constructor()))),
        "ESPNet" => Some(("espnet3d", espnet_config(golden))),
        "SaganWsiGenerator" => Some(("sagan_wsi", Value::Object(constructor()))),
        "ESPNetDiv" => Some(("espnet3d_div", espnet_config(golden))),
        _ => attention_unets::network(golden).or_else(|| residual_nets::network(golden)),
    }
}

/// What replaced a width that the reference has as a literal in its source.
pub(super) fn width(golden: &Description, literal: usize) -> usize {
    *golden.width_literals.get(&literal.to_string()).unwrap_or(&literal)
}

fn espnet_config(golden: &Description) -> Value {
    let mut config = golden.constructor.clone();
    config.insert("widths".to_owned(), json!([16, 32, 128, 256].map(|literal| width(golden, literal))));
    if let Some(resolution) = golden.call.get("inp_res") {
        config.insert("inp_res".to_owned(), resolution.clone());
    }
    Value::Object(config)
}

/// Our own reference of UNETR+Div has shorter names than MONAI's constructor.
fn unetr_div_config(mut config: Map<String, Value>) -> Value {
    for (short, long) in [("in_ch", "in_channels"), ("out", "out_channels")] {
        if let Some(value) = config.remove(short) {
            config.insert(long.to_owned(), value);
        }
    }
    if let Some(Value::String(norm)) = config.remove("norm") {
        let name = norm.split_whitespace().next().unwrap_or_default();
        config.insert("norm_name".to_owned(), json!(name));
    }
    Value::Object(config)
}

/// The reference's names of a network's heads, finest first.
pub(super) fn head_names(arch: &str, config: &Value, heads: usize) -> Vec<String> {
    let numbered = |stem: &str| (0..heads).map(|i| format!("out.{stem}{i}")).collect();
    match arch {
        "unetr_div" => numbered("out"),
        "espnet3d_div" => vec!["out.y".to_owned(), "out.aux2".to_owned()],
        "lesion_net" => numbered("head"),
        "deeplabv3" => vec!["out.out".to_owned(), "out.aux".to_owned()],
        "danet" => ["sasc", "sa", "sc"].map(|name| format!("out.{name}")).into(),
        _ if config["deep_supervision"] == json!(true) => numbered("ds"),
        _ => vec!["out.y".to_owned()],
    }
}

/// What the reference returns for the logits of a head.
pub(super) fn as_returned(arch: &str, logits: Tensor<5>) -> Tensor<5> {
    match arch {
        "sagan_wsi" => softmax(logits, 1),
        _ => logits,
    }
}
