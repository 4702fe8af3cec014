#!/usr/bin/env python3
"""Label maps that other programs write and Hilum reads, and the other way round: formats_check.py HILUM

An oblique CT series of odd size is made with pydicom, with two labels on it. highdicom, dcmqi and rt-utils write
segmentations and structure sets that Hilum reads, and read those that Hilum writes; SimpleITK is the judge. Needs
highdicom, pydicom, SimpleITK, dcmqi and rt-utils.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

HILUM = sys.argv[1]
# Rows of a width that is no multiple of eight, so that packed bits run on from row to row.
COLUMNS, ROWS, SLICES = 21, 17, 9
SPACING = (0.8, 1.3, 2.5)  # along columns, rows, slices
NAMES = {1: "Liver", 2: "Lesion"}


def hilum(*arguments):
    """Runs the program and answers with what it told."""
    done = subprocess.run([HILUM, *map(str, arguments), "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def orientation():
    """Directions of columns, rows and slices in the patient: turned about two axes."""
    a, b = np.deg2rad(17), np.deg2rad(-11)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return about_z @ about_x


def write_series(folder, size=(COLUMNS, ROWS, SLICES), spacing=SPACING):
    """A CT of a person, one file a slice."""
    folder.mkdir()
    columns, rows, count = size
    turn, study, series, frame = orientation(), generate_uid(), generate_uid(), generate_uid()
    for z in range(count):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"slice{z}.dcm"
        d = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
        d.SOPClassUID, d.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = study, series, frame
        d.PatientName, d.PatientID, d.PatientBirthDate, d.PatientSex = "Testperson^Tina", "ID-4711", "19700203", "F"
        d.StudyDate, d.StudyTime, d.StudyID, d.AccessionNumber = "20250405", "101112", "1", "A-99"
        d.ReferringPhysicianName, d.Modality, d.Manufacturer = "Doctor^Dora", "CT", "None"
        d.SeriesNumber, d.InstanceNumber, d.ImageType = 1, z + 1, ["ORIGINAL", "PRIMARY", "AXIAL"]
        d.ImageOrientationPatient = [round(float(v), 9) for v in (*turn[:, 0], *turn[:, 1])]
        position = np.array([-31.0, 12.5, 700.0]) + turn[:, 2] * spacing[2] * z
        d.ImagePositionPatient = [round(float(v), 6) for v in position]
        d.PixelSpacing, d.SliceThickness = [spacing[1], spacing[0]], spacing[2]
        d.PositionReferenceIndicator, d.KVP = "", 120
        d.Rows, d.Columns, d.SamplesPerPixel, d.PhotometricInterpretation = rows, columns, 1, "MONOCHROME2"
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
        d.RescaleSlope, d.RescaleIntercept, d.RescaleType = 1, 0, "HU"
        y, x = np.mgrid[:rows, :columns]
        d.PixelData = (x * 7 + y * 3 + z * 11).astype("<i2").tobytes()
        d.save_as(path, enforce_file_format=True)
    return [pydicom.dcmread(p) for p in sorted(folder.iterdir())]


def truth_labels():
    z, y, x = np.mgrid[:SLICES, :ROWS, :COLUMNS]
    labels = np.zeros((SLICES, ROWS, COLUMNS), np.uint8)
    labels[(x - 9) ** 2 / 40 + (y - 8) ** 2 / 25 + (z - 4) ** 2 / 9 < 1] = 1
    labels[(x - 11) ** 2 + (y - 8) ** 2 + 4 * (z - 4) ** 2 < 8] = 2
    return labels


def on_truth(path, truth, method=sitk.sitkNearestNeighbor):
    """A label map of any grid, on that of the truth, compared where both lie in the patient."""
    image = sitk.ReadImage(str(path))
    return sitk.GetArrayFromImage(sitk.Resample(image, truth, sitk.Transform(), method, 0.0))


def same(name, found, expected):
    assert found.shape == expected.shape, (name, found.shape, expected.shape)
    wrong = int((found != expected).sum())
    assert wrong == 0, f"{name}: {wrong} of {expected.size} voxels differ"
    print(f"ok: {name}")


def overlap(name, found, expected, least):
    dice = 2 * np.logical_and(found, expected).sum() / (found.sum() + expected.sum())
    assert dice >= least, f"{name}: Dice {dice}"
    print(f"ok: {name} (Dice {dice:.4f})")


def descriptions():
    return [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Liver,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, label in NAMES.items()
    ]


def write_highdicom(slices, labels, kind, path):
    stack = np.stack([labels == n for n in NAMES], axis=-1) if kind != "LABELMAP" else labels
    if kind == "FRACTIONAL":
        stack = stack.astype(np.float32)
    hd.seg.Segmentation(
        source_images=slices,
        pixel_array=stack if kind == "LABELMAP" else stack,
        segmentation_type=kind,
        segment_descriptions=descriptions(),
        series_instance_uid=hd.UID(),
        series_number=2,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="x",
        manufacturer_model_name="x",
        software_versions="1",
        device_serial_number="1",
    ).save_as(path)


def read_highdicom(path, slices):
    """The labels of a segmentation on the slices of its series, as highdicom understands it."""
    seg = hd.seg.segread(path)
    uids = [s.SOPInstanceUID for s in slices]
    return seg.get_pixels_by_source_instance(uids, combine_segments=True, relabel=False, ignore_spatial_locations=True)


def structure_sets(work):
    """With rt-utils, which takes the spacing of rows for that of columns: its pixels must be square."""
    from rt_utils import RTStructBuilder

    series = work / "square"
    write_series(series, (48, 48, 9), (1.1, 1.1, 2.5))
    z, y, x = np.mgrid[:9, :48, :48]
    labels = ((x - 20) ** 2 + (y - 25) ** 2 + 9 * (z - 4) ** 2 < 225).astype(np.uint8)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series)))
    truth = sitk.GetImageFromArray(labels)
    truth.CopyInformation(reader.Execute())
    nifti, theirs, ours = work / "square.nii.gz", work / "theirs.rtstruct.dcm", work / "ours.rtstruct.dcm"
    sitk.WriteImage(truth, str(nifti))
    structures = RTStructBuilder.create_new(dicom_series_path=str(series))
    # The order of axes that rt-utils wants: rows, columns, slices.
    structures.add_roi(mask=np.moveaxis(labels == 1, 0, -1), name="Liver")
    structures.save(str(theirs))
    hilum("convert", theirs, work / "theirs.nii.gz", "--labels", "--image", series)
    # Its outlines run through the middles of border pixels, those of Hilum around pixels: half a pixel is lost or won.
    overlap("Hilum reads rt-utils's structure set", on_truth(work / "theirs.nii.gz", truth) == 1, labels == 1, 0.93)
    hilum("convert", nifti, ours, "--labels", "--image", series)
    read = RTStructBuilder.create_from(dicom_series_path=str(series), rt_struct_path=str(ours))
    mask = np.moveaxis(read.get_roi_mask_by_name(read.get_roi_names()[0]), -1, 0)
    overlap("rt-utils reads Hilum's structure set", mask, labels == 1, 0.93)


def main():
    work = Path(tempfile.mkdtemp())
    series = work / "series"
    slices = write_series(series)
    labels = truth_labels()
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series)))
    truth = sitk.GetImageFromArray(labels)
    truth.CopyInformation(reader.Execute())
    nifti = work / "truth.nii.gz"
    sitk.WriteImage(truth, str(nifti))

    def to_hilum(name, source):
        target = work / f"{name}.nii.gz"
        hilum("convert", source, target, "--labels", "--image", series)
        return target

    # Theirs, read by Hilum.
    for kind in ("BINARY", "FRACTIONAL", "LABELMAP"):
        path = work / f"highdicom-{kind}.dcm"
        write_highdicom(slices, labels, kind, path)
        same(f"Hilum reads highdicom's {kind} segmentation", on_truth(to_hilum(f"h-{kind}", path), truth), labels)
    metadata = {
        "ContentCreatorName": "x", "ClinicalTrialSeriesID": "1", "ClinicalTrialTimePointID": "1",
        "SeriesDescription": "x", "SeriesNumber": "3", "InstanceNumber": "1", "BodyPartExamined": "ABDOMEN",
        "segmentAttributes": [[
            {
                "labelID": number, "SegmentDescription": label, "SegmentAlgorithmType": "MANUAL",
                "SegmentedPropertyCategoryCodeSequence":
                    {"CodeValue": "123037004", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Anatomical Structure"},
                "SegmentedPropertyTypeCodeSequence":
                    {"CodeValue": "10200004", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Liver"},
                "recommendedDisplayRGBValue": [200, 30 * number, 60],
            }
            for number, label in NAMES.items()
        ]],
    }
    (work / "meta.json").write_text(json.dumps(metadata))
    tools = Path(sys.executable).parent
    path = work / "dcmqi.dcm"
    subprocess.run(
        [tools / "itkimage2segimage", "--inputImageList", nifti, "--inputDICOMDirectory", series,
         "--inputMetadata", work / "meta.json", "--outputDICOM", path],
        check=True, capture_output=True,
    )
    same("Hilum reads dcmqi's segmentation", on_truth(to_hilum("dcmqi", path), truth), labels)

    # Hilum's, read by them.
    for form, name in (("dicom-seg", "BINARY"), ("dicom-labelmap", "LABELMAP")):
        path = work / f"ours-{form}.dcm"
        hilum("convert", nifti, path, "--labels", "--image", series, "--format", form)
        assert pydicom.dcmread(path).SegmentationType == name
        same(f"highdicom reads Hilum's {name} segmentation", read_highdicom(path, slices), labels)
    out = work / "dcmqi-out"
    out.mkdir()
    subprocess.run(
        [tools / "segimage2itkimage", "--inputDICOM", work / "ours-dicom-seg.dcm", "--outputDirectory", out, "-t", "nii"],
        check=True, capture_output=True,
    )
    for number, file in enumerate(sorted(out.glob("*.nii.gz")), start=1):
        same(f"dcmqi reads segment {number} of Hilum's segmentation", on_truth(file, truth) > 0, labels == number)
    structure_sets(work)

    # Copies without names, judged by pydicom.
    hilum("deidentify", series, "--out", work / "copies")
    copies = [pydicom.dcmread(p) for p in sorted((work / "copies").rglob("*.dcm"))]
    assert len(copies) == SLICES
    for copy in copies:
        text = str(copy)
        leaked = [w for w in ("Testperson", "Tina", "ID-4711", "19700203", "Dora", "A-99", "20250405") if w in text]
        assert not leaked and copy.PatientIdentityRemoved == "YES", leaked
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str((work / "copies").rglob("*.dcm").__next__().parent)))
    copied = sitk.GetArrayFromImage(reader.Execute())
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series)))
    same("pydicom and SimpleITK read copies without names", copied, sitk.GetArrayFromImage(reader.Execute()))


main()
