//! Reading masks: label maps of any format, and photographs' masks as images.

use std::path::Path;

use anyhow::bail;
use hilum_core::geometry::{Affine, Grid};
use hilum_core::io::{self, FileKind, LabelImage, LabelName, LabelTarget, OpenOptions, Warning};
use hilum_core::volume::{Source, Volume, Voxels};
use nalgebra::Matrix3;

/// Labels on a grid.
#[derive(Debug)]
pub struct Mask {
    /// Label of each voxel, `[z, y, x]`; 0 is background.
    pub labels: Vec<u16>,
    /// Size and place.
    pub grid: Grid,
    /// Whether lengths are mm and not pixels.
    pub has_physical_spacing: bool,
    /// Everything unusual about the file.
    pub warnings: Vec<Warning>,
    names: Vec<LabelName>,
}

impl Mask {
    /// Labels without names.
    pub fn new(labels: Vec<u16>, grid: Grid, has_physical_spacing: bool, warnings: Vec<Warning>) -> Self {
        Self { labels, grid, has_physical_spacing, warnings, names: Vec::new() }
    }

    /// Opens a mask. An image that holds only 0 and 255 is binary and gets label 1; other grey values are labels.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        match io::probe(path)? {
            FileKind::Raster => Self::open_raster(path),
            FileKind::Folder => {
                bail!("a mask is a file, not a folder (name the SEG or RTSTRUCT in it): {}", path.display())
            }
            _ => Ok(Self::of(io::open_labels(path)?)),
        }
    }

    fn of(image: LabelImage) -> Self {
        Self {
            labels: image.labels,
            grid: image.grid,
            has_physical_spacing: !image.warnings.contains(&Warning::NoSpacing),
            warnings: image.warnings,
            names: image.names,
        }
    }

    /// Opens a mask for an image: on its grid if the voxels coincide, else on the file's own. A DICOM object must belong
    /// to the image.
    pub fn open_for(path: &Path, image: &Volume) -> anyhow::Result<Self> {
        let kind = io::probe(path)?;
        let target = LabelTarget { grid: image.grid(), source: &image.meta().source };
        match kind {
            FileKind::Raster | FileKind::Folder => Self::open(path),
            FileKind::Dicom => Ok(Self::of(io::open_labels_for(path, target)?)),
            _ => Ok(Self::of(io::open_labels(path)?).on_grid(image.grid())),
        }
    }

    /// The same labels on another grid if its voxels coincide with these, else unchanged.
    pub fn on_grid(self, grid: &Grid) -> Self {
        if self.grid.matches(grid) {
            return self;
        }
        let image = LabelImage {
            labels: self.labels,
            grid: self.grid,
            names: self.names,
            source: Source::Synthetic,
            warnings: self.warnings,
            covered: Vec::new(),
        };
        let has_physical_spacing = self.has_physical_spacing;
        Self { has_physical_spacing, ..Self::of(image.on_grid(grid).unwrap_or(image)) }
    }

    fn open_raster(path: &Path) -> anyhow::Result<Self> {
        let opened = io::open(path, &OpenOptions::default(), &())?;
        let volume = opened.volume;
        let mut labels: Vec<u16> = match volume.voxels() {
            Voxels::U8(grey) => grey.iter().map(|v| u16::from(*v)).collect(),
            Voxels::U16(grey) => grey.clone(),
            Voxels::Rgb8(colors) if colors.iter().all(|[r, g, b]| r == g && g == b) => {
                colors.iter().map(|[grey, ..]| u16::from(*grey)).collect()
            }
            other => bail!(
                "the image is {}; a mask has one whole number a pixel: {}",
                other.type_name(),
                path.display()
            ),
        };
        if labels.iter().all(|v| matches!(v, 0 | 255)) {
            labels.iter_mut().for_each(|v| *v = u16::from(*v == 255));
        }
        Ok(Self::new(labels, *volume.grid(), volume.meta().has_physical_spacing, opened.warnings))
    }

    /// The labels with at least one voxel, ascending.
    pub fn used_labels(&self) -> Vec<u16> {
        let mut used = vec![false; 1 << 16];
        self.labels.iter().for_each(|label| used[usize::from(*label)] = true);
        (1..=u16::MAX).filter(|label| used[usize::from(*label)]).collect()
    }

    /// Where a label is.
    pub fn of_label(&self, label: u16) -> Vec<bool> {
        self.labels.iter().map(|v| *v == label).collect()
    }

    /// The name of a label, if the file has one.
    pub fn name(&self, label: u16) -> Option<&str> {
        self.names.iter().find(|name| name.value == label).map(|name| name.name.as_str())
    }

    /// The same with another distance of voxels.
    pub fn with_spacing(mut self, spacing_mm: [f64; 3]) -> anyhow::Result<Self> {
        let affine = self.grid.affine();
        let linear = Matrix3::from_columns(&[0, 1, 2].map(|a| affine.direction(a) * spacing_mm[a]));
        self.grid = Grid::new(self.grid.dims(), Affine::new(linear, affine.origin().coords)?)?;
        self.has_physical_spacing = true;
        self.warnings.retain(|warning| *warning != Warning::NoSpacing);
        Ok(self)
    }
}

/// Whether a mask lies on the grid of another file; otherwise says how they differ.
pub fn check_same_grid(
    mask: &Path,
    grid: &Grid,
    other: &Path,
    other_grid: &Grid,
    hint: &str,
) -> anyhow::Result<()> {
    if grid.matches(other_grid) {
        return Ok(());
    }
    let describe = |g: &Grid| {
        let [x, y, z] = g.dims();
        let origin = g.affine().origin();
        let spacing = g.spacing_mm().map(super::output::short).join(" × ");
        format!(
            "{x} × {y} × {z} voxels of {spacing} mm, {}, first voxel at {:.2},{:.2},{:.2} mm",
            g.orientation().code(),
            origin.x,
            origin.y,
            origin.z
        )
    };
    bail!(
        "the grids differ: {} against {}; {hint}: {} and {}",
        describe(grid),
        describe(other_grid),
        mask.display(),
        other.display()
    )
}
