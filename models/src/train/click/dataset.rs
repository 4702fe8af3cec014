//! Cases for training: images with the object's mask, and images that host planted lesions.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hilum_core::geometry::{Grid, VoxelBox, WorldPoint};
use hilum_core::io::{self, OpenOptions};
use hilum_core::label::BoxMask;
use hilum_core::volume::{Modality, Volume, Voxels};
use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::lesion::{Lesion, Look, tissue_under};
use super::shapes::log_uniform;
use crate::train::recipe::DataSource;
use crate::train::run::TrainError;
use crate::transform::principal::{PrincipalAxes, principal_axes};

/// Fewest voxels of a lesion that is used (the paper drops smaller ones).
const MIN_VOXELS: usize = 5;

/// An image with the mask of one object.
#[derive(Clone, Debug)]
pub struct Case {
    /// What the file is called without its suffix.
    pub name: String,
    /// The image; several objects of it share it.
    pub volume: Arc<Volume>,
    /// How it was made, as the recipe says.
    pub modality: Modality,
    /// Where the object lies on the image's grid, with at least a voxel around it where the image goes on.
    pub region: VoxelBox,
    /// The grid of that box.
    pub mask_grid: Grid,
    /// The object, `[z, y, x]` on that grid.
    pub mask: Vec<bool>,
    /// Indices of the object's voxels on that grid.
    pub inside: Vec<u32>,
    /// Its axes.
    pub axes: PrincipalAxes,
    /// Whether the object was planted.
    pub is_synthetic: bool,
}

/// An image that hosts planted lesions.
#[derive(Debug)]
pub struct Host {
    /// The image.
    pub volume: Volume,
    /// Voxels that lie in the body, thinned out.
    pub body: Vec<u32>,
}

/// A source of samples, loaded.
#[derive(Debug)]
pub enum Loaded {
    /// Real objects.
    Cases(Vec<Case>),
    /// Real images without known objects.
    Hosts(Vec<Host>),
    /// Nothing to load.
    Scenes,
}

/// All data of a recipe.
#[derive(Debug, Default)]
pub struct Dataset {
    /// Sources with their weights.
    pub sources: Vec<(f64, Loaded)>,
    /// Cases set aside, never trained on.
    pub validation: Vec<Case>,
}

impl Dataset {
    /// Loads what a recipe lists.
    ///
    /// # Errors
    /// [`TrainError`] if a folder or file cannot be read, or a source is empty.
    pub fn load(sources: &[DataSource]) -> Result<Self, TrainError> {
        let mut dataset = Self::default();
        for source in sources {
            let loaded = match source {
                DataSource::Pairs { .. } => {
                    let (train, validation) = load_pairs(source)?;
                    dataset.validation.extend(validation);
                    Loaded::Cases(train)
                }
                DataSource::Planted { hosts, validation_hosts, validation_lesions, .. } => {
                    dataset.validation.extend(plant_for_validation(validation_hosts, *validation_lesions)?);
                    Loaded::Hosts(hosts.iter().map(|path| load_host(path)).collect::<Result<_, _>>()?)
                }
                DataSource::Scenes { .. } => Loaded::Scenes,
            };
            let is_empty = match &loaded {
                Loaded::Cases(cases) => cases.is_empty() && source.weight() > 0.0,
                Loaded::Hosts(hosts) => hosts.is_empty() && source.weight() > 0.0,
                Loaded::Scenes => false,
            };
            if is_empty {
                return Err(TrainError::Data(format!("a data source is empty: {source:?}")));
            }
            dataset.sources.push((source.weight(), loaded));
        }
        Ok(dataset)
    }
}

/// Image and mask paths of a [`DataSource::Pairs`] in name order.
fn pair_paths(
    folder: &Path,
    suffix: &str,
    masks: &Path,
    mask_suffix: &str,
) -> Result<Vec<(String, PathBuf, PathBuf)>, TrainError> {
    let entries = std::fs::read_dir(folder).map_err(|cause| {
        TrainError::Data(format!("cannot read the folder ({cause}): {}", folder.display()))
    })?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(suffix).map(str::to_owned))
        .collect();
    names.sort();
    Ok(names
        .into_iter()
        .map(|name| {
            let image = folder.join(format!("{name}{suffix}"));
            let mask = masks.join(format!("{name}{mask_suffix}"));
            (name, image, mask)
        })
        .collect())
}

fn load_pairs(source: &DataSource) -> Result<(Vec<Case>, Vec<Case>), TrainError> {
    let DataSource::Pairs { images, image_suffix, masks, mask_suffix, modality, train, validate, .. } =
        source
    else {
        return Ok((Vec::new(), Vec::new()));
    };
    let masks = masks.as_ref().unwrap_or(images);
    let pairs = pair_paths(images, image_suffix, masks, mask_suffix)?;
    let train = train.unwrap_or(pairs.len()).min(pairs.len());
    let end = validate.map_or(pairs.len(), |n| (train + n).min(pairs.len()));
    let load = |pairs: &[(String, PathBuf, PathBuf)]| {
        pairs
            .iter()
            .map(|(name, image, mask)| load_case(name, image, mask, *modality))
            .collect::<Result<Vec<_>, _>>()
    };
    let keep = |cases: Vec<Option<Case>>| cases.into_iter().flatten().collect();
    Ok((keep(load(&pairs[..train])?), keep(load(&pairs[train..end])?)))
}

/// Loads one image with its mask; `None` if the object is too small to learn from.
///
/// # Errors
/// [`TrainError`] if a file cannot be read or the grids differ.
pub fn load_case(
    name: &str,
    image: &Path,
    mask: &Path,
    modality: Modality,
) -> Result<Option<Case>, TrainError> {
    let volume = io::open(image, &OpenOptions::default(), &())?.volume;
    let io::nifti::LabelImage { labels, grid, .. } = io::nifti::open_labels(mask)?;
    if !grid.matches(volume.grid()) {
        return Err(TrainError::Data(format!("image and mask of {name} lie on different grids")));
    }
    let mask: Vec<bool> = labels.iter().map(|v| *v != 0).collect();
    Ok(Case::new(name.to_owned(), volume, modality, mask, false))
}

/// Seed of the lesions planted for validation: the same for every run, so that runs compare.
const VALIDATION_SEED: u64 = 0x70_6c_61_6e_74;
/// Least and greatest length of a lesion planted for validation.
const VALIDATION_LENGTH_MM: (f64, f64) = (8.0, 60.0);

fn plant_for_validation(hosts: &[PathBuf], lesions: usize) -> Result<Vec<Case>, TrainError> {
    let mut cases = Vec::new();
    for (nth, path) in hosts.iter().enumerate() {
        let host = load_host(path)?;
        let mut rng = ChaCha8Rng::seed_from_u64(VALIDATION_SEED);
        rng.set_stream(nth as u64);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.split('.').next().unwrap_or_default();
        let mut planted = 0;
        for _ in 0..20 * lesions {
            if planted < lesions
                && let Some(case) = host.plant(format!("{name} planted {}", planted + 1), &mut rng)
            {
                cases.push(case);
                planted += 1;
            }
        }
    }
    Ok(cases)
}

impl Host {
    /// A place in the body.
    pub fn random_place(&self, rng: &mut impl Rng) -> WorldPoint {
        let spot = self.body[rng.random_range(0..self.body.len())] as usize;
        self.volume.grid().world_of(self.volume.grid().voxel(spot))
    }

    /// The whole image with one lesion; `None` if none of it came to lie in the image.
    fn plant(&self, name: String, rng: &mut impl Rng) -> Option<Case> {
        let grid = *self.volume.grid();
        let length = log_uniform(VALIDATION_LENGTH_MM.0, VALIDATION_LENGTH_MM.1, rng);
        let lesion = Lesion::random(self.random_place(rng), length, rng);
        let mut values = Vec::with_capacity(grid.voxel_count());
        self.volume.voxels().extend_f32(0..grid.voxel_count(), &mut values);
        let mask = lesion.mask(&grid);
        let (host, host_sd) = tissue_under(&values, &mask)?;
        let look = Look::random(host, host_sd, length, rng);
        lesion.paint(&mut values, &grid, host, &look);
        let volume = Volume::new(grid, Voxels::F32(values), self.volume.meta().clone()).ok()?;
        Case::new(name, volume, Modality::Ct, mask, true)
    }
}

fn load_host(path: &Path) -> Result<Host, TrainError> {
    let volume = io::open(path, &OpenOptions::default(), &())?.volume;
    let count = volume.grid().voxel_count();
    // Air around the body is no place for a lesion; lung is.
    let body: Vec<u32> = (0..count)
        .step_by(7)
        .filter(|i| {
            let v = volume.voxels().value(*i);
            (-150.0..300.0).contains(&v) || (-950.0..-600.0).contains(&v) && !near_edge(volume.grid(), *i)
        })
        .filter_map(|i| u32::try_from(i).ok())
        .collect();
    if body.is_empty() {
        return Err(TrainError::Data(format!("no tissue to plant a lesion in: {}", path.display())));
    }
    Ok(Host { volume, body })
}

fn near_edge(grid: &Grid, index: usize) -> bool {
    let (voxel, dims) = (grid.voxel(index), grid.dims());
    (0..2).any(|a| voxel[a] * 8 < dims[a] || (dims[a] - voxel[a]) * 8 < dims[a])
}

/// Voxels kept around an object, so that its edge is interpolated as on the whole image.
const MARGIN: usize = 2;

impl Case {
    /// A case of an object; `None` if it is too small to learn from.
    fn new(
        name: String,
        volume: Volume,
        modality: Modality,
        mask: Vec<bool>,
        is_synthetic: bool,
    ) -> Option<Self> {
        let dims = volume.grid().dims();
        let object = BoxMask::new(volume.grid().full_box(), mask).ok()?;
        let case = Self::of_object(name, Arc::new(volume), modality, &object)?;
        debug_assert_eq!(case.volume.grid().dims(), dims);
        Some(Self { is_synthetic, ..case })
    }

    /// A case of an object somewhere in an image; `None` if it is too small to learn from.
    pub fn of_object(
        name: String,
        volume: Arc<Volume>,
        modality: Modality,
        object: &BoxMask,
    ) -> Option<Self> {
        let region = object.tightened().region().grown([MARGIN; 3], volume.grid().dims());
        let mask = object.cut(region).inside().to_vec();
        let mask_grid = volume.grid().sub_grid(region).ok()?;
        let inside: Vec<u32> = (0u32..).zip(&mask).filter(|(_, v)| **v).map(|(i, _)| i).collect();
        let axes = principal_axes(&mask_grid, &mask).filter(|_| inside.len() >= MIN_VOXELS)?;
        Some(Self { name, volume, modality, region, mask_grid, mask, inside, axes, is_synthetic: false })
    }

    /// The object on the whole image, `[z, y, x]`.
    pub fn full_mask(&self) -> Vec<bool> {
        let object = BoxMask::new(self.region, self.mask.clone()).expect("one flag a voxel of the box");
        object.cut(self.volume.grid().full_box()).inside().to_vec()
    }

    /// World position of an object's voxel.
    pub fn inside_world(&self, nth: usize) -> WorldPoint {
        self.mask_grid.world_of(self.mask_grid.voxel(self.inside[nth] as usize))
    }
}
