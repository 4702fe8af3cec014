//! The real window, edited by the same hand frame by frame, for the test that kills it.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use egui::ViewportCommand;
use nalgebra::Point3;

use super::{COMPACT_BYTES, Drive, Hand, Told, digest, now_ms, say};
use crate::app::{HilumApp, Services};
use crate::command::{Action, EditAction, MeasureAction, SegmentAction, UiCommand};
use crate::state::{Dialog, ViewId};
use crate::testing::{disc_labeller, growing_engine};

/// Size of the window, so that a device in software draws it quickly.
const SIZE: [f32; 2] = [800.0, 560.0];

/// How far the window is.
enum Stage {
    /// The image is being opened.
    Opening,
    /// The thread that keeps changes looks for earlier work.
    Asked(Receiver<()>),
    /// Its answer is taken in with the next frame.
    Answered,
    /// Being edited.
    Editing,
}

/// The program with a hand that does something in every frame.
struct Driven {
    app: HilumApp,
    hand: Hand,
    stage: Stage,
    began: Instant,
    secs: f64,
    /// The digest that was told last.
    last: String,
    told: Told,
}

impl Drive {
    /// Opens the window on an image and edits until it is killed.
    pub(super) fn run_window(&self, image: PathBuf) -> anyhow::Result<()> {
        let services = Services {
            engine: growing_engine(),
            labeller: disc_labeller(),
            project_folder: Some(self.folder.clone()),
            photo_folder: None,
            models_folder: None,
            compact_bytes: Some(COMPACT_BYTES),
            ..Services::default()
        };
        let (hand, secs) = (Hand(self.seed), self.secs);
        crate::window::run_with(SIZE, services, vec![image], move |app| {
            let (stage, began) = (Stage::Opening, Instant::now());
            Box::new(Driven { app, hand, stage, began, secs, last: String::new(), told: Told::default() })
        })
    }
}

impl Driven {
    /// Waits until earlier work was looked for, and goes on with it.
    fn advance(&mut self) {
        let state = self.app.state();
        let is_complete = state.opening.is_none()
            && state.session.as_ref().is_some_and(|session| session.can_edit() && session.is_kept);
        self.stage = match std::mem::replace(&mut self.stage, Stage::Opening) {
            Stage::Opening if is_complete => {
                let (sender, answer) = sync_channel(1);
                self.app.when_kept(sender);
                Stage::Asked(answer)
            }
            Stage::Asked(answer) if answer.try_recv().is_ok() => Stage::Answered,
            // The answer came before the word that all is done, so that it was taken in before this frame at the latest.
            Stage::Answered if matches!(state.dialog, Dialog::Recover { .. }) => {
                self.app.send(Action::Recover(true));
                Stage::Answered
            }
            Stage::Answered => {
                self.tell("opened");
                Stage::Editing
            }
            Stage::Editing => {
                if let Some(action) = self.next_action() {
                    self.app.send(action);
                }
                Stage::Editing
            }
            other => other,
        };
    }

    /// Tells what the document holds, before it is handed over in the next frame.
    fn tell(&mut self, what: &str) {
        let Some(session) = &self.app.state().session else { return };
        let digest = digest(&session.document);
        if digest != self.last {
            // Nobody reads any more: the test has gone.
            say(&format!("{what} {} {digest}", now_ms())).ok();
            self.last = digest;
            self.told.made += usize::from(what == "made");
        }
    }

    /// Tells what the disk has. The window hands everything over before it draws.
    fn tell_kept(&mut self) {
        let session = self.app.state().session.as_ref();
        if session.is_some_and(|session| !session.document.has_unsaved() && session.not_kept.is_none()) {
            self.told.ask(|sender| self.app.when_kept(sender));
        }
        self.told.tell_kept().ok();
    }

    /// One thing that a person could do in a frame.
    fn next_action(&mut self) -> Option<Action> {
        let view = ViewId::PLANES[self.hand.below(3) as usize];
        let session = self.app.state().session.as_ref()?;
        let affine = *session.volume().grid().affine();
        let is_stroking = session.document.is_stroking();
        let mut place = || affine.world_from_voxel(Point3::from(self.hand.voxel().map(|c| c as f64)));
        let (here, there) = (place(), place());
        let steps = session.document.history().len() as u64;
        Some(match self.hand.below(44) {
            0 => UiCommand::ToolBrush.into(),
            1 => UiCommand::ToolEraser.into(),
            2 => UiCommand::ToggleBall.into(),
            3 | 4 => UiCommand::Undo.into(),
            5 => UiCommand::Redo.into(),
            6 => SegmentAction::GoTo(self.hand.below(steps + 1) as usize).into(),
            7 => UiCommand::ToolDistance.into(),
            8 => MeasureAction::Place(here).into(),
            9 => UiCommand::ToolLasso.into(),
            10 => EditAction::LassoStart(view, here).into(),
            11 => EditAction::LassoTo(there).into(),
            12 => EditAction::Close.into(),
            13 => UiCommand::CopyToNext.into(),
            14 => UiCommand::ClearLabel.into(),
            15 => SegmentAction::Click { at: here, positive: true }.into(),
            16 => UiCommand::Reject.into(),
            17 if is_stroking => SegmentAction::StrokeEnd.into(),
            _ if is_stroking => SegmentAction::StrokeMove(there).into(),
            _ => SegmentAction::StrokeStart(view, here).into(),
        })
    }
}

impl eframe::App for Driven {
    fn logic(&mut self, ctx: &egui::Context, frame: &mut eframe::Frame) {
        self.app.logic(ctx, frame);
        self.advance();
        if self.began.elapsed().as_secs_f64() > self.secs {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
        ctx.request_repaint();
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        self.app.ui(ui, frame);
        if matches!(self.stage, Stage::Editing) {
            self.tell("made");
            self.tell_kept();
        }
    }

    fn on_exit(&mut self) {
        self.app.on_exit();
    }
}
