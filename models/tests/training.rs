//! A training run from the outside: it is deterministic, and a run that was cut short goes on from its checkpoint.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::path::Path;

use hilum_core::io::raster;
use hilum_core::job::Observer;
use hilum_core::volume::Voxels;
use hilum_models::checkpoint::{FloatFormat, StateDict, StoredTensor};
use hilum_models::device;
use hilum_models::train::{Recipe, RunSummary, TrainError, train};

const RECIPE: &str = r#"
name = "test"
arch = "lesion_net"
steps = 12
batch = 2
learning_rate = 0.003
seed = 7
validate_every = 6
ema = 0.9

[config]
in_channels = 5
features = [4, 8]
div = true

[schedule]
kind = "cosine"
warm_up = 0.1

[task]
kind = "click"
channels = ["image", "relative", "positive", "negative", "previous"]
size = 16
refine_share = 0.5

[task.stage]
kind = "fine"
margin = 1.5
min_side_mm = 32.0

[[task.data]]
kind = "scenes"
weight = 1.0
"#;

fn recipe(folder: &Path) -> Recipe {
    let path = folder.join("recipe.toml");
    std::fs::write(&path, RECIPE).unwrap();
    Recipe::read(&path).unwrap()
}

fn run(recipe: &Recipe, folder: &Path, observer: &dyn Observer) -> Result<RunSummary, TrainError> {
    train(recipe, folder, &device::cpu().device, observer, |_| {})
}

/// Names and bytes of all tensors; the order of a file's other entries is not part of the promise.
fn weights(folder: &Path, name: &str) -> Vec<(String, Vec<u8>)> {
    let dict = StateDict::read(&folder.join(name)).unwrap();
    dict.iter().map(|(name, tensor)| (name.to_owned(), tensor.bytes().to_vec())).collect()
}

/// Cancels when asked for the n-th time.
struct CancelAfter(Cell<usize>);

impl Observer for CancelAfter {
    fn is_cancelled(&self) -> bool {
        self.0.set(self.0.get() - 1);
        self.0.get() == 0
    }
}

#[test]
fn the_same_recipe_gives_the_same_weights_and_an_interrupted_run_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let recipe = recipe(home.path());
    let (whole, again, broken) = (home.path().join("a"), home.path().join("b"), home.path().join("c"));
    let summary = run(&recipe, &whole, &()).unwrap();
    assert_eq!(summary.steps, 12);
    run(&recipe, &again, &()).unwrap();
    let same = |a: &Path, b: &Path| weights(a, "last.safetensors") == weights(b, "last.safetensors");
    assert!(same(&whole, &again), "the same seed gives the same weights");

    let stopped = run(&recipe, &broken, &CancelAfter(Cell::new(9)));
    assert!(matches!(stopped, Err(TrainError::Cancelled(_))));
    let resumed = run(&recipe, &broken, &()).unwrap();
    assert_eq!(resumed.steps, 12);
    assert!(same(&whole, &broken), "a continued run ends where an unbroken one does");
    let validated = std::fs::read_to_string(broken.join("validation.csv")).unwrap();
    let steps: Vec<&str> = validated.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!(steps, ["6", "12"], "it went on from its checkpoint");
    for file in ["validation.csv", "curves.png", "best.safetensors", "recipe.json"] {
        assert!(whole.join(file).is_file(), "{file}");
    }
}

#[test]
fn a_folder_of_another_recipe_is_not_overwritten() {
    let home = tempfile::tempdir().unwrap();
    let mut recipe = recipe(home.path());
    recipe.steps = 1;
    recipe.validate_every = 1;
    let folder = home.path().join("run");
    run(&recipe, &folder, &()).unwrap();
    recipe.seed += 1;
    assert!(matches!(run(&recipe, &folder, &()), Err(TrainError::OtherRecipe(_))));
}

#[test]
fn trained_weights_survive_half_precision() {
    let home = tempfile::tempdir().unwrap();
    let mut recipe = recipe(home.path());
    recipe.steps = 2;
    recipe.validate_every = 2;
    let folder = home.path().join("run");
    let summary = run(&recipe, &folder, &()).unwrap();
    let device = device::cpu().device;
    let load = |path: &Path| {
        hilum_models::nets::AnyNetwork::from_name(&recipe.arch, recipe.config.clone(), &device)
            .unwrap()
            .with_weights_file(path)
            .unwrap()
    };
    let half = home.path().join("half.safetensors");
    load(&summary.weights).save_weights(&half, FloatFormat::F16).unwrap();
    let x = burn::tensor::Tensor::<5>::ones([1, 5, 16, 16, 16], &device);
    let full = load(&summary.weights).forward(x.clone()).unwrap();
    let rounded = load(&half).forward(x).unwrap();
    let difference: f32 = (full - rounded).abs().max().into_scalar();
    assert!(difference < 0.02, "{difference}");
}

/// Labels two regions of pictures, of which one source shows only the first, against an adversary.
const DENSE_RECIPE: &str = r#"
name = "pictures"
arch = "unet_2d"
steps = 8
batch = 2
learning_rate = 0.003
seed = 7
validate_every = 4
ema = 0.9

[config]
img_ch = 3
output_ch = 2
widths = [2, 4, 4, 4, 4]

[schedule]
kind = "cosine"
warm_up = 0.1

[task]
kind = "dense"
patch = [1, 64, 64]
regions = [{ name = "disc", label = 1 }, { name = "core", label = 2, within = "disc" }]
framing = { kind = "patches", foreground = 0.5 }
input = { color = true, normalize = { kind = "image" }, scale = { kind = "keep" } }
augment = { rotation_degrees = 90.0, scale = 1.2, flips = [0, 1], intensity = 1.0 }
adversary = { weight = 0.1, learning_rate = 0.001, width = 4 }

[[task.data]]
images = "both"
image_suffix = ".png"
mask_suffix = "_mask.png"
regions = { disc = { values = [1, 2] }, core = { values = [2] } }
weight = 1.0

[[task.data]]
images = "disc"
image_suffix = ".png"
mask_suffix = "_mask.png"
regions = { disc = { values = [1, 2] } }
weight = 1.0
"#;

/// Pictures of a disc with a bright core, and their masks.
fn write_pictures(folder: &Path) {
    const SIZE: usize = 72;
    std::fs::create_dir(folder).unwrap();
    for nth in 0..5usize {
        let center = 28.0 + 4.0 * nth as f64;
        let distance = |i: usize| ((i % SIZE) as f64 - center).hypot((i / SIZE) as f64 - 36.0);
        let label = |i: usize| u16::from(distance(i) < 20.0) + u16::from(distance(i) < 8.0);
        let color = |i: usize| {
            let value = 40 + 80 * label(i) as u8;
            [value, value / 2, (i % 17) as u8]
        };
        let pixels: Vec<[u8; 3]> = (0..SIZE * SIZE).map(color).collect();
        let labels: Vec<u16> = (0..SIZE * SIZE).map(label).collect();
        let path = |end: &str| folder.join(format!("{nth}{end}"));
        raster::save(&path(".png"), &Voxels::Rgb8(pixels), [SIZE, SIZE]).unwrap();
        raster::save_labels(&path("_mask.png"), &labels, [SIZE, SIZE]).unwrap();
    }
}

#[test]
fn a_network_for_pictures_learns_against_an_adversary_and_goes_on_where_it_stopped() {
    let home = tempfile::tempdir().unwrap();
    for name in ["both", "disc"] {
        write_pictures(&home.path().join(name));
    }
    let path = home.path().join("recipe.toml");
    std::fs::write(&path, DENSE_RECIPE).unwrap();
    let recipe = Recipe::read(&path).unwrap();
    let (whole, broken) = (home.path().join("whole"), home.path().join("broken"));
    let summary = run(&recipe, &whole, &()).unwrap();
    // The last fifth of each folder validates: both regions of one picture, one of the other.
    let names: Vec<&str> = summary.best.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["4/disc", "4/core", "4/disc"]);
    let stopped = run(&recipe, &broken, &CancelAfter(Cell::new(6)));
    assert!(matches!(stopped, Err(TrainError::Cancelled(_))));
    run(&recipe, &broken, &()).unwrap();
    for file in ["last.safetensors", "teacher.safetensors"] {
        let read = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
        let tensors = |folder: &Path| StateDict::from_bytes(read(folder)).unwrap();
        let (one, two) = (tensors(&whole), tensors(&broken));
        let differs = |(name, tensor): &(&str, &StoredTensor)| {
            two.get(name).map(StoredTensor::bytes) != Some(tensor.bytes())
        };
        let names: Vec<&str> = one.iter().filter(differs).map(|(name, _)| name).collect();
        assert!(names.is_empty(), "{file} of a continued run differs in {names:?}");
    }
    let unknown = DENSE_RECIPE.replace("within = \"disc\"", "within = \"dsic\"");
    std::fs::write(&path, unknown).unwrap();
    assert!(Recipe::read(&path).unwrap_err().to_string().contains("dsic"));
}
