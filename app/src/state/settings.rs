//! What is remembered from one session to the next.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hilum_models::infer::DeviceChoice;
use serde::{Deserialize, Serialize};

use super::{CINE_RANGE_HZ, EditOptions, Layout, MousePreset, SceneMode, TeachChoice};

/// Files kept in the list of recent ones.
const MAX_RECENT: usize = 12;
/// Longest name of a person.
const MAX_NAME_CHARS: usize = 80;

/// Smallest and largest brush radius in mm offered by the keys.
pub const BRUSH_RANGE_MM: (f32, f32) = (0.2, 100.0);

/// Preferences of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Dark theme.
    pub dark: bool,
    /// Stronger colours for text, lines and controls.
    pub high_contrast: bool,
    /// Size of text relative to the design.
    pub font_scale: f32,
    /// Files and folders opened last, newest first.
    pub recent: Vec<PathBuf>,
    /// Interpolate the image between voxels.
    pub linear: bool,
    /// Opacity of the inside of labels, multiplied with that of each label.
    pub fill_opacity: f32,
    /// Opacity of outlines.
    pub outline_opacity: f32,
    /// Lines of the other planes.
    pub crosshair: bool,
    /// Radius of brush and eraser.
    pub brush_radius_mm: f32,
    /// Brush and eraser work in three dimensions.
    pub ball: bool,
    /// Options of the other tools.
    pub tools: EditOptions,
    /// How views share the window.
    pub layout: Layout,
    /// What the 3-D view draws.
    pub scene: SceneMode,
    /// Slices a second while they run by.
    pub cine_hz: f32,
    /// They run to and fro.
    pub bounce: bool,
    /// What the mouse does.
    pub mouse: MousePreset,
    /// Keys of commands that have other ones than the program's, by [`crate::command::UiCommand::id`].
    pub keys: BTreeMap<String, Vec<String>>,
    /// Speed and memory stand in the status bar.
    pub readout: bool,
    /// The name of the image stands in the title of the window, which others may see in a list of windows.
    pub name_in_title: bool,
    /// Who works, for worklists and the record of provenance; the account of the computer where it is empty.
    pub annotator: String,
    /// How a model is taught.
    pub teach: TeachChoice,
    /// Device of the networks, as on the command line.
    pub device: String,
    /// Model that answers clicks; the program's own choice without one.
    pub model: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dark: true,
            high_contrast: false,
            font_scale: 1.0,
            recent: Vec::new(),
            linear: true,
            fill_opacity: 1.0,
            outline_opacity: 1.0,
            crosshair: true,
            brush_radius_mm: 5.0,
            ball: false,
            tools: EditOptions::default(),
            layout: Layout::default(),
            scene: SceneMode::default(),
            cine_hz: 12.0,
            bounce: false,
            mouse: MousePreset::default(),
            keys: BTreeMap::new(),
            readout: false,
            name_in_title: true,
            annotator: String::new(),
            teach: TeachChoice::default(),
            device: "auto".into(),
            model: None,
        }
    }
}

impl Settings {
    /// The same with every number in its range; a settings file may have been edited by hand.
    pub fn sane(mut self) -> Self {
        let within = |value: f32, low: f32, high: f32, default: f32| {
            if value.is_finite() { value.clamp(low, high) } else { default }
        };
        self.font_scale = within(self.font_scale, 0.7, 2.5, 1.0);
        self.fill_opacity = within(self.fill_opacity, 0.0, 1.0, 1.0);
        self.outline_opacity = within(self.outline_opacity, 0.0, 1.0, 1.0);
        self.brush_radius_mm = within(self.brush_radius_mm, BRUSH_RANGE_MM.0, BRUSH_RANGE_MM.1, 5.0);
        self.cine_hz = within(self.cine_hz, CINE_RANGE_HZ.0, CINE_RANGE_HZ.1, 12.0);
        self.recent.truncate(MAX_RECENT);
        self.annotator = self.annotator.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
        self.tools = self.tools.sane();
        self.teach = self.teach.sane();
        self
    }

    /// Puts a path at the top of the recent ones.
    pub fn remember(&mut self, path: &Path) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.recent.retain(|old| *old != path);
        self.recent.insert(0, path);
        self.recent.truncate(MAX_RECENT);
    }

    /// The device asked for; unreadable text counts as automatic.
    pub fn device(&self) -> DeviceChoice {
        self.device.parse().unwrap_or_default()
    }

    /// Remembers a device.
    pub fn set_device(&mut self, choice: DeviceChoice) {
        self.device = match choice {
            DeviceChoice::Auto => "auto".into(),
            DeviceChoice::Cpu => "cpu".into(),
            DeviceChoice::Gpu(None) => "gpu".into(),
            DeviceChoice::Gpu(Some(number)) => format!("gpu:{number}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_files_are_unique_and_newest_first() {
        let mut settings = Settings::default();
        for name in ["/a", "/b", "/a"] {
            settings.remember(Path::new(name));
        }
        assert_eq!(settings.recent, [PathBuf::from("/a"), PathBuf::from("/b")]);
        for i in 0..50 {
            settings.remember(Path::new(&format!("/{i}")));
        }
        assert_eq!(settings.recent.len(), MAX_RECENT);
    }

    #[test]
    fn nonsense_in_a_settings_file_is_repaired() {
        let text = r#"{"font_scale": 1e9, "brush_radius_mm": -4, "device": "toaster", "unknown": 1}"#;
        let settings: Settings = serde_json::from_str(text).unwrap();
        let settings = settings.sane();
        assert_eq!((settings.font_scale, settings.brush_radius_mm), (2.5, 0.2));
        assert_eq!(settings.device(), DeviceChoice::Auto);
    }

    #[test]
    fn every_device_survives_being_remembered() {
        for choice in
            [DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Gpu(None), DeviceChoice::Gpu(Some(3))]
        {
            let mut settings = Settings::default();
            settings.set_device(choice);
            assert_eq!(settings.device(), choice);
        }
    }
}
