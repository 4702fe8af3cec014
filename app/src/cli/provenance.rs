//! `hilum provenance`: who or what made the labels of a case, and whether the record is whole.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use hilum_core::io::{self, OpenOptions};
use hilum_core::label::BoxMask;
use hilum_core::project::{self, ImageReference, is_project};
use hilum_core::prompt::Click;
use hilum_core::provenance::{Action, Entry, Origin, Verdict, read_chain, verify};
use hilum_core::volume::Volume;
use hilum_core::worklist::{WorklistStore, is_worklist};
use hilum_models::device::DeviceChoice;
use hilum_models::infer::{ClickRequest, OneClick};
use serde::Serialize;

use super::output::{Console, Progress, Report, table};

/// Arguments of `provenance`.
#[derive(Debug, Args)]
pub struct Provenance {
    /// A project, or a case of a worklist: the folder of the worklist with --case.
    project: PathBuf,
    /// Name or number of the case.
    #[arg(long, value_name = "NAME")]
    case: Option<String>,
    /// Ask the networks again what they were asked, and compare the answers.
    #[arg(long)]
    replay: bool,
    /// auto, cpu, gpu or gpu:N.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: DeviceChoice,
}

impl Provenance {
    /// Prints and verifies the chain; ends with an error if it is not sound.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let folder = self.folder()?;
        let (entries, torn_bytes) = read_chain(&folder)?;
        let saved = project::read(&folder)?;
        for warning in &saved.warnings {
            console.warn(&warning.to_string());
        }
        let image = saved.image.clone();
        let (state, _) = saved.into_state()?;
        let verdict = verify(&entries, &image.voxels_sha256, state.labels());
        let replayed =
            if self.replay { self.replay(&folder, &image, &entries, console)? } else { Vec::new() };
        let is_sound = verdict.is_sound() && replayed.iter().all(|replay| replay.is_equal);
        let faults = verdict.faults.len() + replayed.iter().filter(|replay| !replay.is_equal).count();
        console.report(&ProvenanceReport { folder, entries, torn_bytes, verdict, replayed })?;
        if !is_sound {
            bail!("the record of provenance is not sound: {faults} faults, listed above");
        }
        Ok(())
    }

    fn folder(&self) -> anyhow::Result<PathBuf> {
        if is_worklist(&self.project) {
            let name = self.case.as_deref().context("this is a worklist; name a case with --case")?;
            let list = WorklistStore::peek(&self.project)?;
            let folder = list.find(name)?.project_folder(&self.project);
            anyhow::ensure!(is_project(&folder), "nobody has worked on the case \"{name}\" yet");
            return Ok(folder);
        }
        anyhow::ensure!(self.case.is_none(), "this folder holds no worklist: {}", self.project.display());
        Ok(self.project.clone())
    }

    /// Makes every answer to clicks again from nothing but the record, the image and the models.
    fn replay(
        &self,
        folder: &Path,
        image: &ImageReference,
        entries: &[Entry],
        console: &Console,
    ) -> anyhow::Result<Vec<Replayed>> {
        let clicked = entries.iter().filter_map(|entry| match &entry.action {
            Action::From(origin) if !origin.clicks.is_empty() => Some((entry.number, origin)),
            _ => None,
        });
        let clicked: Vec<(u64, &Origin)> = clicked.collect();
        if clicked.is_empty() {
            return Ok(Vec::new());
        }
        let progress = Progress::start("opening the image");
        let volume = std::sync::Arc::new(open_image(folder, image)?);
        let catalog = console.catalog()?;
        let mut replayed = Vec::new();
        for (number, origin) in clicked {
            let Some(model) = origin.models.last() else { continue };
            for used in &origin.models {
                let known = catalog.find(&used.id)?;
                anyhow::ensure!(
                    known.card.weights_sha256 == used.weights_sha256,
                    "the model {} is not the one of entry {number} any more: its weights have another hash",
                    used.id
                );
            }
            progress.line(&format!("entry {number}: asking {} again", model.id));
            let mut network = OneClick::from_catalog(catalog.clone(), Some(&model.id), self.device)?;
            let mask = answer(&mut network, &volume, &origin.clicks)?;
            let is_equal = Some(mask.sha256()) == origin.mask_sha256;
            replayed.push(Replayed {
                entry: number,
                model: model.id.clone(),
                voxels: mask.count(),
                is_equal,
            });
        }
        Ok(replayed)
    }
}

/// The answer to all clicks, each refining the one before, as in the window.
fn answer(
    network: &mut OneClick,
    volume: &std::sync::Arc<Volume>,
    clicks: &[Click],
) -> anyhow::Result<BoxMask> {
    let mut previous: Option<BoxMask> = None;
    for count in 1..=clicks.len() {
        let clicks = clicks[..count].to_vec();
        if clicks.iter().all(|click| !click.positive) {
            continue;
        }
        let request = ClickRequest { volume: std::sync::Arc::clone(volume), clicks, previous };
        previous = Some(network.segment(&request, &())?.mask);
    }
    previous.context("the record holds no click inside an object")
}

fn open_image(folder: &Path, image: &ImageReference) -> anyhow::Result<Volume> {
    let options = OpenOptions::from(image.selection.clone());
    let mut why = "it is the synthetic case".to_owned();
    for place in image.candidates(folder) {
        match io::open(&place, &options, &()) {
            Ok(opened) => match image.verify(&opened.volume) {
                Ok(()) => return Ok(opened.volume),
                Err(mismatch) => why = mismatch.to_string(),
            },
            Err(error) => why = error.to_string(),
        }
    }
    bail!("the image of the project cannot be opened: {why}")
}

/// An answer made again.
#[derive(Debug, Serialize)]
struct Replayed {
    entry: u64,
    model: String,
    voxels: usize,
    is_equal: bool,
}

#[derive(Debug, Serialize)]
struct ProvenanceReport {
    folder: PathBuf,
    entries: Vec<Entry>,
    torn_bytes: u64,
    verdict: Verdict,
    replayed: Vec<Replayed>,
}

impl Report for ProvenanceReport {
    fn text(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .entries
            .iter()
            .map(|entry| {
                let who = if entry.user.is_empty() { "–".into() } else { entry.user.clone() };
                let hash = entry.hash.get(..12).unwrap_or_default().to_owned();
                vec![entry.number.to_string(), entry.time(), who, what(&entry.action), hash]
            })
            .collect();
        let mut text = table(&["entry", "time", "who", "what", "hash"], &rows);
        for replay in &self.replayed {
            let outcome = if replay.is_equal { "the same mask again" } else { "ANOTHER mask" };
            text += &format!(
                "\nentry {}: {} gives {outcome} ({} voxels)",
                replay.entry, replay.model, replay.voxels
            );
        }
        if self.torn_bytes > 0 {
            text += &format!(
                "\n{} bytes at the end are no entry: the program ended while writing",
                self.torn_bytes
            );
        }
        for fault in &self.verdict.faults {
            text += &format!("\nFAULT: {fault}");
        }
        if let Some(attested) = &self.verdict.attested {
            let since = match attested.changes_since {
                0 if attested.is_present => "the labels are still those".to_owned(),
                0 => "the labels are others now".to_owned(),
                n => format!("{n} changes since"),
            };
            text +=
                &format!("\nlast seen whole at entry {} (\"{}\"): {since}", attested.number, attested.why);
        }
        if self.verdict.is_sound() && !self.entries.is_empty() {
            text += "\nthe chain is whole: every entry follows from the one before";
        }
        if self.entries.is_empty() {
            text += "\nthis project has no record of provenance; it was made by an older program";
        }
        text.trim_start().to_owned()
    }
}

fn what(action: &Action) -> String {
    match action {
        Action::Began { program, .. } => format!("record begun by {program}"),
        Action::Step { name, voxels: 0, .. } => name.clone(),
        Action::Step { name, voxels, .. } => format!("{name} ({voxels} voxels)"),
        Action::From(origin) => {
            let models: Vec<&str> = origin.models.iter().map(|model| model.id.as_str()).collect();
            let clicks: Vec<String> = origin
                .clicks
                .iter()
                .map(|click| {
                    let [x, y, z] = click.voxel;
                    format!("{}{x},{y},{z}", if click.positive { '+' } else { '−' })
                })
                .collect();
            let clicks = if clicks.is_empty() { String::new() } else { format!(" at {}", clicks.join(" ")) };
            format!("… by {} on {}{clicks}", models.join(" and "), origin.device)
        }
        Action::WentTo { step } => format!("went to step {step}"),
        Action::Exported => "exported".into(),
        Action::Attested { why, .. } => format!("looked at whole: {why}"),
    }
}
