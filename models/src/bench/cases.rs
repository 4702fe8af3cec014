//! The networks and inputs that Hilum is measured on.

use serde::{Serialize, Serializer};
use serde_json::Value;

/// A network of a size that its users run it at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ReferenceCase {
    /// What it is called on the command line and in tables.
    pub name: &'static str,
    /// What it stands for.
    pub about: &'static str,
    /// Its name in the registry.
    pub arch: &'static str,
    /// Its configuration, JSON.
    #[serde(serialize_with = "as_json")]
    pub config: &'static str,
    /// Its input, `[batch, channels, z, y, x]`.
    pub shape: [usize; 5],
}

fn as_json<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::from_str::<Value>(text).map_err(serde::ser::Error::custom)?.serialize(serializer)
}

const fn case(
    name: &'static str,
    about: &'static str,
    arch: &'static str,
    config: &'static str,
    shape: [usize; 5],
) -> ReferenceCase {
    ReferenceCase { name, about, arch, config, shape }
}

const CUBE_96: [usize; 5] = [1, 1, 96, 96, 96];

static CASES: [ReferenceCase; 13] = [
    case("unetr", "UNETR (MONAI), 14 classes", "unetr", r#"{"out_channels": 14}"#, CUBE_96),
    case("unetr_div", "UNETR with Div-attention", "unetr_div", "{}", CUBE_96),
    case(
        "attention_unet_3d",
        "Attention U-Net, one gate a skip connection, deep supervision (Attention-Gated-Networks)",
        "attention_unet_3d",
        r#"{"in_channels": 1, "n_classes": 4}"#,
        [1, 1, 160, 160, 96],
    ),
    case(
        "attention_unet_grid_3d",
        "Attention U-Net for thick slices, transposed convolutions (Attention-Gated-Networks)",
        "attention_unet_grid_3d",
        // Slices along the last axis, as in the reference's checkpoints.
        r#"{"in_channels": 1, "n_classes": 4, "slice_axis": 2}"#,
        [1, 1, 160, 160, 96],
    ),
    case(
        "deeplabv3",
        "DeepLabV3, ResNet-101, output stride 8 (torchvision)",
        "deeplabv3",
        r#"{"aux": false}"#,
        [1, 3, 1, 513, 513],
    ),
    case("hanet", "HANet, ResNet-101, output stride 16", "hanet", "{}", [1, 3, 1, 513, 513]),
    case("attention_unet_2d", "AttU_Net (LeeJunHyun)", "attention_unet_2d", "{}", [1, 3, 1, 256, 256]),
    case("plain_conv_unet", "PlainConvUNet (nnU-Net), 32 to 320 channels", "plain_conv_unet", "{}", CUBE_96),
    case(
        "plain_conv_unet_128",
        "PlainConvUNet (nnU-Net), 32 to 320 channels, larger",
        "plain_conv_unet",
        "{}",
        [1, 1, 128, 128, 128],
    ),
    case(
        "monai_attention_unet",
        "AttentionUnet (MONAI), 16 to 256 channels",
        "monai_attention_unet",
        "{}",
        CUBE_96,
    ),
    case("daf_stack", "DAF_stack, ResNeXt-101", "daf_stack", "{}", [1, 1, 1, 256, 256]),
    case("espnet3d", "3D-ESPNet, 2 classes", "espnet3d", r#"{"channels": 1, "classes": 2}"#, CUBE_96),
    case("sagan_wsi", "SAGAN's generator for whole slides", "sagan_wsi", "{}", [1, 3, 1, 256, 256]),
];

/// The networks and inputs of `docs/results/benchmarks.md`.
pub fn reference_cases() -> &'static [ReferenceCase] {
    &CASES
}

/// The case of this name.
pub fn reference_case(name: &str) -> Option<&'static ReferenceCase> {
    CASES.iter().find(|case| case.name == name)
}
