//! Teaching the model of a worklist: what it will take, how it goes, what came of it, all versions.

use std::collections::BTreeMap;

use egui::{Button, ComboBox, DragValue, Grid, ProgressBar, RichText, Ui};
use egui_plot::{Legend, Line, Plot, PlotPoints};
use hilum_core::job::Observer as _;
use hilum_models::teach::{AgainstBest, Comparison, MIN_CASES, Published, Strategy, Verdict, VersionState};
use hilum_models::train::Layers;

use super::{Context, command_button, primary_button};
use crate::command::{TeachAction, UiCommand as C};
use crate::jobs::{MapChoice, VersionList, VersionRow};
use crate::state::{OpenWorklist, RunningLesson, TeachChoice, Teaching};
use crate::theme;

const STRATEGIES: [Strategy; 4] =
    [Strategy::Entropy, Strategy::Variance, Strategy::Divergence, Strategy::Random];

pub(super) fn show(ui: &mut Ui, context: Context<'_>, worklist: &OpenWorklist) {
    let tokens = theme::of(ui);
    let teaching = &worklist.teaching;
    let (teach, judge) = (worklist.list.teaching().count(), worklist.list.judging().count());
    let cases = |count: usize| if count == 1 { "1 case".to_owned() } else { format!("{count} cases") };
    super::fact(ui, "To learn from", &cases(teach));
    super::fact(ui, "To be judged by", &format!("{} set aside", cases(judge)));
    match &teaching.running {
        Some(running) => running_lesson(ui, context, teaching, running),
        None => {
            choices(ui, context, teaching);
            primary_button(ui, context, C::Teach, "Teach");
            if judge < MIN_CASES {
                let text = format!("A verdict needs {MIN_CASES} cases set aside; with fewer you decide.");
                ui.label(RichText::new(text).color(tokens.weak));
            }
            if teach == 0 {
                let text = "Mark cases as corrected first; set some aside to see whether it helps.";
                ui.label(RichText::new(text).color(tokens.weak));
            }
        }
    }
    curves(ui, teaching);
    if let Some(lesson) = &teaching.last {
        ui.label(RichText::new(&lesson.id).strong());
        comparison(ui, &lesson.comparison);
        if lesson.published == Published::Asks && is_candidate(teaching, lesson.number) {
            decision(ui, context, lesson.number);
        }
    }
    ui.separator();
    rank(ui, context, teaching);
    if let Some(versions) = &teaching.versions {
        ui.separator();
        genealogy(ui, context, versions);
    }
    if let Some(looking) = &teaching.looking {
        ui.separator();
        super::kept_maps::show(ui, context, worklist, looking);
    }
}

fn is_candidate(teaching: &Teaching, number: u32) -> bool {
    teaching.versions.as_ref().is_some_and(|versions| {
        versions.versions.iter().any(|v| v.number == number && v.state == VersionState::Candidate)
    })
}

fn choices(ui: &mut Ui, context: Context<'_>, teaching: &Teaching) {
    let mut choice = teaching.choice;
    ui.horizontal(|ui| {
        let caption = ui.label("Time");
        let drag = DragValue::new(&mut choice.minutes).range(0.1..=1440.0).speed(0.1).suffix(" min");
        ui.add(drag).labelled_by(caption.id).on_hover_text("Learning and judging together may take so long");
        let caption = ui.label("Layers");
        let combo = ComboBox::from_id_salt("layers that learn").selected_text(layers_name(choice.layers));
        let combo = combo.show_ui(ui, |ui| {
            for layers in [Layers::All, Layers::Decoder, Layers::Last] {
                ui.selectable_value(&mut choice.layers, layers, layers_name(layers));
            }
        });
        combo.response.labelled_by(caption.id).on_hover_text(
            "All layers learn most; with few cases the decoder or the last layers alone forget less",
        );
    });
    ui.collapsing("More", |ui| {
        ui.horizontal(|ui| {
            let mut is_exact = choice.steps.is_some();
            ui.checkbox(&mut is_exact, "Exactly");
            let mut steps = choice.steps.unwrap_or(200);
            let caption = ui.label("steps");
            let drag = DragValue::new(&mut steps).range(1..=100_000);
            ui.add_enabled(is_exact, drag).labelled_by(caption.id);
            choice.steps = is_exact.then_some(steps);
        });
        ui.horizontal(|ui| {
            let caption = ui.label("Learning rate");
            let drag =
                DragValue::new(&mut choice.learning_rate).range(1e-6..=0.1).speed(1e-4).max_decimals(6);
            ui.add(drag).labelled_by(caption.id);
        });
    });
    ask(context, teaching, choice);
}

fn ask(context: Context<'_>, teaching: &Teaching, choice: TeachChoice) {
    if choice != teaching.choice {
        context.actions.send(TeachAction::Choose(choice));
    }
}

fn layers_name(layers: Layers) -> &'static str {
    match layers {
        Layers::All => "all",
        Layers::Decoder => "decoder",
        Layers::Last => "last",
    }
}

fn running_lesson(ui: &mut Ui, context: Context<'_>, teaching: &Teaching, running: &RunningLesson) {
    let tokens = theme::of(ui);
    let is_paused = running.control.is_paused();
    let text = match (running.control.is_cancelled(), is_paused) {
        (true, _) => "Stopping…".to_owned(),
        (_, true) => format!("Paused at {}", running.what),
        _ => running.what.clone(),
    };
    ui.label(text);
    let share = running.share.unwrap_or(0.0);
    ui.add(ProgressBar::new(share).desired_height(8.0).animate(running.share.is_none() && !is_paused));
    if let Some(forecast) = &teaching.forecast {
        let memory = forecast.memory_bytes.map_or_else(String::new, |b| format!(", {} MiB", b >> 20));
        let text = format!(
            "{} steps of {:.2} s, about {:.0} min{memory}, on {}",
            forecast.steps,
            forecast.seconds_per_step,
            (forecast.seconds / 60.0).ceil(),
            forecast.device
        );
        ui.label(RichText::new(text).color(tokens.weak));
    }
    ui.horizontal(|ui| {
        let name = if is_paused { "Go on" } else { "Pause" };
        if ui.button(name).on_hover_text(C::PauseTeaching.tooltip(ui.ctx())).clicked() {
            context.actions.send(C::PauseTeaching);
        }
        command_button(ui, context, C::StopTeaching);
    });
}

fn curves(ui: &mut Ui, teaching: &Teaching) {
    let curves = &teaching.curves;
    if curves.loss.is_empty() && curves.set_aside.is_empty() {
        return;
    }
    let plot = Plot::new("learning curves")
        .height(120.0)
        .legend(Legend::default().follow_insertion_order(true))
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .show_x(false)
        .include_y(0.0)
        .include_y(1.0);
    plot.show(ui, |plot| {
        let lines = [
            ("Dice, set aside", &curves.set_aside),
            ("Dice, earlier", &curves.earlier),
            ("loss", &curves.loss),
        ];
        for (name, points) in lines {
            if !points.is_empty() {
                plot.line(Line::new(name, PlotPoints::from(points.clone())));
            }
        }
    });
}

fn comparison(ui: &mut Ui, comparison: &Comparison) {
    let tokens = theme::of(ui);
    ui.label(&comparison.reason);
    if comparison.cases.is_empty() {
        return;
    }
    Grid::new("comparison by region").num_columns(4).striped(true).show(ui, |ui| {
        for title in ["Region", "now", "new", "difference"] {
            ui.label(RichText::new(title).small().color(tokens.weak));
        }
        ui.end_row();
        for region in &comparison.regions {
            ui.label(&region.name);
            ui.label(format!("{:.3}", region.current));
            ui.label(format!("{:.3}", region.new));
            ui.label(format!(
                "{:+.3} ({:+.3} to {:+.3})",
                region.difference.mean, region.difference.ci95_low, region.difference.ci95_high
            ));
            ui.end_row();
        }
    });
    if let Some(best) = &comparison.best {
        against_best(ui, best);
    }
    ui.collapsing("Case by case", |ui| {
        Grid::new("comparison by case").num_columns(4).striped(true).show(ui, |ui| {
            for title in ["Case", "now", "new", "marked where nothing is"] {
                ui.label(RichText::new(title).small().color(tokens.weak));
            }
            ui.end_row();
            for case in &comparison.cases {
                ui.label(&case.id);
                ui.label(dice(&case.current));
                ui.label(dice(&case.new));
                let [now, new] = case.invented_ml;
                ui.label(if now + new > 0.0 { format!("{now:.2} / {new:.2} ml") } else { "–".into() });
                ui.end_row();
            }
        });
    });
}

/// The new weights against the best that were ever in use.
fn against_best(ui: &mut Ui, best: &AgainstBest) {
    for region in &best.regions {
        let text = format!(
            "{}, against {}: {:.3}, new {:.3}, {:+.3} ({:+.3} to {:+.3})",
            region.name,
            best.id,
            region.current,
            region.new,
            region.difference.mean,
            region.difference.ci95_low,
            region.difference.ci95_high
        );
        ui.label(text).on_hover_text("The best weights so far: small losses must not add up over versions");
    }
}

fn dice(values: &[Option<f64>]) -> String {
    let texts: Vec<String> =
        values.iter().map(|v| v.map_or_else(|| "–".to_owned(), |v| format!("{v:.3}"))).collect();
    texts.join(" / ")
}

fn decision(ui: &mut Ui, context: Context<'_>, version: u32) {
    ui.horizontal(|ui| {
        for (text, yes) in [("Use it", true), ("Do not use it", false)] {
            if ui.button(text).clicked() {
                context.actions.send(TeachAction::Decide { version, yes });
            }
        }
    });
}

fn rank(ui: &mut Ui, context: Context<'_>, teaching: &Teaching) {
    if let Some(ranking) = &teaching.ranking {
        ui.label(&ranking.what);
        ui.add(ProgressBar::new(ranking.share.unwrap_or(0.0)).desired_height(8.0));
        if ui.button("Stop asking").on_hover_text("The order stays as it was").clicked() {
            context.actions.send(C::StopTeaching);
        }
        return;
    }
    let mut choice = teaching.choice;
    ui.horizontal(|ui| {
        let caption = ui.label("Doubt by");
        let combo = ComboBox::from_id_salt("measure of doubt").selected_text(strategy_name(choice.strategy));
        let combo = combo.show_ui(ui, |ui| {
            for strategy in STRATEGIES {
                let label = ui.selectable_value(&mut choice.strategy, strategy, strategy_name(strategy));
                label.on_hover_text(strategy.title());
            }
        });
        combo.response.labelled_by(caption.id);
        command_button(ui, context, C::RankCases);
    });
    ask(context, teaching, choice);
}

fn strategy_name(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Random => "chance",
        Strategy::Entropy => "entropy",
        Strategy::Variance => "variance",
        Strategy::Divergence => "divergence",
    }
}

/// All versions below the weights that they were made of.
fn genealogy(ui: &mut Ui, context: Context<'_>, versions: &VersionList) {
    let tokens = theme::of(ui);
    ui.label(RichText::new("Versions").color(tokens.weak));
    let mut children: BTreeMap<&str, Vec<&VersionRow>> = BTreeMap::new();
    for version in &versions.versions {
        children.entry(version.parent.as_str()).or_default().push(version);
    }
    row(ui, context, versions, &versions.base, 0, None);
    let mut waiting: Vec<(usize, &VersionRow)> =
        children.get(versions.base.as_str()).into_iter().flatten().rev().map(|v| (1, *v)).collect();
    while let Some((depth, version)) = waiting.pop() {
        row(ui, context, versions, &version.id, depth, Some(version));
        let below = children.get(version.id.as_str()).into_iter().flatten().rev();
        waiting.extend(below.map(|v| (depth + 1, *v)));
    }
}

fn row(
    ui: &mut Ui,
    context: Context<'_>,
    versions: &VersionList,
    id: &str,
    depth: usize,
    version: Option<&VersionRow>,
) {
    ui.horizontal_wrapped(|ui| {
        ui.add_space(12.0 * depth as f32);
        let is_current = versions.current == id;
        let text = RichText::new(id);
        let response = ui.label(if is_current { text.strong() } else { text });
        if let Some(version) = version {
            response.on_hover_text(facts(version));
        }
        if let Some(version) = version.filter(|version| version.has_maps) {
            let button = ui.add(Button::new("Attention").small());
            button.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Attention of {id}"))
            });
            if button.on_hover_text("Where it looked while it learned").clicked() {
                let choice = MapChoice { version: version.number, case: None, layer: None };
                context.actions.send(TeachAction::Look(choice));
            }
        }
        if is_current {
            ui.label(RichText::new("in use").color(theme::of(ui).accent));
            return;
        }
        match version.map(|version| (version.state, version.number)) {
            Some((VersionState::Candidate, number)) => candidate(ui, context, versions, version, number),
            Some((VersionState::Rejected, _)) => {
                ui.label(RichText::new("not used").color(theme::of(ui).weak));
            }
            Some((VersionState::Published, _)) | None => {
                let button = ui.add(Button::new("Go back").small());
                button.widget_info(|| {
                    egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Go back to {id}"))
                });
                if button.on_hover_text("Let these weights propose again, at once").clicked() {
                    context.actions.send(TeachAction::RollBack(id.to_owned()));
                }
            }
        }
    });
}

/// What may become of a version that nobody has decided on: one that was compared with other weights than those in use
/// is compared again first.
fn candidate(
    ui: &mut Ui,
    context: Context<'_>,
    versions: &VersionList,
    version: Option<&VersionRow>,
    number: u32,
) {
    let comparison = version.and_then(|version| version.comparison.as_ref());
    let is_fresh = comparison.is_some_and(|comparison| comparison.current == versions.current);
    if is_fresh && !version.is_some_and(is_worse) {
        return decision(ui, context, number);
    }
    let text = match comparison {
        Some(_) if is_fresh => "worse",
        Some(_) => "compared with other weights",
        None => "not compared",
    };
    ui.label(RichText::new(text).color(theme::of(ui).weak));
    let is_free = context.state.is_enabled(C::Teach);
    let button = ui.add_enabled(is_free, Button::new("Compare…").small());
    button.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Button, is_free, format!("Compare version {number}"))
    });
    if button.on_hover_text("Compare it with the weights in use on the cases set aside").clicked() {
        context.actions.send(TeachAction::Compare(number));
    }
}

fn is_worse(version: &VersionRow) -> bool {
    version.comparison.as_ref().is_some_and(|comparison| comparison.verdict == Verdict::Worse)
}

fn facts(version: &VersionRow) -> String {
    let mut text = format!(
        "{} steps in {:.0} s from {} cases, made of {}\nweights {}…",
        version.steps,
        version.seconds,
        version.cases,
        version.parent,
        version.weights_sha256.get(..12).unwrap_or_default()
    );
    if let Some(comparison) = &version.comparison {
        text += &format!("\n{}", comparison.reason);
    }
    text
}
