//! The measurements as rows of cells, for the table, the clipboard and CSV files.

use hilum_core::geometry::Grid;
use hilum_core::measure::{Interval, Scale};
use hilum_core::ruler::{RulerShape, RulerValue};

use crate::jobs::{Agreed, Compared, LabelRow};
use crate::state::Session;

/// Columns of the table.
const COLUMNS: usize = 25;

/// Titles of the columns; every figure has one column for itself and two for its interval.
fn titles(scale: &Scale) -> [String; COLUMNS] {
    let (size, border, length) = (scale.size_name(), scale.border_name(), scale.length_unit());
    let with_unit = |name: &str, unit: &str| format!("{name} ({unit})");
    [
        "Object".to_owned(),
        "Kind".to_owned(),
        "Slice".to_owned(),
        "Voxels".to_owned(),
        with_unit(size, scale.size_unit()),
        format!("{size} low"),
        format!("{size} high"),
        with_unit("Long axis", length),
        "Long axis low".to_owned(),
        "Long axis high".to_owned(),
        with_unit("Short axis", length),
        "Short axis low".to_owned(),
        "Short axis high".to_owned(),
        with_unit(border, scale.border_unit()),
        format!("{border} low"),
        format!("{border} high"),
        "Mean".to_owned(),
        "Mean low".to_owned(),
        "Mean high".to_owned(),
        "SD".to_owned(),
        "Median".to_owned(),
        "Parts".to_owned(),
        "Value".to_owned(),
        "Value low".to_owned(),
        "Value high".to_owned(),
    ]
}

/// What a distance or angle measures, in the unit of its image.
pub fn ruler_value(shape: &RulerShape, grid: &Grid, scale: &Scale) -> (Interval, &'static str) {
    let RulerValue { value, low, high } = shape.measured(grid);
    let found = Interval { value, low, high };
    match shape {
        RulerShape::Distance(_) => (found.map(|world| scale.length(world)), scale.length_unit()),
        RulerShape::Angle(_) => (found, "°"),
    }
}

/// What an object is called.
pub fn label_name(session: &Session, label: u16) -> String {
    session.document.table().get(label).map_or_else(|| format!("Label {label}"), |entry| entry.name.clone())
}

/// What is compared, in words.
pub fn compared_name(session: &Session, compared: Compared) -> String {
    let first = label_name(session, compared.label);
    match (&session.reference, compared.in_reference) {
        (Some((file, _)), true) => format!("{first} and label {} of {file}", compared.other),
        _ => format!("{first} and {}", label_name(session, compared.other)),
    }
}

/// The whole table with its titles as the first row: labels, distances and angles, the comparison.
pub fn rows(session: &Session) -> Vec<Vec<String>> {
    let scale = Scale::of(session.volume());
    let mut rows = vec![titles(&scale).to_vec()];
    if let Some(table) = &session.table {
        rows.extend(table.rows.iter().map(|row| of_label(&label_name(session, row.label), row, &scale)));
    }
    let grid = session.volume().grid();
    for ruler in session.document.rulers().list() {
        let (value, unit) = ruler_value(&ruler.shape, grid, &scale);
        let kind = format!("{} ({unit})", ruler.shape.kind());
        rows.push(of_value(
            ruler.name(),
            kind,
            [value.value, value.low, value.high].map(|v| format!("{v:.2}")),
        ));
    }
    if let Some(Agreed { compared, agreement }) = session.table.as_ref().and_then(|table| table.agreed) {
        let name = compared_name(session, compared);
        let length =
            |world: Option<f64>| world.map_or_else(String::new, |w| format!("{:.3}", scale.length(w)));
        let unit = scale.length_unit();
        for (kind, value) in [
            ("Dice".to_owned(), format!("{:.4}", agreement.dice)),
            (format!("HD95 ({unit})"), length(agreement.hd95_mm)),
            (format!("mean surface distance ({unit})"), length(agreement.mean_distance_mm)),
        ] {
            rows.push(of_value(name.clone(), kind, [value, String::new(), String::new()]));
        }
    }
    rows
}

fn of_label(name: &str, measured: &LabelRow, scale: &Scale) -> Vec<String> {
    let figures = &measured.figures;
    let slice = figures.recist.map_or_else(String::new, |recist| (recist.slice + 1).to_string());
    let mut row = vec![name.to_owned(), "label".to_owned(), slice, figures.voxel_count.to_string()];
    let decimals = [
        (figures.volume_ml.map(|ml| scale.size(ml)), 4),
        (figures.long_axis_mm.map(|world| scale.length(world)), 2),
        (figures.short_axis_mm.map(|world| scale.length(world)), 2),
        (figures.surface_mm2.map(|mm2| scale.border(mm2)), 1),
    ];
    for (interval, digits) in decimals {
        row.extend(cells(Some(interval), digits));
    }
    row.extend(cells(figures.mean, 2));
    let statistic = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
    row.push(statistic(figures.statistics.map(|s| s.sd)));
    row.push(statistic(figures.statistics.map(|s| s.median)));
    row.push(measured.parts.to_string());
    row.resize(COLUMNS, String::new());
    row
}

fn cells(interval: Option<Interval>, digits: usize) -> [String; 3] {
    let Some(Interval { value, low, high }) = interval else { return Default::default() };
    [value, low, high].map(|v| format!("{v:.digits$}"))
}

fn of_value(name: String, kind: String, value: [String; 3]) -> Vec<String> {
    let mut row = vec![name, kind];
    row.resize(COLUMNS - value.len(), String::new());
    row.extend(value);
    row
}

/// For the clipboard: spreadsheets put every tab into the next column.
pub fn tab_separated(rows: &[Vec<String>]) -> String {
    let clean = |cell: &String| cell.replace(['\t', '\n', '\r'], " ");
    rows.iter().map(|row| row.iter().map(clean).collect::<Vec<_>>().join("\t") + "\n").collect()
}

/// For files: RFC 4180, numbers with a point.
pub fn comma_separated(rows: &[Vec<String>]) -> String {
    let quoted = |cell: &String| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    };
    rows.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(",") + "\r\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_with_separators_stay_one_cell() {
        let rows =
            vec![vec!["a, \"b\"".to_owned(), "c\td".to_owned()], vec!["1.5".to_owned(), String::new()]];
        assert_eq!(comma_separated(&rows), "\"a, \"\"b\"\"\",c\td\r\n1.5,\r\n");
        assert_eq!(tab_separated(&rows), "a, \"b\"\tc d\n1.5\t\n");
    }

    #[test]
    fn every_row_is_as_long_as_the_titles() {
        assert_eq!(of_value("a".into(), "b".into(), Default::default()).len(), COLUMNS);
    }
}
