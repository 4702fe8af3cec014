//! `hilum models show`.

use hilum_models::catalog::Card;
use serde::Serialize;

use super::list::Entry;
use crate::cli::output::{Console, Report};

pub(super) fn run(id: &str, console: &Console) -> anyhow::Result<()> {
    let catalog = console.catalog()?;
    let model = catalog.find(id)?;
    console.report(&Shown { entry: Entry::of(model)?, card: model.card.clone() })
}

#[derive(Serialize)]
struct Shown {
    #[serde(skip)]
    entry: Entry,
    #[serde(flatten)]
    card: Card,
}

impl Report for Shown {
    fn text(&self) -> String {
        let (card, entry) = (&self.card, &self.entry);
        let origin = if entry.is_embedded { "inside the program" } else { "installed by the user" };
        let mut lines = vec![
            format!("{}: {}", card.id, card.title),
            format!("network   {}{}, {}, {origin}", card.arch, entry.place(), entry.size_text()),
            format!("licence   {}", card.licence),
            format!("split     {}", card.split),
            format!("training  {}", card.training),
        ];
        for (title, items) in [("data", &card.data), ("figures", &card.figures), ("limits", &card.limits)] {
            lines.extend(
                items
                    .iter()
                    .enumerate()
                    .map(|(n, item)| format!("{:<8}  {item}", if n == 0 { title } else { "" })),
            );
        }
        lines.join("\n")
    }
}
