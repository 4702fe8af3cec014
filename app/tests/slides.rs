//! Slides and pictures of the worst cases on the command line.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use hilum_core::io::raster;
use hilum_core::testing::shared_data;
use hilum_core::volume::Voxels;
use serde_json::Value;

fn run(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_hilum")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

fn json(arguments: &[&str]) -> Value {
    let (ok, out, err) = run(&[arguments, &["--json"]].concat());
    assert!(ok, "{err}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn a_slide_says_its_pages_and_gives_a_part() {
    let Some(slide) = shared_data("data/wsi/small_HE.svs") else { return };
    let slide = slide.to_str().unwrap();
    let info = json(&["info", slide]);
    let roles: Vec<&str> =
        info["pages"].as_array().unwrap().iter().map(|page| page["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["level", "level", "label", "macro"]);
    assert_eq!(info["pages"][0]["pixel_um"], 0.499);
    let part = json(&["info", slide, "--page", "1", "--crop", "100,200,50,60"]);
    assert_eq!(part["dims"], serde_json::json!([50, 60, 1]));
    let (ok, _, err) = run(&["info", slide, "--crop", "2200,0,50,50"]);
    assert!(!ok && err.contains("2220 × 2967"), "{err}");
    let (ok, _, err) = run(&["info", slide, "--page", "7"]);
    assert!(!ok && err.contains("the file has 4 pages"), "{err}");
}

fn square(path: &Path, [from, to]: [usize; 2]) {
    let inside = |i: usize| (from..to).contains(&(i % 40)) && (from..to).contains(&(i / 40));
    let labels: Vec<u16> = (0..1600).map(|i| u16::from(inside(i))).collect();
    raster::save_labels(path, &labels, [40, 40]).unwrap();
}

#[test]
fn the_worst_cases_are_drawn_worst_first() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["pred", "truth", "images"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    for (case, predicted) in [("good", [10, 30]), ("bad", [25, 35]), ("fair", [10, 26])] {
        square(&at("truth").join(format!("{case}.png")), [10, 30]);
        square(&at("pred").join(format!("{case}.png")), predicted);
        let grey = Voxels::U8((0..1600).map(|i| (i % 40) as u8).collect());
        raster::save(&at("images").join(format!("{case}.png")), &grey, [40, 40]).unwrap();
    }
    let text = |name: &str| at(name).to_str().unwrap().to_owned();
    let (pred, truth, images, out) = (text("pred"), text("truth"), text("images"), text("out"));
    let common = ["evaluate", "--pred", &pred, "--truth", &truth, "--images", &images];
    let (ok, _, err) = run(&[&common[..], &["--pictures", &out, "--worst", "2"]].concat());
    assert!(ok, "{err}");
    let mut drawn: Vec<_> = std::fs::read_dir(at("out"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    drawn.sort();
    assert_eq!(drawn, ["worst-1-bad.png", "worst-2-fair.png"]);
    let opened = hilum_core::io::open(&at("out").join("worst-1-bad.png"), &Default::default(), &()).unwrap();
    let Voxels::Rgb8(pixels) = opened.volume.voxels() else { panic!("no colours") };
    let [width, height, _] = opened.volume.grid().dims();
    // Outlines have a colour, the image is grey. On the left is the larger square.
    let colored = |columns: std::ops::Range<usize>| {
        let in_columns = |i: &usize| columns.contains(&(i % width));
        (0..width * height).filter(in_columns).filter(|i| pixels[*i][0] != pixels[*i][2]).count()
    };
    let (left, right) = (colored(0..width / 2), colored(width / 2..width));
    assert!(left > right && right > 0, "{left} {right}");
}
