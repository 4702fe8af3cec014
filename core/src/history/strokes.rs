//! Bytes that a day of brush strokes takes.

use std::sync::Arc;

use nalgebra::{Point3, Vector3};

use super::HISTORY_BYTES;
use crate::document::{Document, EditCommand, StrokeTool};
use crate::geometry::Grid;
use crate::paint::BrushShape;
use crate::random::SplitMix;
use crate::volume::{ImageMeta, Volume, Voxels};

const DIMS: [usize; 3] = [512, 512, 150];
const SPACING_MM: [f64; 3] = [0.8, 0.8, 2.5];
const STROKES: usize = 1000;

/// One stroke as a hand makes it: 4 to 40 positions along a bent path in one slice, brush or eraser, disc or ball, of 2 to
/// 16 mm.
fn stroke(document: &mut Document, random: &mut SplitMix) {
    let tool = if random.between(0.0, 1.0) < 0.25 { StrokeTool::Eraser } else { StrokeTool::Brush };
    let disc = BrushShape::Disc { normal_world: Vector3::z() };
    let shape = if random.between(0.0, 1.0) < 0.3 { BrushShape::Ball } else { disc };
    let radius_mm = random.between(2.0, 16.0);
    document.apply(EditCommand::BeginStroke { tool, shape, radius_mm }).unwrap();
    let place = |random: &mut SplitMix, axis: usize| {
        let extent = DIMS[axis] as f64 * SPACING_MM[axis];
        random.between(0.25 * extent, 0.75 * extent)
    };
    let mut at = Point3::new(place(random, 0), place(random, 1), place(random, 2));
    let mut heading = random.between(0.0, std::f64::consts::TAU);
    for _ in 0..random.between(4.0, 40.0) as usize {
        heading += random.between(-0.5, 0.5);
        let to = at + Vector3::new(heading.cos(), heading.sin(), 0.0) * random.between(1.0, 6.0);
        document.apply(EditCommand::StrokeTo { from: at, to }).unwrap();
        at = to;
    }
    document.apply(EditCommand::EndStroke).unwrap();
}

#[test]
fn a_thousand_strokes_on_a_large_ct_take_a_part_of_the_limit_and_all_can_be_undone() {
    let grid = Grid::from_spacing(DIMS, SPACING_MM).unwrap();
    let image = Volume::new(grid, Voxels::U8(vec![0; grid.voxel_count()]), ImageMeta::default()).unwrap();
    let mut document = Document::new(Arc::new(image));
    let mut random = SplitMix::new(5);
    while document.history().len() < STROKES {
        stroke(&mut document, &mut random);
    }
    let history = document.history();
    let painted = document.labels().count(1);
    println!("{} strokes, {painted} voxels painted, {} bytes of history", history.len(), history.bytes());
    assert!(painted > 2_000_000, "the strokes are of realistic size: {painted} voxels");
    assert!(history.bytes() < HISTORY_BYTES / 4, "{} bytes", history.bytes());
    // What is counted is what is held: the runs, which are stored as they lie in memory.
    let stored = postcard::to_stdvec(history).unwrap().len();
    assert!(stored < history.bytes() && stored > history.bytes() / 2, "{stored} of {}", history.bytes());
    document.apply(EditCommand::GoTo(0)).unwrap();
    assert_eq!(document.labels().count(0), grid.voxel_count());
}
