//! Which image of a path that holds several.

use serde::{Deserialize, Serialize};

use super::raster::PixelRegion;
use crate::volume::{Source, Volume};

/// Which image of a path that holds several, or which part of it. The default is what is shown when nobody chose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Selection {
    /// Series Instance UID; without one the series with most slices is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series_uid: Option<String>,
    /// Time point of a 4-D file, from 0.
    #[serde(default)]
    pub time_point: usize,
    /// Page of a TIFF, from 0; without one the finest resolution that can be shown as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<usize>,
    /// Part of a picture, in pixels of that page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<PixelRegion>,
}

impl Selection {
    /// A series.
    pub fn series(uid: impl Into<String>) -> Self {
        Self { series_uid: Some(uid.into()), ..Self::default() }
    }

    /// A time point.
    pub fn at_time_point(time_point: usize) -> Self {
        Self { time_point, ..Self::default() }
    }

    /// A page, or a part of it.
    pub fn page(page: usize, region: Option<PixelRegion>) -> Self {
        Self { page: Some(page), region, ..Self::default() }
    }

    /// What opens this image again.
    pub fn of(image: &Volume) -> Self {
        let meta = image.meta();
        let (series_uid, part) = match &meta.source {
            Source::Dicom { series_uid, .. } => (Some(series_uid.clone()), None),
            Source::Raster { part, .. } => (None, part.as_ref()),
            Source::Synthetic | Source::Nifti { .. } | Source::File { .. } => (None, None),
        };
        Self {
            series_uid,
            time_point: meta.time_point,
            page: part.map(|part| part.page),
            region: part.and_then(|part| part.region),
        }
    }
}
