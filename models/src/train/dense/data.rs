//! Cases for networks that label every voxel: images with their regions.

use std::path::{Path, PathBuf};

use hilum_core::geometry::Grid;
use hilum_core::io::{self, OpenOptions};
use hilum_core::volume::{Volume, Voxels};

use super::super::recipe::{DenseRecipe, DenseSource, Framing, LabelAt};
use super::super::run::TrainError;
use crate::infer::extent_of;
use crate::train::click::largest_region;
use crate::transform::frame::{Frame, Prepared};
use nalgebra::Vector3;

/// Most voxels of a region that are remembered as places to look at.
const MAX_PLACES: usize = 20_000;

/// An image with its regions.
#[derive(Clone, Debug)]
pub struct Case {
    /// What the file is called without its suffix.
    pub name: String,
    /// The grid of the image.
    pub grid: Grid,
    /// The image, ready to be sampled.
    pub image: Prepared,
    /// A channel of 0 and 1 for each region.
    pub masks: Prepared,
    /// Whether each region is known: drawn wherever it is.
    pub known: Vec<bool>,
    /// The whole image at the resolution of the task.
    pub frame: Frame,
    /// Voxels of each region, thinned out.
    pub places: Vec<Vec<Vector3<f64>>>,
    /// Centre and extent of the region that samples lie around.
    pub around: Option<(Vector3<f64>, f64)>,
    /// Whether the masks are probabilities, a network's answer, instead of what a person drew.
    pub is_soft: bool,
}

impl Case {
    /// Reads an image and its mask.
    fn load(
        name: String,
        paths: [&Path; 2],
        source: &DenseSource,
        recipe: &DenseRecipe,
    ) -> Result<Self, TrainError> {
        let [image_path, mask_path] = paths;
        let open = |path: &Path| io::open(path, &OpenOptions::default(), &()).map(|o| o.volume);
        let (image, mask) = (open(image_path)?, open(mask_path)?);
        if image.grid().dims() != mask.grid().dims() {
            return Err(TrainError::Data(format!(
                "the mask has {:?} voxels, its image {:?}: {}",
                mask.grid().dims(),
                image.grid().dims(),
                mask_path.display()
            )));
        }
        let regions: Vec<Option<Vec<bool>>> = recipe
            .regions
            .iter()
            .map(|region| source.regions.get(&region.name).map(|at| voxels_at(&mask, at)))
            .collect();
        Self::new(name, &image, &regions, recipe)
    }

    /// A case of an image and the voxels of each region, `None` where a region is not known.
    ///
    /// # Errors
    /// [`TrainError`] if the mask lacks the region that samples lie around.
    pub fn new(
        name: String,
        image: &Volume,
        regions: &[Option<Vec<bool>>],
        recipe: &DenseRecipe,
    ) -> Result<Self, TrainError> {
        let voxels = image.voxels().len();
        let is_in = |region: &Option<Vec<bool>>, voxel: usize| region.as_ref().is_some_and(|r| r[voxel]);
        let interleaved =
            (0..voxels).flat_map(|voxel| regions.iter().map(move |r| u8::from(is_in(r, voxel)))).collect();
        let grid = image.grid();
        let place = |index: usize| Vector3::from(grid.voxel(index).map(|v| v as f64));
        let places_of = |region: &Option<Vec<bool>>| -> Vec<Vector3<f64>> {
            let inside: Vec<usize> = (0..voxels).filter(|voxel| is_in(region, *voxel)).collect();
            inside
                .iter()
                .step_by(inside.len().div_ceil(MAX_PLACES).max(1))
                .map(|index| place(*index))
                .collect()
        };
        let around = match &recipe.framing {
            Framing::Around { region, .. } => {
                let region = recipe.region(region).and_then(|index| regions[index].as_ref());
                let found = region.and_then(|inside| extent_of(&largest_region(inside, grid), grid));
                Some(found.ok_or_else(|| {
                    TrainError::Data(format!("the mask of {name} shows nothing to look at"))
                })?)
            }
            Framing::Patches { .. } => None,
        };
        Ok(Self {
            name,
            places: regions.iter().map(places_of).collect(),
            known: regions.iter().map(Option::is_some).collect(),
            masks: Prepared::of_masks(grid.dims(), regions.len(), interleaved),
            frame: Frame::whole(image, &recipe.input),
            grid: *grid,
            image: Prepared::new(image, &recipe.input),
            around,
            is_soft: false,
        })
    }

    /// A case whose truth is the probability of each region, `[region][z, y, x]`, as a network gives it.
    ///
    /// # Errors
    /// As [`Case::new`] of where each region is likelier than not.
    pub fn of_probabilities(
        name: String,
        image: &Volume,
        probabilities: &[Vec<f32>],
        recipe: &DenseRecipe,
    ) -> Result<Self, TrainError> {
        let likely = |p: &Vec<f32>| Some(p.iter().map(|p| *p >= 0.5).collect());
        let regions: Vec<Option<Vec<bool>>> = probabilities.iter().map(likely).collect();
        let voxels = image.voxels().len();
        let interleaved = (0..voxels).flat_map(|voxel| probabilities.iter().map(move |p| p[voxel])).collect();
        let masks = Prepared::of_probabilities(image.grid().dims(), regions.len(), interleaved);
        Ok(Self { masks, is_soft: true, ..Self::new(name, image, &regions, recipe)? })
    }

    /// Memory that it takes, in bytes.
    pub fn bytes(&self) -> u64 {
        let places: usize = self.places.iter().map(|places| size_of_val(places.as_slice())).sum();
        self.image.bytes() + self.masks.bytes() + places as u64
    }

    /// Whether a voxel lies in a region.
    pub fn is_in(&self, region: usize, voxel: usize) -> bool {
        self.masks.raw(voxel, region) > 0.5
    }
}

fn voxels_at(mask: &Volume, at: &LabelAt) -> Vec<bool> {
    let voxels = mask.voxels();
    match (at, voxels) {
        (LabelAt::Values { values }, _) => {
            (0..voxels.len()).map(|i| values.contains(&(voxels.value(i).round() as i32))).collect()
        }
        (LabelAt::Channel { channel, min }, Voxels::Rgb8(pixels)) => {
            pixels.iter().map(|pixel| pixel.get(*channel).is_some_and(|value| value >= min)).collect()
        }
        (LabelAt::Channel { min, .. }, _) => {
            (0..voxels.len()).map(|i| voxels.value(i) >= f32::from(*min)).collect()
        }
    }
}

/// All data of a recipe.
#[derive(Debug, Default)]
pub struct DenseData {
    /// Training cases of each source, with its weight.
    pub sources: Vec<(f64, Vec<Case>)>,
    /// Cases set aside, never trained on.
    pub validation: Vec<Case>,
}

impl DenseData {
    /// Loads what a recipe lists.
    ///
    /// # Errors
    /// [`TrainError`] if a folder or file cannot be read, or a source is empty.
    pub fn load(recipe: &DenseRecipe) -> Result<Self, TrainError> {
        let mut data = Self::default();
        for source in &recipe.data {
            let pairs = pairs(source)?;
            let (train, validate) = source.split(pairs.len());
            if train == 0 && source.weight > 0.0 {
                return Err(TrainError::Data(format!(
                    "no image ends with \"{}\" and has a mask that ends with \"{}\": {}",
                    source.image_suffix,
                    source.mask_suffix,
                    source.images.display()
                )));
            }
            let load = |range: std::ops::Range<usize>| {
                pairs[range]
                    .iter()
                    .map(|(name, image, mask)| Case::load(name.clone(), [image, mask], source, recipe))
                    .collect::<Result<Vec<_>, _>>()
            };
            data.sources.push((source.weight, load(0..train)?));
            data.validation.extend(load(train..train + validate)?);
        }
        Ok(data)
    }
}

/// Name, image and mask of every case that has both, in name order.
fn pairs(source: &DenseSource) -> Result<Vec<(String, PathBuf, PathBuf)>, TrainError> {
    let masks = source.masks.as_ref().unwrap_or(&source.images);
    let entries = std::fs::read_dir(&source.images).map_err(|cause| {
        TrainError::Data(format!("cannot read the folder ({cause}): {}", source.images.display()))
    })?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(&source.image_suffix).map(str::to_owned))
        .filter(|name| masks.join(format!("{name}{}", source.mask_suffix)).is_file())
        .collect();
    names.sort();
    Ok(names
        .into_iter()
        .map(|name| {
            let image = source.images.join(format!("{name}{}", source.image_suffix));
            let mask = masks.join(format!("{name}{}", source.mask_suffix));
            (name, image, mask)
        })
        .collect())
}
