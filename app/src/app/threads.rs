//! The threads of the window: starting some of them, waiting for what they were asked for, and their end.

use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::HilumApp;
use crate::jobs::{
    EditRequest, Ending, Inbox, IoRequest, ProjectRequest, RemoteRequest, SearchRequest, SurfaceRequest,
    TeachRequest, TeachWorker, Worker, WorklistRequest, WorklistWorker, handle_edit, handle_remote,
    handle_search, handle_surface,
};

/// How long the program waits for the thread of the network when it ends.
const LAST_ANSWER: Duration = Duration::from_secs(2);
const GLANCE: Duration = Duration::from_millis(1);

/// The threads of operations, of the worklist, of teaching, of servers and of the surfaces.
pub(super) struct OtherThreads {
    pub(super) planner: Worker<EditRequest>,
    pub(super) worklists: Worker<WorklistRequest>,
    pub(super) searches: Worker<SearchRequest>,
    pub(super) teacher: Worker<TeachRequest>,
    /// For what is quick: which versions there are, going back.
    pub(super) versions: Worker<TeachRequest>,
    pub(super) remotes: Worker<RemoteRequest>,
    pub(super) surfaces: Worker<SurfaceRequest>,
}

impl OtherThreads {
    pub(super) fn spawn(inbox: &Inbox, models: Option<&PathBuf>) -> anyhow::Result<Self> {
        let for_planner = inbox.clone();
        let planner =
            Worker::spawn("edit", inbox.clone(), move || move |asked| handle_edit(asked, &for_planner));
        let (for_list, for_search) = (inbox.clone(), inbox.clone());
        let worklists = Worker::spawn("worklist", inbox.clone(), move || {
            let mut worker = WorklistWorker::new(for_list);
            move |request| worker.handle(request)
        });
        let searches = Worker::spawn("search", inbox.clone(), move || {
            move |request| handle_search(request, &for_search)
        });
        let teacher = |name| {
            let (for_teacher, models) = (inbox.clone(), models.cloned());
            Worker::spawn(name, inbox.clone(), move || {
                let mut worker = TeachWorker::new(models, for_teacher);
                move |request| worker.handle(request)
            })
        };
        let for_remote = inbox.clone();
        let remotes =
            Worker::spawn("remote", inbox.clone(), move || move |asked| handle_remote(asked, &for_remote));
        let for_surfaces = inbox.clone();
        let surfaces = Worker::spawn("surface", inbox.clone(), move || {
            move |request: SurfaceRequest| handle_surface(&request, &for_surfaces)
        });
        Ok(Self {
            planner: planner.context("cannot start the thread that plans operations")?,
            surfaces: surfaces.context("cannot start the thread of the surfaces")?,
            remotes: remotes.context("cannot start the thread that talks to servers")?,
            worklists: worklists.context("cannot start the thread of the worklist")?,
            searches: searches.context("cannot start the thread that searches")?,
            teacher: teacher("train").context("cannot start the thread that teaches")?,
            versions: teacher("versions").context("cannot start the thread of the versions")?,
        })
    }
}

impl HilumApp {
    /// Tells `sender` when the thread that keeps changes has done what it was asked for so far; for tests.
    pub(crate) fn when_kept(&self, sender: SyncSender<()>) {
        self.project.ask(ProjectRequest::Flush(sender)).ok();
    }

    /// Hands over what is not on disk yet. Every thread that writes tells `sender` when it has done what it was asked for so
    /// far; returns how many will.
    pub fn flush(&mut self, sender: &SyncSender<()>) -> usize {
        let is_asked = [
            self.flush_worklist(sender.clone()),
            self.io.ask(IoRequest::Flush(sender.clone())).is_ok(),
            self.project.ask(ProjectRequest::Flush(sender.clone())).is_ok(),
        ];
        is_asked.into_iter().filter(|is_asked| *is_asked).count()
    }

    /// Lets the thread of the network finish what is short. It may be asking the system for devices; a process that ends
    /// meanwhile takes the drivers away from it, and crashes after all is saved.
    pub(super) fn end_network(&mut self) {
        self.infer.close();
        let until = Instant::now() + LAST_ANSWER;
        while !self.infer.has_ended() && Instant::now() < until {
            self.events.try_iter().for_each(drop);
            std::thread::sleep(GLANCE);
        }
    }

    /// Ends all threads after what they were asked for, however long that takes, without a farewell; for tests.
    pub fn end_threads(&mut self) {
        let Self {
            io,
            infer,
            project,
            planner,
            surfaces,
            worklists,
            searches,
            teacher,
            versions,
            remotes,
            ..
        } = self;
        let mut threads: [&mut dyn Ending; 10] =
            [io, infer, project, planner, surfaces, worklists, searches, teacher, versions, remotes];
        threads.iter_mut().for_each(|thread| thread.close());
        while !threads.iter().all(|thread| thread.has_ended()) {
            // A thread with much to tell waits for room.
            self.events.try_iter().for_each(drop);
            std::thread::sleep(GLANCE);
        }
    }
}
