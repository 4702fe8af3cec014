//! Lists the folders of `resources/weights`, so that a model is embedded by being there.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    // Asked for at run time: a script compiled for another checkout may be used again for this one.
    let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR for build scripts");
    let root = Path::new(&here).join("../resources/weights");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut folders: Vec<_> = std::fs::read_dir(&root)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    folders.retain(|folder: &std::path::PathBuf| folder.join("card.json").is_file());
    folders.sort();
    let mut code = String::from("static EMBEDDED: &[EmbeddedModel] = &[\n");
    for folder in &folders {
        let card = folder.join("card.json");
        let weights = folder.join("weights.safetensors");
        let discriminator = folder.join("discriminator.safetensors");
        let judge = if discriminator.is_file() {
            println!("cargo::rerun-if-changed={}", discriminator.display());
            format!("Some(include_bytes!({discriminator:?}))")
        } else {
            "None".to_owned()
        };
        println!("cargo::rerun-if-changed={}", card.display());
        println!("cargo::rerun-if-changed={}", weights.display());
        let _ = writeln!(
            code,
            "    EmbeddedModel {{ card: include_str!({card:?}), weights: include_bytes!({weights:?}), discriminator: {judge} }},"
        );
    }
    code.push_str("];\n");
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    std::fs::write(Path::new(&out).join("embedded.rs"), code).expect("OUT_DIR is writable");
}
