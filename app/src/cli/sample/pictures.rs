//! Synthetic photographs of eyes and sections of kidneys, in folders that the other commands pair by name.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use hilum_core::io::raster;
use hilum_core::job::Observer as _;
use hilum_core::measure::cdr::{DiscLabels, DiscMask, vertical_cdr};
use hilum_core::phantom::{
    FundusAnatomy, FundusPhantomOptions, HISTOLOGY_CLASSES, HistologyPhantomOptions, Stain, fundus_phantom,
    histology_phantom,
};
use serde::Serialize;

use crate::cli::output::{Console, Progress, Report, table};

/// What both kinds of picture share.
#[derive(Debug, Args)]
struct Series {
    /// A folder, which is made; pictures go to images/, their truth to folders beside it, under the same names.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Decides everything that is left to chance; further pictures take the seeds that follow.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many pictures.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
}

impl Series {
    fn seeds(&self) -> impl Iterator<Item = u64> {
        (0..u64::from(self.count)).map(|n| self.seed.wrapping_add(n))
    }

    /// Makes the folders.
    fn folders(&self, names: &[&str]) -> anyhow::Result<()> {
        names.iter().try_for_each(|name| {
            let folder = self.out.join(name);
            let cannot = || format!("cannot make the folder: {}", folder.display());
            std::fs::create_dir_all(&folder).with_context(cannot)
        })
    }

    fn path(&self, folder: &str, name: &str) -> PathBuf {
        self.out.join(folder).join(format!("{name}.png"))
    }
}

/// Reads a size of a picture as `W,H`.
fn size(text: &str) -> Result<[usize; 2], String> {
    let refuse = || format!("\"{text}\" is no size of a picture: two whole numbers W,H from 32 to 8192");
    let numbers: Vec<usize> =
        text.split(',').map(|part| part.trim().parse().map_err(|_| refuse())).collect::<Result<_, _>>()?;
    match numbers[..] {
        [w, h] if (32..=8192).contains(&w) && (32..=8192).contains(&h) => Ok([w, h]),
        _ => Err(refuse()),
    }
}

/// Arguments of `sample fundus`.
#[derive(Debug, Args)]
pub struct SampleFundus {
    #[command(flatten)]
    series: Series,
    /// Columns and rows.
    #[arg(long, value_name = "W,H", value_parser = size)]
    size: Option<[usize; 2]>,
    /// Standard deviation of the noise, of 255.
    #[arg(long, value_name = "N", default_value_t = FundusPhantomOptions::default().noise)]
    noise: f32,
}

/// Arguments of `sample histology`.
#[derive(Debug, Args)]
pub struct SampleHistology {
    #[command(flatten)]
    series: Series,
    /// Columns and rows.
    #[arg(long, value_name = "W,H", value_parser = size)]
    size: Option<[usize; 2]>,
    /// Dye; without it each seed decides.
    #[arg(long, value_name = "STAIN")]
    stain: Option<Dye>,
    /// Pixels along a glomerulus.
    #[arg(long, value_name = "PX", default_value_t = HistologyPhantomOptions::default().glomerulus_px)]
    glomerulus: f64,
}

/// A dye on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Dye {
    /// Haematoxylin and eosin.
    He,
    /// Periodic acid-Schiff.
    Pas,
}

impl SampleFundus {
    /// Makes photographs with their truth.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.noise.is_finite() && (0.0..=100.0).contains(&self.noise),
            "the noise is {}; it must lie between 0 and 100",
            self.noise
        );
        let default = FundusPhantomOptions::default();
        self.series.folders(&["images", "disc_cup", "vessels", "fov"])?;
        let progress = Progress::start("painting");
        let mut pictures = Vec::new();
        for seed in self.series.seeds() {
            progress.progress("painting", pictures.len() as u64, u64::from(self.series.count));
            let size = self.size.unwrap_or(default.size);
            let phantom =
                fundus_phantom(&FundusPhantomOptions { seed, size, laterality: None, noise: self.noise })?;
            let name = format!("fundus_{seed:03}");
            let path = |folder: &str| self.series.path(folder, &name);
            raster::save(&path("images"), phantom.volume.voxels(), size)?;
            let disc_cup: Vec<u16> = phantom.disc_cup.iter().map(|v| u16::from(*v)).collect();
            raster::save_labels(&path("disc_cup"), &disc_cup, size)?;
            for (folder, mask) in [("vessels", &phantom.vessels), ("fov", &phantom.field)] {
                let white: Vec<u16> = mask.iter().map(|v| if *v { 255 } else { 0 }).collect();
                raster::save_labels(&path(folder), &white, size)?;
            }
            let disc = DiscMask::from_labels(&disc_cup, size, DiscLabels::default());
            let vertical_cdr = disc.as_ref().map_or(0.0, vertical_cdr);
            pictures.push(FundusPicture { name, seed, vertical_cdr, anatomy: phantom.anatomy });
        }
        drop(progress);
        console.report(&FundusReport { out: self.series.out.clone(), pictures })
    }
}

#[derive(Serialize)]
struct FundusPicture {
    name: String,
    seed: u64,
    vertical_cdr: f64,
    #[serde(flatten)]
    anatomy: FundusAnatomy,
}

#[derive(Serialize)]
struct FundusReport {
    out: PathBuf,
    pictures: Vec<FundusPicture>,
}

impl Report for FundusReport {
    fn text(&self) -> String {
        let row = |p: &FundusPicture| {
            vec![p.name.clone(), p.anatomy.laterality.code().to_owned(), format!("{:.3}", p.vertical_cdr)]
        };
        let rows: Vec<_> = self.pictures.iter().map(row).collect();
        format!(
            "{}\n{}",
            wrote(&self.out, "images, disc_cup (1 rim, 2 cup), vessels and fov"),
            table(&["picture", "eye", "vertical CDR"], &rows)
        )
    }
}

fn wrote(folder: &Path, what: &str) -> String {
    format!("wrote {what}: {}", folder.display())
}

impl SampleHistology {
    /// Makes sections with their truth.
    pub fn run(&self, console: &Console) -> anyhow::Result<()> {
        anyhow::ensure!(
            (16.0..=4096.0).contains(&self.glomerulus),
            "a glomerulus has {} pixels; it must lie between 16 and 4096",
            self.glomerulus
        );
        self.series.folders(&["images", "labels"])?;
        let progress = Progress::start("painting");
        let mut pictures = Vec::new();
        for seed in self.series.seeds() {
            progress.progress("painting", pictures.len() as u64, u64::from(self.series.count));
            let size = self.size.unwrap_or(HistologyPhantomOptions::default().size);
            let stain = self.stain.map(|dye| if dye == Dye::He { Stain::He } else { Stain::Pas });
            let options = HistologyPhantomOptions { seed, size, stain, glomerulus_px: self.glomerulus };
            let phantom = histology_phantom(&options)?;
            let name = format!("histology_{seed:03}");
            raster::save(&self.series.path("images", &name), phantom.volume.voxels(), size)?;
            let labels: Vec<u16> = phantom.truth.iter().map(|v| u16::from(*v)).collect();
            raster::save_labels(&self.series.path("labels", &name), &labels, size)?;
            let total = labels.len() as f64;
            let shares = std::array::from_fn(|class| {
                labels.iter().filter(|label| usize::from(**label) == class).count() as f64 / total
            });
            pictures.push(Section { name, seed, stain: phantom.stain, counts: phantom.counts, shares });
        }
        drop(progress);
        console.report(&HistologyReport {
            out: self.series.out.clone(),
            classes: HISTOLOGY_CLASSES,
            pictures,
        })
    }
}

#[derive(Serialize)]
struct Section {
    name: String,
    seed: u64,
    stain: Stain,
    /// Whole structures by class.
    counts: [usize; 6],
    /// Share of the pixels by class.
    shares: [f64; 6],
}

#[derive(Serialize)]
struct HistologyReport {
    out: PathBuf,
    classes: [&'static str; 6],
    pictures: Vec<Section>,
}

impl Report for HistologyReport {
    fn text(&self) -> String {
        let names: Vec<String> =
            self.classes.iter().enumerate().map(|(i, name)| format!("{i} {name}")).collect();
        let header: Vec<&str> =
            ["section, % of"].into_iter().chain(names.iter().map(String::as_str)).collect();
        let row = |section: &Section| {
            let cells = section.shares.iter().map(|share| format!("{:.1}", 100.0 * share));
            [section.name.clone()].into_iter().chain(cells).collect()
        };
        let rows: Vec<Vec<String>> = self.pictures.iter().map(row).collect();
        format!("{}\n{}", wrote(&self.out, "images and labels"), table(&header, &rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_two_whole_numbers() {
        assert_eq!(size("640, 480"), Ok([640, 480]));
        for wrong in ["640", "640,480,3", "0,40", "31,40", "9000,40", "a,b", "-1,40"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
