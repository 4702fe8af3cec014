//! The table of results.

use std::io::Write as _;
use std::path::Path;

use hilum_core::io::replace_file;

use super::report::CaseReport;

/// Writes one row a photograph (RFC 4180; numbers with a point, shares of 1).
pub fn write(path: &Path, cases: &[CaseReport]) -> anyhow::Result<()> {
    let rows = cases.iter().map(|case| case.cells().into_iter().map(|(_, value)| value).collect::<Vec<_>>());
    let header = cases.first().map(|case| case.cells().into_iter().map(|(name, _)| name).collect::<Vec<_>>());
    replace_file(path, |out| {
        for row in header.into_iter().chain(rows) {
            let line: Vec<String> = row.iter().map(|cell| quoted(cell)).collect();
            write!(out, "{}\r\n", line.join(","))?;
        }
        Ok(())
    })?;
    Ok(())
}

/// A cell as RFC 4180 has it.
pub fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        assert_eq!(quoted("a b"), "a b");
        assert_eq!(quoted("a, \"b\""), "\"a, \"\"b\"\"\"");
    }
}
