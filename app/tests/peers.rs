//! Label maps to and from highdicom, dcmqi and rt-utils, and copies without names before pydicom, where Python has them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use hilum_core::testing::{in_package, skip};

const PACKAGES: &str = "import highdicom, pydicom, SimpleITK, rt_utils";

#[test]
fn other_programs_read_what_hilum_writes_and_the_other_way_round() {
    // The Python that has the packages, where it is not the usual one: that of a virtual environment.
    let python = std::env::var_os("HILUM_PEERS").unwrap_or_else(|| "python3".into());
    let has_packages =
        Command::new(&python).args(["-c", PACKAGES]).output().is_ok_and(|out| out.status.success());
    if !has_packages {
        skip("Python with highdicom, pydicom, SimpleITK, dcmqi and rt-utils (HILUM_PEERS names one)");
        return;
    }
    let script = in_package("../docs/parity/formats_check.py");
    let output = Command::new(&python).arg(script).arg(env!("CARGO_BIN_EXE_hilum")).output().unwrap();
    let (told, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}{wrong}");
    assert_eq!(told.matches("ok: ").count(), 11, "{told}");
}
