//! Memory of an opened CT with a mask and undo, relative to its raw voxels; prints a table for docs/results/editing.md.
//!
//! `cargo test -p hilum-core --bench memory -- CT.nii.gz` opens a file, for example one of
//! `hilum sample ct --dims 512,512,300 --out CT.nii.gz`.

#![allow(clippy::unwrap_used, reason = "a bench that cannot run should say so and stop")]

use std::path::Path;
use std::sync::Arc;

use hilum_core::document::{Document, EditCommand, StrokeTool};
use hilum_core::io::{OpenOptions, open};
use hilum_core::paint::BrushShape;
use hilum_core::project::{ImageReference, Store};
use nalgebra::Vector3;

/// A line of /proc/self/status in MiB; `None` elsewhere than on Linux.
fn mebibytes(name: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

fn report(what: &str, raw: f64) {
    let (Some(now), Some(most)) = (mebibytes("VmRSS"), mebibytes("VmHWM")) else {
        println!("| {what} | not known on this system | | |");
        return;
    };
    println!("| {what} | {now:.0} | {most:.0} | {:.2} |", most / raw);
}

fn main() {
    let Some(path) = std::env::args().nth(1).filter(|path| Path::new(path).is_file()) else {
        println!("skipped: name a CT, see the first lines of this file");
        return;
    };
    let image = Arc::new(open(Path::new(&path), &OpenOptions::default(), &()).unwrap().volume);
    let grid = *image.grid();
    let raw = (grid.voxel_count() * image.voxels().bytes_per_voxel()) as f64 / f64::from(1 << 20);
    println!(
        "raw voxels: {raw:.0} MiB\n\n| after | MiB | most so far MiB | most, of the raw voxels |\n|---|---:|---:|---:|"
    );
    report("opening", raw);
    let mut document = Document::new(Arc::clone(&image));
    document.start_journal();
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::create(folder.path(), ImageReference::of(&image), &document.snapshot()).unwrap();
    report("a project", raw);
    let far = grid.extent_mm();
    for stroke in 0..200u32 {
        let share = |n: u32| f64::from((stroke * n + 13) % 97) / 97.0;
        let from = grid.affine().origin()
            + grid.affine().linear()
                * Vector3::from_fn(|a, _| share(7 + 3 * a as u32) * (grid.dims()[a] - 1) as f64);
        let tool = if stroke % 5 == 4 { StrokeTool::Eraser } else { StrokeTool::Brush };
        let radius_mm = 2.0 + 12.0 * share(31);
        let shape =
            if stroke % 2 == 0 { BrushShape::Ball } else { BrushShape::Disc { normal_world: Vector3::z() } };
        document.apply(EditCommand::BeginStroke { tool, shape, radius_mm }).unwrap();
        let mut at = from;
        for event in 0..30u32 {
            let angle = f64::from(event) * 0.2 + f64::from(stroke);
            let to = from + Vector3::new(angle.cos(), angle.sin(), 0.0) * far[0] * 0.05;
            document.apply(EditCommand::StrokeTo { from: at, to }).unwrap();
            at = to;
        }
        document.apply(EditCommand::EndStroke).unwrap();
        store.append(&document.take_unsaved()).unwrap();
    }
    report("200 strokes", raw);
    while document.apply(EditCommand::Undo).is_ok() {}
    while document.apply(EditCommand::Redo).is_ok() {}
    store.append(&document.take_unsaved()).unwrap();
    report("all undone and made again", raw);
    store.compact().unwrap();
    report("compacting the project", raw);
}
