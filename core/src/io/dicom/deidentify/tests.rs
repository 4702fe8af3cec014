//! Objects made here, whose every value is known, and real ones.

use dicom_core::value::{DataSetSequence, PrimitiveValue};
use dicom_core::{DataElement, Tag, VR};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use dicom_dictionary_std::uids;

use super::*;
use crate::testing::shared_data;

fn text(tag: Tag, vr: VR, value: &str) -> dicom_object::mem::InMemElement {
    DataElement::new(tag, vr, PrimitiveValue::from(value))
}

/// A CT slice of a person, with the person's name in places where no rule expects it.
fn slice(folder: &Path, number: usize, change: impl FnOnce(&mut InMemDicomObject)) -> PathBuf {
    let uid = format!("1.2.3.4.{number}");
    let item = InMemDicomObject::from_element_iter([
        text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.3.4.1"),
        text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        text(Tag(0x0009, 0x0010), VR::LO, "PRIVATE"),
        text(tags::RETRIEVE_AE_TITLE, VR::AE, "WARD7"),
    ]);
    let mut object = InMemDicomObject::from_element_iter([
        text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100"),
        text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY"),
        text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        text(tags::SOP_INSTANCE_UID, VR::UI, &uid),
        text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3.1"),
        text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.2"),
        text(tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.2.3.3"),
        text(tags::STUDY_DATE, VR::DA, "20240301"),
        text(tags::SERIES_DATE, VR::DA, "20240302"),
        text(tags::STUDY_TIME, VR::TM, "101500"),
        text(tags::ACQUISITION_DATE_TIME, VR::DT, "20240301101500.25"),
        text(tags::ACCESSION_NUMBER, VR::SH, "ACC-9917"),
        text(tags::MODALITY, VR::CS, "CT"),
        text(tags::INSTITUTION_NAME, VR::LO, "Klinikum Nord"),
        text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, "Zweig^Anna"),
        text(tags::STUDY_DESCRIPTION, VR::LO, "Thorax of Mustermann"),
        text(tags::PATIENT_NAME, VR::PN, "Mustermann^Erik=Other^Form"),
        text(tags::PATIENT_ID, VR::LO, "PAT-00815"),
        text(tags::PATIENT_BIRTH_DATE, VR::DA, "19611224"),
        text(tags::PATIENT_SEX, VR::CS, "M"),
        text(tags::PATIENT_WEIGHT, VR::DS, "81.5"),
        text(tags::CONVOLUTION_KERNEL, VR::SH, "B30 mustermann"),
        text(tags::KVP, VR::DS, "120"),
        text(tags::PIXEL_SPACING, VR::DS, "1\\1"),
        text(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0"),
        text(tags::IMAGE_POSITION_PATIENT, VR::DS, &format!("0\\0\\{number}")),
        text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        DataElement::new(tags::REFERENCED_IMAGE_SEQUENCE, VR::SQ, DataSetSequence::from(vec![item])),
        text(Tag(0x0029, 0x0010), VR::LO, "SIEMENS CSA HEADER"),
        text(Tag(0x0029, 0x1010), VR::LO, "Mustermann again"),
        text(Tag(0x0008, 0x9999), VR::LO, "nobody knows this element"),
        DataElement::new(Tag(0x6000, 0x3000), VR::OW, PrimitiveValue::U16([0xFFFF; 4].as_slice().into())),
    ]);
    for (tag, value) in [
        (tags::ROWS, 64),
        (tags::COLUMNS, 64),
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 12),
        (tags::HIGH_BIT, 11),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value as u16)));
    }
    let values: Vec<u16> = (0..64 * 64).map(|i| (i % 61) as u16 + number as u16).collect();
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(values.into())));
    change(&mut object);
    let path = folder.join(format!("Mustermann_{number}.dcm"));
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
        .media_storage_sop_instance_uid(uid);
    object.with_meta(meta).unwrap().write_to_file(&path).unwrap();
    path
}

fn run(
    source: &Path,
    target: &Path,
    options: DeidentifyOptions,
) -> Result<DeidentifyReport, DeidentifyError> {
    let key = PseudonymKey::open_or_create(&target.with_extension("key.json")).unwrap();
    Deidentify { source, only_series: None, target, key: &key, options }.run(&())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    scan::list(folder, 8, &Limits::default(), &()).unwrap()
}

fn value(path: &Path, tag: Tag) -> Option<String> {
    let object = dicom_object::open_file(path).unwrap();
    object.get(tag).map(|element| element.to_str().unwrap_or_default().trim_matches(['\0', ' ']).to_owned())
}

/// None of these words stands anywhere in the bytes, in either case.
fn holds(path: &Path, words: &[&str]) -> Option<String> {
    let bytes = String::from_utf8_lossy(&std::fs::read(path).unwrap()).to_lowercase();
    words.iter().find(|word| bytes.contains(&word.to_lowercase())).map(|word| (*word).to_owned())
}

#[test]
fn nothing_of_the_patient_is_left_and_the_series_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::create_dir(&source).unwrap();
    (1..=4).for_each(|n| _ = slice(&source, n, |_| ()));
    let report = run(&source, &target, DeidentifyOptions::default()).unwrap();
    assert_eq!((report.written, report.patients.len(), report.left_out.len()), (4, 1, 0), "{report:?}");
    assert!(report.removed_private >= 8 && report.cleaned == 4 && report.warnings.is_empty(), "{report:?}");

    let written = files(&target);
    assert_eq!(written.len(), 4);
    for path in &written {
        let words = [
            "Mustermann",
            "Erik",
            "PAT-00815",
            "Klinikum",
            "Zweig",
            "ACC-9917",
            "19611224",
            "20240301",
            "SIEMENS CSA",
            "1.2.3.4",
            "1.2.3.2",
            "WARD7",
            "nobody knows",
        ];
        assert_eq!(holds(path, &words), None, "{}", path.display());
        assert!(!path.to_string_lossy().contains("Mustermann_"), "{}", path.display());
    }
    let first = &written[0];
    assert_eq!(value(first, tags::PATIENT_NAME), value(first, tags::PATIENT_ID));
    assert!(value(first, tags::PATIENT_ID).unwrap().starts_with("P-"));
    assert_eq!(value(first, tags::PATIENT_SEX).unwrap(), "");
    assert_eq!(value(first, tags::PATIENT_IDENTITY_REMOVED).unwrap(), "YES");
    assert_eq!(value(first, tags::KVP).unwrap(), "120");
    assert_eq!(value(first, tags::STUDY_TIME).unwrap(), "101500");
    assert_eq!(value(first, tags::SOP_CLASS_UID).unwrap(), uids::CT_IMAGE_STORAGE);

    let options = OpenOptions::default();
    let (before, after) = (
        super::super::open(&source, &options, &()).unwrap(),
        super::super::open(&target, &options, &()).unwrap(),
    );
    assert_eq!(before.volume.voxels(), after.volume.voxels());
    assert_eq!(before.volume.grid(), after.volume.grid());
}

#[test]
fn references_lead_to_the_copies_and_intervals_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::create_dir(&source).unwrap();
    (1..=2).for_each(|n| _ = slice(&source, n, |_| ()));
    run(&source, &target, DeidentifyOptions::default()).unwrap();
    let written = files(&target);
    let object = dicom_object::open_file(&written[1]).unwrap();
    let reference = &object.element(tags::REFERENCED_IMAGE_SEQUENCE).unwrap().items().unwrap()[0];
    let to = reference.element(tags::REFERENCED_SOP_INSTANCE_UID).unwrap().to_str().unwrap();
    assert_eq!(to, value(&written[0], tags::SOP_INSTANCE_UID).unwrap());

    let day = |tag| value(&written[0], tag).unwrap()[..8].parse::<i64>().unwrap();
    assert_ne!(day(tags::STUDY_DATE), 20_240_301);
    let key = PseudonymKey::open_or_create(&target.with_extension("key.json")).unwrap();
    let shift = key.shift_days("PAT-00815");
    assert_eq!(value(&written[0], tags::STUDY_DATE), pseudonym::moved_back("20240301", shift));
    assert_eq!(value(&written[0], tags::SERIES_DATE), pseudonym::moved_back("20240302", shift));
    assert_eq!(
        value(&written[0], tags::ACQUISITION_DATE_TIME),
        pseudonym::moved_back("20240301101500.25", shift)
    );
}

#[test]
fn a_second_export_with_the_same_key_belongs_to_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = slice(folder.path(), 1, |_| ());
    let key = PseudonymKey::random();
    let uid = |name: &str, key| {
        let target = folder.path().join(name);
        let options = DeidentifyOptions::default();
        Deidentify { source: &path, only_series: None, target: &target, key, options }.run(&()).unwrap();
        value(&files(&target)[0], tags::SERIES_INSTANCE_UID).unwrap()
    };
    assert_eq!(uid("a", &key), uid("b", &key));
    assert_ne!(uid("a2", &PseudonymKey::random()), uid("b2", &key));
}

#[test]
fn options_remove_dates_and_keep_what_research_needs() {
    let folder = tempfile::tempdir().unwrap();
    let path = slice(folder.path(), 1, |_| ());
    let target = folder.path().join("out");
    run(&path, &target, DeidentifyOptions { dates: Dates::Removed, keep_characteristics: true }).unwrap();
    let written = &files(&target)[0];
    assert_eq!(value(written, tags::PATIENT_WEIGHT).unwrap(), "81.5");
    assert_eq!(value(written, tags::PATIENT_SEX).unwrap(), "M");
    assert_eq!(value(written, tags::STUDY_DATE).unwrap(), "");
    assert_eq!(
        value(written, tags::SERIES_DATE).unwrap(),
        "19000101",
        "a date that is none, where one must stand"
    );
    assert_eq!(value(written, tags::PATIENT_BIRTH_DATE).unwrap(), "");
}

#[test]
fn what_no_rule_can_clean_is_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::create_dir(&source).unwrap();
    slice(&source, 1, |_| ());
    slice(&source, 2, |o| {
        _ = o.put(DataElement::new(
            tags::CONTENT_SEQUENCE,
            VR::SQ,
            DataSetSequence::from(vec![InMemDicomObject::new_empty()]),
        ))
    });
    slice(&source, 3, |o| {
        _ = o.put(DataElement::new(tags::ENCAPSULATED_DOCUMENT, VR::OB, PrimitiveValue::from(vec![1_u8, 2])))
    });
    std::fs::write(source.join("letter.txt"), "Dear Mr Mustermann").unwrap();
    let whole = std::fs::read(source.join("Mustermann_1.dcm")).unwrap();
    std::fs::write(source.join("cut.dcm"), &whole[..whole.len() - 700]).unwrap();
    let report = run(&source, &target, DeidentifyOptions::default()).unwrap();
    assert_eq!((report.written, report.left_out.len()), (1, 4), "{report:?}");
    let why: Vec<&str> = report.left_out.iter().map(|(_, why)| why.as_str()).collect();
    for part in ["report", "document", "no DICOM", "ends in the middle"] {
        assert!(why.iter().any(|why| why.contains(part)), "{part}: {why:?}");
    }
}

#[test]
fn a_length_beyond_the_file_is_refused_before_memory_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path =
        slice(folder.path(), 1, |o| _ = o.put(text(tags::DATA_SET_TRAILING_PADDING, VR::OB, "xxxxxxxx")));
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - 12;
    bytes[at..at + 4].copy_from_slice(&0xFFFF_FFF0_u32.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let error = run(&path, &folder.path().join("out"), DeidentifyOptions::default()).unwrap_err().to_string();
    assert!(error.contains("ends in the middle"), "{error}");
}

#[test]
fn the_chooser_names_the_patient_on_the_screen_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = slice(folder.path(), 1, |_| {});
    let found = super::super::list_series(&path, &OpenOptions::default(), &()).unwrap();
    assert_eq!(found[0].patient.0, "Mustermann, Erik");
    let told = format!("{found:?}{}", serde_json::to_string(&found).unwrap());
    assert!(!told.contains("Mustermann, Erik"), "{told}");
    let other = tempfile::tempdir().unwrap();
    let path = slice(other.path(), 1, |o| _ = o.put(text(tags::PATIENT_NAME, VR::PN, "")));
    let found = super::super::list_series(&path, &OpenOptions::default(), &()).unwrap();
    assert_eq!(found[0].patient.0, value(&path, tags::PATIENT_ID).unwrap());
}

// Found by fuzzing: a second reader went on behind the padding and took the memory that it found announced there.
#[test]
fn what_stands_behind_padding_is_neither_read_nor_copied() {
    let folder = tempfile::tempdir().unwrap();
    let path = slice(folder.path(), 1, |_| {});
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend([0; 64]);
    // An element of group 0000 that declares nearly 4 GiB, and a name.
    bytes.extend([0, 0, 0, 0, b'U', b'L', 0, 0, 0xF0, 0xFF, 0xFF, 0xFF]);
    bytes.extend(b"HIDDEN^NAME");
    std::fs::write(&path, bytes).unwrap();
    let target = folder.path().join("out");
    let report = run(&path, &target, DeidentifyOptions::default()).unwrap();
    assert_eq!((report.written, report.left_out.len()), (1, 0));
    assert_eq!(holds(&files(&target)[0], &["HIDDEN"]), None);
}

#[test]
fn text_in_the_pixels_is_announced() {
    let folder = tempfile::tempdir().unwrap();
    let mut values: Vec<f32> = vec![10.0; 64 * 64];
    burned_in::tests::write(&mut values, 64, [2, 3], 8, 1, 4000.0);
    let written: Vec<u16> = values.iter().map(|v| *v as u16).collect();
    let path = slice(folder.path(), 1, |o| {
        o.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(written.into())));
    });
    let report = run(&path, &folder.path().join("out"), DeidentifyOptions::default()).unwrap();
    assert!(report.warnings.iter().any(|w| w.contains("text seems to be burned")), "{report:?}");
    let path = slice(folder.path(), 2, |o| _ = o.put(text(tags::BURNED_IN_ANNOTATION, VR::CS, "YES")));
    let report = run(&path, &folder.path().join("out2"), DeidentifyOptions::default()).unwrap();
    assert!(report.warnings.iter().any(|w| w.contains("says that text")), "{report:?}");
}

#[test]
fn one_series_of_a_folder_may_be_meant() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::create_dir(&source).unwrap();
    (1..=3).for_each(|n| _ = slice(&source, n, |_| ()));
    slice(&source, 4, |o| _ = o.put(text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.9")));
    let (key, options) = (PseudonymKey::random(), DeidentifyOptions::default());
    let wanted =
        Deidentify { source: &source, only_series: Some("1.2.3.2"), target: &target, key: &key, options };
    let report = wanted.run(&()).unwrap();
    assert_eq!((report.written, report.left_out.len()), (3, 0));
}

/// What a review found: each of these once left a name behind, or lost a copy.
#[test]
fn a_name_does_not_hide_in_opaque_values_addresses_or_people() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::create_dir(&source).unwrap();
    let bytes =
        |tag, vr, text: &str| DataElement::new(tag, vr, PrimitiveValue::from(text.as_bytes().to_vec()));
    slice(&source, 1, |o| {
        // A sequence whose item holds the name, as an archive that does not know the sequence keeps it.
        let name = "Mustermann^Erik ";
        let item = format!("\u{10}\0\u{10}\0\u{10}\0\0\0{name}");
        let head = [0xFE, 0xFF, 0x00, 0xE0, item.len() as u8, 0, 0, 0];
        let sequence = [head.as_slice(), item.as_bytes()].concat();
        o.put(DataElement::new(tags::DERIVATION_CODE_SEQUENCE, VR::UN, PrimitiveValue::from(sequence)));
        o.put(bytes(tags::ICC_PROFILE, VR::OB, "profile of Mustermann's scanner "));
        o.put(text(tags::RETRIEVE_URL, VR::UR, "https://klinikum/studies/1.2.3.1"));
        o.put(text(tags::PROTOCOL_NAME, VR::LO, "seen by ErikMustermann"));
        o.put(text(tags::CONTRAST_BOLUS_AGENT, VR::LO, "for PAT 00815"));
        let code = InMemDicomObject::from_element_iter([text(tags::CODE_MEANING, VR::LO, "House, Gregory")]);
        let people = DataSetSequence::from(vec![code]);
        o.put(DataElement::new(tags::REQUESTING_PHYSICIAN_IDENTIFICATION_SEQUENCE, VR::SQ, people));
        o.put(text(tags::SOP_CLASS_UID, VR::UI, "1.3.12.2.1107.5.9.1"));
    });
    let report = run(&source, &target, DeidentifyOptions::default()).unwrap();
    assert_eq!(report.written, 1, "{report:?}");
    let written = &files(&target)[0];
    let words = ["Mustermann", "House", "Gregory", "klinikum", "00815", "1.2.3.1"];
    assert_eq!(holds(written, &words), None);
    assert_eq!(value(written, tags::SOP_CLASS_UID).unwrap(), "1.3.12.2.1107.5.9.1");
}

#[test]
fn patients_with_odd_names_or_shared_series_get_folders_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::create_dir(&source).unwrap();
    // Words that stand in what this program writes itself.
    for (n, name) in ["ANONYMIZED", "DICOM^Temporal", "Information^Option"].into_iter().enumerate() {
        slice(&source, n, |o| {
            o.put(text(tags::PATIENT_NAME, VR::PN, name));
            o.put(text(tags::PATIENT_ID, VR::LO, ["113107", "113100", "DCM0"][n]));
        });
    }
    let report =
        run(&source, &target, DeidentifyOptions { keep_characteristics: true, ..Default::default() })
            .unwrap();
    assert_eq!((report.written, report.patients.len()), (3, 3), "{report:?}");
    for path in files(&target) {
        let id = value(&path, tags::PATIENT_ID).unwrap();
        assert!(path.strip_prefix(&target).unwrap().starts_with(&id), "{} in {}", id, path.display());
    }
}

#[cfg(unix)]
#[test]
fn a_link_does_not_lead_copies_among_the_originals() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("in");
    std::fs::create_dir(&source).unwrap();
    slice(&source, 1, |_| ());
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&source, &link).unwrap();
    let key = PseudonymKey::random();
    let wanted = Deidentify {
        source: &source,
        only_series: None,
        target: &link.join("copies"),
        key: &key,
        options: DeidentifyOptions::default(),
    };
    assert!(wanted.run(&()).unwrap_err().to_string().contains("lies in that of the originals"));
}

#[test]
fn who_stops_is_told_what_was_done() {
    struct Stop(std::cell::Cell<u32>);
    impl Observer for Stop {
        fn is_cancelled(&self) -> bool {
            self.0.set(self.0.get() + 1);
            // Listing files asks as well.
            self.0.get() > 4
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::create_dir(&source).unwrap();
    (1..=9).for_each(|n| _ = slice(&source, n, |_| ()));
    let (key, options) = (PseudonymKey::random(), DeidentifyOptions::default());
    let wanted = Deidentify { source: &source, only_series: None, target: &target, key: &key, options };
    let report = wanted.run(&Stop(std::cell::Cell::new(0))).unwrap();
    assert!((1..9).contains(&report.written), "{report:?}");
    assert!(report.warnings.iter().any(|warning| warning.contains("it was stopped")), "{report:?}");
}

#[test]
fn originals_are_never_mixed_with_copies() {
    let folder = tempfile::tempdir().unwrap();
    slice(folder.path(), 1, |_| ());
    let inside = run(folder.path(), &folder.path().join("copies"), DeidentifyOptions::default()).unwrap_err();
    assert!(inside.to_string().contains("lies in that of the originals"), "{inside}");
    let full = run(&folder.path().join("Mustermann_1.dcm"), folder.path(), DeidentifyOptions::default())
        .unwrap_err();
    assert!(full.to_string().contains("not empty"), "{full}");
}

#[test]
fn real_series_of_many_makers_stay_readable_and_alike() {
    let Some(root) = shared_data("data/dicom") else { return };
    let mut tried = 0;
    for name in [
        "transfer_syntaxes",
        "ct_liver_series",
        "dcmqi",
        "enhanced_ct",
        "rtstruct",
        "ct_j2k_series",
        "highdicom",
    ] {
        let source = root.join(name);
        if !source.is_dir() {
            continue;
        }
        tried += 1;
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        let report = run(&source, &target, DeidentifyOptions::default()).unwrap();
        // Only what is no image may be left out: reports, and files of other kinds.
        let wrongly: Vec<_> = report
            .left_out
            .iter()
            .filter(|(_, why)| !why.contains("cannot be cleaned") && why != "no DICOM file")
            .collect();
        assert!(report.written > 0 && wrongly.is_empty(), "{name}: {wrongly:#?}");
        let list = |path: &Path| {
            super::super::list_series(path, &OpenOptions::default(), &()).map_or(0, |s| s.len())
        };
        assert_eq!(list(&source), list(&target), "{name}");
    }
    assert!(tried > 0, "no folder of DICOM found in the shared data");
}
