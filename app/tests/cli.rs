//! The command line as a user runs it: the real program on generated phantoms, and on real data where it is.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Stdio};

use hilum_core::testing::shared_data;
use serde_json::Value;

mod common;

use common::{hilum, json, phantom, refused, shared};

#[test]
fn a_sample_is_decided_by_its_seed_and_described_by_info() {
    let (a, b) = (phantom(3), phantom(3));
    assert_eq!(std::fs::read(&a.image).unwrap(), std::fs::read(&b.image).unwrap());
    let info = json(&["info", &a.image]);
    assert_eq!(info["kind"], "nifti");
    assert_eq!(info["dims"], serde_json::json!([112, 96, 44]));
    assert_eq!(info["spacing_mm"], serde_json::json!([3.0, 3.0, 5.0]));
    assert_eq!(info["orientation"], "LPS");
    assert_eq!(info["voxel_type"], "int16");
    assert!(info["value_range"]["min"].as_f64().unwrap() < -900.0);
    let text = hilum(&["info", &a.image]);
    assert!(text.out.contains("112 × 96 × 44 voxels of 3 × 3 × 5 mm, LPS"), "{}", text.out);
}

#[test]
fn a_model_for_other_images_is_doubted_and_an_unknown_one_named() {
    let folder = tempfile::tempdir().unwrap();
    let grey = folder.path().join("grey.png");
    let value = |x: u32, y: u32| image::Luma([((x * 7 + y * 13) % 251) as u8]);
    image::ImageBuffer::from_fn(96, 96, value).save(&grey).unwrap();
    let out = folder.path().join("mask.png");
    let (grey, out) = (grey.to_str().unwrap(), out.to_str().unwrap());
    let arguments = ["segment", grey, "--model", "disc-locate", "--out", out, "--device", "cpu"];
    let ran = hilum(&arguments);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.err.contains("warning: the model hardly suits") && ran.err.contains("is grey"),
        "{}",
        ran.err
    );
    let report = json(&arguments);
    let told = report["images"][0]["warnings"].to_string();
    assert!(told.contains("is grey"), "{report}");
    refused(&["segment", grey, "--model", "nosuch", "--out", out], &["no model \"nosuch\"", "disc-locate"]);
}

#[test]
fn an_image_is_never_overwritten_by_what_is_made_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let p = phantom(1);
    let before = std::fs::read(&p.image).unwrap();
    let words = ["is the image itself", "choose another name"];
    refused(&["segment", &p.image, "--click", "60,60,20", "--out", &p.image], &words);
    refused(&["convert", &p.image, &p.image], &words);
    refused(&["convert", &p.truth, &p.image, "--labels", "--image", &p.image], &words);
    assert_eq!(std::fs::read(&p.image).unwrap(), before);
    // Of a folder the mask of one picture may have the name of another.
    for name in ["a.png", "a.jpg"] {
        image::RgbImage::from_pixel(64, 64, image::Rgb([90, 60, 30])).save(folder.path().join(name)).unwrap();
    }
    let pictures = folder.path().to_str().unwrap();
    refused(&["segment", pictures, "--model", "disc-locate", "--out", pictures], &words);
}

#[test]
fn the_launcher_without_a_console_starts_the_program_and_ends_as_it_does() {
    let launched = |arguments: &[&str]| {
        let ran = Command::new(env!("CARGO_BIN_EXE_hilumw")).args(arguments).output().unwrap();
        (ran.status.code().unwrap(), String::from_utf8(ran.stdout).unwrap())
    };
    assert_eq!(launched(&["--version"]), (0, hilum(&["--version"]).out));
    assert_eq!(launched(&["info", "no such file.nii"]).0, hilum(&["info", "no such file.nii"]).code);
}

#[test]
fn a_truth_agrees_with_itself_in_every_figure() {
    let p = phantom(1);
    let report = json(&["evaluate", "--pred", &p.truth, "--truth", &p.truth]);
    let labels = report["labels"].as_array().unwrap();
    assert_eq!(labels.len(), 6);
    for label in labels {
        for figure in ["dice", "iou", "precision", "recall", "f1", "accuracy", "specificity"] {
            assert_eq!(label[figure], 1.0, "{figure}");
        }
        assert_eq!((&label["hd95_mm"], &label["assd_mm"]), (&0.0.into(), &0.0.into()));
    }
    assert_eq!(labels[2]["name"], "lung nodule");
    let one = json(&["evaluate", "--pred", &p.truth, "--truth", &p.truth, "--label", "2"]);
    assert_eq!(one["labels"].as_array().unwrap().len(), 1);
    let other =
        json(&["evaluate", "--pred", &p.truth, "--truth", &p.truth, "--label", "2", "--pred-label", "3"]);
    assert_eq!(other["labels"][0]["dice"], 0.0);
    assert!(other["labels"][0]["hd95_mm"].as_f64().unwrap() > 20.0);
    let absent = json(&["evaluate", "--pred", &p.truth, "--truth", &p.truth, "--label", "9"]);
    assert_eq!((&absent["labels"][0]["dice"], &absent["labels"][0]["hd95_mm"]), (&1.0.into(), &Value::Null));
}

#[test]
fn masks_on_different_grids_are_refused_unless_the_spacing_is_given() {
    let p = phantom(1);
    let other = p.path("other.nii.gz");
    json(&[
        "sample",
        "ct",
        "--out",
        &p.path("x.nii.gz"),
        "--truth",
        &other,
        "--dims",
        "112,96,44",
        "--spacing",
        "3,3,4",
    ]);
    refused(
        &["evaluate", "--pred", &other, "--truth", &p.truth],
        &["grids differ", "--spacing", "other.nii.gz"],
    );
    let forced = json(&["evaluate", "--pred", &other, "--truth", &p.truth, "--spacing", "1,1,2"]);
    assert_eq!(forced["spacing_mm"], serde_json::json!([1.0, 1.0, 2.0]));
    json(&["sample", "ct", "--out", &p.path("x.nii.gz"), "--truth", &other, "--dims", "40,40,8"]);
    refused(&["evaluate", "--pred", &other, "--truth", &p.truth, "--spacing", "1,1,1"], &["40", "112"]);
}

#[test]
fn folders_are_paired_by_name_and_summarised() {
    let (pred, truth) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let make = |folder: &Path, name: &str, seed: &str| {
        let (image, mask) = (folder.join("image.tmp.nii"), folder.join(name));
        let (image, mask) = (image.to_str().unwrap(), mask.to_str().unwrap());
        let size = ["--dims", "60,50,40", "--spacing", "6,6,6", "--seed", seed];
        json(&[&["sample", "ct", "--out", image, "--truth", mask][..], &size[..]].concat());
        std::fs::remove_file(image).unwrap();
    };
    for (name, seed_pred, seed_truth) in [("a", "1", "1"), ("b", "2", "3"), ("c", "4", "5")] {
        make(pred.path(), &format!("{name}.nii.gz"), seed_pred);
        make(truth.path(), &format!("{name}.nii"), seed_truth);
    }
    make(pred.path(), "extra.nii", "1");
    let arguments =
        ["evaluate", "--pred", pred.path().to_str().unwrap(), "--truth", truth.path().to_str().unwrap()];
    let report = json(&arguments);
    assert_eq!(report["cases"].as_array().unwrap().len(), 3);
    assert_eq!(report["only_pred"], serde_json::json!(["extra"]));
    let summary = &report["summary"][0];
    let dice: Vec<f64> =
        (0..3).map(|case| report["cases"][case]["labels"][0]["dice"].as_f64().unwrap()).collect();
    let mean = dice.iter().sum::<f64>() / 3.0;
    assert_eq!((dice[0], summary["cases"].as_u64()), (1.0, Some(3)));
    assert!((summary["dice"]["mean"].as_f64().unwrap() - mean).abs() < 1e-12);
    let (low, high) =
        (summary["dice"]["ci95_low"].as_f64().unwrap(), summary["dice"]["ci95_high"].as_f64().unwrap());
    assert!(low <= mean && mean <= high && low < high, "{low} {mean} {high}");
    assert_eq!(report, json(&arguments), "the bootstrap is not repeatable");
    let text = hilum(&arguments);
    assert!(
        text.out.contains("mean of 3") && text.err.contains("no truth for extra"),
        "{}{}",
        text.out,
        text.err
    );
    let empty = tempfile::tempdir().unwrap();
    refused(&["evaluate", "--pred", empty.path().to_str().unwrap(), "--truth", arguments[4]], &["same name"]);
}

#[test]
fn photographs_masks_are_read_as_labels_or_as_black_and_white() {
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, value: fn(u32, u32) -> u8| {
        let path = folder.path().join(name);
        image::GrayImage::from_fn(20, 10, |x, y| image::Luma([value(x, y)])).save(&path).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let left = save("left.png", |x, _| if x < 10 { 255 } else { 0 });
    let wide = save("wide.png", |x, _| if x < 15 { 255 } else { 0 });
    let labels = save("labels.png", |x, _| if x < 5 { 1 } else { u8::from(x < 10) * 2 });
    let report = json(&["evaluate", "--pred", &wide, "--truth", &left]);
    assert!((report["labels"][0]["dice"].as_f64().unwrap() - 0.8).abs() < 1e-12);
    assert_eq!((&report["labels"][0]["hd_mm"], &report["labels"][0]["label"]), (&5.0.into(), &1.into()));
    let millimetres = json(&["evaluate", "--pred", &wide, "--truth", &left, "--spacing", "0.5,0.5,1"]);
    assert_eq!(millimetres["labels"][0]["hd_mm"], 2.5);
    assert_eq!(json(&["measure", &labels])["labels"].as_array().unwrap().len(), 2);
    let color = folder.path().join("color.png");
    image::RgbImage::from_fn(20, 10, |x, _| image::Rgb([x as u8, 0, 0])).save(&color).unwrap();
    refused(&["measure", color.to_str().unwrap()], &["rgb8", "color.png"]);
}

#[test]
fn measures_agree_with_what_was_painted() {
    let p = phantom(2);
    let report = json(&["measure", &p.truth, "--image", &p.image]);
    for (object, lesion) in
        report["labels"].as_array().unwrap().iter().zip(p.report["lesions"].as_array().unwrap())
    {
        assert_eq!((&object["label"], &object["name"]), (&lesion["label"], &lesion["name"]));
        assert_eq!(object["voxel_count"], lesion["voxel_count"]);
        let ml = lesion["voxel_count"].as_f64().unwrap() * 45.0 / 1000.0;
        assert!((object["volume_ml"].as_f64().unwrap() - ml).abs() < 1e-9);
        let (long, short) =
            (object["long_axis_mm"].as_f64().unwrap(), object["short_axis_mm"].as_f64().unwrap());
        assert!(10.0 < long && long < 80.0 && 0.0 < short && short <= long + 1e-9, "{object}");
    }
    let nodule = &report["labels"][2]["statistics"];
    assert!((nodule["mean"].as_f64().unwrap() - 40.0).abs() < 150.0, "{nodule}");
    for object in report["labels"].as_array().unwrap() {
        for figure in ["volume_ml", "long_axis_mm", "short_axis_mm", "surface_mm2", "mean"] {
            let interval = &object["intervals"][figure];
            let at = |key: &str| interval[key].as_f64().unwrap();
            assert!(at("low") <= at("value") && at("value") <= at("high"), "{figure}: {interval}");
        }
        assert_eq!(object["intervals"]["volume_ml"]["value"], object["volume_ml"]);
        assert!(object["surface_mm2"].as_f64().unwrap() > 0.0);
    }
    let same = json(&["measure", &p.truth, "--with", &p.truth]);
    for compared in same["compared"].as_array().unwrap() {
        assert_eq!((compared["dice"].as_f64(), compared["hd95_mm"].as_f64()), (Some(1.0), Some(0.0)));
    }
    let two = json(&["measure", &p.truth, "--compare", "1", "2"]);
    assert_eq!(two["compared"][0]["dice"].as_f64(), Some(0.0), "two labels of a mask do not overlap");
    assert!(two["compared"][0]["mean_distance_mm"].as_f64().unwrap() > 0.0);
    refused(&["measure", &p.truth, "--compare", "1", "99"], &["no label 99"]);
    let text = hilum(&["measure", &p.truth, "--compare", "1", "2"]).out;
    assert!(text.contains("surface mm²") && text.contains("mean distance mm"), "{text}");
    let one = json(&["measure", &p.truth, "--label", "3", "--each-part"]);
    assert_eq!((one["labels"].as_array().unwrap().len(), &one["labels"][0]["part"]), (1, &1.into()));
    refused(&["measure", &p.truth, "--label", "77"], &["no label 77", "truth.nii.gz"]);
    let empty = p.path("empty.nii");
    json(&["sample", "ct", "--out", &p.path("x.nii"), "--truth", &empty, "--dims", "2,2,2"]);
    refused(&["measure", &empty], &["the mask is empty"]);
    refused(&["measure", &p.truth, "--image", &p.path("x.nii")], &["grids differ"]);
    refused(&["measure", &p.image], &["a mask holds whole numbers"]);
}

#[test]
fn wrong_usage_ends_with_2_and_help_with_0() {
    for wrong in [
        &["segment", "a.nii"][..],
        &["segment", "a.nii", "--click", "1,2"],
        &["segment", "a.nii", "--click", "1,2,3", "--device", "toaster"],
        &["evaluate", "--pred", "a.nii"],
        &["evaluate", "--pred", "a", "--truth", "b", "--spacing", "0,1,1"],
        &["net", "forward", "--out", "x"],
        &["net", "forward", "unetr", "--out", "x"],
        &["sample", "ct"],
        &["info"],
        &["info", "a.nii", "--wrong"],
        &["models", "show"],
    ] {
        let ran = hilum(wrong);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{wrong:?}: {}", ran.err);
    }
    for fine in [&["--help"][..], &["--version"], &["segment", "--help"], &["sample", "ct", "--help"]] {
        assert_eq!(hilum(fine).code, 0, "{fine:?}");
    }
}

#[test]
fn shells_and_manual_know_every_command() {
    let help = hilum(&["--help"]).out;
    let section = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands: Vec<&str> = section.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"segment") && commands.contains(&"completions"), "{help}");
    let folder = tempfile::tempdir().unwrap();
    let manual = folder.path().join("man1");
    assert_eq!(hilum(&["man", manual.to_str().unwrap()]).code, 0);
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = hilum(&["completions", shell]).out;
        for command in commands.iter().filter(|&&command| command != "help") {
            assert!(script.contains(command), "{shell} does not complete {command}");
            assert!(manual.join(format!("hilum-{command}.1")).is_file(), "no page for {command}");
        }
    }
    assert!(std::fs::read_to_string(manual.join("hilum.1")).unwrap().contains("not for diagnosis"));
}

#[test]
fn what_is_not_there_or_no_image_is_refused_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("notes.nii.gz");
    std::fs::write(&garbage, b"this is no image").unwrap();
    let empty = folder.path().join("empty.nii");
    std::fs::write(&empty, b"").unwrap();
    for command in [&["info"][..], &["measure"], &["segment", "--click", "1,1,1"]] {
        for path in [&garbage, &empty, &folder.path().join("absent.nii")] {
            let path = path.to_str().unwrap();
            let name = Path::new(path).file_name().unwrap().to_str().unwrap();
            refused(&[command, &[path][..]].concat(), &[name]);
        }
    }
    refused(&["info", folder.path().to_str().unwrap()], &[]);
    refused(&["evalute"], &["no such file and no such command", "evalute"]);
}

#[test]
fn a_damaged_image_is_refused_or_announced() {
    let p = phantom(1);
    let bytes = std::fs::read(&p.image).unwrap();
    let cut = p.path("cut.nii.gz");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let ran = hilum(&["info", &cut]);
    let is_announced = ran.code == 0 && ran.out.contains("warning") && ran.out.contains("empty");
    assert!(is_announced || (ran.code == 1 && ran.err.contains("cut.nii.gz")), "{} {}", ran.out, ran.err);
}

#[test]
fn targets_are_checked_first_and_nothing_half_written_stays() {
    let p = phantom(1);
    let before = p.files();
    refused(&["convert", &p.image, &p.path("a.png")], &[".nii"]);
    refused(&["convert", &p.image, &p.path("no/such/a.nii")], &["does not exist"]);
    refused(&["convert", &p.image, p.folder.path().to_str().unwrap()], &[".nii"]);
    refused(&["segment", &p.image, "--click", "1,1,1", "--out", &p.path("m.txt")], &[".nii"]);
    refused(&["sample", "ct", "--out", &p.path("a.mha")], &[".nii"]);
    assert_eq!(p.files(), before);

    let old = p.path("old.nii");
    std::fs::write(&old, b"precious").unwrap();
    refused(&["convert", &p.path("absent.nii"), &old], &["absent.nii"]);
    assert_eq!(std::fs::read(&old).unwrap(), b"precious");
    json(&["convert", &p.image, &old]);
    let (a, b) = (json(&["info", &p.image]), json(&["info", &old]));
    for field in ["dims", "spacing_mm", "world_from_voxel", "value_range", "voxel_type"] {
        assert_eq!(a[field], b[field]);
    }
    assert_eq!(p.files(), ["ct.nii.gz", "old.nii", "truth.nii.gz"]);
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let p = phantom(1);
    for arguments in [&["info", p.image.as_str()][..], &["--help"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hilum"));
        let mut child =
            command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn clicks_outside_are_refused_before_a_network_runs() {
    let p = phantom(1);
    refused(&["segment", &p.image, "--click", "112,0,0"], &["112,0,0", "112 × 96 × 44", "--world"]);
    refused(&["segment", &p.image, "--click", "-1,0,0"], &["-1,0,0"]);
    refused(&["segment", &p.image, "--world", "--click", "-900,3,4"], &["-900,3,4 mm", "LPS"]);
    refused(&["segment", &p.image, "--click", "5,5,5", "--not", "5,5,-5"], &["5,5,-5"]);
}

#[test]
fn a_click_gives_a_mask_that_covers_the_click() {
    let p = phantom(1);
    let mask = p.path("mask.nii.gz");
    let click = p.click(3);
    let models = json(&["models", "list"]);
    if models["models"].as_array().unwrap().is_empty() {
        refused(&["segment", &p.image, "--click", &click], &["default"]);
        return;
    }
    let debug = p.path("between");
    let arguments = ["segment", &p.image, "--click", &click, "--device", "cpu", "--out", &mask];
    let report = json(&[&arguments[..], &["--label", "3", "--debug-dir", &debug]].concat());
    for field in ["volume_ml", "long_axis_mm", "short_axis_mm", "seconds_total", "quality"] {
        assert!(report[field].as_f64().is_some_and(|v| v >= 0.0), "{field} in {report}");
    }
    assert_eq!(report["mask"], mask.as_str());
    assert!(report["seconds"].as_object().unwrap().len() >= 4 && report["warnings"].is_array());
    let measured = json(&["measure", &mask]);
    assert_eq!(measured["labels"][0]["voxel_count"], report["voxel_count"]);
    assert_eq!(measured["labels"][0]["long_axis_mm"], report["long_axis_mm"]);
    let scores = json(&["evaluate", "--pred", &mask, "--truth", &p.truth, "--label", "3"]);
    assert!(scores["labels"][0]["dice"].as_f64().unwrap() > 0.3, "{scores}");
    for file in ["1_window", "2_cue", "3_coarse", "4_cube", "5_fine"] {
        json(&["info", &format!("{debug}/{file}.nii.gz")]);
    }
    refused(&["segment", &p.image, "--click", &click, "--model", "no-such"], &["no-such"]);
}

#[test]
fn models_are_listed_shown_and_verified() {
    let list = json(&["models", "list"]);
    for model in list["models"].as_array().unwrap() {
        let id = model["id"].as_str().unwrap();
        let card = json(&["models", "show", id]);
        assert!(
            !card["licence"].as_str().unwrap().is_empty() && !card["data"].as_array().unwrap().is_empty()
        );
        assert_eq!(json(&["models", "verify", id])["models"][0]["id"], id);
        assert!(model["family"].is_string(), "{model}");
    }
    let networks = json(&["models", "networks"])["networks"].as_array().unwrap().clone();
    let listed = list["networks"].as_array().unwrap();
    assert!(networks.len() >= 19 && networks.len() == listed.len());
    for (network, listed) in networks.iter().zip(listed) {
        assert!(!network["family"].as_str().unwrap().is_empty());
        assert_eq!((&network["arch"], &network["family"]), (&listed["arch"], &listed["family"]));
        let of_it = list["models"].as_array().unwrap().iter().filter(|model| model["arch"] == listed["arch"]);
        assert_eq!(listed["models"].as_array().unwrap().len(), of_it.count());
    }
    refused(&["models", "show", "no-such"], &["no-such"]);
    refused(&["models", "verify", "no-such"], &["no-such"]);
}

#[test]
fn the_doctor_finds_the_cpu_and_it_works() {
    let report = json(&["doctor"]);
    assert_eq!(report["devices"][0]["backend"], "cpu");
    assert_eq!(report["devices"][0]["self_test"]["passed"], true, "{report}");
    assert!(!report["chosen_device"].as_str().unwrap().is_empty());
}

#[test]
fn a_golden_vector_is_reproduced_and_a_broken_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.safetensors");
    let out = out.to_str().unwrap();
    let broken = folder.path().join("broken.json");
    std::fs::write(&broken, "{").unwrap();
    refused(&["net", "forward", "--golden", broken.to_str().unwrap(), "--out", out], &["broken.json"]);
    let Some(golden) = shared_data("golden/dna_plainconvunet.json") else { return };
    let golden = golden.to_str().unwrap();
    let report = json(&["net", "forward", "--golden", golden, "--out", out]);
    assert_eq!(report["golden"]["passed"], true, "{report}");
    assert!(report["tensors"].as_object().unwrap().keys().any(|name| name.starts_with("out.")));

    let config = report["golden"]["config"].to_string();
    let beside = |ending: &str| golden.replace(".json", ending);
    let second = folder.path().join("second.safetensors");
    let arguments = ["net", "forward", "plain_conv_unet", "--config", &config];
    let (weights, input) = (beside(".weights.safetensors"), beside(".safetensors"));
    let files = ["--weights", &weights, "--input", &input, "--out", second.to_str().unwrap()];
    json(&[&arguments[..], &files[..]].concat());
    assert_eq!(std::fs::read(out).unwrap(), std::fs::read(&second).unwrap());
    let unknown = [&["net", "forward", "no_such_net", "--config", "{}"][..], &files[..]].concat();
    refused(&unknown, &["no_such_net"]);
    let absent = folder.path().join("absent.json");
    let ran = hilum(&["net", "forward", "--golden", absent.to_str().unwrap(), "--out", out]);
    assert_eq!(ran.err.matches("No such file").count(), 1, "{}", ran.err);
}

#[test]
fn a_recipe_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("recipe.toml");
    std::fs::write(&recipe, "name = 3\n").unwrap();
    refused(&["train", recipe.to_str().unwrap()], &["recipe.toml"]);
    refused(&["train", folder.path().join("absent.toml").to_str().unwrap()], &["absent.toml"]);
    refused(&["simulate", recipe.to_str().unwrap()], &["recipe.toml"]);
    refused(&["--models", "/no/such/models", "models", "list"], &["/no/such/models"]);
}

/// A recipe that takes a second.
const TINY_RECIPE: &str = r#"
name = "tiny"
arch = "lesion_net"
steps = 4
batch = 1
learning_rate = 0.002
seed = 1
validate_every = 2
[config]
in_channels = 2
out_channels = 1
features = [2, 4]
div = false
[schedule]
kind = "cosine"
warm_up = 0.02
[task]
kind = "click"
channels = ["image", "positive"]
size = 16
[task.stage]
kind = "coarse"
window_mm = 96.0
[[task.data]]
kind = "scenes"
weight = 1.0
"#;

#[test]
fn a_run_leaves_a_model_that_can_be_verified_and_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("recipe.toml");
    std::fs::write(&recipe, TINY_RECIPE).unwrap();
    let run = folder.path().join("run");
    let (recipe, run) = (recipe.to_str().unwrap(), run.to_str().unwrap());
    let arguments = ["train", recipe, "--out", run, "--device", "cpu"];
    let report = json(&arguments);
    assert_eq!((&report["steps"], &report["run"]), (&4.into(), &run.into()));
    let weights_of = |report: &Value| {
        std::fs::read(Path::new(report["model"].as_str().unwrap()).join("weights.safetensors")).unwrap()
    };
    let weights = weights_of(&report);
    let verified = json(&["models", "verify", "tiny", "--models", run]);
    assert!(verified["models"][0]["parameters"].as_u64().unwrap() > 100);
    assert_eq!(json(&["models", "show", "tiny", "--models", run])["arch"], "lesion_net");

    // A finished run is not trained again; the same recipe elsewhere gives the same weights.
    assert!(weights_of(&json(&arguments)) == weights, "a finished run was continued");
    let other = folder.path().join("other");
    let again = json(&["train", recipe, "--out", other.to_str().unwrap(), "--device", "cpu"]);
    assert!(weights_of(&again) == weights, "the seed does not decide the weights");
    let corrupt = format!("{run}/model/weights.safetensors");
    std::fs::write(&corrupt, b"something else").unwrap();
    refused(&["models", "verify", "tiny", "--models", run], &["tiny", "SHA-256"]);
}

#[test]
fn weights_for_arrays_of_the_opposite_axes_are_turned_and_leave_as_they_came() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, back, models) = (path("theirs.safetensors"), path("back.safetensors"), path("models"));
    let list = json(&["models", "list"]);
    let of_volumes = |model: &&Value| model["family"] == "one_click";
    let Some(model) = list["models"].as_array().unwrap().iter().find(of_volumes) else { return };
    let id = model["id"].as_str().unwrap();
    json(&["models", "export", id, "--out", &file]);
    std::fs::create_dir(&models).unwrap();
    let config = json(&["models", "show", id])["config"].to_string();
    let arguments =
        ["models", "import", &file, "--arch", "lesion_net", "--config", &config, "--name", "turned"];
    let report = json(&[&arguments[..], &["--axes", "xyz", "--models", &models]].concat());
    assert_eq!(report["card"]["axes"], "xyz");
    let list = json(&["models", "list", "--models", &models]);
    assert!(list["models"].as_array().unwrap().iter().any(|model| model["id"] == "turned"));
    let turned = std::fs::read(folder.path().join("models/turned/weights.safetensors")).unwrap();
    json(&["models", "export", "turned", "--out", &back, "--models", &models]);
    let weights = std::fs::read(&file).unwrap();
    assert!(turned != weights && std::fs::read(&back).unwrap() == weights);
    let flat = ["models", "import", &file, "--arch", "unet_2d", "--name", "flat", "--axes", "xyz"];
    refused(&[&flat[..], &["--models", &models]].concat(), &["unet_2d", "planar"]);
}

#[test]
fn a_real_tumour_is_described_and_measured() {
    let (Some(image), Some(mask)) =
        (shared("data/ct_sarcoma/STS_022_ct.nii.gz"), shared("data/ct_sarcoma/STS_022_gtv.nii.gz"))
    else {
        return;
    };
    let info = json(&["info", &image]);
    assert!((info["spacing_mm"][2].as_f64().unwrap() - 3.27).abs() < 0.01, "{info}");
    let report = json(&["measure", &mask, "--image", &image]);
    let tumour = &report["labels"][0];
    assert!(tumour["volume_ml"].as_f64().unwrap() > 1.0);
    let mean = tumour["statistics"]["mean"].as_f64().unwrap();
    assert!((-100.0..150.0).contains(&mean), "a soft tissue tumour of {mean} HU");
    let scores = json(&["evaluate", "--pred", &mask, "--truth", &mask]);
    assert_eq!(scores["labels"][0]["dice"], 1.0);
}

#[test]
fn the_reference_in_the_book_is_that_of_the_program() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(hilum(&["reference", folder.path().to_str().unwrap()]).code, 0);
    for page in ["command-line.md", "keys.md", "model-cards.md"] {
        let written = std::fs::read_to_string(folder.path().join(page)).unwrap();
        let in_book = std::fs::read_to_string(hilum_core::testing::in_package("../docs").join(page)).unwrap();
        assert!(written == in_book, "docs/{page} is not what the program says; run `hilum reference docs`");
    }
}
