//! The attention panel: which map, how it is coloured, what it means, and the checks of it.

mod classes;
mod compare;
mod table;

use egui::{Button, ComboBox, RichText, ScrollArea, Slider, Ui};
use hilum_models::nets::HopReading;
use hilum_models::nets::hanet::{HaReading, ReadingOption};

use super::{Context, fact};
use crate::colormap::bar_number;
use crate::command::{InspectAction, UiCommand};
use crate::jobs::{MapKind, ShownMap};
use crate::state::{Inspecting, Session};
use crate::theme;

pub(super) fn show(ui: &mut Ui, context: Context<'_>, inspect: &Inspecting) {
    let tokens = theme::of(ui);
    models(ui, context, inspect);
    if inspect.running.is_some() && inspect.looks.is_empty() {
        ui.horizontal(|ui| {
            ui.spinner();
            ui.label(RichText::new(&inspect.what).color(tokens.weak));
        });
        return;
    }
    for look in &inspect.looks {
        if let Some(drawn) = look.drawn_by_a_person {
            let what = format!("{}: drawn by a person", look.arch);
            fact(ui, &what, &format!("{:.0} % likely", 100.0 * drawn));
        }
    }
    if inspect.maps.is_empty() && inspect.channels.is_empty() {
        ui.label(RichText::new("This network has no attention to show.").color(tokens.weak));
        return;
    }
    layers(ui, context, inspect);
    list(ui, context, inspect);
    if let Some(shown) = inspect.shown() {
        compare::show(ui, context, inspect, shown);
        ui.label(RichText::new(shown.map.meaning.text()).color(tokens.weak).small());
        figures(ui, context, inspect, shown);
    }
    graph(ui, context, inspect);
    classes::show(ui, context, inspect);
    table::show(ui, context, inspect);
    checks(ui, context, inspect);
}

/// Models that label images, and versions of them that were taught here.
fn labellers(context: Context<'_>) -> Vec<String> {
    let models = context.state.models.iter().filter(|model| model.card.dense().is_some());
    let mut ids: Vec<String> = models.map(|model| model.card.id.clone()).collect();
    let versions = context.state.worklist.as_ref().and_then(|list| list.teaching.versions.as_ref());
    let is_known = versions.is_some_and(|versions| ids.contains(&versions.base));
    if let Some(versions) = versions.filter(|_| is_known) {
        ids.extend(versions.versions.iter().map(|version| version.id.clone()));
    }
    ids
}

fn models(ui: &mut Ui, context: Context<'_>, inspect: &Inspecting) {
    let clicks = "model that answers clicks";
    let name = inspect.model.as_deref().unwrap_or(clicks);
    let session = context.state.editable();
    let has_clicks =
        session.is_some_and(|s| s.can_segment() && s.document.prompts().positive().next().is_some());
    ui.horizontal(|ui| {
        ComboBox::from_label("Model looked into").selected_text(name).width(150.0).truncate().show_ui(
            ui,
            |ui| {
                if has_clicks && ui.selectable_label(inspect.model.is_none(), clicks).clicked() {
                    context.actions.send(InspectAction::Look(None));
                }
                for id in labellers(context) {
                    if ui.selectable_label(inspect.model.as_ref() == Some(&id), &id).clicked() {
                        context.actions.send(InspectAction::Look(Some(id)));
                    }
                }
            },
        );
    });
    if let Some((model, session)) = inspect.model.as_ref().zip(session) {
        for doubt in context.state.doubts_about(model, session.volume()) {
            ui.label(RichText::new(doubt).color(theme::of(ui).warning).small());
        }
    }
    ui.horizontal(|ui| {
        let again = Button::new("Look again");
        let hint =
            "Run the network again, in the tile around the crosshair and with the clicks as they are now";
        if ui.add_enabled(inspect.running.is_none(), again).on_hover_text(hint).clicked() {
            context.actions.send(InspectAction::Look(inspect.model.clone()));
        }
        if ui.button("Close attention").clicked() {
            context.actions.send(UiCommand::ShowAttention);
        }
    });
}

/// Which layer's maps are listed: a transformer has hundreds.
fn layers(ui: &mut Ui, context: Context<'_>, inspect: &Inspecting) {
    let mut layers: Vec<(usize, String)> = Vec::new();
    for map in &inspect.maps {
        let layer = (map.look, map.map.layer.clone());
        if !layers.contains(&layer) {
            layers.push(layer);
        }
    }
    if layers.len() < 2 {
        return;
    }
    let name = |(look, layer): &(usize, String)| {
        if inspect.looks.len() > 1 {
            format!("{}: {layer}", inspect.looks[*look].stage)
        } else {
            layer.clone()
        }
    };
    let chosen = inspect.layer.as_ref().map_or_else(|| "all layers".to_owned(), name);
    ComboBox::from_label("Layer").selected_text(chosen).width(190.0).truncate().show_ui(ui, |ui| {
        if ui.selectable_label(inspect.layer.is_none(), "all layers").clicked() {
            context.actions.send(InspectAction::Layer(None));
        }
        for layer in layers {
            if ui.selectable_label(inspect.layer.as_ref() == Some(&layer), name(&layer)).clicked() {
                context.actions.send(InspectAction::Layer(Some(layer)));
            }
        }
    });
}

/// All maps, by network and origin.
fn list(ui: &mut Ui, context: Context<'_>, inspect: &Inspecting) {
    let tokens = theme::of(ui);
    ScrollArea::vertical().id_salt("attention maps").max_height(190.0).auto_shrink([false, true]).show(
        ui,
        |ui| {
            ui.spacing_mut().item_spacing.y = 1.0;
            let mut heading = None;
            let is_listed = |map: &&ShownMap| {
                let of = |layer: &(usize, String)| layer.0 == map.look && layer.1 == map.map.layer;
                inspect.layer.as_ref().is_none_or(of)
            };
            for map in inspect.maps.iter().filter(is_listed) {
                if heading != Some((map.look, map.kind)) {
                    heading = Some((map.look, map.kind));
                    let look = &inspect.looks[map.look];
                    let text = format!("{} ({}) · {}", look.model, look.stage, origin(map.kind));
                    ui.label(RichText::new(text).color(tokens.weak).small());
                }
                let key = Inspecting::key(map);
                let text = format!("{} ({})", map.map.name, map.map.meaning.title());
                let button = Button::selectable(inspect.chosen.as_ref() == Some(&key), text).truncate();
                if super::left_aligned(ui, |ui| ui.add(button)).clicked() {
                    context.actions.send(InspectAction::Show(key));
                }
            }
        },
    );
}

fn origin(kind: MapKind) -> &'static str {
    match kind {
        MapKind::Pass => "the pass",
        MapKind::Row => "the pixel at the crosshair",
        MapKind::Plain => "that pixel, plain self-attention",
        MapKind::Random => "random weights",
    }
}

/// Value under the mouse, share on each label, agreement with the error.
fn figures(ui: &mut Ui, context: Context<'_>, inspect: &Inspecting, shown: &ShownMap) {
    let session = context.state.session.as_ref();
    let hover = session.and_then(|session| session.views.hover).map(|(_, at)| at);
    let number = |value: Option<f32>| value.map_or_else(|| "–".to_owned(), bar_number);
    fact(ui, "Value under the mouse", &number(hover.and_then(|at| shown.map.value_at(at))));
    if let Some((other, _)) = inspect.compared() {
        fact(ui, "The same, compared map", &number(hover.and_then(|at| other.value_at(at))));
        let likeness = inspect.likeness.map_or_else(|| "–".to_owned(), |rho| format!("{rho:.2}"));
        fact(ui, "Rank correlation of the two maps", &likeness);
    }
    for mass in &shown.mass {
        let name = session.map_or_else(String::new, |session| class(session, mass.class));
        let text = format!("{:.1} % (of the area {:.1} %)", 100.0 * mass.mass, 100.0 * mass.area);
        fact(ui, &format!("On {name}"), &text);
    }
    if let Some(auc) = shown.error_auc {
        fact(ui, "High where it errs (AUC, ½: no relation)", &format!("{auc:.2}"));
    }
    if let Some(spearman) = shown.spearman {
        fact(ui, "Rank correlation with the trained map", &format!("{spearman:.2}"));
    }
}

fn class(session: &Session, class: Option<u16>) -> String {
    match class {
        None => "outside the image".to_owned(),
        Some(0) => "no label".to_owned(),
        Some(label) => {
            let entry = session.document.table().get(label);
            entry.map_or_else(|| format!("label {label}"), |entry| entry.name.clone())
        }
    }
}

/// How the graph is read where the paper leaves it open (networks.md table H): the reading after a choice.
fn answers(ui: &mut Ui, reading: HaReading) -> HaReading {
    let mut read = reading;
    for (row, about) in ReadingOption::ROWS {
        let of_row = || ReadingOption::ALL.into_iter().filter(|option| option.row == row);
        let chosen = of_row().find(|option| option.is_of(reading)).map_or("", |option| option.title);
        let label = format!("{row} {about}");
        ComboBox::from_label(label).selected_text(chosen).width(120.0).show_ui(ui, |ui| {
            for option in of_row() {
                if ui.selectable_label(option.is_of(reading), option.title).clicked() {
                    read = option.applied(reading);
                }
            }
        });
    }
    read
}

/// Sliders and readings of a graph, and its density.
fn graph(ui: &mut Ui, context: Context<'_>, inspect: &Inspecting) {
    let Some(reading) = inspect.reading_now() else { return };
    ui.separator();
    let (mut delta, mut hops) = (reading.delta, reading.hops);
    let threshold = ui.add(Slider::new(&mut delta, 0.0..=1.0).fixed_decimals(2).text("Threshold δ"));
    let hop = ui.add(Slider::new(&mut hops, 1..=reading.hops.max(4)).text("Hops n"));
    let read = answers(ui, reading.reading);
    if threshold.changed() || hop.changed() || read != reading.reading {
        context.actions.send(InspectAction::Read(Some(HopReading { delta, hops, reading: read })));
    }
    if inspect.reading.is_some() && ui.button("As in the network").clicked() {
        context.actions.send(InspectAction::Read(None));
    }
    let density = inspect.looks.iter().flat_map(|look| &look.density);
    for density in density {
        fact(ui, &format!("Density of hop {}", density.hop), &format!("{:.1} %", 100.0 * density.share));
    }
    if let Some(secs) = inspect.rows_secs {
        fact(ui, "Maps of the pixel", &format!("{:.0} ms", secs * 1000.0));
    }
}

fn checks(ui: &mut Ui, context: Context<'_>, inspect: &Inspecting) {
    let tokens = theme::of(ui);
    ui.separator();
    let is_free = inspect.running.is_none();
    ui.horizontal_wrapped(|ui| {
        let hint = "Show the maps of the same network with weights that know nothing: what looks alike there comes from the \
                    image and the design, not from learning";
        if ui.add_enabled(is_free, Button::new("Random weights")).on_hover_text(hint).clicked() {
            context.actions.send(InspectAction::Randomise);
        }
        let is_trained = inspect.shown().is_some_and(|shown| shown.kind != MapKind::Random);
        let hint = "Replace the tenth of the input where this map is largest by its surroundings, and see what the answer \
                    loses against random places";
        if ui.add_enabled(is_free && is_trained, Button::new("Occlude")).on_hover_text(hint).clicked() {
            context.actions.send(InspectAction::Occlude);
        }
        if ui.button("Export map…").on_hover_text("Write the map as NIfTI, or of a flat image as a picture").clicked() {
            context.actions.send(InspectAction::Export(None));
        }
        let hint = "Write the image, the labels and the maps that belong together beside each other, as PNG or SVG";
        if ui.button("Export figure…").on_hover_text(hint).clicked() {
            context.actions.send(InspectAction::Figure(None));
        }
        if !is_free {
            ui.spinner();
            ui.label(RichText::new(&inspect.what).color(tokens.weak).small());
        }
    });
    let Some((_, found)) = inspect.occlusion.as_ref().filter(|(key, _)| inspect.chosen.as_ref() == Some(key))
    else {
        return;
    };
    let mean = |of: fn(&hilum_models::inspect::Occluded) -> f64| {
        found.random.iter().map(of).sum::<f64>() / found.random.len().max(1) as f64
    };
    fact(ui, "Dice without the place", &format!("{:.3}", found.attended.dice));
    fact(ui, "Dice without random places", &format!("{:.3}", mean(|o| o.dice)));
    fact(ui, "Change of probability", &format!("{:.4}", found.attended.probability_change));
    fact(ui, "The same, random places", &format!("{:.4}", mean(|o| o.probability_change)));
    let inside =
        format!("{:.0} % / {:.0} %", 100.0 * found.attended.answer_inside, 100.0 * mean(|o| o.answer_inside));
    fact(ui, "Of the answer inside (place / random)", &inside);
}
