//! A flat picture beside its document: what it tells, what was measured, how it is seen, how far a person is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hilum_core::document::Document;
use hilum_core::fundus::{Enhancement, Laterality};
use hilum_core::history::History;
use hilum_core::job::CancelToken;
use hilum_core::label::{BoxMask, LabelEntry, LabelTable};
use hilum_core::measure::cdr::{DiscMask, Ellipse};
use hilum_core::volume::{Volume, Voxels};
use serde::{Deserialize, Serialize};

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
        let moved = |ellipse: Ellipse| match self.handle {
            Handle::Center { offset } => {
                Ellipse { center: [at[0] - offset[0], at[1] - offset[1]], ..ellipse }
            }
            Handle::Long(end) => with_end(ellipse, 0, end, at),
            Handle::Short(end) => with_end(ellipse, 1, end, at),
            Handle::Corner(from) => within(from, at),
        };
        let from = match self.handle {
            Handle::Corner(from) => Some(within(from, at)),
            _ => self.ellipse,
        };
        self.ellipse = from.map(moved);
    }
}

/// The ellipse with one end of an axis (0 = the longer, 1 = the shorter) moved there. The other end stays where it is, and
/// the other axis as long as it is.
fn with_end(ellipse: Ellipse, axis: usize, is_forward: bool, at: [f64; 2]) -> Ellipse {
    use std::f64::consts::{FRAC_PI_2, PI};
    // From the angle of the ellipse to the direction in which the moved end lies.
    let turn = axis as f64 * FRAC_PI_2 + if is_forward { 0.0 } else { PI };
    let mut semi_axes_px = ellipse.semi_axes_px;
    let (sin, cos) = (ellipse.angle_rad + turn).sin_cos();
    let fixed = [ellipse.center[0] - semi_axes_px[axis] * cos, ellipse.center[1] - semi_axes_px[axis] * sin];
    let across = [at[0] - fixed[0], at[1] - fixed[1]];
    let direction = across[1].atan2(across[0]);
    let half = (across[0].hypot(across[1]) / 2.0).max(1.0);
    semi_axes_px[axis] = half;
    let (sin, cos) = direction.sin_cos();
    Ellipse {
        center: [fixed[0] + half * cos, fixed[1] + half * sin],
        semi_axes_px,
        angle_rad: direction - turn,
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

/// The step in which a network outlined disc and cup.
pub const OUTLINE_DISC: &str = "Outline disc and cup";
/// The step in which a network outlined vessels.
pub const OUTLINE_VESSELS: &str = "Outline vessels";
/// How the name of the step begins in which a network labelled the image; that of the model follows.
pub const LABEL_WITH: &str = "Label with ";

/// Whether every step that counts at present was made by a network.
pub fn is_by_networks(history: &History) -> bool {
    let is_network =
        |step: &str| [OUTLINE_DISC, OUTLINE_VESSELS].contains(&step) || step.starts_with(LABEL_WITH);
    history.steps().take(history.cursor()).all(is_network)
}

/// What is kept of a picture with the history of its labels, which goes with the pixels wherever the file lies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptReview {
    /// How far a person was at states of the history.
    marks: Vec<(u64, ReviewState)>,
    eye: Option<Laterality>,
    measured_anyway: bool,
    models: Vec<String>,
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
    /// It is not yet framed as the pictures of the album before it.
    pub is_framing_due: bool,
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
            is_framing_due: false,
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
        let labels = document.labels();
        match self.mark_of(document) {
            Some(mark) => mark,
            None if labels.is_blank() => ReviewState::Open,
            None if document.history().cursor() > 0 && is_by_networks(document.history()) => {
                ReviewState::Proposed
            }
            None => ReviewState::Corrected,
        }
    }

    fn mark_of(&self, document: &Document) -> Option<ReviewState> {
        let now = document.history().state();
        self.marks.iter().rev().find(|(state, _)| *state == now).map(|(_, mark)| *mark)
    }

    /// Whether it was remembered how far a person is with the labels as they are now.
    pub fn is_marked(&self, document: &Document) -> bool {
        self.mark_of(document).is_some()
    }

    /// Remembers how far a person is with the labels as they are now.
    pub fn mark(&mut self, document: &Document, state: ReviewState) {
        let now = document.history().state();
        self.marks.retain(|(other, _)| *other != now);
        self.marks.push((now, state));
    }

    /// What is to be kept with the history.
    pub fn review(&self) -> KeptReview {
        let Self { marks, eye, measured_anyway, models, .. } = self;
        KeptReview {
            marks: marks.clone(),
            eye: *eye,
            measured_anyway: *measured_anyway,
            models: models.clone(),
        }
    }

    /// Takes over what was kept with the history that is now the document's. What a person said of this very file stands.
    pub fn take_review(&mut self, kept: KeptReview) {
        self.marks = kept.marks;
        self.eye = self.eye.or(kept.eye);
        self.measured_anyway |= kept.measured_anyway;
        let known = std::mem::replace(&mut self.models, kept.models);
        for model in known {
            if !self.models.contains(&model) {
                self.models.push(model);
            }
        }
        self.reading = None;
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
    use hilum_core::document::{EditCommand, NewLabel};
    use hilum_core::label::LabelMap;

    use super::*;

    fn drag(handle: Handle) -> EllipseDrag {
        let ellipse = Ellipse { center: [50.0, 40.0], semi_axes_px: [20.0, 10.0], angle_rad: 0.3 };
        let before = (ellipse.mask([100, 80]), BoxMask::default());
        EllipseDrag { part: DiscPart::Disc, handle, ellipse: Some(ellipse), before }
    }

    /// Where the ends of the axes are.
    fn end(ellipse: Ellipse, handle: Handle) -> [f64; 2] {
        let (sin, cos) = ellipse.angle_rad.sin_cos();
        let [long, short] = ellipse.semi_axes_px;
        let [dx, dy] = match handle {
            Handle::Long(true) => [long * cos, long * sin],
            Handle::Long(false) => [-long * cos, -long * sin],
            Handle::Short(true) => [-short * sin, short * cos],
            _ => [short * sin, -short * cos],
        };
        [ellipse.center[0] + dx, ellipse.center[1] + dy]
    }

    const ENDS: [(Handle, Handle); 4] = [
        (Handle::Long(true), Handle::Long(false)),
        (Handle::Long(false), Handle::Long(true)),
        (Handle::Short(true), Handle::Short(false)),
        (Handle::Short(false), Handle::Short(true)),
    ];

    fn near(a: [f64; 2], b: [f64; 2]) -> bool {
        (a[0] - b[0]).hypot(a[1] - b[1]) < 1e-9
    }

    #[test]
    fn a_handle_dragged_to_where_it_is_changes_nothing() {
        for (handle, _) in ENDS {
            let mut drag = drag(handle);
            let old = drag.ellipse.unwrap();
            drag.drag_to(end(old, handle));
            assert_eq!(drag.ellipse.unwrap().mask([100, 80]), old.mask([100, 80]), "{handle:?}");
        }
    }

    #[test]
    fn the_opposite_end_stays_and_the_other_axis_keeps_its_length() {
        for (handle, opposite) in ENDS {
            let mut drag = drag(handle);
            let old = drag.ellipse.unwrap();
            // In several movements, as a mouse makes them, one of them over the fixed end.
            for at in [[80.0, 70.0], end(old, opposite), [20.0, 60.0], [75.0, 15.0]] {
                drag.drag_to(at);
            }
            let new = drag.ellipse.unwrap();
            let (moved, fixed) = (end(new, handle), end(new, opposite));
            assert!(near(moved, [75.0, 15.0]), "{handle:?} follows the pointer: {moved:?}");
            assert!(near(fixed, end(old, opposite)), "{opposite:?} stays: {fixed:?}");
            let other = usize::from(matches!(handle, Handle::Long(_)));
            assert!((new.semi_axes_px[other] - old.semi_axes_px[other]).abs() < 1e-12);
        }
    }

    #[test]
    fn labels_that_only_networks_made_are_proposed_though_nobody_noted_it() {
        let grid = hilum_core::geometry::Grid::from_spacing([8, 8, 1], [1.0; 3]).unwrap();
        let pixels = Voxels::Rgb8(vec![[200, 90, 40]; 64]);
        let volume = Arc::new(Volume::new(grid, pixels, hilum_core::volume::ImageMeta::default()).unwrap());
        let photo = Photo::new(&OpenedPhoto::of(&volume, None, None).unwrap(), None);
        let mut document = Document::new(volume);
        assert_eq!(photo.state(&document), ReviewState::Open);
        let mut step = |name: &str, label: u16| {
            let labels = LabelMap::from_voxels(grid, vec![label; 64]).unwrap();
            let names = vec![NewLabel::named(label, "some")];
            document.apply(EditCommand::ReplaceLabels { name: name.into(), labels, names }).unwrap();
            photo.state(&document)
        };
        assert_eq!(step(OUTLINE_DISC, 1), ReviewState::Proposed);
        assert_eq!(step("Label with another", 2), ReviewState::Proposed);
        assert_eq!(step("Disc ellipse", 3), ReviewState::Corrected);
        document.apply(EditCommand::Undo).unwrap();
        assert_eq!(photo.state(&document), ReviewState::Proposed, "the correction was undone");
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
