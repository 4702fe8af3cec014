//! How all pixels of a class share out their attention over the classes, as histograms.

use egui::{Align2, Color32, FontId, Rect, RichText, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};
use hilum_models::inspect::{HISTOGRAM_BINS, MassHistogram, QueryClass};

use super::super::{Context, fact};
use super::class;
use crate::command::InspectAction;
use crate::state::{Inspecting, Session};
use crate::theme;

/// Height of the plot.
const HEIGHT: f32 = 84.0;

pub(super) fn show(ui: &mut Ui, context: Context<'_>, inspect: &Inspecting) {
    let Some(session) = context.state.session.as_ref() else { return };
    if inspect.layer_of_shown().is_none() {
        return;
    }
    ui.separator();
    let mut wanted = inspect.wants_classes;
    let text = "Attention of all pixels, by class";
    let hint = "Count how the pixels of each class of the labels share out their attention over the classes, in the layer \
                of the map that is shown; at most 512 pixels a class, evenly spread";
    if ui.checkbox(&mut wanted, text).on_hover_text(hint).changed() {
        context.actions.send(InspectAction::Classes(wanted));
    }
    if !wanted {
        return;
    }
    let tokens = theme::of(ui);
    let labels = session.document.labels();
    if labels.is_blank() {
        ui.label(RichText::new("There are no labels on this image.").color(tokens.weak));
        return;
    }
    let Some(shares) = inspect.classes.as_ref().filter(|shares| !shares.found.is_empty()) else { return };
    let (at, channel) = inspect.class_shown;
    let found = &shares.found[at.min(shares.found.len() - 1)];
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new("Pixels of").color(tokens.weak));
        for (number, other) in shares.found.iter().enumerate() {
            let is_shown = std::ptr::eq(other, found);
            if ui.selectable_label(is_shown, class(session, other.class)).clicked() {
                context.actions.send(InspectAction::ClassShown(number, channel));
            }
        }
    });
    let Some(histogram) = found.channels.get(channel.min(found.channels.len().saturating_sub(1))) else {
        return;
    };
    if found.channels.len() > 1 {
        let mut shown = histogram.channel;
        let name = if inspect.reading_now().is_some() { "Hop" } else { "Head" };
        let slider = egui::Slider::new(&mut shown, 1..=found.channels.len()).text(name);
        if ui.add(slider).changed() {
            context.actions.send(InspectAction::ClassShown(at, shown - 1));
        }
    }
    plot(ui, session, found, histogram);
    for (number, of) in found.classes.iter().enumerate() {
        let text = format!(
            "{:.1} ± {:.1} % (of the area {:.1} %)",
            100.0 * histogram.mean[number],
            100.0 * histogram.sd[number],
            100.0 * found.area[number]
        );
        fact(ui, &format!("On {}", class(session, *of)), &text);
    }
    let alone = match histogram.alone {
        0 => String::new(),
        n => format!("; {n} of them look at nobody"),
    };
    let text = format!("{} of {} pixels of this class were counted{alone}", found.queries, found.pixels);
    ui.label(RichText::new(text).color(tokens.weak).small());
}

fn color(session: &Session, of: Option<u16>) -> Color32 {
    match of {
        None => Color32::from_gray(90),
        Some(0) => Color32::from_gray(150),
        Some(label) => {
            let [r, g, b] = session.document.table().get(label).map_or([200; 3], |entry| entry.color);
            Color32::from_rgb(r, g, b)
        }
    }
}

/// A line of steps for each class that is looked at: how many pixels give it this share of their attention.
fn plot(ui: &mut Ui, session: &Session, found: &QueryClass, histogram: &MassHistogram) {
    let tokens = theme::of(ui);
    let (area, response) =
        ui.allocate_exact_size(vec2(ui.available_width().min(300.0), HEIGHT + 14.0), Sense::hover());
    response.widget_info(|| {
        WidgetInfo::labeled(Role::GraphicsDocument, true, "Histogram of the share of attention on each class")
    });
    let rect = Rect::from_min_size(area.min, vec2(area.width(), HEIGHT));
    let painter = ui.painter();
    painter.rect_stroke(rect, 0.0, Stroke::new(1.0, tokens.line), egui::StrokeKind::Inside);
    let most = histogram.counts.iter().flatten().copied().max().unwrap_or(1).max(1) as f32;
    for (number, counts) in histogram.counts.iter().enumerate() {
        let mut points = vec![rect.left_bottom()];
        for (bin, count) in counts.iter().enumerate() {
            let x = |edge: usize| rect.left() + rect.width() * edge as f32 / HISTOGRAM_BINS as f32;
            let y = rect.bottom() - (rect.height() - 4.0) * *count as f32 / most;
            points.extend([pos2(x(bin), y), pos2(x(bin + 1), y)]);
        }
        points.push(rect.right_bottom());
        let color = color(session, found.classes.get(number).copied().flatten());
        painter.line(points, Stroke::new(1.6, color));
    }
    let font = FontId::proportional(10.0);
    let below = rect.bottom() + 2.0;
    painter.text(pos2(rect.left(), below), Align2::LEFT_TOP, "0 %", font.clone(), tokens.weak);
    let middle = "share of a pixel's attention on a class";
    painter.text(pos2(rect.center().x, below), Align2::CENTER_TOP, middle, font.clone(), tokens.weak);
    painter.text(pos2(rect.right(), below), Align2::RIGHT_TOP, "100 %", font, tokens.weak);
}
