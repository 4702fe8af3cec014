//! The figures of a photograph's labels, as the command line makes them.

use std::time::Duration;

use hilum_core::fundus::{FieldKind, FundusReason, Laterality, LateralityGuess, laterality_with_disc};
use hilum_core::label::{BoxMask, LabelMap};
use hilum_core::measure::cdr::{
    CdrError, DiscLabels, DiscMask, DiscReading, Extent, QualityReason, ReadOptions, read_disc,
};

use super::PhotoFacts;

/// Label of the neuroretinal rim.
pub const RIM: u16 = 1;
/// Label of the cup.
pub const CUP: u16 = 2;
/// Label of retinal vessels.
pub const VESSELS: u16 = 3;

/// Everything measured on the labels of a photograph.
#[derive(Clone, Debug, PartialEq)]
pub struct PhotoReading {
    /// Which eye, if anything tells.
    pub eye: Option<LateralityGuess>,
    /// Disc and cup with their figures, or why there are none.
    pub disc: Result<Box<(DiscMask, DiscReading)>, CdrError>,
    /// Share of the field of view outside the disc that vessels cover; `None` without vessels.
    pub vessel_share: Option<f64>,
    /// How long measuring took.
    pub took: Duration,
}

impl PhotoReading {
    /// The figures, if there is a disc.
    pub fn figures(&self) -> Option<&DiscReading> {
        self.disc.as_ref().ok().map(|both| &both.1)
    }

    /// Vertical ratio with its interval.
    pub fn vertical(&self) -> Option<[f64; 3]> {
        let ratio = self.figures()?.ratios?.vertical;
        Some([ratio.value, ratio.low, ratio.high])
    }
}

/// Measures the labels of a photograph; `eye` is what a person said.
pub fn measure(facts: &PhotoFacts, labels: &LabelMap, eye: Option<Laterality>) -> PhotoReading {
    let begun = std::time::Instant::now();
    let [width, height, _] = labels.grid().dims();
    let names = DiscLabels { rim: RIM, cup: CUP };
    let mask = if labels.count(RIM) + labels.count(CUP) == 0 {
        Err(CdrError::NoDisc { rim: RIM, cup: CUP })
    } else {
        DiscMask::from_labels(&labels.to_voxels(), [width, height], names).map(|mask| mask.without_holes())
    };
    let vessel_share = vessel_share(facts, labels);
    let mut reading = of_mask(facts, mask, eye);
    (reading.vessel_share, reading.took) = (vessel_share, begun.elapsed());
    reading
}

/// Measures disc and cup while they are being dragged.
pub fn of_mask(
    facts: &PhotoFacts,
    mask: Result<DiscMask, CdrError>,
    eye: Option<Laterality>,
) -> PhotoReading {
    let begun = std::time::Instant::now();
    let known = eye.map(LateralityGuess::by_person).or(facts.named);
    let center = mask.as_ref().ok().map(|mask| Extent::of(mask.disc()).center);
    let eye = match &facts.field {
        Some(field) => laterality_with_disc(known, center, field),
        None => known,
    };
    let disc = mask.map(|mask| {
        let field = facts.field.as_ref().filter(|field| field.kind == FieldKind::Round);
        let options = ReadOptions {
            laterality: eye.map(|guess| guess.laterality),
            field_of_view: field.map(|field| field.circle),
            ..ReadOptions::default()
        };
        let mut reading = read_disc(&mask, &options);
        reading.quality = reading.quality.with(doubt(facts));
        Box::new((mask, reading))
    });
    PhotoReading { eye, disc, vessel_share: None, took: begun.elapsed() }
}

/// What makes a reading doubtful because of the picture.
fn doubt(facts: &PhotoFacts) -> Option<QualityReason> {
    let (why, is_possible) = match &facts.check {
        Ok(check) if check.is_fundus => return None,
        Ok(check) => (facts.doubts(), check.reasons == [FundusReason::Gray]),
        Err(_) => ("it is too small to tell".to_owned(), true),
    };
    Some(QualityReason::NotAFundus { why, is_possible })
}

fn vessel_share(facts: &PhotoFacts, labels: &LabelMap) -> Option<f64> {
    if labels.count(VESSELS) == 0 {
        return None;
    }
    // Without a field of view the picture is the field.
    let Some(field) = &facts.field else {
        let area = labels.grid().voxel_count() - labels.count(RIM) - labels.count(CUP);
        return Some(labels.count(VESSELS) as f64 / area.max(1) as f64);
    };
    let (mut vessels, mut area) = (0usize, 0usize);
    let mut rest = field.mask.as_slice();
    for stretch in labels.stretches() {
        let (here, behind) = rest.split_at(stretch.len().min(rest.len()));
        for (label, inside) in stretch.iter().zip(here) {
            vessels += usize::from(*inside && *label == VESSELS);
            area += usize::from(*inside && *label != RIM && *label != CUP);
        }
        rest = behind;
    }
    Some(vessels as f64 / area.max(1) as f64)
}

/// The labels after a network has outlined disc and cup: the largest disc with its cup, without holes, instead of the
/// old ones; everything else stays. `None` if the network found no disc.
pub fn with_disc(labels: &LabelMap, answer: &[u16], names: DiscLabels) -> Option<LabelMap> {
    let [width, height, _] = labels.grid().dims();
    let found = DiscMask::from_labels(answer, [width, height], names).ok()?.without_holes();
    Some(with_mask(labels, &found))
}

/// The labels with this disc and cup instead of the old ones.
pub fn with_mask(labels: &LabelMap, mask: &DiscMask) -> LabelMap {
    let new = mask.labels(DiscLabels { rim: RIM, cup: CUP });
    let merged = labels.iter().zip(new).map(|(old, new)| match (old, new) {
        (RIM | CUP, 0) => 0,
        (old, 0) => old,
        (_, new) => new,
    });
    relabelled(labels, merged.collect())
}

/// The labels with these vessels instead of the old ones; disc and cup lie over them.
pub fn with_vessels(labels: &LabelMap, answer: &[u16]) -> LabelMap {
    let merged = labels.iter().zip(answer).map(|(old, vessel)| match (old, *vessel != 0) {
        (0 | VESSELS, true) => VESSELS,
        (VESSELS, false) => 0,
        (old, _) => old,
    });
    relabelled(labels, merged.collect())
}

fn relabelled(labels: &LabelMap, values: Vec<u16>) -> LabelMap {
    LabelMap::from_voxels(*labels.grid(), values).unwrap_or_else(|_| labels.clone())
}

/// Disc and cup of labels as masks, each empty where it is not marked.
pub fn parts(labels: &LabelMap) -> (BoxMask, BoxMask) {
    let [width, height, _] = labels.grid().dims();
    let names = DiscLabels { rim: RIM, cup: CUP };
    match DiscMask::from_labels(&labels.to_voxels(), [width, height], names) {
        Ok(mask) => (mask.disc().clone(), mask.cup().clone()),
        Err(_) => (BoxMask::default(), BoxMask::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_core::phantom::{FundusPhantomOptions, fundus_phantom};

    fn labels_of(size: [usize; 2]) -> (PhotoFacts, LabelMap, Vec<bool>) {
        let phantom =
            fundus_phantom(&FundusPhantomOptions { size, ..FundusPhantomOptions::default() }).unwrap();
        let values = phantom.disc_cup.iter().map(|v| u16::from(*v)).collect();
        let labels = LabelMap::from_voxels(*phantom.volume.grid(), values).unwrap();
        (PhotoFacts::of(&phantom.volume, None), labels, phantom.vessels)
    }

    #[test]
    fn vessels_lie_under_the_disc_and_their_share_is_of_the_field_outside_it() {
        let (facts, labels, vessels) = labels_of([320, 280]);
        let answer: Vec<u16> = vessels.iter().map(|v| u16::from(*v)).collect();
        let both = with_vessels(&labels, &answer);
        assert_eq!((both.count(RIM), both.count(CUP)), (labels.count(RIM), labels.count(CUP)));
        assert!(both.count(VESSELS) > 0 && both.count(VESSELS) < vessels.iter().filter(|v| **v).count());
        let reading = measure(&facts, &both, None);
        let field = facts.field.as_ref().unwrap().mask.iter().filter(|v| **v).count();
        let expected = both.count(VESSELS) as f64 / (field - labels.count(RIM) - labels.count(CUP)) as f64;
        assert!((reading.vessel_share.unwrap() - expected).abs() < 0.01, "{reading:?}");
        assert_eq!(with_vessels(&both, &vec![0; answer.len()]).to_voxels(), labels.to_voxels());
    }

    #[test]
    fn figures_are_the_same_at_every_resolution() {
        let ratio = |size| {
            let (facts, labels, _) = labels_of(size);
            measure(&facts, &labels, None).vertical().unwrap()[0]
        };
        let (small, large) = (ratio([1024, 880]), ratio([2048, 1760]));
        assert!((small - large).abs() < 0.02, "{small} and {large}");
    }
}
