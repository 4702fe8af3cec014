//! `hilum bench`.

mod child;
mod report;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context as _;
use clap::Args;
use hilum_core::job::Observer as _;
use hilum_models::bench::{self, Measurement, ReferenceCase};
use hilum_models::device::{self, DeviceChoice, DeviceError, OpenDevice};

use super::output::{Console, Progress};
use child::Job;
use report::{BenchReport, CaseList, Row};

pub use hilum_models::bench::peak_memory_mib;

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// Model (see `hilum models list`) or network (see --networks) to measure; all models without a name.
    name: Option<String>,
    /// Measure networks of published size with drawn weights instead of models; all of them without a name.
    #[arg(long)]
    networks: bool,
    /// List the networks of published size instead.
    #[arg(long, conflicts_with_all = ["name", "export"])]
    list: bool,
    /// auto, cpu, gpu, gpu:N, or all.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Devices,
    /// Runs after the first.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeats: u32,
    /// Folder for weights, input and answer of each network, and cases.json, to run another implementation on them.
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
    /// Measure in this process: what the program calls itself with.
    #[arg(long, hide = true, requires = "name")]
    here: bool,
}

/// What is measured on.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Devices {
    One(DeviceChoice),
    All,
}

impl FromStr for Devices {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        if text == "all" { Ok(Self::All) } else { text.parse().map(Self::One) }
    }
}

impl Devices {
    /// Each device with its name; an error if the one asked for is not there.
    fn find(self) -> anyhow::Result<Vec<(DeviceChoice, String)>> {
        match self {
            Self::One(choice) => Ok(vec![(choice, device::open(choice)?.name)]),
            Self::All => {
                Ok(device::list_devices().into_iter().map(|info| (info.choice, info.name)).collect())
            }
        }
    }
}

/// What is measured.
#[derive(Debug, Clone)]
enum Target {
    /// A model of the catalogue.
    Model(String),
    /// A network of published size.
    Network(&'static ReferenceCase),
}

impl Target {
    fn name(&self) -> &str {
        match self {
            Self::Model(id) => id,
            Self::Network(case) => case.name,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Bench {
    /// Measures each model or network on each device, every one in a process of its own.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        if self.list {
            return console.report(&CaseList { cases: bench::reference_cases() });
        }
        let targets = self.targets(console)?;
        if let Some(folder) = &self.export {
            let only_networks = targets.iter().all(|target| matches!(target, Target::Network(_)));
            anyhow::ensure!(only_networks, "--export is for networks; give --networks");
            anyhow::ensure!(self.device != Devices::All, "--export needs one device, not all");
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        if self.here {
            let [target] = &targets[..] else { anyhow::bail!("one name at a time can be measured here") };
            let Devices::One(choice) = self.device else { anyhow::bail!("one device at a time") };
            return console.report(&self.report(vec![self.measure_caught(target, choice, console)?]));
        }
        let devices = self.device.find()?;
        let progress = Progress::start("measuring");
        let mut rows = Vec::new();
        let total = (targets.len() * devices.len()) as u64;
        for target in &targets {
            for (choice, device) in &devices {
                progress.progress(&format!("measuring {target}"), rows.len() as u64, total);
                rows.push(self.measure_apart(target, *choice, device, console));
            }
        }
        drop(progress);
        if let Some(folder) = &self.export {
            report::write_cases(&rows, folder)?;
        }
        let measured = rows.iter().any(|row| row.measured.is_some());
        let report = self.report(rows);
        if measured {
            return console.report(&report);
        }
        let reasons: Vec<String> = report.rows.iter().map(Row::reason).collect();
        anyhow::bail!("nothing could be measured: {}", reasons.join("; "))
    }

    fn report(&self, rows: Vec<Row>) -> BenchReport {
        BenchReport { threads: bench::threads(), repeats: self.repeats, rows }
    }

    fn targets(&self, console: &Console) -> anyhow::Result<Vec<Target>> {
        let all = bench::reference_cases();
        let Some(name) = &self.name else {
            if self.networks {
                return Ok(all.iter().map(Target::Network).collect());
            }
            let catalog = console.catalog()?;
            let models: Vec<_> =
                catalog.models().iter().map(|model| Target::Model(model.card.id.clone())).collect();
            anyhow::ensure!(!models.is_empty(), "no model is installed; there is nothing to measure");
            return Ok(models);
        };
        let case = bench::reference_case(name).map(Target::Network);
        let names = || all.iter().map(|case| case.name).collect::<Vec<_>>().join(", ");
        if self.networks {
            let case =
                case.with_context(|| format!("there is no network '{name}' here; there are: {}", names()))?;
            return Ok(vec![case]);
        }
        match (console.catalog()?.find(name), case) {
            (Ok(_), _) => Ok(vec![Target::Model(name.clone())]),
            (Err(_), Some(case)) => Ok(vec![case]),
            (Err(error), None) => Err(anyhow::Error::new(error)
                .context(format!("no network is called '{name}' either; there are: {}", names()))),
        }
    }

    /// In a process of its own, so that its memory is its own and its end ends nothing else.
    fn measure_apart(&self, target: &Target, choice: DeviceChoice, device: &str, console: &Console) -> Row {
        let job = Job {
            name: target.name(),
            is_network: matches!(target, Target::Network(_)),
            choice,
            repeats: self.repeats,
            export: self.export.as_deref(),
            models: console.models_folder(),
        };
        job.run().unwrap_or_else(|reason| Row::failed(target, device, reason))
    }

    /// In this process; a library that gives up makes a row with the reason.
    fn measure_caught(
        &self,
        target: &Target,
        choice: DeviceChoice,
        console: &Console,
    ) -> anyhow::Result<Row> {
        let device = device::open(choice)?;
        let name = device.name.clone();
        let measured = child::caught(|| self.measure(target, &device, console));
        Ok(match measured {
            Ok((shape, measured)) => Row::measured(target, &name, shape, measured),
            Err(reason) => Row::failed(target, &name, reason),
        })
    }

    fn measure(
        &self,
        target: &Target,
        device: &OpenDevice,
        console: &Console,
    ) -> anyhow::Result<([usize; 5], Measurement)> {
        let (network, shape) = match target {
            Target::Network(case) => (bench::network(case, &device.device)?, case.shape),
            Target::Model(id) => {
                let catalog = console.catalog()?;
                let model = catalog.find(id)?;
                let network = model.load(&device.device)?;
                let shape = match model.card.click() {
                    Some(task) => [1, task.channels.len(), task.size, task.size, task.size],
                    None => network.example_shape().context("the network takes no input of a usual size")?,
                };
                (network, shape)
            }
        };
        let (measured, answer) = bench::measure(&network, shape, self.repeats, &device.device)?;
        if let (Some(folder), Target::Network(case)) = (&self.export, target) {
            bench::export(case, &network, answer, folder)?;
        }
        Ok((shape, measured))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_one_or_all() {
        assert_eq!("all".parse(), Ok(Devices::All));
        assert_eq!("gpu:1".parse(), Ok(Devices::One(DeviceChoice::Gpu(Some(1)))));
        assert!("every".parse::<Devices>().is_err());
    }
}
