//! The commands for eyes and sections as a user runs them: the real program on phantoms, and on real data where it is.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use hilum_core::geometry::Grid;
use hilum_core::io::{self, OpenOptions, nifti, raster};
use hilum_core::testing::shared_data;
use hilum_core::volume::{ImageMeta, Volume, Voxels};
use serde_json::Value;

mod common;

use common::{Ran, hilum, json, refused};

/// A folder of the test with synthetic photographs in `images`, `disc_cup`, `vessels` and `fov`.
struct Eyes {
    folder: tempfile::TempDir,
    report: Value,
}

impl Eyes {
    fn new(seed: u32, count: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (out, seed, count) = (folder.path().to_str().unwrap(), seed.to_string(), count.to_string());
        let report = json(&[
            "sample", "fundus", "--out", out, "--seed", &seed, "--count", &count, "--size", "480,440",
        ]);
        Self { folder, report }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn reasons(report: &Value) -> Vec<String> {
    let all = report["quality"]["reasons"].as_array().unwrap();
    all.iter().map(|r| r["kind"].as_str().unwrap().to_owned()).collect()
}

fn pixels(path: &str) -> (Voxels, [usize; 2]) {
    let volume = io::open(Path::new(path), &OpenOptions::default(), &()).unwrap().volume;
    let [width, height, _] = volume.grid().dims();
    (volume.voxels().clone(), [width, height])
}

#[test]
fn a_photograph_is_measured_with_its_mask() {
    let eyes = Eyes::new(7, 1);
    let (image, mask) = (eyes.path("images/fundus_007.png"), eyes.path("disc_cup/fundus_007.png"));
    let (out, table) = (eyes.path("measured.png"), eyes.path("t.csv"));
    let truth = &eyes.report["pictures"][0];
    let found = json(&["cdr", &image, "--mask", &mask, "--out", &out, "--csv", &table]);
    let vertical = &found["ratios"]["vertical"];
    assert_eq!(number(&vertical["value"]), number(&truth["vertical_cdr"]));
    assert!(number(&vertical["low"]) < number(&vertical["value"]));
    assert!(number(&vertical["high"]) > number(&vertical["value"]));
    assert_eq!(found["laterality"]["laterality"], truth["laterality"]);
    assert_eq!(found["quality"]["trust"], "good", "{found}");
    assert_eq!(found["rim"]["clock_hours"].as_array().unwrap().len(), 12);
    assert!(found["rim"]["isnt"]["order"].is_string() && found["rim"].get("profile").is_none());
    assert_eq!(pixels(&out), pixels(&mask));
    let table = std::fs::read_to_string(&table).unwrap();
    assert!(table.starts_with("image,eye,eye_confidence,vcdr,") && table.lines().count() == 2, "{table}");
    let rays = json(&["cdr", &image, "--mask", &mask, "--profile"]);
    assert_eq!(rays["rim"]["profile"]["disc_radius_px"].as_array().unwrap().len(), 360);
    // The eye can be corrected, and the outlines' uncertainty chosen.
    let other = json(&["cdr", &image, "--mask", &mask, "--eye", "OS", "--shift", "0", "--together"]);
    assert_eq!(other["laterality"]["source"], "person");
    assert_eq!(other["ratios"]["vertical"]["low"], other["ratios"]["vertical"]["high"]);
    let Ran { code, out: text, err } = hilum(&["cdr", &image, "--mask", &mask]);
    assert_eq!(code, 0, "{err}");
    for words in ["vertical 0.", "o'clock", "ISNT rule", "quality: good"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_folder_is_measured_row_by_row_and_a_bad_file_does_not_stop_it() {
    let eyes = Eyes::new(1, 3);
    std::fs::write(eyes.path("images/broken.png"), b"\x89PNG\r\n\x1a\nno").unwrap();
    std::fs::write(eyes.path("disc_cup/broken.png"), b"\x89PNG\r\n\x1a\nno").unwrap();
    std::fs::copy(eyes.path("images/fundus_001.png"), eyes.path("images/alone.png")).unwrap();
    let (images, masks) = (eyes.path("images"), eyes.path("disc_cup"));
    let (table, out, reference) = (eyes.path("t.csv"), eyes.path("measured"), eyes.path("reference.csv"));
    let truths = eyes.report["pictures"].as_array().unwrap();
    let rows: String =
        truths.iter().map(|t| format!("{},{}\n", t["name"].as_str().unwrap(), t["vertical_cdr"])).collect();
    std::fs::write(&reference, format!("image,cdr_truth\n{rows}")).unwrap();
    let found =
        json(&["cdr", &images, "--mask", &masks, "--csv", &table, "--out", &out, "--reference", &reference]);
    assert_eq!(found["cases"].as_array().unwrap().len(), 3);
    let mean = truths.iter().map(|t| number(&t["vertical_cdr"])).sum::<f64>() / 3.0;
    assert!((number(&found["mean"]["vertical"]["mean"]) - mean).abs() < 1e-9);
    assert_eq!(
        (&found["failed"][0]["name"], number(&found["reference"][0]["mean_absolute_difference"])),
        (&"broken".into(), 0.0)
    );
    assert!(found["left_out"][0].as_str().unwrap().contains("alone"));
    assert_eq!(std::fs::read_to_string(&table).unwrap().lines().count(), 4);
    assert_eq!(pixels(&format!("{out}/fundus_002.png")), pixels(&eyes.path("disc_cup/fundus_002.png")));
    let Ran { code, out: text, err } = hilum(&["cdr", &images, "--mask", &masks]);
    assert!(code == 0 && text.contains("mean of 3") && err.contains("broken"), "{text} {err}");
}

#[test]
fn both_eyes_of_a_patient_come_on_one_page() {
    let eyes = Eyes::new(1, 2);
    for (folder, ending) in [("images", "png"), ("disc_cup", "png")] {
        for (seed, name) in [("001", "P7_OD"), ("002", "P7_OS")] {
            let from = eyes.path(&format!("{folder}/fundus_{seed}.{ending}"));
            std::fs::rename(from, eyes.path(&format!("{folder}/{name}.{ending}"))).unwrap();
        }
    }
    let (images, masks, pages) = (eyes.path("images"), eyes.path("disc_cup"), eyes.path("pages"));
    json(&["cdr", &images, "--mask", &masks, "--report", &pages]);
    let names: Vec<_> = std::fs::read_dir(&pages).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["P7.pdf"]);
    let pdf = std::fs::read(format!("{pages}/P7.pdf")).unwrap();
    let at = |words: &str| pdf.windows(words.len()).position(|w| w == words.as_bytes());
    assert!(at("Right eye").unwrap() < at("Left eye").unwrap());
    let one = eyes.path("one.pdf");
    json(&[
        "cdr",
        &eyes.path("images/P7_OS.png"),
        "--mask",
        &eyes.path("disc_cup/P7_OS.png"),
        "--report",
        &one,
    ]);
    assert!(std::fs::read(&one).unwrap().starts_with(b"%PDF"));
    let image = eyes.path("images/P7_OS.png");
    refused(&["cdr", &image, "--mask", &masks, "--report", &one], &["two of a kind"]);
    refused(&["cdr", &image, "--mask", &eyes.path("disc_cup/P7_OS.png"), "--report", &pages], &[".pdf"]);
}

#[test]
fn what_is_no_eye_has_no_ratio_that_is_to_be_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    json(&["sample", "histology", "--out", &path("h"), "--size", "300,260"]);
    let section = path("h/images/histology_001.png");
    refused(&["cdr", &section], &["does not look like", "--mask", "histology_001.png"]);
    // A mask of two circles on it can be measured, and the doubt is said.
    let circle = |x: usize, y: usize, r: usize| x.abs_diff(150).pow(2) + y.abs_diff(130).pow(2) <= r * r;
    let labels: Vec<u16> = (0..300 * 260)
        .map(|i| (i % 300, i / 300))
        .map(|(x, y)| if circle(x, y, 25) { 2 } else { u16::from(circle(x, y, 50)) })
        .collect();
    let mask = path("mask.png");
    raster::save_labels(Path::new(&mask), &labels, [300, 260]).unwrap();
    let found = json(&["cdr", &section, "--mask", &mask]);
    assert_eq!(found["quality"]["trust"], "no");
    assert_eq!(reasons(&found), ["not_a_fundus"]);
    assert_eq!(number(&found["ratios"]["vertical"]["value"]), 51.0 / 101.0);
    // Grey pictures, also of 16 bits, may be red-free photographs.
    let grey = path("grey.png");
    let values =
        (0..300 * 260).map(|i| if circle(i % 300, i / 300, 120) { 30_000 + (i % 97) as u16 * 40 } else { 0 });
    raster::save(Path::new(&grey), &Voxels::U16(values.collect()), [300, 260]).unwrap();
    let found = json(&["cdr", &grey, "--mask", &mask]);
    assert_eq!(
        (&found["quality"]["trust"], reasons(&found)),
        (&"check".into(), vec!["disc_too_large".to_owned(), "not_a_fundus".to_owned()])
    );
    refused(&["cdr", &grey], &["no colour"]);
    // Of a tiny one nothing can be told.
    let (tiny, small) = (path("tiny.png"), path("small.png"));
    raster::save(Path::new(&tiny), &Voxels::Rgb8(vec![[200, 100, 50]; 400]), [20, 20]).unwrap();
    let labels: Vec<u16> = (0..400)
        .map(|i| {
            if i % 20 > 7 && i % 20 < 12 && (8..12).contains(&(i / 20)) {
                2
            } else {
                u16::from((3..17).contains(&(i % 20)) && (5..15).contains(&(i / 20)))
            }
        })
        .collect();
    raster::save_labels(Path::new(&small), &labels, [20, 20]).unwrap();
    let found = json(&["cdr", &tiny, "--mask", &small]);
    assert_eq!(found["quality"]["trust"], "no");
    assert!(reasons(&found).contains(&"few_pixels".to_owned()), "{found}");
    refused(&["cdr", &tiny], &["20 × 20", "at least 32"]);
}

#[test]
fn masks_that_do_not_fit_are_refused_with_what_to_do() {
    let eyes = Eyes::new(3, 1);
    let (image, mask) = (eyes.path("images/fundus_003.png"), eyes.path("disc_cup/fundus_003.png"));
    let (voxels, [width, height]) = pixels(&mask);
    let labels: Vec<u16> = (0..voxels.len()).map(|i| voxels.value(i) as u16).collect();
    let save = |name: &str, labels: &[u16], size: [usize; 2]| {
        let path = eyes.path(name);
        raster::save_labels(Path::new(&path), labels, size).unwrap();
        path
    };
    let turned: Vec<u16> = (0..labels.len()).map(|i| labels[i % height * width + i / height]).collect();
    refused(
        &["cdr", &image, "--mask", &save("turned.png", &turned, [height, width])],
        &["EXIF", "440 × 480"],
    );
    refused(&["cdr", &image, "--mask", &save("small.png", &[1; 100], [10, 10])], &["10 × 10", "480 × 440"]);
    refused(
        &["cdr", &image, "--mask", &save("empty.png", &vec![0; labels.len()], [width, height])],
        &["no optic disc"],
    );
    let other: Vec<u16> = labels.iter().map(|label| [0, 128, 200][usize::from(*label)]).collect();
    let other = save("other.png", &other, [width, height]);
    refused(&["cdr", &image, "--mask", &other], &["no optic disc", "rim", "cup"]);
    let found = json(&["cdr", &image, "--mask", &other, "--rim", "128", "--cup", "200"]);
    assert_eq!(
        number(&found["ratios"]["vertical"]["value"]),
        number(&eyes.report["pictures"][0]["vertical_cdr"])
    );
    let disc: Vec<u16> = labels.iter().map(|label| if *label > 0 { 255 } else { 0 }).collect();
    let found = json(&["cdr", &image, "--mask", &save("disc.png", &disc, [width, height])]);
    assert!(found["ratios"].is_null() && reasons(&found) == ["no_cup"], "{found}");
    refused(&["cdr", &image, "--mask", &mask, "--out", &eyes.path("m.jpg")], &[".png, .nii"]);
    refused(&["cdr", &image, "--mask", &mask, "--rim", "2"], &["--rim 2"]);
    refused(&["cdr", &image, "--mask", &eyes.path("disc_cup")], &["two of a kind"]);
    refused(&["cdr", &eyes.path("disc_cup"), "--mask", &mask], &["two of a kind"]);
    refused(&["cdr", &eyes.path("no.png"), "--mask", &mask], &["no.png"]);
}

/// A JPEG with an EXIF orientation.
fn exif_jpeg(path: &str, colors: &[[u8; 3]], size: [usize; 2], orientation: u8) {
    let mut bytes = Vec::new();
    let flat: Vec<u8> = colors.iter().flatten().copied().collect();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder.encode(&flat, size[0] as u32, size[1] as u32, image::ExtendedColorType::Rgb8).unwrap();
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let len = (exif.len() + 2) as u16;
    let segment: Vec<u8> = [&[0xff, 0xe1][..], &len.to_be_bytes(), &exif].concat();
    bytes.splice(2..2, segment);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_photograph_on_its_side_is_measured_upright() {
    let eyes = Eyes::new(5, 1);
    let (voxels, [width, height]) = pixels(&eyes.path("images/fundus_005.png"));
    let Voxels::Rgb8(colors) = voxels else { panic!("colour") };
    // Orientation 6: the camera lay on its side; rows of the file are columns of the picture from the bottom up.
    let stored: Vec<[u8; 3]> = (0..colors.len())
        .map(|i| (i % height, i / height))
        .map(|(x, y)| colors[x * width + (width - 1 - y)])
        .collect();
    let path = eyes.path("turned.jpg");
    exif_jpeg(&path, &stored, [height, width], 8);
    let found = json(&["cdr", &path, "--mask", &eyes.path("disc_cup/fundus_005.png")]);
    let truth = &eyes.report["pictures"][0];
    assert_eq!(number(&found["ratios"]["vertical"]["value"]), number(&truth["vertical_cdr"]));
    assert_eq!(
        (&found["quality"]["trust"], &found["laterality"]["laterality"]),
        (&"good".into(), &truth["laterality"])
    );
}

#[test]
fn disc_and_cup_are_evaluated() {
    let eyes = Eyes::new(1, 2);
    let (pred, truth) = (eyes.path("pred"), eyes.path("disc_cup"));
    std::fs::create_dir(&pred).unwrap();
    // The first agrees; of the second the cup is missing.
    std::fs::copy(eyes.path("disc_cup/fundus_001.png"), eyes.path("pred/fundus_001.png")).unwrap();
    let (voxels, size) = pixels(&eyes.path("disc_cup/fundus_002.png"));
    let flat: Vec<u16> = (0..voxels.len()).map(|i| u16::from(voxels.value(i) > 0.0)).collect();
    raster::save_labels(Path::new(&eyes.path("pred/fundus_002.png")), &flat, size).unwrap();
    let found = json(&["evaluate", "--pred", &pred, "--truth", &truth, "--fundus"]);
    let case = |i: usize| &found["cases"][i]["fundus"];
    for figure in ["disc_dice", "cup_dice"] {
        assert_eq!(number(&case(0)[figure]), 1.0);
    }
    assert_eq!((number(&case(0)["vcdr_error"]), number(&case(1)["disc_dice"])), (0.0, 1.0));
    let ratio = number(&eyes.report["pictures"][1]["vertical_cdr"]);
    assert_eq!((number(&case(1)["cup_dice"]), number(&case(1)["vcdr_error"])), (0.0, ratio));
    assert!((number(&found["fundus"]["vcdr_error"]["mean"]) - ratio / 2.0).abs() < 1e-12);
    let Ran { code, out: text, err } = hilum(&["evaluate", "--pred", &pred, "--truth", &truth, "--fundus"]);
    assert!(code == 0 && text.contains("vcdr_error"), "{err}");
}

#[test]
fn vessels_are_counted_in_the_whole_picture_and_in_its_field_of_view() {
    let eyes = Eyes::new(4, 1);
    let (truth, fov) = (eyes.path("vessels/fundus_004.png"), eyes.path("fov/fundus_004.png"));
    let (vessels, size) = pixels(&truth);
    let (field, _) = pixels(&fov);
    let is = |voxels: &Voxels, i: usize| voxels.value(i) > 0.0;
    // Probabilities: 0.2 for ground, 0.8 for vessels, 0.6 for every tenth of the ground.
    let chance = |i: usize| {
        if is(&vessels, i) {
            0.8f32
        } else if i.is_multiple_of(10) {
            0.6
        } else {
            0.2
        }
    };
    let save = |name: &str, voxels: Voxels| {
        let path = eyes.path(name);
        match name.ends_with(".png") {
            true => raster::save(Path::new(&path), &voxels, size).unwrap(),
            false => {
                let grid = Grid::from_spacing([size[0], size[1], 1], [1.0; 3]).unwrap();
                let volume = Volume::new(grid, voxels, ImageMeta::default()).unwrap();
                nifti::save_volume(Path::new(&path), &volume).unwrap();
            }
        }
        path
    };
    let count = size[0] * size[1];
    // A spread of values at the border of the picture shows that the file holds no labels.
    let grey8 = save(
        "p8.png",
        Voxels::U8((0..count).map(|i| if i < 51 { i as u8 } else { (chance(i) * 255.0) as u8 }).collect()),
    );
    let grey16 = save(
        "p16.png",
        Voxels::U16(
            (0..count).map(|i| if i < 51 { i as u16 } else { (chance(i) * 65535.0) as u16 }).collect(),
        ),
    );
    let float = save(
        "p.nii.gz",
        Voxels::F32((0..count).map(|i| if i < 51 { i as f32 / 255.0 } else { chance(i) }).collect()),
    );
    let (positive, inside): (Vec<usize>, Vec<usize>) =
        ((0..count).filter(|i| is(&vessels, *i)).collect(), (0..count).filter(|i| is(&field, *i)).collect());
    let false_ones = |of: &mut dyn Iterator<Item = usize>| {
        of.filter(|i| *i >= 51 && !is(&vessels, *i) && i.is_multiple_of(10)).count() as f64
    };
    for pred in [&grey8, &grey16, &float] {
        let found = json(&["evaluate", "--pred", pred, "--truth", &truth, "--fov", &fov]);
        let (whole, field) = (&found["regions"]["whole"], &found["regions"]["inside_fov"]);
        assert_eq!(
            (number(&whole["sensitivity"]), number(&whole["auc"]), number(&field["auc"])),
            (1.0, 1.0, 1.0)
        );
        let expected = 1.0 - false_ones(&mut (0..count)) / (count - positive.len()) as f64;
        assert!((number(&whole["specificity"]) - expected).abs() < 1e-9, "{pred}");
        let expected = 1.0 - false_ones(&mut inside.iter().copied()) / (inside.len() - positive.len()) as f64;
        assert!((number(&field["specificity"]) - expected).abs() < 1e-9, "{pred}");
        let strict = json(&["evaluate", "--pred", pred, "--truth", &truth, "--threshold", "0.7"]);
        assert_eq!(number(&strict["regions"]["whole"]["f1"]), 1.0);
        assert!(strict["regions"]["inside_fov"].is_null());
    }
    let binary = json(&["evaluate", "--pred", &truth, "--truth", &truth, "--fov", &fov]);
    assert!(binary["regions"]["whole"]["auc"].is_null() && binary["labels"][0]["dice"] == 1.0);
    let Ran { code, out: text, err } =
        hilum(&["evaluate", "--pred", &float, "--truth", &truth, "--fov", &fov]);
    assert!(code == 0 && text.contains("field of view") && text.contains("auc"), "{err}");
    let wild = save("wild.nii", Voxels::F32(vec![1.5; count]));
    refused(&["evaluate", "--pred", &wild, "--truth", &truth, "--probability"], &["within 0 and 1", "1.5"]);
    refused(&["evaluate", "--pred", &wild, "--truth", &truth], &["whole numbers"]);
    let empty = save("empty.png", Voxels::U8(vec![0; count]));
    refused(&["evaluate", "--pred", &truth, "--truth", &truth, "--fov", &empty], &["field of view is empty"]);
    refused(
        &["evaluate", "--pred", &truth, "--truth", &truth, "--fov", &eyes.path("fov")],
        &["--fov is a folder"],
    );
}

#[test]
fn samples_are_decided_by_their_seed() {
    let (a, b) = (Eyes::new(9, 1), Eyes::new(8, 2));
    for folder in ["images", "disc_cup", "vessels", "fov"] {
        let name = format!("{folder}/fundus_009.png");
        assert_eq!(std::fs::read(a.path(&name)).unwrap(), std::fs::read(b.path(&name)).unwrap(), "{folder}");
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let found =
        json(&["sample", "histology", "--out", out, "--count", "2", "--size", "256,320", "--stain", "pas"]);
    assert_eq!(
        (found["pictures"][1]["stain"].as_str(), found["classes"].as_array().unwrap().len()),
        (Some("pas"), 6)
    );
    let (labels, size) = pixels(&format!("{out}/labels/histology_002.png"));
    assert_eq!((size, (0..labels.len()).all(|i| labels.value(i) < 6.0)), ([256, 320], true));
    assert_eq!(hilum(&["sample", "fundus", "--out", out, "--size", "10,10"]).code, 2);
    refused(&["sample", "fundus", "--out", out, "--noise", "300"], &["noise is 300"]);
}

fn shared(relative: &str) -> Option<String> {
    shared_data(relative).map(|path: PathBuf| path.to_str().unwrap().to_owned())
}

#[test]
fn real_discs_agree_with_their_experts() {
    let (Some(images), Some(labels), Some(index)) = (
        shared("data/fundus_disc_cup_drishti/images"),
        shared("data/fundus_disc_cup_drishti/labels"),
        shared("data/fundus_disc_cup_drishti/index.csv"),
    ) else {
        return;
    };
    let found = json(&["cdr", &images, "--mask", &labels, "--reference", &index]);
    let cases = found["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 50);
    assert!(cases.iter().all(|case| case["quality"]["trust"] == "good" && case["is_fundus"] == true));
    let mean = found["reference"].as_array().unwrap().last().unwrap();
    assert_eq!((&mean["column"], &mean["n"]), (&"mean of 4".into(), &50.into()));
    assert!(
        number(&mean["mean_absolute_difference"]) < 0.026 && number(&mean["correlation"]) > 0.98,
        "{mean}"
    );
}

#[test]
fn a_real_folder_with_discs_alone_has_no_ratio() {
    let Some(folder) = shared("data/fundus_disc_idrid") else { return };
    let found = json(&["cdr", &folder, "--mask", &folder]);
    let cases = found["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 10);
    assert!(
        cases.iter().all(|case| case["ratios"].is_null() && reasons(case).contains(&"no_cup".to_owned()))
    );
    assert!(found["mean"]["vertical"].is_null());
}
