//! The table of results.

use std::path::Path;

use hilum_core::io::{SaveError, replace_file};

use crate::cli::cdr::quoted;

/// Names of columns with their values, in order.
pub type TableRow = Vec<(String, String)>;

/// Writes one row a picture (RFC 4180). The columns are those of all rows together; a row without one of them leaves
/// it empty.
///
/// # Errors
/// [`SaveError`]; an existing file is then untouched.
pub fn write(path: &Path, rows: &[TableRow]) -> Result<(), SaveError> {
    let mut columns: Vec<&str> = Vec::new();
    for row in rows {
        for (at, (name, _)) in row.iter().enumerate() {
            if !columns.contains(&name.as_str()) {
                columns.insert(at.min(columns.len()), name);
            }
        }
    }
    replace_file(path, |out| {
        write_line(out, columns.iter().copied())?;
        for row in rows {
            let cell =
                |name: &&str| row.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str());
            write_line(out, columns.iter().map(cell))?;
        }
        Ok(())
    })
}

fn write_line<'a>(
    out: &mut impl std::io::Write,
    cells: impl Iterator<Item = &'a str>,
) -> std::io::Result<()> {
    let line: Vec<String> = cells.map(quoted).collect();
    write!(out, "{}\r\n", line.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_other_columns_share_one_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        let row = |cells: &[(&str, &str)]| {
            cells.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<TableRow>()
        };
        let rows = [
            row(&[("image", "a, b"), ("state", "open")]),
            row(&[("image", "c"), ("state", "x"), ("vcdr", "0.5")]),
        ];
        write(&path, &rows).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "image,state,vcdr\r\n\"a, b\",open,\r\nc,x,0.5\r\n");
    }
}
