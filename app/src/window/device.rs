//! The window on a graphics device.

use std::sync::Arc;

use eframe::egui_wgpu::{WgpuSetup, WgpuSetupCreateNew};
use egui::ViewportBuilder;
use wgpu::{Adapter, AdapterInfo, Backend, Backends, DeviceType, PowerPreference};

use super::Create;

/// Whether there is a graphics device that is more than a driver in software.
pub(super) fn is_there() -> bool {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapters = pollster::block_on(instance.enumerate_adapters(Backends::all()));
    adapters.iter().any(|adapter| adapter.get_info().device_type != DeviceType::Cpu)
}

/// Opens the window and returns when it is closed; on a driver in software only if that is asked for.
pub(super) fn run(viewport: ViewportBuilder, create: Create, in_software: bool) -> eframe::Result {
    let options = eframe::NativeOptions {
        viewport,
        // Flat colours need no dithering, which on a device in software costs arithmetic for every pixel.
        dithering: false,
        wgpu_options: eframe::egui_wgpu::WgpuConfiguration {
            wgpu_setup: graphics(in_software),
            ..Default::default()
        },
        ..Default::default()
    };
    eframe::run_native("hilum", options, Box::new(|creation| Ok(create(creation)?)))
}

/// The defaults of egui, but with the longest texture axes that the adapter offers: a photograph or a whole-body
/// CT may exceed the 2048 voxels of the default.
fn graphics(in_software: bool) -> WgpuSetup {
    let mut setup = WgpuSetupCreateNew::without_display_handle();
    let default = Arc::clone(&setup.device_descriptor);
    setup.device_descriptor = Arc::new(move |adapter| {
        let mut descriptor = default(adapter);
        let (offered, asked) = (adapter.limits(), &mut descriptor.required_limits);
        asked.max_texture_dimension_3d = asked.max_texture_dimension_3d.max(offered.max_texture_dimension_3d);
        asked.max_texture_dimension_2d = offered.max_texture_dimension_2d.max(asked.max_texture_dimension_2d);
        descriptor
    });
    setup.native_adapter_selector = Some(Arc::new(move |adapters, surface| {
        let fits = |adapter: &&Adapter| {
            let is_wanted = in_software || adapter.get_info().device_type != DeviceType::Cpu;
            is_wanted && surface.is_none_or(|surface| adapter.is_surface_supported(surface))
        };
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
