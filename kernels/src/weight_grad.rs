//! Weight-side kernel: the gradient of a convolution by its weights, and by its bias.
//!
//! A tile of output channels by (input channel, tap) columns stays in registers while all positions of a block
//! are summed. Blocks are collected in fixed groups and added in a fixed order: the result depends on the
//! shapes and the instruction set, not on the number of threads.

use std::cell::RefCell;

use rayon::prelude::*;

use super::correlate::{BEYOND, channel_blocks};
use super::plan::{Axes, Phase, SlabLayout, choose_block};
use super::simd::{Kernel, Level, Simd, run};

/// Partial sums kept side by side; fixed, so that the order of summation is.
const PARTS: usize = 16;

/// Size of both slabs: larger than elsewhere, since each tile of sums over a block ends in a slow sum of lanes.
const SLAB_FLOATS: usize = 480 * 1024;

/// Sums `d_weight[group, output, input, tap] = sum over positions of grad[output] * x[input, tap]`.
#[derive(Debug)]
pub(crate) struct WeightGradient {
    pub batch: usize,
    pub groups: usize,
    /// Channels of one group of `x`.
    pub inputs: usize,
    /// Channels of one group of `grad`.
    pub outputs: usize,
    /// Size of `x`; the size of `grad` is the grid of `phase`.
    pub in_size: Axes,
    /// Steps over `x` from one position to the next.
    pub in_step: Axes,
    pub phase: Phase,
}

thread_local! {
    static SCRATCH: RefCell<(Vec<f32>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// A share of the blocks of positions, for a share of the output channels.
struct Task {
    part: usize,
    group: usize,
    blocks: std::ops::Range<usize>,
}

struct Work<'a> {
    op: &'a WeightGradient,
    level: Level,
    layout: SlabLayout,
    /// Distance from a position to each (input, tap).
    columns: Vec<usize>,
    /// Tiles of output channels.
    blocks: Vec<(usize, usize)>,
    /// Sample and first plane and row of all blocks of positions, in groups of `share`.
    places: Vec<(usize, [usize; 2])>,
    share: usize,
    x: &'a [f32],
    grad: &'a [f32],
}

impl WeightGradient {
    /// Runs the operation; the result is `[group, output, input, tap]` with taps in the order of the kernel.
    pub(crate) fn run(&self, level: Level, x: &[f32], grad: &[f32]) -> Vec<f32> {
        let grid = self.phase.grid;
        assert_eq!(x.len(), self.batch * self.groups * self.inputs * self.in_size.iter().product::<usize>());
        assert_eq!(grad.len(), self.batch * self.groups * self.outputs * grid.iter().product::<usize>());
        let columns = self.inputs * self.phase.taps.len();
        let mut out = vec![0.0; self.groups * self.outputs * columns];
        if out.is_empty() || x.is_empty() || grad.is_empty() {
            return out;
        }
        let work = self.work(level, x, grad);
        let tasks = work.tasks();
        let partial: Vec<Vec<f32>> = tasks.par_iter().map(|task| work.perform(task)).collect();
        for (task, partial) in tasks.iter().zip(&partial) {
            let first = task.group * self.outputs + work.blocks[task.blocks.start].0;
            let sums = &mut out[first * columns..][..partial.len()];
            sums.iter_mut().zip(partial).for_each(|(sum, part)| *sum += part);
        }
        out
    }

    fn work<'a>(&'a self, level: Level, x: &'a [f32], grad: &'a [f32]) -> Work<'a> {
        let (taps, grid) = (&self.phase.taps, self.phase.grid);
        let reach = std::array::from_fn(|a| {
            let low = taps.iter().map(|t| t.offset[a]).min().unwrap_or(0);
            taps.iter().map(|t| (t.offset[a] - low) as usize).max().unwrap_or(0)
        });
        let block = choose_block(grid, self.inputs + self.outputs, self.in_step, reach, SLAB_FLOATS);
        let layout = SlabLayout::new(taps, self.in_step, block, grid[2]);
        let columns = layout.columns(taps, self.inputs);
        let mut places = Vec::new();
        for sample in 0..self.batch {
            for d in (0..grid[0]).step_by(block[0]) {
                places.extend((0..grid[1]).step_by(block[1]).map(|h| (sample, [d, h])));
            }
        }
        let share = places.len().div_ceil(PARTS);
        let blocks = channel_blocks(self.outputs, level);
        Work { op: self, level, layout, columns, blocks, places, share, x, grad }
    }
}

impl Work<'_> {
    /// Ordered by part, so that adding the partial sums in this order is the same on every machine.
    fn tasks(&self) -> Vec<Task> {
        let parts = self.places.len().div_ceil(self.share);
        let shares = (PARTS / (parts * self.op.groups)).clamp(1, self.blocks.len());
        let share = self.blocks.len().div_ceil(shares);
        let mut tasks = Vec::new();
        for part in 0..parts {
            for group in 0..self.op.groups {
                for first in (0..self.blocks.len()).step_by(share) {
                    let blocks = first..(first + share).min(self.blocks.len());
                    tasks.push(Task { part, group, blocks });
                }
            }
        }
        tasks
    }

    /// Floats between the planes of one channel in the packed gradient: whole vectors, the rest 0.
    fn grad_plane(&self) -> usize {
        (self.layout.block[1] * self.layout.row).next_multiple_of(16)
    }

    fn perform(&self, task: &Task) -> Vec<f32> {
        let blocks = &self.blocks[task.blocks.clone()];
        let first = blocks[0].0;
        let outputs: usize = blocks.iter().map(|b| b.1).sum();
        let mut sums = vec![0.0; outputs * self.columns.len()];
        SCRATCH.with_borrow_mut(|(slab, grads)| {
            let needed = self.layout.len(self.op.inputs, BEYOND);
            if slab.len() < needed {
                slab.resize(needed, 0.0);
            }
            let channel = self.layout.block[0] * self.grad_plane();
            if grads.len() < outputs * channel {
                grads.resize(outputs * channel, 0.0);
            }
            let places = &self.places[task.part * self.share..];
            for &(sample, start) in &places[..self.share.min(places.len())] {
                self.pack_input(sample, task.group, start, slab);
                self.pack_grad(
                    sample,
                    task.group * self.op.outputs + first,
                    start,
                    &mut grads[..outputs * channel],
                );
                let planes = self.layout.block[0].min(self.op.phase.grid[0] - start[0]);
                for &(output, width) in blocks {
                    let tile = Tile {
                        x: slab,
                        plane: self.layout.position_plane(),
                        grad: &grads[(output - first) * channel..][..width * channel],
                        grad_plane: self.grad_plane(),
                        channel,
                        width,
                        planes,
                        columns: &self.columns,
                        sums: &mut sums[(output - first) * self.columns.len()..]
                            [..width * self.columns.len()],
                    };
                    run(self.level, tile);
                }
            }
        });
        sums
    }

    fn pack_input(&self, sample: usize, group: usize, start: [usize; 2], slab: &mut [f32]) {
        let voxels: usize = self.op.in_size.iter().product();
        let first = (sample * self.op.groups + group) * self.op.inputs;
        let used = self.op.inputs * self.layout.channel();
        for (i, channel) in slab[..used].chunks_exact_mut(self.layout.channel()).enumerate() {
            self.layout.pack(channel, &self.x[(first + i) * voxels..][..voxels], self.op.in_size, start);
        }
    }

    /// Copies the gradient of a block of positions, with zeros where the slab's rows hold no position.
    fn pack_grad(&self, sample: usize, first: usize, start: [usize; 2], packed: &mut [f32]) {
        let ([gd, gh, gw], [planes, rows]) = (self.op.phase.grid, self.layout.block);
        let all = self.op.groups * self.op.outputs;
        for (c, channel) in packed.chunks_exact_mut(planes * self.grad_plane()).enumerate() {
            for (d, plane) in channel.chunks_exact_mut(self.grad_plane()).enumerate() {
                let z = start[0] + d;
                let filled = if z < gd { rows.min(gh - start[1]) } else { 0 };
                let (used, rest) = plane.split_at_mut(filled * self.layout.row);
                rest.fill(0.0);
                for (h, row) in used.chunks_exact_mut(self.layout.row).enumerate() {
                    let from = (((sample * all + first + c) * gd + z) * gh + start[1] + h) * gw;
                    row[..gw].copy_from_slice(&self.grad[from..][..gw]);
                    row[gw..].fill(0.0);
                }
            }
        }
    }
}

/// Some output channels by all columns over one block of positions.
struct Tile<'a> {
    x: &'a [f32],
    /// Floats from one plane of positions to the next in `x`.
    plane: usize,
    /// `[output][plane][position]`.
    grad: &'a [f32],
    grad_plane: usize,
    /// Floats between output channels of `grad`.
    channel: usize,
    width: usize,
    planes: usize,
    columns: &'a [usize],
    /// `[output][column]`, added to.
    sums: &'a mut [f32],
}

impl Kernel for Tile<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self) {
        let farthest = self.columns.iter().max().copied().unwrap_or(0);
        assert!(self.planes > 0 && self.grad_plane.is_multiple_of(S::LANES));
        assert!(
            self.planes * self.grad_plane <= self.channel && self.grad.len() == self.width * self.channel
        );
        assert!(self.x.len() >= farthest + (self.planes - 1) * self.plane + self.grad_plane);
        assert!(self.sums.len() == self.width * self.columns.len());
        // SAFETY: the asserts above keep all reads inside `x` and `grad`.
        unsafe {
            match self.width {
                8 => self.all_columns::<S, 8>(),
                4 => self.all_columns::<S, 4>(),
                2 => self.all_columns::<S, 2>(),
                _ => self.all_columns::<S, 1>(),
            }
        }
    }
}

impl Tile<'_> {
    #[inline(always)]
    unsafe fn all_columns<S: Simd, const C: usize>(&mut self) {
        let mut first = 0;
        while first + 3 <= self.columns.len() {
            // SAFETY: see `run`.
            unsafe { self.tile::<S, C, 3>(first) };
            first += 3;
        }
        for column in first..self.columns.len() {
            // SAFETY: see `run`.
            unsafe { self.tile::<S, C, 1>(column) };
        }
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const C: usize, const T: usize>(&mut self, first: usize) {
        // SAFETY: see `run`; wrapping pointer arithmetic is only used to stay fast with debug assertions.
        unsafe {
            let mut sums = [[S::splat(0.0); T]; C];
            for d in 0..self.planes {
                let grad = self.grad.as_ptr().wrapping_add(d * self.grad_plane);
                let mut from = [self.x.as_ptr(); T];
                for (t, from) in from.iter_mut().enumerate() {
                    *from = from.wrapping_add(d * self.plane + self.columns[first + t]);
                }
                let mut p = 0;
                while p < self.grad_plane {
                    let mut values = [S::splat(0.0); T];
                    for (value, from) in values.iter_mut().zip(from) {
                        *value = S::load(from.wrapping_add(p));
                    }
                    for (c, sums) in sums.iter_mut().enumerate() {
                        let g = S::load(grad.wrapping_add(c * self.channel + p));
                        for (sum, value) in sums.iter_mut().zip(values) {
                            *sum = S::mul_add(g, value, *sum);
                        }
                    }
                    p += S::LANES;
                }
            }
            for (c, sums) in sums.iter().enumerate() {
                for (t, sum) in sums.iter().enumerate() {
                    self.sums[c * self.columns.len() + first + t] += S::sum(*sum);
                }
            }
        }
    }
}

/// Gradient by the bias: the sum of `grad` `[batch, channels, voxels]` over batch and voxels.
pub(crate) fn bias_gradient(grad: &[f32], batch: usize, channels: usize) -> Vec<f32> {
    let voxels = grad.len() / (batch * channels).max(1);
    let of_channel = |c: usize| {
        let rows = (0..batch).map(|n| &grad[(n * channels + c) * voxels..][..voxels]);
        rows.map(sum_of).sum::<f64>() as f32
    };
    (0..channels).into_par_iter().map(of_channel).collect()
}

/// Sum of many values: 32 running sums over short runs, the runs in double precision.
pub(crate) fn sum_of(values: &[f32]) -> f64 {
    let of_run = |run: &[f32]| {
        let mut sums = [0.0f32; 32];
        let (blocks, rest) = run.as_chunks::<32>();
        for block in blocks {
            sums.iter_mut().zip(block).for_each(|(sum, value)| *sum += value);
        }
        sums.iter().chain(rest).map(|&v| f64::from(v)).sum::<f64>()
    };
    values.chunks(4096).map(of_run).sum()
}
