//! `hilum finetune`, `hilum replay` and `hilum versions`: teaching without a window.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use hilum_models::device::{self, DeviceChoice};
use hilum_models::teach::{
    Comparison, Decision, Forecast, Published, ReplayReport, TeachEvent, TeachOptions, Verdict, Version,
    VersionRecord, VersionState, Versions, compare, finetune, replay,
};
use hilum_models::train::Layers;
use serde::Serialize;

use super::output::{Console, Progress, Report, table};
use crate::jobs::{Lesson, read_lesson, read_versions};

/// Arguments of `finetune`.
#[derive(Debug, Args)]
pub struct Finetune {
    /// A worklist, or a TOML file with `model` and `cases` (`image`, `labels`, `use` = corrected, earlier, set_aside or
    /// unlabelled).
    project: PathBuf,
    /// The model to teach, instead of the one that the project names.
    #[arg(long, value_name = "ID")]
    model: Option<String>,
    /// Seconds that it may take.
    #[arg(long, value_name = "S", default_value_t = TeachOptions::default().budget_seconds)]
    seconds: f64,
    /// Exactly so many steps, within the time.
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Layers that change: all, decoder or last.
    #[arg(long, default_value = "all")]
    layers: Layers,
    /// Samples a step.
    #[arg(long, value_name = "N", default_value_t = TeachOptions::default().batch)]
    batch: usize,
    /// Peak learning rate.
    #[arg(long, value_name = "X", default_value_t = TeachOptions::default().learning_rate)]
    rate: f64,
    /// Share of the samples that keep old knowledge alive.
    #[arg(long, value_name = "X", default_value_t = TeachOptions::default().replay_share)]
    replay_share: f64,
    /// Memory that training may take, in MiB.
    #[arg(long, value_name = "MIB")]
    memory: Option<u64>,
    /// Seed of the samples.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// auto, cpu, gpu or gpu:N.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    /// Publish also where the verdict asks a person: your name.
    #[arg(long, value_name = "NAME")]
    accept: Option<String>,
}

impl Finetune {
    /// Teaches, keeps the version, compares it on the cases set aside and publishes it if that allows it.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let progress = Progress::start("reading cases");
        let lesson = read_lesson(&self.project, self.model.as_deref(), &console.catalog()?)?;
        lesson.notes.iter().for_each(|note| console.warn(note));
        let Lesson { versions, catalog, cases, .. } = lesson;
        let current = versions.current();
        let options = TeachOptions {
            layers: self.layers,
            budget_seconds: self.seconds,
            steps: self.steps,
            batch: self.batch,
            learning_rate: self.rate,
            replay_share: self.replay_share,
            seed: self.seed,
            memory_limit_bytes: self.memory.map(|mib| mib << 20),
            device: self.device,
            ..TeachOptions::default()
        };
        let taught = finetune(&catalog, &current, &cases, &options, &progress, &mut |event| {
            if let Some(line) = line(event) {
                progress.line(&line);
            }
        })?;
        let version = versions.add(catalog.find(&current)?, &taught)?;
        let with_it = versions.catalog(&catalog)?;
        let device = device::open(self.device)?;
        let (best, new) = (versions.best(&cases), version.record.id.as_str());
        let table = compare(&with_it, [&current, new], best.as_deref(), &cases, &device, &progress)?;
        let decision = self.accept.clone().map_or(Decision::Rule, Decision::Person);
        let published = versions.publish(version.number, &table, decision)?;
        drop(progress);
        let outcome = match published {
            Published::Yes => "published",
            Published::Asks => "not published: decide with --accept NAME, or with hilum versions --publish",
            Published::Refused => "not published: it is worse",
        };
        let record = versions.find(version.number)?.record;
        console.report(&FinetuneReport { folder: version.folder, outcome, record, comparison: table })
    }
}

fn line(event: &TeachEvent) -> Option<String> {
    Some(match event {
        TeachEvent::Forecast(forecast) => forecast_line(forecast),
        TeachEvent::Warning(text) => format!("warning: {text}"),
        TeachEvent::FellBack { why, batch, device } => {
            format!("the device failed ({why}); again with {batch} samples a step on {device}")
        }
        TeachEvent::Step { step, of, loss, seconds } if step.is_multiple_of(10) => {
            format!("step {step} of {of}: loss {loss:.4}, {seconds:.2} s")
        }
        TeachEvent::Step { .. } => return None,
        TeachEvent::Validated { step, set_aside, earlier } => {
            let dice = |score: f64| if score.is_finite() { format!("{score:.4}") } else { "none".into() };
            format!(
                "step {step}: Dice {} on cases set aside, {} on earlier ones",
                dice(set_aside.score()),
                dice(earlier.score())
            )
        }
    })
}

fn forecast_line(forecast: &Forecast) -> String {
    let memory =
        forecast.memory_bytes.map_or_else(String::new, |bytes| format!(", memory {} MiB", bytes >> 20));
    format!(
        "{} steps of {} samples {:?}, {:.2} s each, {:.0} s altogether{memory}, on {}",
        forecast.steps,
        forecast.batch,
        forecast.patch,
        forecast.seconds_per_step,
        forecast.seconds,
        forecast.device
    )
}

#[derive(Serialize)]
struct FinetuneReport {
    folder: PathBuf,
    outcome: &'static str,
    record: VersionRecord,
    comparison: Comparison,
}

impl Report for FinetuneReport {
    fn text(&self) -> String {
        format!(
            "{}\n{} after {} steps in {:.0} s: {}\n{}",
            comparison_text(&self.comparison),
            self.record.id,
            self.record.steps_done,
            self.record.seconds,
            self.outcome,
            self.folder.display()
        )
    }
}

fn comparison_text(comparison: &Comparison) -> String {
    let rows: Vec<Vec<String>> = comparison
        .regions
        .iter()
        .map(|region| {
            let d = &region.difference;
            vec![
                region.name.clone(),
                d.n.to_string(),
                format!("{:.3}", region.current),
                format!("{:.3}", region.new),
                format!("{:+.3} ({:+.3} to {:+.3})", d.mean, d.ci95_low, d.ci95_high),
            ]
        })
        .collect();
    let best = comparison.best.iter().flat_map(|best| {
        best.regions.iter().map(|region| {
            let d = &region.difference;
            vec![
                format!("{} (against {})", region.name, best.id),
                d.n.to_string(),
                format!("{:.3}", region.current),
                format!("{:.3}", region.new),
                format!("{:+.3} ({:+.3} to {:+.3})", d.mean, d.ci95_low, d.ci95_high),
            ]
        })
    });
    let rows: Vec<Vec<String>> = rows.into_iter().chain(best).collect();
    let header = ["region", "cases", &comparison.current, &comparison.new, "difference (95 %)"];
    let verdict = match comparison.verdict {
        Verdict::Better => "better",
        Verdict::NotWorse => "not worse",
        Verdict::Tie => "a tie",
        Verdict::Worse => "worse",
        Verdict::TooFew => "too few cases",
    };
    format!("{}\n{verdict}: {}", table(&header, &rows), comparison.reason)
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// Folder of a version: VERSIONS/0001.
    version: PathBuf,
    /// auto, cpu, gpu or gpu:N.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: DeviceChoice,
}

impl Replay {
    /// Trains a version again from its record; ends with an error if other weights come out.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let version = Version::open(&self.version)?;
        let folder = std::path::absolute(&self.version)?;
        let versions = Versions::new(folder.parent().unwrap_or(&folder), &version.record.id);
        let catalog = versions.catalog(&console.catalog()?)?;
        let device = device::open(self.device)?;
        let progress = Progress::start("reading cases");
        let report = replay(&version, &catalog, &device, &progress, &mut |event| {
            if let Some(line) = line(event) {
                progress.line(&line);
            }
        })?;
        drop(progress);
        let agrees = report.agrees;
        console.report(&ReplayText(report))?;
        if !agrees {
            bail!("other weights came out than were kept");
        }
        Ok(())
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct ReplayText(ReplayReport);

impl Report for ReplayText {
    fn text(&self) -> String {
        let report = &self.0;
        if report.is_identical {
            return format!("{}: {} steps again, the same weights bit for bit", report.id, report.steps);
        }
        format!(
            "{}: {} steps again; the largest difference of a weight is {:.1e} of its tensor's largest, {:.1e} is allowed",
            report.id, report.steps, report.largest_difference, report.tolerance
        )
    }
}

/// Arguments of `versions`.
#[derive(Debug, Args)]
pub struct ListVersions {
    /// A worklist, or a TOML file as for finetune.
    project: PathBuf,
    /// The model, instead of the one that the project names.
    #[arg(long, value_name = "ID")]
    model: Option<String>,
    /// Go back to these weights: of a version that was published, or of the model that all come from.
    #[arg(long, value_name = "ID", conflicts_with = "publish")]
    roll_back: Option<String>,
    /// Publish the version of this number, as it was compared last.
    #[arg(long, value_name = "N", requires = "accept")]
    publish: Option<u32>,
    /// Compare two of them on the cases that are set aside now, the first as the one in use; if it is, and the other is a
    /// candidate, the comparison is kept to be decided on.
    #[arg(long, value_names = ["A", "B"], num_args = 2, conflicts_with_all = ["roll_back", "publish"])]
    compare: Option<Vec<String>>,
    /// Where to compare: auto, cpu, gpu or gpu:N.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    /// Your name, for the record.
    #[arg(long, value_name = "NAME")]
    accept: Option<String>,
}

impl ListVersions {
    /// Lists all versions with their parents and figures, after changing what was asked for.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        if let Some([a, b]) = self.compare.as_deref() {
            return self.compare(a, b, console);
        }
        let versions = read_versions(&self.project, self.model.as_deref())?;
        if let Some(id) = &self.roll_back {
            versions.roll_back(id)?;
        }
        if let (Some(number), Some(name)) = (self.publish, &self.accept) {
            let Some(comparison) = versions.find(number)?.record.comparison else {
                bail!(
                    "the version was never compared; run hilum versions --compare {} {}",
                    versions.current(),
                    number
                );
            };
            if versions.publish(number, &comparison, Decision::Person(name.clone()))? != Published::Yes {
                bail!("it is worse, and is not published: {}", comparison.reason);
            }
        }
        let all = versions.list().into_iter().map(|version| version.record).collect();
        console.report(&VersionsReport { current: versions.current(), versions: all })
    }

    /// Compares two versions; a number stands for the version of that number.
    fn compare(&self, a: &str, b: &str, console: &Console) -> anyhow::Result<()> {
        let lesson = read_lesson(&self.project, self.model.as_deref(), &console.catalog()?)?;
        lesson.notes.iter().for_each(|note| console.warn(note));
        let Lesson { versions, catalog, cases, .. } = lesson;
        let id = |text: &str| match text.parse::<u32>() {
            Ok(number) => format!("{}@{number:04}", versions.base()),
            Err(_) => text.to_owned(),
        };
        let (a, b) = (id(a), id(b));
        let device = device::open(self.device)?;
        let is_current = a == versions.current();
        let best = versions.best(&cases).filter(|_| is_current);
        let progress = Progress::start("comparing");
        let comparison = compare(&catalog, [&a, &b], best.as_deref(), &cases, &device, &progress)?;
        drop(progress);
        let candidate = versions
            .list()
            .into_iter()
            .find(|version| version.record.id == b && version.record.state == VersionState::Candidate);
        if let Some(version) = candidate.filter(|_| is_current) {
            versions.keep_comparison(version.number, &comparison)?;
        }
        console.report(&ComparisonReport(comparison))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct ComparisonReport(Comparison);

impl Report for ComparisonReport {
    fn text(&self) -> String {
        comparison_text(&self.0)
    }
}

#[derive(Serialize)]
struct VersionsReport {
    current: String,
    versions: Vec<VersionRecord>,
}

impl Report for VersionsReport {
    fn text(&self) -> String {
        let row = |record: &VersionRecord| {
            let difference = record.comparison.as_ref().and_then(|c| c.difference.as_ref());
            let state = serde_json::to_value(record.state).ok();
            vec![
                record.id.clone(),
                record.parent.id.clone(),
                state.and_then(|s| Some(s.as_str()?.to_owned())).unwrap_or_default(),
                record.steps_done.to_string(),
                record.cases.len().to_string(),
                difference.map_or_else(|| "–".to_owned(), |d| format!("{:+.3}", d.mean)),
            ]
        };
        let header = ["version", "from", "state", "steps", "cases", "Dice difference"];
        let rows: Vec<_> = self.versions.iter().map(row).collect();
        format!("{}\nin use: {}", table(&header, &rows), self.current)
    }
}
