//! Codes for what a segment is, guessed from its name (SNOMED CT, as in DICOM context groups 7150, 7151 and 7159).

type Code = [&'static str; 3];

const TISSUE: Code = ["85756007", "SCT", "Tissue"];
const ANATOMY: Code = ["123037004", "SCT", "Anatomical Structure"];
const ALTERED: Code = ["49755003", "SCT", "Morphologically Abnormal Structure"];

/// Words of names with category and type, the more telling first.
const KNOWN: [(&[&str], Code, Code); 24] = [
    (
        &["tumor", "tumour", "neoplasm", "gtv", "cancer", "sarcoma", "metastasis"],
        ALTERED,
        ["108369006", "SCT", "Neoplasm"],
    ),
    (&["nodule"], ALTERED, ["27925004", "SCT", "Nodule"]),
    (&["cyst"], ALTERED, ["367643001", "SCT", "Cyst"]),
    (&["edema", "oedema"], ALTERED, ["79654002", "SCT", "Edema"]),
    (&["necrosis"], ALTERED, ["6574001", "SCT", "Necrosis"]),
    (&["lesion", "läsion"], ALTERED, ["52988006", "SCT", "Lesion"]),
    (&["liver", "leber"], ANATOMY, ["10200004", "SCT", "Liver"]),
    (&["spleen"], ANATOMY, ["78961009", "SCT", "Spleen"]),
    (&["kidney"], ANATOMY, ["64033007", "SCT", "Kidney"]),
    (&["pancreas"], ANATOMY, ["15776009", "SCT", "Pancreas"]),
    (&["stomach"], ANATOMY, ["69695003", "SCT", "Stomach"]),
    (&["bladder"], ANATOMY, ["89837001", "SCT", "Bladder"]),
    (&["prostate"], ANATOMY, ["41216001", "SCT", "Prostate"]),
    (&["rectum"], ANATOMY, ["34402009", "SCT", "Rectum"]),
    (&["esophagus", "oesophagus"], ANATOMY, ["32849002", "SCT", "Esophagus"]),
    (&["lung", "lungs"], ANATOMY, ["39607008", "SCT", "Lung"]),
    (&["trachea"], ANATOMY, ["44567001", "SCT", "Trachea"]),
    (&["heart"], ANATOMY, ["80891009", "SCT", "Heart"]),
    (&["aorta"], ANATOMY, ["15825003", "SCT", "Aorta"]),
    (&["brain"], ANATOMY, ["12738006", "SCT", "Brain"]),
    (&["artery"], ANATOMY, ["51114001", "SCT", "Artery"]),
    (&["vein"], ANATOMY, ["29092000", "SCT", "Vein"]),
    (&["bone"], ANATOMY, ["272673000", "SCT", "Bone"]),
    (&["vessel", "vessels"], ANATOMY, ["59820001", "SCT", "Blood Vessel"]),
];

/// Category and type of a segment by its name; tissue where the name says nothing known.
pub(super) fn codes_of(name: &str) -> (Code, Code) {
    let name = name.to_lowercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_alphabetic()).collect();
    let known = KNOWN.iter().find(|(keys, ..)| keys.iter().any(|key| words.contains(key)));
    known.map_or((TISSUE, TISSUE), |(_, category, property)| (*category, *property))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_their_codes() {
        assert_eq!(codes_of("Left Kidney"), (ANATOMY, ["64033007", "SCT", "Kidney"]));
        assert_eq!(codes_of("liver tumour"), (ALTERED, ["108369006", "SCT", "Neoplasm"]));
        assert_eq!(codes_of("Label 3"), (TISSUE, TISSUE));
    }
}
