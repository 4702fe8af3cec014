//! Disc and cup from a network.

use anyhow::{Context as _, bail};
use hilum_core::fundus::FundusCheck;
use hilum_core::measure::cdr::DiscLabels;
use hilum_core::volume::Volume;
use hilum_models::catalog::{Catalog, Region};
use hilum_models::device;
use hilum_models::infer::Dense;

use crate::cli::output::Console;

/// What the models for optic disc and cup say they are for.
const PURPOSE: &str = "disc_cup";

/// Outlines that a network proposes.
pub struct Proposal {
    /// 0 background, rim and cup as named, `[y, x]` of the picture.
    pub labels: Vec<u16>,
    /// Identity of the model.
    pub model: String,
}

/// Finds disc and cup in a photograph.
///
/// A picture that is no photograph of the fundus is refused: a network would find a disc in anything.
pub fn propose(
    console: &Console,
    volume: &Volume,
    check: &FundusCheck,
    names: DiscLabels,
) -> anyhow::Result<Proposal> {
    if !check.is_fundus {
        let why: Vec<String> = check.reasons.iter().map(ToString::to_string).collect();
        bail!(
            "this does not look like a colour photograph of the fundus ({}); to measure it all the same, give the \
             outlines with --mask",
            why.join("; ")
        );
    }
    let catalog = console.catalog()?;
    let id = model_for_discs(&catalog)?;
    let answer = Dense::load(&catalog, &id, &device::cpu().device)?.segment(volume, &())?;
    let channel = |name: &str| {
        let found = answer.regions.iter().position(|region: &Region| region.name == name);
        found.with_context(|| format!("the model {id} labels no {name}"))
    };
    let (disc, cup) = (&answer.probabilities[channel("disc")?], &answer.probabilities[channel("cup")?]);
    let label = |(disc, cup): (&f32, &f32)| match (*disc >= 0.5, *cup >= 0.5) {
        (true, true) => names.cup,
        (true, false) => names.rim,
        (false, _) => 0,
    };
    Ok(Proposal { labels: disc.iter().zip(cup).map(label).collect(), model: id })
}

fn model_for_discs(catalog: &Catalog) -> anyhow::Result<String> {
    let is_for_discs = |purpose: Option<&str>| purpose == Some(PURPOSE);
    let found = catalog
        .models()
        .iter()
        .find(|model| model.card.dense().is_some_and(|task| is_for_discs(task.purpose.as_deref())));
    if let Some(model) = found {
        return Ok(model.card.id.clone());
    }
    let known: Vec<&str> = catalog.models().iter().map(|model| model.card.id.as_str()).collect();
    bail!(
        "no model for optic disc and cup is installed (there are {}); give the outlines with --mask, or add a model \
         with hilum models import",
        known.join(", ")
    );
}
