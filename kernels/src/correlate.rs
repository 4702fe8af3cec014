//! Output-side kernel: convolution, its input gradient and transposed convolution.
//!
//! A tile of output channels by positions stays in registers while all input channels and taps are summed;
//! one weight is broadcast against vectors of neighbouring positions. The order of summation of a voxel
//! depends on nothing but the shapes, so results do not change with the number of threads.

use std::cell::RefCell;

use rayon::prelude::*;

use super::plan::{Axes, Phase, SlabLayout, Tap, choose_block};
use super::simd::{Kernel, Level, Simd, run};

/// Positions that a kernel may compute past the last one: one tile of the longest vectors.
pub(crate) const BEYOND: usize = 8 * 16;

/// Size of a slab: half of a usual second-level cache.
const SLAB_FLOATS: usize = 160 * 1024;

/// Where a weight `[group, output channel, input channel, tap]` lies in its tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WeightStrides {
    pub group: usize,
    pub output: usize,
    pub input: usize,
}

/// One operation: sums over taps from `[batch, groups * inputs, ..in_size]` to `[batch, groups * outputs,
/// ..out_size]`.
#[derive(Debug)]
pub(crate) struct Correlation {
    pub batch: usize,
    pub groups: usize,
    /// Input channels of one group.
    pub inputs: usize,
    /// Output channels of one group.
    pub outputs: usize,
    pub in_size: Axes,
    pub out_size: Axes,
    /// Steps over the input from one position to the next.
    pub in_step: Axes,
    /// Steps over the output from one position to the next.
    pub out_step: Axes,
    pub phases: Vec<Phase>,
}

/// One phase as the kernel reads it.
struct PackedPhase {
    /// Distance from a position to the value of each (input, tap).
    columns: Vec<usize>,
    /// `[group][block of outputs][input][tap][output in block]`.
    weights: Vec<f32>,
}

/// The part of the work done by one thread without looking up.
struct Task {
    sample: usize,
    group: usize,
    start: [usize; 2],
    /// Range of `blocks` of output channels.
    blocks: std::ops::Range<usize>,
}

thread_local! {
    /// Slab and output rows of the running task; kept, since fresh pages cost more than the copying.
    static SCRATCH: RefCell<(Vec<f32>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// Widths of the tiles of output channels that cover `outputs`, as (first, width).
pub(crate) fn channel_blocks(outputs: usize, level: Level) -> Vec<(usize, usize)> {
    let mut blocks = Vec::new();
    let mut first = 0;
    while first < outputs {
        let left = outputs - first;
        let width = match left {
            8.. if level.is_wide() => 8,
            4.. => 4,
            2.. => 2,
            _ => 1,
        };
        blocks.push((first, width));
        first += width;
    }
    blocks
}

impl Correlation {
    fn grid(&self) -> Axes {
        std::array::from_fn(|a| self.phases.iter().map(|p| p.grid[a]).max().unwrap_or(0))
    }

    fn taps(&self) -> Vec<Tap> {
        self.phases.iter().flat_map(|p| p.taps.iter().copied()).collect()
    }

    fn layout(&self) -> SlabLayout {
        let (taps, grid) = (self.taps(), self.grid());
        let reach = std::array::from_fn(|a| {
            let low = taps.iter().map(|t| t.offset[a]).min().unwrap_or(0);
            taps.iter().map(|t| (t.offset[a] - low) as usize).max().unwrap_or(0)
        });
        let block = choose_block(grid, self.inputs, self.in_step, reach, SLAB_FLOATS);
        SlabLayout::new(&taps, self.in_step, block, grid[2])
    }

    /// Runs the operation with the given instruction set.
    pub(crate) fn run(
        &self,
        level: Level,
        x: &[f32],
        weight: &[f32],
        strides: WeightStrides,
        bias: Option<&[f32]>,
    ) -> Vec<f32> {
        let voxels: usize = self.out_size.iter().product();
        let mut out = super::Output::new(self.batch * self.groups * self.outputs * voxels);
        if out.values().is_empty() {
            return Vec::new();
        }
        assert_eq!(x.len(), self.batch * self.groups * self.inputs * self.in_size.iter().product::<usize>());
        let layout = self.layout();
        let blocks = channel_blocks(self.outputs, level);
        let packed: Vec<_> =
            self.phases.iter().map(|p| self.pack_phase(p, &layout, &blocks, weight, strides)).collect();
        let zeros = vec![0.0; self.groups * self.outputs];
        let work = Work {
            op: self,
            level,
            layout: &layout,
            blocks: &blocks,
            packed: &packed,
            x,
            bias: bias.unwrap_or(&zeros),
            out: OutPointer(out.values().as_mut_ptr().cast()),
        };
        self.tasks(&layout, blocks.len()).into_par_iter().for_each(|task| work.perform(&task));
        // SAFETY: the lattices of the phases cover all voxels (`Window::gather`, `Window::scatter`), the tasks
        // all positions and channels of each.
        unsafe { out.written() }
    }

    fn pack_phase(
        &self,
        phase: &Phase,
        layout: &SlabLayout,
        blocks: &[(usize, usize)],
        weight: &[f32],
        strides: WeightStrides,
    ) -> PackedPhase {
        let mut weights = Vec::with_capacity(self.groups * self.outputs * self.inputs * phase.taps.len());
        for group in 0..self.groups {
            for &(first, width) in blocks {
                for input in 0..self.inputs {
                    let from = group * strides.group + input * strides.input;
                    for tap in &phase.taps {
                        let of = |output| weight[from + output * strides.output + tap.index];
                        weights.extend((first..first + width).map(of));
                    }
                }
            }
        }
        PackedPhase { columns: layout.columns(&phase.taps, self.inputs), weights }
    }

    fn tasks(&self, layout: &SlabLayout, blocks: usize) -> Vec<Task> {
        let grid = self.grid();
        let mut places = Vec::new();
        for sample in 0..self.batch {
            for group in 0..self.groups {
                for d in (0..grid[0]).step_by(layout.block[0]) {
                    places.extend((0..grid[1]).step_by(layout.block[1]).map(|h| (sample, group, [d, h])));
                }
            }
        }
        // Few places are shared out by output channels too, at the price of packing the slab for each share.
        let wanted = 4 * rayon::current_num_threads();
        let shares = (wanted / places.len().max(1)).clamp(1, blocks);
        let share = blocks.div_ceil(shares);
        let ranges = || (0..blocks).step_by(share).map(|b| b..(b + share).min(blocks));
        let task = |(sample, group, start)| ranges().map(move |blocks| Task { sample, group, start, blocks });
        places.into_iter().flat_map(task).collect()
    }
}

/// The output, written by all threads at once.
struct OutPointer(*mut f32);

// SAFETY: tasks write disjoint voxels: each (sample, group, block of positions, block of channels) is one task's.
unsafe impl Sync for OutPointer {}

struct Work<'a> {
    op: &'a Correlation,
    level: Level,
    layout: &'a SlabLayout,
    blocks: &'a [(usize, usize)],
    packed: &'a [PackedPhase],
    x: &'a [f32],
    bias: &'a [f32],
    out: OutPointer,
}

impl Work<'_> {
    fn perform(&self, task: &Task) {
        SCRATCH.with_borrow_mut(|(slab, rows)| {
            let needed = self.layout.len(self.op.inputs, BEYOND);
            if slab.len() < needed {
                slab.resize(needed, 0.0);
            }
            let needed = 8 * self.row_stride();
            if rows.len() < needed {
                rows.resize(needed, 0.0);
            }
            self.pack(task, slab);
            for (phase, packed) in self.op.phases.iter().zip(self.packed) {
                for block in task.blocks.clone() {
                    self.compute(task, phase, packed, block, slab, rows);
                }
            }
        });
    }

    /// Floats between output channels in the scratch rows.
    fn row_stride(&self) -> usize {
        self.layout.block[1] * self.layout.row + BEYOND
    }

    fn pack(&self, task: &Task, slab: &mut [f32]) {
        let voxels: usize = self.op.in_size.iter().product();
        let first = (task.sample * self.op.groups + task.group) * self.op.inputs;
        let used = self.op.inputs * self.layout.channel();
        for (i, channel) in slab[..used].chunks_exact_mut(self.layout.channel()).enumerate() {
            let from = &self.x[(first + i) * voxels..][..voxels];
            self.layout.pack(channel, from, self.op.in_size, task.start);
        }
    }

    fn compute(
        &self,
        task: &Task,
        phase: &Phase,
        packed: &PackedPhase,
        block: usize,
        slab: &[f32],
        rows: &mut [f32],
    ) {
        let (op, [d0, h0]) = (self.op, task.start);
        let (first, width) = self.blocks[block];
        let per_output = packed.columns.len();
        let weights = &packed.weights[(task.group * op.outputs + first) * per_output..][..width * per_output];
        let bias = &self.bias[task.group * op.outputs + first..][..width];
        let last = (h0 + self.layout.block[1]).min(phase.grid[1]);
        let stride = self.row_stride();
        for d in d0..(d0 + self.layout.block[0]).min(phase.grid[0]) {
            let tile = Tile {
                x: &slab[(d - d0) * self.layout.position_plane()..],
                columns: &packed.columns,
                weights,
                bias,
                positions: last.saturating_sub(h0) * self.layout.row,
                out: &mut rows[..width * stride],
                stride,
            };
            run(self.level, tile);
            for c in 0..width {
                let channel = (task.sample * op.groups + task.group) * op.outputs + first + c;
                let plane = channel * op.out_size[0] + phase.origin[0] + d * op.out_step[0];
                for h in h0..last {
                    let row = &rows[c * stride + (h - h0) * self.layout.row..][..phase.grid[2]];
                    self.write(row, plane, phase.origin[1] + h * op.out_step[1], phase.origin[2]);
                }
            }
        }
    }

    /// Writes a row of positions to row `y` of plane `plane` (counted over all channels), from column `x` on.
    fn write(&self, row: &[f32], plane: usize, y: usize, x: usize) {
        let (size, step) = (self.op.out_size, self.op.out_step[2]);
        let at = (plane * size[1] + y) * size[2] + x;
        debug_assert!(y < size[1] && x + (row.len() - 1) * step < size[2]);
        // SAFETY: the row lies inside the output, and no other task writes these voxels (see `OutPointer`).
        unsafe {
            let to = self.out.0.add(at);
            if step == 1 {
                to.copy_from_nonoverlapping(row.as_ptr(), row.len());
            } else {
                for (i, value) in row.iter().enumerate() {
                    *to.wrapping_add(i * step) = *value;
                }
            }
        }
    }
}

/// Some output channels at all positions of one plane of a block.
struct Tile<'a> {
    /// The slab from the first position's input on.
    x: &'a [f32],
    columns: &'a [usize],
    /// `[column][output]`.
    weights: &'a [f32],
    /// One value an output channel.
    bias: &'a [f32],
    positions: usize,
    /// `[output][stride]`.
    out: &'a mut [f32],
    stride: usize,
}

impl Kernel for Tile<'_> {
    #[inline(always)]
    fn run<S: Simd>(self) {
        let farthest = self.columns.iter().max().copied().unwrap_or(0);
        if self.positions == 0 {
            return;
        }
        assert!(self.positions + BEYOND <= self.stride && self.out.len() >= self.bias.len() * self.stride);
        assert!(self.x.len() >= farthest + self.positions + S::LANES * 8 - 1);
        assert!(self.weights.len() == self.columns.len() * self.bias.len());
        // SAFETY: the asserts above keep every access of the tiles, which end less than 8 vectors past the last
        // position, inside the slices.
        unsafe {
            match (self.bias.len(), S::WIDE) {
                (8, _) => self.tiles::<S, 8, 3>(),
                (4, true) => self.tiles::<S, 4, 6>(),
                (4, false) => self.tiles::<S, 4, 2>(),
                (2, true) => self.tiles::<S, 2, 8>(),
                (2, false) => self.tiles::<S, 2, 4>(),
                (_, true) => self.tiles::<S, 1, 8>(),
                (_, false) => self.tiles::<S, 1, 8>(),
            }
        }
    }
}

impl Tile<'_> {
    #[inline(always)]
    unsafe fn tiles<S: Simd, const C: usize, const V: usize>(self) {
        let (x, out) = (self.x.as_ptr(), self.out.as_mut_ptr());
        let mut p = 0;
        while p < self.positions {
            // SAFETY: see `run`.
            unsafe {
                if p + (V / 2) * S::LANES >= self.positions {
                    self.tile::<S, C, 1>(x.wrapping_add(p), out.wrapping_add(p));
                    p += S::LANES;
                } else {
                    self.tile::<S, C, V>(x.wrapping_add(p), out.wrapping_add(p));
                    p += V * S::LANES;
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const C: usize, const V: usize>(&self, x: *const f32, out: *mut f32) {
        // SAFETY: see `run`; wrapping pointer arithmetic is only used to stay fast with debug assertions.
        unsafe {
            let mut sums = [[S::splat(0.0); V]; C];
            for (sums, bias) in sums.iter_mut().zip(self.bias) {
                *sums = [S::splat(*bias); V];
            }
            let mut weight = self.weights.as_ptr();
            for &column in self.columns {
                let from = x.wrapping_add(column);
                let mut values = [S::splat(0.0); V];
                for (v, value) in values.iter_mut().enumerate() {
                    *value = S::load(from.wrapping_add(v * S::LANES));
                }
                for (c, sums) in sums.iter_mut().enumerate() {
                    let w = S::splat(*weight.wrapping_add(c));
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum = S::mul_add(w, value, *sum);
                    }
                }
                weight = weight.wrapping_add(C);
            }
            for (c, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    S::store(out.wrapping_add(c * self.stride + v * S::LANES), *sum);
                }
            }
        }
    }
}
