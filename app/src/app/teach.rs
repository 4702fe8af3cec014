//! Teaching from the window: starting, watching, deciding, going back, asking what the network does not know.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use hilum_core::worklist::{CaseChange, CaseOrder};
use hilum_models::teach::{Control, Published, TeachOptions};

use super::HilumApp;
use crate::command::{TeachAction, UiCommand};
use crate::jobs::{TeachAnswer, TeachOutcome, TeachRequest, WorklistRequest};
use crate::state::{LookingBack, OpenWorklist, RunningRank, Severity, Teaching};

/// How often it is looked whether the list is on disk.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How far the question is which versions there are.
#[derive(Debug, Default)]
pub(super) enum Listing {
    /// It is not open.
    #[default]
    None,
    /// It is to be asked.
    Wanted,
    /// The list is being written; brings word when it is.
    Waits(Receiver<()>),
}

impl HilumApp {
    /// Commands about teaching; `false` if it is none.
    pub(super) fn run_teach(&mut self, command: UiCommand) -> bool {
        use UiCommand as C;
        match command {
            C::Teach => self.teach(),
            C::PauseTeaching => {
                if let Some(running) = self.teaching().and_then(|teaching| teaching.running.as_ref()) {
                    if running.control.is_paused() {
                        running.control.resume()
                    } else {
                        running.control.pause()
                    }
                }
            }
            C::StopTeaching => {
                if let Some(teaching) = self.teaching_mut() {
                    teaching.stop();
                }
            }
            C::RankCases => self.rank(),
            _ => return false,
        }
        true
    }

    pub(super) fn teach_action(&mut self, action: TeachAction) {
        match action {
            TeachAction::Choose(choice) => {
                self.state.settings.teach = choice;
                if let Some(teaching) = self.teaching_mut() {
                    teaching.choice = choice;
                }
            }
            TeachAction::Decide { version, yes } => {
                let person = self.annotator();
                self.ask_teach(|worklist| TeachRequest::Decide { worklist, version, person, yes });
            }
            TeachAction::Look(choice) => {
                self.ask_teach(|worklist| TeachRequest::Maps { worklist, choice });
            }
            TeachAction::LookAt(at) => self.with_looking(|looking| looking.at = at),
            TeachAction::LookOpacity(opacity) => {
                self.with_looking(|looking| looking.opacity = opacity.clamp(0.0, 1.0));
            }
            TeachAction::StopLooking => {
                if let Some(teaching) = self.teaching_mut() {
                    teaching.looking = None;
                }
            }
            TeachAction::Compare(version) => self.compare_version(version),
            TeachAction::RollBack(id) => {
                self.ask_teach(|worklist| TeachRequest::RollBack { worklist, id });
            }
        }
    }

    fn teaching(&self) -> Option<&Teaching> {
        self.state.worklist.as_ref().map(|worklist| &worklist.teaching)
    }

    fn teaching_mut(&mut self) -> Option<&mut Teaching> {
        self.state.worklist.as_mut().map(|worklist| &mut worklist.teaching)
    }

    fn with_looking(&mut self, change: impl FnOnce(&mut LookingBack)) {
        if let Some(looking) = self.teaching_mut().and_then(|teaching| teaching.looking.as_mut()) {
            change(looking);
        }
    }

    fn ask_teach(&mut self, request: impl FnOnce(PathBuf) -> TeachRequest) -> bool {
        let Some(worklist) = &self.state.worklist else { return false };
        let request = request(worklist.folder.clone());
        // What is quick does not wait for what learns.
        let is_long = matches!(
            request,
            TeachRequest::Teach { .. } | TeachRequest::Compare { .. } | TeachRequest::Rank { .. }
        );
        let thread = if is_long { &self.teacher } else { &self.versions };
        let is_asked = thread.ask(request).is_ok();
        if !is_asked {
            self.state.messages.error("the thread that teaches is busy; try again in a moment");
        }
        is_asked
    }

    /// Asks which versions there are of the model of the list that is open, once that list is on disk, where the thread
    /// reads it.
    pub(super) fn list_versions(&mut self) {
        self.keep_worklist_now();
        self.listing = Listing::Wanted;
    }

    /// Every frame: however long the disk takes, the window does not wait for it.
    pub(super) fn tend_versions(&mut self, ctx: &egui::Context) {
        self.listing = match (&self.state.worklist, std::mem::take(&mut self.listing)) {
            (None, _) => Listing::None,
            (Some(worklist), Listing::Wanted) if !worklist.is_changed => {
                let (sender, kept) = sync_channel(1);
                let asked = self.worklists.ask(WorklistRequest::Flush(sender));
                asked.map_or(Listing::Wanted, |()| Listing::Waits(kept))
            }
            (Some(worklist), Listing::Waits(kept)) => match kept.try_recv() {
                Ok(()) => {
                    let asked = self.versions.ask(TeachRequest::List(worklist.folder.clone()));
                    asked.map_or(Listing::Wanted, |()| Listing::None)
                }
                Err(TryRecvError::Empty) => Listing::Waits(kept),
                Err(TryRecvError::Disconnected) => Listing::Wanted,
            },
            (Some(_), other) => other,
        };
        if !matches!(self.listing, Listing::None) {
            ctx.request_repaint_after(LOOK_AGAIN);
        }
    }

    fn teach(&mut self) {
        // The thread reads the list and the cases from disk.
        self.keep_worklist_now();
        if !(self.keep_case_now() && self.wait_for_worklist()) {
            return self.state.messages.error("the disk is busy; teach again in a moment");
        }
        let (request, control, device) = (self.number(), Control::default(), self.state.device_choice());
        let Some(choice) = self.teaching().map(|teaching| teaching.choice) else { return };
        let options = TeachOptions {
            layers: choice.layers,
            budget_seconds: choice.minutes * 60.0,
            steps: choice.steps,
            learning_rate: choice.learning_rate,
            device,
            ..TeachOptions::default()
        };
        let (options, handle) = (Box::new(options), control.clone());
        let asked = self.ask_teach(|worklist| TeachRequest::Teach { request, worklist, options, control });
        if let Some(teaching) = self.teaching_mut().filter(|_| asked) {
            teaching.begin(request, handle);
        }
    }

    /// Compares a version with the weights in use, which takes as long as comparing after teaching.
    fn compare_version(&mut self, version: u32) {
        self.keep_worklist_now();
        if !(self.keep_case_now() && self.wait_for_worklist()) {
            return self.state.messages.error("the disk is busy; compare again in a moment");
        }
        let (request, control, device) = (self.number(), Control::default(), self.state.device_choice());
        let handle = control.clone();
        let asked =
            self.ask_teach(|worklist| TeachRequest::Compare { request, worklist, version, device, control });
        if let Some(teaching) = self.teaching_mut().filter(|_| asked) {
            teaching.begin(request, handle);
        }
    }

    fn rank(&mut self) {
        self.keep_worklist_now();
        if !self.wait_for_worklist() {
            return self.state.messages.error("the disk is busy; try again in a moment");
        }
        let (request, control, device) = (self.number(), Control::default(), self.state.device_choice());
        let Some(strategy) = self.teaching().map(|teaching| teaching.choice.strategy) else { return };
        let handle = control.clone();
        let asked =
            self.ask_teach(|worklist| TeachRequest::Rank { request, worklist, strategy, device, control });
        if let Some(teaching) = self.teaching_mut().filter(|_| asked) {
            let what = "Waiting".to_owned();
            teaching.ranking = Some(RunningRank { request, control: handle, what, share: None });
        }
    }

    pub(super) fn take_in_teaching(&mut self, answer: TeachAnswer) {
        match answer {
            TeachAnswer::Versions(folder, versions) => {
                let open = self.state.worklist.as_mut().filter(|worklist| worklist.folder == folder);
                if let Some(worklist) = open {
                    let before = worklist.teaching.current().map(str::to_owned);
                    worklist.teaching.versions = Some(*versions);
                    if before.as_deref() != worklist.teaching.current() {
                        self.renew_labels_of_next_case();
                        // Answers of other weights are no answers of these.
                        if let Some(session) = &mut self.state.session {
                            session.forget_answers();
                        }
                    }
                }
            }
            TeachAnswer::Maps(folder, maps) => {
                let open = self.state.worklist.as_mut().filter(|worklist| worklist.folder == folder);
                let Some(teaching) = open.map(|worklist| &mut worklist.teaching) else { return };
                match maps {
                    Ok(maps) => {
                        let before = teaching.looking.take();
                        teaching.looking = Some(LookingBack::new(*maps, before.as_ref()));
                    }
                    Err(why) => self.state.messages.error(why),
                }
            }
            TeachAnswer::Progress { request, what } => {
                let told = self.teaching_mut().and_then(|teaching| teaching.take(request, what));
                if let Some(text) = told {
                    self.state.messages.say(Severity::Warning, text);
                }
            }
            TeachAnswer::Ended { request, result } => self.lesson_ended(request, result),
            TeachAnswer::Decided(Ok(text)) => self.state.messages.say(Severity::Info, text),
            TeachAnswer::Decided(Err(text)) => self.state.messages.error(text),
            TeachAnswer::Ranked { request, result } => {
                let Some(teaching) = self.teaching_mut() else { return };
                if teaching.ranking.take_if(|ranking| ranking.request == request).is_none() {
                    return;
                }
                match result {
                    Ok(doubts) => {
                        let count = doubts.len();
                        let all = self.state.worklist.as_ref().map(|worklist| worklist.list.cases());
                        let all: Vec<_> = all.unwrap_or_default().iter().map(|case| case.id).collect();
                        // Doubts of another model or time are no order with these.
                        for case in all {
                            self.change_case(case, CaseChange::Doubt(None));
                        }
                        for (case, doubt) in doubts {
                            self.change_case(case, CaseChange::Doubt(Some(doubt)));
                        }
                        if let Some(worklist) = &mut self.state.worklist {
                            worklist.list.order = CaseOrder::Doubt;
                        }
                        let text =
                            format!("{count} cases are in order; the network knows least of the first");
                        self.state.messages.say(Severity::Info, text);
                    }
                    Err(Some(why)) => self.state.messages.error(why),
                    Err(None) => self.state.messages.say(Severity::Info, "The order stays as it was"),
                }
            }
        }
    }

    fn lesson_ended(&mut self, request: u64, result: Result<Box<TeachOutcome>, Option<String>>) {
        let Some(teaching) = self.teaching_mut() else { return };
        if teaching.running.take_if(|running| running.request == request).is_none() {
            return;
        }
        match result {
            Ok(lesson) => {
                let text = match lesson.published {
                    Published::Yes => format!("{} is in use: {}", lesson.id, lesson.comparison.reason),
                    Published::Asks => {
                        format!("{} waits for your decision: {}", lesson.id, lesson.comparison.reason)
                    }
                    Published::Refused => format!("{} is not used: {}", lesson.id, lesson.comparison.reason),
                };
                teaching.last = Some(*lesson);
                self.state.messages.say(Severity::Info, text);
            }
            Err(Some(why)) => self.state.messages.error(why),
            Err(None) => self.state.messages.say(Severity::Info, "Teaching was stopped before it began"),
        }
    }

    /// A fault of the thread ends what it did.
    pub(super) fn teaching_panicked(&mut self, request: Option<u64>) {
        let Some(teaching) =
            self.state.worklist.as_mut().map(|worklist: &mut OpenWorklist| &mut worklist.teaching)
        else {
            return;
        };
        teaching.running.take_if(|running| Some(running.request) == request);
        teaching.ranking.take_if(|ranking| Some(ranking.request) == request);
    }
}
