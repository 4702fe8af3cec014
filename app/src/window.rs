//! Opening the window.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use eframe::egui_wgpu::{WgpuSetup, WgpuSetupCreateNew};
use egui::{IconData, ViewportBuilder};
use wgpu::{Adapter, AdapterInfo, Backend, DeviceType, PowerPreference};

use crate::app::{HilumApp, Services};

/// Opens the window, with the first of `paths` in it, and returns when it is closed.
///
/// # Errors
/// If there is no display or no way to draw on it; the text names the command line.
pub fn run(paths: Vec<PathBuf>) -> anyhow::Result<()> {
    run_with([1440.0, 900.0], Services::default(), paths, |app| Box::new(app))
}

/// The same with other services, a window of a size, and the program within another one.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_with(
    size: [f32; 2],
    services: Services,
    paths: Vec<PathBuf>,
    wrap: impl FnOnce(HilumApp) -> Box<dyn eframe::App> + 'static,
) -> anyhow::Result<()> {
    check_display()?;
    let options = eframe::NativeOptions {
        viewport: ViewportBuilder::default()
            .with_app_id("hilum")
            .with_title("Hilum")
            .with_inner_size(size)
            .with_min_inner_size([800.0, 560.0])
            .with_drag_and_drop(true)
            .with_icon(icon()),
        // Flat colours need no dithering, which on a device in software costs arithmetic for every pixel.
        dithering: false,
        wgpu_options: eframe::egui_wgpu::WgpuConfiguration { wgpu_setup: graphics(), ..Default::default() },
        ..Default::default()
    };
    eframe::run_native(
        "hilum",
        options,
        Box::new(|creation| Ok(wrap(HilumApp::new(creation, services, paths)?))),
    )
    .map_err(|error| anyhow!("the window cannot be opened: {}", without_window(&error)))
}

/// Why there is no window, and what to do about it.
fn without_window(error: &eframe::Error) -> String {
    let advice = match error {
        eframe::Error::Wgpu(_) if cfg!(target_os = "linux") => {
            "no graphics driver can draw on this display. Install the driver of the graphics card, or one that draws with the \
             processor (Mesa; packages libegl1 and libgl1-mesa-dri, or mesa-vulkan-drivers)"
        }
        eframe::Error::Wgpu(_) => {
            "no graphics driver can draw on this display. Install that of the graphics card"
        }
        _ => "the display or its window manager refused it",
    };
    format!("{advice}. The command line works without a window, see `hilum --help` ({error})")
}

/// On Linux and its relatives a display has a name; without one the window system would only say so obscurely.
fn check_display() -> anyhow::Result<()> {
    let needs_name = cfg!(all(unix, not(target_os = "macos")));
    let named = |variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    if needs_name && !named("DISPLAY") && !named("WAYLAND_DISPLAY") && !named("WAYLAND_SOCKET") {
        bail!(
            "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set); use the command line, for example \
             `hilum segment IMAGE --click x,y,z --out MASK.nii.gz`, see `hilum --help`"
        );
    }
    Ok(())
}

/// The defaults of egui, but with the longest texture axes that the adapter offers: a photograph or a whole-body
/// CT may exceed the 2048 voxels of the default.
fn graphics() -> WgpuSetup {
    let mut setup = WgpuSetupCreateNew::without_display_handle();
    let default = Arc::clone(&setup.device_descriptor);
    setup.device_descriptor = Arc::new(move |adapter| {
        let mut descriptor = default(adapter);
        let (offered, asked) = (adapter.limits(), &mut descriptor.required_limits);
        asked.max_texture_dimension_3d = asked.max_texture_dimension_3d.max(offered.max_texture_dimension_3d);
        asked.max_texture_dimension_2d = offered.max_texture_dimension_2d.max(asked.max_texture_dimension_2d);
        descriptor
    });
    setup.native_adapter_selector = Some(Arc::new(|adapters, surface| {
        let fits = |adapter: &&Adapter| surface.is_none_or(|surface| adapter.is_surface_supported(surface));
        // The first of equals: backends come in the order in which wgpu prefers them.
        let best = adapters.iter().filter(fits).min_by_key(|adapter| rank(&adapter.get_info()));
        best.cloned().ok_or_else(|| "no graphics adapter can draw on this display".to_owned())
    }));
    WgpuSetup::CreateNew(setup)
}

/// Which adapter draws the window, the smallest first. Where there is nothing but the CPU, OpenGL in software comes before
/// Vulkan in software, which keeps a picture of the window in memory for every frame (llvmpipe of Mesa 22.3).
fn rank(adapter: &AdapterInfo) -> (u8, u8) {
    let saves_power = PowerPreference::from_env() == Some(PowerPreference::LowPower);
    let device = match adapter.device_type {
        DeviceType::DiscreteGpu => u8::from(saves_power),
        DeviceType::IntegratedGpu => u8::from(!saves_power),
        DeviceType::Other => 2,
        DeviceType::VirtualGpu => 3,
        DeviceType::Cpu => 4,
    };
    let is_gl = adapter.backend == Backend::Gl;
    (device, u8::from(is_gl != (adapter.device_type == DeviceType::Cpu)))
}

/// A ring with a gap, the mark of an organ's hilum, drawn in code.
fn icon() -> IconData {
    const SIDE: u32 = 64;
    let center = (SIDE as f32 - 1.0) / 2.0;
    let mut rgba = Vec::with_capacity((SIDE * SIDE * 4) as usize);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (dx, dy) = (x as f32 - center, y as f32 - center);
            let radius = dx.hypot(dy);
            let ring = (1.0 - ((radius - 21.0).abs() - 5.5).max(0.0)).clamp(0.0, 1.0);
            let gap = if dx > 0.0 && dy.abs() < 8.0 { 0.0 } else { 1.0 };
            let dot = (7.5 - (dx - 12.0).hypot(dy)).clamp(0.0, 1.0);
            let (mark, color) = if dot > 0.0 { (dot, [240, 196, 96]) } else { (ring * gap, [62, 166, 184]) };
            rgba.extend(color);
            rgba.push((mark * 255.0) as u8);
        }
    }
    IconData { rgba, width: SIDE, height: SIDE }
}
