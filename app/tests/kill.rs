//! Kills the real program at random moments and opens what it left.
//!
//! 200 kills by default; `HILUM_KILLS=1000` for the longer run whose report is docs/results/durability.md. What the program
//! said to be on disk must be there. How young what it did not say so may be at most depends on the machine: that is checked
//! where the number of kills is given, on a machine that does nothing else.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hilum::cli::drive::{digest, image};
use hilum_core::document::{Document, EditCommand};
use hilum_core::project::{Saved, Store, StoreError, StoreWarning};

/// Programs that run at the same time, each on a project of its own.
const PROGRAMS: usize = 8;
/// Nothing older than this may be lost on a quiet machine.
const LOSS_MS: u128 = 1000;
/// Nobody waits so long: a program ends by being killed.
const SECS: &str = "3600";

/// Windows that run at the same time.
const WINDOWS: usize = 3;

/// Where windows open, with which image, and who draws them: `device` or `processor`.
struct Window {
    display: String,
    image: PathBuf,
    home: tempfile::TempDir,
    painter: &'static str,
}

/// A virtual screen for as long as the value lives.
struct Screen {
    server: Child,
    display: String,
}

impl Screen {
    /// `None` where Xvfb is not installed or does not start.
    fn start() -> Option<Self> {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let told = BufReader::new(server.stdout.take()?).read_line(&mut line);
        if told.is_ok() && line.trim().parse::<u32>().is_ok() {
            return Some(Self { server, display: format!(":{}", line.trim()) });
        }
        server.kill().ok();
        None
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

/// What was seen of all kills.
#[derive(Debug, Default)]
struct Tally {
    kills: AtomicUsize,
    edits: AtomicUsize,
    /// Edits told and not on disk, all younger than a second.
    lost: AtomicUsize,
    oldest_lost_ms: AtomicUsize,
    mended: AtomicUsize,
    compacted: AtomicUsize,
    steps: AtomicUsize,
    /// Edits that the program said to be on disk.
    kept: AtomicUsize,
}

/// What a life of the program told.
struct Life {
    /// When each state came about, and its digest; the first is the one that it opened.
    told: Vec<(u128, String)>,
    /// How many edits it said to be on disk.
    kept: usize,
    killed_ms: u128,
}

impl Life {
    /// Takes in a line.
    fn hear(&mut self, line: &str) {
        let mut words = line.splitn(3, ' ');
        let (what, number) = (words.next(), words.next());
        match (what, number.and_then(|number| number.parse().ok())) {
            (Some("kept"), Some(number)) => self.kept = number as usize,
            (Some("opened" | "made"), Some(at_ms)) => {
                self.told.extend(words.next().map(|digest| (at_ms, digest.to_owned())));
            }
            _ => {}
        }
    }

    fn made(&self) -> usize {
        self.told.len().saturating_sub(1)
    }

    /// Nothing that was told after the first `found` states may be known to be on disk, or be old.
    fn check_lost(&self, found: usize, tally: &Tally) {
        let lost = &self.told[found..];
        let young = |at_ms: u128| self.killed_ms.saturating_sub(at_ms);
        assert!(found > self.kept, "of {} edits said to be on disk there are {}", self.kept, found - 1);
        let oldest = lost.iter().map(|(at_ms, _)| young(*at_ms)).max().unwrap_or(0);
        assert!(
            !is_timed() || oldest < LOSS_MS,
            "what was made {oldest} ms before the kill is lost: {lost:?}"
        );
        tally.oldest_lost_ms.fetch_max(oldest as usize, Ordering::Relaxed);
        tally.lost.fetch_add(lost.len(), Ordering::Relaxed);
    }
}

/// The machine is said to do nothing else.
fn is_timed() -> bool {
    ["HILUM_KILLS", "HILUM_WINDOW_KILLS"].iter().any(|name| std::env::var_os(name).is_some())
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

/// A life of the program, until it is killed. With the name of a display it is the window.
fn life(root: &Path, seed: u64, window: Option<&Window>) -> Life {
    let mut child = start(root, seed, window);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut life = Life { told: Vec::new(), kept: 0, killed_ms: 0 };
    // Every other life is killed at any moment, right after the start as well; the others after so many edits, of which
    // some are on disk, however long the machine takes for that.
    let (edits, longest_us) =
        if window.is_some() { (3 + seed % 12, 4_000_000) } else { (20 + seed % 60, 1_700_000) };
    let edits = if seed.is_multiple_of(2) { 0 } else { edits as usize };
    while life.told.is_empty() || life.made() < edits || life.kept < edits / 3 {
        life.hear(&lines.next().expect("the program runs until it is killed"));
    }
    let read = move || {
        lines.for_each(|line| life.hear(&line));
        life
    };
    let reader = std::thread::Builder::new().name("reader".into()).spawn(read).unwrap();
    std::thread::sleep(Duration::from_micros(seed.wrapping_mul(2_654_435_761) % longest_us));
    let killed_ms = now_ms();
    child.kill().unwrap();
    child.wait().unwrap();
    Life { killed_ms, ..reader.join().unwrap() }
}

fn start(root: &Path, seed: u64, window: Option<&Window>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hilum"));
    command.arg("drive").arg(root).args(["--seed", &seed.to_string(), "--secs", SECS]).stdout(Stdio::piped());
    if let Some(window) = window {
        let home = window.home.path();
        command.arg("--window").arg(&window.image).env("DISPLAY", &window.display);
        command.env_remove("WAYLAND_DISPLAY").env("HILUM_WINDOW", window.painter).stderr(Stdio::null());
        for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"] {
            command.env(name, home);
        }
    }
    command.spawn().unwrap()
}

/// What the killed program left, if it came to making a project.
fn left(root: &Path) -> Option<(Store, Saved)> {
    let folder = std::fs::read_dir(root).unwrap().next()?.unwrap().path();
    match Store::open(&folder) {
        Ok(found) => Some(found),
        // Killed while the project was being created.
        Err(StoreError::NotAProject { .. }) => None,
        Err(error) => panic!("the project does not open: {error}"),
    }
}

/// Opens what is left and compares it with what was told.
fn inspect(root: &Path, life: &Life, tally: &Tally) {
    let told = &life.told;
    tally.edits.fetch_add(told.len(), Ordering::Relaxed);
    tally.kept.fetch_add(life.kept, Ordering::Relaxed);
    let Some((store, saved)) = left(root) else {
        // Killed before the first change was handed over; what was told first is the image without any.
        assert_eq!(told[0].1, digest(&Document::new(image().unwrap())), "a project is gone");
        life.check_lost(1, tally);
        return;
    };
    tally.mended.fetch_add(usize::from(!saved.warnings.is_empty()), Ordering::Relaxed);
    let has_compacted = !store.folder().join("snapshot-1.bin").exists();
    tally.compacted.fetch_add(usize::from(has_compacted), Ordering::Relaxed);
    let (mut document, warnings) = saved.into_document(image().unwrap()).unwrap();
    // A record cut off by the kill, and a project without its manifest: killed while it was created.
    let is_expected =
        |warning: &StoreWarning| matches!(warning, StoreWarning::JournalTail { .. } | StoreWarning::Manifest);
    assert!(warnings.iter().all(is_expected), "{warnings:?}");
    let found = digest(&document);
    let at = told.iter().rposition(|(_, digest)| *digest == found);
    let at =
        at.unwrap_or_else(|| panic!("{found} was never told: {:?}", &told[told.len().saturating_sub(5)..]));
    life.check_lost(at + 1, tally);
    tally.steps.fetch_max(document.history().len(), Ordering::Relaxed);
    walk_history(&mut document, &found);
    drop(store);
}

/// Every step is undone to the empty image and made again, bit by bit.
fn walk_history(document: &mut Document, found: &str) {
    let (cursor, last) = (document.history().cursor(), document.history().len());
    let mut seen = BTreeMap::new();
    for step in (0..=last).rev() {
        document.apply(EditCommand::GoTo(step)).unwrap();
        seen.insert(step, digest(document));
    }
    assert_eq!(
        document.labels().count(0),
        document.image().grid().voxel_count(),
        "undone to the empty image"
    );
    for step in 0..=last {
        document.apply(EditCommand::GoTo(step)).unwrap();
        assert_eq!(seen[&step], digest(document), "step {step} of {last}");
    }
    document.apply(EditCommand::GoTo(cursor)).unwrap();
    assert_eq!(digest(document), found);
}

#[test]
fn a_killed_program_loses_nothing_that_it_kept() {
    let kills: usize = std::env::var("HILUM_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let began = std::time::Instant::now();
    let (tally, next) = (Tally::default(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for program in 0..PROGRAMS {
            let (tally, next) = (&tally, &next);
            scope.spawn(move || {
                let mut root = tempfile::tempdir().unwrap();
                let mut lives = 0;
                while next.fetch_add(1, Ordering::Relaxed) < kills {
                    let seed = (program * 100_003 + lives * 7 + 1) as u64;
                    inspect(root.path(), &life(root.path(), seed, None), tally);
                    tally.kills.fetch_add(1, Ordering::Relaxed);
                    lives += 1;
                    // A long history makes the walk long; a new project tests creation as well.
                    if lives % 12 == 0 {
                        root = tempfile::tempdir().unwrap();
                    }
                }
            });
        }
    });
    println!("{tally:?} in {:.0} s", began.elapsed().as_secs_f64());
    assert_eq!(tally.kills.into_inner(), kills);
    assert!(tally.edits.into_inner() > 5 * kills, "the programs edit");
    assert!(tally.kept.into_inner() > kills, "and what they do comes to the disk");
    assert!(tally.compacted.into_inner() > kills / 10, "journals are compacted");
}

/// Whether a graphics adapter, be it a driver in software, draws a window on this screen.
fn device_draws(screen: &Screen, image: &Path) -> bool {
    let (root, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let image = image.to_owned();
    let window = Window { display: screen.display.clone(), image, home, painter: "device" };
    let mut trial = start(root.path(), 1, Some(&window));
    let told = BufReader::new(trial.stdout.take().unwrap()).lines().next();
    trial.kill().unwrap();
    trial.wait().unwrap();
    let does = told.is_some_and(|line| line.is_ok());
    if !does {
        hilum_core::testing::skip("a graphics adapter that draws on Xvfb, to kill its window");
    }
    does
}

/// The window itself on a virtual screen, killed in the midst of frames: one drawn by a graphics device, two by the processor.
#[test]
fn a_killed_window_loses_nothing_that_it_kept() {
    let Some(screen) = Screen::start() else {
        hilum_core::testing::skip("Xvfb, to kill the real window");
        return;
    };
    let kills: usize = std::env::var("HILUM_WINDOW_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("image.nii.gz");
    hilum_core::io::nifti::save_volume(&path, &image().unwrap()).unwrap();
    let first = if device_draws(&screen, &path) { "device" } else { "processor" };
    let began = std::time::Instant::now();
    let (tally, next) = (Tally::default(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for program in 0..WINDOWS {
            let (tally, next, path, screen) = (&tally, &next, &path, &screen);
            let painter = if program == 0 { first } else { "processor" };
            scope.spawn(move || {
                let root = tempfile::tempdir().unwrap();
                let home = tempfile::tempdir().unwrap();
                let window = Window { display: screen.display.clone(), image: path.clone(), home, painter };
                let mut lives = 0;
                while next.fetch_add(1, Ordering::Relaxed) < kills {
                    let seed = (program * 100_003 + lives * 7 + 1) as u64;
                    inspect(root.path(), &life(root.path(), seed, Some(&window)), tally);
                    tally.kills.fetch_add(1, Ordering::Relaxed);
                    lives += 1;
                }
            });
        }
    });
    println!("window: {tally:?} in {:.0} s", began.elapsed().as_secs_f64());
    assert_eq!(tally.kills.into_inner(), kills);
    assert!(tally.steps.into_inner() > 0, "the windows are edited");
    assert!(tally.kept.into_inner() > 0, "and what is done in them comes to the disk");
}
