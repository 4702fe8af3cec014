//! `hilum kept`: work that was kept without a project.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use hilum_core::calendar::Moment;
use hilum_core::project::{KeptWork, find_kept, list_kept};
use serde::Serialize;

use super::output::{Console, Report, table};

/// Arguments of `kept`.
#[derive(Debug, Args)]
pub struct KeptCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List it, the latest first.
    List {
        /// Another folder than that of the program's data.
        #[arg(long, value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Delete some of it, after a question. Images are never touched.
    Delete {
        /// Names as `hilum kept list` tells them; those that begin with - stand behind a --.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// Another folder than that of the program's data.
        #[arg(long, value_name = "DIR")]
        folder: Option<PathBuf>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

impl KeptCommand {
    /// Runs the command.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        match &self.what {
            What::List { folder } => {
                let folder = root(folder.as_ref())?;
                let kept = list_kept(&folder, |_| true)?.iter().map(Row::of).collect();
                console.report(&List { folder, kept })
            }
            What::Delete { names, folder, yes } => delete(&root(folder.as_ref())?, names, *yes, console),
        }
    }
}

/// Where the program keeps work on images that are in no project.
pub fn kept_folder() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "Hilum");
    folders.map(|folders| folders.data_local_dir().join("unsaved"))
}

fn root(given: Option<&PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(folder) = given {
        anyhow::ensure!(folder.is_dir(), "the folder of kept work does not exist: {}", folder.display());
        return Ok(folder.clone());
    }
    kept_folder().context("no folder for kept work could be found on this system; name one with --folder")
}

fn delete(root: &std::path::Path, names: &[String], yes: bool, console: &Console) -> anyhow::Result<()> {
    let find = |name: &String| {
        find_kept(root, name).map_err(|_| {
            anyhow::anyhow!(
                "there is no kept work \"{name}\" (see `hilum kept list`) in the folder {}",
                root.display()
            )
        })
    };
    // All are looked for before any goes.
    let found: Vec<KeptWork> = names.iter().map(find).collect::<Result<_, _>>()?;
    if !yes && !agrees(&found)? {
        bail!("nothing was deleted");
    }
    let mut deleted = Vec::new();
    for work in &found {
        let is_gone = work.delete().with_context(|| format!("\"{}\" was not deleted", work.name()))?;
        if !is_gone {
            console.warn(&format!("files that are not Hilum's stay in {}", work.folder.display()));
        }
        deleted.push(work.name());
    }
    console.report(&Deleted { deleted })
}

/// Asks the person at the terminal.
fn agrees(found: &[KeptWork]) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("kept work goes for good when it is deleted; say --yes where nobody can be asked");
    }
    let mut terminal = std::io::stderr().lock();
    for work in found {
        let Row { name, image, labels, steps, .. } = Row::of(work);
        let made = |count: Option<usize>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
        writeln!(terminal, "{name}: {image}, {} labels, {} steps", made(labels), made(steps))?;
    }
    write!(terminal, "Delete for good? The images are not touched. [y/N] ")?;
    terminal.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[derive(Serialize)]
struct List {
    folder: PathBuf,
    kept: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    image: String,
    path: Option<PathBuf>,
    /// Whether the image lies there; `null` for the sample case.
    image_is_there: Option<bool>,
    changed_unix_secs: u64,
    bytes: u64,
    labels: Option<usize>,
    steps: Option<usize>,
    problem: Option<String>,
}

impl Row {
    fn of(work: &KeptWork) -> Self {
        let path = work.image.as_ref().and_then(|image| image.path.clone());
        let contents = work.contents.as_ref().ok();
        Self {
            name: work.name(),
            image: work.image_name(),
            image_is_there: path.as_ref().map(|path| path.exists()),
            path,
            changed_unix_secs: work.changed_unix_secs,
            bytes: work.bytes,
            labels: contents.map(|contents| contents.labels),
            steps: contents.map(|contents| contents.steps),
            problem: work.contents.as_ref().err().cloned(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let count = |count: Option<usize>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
        let note = match (&self.problem, self.image_is_there) {
            (Some(problem), _) => problem.clone(),
            (None, Some(false)) => "the image is not where it was".into(),
            _ => String::new(),
        };
        let changed = Moment::from_unix_secs(self.changed_unix_secs).to_string();
        let kib = self.bytes.div_ceil(1024).to_string();
        vec![self.name.clone(), self.image.clone(), changed, count(self.labels), count(self.steps), kib, note]
    }
}

impl Report for List {
    fn text(&self) -> String {
        if self.kept.is_empty() {
            return format!("no kept work in {}", self.folder.display());
        }
        let rows: Vec<Vec<String>> = self.kept.iter().map(Row::cells).collect();
        table(&["name", "image", "changed", "labels", "steps", "KiB", ""], &rows)
    }
}

#[derive(Serialize)]
struct Deleted {
    deleted: Vec<String>,
}

impl Report for Deleted {
    fn text(&self) -> String {
        format!("deleted: {}", self.deleted.join(", "))
    }
}
