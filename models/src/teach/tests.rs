//! The whole way with a tiny network and drawn discs: teach, keep, compare, publish, go back, make again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::Device;
use hilum_core::geometry::Grid;
use hilum_core::io::nifti::{save_labels, save_volume};
use hilum_core::job::Observer;
use hilum_core::label::LabelMap;
use hilum_core::volume::{ImageMeta, Source, Volume, Voxels};
use serde_json::json;

use super::*;
use crate::catalog::{Catalog, sha256_hex};
use crate::checkpoint::FloatFormat;
use crate::device;
use crate::nets::AnyNetwork;
use crate::train::Layers;

const SIZE: usize = 32;

/// A bright disc in noise, and its mask with this label.
fn disc(nth: usize, label: u16) -> (Arc<Volume>, Arc<LabelMap>) {
    let grid = Grid::from_spacing([SIZE, SIZE, 1], [1.0; 3]).unwrap();
    let middle = [10.0 + (nth * 5 % 12) as f32, 11.0 + (nth * 7 % 10) as f32];
    let inside = |i: usize| {
        let (x, y) = ((i % SIZE) as f32 - middle[0], (i / SIZE) as f32 - middle[1]);
        x * x + y * y < 36.0
    };
    let noise = |i: usize| ((i * 7919 + nth * 104_729) % 97) as f32 / 97.0;
    let values = (0..SIZE * SIZE).map(|i| noise(i) + if inside(i) { 2.0 } else { 0.0 }).collect();
    let labels = (0..SIZE * SIZE).map(|i| if inside(i) { label } else { 0 }).collect();
    let volume = Volume::new(grid, Voxels::F32(values), ImageMeta::default()).unwrap();
    (Arc::new(volume), Arc::new(LabelMap::from_voxels(grid, labels).unwrap()))
}

fn cases(purpose: CaseUse, numbers: std::ops::Range<usize>) -> Vec<TeachingCase> {
    let case = |nth| {
        let (volume, labels) = disc(nth, 1);
        TeachingCase::memory(&format!("case {nth}"), volume, Some(labels), purpose)
    };
    numbers.map(case).collect()
}

/// A catalog with one model that knows nothing yet.
fn catalog(folder: &Path) -> Catalog {
    let config = json!({"img_ch": 1, "output_ch": 1, "widths": [4, 6, 8, 8, 8]});
    let network = AnyNetwork::seeded("unet_2d", config, 3, &Device::flex()).unwrap();
    let weights = network.weights(FloatFormat::F32).unwrap().to_bytes(&[]).unwrap();
    let card = json!({
        "id": "tiny", "title": "discs", "arch": "unet_2d", "config": network.config(),
        "task": {
            "kind": "dense",
            "input": {"color": false, "normalize": {"kind": "image"}, "scale": {"kind": "keep"}},
            "regions": [{"name": "disc", "label": 1}], "tile": [1, SIZE, SIZE]
        },
        "licence": "none", "data": [], "split": "", "training": "none", "figures": [], "limits": ["all"],
        "weights_sha256": sha256_hex(&weights)
    });
    let at = folder.join("tiny");
    std::fs::create_dir_all(&at).unwrap();
    std::fs::write(at.join("weights.safetensors"), weights).unwrap();
    std::fs::write(at.join("card.json"), card.to_string()).unwrap();
    Catalog::new(Some(folder)).unwrap()
}

fn quick(steps: usize) -> TeachOptions {
    TeachOptions {
        steps: Some(steps),
        learning_rate: 0.01,
        budget_seconds: 600.0,
        validations: 1,
        // The same samples, however much memory is free.
        memory_limit_bytes: Some(1 << 30),
        ..TeachOptions::default()
    }
}

#[test]
fn a_model_learns_is_published_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(folder.path());
    let mut all = cases(CaseUse::Corrected, 0..3);
    all.extend(cases(CaseUse::SetAside, 10..16));
    let mut steps = 0;
    let taught = finetune(&catalog, "tiny", &all, &quick(30), &(), &mut |event| {
        steps += usize::from(matches!(event, TeachEvent::Step { .. }));
    })
    .unwrap();
    assert_eq!((steps, taught.steps_done, taught.was_stopped), (30, 30, false));
    assert_eq!(taught.replay, ReplaySource::OwnAnswersOnCorrected);
    let first = taught.curve.first().unwrap().set_aside.score();
    let last = taught.curve.last().unwrap().set_aside.score();
    assert!(last > first + 0.2, "{first} to {last}");

    let versions = Versions::new(folder.path().join("versions"), "tiny");
    assert_eq!(versions.current(), "tiny");
    let version = versions.add(catalog.find("tiny").unwrap(), &taught).unwrap();
    assert_eq!(version.record.id, "tiny@0001");
    let with_versions = versions.catalog(&catalog).unwrap();
    let cpu = device::cpu();
    let table = compare(&with_versions, ["tiny", "tiny@0001"], None, &all, &cpu, &()).unwrap();
    assert_eq!((table.verdict, table.cases.len()), (Verdict::Better, 6));
    assert_eq!(versions.publish(1, &table, Decision::Rule).unwrap(), Published::Yes);
    assert_eq!(versions.current(), "tiny@0001");
    assert_eq!(versions.find(1).unwrap().record.state, VersionState::Published);
    // Back, and the other way round it is worse.
    versions.roll_back("tiny").unwrap();
    assert_eq!((versions.current(), versions.previous()), ("tiny".into(), Some("tiny@0001".into())));
    let stale = versions.publish(1, &Comparison { current: "tiny@0001".into(), ..table }, Decision::Rule);
    assert!(stale.unwrap_err().to_string().contains("compare again"));
    let worse = compare(&with_versions, ["tiny@0001", "tiny"], None, &all, &cpu, &()).unwrap();
    assert_eq!(worse.verdict, Verdict::Worse);
    assert!(versions.roll_back("tiny@0002").is_err());
}

#[test]
fn too_few_cases_set_aside_ask_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(folder.path());
    let mut all = cases(CaseUse::Corrected, 0..1);
    all.extend(cases(CaseUse::SetAside, 10..12));
    let taught = finetune(&catalog, "tiny", &all, &quick(1), &(), &mut |_| ()).unwrap();
    let versions = Versions::new(folder.path().join("versions"), "tiny");
    versions.add(catalog.find("tiny").unwrap(), &taught).unwrap();
    let with_versions = versions.catalog(&catalog).unwrap();
    let table = compare(&with_versions, ["tiny", "tiny@0001"], None, &all, &device::cpu(), &()).unwrap();
    assert_eq!(table.verdict, Verdict::TooFew);
    assert_eq!(versions.publish(1, &table, Decision::Rule).unwrap(), Published::Asks);
    assert_eq!(versions.current(), "tiny");
    let person = Decision::Person("me".into());
    assert_eq!(versions.publish(1, &table, person).unwrap(), Published::Yes);
    // A version of a version.
    let now = versions.catalog(&catalog).unwrap();
    let again = finetune(&now, &versions.current(), &all, &quick(1), &(), &mut |_| ()).unwrap();
    let second = versions.add(now.find("tiny@0001").unwrap(), &again).unwrap();
    assert_eq!((second.record.id.as_str(), second.record.parent.id.as_str()), ("tiny@0002", "tiny@0001"));
}

#[test]
fn a_version_is_made_again_bit_for_bit_from_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(folder.path());
    let mut all = Vec::new();
    for (nth, purpose) in [CaseUse::Corrected, CaseUse::Earlier, CaseUse::SetAside].into_iter().enumerate() {
        let (volume, labels) = disc(nth, 1);
        let image = folder.path().join(format!("{nth}.nii.gz"));
        let mask = folder.path().join(format!("{nth}_mask.nii.gz"));
        save_volume(&image, &volume).unwrap();
        save_labels(&mask, &labels.to_voxels(), labels.grid(), &Source::Synthetic, &[]).unwrap();
        let mut case = TeachingCase::files(&nth.to_string(), image, Some(mask.clone()), purpose);
        if nth == 0 {
            // In memory, as in the window: kept beside the version.
            case.labels = CaseLabels::Memory(labels);
        }
        all.push(case);
    }
    let options = TeachOptions { layers: Layers::Decoder, ..quick(7) };
    let taught = finetune(&catalog, "tiny", &all, &options, &(), &mut |_| ()).unwrap();
    assert_eq!(taught.replay, ReplaySource::Earlier);
    let versions = Versions::new(folder.path().join("versions"), "tiny");
    let parent = catalog.find("tiny").unwrap();
    let version = versions.add(parent, &taught).unwrap();
    let version = Version::open(&version.folder).unwrap();
    let report = replay(&version, &catalog, &device::cpu(), &(), &mut |_| ()).unwrap();
    assert!(report.is_identical && report.agrees && report.tolerance == 0.0, "{report:?}");
    // The encoder stayed, the decoder did not.
    let before = parent.weights().unwrap();
    let is_same = |name: &str| before.get(name).unwrap().bytes() == taught.weights.get(name).unwrap().bytes();
    assert!(is_same("Conv1.conv.0.weight") && !is_same("Up_conv2.conv.0.weight"));
    // Other data are noticed.
    let (other, _) = disc(9, 1);
    save_volume(&folder.path().join("1.nii.gz"), &other).unwrap();
    let refused = replay(&version, &catalog, &device::cpu(), &(), &mut |_| ()).unwrap_err();
    assert!(refused.to_string().contains("have changed"), "{refused}");
}

/// Stops when it was asked so often whether to.
struct StopsAfter(AtomicUsize);

impl Observer for StopsAfter {
    fn is_cancelled(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) < 2
    }
}

#[test]
fn stopping_keeps_what_was_learned_and_before_the_first_step_there_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(folder.path());
    let all = cases(CaseUse::Corrected, 0..2);
    let options = TeachOptions { replay_share: 0.0, ..quick(1000) };
    let control = Control::default();
    let stopper = control.clone();
    let taught = finetune(&catalog, "tiny", &all, &options, &control, &mut |event| {
        if matches!(event, TeachEvent::Step { step: 3, .. }) {
            stopper.stop();
        }
    });
    let taught = taught.unwrap();
    assert_eq!((taught.steps_done, taught.was_stopped), (3, true));
    let at_once = StopsAfter(AtomicUsize::new(2));
    let nothing = finetune(&catalog, "tiny", &all, &options, &at_once, &mut |_| ());
    assert!(matches!(nothing, Err(TeachError::Cancelled(_))));
}

/// Goes on by itself when it should rest.
struct Rests {
    control: Control,
    count: AtomicUsize,
}

impl Observer for Rests {
    fn wait_while_paused(&self) {
        if self.control.is_paused() {
            self.count.fetch_add(1, Ordering::Relaxed);
            self.control.resume();
        }
    }
}

#[test]
fn learning_rests_after_the_step_in_which_it_was_paused() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(folder.path());
    let all = cases(CaseUse::Corrected, 0..2);
    let options = TeachOptions { replay_share: 0.0, ..quick(4) };
    let rests = Rests { control: Control::default(), count: AtomicUsize::new(0) };
    let mut counts = Vec::new();
    let taught = finetune(&catalog, "tiny", &all, &options, &rests, &mut |event| {
        if let TeachEvent::Step { step, .. } = event {
            counts.push(rests.count.load(Ordering::Relaxed));
            if *step == 2 {
                rests.control.pause();
            }
        }
    });
    assert_eq!((taught.unwrap().steps_done, counts), (4, vec![0, 0, 1, 1]));
}

#[test]
fn a_pause_holds_the_work_until_it_goes_on() {
    let control = Control::default();
    control.pause();
    let other = control.clone();
    let worker =
        std::thread::Builder::new().name("worker".into()).spawn(move || other.wait_while_paused()).unwrap();
    assert!(!worker.is_finished());
    control.resume();
    worker.join().unwrap();
    control.stop();
    control.pause();
    assert!(control.is_cancelled(), "a pause does not undo a stop");
    control.wait_while_paused();
    control.stop_was_carried_out();
    assert!(!control.is_cancelled(), "what follows goes on until it is stopped itself");
}

#[test]
fn little_memory_makes_batch_and_samples_smaller_before_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(folder.path());
    let all = cases(CaseUse::Corrected, 0..1);
    let options = TeachOptions { memory_limit_bytes: Some(1), ..quick(1) };
    let mut warnings = Vec::new();
    let taught = finetune(&catalog, "tiny", &all, &options, &(), &mut |event| {
        if let TeachEvent::Warning(text) = event {
            warnings.push(text.clone());
        }
    })
    .unwrap();
    // Where the system does not tell how much is taken, nothing can be fitted.
    if cfg!(target_os = "linux") {
        assert_eq!(taught.recipe.batch, 1);
        assert!(warnings.iter().any(|text| text.contains("cannot be smaller")), "{warnings:?}");
    }
}

#[test]
fn a_model_for_clicks_and_cases_without_labels_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(folder.path());
    let refused = |model: &str, cases: &[TeachingCase]| {
        finetune(&catalog, model, cases, &quick(1), &(), &mut |_| ()).unwrap_err().to_string()
    };
    let good = cases(CaseUse::Corrected, 0..1);
    assert!(refused("lesion-coarse", &good).contains("first stage"));
    assert!(refused("lesion-div-light", &good).contains("single slice"));
    assert!(refused("no such", &good).contains("no such"));
    assert!(refused("tiny", &cases(CaseUse::SetAside, 0..1)).contains("no corrected case"));
    assert!(refused("tiny", &[good.clone(), good].concat()).contains("two cases"));
    let unlabelled = TeachingCase::memory("x", disc(0, 1).0, None, CaseUse::Corrected);
    assert!(refused("tiny", &[unlabelled]).contains("has no labels"));
}

#[test]
fn a_device_that_panics_is_an_error_and_less_is_tried() {
    let broken = super::finetune::guarded::<()>(|| panic!("out of memory"));
    assert!(matches!(broken, Err(TeachError::Train(TrainError::Device(why))) if why == "out of memory"));
}

#[test]
fn every_uncertainty_gives_a_number_or_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(folder.path());
    let model = crate::infer::Dense::load(&catalog, "tiny", &Device::flex()).unwrap();
    let (volume, _) = disc(4, 1);
    for strategy in [Strategy::Random, Strategy::Entropy, Strategy::Variance] {
        let found = uncertainty(&model, "x", &volume, strategy, 1, &()).unwrap();
        assert!(found.score.is_finite() && found.score >= 0.0 && found.descriptor.len() > 30, "{strategy:?}");
    }
    let none = uncertainty(&model, "x", &volume, Strategy::Divergence, 1, &()).unwrap_err();
    assert!(none.to_string().contains("no two paths"), "{none}");
}
