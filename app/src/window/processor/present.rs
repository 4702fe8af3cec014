//! Hands the picture to the display server.

use std::num::NonZeroU32;
use std::sync::Arc;

use anyhow::anyhow;
use egui_winit::winit::window::Window;
use hilum_canvas::{Canvas, Region};
use softbuffer::{Context, Surface};

use crate::window::CHOICE;

/// Pictures that a display server may hold at a time.
const HELD: usize = 3;

/// The memory that the display server shows.
pub(super) struct Presenter {
    window: Arc<Window>,
    surface: Surface<Arc<Window>, Arc<Window>>,
    size: [usize; 2],
    /// What changed in the last frames, the newest first.
    changed: Vec<Vec<Region>>,
}

impl Presenter {
    pub(super) fn new(window: Arc<Window>) -> anyhow::Result<Self> {
        let refused = |error| {
            anyhow!(
                "the display takes no pictures ({error}); a driver may still draw on it: set {CHOICE}=device"
            )
        };
        let context = Context::new(Arc::clone(&window)).map_err(refused)?;
        let surface = Surface::new(&context, Arc::clone(&window)).map_err(refused)?;
        Ok(Self { window, surface, size: [0; 2], changed: Vec::new() })
    }

    /// The memory of the display server holds nothing that can be relied on.
    pub(super) fn forget(&mut self) {
        self.size = [0; 2];
    }

    /// Shows a picture of which `regions` differ from the one before.
    pub(super) fn present(&mut self, canvas: &Canvas, regions: Vec<Region>) -> anyhow::Result<()> {
        let size = canvas.size();
        let [Some(width), Some(height)] = size.map(|n| NonZeroU32::new(n as u32)) else { return Ok(()) };
        let refused = |error| anyhow!("the display no longer takes pictures of the window ({error})");
        if self.size != size {
            self.surface.resize(width, height).map_err(refused)?;
            self.size = size;
            self.changed.clear();
        }
        self.changed.insert(0, regions);
        self.changed.truncate(HELD);
        let mut buffer = self.surface.buffer_mut().map_err(refused)?;
        // The memory shows the picture of so many frames ago, or anything.
        let age = usize::from(buffer.age());
        let all = vec![vec![Region::of_size(size)]];
        let stale = if (1..=self.changed.len()).contains(&age) { &self.changed[..age] } else { &all };
        for region in stale.iter().flatten() {
            copy(canvas, &mut buffer, region);
        }
        self.window.pre_present_notify();
        // All of it, and not what changed alone: a part that another window covered until now has to come back, too.
        buffer.present().map_err(refused)
    }
}

/// Copies a region into the order of bytes that the display server wants: blue lowest, no alpha.
fn copy(canvas: &Canvas, buffer: &mut [u32], region: &Region) {
    let width = canvas.size()[0];
    let (columns, rows) = (region.columns(), region.rows());
    if columns.is_empty() || rows.is_empty() {
        return;
    }
    let lines = buffer[rows.start * width..rows.end * width].chunks_mut(width);
    let pixels = canvas.pixels()[rows.start * width..rows.end * width].chunks(width);
    for (to, from) in lines.zip(pixels) {
        for (to, from) in to[columns.clone()].iter_mut().zip(&from[columns.clone()]) {
            *to = from.swap_bytes() >> 8;
        }
    }
}
