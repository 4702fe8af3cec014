//! Names and colours of imported masks, from files of every format that carries them.

use std::path::Path;
use std::sync::Arc;

use super::{Document, EditCommand, NewLabel};
use crate::geometry::{Grid, VoxelBox};
use crate::io::export::{LabelExport, save_labels};
use crate::io::{LabelName, LabelTarget, open_labels_for};
use crate::label::{BoxMask, LabelEntry, LabelMap, color_of};
use crate::volume::{ImageMeta, Source, Volume, Voxels};

const BROWN: [u8; 3] = [221, 130, 101];
const GREEN: [u8; 3] = [10, 180, 60];

fn document() -> Document {
    let grid = Grid::from_spacing([8, 6, 5], [1.0, 1.0, 2.5]).unwrap();
    let image = Volume::new(grid, Voxels::U8(vec![0; 240]), ImageMeta::default()).unwrap();
    Document::new(Arc::new(image))
}

/// A file with labels 1 (green) and 2 (brown).
fn write(path: &Path, grid: &Grid) {
    let mut labels = vec![0u16; grid.voxel_count()];
    labels[57..61].fill(1);
    labels[105..109].fill(2);
    let named = |value, name: &str, color| LabelName { value, name: name.into(), color };
    let names = [named(1, "Tumour", GREEN), named(2, "Liver", BROWN)];
    let export =
        LabelExport { labels: &labels, grid, source: &Source::Synthetic, names: &names, covered: &[] };
    save_labels(path, &export, None).unwrap();
}

fn import(document: &mut Document, path: &Path) {
    let target = LabelTarget { grid: document.image().grid(), source: &Source::Synthetic };
    let read = open_labels_for(path, target).unwrap();
    let labels = LabelMap::from_voxels(read.grid, read.labels).unwrap();
    let names = read.names.into_iter().map(NewLabel::from).collect();
    document.apply(EditCommand::ReplaceLabels { name: "Import mask".into(), labels, names }).unwrap();
}

fn entry(document: &Document, id: u16) -> &LabelEntry {
    document.table().get(id).unwrap()
}

/// The colour of a file, as near as CIELab with 16 bits is.
fn is_near(found: [u8; 3], expected: [u8; 3]) -> bool {
    found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1)
}

#[test]
fn new_labels_take_name_and_colour_of_the_file_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["m.nii.gz", "m.nrrd", "m.seg.nrrd", "m.dcm", "m.rtstruct.dcm"] {
        let mut document = document();
        let path = folder.path().join(name);
        write(&path, document.image().grid());
        let before = document.table().clone();
        import(&mut document, &path);
        let (tumour, liver) = (entry(&document, 1), entry(&document, 2));
        assert_eq!((tumour.name.as_str(), liver.name.as_str()), ("Tumour", "Liver"), "{name}");
        assert!(is_near(tumour.color, GREEN) && is_near(liver.color, BROWN), "{name}: {liver:?}");
        assert_eq!((document.labels().count(1), document.labels().count(2)), (4, 4), "{name}");
        document.apply(EditCommand::Undo).unwrap();
        assert_eq!(document.table(), &before, "{name}: one step");
    }
}

#[test]
fn labels_that_exist_keep_their_colour() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.seg.nrrd");
    let mut document = document();
    write(&path, document.image().grid());
    // Label 1 has a voxel; label 2 has none, but it is the file's label already.
    let mask = BoxMask::from_fn(VoxelBox::of_voxel([1, 1, 1]), |_| true);
    document.apply(EditCommand::WriteMask { name: "Dot".into(), mask, label: 1 }).unwrap();
    document.apply(EditCommand::AddLabel { name: Some("Liver".into()) }).unwrap();
    document.apply(EditCommand::SetColor { id: 2, color: [1, 2, 3] }).unwrap();
    let before = entry(&document, 1).clone();
    import(&mut document, &path);
    assert_eq!(entry(&document, 1), &before);
    assert_eq!((entry(&document, 2).name.as_str(), entry(&document, 2).color), ("Liver", [1, 2, 3]));
    assert_eq!(document.labels().count(2), 4);
}

#[test]
fn a_mask_without_colours_leaves_those_of_the_values() {
    let mut document = document();
    let mut voxels = vec![0; 240];
    voxels[9] = 7;
    let labels = LabelMap::from_voxels(*document.image().grid(), voxels).unwrap();
    let names = vec![NewLabel::named(7, "Spleen")];
    document.apply(EditCommand::ReplaceLabels { name: "Import mask".into(), labels, names }).unwrap();
    assert_eq!((entry(&document, 7).name.as_str(), entry(&document, 7).color), ("Spleen", color_of(7)));
}
