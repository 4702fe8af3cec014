//! Comparing ratios with those of a table.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Serialize;

/// How measured ratios compare with a column of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Name of the column; `mean of …` for the mean of all columns.
    pub column: String,
    /// Photographs with a number in it.
    pub n: usize,
    /// Mean of |measured − column|.
    pub mean_absolute_difference: f64,
    /// Mean of measured − column.
    pub mean_difference: f64,
    /// Largest |measured − column|.
    pub largest_difference: f64,
    /// Pearson's correlation; `None` for fewer than two photographs or no spread.
    pub correlation: Option<f64>,
}

/// Largest table that is read.
const MOST_BYTES: u64 = 64 << 20;

/// Compares ratios by name with every column of a CSV file whose name begins with `cdr`, and with the mean of those.
pub fn compare(path: &Path, measured: &[(String, f64)]) -> anyhow::Result<Vec<Comparison>> {
    let len = std::fs::metadata(path).with_context(|| format!("no table: {}", path.display()))?.len();
    if len > MOST_BYTES {
        bail!("the table has {len} bytes, more than {MOST_BYTES}: {}", path.display());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("no table: {}", path.display()))?;
    let table = Table::parse(&text).with_context(|| format!("{}", path.display()))?;
    let mut found: Vec<Comparison> = table
        .columns
        .iter()
        .enumerate()
        .filter_map(|(i, name)| table.compared(name, measured, |row| row[i]))
        .collect();
    if table.columns.len() > 1 {
        let mean = |row: &[Option<f64>]| {
            let numbers: Vec<f64> = row.iter().copied().flatten().collect();
            (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
        };
        let name = format!("mean of {}", table.columns.len());
        found.extend(table.compared(&name, measured, mean));
    }
    if found.is_empty() {
        bail!("no row of the table has the name of a measured photograph: {}", path.display());
    }
    Ok(found)
}

struct Table {
    columns: Vec<String>,
    rows: BTreeMap<String, Vec<Option<f64>>>,
}

impl Table {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let cells = |line: &str| -> Vec<String> {
            line.split(',').map(|cell| cell.trim().trim_matches('"').to_owned()).collect()
        };
        let header = cells(lines.next().unwrap_or_default().trim_start_matches('\u{feff}'));
        let key =
            header.iter().position(|name| matches!(name.to_lowercase().as_str(), "id" | "image" | "name"));
        let Some(key) = key else {
            bail!("the table has no column id, image or name, but {}", header.join(", "))
        };
        let wanted: Vec<usize> =
            (0..header.len()).filter(|i| header[*i].to_lowercase().starts_with("cdr")).collect();
        if wanted.is_empty() {
            bail!("the table has no column whose name begins with cdr, but {}", header.join(", "));
        }
        let mut rows = BTreeMap::new();
        for row in lines.map(cells) {
            let Some(name) = row.get(key) else { continue };
            let number =
                |i: &usize| row.get(*i).and_then(|cell| cell.parse::<f64>().ok()).filter(|n| n.is_finite());
            rows.insert(name.clone(), wanted.iter().map(number).collect());
        }
        Ok(Self { columns: wanted.iter().map(|i| header[*i].clone()).collect(), rows })
    }

    fn compared(
        &self,
        name: &str,
        measured: &[(String, f64)],
        pick: impl Fn(&[Option<f64>]) -> Option<f64>,
    ) -> Option<Comparison> {
        let of = |(name, value): &(String, f64)| Some((*value, pick(self.rows.get(name)?)?));
        let pairs: Vec<(f64, f64)> = measured.iter().filter_map(of).collect();
        let n = pairs.len() as f64;
        let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
        (!pairs.is_empty()).then(|| Comparison {
            column: name.to_owned(),
            n: pairs.len(),
            mean_absolute_difference: mean(&|(a, b)| (a - b).abs()),
            mean_difference: mean(&|(a, b)| a - b),
            largest_difference: pairs.iter().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max),
            correlation: correlation(&pairs),
        })
    }
}

fn correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let n = pairs.len() as f64;
    let (a, b) = pairs.iter().fold((0.0, 0.0), |(a, b), pair| (a + pair.0 / n, b + pair.1 / n));
    let sum = |of: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|(x, y)| of(x - a, y - b)).sum::<f64>();
    let spread = (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt();
    (pairs.len() > 1 && spread > 0.0).then(|| sum(&|x, y| x * y) / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Vec<(String, f64)> {
        [("a", 0.5), ("b", 0.7), ("c", 0.9)].map(|(name, value)| (name.to_owned(), value)).into()
    }

    #[test]
    fn columns_are_compared_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        let text = "\u{feff}split,id,cdr_one,CDR two,other\nx,c,0.8,1.0,9\nx,a,0.4,,9\n\nx,b,0.6,0.8,9\nx,z,0.1,0.1,9\n";
        std::fs::write(&path, text).unwrap();
        let found = compare(&path, &measured()).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].column.as_str(), found[0].n), ("cdr_one", 3));
        assert!((found[0].mean_absolute_difference - 0.1).abs() < 1e-12);
        assert!((found[0].correlation.unwrap() - 1.0).abs() < 1e-12);
        assert_eq!((found[1].n, found[1].mean_difference < 0.0), (2, true));
        assert_eq!(found[2].column, "mean of 2");
        assert!((found[2].largest_difference - 0.1).abs() < 1e-12);
    }

    #[test]
    fn tables_without_names_or_ratios_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        for text in ["", "id,age\na,3\n", "cdr\n0.3\n", "id,cdr\nx,0.3\n"] {
            std::fs::write(&path, text).unwrap();
            assert!(compare(&path, &measured()).is_err(), "{text}");
        }
        assert!(compare(&folder.path().join("no.csv"), &measured()).is_err());
    }
}
