//! Where a version looked while it learned, with a slider over the steps.

use egui::{ComboBox, RichText, Slider, Ui};

use super::Context;
use crate::colormap::bar_number;
use crate::command::{TeachAction, WorklistAction};
use crate::jobs::MapChoice;
use crate::state::{LookingBack, OpenWorklist};
use crate::theme;

pub(super) fn show(ui: &mut Ui, context: Context<'_>, worklist: &OpenWorklist, looking: &LookingBack) {
    let tokens = theme::of(ui);
    let maps = &looking.maps;
    ui.label(RichText::new(format!("Attention over the steps of {}", maps.id)).strong());
    let ask = |case: &str, layer: &str| {
        let (case, layer) = (Some(case.to_owned()), Some(layer.to_owned()));
        context.actions.send(TeachAction::Look(MapChoice { version: maps.version, case, layer }));
    };
    ui.horizontal_wrapped(|ui| {
        for (caption, chosen, all) in
            [("Case", &maps.case, &maps.cases), ("Layer", &maps.layer, &maps.layers)]
        {
            let label = ui.label(caption);
            let combo = ComboBox::from_id_salt(("kept maps", caption)).selected_text(chosen);
            let combo = combo.show_ui(ui, |ui| {
                for name in all {
                    if ui.selectable_label(name == chosen, name).clicked() {
                        let is_case = caption == "Case";
                        ask(
                            if is_case { name } else { &maps.case },
                            if is_case { &maps.layer } else { name },
                        );
                    }
                }
            });
            combo.response.labelled_by(label.id);
        }
    });
    let mut at = looking.at;
    let last = maps.steps.len().saturating_sub(1);
    let step = looking.shown().map_or(0, |(step, _)| *step);
    let steps: Vec<usize> = maps.steps.iter().map(|(step, _)| *step).collect();
    let slider = Slider::new(&mut at, 0..=last)
        .text("Step of learning")
        .custom_formatter(move |at, _| steps.get(at as usize).map(usize::to_string).unwrap_or_default());
    if ui.add(slider).changed() {
        context.actions.send(TeachAction::LookAt(at));
    }
    let [low, high] = looking.range();
    let text = format!(
        "after {step} steps; {} … {} over all steps. {}",
        bar_number(low),
        bar_number(high),
        looking.shown().map_or("", |(_, map)| map.meaning.text())
    );
    ui.label(RichText::new(text).color(tokens.weak).small());
    let mut opacity = looking.opacity;
    if ui.add(Slider::new(&mut opacity, 0.0..=1.0).fixed_decimals(2).text("Opacity over the image")).changed()
    {
        context.actions.send(TeachAction::LookOpacity(opacity));
    }
    ui.horizontal_wrapped(|ui| {
        let is_open = worklist.case().is_some_and(|case| looking.is_of(&case.name));
        let case = worklist.list.cases().iter().find(|case| looking.is_of(&case.name));
        match case.filter(|_| !is_open) {
            Some(case) => {
                ui.label("It is drawn over its own case:");
                if ui.button(format!("Open {}", case.name)).clicked() {
                    context.actions.send(WorklistAction::Show(case.id));
                }
            }
            None if !is_open => {
                ui.label("Its case is not in the list any more.");
            }
            None => {}
        }
        if ui.button("Close attention").clicked() {
            context.actions.send(TeachAction::StopLooking);
        }
    });
}
