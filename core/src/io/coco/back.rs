//! Reading back what was written.

use std::path::Path;

use serde::Deserialize;

use crate::io::LabelExport;

#[derive(Deserialize)]
struct File {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Image {
    id: usize,
    slice: usize,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: usize,
    category_id: u16,
    segmentation: Segmentation,
    area: usize,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Segmentation {
    Polygons(Vec<Vec<f64>>),
    Runs { counts: Vec<usize> },
}

/// Fills all annotations of a file and compares the labels; the first difference in words.
pub(super) fn check(path: &Path, export: &LabelExport) -> Result<(), String> {
    let file = std::fs::read(path).map_err(|e| e.to_string())?;
    let file: File = serde_json::from_slice(&file).map_err(|e| e.to_string())?;
    let [width, height, _] = export.grid.dims();
    let mut labels = vec![0; export.labels.len()];
    for annotation in &file.annotations {
        let image = file.images.iter().find(|image| image.id == annotation.image_id);
        let image = image.ok_or("an annotation is of no image")?;
        let pixels = match &annotation.segmentation {
            Segmentation::Polygons(polygons) => {
                polygons.iter().flat_map(|p| inside(p, width, height)).collect()
            }
            Segmentation::Runs { counts } => unpacked(counts, width, height),
        };
        if pixels.len() != annotation.area {
            return Err(format!("{} pixels instead of {}", pixels.len(), annotation.area));
        }
        for pixel in pixels {
            let slot = labels.get_mut(image.slice * width * height + pixel);
            *slot.ok_or("a pixel lies outside the image")? = annotation.category_id;
        }
    }
    match (0..labels.len()).find(|i| labels[*i] != export.labels[*i]) {
        None => Ok(()),
        Some(i) => {
            let [x, y, z] = export.grid.voxel(i);
            Err(format!("voxel {x},{y},{z} has the label {} instead of {}", labels[i], export.labels[i]))
        }
    }
}

/// The pixels whose middles lie in a polygon, by counting the edges at their left.
fn inside(polygon: &[f64], width: usize, height: usize) -> Vec<usize> {
    let corners: Vec<[f64; 2]> = polygon.chunks_exact(2).map(|c| [c[0], c[1]]).collect();
    let mut found = Vec::new();
    let rows = corners.iter().fold((f64::MAX, 0.0_f64), |(low, high), c| (low.min(c[1]), high.max(c[1])));
    for y in (rows.0.max(0.0) as usize)..(rows.1.ceil() as usize).min(height) {
        let middle = y as f64 + 0.5;
        let mut crossings: Vec<f64> = (0..corners.len())
            .filter_map(|i| {
                let (a, b) = (corners[i], corners[(i + 1) % corners.len()]);
                let crosses = (a[1] <= middle) != (b[1] <= middle);
                crosses.then(|| a[0] + (middle - a[1]) / (b[1] - a[1]) * (b[0] - a[0]))
            })
            .collect();
        crossings.sort_by(f64::total_cmp);
        for pair in crossings.chunks_exact(2) {
            let first = (pair[0] - 0.5).ceil().max(0.0) as usize;
            let end = ((pair[1] - 0.5).ceil().max(0.0) as usize).min(width);
            found.extend((first..end).map(|x| y * width + x));
        }
    }
    found
}

fn unpacked(counts: &[usize], width: usize, height: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut place = 0_usize;
    for (i, count) in counts.iter().enumerate() {
        let end = place.saturating_add(*count).min(width * height);
        if i % 2 == 1 {
            found.extend((place..end).map(|p| p % height * width + p / height));
        }
        place = end;
    }
    found
}
