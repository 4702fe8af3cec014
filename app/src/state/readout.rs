//! How fast the window is and how much memory it takes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back frames count.
const SPAN: Duration = Duration::from_secs(5);
/// Frames remembered at most.
const MAX_FRAMES: usize = 4096;
/// How often memory is asked for.
const MEMORY_PERIOD: Duration = Duration::from_millis(500);

/// Times of frames, memory of the process, time of the last click.
#[derive(Clone, Debug, Default)]
pub struct Readout {
    frames: VecDeque<(Instant, f32)>,
    /// When the frame before began, if the next was due at once.
    busy_since: Option<Instant>,
    memory: Option<(Instant, Option<u64>)>,
    /// Seconds from the last click to its proposal.
    pub last_click_secs: Option<f64>,
    /// Milliseconds that the last picture of the 3-D view took to draw.
    pub scene_ms: Option<f32>,
}

impl Readout {
    /// Notes that a frame begins. A frame that was due at once counts from the beginning of the one before to its own,
    /// with everything that waited for the graphics device; any other counts as long as it was worked on.
    pub fn frame_begins(&mut self, now: Instant, last_worked_secs: Option<f32>) {
        let millis = match self.busy_since.take() {
            Some(before) => Some((now - before).as_secs_f32() * 1e3),
            None => last_worked_secs.map(|secs| secs * 1e3),
        };
        if let Some(millis) = millis {
            self.frames.push_back((now, millis));
        }
        while self.frames.len() > MAX_FRAMES
            || self.frames.front().is_some_and(|(at, _)| now.duration_since(*at) > SPAN)
        {
            self.frames.pop_front();
        }
        if self.memory.is_none_or(|(at, _)| now.duration_since(at) > MEMORY_PERIOD) {
            self.memory = Some((now, resident_bytes()));
        }
    }

    /// Notes that the frame that began at `start` ended and whether the next one is due at once.
    pub fn frame_ends(&mut self, start: Instant, next_is_due: bool) {
        self.busy_since = next_is_due.then_some(start);
    }

    /// Median and 99th percentile of the last seconds in ms; `None` before the first frame.
    pub fn frame_ms(&self) -> Option<(f32, f32)> {
        let mut sorted: Vec<f32> = self.frames.iter().map(|(_, ms)| *ms).collect();
        sorted.sort_by(f32::total_cmp);
        let at = |share: f32| sorted.get(((sorted.len() - 1) as f32 * share).round() as usize).copied();
        (!sorted.is_empty()).then(|| Some((at(0.5)?, at(0.99)?))).flatten()
    }

    /// Memory of the process in bytes, where the system tells.
    pub fn memory_bytes(&self) -> Option<u64> {
        self.memory.and_then(|(_, bytes)| bytes)
    }

    /// Everything in one line.
    pub fn text(&self) -> String {
        let mut parts = Vec::new();
        if let Some((median, high)) = self.frame_ms() {
            parts.push(format!("Frame {median:.1} ms, 99 % {high:.1} ms"));
        }
        if let Some(ms) = self.scene_ms {
            parts.push(format!("3-D {ms:.0} ms"));
        }
        parts.push(match self.memory_bytes() {
            Some(bytes) => format!("Memory {} MiB", bytes >> 20),
            None => "Memory unknown".into(),
        });
        if let Some(secs) = self.last_click_secs {
            parts.push(format!("Click {secs:.2} s"));
        }
        parts.join("   ")
    }
}

/// Bytes of the process that lie in memory.
#[cfg(target_os = "linux")]
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Other systems are not asked.
#[cfg(not(target_os = "linux"))]
fn resident_bytes() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_last_seconds() {
        let mut readout = Readout::default();
        let start = Instant::now();
        assert_eq!(readout.frame_ms(), None);
        readout.frame_begins(start, Some(0.5));
        for frame in 1..=100u32 {
            let now = start + SPAN + Duration::from_millis(u64::from(frame));
            readout.frame_begins(now, Some(frame as f32 / 1e3));
        }
        assert_eq!(readout.frame_ms(), Some((51.0, 99.0)));
        // The next one was due at once, so that it counts with its wait.
        let now = start + SPAN * 3;
        readout.frame_ends(now - Duration::from_millis(40), true);
        readout.frame_begins(now, Some(0.001));
        let (median, _) = readout.frame_ms().unwrap();
        assert!((median - 40.0).abs() < 0.1);
        assert!(readout.text().starts_with("Frame 40.0 ms"));
    }
}
