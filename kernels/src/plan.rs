//! What a convolution reads and writes, reduced to one form: sums over *taps* at fixed offsets.
//!
//! A convolution, its input gradient, a transposed convolution and their weight gradients all walk a grid of
//! positions `j` and touch an input at `in_step * j + offset` for each tap. A *slab* is a zero-padded copy of
//! the part of the input that a block of positions needs, laid out so that a tap is one constant distance in
//! memory from a position, also across row ends: an input that is stepped over is split into its phases.

/// Depth, height, width.
pub(crate) type Axes = [usize; 3];

/// One kernel element: where it reads relative to a position's input voxel, and its index in the kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tap {
    /// Input coordinate at position 0; negative inside the padding.
    pub offset: [isize; 3],
    /// Index of the element in the kernel `[kd, kh, kw]`, flattened.
    pub index: usize,
}

/// The taps that one lattice of output voxels sums over.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    /// First output voxel of the lattice.
    pub origin: Axes,
    /// Number of output voxels along each axis of the lattice.
    pub grid: Axes,
    /// What each of them sums.
    pub taps: Vec<Tap>,
}

/// Kernel size, stride, padding and dilation of one convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub kernel: Axes,
    pub stride: Axes,
    pub padding: Axes,
    pub dilation: Axes,
}

impl Window {
    /// Size of the convolution's output for an input of `size`, or `None` if the kernel does not fit.
    pub(crate) fn output_size(&self, size: Axes) -> Option<Axes> {
        let mut out = [0; 3];
        for axis in 0..3 {
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            let room = (size[axis] + 2 * self.padding[axis]).checked_sub(reach)?;
            out[axis] = room / self.stride[axis] + 1;
        }
        Some(out)
    }

    /// The taps of the convolution itself, all on one lattice with steps of `stride` over the input.
    pub(crate) fn gather(&self, output: Axes) -> Phase {
        let taps = self.elements().map(|(k, index)| Tap { offset: self.reach(k), index }).collect();
        Phase { origin: [0; 3], grid: output, taps }
    }

    /// The taps of the transpose (the gradient by the input, or a transposed convolution) with `output` the
    /// size of what is written: one lattice for each remainder by the stride.
    pub(crate) fn scatter(&self, output: Axes) -> Vec<Phase> {
        let [sd, sh, sw] = self.stride;
        let remainders = (0..sd).flat_map(|d| (0..sh).flat_map(move |h| (0..sw).map(move |w| [d, h, w])));
        remainders.filter_map(|origin| self.scatter_phase(origin, output)).collect()
    }

    fn scatter_phase(&self, origin: Axes, output: Axes) -> Option<Phase> {
        let mut grid = [0; 3];
        for axis in 0..3 {
            grid[axis] = output[axis].checked_sub(origin[axis])?.div_ceil(self.stride[axis]);
        }
        if grid.contains(&0) {
            return None;
        }
        let mut taps = Vec::new();
        for (k, index) in self.elements() {
            let reach = self.reach(k);
            let mut offset = [0; 3];
            let mut hits = true;
            for axis in 0..3 {
                let (from, step) = (origin[axis] as isize - reach[axis], self.stride[axis] as isize);
                hits &= from.rem_euclid(step) == 0;
                offset[axis] = from.div_euclid(step);
            }
            if hits {
                taps.push(Tap { offset, index });
            }
        }
        Some(Phase { origin, grid, taps })
    }

    fn reach(&self, k: Axes) -> [isize; 3] {
        std::array::from_fn(|axis| (k[axis] * self.dilation[axis]) as isize - self.padding[axis] as isize)
    }

    fn elements(&self) -> impl Iterator<Item = (Axes, usize)> {
        let [kd, kh, kw] = self.kernel;
        (0..kd * kh * kw).map(move |i| ([i / (kh * kw), i / kw % kh, i % kw], i))
    }
}

/// Layout of the slabs of one operation.
#[derive(Clone, Debug)]
pub(crate) struct SlabLayout {
    in_step: Axes,
    lowest: [isize; 3],
    /// Remainders (row, column) by `in_step` that some tap reads, in the order they are stored.
    parts: Vec<(usize, usize)>,
    /// Positions along a row including those that only exist so that rows can be read across.
    pub row: usize,
    /// Rows of one part.
    rows: usize,
    /// Floats of one plane of one channel.
    plane: usize,
    /// Planes of one channel.
    planes: usize,
    /// Planes and rows of positions in a full block.
    pub block: [usize; 2],
    reach: Axes,
}

impl SlabLayout {
    /// The layout for blocks of `block` planes and rows of a grid `width` positions wide, over which `taps` are
    /// read at steps of `in_step`.
    pub(crate) fn new(taps: &[Tap], in_step: Axes, block: [usize; 2], width: usize) -> Self {
        let lowest = std::array::from_fn(|a| taps.iter().map(|t| t.offset[a]).min().unwrap_or(0));
        let reach = std::array::from_fn(|a| {
            taps.iter().map(|t| (t.offset[a] - lowest[a]) as usize).max().unwrap_or(0)
        });
        let mut parts: Vec<_> = taps.iter().map(|tap| Self::part(tap, lowest, in_step)).collect();
        parts.sort_unstable();
        parts.dedup();
        if parts.is_empty() {
            parts.push((0, 0));
        }
        let row = width + reach[2] / in_step[2];
        let rows = block[1] + reach[1] / in_step[1];
        let plane = parts.len() * rows * row;
        let planes = (block[0] - 1) * in_step[0] + reach[0] + 1;
        Self { in_step, lowest, parts, row, rows, plane, planes, block, reach }
    }

    fn part(tap: &Tap, lowest: [isize; 3], in_step: Axes) -> (usize, usize) {
        let from = |axis: usize| (tap.offset[axis] - lowest[axis]) as usize % in_step[axis];
        (from(1), from(2))
    }

    /// Distance in floats from a position to the value of each (input channel, tap).
    pub(crate) fn columns(&self, taps: &[Tap], inputs: usize) -> Vec<usize> {
        let distances: Vec<usize> = taps.iter().map(|tap| self.tap_distance(tap)).collect();
        (0..inputs).flat_map(|i| distances.iter().map(move |d| i * self.channel() + d)).collect()
    }

    fn tap_distance(&self, tap: &Tap) -> usize {
        let from: Axes = std::array::from_fn(|a| (tap.offset[a] - self.lowest[a]) as usize);
        let part = Self::part(tap, self.lowest, self.in_step);
        let slot = self.parts.iter().position(|&p| p == part).unwrap_or(0);
        let within = from[1] / self.in_step[1] * self.row + from[2] / self.in_step[2];
        from[0] * self.plane + slot * self.rows * self.row + within
    }

    /// Distance in floats between one plane of positions and the next.
    pub(crate) fn position_plane(&self) -> usize {
        self.in_step[0] * self.plane
    }

    /// Distance in floats between channels.
    pub(crate) fn channel(&self) -> usize {
        self.planes * self.plane
    }

    /// Floats of a slab of `channels`, with room behind it to read `beyond` positions past the last.
    pub(crate) fn len(&self, channels: usize, beyond: usize) -> usize {
        channels * self.channel() + self.reach[2] / self.in_step[2] + beyond
    }

    /// Copies what the block of positions starting at plane and row `start` reads of one channel `from` of
    /// `size` into `slab`, which is one channel long.
    pub(crate) fn pack(&self, slab: &mut [f32], from: &[f32], size: Axes, start: [usize; 2]) {
        let z0 = (start[0] * self.in_step[0]) as isize + self.lowest[0];
        for (zz, plane) in slab.chunks_exact_mut(self.plane).enumerate() {
            let z = z0 + zz as isize;
            if z < 0 || z >= size[0] as isize {
                plane.fill(0.0);
                continue;
            }
            let image = &from[z as usize * size[1] * size[2]..][..size[1] * size[2]];
            for (part, rows) in self.parts.iter().zip(plane.chunks_exact_mut(self.rows * self.row)) {
                for (r, row) in rows.chunks_exact_mut(self.row).enumerate() {
                    let y = ((start[1] + r) * self.in_step[1] + part.0) as isize + self.lowest[1];
                    if y < 0 || y >= size[1] as isize {
                        row.fill(0.0);
                    } else {
                        let line = &image[y as usize * size[2]..][..size[2]];
                        copy_stepped(row, line, part.1 as isize + self.lowest[2], self.in_step[2]);
                    }
                }
            }
        }
    }
}

/// `row[i] = line[first + i * step]`, with 0 outside the line.
fn copy_stepped(row: &mut [f32], line: &[f32], first: isize, step: usize) {
    let before = (-first).max(0) as usize;
    let before = before.div_ceil(step).min(row.len());
    let start = first + (before * step) as isize;
    let inside = (line.len() as isize - start).max(0) as usize;
    let count = inside.div_ceil(step).min(row.len() - before);
    row[..before].fill(0.0);
    let (middle, after) = row[before..].split_at_mut(count);
    if count > 0 {
        let line = &line[start as usize..];
        if step == 1 {
            middle.copy_from_slice(&line[..count]);
        } else {
            middle.iter_mut().zip(line.iter().step_by(step)).for_each(|(to, from)| *to = *from);
        }
    }
    after.fill(0.0);
}

/// Planes and rows of positions to treat at once: enough for long vectors, few enough that the slab of all
/// `channels` stays within `limit` floats. Depends on the shapes alone, never on the machine.
pub(crate) fn choose_block(
    grid: Axes,
    channels: usize,
    in_step: Axes,
    reach: Axes,
    limit: usize,
) -> [usize; 2] {
    const POSITIONS: usize = 1024;
    let width = grid[2] + reach[2] / in_step[2];
    let floats = |planes: usize, rows: usize| {
        channels
            * ((planes - 1) * in_step[0] + reach[0] + 1)
            * ((rows - 1) * in_step[1] + reach[1] + 1)
            * (width * in_step[2])
    };
    let mut rows = (POSITIONS / width).clamp(1, grid[1]);
    while rows > 1 && rows * width > 256 && floats(1, rows) > limit {
        rows -= 1;
    }
    let rows = grid[1].div_ceil(grid[1].div_ceil(rows));
    let mut planes = grid[0].min(8);
    while planes > 1 && floats(planes, rows) > limit {
        planes -= 1;
    }
    [grid[0].div_ceil(grid[0].div_ceil(planes)), rows]
}
