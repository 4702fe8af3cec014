//! Fresh networks of published packages through import, forward pass and strict export, where Python has them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

/// What the script needs. PyTorch is too large to be asked of every machine: without it the test is skipped.
const PACKAGES: &str = "import torch, torchvision, monai, dynamic_network_architectures, safetensors";

#[test]
fn pytorch_saves_what_hilum_imports_and_loads_strictly_what_hilum_exports() {
    // The Python to ask, where it is not the usual one: that of a virtual environment, say.
    let python = std::env::var_os("HILUM_PYTHON").unwrap_or_else(|| "python3".into());
    let has_packages =
        Command::new(&python).args(["-c", PACKAGES]).output().is_ok_and(|out| out.status.success());
    if !has_packages {
        eprintln!(
            "skipped: Python with PyTorch, torchvision, MONAI, safetensors not found (HILUM_PYTHON names one)"
        );
        return;
    }
    // Where cargo runs the test: it may have been compiled for another checkout.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    let script = Path::new(&package).join("../docs/parity/import_check.py");
    let output = Command::new(&python).arg(script).arg(env!("CARGO_BIN_EXE_hilum")).output().unwrap();
    let (told, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}{wrong}");
    assert_eq!(told.matches("export loads strictly").count(), 4, "{told}");
}
