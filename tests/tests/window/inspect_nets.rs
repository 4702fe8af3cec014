//! The attention panel with every family of networks: small ones with drawn weights, installed as a person's models.
#![expect(clippy::unwrap_used, reason = "a helper of a test that fails says so by panicking")]

use std::path::{Path, PathBuf};

use egui::Key;
use egui_kittest::kittest::Queryable as _;
use hilum::command::{InspectAction, UiCommand};
use hilum::jobs::MapKind;
use hilum::state::{Against, AppState, Inspecting, MapScale, MapView, ViewId};
use hilum_core::io::nifti::save_volume;
use hilum_core::phantom::{CtPhantomOptions, ct_phantom};
use hilum_models::catalog::{Catalog, Task, sha256_hex};
use hilum_models::checkpoint::{FloatFormat, collect};
use hilum_models::device;
use hilum_models::inspect::ChannelMap;
use hilum_models::nets::sagan_wsi::SaganWsiDiscriminatorConfig;
use hilum_models::nets::{AnyNetwork, MapMeaning};
use serde_json::{Value, json};

use super::Window;
use super::inspect::{inspect, slice};

/// A network of a family, and what must be seen of it.
struct Family {
    arch: &'static str,
    config: Value,
    /// `[z, y, x]`.
    tile: [usize; 3],
    meanings: &'static [MapMeaning],
    /// Layers whose channels look at channels.
    tables: usize,
}

fn trunk(last: usize) -> Value {
    json!({"block": "basic", "layers": [1, 1, 1, 1], "stem": 4, "planes": [4, 4, 6, last]})
}

/// Puts the network among the person's models.
fn install(folder: &Path, family: &Family) -> PathBuf {
    let device = device::cpu().device;
    let network = AnyNetwork::seeded(family.arch, family.config.clone(), 7, &device).unwrap();
    let home = folder.join("models").join("small");
    std::fs::create_dir_all(&home).unwrap();
    let weights = network.weights(FloatFormat::F32).unwrap().to_bytes(&[]).unwrap();
    let mut card = Catalog::new(None).unwrap().find("lung-hanet").unwrap().card.clone();
    card.id = "small".into();
    card.arch = family.arch.into();
    card.config = network.config().clone();
    card.weights_sha256 = sha256_hex(&weights);
    let Task::Dense(task) = &mut card.task else { panic!("it labels images") };
    let scale = if family.tile[0] > 1 {
        json!({"kind": "spacing", "mm": [9.0, 9.0, 9.0]})
    } else {
        json!({"kind": "field", "pixels": 64})
    };
    task.input =
        serde_json::from_value(json!({"color": false, "normalize": {"kind": "image"}, "scale": scale}))
            .unwrap();
    task.regions.truncate(2);
    task.tile = family.tile;
    task.average_flips = Vec::new();
    std::fs::write(home.join("weights.safetensors"), weights).unwrap();
    std::fs::write(home.join("card.json"), serde_json::to_string(&card).unwrap()).unwrap();
    home
}

fn volume(folder: &Path) -> PathBuf {
    let options =
        CtPhantomOptions { dims: [50, 44, 36], spacing_mm: [6.0, 6.5, 8.0], ..CtPhantomOptions::default() };
    let path = folder.join("ct.nii.gz");
    save_volume(&path, &ct_phantom(&options).unwrap().volume).unwrap();
    path
}

fn is_ready(state: &AppState) -> bool {
    state.inspect.as_ref().is_some_and(|i| i.running.is_none() && i.rows_for.is_some())
}

/// Looks into the network, at every map in every view, and writes a figure.
fn look(family: &Family) -> (tempfile::TempDir, Window<'static>) {
    let folder = tempfile::tempdir().unwrap();
    let home = install(folder.path(), family);
    if family.arch == "sagan_wsi" {
        let config =
            SaganWsiDiscriminatorConfig { num_classes: 2, w: 4, size: [64, 64], argmax_compat: false };
        let network = config.init(&device::cpu().device);
        let weights = collect(&network, FloatFormat::F32).unwrap();
        weights.write(&home.join("discriminator.safetensors"), &[]).unwrap();
    }
    let path = if family.tile[0] > 1 { volume(folder.path()) } else { slice(folder.path()) };
    let mut window = Window::open(folder.path(), vec![path]);
    window.until("the image is open", super::is_complete);
    window.until("the model is listed", |s| s.models.iter().any(|model| model.card.id == "small"));
    window.harness.state().send(UiCommand::ShowAttention);
    window.harness.step();
    window.harness.state().send(InspectAction::Look(Some("small".into())));
    window.until("the network was looked into", is_ready);
    window.until("the maps are those of the model", |s| {
        is_ready(s) && inspect(s).looks.first().is_some_and(|look| look.model == "small")
    });
    let maps = inspect(window.state()).maps.clone();
    for meaning in family.meanings {
        assert!(maps.iter().any(|map| map.map.meaning == *meaning), "{}: no {meaning:?}", family.arch);
    }
    for map in &maps {
        assert!(family.meanings.contains(&map.map.meaning), "{}: {:?}", family.arch, map.map.meaning);
        assert!(map.map.values.iter().all(|v| v.is_finite()), "{}", map.map.name);
    }
    assert_eq!(inspect(window.state()).channels.len(), family.tables, "{}", family.arch);
    assert_eq!(window.harness.query_all_by_label(ChannelMap::TEXT).count(), usize::from(family.tables > 0));
    in_every_view(&mut window);
    figures(folder.path(), &mut window);
    (folder, window)
}

/// Every meaning is explained, and every view of it is drawn.
fn in_every_view(window: &mut Window<'_>) {
    let mut seen = Vec::new();
    let maps = inspect(window.state()).maps.clone();
    for map in maps.iter().filter(|map| map.kind != MapKind::Plain) {
        if seen.contains(&map.map.meaning) {
            continue;
        }
        seen.push(map.map.meaning);
        window.harness.state().send(InspectAction::Show(Inspecting::key(map)));
        for view in MapView::ALL {
            window.button(view.name());
            assert_eq!(inspect(window.state()).view, view);
        }
        assert_eq!(inspect(window.state()).shown().unwrap().map.meaning, map.map.meaning);
        window.harness.get_by_label(map.map.meaning.text());
    }
    window.button(MapView::Overlay.name());
    window.harness.check_accessibility();
}

fn figures(folder: &Path, window: &mut Window<'_>) {
    let (png, svg) = (folder.join("figure.png"), folder.join("figure.svg"));
    for path in [&png, &svg] {
        window.harness.state().send(InspectAction::Figure(Some(path.clone())));
        let written = path.display().to_string();
        window.until("the figure is written", |s| {
            s.messages.list().iter().any(|m| m.text.starts_with("Written") && m.text.contains(&written))
        });
    }
    assert!(std::fs::read(&png).unwrap().starts_with(b"\x89PNG"));
    let text = std::fs::read_to_string(&svg).unwrap();
    assert!(text.starts_with("<svg") && text.matches("data:image/png").count() >= 3, "{}", &text[..200]);
}

#[test]
fn div_attention() {
    use MapMeaning::{AnswerChange, Divergence, FeatureChange, PathPrediction};
    let family = Family {
        arch: "lesion_net",
        config: json!({"in_channels": 1, "out_channels": 2, "features": [4, 6, 8], "convs_per_stage": 1}),
        tile: [16, 32, 32],
        meanings: &[Divergence, PathPrediction, FeatureChange, AnswerChange],
        tables: 0,
    };
    let (_folder, mut window) = look(&family);
    // Two levels, each with both paths, and a change for each region; signed numbers have 0 in the middle.
    let inspect = inspect(window.state());
    let of = |meaning| inspect.maps.iter().filter(|map| map.map.meaning == meaning).collect::<Vec<_>>();
    assert_eq!((of(Divergence).len(), of(PathPrediction).len(), of(AnswerChange).len()), (2, 4, 4));
    assert_eq!(of(AnswerChange)[0].map.channel, "lung");
    let [low, high] = inspect.range(&of(AnswerChange)[0].map);
    assert!(low == -high && high > 0.0, "{low} {high}");
    // In 3-D a surface lies around a share of the map.
    assert!(!window.session().scene.has_overlay());
    window.harness.state().send(InspectAction::InScene(true));
    window.until("the map has a surface", |s| s.session.as_ref().unwrap().scene.has_overlay());
    window.harness.state().send(InspectAction::InScene(false));
    window.until("it has gone", |s| !s.session.as_ref().unwrap().scene.has_overlay());
    // A map is compared with that of the other path.
    let inspect = super::inspect::inspect(window.state());
    let of = |meaning| inspect.maps.iter().filter(|map| map.map.meaning == meaning).collect::<Vec<_>>();
    let (fine, coarse) = (Inspecting::key(of(PathPrediction)[0]), Inspecting::key(of(PathPrediction)[1]));
    window.harness.state().send(InspectAction::Show(fine));
    window.harness.state().send(InspectAction::Against(Against::Map(coarse)));
    window.harness.state().send(InspectAction::Scale(MapScale::Compared));
    window.button("Side by side");
    let inspect = super::inspect::inspect(window.state());
    let (other, _) = inspect.compared().unwrap();
    let shown = inspect.shown().unwrap();
    assert_eq!(inspect.range(&shown.map), inspect.range(other), "one scale for both");
    assert!(inspect.likeness.is_some_and(|rho| rho < 0.9999));
    window.harness.get_by_label("The same, compared map");
}

#[test]
fn attention_unet() {
    let family = Family {
        arch: "attention_unet_3d",
        config: json!({"n_classes": 2, "feature_scale": 16, "gates": "single", "in_channels": 1}),
        tile: [16, 32, 32],
        meanings: &[MapMeaning::GateCoefficient],
        tables: 0,
    };
    look(&family);
}

#[test]
fn daf_stack() {
    use MapMeaning::{AttentionGiven, AttentionReceived, GuidedAttention, ScaleAnswer};
    let family = Family {
        arch: "daf_stack",
        config: json!({"num_classes": 2, "width": 8, "trunk": trunk(8)}),
        tile: [1, 64, 64],
        meanings: &[AttentionGiven, AttentionReceived, GuidedAttention, ScaleAnswer],
        tables: 8,
    };
    let (_folder, mut window) = look(&family);
    let answers = |i: &Inspecting| i.maps.iter().filter(|map| map.map.meaning == ScaleAnswer).count();
    assert_eq!(answers(inspect(window.state())), 8, "four scales with two regions");
    window.harness.state().send(InspectAction::Layer(Some((0, "pam_attention_2_4".into()))));
    window.harness.run_ok();
    assert!(window.harness.query_all_by_label_contains("pam_attention_1_4.attention (").next().is_none());
    window.harness.get_by_label("pam_attention_2_4.row (attention of the marked pixel)");
    window.harness.state().send(InspectAction::Channels(3));
    window.harness.run_ok();
    window.harness.get_by_label("Table of the attention between channels");
}

#[test]
fn sagan_with_its_discriminator() {
    use MapMeaning::{AttentionGiven, AttentionReceived};
    let family = Family {
        arch: "sagan_wsi",
        config: json!({"in_channels": 1, "num_classes": 2, "w": 4}),
        tile: [1, 64, 64],
        meanings: &[AttentionGiven, AttentionReceived],
        tables: 0,
    };
    let (_folder, window) = look(&family);
    let inspect = inspect(window.state());
    assert_eq!(
        inspect.looks.iter().map(|l| l.stage.as_str()).collect::<Vec<_>>(),
        ["labels", "discriminator"]
    );
    let layers = |look: usize| {
        let maps = inspect.maps.iter().filter(|m| m.look == look && m.kind == MapKind::Row);
        maps.map(|m| m.map.layer.clone()).collect::<Vec<_>>()
    };
    assert_eq!(layers(0), ["trunk.att", "att_up"]);
    assert_eq!(layers(1), ["trunk.att"]);
    let drawn = inspect.looks[1].drawn_by_a_person.unwrap();
    assert!((0.0..=1.0).contains(&drawn) && inspect.looks[0].drawn_by_a_person.is_none());
    window.harness.get_by_label("sagan_wsi discriminator: drawn by a person");
}

#[test]
fn unetr_by_layer_and_head() {
    use MapMeaning::{AttentionGiven, AttentionReceived};
    let family = Family {
        arch: "unetr",
        config: json!({"img_size": [32, 32, 32], "out_channels": 2, "feature_size": 2, "hidden_size": 8, "mlp_dim": 8,
                       "num_heads": 2}),
        tile: [32, 32, 32],
        meanings: &[AttentionGiven, AttentionReceived],
        tables: 0,
    };
    let (_folder, mut window) = look(&family);
    let layer = "vit.blocks.7".to_owned();
    window.harness.state().send(InspectAction::Layer(Some((0, layer))));
    window.harness.run_ok();
    window.harness.get_by_label("vit.blocks.7.row head 2 (attention of the marked pixel)").click();
    window.harness.run_ok();
    let shown = inspect(window.state()).shown().unwrap();
    assert_eq!((shown.map.layer.as_str(), shown.map.channel.as_str()), ("vit.blocks.7", "head 2"));
    assert!((shown.map.values.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    let crosshair = window.session().views.crosshair;
    let far = (shown.map.query.unwrap() - crosshair).norm();
    assert!(
        far < shown.map.grid.spacing_mm().iter().sum::<f64>(),
        "the patch lies at the crosshair: {far} mm"
    );
    assert!(window.harness.query_all_by_label_contains("vit.blocks.6.row").next().is_none());
    // Both heads of the layer stand beside the image in every plane.
    window.button(MapView::All.name());
    for plane in ViewId::PLANES.into_iter().filter(|plane| *plane != ViewId::Flat) {
        for part in ["image", "head 1", "head 2"] {
            window.harness.get_by_label(&format!("{} view: {part}", plane.name()));
        }
    }
}

#[test]
fn danet_with_histograms_and_a_kept_map() {
    use MapMeaning::{AttentionGiven, AttentionReceived};
    let family = Family {
        arch: "danet",
        config: json!({"in_channels": 1, "num_classes": 2, "trunk": trunk(32)}),
        tile: [1, 64, 64],
        meanings: &[AttentionGiven, AttentionReceived],
        tables: 1,
    };
    let (_folder, mut window) = look(&family);
    let table = &inspect(window.state()).channels[0].1;
    assert!((0..table.channels).all(|c| (table.row(c).iter().sum::<f32>() - 1.0).abs() < 1e-4));

    // The map before a correction stays beside the one after it.
    let row = inspect(window.state()).maps.iter().find(|map| map.kind == MapKind::Row).unwrap();
    window.harness.state().send(InspectAction::Show(Inspecting::key(row)));
    window.harness.run_ok();
    let before = inspect(window.state()).shown().unwrap().map.values.clone();
    window.button("Keep map");
    let kept = inspect(window.state()).kept.clone();
    assert_eq!(inspect(window.state()).against, Against::Kept(kept[0].number));
    assert_eq!(inspect(window.state()).likeness.map(|rho| (rho * 1e6).round()), Some(1e6));
    // A brush stroke is a correction, and makes classes.
    let middle = window.session().views.crosshair;
    window.press(egui::Modifiers::NONE, Key::B);
    let at = window.position(hilum::state::ViewId::Flat, middle);
    for (x, pressed) in [(0.0, Some(true)), (12.0, None), (24.0, None), (24.0, Some(false))] {
        window.pointer(at + egui::vec2(x, 0.0), pressed);
    }
    window.until("something is labelled", |s| {
        s.session.as_ref().is_some_and(|s| !s.document.labels().is_blank())
    });
    window.harness.state().send(InspectAction::Classes(true));
    window.until("the attention of all pixels is counted", |s| {
        s.inspect.as_ref().and_then(|i| i.classes.as_ref()).is_some_and(|shares| !shares.found.is_empty())
    });
    window.harness.get_by_label("Histogram of the share of attention on each class");
    let shares = inspect(window.state()).classes.clone().unwrap();
    assert_eq!((shares.look, shares.layer.as_str()), (0, "head.sa"));
    window.button("Look again");
    window.until("the network was looked into again", is_ready);
    let inspect = inspect(window.state());
    assert_eq!(inspect.compared().unwrap().0.values, before, "the kept map is as it was");
    assert!(inspect.kept[0].told.contains("small: head.sa.row"), "{}", inspect.kept[0].told);
    window.button("Forget kept map");
    assert!(super::inspect::inspect(window.state()).kept.is_empty());
}
