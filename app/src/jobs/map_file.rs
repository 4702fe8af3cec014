//! A map of attention as a file, and figures with the maps that belong to it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use hilum_core::geometry::WorldPoint;
use hilum_core::label::LabelMap;
use hilum_core::volume::Volume;
use hilum_models::inspect::FieldMap;
use hilum_models::nets::HopReading;

use super::MapKind;
use crate::figure::{Candidate, Drawn, Figure, beside, save_numbers, save_picture, together};

/// A map to be written.
#[derive(Clone, Debug)]
pub struct MapFile {
    /// `.nii` or `.nii.gz`: its numbers in its own pixels; `.png`: a picture beside the image, of flat images.
    pub path: PathBuf,
    /// The map.
    pub map: Arc<FieldMap>,
    /// The image.
    pub volume: Arc<Volume>,
}

impl MapFile {
    /// Writes it.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let (map, path) = (&self.map, &self.path);
        if name.ends_with(".nii") || name.ends_with(".nii.gz") {
            return save_numbers(path, &map.name, &map.grid, map.values.clone());
        }
        if !name.ends_with(".png") {
            bail!("the name must end in .nii, .nii.gz or .png: {}", path.display());
        }
        if !self.volume.grid().is_flat() {
            bail!("a picture is made of flat images only; name a .nii.gz: {}", path.display());
        }
        save_picture(path, &self.volume, &map.grid, map)
    }
}

/// A figure to be written: image, labels, and maps beside each other.
#[derive(Clone, Debug)]
pub struct FigureFile {
    /// `.png` or `.svg`.
    pub path: PathBuf,
    /// All maps, with the number of their network and their origin.
    pub maps: Vec<(usize, MapKind, Arc<FieldMap>)>,
    /// Position of the map that the figure is about.
    pub chosen: usize,
    /// Another map that it is compared with, and its name: then these two alone are shown.
    pub compared: Option<(Arc<FieldMap>, String)>,
    /// Every map that the views of "All maps" show is in it, instead of those of the papers' figures.
    pub is_of_all: bool,
    /// The image.
    pub volume: Arc<Volume>,
    /// Values shown black and white.
    pub window: [f32; 2],
    /// The labels.
    pub labels: Arc<LabelMap>,
    /// Colours and names of the labels that are shown, by value.
    pub colors: Vec<(u16, [u8; 3], String)>,
    /// The point whose plane is shown.
    pub at: WorldPoint,
    /// Maps of one meaning share the ends of their colours.
    pub is_scale_shared: bool,
    /// What stands below: the model.
    pub note: String,
    /// How the graph of the maps is read, if they are of one.
    pub graph: Option<HopReading>,
}

impl FigureFile {
    /// Writes it.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        let all: Vec<Candidate<'_>> =
            self.maps.iter().map(|(look, kind, map)| Candidate { look: *look, kind: *kind, map }).collect();
        let Some(chosen) = all.get(self.chosen).copied() else {
            bail!("there is no map to make a figure of");
        };
        let color = |label: u16| {
            let known = self.colors.iter().find(|(value, ..)| *value == label);
            known.map_or([255; 3], |(_, color, _)| *color)
        };
        let has_labels = !self.labels.is_blank() && !self.colors.is_empty();
        let voxels = if has_labels { self.labels.to_voxels() } else { Vec::new() };
        let drawn = has_labels.then(|| Drawn { labels: &voxels, grid: self.labels.grid(), color: &color });
        let mut figure = Figure::new(&self.volume, &chosen.map.grid, self.at, self.window, drawn);
        if let Some((other, name)) = &self.compared {
            figure.fill_pair((other, name), chosen, self.is_scale_shared, &self.note);
        } else if self.is_of_all {
            figure.fill(&together(&all, chosen).0, self.is_scale_shared, &self.note);
        } else {
            figure.fill(&beside(&all, chosen), self.is_scale_shared, &self.note);
        }
        self.graph.iter().for_each(|graph| figure.add_note(format!("graph: {}", graph.told())));
        let is_there = |label: u16| self.labels.count(label) > 0;
        let drawn = self.colors.iter().filter(|(label, ..)| has_labels && is_there(*label));
        figure.add_legend(drawn.map(|(_, color, name)| (*color, name.clone())));
        figure.save(&self.path)
    }
}
