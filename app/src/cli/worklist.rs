//! `hilum worklist`: the lists of the window, without one.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use hilum_core::job::Observer as _;
use hilum_core::worklist::{
    Case, CaseChange, CaseFilter, CaseOrder, CaseState, Role, Worklist, WorklistError, WorklistStore,
    find_images,
};
use hilum_models::catalog::DenseTask;
use serde::Serialize;

use super::output::{Console, Progress, Report, table};
use crate::jobs::{
    CopiedOutlines, MaskPair, MaskPairs, WrittenMasks, copy_outlines, pair_masks, take_mask, write_masks,
};

/// Arguments of `worklist`.
#[derive(Debug, Args)]
pub struct WorklistCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a worklist of a folder.
    New {
        /// The folder.
        folder: PathBuf,
        /// The model that proposes and is taught (see `hilum models list`).
        #[arg(long, value_name = "ID")]
        model: Option<String>,
        /// Images and folders to begin with.
        images: Vec<PathBuf>,
    },
    /// Add images: files, and every image and DICOM series below folders.
    Add {
        /// The worklist.
        folder: PathBuf,
        /// Files and folders.
        #[arg(required = true)]
        images: Vec<PathBuf>,
    },
    /// Take over what somebody drew: a folder of NIfTI masks named after the cases.
    Outlines {
        /// The worklist.
        folder: PathBuf,
        /// The masks; the annotator is called like this folder.
        from: PathBuf,
    },
    /// Take masks over as labels of the cases that they are named after, and mark these as corrected.
    Masks {
        /// The worklist.
        folder: PathBuf,
        /// The masks.
        #[arg(long = "import-masks", value_name = "DIR")]
        from: PathBuf,
        /// Only show which mask belongs to which case.
        #[arg(long)]
        dry_run: bool,
        /// Leave the cases in work, for somebody to look at.
        #[arg(long)]
        unchecked: bool,
    },
    /// Write the masks of all corrected and reviewed cases as NIfTI files.
    ExportMasks {
        /// The worklist.
        folder: PathBuf,
        /// A folder; no file is written over.
        to: PathBuf,
    },
    /// List the cases.
    List {
        /// The worklist.
        folder: PathBuf,
        /// Only cases in this state: new, proposed, "in work", corrected, reviewed.
        #[arg(long, value_name = "STATE", value_parser = parse_state)]
        state: Vec<CaseState>,
        /// Those the network is least sure of first.
        #[arg(long)]
        by_doubt: bool,
    },
    /// Judge networks on cases, and never teach them with these.
    SetAside {
        /// The worklist.
        folder: PathBuf,
        /// Names or numbers of the cases.
        #[arg(required = true)]
        cases: Vec<String>,
        /// Teach networks with them again.
        #[arg(long)]
        undo: bool,
    },
}

fn parse_state(text: &str) -> Result<CaseState, String> {
    CaseState::ALL.into_iter().find(|state| state.name() == text).ok_or_else(|| {
        let known: Vec<&str> = CaseState::ALL.iter().map(|state| state.name()).collect();
        format!("there is no such state; there are: {}", known.join(", "))
    })
}

fn now_unix_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl WorklistCommand {
    /// Does it.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        match &self.what {
            What::New { folder, model, images } => {
                let catalog = console.catalog()?;
                let card =
                    model.as_deref().map(|model| catalog.find(model)).transpose()?.map(|found| &found.card);
                let labels =
                    card.and_then(|card| card.dense()).map(DenseTask::label_table).unwrap_or_default();
                let name = folder.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let mut list = Worklist::new(name, labels, model.clone());
                let store = WorklistStore::create(folder, &list)?;
                add(&store, &mut list, images, console)?;
                report(console, &store, &list, &CaseFilter::default(), CaseOrder::Added)
            }
            What::Add { folder, images } => {
                let (store, mut list) = open(folder, console)?;
                add(&store, &mut list, images, console)?;
                report(console, &store, &list, &CaseFilter::default(), CaseOrder::Added)
            }
            What::Outlines { folder, from } => {
                let (store, mut list) = open(folder, console)?;
                let cases: Vec<Case> = list.cases().to_vec();
                let CopiedOutlines { outlines, notes } = copy_outlines(folder, &cases, from)?;
                notes.iter().for_each(|note| console.warn(note));
                anyhow::ensure!(!outlines.is_empty(), "no outlines were imported: {}", notes.join("; "));
                for (case, outline) in outlines {
                    list.apply(case, CaseChange::AddOutline(outline), now_unix_secs())?;
                }
                store.save(&list)?;
                report(console, &store, &list, &CaseFilter::default(), CaseOrder::Added)
            }
            What::Masks { folder, from, dry_run, unchecked } => {
                masks(folder, from, *dry_run, *unchecked, console)
            }
            What::ExportMasks { folder, to } => {
                let progress = Progress::start("reading labels");
                let written = write_masks(folder, to, &mut |done, of| {
                    progress.progress("writing", done as u64, of as u64);
                })?;
                drop(progress);
                written.notes.iter().for_each(|note| console.warn(note));
                written.refused.iter().for_each(|case| console.warn(&format!("not written: {case}")));
                anyhow::ensure!(!written.files.is_empty(), "no mask was written");
                console.report(&ExportReport { to: to.clone(), written })
            }
            What::List { folder, state, by_doubt } => {
                let list = WorklistStore::peek(folder)?;
                let filter = CaseFilter { states: state.clone(), ..CaseFilter::default() };
                let order = if *by_doubt { CaseOrder::Doubt } else { CaseOrder::Added };
                console.report(&listing(folder.clone(), &list, &filter, order))
            }
            What::SetAside { folder, cases, undo } => {
                let (store, mut list) = open(folder, console)?;
                let role = if *undo { Role::Teaching } else { Role::SetAside };
                for name in cases {
                    let id = list.find(name)?.id;
                    list.apply(id, CaseChange::Role(role), now_unix_secs())?;
                }
                store.save(&list)?;
                report(console, &store, &list, &CaseFilter::default(), CaseOrder::Added)
            }
        }
    }
}

/// Shows which mask belongs to which case, and takes them.
fn masks(
    folder: &Path,
    from: &Path,
    dry_run: bool,
    unchecked: bool,
    console: &Console,
) -> anyhow::Result<()> {
    let (store, mut list) = open(folder, console)?;
    let mut pairs = pair_masks(folder, list.cases(), from)
        .with_context(|| format!("cannot read the folder {}", from.display()))?;
    let state = if unchecked { CaseState::InWork } else { CaseState::Corrected };
    let progress = (!dry_run).then(|| Progress::start("taking masks"));
    let mut taken = 0;
    for pair in pairs.pairs.iter_mut().filter(|_| !dry_run) {
        let Some(mask) = pair.taken().map(Path::to_owned) else { continue };
        match take_mask(folder, list.case(pair.case)?, &mask, &list.labels) {
            Ok(()) => {
                list.apply(pair.case, CaseChange::State(state), now_unix_secs())?;
                // Whatever happens to the next one, this one is done.
                store.save(&list)?;
                taken += 1;
            }
            Err(error) => pair.refused = Some(format!("{error:#}")),
        }
    }
    drop(progress);
    console.report(&MasksReport { pairs, taken, dry_run })
}

#[derive(Debug, Serialize)]
struct MasksReport {
    pairs: MaskPairs,
    taken: usize,
    dry_run: bool,
}

impl Report for MasksReport {
    fn text(&self) -> String {
        let row = |pair: &MaskPair| {
            let mask = pair.mask.as_ref().map_or_else(|| "–".to_owned(), |mask| mask.display().to_string());
            vec![pair.name.clone(), mask, pair.refused.clone().unwrap_or_default()]
        };
        let rows: Vec<Vec<String>> = self.pairs.pairs.iter().map(row).collect();
        let told = match self.dry_run {
            true => "nothing was changed".to_owned(),
            false => format!("{} masks were taken over", self.taken),
        };
        let unused = match self.pairs.unused.len() {
            0 => String::new(),
            n => format!("; {n} files belong to no case"),
        };
        format!("{}\n{told}{unused}", table(&["case", "mask", "left out"], &rows))
    }
}

#[derive(Debug, Serialize)]
struct ExportReport {
    to: PathBuf,
    #[serde(flatten)]
    written: WrittenMasks,
}

impl Report for ExportReport {
    fn text(&self) -> String {
        let count = self.written.files.len();
        format!("wrote {count} masks, read back and compared: {}", self.to.display())
    }
}

fn open(folder: &std::path::Path, console: &Console) -> anyhow::Result<(WorklistStore, Worklist)> {
    let (store, list, warnings) = WorklistStore::open(folder)?;
    warnings.iter().for_each(|warning| console.warn(&warning.to_string()));
    Ok((store, list))
}

fn add(
    store: &WorklistStore,
    list: &mut Worklist,
    paths: &[PathBuf],
    console: &Console,
) -> anyhow::Result<()> {
    let found = find_images(paths);
    found.notes.iter().for_each(|note| console.warn(note));
    anyhow::ensure!(paths.is_empty() || !found.images.is_empty(), "no image was found");
    for image in found.images {
        match list.add(store.folder(), image, now_unix_secs()) {
            Err(error @ WorklistError::KnownImage { .. }) => console.warn(&error.to_string()),
            other => drop(other?),
        }
    }
    Ok(store.save(list)?)
}

fn report(
    console: &Console,
    store: &WorklistStore,
    list: &Worklist,
    filter: &CaseFilter,
    order: CaseOrder,
) -> anyhow::Result<()> {
    console.report(&listing(store.folder().to_owned(), list, filter, order))
}

fn listing(folder: PathBuf, list: &Worklist, filter: &CaseFilter, order: CaseOrder) -> Listing {
    let cases = list.listed(filter, order).into_iter().filter_map(|id| list.case(id).ok().cloned());
    Listing { folder, model: list.model.clone(), cases: cases.collect() }
}

#[derive(Debug, Serialize)]
struct Listing {
    folder: PathBuf,
    model: Option<String>,
    cases: Vec<Case>,
}

impl Report for Listing {
    fn text(&self) -> String {
        if self.cases.is_empty() {
            return format!("no cases in {}", self.folder.display());
        }
        let rows: Vec<Vec<String>> = self
            .cases
            .iter()
            .map(|case| {
                let role = if case.role == Role::SetAside { "set aside" } else { "" };
                let minutes = format!("{:.1}", case.spent_secs / 60.0);
                let who = case.annotator.clone().unwrap_or_default();
                let doubt = case.doubt.as_ref().map(|doubt| doubt.reason.clone()).unwrap_or_default();
                let state = case.state.name().into();
                vec![case.id.to_string(), case.name.clone(), state, role.into(), minutes, who, doubt]
            })
            .collect();
        table(&["case", "name", "state", "role", "min", "annotator", "doubt"], &rows)
    }
}
