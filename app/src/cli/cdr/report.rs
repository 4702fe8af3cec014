//! How ratios and rims are shown.

use std::path::{Path, PathBuf};

use hilum_core::fundus::{Laterality, LateralityGuess, LateralitySource};
use hilum_core::measure::cdr::{DiscReading, Ratio, Ratios, Rim, RimWidth};
use hilum_core::measure::{Summary, summarize};
use serde::Serialize;
use serde_json::Value;

use super::case::{Case, Source};
use super::reference::Comparison;
use crate::cli::output::{Report, decimals, table, warnings_json};

/// Draws of the bootstrap.
const RESAMPLES: usize = 10_000;

/// One photograph.
#[derive(Serialize)]
pub struct CaseReport {
    /// File name without ending.
    pub name: String,
    image: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    mask: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
    laterality: Option<LateralityGuess>,
    is_fundus: Option<bool>,
    #[serde(flatten)]
    reading: Value,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reference: Vec<Comparison>,
    warnings: Vec<Value>,
    #[serde(skip)]
    figures: DiscReading,
}

/// A photograph that could not be measured.
#[derive(Serialize)]
pub struct Failure {
    /// File name without ending.
    pub name: String,
    /// Why.
    pub error: String,
}

impl Failure {
    /// A photograph with what went wrong.
    pub fn new(name: &str, error: &anyhow::Error) -> Self {
        Self { name: name.to_owned(), error: format!("{error:#}") }
    }
}

impl CaseReport {
    /// What is told of a case, with all rays of the rim or without.
    pub fn of(case: &Case, out: Option<&Path>, with_profile: bool) -> Self {
        let mut reading = serde_json::to_value(&case.reading).unwrap_or_default();
        if !with_profile && let Some(rim) = reading["rim"].as_object_mut() {
            rim.remove("profile");
        }
        let messages: Vec<String> = case.reading.quality.reasons.iter().map(ToString::to_string).collect();
        if let Some(reasons) = reading["quality"]["reasons"].as_array_mut() {
            reasons.iter_mut().zip(messages).for_each(|(reason, text)| reason["message"] = text.into());
        }
        let (mask, model) = match &case.source {
            Source::Mask(path) => (Some(path.clone()), None),
            Source::Model(id) => (None, Some(id.clone())),
        };
        Self {
            name: case.image.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            image: case.image.clone(),
            mask,
            model,
            out: out.map(Path::to_owned),
            laterality: case.laterality,
            is_fundus: case.check.as_ref().map(|check| check.is_fundus),
            reading,
            reference: Vec::new(),
            warnings: warnings_json(&case.warnings),
            figures: case.reading.clone(),
        }
    }

    /// The same with what a table says.
    pub fn with_reference(mut self, reference: Vec<Comparison>) -> Self {
        self.reference = reference;
        self
    }

    /// The vertical ratio, if there is a cup.
    pub fn vertical(&self) -> Option<f64> {
        self.ratio(|r| r.vertical).map(|r| r.value)
    }

    /// The warnings as people read them.
    pub fn warnings_text(&self) -> Vec<String> {
        self.warnings.iter().filter_map(|w| w["message"].as_str()).map(str::to_owned).collect()
    }

    fn ratio(&self, pick: fn(&Ratios) -> Ratio) -> Option<Ratio> {
        self.figures.ratios.as_ref().map(pick)
    }

    /// Name and value of every column of the table.
    pub fn cells(&self) -> Vec<(String, String)> {
        cells(&self.name, self.laterality.as_ref(), &self.figures)
    }
}

/// Name and value of every column of the table for a photograph.
pub fn cells(name: &str, eye: Option<&LateralityGuess>, figures: &DiscReading) -> Vec<(String, String)> {
    let number = |v: Option<f64>| v.map_or_else(String::new, |v| format!("{v:.4}"));
    let mut cells: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| cells.push((name.to_owned(), value));
    add("image", name.to_owned());
    add("eye", eye.map_or_else(String::new, |guess| guess.laterality.code().to_owned()));
    add("eye_confidence", number(eye.map(|guess| guess.confidence)));
    type Pick = fn(&Ratios) -> Ratio;
    let picks: [(&str, Pick); 3] =
        [("vcdr", |r| r.vertical), ("hcdr", |r| r.horizontal), ("acdr", |r| r.area)];
    for (name, pick) in picks {
        let ratio = figures.ratios.as_ref().map(pick);
        add(name, number(ratio.map(|r| r.value)));
        add(&format!("{name}_low"), number(ratio.map(|r| r.low)));
        add(&format!("{name}_high"), number(ratio.map(|r| r.high)));
    }
    for (name, part) in [("disc", Some(&figures.disc)), ("cup", figures.cup.as_ref())] {
        let whole = |v: Option<usize>| v.map_or_else(String::new, |v| v.to_string());
        add(&format!("{name}_height_px"), whole(part.map(|p| p.height_px)));
        add(&format!("{name}_width_px"), whole(part.map(|p| p.width_px)));
        add(&format!("{name}_area_px"), whole(part.map(|p| p.area_px)));
    }
    let rim = figures.rim.as_ref();
    for hour in 1..=12 {
        add(&format!("rim_{hour}"), number(rim.map(|rim| rim.clock_hours[hour - 1].share)));
    }
    let narrowest = rim.map(|rim| rim.narrowest);
    add("narrowest_hour", narrowest.map_or_else(String::new, |n| n.clock_hour.to_string()));
    add("narrowest_rim", number(narrowest.map(|n| n.width.share)));
    let isnt = rim.and_then(|rim| rim.isnt.as_ref());
    add("isnt_order", isnt.map_or_else(String::new, |isnt| isnt.order.clone()));
    add("isnt_holds", isnt.map_or_else(String::new, |isnt| isnt.holds.to_string()));
    add("trust", figures.quality.trust.text().to_owned());
    add("reasons", reasons(figures).join("; "));
    cells
}

fn reasons(figures: &DiscReading) -> Vec<String> {
    figures.quality.reasons.iter().map(ToString::to_string).collect()
}

/// A ratio with its interval.
pub fn interval(ratio: Ratio) -> String {
    format!("{:.2} ({:.2}–{:.2})", ratio.value, ratio.low, ratio.high)
}

/// Which eye, and what says so.
pub fn eye_text(guess: &LateralityGuess) -> String {
    let source = match guess.source {
        LateralitySource::Person => "as given",
        LateralitySource::Dicom => "by the DICOM header",
        LateralitySource::FileName => "by the file name",
        LateralitySource::DiscPosition => "by the place of the disc",
    };
    let doubt = if guess.is_disputed { ", which the place of the disc contradicts" } else { "" };
    format!("{} ({source}{doubt})", guess.laterality.text())
}

fn rim_lines(rim: &Rim, eye: Option<Laterality>) -> Vec<String> {
    let hours: Vec<String> = (1..=12).map(|hour| hour.to_string()).collect();
    let mut header = vec!["o'clock"];
    header.extend(hours.iter().map(String::as_str));
    let row = |name: &str, value: &dyn Fn(&RimWidth) -> String| {
        [name.to_owned()].into_iter().chain(rim.clock_hours.iter().map(value)).collect::<Vec<_>>()
    };
    let rows = [
        row("rim px", &|w| format!("{:.1}", w.px)),
        row("% of disc", &|w| format!("{:.1}", 100.0 * w.share)),
        row("from", &|w| format!("{:.1}", 100.0 * w.share_low)),
        row("to", &|w| format!("{:.1}", 100.0 * w.share_high)),
    ];
    let narrow = rim.narrowest;
    let mut lines = vec![
        table(&header, &rows),
        format!(
            "narrowest rim: {:.1} % of the disc at {} o'clock",
            100.0 * narrow.width.share,
            narrow.clock_hour
        ),
    ];
    match (&rim.isnt, eye) {
        (Some(isnt), Some(_)) => {
            let verdict =
                if isnt.holds { "holds".to_owned() } else { format!("fails ({})", isnt.broken.join(", ")) };
            let sure = if isnt.certain { "" } else { ", but not beyond the outlines' uncertainty" };
            lines.push(format!("ISNT rule {verdict}{sure}; order {}", isnt.order));
        }
        _ => lines.push("ISNT rule: say which eye it is with --eye".to_owned()),
    }
    lines
}

fn compared_text(reference: &[Comparison]) -> Option<String> {
    let row = |c: &Comparison| {
        vec![
            c.column.clone(),
            c.n.to_string(),
            decimals(Some(c.mean_absolute_difference)),
            format!("{:+.3}", c.mean_difference),
            decimals(Some(c.largest_difference)),
            decimals(c.correlation),
        ]
    };
    let header =
        ["vertical CDR against", "n", "mean |difference|", "mean difference", "largest", "correlation"];
    (!reference.is_empty()).then(|| table(&header, &reference.iter().map(row).collect::<Vec<_>>()))
}

impl Report for CaseReport {
    fn text(&self) -> String {
        let figures = &self.figures;
        let mut lines = Vec::new();
        match &figures.ratios {
            Some(r) => lines.push(format!(
                "cup-to-disc ratio: vertical {}, horizontal {}, area {}",
                interval(r.vertical),
                interval(r.horizontal),
                interval(r.area)
            )),
            None => lines.push("no cup, no ratio".to_owned()),
        }
        let how = if self.figures.motion == hilum_core::measure::cdr::Motion::Together {
            "together"
        } else {
            "each"
        };
        lines.push(format!(
            "disc {} × {} pixels; intervals: outlines moved by {:.1} pixels {how}",
            figures.disc.width_px, figures.disc.height_px, figures.shift_px
        ));
        lines.push(self.laterality.as_ref().map_or_else(|| "eye unknown".to_owned(), eye_text));
        if let Some(rim) = &figures.rim {
            lines.extend(rim_lines(rim, self.laterality.map(|guess| guess.laterality)));
        }
        lines.push(format!("quality: {}", figures.quality.trust.text()));
        lines.extend(reasons(&self.figures).iter().map(|reason| format!("  - {reason}")));
        lines.extend(self.out.as_ref().map(|path| format!("mask: {}", path.display())));
        lines.extend(compared_text(&self.reference));
        lines.join("\n")
    }
}

/// Mean, spread and interval of the ratios of a folder.
#[derive(Serialize)]
struct Means {
    vertical: Option<Summary>,
    horizontal: Option<Summary>,
    area: Option<Summary>,
}

/// A folder of photographs.
#[derive(Serialize)]
pub struct FolderReport {
    folder: PathBuf,
    cases: Vec<CaseReport>,
    mean: Means,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reference: Vec<Comparison>,
    failed: Vec<Failure>,
    left_out: Vec<String>,
}

impl FolderReport {
    /// Joins the cases.
    pub fn new(
        folder: &Path,
        cases: Vec<CaseReport>,
        failed: Vec<Failure>,
        left_out: Vec<String>,
        reference: Vec<Comparison>,
        seed: u64,
    ) -> Self {
        let over = |pick: fn(&Ratios) -> Ratio| {
            let values: Vec<f64> =
                cases.iter().filter_map(|case| case.ratio(pick)).map(|r| r.value).collect();
            summarize(&values, RESAMPLES, seed)
        };
        let mean = Means {
            vertical: over(|r| r.vertical),
            horizontal: over(|r| r.horizontal),
            area: over(|r| r.area),
        };
        Self { folder: folder.to_owned(), cases, mean, reference, failed, left_out }
    }
}

impl Report for FolderReport {
    fn text(&self) -> String {
        let dash = || "–".to_owned();
        let mut rows: Vec<Vec<String>> = Vec::new();
        for case in &self.cases {
            let rim = case.figures.rim.as_ref();
            let of = |pick: fn(&Ratios) -> Ratio| case.ratio(pick).map_or_else(dash, interval);
            rows.push(vec![
                case.name.clone(),
                case.laterality.map_or_else(dash, |guess| guess.laterality.code().to_owned()),
                of(|r| r.vertical),
                of(|r| r.horizontal),
                of(|r| r.area),
                rim.map_or_else(dash, |rim| {
                    format!("{:.1} % at {}", 100.0 * rim.narrowest.width.share, rim.narrowest.clock_hour)
                }),
                rim.and_then(|rim| rim.isnt.as_ref()).map_or_else(dash, |isnt| isnt.order.clone()),
                case.figures.quality.trust.text().to_owned(),
            ]);
        }
        let mut line = |what: String, pick: fn(&Summary) -> Option<f64>| {
            let cell = |s: &Option<Summary>| decimals(s.as_ref().and_then(pick));
            let cells = [cell(&self.mean.vertical), cell(&self.mean.horizontal), cell(&self.mean.area)];
            rows.push([what, String::new()].into_iter().chain(cells).collect());
        };
        let n = self.mean.vertical.map_or(0, |s| s.n);
        line(format!("mean of {n}"), |s| Some(s.mean));
        line("sd".to_owned(), |s| s.sd);
        line("95 % from".to_owned(), |s| Some(s.ci95_low));
        line("95 % to".to_owned(), |s| Some(s.ci95_high));
        let header =
            ["photograph", "eye", "vertical", "horizontal", "area", "narrowest rim", "ISNT", "quality"];
        let mut parts = vec![table(&header, &rows)];
        for case in &self.cases {
            parts.extend(reasons(&case.figures).iter().map(|reason| format!("{}: {reason}", case.name)));
        }
        parts.extend(compared_text(&self.reference));
        parts.join("\n")
    }
}
