//! NIfTI does not say how an image was made; this is the one place that guesses.

use crate::volume::{Modality, Voxels};

/// Guesses the modality of a NIfTI image.
///
/// 1. Colour is a photograph.
/// 2. A word of the file name or of `descrip` (words are split at everything but letters and digits): `ct`, `cbct`
///    or `hu` say CT, but only if there are negative values, so that a mask named after its image is not taken for
///    one; `pet`, `suv` and `pt` say PET; `mr`, `mri` and the usual sequence names say MR.
/// 3. Whole numbers from air (−1100 to −900, or padding below that) to beyond soft tissue (200) are CT in HU.
/// 4. Everything else stays [`Modality::Other`].
pub(in crate::io) fn guess(file_name: &str, descrip: &str, voxels: &Voxels) -> Modality {
    if voxels.is_color() {
        return Modality::Photograph;
    }
    let text = format!("{file_name} {descrip}").to_lowercase();
    let says =
        |names: &[&str]| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| names.contains(&word));
    let Some((min, max)) = voxels.finite_min_max() else { return Modality::Other };
    if says(&["ct", "cbct", "hu"]) && min < 0.0 {
        Modality::Ct
    } else if says(&["pet", "suv", "suvbw", "pt"]) && max > 0.0 && !is_whole(voxels) {
        Modality::Pet
    } else if says(&["mr", "mri", "t1", "t1w", "t1c", "t1ce", "t2", "t2w", "flair", "dwi", "adc"])
        && max > 255.0
    {
        Modality::Mr
    } else if (-4096.0..=-900.0).contains(&min) && has_air(voxels) && max > 200.0 && is_whole(voxels) {
        Modality::Ct
    } else {
        Modality::Other
    }
}

/// Whether a value of air in HU occurs.
fn has_air(voxels: &Voxels) -> bool {
    sample(voxels).any(|v| (-1100.0..=-900.0).contains(&v))
}

fn is_whole(voxels: &Voxels) -> bool {
    sample(voxels).all(|v| v.fract() == 0.0)
}

/// About ten thousand values, evenly spread.
fn sample(voxels: &Voxels) -> impl Iterator<Item = f32> {
    let step = voxels.len().div_ceil(10_000).max(1);
    (0..voxels.len()).step_by(step).map(|index| voxels.value(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_decide_and_masks_are_not_images() {
        let hu = Voxels::I16(vec![-1000, 40, 900]);
        let mask = Voxels::U8(vec![0, 1, 1]);
        let uptake = Voxels::F32(vec![0.0, 0.25, 7.1]);
        assert_eq!(guess("image.nii", "", &hu), Modality::Ct);
        assert_eq!(guess("STS_022_ct.nii.gz", "", &Voxels::I16(vec![-200, 90])), Modality::Ct);
        assert_eq!(guess("act_01.nii.gz", "", &Voxels::I16(vec![-200, 90])), Modality::Other);
        assert_eq!(guess("case_ct_seg.nii.gz", "", &mask), Modality::Other);
        assert_eq!(guess("x_pet_image.nii.gz", "", &uptake), Modality::Pet);
        assert_eq!(guess("x_pet_mask.nii.gz", "", &mask), Modality::Other);
        assert_eq!(guess("sub-01_T1w.nii.gz", "", &Voxels::I16(vec![0, 1200])), Modality::Mr);
        assert_eq!(guess("x.nii", "", &Voxels::Rgb8(vec![[1, 2, 3]])), Modality::Photograph);
        assert_eq!(guess("x.nii", "", &Voxels::F32(vec![-1000.5, 900.25])), Modality::Other);
    }
}
