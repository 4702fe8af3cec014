//! What the Basic Application Level Confidentiality Profile does with each element (DICOM PS3.15 annex E).

use std::sync::LazyLock;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

/// What happens to an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// It stays; what lies in its items is looked at.
    Keep,
    Remove,
    /// It stays without a value.
    Empty,
    /// A value that says nothing takes the place of its own.
    Dummy,
    /// Its UIDs are exchanged.
    Uid,
}

/// The table, ascending by tag.
static TABLE: LazyLock<Vec<(Tag, Deed)>> = LazyLock::new(|| {
    let rows = include_str!("basic_profile.txt").lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(row).collect()
});

/// Where the table leaves a choice that depends on the kind of object (type 1, 2 or 3 of the element there), the element
/// stays, without a value or with a dummy: every object stays valid, and nothing more is told.
fn row(line: &str) -> Option<(Tag, Deed)> {
    let (tag, action) = line.split_once(' ')?;
    let number = u32::from_str_radix(tag, 16).ok()?;
    let deed = match action {
        "X" => Deed::Remove,
        "Z" | "X/Z" => Deed::Empty,
        "D" | "Z/D" | "X/D" | "X/Z/D" => Deed::Dummy,
        "U" => Deed::Uid,
        // References to images: their UIDs are exchanged in the items.
        "X/Z/U*" => Deed::Keep,
        _ => return None,
    };
    // The halves of the number.
    Some((Tag((number >> 16) as u16, (number & 0xFFFF) as u16), deed))
}

/// UIDs that name a kind of thing or a dictionary of codes, not a thing of the hospital; makers give out their own.
const KIND_UIDS: [Tag; 11] = [
    tags::SOP_CLASS_UID,
    tags::RELATED_GENERAL_SOP_CLASS_UID,
    tags::ORIGINAL_SPECIALIZED_SOP_CLASS_UID,
    tags::SOP_CLASSES_IN_STUDY,
    tags::REFERENCED_SOP_CLASS_UID,
    tags::SOP_CLASSES_SUPPORTED,
    tags::ENCRYPTED_CONTENT_TRANSFER_SYNTAX_UID,
    tags::REFERENCED_TRANSFER_SYNTAX_UID_IN_FILE,
    tags::CODING_SCHEME_UID,
    tags::CONTEXT_UID,
    tags::MAPPING_RESOURCE_UID,
];

/// Not in the table, but of the same kind as what it removes: who gave out a number, and who a physician is.
const MORE_REMOVED: [Tag; 4] = [
    tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE,
    tags::ISSUER_OF_ACCESSION_NUMBER_SEQUENCE,
    tags::REQUESTING_PHYSICIAN_IDENTIFICATION_SEQUENCE,
    // Assigner Facility Sequence.
    Tag(0x0040, 0x0039),
];

/// Elements of the option "Retain Patient Characteristics".
const CHARACTERISTICS: [Tag; 5] =
    [tags::PATIENT_SEX, tags::PATIENT_AGE, tags::PATIENT_SIZE, tags::PATIENT_WEIGHT, tags::PREGNANCY_STATUS];

/// What to do with an element of a data set.
pub(super) fn deed(tag: Tag, vr: VR, is_known: bool, keep_characteristics: bool) -> Deed {
    let group = tag.group();
    let is_private = group % 2 == 1;
    let is_curve = group & 0xFF00 == 0x5000;
    let is_overlay = group & 0xFF00 == 0x6000;
    // A value of unknown representation (UN) may be a sequence with anything in it; an address holds UIDs and hosts.
    let is_opaque = matches!(vr, VR::UN | VR::UR);
    if is_private || is_curve || is_overlay || !is_known || is_opaque || MORE_REMOVED.contains(&tag) {
        return Deed::Remove;
    }
    if keep_characteristics && CHARACTERISTICS.contains(&tag) {
        return Deed::Keep;
    }
    match TABLE.binary_search_by_key(&tag, |row| row.0) {
        Ok(at) => TABLE[at].1,
        // References that the table does not know are references all the same.
        Err(_) if vr == VR::UI && !KIND_UIDS.contains(&tag) => Deed::Uid,
        Err(_) if vr == VR::PN => Deed::Empty,
        Err(_) => Deed::Keep,
    }
}

/// Whether an element may stay as it is when the dates of a patient are moved: dates move, times of day stay (option
/// "Retain Longitudinal Temporal Information with Modified Dates"). What concerns the birth goes in any case.
pub(super) fn moves(tag: Tag, vr: VR) -> bool {
    let of_birth = [
        tags::PATIENT_BIRTH_DATE,
        tags::PATIENT_BIRTH_TIME,
        tags::PATIENT_BIRTH_DATE_IN_ALTERNATIVE_CALENDAR,
        tags::PATIENT_DEATH_DATE_IN_ALTERNATIVE_CALENDAR,
    ];
    matches!(vr, VR::DA | VR::DT | VR::TM) && !of_birth.contains(&tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole_and_sorted() {
        assert_eq!(TABLE.len(), 652);
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn the_best_known_rows_are_those_of_the_standard() {
        let of = |tag, vr| deed(tag, vr, true, false);
        assert_eq!(of(tags::PATIENT_NAME, VR::PN), Deed::Empty);
        assert_eq!(of(tags::INSTITUTION_NAME, VR::LO), Deed::Dummy);
        assert_eq!(of(tags::PATIENT_AGE, VR::AS), Deed::Remove);
        assert_eq!(deed(tags::PATIENT_AGE, VR::AS, true, true), Deed::Keep);
        assert_eq!(of(tags::SOP_INSTANCE_UID, VR::UI), Deed::Uid);
        assert_eq!(of(tags::PIXEL_SPACING, VR::DS), Deed::Keep);
        assert_eq!(of(tags::IMAGE_POSITION_PATIENT, VR::DS), Deed::Keep);
        assert_eq!(of(tags::CODING_SCHEME_UID, VR::UI), Deed::Keep);
        assert_eq!(of(Tag(0x0029, 0x1010), VR::LO), Deed::Remove);
        assert_eq!(of(Tag(0x6002, 0x3000), VR::OW), Deed::Remove);
        assert_eq!(deed(Tag(0x0008, 0x9999), VR::LO, false, false), Deed::Remove);
        assert_eq!(of(tags::DERIVATION_CODE_SEQUENCE, VR::UN), Deed::Remove);
        assert_eq!(of(tags::RETRIEVE_URL, VR::UR), Deed::Remove);
        assert_eq!(of(tags::SOP_CLASS_UID, VR::UI), Deed::Keep);
        assert_eq!(of(tags::REFERENCED_SOP_CLASS_UID, VR::UI), Deed::Keep);
        assert!(moves(tags::STUDY_DATE, VR::DA) && moves(tags::STUDY_TIME, VR::TM));
        assert!(!moves(tags::PATIENT_BIRTH_DATE, VR::DA) && !moves(tags::PATIENT_NAME, VR::PN));
    }
}
