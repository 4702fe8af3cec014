//! The window of the program: drawn by a graphics device, or by the processor where there is none.

mod device;
mod processor;

use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use egui::{IconData, ViewportBuilder};

use crate::app::{HilumApp, Services};

/// Which of the two draws; for those whose driver is at fault.
const CHOICE: &str = "HILUM_WINDOW";

/// Makes the program once the window is there.
type Create = Box<dyn FnOnce(&eframe::CreationContext<'_>) -> anyhow::Result<Box<dyn eframe::App>>>;

/// Who draws the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Painter {
    Device,
    Processor,
}

/// Opens the window and returns when it is closed.
///
/// # Errors
/// If there is no display, or the window cannot be opened on it.
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
    let create: Create = Box::new(move |creation| Ok(wrap(HilumApp::new(creation, services, paths)?)));
    let choice = std::env::var(CHOICE).ok();
    match painter(choice.as_deref())? {
        Painter::Device => match device::run(viewport(size), create, choice.as_deref() == Some("device")) {
            Err(eframe::Error::Wgpu(error)) if choice.as_deref() != Some("device") => {
                tracing::warn!(
                    "the graphics device cannot draw on this display ({error}): the processor does"
                );
                begin_again_by_processor()
            }
            outcome => {
                outcome.map_err(|error| anyhow!("the window cannot be opened: {}", without_window(&error)))
            }
        },
        Painter::Processor => processor::run(viewport(size), create),
    }
}

/// A process can only once ask a window system for its events, so that another one goes on; nothing has been opened yet.
fn begin_again_by_processor() -> anyhow::Result<()> {
    let program = std::env::current_exe().context("the program does not find itself")?;
    let mut again = std::process::Command::new(program);
    let ended = again.args(std::env::args_os().skip(1)).env(CHOICE, "processor").status()?;
    std::process::exit(ended.code().unwrap_or(1));
}

/// Why there is no window, and what to do about it.
fn without_window(error: &eframe::Error) -> String {
    let advice = match error {
        eframe::Error::Wgpu(_) => format!(
            "the graphics driver cannot draw on this display. Set {CHOICE}=processor to do without it, or install that of the \
             graphics card"
        ),
        _ => "the display or its window manager refused it".to_owned(),
    };
    format!("{advice}. The command line works without a window, see `hilum --help` ({error})")
}

/// The choice of a person, else the graphics device if there is one: a driver in software draws the whole window anew for
/// every frame, which takes the processor ten times as long as what is needed.
fn painter(choice: Option<&str>) -> anyhow::Result<Painter> {
    match choice {
        Some("device") => Ok(Painter::Device),
        Some("processor") => Ok(Painter::Processor),
        None | Some("" | "auto") => Ok(if device::is_there() { Painter::Device } else { Painter::Processor }),
        Some(other) => bail!("{CHOICE} is '{other}'; set it to device, processor or auto"),
    }
}

/// Seconds that the last frame took, apart from waiting; `None` at first.
pub(crate) fn last_frame_secs(ctx: &egui::Context, frame: &eframe::Frame) -> Option<f32> {
    frame.info().cpu_usage.or_else(|| processor::last_frame_secs(ctx))
}

fn viewport(size: [f32; 2]) -> ViewportBuilder {
    ViewportBuilder::default()
        .with_app_id("hilum")
        .with_title("Hilum")
        .with_inner_size(size)
        .with_min_inner_size([800.0, 560.0])
        .with_drag_and_drop(true)
        .with_icon(icon())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_may_choose_who_draws_and_a_typing_error_is_told() {
        assert_eq!(painter(Some("device")).unwrap(), Painter::Device);
        assert_eq!(painter(Some("processor")).unwrap(), Painter::Processor);
        let error = painter(Some("gpu")).unwrap_err().to_string();
        assert!(error.contains("'gpu'") && error.contains("device, processor or auto"), "{error}");
    }
}
