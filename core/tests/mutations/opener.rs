//! The process that opens files, and the one that watches it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use hilum_core::io::{Limits, OpenOptions, list_series, open, open_labels_within};

/// The argument that makes this program the process that opens.
pub const CHILD: &str = "--open-what-stdin-names";

/// Small bounds: what a damaged file asks for must be refused by them and not by the system.
const LIMITS: Limits =
    Limits { max_voxel_bytes: 64 << 20, max_files: 100, max_depth: 4, max_header_bytes: 8 << 20 };

/// How opening ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The damage did not matter.
    Opened,
    /// An error with words.
    Refused,
    /// A panic.
    Panicked,
    /// It took too long.
    Hung,
    /// The process ended, for want of memory or otherwise.
    Died,
}

impl Outcome {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Refused => "refused",
            Self::Panicked => "panicked",
            Self::Hung => "hung",
            Self::Died => "died",
        }
    }
}

/// What became of a file.
pub struct Answer {
    pub outcome: Outcome,
    /// What the panic said.
    pub text: String,
    pub took: Duration,
    /// Most memory that the process held meanwhile; 0 where the system does not tell.
    pub peak_kib: u64,
}

impl Answer {
    /// Whether a reader is at fault.
    pub fn is_failure(&self, runaway_kib: u64) -> bool {
        !matches!(self.outcome, Outcome::Opened | Outcome::Refused) || self.peak_kib > runaway_kib
    }
}

/// A process that opens files with its own memory; it is replaced when it ends.
pub struct Opener {
    most_memory_kib: u64,
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<String>,
}

impl Opener {
    /// Starts it with a limited address space, where there is a shell that can.
    pub fn start(most_memory_kib: u64) -> Self {
        let own = std::env::current_exe().unwrap();
        let mut command = if cfg!(target_os = "linux") {
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("ulimit -v {most_memory_kib}; exec \"$0\" \"$1\"")).arg(own);
            command
        } else {
            Command::new(own)
        };
        let mut child = command
            .arg(CHILD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, answers) = sync_channel(1);
        let read = move || {
            let lines = BufReader::new(stdout).lines();
            lines.map_while(Result::ok).take_while(|line| sender.send(line.clone()).is_ok()).count();
        };
        std::thread::Builder::new().name("answers".into()).spawn(read).unwrap();
        Self { most_memory_kib, child, stdin, answers }
    }

    /// Opens a file as image, series and labels.
    pub fn open(&mut self, path: &Path, most_time: Duration) -> Answer {
        let started = Instant::now();
        writeln!(self.stdin, "{}", path.display()).ok();
        self.stdin.flush().ok();
        let line = self.answers.recv_timeout(most_time);
        let took = started.elapsed();
        let (outcome, text, peak_kib) = match line {
            Ok(line) => {
                let mut words = line.splitn(3, ' ');
                let outcome = match words.next() {
                    Some("opened") => Outcome::Opened,
                    Some("refused") => Outcome::Refused,
                    _ => Outcome::Panicked,
                };
                let peak_kib = words.next().and_then(|w| w.parse().ok()).unwrap_or(0);
                (outcome, words.next().unwrap_or_default().to_owned(), peak_kib)
            }
            Err(why) => {
                self.child.kill().ok();
                let status = self.child.wait().map(|status| status.to_string()).unwrap_or_default();
                let outcome = if why == RecvTimeoutError::Timeout { Outcome::Hung } else { Outcome::Died };
                *self = Self::start(self.most_memory_kib);
                (outcome, status, 0)
            }
        };
        Answer { outcome, text, took, peak_kib }
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Opens what each line of the standard input names and answers with a line.
pub fn serve() {
    let said = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let hook = std::sync::Arc::clone(&said);
    std::panic::set_hook(Box::new(move |info| {
        *hook.lock().unwrap() = info.to_string().replace('\n', " ");
    }));
    for line in std::io::stdin().lines().map_while(Result::ok) {
        forget_peak();
        let word = match catch_unwind(AssertUnwindSafe(|| misbehave(&line) || open_all(Path::new(&line)))) {
            Ok(true) => "opened",
            Ok(false) => "refused",
            Err(_) => "panicked",
        };
        let said = std::mem::take(&mut *said.lock().unwrap());
        // A panic in another thread, or one that was caught, is one as well.
        let word = if said.is_empty() { word } else { "panicked" };
        println!("{word} {} {said}", peak_kib());
    }
}

/// What the watcher must notice; no file has these names.
const PANIC: &str = "?panic";
const HANG: &str = "?hang";
const MEMORY: &str = "?memory";

/// Does on purpose what no reader may do.
fn misbehave(line: &str) -> bool {
    match line {
        PANIC => panic!("asked to"),
        HANG => std::thread::sleep(Duration::from_secs(60)),
        MEMORY => return std::hint::black_box(vec![1_u8; 4 << 30]).len() > 1,
        _ => {}
    }
    false
}

/// Makes sure that failures would be noticed.
pub fn check(opener: &mut Opener) {
    let mut ask = |line: &str, secs| opener.open(Path::new(line), Duration::from_secs(secs)).outcome;
    assert_eq!(ask(PANIC, 20), Outcome::Panicked);
    assert_eq!(ask(HANG, 1), Outcome::Hung);
    if cfg!(target_os = "linux") {
        assert_eq!(ask(MEMORY, 20), Outcome::Died);
    }
    assert_eq!(ask("?nothing", 20), Outcome::Refused);
}

/// Whether it can be opened as an image or as labels.
fn open_all(path: &Path) -> bool {
    let options = OpenOptions { limits: LIMITS, ..OpenOptions::default() };
    let image = open(path, &options, &()).is_ok();
    let series = list_series(path, &options, &()).is_ok();
    let labels = open_labels_within(path, &LIMITS).is_ok();
    image || labels || series && path.is_dir()
}

fn forget_peak() {
    // Linux alone; elsewhere no peak is told.
    std::fs::write("/proc/self/clear_refs", "5").ok();
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
