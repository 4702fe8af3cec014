use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::geometry::Grid;
use crate::io::LabelName;
use crate::io::export::save_labels;
use crate::volume::Source;

fn written(dims: [usize; 3], labels: &[u16], names: &[LabelName]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("masks.json");
    let grid = Grid::from_spacing(dims, [0.5, 0.5, 2.0]).unwrap();
    let export = LabelExport { labels, grid: &grid, source: &Source::Synthetic, names, covered: &[] };
    save_labels(&path, &export, None).unwrap();
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_flat_map_has_the_values_worked_out_by_hand() {
    // An L of label 1, a ring of label 7 around a hole, and a single pixel of label 1.
    #[rustfmt::skip]
    let labels = [
        1, 0, 7, 7, 7,
        1, 0, 7, 0, 7,
        1, 1, 7, 7, 7,
        0, 0, 0, 0, 1,
    ];
    let names = [LabelName { value: 7, name: "Cyst".into(), color: [9, 8, 7] }];
    let coco = written([5, 4, 1], &labels, &names);
    assert_eq!(
        coco["images"],
        json!([{"id": 1, "width": 5, "height": 4, "file_name": "masks.json", "slice": 0}])
    );
    assert_eq!(coco["categories"][1]["id"], 7);
    assert_eq!(coco["categories"][1]["name"], "Cyst");
    assert_eq!(coco["categories"][0]["name"], "Label 1");
    let found = &coco["annotations"];
    assert_eq!(found.as_array().unwrap().len(), 3);
    assert_eq!(
        found[0],
        json!({"id": 1, "image_id": 1, "category_id": 1, "area": 4, "bbox": [0, 0, 2, 3], "iscrowd": 0,
            "segmentation": [[0.0, 0.0, 1.0, 0.0, 1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 0.0, 3.0]]})
    );
    // Down the columns: two columns of 4 outside, 3 in, 1 out, 1 in, 1 hole, 1 in, 1 out, 3 in, 1 out.
    assert_eq!(found[1]["segmentation"], json!({"counts": [8, 3, 1, 1, 1, 1, 1, 3, 1], "size": [4, 5]}));
    assert_eq!((&found[1]["area"], &found[1]["bbox"]), (&json!(8), &json!([2, 0, 3, 3])));
    assert_eq!(found[2]["segmentation"], json!([[4.0, 3.0, 5.0, 3.0, 5.0, 4.0, 4.0, 4.0]]));
    assert_eq!(coco["info"]["world_from_voxel"][2], json!([0.0, 0.0, 2.0, 0.0]));
}

#[test]
fn every_slice_of_a_volume_is_an_image() {
    let coco = written([2, 1, 3], &[0, 0, 3, 3, 0, 3], &[]);
    let names: Vec<&str> =
        coco["images"].as_array().unwrap().iter().map(|i| i["file_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["masks_0000.png", "masks_0001.png", "masks_0002.png"]);
    let of: Vec<_> = coco["annotations"].as_array().unwrap().iter().map(|a| &a["image_id"]).collect();
    assert_eq!(of, [&json!(2), &json!(3)]);
    assert_eq!(coco["annotations"][1]["bbox"], json!([1, 0, 1, 1]));
    // A map without labels is a file without annotations.
    assert_eq!(written([2, 2, 1], &[0; 4], &[])["annotations"], json!([]));
}

#[test]
fn a_changed_file_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("masks.json");
    let grid = Grid::from_spacing([2, 2, 1], [1.0; 3]).unwrap();
    let labels = [0, 2, 0, 2];
    let export =
        LabelExport { labels: &labels, grid: &grid, source: &Source::Synthetic, names: &[], covered: &[] };
    save(&path, &export).unwrap();
    let other = LabelExport { labels: &[0, 2, 0, 0], ..export };
    assert_eq!(back::check(&path, &other).unwrap_err(), "voxel 1,1,0 has the label 2 instead of 0");
}

proptest! {
    #[test]
    fn every_map_comes_back(labels in proptest::collection::vec(0_u16..3, 2 * 7 * 9)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.json");
        let grid = Grid::from_spacing([9, 7, 2], [1.0; 3]).unwrap();
        let source = &Source::Synthetic;
        save(&path, &LabelExport { labels: &labels, grid: &grid, source, names: &[], covered: &[] }).unwrap();
    }
}
