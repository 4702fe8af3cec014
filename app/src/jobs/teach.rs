//! The thread that teaches: fine-tuning, comparing, publishing, going back, asking what a network does not know.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use hilum_core::job::Observer;
use hilum_core::worklist::{Case, CaseId, Doubt, Role, WorklistStore};
use hilum_models::catalog::Catalog;
use hilum_models::device::{self, DeviceChoice};
use hilum_models::infer::Dense;
use hilum_models::teach::{
    Candidate, CaseUncertainty, CaseUse, Comparison, Control, Decision, Forecast, Published, Strategy,
    TeachError, TeachEvent as Learned, TeachOptions, Verdict, VersionState, Versions, compare, finetune,
    order, uncertainty,
};

use super::background::in_background;
use super::kept_maps::{has_maps, read_maps};
use super::{Event, Inbox, Lesson, MapChoice, MapsOverSteps, Numbered, panic_text, read_lesson};

/// What can be asked of the thread.
#[derive(Debug)]
pub enum TeachRequest {
    /// Tell which versions there are.
    List(PathBuf),
    /// Teach the model of a worklist with its corrected cases, keep the version, compare and publish it if the comparison
    /// allows it.
    Teach {
        /// Number of the request.
        request: u64,
        /// The worklist.
        worklist: PathBuf,
        /// How.
        options: Box<TeachOptions>,
        /// Pauses and stops it.
        control: Control,
    },
    /// Compare a version with the weights in use, on the cases that are set aside now.
    Compare {
        /// Number of the request.
        request: u64,
        /// The worklist.
        worklist: PathBuf,
        /// Number of the version.
        version: u32,
        /// Where.
        device: DeviceChoice,
        /// Stops it.
        control: Control,
    },
    /// Publish a version that was compared, or refuse it, because a person says so.
    Decide {
        /// The worklist.
        worklist: PathBuf,
        /// Number of the version.
        version: u32,
        /// Who.
        person: String,
        /// Whether it is to be used.
        yes: bool,
    },
    /// Read where a version looked while it learned.
    Maps {
        /// The worklist.
        worklist: PathBuf,
        /// Which maps.
        choice: MapChoice,
    },
    /// Go back to weights that were in use before.
    RollBack {
        /// The worklist.
        worklist: PathBuf,
        /// Identity of the weights.
        id: String,
    },
    /// Ask the network about every case that is not done, and put these in order.
    Rank {
        /// Number of the request.
        request: u64,
        /// The worklist.
        worklist: PathBuf,
        /// By what.
        strategy: Strategy,
        /// Where.
        device: DeviceChoice,
        /// Stops it.
        control: Control,
    },
}

impl Numbered for TeachRequest {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Teach { request, .. } | Self::Compare { request, .. } | Self::Rank { request, .. } => {
                Some(*request)
            }
            _ => None,
        }
    }
}

/// A version, as the window lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionRow {
    /// Its number, from 1.
    pub number: u32,
    /// Its identity.
    pub id: String,
    /// What it was made of.
    pub parent: String,
    /// What became of it.
    pub state: VersionState,
    /// Cases that it learned from.
    pub cases: usize,
    /// Steps and seconds of learning.
    pub steps: usize,
    /// Seconds of learning.
    pub seconds: f64,
    /// When it was made, in seconds since 1970.
    pub created_unix_secs: u64,
    /// SHA-256 of its weights.
    pub weights_sha256: String,
    /// How it compares with what was in use when it was compared last.
    pub comparison: Option<Comparison>,
    /// Whether it has kept where it looked while it learned.
    pub has_maps: bool,
}

/// The versions of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VersionList {
    /// The model that all come from.
    pub base: String,
    /// The weights in use.
    pub current: String,
    /// Those in use before.
    pub previous: Option<String>,
    /// All versions, oldest first.
    pub versions: Vec<VersionRow>,
}

/// What it answers.
#[derive(Debug)]
pub enum TeachAnswer {
    /// The versions of a worklist's model.
    Versions(PathBuf, Box<VersionList>),
    /// Where a version looked, or why that is not known.
    Maps(PathBuf, Result<Box<MapsOverSteps>, String>),
    /// How a fine-tuning goes on.
    Progress {
        /// Number of the request.
        request: u64,
        /// What happened.
        what: TeachProgress,
    },
    /// A fine-tuning has ended; the error is for people, without one it was stopped before the first step.
    Ended {
        /// Number of the request.
        request: u64,
        /// What came of it.
        result: Result<Box<TeachOutcome>, Option<String>>,
    },
    /// A decision was carried out, or not.
    Decided(Result<String, String>),
    /// Cases in order; the error is for people, without one it was stopped.
    Ranked {
        /// Number of the request.
        request: u64,
        /// Each case with its doubt.
        result: Result<Vec<(CaseId, Doubt)>, Option<String>>,
    },
}

/// How a fine-tuning goes on.
#[derive(Clone, Debug)]
pub enum TeachProgress {
    /// What is being done beside learning, with the share done where it is known.
    Doing(String, Option<f32>),
    /// What it will take.
    Forecast(Forecast),
    /// A step was made: step, of how many, loss, seconds.
    Step(usize, usize, f64, f64),
    /// Mean Dice after so many steps on cases set aside and on earlier cases, where there are some.
    Dice(usize, Option<f64>, Option<f64>),
    /// Something that a person should know.
    Warning(String),
}

/// What a fine-tuning brought.
#[derive(Clone, Debug, PartialEq)]
pub struct TeachOutcome {
    /// The version.
    pub id: String,
    /// Its number.
    pub number: u32,
    /// How it compares with what was in use.
    pub comparison: Comparison,
    /// What became of it.
    pub published: Published,
    /// Whether a person stopped it.
    pub was_stopped: bool,
}

/// Teaches one worklist's model at a time.
pub struct TeachWorker {
    models: Option<PathBuf>,
    inbox: Inbox,
}

impl TeachWorker {
    /// With the models inside the program and those in a folder.
    pub fn new(models: Option<PathBuf>, inbox: Inbox) -> Self {
        Self { models, inbox }
    }

    /// Handles one request.
    pub fn handle(&mut self, request: TeachRequest) {
        match request {
            TeachRequest::List(worklist) => self.list(worklist),
            TeachRequest::Teach { request, worklist, options, control } => {
                let result = self.guarded(|| self.teach(request, &worklist, &options, &control));
                self.tell(TeachAnswer::Ended { request, result: result.map(Box::new) });
                self.list(worklist);
            }
            TeachRequest::Compare { request, worklist, version, device, control } => {
                let result =
                    self.guarded(|| self.compare_later(request, &worklist, version, device, &control));
                self.tell(TeachAnswer::Ended { request, result: result.map(Box::new) });
                self.list(worklist);
            }
            TeachRequest::Decide { worklist, version, person, yes } => {
                let decided = self.decide(&worklist, version, person, yes);
                self.tell(TeachAnswer::Decided(decided));
                self.list(worklist);
            }
            TeachRequest::Maps { worklist, choice } => {
                let maps = versions_of(&worklist).and_then(|versions| read_maps(&versions, &choice));
                self.tell(TeachAnswer::Maps(worklist, maps.map(Box::new)));
            }
            TeachRequest::RollBack { worklist, id } => {
                let result = versions_of(&worklist).and_then(|versions| {
                    versions.roll_back(&id).map_err(|error| error.to_string())?;
                    Ok(format!("In use from now on: {id}"))
                });
                self.tell(TeachAnswer::Decided(result));
                self.list(worklist);
            }
            TeachRequest::Rank { request, worklist, strategy, device, control } => {
                let result = self.guarded(|| self.rank(request, &worklist, strategy, device, &control));
                self.tell(TeachAnswer::Ranked { request, result });
            }
        }
    }

    fn tell(&self, answer: TeachAnswer) {
        self.inbox.send(Event::Teach(answer));
    }

    fn progress(&self, request: u64, what: TeachProgress) {
        self.inbox.try_send(Event::Teach(TeachAnswer::Progress { request, what }));
    }

    /// Does it where it disturbs the window least. A panic of the framework is an error like any other; being stopped is
    /// none.
    fn guarded<T: Send>(&self, work: impl FnOnce() -> Result<T, Failed> + Send) -> Result<T, Option<String>> {
        match in_background(|| catch_unwind(AssertUnwindSafe(work))) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Failed::Stopped)) => Err(None),
            Ok(Err(Failed::Why(why))) => Err(Some(why)),
            Err(panic) => Err(Some(format!("teaching stopped unexpectedly: {}", panic_text(panic.as_ref())))),
        }
    }

    fn list(&self, worklist: PathBuf) {
        let Ok(versions) = versions_of(&worklist) else { return };
        let rows = versions.list().into_iter().map(|version| {
            let has_maps = has_maps(&version);
            let record = version.record;
            let learned = |purpose| matches!(purpose, CaseUse::Corrected | CaseUse::Earlier);
            VersionRow {
                number: version.number,
                id: record.id,
                parent: record.parent.id,
                state: record.state,
                cases: record.cases.iter().filter(|case| learned(case.purpose)).count(),
                steps: record.steps_done,
                seconds: record.seconds,
                created_unix_secs: record.created_unix_secs,
                weights_sha256: record.weights_sha256,
                comparison: record.comparison,
                has_maps,
            }
        });
        let list = VersionList {
            versions: rows.collect(),
            base: versions.base().to_owned(),
            current: versions.current(),
            previous: versions.previous(),
        };
        self.tell(TeachAnswer::Versions(worklist, Box::new(list)));
    }

    fn catalog(&self, versions: &Versions) -> Result<Catalog, Failed> {
        let catalog = Catalog::new(self.models.as_deref()).map_err(TeachError::from)?;
        Ok(versions.catalog(&catalog)?)
    }

    /// Reads the cases and tells what is left out.
    fn lesson(&self, request: u64, worklist: &Path) -> Result<Lesson, Failed> {
        self.progress(request, TeachProgress::Doing("reading cases".into(), None));
        let catalog = Catalog::new(self.models.as_deref()).map_err(TeachError::from)?;
        let lesson =
            read_lesson(worklist, None, &catalog).map_err(|error| Failed::Why(format!("{error:#}")))?;
        for note in &lesson.notes {
            self.tell(TeachAnswer::Progress { request, what: TeachProgress::Warning(note.clone()) });
        }
        Ok(lesson)
    }

    fn teach(
        &self,
        request: u64,
        worklist: &Path,
        options: &TeachOptions,
        control: &Control,
    ) -> Result<TeachOutcome, Failed> {
        let watcher = Watching { worker: self, request, control };
        let lesson = self.lesson(request, worklist)?;
        let (versions, current) = (&lesson.versions, lesson.versions.current());
        let taught = finetune(&lesson.catalog, &current, &lesson.cases, options, &watcher, &mut |event| {
            if let Some(what) = told(event) {
                self.progress(request, what);
            }
        })?;
        let version = versions.add(lesson.catalog.find(&current).map_err(TeachError::from)?, &taught)?;
        // A person who stops the learning does not mean the comparison, which decides what becomes of it; that takes
        // a second stop.
        if taught.was_stopped {
            control.stop_was_carried_out();
        }
        let comparison = self.judge(request, &lesson, &version.record.id, options.device, control)?;
        let published = versions.publish(version.number, &comparison, Decision::Rule)?;
        Ok(TeachOutcome {
            id: version.record.id,
            number: version.number,
            comparison,
            published,
            was_stopped: taught.was_stopped,
        })
    }

    /// Compares a version with the weights in use and with the best so far.
    fn judge(
        &self,
        request: u64,
        lesson: &Lesson,
        id: &str,
        device: DeviceChoice,
        control: &Control,
    ) -> Result<Comparison, Failed> {
        let watcher = Watching { worker: self, request, control };
        self.progress(request, TeachProgress::Doing("comparing on the cases set aside".into(), None));
        let (versions, cases) = (&lesson.versions, &lesson.cases);
        let catalog = self.catalog(versions)?;
        let device = device::open(device).map_err(TeachError::from)?;
        let best = versions.best(cases);
        match compare(&catalog, [&versions.current(), id], best.as_deref(), cases, &device, &watcher) {
            Err(TeachError::Cancelled(_)) => Err(Failed::Why(format!(
                "{id} is kept but was not compared, so it is not used; compare it below \"Versions\""
            ))),
            other => Ok(other?),
        }
    }

    fn compare_later(
        &self,
        request: u64,
        worklist: &Path,
        number: u32,
        device: DeviceChoice,
        control: &Control,
    ) -> Result<TeachOutcome, Failed> {
        let lesson = self.lesson(request, worklist)?;
        let version = lesson.versions.find(number)?;
        let id = version.record.id;
        let comparison = self.judge(request, &lesson, &id, device, control)?;
        // What was decided stays as it was decided.
        let is_open = version.record.state == VersionState::Candidate;
        if is_open {
            lesson.versions.keep_comparison(number, &comparison)?;
        }
        let may_be_used = comparison.verdict != Verdict::Worse;
        let published = if may_be_used { Published::Asks } else { Published::Refused };
        Ok(TeachOutcome { id, number, comparison, published, was_stopped: false })
    }

    fn decide(&self, worklist: &Path, number: u32, person: String, yes: bool) -> Result<String, String> {
        let text = |error: TeachError| error.to_string();
        let versions = versions_of(worklist)?;
        let version = versions.find(number).map_err(text)?;
        let id = version.record.id;
        if !yes {
            versions.reject(number, Decision::Person(person)).map_err(text)?;
            return Ok(format!("{id} is not used"));
        }
        let comparison = version.record.comparison.ok_or("the version was never compared; teach again")?;
        match versions.publish(number, &comparison, Decision::Person(person)).map_err(text)? {
            Published::Yes => Ok(format!("In use from now on: {id}")),
            Published::Asks | Published::Refused => Err(format!("{id} is worse and stays unused")),
        }
    }

    fn rank(
        &self,
        request: u64,
        worklist: &Path,
        strategy: Strategy,
        choice: DeviceChoice,
        control: &Control,
    ) -> Result<Vec<(CaseId, Doubt)>, Failed> {
        let list = WorklistStore::peek(worklist).map_err(|error| Failed::Why(error.to_string()))?;
        let versions = versions_of(worklist).map_err(Failed::Why)?;
        let (catalog, current) = (self.catalog(&versions)?, versions.current());
        let device = device::open(choice).map_err(TeachError::from)?;
        let model = Dense::load(&catalog, &current, &device.device).map_err(TeachError::from)?;
        let (open, known): (Vec<&Case>, Vec<&Case>) =
            list.cases().iter().partition(|case| !case.state.is_done() && case.role == Role::Teaching);
        let asked = Asking { worker: self, request, worklist, model: &model, control };
        let candidates: Vec<Candidate> = asked
            .about(&open, strategy)?
            .into_iter()
            .map(|(id, uncertainty)| Candidate { id, uncertainty })
            .collect();
        // What is like a case that is done, or set aside, can wait. Chance looks at nothing.
        let step = known.len().div_ceil(MOST_KNOWN).max(1);
        let known: Vec<&Case> = known.into_iter().step_by(step).collect();
        let known = if strategy == Strategy::Random { Vec::new() } else { known };
        let known: Vec<Vec<f32>> =
            asked.about(&known, Strategy::Random)?.into_iter().map(|(_, found)| found.descriptor).collect();
        let ranked = order(&candidates, &known, strategy);
        let by_id = |id: &str| open.iter().find(|case| case.id.to_string() == id).map(|case| case.id);
        let doubts = ranked.into_iter().enumerate().filter_map(|(nth, ranked)| {
            let (value, reason, model) = (ranked.score, ranked.reason, current.clone());
            let rank = u32::try_from(nth + 1).unwrap_or(u32::MAX);
            Some((by_id(&ranked.id)?, Doubt { value: finite(value), reason, model, rank }))
        });
        Ok(doubts.collect())
    }
}

/// Files hold no infinite numbers.
fn finite(value: f64) -> f64 {
    value.clamp(-f64::MAX, f64::MAX)
}

/// Most cases that are done and looked at for how like them the others are.
const MOST_KNOWN: usize = 40;

/// A network that is asked about cases.
struct Asking<'a> {
    worker: &'a TeachWorker,
    request: u64,
    worklist: &'a Path,
    model: &'a Dense,
    control: &'a Control,
}

impl Asking<'_> {
    /// What the network says of every case whose image can be opened.
    fn about(&self, cases: &[&Case], by: Strategy) -> Result<Vec<(String, CaseUncertainty)>, Failed> {
        let mut said = Vec::with_capacity(cases.len());
        for (nth, case) in cases.iter().enumerate() {
            let share = Some(nth as f32 / cases.len() as f32);
            let text = format!("asking about {}", case.name);
            self.worker.progress(self.request, TeachProgress::Doing(text, share));
            let volume = match super::teach_cases::open_case_image(self.worklist, case) {
                Ok(volume) => volume,
                Err(error) => {
                    self.worker.progress(self.request, TeachProgress::Warning(format!("{error:#}")));
                    continue;
                }
            };
            if self.control.is_cancelled() {
                return Err(Failed::Stopped);
            }
            let id = case.id.to_string();
            let found = uncertainty(self.model, &id, &volume, by, 1, self.control)?;
            said.push((id, found));
        }
        Ok(said)
    }
}

/// The versions of a worklist's model.
fn versions_of(worklist: &Path) -> Result<Versions, String> {
    let list = WorklistStore::peek(worklist).map_err(|error| error.to_string())?;
    let model = list.model.ok_or("the worklist has no model; choose one under \"Proposed by\"")?;
    Ok(Versions::new(worklist.join("versions"), &model))
}

fn told(event: &Learned) -> Option<TeachProgress> {
    let score = |score: f64| score.is_finite().then_some(score);
    Some(match event {
        Learned::Forecast(forecast) => TeachProgress::Forecast(forecast.clone()),
        Learned::Warning(text) => TeachProgress::Warning(text.clone()),
        Learned::FellBack { why, batch, device } => TeachProgress::Warning(format!(
            "the device failed ({why}); it goes on with {batch} samples a step on {device}"
        )),
        Learned::Step { step, of, loss, seconds } => TeachProgress::Step(*step, *of, *loss, *seconds),
        Learned::Validated { step, set_aside, earlier } => {
            TeachProgress::Dice(*step, score(set_aside.score()), score(earlier.score()))
        }
    })
}

enum Failed {
    Stopped,
    Why(String),
}

impl From<TeachError> for Failed {
    fn from(error: TeachError) -> Self {
        match error {
            TeachError::Cancelled(_) => Self::Stopped,
            other => Self::Why(other.to_string()),
        }
    }
}

/// Hands progress on, and stops or rests when told.
struct Watching<'a> {
    worker: &'a TeachWorker,
    request: u64,
    control: &'a Control,
}

impl Observer for Watching<'_> {
    fn is_cancelled(&self) -> bool {
        self.control.is_cancelled()
    }

    fn wait_while_paused(&self) {
        self.control.wait_while_paused();
    }

    fn progress(&self, what: &str, done: u64, total: u64) {
        if what != "learning" && total > 0 {
            let share = Some(done as f32 / total as f32);
            self.worker.progress(self.request, TeachProgress::Doing(what.to_owned(), share));
        }
    }
}
