//! Which part of a slide is to be opened.

use std::path::PathBuf;

use hilum_core::io::Selection;
use hilum_core::io::raster::{MAX_SHOWN_PIXELS, Page, PageRole, PixelRegion};
use hilum_core::volume::Source;

use super::{AppState, Session};
use crate::jobs::SlidePages;

/// Pixels along a side of the part that is chosen by a click alone.
const CLICKED_PIXELS: usize = 2048;

/// A slide, and the part of it that is chosen.
#[derive(Clone, Debug)]
pub struct SlideChoice {
    /// Its pages and what it looks like.
    pub slide: SlidePages,
    /// The page and the part of it.
    pub selection: Selection,
}

impl SlideChoice {
    /// Begins with what is open of that slide.
    pub fn new(slide: SlidePages, open: Option<&Session>) -> Self {
        let is_it = |session: &&Session| session.volume().meta().source.path() == Some(&slide.path);
        let selection = open.filter(is_it).map(|session| Selection::of(session.volume()));
        Self { selection: selection.unwrap_or_else(|| Selection::page(0, None)), slide }
    }

    /// The chosen page.
    pub fn page(&self) -> &Page {
        let index = self.selection.page.unwrap_or(0).min(self.slide.pages.len() - 1);
        &self.slide.pages[index]
    }

    /// The chosen part of that page.
    pub fn region(&self) -> PixelRegion {
        self.selection.region.unwrap_or(PixelRegion::whole(self.page().size))
    }

    /// Whether a part can be chosen on the overview: a picture of another kind is not on it.
    pub fn is_on_overview(&self) -> bool {
        self.page().role == PageRole::Level
    }

    /// Why the part cannot be opened.
    pub fn refusal(&self) -> Option<String> {
        let [width, height] = self.region().size;
        let pixels = width.saturating_mul(height);
        (pixels > MAX_SHOWN_PIXELS).then(|| {
            format!(
                "{} million pixels are more than the {} million that are shown at once: choose a smaller part or a \
                 coarser resolution",
                pixels / 1_000_000,
                MAX_SHOWN_PIXELS / 1_000_000
            )
        })
    }

    /// The same place at another page, as far as there is one.
    pub fn at_page(&self, index: usize) -> Selection {
        let (from, Some(to)) = (self.page(), self.slide.pages.get(index)) else {
            return self.selection.clone();
        };
        let is_same_picture = from.role == PageRole::Level && to.role == PageRole::Level;
        let region = self.selection.region.filter(|_| is_same_picture).map(|region| {
            let scale = from.downsample / to.downsample;
            let scaled = |n: usize| (n as f64 * scale).round() as usize;
            within(region.start.map(scaled), region.size.map(scaled), to.size)
        });
        Selection::page(index, region)
    }

    /// The part between two places of the overview, given as shares of its sides; where both are one place, a part of a
    /// handy size around it.
    pub fn between(&self, from: [f64; 2], to: [f64; 2]) -> Selection {
        let page = self.page();
        let [low, high] = [f64::min, f64::max]
            .map(|pick| [0, 1].map(|a| pick(from[a], to[a]).clamp(0.0, 1.0) * page.size[a] as f64));
        let mut start = low.map(|c| c as usize);
        let mut size = [0, 1].map(|a| high[a].ceil() as usize - start[a]);
        if from == to {
            size = self.selection.region.map_or([CLICKED_PIXELS; 2], |region| region.size);
            start = [0, 1].map(|a| start[a].saturating_sub(size[a] / 2));
        }
        Selection::page(page.index, Some(within(start, size, page.size)))
    }

    /// A part by its numbers, moved and cut so that it lies on the page.
    pub fn part(&self, region: PixelRegion) -> Selection {
        let page = self.page();
        Selection::page(page.index, Some(within(region.start, region.size, page.size)))
    }
}

/// A part of at least one pixel that lies within a page.
fn within(start: [usize; 2], size: [usize; 2], page: [usize; 2]) -> PixelRegion {
    let size = [0, 1].map(|a| size[a].clamp(1, page[a].max(1)));
    PixelRegion { start: [0, 1].map(|a| start[a].min(page[a].saturating_sub(size[a]))), size }
}

impl AppState {
    /// The slide that is open, of which another part can be chosen.
    pub fn slide_path(&self) -> Option<PathBuf> {
        let session = self.session.as_ref().filter(|session| !session.is_glimpse)?;
        match &session.volume().meta().source {
            Source::Raster { path, part: Some(_) } => Some(path.clone()),
            _ => None,
        }
    }

    /// The time point after or before that of the open image.
    pub fn neighbouring_time_point(&self, after: bool) -> Option<usize> {
        let meta = self.editable()?.volume().meta();
        meta.source.path()?;
        if after {
            Some(meta.time_point + 1).filter(|next| *next < meta.time_points)
        } else {
            meta.time_point.checked_sub(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice() -> SlideChoice {
        let page = |index: usize, size: [usize; 2], role: PageRole| Page {
            index,
            size,
            role,
            downsample: 40_000.0 / size[0] as f64,
            pixel_um: None,
        };
        let pages = vec![
            page(0, [40_000, 20_000], PageRole::Level),
            page(1, [4_000, 2_000], PageRole::Level),
            page(2, [700, 300], PageRole::Macro),
        ];
        let slide = SlidePages { path: "a.svs".into(), pages, overview: None };
        SlideChoice::new(slide, None)
    }

    #[test]
    fn a_part_is_dragged_or_clicked_and_stays_on_the_page() {
        let mut choice = choice();
        assert!(choice.refusal().is_some_and(|why| why.contains("800 million")));
        choice.selection = choice.between([0.5, 0.75], [0.25, 0.5]);
        assert_eq!(choice.region(), PixelRegion { start: [10_000, 10_000], size: [10_000, 5_000] });
        assert!(choice.refusal().is_none());
        // A click takes the part along.
        choice.selection = choice.between([1.0, 1.0], [1.0, 1.0]);
        assert_eq!(choice.region(), PixelRegion { start: [30_000, 15_000], size: [10_000, 5_000] });
        let beyond = PixelRegion { start: [39_999, 5], size: [0, 90_000] };
        assert_eq!(choice.part(beyond).region, Some(PixelRegion { start: [39_999, 0], size: [1, 20_000] }));
    }

    #[test]
    fn a_part_stays_in_its_place_at_another_resolution() {
        let mut choice = choice();
        choice.selection = choice.between([0.25, 0.5], [0.25, 0.5]);
        assert_eq!(choice.region(), PixelRegion { start: [8_976, 8_976], size: [2_048, 2_048] });
        choice.selection = choice.at_page(1);
        assert_eq!(choice.region(), PixelRegion { start: [898, 898], size: [205, 205] });
        choice.selection = choice.at_page(2);
        assert!(choice.selection.region.is_none() && !choice.is_on_overview());
        assert_eq!(choice.region().size, [700, 300]);
    }
}
