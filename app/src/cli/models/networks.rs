//! `hilum models networks`.

use hilum_models::nets::{ArchitectureInfo, architectures};
use serde::Serialize;

use crate::cli::output::{Console, Report};

pub(super) fn run(console: &Console) -> anyhow::Result<()> {
    console.report(&Networks { networks: architectures() })
}

#[derive(Serialize)]
struct Networks {
    networks: Vec<ArchitectureInfo>,
}

impl Report for Networks {
    fn text(&self) -> String {
        let width = |cell: fn(&ArchitectureInfo) -> &str| {
            self.networks.iter().map(|info| cell(info).chars().count()).max().unwrap_or(0)
        };
        let (arch, family) = (width(|info| info.arch), width(|info| info.family.title()));
        let line = |info: &ArchitectureInfo| {
            format!("{:<arch$}  {:<family$}  {}", info.arch, info.family.title(), info.about)
        };
        self.networks.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}
