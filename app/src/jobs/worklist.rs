//! The thread that keeps the worklist on disk and looks for images and outlines.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use hilum_core::geometry::Grid;
use hilum_core::io::open_labels;
use hilum_core::label::{LabelMap, LabelTable};
use hilum_core::measure::{Confusion, RaterQuality, Votes};
use hilum_core::worklist::{
    Case, CaseId, CaseState, FoundImages, Outline, Worklist, WorklistStore, find_images, mask_for,
};

use super::{Event, Inbox, MaskPairs, Numbered, WrittenMasks, pair_masks, take_mask, write_masks};

/// What can be asked of the thread.
#[derive(Debug)]
pub enum WorklistRequest {
    /// Make a worklist of a folder.
    Create {
        /// The folder.
        folder: PathBuf,
        /// What it starts with.
        list: Box<Worklist>,
    },
    /// Open a worklist.
    Open {
        /// Its folder.
        folder: PathBuf,
    },
    /// Write a worklist.
    Keep {
        /// Its folder.
        folder: PathBuf,
        /// It.
        list: Box<Worklist>,
    },
    /// Let go of the worklist that is open.
    Close,
    /// Tells `sender` when everything before is done.
    Flush(SyncSender<()>),
}

/// What can be asked of the thread that searches, which may take its time.
#[derive(Debug)]
pub enum SearchRequest {
    /// Look for images.
    Find {
        /// The worklist that they are for.
        folder: PathBuf,
        /// Files and folders.
        paths: Vec<PathBuf>,
    },
    /// Look in a folder for masks of these cases and copy them to the worklist.
    FindOutlines {
        /// The worklist.
        folder: PathBuf,
        /// The cases.
        cases: Vec<Case>,
        /// Where the masks lie.
        from: PathBuf,
    },
    /// Look in a folder for masks of these cases that could be their labels.
    FindMasks {
        /// The worklist.
        folder: PathBuf,
        /// The cases.
        cases: Vec<Case>,
        /// Where the masks lie.
        from: PathBuf,
    },
    /// Make the projects of cases with masks as their labels.
    TakeMasks {
        /// The worklist.
        folder: PathBuf,
        /// The cases, each with its mask.
        masks: Vec<(Case, PathBuf)>,
        /// The labels of the worklist.
        labels: LabelTable,
        /// What the cases are then.
        state: CaseState,
    },
    /// Write the masks of all cases that are done.
    WriteMasks {
        /// The worklist.
        folder: PathBuf,
        /// Where to.
        to: PathBuf,
    },
    /// Compare what several people drew in a case.
    Compare {
        /// The case.
        case: CaseId,
        /// The masks, with who drew them.
        outlines: Vec<(String, PathBuf)>,
        /// What is in the window now, as one more.
        own: Option<Arc<LabelMap>>,
        /// Grid of the image.
        grid: Grid,
        /// The label that is compared.
        label: u16,
    },
}

impl Numbered for SearchRequest {
    fn number(&self) -> Option<u64> {
        None
    }
}

/// Handles one request on the `search` thread.
pub fn handle_search(request: SearchRequest, inbox: &Inbox) {
    let event = match request {
        SearchRequest::Find { folder, paths } => WorklistEvent::Found(folder, find_images(&paths)),
        SearchRequest::FindOutlines { folder, cases, from } => {
            let copied = copy_outlines(&folder, &cases, &from).unwrap_or_else(|error| {
                let notes = vec![format!("cannot read the folder ({error}): {}", from.display())];
                CopiedOutlines { notes, ..CopiedOutlines::default() }
            });
            WorklistEvent::Outlines(folder, copied)
        }
        SearchRequest::FindMasks { folder, cases, from } => {
            let told = |error| format!("cannot read the folder ({error}): {}", from.display());
            let pairs = pair_masks(&folder, &cases, &from).map_err(told);
            WorklistEvent::MaskPairs(folder, pairs)
        }
        SearchRequest::TakeMasks { folder, masks, labels, state } => {
            let (mut taken, mut notes) = (Vec::new(), Vec::new());
            for (case, mask) in &masks {
                match take_mask(&folder, case, mask, &labels) {
                    Ok(()) => taken.push(case.id),
                    Err(error) => notes.push(format!("{error:#}")),
                }
            }
            WorklistEvent::MasksTaken { folder, taken, state, notes }
        }
        SearchRequest::WriteMasks { folder, to } => {
            let written = write_masks(&folder, &to, &mut |_, _| ()).map_err(|error| format!("{error:#}"));
            WorklistEvent::MasksWritten(to, written)
        }
        SearchRequest::Compare { case, outlines, own, grid, label } => {
            let compared = compare(case, &outlines, own.as_deref(), &grid, label);
            WorklistEvent::Compared(compared.map(Box::new))
        }
    };
    inbox.send(Event::Worklist(event));
}

impl Numbered for WorklistRequest {
    fn number(&self) -> Option<u64> {
        None
    }
}

/// Several people's outlines of one label in one case.
#[derive(Clone, Debug, PartialEq)]
pub struct OutlineComparison {
    /// The case.
    pub case: CaseId,
    /// The label.
    pub label: u16,
    /// Who drew, with the quality that STAPLE gives them.
    pub raters: Vec<(String, RaterQuality)>,
    /// Dice of every pair, by place in `raters`.
    pub dice: Vec<(usize, usize, f64)>,
    /// Voxels that more than half mark.
    pub majority: Vec<bool>,
    /// Voxels that belong to the object with probability of at least one half.
    pub staple: Vec<bool>,
    /// Voxels on which not all agree.
    pub differs: Vec<bool>,
}

/// What it answers.
#[derive(Debug)]
pub enum WorklistEvent {
    /// A worklist is open.
    Opened {
        /// Its folder.
        folder: PathBuf,
        /// It.
        list: Box<Worklist>,
        /// What was mended, for people.
        warnings: Vec<String>,
    },
    /// It was not opened or made; the one before stays.
    NotOpened(String),
    /// Changes of the worklist cannot be written; told once.
    NotKept(String),
    /// They are written again.
    KeptAgain,
    /// Images were found.
    Found(PathBuf, FoundImages),
    /// Masks were found and copied; with what was not, for people.
    Outlines(PathBuf, CopiedOutlines),
    /// Masks with the cases that they belong to, or why there are none.
    MaskPairs(PathBuf, Result<MaskPairs, String>),
    /// Masks are labels of cases now.
    MasksTaken {
        /// The worklist.
        folder: PathBuf,
        /// The cases.
        taken: Vec<CaseId>,
        /// What they are now.
        state: CaseState,
        /// What was left out, for people.
        notes: Vec<String>,
    },
    /// Masks were written there, or not.
    MasksWritten(PathBuf, Result<WrittenMasks, String>),
    /// Outlines were compared, or not.
    Compared(Result<Box<OutlineComparison>, String>),
}

/// Owns the worklist that is open.
pub struct WorklistWorker {
    inbox: Inbox,
    store: Option<WorklistStore>,
    complained: bool,
}

impl WorklistWorker {
    /// No worklist is open.
    pub fn new(inbox: Inbox) -> Self {
        Self { inbox, store: None, complained: false }
    }

    /// Handles one request.
    pub fn handle(&mut self, request: WorklistRequest) {
        let event = match request {
            WorklistRequest::Create { folder, list } => self.create(folder, list),
            WorklistRequest::Open { folder } => self.open(folder),
            WorklistRequest::Keep { folder, list } => match self.keep(&folder, &list) {
                Some(event) => event,
                None => return,
            },
            WorklistRequest::Close => {
                self.store = None;
                return;
            }
            WorklistRequest::Flush(sender) => {
                sender.send(()).ok();
                return;
            }
        };
        self.inbox.send(Event::Worklist(event));
    }

    fn create(&mut self, folder: PathBuf, list: Box<Worklist>) -> WorklistEvent {
        match WorklistStore::create(&folder, &list) {
            Ok(store) => {
                self.take(store);
                WorklistEvent::Opened { folder, list, warnings: Vec::new() }
            }
            Err(error) => WorklistEvent::NotOpened(format!("The worklist was not made: {error}")),
        }
    }

    fn open(&mut self, folder: PathBuf) -> WorklistEvent {
        // Opening the one that is open again must not fail at its own lock.
        if self.store.as_ref().is_some_and(|store| store.folder() == folder) {
            self.store = None;
        }
        match WorklistStore::open(&folder) {
            Ok((store, list, warnings)) => {
                self.take(store);
                let warnings = warnings.iter().map(ToString::to_string).collect();
                WorklistEvent::Opened { folder, list: Box::new(list), warnings }
            }
            Err(error) => WorklistEvent::NotOpened(error.to_string()),
        }
    }

    fn take(&mut self, store: WorklistStore) {
        self.store = Some(store);
        self.complained = false;
    }

    /// Writes a list; one that is not open any more is opened for it.
    fn keep(&mut self, folder: &Path, list: &Worklist) -> Option<WorklistEvent> {
        let written = match self.store.as_ref().filter(|store| store.folder() == folder) {
            Some(store) => store.save(list),
            None => WorklistStore::open(folder).and_then(|(store, ..)| store.save(list)),
        };
        match written {
            Ok(()) => std::mem::take(&mut self.complained).then_some(WorklistEvent::KeptAgain),
            Err(_) if self.complained => None,
            Err(error) => {
                self.complained = true;
                let why = format!("The worklist cannot be written, which is tried again: {error}");
                Some(WorklistEvent::NotKept(why))
            }
        }
    }
}

/// Masks that were copied to a worklist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CopiedOutlines {
    /// Which case each is for.
    pub outlines: Vec<(CaseId, Outline)>,
    /// What was left out and why, for people.
    pub notes: Vec<String>,
}

/// Copies the masks in a folder that belong to cases into the folder of the worklist; the annotator is called like the
/// folder. A mask that cannot be read is left out, with a note.
///
/// # Errors
/// If the folder cannot be read.
pub fn copy_outlines(worklist: &Path, cases: &[Case], from: &Path) -> std::io::Result<CopiedOutlines> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(from)?.filter_map(|e| Some(e.ok()?.path())).collect();
    files.retain(|file| file.is_file());
    files.sort();
    let annotator = from.file_name().unwrap_or(from.as_os_str()).to_string_lossy().into_owned();
    let (mut outlines, mut notes) = (Vec::new(), Vec::new());
    for case in cases {
        let Some(file) = mask_for(case, &files) else { continue };
        let copied = open_labels(file).map_err(|error| error.to_string()).and_then(|_| {
            let ending = if file.extension().is_some_and(|end| end == "gz") { "nii.gz" } else { "nii" };
            let target = case.outline_folder(worklist).join(format!("{}.{ending}", file_safe(&annotator)));
            let below = case.outline_folder(worklist);
            std::fs::create_dir_all(&below)
                .and_then(|()| std::fs::copy(file, &target))
                .map_err(|error| format!("cannot copy the mask ({error}): {}", target.display()))?;
            Ok(target.strip_prefix(worklist).unwrap_or(&target).to_owned())
        });
        match copied {
            Ok(path) => outlines.push((case.id, Outline { annotator: annotator.clone(), path })),
            Err(note) => notes.push(note),
        }
    }
    if outlines.is_empty() && notes.is_empty() {
        notes.push(format!("no mask in the folder has the name of a case: {}", from.display()));
    }
    Ok(CopiedOutlines { outlines, notes })
}

/// Letters, digits and dashes of a name.
fn file_safe(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// Compares outlines on the grid of their image.
///
/// # Errors
/// What is wrong, for people.
pub fn compare(
    case: CaseId,
    outlines: &[(String, PathBuf)],
    own: Option<&LabelMap>,
    grid: &Grid,
    label: u16,
) -> Result<OutlineComparison, String> {
    let mut names = Vec::new();
    let mut masks: Vec<Vec<bool>> = Vec::new();
    for (annotator, path) in outlines {
        let read = open_labels(path).map_err(|error| error.to_string())?;
        let is_same = read.grid.dims() == grid.dims()
            && read.grid.affine().agrees_with(grid.affine(), grid.dims(), 0.5);
        if !is_same {
            return Err(format!("the mask lies on another grid than the image: {}", path.display()));
        }
        names.push(annotator.clone());
        masks.push(read.labels.iter().map(|value| *value == label).collect());
    }
    if let Some(own) = own {
        names.push("This case".into());
        masks.push(own.iter().map(|value| value == label).collect());
    }
    let slices: Vec<&[bool]> = masks.iter().map(Vec::as_slice).collect();
    let votes = Votes::of(&slices).map_err(|error| error.to_string())?;
    let staple = votes.staple();
    let mut dice = Vec::new();
    for a in 0..masks.len() {
        for b in a + 1..masks.len() {
            let confusion = Confusion::of(&masks[a], &masks[b]).map_err(|error| error.to_string())?;
            dice.push((a, b, confusion.dice()));
        }
    }
    Ok(OutlineComparison {
        case,
        label,
        raters: names.into_iter().zip(staple.quality).collect(),
        dice,
        majority: votes.majority(),
        staple: staple.probability.iter().map(|p| *p >= 0.5).collect(),
        differs: votes.disagreement().iter().map(|entropy| *entropy > 0.0).collect(),
    })
}
