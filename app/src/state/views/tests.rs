use super::*;
use crate::testing::oblique_volume;
use egui::{Pos2, vec2};
use hilum_core::geometry::Grid;
use hilum_core::volume::{ImageMeta, Voxels};

const SIZE: Vec2 = vec2(400.0, 300.0);

fn rect() -> Rect {
    Rect::from_min_size(Pos2::new(10.0, 20.0), SIZE)
}

#[test]
fn a_fitted_volume_lies_wholly_in_every_view() {
    let volume = oblique_volume();
    let views = Views::new(&volume);
    for view in ViewId::PLANES {
        let shown = views.slice_view(&volume, view, rect());
        let dims = volume.grid().dims();
        for corner in 0..8 {
            let voxel = [0, 1, 2].map(|a| if corner >> a & 1 == 1 { dims[a] - 1 } else { 0 });
            assert!(rect().contains(shown.screen_from_world(volume.grid().world_of(voxel))));
        }
    }
}

#[test]
fn zooming_keeps_the_world_under_the_mouse() {
    let volume = oblique_volume();
    let mut views = Views::new(&volume);
    let (view, offset) = (ViewId::PLANES[1], vec2(60.0, -45.0));
    let before = views.slice_view(&volume, view, rect()).world_from_screen(rect().center() + offset);
    views.zoom(&volume, view, 2.5, offset, SIZE);
    let shown = views.slice_view(&volume, view, rect());
    assert!((shown.world_from_screen(rect().center() + offset) - before).norm() < 1e-6);
    views.pan(&volume, view, vec2(12.0, 7.0), SIZE);
    let shown = views.slice_view(&volume, view, rect());
    assert!((shown.world_from_screen(rect().center() + offset + vec2(12.0, 7.0)) - before).norm() < 1e-5);
}

#[test]
fn scrolling_an_aligned_volume_visits_every_slice_and_stops_at_the_ends() {
    let grid = Grid::from_spacing([4, 5, 6], [1.0, 1.5, 3.0]).unwrap();
    let volume = Volume::new(grid, Voxels::U8(vec![0; 120]), ImageMeta::default()).unwrap();
    let mut views = Views::new(&volume);
    let axial = ViewId::PLANES[0];
    views.scroll(&volume, axial, -100.0);
    for slice in (1..=6).rev() {
        assert_eq!(views.slice_number(&volume, axial), (slice, 6));
        views.scroll(&volume, axial, 1.0);
    }
    assert_eq!(views.slice_number(&volume, axial), (1, 6));
}

#[test]
fn scrolling_an_oblique_volume_moves_only_along_the_normal() {
    let volume = oblique_volume();
    let mut views = Views::new(&volume);
    let before = views.crosshair;
    views.scroll(&volume, ViewId::PLANES[0], 1.0);
    let moved = views.crosshair - before;
    assert!(moved.x.abs() < 1e-9 && moved.y.abs() < 1e-9 && moved.z < -0.1);
}
