//! `hilum export-dataset`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};
use hilum_core::io::LabelName;
use hilum_core::io::dataset::{DatasetLayout, DatasetUse, DatasetWriter};
use hilum_core::job::Observer as _;
use serde::Serialize;

use super::output::{Console, Progress, Report};
use crate::jobs::done_cases;

/// Arguments of `export-dataset`.
#[derive(Debug, Args)]
pub struct ExportDataset {
    /// A worklist, of which the corrected and reviewed cases are taken, or a list of cases as for `hilum finetune`.
    list: PathBuf,
    /// Whose layout.
    #[arg(long, value_enum)]
    format: Layout,
    /// A folder that is empty or does not exist; nnU-Net wants the name DatasetNNN_Name.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// nnU-Net version 2; cases set aside are the validation cases of splits_final.json.
    Nnunet,
    /// A MONAI data list; cases set aside are its validation cases.
    Monai,
}

impl ExportDataset {
    /// Writes all cases that are done; every file is read back and compared.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        let cases = done_cases(&self.list)?;
        if cases.is_empty() {
            bail!(
                "no case is corrected or reviewed, so there is nothing to train with: {}",
                self.list.display()
            );
        }
        if self.format == Layout::Nnunet && !is_nn_unet_name(&self.out) {
            console.warn("nnU-Net wants a folder called DatasetNNN_Name, for instance Dataset501_Liver");
        }
        let progress = Progress::start("reading labels");
        let mut names: BTreeMap<u16, LabelName> = BTreeMap::new();
        for case in &cases {
            for name in case.names()? {
                names.entry(name.value).or_insert(name);
            }
        }
        let labels: Vec<LabelName> = names.into_values().collect();
        let layout = match self.format {
            Layout::Nnunet => DatasetLayout::NnUnet,
            Layout::Monai => DatasetLayout::Monai,
        };
        let mut writer = DatasetWriter::create(&self.out, layout, labels.clone())?;
        for (done, case) in cases.iter().enumerate() {
            progress.progress("writing", done as u64, cases.len() as u64);
            let (image, labels, damage) = case.load()?;
            damage.iter().for_each(|warning| console.warn(warning));
            let purpose = if case.is_set_aside { DatasetUse::Validation } else { DatasetUse::Training };
            writer.add(&case.name, purpose, &image, &labels)?;
        }
        let written = writer.finish()?;
        drop(progress);
        let ids = |purpose| written.iter().filter(|c| c.purpose == purpose).map(|c| c.id.clone()).collect();
        let numbered =
            |(i, name): (usize, LabelName)| Numbered { number: i + 1, label: name.value, name: name.name };
        console.report(&DatasetReport {
            out: self.out.clone(),
            labels: labels.into_iter().enumerate().map(numbered).collect(),
            training: ids(DatasetUse::Training),
            validation: ids(DatasetUse::Validation),
        })
    }
}

fn is_nn_unet_name(folder: &std::path::Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.strip_prefix("Dataset").and_then(|rest| rest.split_once('_')).is_some_and(|(number, name)| {
        number.len() == 3 && number.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty()
    })
}

#[derive(Serialize)]
struct Numbered {
    /// In the data set.
    number: usize,
    /// In the cases.
    label: u16,
    name: String,
}

#[derive(Serialize)]
struct DatasetReport {
    out: PathBuf,
    labels: Vec<Numbered>,
    training: Vec<String>,
    validation: Vec<String>,
}

impl Report for DatasetReport {
    fn text(&self) -> String {
        let labels: Vec<String> =
            self.labels.iter().map(|l| format!("{} = {} (label {})", l.number, l.name, l.label)).collect();
        format!(
            "wrote {} cases to train with and {} for validation, read back and compared: {}\nlabels: {}",
            self.training.len(),
            self.validation.len(),
            self.out.display(),
            labels.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nn_unet_names_have_three_digits() {
        for (name, fits) in [
            ("Dataset501_Liver", true),
            ("a/Dataset001_x", true),
            ("Dataset51_Liver", false),
            ("Dataset501_", false),
            ("Liver", false),
        ] {
            assert_eq!(is_nn_unet_name(name.as_ref()), fits, "{name}");
        }
    }
}
