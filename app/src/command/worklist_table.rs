//! Commands about worklists.

use egui::Key;

use super::UiCommand;
use super::table::{Description, alt, row};

impl UiCommand {
    pub(super) fn worklist(self) -> Option<Description> {
        Some(match self {
            Self::NewWorklist => {
                row("New worklist…", "Make a worklist of a folder: many images to be labelled alike", &[])
            }
            Self::OpenWorklist => row("Open worklist…", "Open the folder of a worklist", &[]),
            Self::CloseWorklist => row("Close worklist", "Close the list; everything in it is kept", &[]),
            Self::AddCases => row("Add images…", "Add image files to the worklist", &[]),
            Self::AddCaseFolder => {
                row("Add folder…", "Add every image and every DICOM series below a folder", &[])
            }
            Self::ImportOutlines => row(
                "Import outlines…",
                "Take over what somebody drew earlier: a folder of masks named after the cases",
                &[],
            ),
            Self::ImportCaseMasks => row(
                "Import masks of cases…",
                "Take masks in a folder over as labels of the cases that they are named after; shown before it is done",
                &[],
            ),
            Self::ExportCaseMasks => row(
                "Export masks of cases…",
                "Write the masks of all corrected and reviewed cases as NIfTI files",
                &[],
            ),
            Self::NextCase => row(
                "Next case",
                "Look at the next case that is not done, in the order of the list; also N",
                const { &[alt(Key::N)] },
            ),
            Self::MarkCorrected => row(
                "Mark corrected",
                "Say that the labels of this case are right: networks may learn from it",
                const { &[alt(Key::C)] },
            ),
            Self::MarkCaseReviewed => row(
                "Mark case reviewed",
                "Say that a second look confirmed the labels",
                const { &[alt(Key::V)] },
            ),
            Self::ReopenCase => row("Reopen case", "Say that the case needs work again", &[]),
            Self::ToggleSetAside => row(
                "Set aside",
                "Judge networks on this case instead of teaching them with it",
                const { &[alt(Key::S)] },
            ),
            Self::CompareOutlines => {
                row("Compare outlines", "Compare what several people drew of the active label", &[])
            }
            Self::Teach => row(
                "Teach",
                "Teach the model with the corrected cases, compare it on those set aside, and use it if it is no worse",
                &[],
            ),
            Self::PauseTeaching => {
                row("Pause teaching", "Let teaching rest after its present step, or go on", &[])
            }
            Self::StopTeaching => {
                row("Stop teaching", "End after the present step; what was learned is compared and kept", &[])
            }
            Self::RankCases => row(
                "Order by doubt",
                "Ask the network about every case that is not done; the least known comes first",
                &[],
            ),
            _ => return None,
        })
    }
}
