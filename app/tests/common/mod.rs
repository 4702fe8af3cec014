//! The real program, run as a user runs it.

#![allow(dead_code, reason = "not every test needs everything")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::Command;

use hilum_core::testing::shared_data;
use serde_json::Value;

/// What a run of the program left behind.
pub struct Ran {
    /// How it ended.
    pub code: i32,
    /// What it printed.
    pub out: String,
    /// What it printed as errors.
    pub err: String,
}

/// Runs the program, which must not panic.
pub fn hilum<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_hilum")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let ran = Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) };
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    ran
}

/// Runs a command that must succeed and answers with one JSON object.
pub fn json<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Value {
    let mut arguments: Vec<_> = arguments.iter().map(|a| a.as_ref().to_owned()).collect();
    arguments.push("--json".into());
    let ran = hilum(&arguments);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.out.trim_end().lines().count(), 1, "{}", ran.out);
    serde_json::from_str(&ran.out).unwrap()
}

/// Runs a command that must be refused with 1, nothing on stdout, and these words on stderr.
pub fn refused<S: AsRef<std::ffi::OsStr>>(arguments: &[S], words: &[&str]) {
    let ran = hilum(arguments);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
    assert!(ran.err.starts_with("error: "), "{}", ran.err);
    for word in words {
        assert!(ran.err.contains(word), "{word} is not in: {}", ran.err);
    }
}

/// A synthetic CT on disk.
pub struct Phantom {
    /// Where it lies.
    pub folder: tempfile::TempDir,
    /// The image.
    pub image: String,
    /// Its truth.
    pub truth: String,
    /// What was told of it.
    pub report: Value,
}

/// A small synthetic CT with its truth.
pub fn phantom(seed: u64) -> Phantom {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (image, truth) = (path("ct.nii.gz"), path("truth.nii.gz"));
    let seed = seed.to_string();
    let arguments = ["sample", "ct", "--out", &image, "--truth", &truth, "--seed", &seed];
    let size = ["--dims", "112,96,44", "--spacing", "3,3,5"];
    let report = json(&[&arguments[..], &size[..]].concat());
    Phantom { image, truth, report, folder }
}

impl Phantom {
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn click(&self, label: u64) -> String {
        let lesions = self.report["lesions"].as_array().unwrap();
        let lesion = lesions.iter().find(|l| l["label"] == label).unwrap();
        lesion["click_voxel"].as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>().join(",")
    }
}

/// A file of the shared data, if there is one.
pub fn shared(relative: &str) -> Option<String> {
    shared_data(relative).map(|path: PathBuf| path.to_str().unwrap().to_owned())
}
