//! Labelling every voxel: frame, tiles, averaged answers, and the way back to the image.

mod strips;

use burn::tensor::{Device, Tensor, TensorData, activation};
use hilum_core::geometry::{Grid, WorldPoint};
use hilum_core::job::{Cancelled, Observer};
use hilum_core::volume::Volume;
use nalgebra::Vector3;

use crate::catalog::{Catalog, CatalogError, DenseTask, Region};
use crate::inspect::Subject;
use crate::nets::{AnyNetwork, NetError};
use crate::train::click::largest_region;
use crate::transform::frame::{Frame, Normalize, Prepared, to_image};

pub use strips::{PictureParts, StripAnswer};

/// Weight of the outermost samples of a tile, whose surroundings the network did not see.
const RIM_WEIGHT: f32 = 0.05;
/// Samples beyond a photograph that its tiles reach on every side.
///
/// Where the picture cuts the field of view, cameras leave a soft dark edge of a few pixels. Convolutions surround their
/// input by zeros, which stand for the mean brightness of the field: a dark line between bright retina and bright nothing
/// is a vessel to them. With the picture's edge going on beyond it, they see the dark surround of a field. (Mirrored, the
/// edge would be a dark line again; black beyond a hard cut hides what ends there.)
const SURROUND: usize = 12;

/// Why an image was not labelled.
#[derive(Debug, thiserror::Error)]
pub enum DenseError {
    /// The model.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The network does not take the input.
    #[error(transparent)]
    Network(#[from] NetError),
    /// What the network must look around was not found.
    #[error(
        "no {0} was found in this image; is it the right kind of picture? Draw it by hand or choose another model"
    )]
    NotFound(String),
    /// The image does not suit the model.
    #[error("{0}")]
    Unsuitable(String),
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
    /// The watcher asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// A model that labels images, ready to work.
#[derive(Debug)]
pub struct Dense {
    /// Its identity.
    id: String,
    network: AnyNetwork,
    task: DenseTask,
    locator: Option<Box<Dense>>,
    device: Device,
}

/// An image's labels.
#[derive(Clone, Debug)]
pub struct DenseAnswer {
    /// The models that worked, the locator first.
    pub models: Vec<String>,
    /// Label of every voxel `[z, y, x]`, 0 where nothing was found.
    pub labels: Vec<u16>,
    /// What the labels are.
    pub regions: Vec<Region>,
    /// Probability of every region at every voxel `[z, y, x]`.
    pub probabilities: Vec<Vec<f32>>,
    /// Where the network looked.
    pub frame: Frame,
}

impl Dense {
    /// Loads a model and the one that finds its place.
    ///
    /// # Errors
    /// [`DenseError`] if a model is missing, broken or labels no images.
    pub fn load(catalog: &Catalog, id: &str, device: &Device) -> Result<Self, DenseError> {
        let model = catalog.find(id)?;
        let task = model.card.dense().cloned().ok_or_else(|| CatalogError::Unsuitable {
            id: id.to_owned(),
            what: "does not label images".into(),
        })?;
        let locator = match &task.around {
            Some(around) if around.model == id => {
                return Err(DenseError::Unsuitable(format!(
                    "the model {id} looks around what it finds itself"
                )));
            }
            Some(around) => Some(Box::new(Self::load(catalog, &around.model, device)?)),
            None => None,
        };
        Ok(Self { id: id.to_owned(), network: model.load(device)?, task, locator, device: device.clone() })
    }

    /// Its identity.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it labels.
    pub fn task(&self) -> &DenseTask {
        &self.task
    }

    pub(crate) fn network(&self) -> &AnyNetwork {
        &self.network
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Where it looks in an image, and the models that found the place.
    pub(crate) fn frame_of(
        &self,
        volume: &Volume,
        observer: &dyn Observer,
    ) -> Result<(Frame, Vec<String>), DenseError> {
        match (&self.locator, &self.task.around) {
            (Some(locator), Some(around)) => {
                let found = locator.segment(volume, observer)?;
                let place = found.place_of(&around.region, volume.grid());
                let (center, extent) = place.ok_or_else(|| DenseError::NotFound(around.region.clone()))?;
                let [_, y, x] = self.task.tile;
                Ok((Frame::square(center, extent * around.side, [y, x]), found.models))
            }
            _ => Ok((Frame::whole(volume, &self.task.input), Vec::new())),
        }
    }

    /// The network with what it is given of an image, to be looked into: of the tiles that it works on the one whose
    /// middle is nearest to `at`, or to the middle of where it looks; not mirrored.
    ///
    /// # Errors
    /// [`DenseError`] if what it must look around is not there, or the point lies where it does not look.
    pub fn subject(
        &self,
        volume: &Volume,
        at: Option<WorldPoint>,
        observer: &dyn Observer,
    ) -> Result<Subject, DenseError> {
        let (frame, _) = self.frame_of(volume, observer)?;
        let unsuitable = |why: String| DenseError::Unsuitable(why);
        let whole = frame.grid(volume.grid()).map_err(|e| unsuitable(e.to_string()))?;
        let point = at.unwrap_or_else(|| whole.center_world());
        let sample = whole.affine().voxel_from_world(point);
        if whole.voxel_at(sample).is_none() {
            let [x, y, z] = [point.x, point.y, point.z];
            return Err(unsuitable(format!(
                "the point {x:.1},{y:.1},{z:.1} mm lies where the model {} does not look",
                self.id
            )));
        }
        let [tz, ty, tx] = self.task.tile;
        let tile = [tx, ty, tz];
        let starts = tile_starts(&self.task, frame.dims);
        let start = [0, 1, 2].map(|axis| {
            let far = |start: &isize| (*start as f64 + (tile[axis] as f64 - 1.0) / 2.0 - sample[axis]).abs();
            starts[axis].iter().copied().min_by(|a, b| far(a).total_cmp(&far(b))).unwrap_or(0)
        });
        let part = frame.part(start, tile);
        Ok(Subject {
            model: self.id.clone(),
            stage: "labels".to_owned(),
            network: self.network.clone(),
            device: self.device.clone(),
            grid: part.grid(volume.grid()).map_err(|e| unsuitable(e.to_string()))?,
            input: Prepared::new(volume, &self.task.input).sample(&part),
            image_channels: (0..self.task.input.channels()).collect(),
            regions: Some(self.task.regions.clone()),
            judge: None,
        })
    }

    /// Labels an image.
    ///
    /// # Errors
    /// [`DenseError`] if what it must look around is not there, or the device fails.
    pub fn segment(&self, volume: &Volume, observer: &dyn Observer) -> Result<DenseAnswer, DenseError> {
        let (frame, mut models) = self.frame_of(volume, observer)?;
        models.push(self.id.clone());
        let prepared = Prepared::new(volume, &self.task.input);
        let on_frame = probabilities(&self.network, &self.task, &prepared, &frame, &self.device, observer)?;
        let dims = volume.grid().dims();
        let mut probabilities: Vec<Vec<f32>> =
            on_frame.chunks(frame.len()).map(|region| to_image(region, &frame, dims, 0.0)).collect();
        for (region, probability) in self.task.regions.iter().zip(&mut probabilities) {
            if region.is_single {
                keep_largest(probability, volume.grid());
            }
        }
        let labels = labels(&self.task.regions, &probabilities);
        Ok(DenseAnswer { models, labels, regions: self.task.regions.clone(), probabilities, frame })
    }
}

impl DenseAnswer {
    /// Centre, in voxels, and larger extent in the plane of the largest part of a region.
    fn place_of(&self, name: &str, grid: &Grid) -> Option<(Vector3<f64>, f64)> {
        let region = self.regions.iter().position(|region| region.name == name)?;
        let inside: Vec<bool> = self.probabilities[region].iter().map(|p| *p >= 0.5).collect();
        extent_of(&largest_region(&inside, grid), grid)
    }
}

/// Centre of the box around some voxels, and its larger side in the plane; `None` of nothing.
pub fn extent_of(voxels: &[usize], grid: &Grid) -> Option<(Vector3<f64>, f64)> {
    let mut low = Vector3::repeat(f64::INFINITY);
    let mut high = Vector3::repeat(f64::NEG_INFINITY);
    for index in voxels {
        let voxel = grid.voxel(*index).map(|v| v as f64);
        low = low.inf(&Vector3::from(voxel));
        high = high.sup(&Vector3::from(voxel));
    }
    let size = high - low;
    (!voxels.is_empty()).then(|| ((low + high) / 2.0, size.x.max(size.y) + 1.0))
}

/// Sets the probability of all but the largest likely part to just below one half.
fn keep_largest(probability: &mut [f32], grid: &Grid) {
    let inside: Vec<bool> = probability.iter().map(|p| *p >= 0.5).collect();
    let mut is_kept = vec![false; inside.len()];
    largest_region(&inside, grid).into_iter().for_each(|index| is_kept[index] = true);
    for (p, kept) in probability.iter_mut().zip(is_kept) {
        if !kept {
            *p = p.min(0.499);
        }
    }
}

/// The label of every voxel: of the regions at one half or above, the most probable; a region within another counts
/// only inside it, and stands above it.
pub fn labels(regions: &[Region], probabilities: &[Vec<f32>]) -> Vec<u16> {
    let parent = |region: &Region| {
        region.within.as_ref().and_then(|name| regions.iter().position(|other| other.name == *name))
    };
    let parents: Vec<Option<usize>> = regions.iter().map(parent).collect();
    let voxels = probabilities.first().map_or(0, Vec::len);
    let likely = |region: usize, voxel: usize| probabilities[region][voxel] >= 0.5;
    (0..voxels)
        .map(|voxel| {
            let is_there =
                |region: &usize| likely(*region, voxel) && parents[*region].is_none_or(|p| likely(p, voxel));
            let rank = |region: usize| (parents[region].is_some(), probabilities[region][voxel]);
            (0..regions.len())
                .filter(is_there)
                .max_by(|a, b| {
                    let (a, b) = (rank(*a), rank(*b));
                    a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
                })
                .map_or(0, |region| regions[region].label)
        })
        .collect()
}

/// Probability of every region on a frame, `[region, z, y, x]`: overlapping tiles, averaged, over the mirrorings that
/// the task asks for. The network must not be in training mode.
///
/// # Errors
/// [`DenseError`] if the network does not take the tiles, the device fails, or the watcher asks to stop.
pub fn probabilities(
    network: &AnyNetwork,
    task: &DenseTask,
    image: &Prepared,
    frame: &Frame,
    device: &Device,
    observer: &dyn Observer,
) -> Result<Vec<f32>, DenseError> {
    let [tz, ty, tx] = task.tile;
    let tile = [tx, ty, tz];
    let starts = tile_starts(task, frame.dims);
    let (regions, voxels) = (task.regions.len(), frame.len());
    let mut sums = vec![0.0f32; regions * voxels];
    let mut weights = vec![0.0f32; voxels];
    let total = starts.iter().map(Vec::len).product::<usize>() as u64;
    let mut done = 0;
    for &z in &starts[2] {
        for &y in &starts[1] {
            for &x in &starts[0] {
                if observer.is_cancelled() {
                    return Err(Cancelled.into());
                }
                observer.progress("labelling", done, total);
                let part = frame.part([x, y, z], tile);
                let answer = tile_answer(network, task, &image.sample(&part), device)?;
                add_tile(&answer, [x, y, z], tile, frame.dims, &mut sums, &mut weights);
                done += 1;
            }
        }
    }
    for region in sums.chunks_mut(voxels) {
        region.iter_mut().zip(&weights).for_each(|(sum, weight)| *sum /= weight);
    }
    Ok(sums)
}

/// Where the tiles of a frame begin, along x, y, z. Those of a photograph reach beyond it (see [`SURROUND`]); a single tile
/// stays as it is.
fn tile_starts(task: &DenseTask, dims: [usize; 3]) -> [Vec<isize>; 3] {
    let [tz, ty, tx] = task.tile;
    let tile = [tx, ty, tz];
    [0, 1, 2].map(|axis| {
        let is_surrounded = task.input.normalize == Normalize::Field && axis < 2 && dims[axis] > tile[axis];
        let beyond = if is_surrounded { SURROUND } else { 0 };
        let starts = starts(dims[axis] + 2 * beyond, tile[axis]).into_iter();
        starts.map(|start| start - beyond as isize).collect()
    })
}

/// Where tiles begin: overlapping by half, the last one flush; a larger tile lies around the middle.
fn starts(size: usize, tile: usize) -> Vec<isize> {
    if tile >= size {
        return vec![-(((tile - size) / 2) as isize)];
    }
    let last = size - tile;
    let steps = last.div_ceil((tile / 2).max(1));
    (0..=steps).map(|i| (i * last / steps) as isize).collect()
}

/// Probabilities of one tile `[region, z, y, x]` from its values `[channel, z, y, x]`, averaged over the mirrorings.
fn tile_answer(
    network: &AnyNetwork,
    task: &DenseTask,
    values: &[f32],
    device: &Device,
) -> Result<Vec<f32>, DenseError> {
    let mirrorings = 1 << task.average_flips.len();
    let mut sums: Vec<f32> = Vec::new();
    for mirroring in 0..mirrorings {
        let axes = task.average_flips.iter().enumerate().filter(|(bit, _)| mirroring >> bit & 1 == 1);
        let axes: Vec<usize> = axes.map(|(_, axis)| *axis).collect();
        let mut input = values.to_vec();
        axes.iter().for_each(|axis| mirror(&mut input, task.tile, *axis));
        let mut answer = one_answer(network, task, input, device)?;
        axes.iter().for_each(|axis| mirror(&mut answer, task.tile, *axis));
        if sums.is_empty() {
            sums = answer;
        } else {
            sums.iter_mut().zip(answer).for_each(|(sum, p)| *sum += p);
        }
    }
    sums.iter_mut().for_each(|sum| *sum /= mirrorings as f32);
    Ok(sums)
}

fn one_answer(
    network: &AnyNetwork,
    task: &DenseTask,
    values: Vec<f32>,
    device: &Device,
) -> Result<Vec<f32>, DenseError> {
    let [z, y, x] = task.tile;
    let shape = [1, task.input.channels(), z, y, x];
    let logits = network.forward(Tensor::<5>::from_data(TensorData::new(values, shape), device))?;
    let channels = logits.dims()[1];
    if channels != task.regions.len() {
        let text = format!("the network answers {channels} channels for {} regions", task.regions.len());
        return Err(DenseError::Unsuitable(text));
    }
    let data = activation::sigmoid(logits).try_into_data().map_err(|e| DenseError::Device(e.to_string()))?;
    data.try_to_vec::<f32>().map_err(|e| DenseError::Device(format!("{e:?}")))
}

/// Reverses every channel `[z, y, x]` along an axis (0 = x, 1 = y, 2 = z).
fn mirror(values: &mut [f32], [z, y, x]: [usize; 3], axis: usize) {
    match axis {
        0 => values.chunks_mut(x).for_each(<[f32]>::reverse),
        1 => values.chunks_mut(x * y).for_each(|plane| reverse_blocks(plane, x)),
        _ => values.chunks_mut(x * y * z).for_each(|channel| reverse_blocks(channel, x * y)),
    }
}

/// Reverses the order of blocks, each of which stays as it is.
fn reverse_blocks(values: &mut [f32], block: usize) {
    values.reverse();
    values.chunks_mut(block).for_each(<[f32]>::reverse);
}

/// Adds a tile's answer to the sums, its middle with more weight than its rim.
fn add_tile(
    answer: &[f32],
    start: [isize; 3],
    tile: [usize; 3],
    dims: [usize; 3],
    sums: &mut [f32],
    weights: &mut [f32],
) {
    let ramp = |i: usize, n: usize| {
        if n == 1 { 1.0 } else { 1.0 - (2.0 * i as f32 / (n - 1) as f32 - 1.0).abs() + RIM_WEIGHT }
    };
    let (tile_voxels, voxels) = (tile.iter().product::<usize>(), weights.len());
    for z in 0..tile[2] {
        for y in 0..tile[1] {
            for x in 0..tile[0] {
                let at = [x, y, z];
                let place = [0, 1, 2].map(|axis| start[axis] + at[axis] as isize);
                if (0..3).any(|axis| place[axis] < 0 || place[axis] >= dims[axis] as isize) {
                    continue;
                }
                let [px, py, pz] = place.map(|p| p as usize);
                let to = (pz * dims[1] + py) * dims[0] + px;
                let from = (z * tile[1] + y) * tile[0] + x;
                let weight = ramp(x, tile[0]) * ramp(y, tile[1]) * ramp(z, tile[2]);
                weights[to] += weight;
                for region in 0..answer.len() / tile_voxels {
                    sums[region * voxels + to] += weight * answer[region * tile_voxels + from];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
