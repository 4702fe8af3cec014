//! How long strokes and operations take on a volume of 512³ voxels; prints a table for docs/results/editing.md.

#![allow(clippy::unwrap_used, reason = "a bench that cannot run should say so and stop")]

use std::sync::Arc;

use hilum_core::document::{Document, EditCommand, StrokeTool};
use hilum_core::edit::{FillScope, IslandRule, Logic, Operation, Shell};
use hilum_core::geometry::Grid;
use hilum_core::label::LookChange;
use hilum_core::paint::{BrushFilter, BrushShape, IntensityRange};
use hilum_core::volume::{ImageMeta, Volume, Voxels};
use nalgebra::{Point3, Vector3};

const SIDE: usize = 512;
/// Pointer events of a stroke.
const EVENTS: usize = 200;
const RADIUS: f64 = 64.0;

/// Seconds that this program has run on a processor, so that others on the machine do not count; where the system
/// does not tell (other than Linux), seconds that have passed.
fn seconds() -> f64 {
    static BEGUN: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    let told = std::fs::read_to_string("/proc/self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| BEGUN.elapsed().as_secs_f64(), |nanoseconds| nanoseconds / 1e9)
}

fn document() -> Document {
    let grid = Grid::from_spacing([SIDE; 3], [1.0; 3]).unwrap();
    // Noise of ± 20 around soft tissue, from a generator that needs no crate.
    let mut state = 1u32;
    let voxels = (0..grid.voxel_count()).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        40 + (state >> 16) as i16 % 21
    });
    let volume = Volume::new(grid, Voxels::I16(voxels.collect()), ImageMeta::default()).unwrap();
    Document::new(Arc::new(volume))
}

fn main() {
    let mut document = document();
    println!(
        "| stroke, radius 64 voxels | median ms | 99th percentile ms | slowest ms |\n|---|---:|---:|---:|"
    );
    let disc = BrushShape::Disc { normal_world: Vector3::z() };
    let range = IntensityRange { low: 25.0, high: 55.0 };
    for (shape, shape_name) in [(disc, "disc"), (BrushShape::Ball, "ball")] {
        for (filter, name) in [
            (BrushFilter::All, "brush"),
            (BrushFilter::Range(range), "threshold brush"),
            (BrushFilter::Adaptive { spread: 2.5 }, "adaptive brush"),
        ] {
            document.apply(EditCommand::SetBrushFilter(filter)).unwrap();
            let times = stroke(&mut document, StrokeTool::Brush, shape);
            report(&format!("{name}, {shape_name}"), times);
            if name == "brush" {
                report(&format!("eraser, {shape_name}"), stroke(&mut document, StrokeTool::Eraser, shape));
            } else {
                document.apply(EditCommand::Undo).unwrap();
            }
        }
    }
    operations(&mut document);
}

/// Milliseconds of every pointer event of a stroke around the middle, 8 voxels apart, and of letting go at its end.
fn stroke(document: &mut Document, tool: StrokeTool, shape: BrushShape) -> Vec<f64> {
    let at = |event: usize| {
        let (sin, cos) = (event as f64 * 8.0 / 150.0).sin_cos();
        Point3::new(256.0 + 150.0 * cos, 256.0 + 150.0 * sin, 256.0)
    };
    document.apply(EditCommand::BeginStroke { tool, shape, radius_mm: RADIUS }).unwrap();
    let times = (0..EVENTS).map(|event| {
        let begun = seconds();
        document.apply(EditCommand::StrokeTo { from: at(event), to: at(event + 1) }).unwrap();
        (seconds() - begun) * 1000.0
    });
    let mut times: Vec<f64> = times.collect();
    let begun = seconds();
    document.apply(EditCommand::EndStroke).unwrap();
    times.push((seconds() - begun) * 1000.0);
    times
}

fn report(name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    println!("| {name} | {:.2} | {:.2} | {:.2} |", at(0.5), at(0.99), at(1.0));
}

fn operations(document: &mut Document) {
    document.apply(EditCommand::SetBrushFilter(BrushFilter::All)).unwrap();
    let dab = |document: &mut Document, x: f64, z: f64, shape| {
        let (at, tool) = (Point3::new(x, 256.0, z), StrokeTool::Brush);
        document.apply(EditCommand::BeginStroke { tool, shape, radius_mm: RADIUS }).unwrap();
        document.apply(EditCommand::StrokeTo { from: at, to: at }).unwrap();
        document.apply(EditCommand::EndStroke).unwrap();
    };
    dab(document, 200.0, 256.0, BrushShape::Ball);
    document.apply(EditCommand::AddLabel { name: None }).unwrap();
    dab(document, 400.0, 256.0, BrushShape::Ball);
    let disc = BrushShape::Disc { normal_world: Vector3::z() };
    dab(document, 400.0, 340.0, disc);
    dab(document, 400.0, 420.0, disc);
    let seed = [10, 10, 10];
    let flat = FillScope::Slice { axis: 2, slice: 10 };
    println!("\n| operation on a ball of radius 64 voxels | plan ms | apply ms | undo ms | undo beside ms |");
    println!("|---|---:|---:|---:|---:|");
    for (name, operation) in [
        ("grow along image by 10 mm", Operation::Grow { limit_mm: 10.0, edge: 1.0 }),
        ("margin of 10 mm", Operation::Margin { distance_mm: 10.0 }),
        ("shrink by 10 mm", Operation::Margin { distance_mm: -10.0 }),
        ("shell of 5 mm", Operation::Hollow { thickness_mm: 5.0, shell: Shell::Inside }),
        ("median of 3 mm", Operation::Median { radius_mm: 3.0 }),
        ("joint smoothing of 2 mm, two labels", Operation::SmoothAll { sigma_mm: 2.0 }),
        ("fill between slices 340 and 420", Operation::FillBetween { axis: 2 }),
        ("keep largest island", Operation::Islands(IslandRule::KeepLargest)),
        ("union of labels", Operation::Logic { logic: Logic::Union, other: 1, margin_mm: 0.0 }),
        ("fill a slice", Operation::FillRegion { seed, scope: flat, tolerance: None }),
        ("fill all background", Operation::FillRegion { seed, scope: FillScope::Volume, tolerance: None }),
    ] {
        let begun = seconds();
        let change = match operation.plan(&document.edit_basis(), &()) {
            Ok(change) => change,
            Err(error) => {
                println!("| {name} | {error} | |");
                continue;
            }
        };
        let planned = seconds() - begun;
        let begun = seconds();
        document.apply(EditCommand::StageChange(Box::new(change))).unwrap();
        document.apply(EditCommand::ApplyChange).unwrap();
        let applied = seconds() - begun;
        // Dropped by another thread in the window.
        drop(document.take_spent());
        let (undone, beside) = undo(document);
        document.apply(EditCommand::Look(LookChange::Active(2))).unwrap();
        let beside = beside.map_or_else(|| "–".into(), |beside| format!("{:.0}", beside * 1000.0));
        let [planned, applied, undone] = [planned, applied, undone].map(|seconds| seconds * 1000.0);
        println!("| {name} | {planned:.0} | {applied:.1} | {undone:.1} | {beside} |");
    }
}

/// Seconds that undo takes between two frames, and those beside the document where it is too large for that.
fn undo(document: &mut Document) -> (f64, Option<f64>) {
    let begun = seconds();
    let journey = document.journey(document.history().cursor() - 1);
    let packed = seconds() - begun;
    let begun = seconds();
    let arrival = journey.map(|journey| journey.travel().unwrap());
    let beside = arrival.is_some().then(|| seconds() - begun);
    let begun = seconds();
    match arrival {
        Some(arrival) => document.apply(EditCommand::Arrive(Box::new(arrival))).unwrap(),
        None => document.apply(EditCommand::Undo).unwrap(),
    };
    let undone = packed + seconds() - begun;
    drop(document.take_spent());
    (undone, beside)
}
