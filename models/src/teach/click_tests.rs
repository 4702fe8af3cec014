//! Networks that answer clicks: taught with what a person outlined, judged by one click, made again from the record.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use hilum_core::geometry::Grid;
use hilum_core::io::nifti::{save_labels, save_volume};
use hilum_core::label::LabelMap;
use hilum_core::volume::{ImageMeta, Source, Volume, Voxels};
use serde_json::json;

use super::material::{Assembly, Material};
use super::*;
use crate::catalog::{Catalog, sha256_hex};
use crate::checkpoint::FloatFormat;
use crate::device;
use crate::nets::AnyNetwork;
use crate::train::click::dataset::Loaded;
use crate::train::{Layers, kept_maps};

/// A bright ball in noise, outlined.
fn ball(nth: usize) -> (Arc<Volume>, Arc<LabelMap>) {
    let grid = Grid::from_spacing([40, 40, 30], [2.0; 3]).unwrap();
    let middle = [16.0 + (nth * 5 % 8) as f32, 18.0 + (nth * 3 % 6) as f32, 15.0];
    let radius = 4.0 + (nth % 3) as f32;
    let inside = |i: usize| {
        let voxel = grid.voxel(i);
        let from = |axis: usize| voxel[axis] as f32 - middle[axis];
        from(0) * from(0) + from(1) * from(1) + from(2) * from(2) < radius * radius
    };
    let noise = |i: usize| ((i * 7919 + nth * 104_729) % 97) as f32;
    let count = grid.voxel_count();
    let values = (0..count).map(|i| noise(i) + if inside(i) { 250.0 } else { 0.0 }).collect();
    let labels = (0..count).map(|i| u16::from(inside(i)) * 3).collect();
    let volume = Volume::new(grid, Voxels::F32(values), ImageMeta::default()).unwrap();
    (Arc::new(volume), Arc::new(LabelMap::from_voxels(grid, labels).unwrap()))
}

fn cases(purpose: CaseUse, numbers: std::ops::Range<usize>) -> Vec<TeachingCase> {
    let case = |nth| {
        let (volume, labels) = ball(nth);
        TeachingCase::memory(&format!("case {nth}"), volume, Some(labels), purpose)
    };
    numbers.map(case).collect()
}

/// A pipeline of two networks that know nothing yet.
fn catalog(folder: &Path) -> Catalog {
    let fine = json!({"kind": "fine", "margin": 1.5, "min_side_mm": 16.0});
    let stages = [("tiny-coarse", json!({"kind": "coarse", "window_mm": 64.0}), false), ("tiny", fine, true)];
    for (id, stage, is_fine) in stages {
        let config = json!({"in_channels": 2, "features": [6, 8, 10], "convs_per_stage": 1, "div": [0]});
        let network = AnyNetwork::seeded("lesion_net", config, 5, &Device::flex()).unwrap();
        let weights = network.weights(FloatFormat::F32).unwrap().to_bytes(&[]).unwrap();
        let mut task = json!({
            "kind": "click", "channels": ["relative", "positive"], "size": 16, "stage": stage
        });
        if is_fine {
            task["coarse"] = "tiny-coarse".into();
        }
        let card = json!({
            "id": id, "title": "balls", "arch": "lesion_net", "config": network.config(), "task": task,
            "licence": "none", "data": [], "split": "", "training": "none", "figures": [], "limits": ["all"],
            "weights_sha256": sha256_hex(&weights)
        });
        let at = folder.join(id);
        std::fs::create_dir_all(&at).unwrap();
        std::fs::write(at.join("weights.safetensors"), weights).unwrap();
        std::fs::write(at.join("card.json"), card.to_string()).unwrap();
    }
    Catalog::new(Some(folder)).unwrap()
}

fn quick(steps: usize) -> TeachOptions {
    TeachOptions {
        steps: Some(steps),
        learning_rate: 0.01,
        budget_seconds: 600.0,
        validations: 1,
        batch: 2,
        // The same samples, however much memory is free.
        memory_limit_bytes: Some(1 << 30),
        ..TeachOptions::default()
    }
}

#[test]
fn a_click_network_learns_what_was_outlined_and_is_judged_by_one_click() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(folder.path());
    let mut all = cases(CaseUse::Corrected, 0..3);
    all.extend(cases(CaseUse::SetAside, 10..16));
    let taught = finetune(&catalog, "tiny", &all, &quick(60), &(), &mut |_| ()).unwrap();
    assert_eq!(taught.replay, ReplaySource::Scenes);
    let (first, last) = (&taught.curve[0], taught.curve.last().unwrap());
    assert!(last.set_aside.score() > first.set_aside.score() + 0.2, "{first:?} to {last:?}");
    // Drawn scenes stand for what it knew before.
    assert!(last.earlier.synthetic.is_finite() && last.earlier.real.is_nan());

    let versions = Versions::new(folder.path().join("versions"), "tiny");
    let version = versions.add(catalog.find("tiny").unwrap(), &taught).unwrap();
    let with_versions = versions.catalog(&catalog).unwrap();
    assert_eq!(with_versions.fine(None).unwrap().card.id, catalog.fine(None).unwrap().card.id);
    let cpu = device::cpu();
    let table = compare(&with_versions, ["tiny", "tiny@0001"], None, &all, &cpu, &()).unwrap();
    assert_eq!((table.regions[0].name.as_str(), table.cases.len()), ("object after 1 click", 6));
    assert_eq!(table.verdict, Verdict::Better, "{}", table.reason);
    assert_eq!(versions.publish(1, &table, Decision::Rule).unwrap(), Published::Yes);
    // Where it looked is kept, with a place in the image.
    let maps = kept_maps(&version.folder).unwrap();
    let steps: Vec<usize> = maps.iter().map(|map| map.step).collect();
    assert_eq!((steps[0], steps.last().copied()), (0, Some(60)));
    let grid = maps[0].grid.unwrap();
    let middle = ball(10).1;
    let object = middle.grid().world_of([16 + 50 % 8, 18, 15]);
    assert!((grid.center_world() - object).norm() < 12.0, "{:?}", grid.center_world());
    assert_eq!(maps[0].read(&version.folder).unwrap().len(), maps[0].shape.iter().product::<usize>());
}

#[test]
fn a_click_version_is_made_again_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(folder.path());
    let mut all = Vec::new();
    for (nth, purpose) in [CaseUse::Corrected, CaseUse::Earlier, CaseUse::SetAside].into_iter().enumerate() {
        let (volume, labels) = ball(nth);
        let image = folder.path().join(format!("{nth}.nii.gz"));
        let mask = folder.path().join(format!("{nth}_mask.nii.gz"));
        save_volume(&image, &volume).unwrap();
        save_labels(&mask, &labels.to_voxels(), labels.grid(), &Source::Synthetic, &[]).unwrap();
        all.push(TeachingCase::files(&nth.to_string(), image, Some(mask), purpose));
    }
    let options = TeachOptions { layers: Layers::Decoder, ..quick(4) };
    let taught = finetune(&catalog, "tiny", &all, &options, &(), &mut |_| ()).unwrap();
    assert_eq!(taught.replay, ReplaySource::Earlier);
    let versions = Versions::new(folder.path().join("versions"), "tiny");
    let version = versions.add(catalog.find("tiny").unwrap(), &taught).unwrap();
    let report = replay(&version, &catalog, &device::cpu(), &(), &mut |_| ()).unwrap();
    assert!(report.is_identical && report.agrees, "{report:?}");
}

#[test]
fn what_cannot_be_taught_with_clicks_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(folder.path());
    let refused = |model: &str, cases: &[TeachingCase]| {
        finetune(&catalog, model, cases, &quick(1), &(), &mut |_| ()).unwrap_err().to_string()
    };
    let good = cases(CaseUse::Corrected, 0..1);
    assert!(refused("tiny-coarse", &good).contains("first stage"));
    let (volume, labels) = ball(0);
    let blank = Arc::new(LabelMap::new(*labels.grid()));
    let empty = TeachingCase::memory("x", volume, Some(blank), CaseUse::Corrected);
    assert!(refused("tiny", &[empty]).contains("no object of ten voxels"));
}

#[test]
fn cases_beyond_the_memory_are_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(folder.path());
    let all = cases(CaseUse::Corrected, 0..4);
    // A case takes about 200 kB; half of the limit is for cases, half of that for corrected ones.
    let options = TeachOptions { memory_limit_bytes: Some(1 << 19), ..quick(1) };
    let mut warnings = Vec::new();
    let taught = finetune(&catalog, "tiny", &all, &options, &(), &mut |event| {
        if let TeachEvent::Warning(text) = event {
            warnings.push(text.clone());
        }
    })
    .unwrap();
    assert_eq!(taught.cases.len(), 1);
    assert!(warnings[0].contains("3 cases are left out") && warnings[0].contains("case 1"), "{warnings:?}");
}

#[test]
fn scenes_are_replayed_only_where_they_were_learned() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(folder.path());
    let parent = catalog.find("tiny").unwrap();
    let (options, device) = (quick(1), device::cpu());
    let mut all = cases(CaseUse::Corrected, 0..1);
    all.extend(cases(CaseUse::Earlier, 1..3));
    let sources = |replay| {
        let recipe = plan::recipe_for(parent, &options).unwrap();
        let assembly = Assembly {
            catalog: &catalog,
            parent,
            recipe,
            replay: (replay, 0.5),
            options: &options,
            device: &device,
            memory_limit_bytes: None,
            check: &|_| Ok(()),
        };
        let ready = assembly.of(&all, &(), &mut |_| ()).unwrap();
        let Material::Click(data) = &ready.material else { panic!("the network answers clicks") };
        let weight = |(weight, source): &(f64, Loaded)| (*weight, matches!(source, Loaded::Scenes));
        data.sources.iter().map(weight).collect::<Vec<_>>()
    };
    assert_eq!(sources(ReplaySource::Earlier), [(0.5, false), (0.25, false), (0.25, true)]);
    assert_eq!(sources(ReplaySource::EarlierAlone), [(0.5, false), (0.5, false)]);
}
