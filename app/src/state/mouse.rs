//! What the buttons and the wheel of the mouse do: three customs, chosen in the settings.

use egui::{Modifiers, PointerButton};
use serde::{Deserialize, Serialize};

use super::Tool;

/// What a drag does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drag {
    /// Whatever the tool does.
    Tool,
    /// The other way round: a brush erases.
    Erase,
    /// Window and level.
    Window,
    /// Moves the image.
    Pan,
    /// Zooms.
    Zoom,
    /// The crosshair follows.
    Crosshair,
}

impl Drag {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Tool => "the tool",
            Self::Erase => "erase",
            Self::Window => "window and level",
            Self::Pan => "pan",
            Self::Zoom => "zoom",
            Self::Crosshair => "crosshair",
        }
    }
}

/// What the hand is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MouseHand {
    /// Looking.
    Navigate,
    /// Painting or erasing.
    Paint,
    /// Every other tool.
    Other,
}

impl From<Tool> for MouseHand {
    fn from(tool: Tool) -> Self {
        match tool {
            // Operations take clicks only.
            Tool::Navigate | Tool::Operation(_) => Self::Navigate,
            tool if tool.is_brush() => Self::Paint,
            _ => Self::Other,
        }
    }
}

/// A custom of using the mouse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MousePreset {
    /// As in OHIF, Weasis and PACS viewers.
    #[default]
    Radiology,
    /// As in ITK-SNAP.
    ItkSnap,
    /// As in 3D Slicer.
    Slicer,
}

impl MousePreset {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Radiology, Self::ItkSnap, Self::Slicer];

    /// Name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Radiology => "Radiology",
            Self::ItkSnap => "ITK-SNAP",
            Self::Slicer => "3D Slicer",
        }
    }

    /// What dragging with a button does.
    pub fn drag(self, button: PointerButton, modifiers: Modifiers, hand: MouseHand) -> Option<Drag> {
        let pans = modifiers.shift && self != Self::Radiology && hand == MouseHand::Navigate;
        Some(match (self, button, hand) {
            (_, PointerButton::Primary, _) if pans => Drag::Pan,
            (Self::ItkSnap, PointerButton::Primary, MouseHand::Navigate) => Drag::Crosshair,
            (_, PointerButton::Primary, MouseHand::Navigate) => Drag::Window,
            (_, PointerButton::Primary, _) => Drag::Tool,
            (Self::ItkSnap, PointerButton::Middle, _) => Drag::Crosshair,
            (_, PointerButton::Middle, _) => Drag::Pan,
            (Self::ItkSnap, PointerButton::Secondary, MouseHand::Paint) => Drag::Erase,
            (_, PointerButton::Secondary, _) => Drag::Zoom,
            _ => return None,
        })
    }

    /// Whether the crosshair follows the mouse while Shift is held.
    pub fn shift_moves_crosshair(self) -> bool {
        self != Self::ItkSnap
    }

    /// What the mouse does while navigating, in a sentence.
    pub fn hint(self) -> String {
        let drag =
            self.drag(PointerButton::Primary, Modifiers::NONE, MouseHand::Navigate).map_or("–", Drag::text);
        let crosshair = if self.shift_moves_crosshair() { ", Shift to move the crosshair" } else { "" };
        format!("Drag for {drag}, wheel for slices{crosshair}.")
    }

    /// What everything does, line by line: what a person does, and what follows.
    pub fn lines(self) -> Vec<(&'static str, String)> {
        let of = |button, hand| self.drag(button, Modifiers::NONE, hand).map_or("–", Drag::text);
        let by_hand = |button| {
            let (look, paint) = (of(button, MouseHand::Navigate), of(button, MouseHand::Paint));
            if look == paint { look.to_owned() } else { format!("{look}; painting: {paint}") }
        };
        let mut lines = vec![
            ("Left drag", by_hand(PointerButton::Primary)),
            ("Middle drag", by_hand(PointerButton::Middle)),
            ("Right drag", by_hand(PointerButton::Secondary)),
        ];
        if self != Self::Radiology {
            lines.push(("Shift and left drag", "pan, while navigating".into()));
        }
        lines.push(("Wheel", "next and previous slice".into()));
        lines.push(("Ctrl and wheel", "zoom".into()));
        lines.push(("Shift and wheel", "size of the brush".into()));
        let follows =
            if self.shift_moves_crosshair() { "the crosshair follows in all planes" } else { "–" };
        lines.push(("Shift and move", follows.into()));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PointerButton::{Middle, Primary, Secondary};

    #[test]
    fn presets_do_what_users_of_those_programs_expect() {
        let of = |preset: MousePreset, button, hand| preset.drag(button, Modifiers::NONE, hand).unwrap();
        let [radiology, snap, slicer] = MousePreset::ALL;
        for (preset, buttons) in [
            (radiology, [Drag::Window, Drag::Pan, Drag::Zoom]),
            (snap, [Drag::Crosshair, Drag::Crosshair, Drag::Zoom]),
            (slicer, [Drag::Window, Drag::Pan, Drag::Zoom]),
        ] {
            let found = [Primary, Middle, Secondary].map(|button| of(preset, button, MouseHand::Navigate));
            assert_eq!(found, buttons, "{preset:?}");
            assert_eq!(of(preset, Primary, MouseHand::Paint), Drag::Tool);
            assert_eq!(of(preset, Primary, MouseHand::Other), Drag::Tool);
        }
        assert_eq!(of(snap, Secondary, MouseHand::Paint), Drag::Erase);
        assert_eq!(of(radiology, Secondary, MouseHand::Paint), Drag::Zoom);
        assert!(radiology.shift_moves_crosshair() && slicer.shift_moves_crosshair());
        assert!(!snap.shift_moves_crosshair());
        assert_eq!(slicer.drag(Primary, Modifiers::SHIFT, MouseHand::Navigate), Some(Drag::Pan));
    }
}
