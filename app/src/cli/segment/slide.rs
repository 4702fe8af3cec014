//! `hilum segment` on a slide whose probabilities would not fit into memory.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use hilum_core::io::raster::{self, PageRole, PixelRegion, Slide};
use hilum_core::io::{self, FileKind, Limits};
use hilum_core::volume::Volume;
use hilum_models::infer::{Dense, PictureParts};

use super::Segment;
use super::dense::{Job, Labelled, RegionFound, is_png};
use crate::cli::output::Progress;

/// Bytes of probabilities and pixels above which a picture is labelled strip by strip.
const LARGE_BYTES: usize = 1 << 30;

/// A page of a slide, or a part of it.
pub(super) struct SlidePage {
    slide: Slide,
    page: usize,
    region: PixelRegion,
}

impl PictureParts for SlidePage {
    fn size(&self) -> [usize; 2] {
        self.region.size
    }

    fn read(&mut self, part: PixelRegion) -> Result<Volume, String> {
        let start = [0, 1].map(|axis| self.region.start[axis] + part.start[axis]);
        let part = PixelRegion { start, size: part.size };
        self.slide.read(self.page, Some(part), &()).map(|opened| opened.volume).map_err(|e| e.to_string())
    }
}

impl Segment {
    /// The page or part of a TIFF to label, where it is large and nobody asked for a coarser one.
    pub(super) fn large_slide(&self, path: &Path, model: &Dense) -> anyhow::Result<Option<SlidePage>> {
        let is_tiff = || !matches!(raster::pages(path, &Limits::default()), Ok(pages) if pages.is_empty());
        if path.is_dir() || io::probe(path)? != FileKind::Raster || !is_tiff() {
            return Ok(None);
        }
        let slide = Slide::open(path, &Limits::default())?;
        let (page, region) = self.choice.part();
        let page = page.unwrap_or(0);
        let Some(of_page) = slide.pages().get(page) else { return Ok(None) };
        let region = region.unwrap_or(PixelRegion::whole(of_page.size));
        let bytes_a_pixel = 3 + 8 * model.task().regions.len();
        let bytes = region.size[0].saturating_mul(region.size[1]).saturating_mul(bytes_a_pixel);
        let is_large = of_page.role == PageRole::Level && bytes > LARGE_BYTES;
        Ok(is_large.then_some(SlidePage { slide, page, region }))
    }

    /// Labels a slide strip by strip; the result is the same as of the whole.
    pub(super) fn label_slide(
        &self,
        job: &Job,
        slide: &mut SlidePage,
        model: &Dense,
        progress: &Progress,
        begun: Instant,
    ) -> anyhow::Result<Labelled> {
        anyhow::ensure!(
            job.probability.is_none(),
            "probabilities of a slide of {} × {} pixels are not written; choose a part with --crop",
            slide.region.size[0],
            slide.region.size[1]
        );
        if let Some(path) = &job.mask {
            anyhow::ensure!(
                is_png(path),
                "the mask of a slide is written as .png; named was {}",
                path.display()
            );
        }
        let answer = model
            .segment_parts(slide, progress)
            .with_context(|| format!("not labelled: {}", job.image.display()))?;
        let size = slide.region.size;
        if let Some(path) = &job.mask {
            raster::save_labels(path, &answer.labels, size).context("the mask was not written")?;
        }
        let um = slide.slide.pages()[slide.page].pixel_um;
        let found = answer.regions.iter().zip(&answer.pixel_counts).map(|(region, count)| RegionFound {
            name: region.name.clone(),
            label: region.label,
            voxel_count: *count,
            volume_ml: None,
            area_mm2: um.map(|um| *count as f64 * um * um / 1e6),
        });
        Ok(Labelled {
            image: job.image.clone(),
            mask: job.mask.clone(),
            size: [size[0], size[1], 1],
            regions: found.collect(),
            models: vec![model.id().to_owned()],
            seconds: begun.elapsed().as_secs_f64(),
            warnings: Vec::new(),
            error: None,
        })
    }
}
