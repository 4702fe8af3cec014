//! `hilum attention` as a user runs it: the real program on phantoms with the models inside it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use hilum_core::geometry::{Affine, Grid};
use hilum_core::io::{self, OpenOptions, nifti, raster};
use hilum_core::phantom::{CtPhantomOptions, ct_phantom};
use hilum_core::volume::{ImageMeta, Source, Volume, Voxels};
use nalgebra::{Rotation3, Vector3};
use serde_json::Value;

mod common;

use common::{Ran, hilum, json, refused};

fn array(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("{value} is no array"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// A grey picture with two dark discs, its mask, and a pixel of the first disc.
fn slice(folder: &Path) -> (PathBuf, PathBuf, [usize; 2]) {
    let size = [160usize, 128];
    let place = |i: usize| ((i % size[0]) as f64, (i / size[0]) as f64);
    let is_dark = |i: usize| {
        let (x, y) = place(i);
        (x - 50.0).hypot(y - 64.0) < 24.0 || (x - 110.0).hypot(y - 64.0) < 24.0
    };
    let value = |i: usize| {
        let (x, y) = place(i);
        if is_dark(i) { 40 } else { (130.0 + 30.0 * (x * 0.2).sin() * (y * 0.13).cos()) as u8 }
    };
    let (image, mask) = (folder.join("slice.png"), folder.join("mask.png"));
    let count = size[0] * size[1];
    raster::save(&image, &Voxels::U8((0..count).map(value).collect()), size).unwrap();
    let labels: Vec<u16> = (0..count).map(|i| u16::from(is_dark(i))).collect();
    raster::save_labels(&mask, &labels, size).unwrap();
    (image, mask, [50, 64])
}

/// The file of a map has the range that the index tells, and its figure is a picture.
fn is_as_told(map: &Value, out: &Path) {
    let opened = io::open(&out.join(map["file"].as_str().unwrap()), &OpenOptions::default(), &()).unwrap();
    let (low, high) = opened.volume.voxels().finite_min_max().unwrap();
    let range = array(&map["range"]);
    assert!(
        (f64::from(low) - number(&range[0])).abs() < 1e-6
            && (f64::from(high) - number(&range[1])).abs() < 1e-6
    );
    assert!(map["text"].as_str().unwrap().len() > 60);
    let figure = io::open(&out.join(map["figure"].as_str().unwrap()), &OpenOptions::default(), &()).unwrap();
    assert!(figure.volume.voxels().is_color());
}

#[test]
fn a_picture_is_looked_into_with_rows_mass_and_checks() {
    let folder = tempfile::tempdir().unwrap();
    let (image, mask, [x, y]) = slice(folder.path());
    let out = folder.path().join("maps");
    let (image, mask, at) = (image.to_str().unwrap(), mask.to_str().unwrap(), format!("{x},{y},0"));
    let command =
        ["attention", image, "--model", "lung-hanet", "--at", &at, "--mask", mask, "--random", "--occlude"];
    let report = json(&[&command[..], &["--draws", "2", "--out", out.to_str().unwrap()]].concat());
    let index: Value = serde_json::from_slice(&std::fs::read(out.join("index.json")).unwrap()).unwrap();
    assert_eq!(index, report);
    let look = &array(&report["looks"])[0];
    assert_eq!((&look["arch"], &look["stage"]), (&"hanet".into(), &"labels".into()));
    let maps = array(&look["maps"]);
    maps.iter().for_each(|map| is_as_told(map, &out));
    let named =
        |name: &str| maps.iter().find(|map| map["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    // The marked pixel of a row lies within a pixel of the map of where it was marked.
    let row = named("ha.row hop 1");
    let query = array(&row["query_mm"]);
    let step = number(&row["affine"][0][0]);
    assert!(
        (number(&query[0]) - x as f64).abs() <= step && (number(&query[1]) - y as f64).abs() <= step,
        "{query:?}"
    );
    for row in ["ha.row hop 1", "ha.row hop 2", "ha.row hop 1 (plain self-attention)"] {
        let sum: f64 = array(&named(row)["mass"]).iter().map(|mass| number(&mass["mass"])).sum();
        assert!((sum - 1.0).abs() < 1e-3, "{row}: {sum}");
    }
    let received = named("ha.attention hop 1");
    assert!(number(&received["random"]["spearman"]) < 0.99);
    let layers = array(&look["layers"]);
    let plain = layers.iter().find(|layer| layer["read_as"] == "plain self-attention").unwrap();
    assert!((number(&plain["density"][0]["share"]) - 1.0).abs() < 1e-6);
    let own = layers.iter().find(|layer| layer["read_as"] == "as given").unwrap();
    assert!(number(&own["density"][0]["share"]) < 1.0);
    for class in array(&own["mass_by_class"]) {
        for channel in array(&class["channels"]) {
            let sum: f64 = array(&channel["mean"]).iter().map(number).sum();
            assert!((sum - 1.0).abs() < 1e-3, "{channel}");
        }
    }
    let occlusion = &array(&look["occlusion"])[0];
    assert_eq!(array(&occlusion["random"]).len(), 2);
    assert!((number(&occlusion["share"]) - 0.1).abs() < 0.02);
    // Another threshold and number of hops, from the same features.
    let command = [
        "attention",
        image,
        "--model",
        "lung-hanet",
        "--at",
        &at,
        "--delta",
        "0.9",
        "--hops",
        "3",
        "--reading",
        "cosine,literal_zero",
    ];
    let other = json(&[&command[..], &["--resample", "--out", out.to_str().unwrap()]].concat());
    let look = &array(&other["looks"])[0];
    let layer = array(&look["layers"]).iter().find(|layer| layer["read_as"] == "as given").unwrap();
    assert_eq!((&layer["delta"], &layer["hops"]), (&0.9.into(), &3.into()));
    let answer = |of: &Value, row: &str| of["reading"][row].as_str().unwrap().to_owned();
    assert_eq!(
        (answer(layer, "normalisation"), answer(layer, "erased")),
        ("cosine".into(), "literal_zero".into())
    );
    assert_eq!(answer(layer, "paths"), answer(own, "paths"), "what was not named is the network's own");
    assert!(number(&layer["density"][0]["share"]) < number(&own["density"][0]["share"]));
    let row = array(&look["maps"]).iter().find(|map| map["name"] == "ha.row hop 3").unwrap();
    let opened = io::open(&out.join(row["file"].as_str().unwrap()), &OpenOptions::default(), &()).unwrap();
    assert_eq!(opened.volume.grid().dims(), [160, 128, 1]);
}

/// A synthetic CT, turned in space.
fn askew_ct(folder: &Path) -> (PathBuf, String) {
    let options =
        CtPhantomOptions { dims: [75, 65, 31], spacing_mm: [3.9, 4.1, 7.0], ..CtPhantomOptions::default() };
    let phantom = ct_phantom(&options).unwrap();
    let grid = phantom.volume.grid();
    let turn = Rotation3::from_euler_angles(0.1, -0.15, 0.2);
    let affine =
        Affine::new(turn.matrix() * grid.affine().linear(), Vector3::new(40.0, -70.0, 15.0)).unwrap();
    let grid = Grid::new(grid.dims(), affine).unwrap();
    let meta = ImageMeta { source: Source::default(), ..phantom.volume.meta().clone() };
    let volume = Volume::new(grid, phantom.volume.voxels().clone(), meta).unwrap();
    let path = folder.join("ct.nii.gz");
    nifti::save_volume(&path, &volume).unwrap();
    let [x, y, z] = phantom.lesions[0].click_voxel;
    (path, format!("{x},{y},{z}"))
}

#[test]
fn a_click_shows_the_maps_of_both_stages_where_they_belong() {
    let folder = tempfile::tempdir().unwrap();
    let (image, click) = askew_ct(folder.path());
    let out = folder.path().join("maps");
    let image = image.to_str().unwrap();
    let report = json(&[
        "attention",
        image,
        "--click",
        &click,
        "--model",
        "lesion-div-light",
        "--out",
        out.to_str().unwrap(),
    ]);
    let looks = array(&report["looks"]);
    assert_eq!(
        looks.iter().map(|look| look["stage"].as_str().unwrap()).collect::<Vec<_>>(),
        ["coarse", "fine"]
    );
    let grid = io::open(Path::new(image), &OpenOptions::default(), &()).unwrap().volume.grid().to_owned();
    let at: Vec<f64> = click.split(',').map(|v| v.parse().unwrap()).collect();
    let world = grid.affine().world_from_voxel(nalgebra::Point3::new(at[0], at[1], at[2]));
    let mut count = 0;
    for map in looks.iter().flat_map(|look| array(&look["maps"])) {
        let opened =
            io::open(&out.join(map["file"].as_str().unwrap()), &OpenOptions::default(), &()).unwrap();
        assert!(opened.volume.grid().voxel_at_world(world).is_some(), "the click lies in {}", map["name"]);
        assert!(matches!(opened.volume.voxels(), Voxels::F32(_)));
        // What leaves the device is no larger than a slice of a CT (docs/decisions/0005).
        assert!(opened.volume.grid().voxel_count() <= 512 * 512, "{}", map["name"]);
        count += usize::from(map["meaning"] == "divergence");
    }
    // Every junction shows both paths and what it changes.
    for meaning in ["path_prediction", "feature_change", "answer_change"] {
        let of = |map: &&Value| map["meaning"] == meaning;
        let found = looks.iter().flat_map(|look| array(&look["maps"])).filter(of).count();
        assert_eq!(found, if meaning == "path_prediction" { 2 * count } else { count }, "{meaning}");
    }
    assert!((1..=8).contains(&count), "one map a level, not one a feature: {count}");
}

#[test]
fn a_figure_shows_image_mask_and_what_belongs_together() {
    let folder = tempfile::tempdir().unwrap();
    let (image, mask, [x, y]) = slice(folder.path());
    let (out, at) = (folder.path().join("maps"), format!("{x},{y},0"));
    for name in ["figure.svg", "figure.png"] {
        let figure = folder.path().join(name);
        let report = json(&[
            "attention",
            image.to_str().unwrap(),
            "--model",
            "lung-hanet",
            "--at",
            &at,
            "--mask",
            mask.to_str().unwrap(),
            "--figure",
            figure.to_str().unwrap(),
            "--one-scale",
            "--out",
            out.to_str().unwrap(),
        ]);
        assert_eq!(report["figure"], figure.to_str().unwrap());
    }
    let text = std::fs::read_to_string(folder.path().join("figure.svg")).unwrap();
    // Image, mask, plain self-attention and two hops, three of them with a colour bar.
    assert_eq!(text.matches("data:image/png;base64,").count(), 9);
    let captions = ["labels", "ha.row hop 1 (plain self-attention)", "ha.row hop 1", "ha.row hop 2"];
    for caption in captions.into_iter().chain(["one scale for all maps", "lung-hanet", "not for diagnosis"]) {
        assert!(text.contains(caption), "{caption}");
    }
    let graph = "δ = 0.50, n = 2, reading: row min–max, raw A*, boolean, −∞ mask, exact walks";
    assert!(text.contains(graph) && text.contains(">label 1<"), "{text:.300}");
    let picture = io::open(&folder.path().join("figure.png"), &OpenOptions::default(), &()).unwrap();
    assert!(picture.volume.grid().dims()[0] > 2000);
    let image = image.to_str().unwrap();
    let command = ["attention", image, "--model", "lung-hanet", "--out", out.to_str().unwrap()];
    let svg = folder.path().join("x.svg");
    let other = ["--figure", svg.to_str().unwrap(), "--figure-of", "nothing"];
    refused(&[&command[..], &other].concat(), &["no map", "ha.attention hop 1"]);
    let Ran { code, err, .. } = hilum(&[&command[..], &["--figure", "x.gif"]].concat());
    assert!(code == 2 && err.contains(".png or .svg"), "{err}");
    let file = svg.to_str().unwrap();
    refused(&[&command[..], &["--discriminator", file]].concat(), &["discriminator", "x.svg"]);
}

#[test]
fn masses_are_counted_over_the_images_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (image, mask, _) = slice(folder.path());
    let [images, masks] = ["images", "masks"].map(|name| folder.path().join(name));
    for (from, to) in [(&image, &images), (&mask, &masks)] {
        std::fs::create_dir(to).unwrap();
        for name in ["a.png", "b.png"] {
            std::fs::copy(from, to.join(name)).unwrap();
        }
    }
    std::fs::copy(&mask, masks.join("alone.png")).unwrap();
    let out = folder.path().join("masses");
    let [images, masks, out] = [&images, &masks, &out].map(|path| path.to_str().unwrap());
    let command = ["attention", images, "--masses", "--mask", masks, "--model", "lung-hanet", "--out", out];
    let report = json(&command);
    assert_eq!(array(&report["images"]).len(), 2);
    let figures = array(&report["figures"]);
    let of = |read_as: &str, hop: u64, by: u64| -> Vec<&Value> {
        let is_one = |row: &&Value| {
            let figure = &row["what"];
            (row["read_as"] == read_as && row["channel"] == hop)
                && (figure["figure"] == "given" && figure["by"] == by)
        };
        figures.iter().filter(is_one).collect()
    };
    for (read_as, hop) in [("as given", 1), ("as given", 2), ("plain self-attention", 1)] {
        let rows = of(read_as, hop, 1);
        let sum: f64 = rows.iter().map(|row| number(&row["mean"])).sum();
        let area: f64 = rows.iter().map(|row| number(&row["area"])).sum();
        assert!((sum - 1.0).abs() < 1e-3 && (area - 1.0).abs() < 1e-3, "{read_as} {hop}: {sum} {area}");
        // Twice the same image: no spread.
        assert!(rows.iter().all(|row| row["n"] == 2 && number(&row["sd"]) < 1e-6));
    }
    let plain =
        figures.iter().find(|r| r["read_as"] == "plain self-attention" && r["what"]["figure"] == "density");
    assert!((number(&plain.unwrap()["mean"]) - 1.0).abs() < 1e-6);
    // One image alone gives the same numbers.
    let one = folder.path().join("one");
    let command = [
        "attention",
        image.to_str().unwrap(),
        "--model",
        "lung-hanet",
        "--mask",
        mask.to_str().unwrap(),
        "--out",
    ];
    let single = json(&[&command[..], &[one.to_str().unwrap()]].concat());
    let layer = &array(&array(&single["looks"])[0]["layers"])[0];
    let class = array(&layer["mass_by_class"]).iter().find(|class| class["class"] == 1).unwrap();
    let mean = number(&array(&array(&class["channels"])[0]["mean"])[1]);
    let row = of("as given", 1, 1).into_iter().find(|row| row["what"]["to"] == 1).unwrap();
    assert!((mean - number(&row["mean"])).abs() < 1e-9, "{mean} {row}");
    refused(&command_without_model(images, masks, out), &["--model"]);
}

fn command_without_model<'a>(images: &'a str, masks: &'a str, out: &'a str) -> [&'a str; 7] {
    ["attention", images, "--masses", "--mask", masks, "--out", out]
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (image, mask, _) = slice(folder.path());
    let (image, mask) = (image.to_str().unwrap(), mask.to_str().unwrap());
    let out = folder.path().join("maps");
    let out = out.to_str().unwrap();
    refused(&["attention", image, "--out", out], &["--click", "--model", "lung-hanet"]);
    refused(
        &["attention", image, "--model", "lung-hanet", "--click", "3,3,0", "--out", out],
        &["takes no clicks", "--at"],
    );
    refused(&["attention", image, "--model", "nobody", "--click", "1,1,0", "--out", out], &["nobody"]);
    refused(
        &["attention", image, "--model", "lung-hanet", "--at", "900,3,0", "--out", out],
        &["900,3,0", "outside"],
    );
    let Ran { code, err, .. } =
        hilum(&["attention", image, "--model", "lung-hanet", "--delta", "1.5", "--out", out]);
    assert!(code == 2 && err.contains("0 to 1"), "{err}");
    let read = |name| hilum(&["attention", image, "--model", "lung-hanet", "--reading", name, "--out", out]);
    let Ran { code, err, .. } = read("softmax");
    assert!(code == 2 && err.contains("row_softmax"), "{err}");
    let Ran { code, err, .. } = read("sigmoid,cosine");
    assert!(code != 0 && err.contains("exclude each other"), "{err}");
    let other = folder.path().join("other.png");
    raster::save_labels(&other, &[0; 64], [8, 8]).unwrap();
    let other = other.to_str().unwrap();
    refused(
        &["attention", image, "--model", "lung-hanet", "--mask", other, "--out", out],
        &["grids differ", "8 × 8"],
    );
    assert!(Path::new(mask).exists());
}
