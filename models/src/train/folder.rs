//! A run's folder: the recipe it belongs to, its curves, and files that are never half written.

use std::io::Write as _;
use std::path::Path;

use hilum_core::io::read_small_text;
use serde::Serialize;

use super::plot;
use super::recipe::Recipe;
use super::run::TrainError;

/// Takes the folder for a recipe, or finds that it is this recipe's already.
pub(super) fn claim(recipe: &Recipe, folder: &Path) -> Result<(), TrainError> {
    std::fs::create_dir_all(folder).map_err(|cause| TrainError::Folder { cause, path: folder.to_owned() })?;
    let path = folder.join("recipe.json");
    // The card's text and what is looked at do not change the weights.
    let recipe = Recipe { card: None, attention: None, ..recipe.clone() };
    match read_small_text(&path) {
        // Compared as recipes: an older version wrote fewer keys, which had their defaults.
        Ok(old) => match serde_json::from_str::<Recipe>(&old) {
            Ok(old) if old == recipe => Ok(()),
            _ => Err(TrainError::OtherRecipe(folder.to_owned())),
        },
        Err(_) => write_text(&path, &to_json(&recipe)),
    }
}

pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("plain data with string keys")
}

pub(super) fn write_text(path: &Path, text: &str) -> Result<(), TrainError> {
    hilum_core::io::replace_file(path, |out| out.write_all(text.as_bytes()))
        .map_err(|e| TrainError::Folder { cause: std::io::Error::other(e), path: path.to_owned() })
}

/// Adds a line to a CSV file; a new one begins with `header`.
pub(super) fn append(folder: &Path, name: &str, header: &str, line: &str) -> Result<(), TrainError> {
    let path = folder.join(name);
    let add = || {
        let is_new = !path.exists();
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path)?;
        if is_new {
            writeln!(file, "{header}")?;
        }
        writeln!(file, "{line}")
    };
    add().map_err(|cause| TrainError::Folder { cause, path: path.clone() })
}

/// Drops the lines of a CSV file that a continued run will write again.
pub(super) fn forget_after(folder: &Path, name: &str, step: usize) -> Result<(), TrainError> {
    let path = folder.join(name);
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(()) };
    let is_kept =
        |line: &&str| line.split(',').next().is_none_or(|s| s.parse().is_ok_and(|s: usize| s <= step));
    let kept: Vec<&str> = text.lines().take(1).chain(text.lines().skip(1).filter(is_kept)).collect();
    write_text(&path, &(kept.join("\n") + "\n"))
}

/// Redraws `curves.png` from the CSV files; a picture that cannot be written stops no run.
pub(super) fn draw_curves(folder: &Path) {
    let column = |file: &str, column: usize| -> Vec<(usize, f64)> {
        let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        text.lines()
            .skip(1)
            .filter_map(|line| {
                let mut cells = line.split(',');
                let step = cells.next()?.parse().ok()?;
                Some((step, cells.nth(column - 1)?.parse().ok()?))
            })
            .filter(|(_, value): &(usize, f64)| value.is_finite())
            .collect()
    };
    let curves = [column("loss.csv", 1), column("validation.csv", 2), column("validation.csv", 3)];
    if let Err(cause) = plot::save_curves(&folder.join("curves.png"), &curves) {
        tracing::warn!("cannot draw the curves: {cause}");
    }
}
