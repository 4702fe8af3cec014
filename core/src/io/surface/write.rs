//! The bytes of the three formats.

use std::io::{self, Write};

use nalgebra::Vector3;

use super::{SurfacePart, SurfaceSpace};

/// Bytes of the header of a binary STL file.
pub(super) const STL_HEADER: usize = 80;

fn positions(part: &SurfacePart, space: SurfaceSpace) -> impl Iterator<Item = [f32; 3]> {
    part.mesh.positions.iter().map(move |p| space.turned(*p))
}

/// Binary STL: a header that does not begin with `solid` (which would say ASCII), the count, and for each triangle its
/// normal, its corners and two unused bytes.
pub(super) fn stl(out: &mut impl Write, parts: &[SurfacePart], space: SurfaceSpace) -> io::Result<()> {
    let mut header = format!("Hilum surface, mm. SPACE={}", space.code()).into_bytes();
    header.resize(STL_HEADER, b' ');
    out.write_all(&header)?;
    let count: usize = parts.iter().map(|part| part.mesh.triangles.len()).sum();
    out.write_all(&(count as u32).to_le_bytes())?;
    for part in parts {
        for triangle in &part.mesh.triangles {
            let corners = triangle.map(|i| space.turned(part.mesh.positions[i as usize]));
            let [a, b, c] = corners.map(Vector3::from);
            let normal = (b - a).cross(&(c - a)).try_normalize(0.0).unwrap_or_else(Vector3::zeros);
            for number in normal.iter().chain(corners.iter().flatten()) {
                out.write_all(&number.to_le_bytes())?;
            }
            out.write_all(&[0; 2])?;
        }
    }
    Ok(())
}

/// OBJ with an object for each label; colours follow the coordinates of the vertices, as MeshLab and Blender read them.
pub(super) fn obj(out: &mut impl Write, parts: &[SurfacePart], space: SurfaceSpace) -> io::Result<()> {
    writeln!(out, "# Hilum surface, mm. SPACE={}", space.code())?;
    // Vertices are counted through all objects, from 1.
    let mut first = 1;
    for part in parts {
        let [r, g, b] = part.color.map(|c| f32::from(c) / 255.0);
        writeln!(out, "# label {} color {:?}", part.label, part.color)?;
        writeln!(out, "o {}", part.line_name().replace(' ', "_"))?;
        for [x, y, z] in positions(part, space) {
            // The shortest text that reads back as the same number.
            writeln!(out, "v {x} {y} {z} {r:.6} {g:.6} {b:.6}")?;
        }
        for normal in &part.mesh.normals {
            let [x, y, z] = space.turned(*normal);
            writeln!(out, "vn {x:.6} {y:.6} {z:.6}")?;
        }
        for triangle in &part.mesh.triangles {
            let [a, b, c] = triangle.map(|i| i as usize + first);
            writeln!(out, "f {a}//{a} {b}//{b} {c}//{c}")?;
        }
        first += part.mesh.positions.len();
    }
    Ok(())
}

/// Binary PLY with the colour of its label at every vertex; names stand in comments.
pub(super) fn ply(out: &mut impl Write, parts: &[SurfacePart], space: SurfaceSpace) -> io::Result<()> {
    let vertices: usize = parts.iter().map(|part| part.mesh.positions.len()).sum();
    let triangles: usize = parts.iter().map(|part| part.mesh.triangles.len()).sum();
    writeln!(out, "ply\nformat binary_little_endian 1.0")?;
    writeln!(out, "comment Hilum surface, mm. SPACE={}", space.code())?;
    for part in parts {
        let [r, g, b] = part.color;
        writeln!(out, "comment label {} color {r} {g} {b} name {}", part.label, part.line_name())?;
    }
    writeln!(out, "element vertex {vertices}")?;
    for name in ["x", "y", "z", "nx", "ny", "nz"] {
        writeln!(out, "property float {name}")?;
    }
    for name in ["red", "green", "blue"] {
        writeln!(out, "property uchar {name}")?;
    }
    writeln!(out, "element face {triangles}\nproperty list uchar int vertex_indices\nend_header")?;
    for part in parts {
        for (position, normal) in positions(part, space).zip(&part.mesh.normals) {
            for number in position.iter().chain(&space.turned(*normal)) {
                out.write_all(&number.to_le_bytes())?;
            }
            out.write_all(&part.color)?;
        }
    }
    let mut first = 0;
    for part in parts {
        for triangle in &part.mesh.triangles {
            out.write_all(&[3])?;
            for corner in triangle {
                out.write_all(&(corner + first).to_le_bytes())?;
            }
        }
        first += part.mesh.positions.len() as u32;
    }
    Ok(())
}
