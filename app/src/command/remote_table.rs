//! Commands about servers.

use super::UiCommand;
use super::table::{Description, row};

impl UiCommand {
    pub(super) fn remote(self) -> Option<Description> {
        Some(match self {
            Self::OpenFromServer => {
                row("Open from server…", "Search an archive that speaks DICOMweb, and fetch a series", &[])
            }
            Self::StoreOnServer => row(
                "Store labels on server…",
                "Store the labels as a DICOM segmentation on an archive that speaks DICOMweb",
                &[],
            ),
            Self::Servers => row("Servers…", "Set up archives that speak DICOMweb", &[]),
            _ => return None,
        })
    }
}
