//! The program calls itself for each measurement.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::Context as _;
use hilum_models::device::DeviceChoice;

use super::report::{BenchReport, Row};

/// One measurement in a process of its own.
pub(super) struct Job<'a> {
    pub(super) name: &'a str,
    pub(super) is_network: bool,
    pub(super) choice: DeviceChoice,
    pub(super) repeats: u32,
    pub(super) export: Option<&'a Path>,
    pub(super) models: Option<PathBuf>,
}

impl Job<'_> {
    /// What the process says, or why it says nothing.
    pub(super) fn run(&self) -> Result<Row, String> {
        let told = |error: anyhow::Error| format!("{error:#}");
        let mut command = self.command().map_err(told)?;
        let output = command.output().map_err(|e| format!("the program cannot call itself: {e}"))?;
        let answer = serde_json::from_slice::<BenchReport>(&output.stdout).ok();
        match answer.and_then(|report| report.rows.into_iter().next()) {
            Some(row) if output.status.success() => Ok(row),
            _ => Err(ending(output.status, &String::from_utf8_lossy(&output.stderr))),
        }
    }

    fn command(&self) -> anyhow::Result<Command> {
        let program = std::env::current_exe().context("the program does not know where it lies")?;
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).arg("--json");
        if let Some(folder) = self.models.as_ref().filter(|folder| folder.is_dir()) {
            command.arg("--models").arg(folder);
        }
        command.args(["bench", "--here", "--device", &name_of(self.choice)]);
        command.args(["--repeats", &self.repeats.to_string()]);
        if self.is_network {
            command.arg("--networks");
        }
        if let Some(folder) = self.export {
            command.arg("--export").arg(folder);
        }
        // The name of a model may begin with a dash.
        command.args(["--", self.name]);
        Ok(command)
    }
}

/// As it is written on the command line.
fn name_of(choice: DeviceChoice) -> String {
    match choice {
        DeviceChoice::Auto => "auto".to_owned(),
        DeviceChoice::Cpu => "cpu".to_owned(),
        DeviceChoice::Gpu(None) => "gpu".to_owned(),
        DeviceChoice::Gpu(Some(number)) => format!("gpu:{number}"),
    }
}

/// Why a process ended without an answer.
fn ending(status: ExitStatus, stderr: &str) -> String {
    let last = stderr.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given");
    if status.code() == Some(1) {
        return last.trim_start_matches("error: ").to_owned();
    }
    if last.starts_with("memory allocation of") || is_killed(status) {
        return format!("out of memory ({status}; {last})");
    }
    format!("{status}; {last}")
}

/// Whether the system killed it, as it does when memory runs out.
#[cfg(unix)]
fn is_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    const SIGKILL: i32 = 9;
    status.signal() == Some(SIGKILL)
}

#[cfg(not(unix))]
fn is_killed(_status: ExitStatus) -> bool {
    false
}

/// What `run` returns; its error or its panic as a sentence.
pub(super) fn caught<T>(run: impl FnOnce() -> anyhow::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|error| super::super::reason(&error)),
        Err(panic) => Err(format!("a library gave up: {}", message(panic.as_ref()))),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_and_an_error_become_sentences() {
        assert_eq!(caught(|| Ok(3)), Ok(3));
        let error = caught::<()>(|| Err(anyhow::anyhow!("disk full").context("nothing was written")));
        assert_eq!(error, Err("nothing was written: disk full".to_owned()));
        let panic = caught::<()>(|| panic!("a buffer of {} GiB", 80));
        assert_eq!(panic, Err("a library gave up: a buffer of 80 GiB".to_owned()));
    }

    #[cfg(unix)]
    #[test]
    fn the_end_of_a_process_tells_what_it_ran_out_of() {
        use std::os::unix::process::ExitStatusExt as _;
        let told = |raw, stderr| ending(ExitStatus::from_raw(raw), stderr);
        assert_eq!(told(1 << 8, "warning: x\nerror: no such model\n"), "no such model");
        assert!(told(9, "").starts_with("out of memory"));
        assert!(told(6, "memory allocation of 99 bytes failed\n").starts_with("out of memory"));
        assert!(told(11, "").contains("11"), "{}", told(11, ""));
    }

    #[test]
    fn devices_are_written_as_they_are_read() {
        for text in ["auto", "cpu", "gpu", "gpu:3"] {
            assert_eq!(name_of(text.parse().unwrap()), text);
        }
    }
}
