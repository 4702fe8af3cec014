//! The whole loop on drawn images, with networks small enough for a test.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::Device;
use hilum_core::geometry::Grid;
use hilum_core::io::nifti::{save_labels, save_volume};
use hilum_core::volume::{ImageMeta, Source, Volume, Voxels};

use serde_json::json;

use super::*;
use crate::checkpoint::FloatFormat;
use crate::nets::AnyNetwork;

const CLICK: &str = r#"
name = "balls"
arch = "lesion_net"
steps = 1
batch = 2
learning_rate = 0.02
schedule = { kind = "cosine", warm_up = 0.1 }
seed = 5
validate_every = 1
[config]
in_channels = 2
features = [6, 8, 10]
convs_per_stage = 1
div = [0]
[task]
kind = "click"
channels = ["relative", "positive"]
size = 16
stage = { kind = "fine", margin = 1.5, min_side_mm = 16.0 }
data = [{ kind = "scenes", weight = 1.0 }]
"#;

const DENSE: &str = r#"
name = "balls"
arch = "unet_2d"
steps = 1
batch = 2
learning_rate = 0.02
schedule = { kind = "cosine", warm_up = 0.1 }
seed = 5
validate_every = 1
config = { img_ch = 1, output_ch = 1, widths = [4, 6, 8, 8, 8] }
[task]
kind = "dense"
patch = [1, 32, 32]
regions = [{ name = "ball", label = 3 }]
framing = { kind = "patches", foreground = 0.7 }
[[task.data]]
images = "."
image_suffix = "_image.nii.gz"
mask_suffix = "_mask.nii.gz"
regions = { ball = { values = [3] } }
weight = 1.0
[task.input]
color = false
normalize = { kind = "image" }
scale = { kind = "keep" }
"#;

/// A bright ball in noise, and away from it a spot that nobody clicks.
fn save_ball(folder: &Path, nth: usize, slices: usize) {
    let grid = Grid::from_spacing([32, 32, slices], [2.0; 3]).unwrap();
    let middle = [13.0 + (nth * 5 % 8) as f32, 14.0 + (nth * 3 % 6) as f32, (slices / 2) as f32];
    let radius = 4.0 + (nth % 3) as f32;
    let from = |i: usize| {
        let voxel = grid.voxel(i);
        (0..3).map(|axis| (voxel[axis] as f32 - middle[axis]).powi(2)).sum::<f32>().sqrt()
    };
    let is_spot = |i: usize| slices > 1 && grid.voxel(i)[0] > 28 && grid.voxel(i)[1] > 28;
    let count = grid.voxel_count();
    let noise = |i: usize| ((i * 7919 + nth * 104_729) % 97) as f32;
    let values = (0..count).map(|i| noise(i) + if from(i) < radius { 250.0 } else { 0.0 }).collect();
    let labels: Vec<u16> = (0..count).map(|i| u16::from(from(i) < radius || is_spot(i)) * 3).collect();
    let volume = Volume::new(grid, Voxels::F32(values), ImageMeta::default()).unwrap();
    save_volume(&folder.join(format!("{nth}_image.nii.gz")), &volume).unwrap();
    save_labels(&folder.join(format!("{nth}_mask.nii.gz")), &labels, &grid, &Source::Synthetic, &[]).unwrap();
}

fn simulation(folder: &Path, recipe: &str, rest: &str) -> Simulation {
    std::fs::write(folder.join("recipe.toml"), recipe).unwrap();
    let text = format!(
        "recipe = \"recipe.toml\"\nimages = \".\"\nimage_suffix = \"_image.nii.gz\"\nlabels = \".\"\n\
         label_suffix = \"_mask.nii.gz\"\npool = 4\nheld_out = 2\nstart = 1\nbatch = 2\nrounds = 5\n\
         round_rate = 0.5\nreplay_share = 0.5\nseeds = [3]\n{rest}"
    );
    toml::from_str::<Simulation>(&text).unwrap().resolved(folder).unwrap()
}

fn clicked(folder: &Path) -> Simulation {
    (0..6).for_each(|nth| save_ball(folder, nth, 24));
    let rest = "first_steps = 50\nround_steps = 5\nclicks = { enough_dice = 0.9, most = 3 }\n\
                strategies = [\"random\", \"entropy\", \"variance\", \"divergence\"]";
    simulation(folder, CLICK, rest)
}

fn run(simulation: &Simulation, measured: Measured, observer: &dyn Observer) -> Result<Measured, Measured> {
    let mut told = measured.clone();
    let report = simulation.run(DeviceChoice::Cpu, measured, observer, &mut |all, _| {
        told = all.clone();
        Ok(())
    });
    match report {
        Ok(report) => Ok(report.measured),
        Err(TeachError::Cancelled(_)) => Err(told),
        Err(other) => panic!("{other}"),
    }
}

/// Stops after so many steps.
struct Impatient(AtomicUsize);

impl Observer for Impatient {
    fn progress(&self, what: &str, _: u64, _: u64) {
        if what == "learning" {
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).ok();
        }
    }

    fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

#[test]
fn a_network_that_answers_clicks_goes_through_the_whole_loop_and_goes_on_where_it_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let simulation = clicked(folder.path());
    let whole = run(&simulation, Measured::default(), &()).unwrap();
    assert_eq!((whole.full.len(), whole.states.len()), (1, 12));
    assert!(whole.full[0].1 > 0.5, "it learned nothing: {:?}", whole.full);
    for run in whole.states.chunks(3) {
        let labelled: Vec<usize> = run.iter().map(|state| state.labelled).collect();
        assert_eq!(labelled, [1, 3, 4], "until the pool is used up");
        let drawn: BTreeSet<&String> = run.iter().flat_map(|state| &state.added).collect();
        assert_eq!(drawn.len(), 4, "every case once: {run:?}");
        assert_eq!(run[0].clicks, 0, "the first case is drawn without a network");
        assert!(run[0].strokes >= 7, "a stroke for every slice of the ball, the spot left alone");
        let clicks = run[2].clicks - run[1].clicks;
        assert!((1..=3).contains(&clicks) && run[1].clicks <= 6, "one to three clicks a case: {run:?}");
        assert!((0.0..=1.0).contains(&run[2].dice));
    }
    let first: BTreeSet<String> = whole.states.iter().step_by(3).map(|s| s.dice.to_string()).collect();
    assert_eq!(first.len(), 1, "all orders begin alike");

    // 60 steps with all cases, 50 with the first, 10 in rounds of the first order, then in the midst of the second.
    let stopped = run(&simulation, Measured::default(), &Impatient(AtomicUsize::new(60 + 50 + 10 + 7)));
    let Err(stopped) = stopped else { panic!("it was not stopped") };
    assert_eq!((stopped.full.len(), stopped.states.len()), (1, 5));
    let again = Measured::from_csv(&stopped.to_csv(4)).unwrap();
    let resumed = run(&simulation, again, &()).unwrap();
    assert_eq!(resumed.to_csv(4), whole.to_csv(4));
    // What is finished is not run again.
    let finished = run(&simulation, resumed, &Impatient(AtomicUsize::new(1))).unwrap();
    assert_eq!(finished.to_csv(4), whole.to_csv(4));
}

#[test]
fn what_cannot_be_simulated_is_said_before_hours_of_training() {
    let folder = tempfile::tempdir().unwrap();
    let simulation = clicked(folder.path());
    let refused = |simulation: &Simulation| {
        let mut nothing = |_: &Measured, _: Latest<'_>| panic!("something was measured");
        let report = simulation.run(DeviceChoice::Cpu, Measured::default(), &(), &mut nothing);
        report.unwrap_err().to_string()
    };
    let many = Simulation { pool: 5, ..simulation.clone() };
    assert!(refused(&many).contains("ask for 7 cases; 6 have image and mask"));
    let missing =
        Simulation { start_from: Some(folder.path().join("none.safetensors")), ..simulation.clone() };
    assert!(refused(&missing).contains("none.safetensors"));
    assert!(missing.setting().unwrap_err().to_string().contains("start_from"));
    std::fs::write(folder.path().join("recipe.toml"), CLICK.replace("div = [0]", "div = false")).unwrap();
    assert!(refused(&simulation).contains("no two paths"));
    std::fs::write(folder.path().join("recipe.toml"), CLICK).unwrap();
    save_ball(folder.path(), 2, 1);
    let text = refused(&simulation);
    assert!(text.contains("the case 2 cannot be clicked"), "{text}");
}

#[test]
fn a_network_that_labels_images_goes_through_the_same_loop() {
    let folder = tempfile::tempdir().unwrap();
    (0..6).for_each(|nth| save_ball(folder.path(), nth, 1));
    let rest = "first_steps = 12\nround_steps = 3\nstrategies = [\"random\", \"variance\"]";
    let simulation = simulation(folder.path(), DENSE, rest);
    let measured = run(&simulation, Measured::default(), &()).unwrap();
    let labelled: Vec<usize> = measured.states.iter().map(|state| state.labelled).collect();
    assert_eq!(labelled, [1, 3, 4, 1, 3, 4]);
    assert_eq!((measured.states[0].clicks, measured.states[0].strokes), (1, 1), "one ball in one slice");
    let weights = folder.path().join("start.safetensors");
    let network = AnyNetwork::seeded(
        "unet_2d",
        json!({"img_ch": 1, "output_ch": 1, "widths": [4, 6, 8, 8, 8]}),
        9,
        &Device::flex(),
    )
    .unwrap();
    network.save_weights(&weights, FloatFormat::F32).unwrap();
    let begun =
        Simulation { start_from: Some(weights), strategies: vec![Strategy::Random], ..simulation.clone() };
    assert_ne!(simulation.setting().unwrap(), begun.setting().unwrap());
    let begun = run(&begun, Measured::default(), &()).unwrap();
    assert!(begun.states[0].dice != measured.states[0].dice, "it began with the weights of the seed");
    let other = Simulation { round_steps: 4, ..simulation.clone() };
    assert_ne!(simulation.setting().unwrap(), other.setting().unwrap());
    let more_seeds = Simulation { seeds: vec![3, 4], images: "elsewhere".into(), ..simulation.clone() };
    assert_eq!(simulation.setting().unwrap(), more_seeds.setting().unwrap());
}
