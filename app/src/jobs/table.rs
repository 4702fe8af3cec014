//! The table of measurements.

use std::sync::Arc;

use hilum_core::label::{BoxMask, LabelMap};
use hilum_core::measure::{Agreement, ObjectMeasure, agreement, measure_object};
use hilum_core::paint::{Components, Connectivity};
use hilum_core::volume::Volume;

/// What is compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// A label of the open image.
    pub label: u16,
    /// Another one, or one of the mask that was read for comparison.
    pub other: u16,
    /// The other one lies in the mask that was read.
    pub in_reference: bool,
}

/// The labels to be measured.
#[derive(Clone, Debug)]
pub struct TableRequest {
    /// The image.
    pub session: u64,
    /// State of its labels.
    pub labels_revision: u64,
    /// The image's values.
    pub volume: Arc<Volume>,
    /// The labels.
    pub labels: Arc<LabelMap>,
    /// A mask that was read for comparison.
    pub reference: Option<Arc<LabelMap>>,
    /// What is compared.
    pub compared: Option<Compared>,
}

/// One label of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelRow {
    /// The label.
    pub label: u16,
    /// Its figures; the axes span all parts.
    pub figures: ObjectMeasure,
    /// Pieces that do not touch.
    pub parts: usize,
}

/// Two masks and how well they agree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreed {
    /// Which.
    pub compared: Compared,
    /// How well.
    pub agreement: Agreement,
}

/// The figures of all labels at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasureTable {
    /// State of the labels that was measured.
    pub labels_revision: u64,
    /// Labels with voxels, ascending.
    pub rows: Vec<LabelRow>,
    /// The comparison that was asked for.
    pub agreed: Option<Agreed>,
}

impl TableRequest {
    /// Measures.
    pub fn run(&self) -> MeasureTable {
        let grid = self.volume.grid();
        // Of colour the luma would be measured, which nobody asks for.
        let image = Some(&*self.volume).filter(|volume| !volume.voxels().is_color());
        let row = |label: u16| {
            let mask = BoxMask::from_labels(&self.labels, label);
            let figures = measure_object(&mask, grid, image).ok().flatten()?;
            let parts = Components::of(&mask, Connectivity::Six).all().len();
            Some(LabelRow { label, figures, parts })
        };
        MeasureTable {
            labels_revision: self.labels_revision,
            rows: self.labels.used_labels().into_iter().filter(|label| *label > 0).filter_map(row).collect(),
            agreed: self.compared.and_then(|compared| self.compare(compared)),
        }
    }

    fn compare(&self, compared: Compared) -> Option<Agreed> {
        let other = if compared.in_reference { self.reference.as_ref()? } else { &self.labels };
        let region = self.labels.bounds(compared.label).union(&other.bounds(compared.other));
        // Surfaces end at the edge of the image and not of the box.
        let region = region.grown([1; 3], self.volume.grid().dims());
        let [a, b] = [(&self.labels, compared.label), (other, compared.other)]
            .map(|(map, label)| BoxMask::from_labels_in(map, label, region));
        let spacing_mm = self.volume.grid().spacing_mm();
        let agreement = agreement(a.inside(), b.inside(), region.size(), spacing_mm).ok()?;
        Some(Agreed { compared, agreement })
    }
}
