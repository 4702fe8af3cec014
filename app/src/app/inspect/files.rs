//! Maps that are written or kept.

use std::path::PathBuf;
use std::sync::Arc;

use crate::app::HilumApp;
use crate::jobs::{Ask, FigureFile, IoRequest, MapFile};
use crate::state::{Inspecting, MapScale, MapView};

impl HilumApp {
    /// Writes the map that is shown.
    pub(super) fn export_map(&mut self, path: Option<PathBuf>) {
        let shown = self.state.inspect.as_ref().and_then(Inspecting::shown);
        let Some((shown, session)) = shown.zip(self.state.editable()) else { return };
        let Some(path) = path else {
            let safe = |c: char| if c.is_alphanumeric() { c } else { '_' };
            let ending = if session.volume().grid().is_flat() { "png" } else { "nii.gz" };
            let name = format!("{}.{ending}", shown.map.name.chars().map(safe).collect::<String>());
            self.ask(Ask::SaveMap { name });
            return;
        };
        let file = MapFile { path, map: Arc::clone(&shown.map), volume: Arc::clone(session.volume()) };
        if self.io.ask(IoRequest::WriteMap(file)).is_err() {
            self.state.messages.error("the thread that writes files is busy; try again in a moment");
        }
    }

    /// Writes a figure of the map that is shown and those that belong to it.
    pub(super) fn export_figure(&mut self, path: Option<PathBuf>) {
        let Some(inspect) = &self.state.inspect else { return };
        let Some((shown, session)) = inspect.shown().zip(self.state.editable()) else { return };
        let Some(path) = path else {
            let safe = |c: char| if c.is_alphanumeric() { c } else { '_' };
            let name: String = shown.map.layer.chars().map(safe).collect();
            self.ask(Ask::SaveFigure { name: format!("attention_{name}.png") });
            return;
        };
        let document = &session.document;
        let visible = document.table().entries().iter().filter(|entry| entry.visible);
        let of_two = matches!(inspect.view, MapView::Beside | MapView::Blink);
        let (low, high) = session.views.window();
        let note = inspect.looks.get(shown.look).map_or_else(String::new, |look| {
            format!("{} ({}), {}", look.model, look.arch, shown.map.meaning.title())
        });
        let file = FigureFile {
            path,
            maps: inspect.maps.iter().map(|map| (map.look, map.kind, Arc::clone(&map.map))).collect(),
            chosen: inspect.maps.iter().position(|map| std::ptr::eq(map, shown)).unwrap_or(0),
            compared: inspect.compared().filter(|_| of_two).map(|(map, name)| (Arc::clone(map), name)),
            is_of_all: inspect.view == MapView::All,
            volume: Arc::clone(session.volume()),
            window: [low, high],
            labels: Arc::clone(document.labels()),
            colors: visible.map(|entry| (entry.id, entry.color, entry.name.clone())).collect(),
            at: session.views.crosshair,
            is_scale_shared: inspect.scale != MapScale::Own,
            note,
            graph: inspect.reading_of(shown),
        };
        if self.io.ask(IoRequest::WriteFigure(Box::new(file))).is_err() {
            self.state.messages.error("the thread that writes files is busy; try again in a moment");
        }
    }

    /// Keeps the map that is shown, named by how often the labels had changed.
    pub(super) fn keep_map(&mut self) {
        let Some(session) = self.state.editable() else { return };
        let state = match session.labels_revision {
            0 => "labels unchanged".to_owned(),
            1 => "labels changed once".to_owned(),
            n => format!("labels changed {n} times"),
        };
        if let Some(inspect) = &mut self.state.inspect {
            inspect.keep(&state);
            inspect.compare();
        }
    }
}
