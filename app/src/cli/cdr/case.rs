//! One photograph, measured.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use hilum_core::fundus::{
    FieldOfView, FundusCheck, FundusReason, Laterality, LateralityGuess, Picture, PictureError, check,
    laterality_of,
};
use hilum_core::io::nifti::{self, LabelName};
use hilum_core::io::{self, OpenOptions, Warning, raster, spare_original};
use hilum_core::measure::cdr::{
    DiscLabels, DiscMask, DiscReading, Extent, Perturbation, QualityReason, ReadOptions, read_disc,
};
use hilum_core::volume::Volume;

use super::propose;
use crate::cli::convert::check_target;
use crate::cli::masks::Mask;
use crate::cli::output::Console;
use crate::jobs::ReviewState;

/// A measured photograph.
pub struct Case {
    /// The photograph.
    pub image: PathBuf,
    /// Where the outlines come from: a mask or a model.
    pub source: Source,
    /// Which eye, if anything tells.
    pub laterality: Option<LateralityGuess>,
    /// Whether it is a fundus photograph; `None` if it is too small to tell.
    pub check: Option<FundusCheck>,
    /// All figures.
    pub reading: DiscReading,
    /// Everything unusual about the files.
    pub warnings: Vec<Warning>,
    mask: DiscMask,
    volume: Volume,
}

/// Where outlines come from.
pub enum Source {
    /// A mask that somebody drew.
    Mask(PathBuf),
    /// A network.
    Model(String),
}

impl Source {
    /// Who or what outlined, as the page tells.
    pub fn standing(&self) -> String {
        match self {
            Self::Mask(_) => "Outlines of a mask; who drew it is not known here".to_owned(),
            Self::Model(model) => {
                crate::jobs::photo::standing(ReviewState::Proposed, std::slice::from_ref(model))
            }
        }
    }
}

impl Case {
    /// Opens a photograph and its mask, or has the outlines proposed, and measures them.
    pub fn read(
        console: &Console,
        image: &Path,
        mask: Option<&Path>,
        names: DiscLabels,
        eye: Option<Laterality>,
        perturbation: Perturbation,
    ) -> anyhow::Result<Self> {
        let opened = io::open(image, &OpenOptions::default(), &())?;
        let (volume, mut warnings) = (opened.volume, opened.warnings);
        // A ratio needs no scale.
        warnings.retain(|warning| *warning != Warning::NoSpacing);
        let picture = match Picture::of(&volume) {
            Ok(picture) => Some(picture),
            Err(PictureError::TooSmall { .. }) if mask.is_some() => None,
            Err(error) => return Err(error).with_context(|| format!("no photograph: {}", image.display())),
        };
        let field = picture.as_ref().map(FieldOfView::of);
        let check = picture.as_ref().zip(field.as_ref()).map(|(picture, field)| check(picture, field));
        let (labels, source) = match (mask, &picture, &field, &check) {
            (Some(path), ..) => {
                (labels_of(path, &volume, image, names, &mut warnings)?, Source::Mask(path.to_owned()))
            }
            (None, Some(_), Some(_), Some(check)) => {
                let proposal = propose::propose(console, &volume, check, names)
                    .with_context(|| format!("{}", image.display()))?;
                (proposal.labels, Source::Model(proposal.model))
            }
            _ => bail!("the picture is too small for a disc to be found: {}", image.display()),
        };
        let [width, height, _] = volume.grid().dims();
        let found = DiscMask::from_labels(&labels, [width, height], names);
        let mask = found.with_context(|| format!("{}", mask.unwrap_or(image).display()))?.without_holes();
        let laterality = match eye {
            Some(eye) => Some(LateralityGuess::by_person(eye)),
            None => field
                .as_ref()
                .and_then(|f| laterality_of(Some(image), Some(Extent::of(mask.disc()).center), f)),
        };
        // A picture without dark ground shows no field against which a disc could be too large.
        let seen = field.as_ref().filter(|f| f.kind == hilum_core::fundus::FieldKind::Round);
        let options = ReadOptions {
            laterality: laterality.map(|guess| guess.laterality),
            perturbation,
            field_of_view: seen.map(|f| f.circle),
        };
        let mut reading = read_disc(&mask, &options);
        reading.quality = reading.quality.with(doubts(check.as_ref()));
        Ok(Self { image: image.to_owned(), source, laterality, check, reading, warnings, mask, volume })
    }

    /// The photograph.
    pub fn volume(&self) -> &Volume {
        &self.volume
    }

    /// Disc and cup as they were measured.
    pub fn mask(&self) -> &DiscMask {
        &self.mask
    }

    /// Writes the mask as it was measured.
    pub fn save_mask(&self, path: &Path, names: DiscLabels) -> anyhow::Result<()> {
        if let Some(image) = self.volume.meta().source.path() {
            spare_original(image, path)?;
        }
        let labels = self.mask.labels(names);
        let saved = if is_nifti(path) {
            let name = |value: u16, name: &str, color| LabelName { value, name: name.into(), color };
            let names = [name(names.rim, "Rim", [86, 180, 233]), name(names.cup, "Cup", [230, 159, 0])];
            nifti::save_labels(path, &labels, self.volume.grid(), &self.volume.meta().source, &names)
        } else {
            raster::save_labels(path, &labels, self.mask.size())
        };
        saved.context("the mask was not written")
    }
}

/// What makes a reading doubtful because of the picture.
fn doubts(check: Option<&FundusCheck>) -> Option<QualityReason> {
    let Some(check) = check else {
        let why = "it is too small to tell".to_owned();
        return Some(QualityReason::NotAFundus { why, is_possible: true });
    };
    (!check.is_fundus).then(|| QualityReason::NotAFundus {
        why: check.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        is_possible: check.reasons == [FundusReason::Gray],
    })
}

/// The labels of a mask on the grid of a photograph.
fn labels_of(
    path: &Path,
    volume: &Volume,
    image: &Path,
    names: DiscLabels,
    warnings: &mut Vec<Warning>,
) -> anyhow::Result<Vec<u16>> {
    let mask = Mask::open(path)?;
    let ([w, h, _], [mw, mh, depth]) = (volume.grid().dims(), mask.grid.dims());
    if [mw, mh, depth] != [w, h, 1] {
        let hint = if [mh, mw, depth] == [w, h, 1] && w != h {
            "one of them lies on its side: the photograph is turned as its EXIF orientation says, so draw the mask \
             on the upright picture"
        } else {
            "scale the mask to the photograph without interpolation"
        };
        bail!(
            "the mask has {mw} × {mh} × {depth} pixels and the photograph {w} × {h}; {hint}: {} and {}",
            path.display(),
            image.display()
        );
    }
    let others: Vec<u16> =
        mask.used_labels().into_iter().filter(|label| *label != names.rim && *label != names.cup).collect();
    if !others.is_empty() {
        let what = format!(
            "the mask has labels {others:?}, which are neither rim ({}) nor cup ({}) and are left out; --rim and --cup \
             name others",
            names.rim, names.cup
        );
        warnings.push(Warning::Repaired { what });
    }
    warnings.extend(mask.warnings.into_iter().filter(|warning| *warning != Warning::NoSpacing));
    Ok(mask.labels)
}

/// Refuses a target that no mask can be written to.
pub fn check_mask_target(path: &Path) -> anyhow::Result<()> {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    if !is_nifti(path) && !name.ends_with(".png") {
        bail!("the mask must end in .png, .nii or .nii.gz: {}", path.display());
    }
    check_target(path)
}

fn is_nifti(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.ends_with(".nii") || name.ends_with(".nii.gz")
}
