//! Classes of DeepLab and HANet, whose trunks are residual networks.

use serde_json::{Value, json};

use super::Description;

/// Name in the registry and configuration of the class, or `None` for an unknown class.
pub(super) fn network(golden: &Description) -> Option<(&'static str, Value)> {
    match golden.short_class() {
        "DeepLabV3" => Some(("deeplabv3", deeplabv3(golden))),
        "DeepLab" => Some(("deeplabv3_plus", deeplabv3_plus(golden, "jfzhang95"))),
        "DeepLabV3Plus" => Some(("deeplabv3_plus", deeplabv3_plus(golden, "vainf"))),
        "HANet" => Some(("hanet", hanet(golden))),
        _ => None,
    }
}

/// What replaced a width that the reference has as a literal in its source: an entry of `width_literals`, or the
/// fraction that `widths` begins with ("1/16 …").
fn width(golden: &Description, literal: usize) -> usize {
    let key = literal.to_string();
    let entry = golden.constructor.get("width_literals").and_then(|literals| literals.get(&key)?.as_u64());
    if let Some(width) = golden.width_literals.get(&key).copied().or(entry.map(|width| width as usize)) {
        return width;
    }
    let text = golden.constructor.get("widths").and_then(Value::as_str).unwrap_or_default();
    let fraction = text.split_whitespace().next().and_then(|word| word.split_once('/'));
    let parts =
        fraction.and_then(|(over, under)| Some((over.parse::<usize>().ok()?, under.parse::<usize>().ok()?)));
    match parts {
        Some((over, under)) if under > 0 => literal * over / under,
        _ => literal,
    }
}

fn trunk(golden: &Description) -> Value {
    let planes = [64, 128, 256, 512].map(|literal| width(golden, literal));
    json!({
        "layers": golden.constructor.get("layers").unwrap_or(&json!([3, 4, 23, 3])),
        "stem": width(golden, 64),
        "planes": planes,
    })
}

/// The entries of the constructor that our configuration names alike, over `config`.
fn with_entries(mut config: Value, golden: &Description, names: &[(&str, &str)]) -> Value {
    for &(theirs, ours) in names {
        if let Some(value) = golden.constructor.get(theirs) {
            config[ours] = value.clone();
        }
    }
    config
}

fn deeplabv3(golden: &Description) -> Value {
    let config = json!({"trunk": trunk(golden), "channels": width(golden, 256), "aux": false});
    let names = [
        ("num_classes", "num_classes"),
        ("output_stride", "output_stride"),
        ("atrous_rates", "aspp_rates"),
        ("aux", "aux"),
    ];
    with_entries(config, golden, &names)
}

fn deeplabv3_plus(golden: &Description, code: &str) -> Value {
    let config = json!({
        "code": code,
        "trunk": trunk(golden),
        "channels": width(golden, 256),
        "low_level_channels": width(golden, 48),
    });
    let names =
        [("num_classes", "num_classes"), ("output_stride", "output_stride"), ("aspp_dilate", "aspp_rates")];
    with_entries(config, golden, &names)
}

fn hanet(golden: &Description) -> Value {
    let config = json!({
        "trunk": trunk(golden),
        "channels": width(golden, 512),
        "decoder_channels": width(golden, 256),
        "low_level_channels": width(golden, 48),
    });
    let names = [
        ("num_classes", "num_classes"),
        ("output_stride", "output_stride"),
        ("c", "channels"),
        ("cdec", "decoder_channels"),
        ("align_corners", "align_corners"),
        ("n", "n"),
        ("delta", "delta"),
    ];
    with_entries(config, golden, &names)
}
