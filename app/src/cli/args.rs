//! Values that several commands take.

use std::path::Path;
use std::str::FromStr;

use anyhow::anyhow;
use hilum_core::geometry::Grid;
use hilum_core::io::raster::PixelRegion;
use hilum_core::io::{OpenOptions, Selection};
use nalgebra::Point3;

use super::info::chosen_series;
use super::output::Progress;

/// Three numbers as `x,y,z`; they may be negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Triple(pub [f64; 3]);

impl FromStr for Triple {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("\"{text}\" is not three numbers as x,y,z");
        let numbers: Vec<f64> = text
            .split(',')
            .map(|part| part.trim().parse())
            .collect::<Result<_, _>>()
            .map_err(|_| refuse())?;
        match numbers[..] {
            [x, y, z] if numbers.iter().all(|n| n.is_finite()) => Ok(Self([x, y, z])),
            _ => Err(refuse()),
        }
    }
}

/// Which image of a path that holds several, or which part of it.
#[derive(Debug, Default, clap::Args)]
pub struct Choice {
    /// Series Instance UID of a DICOM folder, or its beginning; without it the series with most slices is taken.
    #[arg(long, value_name = "UID")]
    series: Option<String>,
    /// Time point of a 4-D file, from 0.
    #[arg(long, value_name = "N", default_value_t = 0)]
    time_point: usize,
    /// Page of a TIFF or resolution of a slide, from 0 (`hilum info` lists them).
    #[arg(long, value_name = "N")]
    page: Option<usize>,
    /// Part of a picture, in pixels of the page.
    #[arg(long, value_name = "X,Y,W,H")]
    crop: Option<PixelRegion>,
}

impl Choice {
    /// What a person typed, for the reader; a UID's beginning is completed.
    pub fn options(&self, path: &Path, progress: &Progress) -> anyhow::Result<OpenOptions> {
        let selection = Selection {
            time_point: self.time_point,
            series_uid: chosen_series(path, self.series.as_deref(), progress)?,
            page: self.page,
            region: self.crop,
        };
        Ok(selection.into())
    }

    /// Whether a series was named.
    pub fn names_series(&self) -> bool {
        self.series.is_some()
    }

    /// The page and the part of a picture.
    pub fn part(&self) -> (Option<usize>, Option<PixelRegion>) {
        (self.page, self.crop)
    }
}

/// Reads a spacing in mm as `x,y,z`.
pub fn spacing_mm(text: &str) -> Result<[f64; 3], String> {
    let Triple(spacing) = text.parse()?;
    if spacing.iter().all(|s| *s > 0.0) {
        Ok(spacing)
    } else {
        Err(format!("\"{text}\" has a spacing that is not above 0 mm"))
    }
}

/// Reads a size in voxels as `x,y,z`.
pub fn dims(text: &str) -> Result<[usize; 3], String> {
    let Triple(dims) = text.parse()?;
    if dims.iter().all(|d| (1.0..=2048.0).contains(d) && d.fract() == 0.0) {
        Ok(dims.map(|d| d as usize))
    } else {
        Err(format!("\"{text}\" is not a size: three whole numbers from 1 to 2048"))
    }
}

/// The voxel of the image that a person means: an index, or with `world` a place in LPS mm.
pub fn voxel_of(point: Triple, world: bool, grid: &Grid) -> anyhow::Result<[usize; 3]> {
    let place = Point3::from(point.0);
    let found = if world { grid.voxel_at_world(place) } else { grid.voxel_at(place) };
    let [x, y, z] = point.0;
    let [nx, ny, nz] = grid.dims();
    found.ok_or_else(|| match world {
        false => anyhow!(
            "the click {x},{y},{z} lies outside the image of {nx} × {ny} × {nz} voxels (indices start at 0); \
             for a position in mm add --world"
        ),
        true => {
            let voxel = grid.affine().voxel_from_world(place);
            anyhow!(
                "the click {x},{y},{z} mm (LPS) lies at voxel {:.1},{:.1},{:.1}, outside the image of \
                 {nx} × {ny} × {nz} voxels; positions from NIfTI tools (RAS) need the signs of x and y changed",
                voxel.x,
                voxel.y,
                voxel.z
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triples_may_be_negative_and_nothing_else_passes() {
        assert_eq!("-12,3.5,+4".parse(), Ok(Triple([-12.0, 3.5, 4.0])));
        for wrong in ["", "1,2", "1,2,3,4", "1,2,x", "1,,3", "nan,1,2", "inf,1,2", "--json"] {
            assert!(wrong.parse::<Triple>().is_err(), "{wrong}");
        }
        assert!(spacing_mm("1,0,1").is_err() && spacing_mm("1,-1,1").is_err());
        assert_eq!(spacing_mm("0.5,1,2"), Ok([0.5, 1.0, 2.0]));
        assert!(dims("1.5,2,2").is_err() && dims("0,2,2").is_err() && dims("9999,2,2").is_err());
    }

    #[test]
    fn clicks_outside_are_refused_with_the_size() {
        let grid = Grid::from_spacing([10, 20, 30], [2.0, 1.0, 1.0]).unwrap();
        assert_eq!(voxel_of(Triple([9.0, 19.0, 29.0]), false, &grid).unwrap(), [9, 19, 29]);
        assert_eq!(voxel_of(Triple([8.0, 19.0, 29.0]), true, &grid).unwrap(), [4, 19, 29]);
        let text = voxel_of(Triple([10.0, 0.0, 0.0]), false, &grid).unwrap_err().to_string();
        assert!(text.contains("10,0,0") && text.contains("10 × 20 × 30"), "{text}");
        assert!(
            voxel_of(Triple([-12.0, 3.0, 4.0]), true, &grid)
                .unwrap_err()
                .to_string()
                .contains("-6.0,3.0,4.0")
        );
    }
}
