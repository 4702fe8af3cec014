//! Label maps as COCO JSON (<https://cocodataset.org/#format-data>): an image for each slice, an annotation for each
//! connected piece of a label in it.
//!
//! A piece without holes is a polygon along the edges of its pixels, one with holes run lengths, which COCO's polygons
//! cannot express; both enclose exactly the labelled pixels. Coordinates are in pixels from the upper left corner of the
//! first pixel.

mod back;
#[cfg(test)]
mod tests;

use std::path::Path;

use serde::Serialize;

use super::dicom::rtstruct::outlines;
use super::{LabelExport, SaveError, replace_file};

#[derive(Serialize)]
struct Coco {
    info: Info,
    images: Vec<Image>,
    categories: Vec<Category>,
    annotations: Vec<Annotation>,
}

#[derive(Serialize)]
struct Info {
    description: &'static str,
    /// Rows of the matrix from voxel to LPS millimetres; not part of COCO.
    world_from_voxel: [[f64; 4]; 3],
}

#[derive(Serialize)]
struct Image {
    id: usize,
    width: usize,
    height: usize,
    file_name: String,
    /// Slice of the volume, from 0; not part of COCO.
    slice: usize,
}

#[derive(Serialize)]
struct Category {
    id: u16,
    name: String,
    supercategory: &'static str,
    /// Not part of COCO's detection format, but of its panoptic one.
    color: [u8; 3],
}

#[derive(Serialize)]
struct Annotation {
    id: usize,
    image_id: usize,
    category_id: u16,
    segmentation: Segmentation,
    /// In pixels.
    area: usize,
    /// Left, upper, width, height in pixels.
    bbox: [usize; 4],
    iscrowd: u8,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Segmentation {
    /// x and y of the corners in turn.
    Polygons([Vec<f64>; 1]),
    /// Runs of outside and inside in turn, down the columns.
    Runs { counts: Vec<usize>, size: [usize; 2] },
}

/// Writes a label map as COCO JSON, reads it back and compares every pixel. Covered labels are left out.
pub(super) fn save(path: &Path, export: &LabelExport) -> Result<(), SaveError> {
    let coco = coco_of(export, path);
    replace_file(path, |out| serde_json::to_writer(out, &coco).map_err(std::io::Error::other))?;
    back::check(path, export).map_err(|what| SaveError::ReadBack { what, path: path.to_owned() })
}

fn coco_of(export: &LabelExport, path: &Path) -> Coco {
    let [width, height, slices] = export.grid.dims();
    let file = export.source.path().and_then(Path::file_name).or_else(|| path.file_name());
    let file = file.unwrap_or_default().to_string_lossy().into_owned();
    let image = |slice: usize| Image {
        id: slice + 1,
        width,
        height,
        file_name: if slices == 1 { file.clone() } else { format!("{}_{slice:04}.png", stem(&file)) },
        slice,
    };
    let category =
        |n: super::LabelName| Category { id: n.value, name: n.name, supercategory: "label", color: n.color };
    let mut annotations = Vec::new();
    for (slice, labels) in export.labels.chunks_exact(width * height).enumerate() {
        for piece in pieces(labels, width) {
            annotations.push(piece.annotation(annotations.len() + 1, slice + 1, [width, height]));
        }
    }
    Coco {
        info: Info {
            description: "Label map written by Hilum",
            world_from_voxel: export.grid.affine().rows(),
        },
        images: (0..slices).map(image).collect(),
        categories: export.all_names().into_iter().map(category).collect(),
        annotations,
    }
}

fn stem(name: &str) -> &str {
    name.split_once('.').map_or(name, |(stem, _)| stem)
}

/// Pixels of one label that are joined by their edges.
struct Piece {
    label: u16,
    pixels: Vec<[usize; 2]>,
}

/// All pieces of a slice, in the order of their first pixels.
fn pieces(labels: &[u16], width: usize) -> Vec<Piece> {
    let mut seen = vec![false; labels.len()];
    let mut found = Vec::new();
    for first in 0..labels.len() {
        let label = labels[first];
        if label == 0 || std::mem::replace(&mut seen[first], true) {
            continue;
        }
        let (mut open, mut pixels) = (vec![first], Vec::new());
        while let Some(at) = open.pop() {
            let [x, y] = [at % width, at / width];
            pixels.push([x, y]);
            let beside = [
                (x > 0).then(|| at - 1),
                (x + 1 < width).then_some(at + 1),
                at.checked_sub(width),
                Some(at + width).filter(|below| *below < labels.len()),
            ];
            for next in beside.into_iter().flatten() {
                if labels[next] == label && !std::mem::replace(&mut seen[next], true) {
                    open.push(next);
                }
            }
        }
        found.push(Piece { label, pixels });
    }
    found
}

impl Piece {
    fn annotation(&self, id: usize, image_id: usize, size: [usize; 2]) -> Annotation {
        let edge = |axis: usize| {
            let along = self.pixels.iter().map(|pixel| pixel[axis]);
            (along.clone().min().unwrap_or(0), along.max().unwrap_or(0))
        };
        let ((left, right), (top, bottom)) = (edge(0), edge(1));
        let columns = right - left + 1;
        let mut mask = vec![false; columns * (bottom - top + 1)];
        self.pixels.iter().for_each(|[x, y]| mask[(y - top) * columns + x - left] = true);
        let outlines = outlines(&mask, columns);
        let segmentation = match &outlines[..] {
            [one] => {
                // Outlines are counted from the middle of the first pixel.
                let corner = |[x, y]: &[f64; 2]| [x + 0.5 + left as f64, y + 0.5 + top as f64];
                Segmentation::Polygons([one.iter().flat_map(corner).collect()])
            }
            _ => Segmentation::Runs { counts: self.runs(size), size: [size[1], size[0]] },
        };
        Annotation {
            id,
            image_id,
            category_id: self.label,
            segmentation,
            area: self.pixels.len(),
            bbox: [left, top, columns, bottom - top + 1],
            iscrowd: 0,
        }
    }

    /// Lengths of runs outside and inside in turn, down the columns of the image.
    fn runs(&self, [width, height]: [usize; 2]) -> Vec<usize> {
        let mut places: Vec<usize> = self.pixels.iter().map(|[x, y]| x * height + y).collect();
        places.sort_unstable();
        let mut counts = Vec::new();
        let (mut end, mut inside) = (0, 0);
        for place in places {
            if place != end {
                if inside > 0 {
                    counts.push(inside);
                }
                counts.push(place - end);
                inside = 0;
            } else if counts.is_empty() {
                counts.push(0);
            }
            inside += 1;
            end = place + 1;
        }
        counts.push(inside);
        if end < width * height {
            counts.push(width * height - end);
        }
        counts
    }
}
