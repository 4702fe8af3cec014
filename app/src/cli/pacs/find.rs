//! Searching.

use clap::Args;
use hilum_dicomweb::{Query, Series, Study, Uid};
use serde::Serialize;

use super::super::output::{Console, Progress, Report, table};
use super::Choice;

/// Arguments of `pacs find`.
#[derive(Debug, Args)]
pub struct Find {
    #[command(flatten)]
    choice: Choice,
    /// Name of the patient, or its beginning; * and ? stand for any characters.
    #[arg(long, value_name = "NAME", default_value = "")]
    name: String,
    /// ID of the patient.
    #[arg(long, value_name = "ID", default_value = "")]
    id: String,
    /// Accession number.
    #[arg(long, value_name = "NUMBER", default_value = "")]
    accession: String,
    /// First day of the study, as 2024-01-31.
    #[arg(long, value_name = "DAY", default_value = "")]
    from: String,
    /// Last day of the study.
    #[arg(long, value_name = "DAY", default_value = "")]
    until: String,
    /// Modality of one of its series: CT, MR.
    #[arg(long, value_name = "CODE", default_value = "")]
    modality: String,
    /// Part of the description of the study.
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// Names that sound alike count, if the server can tell.
    #[arg(long)]
    fuzzy: bool,
    /// Studies listed at most.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// List the series of this study instead (Study Instance UID).
    #[arg(long, value_name = "UID")]
    study: Option<Uid>,
}

impl Find {
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let client = self.choice.client()?;
        let progress = Progress::start("searching");
        if let Some(study) = &self.study {
            let series = client.series(study, &progress)?;
            drop(progress);
            return console.report(&FoundSeries { series });
        }
        let query = Query {
            patient_name: self.name.clone(),
            patient_id: self.id.clone(),
            accession: self.accession.clone(),
            from: self.from.clone(),
            until: self.until.clone(),
            modality: self.modality.clone(),
            description: self.description.clone(),
            fuzzy: self.fuzzy,
            limit: self.limit,
        };
        let studies = client.studies(&query, &progress)?;
        drop(progress);
        if studies.len() == self.limit {
            console.warn("there may be more studies; search for less, or raise --limit");
        }
        console.report(&FoundStudies { studies })
    }
}

fn count(number: Option<i64>) -> String {
    number.map_or_else(|| "–".to_owned(), |number| number.to_string())
}

#[derive(Serialize)]
struct FoundStudies {
    studies: Vec<Study>,
}

impl Report for FoundStudies {
    fn text(&self) -> String {
        if self.studies.is_empty() {
            return "no study was found".to_owned();
        }
        let row = |study: &Study| {
            vec![
                study.patient_name.clone(),
                study.patient_id.clone(),
                study.date.clone(),
                study.modalities.join(" "),
                count(study.series),
                study.description.clone(),
                study.uid.to_string(),
            ]
        };
        let header = ["patient", "id", "date", "modalities", "series", "description", "study"];
        table(&header, &self.studies.iter().map(row).collect::<Vec<_>>())
    }
}

#[derive(Serialize)]
struct FoundSeries {
    series: Vec<Series>,
}

impl Report for FoundSeries {
    fn text(&self) -> String {
        if self.series.is_empty() {
            return "the study has no series".to_owned();
        }
        let row = |series: &Series| {
            vec![
                series.description.clone(),
                series.modality.clone(),
                count(series.number),
                count(series.instances),
                series.uid.to_string(),
            ]
        };
        let header = ["description", "modality", "number", "instances", "series"];
        table(&header, &self.series.iter().map(row).collect::<Vec<_>>())
    }
}
