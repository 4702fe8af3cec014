//! How long frames of the window take that the processor draws, while a hand scrolls or paints; prints a table for
//! docs/results/views.md. Needs no display: the picture is made and not handed on.

#![allow(clippy::unwrap_used, reason = "a bench that cannot run should say so and stop")]

use std::path::Path;
use std::time::{Duration, Instant};

use eframe::App as _;
use egui::{Color32, Event, Key, Modifiers, MouseWheelUnit, PointerButton, Pos2, RawInput, Rect, pos2, vec2};
use hilum::app::{HilumApp, Services};
use hilum_canvas::Canvas;
use hilum_core::io::nifti::save_volume;
use hilum_core::phantom::{CtPhantomOptions, ct_phantom};

const SIZE: [f32; 2] = [1440.0, 900.0];
const FRAMES: usize = 600;
/// Where the large view is, away from the crosshair.
const HAND: Pos2 = pos2(520.0, 360.0);

/// The window without a display.
struct Window {
    ctx: egui::Context,
    app: HilumApp,
    frame: eframe::Frame,
    canvas: Canvas,
    secs: f64,
}

impl Window {
    fn open(folder: &Path, image: &Path) -> Self {
        let ctx = egui::Context::default();
        let creation = eframe::CreationContext::_new_kittest(ctx.clone());
        let services = Services {
            project_folder: Some(folder.join("kept")),
            photo_folder: None,
            models_folder: None,
            ..Services::default()
        };
        let app = HilumApp::new(&creation, services, vec![image.to_owned()]).unwrap();
        let frame = eframe::Frame::_new_kittest();
        Self { ctx, app, frame, canvas: Canvas::default(), secs: 0.0 }
    }

    /// One frame, and how long it took.
    fn frame(&mut self, events: Vec<Event>) -> Duration {
        self.secs += 1.0 / 60.0;
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, SIZE.into())),
            time: Some(self.secs),
            focused: true,
            events,
            ..RawInput::default()
        };
        let start = Instant::now();
        let (app, frame) = (&mut self.app, &mut self.frame);
        let mut output = self.ctx.run_ui(input, |ui| {
            app.logic(ui.ctx(), frame);
            app.ui(ui, frame);
        });
        let jobs = self.ctx.tessellate(output.shapes, 1.0);
        let size = SIZE.map(|n| n as usize);
        self.canvas.paint(size, &jobs, &mut output.textures_delta, 1.0, Color32::BLACK);
        start.elapsed()
    }

    fn rest(&mut self, frames: usize) {
        for _ in 0..frames {
            self.frame(Vec::new());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn press(&mut self, key: Key, modifiers: Modifiers) {
        for pressed in [true, false] {
            let event = Event::Key { key, physical_key: None, pressed, repeat: false, modifiers };
            self.frame(vec![event]);
        }
        self.rest(10);
    }

    fn measure(&mut self, what: &str, mut events: impl FnMut(usize) -> Vec<Event>) {
        // The first frames make what later ones keep.
        for i in 0..20 {
            self.frame(events(i));
        }
        let mut ms: Vec<f64> = (20..20 + FRAMES).map(|i| self.frame(events(i)).as_secs_f64() * 1e3).collect();
        ms.sort_by(f64::total_cmp);
        let at = |share: f64| ms[((ms.len() - 1) as f64 * share) as usize];
        println!("| {what} | {:.1} | {:.1} | {:.1} |", at(0.5), at(0.99), at(1.0));
    }
}

fn wheel(lines: f32) -> Vec<Event> {
    let (unit, delta, modifiers) = (MouseWheelUnit::Line, vec2(0.0, lines), Modifiers::NONE);
    vec![
        Event::PointerMoved(HAND),
        Event::MouseWheel {
            unit,
            delta,
            modifiers,
            phase: egui::TouchPhase::Move,
            source: egui::MouseWheelSource::Wheel,
        },
    ]
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("ct.nii.gz");
    let options = CtPhantomOptions {
        dims: [512, 512, 150],
        spacing_mm: [0.8, 0.8, 2.5],
        ..CtPhantomOptions::default()
    };
    save_volume(&image, &ct_phantom(&options).unwrap().volume).unwrap();
    let mut window = Window::open(folder.path(), &image);
    while !window.app.state().session.as_ref().is_some_and(|session| session.can_edit()) {
        window.rest(5);
    }
    // A large ball of the active label at the crosshair.
    window.press(Key::B, Modifiers::NONE);
    (0..8).for_each(|_| window.press(Key::CloseBracket, Modifiers::NONE));
    window.press(Key::Enter, Modifiers::COMMAND);
    window.rest(200);
    println!("| 1440 × 900 points | median ms | 99th percentile ms | slowest ms |\n|---|---:|---:|---:|");
    let back_and_forth = |i: usize| wheel(if (i / 40).is_multiple_of(2) { 1.0 } else { -1.0 });
    for (key, layout) in [(Key::F3, "one large view"), (Key::F4, "four views")] {
        window.press(key, Modifiers::NONE);
        window.rest(60);
        window.measure(&format!("{layout}, scrolling through the slices"), back_and_forth);
        window.rest(60);
        window.measure(&format!("{layout}, the mouse moves"), |i| {
            vec![Event::PointerMoved(HAND + vec2((i % 90) as f32, (i % 50) as f32))]
        });
        let press = |pressed| Event::PointerButton {
            pos: HAND,
            button: PointerButton::Primary,
            pressed,
            modifiers: Modifiers::NONE,
        };
        window.frame(vec![Event::PointerMoved(HAND), press(true)]);
        window.measure(&format!("{layout}, painting"), |i| {
            vec![Event::PointerMoved(HAND + vec2((i % 120) as f32, (i % 70) as f32))]
        });
        window.frame(vec![press(false)]);
        window.rest(60);
    }
}
