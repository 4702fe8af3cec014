//! Planes whose rows and columns follow voxel axes: what a pixel shows depends on its column, its row and the slice, so that
//! everything but the mixing itself is worked out once for each of them.

use egui::{Color32, ColorImage};
use rayon::prelude::*;

use super::marks::{LABEL_REACH, Labels, PROPOSAL_REACH, opaque, parts};
use super::voxel::{Values, Voxel, for_kind};
use super::{Plane, Scene, around, byte, nearest};

/// How far a plane may depart from the voxel axes over the whole picture, in voxels: less than can be seen.
const STRAIGHT: f64 = 1e-2;
/// Rows that one thread draws at a time; rows that follow each other share what they are mixed of.
const ROWS: usize = 64;

/// What one column or row of pixels shows along its voxel axis.
#[derive(Clone, Copy, Debug)]
struct Tick {
    /// The nearest voxel; `None` outside.
    nearest: Option<usize>,
    /// The voxels around it, and the share of the second.
    around: (usize, usize, f32),
    /// The nearest voxels a little before and after it, for outlines of labels and of the proposal.
    label_beside: [Option<usize>; 2],
    proposal_beside: [Option<usize>; 2],
}

impl Tick {
    fn of(origin: f64, step: f64, pixel: usize, n: usize) -> Self {
        let at = |pixels: f64| origin + step * (pixel as f64 + 0.5 + pixels);
        let beside = |reach: f64| [nearest(at(-reach), n), nearest(at(reach), n)];
        Self {
            nearest: nearest(at(0.0), n),
            around: around(at(0.0), n),
            label_beside: beside(LABEL_REACH),
            proposal_beside: beside(PROPOSAL_REACH),
        }
    }
}

/// The columns, rows and the slice of an aligned plane.
pub(super) struct Lattice {
    /// Voxel axes along columns of pixels, along rows, and through the plane.
    axes: [usize; 3],
    columns: Vec<Tick>,
    rows: Vec<Tick>,
    slice: Tick,
    /// Columns that lie in the volume.
    inside: std::ops::Range<usize>,
}

impl Lattice {
    /// `None` for a plane that lies askew.
    pub(super) fn of(plane: &Plane, dims: [usize; 3], size: [usize; 2]) -> Option<Self> {
        let along = |step: [f64; 3], pixels: usize| {
            let axis = (0..3).max_by(|a, b| step[*a].abs().total_cmp(&step[*b].abs()))?;
            let is_straight = |i: usize| i == axis || step[i].abs() * (pixels as f64) < STRAIGHT;
            ((0..3).all(is_straight) && step[axis] != 0.0).then_some(axis)
        };
        let (across, down) = (along(plane.right, size[0])?, along(plane.down, size[1])?);
        if across == down {
            return None;
        }
        let through = 3 - across - down;
        let ticks = |axis: usize, step: [f64; 3], count: usize| -> Vec<Tick> {
            (0..count).map(|i| Tick::of(plane.origin[axis], step[axis], i, dims[axis])).collect()
        };
        let columns = ticks(across, plane.right, size[0]);
        let first = columns.iter().position(|tick| tick.nearest.is_some()).unwrap_or(0);
        let count = columns.iter().filter(|tick| tick.nearest.is_some()).count();
        // In the middle of the picture, so that what little it departs is least.
        let middle = plane.at(size[0] as f64 / 2.0, size[1] as f64 / 2.0)[through];
        Some(Self {
            axes: [across, down, through],
            rows: ticks(down, plane.down, size[1]),
            slice: Tick::of(middle, 0.0, 0, dims[through]),
            inside: first..first + count,
            columns,
        })
    }

    /// Index of a voxel given along columns, rows and through the plane, as a sum of three.
    fn strides(&self, dims: [usize; 3]) -> [usize; 3] {
        let strides = [1, dims[0], dims[0] * dims[1]];
        self.axes.map(|axis| strides[axis])
    }

    fn voxel(&self, column: usize, row: usize, slice: usize) -> [usize; 3] {
        let mut voxel = [0; 3];
        for (axis, place) in self.axes.into_iter().zip([column, row, slice]) {
            voxel[axis] = place;
        }
        voxel
    }
}

pub(super) fn draw(scene: &Scene<'_>, lattice: &Lattice, image: &mut ColorImage, pattern: f64) {
    if lattice.slice.nearest.is_none() || lattice.inside.is_empty() {
        return;
    }
    let width = image.size[0];
    image.pixels.par_chunks_mut(width * ROWS).enumerate().for_each(|(part, lines)| {
        for_kind!(scene.values, data => {
            let mut sampler = Sampler::new(scene, lattice, data);
            for (i, line) in lines.chunks_mut(width).enumerate() {
                let row = &lattice.rows[part * ROWS + i];
                if row.nearest.is_some() {
                    sampler.draw(row, &mut line[lattice.inside.clone()]);
                }
            }
        });
        for (i, line) in lines.chunks_mut(width).enumerate() {
            mark_labels(scene, lattice, part * ROWS + i, line);
            mark_proposal(scene, lattice, part * ROWS + i, line, pattern);
        }
    });
}

/// Mixes the values of neighbouring voxels into lines of pixels.
struct Sampler<'a, T> {
    scene: &'a Scene<'a>,
    data: &'a [T],
    slice: (usize, usize, f32),
    strides: [usize; 3],
    /// For every column inside: the voxels around it along its axis, and the share of the second.
    columns: Vec<(usize, usize, f32)>,
    /// Lines already mixed along the columns, by their row of voxels.
    mixed: [(usize, Vec<f32>); 2],
    line: Vec<f32>,
}

impl<'a, T: Voxel> Sampler<'a, T> {
    fn new(scene: &'a Scene<'a>, lattice: &Lattice, data: &'a [T]) -> Self {
        let exact = |tick: &Tick| match (scene.look.linear, tick.nearest) {
            (false, Some(nearest)) => (nearest, nearest, 0.0),
            _ => tick.around,
        };
        let columns: Vec<_> = lattice.columns[lattice.inside.clone()].iter().map(exact).collect();
        let empty = || (usize::MAX, vec![0.0; columns.len() * T::CHANNELS]);
        Self {
            scene,
            data,
            slice: exact(&lattice.slice),
            strides: lattice.strides(scene.dims),
            mixed: [empty(), empty()],
            line: vec![0.0; columns.len() * T::CHANNELS],
            columns,
        }
    }

    fn draw(&mut self, row: &Tick, pixels: &mut [Color32]) {
        let (low, high, share) = match (self.scene.look.linear, row.nearest) {
            (false, Some(nearest)) => (nearest, nearest, 0.0),
            _ => row.around,
        };
        let first = self.row(low, high);
        if share == 0.0 {
            shade::<T>(self.scene, &self.mixed[first].1, pixels);
            return;
        }
        let second = self.row(high, low);
        let (a, b) = (&self.mixed[first].1, &self.mixed[second].1);
        for ((to, a), b) in self.line.iter_mut().zip(a).zip(b) {
            *to = a + (b - a) * share;
        }
        shade::<T>(self.scene, &self.line, pixels);
    }

    /// Which of the two kept lines is that of a row of voxels, once it is mixed; that of row `needed` stays.
    fn row(&mut self, row: usize, needed: usize) -> usize {
        if let Some(i) = self.mixed.iter().position(|(held, _)| *held == row) {
            return i;
        }
        let i = usize::from(self.mixed[0].0 == needed);
        self.mixed[i].0 = row;
        let (near, far, share) = self.slice;
        let line = &mut self.mixed[i].1;
        let start = |slice: usize| row * self.strides[1] + slice * self.strides[2];
        let least = self.scene.look.least;
        for channel in 0..T::CHANNELS {
            let places = line.iter_mut().skip(channel).step_by(T::CHANNELS);
            if share == 0.0 {
                let from = start(near);
                for (to, (a, b, t)) in places.zip(&self.columns) {
                    *to = between(self.data, from, self.strides[0], (*a, *b, *t), channel, least);
                }
            } else {
                let (from, beyond) = (start(near), start(far));
                for (to, (a, b, t)) in places.zip(&self.columns) {
                    let here = between(self.data, from, self.strides[0], (*a, *b, *t), channel, least);
                    let there = between(self.data, beyond, self.strides[0], (*a, *b, *t), channel, least);
                    *to = here + (there - here) * share;
                }
            }
        }
        i
    }
}

#[inline]
fn between<T: Voxel>(
    data: &[T],
    start: usize,
    stride: usize,
    (a, b, share): (usize, usize, f32),
    channel: usize,
    least: f32,
) -> f32 {
    let first = data[start + a * stride].channel(channel, least);
    let second = data[start + b * stride].channel(channel, least);
    first + (second - first) * share
}

fn shade<T: Voxel>(scene: &Scene<'_>, values: &[f32], pixels: &mut [Color32]) {
    let (low, scale) = (scene.look.low, scene.look.inverse_width);
    let shade = |value: f32| byte(((value - low) * scale).clamp(0.0, 1.0));
    match T::CHANNELS {
        1 => {
            for (pixel, value) in pixels.iter_mut().zip(values) {
                *pixel = Color32::from_gray(shade(*value));
            }
        }
        _ => {
            for (pixel, rgb) in pixels.iter_mut().zip(values.chunks_exact(3)) {
                *pixel = Color32::from_rgb(shade(rgb[0]), shade(rgb[1]), shade(rgb[2]));
            }
        }
    }
}

fn mark_labels(scene: &Scene<'_>, lattice: &Lattice, row: usize, line: &mut [Color32]) {
    let tick = &lattice.rows[row];
    let (Some(labels), Some(row), Some(slice)) = (&scene.labels, tick.nearest, lattice.slice.nearest) else {
        return;
    };
    if lattice.axes[0] == 0 {
        // Columns of pixels lie along rows of voxels, of which three are needed.
        let along_x = |row: usize| {
            let [_, y, z] = lattice.voxel(0, row, slice);
            labels.map.row(y, z)
        };
        let (own, beside) = (along_x(row), tick.label_beside.map(|row| row.map(along_x)));
        let beside_at = |column: usize| beside.map(|line| line.map_or(0, |line| line[column]));
        mark_line(labels, lattice, line, |column| own[column], beside_at);
    } else {
        let at = |column: usize, row: usize| labels.map.value(lattice.voxel(column, row, slice));
        let beside_at = |column: usize| tick.label_beside.map(|row| row.map_or(0, |row| at(column, row)));
        mark_line(labels, lattice, line, |column| at(column, row), beside_at);
    }
}

/// Draws labels over a line of pixels, given those of the line itself and of the lines above and below by their column.
fn mark_line(
    labels: &Labels<'_>,
    lattice: &Lattice,
    line: &mut [Color32],
    label: impl Fn(usize) -> u16,
    above_and_below: impl Fn(usize) -> [u16; 2],
) {
    let inside = lattice.inside.clone();
    for (pixel, column) in line[inside.clone()].iter_mut().zip(&lattice.columns[inside]) {
        let Some(place) = column.nearest else { continue };
        let own = label(place);
        if own == 0 {
            continue;
        }
        let left_and_right = column.label_beside.map(|column| column.map_or(0, &label));
        let is_edge = above_and_below(place).into_iter().chain(left_and_right).any(|other| other != own);
        *pixel = opaque(labels.over(parts(*pixel), own, is_edge));
    }
}

fn mark_proposal(scene: &Scene<'_>, lattice: &Lattice, row: usize, line: &mut [Color32], pattern: f64) {
    let tick = &lattice.rows[row];
    let (Some(proposal), Some(middle), Some(slice)) = (&scene.proposal, tick.nearest, lattice.slice.nearest)
    else {
        return;
    };
    let has = |column: usize, row: usize| proposal.has(lattice.voxel(column, row, slice));
    for x in lattice.inside.clone() {
        let column = &lattice.columns[x];
        let Some(place) = column.nearest.filter(|place| has(*place, middle)) else { continue };
        let above_or_below = tick.proposal_beside.iter().map(|row| row.is_some_and(|row| has(place, row)));
        let left_or_right = column.proposal_beside.iter().map(|c| c.is_some_and(|c| has(c, middle)));
        let is_edge = above_or_below.chain(left_or_right).any(|same| !same);
        let diagonal = x as f64 + row as f64 + 1.0 + pattern;
        line[x] = opaque(proposal.over(parts(line[x]), is_edge, diagonal));
    }
}
