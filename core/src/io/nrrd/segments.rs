//! Segmentations: label maps with names and colours as 3D Slicer keeps them.

use std::collections::BTreeSet;
use std::path::Path;

use super::NrrdFile;
use crate::io::labels::{Composition, labels_of, segment_color, segment_name};
use crate::io::{LabelImage, LabelName, Limits, OpenError, OpenOptions};
use crate::volume::{Source, Volume};

/// No segmentation has more layers; every one is read on its own.
const MAX_LAYERS: usize = 1024;
/// No segmentation has more segments.
const MAX_SEGMENTS: usize = 65_535;

/// A segment as the header describes it.
struct Segment {
    layer: usize,
    value: u16,
    /// Its value in the label map.
    label: u16,
}

/// Opens a label map with its segments. Layers of overlapping segments become one map in which later segments cover
/// earlier ones; what they cover is kept in [`LabelImage::covered`]. A segment whose number another layer uses too gets
/// the next free one.
///
/// # Errors
/// [`OpenError`] as for an image, and for values that are no labels.
pub fn open_labels(path: &Path, limits: &Limits) -> Result<LabelImage, OpenError> {
    let file = NrrdFile::read(path, limits)?;
    let (segments, names) = segments_of(&file);
    let frames = file.payload.frames;
    if frames == 1 {
        return single(path, limits, names);
    }
    if segments.is_empty() {
        let what =
            format!("a mask has one layer or says which segments its layers hold, this file has {frames}");
        return Err(OpenError::unsupported(what, path));
    }
    if frames > MAX_LAYERS {
        return Err(OpenError::too_large(format!("{frames} layers are more than {MAX_LAYERS}"), path));
    }
    let mut composition = Composition::new(&file.grid)
        .ok_or_else(|| OpenError::too_large("there is no memory for the labels", path))?;
    let mut warnings = file.warnings.clone();
    for layer in 0..frames {
        let voxels = file.payload.read(layer, path, &(), &mut warnings)?;
        let volume = Volume::new(file.grid, voxels, crate::volume::ImageMeta::default())
            .map_err(|e| OpenError::invalid(e.to_string(), path))?;
        let values = labels_of(&volume, path)?;
        let mut label_of = vec![0; 1 << 16];
        segments.iter().filter(|s| s.layer == layer).for_each(|s| label_of[usize::from(s.value)] = s.label);
        for (index, value) in values.iter().enumerate().filter(|(_, v)| **v != 0) {
            let label = label_of[usize::from(*value)];
            if label != 0 {
                composition.set(index, label);
            }
        }
    }
    let (labels, covered) = composition.finish(&mut warnings);
    let source = Source::File { path: path.to_owned() };
    Ok(LabelImage { labels, grid: file.grid, names, source, warnings, covered })
}

fn single(path: &Path, limits: &Limits, names: Vec<LabelName>) -> Result<LabelImage, OpenError> {
    let options = OpenOptions { limits: *limits, ..OpenOptions::default() };
    let opened = super::open(path, &options, &())?;
    let labels = labels_of(&opened.volume, path)?;
    Ok(LabelImage {
        labels,
        grid: *opened.volume.grid(),
        names,
        source: opened.volume.meta().source.clone(),
        warnings: opened.warnings,
        covered: Vec::new(),
    })
}

fn segments_of(file: &NrrdFile) -> (Vec<Segment>, Vec<LabelName>) {
    let keys = &file.header.keys;
    let numbers: BTreeSet<usize> = keys
        .keys()
        .filter_map(|key| key.strip_prefix("Segment")?.split_once('_')?.0.parse().ok())
        .take(MAX_SEGMENTS)
        .collect();
    let mut used = BTreeSet::new();
    let (mut segments, mut names) = (Vec::new(), Vec::new());
    for number in numbers {
        let text = |field: &str| keys.get(&format!("Segment{number}_{field}")).map(|v| v.trim());
        // Before layers were shared, every segment was a layer of its own with the value 1.
        let layer = text("Layer").and_then(|v| v.parse().ok()).unwrap_or(match text("LabelValue") {
            Some(_) => 0,
            None => number.min(file.payload.frames.saturating_sub(1)),
        });
        let value: u16 = text("LabelValue").and_then(|v| v.parse().ok()).unwrap_or(1);
        if value == 0 {
            continue;
        }
        let free = |label: &u16| !used.contains(label);
        // In a single layer the values stand in the voxels as they are.
        let own = if file.payload.frames == 1 || free(&value) { Some(value) } else { None };
        let Some(label) = own.or_else(|| (1..=u16::MAX).find(free)) else { break };
        used.insert(label);
        let color = text("Color").and_then(color_parts);
        let name = segment_name(text("Name").or(text("ID")).unwrap_or(""), label);
        if !names.iter().any(|n: &LabelName| n.value == label) {
            names.push(LabelName { value: label, name, color: segment_color(color, label) });
        }
        segments.push(Segment { layer, value, label });
    }
    (segments, names)
}

fn color_parts(text: &str) -> Option<[f64; 3]> {
    let parts: Option<Vec<f64>> = text.split_whitespace().map(|p| p.parse().ok()).collect();
    parts?.try_into().ok()
}
