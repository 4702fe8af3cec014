//! The command line: the same code as the window, without one.
//!
//! Every command prints a line or a small table for people, or one JSON object with `--json`. It ends with 0 on
//! success, 1 on a refused input with the reason on stderr, and 2 on wrong usage.

mod args;
mod attention;
mod bench;
pub(crate) mod cdr;
mod compare;
mod convert;
mod dataset;
mod deidentify;
mod doctor;
pub mod drive;
mod evaluate;
mod finetune;
mod info;
mod intermediates;
mod kept;
mod masks;
mod measure;
mod models;
mod net;
mod output;
mod pacs;
mod provenance;
mod reference;
mod sample;
mod segment;
mod shell;
mod simulate;
mod surface;
mod train;
mod worklist;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Parser, Subcommand};

pub use kept::kept_folder;
use output::Console;
pub use output::models_folder;

/// Click a lesion, get its outline. For research use; not for diagnosis.
///
/// Without a command the window opens, with the files named.
#[derive(Debug, Parser)]
#[command(name = "hilum", version, max_term_width = 100)]
struct Cli {
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// Say on stderr what is being done.
    #[arg(long, short, global = true)]
    verbose: bool,
    /// Folder of models beside those inside the program, instead of the user's own.
    #[arg(long, global = true, value_name = "DIR")]
    models: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
    /// Images to open in the window.
    paths: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what an image holds: size, spacing, orientation, modality, values, warnings.
    Info(info::Info),
    /// Outline the object at one or more clicks.
    Segment(segment::Segment),
    /// Compare masks with the truth.
    Evaluate(evaluate::Evaluate),
    /// Measure the objects of a mask.
    Measure(measure::Measure),
    /// Say who or what made the labels of a case, and verify the record.
    Provenance(provenance::Provenance),
    /// Make and fill lists of images to be labelled alike.
    Worklist(worklist::WorklistCommand),
    /// List and delete work that the window kept on images that are in no project.
    Kept(kept::KeptCommand),
    /// Read the cup-to-disc ratio and the rim off a photograph of the fundus.
    Cdr(cdr::Cdr),
    /// List, show or verify models.
    #[command(subcommand)]
    Models(models::Models),
    /// Show where a network looked: attention maps, their mass by class, and checks of them.
    Attention(attention::Attention),
    /// Run a single network.
    #[command(subcommand)]
    Net(net::Net),
    /// Click by rule, or label case after case, with the truth as oracle, and say what that brings.
    Simulate(simulate::Simulate),
    /// Train a network by a recipe.
    Train(train::Train),
    /// Teach a model on corrected cases, and publish it if it is not worse.
    Finetune(finetune::Finetune),
    /// Train a version again from its record, and compare the weights.
    Replay(finetune::Replay),
    /// List the versions of a model, go back to one, or publish one.
    Versions(finetune::ListVersions),
    /// Compare training runs: which recipe is better on the cases set aside, and how sure that is.
    Compare(compare::Compare),
    /// Convert between image formats.
    Convert(convert::Convert),
    /// Search, fetch from and store on servers that speak DICOMweb.
    #[command(subcommand)]
    Pacs(pacs::Pacs),
    /// Copy DICOM files without what identifies the patient.
    Deidentify(deidentify::DeidentifyCommand),
    /// Write the surfaces of labels as STL, OBJ or PLY.
    ExportSurface(surface::ExportSurface),
    /// Write the cases of a worklist in the layout of nnU-Net or MONAI.
    ExportDataset(dataset::ExportDataset),
    /// Make a synthetic image with its truth.
    #[command(subcommand)]
    Sample(sample::Sample),
    /// Measure how fast models run.
    Bench(bench::Bench),
    /// Check devices, models and folders.
    Doctor(doctor::Doctor),
    /// Print a script that completes the commands in a shell.
    Completions(shell::Completions),
    /// Write the pages of the book that the program knows best.
    #[command(hide = true)]
    Reference(reference::Reference),
    /// Write the manual pages; for packages.
    #[command(hide = true)]
    Man(shell::Man),
    /// Edit without a window until killed; for tests.
    #[command(hide = true)]
    Drive(drive::Drive),
}

/// Runs the program with the arguments of the process. `window` opens the window with some files.
pub fn main(window: impl FnOnce(Vec<PathBuf>) -> anyhow::Result<()>) -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.verbose);
    // A panic of a library is a fault of ours, but the user gets a message, not a trace.
    let outcome = catch_unwind(AssertUnwindSafe(|| run(&cli, window)));
    let error = match outcome {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(error)) => reason(&error),
        Err(_) => "an internal fault stopped the command; please report it with the lines above".to_owned(),
    };
    output::complain(&format!("error: {error}"));
    ExitCode::FAILURE
}

/// An error with its causes, without those that its text already tells.
fn reason(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string).filter(|cause| !cause.is_empty()) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text += &format!(": {cause}");
        }
    }
    text
}

fn run(cli: &Cli, window: impl FnOnce(Vec<PathBuf>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let console = Console::new(cli.json, cli.models.clone());
    match &cli.command {
        Some(_) if !cli.paths.is_empty() => bail!("a command and files for the window cannot be mixed"),
        Some(Command::Info(command)) => command.run(&console),
        Some(Command::Segment(command)) => command.run(&console),
        Some(Command::Evaluate(command)) => command.run(&console),
        Some(Command::Measure(command)) => command.run(&console),
        Some(Command::Provenance(command)) => command.run(&console),
        Some(Command::Worklist(command)) => command.run(&console),
        Some(Command::Kept(command)) => command.run(&console),
        Some(Command::Cdr(command)) => command.run(&console),
        Some(Command::Models(command)) => command.run(&console),
        Some(Command::Attention(command)) => command.run(&console),
        Some(Command::Net(command)) => command.run(&console),
        Some(Command::Simulate(command)) => command.run(&console),
        Some(Command::Train(command)) => command.run(&console),
        Some(Command::Finetune(command)) => command.run(&console),
        Some(Command::Replay(command)) => command.run(&console),
        Some(Command::Versions(command)) => command.run(&console),
        Some(Command::Compare(command)) => command.run(&console),
        Some(Command::Convert(command)) => command.run(&console),
        Some(Command::Pacs(command)) => command.run(&console),
        Some(Command::Deidentify(command)) => command.run(&console),
        Some(Command::ExportSurface(command)) => command.run(&console),
        Some(Command::ExportDataset(command)) => command.run(&console),
        Some(Command::Sample(command)) => command.run(&console),
        Some(Command::Bench(command)) => command.run(&console),
        Some(Command::Doctor(command)) => command.run(&console),
        Some(Command::Completions(command)) => {
            command.run();
            Ok(())
        }
        Some(Command::Reference(command)) => command.run(),
        Some(Command::Man(command)) => command.run(),
        Some(Command::Drive(command)) => command.run(),
        None => {
            if let Some(missing) = cli.paths.iter().find(|path| !path.exists()) {
                bail!("there is no such file and no such command (see hilum --help): {}", missing.display());
            }
            window(cli.paths.clone())
        }
    }
}

/// Warnings of the libraries stay silent unless asked for: what a user must know is in the report.
fn start_log(verbose: bool) {
    // Graphics libraries call every driver that is not there an error, while they look for one that is.
    let quiet = "error,wgpu_hal=off,wgpu_core=off";
    // What the HTTP library tells names addresses, which may hold names of patients.
    let level = if verbose {
        "info,hilum=debug,hilum_core=debug,hilum_models=debug,ureq=off,ureq_proto=off"
    } else {
        quiet
    };
    let filter = tracing_subscriber::EnvFilter::new(level);
    // A second call in one process (a test) keeps the first log.
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init().ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_cause_is_told_once() {
        let cause = std::io::Error::other("disk full");
        let told = anyhow::Error::new(cause).context("the mask was not written");
        assert_eq!(reason(&told), "the mask was not written: disk full");
        let again = told.context("case a: the mask was not written: disk full");
        assert_eq!(reason(&again), "case a: the mask was not written: disk full");
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for words in [["hilum", "--json", "info", "a.nii"], ["hilum", "info", "a.nii", "--json"]] {
            let cli = Cli::try_parse_from(words).unwrap();
            assert!(cli.json && matches!(cli.command, Some(Command::Info(_))));
        }
    }

    #[test]
    fn anything_that_is_no_command_is_a_file_for_the_window() {
        let cli = Cli::try_parse_from(["hilum", "a.nii.gz", "b"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.paths, [PathBuf::from("a.nii.gz"), PathBuf::from("b")]);
    }
}
