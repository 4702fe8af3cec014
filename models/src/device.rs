//! The only place that names a backend: which processors exist, and which one to use.

use std::panic::catch_unwind;
use std::path::PathBuf;

use burn::tensor::{Device, DeviceKind, DeviceType};
use burn_std::config::BurnConfig;
use cubecl_environment::persistence::CacheConfig;
use cubecl_runtime::config::{CubeClRuntimeConfig, RuntimeConfig as _};
use serde::Serialize;

/// Fixes the configuration of the numeric libraries, before any device is used: else they would read `burn.toml` and
/// `cubecl.toml` from the working folder and all above it, and keep compiled kernels in a folder there. A file beside
/// a patient's images must change nothing. Kernels are kept in `cache`; in the user's cache folder if `None`.
pub fn pin_configuration(cache: Option<PathBuf>) {
    let mut config = CubeClRuntimeConfig::default();
    config.environment.path = cache.map_or(CacheConfig::Global, CacheConfig::Directory);
    if !CubeClRuntimeConfig::try_set(config) || !BurnConfig::try_set(BurnConfig::default()) {
        tracing::warn!("the numeric libraries were configured before the program could do so");
    }
}

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChoice {
    /// The first real GPU, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The n-th GPU of [`list_devices`], or the best one.
    Gpu(Option<usize>),
}

/// Why a device cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The text is no device.
    #[error("\"{0}\" is no device; use auto, cpu, gpu or gpu:N")]
    Unknown(String),
    /// There is no such GPU.
    #[error("there is no GPU number {wanted}; {found} were found (see `hilum doctor`); use --device cpu")]
    NoSuchGpu {
        /// The number asked for.
        wanted: usize,
        /// How many adapters exist.
        found: usize,
    },
    /// The driver refused.
    #[error("the GPU cannot be opened ({0}); use --device cpu")]
    Unusable(String),
}

impl std::str::FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu(None)),
            other => other
                .strip_prefix("gpu:")
                .and_then(|n| n.parse().ok())
                .map(|n| Self::Gpu(Some(n)))
                .ok_or_else(|| DeviceError::Unknown(other.to_owned())),
        }
    }
}

/// A processor that networks can run on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// Name of the part.
    pub name: String,
    /// How it is reached: `cpu` or `wgpu`.
    pub backend: &'static str,
    /// Whether it is a GPU in hardware (a software rasteriser is not).
    pub is_hardware_gpu: bool,
    /// How to choose it.
    pub choice: DeviceChoice,
}

/// An opened processor.
#[derive(Clone, Debug)]
pub struct OpenDevice {
    /// For tensors.
    pub device: Device,
    /// For people.
    pub name: String,
    /// Whether it is the CPU path.
    pub is_cpu: bool,
}

/// The CPU device.
pub fn cpu() -> OpenDevice {
    OpenDevice { device: Device::flex(), name: cpu_name(), is_cpu: true }
}

/// The CPU first, then every adapter in the order of its number. Opens each adapter: call it once.
pub fn list_devices() -> Vec<DeviceInfo> {
    let mut devices = vec![DeviceInfo {
        name: cpu_name(),
        backend: "cpu",
        is_hardware_gpu: false,
        choice: DeviceChoice::Cpu,
    }];
    for (number, (kind, device)) in adapters().into_iter().enumerate() {
        // A driver that fails while it names itself must not take the program down.
        let Ok(Some(identity)) = catch_unwind(|| device.identity()) else { continue };
        devices.push(DeviceInfo {
            name: identity.name,
            backend: "wgpu",
            is_hardware_gpu: kind != DeviceKind::Cpu,
            choice: DeviceChoice::Gpu(Some(number)),
        });
    }
    devices
}

/// Opens what the user asked for. `Auto` never fails: without a GPU in hardware it is the CPU.
///
/// # Errors
/// [`DeviceError`] if a GPU was asked for and is not there or does not work.
pub fn open(choice: DeviceChoice) -> Result<OpenDevice, DeviceError> {
    match choice {
        DeviceChoice::Cpu => Ok(cpu()),
        DeviceChoice::Auto => Ok(hardware_gpu().unwrap_or_else(cpu)),
        DeviceChoice::Gpu(None) => hardware_gpu().map_or_else(|| open_adapter(0), Ok),
        DeviceChoice::Gpu(Some(number)) => open_adapter(number),
    }
}

fn hardware_gpu() -> Option<OpenDevice> {
    let number = adapters().iter().position(|(kind, _)| *kind != DeviceKind::Cpu)?;
    open_adapter(number).ok()
}

fn open_adapter(number: usize) -> Result<OpenDevice, DeviceError> {
    let adapters = adapters();
    let found = adapters.len();
    let (_, device) =
        adapters.into_iter().nth(number).ok_or(DeviceError::NoSuchGpu { wanted: number, found })?;
    let probed = device.clone();
    let identity = catch_unwind(move || probed.identity())
        .map_err(|_| DeviceError::Unusable("the driver failed while it was opened".into()))?;
    let name = identity.map_or_else(|| format!("GPU {number}"), |identity| identity.name);
    Ok(OpenDevice { device, name, is_cpu: false })
}

/// Every adapter wgpu reports, hardware first, as burn numbers them.
fn adapters() -> Vec<(DeviceKind, Device)> {
    let listed = catch_unwind(|| Device::enumerate(DeviceType::Wgpu).into_vec()).unwrap_or_default();
    let mut adapters: Vec<_> = listed.into_iter().map(|device| (kind_of(&device), device)).collect();
    adapters.sort_by_key(|(kind, _)| *kind == DeviceKind::Cpu);
    adapters
}

/// The kind of adapter behind a device, read from its printed form: burn does not offer it otherwise.
fn kind_of(device: &Device) -> DeviceKind {
    let text = format!("{:?}", device.as_dispatch());
    if text.contains("Cpu") { DeviceKind::Cpu } else { DeviceKind::DefaultDevice }
}

fn cpu_name() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let model = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split(':').nth(1)?.trim().to_owned())
    });
    format!("{} ({cores} cores)", model.unwrap_or_else(|| format!("CPU {}", std::env::consts::ARCH)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_as_written() {
        assert_eq!("auto".parse(), Ok(DeviceChoice::Auto));
        assert_eq!("gpu:2".parse(), Ok(DeviceChoice::Gpu(Some(2))));
        assert_eq!("gpu:x".parse::<DeviceChoice>(), Err(DeviceError::Unknown("gpu:x".into())));
    }

    #[test]
    fn the_cpu_is_always_there() {
        assert!(open(DeviceChoice::Cpu).unwrap().is_cpu);
        assert!(open(DeviceChoice::Auto).is_ok());
    }

    #[test]
    fn a_missing_gpu_is_refused_with_what_to_do() {
        let error = open(DeviceChoice::Gpu(Some(999))).unwrap_err();
        assert!(error.to_string().contains("--device cpu"), "{error}");
    }
}
