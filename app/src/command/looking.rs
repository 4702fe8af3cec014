//! Names, tool-tips and keys of layouts, films, turned planes, the 3-D view and of working without a mouse.

use egui::Key;

use super::UiCommand;
use super::table::{Description, alt, ctrl, ctrl_shift, key, row, shift};

impl UiCommand {
    pub(super) fn looking(self) -> Option<Description> {
        self.layout().or_else(|| self.film_or_turn()).or_else(|| self.by_keys()).or_else(|| self.inside())
    }

    fn inside(self) -> Option<Description> {
        match self {
            Self::ShowAttention => Some(row(
                "Show attention",
                "Show where the network looked: its attention maps over the image, and checks of them",
                const { &[alt(Key::I)] },
            )),
            _ => None,
        }
    }

    fn layout(self) -> Option<Description> {
        Some(match self {
            Self::LayoutTwo => {
                row("Layout: two planes", "Show two planes side by side", const { &[key(Key::F2)] })
            }
            Self::LayoutLarge => row(
                "Layout: one large",
                "Show one view large and the others small beside it",
                const { &[key(Key::F3)] },
            ),
            Self::LayoutFour => row(
                "Layout: four views",
                "Show three planes and the 3-D view, equally large",
                const { &[key(Key::F4)] },
            ),
            Self::LayoutScene => row("Layout: 3-D", "Show the 3-D view only", const { &[key(Key::F9)] }),
            Self::EnlargeView => row(
                "Enlarge view",
                "Make the view under the mouse the large one of the layout",
                const { &[shift(Key::F3)] },
            ),
            Self::MaximiseView => row(
                "Maximise view",
                "Show the view under the mouse alone, or all views again; also a double click",
                const { &[key(Key::F10)] },
            ),
            Self::SceneSurfaces => {
                row("3-D: surfaces", "Show the surfaces of the labels in the 3-D view", &[])
            }
            Self::SceneMip => row(
                "3-D: maximum intensity",
                "Show the largest value along every line of sight in the 3-D view",
                &[],
            ),
            Self::SceneVolume => row(
                "3-D: volume",
                "Show the image as a volume in the 3-D view; window and level say what is dense",
                &[],
            ),
            _ => return None,
        })
    }

    fn film_or_turn(self) -> Option<Description> {
        Some(match self {
            Self::ToggleCine => row(
                "Play or stop",
                "Let the slices of the view under the mouse run by; any key or click stops them",
                const { &[key(Key::Space)] },
            ),
            Self::ToggleBounce => {
                row("Toggle to and fro", "Play slices to and fro, or from the first again", &[])
            }
            Self::TurnPlanes => row(
                "Turn planes",
                "Show handles on the lines of the crosshair: drag them to turn a plane about it",
                const { &[shift(Key::R)] },
            ),
            Self::ResetPlanes => row(
                "Reset planes",
                "Put all turned planes back in their anatomical positions",
                const { &[alt(Key::R)] },
            ),
            Self::ToggleContrast => {
                row("Toggle high contrast", "Stronger colours for text, lines and controls", &[])
            }
            Self::ToggleReadout => row(
                "Toggle speed and memory",
                "Show times of frames, memory and the time of the last click in the status bar",
                const { &[shift(Key::F12)] },
            ),
            Self::MouseRadiology => {
                row("Mouse: Radiology", "Use the mouse as in OHIF, Weasis and PACS viewers", &[])
            }
            Self::MouseItkSnap => row("Mouse: ITK-SNAP", "Use the mouse as in ITK-SNAP", &[]),
            Self::MouseSlicer => row("Mouse: 3D Slicer", "Use the mouse as in 3D Slicer", &[]),
            _ => return None,
        })
    }

    fn by_keys(self) -> Option<Description> {
        Some(match self {
            Self::NextView => row(
                "Next view",
                "Let the keys act on the next plane; the mouse does so too",
                const { &[shift(Key::V)] },
            ),
            Self::CrosshairLeft => {
                row("Crosshair left", "Move the crosshair by a voxel", const { &[shift(Key::ArrowLeft)] })
            }
            Self::CrosshairRight => {
                row("Crosshair right", "Move the crosshair by a voxel", const { &[shift(Key::ArrowRight)] })
            }
            Self::CrosshairUp => {
                row("Crosshair up", "Move the crosshair by a voxel", const { &[shift(Key::ArrowUp)] })
            }
            Self::CrosshairDown => {
                row("Crosshair down", "Move the crosshair by a voxel", const { &[shift(Key::ArrowDown)] })
            }
            Self::CrosshairFarLeft => row(
                "Crosshair far left",
                "Move the crosshair by ten voxels",
                const { &[ctrl_shift(Key::ArrowLeft)] },
            ),
            Self::CrosshairFarRight => row(
                "Crosshair far right",
                "Move the crosshair by ten voxels",
                const { &[ctrl_shift(Key::ArrowRight)] },
            ),
            Self::CrosshairFarUp => row(
                "Crosshair far up",
                "Move the crosshair by ten voxels",
                const { &[ctrl_shift(Key::ArrowUp)] },
            ),
            Self::CrosshairFarDown => row(
                "Crosshair far down",
                "Move the crosshair by ten voxels",
                const { &[ctrl_shift(Key::ArrowDown)] },
            ),
            Self::UseTool => row(
                "Use tool at crosshair",
                "Click, paint or erase at the crosshair, as the mouse would there",
                const { &[ctrl(Key::Enter)] },
            ),
            _ => return None,
        })
    }
}
