//! What a slide holds, for the person to choose a part of.

use std::path::{Path, PathBuf};

use hilum_core::io::Limits;
use hilum_core::io::raster::{Page, PageRole, Slide};
use hilum_core::volume::{Volume, Voxels};

/// Most pixels of the page that the overview is made of: of a slide without small pages there is none.
const OVERVIEW_PIXELS: usize = 16_000_000;
/// Longer side of the overview.
const OVERVIEW_SIDE: usize = 640;

/// The pages of a slide.
#[derive(Clone, Debug)]
pub struct SlidePages {
    /// The file.
    pub path: PathBuf,
    /// Its pages.
    pub pages: Vec<Page>,
    /// The whole slide, small; `None` where no page is small enough to make it of.
    pub overview: Option<Overview>,
}

/// A small picture of a whole slide.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// Width and height.
    pub size: [usize; 2],
    /// Colours, row by row.
    pub pixels: Vec<[u8; 3]>,
}

impl SlidePages {
    /// Reads pages and overview. The paper label, which may name a patient, is not read.
    ///
    /// # Errors
    /// Why the file cannot be read, for people.
    pub fn of(path: &Path) -> Result<Self, String> {
        let mut slide = Slide::open(path, &Limits::default()).map_err(|e| e.to_string())?;
        let pages = slide.pages().to_vec();
        let levels = pages.iter().filter(|page| page.role == PageRole::Level);
        let count = |page: &&Page| page.size[0].saturating_mul(page.size[1]);
        let large_enough = |page: &&Page| page.size[0].max(page.size[1]) >= OVERVIEW_SIDE;
        let small = levels.clone().filter(large_enough).min_by_key(count).or(levels.max_by_key(count));
        let small = small.filter(|page| count(page) <= OVERVIEW_PIXELS).map(|page| page.index);
        let read = small.and_then(|page| slide.read(page, None, &()).ok());
        Ok(Self { path: path.to_owned(), pages, overview: read.map(|opened| Overview::of(&opened.volume)) })
    }
}

impl Overview {
    fn of(image: &Volume) -> Self {
        let [width, height, _] = image.grid().dims();
        let step = (width.max(height) as f64 / OVERVIEW_SIDE as f64).max(1.0);
        let size = [width, height].map(|side| ((side as f64 / step) as usize).max(1));
        let range = image.range();
        let (low, high) = (range.min, range.max);
        let grey = |value: f32| (255.0 * (value - low) / (high - low).max(f32::MIN_POSITIVE)) as u8;
        let at = |i: usize| {
            let place = [i % size[0], i / size[0]].map(|c| ((c as f64 + 0.5) * step) as usize);
            let index = place[1].min(height - 1) * width + place[0].min(width - 1);
            match image.voxels() {
                Voxels::Rgb8(colors) => colors[index],
                voxels => [grey(voxels.value(index)); 3],
            }
        };
        Self { size, pixels: (0..size[0] * size[1]).map(at).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_core::testing::shared_data;

    #[test]
    fn a_slide_has_an_overview_of_its_tissue() {
        let Some(path) = shared_data("data/wsi/small_HE.svs") else { return };
        let found = SlidePages::of(&path).unwrap();
        assert_eq!(found.pages.len(), 4);
        let overview = found.overview.unwrap();
        // Of the page of 574 × 768 pixels.
        assert_eq!(overview.size, [478, 640]);
        let stained = |[r, g, b]: &&[u8; 3]| r.abs_diff(*g) > 20 && b.abs_diff(*g) > 10;
        assert!(overview.pixels.iter().filter(stained).count() > overview.pixels.len() / 10);
    }
}
