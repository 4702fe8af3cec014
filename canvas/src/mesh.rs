//! The triangles of one shape of egui.

use egui::epaint::{Mesh, Vertex};

use crate::quad;
use crate::region::Region;
use crate::texture::Texture;
use crate::triangle::{self, Band, Corner};

/// How egui numbers the corners of an upright rectangle, counted from the first.
const QUAD: [u32; 6] = [0, 1, 2, 2, 1, 3];

/// Draws a mesh into the part of a band that `clip` allows. Triangles that name corners which are not there are left out.
pub(crate) fn fill(band: &mut Band<'_>, clip: Region, mesh: &Mesh, texture: &Texture, pixels_per_point: f32) {
    let size = [texture.width() as f32, texture.height() as f32];
    let corner = |vertex: &Vertex| Corner {
        pos: [vertex.pos.x * pixels_per_point, vertex.pos.y * pixels_per_point],
        texel: [vertex.uv.x * size[0], vertex.uv.y * size[1]],
        color: crate::color::packed(vertex.color),
    };
    let vertices = &mesh.vertices;
    let mut rest = mesh.indices.as_slice();
    while let Some((three, after)) = rest.split_at_checked(3) {
        if let Some(four) = quad_at(rest, vertices)
            && let Some(quad) =
                quad::of(&[corner(&four[0]), corner(&four[1]), corner(&four[2]), corner(&four[3])])
        {
            quad.fill(band, clip, Some(texture));
            rest = &rest[QUAD.len()..];
            continue;
        }
        rest = after;
        let [Some(a), Some(b), Some(c)] = [0, 1, 2].map(|i| vertices.get(three[i] as usize)) else {
            continue;
        };
        if meets_rows([a, b, c], clip, pixels_per_point) {
            triangle::fill(band, clip, [corner(a), corner(b), corner(c)], Some(texture));
        }
    }
}

/// The four corners of a rectangle, if the next triangles are numbered like one.
fn quad_at<'a>(indices: &[u32], vertices: &'a [Vertex]) -> Option<&'a [Vertex]> {
    let six = indices.get(..QUAD.len())?;
    let first = six[0];
    if six.iter().zip(QUAD).any(|(index, offset)| *index != first.wrapping_add(offset)) {
        return None;
    }
    vertices.get(first as usize..(first as usize).checked_add(4)?)
}

/// Whether a triangle reaches the rows of a region: most of a mesh lies in other bands.
fn meets_rows(corners: [&Vertex; 3], clip: Region, pixels_per_point: f32) -> bool {
    let [a, b, c] = corners.map(|vertex| vertex.pos.y * pixels_per_point);
    a.max(b).max(c) > clip.min[1] as f32 && a.min(b).min(c) < clip.max[1] as f32
}
