//! A flat picture beside its document: what it tells, what was measured, how it is seen, how far a person is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hilum_core::document::Document;
use hilum_core::fundus::{Enhancement, Laterality};
use hilum_core::job::CancelToken;
use hilum_core::label::{BoxMask, LabelEntry, LabelTable};
use hilum_core::measure::cdr::{DiscMask, Ellipse};
use hilum_core::volume::{Volume, Voxels};

use crate::jobs::photo::{CUP, RIM, VESSELS};
use crate::jobs::{OpenedPhoto, PhotoFacts, PhotoReading, PhotoRecord, ReviewState};

/// What labels are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelPurpose {
    /// Optic disc and cup.
    DiscCup,
    /// Retinal vessels.
    Vessels,
    /// Whatever the model labels.
    Plain,
    /// As a first proposal, which gives way to what a person did meanwhile.
    Proposal,
}

/// A request for labels that has not been answered.
#[derive(Clone, Debug)]
pub struct RunningLabels {
    /// Which request.
    pub request: u64,
    /// What for.
    pub purpose: LabelPurpose,
    /// The model asked.
    pub model: String,
    /// State of the labels when it was asked.
    pub labels_revision: u64,
    /// Stops it.
    pub cancel: CancelToken,
    /// When it was asked.
    pub since: std::time::Instant,
    /// What it is doing.
    pub what: String,
    /// Share done, where known.
    pub share: Option<f32>,
}

/// A part of the optic disc that can be dragged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscPart {
    /// Rim and cup together.
    Disc,
    /// The cup.
    Cup,
}

/// A place at which an ellipse is dragged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Handle {
    /// Moves it; the place within it that was grabbed stays under the pointer.
    Center {
        /// Pointer minus centre.
        offset: [f64; 2],
    },
    /// An end of the longer axis: its length and direction; `true` for the end that the angle points to.
    Long(bool),
    /// An end of the shorter axis likewise.
    Short(bool),
    /// Draws a new one in a box that begins here.
    Corner([f64; 2]),
}

/// An ellipse being dragged.
#[derive(Clone, Debug, PartialEq)]
pub struct EllipseDrag {
    /// What is dragged.
    pub part: DiscPart,
    /// By which handle.
    pub handle: Handle,
    /// As it is now; `None` before the first movement.
    pub ellipse: Option<Ellipse>,
    /// Disc and cup when it was grabbed.
    pub before: (BoxMask, BoxMask),
}

impl EllipseDrag {
    /// Disc and cup as they would be if the pointer were let go.
    pub fn mask(&self, size: [usize; 2]) -> Option<DiscMask> {
        let new = self.ellipse?.mask(size);
        let (disc, cup) = &self.before;
        match self.part {
            DiscPart::Disc => DiscMask::from_masks(&new, cup, size),
            DiscPart::Cup => DiscMask::from_masks(disc, &new, size),
        }
    }

    /// The pointer, in pixels of the picture, moved there.
    pub fn drag_to(&mut self, at: [f64; 2]) {
        let moved = |ellipse: Ellipse| {
            let toward = [at[0] - ellipse.center[0], at[1] - ellipse.center[1]];
            let (length, angle) = (toward[0].hypot(toward[1]).max(1.0), toward[1].atan2(toward[0]));
            let half_turn = |reversed: bool| if reversed { 0.0 } else { std::f64::consts::PI };
            let [long, short] = ellipse.semi_axes_px;
            match self.handle {
                Handle::Center { offset } => {
                    Ellipse { center: [at[0] - offset[0], at[1] - offset[1]], ..ellipse }
                }
                Handle::Long(end) => {
                    Ellipse { semi_axes_px: [length, short], angle_rad: angle + half_turn(end), ..ellipse }
                }
                Handle::Short(end) => Ellipse {
                    semi_axes_px: [long, length],
                    angle_rad: angle - std::f64::consts::FRAC_PI_2 + half_turn(end),
                    ..ellipse
                },
                Handle::Corner(from) => within(from, at),
            }
        };
        let from = match self.handle {
            Handle::Corner(from) => Some(within(from, at)),
            _ => self.ellipse,
        };
        self.ellipse = from.map(moved);
    }
}

/// The upright ellipse in a box between two corners.
fn within(a: [f64; 2], b: [f64; 2]) -> Ellipse {
    Ellipse {
        center: [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0],
        semi_axes_px: [((a[0] - b[0]) / 2.0).abs(), ((a[1] - b[1]) / 2.0).abs()],
        angle_rad: 0.0,
    }
}

/// What is known of a flat picture.
#[derive(Debug)]
pub struct Photo {
    /// What it tells.
    pub facts: Arc<PhotoFacts>,
    /// The file.
    pub path: Option<PathBuf>,
    /// A person has it measured although it does not look like a fundus.
    pub measured_anyway: bool,
    /// The eye, if a person said.
    pub eye: Option<Laterality>,
    /// The models that proposed.
    pub models: Vec<String>,
    /// A network was asked without being told to.
    pub asked: bool,
    /// State of the labels that was measured, and the figures.
    pub reading: Option<(u64, PhotoReading)>,
    /// The ellipse being dragged.
    pub drag: Option<EllipseDrag>,
    /// What is made of it is kept without being saved.
    pub is_kept: bool,
    /// State of labels and record that was handed over last.
    pub kept: Option<(u64, PhotoRecord)>,
    how: Enhancement,
    wanted: Enhancement,
    enhanced: Vec<(Enhancement, Arc<Volume>)>,
    /// How far a person was at states of the history.
    marks: Vec<(u64, ReviewState)>,
}

impl Photo {
    /// A picture that was just opened.
    pub fn new(opened: &OpenedPhoto, path: Option<&Path>) -> Self {
        let record = opened.kept.as_ref().map(|kept| &kept.record);
        Self {
            facts: Arc::new(opened.facts.clone()),
            path: path.map(Path::to_owned),
            measured_anyway: record.is_some_and(|record| record.measured_anyway),
            eye: record.and_then(|record| record.eye),
            models: record.map_or_else(Vec::new, |record| record.models.clone()),
            asked: false,
            reading: None,
            drag: None,
            is_kept: false,
            kept: record.map(|record| (0, record.clone())),
            how: Enhancement::None,
            wanted: Enhancement::None,
            enhanced: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// Whether disc and cup are measured.
    pub fn is_eye(&self) -> bool {
        self.facts.is_fundus() || self.measured_anyway
    }

    /// How far a person is.
    pub fn state(&self, document: &Document) -> ReviewState {
        let now = document.history().state();
        let marked = self.marks.iter().rev().find(|(state, _)| *state == now);
        let labels = document.labels();
        match marked {
            Some((_, mark)) => *mark,
            None if labels.voxels().len() == labels.count(0) => ReviewState::Open,
            None => ReviewState::Corrected,
        }
    }

    /// Remembers how far a person is with the labels as they are now.
    pub fn mark(&mut self, document: &Document, state: ReviewState) {
        let now = document.history().state();
        self.marks.retain(|(other, _)| *other != now);
        self.marks.push((now, state));
    }

    /// Forgets all marks; the history is another one.
    pub fn forget_marks(&mut self) {
        self.marks.clear();
    }

    /// The figures of the labels, or of what is being dragged.
    pub fn figures(&self) -> Option<&PhotoReading> {
        self.reading.as_ref().map(|(_, reading)| reading)
    }

    /// Whether the picture can be seen in other ways.
    pub fn can_enhance(volume: &Volume) -> bool {
        volume.grid().is_flat() && matches!(volume.voxels(), Voxels::Rgb8(_) | Voxels::U8(_))
    }

    /// How the picture is to be seen.
    pub fn enhancement(&self) -> Enhancement {
        self.wanted
    }

    /// The picture as it is seen, where that is not the picture itself.
    pub fn seen(&self) -> Option<&Arc<Volume>> {
        self.enhanced.iter().find(|(how, _)| *how == self.how).map(|(_, volume)| volume)
    }

    /// How [`Self::seen`] differs from the picture.
    pub fn seen_as(&self) -> Enhancement {
        self.how
    }

    /// Asks for another way to see it. `true` if it has to be computed first.
    pub fn want(&mut self, how: Enhancement) -> bool {
        self.wanted = how;
        let is_known = how == Enhancement::None || self.enhanced.iter().any(|(known, _)| *known == how);
        if is_known {
            self.how = how;
        }
        !is_known
    }

    /// Takes in a way to see it that was computed. `true` if it is the one that is waited for.
    pub fn take_enhanced(&mut self, how: Enhancement, volume: Option<Arc<Volume>>) -> bool {
        match volume {
            Some(volume) => self.enhanced.push((how, volume)),
            None => self.wanted = self.how,
        }
        let is_wanted = self.wanted == how;
        if is_wanted {
            self.how = how;
        }
        is_wanted
    }
}

/// Labels of the eye.
///
/// # Panics
/// Never; the numbers differ.
pub fn eye_table() -> LabelTable {
    let entry = |id, name: &str, color, opacity| LabelEntry {
        id,
        name: name.to_owned(),
        color,
        opacity,
        visible: true,
        locked: false,
    };
    LabelTable::new(vec![
        entry(RIM, "Disc rim", [86, 180, 233], 0.12),
        entry(CUP, "Cup", [230, 159, 0], 0.12),
        entry(VESSELS, "Vessels", [0, 200, 140], 0.35),
    ])
    .expect("the numbers differ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drag(handle: Handle) -> EllipseDrag {
        let ellipse = Ellipse { center: [50.0, 40.0], semi_axes_px: [20.0, 10.0], angle_rad: 0.3 };
        let before = (ellipse.mask([100, 80]), BoxMask::default());
        EllipseDrag { part: DiscPart::Disc, handle, ellipse: Some(ellipse), before }
    }

    #[test]
    fn a_handle_dragged_to_where_it_is_changes_nothing() {
        let old = drag(Handle::Long(true)).ellipse.unwrap();
        let (sin, cos) = old.angle_rad.sin_cos();
        let ends = [
            (Handle::Long(false), [50.0 - 20.0 * cos, 40.0 - 20.0 * sin]),
            (Handle::Long(true), [50.0 - 20.0 * cos, 40.0 - 20.0 * sin]),
            (Handle::Short(false), [50.0 + 10.0 * sin, 40.0 - 10.0 * cos]),
        ];
        for (handle, at) in ends {
            let mut drag = drag(handle);
            drag.drag_to(at);
            let size = [100, 80];
            assert_eq!(drag.ellipse.unwrap().mask(size), old.mask(size), "{handle:?}");
        }
    }

    #[test]
    fn a_box_becomes_an_ellipse_and_a_cup_stays_inside_its_disc() {
        let mut new =
            EllipseDrag { handle: Handle::Corner([10.0, 10.0]), ellipse: None, ..drag(Handle::Long(true)) };
        assert!(new.mask([100, 80]).is_none());
        new.drag_to([50.0, 30.0]);
        assert_eq!(new.ellipse.unwrap().center, [30.0, 20.0]);
        let mut cup = EllipseDrag { part: DiscPart::Cup, ..drag(Handle::Center { offset: [0.0, 0.0] }) };
        cup.drag_to([62.0, 44.0]);
        let mask = cup.mask([100, 80]).unwrap();
        assert!(mask.cup().count() > 0 && mask.cup().count() < cup.ellipse.unwrap().mask([100, 80]).count());
        assert!(mask.cup().spans().all(|span| mask.disc().contains([span.x_start, span.y, 0])));
    }
}
