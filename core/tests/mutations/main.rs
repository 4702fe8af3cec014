//! Damaged copies of files, opened one after the other in a process of their own: no panic, no hang, no runaway memory.
//!
//! A few hundred with every `cargo test`; by hand as many as wanted, over the shared data:
//! `HILUM_MUTATIONS=20000 cargo test -p hilum-core --test mutations`. `HILUM_MUTATIONS_SEED` gives other copies (each copy
//! depends on seed and number alone), `HILUM_MUTATIONS_KEEP=DIR` keeps those that fail.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod damage;
mod opener;
mod samples;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use damage::{Damage, Random};
use opener::{Answer, Opener};

/// Copies made where nobody asked for more.
const FEW: usize = 300;
/// A copy that takes longer hangs: undamaged files take a fraction of a second.
const MOST_TIME: Duration = Duration::from_secs(20);
/// Address space of the process that opens, in KiB: it may hold 64 MiB of voxels some times over.
const MOST_MEMORY_KIB: u64 = 3 << 20;
/// Slices of a series that are copied beside a damaged one.
const SLICES: usize = 6;
/// What a copy may make the process hold. Voxels are limited to 64 MiB; converting holds them twice, codecs again.
const RUNAWAY_KIB: u64 = 768 << 10;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == opener::CHILD) {
        return opener::serve();
    }
    if arguments.iter().any(|a| a == "--list") {
        return println!("mutations: test");
    }
    let mut filters = arguments.iter().filter(|a| !a.starts_with('-'));
    if filters.clone().next().is_some() && !filters.any(|f| "mutations".contains(f.as_str())) {
        return;
    }
    let number = |name: &str, or: u64| {
        std::env::var(name).map_or(or, |text| text.parse().expect("a number of copies or a seed"))
    };
    run(number("HILUM_MUTATIONS", FEW as u64), number("HILUM_MUTATIONS_SEED", 1));
}

fn run(count: u64, seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let files = samples::all(&folder.path().join("samples"));
    let keep = std::env::var_os("HILUM_MUTATIONS_KEEP").map(PathBuf::from);
    let mut opener = Opener::start(MOST_MEMORY_KIB);
    opener::check(&mut opener);
    let mut tally = Tally::default();
    let started = std::time::Instant::now();
    for number in 0..count {
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(number));
        let original = pick(&files, &mut random);
        let (copy, damage) = copy_of(original, folder.path(), &mut random);
        let answer = opener.open(&copy, MOST_TIME);
        tally.count(original, damage, number, &answer);
        if answer.is_failure(RUNAWAY_KIB)
            && let Some(keep) = &keep
        {
            std::fs::create_dir_all(keep).unwrap();
            let copy = if copy.is_dir() { copy.join(original.file_name().unwrap()) } else { copy };
            let name = copy.file_name().unwrap().to_string_lossy().into_owned();
            std::fs::copy(&copy, keep.join(format!("{seed}-{number}-{name}"))).unwrap();
        }
        if number % 1000 == 999 {
            println!("{} copies after {:.0} s", number + 1, started.elapsed().as_secs_f64());
        }
    }
    tally.report(files.len(), started.elapsed());
    assert!(tally.failures.is_empty(), "{} damaged copies were not refused properly", tally.failures.len());
}

/// Half the time any file, half the time one of any ending, so that formats with few files get their share.
fn pick<'a>(files: &'a [PathBuf], random: &mut Random) -> &'a Path {
    if random.below(2) == 0 {
        return &files[random.below(files.len())];
    }
    let mut by_ending: BTreeMap<String, Vec<&PathBuf>> = BTreeMap::new();
    files.iter().for_each(|file| by_ending.entry(samples::ending(file)).or_default().push(file));
    let group = by_ending.values().nth(random.below(by_ending.len())).unwrap();
    group[random.below(group.len())]
}

/// A damaged copy, beside undamaged ones of the files that belong to it by name.
fn copy_of(original: &Path, folder: &Path, random: &mut Random) -> (PathBuf, Damage) {
    let here = folder.join("copy");
    std::fs::remove_dir_all(&here).ok();
    std::fs::create_dir_all(&here).unwrap();
    let name = original.file_name().unwrap();
    let is_pair = |path: &Path| {
        path.extension().is_some_and(|e| ["hdr", "img", "nhdr", "mhd"].iter().any(|pair| e == *pair))
    };
    let is_slice = original.extension().is_some_and(|e| e == "dcm") && random.below(3) == 0;
    if is_slice {
        let slices = std::fs::read_dir(original.parent().unwrap()).unwrap().flatten().map(|e| e.path());
        let mut slices: Vec<PathBuf> = slices.filter(|p| p.extension() == original.extension()).collect();
        slices.sort();
        for slice in slices.iter().take(SLICES) {
            std::fs::copy(slice, here.join(slice.file_name().unwrap())).unwrap();
        }
    }
    if is_pair(original) {
        let stem = original.file_stem().unwrap().to_string_lossy().into_owned();
        for entry in std::fs::read_dir(original.parent().unwrap()).unwrap().flatten() {
            let of_stem = entry.file_name().to_string_lossy().starts_with(&stem);
            if of_stem && entry.metadata().is_ok_and(|m| m.is_file() && m.len() < samples::MOST_BYTES) {
                std::fs::copy(entry.path(), here.join(entry.file_name())).unwrap();
            }
        }
    }
    let (bytes, damage) = damage::damaged(&std::fs::read(original).unwrap(), random);
    let copy = here.join(name);
    std::fs::write(&copy, bytes).unwrap();
    // Slices are opened as the series that they belong to.
    (if is_slice { here } else { copy }, damage)
}

#[derive(Default)]
struct Tally {
    /// By ending and outcome.
    outcomes: BTreeMap<String, BTreeMap<&'static str, usize>>,
    failures: Vec<String>,
    slowest: Duration,
    peak_kib: u64,
}

impl Tally {
    fn count(&mut self, original: &Path, damage: Damage, number: u64, answer: &Answer) {
        *self
            .outcomes
            .entry(samples::ending(original))
            .or_default()
            .entry(answer.outcome.name())
            .or_default() += 1;
        self.slowest = self.slowest.max(answer.took);
        self.peak_kib = self.peak_kib.max(answer.peak_kib);
        if answer.is_failure(RUNAWAY_KIB) {
            let text = format!(
                "copy {number} of {} ({damage:?}): {} {}, {:.1} s, {} MiB",
                original.display(),
                answer.outcome.name(),
                answer.text,
                answer.took.as_secs_f64(),
                answer.peak_kib >> 10
            );
            println!("FAILED {text}");
            self.failures.push(text);
        }
    }

    fn report(&self, files: usize, took: Duration) {
        println!("damaged copies of {files} files, by ending:");
        for (ending, outcomes) in &self.outcomes {
            println!("  {ending:8} {outcomes:?}");
        }
        println!(
            "failures {}, slowest {:.2} s, peak memory {} MiB, {:.0} s in all",
            self.failures.len(),
            self.slowest.as_secs_f64(),
            self.peak_kib >> 10,
            took.as_secs_f64()
        );
    }
}
