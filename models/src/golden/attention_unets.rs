//! Classes of the Attention U-Net family (networks.md section 1).

use serde_json::{Map, Value, json};

use super::Description;
use super::classes::width;

/// Name in the registry and configuration of the class, or `None` for a class of another family.
pub(super) fn network(golden: &Description) -> Option<(&'static str, Value)> {
    let with = |fields: &[(&str, Value)]| {
        let mut config = golden.constructor.clone();
        config.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        Value::Object(config)
    };
    let volume = |gates: &str| ("attention_unet_3d", volume_config(golden.constructor.clone(), gates));
    // The reference's arrays are [x, y, z].
    let slices = |attention: bool| {
        let mut config = without_the_only_mode(golden.constructor.clone());
        config.insert("attention".to_owned(), json!(attention));
        config.insert("slice_axis".to_owned(), json!(2));
        ("attention_unet_grid_3d", Value::Object(config))
    };
    let widths = ("widths", json!([64, 128, 256, 512, 1024].map(|literal| width(golden, literal))));
    let finest_gate = ("finest_gate_width", json!(width(golden, 32)));
    match golden.short_class() {
        "unet_CT_dsv_3D" => Some(volume("none")),
        "unet_CT_single_att_dsv_3D" => Some(volume("single")),
        "unet_CT_multi_att_dsv_3D" => Some(volume("multi")),
        "unet_grid_attention_3D" => Some(slices(true)),
        "unet_3D" => Some(slices(false)),
        "U_Net" => Some(("unet_2d", with(&[widths]))),
        "AttU_Net" => Some(("attention_unet_2d", with(&[widths, finest_gate]))),
        "R2AttU_Net" => Some(("r2attu_net", with(&[widths, finest_gate]))),
        "AttentionUnet" => Some(("monai_attention_unet", with(&[]))),
        _ => None,
    }
}

/// The decoder of these classes always interpolates, whatever `is_deconv` says.
fn volume_config(constructor: Map<String, Value>, gates: &str) -> Value {
    let mut config = without_the_only_mode(constructor);
    config.remove("is_deconv");
    config.insert("gates".to_owned(), json!(gates));
    Value::Object(config)
}

/// Gates compare by `concatenation`; any other mode stays, so that it is refused as an unknown field.
fn without_the_only_mode(mut config: Map<String, Value>) -> Map<String, Value> {
    if config.get("nonlocal_mode") == Some(&json!("concatenation")) {
        config.remove("nonlocal_mode");
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::AnyNetwork;
    use burn::tensor::Device;

    fn made(class: &str, constructor: &Value, widths: &Value) -> Result<AnyNetwork, String> {
        let golden = json!({"class": class, "constructor": constructor, "width_literals": widths});
        let (arch, config) = network(&serde_json::from_value(golden).unwrap()).unwrap();
        AnyNetwork::from_name(arch, config, &Device::flex()).map_err(|e| e.to_string())
    }

    #[test]
    fn every_class_has_the_references_number_of_parameters() {
        let volume = |deconv: bool| json!({"n_classes": 4, "in_channels": 1, "is_deconv": deconv});
        let monai = |dims: usize, channels: [usize; 5]| json!({"spatial_dims": dims, "in_channels": 1, "out_channels": 2, "channels": channels, "strides": [2, 2, 2, 2]});
        let (narrow, wide) = ([16, 32, 64, 128, 256], [64, 128, 256, 512, 1024]);
        let cases = [
            ("unet_CT_single_att_dsv_3D", volume(true), 6_214_151),
            ("unet_CT_single_att_dsv_3D", volume(false), 6_214_151),
            ("unet_CT_multi_att_dsv_3D", volume(true), 6_473_322),
            ("unet_CT_dsv_3D", volume(true), 5_888_004),
            ("models.networks.unet_grid_attention_3D", volume(true), 2_722_535),
            ("unet_grid_attention_3D", volume(false), 2_221_815),
            ("unet_3D", volume(true), 2_466_052),
            ("AttU_Net", json!({}), 34_878_573),
            ("U_Net", json!({}), 34_527_041),
            ("R2AttU_Net", json!({"t": 2}), 39_442_925),
            ("AttentionUnet", monai(3, narrow), 5_909_130),
            ("AttentionUnet", monai(3, wide), 94_482_930),
            ("AttentionUnet", monai(2, narrow), 1_987_434),
            ("AttentionUnet", monai(2, wide), 31_739_250),
        ];
        for (class, constructor, count) in cases {
            let network = made(class, &constructor, &json!({})).unwrap();
            assert_eq!(network.parameter_count(), count, "{class} {constructor}");
        }
    }

    #[test]
    fn every_width_literal_has_its_place() {
        let widths = json!({"64": 6, "128": 10, "256": 14, "512": 18, "1024": 22, "32": 4});
        let network = made("AttU_Net", &json!({"img_ch": 1, "output_ch": 2}), &widths).unwrap();
        let shape = |name: &str| network.weight_shapes().into_iter().find(|(n, _)| n == name).unwrap().1;
        assert_eq!(shape("Conv5.conv.0.weight"), [22, 18, 3, 3]);
        assert_eq!(shape("Att2.W_g.0.weight"), [4, 6, 1, 1]);
        assert_eq!(shape("Att5.psi.0.weight"), [1, 14, 1, 1]);
    }

    #[test]
    fn only_the_mode_that_is_there_is_accepted() {
        let mode = |mode: &str| json!({"nonlocal_mode": mode});
        for class in ["unet_CT_multi_att_dsv_3D", "unet_grid_attention_3D"] {
            assert!(made(class, &mode("concatenation"), &json!({})).is_ok());
            let error = made(class, &mode("concatenation_residual"), &json!({})).unwrap_err();
            assert!(error.contains("nonlocal_mode"), "{error}");
        }
    }
}
