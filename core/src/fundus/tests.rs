use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::*;
use crate::geometry::Grid;
use crate::io::{self, OpenOptions};
use crate::measure::Confusion;
use crate::measure::cdr::{DiscLabels, DiscMask, Extent};
use crate::testing::shared_data;
use crate::volume::{ImageMeta, Volume, Voxels};

fn open(path: &Path) -> Volume {
    io::open(path, &OpenOptions::default(), &()).unwrap().volume
}

fn image(dims: [usize; 3], voxels: Voxels) -> Volume {
    Volume::new(Grid::from_spacing(dims, [1.0; 3]).unwrap(), voxels, ImageMeta::default()).unwrap()
}

/// Files below a folder whose name is wanted.
fn files(folder: &str, wanted: &dyn Fn(&str) -> bool) -> Option<Vec<PathBuf>> {
    fn below(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
        let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        entries.sort();
        let of = |p: PathBuf| match p.is_dir() {
            true => below(&p, wanted),
            false if wanted(&p.file_name().unwrap().to_string_lossy()) => vec![p],
            false => Vec::new(),
        };
        entries.into_iter().flat_map(of).collect()
    }
    Some(below(&shared_data(&format!("data/{folder}"))?, wanted))
}

/// An orange circle with a dark blotch in it on black, with noise.
fn painted(size: [usize; 2], circle: Circle, ground: u8) -> Picture<'static> {
    let mut random = crate::random::SplitMix::new(4);
    let blotch = Circle {
        center: [circle.center[0] + 0.7 * circle.radius_px, circle.center[1]],
        radius_px: circle.radius_px / 3.0,
    };
    let pixels = (0..size[0] * size[1]).map(|i| {
        let at = [(i % size[0]) as f64, (i / size[0]) as f64];
        let noise = random.below(5) as u8;
        match (circle.contains(at), blotch.contains(at)) {
            (true, true) => [ground + 5, ground + 2, ground],
            (true, false) => [170 + noise, 90 + noise, 50],
            _ => [ground + noise; 3],
        }
    });
    Picture::new(size, Cow::Owned(pixels.collect())).unwrap()
}

#[test]
fn all_fundus_photographs_are_taken_for_one_and_nothing_else_is() {
    let is_any: &dyn Fn(&str) -> bool = &|_| true;
    type Set<'a> = (&'a str, &'a dyn Fn(&str) -> bool, bool);
    let sets: [Set<'_>; 9] = [
        ("fundus_disc_cup_drishti/images", is_any, true),
        ("fundus_disc_idrid", &|n| n.ends_with(".jpg"), true),
        ("fundus_vessel_drive", &|n| n.ends_with("image.png"), true),
        ("fundus_vessel_chase", &|n| n.ends_with(".jpg"), true),
        ("fundus_vessel_drive", &|n| !n.ends_with("image.png"), false),
        ("histology_kidney", is_any, false),
        ("histology_glomeruli", is_any, false),
        ("ct2d_lung", is_any, false),
        ("dicom/dcmqi", &|n| n.ends_with(".png"), false),
    ];
    let (mut yes, mut no) = (0, 0);
    for (folder, wanted, expected) in sets {
        let Some(files) = files(folder, wanted) else { return };
        for file in files {
            let volume = open(&file);
            let picture = Picture::of(&volume).unwrap();
            let found = check(&picture, &FieldOfView::of(&picture));
            assert_eq!(found.is_fundus, expected, "{found:?}: {}", file.display());
            *if expected { &mut yes } else { &mut no } += 1;
        }
    }
    assert!(yes >= 100 && no >= 250, "{yes} {no}");
    println!("{yes} fundus photographs, {no} other pictures");
}

#[test]
fn a_crop_around_the_disc_is_still_a_fundus() {
    let Some(files) = files("fundus_disc_cup_drishti/images", &|_| true) else { return };
    for file in files.iter().step_by(5) {
        let volume = open(file);
        let picture = Picture::of(&volume).unwrap();
        let [width, height] = picture.size();
        let (left, top) = (width / 2 - 150, height / 2 - 150);
        let rows = (top..top + 300).flat_map(|y| &picture.pixels()[y * width + left..y * width + left + 300]);
        let crop = Picture::new([300, 300], Cow::Owned(rows.copied().collect())).unwrap();
        let field = FieldOfView::of(&crop);
        let found = check(&crop, &field);
        assert_eq!(field.kind, FieldKind::Whole, "{}", file.display());
        assert!(found.is_fundus && found.score < 1.0, "{found:?} {}", file.display());
    }
}

#[test]
fn the_field_of_view_is_that_of_the_published_masks() {
    let Some(files) = files("fundus_vessel_drive", &|n| n.ends_with("image.png")) else { return };
    for file in files {
        let volume = open(&file);
        let field = FieldOfView::of(&Picture::of(&volume).unwrap());
        let truth = open(Path::new(&file.display().to_string().replace("image", "fov")));
        let truth: Vec<bool> = (0..truth.voxels().len()).map(|i| truth.voxels().value(i) > 0.0).collect();
        let dice = Confusion::of(&field.mask, &truth).unwrap().dice();
        assert!(dice > 0.985, "{dice} {}", file.display());
    }
}

#[test]
fn the_field_of_view_is_found_despite_dark_parts_and_cut_sides() {
    let near = |field: &FieldOfView, circle: Circle| {
        let off = (0..2).map(|a| (field.circle.center[a] - circle.center[a]).abs()).fold(0.0, f64::max);
        off < 1.5 && (field.circle.radius_px - circle.radius_px).abs() < 1.5
    };
    for (size, center, radius_px, ground) in [
        ([400, 380], [200.0, 190.0], 170.0, 0),
        // Cut above and below, as by cameras with wide sensors.
        ([600, 400], [290.0, 200.0], 260.0, 12),
        ([2400, 1800], [1200.0, 900.0], 880.0, 0),
    ] {
        let circle = Circle { center, radius_px };
        let field = FieldOfView::of(&painted(size, circle, ground));
        assert_eq!(field.kind, FieldKind::Round, "{size:?}");
        assert!(near(&field, circle), "{:?} {circle:?}", field.circle);
        let wrong = field.mask.iter().enumerate().filter(|(i, inside)| {
            let [x, y] = [(i % size[0]) as f64, (i / size[0]) as f64];
            **inside != circle.contains([x, y])
        });
        assert!(wrong.count() < field.mask.len() / 100);
    }
}

#[test]
fn pictures_without_ground_are_all_field() {
    let plain = Picture::new([64, 48], Cow::Owned(vec![[120, 60, 30]; 64 * 48])).unwrap();
    let field = FieldOfView::of(&plain);
    assert_eq!(
        (field.kind, field.mask.iter().all(|v| *v), field.bounds),
        (FieldKind::Whole, true, [[0, 0], [64, 48]])
    );
    assert!(!check(&plain, &field).is_fundus, "nothing to see");
    for level in [0, 255] {
        let uniform = Picture::new([40, 40], Cow::Owned(vec![[level; 3]; 1600])).unwrap();
        assert!(!check(&uniform, &FieldOfView::of(&uniform)).is_fundus);
    }
    // A bright rectangle on black is a field, and no round one.
    let at = |i: usize| {
        if (20..80).contains(&(i % 100)) && (30..70).contains(&(i / 100)) { [180, 90, 40] } else { [0; 3] }
    };
    let block = Picture::new([100, 100], Cow::Owned((0..10_000).map(at).collect())).unwrap();
    let field = FieldOfView::of(&block);
    assert_eq!(field.kind, FieldKind::Irregular);
    assert_eq!(field.mask.iter().filter(|v| **v).count(), 60 * 40);
}

#[test]
fn pictures_come_in_every_depth_and_not_too_small() {
    let grey16: Vec<u16> = (0..40 * 40).map(|i| (i % 40 * 1600) as u16).collect();
    let volume = image([40, 40, 1], Voxels::U16(grey16));
    let picture = Picture::of(&volume).unwrap();
    assert!(picture.is_gray());
    assert_eq!((picture.pixels()[0], picture.pixels()[39]), ([0; 3], [255; 3]));
    let wild = image(
        [40, 40, 1],
        Voxels::F32((0..1600).map(|i| if i == 3 { f32::NAN } else { i as f32 }).collect()),
    );
    assert_eq!(Picture::of(&wild).unwrap().pixels()[3], [0; 3]);
    let slices = image([40, 40, 2], Voxels::U8(vec![0; 3200]));
    assert_eq!(Picture::of(&slices).unwrap_err(), PictureError::Slices { slices: 2 });
    let tiny = image([31, 40, 1], Voxels::U8(vec![0; 31 * 40]));
    assert!(Picture::of(&tiny).unwrap_err().to_string().contains("31 × 40"));
    let grey = Picture::of(&volume).unwrap();
    let found = check(&grey, &FieldOfView::of(&grey));
    assert!(!found.is_fundus && found.reasons.contains(&FundusReason::Gray));
    let long = Picture::new([5000, 33], Cow::Owned(vec![[9; 3]; 5000 * 33])).unwrap();
    assert_eq!(long.reduced(100).0.size(), [5000, 33]);
    let (small, factor) = Picture::new([90, 60], Cow::Owned(vec![[9, 8, 7]; 5400])).unwrap().reduced(45);
    assert_eq!((small.size(), factor, small.pixels()[7]), ([90, 60], 1, [9, 8, 7]));
    let (small, factor) = Picture::new([90, 70], Cow::Owned(vec![[9, 8, 7]; 6300])).unwrap().reduced(45);
    assert_eq!((small.size(), factor, small.pixels()[7]), ([45, 35], 2, [9, 8, 7]));
}

#[test]
fn local_contrast_follows_its_limit_and_its_field() {
    let mut random = crate::random::SplitMix::new(8);
    let size = [120, 90];
    let faint: Vec<u8> = (0..size[0] * size[1])
        .map(|i| 100 + (i % size[0] / 3) as u8 + if i % 7 < 3 { 4 } else { 0 } + random.below(3) as u8)
        .collect();
    let with =
        |clip_limit: f64| clahe(&faint, size, None, &ClaheOptions { clip_limit, ..Default::default() });
    let spread = |plane: &[u8]| {
        let mean = plane.iter().map(|v| f64::from(*v)).sum::<f64>() / plane.len() as f64;
        (plane.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / plane.len() as f64).sqrt()
    };
    let changes = with(1.0).iter().zip(&faint).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(changes <= 10, "a limit of 1 changes little: {changes}");
    assert!(spread(&with(2.0)) > spread(&faint) && spread(&with(40.0)) > 1.5 * spread(&with(2.0)));
    let field: Vec<bool> = (0..faint.len()).map(|i| i % size[0] < 50).collect();
    let masked = clahe(&faint, size, Some(&field), &ClaheOptions::default());
    assert!((0..faint.len()).all(|i| field[i] || masked[i] == faint[i]));
    assert!((0..faint.len()).any(|i| masked[i] != faint[i]));
    assert_eq!(clahe(&faint, [7, 7], None, &ClaheOptions::default()), faint);
    assert!(clahe(&[], [0, 0], None, &ClaheOptions::default()).is_empty());
}

#[test]
fn one_tile_without_limit_is_histogram_equalisation() {
    let plane: Vec<u8> = (0..256).map(|i: usize| (i / 64 * 10) as u8).collect();
    let options = ClaheOptions { tiles: [1, 1], clip_limit: f64::INFINITY };
    let found = clahe(&plane, [16, 16], None, &options);
    // Four levels of a quarter each go to the middles of the quarters.
    assert_eq!([found[0], found[64], found[128], found[255]], [32, 96, 160, 224]);
}

#[test]
fn enhancement_keeps_hue_and_green_is_green() {
    let circle = Circle { center: [60.0, 60.0], radius_px: 50.0 };
    let picture = painted([120, 120], circle, 0);
    let options = ClaheOptions::default();
    assert_eq!(enhance(&picture, None, Enhancement::None, &options), picture.pixels());
    let green = enhance(&picture, None, Enhancement::Green, &options);
    assert!(green.iter().zip(picture.pixels()).all(|(g, p)| *g == [p[1]; 3]));
    let field = FieldOfView::of(&picture);
    for (new, old) in
        enhance(&picture, Some(&field.mask), Enhancement::Clahe, &options).iter().zip(picture.pixels())
    {
        if old[0] > 100 && new[0] > 60 {
            let hue = |p: &[u8; 3]| f64::from(p[1]) / f64::from(p[0]);
            assert!((hue(new) - hue(old)).abs() < 0.03, "{new:?} {old:?}");
        }
    }
}

#[test]
fn names_tell_the_eye_and_contradictions_tell_nothing() {
    let of = |name: &str| laterality_from_name(Path::new(name)).map(|g| g.laterality);
    let right = [
        "a/Image_01R.jpg",
        "P7_OD.png",
        "x/od-2.tif",
        "right eye 3.png",
        "R_12.png",
        "123_r.jpg",
        "MyRIGHT.png",
        "12-R.x.png",
    ];
    for name in &right[..6] {
        assert_eq!(of(name), Some(Laterality::Right), "{name}");
    }
    for name in ["Image_01L.jpg", "P7-OS.png", "LEFT 3.png", "l_12.png", "patient_left_macula.png"] {
        assert_eq!(of(name), Some(Laterality::Left), "{name}");
    }
    for name in [
        "drishtiGS_002.jpg",
        "IDRiD_01.jpg",
        "21_image.png",
        "OD_OS.png",
        "colour.png",
        "odd.png",
        "l_12_r.png",
    ] {
        assert_eq!(of(name), None, "{name}");
    }
    let patient = |name: &str| patient_from_name(Path::new(name));
    for (name, expected) in [
        ("a/Image_01L.jpg", "Image_01"),
        ("Image_01R.jpg", "Image_01"),
        ("P7_OD.png", "P7"),
        ("OS_12.png", "12"),
        ("12-R.x.png", "12.x"),
        ("drishtiGS_002.jpg", "drishtiGS_002"),
        ("OD_OS.png", "OD_OS"),
        ("OD.png", "OD"),
        ("é_L.png", "é"),
    ] {
        assert_eq!(patient(name), expected, "{name}");
    }
    let Some(files) = files("fundus_vessel_chase", &|n| n.ends_with(".jpg")) else { return };
    assert!(files.iter().all(|file| of(&file.display().to_string()).is_some()));
}

#[test]
fn the_place_of_the_disc_tells_the_eye_unless_it_is_in_the_middle() {
    let field = FieldOfView::of(&painted([400, 400], Circle { center: [200.0, 200.0], radius_px: 180.0 }, 0));
    let at = |x: f64| laterality_from_disc([x, 210.0], &field);
    assert_eq!(at(320.0).unwrap().laterality, Laterality::Right);
    assert_eq!(at(80.0).unwrap().laterality, Laterality::Left);
    assert!(at(330.0).unwrap().confidence > at(260.0).unwrap().confidence);
    assert_eq!((at(230.0), at(f64::NAN)), (None, None));
    let both = |name: &str, x: f64| laterality_of(Some(Path::new(name)), Some([x, 200.0]), &field).unwrap();
    let agreed = both("7_OD.png", 320.0);
    assert_eq!(
        (agreed.laterality, agreed.source, agreed.is_disputed),
        (Laterality::Right, LateralitySource::FileName, false)
    );
    let disputed = both("7_OS.png", 320.0);
    assert!(disputed.is_disputed && disputed.laterality == Laterality::Left && disputed.confidence < 0.75);
    assert_eq!(both("7.png", 320.0).source, LateralitySource::DiscPosition);
    assert_eq!(laterality_of(None, None, &field), None);
    assert_eq!(LateralityGuess::by_person(Laterality::Left.other()).laterality, Laterality::Right);
}

#[test]
fn real_discs_lie_where_their_eye_says_and_have_a_plausible_size() {
    let Some(files) = files("fundus_disc_idrid", &|n| n.ends_with(".jpg")) else { return };
    let mut eyes = String::new();
    for file in files {
        let volume = open(&file);
        let picture = Picture::of(&volume).unwrap();
        let field = FieldOfView::of(&picture);
        let truth = open(Path::new(&file.display().to_string().replace(".jpg", "_disc.png")));
        let labels: Vec<u16> =
            (0..truth.voxels().len()).map(|i| u16::from(truth.voxels().value(i) > 0.0)).collect();
        let disc =
            Extent::of(DiscMask::from_labels(&labels, picture.size(), DiscLabels::default()).unwrap().disc());
        let share = disc.height_px as f64 / (2.0 * field.circle.radius_px);
        assert!((0.08..0.35).contains(&share), "{share} {}", file.display());
        eyes += laterality_from_disc(disc.center, &field).map_or("-", |g| g.laterality.code());
    }
    // As seen in the pictures: the disc of the fourth lies near the middle.
    assert_eq!(eyes, "ODOSOS-ODODODODODOS");
}
