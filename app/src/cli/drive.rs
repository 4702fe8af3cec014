//! `hilum drive`: edits without a hand, for the tests that kill the program; without a window or with one.
//!
//! The edits go through the same document, the same thread and the same hand-over as those of the window. Every one is
//! told on the standard output before it is handed over: when it was made and what it led to. When the thread that keeps
//! changes has done what it was given, that is told too: `kept N`, with the number of edits told until then.

mod window;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use clap::Args;
use hilum_core::document::{Document, EditCommand, StrokeTool};
use hilum_core::geometry::{Grid, VoxelBox};
use hilum_core::label::BoxMask;
use hilum_core::paint::BrushShape;
use hilum_core::prompt::Click;
use hilum_core::ruler::RulerShape;
use hilum_core::volume::{ImageMeta, Volume, Voxels};
use nalgebra::Point3;

use crate::jobs::{Event, HandOver, Inbox, ProjectEvent, ProjectRequest, ProjectWorker, Worker};

/// Voxels of the image that is edited.
const DIMS: [usize; 3] = [64, 64, 32];
/// A journal beyond this is compacted, so that kills fall into compactions as well.
const COMPACT_BYTES: u64 = 6 << 10;

/// Arguments of `drive`.
#[derive(Debug, Args)]
pub struct Drive {
    /// Folder below which projects are kept.
    folder: PathBuf,
    /// Seed of the edits.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Ends after so many seconds, for the case that nobody kills it.
    #[arg(long, default_value_t = 30.0)]
    secs: f64,
    /// Edits in the window, with this image.
    #[arg(long)]
    window: Option<PathBuf>,
}

/// The image that every drive edits.
///
/// # Errors
/// Never; the grid is sound.
pub fn image() -> anyhow::Result<Arc<Volume>> {
    let grid = Grid::from_spacing(DIMS, [1.0, 1.0, 2.0])?;
    let voxels = Voxels::U8(vec![0; grid.voxel_count()]);
    Ok(Arc::new(Volume::new(grid, voxels, ImageMeta::default())?))
}

/// What a document holds, in one line: steps, steps applied, and a checksum of labels, points and rulers. An open
/// stroke counts as the step that it becomes when the project is opened again.
pub fn digest(document: &Document) -> String {
    let history = document.history();
    let open = usize::from(document.has_open_stroke());
    let applied = history.cursor() + open;
    let steps = if open > 0 { applied } else { history.len() };
    let mut sum = crc(bytemuck::cast_slice(&document.labels().to_voxels()), 0);
    sum = crc(format!("{:?}", document.prompts()).as_bytes(), sum);
    sum = crc(format!("{:?}", document.rulers()).as_bytes(), sum);
    format!("{steps} {applied} {sum:016x}")
}

/// FNV-1a over eight bytes at a time, continued from another one.
fn crc(bytes: &[u8], start: u64) -> u64 {
    bytes.chunks(8).fold(start ^ 0xcbf2_9ce4_8422_2325, |sum, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17)
    })
}

impl Drive {
    /// Edits until it is killed.
    pub fn run(&self) -> anyhow::Result<()> {
        if let Some(image) = &self.window {
            return self.run_window(image.clone());
        }
        let volume = image()?;
        let (inbox, events) = Inbox::new(egui::Context::default());
        let (folder, for_worker) = (self.folder.clone(), inbox.clone());
        let project = Worker::spawn("project", inbox, move || {
            let mut worker =
                ProjectWorker::new(Some(folder), for_worker).compacting_beyond(Some(COMPACT_BYTES));
            move |request| worker.handle(request)
        })?;
        let mut document = self.start(&project, &events, &volume)?;
        say(&format!("opened {} {}", now_ms(), digest(&document)))?;
        let began = Instant::now();
        let (mut hand_over, mut hand, mut told) = (HandOver::default(), Hand(self.seed), Told::default());
        while began.elapsed().as_secs_f64() < self.secs {
            if document.apply(hand.next_command()).is_ok() && document.has_unsaved() {
                say(&format!("made {} {}", now_ms(), digest(&document)))?;
                told.made += 1;
            }
            if document.has_unsaved() && hand_over.wait_secs(began.elapsed().as_secs_f64()).is_none() {
                let records = document.take_unsaved();
                if let Err(ProjectRequest::Append(records)) = project.ask(ProjectRequest::Append(records)) {
                    document.put_back_unsaved(records);
                }
            }
            while let Ok(event) = events.try_recv() {
                if let Event::Project(ProjectEvent::Failed { why, .. }) = event {
                    bail!("changes are not kept: {why}");
                }
            }
            if !document.has_unsaved() {
                told.ask(|sender| drop(project.ask(ProjectRequest::Flush(sender))));
            }
            told.tell_kept()?;
            std::thread::sleep(Duration::from_millis(hand.below(12)));
        }
        Ok(())
    }

    fn start(
        &self,
        project: &Worker<ProjectRequest>,
        events: &Receiver<Event>,
        volume: &Arc<Volume>,
    ) -> anyhow::Result<Document> {
        let mut document = Document::new(Arc::clone(volume));
        document.start_journal();
        let (session, snapshot) = (1, Box::new(document.snapshot()));
        let (sender, attached) = sync_channel(1);
        let requests = [
            ProjectRequest::Attach { session, volume: Arc::clone(volume), snapshot },
            ProjectRequest::Flush(sender),
        ];
        for request in requests {
            project.ask(request).ok().context("the thread that keeps changes is gone")?;
        }
        attached.recv_timeout(Duration::from_secs(120)).context("the project does not open")?;
        match events.try_recv() {
            Ok(Event::Project(ProjectEvent::Found { state, warnings, .. })) => {
                for warning in warnings {
                    say(&format!("warning {warning}"))?;
                }
                document = Document::restore(Arc::clone(volume), *state)?;
                project.ask(ProjectRequest::Continue(true)).ok().context("the thread is gone")?;
            }
            Ok(Event::Project(ProjectEvent::Failed { why, .. })) => bail!("{why}"),
            _ => {}
        }
        Ok(document)
    }
}

/// What was told, and how much of it is known to be on disk.
#[derive(Debug, Default)]
struct Told {
    /// Edits that were told.
    made: usize,
    /// How many of these are known to be on disk.
    kept: usize,
    /// Brings word when so many are.
    due: Option<(usize, Receiver<()>)>,
}

impl Told {
    /// Everything that was told is handed over: wants word of it, unless it waits for an earlier one.
    fn ask(&mut self, flush: impl FnOnce(SyncSender<()>)) {
        if self.due.is_none() && self.kept < self.made {
            let (sender, answer) = sync_channel(1);
            flush(sender);
            self.due = Some((self.made, answer));
        }
    }

    /// Tells what is on disk.
    fn tell_kept(&mut self) -> anyhow::Result<()> {
        let Some((made, answer)) = &self.due else { return Ok(()) };
        match answer.try_recv() {
            Ok(()) => self.kept = *made,
            Err(TryRecvError::Empty) => return Ok(()),
            // The queue was full.
            Err(TryRecvError::Disconnected) => {
                self.due = None;
                return Ok(());
            }
        }
        self.due = None;
        say(&format!("kept {}", self.kept))
    }
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    Ok(writeln!(out, "{line}").and_then(|()| out.flush())?)
}

/// A hand that does all sorts of things.
struct Hand(u64);

impl Hand {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn voxel(&mut self) -> [usize; 3] {
        DIMS.map(|n| self.below(n as u64) as usize)
    }

    fn place(&mut self) -> Point3<f64> {
        let [x, y, z] = self.voxel();
        Point3::new(x as f64, y as f64, 2.0 * z as f64)
    }

    fn next_command(&mut self) -> EditCommand {
        match self.below(20) {
            0 => EditCommand::AddClick(Click { voxel: self.voxel(), positive: true }),
            1 => EditCommand::ClearClicks,
            2 => {
                let (a, b) = (self.voxel(), self.voxel());
                let region =
                    VoxelBox::new([0, 1, 2].map(|i| a[i].min(b[i])), [0, 1, 2].map(|i| a[i].max(b[i]) + 1));
                let label = self.below(2) as u16;
                EditCommand::WriteMask {
                    name: "Fill".into(),
                    mask: BoxMask::from_fn(region, |_| true),
                    label,
                }
            }
            3 => {
                let (a, b) = (self.place(), self.place());
                EditCommand::AddRuler(RulerShape::Distance([a.coords.into(), b.coords.into()]))
            }
            4 | 5 => EditCommand::Undo,
            6 => EditCommand::Redo,
            7..=9 => {
                let tool = if self.below(3) == 0 { StrokeTool::Eraser } else { StrokeTool::Brush };
                let radius_mm = 2.0 + self.below(6) as f64;
                EditCommand::BeginStroke { tool, shape: BrushShape::Ball, radius_mm }
            }
            10 => EditCommand::CancelStroke,
            11..=12 => EditCommand::EndStroke,
            _ => {
                let from = self.place();
                EditCommand::StrokeTo { from, to: self.place() }
            }
        }
    }
}
