//! The worklist: its cases with how far each is, the case that is open, and what others drew in it.

use egui::{Button, ComboBox, Grid, RichText, ScrollArea, TextEdit, Ui};
use hilum_core::worklist::{Case, CaseFilter, CaseOrder, CaseState, Role};

use super::{Context, command_button, primary_button, section, sentence};
use crate::command::{Action, Consensus, UiCommand as C, WorklistAction};
use crate::jobs::OutlineComparison;
use crate::state::OpenWorklist;
use crate::theme;

/// Rows of the list that are seen at once.
const ROWS: f32 = 12.0;

pub(super) fn show(ui: &mut Ui, context: Context<'_>, worklist: &OpenWorklist) {
    ScrollArea::vertical().id_salt("worklist panel").auto_shrink([false, false]).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 6.0;
        let name = if worklist.list.name.is_empty() { "Worklist" } else { &worklist.list.name };
        section(ui, name, |ui| {
            summary(ui, worklist);
            ui.horizontal_wrapped(|ui| {
                primary_button(ui, context, C::NextCase, "Next case");
                command_button(ui, context, C::AddCases);
                command_button(ui, context, C::AddCaseFolder);
            });
            model(ui, context, worklist);
            filter(ui, context, worklist);
            cases(ui, context, worklist);
        });
        if let Some(case) = worklist.case() {
            section(ui, "Case", |ui| open_case(ui, context, worklist, case));
        }
        if worklist.list.model.is_some() {
            section(ui, "Teach", |ui| super::teach::show(ui, context, worklist));
        }
    });
}

fn summary(ui: &mut Ui, worklist: &OpenWorklist) {
    let tokens = theme::of(ui);
    let (counts, aside) = worklist.counts();
    let parts = CaseState::ALL.iter().zip(counts).filter(|(_, count)| *count > 0);
    let mut parts: Vec<String> = parts.map(|(state, count)| format!("{count} {}", state.name())).collect();
    if aside > 0 {
        parts.push(format!("{aside} set aside"));
    }
    let text =
        if parts.is_empty() { "No cases yet. Add images or a folder.".into() } else { parts.join(" · ") };
    ui.label(RichText::new(text).color(tokens.weak));
    if let Some(why) = &worklist.not_kept {
        ui.label(RichText::new(why).color(tokens.warning));
    }
}

fn model(ui: &mut Ui, context: Context<'_>, worklist: &OpenWorklist) {
    let chosen = worklist.list.model.clone();
    ui.horizontal(|ui| {
        let label = ui.label("Proposed by");
        let text = chosen.as_deref().unwrap_or("nobody");
        ComboBox::from_id_salt("model of the worklist")
            .selected_text(text)
            .width(ui.available_width())
            .show_ui(ui, |ui| {
                if ui.selectable_label(chosen.is_none(), "nobody").clicked() {
                    context.actions.send(WorklistAction::Model(None));
                }
                let can_be_taught =
                    |id: &str| context.state.is_labeller(id) || context.state.answers_clicks(id);
                for model in context.state.models.iter().filter(|model| can_be_taught(&model.card.id)) {
                    let is_chosen = chosen.as_ref() == Some(&model.card.id);
                    if ui
                        .selectable_label(is_chosen, &model.card.id)
                        .on_hover_text(&model.card.title)
                        .clicked()
                    {
                        context.actions.send(WorklistAction::Model(Some(model.card.id.clone())));
                    }
                }
            })
            .response
            .labelled_by(label.id)
            .on_hover_text(
                "The model that is taught. One that labels whole images proposes labels before you see a case; one that \
                 answers clicks answers them",
            );
    });
}

fn filter(ui: &mut Ui, context: Context<'_>, worklist: &OpenWorklist) {
    let mut filter = worklist.filter.clone();
    let mut is_changed = false;
    ui.horizontal(|ui| {
        let caption = ui.label("Show");
        let combo = ComboBox::from_id_salt("state filter").width(78.0).selected_text(shown(&filter));
        let combo = combo.show_ui(ui, |ui| {
            for (text, choice) in choices() {
                let is_chosen = (&filter.states, filter.role) == (&choice.states, choice.role);
                if ui.selectable_label(is_chosen, text).clicked() {
                    filter = CaseFilter { text: filter.text.clone(), ..choice };
                    is_changed = true;
                }
            }
        });
        combo.response.labelled_by(caption.id);
        let caption = ui.label("Order");
        let combo = ComboBox::from_id_salt("order of cases").width(ui.available_width());
        let combo = combo.selected_text(order_name(worklist.list.order)).show_ui(ui, |ui| {
            for order in CaseOrder::ALL {
                if ui.selectable_label(order == worklist.list.order, order_name(order)).clicked() {
                    context.actions.send(WorklistAction::Order(order));
                }
            }
        });
        combo.response.labelled_by(caption.id);
    });
    ui.horizontal(|ui| {
        let caption = ui.label("Find");
        let field = TextEdit::singleline(&mut filter.text).hint_text("name, annotator, comment");
        is_changed |= ui.add(field.desired_width(f32::INFINITY)).labelled_by(caption.id).changed();
    });
    if is_changed {
        context.actions.send(WorklistAction::Filter(filter));
    }
}

fn choices() -> Vec<(String, CaseFilter)> {
    let mut choices = vec![("all".to_owned(), CaseFilter::default())];
    let open = [CaseState::New, CaseState::Proposed, CaseState::InWork];
    choices.push(("to do".into(), CaseFilter { states: open.to_vec(), ..CaseFilter::default() }));
    for state in CaseState::ALL {
        choices.push((state.name().into(), CaseFilter { states: vec![state], ..CaseFilter::default() }));
    }
    choices.push(("set aside".into(), CaseFilter { role: Some(Role::SetAside), ..CaseFilter::default() }));
    choices
}

fn shown(filter: &CaseFilter) -> String {
    let same = |choice: &CaseFilter| (&choice.states, choice.role) == (&filter.states, filter.role);
    choices().into_iter().find(|(_, choice)| same(choice)).map_or_else(|| "some".into(), |(text, _)| text)
}

fn order_name(order: CaseOrder) -> &'static str {
    match order {
        CaseOrder::Added => "as added",
        CaseOrder::Name => "by name",
        CaseOrder::State => "by state",
        CaseOrder::Changed => "last changed",
        CaseOrder::Spent => "longest work",
        CaseOrder::Doubt => "least sure first",
    }
}

fn cases(ui: &mut Ui, context: Context<'_>, worklist: &OpenWorklist) {
    let listed = worklist.list.listed(&worklist.filter, worklist.list.order);
    let row = ui.spacing().interact_size.y;
    let spacing = ui.spacing().item_spacing.y;
    let list = ScrollArea::vertical().id_salt("cases").max_height((row + spacing) * ROWS);
    let open = worklist.open.map(|open| open.case);
    list.auto_shrink([false, true]).show_rows(ui, row, listed.len(), |ui, range| {
        for id in &listed[range] {
            let Ok(case) = worklist.list.case(*id) else { continue };
            let button = Button::selectable(open == Some(*id), case.name.as_str())
                .truncate()
                .shortcut_text(mark(case));
            let response = super::left_aligned(ui, |ui| ui.add(button)).on_hover_text(hint(case));
            if response.clicked() && open != Some(*id) {
                context.actions.send(WorklistAction::Show(*id));
            }
            response.context_menu(|ui| {
                let (text, role) = match case.role {
                    Role::Teaching => ("Set aside", Role::SetAside),
                    Role::SetAside => ("Use for teaching", Role::Teaching),
                };
                if ui.button(text).clicked() {
                    context.actions.send(WorklistAction::Role(*id, role));
                    ui.close();
                }
                if ui.button("Take off the list").clicked() {
                    context.actions.send(WorklistAction::Remove(*id));
                    ui.close();
                }
            });
        }
    });
}

/// State and role in a word or two.
fn mark(case: &Case) -> String {
    match case.role {
        Role::Teaching => case.state.name().to_owned(),
        Role::SetAside => format!("{} (aside)", case.state.name()),
    }
}

fn hint(case: &Case) -> String {
    let mut lines = vec![case.image.path.display().to_string()];
    if let Some(doubt) = &case.doubt {
        lines.push(format!("{}. in line: {}", doubt.rank, doubt.reason));
    }
    if !case.comment.is_empty() {
        lines.push(case.comment.clone());
    }
    lines.join("\n")
}

fn open_case(ui: &mut Ui, context: Context<'_>, worklist: &OpenWorklist, case: &Case) {
    let tokens = theme::of(ui);
    ui.label(RichText::new(&case.name).strong());
    super::fact(ui, "State", &sentence(case.state.name()));
    ui.horizontal_wrapped(|ui| {
        command_button(ui, context, C::MarkCorrected);
        command_button(ui, context, C::MarkCaseReviewed);
        if case.state.is_done() {
            command_button(ui, context, C::ReopenCase);
        }
    });
    let mut is_aside = case.role == Role::SetAside;
    let aside = ui.checkbox(&mut is_aside, "Set aside for judging networks");
    if aside.on_hover_text("Networks are never taught with it, so that it tells how good they are").clicked()
    {
        context.actions.send(C::ToggleSetAside);
    }
    if let Some(model) = &case.proposed_by {
        super::fact(ui, "Proposed by", model);
    }
    if let Some(who) = &case.annotator {
        super::fact(ui, "Annotator", who);
    }
    // Always there: what stands below must not move under the hand when the first second has passed.
    super::fact(ui, "Time spent", &duration(case.spent_secs));
    if let Some(doubt) = &case.doubt {
        ui.label(RichText::new(format!("Why it comes {}.: {}", doubt.rank, doubt.reason)).color(tokens.weak));
    }
    let mut comment = worklist.comment.clone().unwrap_or_else(|| case.comment.clone());
    let caption = ui.label(RichText::new("Comment").color(tokens.weak));
    let field = TextEdit::multiline(&mut comment).desired_rows(2).desired_width(f32::INFINITY);
    let response = ui.add(field).labelled_by(caption.id);
    if response.changed() {
        context.actions.send(WorklistAction::Typing(comment));
    }
    if response.lost_focus() {
        context.actions.send(WorklistAction::Comment);
    }
    if !case.outlines.is_empty() {
        outlines(ui, context, worklist, case);
    }
}

fn outlines(ui: &mut Ui, context: Context<'_>, worklist: &OpenWorklist, case: &Case) {
    let names: Vec<&str> = case.outlines.iter().map(|outline| outline.annotator.as_str()).collect();
    super::fact(ui, "Outlines by", &names.join(", "));
    ui.horizontal_wrapped(|ui| {
        for outline in &case.outlines {
            let button = ui.button(format!("Take what {} drew", outline.annotator));
            if button.on_hover_text("Replace the labels by this person's outlines: one step").clicked() {
                context.actions.send(Action::ImportMask(worklist.folder.join(&outline.path)));
            }
        }
    });
    command_button(ui, context, C::CompareOutlines);
    if let Some(comparison) = worklist.comparison.as_ref().filter(|comparison| comparison.case == case.id) {
        compared(ui, context, comparison);
    }
}

fn compared(ui: &mut Ui, context: Context<'_>, comparison: &OutlineComparison) {
    Grid::new("raters").num_columns(3).striped(true).show(ui, |ui| {
        for title in ["Annotator", "finds", "leaves out"] {
            ui.label(RichText::new(title).small());
        }
        ui.end_row();
        for (name, quality) in &comparison.raters {
            ui.label(name);
            ui.label(format!("{:.1} %", 100.0 * quality.sensitivity));
            ui.label(format!("{:.2} %", 100.0 * quality.specificity));
            ui.end_row();
        }
    });
    for (a, b, dice) in &comparison.dice {
        let name = |at: &usize| comparison.raters[*at].0.as_str();
        super::fact(ui, &format!("Dice {} – {}", name(a), name(b)), &format!("{dice:.3}"));
    }
    ui.horizontal_wrapped(|ui| {
        let choices = [
            ("Take majority", "What more than half mark", Consensus::Majority),
            ("Take STAPLE", "What is likely, the reliable annotators counting more", Consensus::Staple),
            ("Mark differences", "A note where not all agree, as a label of its own; while it is there, networks are not taught with the case", Consensus::Differences),
        ];
        for (text, hint, consensus) in choices {
            if ui.button(text).on_hover_text(hint).clicked() {
                context.actions.send(WorklistAction::TakeConsensus(consensus));
            }
        }
    });
}

/// "3 min 20 s".
fn duration(secs: f64) -> String {
    let secs = secs.round() as u64;
    match (secs / 3600, secs / 60 % 60, secs % 60) {
        (0, 0, secs) => format!("{secs} s"),
        (0, minutes, secs) => format!("{minutes} min {secs} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}
