use nalgebra::{Matrix3, Rotation3, Vector3};

use super::*;
use crate::geometry::{Affine, Grid};
use crate::label::LabelMap;
use crate::surface::SurfaceShape;

/// Two labels on a turned, mirrored grid with odd sizes.
fn parts(shape: SurfaceShape) -> Vec<SurfacePart> {
    let linear = Rotation3::from_euler_angles(0.4, -0.25, 0.9).into_inner()
        * Matrix3::from_diagonal(&Vector3::new(0.7, -0.9, 1.6));
    let affine = Affine::new(linear, Vector3::new(-130.0, 55.0, 1208.0)).unwrap();
    let grid = Grid::new([37, 13, 7], affine).unwrap();
    let label = |i: usize| match grid.voxel(i) {
        [3..=33, 2..=9, 1..=5] => 2,
        [35..=36, 11..=12, _] => 700,
        _ => 0,
    };
    let labels = LabelMap::from_voxels(grid, (0..grid.voxel_count()).map(label).collect()).unwrap();
    let part = |label: u16, name: &str, color| SurfacePart {
        label,
        name: name.into(),
        color,
        mesh: SurfaceMesh::of_label(&labels, label, shape),
    };
    vec![part(2, "Liver left", [200, 10, 0]), part(700, "a\nb/c", [1, 2, 3])]
}

#[test]
fn every_format_and_space_reads_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    for shape in [SurfaceShape::Smooth, SurfaceShape::Voxels] {
        let parts = parts(shape);
        for name in ["a.stl", "a.obj", "a.PLY"] {
            let path = folder.path().join(name);
            for space in [SurfaceSpace::Lps, SurfaceSpace::Ras] {
                save_surfaces(&path, &parts, space).unwrap();
                let head = std::fs::read(&path).unwrap()[..80].to_vec();
                let said = format!("SPACE={}", space.code());
                assert!(String::from_utf8_lossy(&head).contains(&said), "{name}");
                // The door has compared volumes; look at every corner of every triangle.
                let back = read_surface(&path).unwrap();
                let corners = |mesh: &SurfaceMesh| -> Vec<[f32; 3]> {
                    mesh.triangles.iter().flatten().map(|i| mesh.positions[*i as usize]).collect()
                };
                let wanted: Vec<_> = parts.iter().flat_map(|part| corners(&part.mesh)).collect();
                assert_eq!(corners(&back), wanted, "{name}");
            }
        }
    }
}

#[test]
fn the_bytes_of_stl_are_those_of_the_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.stl");
    // The outside is towards +z; in RAS x and y change sign, the outside stays.
    let mesh = SurfaceMesh {
        positions: vec![[0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [0.0, 3.0, 1.0]],
        normals: vec![[0.0, 0.0, 1.0]; 3],
        triangles: vec![[0, 1, 2]],
    };
    let part = SurfacePart { label: 1, name: "T".into(), color: [9; 3], mesh };
    save_surfaces(&path, &[part], SurfaceSpace::Ras).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 80 + 4 + 50);
    assert!(!bytes.starts_with(b"solid"));
    assert_eq!(bytes[80..84], [1, 0, 0, 0]);
    let numbers: Vec<f32> =
        bytes[84..132].chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(numbers, [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, -2.0, 0.0, 1.0, 0.0, -3.0, 1.0]);
}

#[test]
fn ply_has_the_colour_of_its_label_and_names_stay_on_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let parts = parts(SurfaceShape::Voxels);
    let path = folder.path().join("a.ply");
    save_surfaces(&path, &parts, SurfaceSpace::Lps).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("comment label 2 color 200 10 0 name Liver left\n"));
    assert!(text.contains("comment label 700 color 1 2 3 name a b/c\n"));
    let start = bytes.windows(11).position(|w| w == b"end_header\n").unwrap() + 11;
    assert_eq!(bytes[start + 24..start + 27], [200, 10, 0]);
    let last = start + 27 * (parts[0].mesh.positions.len() + parts[1].mesh.positions.len()) - 3;
    assert_eq!(bytes[last..last + 3], [1, 2, 3]);
    let path = folder.path().join("a.obj");
    save_surfaces(&path, &parts, SurfaceSpace::Lps).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\no Liver_left\n") && text.contains("\no a_b/c\n"));
}

#[test]
fn each_label_has_a_file_of_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut parts = parts(SurfaceShape::Smooth);
    parts.push(SurfacePart { label: 9, ..parts[0].clone() });
    let files = save_each(&folder.path().join("case.1.stl"), &parts, SurfaceSpace::Lps).unwrap();
    let names: Vec<_> = files.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["case.1_Liver_left.stl", "case.1_a_b_c.stl", "case.1_Liver_left_9.stl"]);
    assert_eq!(read_surface(&files[1]).unwrap().triangles.len(), parts[1].mesh.triangles.len());
}

#[test]
fn what_cannot_be_written_is_refused_and_what_is_changed_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let parts = parts(SurfaceShape::Smooth);
    let refused = save_surfaces(&folder.path().join("a.vtk"), &parts, SurfaceSpace::Lps).unwrap_err();
    assert!(refused.to_string().contains(".stl, .obj or .ply"), "{refused}");
    let refused = save_surfaces(&folder.path().join("a.stl"), &[], SurfaceSpace::Lps).unwrap_err();
    assert!(refused.to_string().contains("no labelled voxel"), "{refused}");
    for name in ["a.stl", "a.ply", "a.obj"] {
        let path = folder.path().join(name);
        save_surfaces(&path, &parts, SurfaceSpace::Lps).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for length in [0, 3, 79, 84, bytes.len() / 2] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let holds = read_surface(&path).is_ok_and(|back| compare(&back, &parts).is_ok());
            assert!(!holds, "{name} cut off after {length} bytes passes");
        }
    }
    let back = SurfaceMesh { triangles: parts[0].mesh.triangles.clone(), ..parts[0].mesh.clone() };
    assert!(compare(&back, &parts[..1]).is_ok());
    let moved = SurfaceMesh {
        positions: back.positions.iter().map(|[x, y, z]| [x + 1.0, *y, *z]).collect(),
        ..back.clone()
    };
    assert!(compare(&moved, &parts[..1]).unwrap_err().contains("reaches from"));
    let inside_out =
        SurfaceMesh { triangles: back.triangles.iter().map(|[a, b, c]| [*c, *b, *a]).collect(), ..back };
    assert!(compare(&inside_out, &parts[..1]).unwrap_err().contains("encloses"));
}
