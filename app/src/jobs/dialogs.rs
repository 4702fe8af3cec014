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
        let future = for_opening(&ask).unwrap_or_else(|| for_writing(&ask));
        let inbox = inbox.clone();
        std::thread::Builder::new().name("dialog".into()).spawn(move || {
            let chosen = pollster::block_on(future).map(|file| file.path().to_owned());
            inbox.send(Event::Chosen(ask, chosen));
        })?;
        Ok(())
    }
}

/// What a person will have chosen.
type Choice = std::pin::Pin<Box<dyn Future<Output = Option<rfd::FileHandle>> + Send>>;

/// The dialogs that ask for what is there; `None` for those that ask where to write.
fn for_opening(ask: &Ask) -> Option<Choice> {
    let titled = |title: &str| rfd::AsyncFileDialog::new().set_title(title);
    let label_map = |title| titled(title).add_filter("Label maps", &LABEL_MAPS).pick_file();
    let folder = |title: &str| -> Choice { Box::pin(titled(title).pick_folder()) };
    Some(match ask {
        Ask::OpenFile => Box::pin(for_images(titled("Open image")).pick_file()),
        Ask::OpenFolder => folder("Open folder of DICOM files or photographs"),
        Ask::OpenProject => folder("Open project"),
        Ask::OpenWorklist => folder("Open worklist"),
        Ask::AddCaseFolder | Ask::AddCases => folder("Folder with images for the worklist"),
        Ask::ImportOutlines => folder("Folder with one annotator's masks"),
        Ask::ImportCaseMasks => folder("Folder with masks named after the cases"),
        Ask::Relocate { is_folder: true, .. } => folder("Folder of the project's image"),
        Ask::Relocate { .. } => Box::pin(titled("The project's image").pick_file()),
        Ask::ImportMask => Box::pin(label_map("Import mask")),
        Ask::CompareMask => Box::pin(label_map("Compare with mask")),
        _ => return None,
    })
}

/// The dialogs that ask where to write, with a name and the endings of what is written.
fn for_writing(ask: &Ask) -> Choice {
    let named = |title: &str, name: &str| rfd::AsyncFileDialog::new().set_title(title).set_file_name(name);
    let dialog = match ask {
        Ask::NewWorklist => named("New worklist", "worklist"),
        Ask::ExportCaseMasks => named("Folder for the masks", "masks"),
        Ask::DeidentifyInto => named("Folder for the copies", "de-identified"),
        Ask::SaveMeasurements { name } => named("Save measurements", name).add_filter("CSV", &["csv"]),
        Ask::ExportTable { name } => named("Export table", name).add_filter("CSV", &["csv"]),
        Ask::SavePage { name } => named("Save page", name).add_filter("PDF", &["pdf"]),
        Ask::SaveMap { name } => for_maps(named("Export map", name)),
        Ask::SaveFigure { name } => {
            named("Export figure", name).add_filter("PNG", &["png"]).add_filter("SVG", &["svg"])
        }
        Ask::SaveProject { name, folder } => in_folder(named("Save project", name), folder.as_ref()),
        Ask::SaveSurface { name, folder } => {
            in_folder(for_saving_surfaces(named("Export surface", name)), folder.as_ref())
        }
        Ask::SaveMask { name, folder } => {
            in_folder(for_saving_masks(named("Save mask", name)), folder.as_ref())
        }
        Ask::SavePicture { name, folder } => {
            let dialog = named("Save picture", name).add_filter("PNG", &["png"]);
            in_folder(dialog.add_filter("DICOM secondary capture", &["dcm"]), folder.as_ref())
        }
        // All others ask for what is there.
        _ => rfd::AsyncFileDialog::new(),
    };
    Box::pin(dialog.save_file())
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
    dialog.add_filter("NIfTI", &["nii.gz", "nii"]).add_filter("Picture", &["png"])
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
