//! File dialogs of the system, off the thread that draws.

use std::path::PathBuf;

use super::{Event, Inbox};

/// Endings of files that may hold a label map.
const LABEL_MAPS: [&str; 9] = ["nii", "gz", "hdr", "img", "nrrd", "nhdr", "mha", "mhd", "dcm"];

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// An image file.
    OpenFile,
    /// A folder.
    OpenFolder,
    /// A folder with a project.
    OpenProject,
    /// Where the image of a project lies now.
    Relocate {
        /// The project.
        project: PathBuf,
        /// The image is a folder.
        is_folder: bool,
    },
    /// Where to make a project; the name proposed.
    SaveProject {
        /// Name of the folder.
        name: String,
        /// Folder to start in.
        folder: Option<PathBuf>,
    },
    /// Where to make a worklist.
    NewWorklist,
    /// A folder with a worklist.
    OpenWorklist,
    /// Images for the worklist.
    AddCases,
    /// A folder with images for the worklist.
    AddCaseFolder,
    /// A folder with what somebody else drew.
    ImportOutlines,
    /// A folder with masks of many cases.
    ImportCaseMasks,
    /// Where to write the masks of all cases that are done.
    ExportCaseMasks,
    /// A mask to compare with.
    CompareMask,
    /// Where to write the measurements; the name proposed.
    SaveMeasurements {
        /// File name.
        name: String,
    },
    /// A mask of the open image.
    ImportMask,
    /// Where to save the mask; the name proposed.
    SaveMask {
        /// File name.
        name: String,
        /// Folder to start in.
        folder: Option<PathBuf>,
    },
    /// Where to write the surfaces of the labels; the name proposed.
    SaveSurface {
        /// File name.
        name: String,
        /// Folder to start in.
        folder: Option<PathBuf>,
    },
    /// Where to write a picture of the views; the name proposed.
    SavePicture {
        /// File name.
        name: String,
        /// Folder to start in.
        folder: Option<PathBuf>,
    },
    /// A new folder for copies without names.
    DeidentifyInto,
    /// Where to write the table of results; the name proposed.
    ExportTable {
        /// File name.
        name: String,
    },
    /// Where to write a map of attention; the name proposed.
    SaveMap {
        /// File name.
        name: String,
    },
    /// Where to write a figure of maps of attention; the name proposed.
    SaveFigure {
        /// File name.
        name: String,
    },
    /// Where to write the page of a patient; the name proposed.
    SavePage {
        /// File name.
        name: String,
    },
}

/// Asks a person for paths. Tests answer in its place.
pub trait Dialogs {
    /// Starts asking; the answer comes as [`Event::Chosen`].
    ///
    /// # Errors
    /// If the system refuses another thread.
    fn ask(&self, ask: Ask, inbox: &Inbox) -> std::io::Result<()>;
}

/// The dialogs of the desktop.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDialogs;

impl Dialogs for SystemDialogs {
    fn ask(&self, ask: Ask, inbox: &Inbox) -> std::io::Result<()> {
        if ask == Ask::AddCases {
            return ask_for_several(ask, inbox);
        }
        // The future must be made on the thread of the window (macOS); it may be waited for on any.
        let dialog = rfd::AsyncFileDialog::new();
        let future: std::pin::Pin<Box<dyn Future<Output = Option<rfd::FileHandle>> + Send>> = match &ask {
            Ask::OpenFile => Box::pin(for_images(dialog.set_title("Open image")).pick_file()),
            Ask::ImportMask => {
                Box::pin(dialog.set_title("Import mask").add_filter("Label maps", &LABEL_MAPS).pick_file())
            }
            Ask::OpenProject => Box::pin(dialog.set_title("Open project").pick_folder()),
            Ask::NewWorklist => {
                Box::pin(dialog.set_title("New worklist").set_file_name("worklist").save_file())
            }
            Ask::OpenWorklist => Box::pin(dialog.set_title("Open worklist").pick_folder()),
            Ask::AddCaseFolder | Ask::AddCases => {
                Box::pin(dialog.set_title("Folder with images for the worklist").pick_folder())
            }
            Ask::ImportOutlines => {
                Box::pin(dialog.set_title("Folder with one annotator's masks").pick_folder())
            }
            Ask::ImportCaseMasks => {
                Box::pin(dialog.set_title("Folder with masks named after the cases").pick_folder())
            }
            Ask::ExportCaseMasks => {
                Box::pin(dialog.set_title("Folder for the masks").set_file_name("masks").save_file())
            }
            Ask::Relocate { is_folder: true, .. } => {
                Box::pin(dialog.set_title("Folder of the project's image").pick_folder())
            }
            Ask::Relocate { .. } => Box::pin(dialog.set_title("The project's image").pick_file()),
            Ask::CompareMask => Box::pin(
                dialog.set_title("Compare with mask").add_filter("Label maps", &LABEL_MAPS).pick_file(),
            ),
            Ask::SaveMeasurements { name } => Box::pin(
                dialog
                    .set_title("Save measurements")
                    .set_file_name(name)
                    .add_filter("CSV", &["csv"])
                    .save_file(),
            ),
            Ask::SaveProject { name, folder } => {
                let dialog = dialog.set_title("Save project").set_file_name(name);
                Box::pin(in_folder(dialog, folder.as_ref()).save_file())
            }
            Ask::OpenFolder => {
                Box::pin(dialog.set_title("Open folder of DICOM files or photographs").pick_folder())
            }
            Ask::ExportTable { name } => Box::pin(
                dialog.set_title("Export table").set_file_name(name).add_filter("CSV", &["csv"]).save_file(),
            ),
            Ask::SaveMap { name } => Box::pin(for_maps(dialog.set_file_name(name)).save_file()),
            Ask::SaveFigure { name } => Box::pin(
                dialog
                    .set_title("Export figure")
                    .set_file_name(name)
                    .add_filter("PNG", &["png"])
                    .add_filter("SVG", &["svg"])
                    .save_file(),
            ),
            Ask::SavePage { name } => Box::pin(
                dialog.set_title("Save page").set_file_name(name).add_filter("PDF", &["pdf"]).save_file(),
            ),
            Ask::SaveSurface { name, folder } => {
                let dialog = for_saving_surfaces(dialog.set_title("Export surface").set_file_name(name));
                Box::pin(in_folder(dialog, folder.as_ref()).save_file())
            }
            Ask::SavePicture { name, folder } => {
                let dialog = dialog.set_title("Save picture").set_file_name(name).add_filter("PNG", &["png"]);
                let dialog = dialog.add_filter("DICOM secondary capture", &["dcm"]);
                Box::pin(in_folder(dialog, folder.as_ref()).save_file())
            }
            Ask::DeidentifyInto => {
                Box::pin(dialog.set_title("Folder for the copies").set_file_name("de-identified").save_file())
            }
            Ask::SaveMask { name, folder } => {
                let dialog = for_saving_masks(dialog.set_title("Save mask").set_file_name(name));
                Box::pin(in_folder(dialog, folder.as_ref()).save_file())
            }
        };
        let inbox = inbox.clone();
        std::thread::Builder::new().name("dialog".into()).spawn(move || {
            let chosen = pollster::block_on(future).map(|file| file.path().to_owned());
            inbox.send(Event::Chosen(ask, chosen));
        })?;
        Ok(())
    }
}

fn ask_for_several(ask: Ask, inbox: &Inbox) -> std::io::Result<()> {
    let future = rfd::AsyncFileDialog::new().set_title("Images for the worklist").pick_files();
    let inbox = inbox.clone();
    std::thread::Builder::new().name("dialog".into()).spawn(move || {
        let chosen = pollster::block_on(future).unwrap_or_default();
        let paths = chosen.iter().map(|file| file.path().to_owned()).collect();
        inbox.send(Event::ChosenSeveral(ask, paths));
    })?;
    Ok(())
}

/// The formats of maps of attention.
fn for_maps(dialog: rfd::AsyncFileDialog) -> rfd::AsyncFileDialog {
    dialog.set_title("Export map").add_filter("NIfTI", &["nii.gz", "nii"]).add_filter("Picture", &["png"])
}

/// The formats of images.
fn for_images(dialog: rfd::AsyncFileDialog) -> rfd::AsyncFileDialog {
    dialog
        .add_filter("All files", &["*"])
        .add_filter("NIfTI", &["nii", "gz", "hdr", "img"])
        .add_filter("DICOM", &["dcm", "dicom", "ima"])
        .add_filter("NRRD and MetaImage", &["nrrd", "nhdr", "mha", "mhd"])
        .add_filter("Photographs", &["png", "jpg", "jpeg", "tif", "tiff", "bmp"])
}

/// The formats of surfaces, the usual one first.
fn for_saving_surfaces(dialog: rfd::AsyncFileDialog) -> rfd::AsyncFileDialog {
    dialog.add_filter("STL", &["stl"]).add_filter("OBJ", &["obj"]).add_filter("PLY, with colours", &["ply"])
}

fn in_folder(dialog: rfd::AsyncFileDialog, folder: Option<&PathBuf>) -> rfd::AsyncFileDialog {
    match folder {
        Some(folder) => dialog.set_directory(folder),
        None => dialog,
    }
}

/// The formats of label maps, the usual one first.
fn for_saving_masks(dialog: rfd::AsyncFileDialog) -> rfd::AsyncFileDialog {
    dialog
        .add_filter("NIfTI", &["nii.gz", "nii"])
        .add_filter("3D Slicer segmentation", &["seg.nrrd"])
        .add_filter("NRRD", &["nrrd"])
        .add_filter("MetaImage", &["mha", "mhd"])
        .add_filter("DICOM segmentation (SEG)", &["dcm"])
        .add_filter("DICOM structure set (RTSTRUCT)", &["rtstruct.dcm"])
}
