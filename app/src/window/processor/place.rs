//! Place and size of the window on the screens, kept from one start to the next.

use std::time::Duration;

use egui::ViewportBuilder;
use egui_winit::winit::event_loop::ActiveEventLoop;
use egui_winit::winit::window::Window;
use egui_winit::{WindowGeometry, WindowSettings};

use super::storage::FileStorage;

/// Under which `eframe` keeps place and size of the window; the same file serves both.
const WINDOW_KEY: &str = "window";
/// Frames a second where the display does not say.
const USUAL_RATE_HZ: f64 = 60.0;

/// Where the window was, and where it is when it is neither maximised nor full screen.
pub(super) struct Place {
    restored: Option<WindowSettings>,
    normal: Option<WindowGeometry>,
}

impl Place {
    /// That of the last time.
    pub(super) fn of_last_time(storage: &FileStorage) -> Self {
        Self { restored: eframe::get_value(storage, WINDOW_KEY), normal: None }
    }

    /// The hidden window where it was when it was last closed, but on a screen that is there.
    pub(super) fn create(
        &mut self,
        ctx: &egui::Context,
        event_loop: &ActiveEventLoop,
        viewport: ViewportBuilder,
    ) -> anyhow::Result<Window> {
        let viewport = self.builder(ctx, event_loop, viewport).with_visible(false);
        let window = egui_winit::create_window(ctx, event_loop, &viewport)?;
        self.restored.iter().for_each(|settings| settings.initialize_window(&window));
        self.normal = self.restored.map(|settings| settings.normal_geometry()).or_else(|| {
            let is_normal = !window.is_maximized() && window.fullscreen().is_none();
            is_normal.then(|| WindowGeometry::from_window(ctx.zoom_factor(), &window))
        });
        Ok(window)
    }

    fn builder(
        &mut self,
        ctx: &egui::Context,
        event_loop: &ActiveEventLoop,
        viewport: ViewportBuilder,
    ) -> ViewportBuilder {
        let monitors = event_loop.available_monitors().map(|monitor| {
            let size = monitor.size().to_logical::<f32>(monitor.scale_factor());
            egui::vec2(size.width, size.height)
        });
        let largest = monitors.reduce(egui::Vec2::max).filter(|size| size.min_elem() > 0.0);
        let Some(settings) = &mut self.restored else {
            let size = viewport.inner_size.map(|size| largest.map_or(size, |largest| size.min(largest)));
            return size.map_or(viewport.clone(), |size| viewport.with_inner_size(size));
        };
        if let Some(largest) = largest {
            settings.clamp_size_to_sane_values(largest);
        }
        settings.clamp_position_to_monitors(ctx.zoom_factor(), event_loop);
        settings.initialize_viewport_builder(ctx.zoom_factor(), viewport)
    }

    /// Shows the window for the first time.
    pub(super) fn show(&self, window: &Window) {
        self.restored.iter().for_each(|settings| settings.before_first_show(window));
        window.set_visible(true);
        self.restored.iter().for_each(|settings| settings.after_first_show(window));
    }

    /// Keeps it for the next time.
    pub(super) fn keep(&mut self, ctx: &egui::Context, window: &Window, storage: &mut FileStorage) {
        let settings = WindowSettings::from_window(ctx.zoom_factor(), window, self.normal);
        self.normal = Some(settings.normal_geometry());
        eframe::set_value(storage, WINDOW_KEY, &settings);
    }
}

/// Between two frames that the display of the window shows.
pub(super) fn interval(window: &Window) -> Duration {
    let rate = window.current_monitor().and_then(|monitor| monitor.refresh_rate_millihertz());
    let rate_hz = rate.map_or(USUAL_RATE_HZ, |rate| f64::from(rate) / 1000.0).clamp(30.0, 240.0);
    Duration::from_secs_f64(1.0 / rate_hz)
}
