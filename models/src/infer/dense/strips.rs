//! Labelling a picture strip by strip: a slide of a gigapixel does not fit into memory with its probabilities.

use hilum_core::io::raster::PixelRegion;
use hilum_core::job::{Cancelled, Observer};
use hilum_core::volume::Volume;
use nalgebra::{Matrix3, Vector3};

use super::{Dense, DenseError, add_tile, labels, starts, tile_answer};
use crate::catalog::{DenseTask, Region};
use crate::transform::frame::{Frame, Normalize, Prepared, Scale};

/// A picture that is read part by part.
pub trait PictureParts {
    /// Width and height in pixels.
    fn size(&self) -> [usize; 2];

    /// A part of it.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&mut self, part: PixelRegion) -> Result<Volume, String>;
}

/// Labels of a whole picture.
#[derive(Clone, Debug)]
pub struct StripAnswer {
    /// Label of every pixel `[y, x]`, 0 where nothing was found.
    pub labels: Vec<u16>,
    /// What the labels are.
    pub regions: Vec<Region>,
    /// Pixels of each region at a probability of one half or more; regions may overlap.
    pub pixel_counts: Vec<usize>,
}

impl Dense {
    /// Labels a picture of any size, as [`Dense::segment`] does, holding the probabilities of a strip only.
    ///
    /// # Errors
    /// [`DenseError`] for a model that must see the whole picture first, a part that cannot be read, a device that
    /// fails, and when the watcher asks to stop.
    pub fn segment_parts(
        &self,
        picture: &mut dyn PictureParts,
        observer: &dyn Observer,
    ) -> Result<StripAnswer, DenseError> {
        check(&self.id, &self.task)?;
        let [width, height] = picture.size();
        let [_, tile_height, tile_width] = self.task.tile;
        let tile = [tile_width, tile_height, 1];
        let (columns, rows) = (starts(width, tile_width), starts(height, tile_height));
        let total = (columns.len() * rows.len()) as u64;
        let mut strip = Strip::new(width, tile_height, self.task.regions.len());
        let mut answer = StripAnswer {
            labels: Vec::with_capacity(width * height),
            regions: self.task.regions.clone(),
            pixel_counts: vec![0; self.task.regions.len()],
        };
        for (nth, &top) in rows.iter().enumerate() {
            let first = top.max(0) as usize;
            let last = ((top + tile_height as isize) as usize).min(height);
            let part = PixelRegion { start: [0, first], size: [width, last - first] };
            let seen = picture.read(part).map_err(DenseError::Unsuitable)?;
            let prepared = Prepared::new(&seen, &self.task.input);
            for (column, &left) in columns.iter().enumerate() {
                if observer.is_cancelled() {
                    return Err(Cancelled.into());
                }
                observer.progress("labelling", (nth * columns.len() + column) as u64, total);
                let start = Vector3::new(left as f64, (top - first as isize) as f64, 0.0);
                let frame = Frame { start, step: Matrix3::identity(), dims: tile };
                let values = tile_answer(&self.network, &self.task, &prepared.sample(&frame), &self.device)?;
                add_tile(
                    &values,
                    [left, 0, 0],
                    tile,
                    [width, tile_height, 1],
                    &mut strip.sums,
                    &mut strip.weights,
                );
            }
            // No later tile reaches the rows above the next one's top.
            let finished = rows.get(nth + 1).map_or(height, |next| *next as usize);
            strip.finish((first as isize - top) as usize..(finished as isize - top) as usize, &mut answer);
            strip.shift((finished as isize - top) as usize);
        }
        Ok(answer)
    }
}

/// Only a model that judges each place by what is around it can work strip by strip.
fn check(id: &str, task: &DenseTask) -> Result<(), DenseError> {
    let refuse = |why: &str| {
        let what = format!("the model {id} {why}; choose a coarser page or a part of the picture");
        Err(DenseError::Unsuitable(what))
    };
    if task.around.is_some() {
        return refuse("looks for its place in the whole picture");
    }
    if !matches!(task.input.normalize, Normalize::Window { .. }) || !matches!(task.input.scale, Scale::Keep) {
        return refuse("adapts to the colours or the size of the whole picture");
    }
    if task.regions.iter().any(|region| region.is_single) {
        return refuse("keeps the largest of what it finds in the whole picture");
    }
    if task.tile[0] > 1 { refuse("labels volumes") } else { Ok(()) }
}

/// Sums over the tiles that cover some rows of the picture.
struct Strip {
    width: usize,
    rows: usize,
    sums: Vec<f32>,
    weights: Vec<f32>,
}

impl Strip {
    fn new(width: usize, rows: usize, regions: usize) -> Self {
        Self { width, rows, sums: vec![0.0; regions * rows * width], weights: vec![0.0; rows * width] }
    }

    /// Appends the labels of rows that no later tile changes.
    fn finish(&self, rows: std::ops::Range<usize>, answer: &mut StripAnswer) {
        let pixels = rows.start * self.width..rows.end * self.width;
        let weights = &self.weights[pixels.clone()];
        let mean = |sums: &[f32]| -> Vec<f32> {
            sums[pixels.clone()].iter().zip(weights).map(|(sum, weight)| sum / weight).collect()
        };
        let probabilities: Vec<Vec<f32>> = self.sums.chunks(self.rows * self.width).map(mean).collect();
        for (count, probability) in answer.pixel_counts.iter_mut().zip(&probabilities) {
            *count += probability.iter().filter(|p| **p >= 0.5).count();
        }
        answer.labels.extend(labels(&answer.regions, &probabilities));
    }

    /// Makes room for rows further down.
    fn shift(&mut self, rows: usize) {
        let gone = (rows * self.width).min(self.rows * self.width);
        for plane in self.sums.chunks_mut(self.rows * self.width).chain([self.weights.as_mut_slice()]) {
            plane.copy_within(gone.., 0);
            let kept = plane.len() - gone;
            plane[kept..].fill(0.0);
        }
    }
}
