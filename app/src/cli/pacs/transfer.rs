//! Fetching and storing.

use std::path::PathBuf;

use clap::Args;
use hilum_dicomweb::{StoreReport, Stored, Uid};
use serde::Serialize;

use super::super::output::{Console, Progress, Report};
use super::Choice;

/// Arguments of `pacs fetch`.
#[derive(Debug, Args)]
pub struct Fetch {
    /// Series Instance UID.
    series: Uid,
    /// Folder for its files; it is made where it is missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Study Instance UID, for servers that cannot search for series alone.
    #[arg(long, value_name = "UID")]
    study: Option<Uid>,
    #[command(flatten)]
    choice: Choice,
}

impl Fetch {
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let client = self.choice.client()?;
        let progress = Progress::start("asking for the series");
        let study = match &self.study {
            Some(study) => study.clone(),
            None => client.find_series(&self.series, &progress)?.study_uid,
        };
        let fetched = client.fetch_series(&study, &self.series, &self.out, &progress)?;
        drop(progress);
        console.report(&FetchReport {
            series: self.series.clone(),
            study,
            out: fetched.folder,
            instances: fetched.instances,
            kept: fetched.kept,
        })
    }
}

#[derive(Serialize)]
struct FetchReport {
    series: Uid,
    study: Uid,
    out: PathBuf,
    instances: usize,
    kept: usize,
}

impl Report for FetchReport {
    fn text(&self) -> String {
        let new = self.instances - self.kept;
        format!(
            "fetched {new} of {} instances ({} were there): {}",
            self.instances,
            self.kept,
            self.out.display()
        )
    }
}

/// Arguments of `pacs store`.
#[derive(Debug, Args)]
pub struct Store {
    /// DICOM files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    choice: Choice,
}

impl Store {
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let client = self.choice.client()?;
        let progress = Progress::start("storing");
        let StoreReport { stored, failed } = client.store(&self.files, &progress)?;
        drop(progress);
        let with_remarks = stored.iter().filter_map(|object| Some((object, object.remark.as_ref()?)));
        for (object, remark) in with_remarks {
            console.warn(&format!("the server remarks: {remark}: {}", object.path.display()));
        }
        for object in &failed {
            console.warn(&format!("not stored: {}: {}", object.error, object.path.display()));
        }
        let report = StoredReport { stored: stored.iter().map(Object::of).collect() };
        if failed.is_empty() {
            return console.report(&report);
        }
        if !stored.is_empty() {
            console.warn(&report.text());
        }
        StoreReport { stored, failed }.check()?;
        Ok(())
    }
}

#[derive(Serialize)]
struct Object {
    file: PathBuf,
    study: String,
    series: String,
    instance: String,
    /// Elements of patient and study that the server changed.
    corrected: Vec<String>,
    remark: Option<String>,
}

impl Object {
    fn of(stored: &Stored) -> Self {
        Self {
            file: stored.path.clone(),
            study: stored.identity.study_uid.clone(),
            series: stored.identity.series_uid.clone(),
            instance: stored.identity.instance_uid.clone(),
            corrected: stored.corrected.clone(),
            remark: stored.remark.clone(),
        }
    }
}

#[derive(Serialize)]
struct StoredReport {
    stored: Vec<Object>,
}

impl Report for StoredReport {
    fn text(&self) -> String {
        let objects = match self.stored.len() {
            1 => "1 object".to_owned(),
            count => format!("{count} objects"),
        };
        let mut text = format!("stored {objects}, fetched again and compared");
        for object in self.stored.iter().filter(|object| !object.corrected.is_empty()) {
            text += &format!(
                "\nthe server corrected {} to its own records: {}",
                object.corrected.join(" "),
                object.file.display()
            );
        }
        text
    }
}
