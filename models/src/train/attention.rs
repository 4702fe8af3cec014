//! Attention over a run: maps of some cases at some steps, kept small, and read again for a slider.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use hilum_core::geometry::Grid;
use image::{GrayImage, ImageFormat};
use serde::{Deserialize, Serialize};

use super::folder::{to_json, write_text};
use super::run::TrainError;
use crate::inspect::map_grid;
use crate::nets::{AnyNetwork, MapMeaning};

/// At which steps which cases are looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttentionRecipe {
    /// Steps after which maps are kept; 0 is before the first.
    pub steps: Vec<usize>,
    /// How many of the cases set aside, the first ones.
    #[serde(default = "one")]
    pub cases: usize,
}

fn one() -> usize {
    1
}

/// What a network is shown to see where it looks.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The case.
    pub(crate) case: String,
    /// `[1, channels, z, y, x]`.
    pub(crate) values: Vec<f32>,
    pub(crate) shape: [usize; 5],
    /// Where the samples lie in the patient, where that is known.
    pub(crate) grid: Option<Grid>,
}

/// A map that was kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptMap {
    /// Steps done.
    pub step: usize,
    /// The case.
    pub case: String,
    /// The layer that made it.
    pub layer: String,
    /// 0 = finest resolution of the network.
    pub level: usize,
    /// What its numbers mean.
    pub meaning: MapMeaning,
    /// Size of the map, `[z, y, x]`; it spans the same field of view as the input.
    pub shape: [usize; 3],
    /// Size of the input, `[z, y, x]`.
    pub input_shape: [usize; 3],
    /// Smallest value: black in the file.
    pub low: f32,
    /// Largest value: white.
    pub high: f32,
    /// Where its pixels lie in the patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Grid>,
    /// A grey PNG in the run's folder, its slices one below the other.
    pub file: PathBuf,
}

/// The index of the maps in a run's folder.
const INDEX: &str = "attention/index.json";
/// Most values of a map that is read: a file may lie.
const MAX_VALUES: usize = 1 << 28;

/// All maps that a run has kept, in the order of steps; none where it kept none.
///
/// # Errors
/// An index that is not understood.
pub fn kept_maps(run: &Path) -> Result<Vec<KeptMap>, TrainError> {
    match std::fs::read(run.join(INDEX)) {
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|e| TrainError::Data(format!("the index of the attention maps is broken ({e})"))),
        Err(_) => Ok(Vec::new()),
    }
}

impl KeptMap {
    /// The values, `[z, y, x]`, to 1/255 of their range.
    ///
    /// # Errors
    /// A file that is missing or is not of the size that the index says.
    pub fn read(&self, run: &Path) -> Result<Vec<f32>, TrainError> {
        let broken = |why: String| {
            TrainError::Data(format!("the attention map cannot be read ({why}): {}", self.file.display()))
        };
        let [z, y, x] = self.shape;
        let count = z.checked_mul(y).and_then(|n| n.checked_mul(x)).filter(|n| *n <= MAX_VALUES);
        let bytes = std::fs::read(run.join(&self.file)).map_err(|e| broken(e.to_string()))?;
        let picture = image::load_from_memory_with_format(&bytes, ImageFormat::Png)
            .map_err(|e| broken(e.to_string()))?
            .into_luma8();
        if (picture.width() as usize, Some(picture.as_raw().len())) != (x, count) {
            return Err(broken(format!("it has {} × {} pixels", picture.width(), picture.height())));
        }
        let range = self.high - self.low;
        Ok(picture.as_raw().iter().map(|grey| self.low + range * f32::from(*grey) / 255.0).collect())
    }
}

/// Keeps the maps of some cases after `step` steps.
pub(crate) fn keep(
    run: &Path,
    step: usize,
    network: &AnyNetwork,
    shown: &[Shown],
    device: &Device,
) -> Result<(), TrainError> {
    let mut all = kept_maps(run)?;
    // A continued run writes again what came after its checkpoint.
    all.retain(|map| map.step < step);
    for (nth, shown) in shown.iter().enumerate() {
        let folder = PathBuf::from("attention").join(format!("{step:07}")).join(format!("{nth:03}"));
        let at = run.join(&folder);
        std::fs::create_dir_all(&at).map_err(|cause| TrainError::Folder { cause, path: at })?;
        let input = Tensor::<5>::from_data(TensorData::new(shown.values.clone(), shown.shape), device);
        let prediction = network.forward_with_attention(input)?;
        for (number, map) in prediction.maps.into_iter().enumerate() {
            let data = map.tensor.narrow(0, 0, 1).mean_dim(1).try_into_data();
            let data = data.map_err(|e| TrainError::Device(e.to_string()))?;
            let values: Vec<f32> = data.try_to_vec().map_err(|e| TrainError::Device(format!("{e:?}")))?;
            let (low, high) = range(&values);
            let file = folder.join(format!("{number:02}.png"));
            write_grey(&run.join(&file), &values, map.spatial_shape, [low, high])?;
            let [_, _, z, y, x] = shown.shape;
            all.push(KeptMap {
                step,
                case: shown.case.clone(),
                layer: map.layer,
                level: map.level,
                meaning: map.meaning,
                shape: map.spatial_shape,
                input_shape: [z, y, x],
                low,
                high,
                grid: shown.grid.and_then(|input| map_grid(&input, map.spatial_shape).ok()),
                file,
            });
        }
    }
    write_text(&run.join(INDEX), &to_json(&all))
}

fn range(values: &[f32]) -> (f32, f32) {
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max));
    if low <= high { (low, high) } else { (0.0, 0.0) }
}

fn write_grey(
    path: &Path,
    values: &[f32],
    [z, y, x]: [usize; 3],
    [low, high]: [f32; 2],
) -> Result<(), TrainError> {
    let scale = if high > low { 255.0 / (high - low) } else { 0.0 };
    let grey = values.iter().map(|value| ((value - low) * scale).round().clamp(0.0, 255.0) as u8).collect();
    let fault = |cause| TrainError::Folder { cause, path: path.to_owned() };
    let picture = GrayImage::from_raw(x as u32, (z * y) as u32, grey)
        .ok_or_else(|| fault(std::io::Error::other("a map of an odd size")))?;
    picture.save_with_format(path, ImageFormat::Png).map_err(|e| fault(std::io::Error::other(e)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn maps_are_kept_small_and_read_back_nearly_as_they_were() {
        let device = Device::flex();
        let config = json!({"img_ch": 1, "output_ch": 1, "widths": [4, 6, 8, 8, 8], "finest_gate_width": 4});
        let network = AnyNetwork::seeded("attention_unet_2d", config, 3, &device).unwrap();
        let shape = [1, 1, 1, 32, 32];
        let values: Vec<f32> = (0..1024).map(|i| (i as f32 * 0.13).sin()).collect();
        let grid = Grid::from_spacing([32, 32, 1], [1.0, 1.0, 5.0]).ok();
        let shown = [Shown { case: "a".into(), values: values.clone(), shape, grid }];
        let run = tempfile::tempdir().unwrap();
        for step in [0, 5, 9] {
            keep(run.path(), step, &network, &shown, &device).unwrap();
        }
        // A run that was continued from step 5 on.
        keep(run.path(), 5, &network, &shown, &device).unwrap();
        let maps = kept_maps(run.path()).unwrap();
        assert!(maps.iter().all(|map| map.step <= 5) && maps.iter().any(|map| map.step == 0));
        let input = Tensor::<5>::from_data(TensorData::new(values, shape), &device);
        let expected = network.forward_with_attention(input).unwrap().maps;
        let kept: Vec<&KeptMap> = maps.iter().filter(|map| map.step == 5).collect();
        assert_eq!(kept.len(), expected.len());
        for (kept, expected) in kept.iter().zip(expected) {
            let read = kept.read(run.path()).unwrap();
            let expected: Vec<f32> = expected.tensor.mean_dim(1).into_data().try_to_vec().unwrap();
            let step = (kept.high - kept.low) / 255.0;
            assert!(read.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= step), "{}", kept.layer);
            let grid = kept.grid.unwrap();
            let [z, y, x] = kept.shape;
            assert_eq!((grid.dims(), grid.extent_mm()[0].round()), ([x, y, z], 32.0), "it spans the input");
        }
        std::fs::write(run.path().join(&maps[0].file), b"no picture").unwrap();
        assert!(maps[0].read(run.path()).is_err());
    }
}
