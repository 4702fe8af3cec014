//! Names, tool-tips and keys of all commands.

use egui::{Key, KeyboardShortcut, Modifiers};

use super::UiCommand;

/// What a person sees of a command.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// Name in menus and palette.
    pub text: &'static str,
    /// One sentence.
    pub tooltip: &'static str,
    /// Key combinations; the first one is shown.
    pub keys: &'static [KeyboardShortcut],
}

pub(super) const fn key(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

pub(super) const fn ctrl(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

pub(super) const fn ctrl_shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), key)
}

pub(super) const fn shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::SHIFT, key)
}

pub(super) const fn alt(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::ALT, key)
}

pub(super) const fn row(
    text: &'static str,
    tooltip: &'static str,
    keys: &'static [KeyboardShortcut],
) -> Description {
    Description { text, tooltip, keys }
}

impl UiCommand {
    /// Name, tool-tip and keys.
    pub fn description(self) -> Description {
        self.file_or_edit()
            .or_else(|| self.tool())
            .or_else(|| self.drawing())
            .or_else(|| self.measure())
            .or_else(|| self.worklist())
            .or_else(|| self.remote())
            .or_else(|| self.view())
            .or_else(|| self.looking())
            .or_else(|| self.photo())
            .unwrap_or_else(|| self.other())
    }

    fn file_or_edit(self) -> Option<Description> {
        Some(match self {
            Self::OpenFile => row(
                "Open file…",
                "Open an image: NIfTI, DICOM, NRRD, MetaImage, PNG, JPEG, TIFF or BMP",
                const { &[ctrl(Key::O)] },
            ),
            Self::OpenFolder => row(
                "Open folder…",
                "Open a folder of DICOM files or of photographs",
                const { &[ctrl_shift(Key::O)] },
            ),
            Self::OpenSample => {
                row("Open sample case", "Open a synthetic CT with lesions to try the tools on", &[])
            }
            Self::ChoosePart => row(
                "Choose part of slide…",
                "Open another resolution, page or part of this TIFF or slide",
                const { &[ctrl(Key::G)] },
            ),
            Self::NextTimePoint => row(
                "Next time point",
                "Open the next volume of this 4-D file; every time point has its own labels",
                const { &[alt(Key::PageDown)] },
            ),
            Self::PreviousTimePoint => row(
                "Previous time point",
                "Open the volume before in this 4-D file; every time point has its own labels",
                const { &[alt(Key::PageUp)] },
            ),
            Self::ImportMask => row("Import mask…", "Replace the labels by those of a NIfTI file", &[]),
            Self::Save => row(
                "Save mask",
                "Save the label map as NIfTI in the grid of the image",
                const { &[ctrl(Key::S)] },
            ),
            Self::SaveAs => {
                row("Save mask as…", "Save the label map under another name", const { &[ctrl_shift(Key::S)] })
            }
            Self::ExportSurface => {
                row("Export surface…", "Write the surfaces of all labels as STL, OBJ or PLY", &[])
            }
            Self::SavePicture => row(
                "Save picture of views…",
                "Save what the views show as PNG, or as DICOM (secondary capture) in the study of the image",
                &[],
            ),
            Self::Deidentify => row(
                "De-identify DICOM files…",
                "Copy the files of the image without what identifies the patient",
                &[],
            ),
            Self::CloseImage => {
                row("Close image", "Close the image and go to the start page", const { &[ctrl(Key::W)] })
            }
            Self::Quit => row("Quit", "Close the window", const { &[ctrl(Key::Q)] }),
            Self::Undo => row("Undo", "Take the last step back", const { &[ctrl(Key::Z)] }),
            Self::Redo => {
                row("Redo", "Take the undone step again", const { &[ctrl_shift(Key::Z), ctrl(Key::Y)] })
            }
            Self::PreviousLabel => {
                row("Previous label", "Edit the label above in the list", const { &[key(Key::Q)] })
            }
            Self::NextLabel => {
                row("Next label", "Edit the label below in the list", const { &[key(Key::W)] })
            }
            Self::AddLabel => row("Add label", "Add a label and edit it", const { &[ctrl_shift(Key::N)] }),
            Self::ClearLabel => row("Clear active label", "Erase all voxels of the label being edited", &[]),
            _ => return None,
        })
    }

    fn tool(self) -> Option<Description> {
        Some(match self {
            Self::ToolNavigate => {
                row("Navigate", "Look only: left drag changes window and level", const { &[key(Key::V)] })
            }
            Self::ToolPoint => {
                row("Point", "Click a lesion; the network proposes its outline", const { &[key(Key::P)] })
            }
            Self::ToolBrush => row("Brush", "Paint the active label", const { &[key(Key::B)] }),
            Self::ToolEraser => row("Eraser", "Erase the active label", const { &[key(Key::E)] }),
            Self::ToolEllipse => row(
                "Ellipse",
                "Drag the ellipses of disc and cup by their middle and the ends of their axes",
                const { &[key(Key::O)] },
            ),
            Self::ToggleSign => row(
                "Toggle point sign",
                "Switch between points inside (+) and outside (−) the lesion",
                const { &[key(Key::T)] },
            ),
            Self::ToggleBall => row(
                "Toggle disc and ball",
                "Paint in one slice or in three dimensions",
                const { &[key(Key::D)] },
            ),
            Self::BrushSmaller => {
                row("Smaller brush", "Make the brush smaller", const { &[key(Key::OpenBracket)] })
            }
            Self::BrushLarger => {
                row("Larger brush", "Make the brush larger", const { &[key(Key::CloseBracket)] })
            }
            Self::Accept => row(
                "Accept proposal",
                "Take the proposal over into the active label",
                const { &[key(Key::Enter)] },
            ),
            Self::Reject => {
                row("Reject proposal", "Drop the proposal and its points", const { &[key(Key::Escape)] })
            }
            Self::Cancel => {
                row("Cancel running work", "Stop opening or segmenting", const { &[ctrl(Key::Period)] })
            }
            _ => return None,
        })
    }

    fn measure(self) -> Option<Description> {
        Some(match self {
            Self::OpenProject => row("Open project…", "Open a folder with a saved project", &[]),
            Self::KeptWork => {
                row("Kept work…", "What was made of images and is in no project: open it, or delete it", &[])
            }
            Self::SaveProject => row(
                "Save project as…",
                "Keep image reference, labels, points, measurements and the whole history in a folder",
                &[],
            ),
            Self::ToolDistance => row(
                "Distance",
                "Measure a distance: click or drag from one point to the other",
                const { &[alt(Key::L)] },
            ),
            Self::ToolAngle => row(
                "Angle",
                "Measure an angle: click an end, the vertex, the other end",
                const { &[alt(Key::A)] },
            ),
            Self::ClearRulers => row("Remove all rulers", "Remove all distances and angles", &[]),
            Self::ShowMeasurements => row(
                "Measurements",
                "Show or hide the table of all labels, distances and angles",
                const { &[alt(Key::M)] },
            ),
            Self::CopyMeasurements => {
                row("Copy measurements", "Copy the table for a spreadsheet", const { &[shift(Key::C)] })
            }
            Self::SaveMeasurements => row("Save measurements…", "Write the table as a CSV file", &[]),
            Self::CompareWithMask => {
                row("Compare with mask…", "Read a mask and compare the labels with it", &[])
            }
            Self::JumpToLongAxis => row(
                "Go to long axis",
                "Show the slice in which the active label has its RECIST axes",
                const { &[key(Key::J)] },
            ),
            _ => return None,
        })
    }

    fn view(self) -> Option<Description> {
        Some(match self {
            Self::Preset1 => row("Window: soft tissue", "CT window 40 / 400 HU", const { &[key(Key::Num1)] }),
            Self::Preset2 => row("Window: lung", "CT window −600 / 1500 HU", const { &[key(Key::Num2)] }),
            Self::Preset3 => row("Window: bone", "CT window 400 / 1800 HU", const { &[key(Key::Num3)] }),
            Self::Preset4 => row("Window: brain", "CT window 40 / 80 HU", const { &[key(Key::Num4)] }),
            Self::Preset5 => row("Window: liver", "CT window 90 / 150 HU", const { &[key(Key::Num5)] }),
            Self::Preset6 => row("Window: mediastinum", "CT window 50 / 350 HU", const { &[key(Key::Num6)] }),
            Self::AutoWindow => row(
                "Window: automatic",
                "Window from the percentiles of the image",
                const { &[key(Key::Num0)] },
            ),
            Self::ToggleMask => row("Toggle mask", "Show or hide all labels", const { &[key(Key::G)] }),
            Self::ToggleInterpolation => {
                row("Toggle interpolation", "Smooth or nearest pixels", const { &[key(Key::I)] })
            }
            Self::ToggleCrosshair => row(
                "Toggle crosshair",
                "Show or hide the lines of the other planes",
                const { &[key(Key::X)] },
            ),
            Self::TogglePanels => row(
                "Toggle side panels",
                "Show or hide worklist and panel at the sides, for more room for the image",
                const { &[shift(Key::F10)] },
            ),
            Self::ResetView => row("Reset view", "Fit the image to the views", const { &[key(Key::R)] }),
            Self::LayoutAll => {
                row("Layout: three planes", "Show all three planes", const { &[key(Key::F5)] })
            }
            Self::LayoutAxial => row("Layout: axial", "Show the axial plane only", const { &[key(Key::F6)] }),
            Self::LayoutCoronal => {
                row("Layout: coronal", "Show the coronal plane only", const { &[key(Key::F7)] })
            }
            Self::LayoutSagittal => {
                row("Layout: sagittal", "Show the sagittal plane only", const { &[key(Key::F8)] })
            }
            Self::PreviousSlice => row(
                "Previous slice",
                "One slice back in the view under the mouse",
                const { &[key(Key::ArrowUp), key(Key::ArrowLeft)] },
            ),
            Self::NextSlice => row(
                "Next slice",
                "One slice on in the view under the mouse",
                const { &[key(Key::ArrowDown), key(Key::ArrowRight)] },
            ),
            Self::PreviousSlices => row(
                "Ten slices back",
                "Ten slices back in the view under the mouse",
                const { &[key(Key::PageUp)] },
            ),
            Self::NextSlices => row(
                "Ten slices on",
                "Ten slices on in the view under the mouse",
                const { &[key(Key::PageDown)] },
            ),
            Self::FirstSlice => {
                row("First slice", "First slice of the view under the mouse", const { &[key(Key::Home)] })
            }
            Self::LastSlice => {
                row("Last slice", "Last slice of the view under the mouse", const { &[key(Key::End)] })
            }
            Self::CenterOnLabel => row(
                "Centre on label",
                "Move the crosshair to the middle of the active label",
                const { &[key(Key::C)] },
            ),
            _ => return None,
        })
    }

    fn photo(self) -> Option<Description> {
        Some(match self {
            Self::OutlineDisc => row(
                "Outline disc and cup",
                "Let the network outline disc and cup; the old outlines can be undone back",
                const { &[key(Key::A)] },
            ),
            Self::OutlineVessels => {
                row("Outline vessels", "Let the network find the vessels", const { &[shift(Key::A)] })
            }
            Self::MeasureAnyway => row(
                "Measure as fundus anyway",
                "Measure disc and cup although the picture does not look like a fundus photograph",
                &[],
            ),
            Self::LabelImage => row("Label image…", "Choose a model that labels the whole image", &[]),
            Self::SwitchEye => row("Switch eye", "Say that it is the other eye", const { &[key(Key::S)] }),
            Self::NextEnhancement => row(
                "Next enhancement",
                "Colour, green channel, local contrast of green, local contrast of colour",
                const { &[key(Key::K)] },
            ),
            Self::ZoomToDisc => row("Zoom to disc", "Show the disc large", const { &[key(Key::F)] }),
            Self::MarkReviewed => row(
                "Mark reviewed",
                "Say that you have looked and agree with the outlines",
                const { &[key(Key::M)] },
            ),
            Self::PreviousPicture => row(
                "Previous picture",
                "The picture before in the folder; also the left arrow",
                const { &[shift(Key::N)] },
            ),
            Self::NextPicture => row(
                "Next picture",
                "The picture after in the folder; also the right arrow",
                const { &[key(Key::N)] },
            ),
            Self::ExportTable => row("Export table…", "Write the figures of all pictures as a CSV file", &[]),
            Self::SavePage => {
                row("Save page…", "Write a page for the record as PDF, both eyes of the patient", &[])
            }
            _ => return None,
        })
    }

    fn other(self) -> Description {
        match self {
            Self::ShowWarnings => row("Image warnings", "What is unusual about the image", &[]),
            Self::Palette => {
                row("Command palette…", "Find and run any command", const { &[ctrl_shift(Key::P)] })
            }
            Self::Shortcuts => row("Keyboard shortcuts", "List all keys", const { &[key(Key::F1)] }),
            Self::Models => row(
                "Models…",
                "Which networks there are, and which one answers clicks",
                const { &[ctrl(Key::M)] },
            ),
            Self::Settings => {
                row("Settings…", "Theme, text size, opacity and device", const { &[ctrl(Key::Comma)] })
            }
            Self::ToggleTheme => {
                row("Toggle dark and light", "Switch between the dark and the light theme", &[])
            }
            Self::LargerText => {
                row("Larger text", "Make all text larger", const { &[ctrl(Key::Plus), ctrl(Key::Equals)] })
            }
            Self::SmallerText => row("Smaller text", "Make all text smaller", const { &[ctrl(Key::Minus)] }),
            _ => row("About Hilum", "Version, licence and purpose", const { &[shift(Key::F1)] }),
        }
    }
}
