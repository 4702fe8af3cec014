//! Work beside the window: named threads that send their answers through one bounded channel.
//!
//! A request captures all its inputs; an answer carries the number of its request, and the window drops answers
//! that nobody waits for any more. A panic in a thread becomes [`Event::Panicked`] and the thread goes on.

mod ahead;
mod background;
mod case_masks;
mod dialogs;
mod done_cases;
mod edit;
mod infer;
mod io;
pub mod kept;
mod kept_maps;
mod map_file;
mod masks;
mod open_project;
mod outside;
pub mod photo;
mod project;
mod remote;
mod slide;
mod surface;
mod table;
mod teach;
mod teach_cases;
mod watcher;
mod worklist;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use case_masks::{MaskPair, MaskPairs, WrittenMasks, pair_masks, take_mask, write_masks};
pub use dialogs::{Ask, Dialogs, SystemDialogs};
pub use done_cases::{DoneCase, done_cases};
pub use edit::{EditEvent, EditRequest, EditWork, drop_aside, handle as handle_edit};
pub use infer::{
    Engine, EngineChoice, EngineFactory, InferEvent, InferRequest, InferWorker, InspectAnswer, InspectChoice,
    InspectRequest, InspectWhat, LabelAnswer, LabelChoice, LabelRequest, Labeller, LabellerFactory, Labels,
    LookInfo, MapKind, ModelInfo, RowAnswer, ShownMap, network_engine, network_labeller,
};
pub use io::{IoEvent, IoRequest, MeasureRequest, SaveRequest, handle as handle_io};
pub use kept::KeptEvent;
pub use kept_maps::{MapChoice, MapsOverSteps};
pub use map_file::{FigureFile, MapFile};
pub use masks::ImportedMask;
pub use open_project::{ImageProblem, OpenProject, OpenedProject};
pub use outside::{CopyProgress, DeidentifyRequest, Picture};
pub use photo::{EnhanceRequest, KeepPhoto, Kept, OpenedPhoto, PageRequest, PhotoFacts};
pub use photo::{PhotoReading, PhotoRecord, ReviewState, TableRow};
pub use project::{HandOver, Keeping, ProjectEvent, ProjectRequest, ProjectWorker};
pub use remote::{
    RemoteAnswer, RemoteEvent, RemoteFailure, RemotePlaces, RemoteRequest, RemoteWhat,
    handle as handle_remote,
};
pub use slide::{Overview, SlidePages};
pub use surface::{Meshed, SurfaceRequest, handle as handle_surface};
pub use table::{Agreed, Compared, LabelRow, MeasureTable, TableRequest};
pub use teach::{
    TeachAnswer, TeachOutcome, TeachProgress, TeachRequest, TeachWorker, VersionList, VersionRow,
};
pub use teach_cases::{Lesson, read_lesson, read_versions};
pub use worklist::{
    CopiedOutlines, OutlineComparison, SearchRequest, WorklistEvent, WorklistRequest, WorklistWorker,
    compare as compare_outlines, copy_outlines, handle_search,
};

use std::path::PathBuf;

/// Answers waiting for the window before a worker has to wait.
const INBOX_LENGTH: usize = 256;
/// Requests waiting for a worker.
const QUEUE_LENGTH: usize = 64;

/// What threads tell the window.
#[derive(Debug)]
pub enum Event {
    /// From the thread that reads and writes.
    Io(IoEvent),
    /// From the thread of the network.
    Infer(InferEvent),
    /// From the thread that plans operations.
    Edit(EditEvent),
    /// From the thread that keeps changes.
    Project(ProjectEvent),
    /// From the thread of the surfaces.
    Meshed(Meshed),
    /// From the thread of the worklist.
    Worklist(WorklistEvent),
    /// From the thread that talks to servers.
    Remote(RemoteEvent),
    /// From the thread that teaches.
    Teach(TeachAnswer),
    /// The pixels of the window.
    Screen(Arc<egui::ColorImage>),
    /// About work that was kept without a project.
    Kept(KeptEvent),
    /// DICOM files were copied without names: what was done, or why not, for people.
    Deidentified(Result<Vec<String>, String>),
    /// A file dialog was answered; `None`: cancelled.
    Chosen(Ask, Option<PathBuf>),
    /// A file dialog for several files was answered.
    ChosenSeveral(Ask, Vec<PathBuf>),
    /// A thread met a fault of the program and goes on.
    Panicked {
        /// Name of the thread.
        thread: &'static str,
        /// What it said.
        text: String,
        /// The request it worked on, where it has a number.
        request: Option<u64>,
    },
}

/// The way back to the window. Every message wakes it.
#[derive(Clone)]
pub struct Inbox {
    sender: SyncSender<Event>,
    window: egui::Context,
}

impl Inbox {
    /// A channel whose messages wake `window`.
    pub fn new(window: egui::Context) -> (Self, Receiver<Event>) {
        let (sender, receiver) = sync_channel(INBOX_LENGTH);
        (Self { sender, window }, receiver)
    }

    /// Sends; waits while the window is behind. `false` if it has gone.
    pub fn send(&self, event: Event) -> bool {
        let sent = self.sender.send(event).is_ok();
        self.window.request_repaint();
        sent
    }

    /// Sends what may be lost, such as progress. `false` if the window has gone.
    pub fn try_send(&self, event: Event) -> bool {
        let sent = !matches!(self.sender.try_send(event), Err(TrySendError::Disconnected(_)));
        self.window.request_repaint();
        sent
    }
}

/// A named thread with a queue of requests; it ends when this handle is dropped or closed, after what it was asked for.
#[derive(Debug)]
pub struct Worker<Request> {
    /// None: closed.
    sender: Option<SyncSender<Request>>,
    thread: JoinHandle<()>,
}

/// A thread that can be ended.
pub trait Ending {
    /// Takes no more requests; the thread ends after those that wait.
    fn close(&mut self);

    /// Whether the thread has ended.
    fn has_ended(&self) -> bool;
}

impl<Request> Ending for Worker<Request> {
    fn close(&mut self) {
        self.sender = None;
    }

    fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

impl<Request: Numbered + Send + 'static> Worker<Request> {
    /// Starts the thread. `make` runs on it and returns what handles requests.
    ///
    /// # Errors
    /// If the system refuses another thread.
    pub fn spawn<Handler: FnMut(Request)>(
        name: &'static str,
        inbox: Inbox,
        make: impl FnOnce() -> Handler + Send + 'static,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel::<Request>(QUEUE_LENGTH);
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            let mut handle = make();
            while let Ok(request) = receiver.recv() {
                let number = request.number();
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| handle(request))) {
                    let text = panic_text(panic.as_ref());
                    if !inbox.send(Event::Panicked { thread: name, text, request: number }) {
                        return;
                    }
                }
            }
        })?;
        Ok(Self { sender: Some(sender), thread })
    }

    /// The same, but waits for room in the queue: for what must not be lost.
    ///
    /// # Errors
    /// The request itself, if there is no room after that time or the thread has gone.
    pub fn ask_waiting(&self, mut request: Request, at_most: Duration) -> Result<(), Request> {
        let began = Instant::now();
        loop {
            let Some(sender) = &self.sender else { return Err(request) };
            request = match sender.try_send(request) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(request)) if began.elapsed() < at_most => request,
                Err(TrySendError::Full(request) | TrySendError::Disconnected(request)) => {
                    return Err(request);
                }
            };
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Hands over a request; gives it back if the queue is full or the thread has gone.
    ///
    /// # Errors
    /// The request itself.
    pub fn ask(&self, request: Request) -> Result<(), Request> {
        let Some(sender) = &self.sender else { return Err(request) };
        sender.try_send(request).map_err(|error| match error {
            TrySendError::Full(request) | TrySendError::Disconnected(request) => request,
        })
    }
}

/// A request that may have a number by which its answer is recognised.
pub trait Numbered {
    /// The number.
    fn number(&self) -> Option<u64>;
}

/// What a panic said, for people.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no reason given".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Job(u64);

    impl Numbered for Job {
        fn number(&self) -> Option<u64> {
            Some(self.0)
        }
    }

    #[test]
    fn a_panic_becomes_a_message_and_the_thread_goes_on() {
        let (inbox, events) = Inbox::new(egui::Context::default());
        let answers = inbox.clone();
        let worker = Worker::spawn("io", inbox, move || {
            move |job: Job| {
                assert!(job.0 != 1, "request one is broken");
                answers.send(Event::Chosen(Ask::OpenFile, Some(PathBuf::from(job.0.to_string()))));
            }
        })
        .unwrap();
        for number in [1, 2] {
            assert!(worker.ask(Job(number)).is_ok());
        }
        let wait = Duration::from_secs(120);
        match events.recv_timeout(wait).unwrap() {
            Event::Panicked { thread: "io", text, request: Some(1) } => assert!(text.contains("broken")),
            other => panic!("{other:?}"),
        }
        assert!(
            matches!(events.recv_timeout(wait).unwrap(), Event::Chosen(_, Some(path)) if path.as_os_str() == "2")
        );
    }

    #[test]
    fn a_closed_thread_does_what_waits_and_ends() {
        let (inbox, events) = Inbox::new(egui::Context::default());
        let answers = inbox.clone();
        let mut worker = Worker::spawn("io", inbox, move || {
            move |job: Job| {
                answers.send(Event::Chosen(Ask::OpenFile, Some(job.0.to_string().into())));
            }
        })
        .unwrap();
        for number in 0..50 {
            assert!(worker.ask(Job(number)).is_ok());
        }
        worker.close();
        assert!(
            worker.ask(Job(50)).is_err() && worker.ask_waiting(Job(50), Duration::from_secs(60)).is_err()
        );
        while !worker.has_ended() {
            std::thread::yield_now();
        }
        assert_eq!(events.try_iter().count(), 50);
    }
}
