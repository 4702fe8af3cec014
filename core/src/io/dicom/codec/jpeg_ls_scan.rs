//! The entropy-coded part of JPEG-LS (ITU-T T.87, annex A): contexts, prediction, Golomb codes and runs.

/// Contexts of the regular mode (A.3.4), one more than the largest index.
const REGULAR_CONTEXTS: usize = 365;
/// Code order of runs (table in A.2.1).
const RUN_ORDER: [u32; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// How components share a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interleave {
    None,
    Line,
    Sample,
}

/// Parameters of a scan (A.2.1 and C.2.4.1.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Coding {
    pub near: i32,
    max_value: i32,
    thresholds: [i32; 3],
    reset: i32,
    range: i32,
    /// Bits of a difference.
    range_bits: u32,
    /// Longest code.
    limit: u32,
}

impl Coding {
    /// `preset` holds MAXVAL, T1, T2, T3 and RESET, zero for the default.
    pub fn new(precision: u32, preset: [i32; 5], near: i32) -> Result<Self, String> {
        let max_sample = (1 << precision) - 1;
        let or = |value: i32, default: i32| if value == 0 { default } else { value };
        let max_value = or(preset[0], max_sample);
        let impossible =
            || format!("the JPEG-LS presets {preset:?} with an error of {near} are not possible");
        if max_value > max_sample || near > (max_value / 2).min(255) {
            return Err(impossible());
        }
        let default = default_thresholds(max_value, near);
        let thresholds: [i32; 3] = std::array::from_fn(|i| or(preset[i + 1], default[i]));
        let reset = or(preset[4], 64);
        let [t1, t2, t3] = thresholds;
        if !(near < t1 && t1 <= t2 && t2 <= t3 && t3 <= max_value && reset >= 3) {
            return Err(impossible());
        }
        let range = (max_value + 2 * near) / (2 * near + 1) + 1;
        let bits = bits_for(max_value + 1).max(2);
        let limit = 2 * (bits + bits.max(8));
        Ok(Self { near, max_value, thresholds, reset, range, range_bits: bits_for(range), limit })
    }

    fn step(&self) -> i32 {
        2 * self.near + 1
    }

    /// Region of a gradient, −4 to 4 (A.3.3).
    fn quantise(&self, gradient: i32) -> i32 {
        let size = gradient.abs();
        let [t1, t2, t3] = self.thresholds;
        let region = if size >= t3 {
            4
        } else if size >= t2 {
            3
        } else if size >= t1 {
            2
        } else {
            i32::from(size > self.near)
        };
        region * gradient.signum()
    }

    /// Prediction plus error, brought back into range (A.4.5, A.5.3).
    fn reconstruct(&self, prediction: i32, error: i32) -> i32 {
        let modulus = self.range * self.step();
        let value = prediction + error * self.step();
        let value = if value < -self.near {
            value + modulus
        } else if value > self.max_value + self.near {
            value - modulus
        } else {
            value
        };
        value.clamp(0, self.max_value)
    }
}

/// ⌈log₂ count⌉.
fn bits_for(count: i32) -> u32 {
    i32::BITS - (count - 1).leading_zeros()
}

/// C.2.4.1.1.1.
fn default_thresholds(max_value: i32, near: i32) -> [i32; 3] {
    const BASIC: [i32; 3] = [3, 7, 21];
    let mut floor = near + 1;
    std::array::from_fn(|i| {
        let spread = [3, 5, 7][i] * near;
        let value = if max_value >= 128 {
            let factor = (max_value.min(4095) + 128) / 256;
            let offset = i as i32 + 2;
            factor * (BASIC[i] - offset) + offset + spread
        } else {
            let factor = 256 / (max_value + 1);
            (BASIC[i] / factor + spread).max(i as i32 + 2)
        };
        floor = if value > max_value || value < floor { floor } else { value };
        floor
    })
}

/// Statistics of a context (A.2.1).
#[derive(Clone, Copy)]
struct Context {
    magnitude: i32,
    bias: i32,
    correction: i32,
    count: i32,
    /// Run interruption only: negative errors.
    negative: i32,
}

impl Context {
    fn golomb_order(count: i32, magnitude: i32) -> u32 {
        let mut order = 0;
        while count << order < magnitude && order < 24 {
            order += 1;
        }
        order
    }

    /// A.6.
    fn update(&mut self, error: i32, coding: &Coding) {
        self.bias += error * coding.step();
        self.magnitude += error.abs();
        if self.count == coding.reset {
            self.magnitude >>= 1;
            self.bias >>= 1;
            self.count >>= 1;
        }
        self.count += 1;
        if self.bias <= -self.count {
            self.bias = (self.bias + self.count).max(1 - self.count);
            self.correction = (self.correction - 1).max(-128);
        } else if self.bias > 0 {
            self.bias = (self.bias - self.count).min(0);
            self.correction = (self.correction + 1).min(127);
        }
    }
}

/// Bits after which a marker may stand: the byte behind FF carries seven (A.1).
struct Bits<'a> {
    bytes: &'a [u8],
    next: usize,
    held: u64,
    count: u32,
    after_ff: bool,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 48 {
            let Some(&byte) = self.bytes.get(self.next) else { return };
            if self.after_ff && byte >= 0x80 || byte == 0xFF && self.marker_follows() {
                return;
            }
            let width = if self.after_ff { 7 } else { 8 };
            self.held = self.held << width | u64::from(byte);
            self.count += width;
            self.after_ff = byte == 0xFF;
            self.next += 1;
        }
    }

    fn marker_follows(&self) -> bool {
        self.bytes.get(self.next + 1).is_none_or(|byte| *byte >= 0x80)
    }

    fn take(&mut self, count: u32) -> Result<i32, String> {
        if self.count < count {
            self.fill();
            if self.count < count {
                return Err("the JPEG-LS data end before the last pixel".to_owned());
            }
        }
        self.count -= count;
        Ok((self.held >> self.count & ((1 << count) - 1)) as i32)
    }

    /// Number of zeros before the next one, at most `max`.
    fn zeros(&mut self, max: u32) -> Result<u32, String> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > max {
                return Err("the JPEG-LS data have a code that is too long".to_owned());
            }
        }
        Ok(zeros)
    }

    /// A.5.3: a Golomb code of an order, limited to `limit` bits.
    fn golomb(&mut self, order: u32, limit: u32, range_bits: u32) -> Result<i32, String> {
        let escape = limit.saturating_sub(range_bits + 1);
        let zeros = self.zeros(escape)?;
        if zeros < escape {
            return Ok((zeros.cast_signed() << order) + self.take(order)?);
        }
        Ok(self.take(range_bits)? + 1)
    }
}

/// Decodes the lines of one scan.
pub(super) struct ScanDecoder<'a> {
    bits: Bits<'a>,
    coding: Coding,
    interleave: Interleave,
    columns: usize,
    regular: Vec<Context>,
    interrupted: [Context; 2],
    run_index: Vec<usize>,
    /// Per component the line above and the present one, each with a pixel more on both sides.
    above: Vec<Vec<i32>>,
    line: Vec<Vec<i32>>,
}

impl<'a> ScanDecoder<'a> {
    pub fn new(
        bytes: &'a [u8],
        coding: Coding,
        interleave: Interleave,
        components: usize,
        columns: usize,
    ) -> Self {
        let bits = Bits { bytes, next: 0, held: 0, count: 0, after_ff: false };
        let start = Context {
            magnitude: ((coding.range + 32) / 64).max(2),
            bias: 0,
            correction: 0,
            count: 1,
            negative: 0,
        };
        let lines = vec![vec![0; columns + 2]; components];
        Self {
            bits,
            coding,
            interleave,
            columns,
            regular: vec![start; REGULAR_CONTEXTS],
            interrupted: [start; 2],
            run_index: vec![0; components],
            above: lines.clone(),
            line: lines,
        }
    }

    /// Decodes `rows` lines and hands out each as `(line, component, values)`; gives the bytes used.
    pub fn decode(
        &mut self,
        rows: usize,
        restart_interval: usize,
        put: &mut dyn FnMut(usize, usize, &[i32]),
    ) -> Result<usize, String> {
        for row in 0..rows {
            if restart_interval > 0 && row > 0 && row % restart_interval == 0 {
                self.restart()?;
            }
            std::mem::swap(&mut self.above, &mut self.line);
            for component in 0..self.above.len() {
                // A.2.2: what stands beside the first and the last pixel of the line above.
                self.above[component][self.columns + 1] = self.above[component][self.columns];
                self.line[component][0] = self.above[component][1];
            }
            if self.interleave == Interleave::Sample {
                self.sample_interleaved_line()?;
            } else {
                for component in 0..self.above.len() {
                    self.line_of(component)?;
                }
            }
            for (component, line) in self.line.iter().enumerate() {
                put(row, component, &line[1..=self.columns]);
            }
        }
        Ok(self.bits.next)
    }

    /// Everything starts anew behind a restart marker.
    fn restart(&mut self) -> Result<(), String> {
        let from = self.bits.next;
        let rest = &self.bits.bytes[from..];
        let marker = rest.windows(2).position(|pair| pair[0] == 0xFF && matches!(pair[1], 0xD0..=0xD7));
        let marker = marker.ok_or("a JPEG-LS restart marker is missing")?;
        let fresh =
            Self::new(&rest[marker + 2..], self.coding, self.interleave, self.line.len(), self.columns);
        let used = from + marker + 2;
        let bytes = self.bits.bytes;
        *self = fresh;
        self.bits.bytes = bytes;
        self.bits.next = used;
        Ok(())
    }

    /// Neighbours left, above, above left and above right of a pixel, whose buffer index is one more.
    fn neighbours(&self, component: usize, x: usize) -> [i32; 4] {
        let (above, line) = (&self.above[component], &self.line[component]);
        [line[x], above[x + 1], above[x], above[x + 2]]
    }

    fn context_of(&self, [a, b, c, d]: [i32; 4]) -> i32 {
        let q = |gradient| self.coding.quantise(gradient);
        81 * q(d - b) + 9 * q(b - c) + q(c - a)
    }

    fn line_of(&mut self, component: usize) -> Result<(), String> {
        let mut x = 0;
        while x < self.columns {
            let near = self.neighbours(component, x);
            let context = self.context_of(near);
            if context != 0 {
                self.line[component][x + 1] = self.regular_sample(near, context)?;
                x += 1;
                continue;
            }
            let length = self.run_length(component, self.columns - x)?;
            self.line[component][x + 1..=x + length].fill(near[0]);
            x += length;
            if x < self.columns {
                let [a, b, ..] = self.neighbours(component, x);
                self.line[component][x + 1] = self.interruption(component, a, b, false)?;
                self.run_index[component] = self.run_index[component].saturating_sub(1);
                x += 1;
            }
        }
        Ok(())
    }

    fn sample_interleaved_line(&mut self) -> Result<(), String> {
        let components = self.line.len();
        let mut x = 0;
        while x < self.columns {
            let mut is_run = true;
            for component in 0..components {
                is_run &= self.context_of(self.neighbours(component, x)) == 0;
            }
            if !is_run {
                for component in 0..components {
                    let near = self.neighbours(component, x);
                    let context = self.context_of(near);
                    self.line[component][x + 1] = self.regular_sample(near, context)?;
                }
                x += 1;
                continue;
            }
            let length = self.run_length(0, self.columns - x)?;
            for line in &mut self.line {
                let left = line[x];
                line[x + 1..=x + length].fill(left);
            }
            x += length;
            if x < self.columns {
                for component in 0..components {
                    let [a, b, ..] = self.neighbours(component, x);
                    self.line[component][x + 1] = self.interruption(0, a, b, true)?;
                }
                self.run_index[0] = self.run_index[0].saturating_sub(1);
                x += 1;
            }
        }
        Ok(())
    }

    /// A.4 to A.6.
    fn regular_sample(&mut self, [a, b, c, _]: [i32; 4], context: i32) -> Result<i32, String> {
        let sign = if context < 0 { -1 } else { 1 };
        let edge = if c >= a.max(b) {
            a.min(b)
        } else if c <= a.min(b) {
            a.max(b)
        } else {
            a + b - c
        };
        let coding = &self.coding;
        let state = &mut self.regular[context.unsigned_abs() as usize];
        let prediction = (edge + sign * state.correction).clamp(0, coding.max_value);
        let order = Context::golomb_order(state.count, state.magnitude);
        let mapped = self.bits.golomb(order, coding.limit, coding.range_bits)?;
        let half = mapped >> 1;
        let odd = mapped & 1 == 1;
        let error = if coding.near == 0 && order == 0 && 2 * state.bias <= -state.count {
            if odd { half } else { -half - 1 }
        } else if odd {
            -half - 1
        } else {
            half
        };
        if error.abs() > coding.range {
            return Err("the JPEG-LS data have an impossible difference".to_owned());
        }
        state.update(error, coding);
        Ok(coding.reconstruct(prediction, sign * error))
    }

    /// Pixels of a run (A.7.1), `room` at most.
    fn run_length(&mut self, component: usize, room: usize) -> Result<usize, String> {
        let index = &mut self.run_index[component];
        let mut length = 0;
        while self.bits.take(1)? == 1 {
            let part = 1usize << RUN_ORDER[*index];
            if part <= room - length {
                length += part;
                *index = (*index + 1).min(31);
            } else {
                length = room;
            }
            if length == room {
                return Ok(length);
            }
        }
        let rest = self.bits.take(RUN_ORDER[*index])? as usize;
        if length + rest >= room {
            return Err("a JPEG-LS run is longer than its line".to_owned());
        }
        Ok(length + rest)
    }

    /// The pixel that ends a run (A.7.2). Interleaved samples use the first kind of context only.
    fn interruption(&mut self, run: usize, a: i32, b: i32, by_sample: bool) -> Result<i32, String> {
        let coding = &self.coding;
        let flat = !by_sample && (a - b).abs() <= coding.near;
        let kind = usize::from(flat);
        let state = &mut self.interrupted[kind];
        let magnitude = state.magnitude + if flat { state.count >> 1 } else { 0 };
        let order = Context::golomb_order(state.count, magnitude);
        let limit = coding.limit - RUN_ORDER[self.run_index[run]] - 1;
        let mapped = self.bits.golomb(order, limit, coding.range_bits)?;
        let folded = mapped + i32::from(flat);
        let map = folded & 1 == 1;
        let size = (folded + i32::from(map)) / 2;
        let negative = (order != 0 || 2 * state.negative >= state.count) == map;
        let error = if negative { -size } else { size };
        if size > coding.range {
            return Err("the JPEG-LS data have an impossible difference".to_owned());
        }
        state.negative += i32::from(error < 0);
        state.magnitude += (mapped + 1 - i32::from(flat)) >> 1;
        if state.count == coding.reset {
            state.magnitude >>= 1;
            state.count >>= 1;
            state.negative >>= 1;
        }
        state.count += 1;
        let error = if !flat && a > b { -error } else { error };
        Ok(coding.reconstruct(if flat { a } else { b }, error))
    }
}
