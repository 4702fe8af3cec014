//! Reading the surfaces that Hilum writes, to compare them.

use std::path::Path;

use super::write::STL_HEADER;
use super::{SurfaceFormat, SurfaceSpace};
use crate::io::OpenError;
use crate::surface::SurfaceMesh;

/// Bytes of a vertex and of a face in a PLY file of ours.
const PLY_VERTEX: usize = 6 * 4 + 3;
const PLY_FACE: usize = 1 + 3 * 4;
/// Bytes of a triangle in a binary STL file.
const STL_TRIANGLE: usize = 12 * 4 + 2;

/// Reads a surface that [`save_surfaces`](super::save_surfaces) has written, all labels together, in LPS millimetres and
/// without normals. Vertices of STL are not joined.
///
/// # Errors
/// [`OpenError`] for another name, and for a file that is cut off or that another program laid out differently.
pub fn read_surface(path: &Path) -> Result<SurfaceMesh, OpenError> {
    let bytes = std::fs::read(path).map_err(|e| OpenError::io(e, path))?;
    let refuse = |what: &str| OpenError::invalid(what, path);
    let (mut mesh, space) = match SurfaceFormat::of_name(path) {
        Some(SurfaceFormat::Stl) => stl(&bytes),
        Some(SurfaceFormat::Obj) => obj(&bytes),
        Some(SurfaceFormat::Ply) => ply(&bytes),
        None => return Err(refuse("a surface ends in .stl, .obj or .ply")),
    }
    .ok_or_else(|| refuse("the file is cut off or not laid out as Hilum writes surfaces"))?;
    if mesh.triangles.iter().flatten().any(|i| *i as usize >= mesh.positions.len()) {
        return Err(refuse("a triangle has a vertex that the file does not hold"));
    }
    mesh.positions.iter_mut().for_each(|p| *p = space.turned(*p));
    Ok(mesh)
}

fn space_of(text: &str) -> Option<SurfaceSpace> {
    match text.split_once("SPACE=")?.1.get(..3)? {
        "LPS" => Some(SurfaceSpace::Lps),
        "RAS" => Some(SurfaceSpace::Ras),
        _ => None,
    }
}

fn point(bytes: &[u8]) -> [f32; 3] {
    [0, 4, 8].map(|at| f32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
}

fn stl(bytes: &[u8]) -> Option<(SurfaceMesh, SurfaceSpace)> {
    let (header, rest) = bytes.split_at_checked(STL_HEADER)?;
    let (count, triangles) = rest.split_first_chunk()?;
    if triangles.len() != (u32::from_le_bytes(*count) as usize).checked_mul(STL_TRIANGLE)? {
        return None;
    }
    let mut mesh = SurfaceMesh::default();
    for triangle in triangles.chunks_exact(STL_TRIANGLE) {
        let first = mesh.positions.len() as u32;
        mesh.positions.extend([12, 24, 36].map(|at| point(&triangle[at..])));
        mesh.triangles.push([first, first + 1, first + 2]);
    }
    Some((mesh, space_of(str::from_utf8(header).ok()?)?))
}

fn obj(bytes: &[u8]) -> Option<(SurfaceMesh, SurfaceSpace)> {
    let text = str::from_utf8(bytes).ok()?;
    let mut mesh = SurfaceMesh::default();
    for line in text.lines() {
        let mut words = line.split(' ');
        match words.next()? {
            "v" => {
                let mut next = || words.next()?.parse().ok();
                mesh.positions.push([next()?, next()?, next()?]);
            }
            "f" => {
                let mut next = || words.next()?.split('/').next()?.parse::<u32>().ok()?.checked_sub(1);
                mesh.triangles.push([next()?, next()?, next()?]);
            }
            _ => {}
        }
    }
    Some((mesh, space_of(text.lines().next()?)?))
}

fn ply(bytes: &[u8]) -> Option<(SurfaceMesh, SurfaceSpace)> {
    let end = b"end_header\n";
    let length = bytes.windows(end.len()).position(|window| window == end)? + end.len();
    let (header, rest) = bytes.split_at(length);
    let header = str::from_utf8(header).ok()?;
    let count = |what: &str| -> Option<usize> {
        header.lines().find_map(|line| line.strip_prefix(what))?.trim().parse().ok()
    };
    let (vertices, faces) = (count("element vertex ")?, count("element face ")?);
    let (vertices, faces) = (vertices.checked_mul(PLY_VERTEX)?, faces.checked_mul(PLY_FACE)?);
    if rest.len() != vertices.checked_add(faces)? {
        return None;
    }
    let (vertices, faces) = rest.split_at(vertices);
    let corner =
        |face: &[u8], at: usize| Some(u32::from_le_bytes(face.get(1 + 4 * at..5 + 4 * at)?.try_into().ok()?));
    let triangle = |face: &[u8]| Some([corner(face, 0)?, corner(face, 1)?, corner(face, 2)?]);
    let mesh = SurfaceMesh {
        positions: vertices.chunks_exact(PLY_VERTEX).map(point).collect(),
        normals: Vec::new(),
        triangles: faces.chunks_exact(PLY_FACE).map(triangle).collect::<Option<_>>()?,
    };
    let space = header.lines().find_map(space_of)?;
    Some((mesh, space))
}
