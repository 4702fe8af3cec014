//! The thread that teaches: fine-tuning, comparing, publishing, going back, asking what a network does not know.

mod asking;
mod message;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use hilum_core::job::Observer;
use hilum_core::worklist::WorklistStore;
use hilum_models::catalog::Catalog;
use hilum_models::device::{self, DeviceChoice};
use hilum_models::teach::{
    CaseUse, Comparison, Control, Decision, Published, TeachError, TeachEvent as Learned, TeachOptions,
    Verdict, VersionState, Versions, compare, finetune,
};

use super::background::in_background;
use super::kept_maps::{has_maps, read_maps};
use super::{Event, Inbox, Lesson, panic_text, read_lesson};

pub use message::{TeachAnswer, TeachOutcome, TeachProgress, TeachRequest, VersionList, VersionRow};

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
