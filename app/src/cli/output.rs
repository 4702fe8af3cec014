//! What a command says, and to whom.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use directories::ProjectDirs;
use hilum_core::io::{OpenObserver, Warning};
use hilum_core::job::Observer;
use hilum_models::catalog::Catalog;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};

/// The answer of a command.
pub trait Report: Serialize {
    /// The answer for people, without a line break at its end.
    fn text(&self) -> String;
}

/// Where answers go.
pub struct Console {
    json: bool,
    models: Option<PathBuf>,
}

impl Console {
    /// Answers as JSON or for people, with the models of a folder or else the user's.
    pub fn new(json: bool, models: Option<PathBuf>) -> Self {
        Self { json, models }
    }

    /// The models at hand.
    pub fn catalog(&self) -> anyhow::Result<Catalog> {
        let folder = match &self.models {
            Some(folder) => {
                anyhow::ensure!(folder.is_dir(), "the folder of models does not exist: {}", folder.display());
                Some(folder.clone())
            }
            None => models_folder(),
        };
        let catalog = Catalog::new(folder.as_deref())?;
        catalog.problems().iter().for_each(|problem| self.warn(problem));
        Ok(catalog)
    }

    /// Where models are added, which need not exist yet.
    pub fn models_folder(&self) -> Option<PathBuf> {
        self.models.clone().or_else(models_folder)
    }

    /// Prints the answer of a command. A reader that went away (`| head`) is no error.
    pub fn report(&self, report: &impl Report) -> anyhow::Result<()> {
        let text = if self.json { serde_json::to_string(report)? } else { report.text() };
        let mut out = io::stdout().lock();
        match writeln!(out, "{text}").and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(error).context("cannot write the answer to the standard output")
            }
            _ => Ok(()),
        }
    }

    /// Something the user should know, now. With JSON it stays in the report alone.
    pub fn warn(&self, text: &str) {
        if !self.json {
            complain(&format!("warning: {text}"));
        }
    }

    /// Shows the warnings of an image.
    pub fn warn_all(&self, warnings: &[Warning]) {
        warnings.iter().for_each(|warning| self.warn(&warning.to_string()));
    }
}

/// Where the user's own models lie.
pub fn models_folder() -> Option<PathBuf> {
    ProjectDirs::from("", "", "Hilum").map(|dirs| dirs.data_dir().join("models"))
}

/// A line on stderr; where nobody reads it there is nobody to tell.
pub fn complain(text: &str) {
    writeln!(io::stderr(), "{text}").ok();
}

/// Warnings for JSON: their fields, and `message` as people read it.
pub fn warnings_json(warnings: &[Warning]) -> Vec<Value> {
    let with_message = |warning: &Warning| {
        let mut value = serde_json::to_value(warning).unwrap_or_else(|_| json!({}));
        value["message"] = json!(warning.to_string());
        value
    };
    warnings.iter().map(with_message).collect()
}

/// A progress bar on a terminal, nothing elsewhere. It vanishes when dropped.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar that waits for its first step.
    pub fn start(what: &str) -> Self {
        if !io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template("{spinner} {msg} {wide_bar} {pos}/{len} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// A line above the bar, or on its own where there is none.
    pub fn line(&self, text: &str) {
        if self.0.is_hidden() { complain(text) } else { self.0.println(text) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Observer for Progress {
    fn progress(&self, what: &str, done: u64, total: u64) {
        self.0.set_message(what.to_owned());
        self.0.set_length(total);
        self.0.set_position(done);
    }
}

impl OpenObserver for Progress {}

/// Columns of text: the first to the left, the others to the right.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut header.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

/// A number with three decimals, a dash where it is not defined.
pub fn decimals(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |v| format!("{v:.3}"))
}

/// `1.5 × 2 × 3`.
pub fn by(numbers: impl IntoIterator<Item = impl ToString>) -> String {
    numbers.into_iter().map(|n| n.to_string()).collect::<Vec<_>>().join(" × ")
}

/// A length with as many of three decimals as it needs.
pub fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".into(), "1.000".into()], vec!["long name".into(), "–".into()]];
        assert_eq!(table(&["label", "dice"], &rows), "label       dice\na          1.000\nlong name      –");
    }

    #[test]
    fn warnings_carry_their_fields_and_their_text() {
        let value = &warnings_json(&[Warning::NonFinite { count: 3 }])[0];
        assert_eq!((value["kind"].as_str(), value["count"].as_u64()), (Some("non_finite"), Some(3)));
        assert!(value["message"].as_str().unwrap().contains("3 voxels"));
    }

    #[test]
    fn lengths_are_shortened() {
        assert_eq!(by([1.5, 2.0, 3.277].map(short)), "1.5 × 2 × 3.277");
    }
}
