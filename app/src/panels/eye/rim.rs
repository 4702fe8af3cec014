//! The rim around the clock.

use egui::{RichText, Role, Ui, WidgetInfo};
use egui_plot::{FilledArea, Line, Plot, PlotPoints};
use hilum_core::measure::cdr::Rim;

use super::super::fact;
use crate::theme;

/// Height of the plot in points.
const HEIGHT: f32 = 118.0;

pub(super) fn show(ui: &mut Ui, rim: &Rim) {
    let tokens = theme::of(ui);
    ui.add_space(4.0);
    ui.label(RichText::new("Rim width by clock hour, % of the disc").small().color(tokens.weak))
        .on_hover_text("The clock face as seen in the picture; the band is both outlines moved by 2 %");
    // 12 o'clock stands at both ends.
    let hour = |x: usize| &rim.clock_hours[(x + 11) % 12];
    let xs: Vec<f64> = (0..=12).map(|x| x as f64).collect();
    let column = |pick: fn(&hilum_core::measure::cdr::RimWidth) -> f64| -> Vec<f64> {
        (0..=12).map(|x| 100.0 * pick(hour(x))).collect()
    };
    let (low, mid, high) = (column(|w| w.share_low), column(|w| w.share), column(|w| w.share_high));
    let points: PlotPoints<'_> = xs.iter().zip(&mid).map(|(x, y)| [*x, *y]).collect();
    let clock = |x: f64| if x == 0.0 { "12".to_owned() } else { format!("{x:.0}") };
    let response = Plot::new("rim")
        .height(HEIGHT)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .include_y(0.0)
        .show_grid([true, true])
        .x_grid_spacer(egui_plot::uniform_grid_spacer(|_| [12.0, 6.0, 3.0]))
        .x_axis_formatter(move |mark, _| clock(mark.value))
        .show(ui, |plot| {
            plot.add(
                FilledArea::new("outlines moved", &xs, &low, &high)
                    .fill_color(tokens.accent.gamma_multiply(0.25)),
            );
            plot.line(Line::new("rim", points).color(tokens.accent).width(2.0));
        })
        .response;
    let hours: Vec<String> = (1..=12).map(|h| format!("{h}: {:.0} %", mid[h])).collect();
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::Image, true, "Rim width by clock hour");
        info.current_text_value = Some(hours.join(", "));
        info
    });
    let narrow = rim.narrowest;
    let at = format!("{:.0} % at {} o'clock", 100.0 * narrow.width.share, narrow.clock_hour);
    fact(ui, "Narrowest rim", &at);
    let (text, color) = match &rim.isnt {
        None => ("ISNT rule: say which eye it is".to_owned(), tokens.warning),
        Some(isnt) => {
            let verdict =
                if isnt.holds { "holds".to_owned() } else { format!("fails ({})", isnt.broken.join(", ")) };
            let sure = if isnt.certain { "" } else { ", but not beyond the outlines' uncertainty" };
            let text = format!("ISNT rule {verdict}{sure}; order {}", isnt.order);
            (text, if isnt.holds { tokens.text } else { tokens.warning })
        }
    };
    ui.label(RichText::new(text).small().color(color)).on_hover_text(
        "Inferior ≥ superior ≥ nasal ≥ temporal rim, as of most healthy eyes; many healthy eyes break the rule",
    );
}
