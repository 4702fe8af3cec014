//! Colours, sizes and icons. Nothing else in the program names a colour of the interface.

mod icons;
mod icons_edit;

use egui::{
    Color32, CornerRadius, FontFamily, FontId, Margin, Shadow, Stroke, Style, TextStyle, Theme, Vec2,
};

pub use icons::{Icon, icon_button, paint_icon};
pub use icons_edit::EditIcon;

/// Colours that egui's visuals have no name for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Panels beside the images.
    pub panel: Color32,
    /// Bars at the top and bottom, and cards within panels.
    pub bar: Color32,
    /// Lines between areas.
    pub line: Color32,
    /// Text.
    pub text: Color32,
    /// Text of less weight.
    pub weak: Color32,
    /// The one colour that says "active".
    pub accent: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// Something a person should look at.
    pub warning: Color32,
    /// Something that failed.
    pub error: Color32,
    /// Something that went well, and positive clicks.
    pub good: Color32,
}

const DARK: Tokens = Tokens {
    panel: Color32::from_rgb(24, 27, 32),
    bar: Color32::from_rgb(32, 36, 42),
    line: Color32::from_rgb(48, 54, 62),
    text: Color32::from_rgb(214, 220, 227),
    weak: Color32::from_rgb(142, 152, 164),
    accent: Color32::from_rgb(62, 166, 184),
    on_accent: Color32::from_rgb(8, 20, 24),
    warning: Color32::from_rgb(236, 178, 74),
    error: Color32::from_rgb(240, 104, 92),
    good: Color32::from_rgb(92, 200, 132),
};

const LIGHT: Tokens = Tokens {
    panel: Color32::from_rgb(246, 247, 249),
    bar: Color32::from_rgb(233, 236, 240),
    line: Color32::from_rgb(203, 209, 216),
    text: Color32::from_rgb(32, 38, 46),
    weak: Color32::from_rgb(92, 102, 114),
    accent: Color32::from_rgb(12, 116, 136),
    on_accent: Color32::from_rgb(250, 253, 253),
    warning: Color32::from_rgb(134, 80, 0),
    error: Color32::from_rgb(184, 38, 30),
    good: Color32::from_rgb(20, 122, 62),
};

/// The same for people who need stronger contrast: WCAG AAA, and lines that stand out.
const DARK_STRONG: Tokens = Tokens {
    panel: Color32::from_rgb(0, 0, 0),
    bar: Color32::from_rgb(12, 12, 12),
    line: Color32::from_rgb(190, 190, 190),
    text: Color32::from_rgb(255, 255, 255),
    weak: Color32::from_rgb(216, 220, 226),
    accent: Color32::from_rgb(90, 225, 245),
    on_accent: Color32::from_rgb(0, 0, 0),
    warning: Color32::from_rgb(255, 214, 92),
    error: Color32::from_rgb(255, 160, 150),
    good: Color32::from_rgb(132, 240, 168),
};

const LIGHT_STRONG: Tokens = Tokens {
    panel: Color32::from_rgb(255, 255, 255),
    bar: Color32::from_rgb(242, 242, 242),
    line: Color32::from_rgb(70, 70, 70),
    text: Color32::from_rgb(0, 0, 0),
    weak: Color32::from_rgb(48, 52, 58),
    accent: Color32::from_rgb(0, 72, 96),
    on_accent: Color32::from_rgb(255, 255, 255),
    warning: Color32::from_rgb(92, 52, 0),
    error: Color32::from_rgb(136, 8, 4),
    good: Color32::from_rgb(0, 82, 34),
};

/// Which colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Light text on dark.
    pub dark: bool,
    /// Stronger colours.
    pub high_contrast: bool,
}

/// Colours drawn over images, which stay black in both themes.
pub mod on_image {
    use egui::Color32;

    /// What surrounds the image.
    pub const BACKGROUND: Color32 = Color32::from_rgb(0, 0, 0);
    /// Text.
    pub const TEXT: Color32 = Color32::from_rgb(206, 214, 222);
    /// Text of less weight.
    pub const WEAK: Color32 = Color32::from_rgb(134, 144, 156);
    /// Orientation letters.
    pub const LETTER: Color32 = Color32::from_rgb(240, 196, 96);
    /// The other of two maps that are compared.
    pub const COMPARED: Color32 = Color32::from_rgb(110, 200, 250);
    /// Behind words.
    pub const PLATE: Color32 = Color32::from_rgba_premultiplied(0, 0, 0, 150);
    /// Around lines and knobs.
    pub const SHADOW: Color32 = Color32::from_rgba_premultiplied(0, 0, 0, 190);
    /// A click that belongs to the object.
    pub const POSITIVE: Color32 = Color32::from_rgb(92, 220, 132);
    /// A click that does not.
    pub const NEGATIVE: Color32 = Color32::from_rgb(250, 96, 84);
    /// Lines of the axial, coronal and sagittal plane in the other views.
    pub const PLANES: [Color32; 3] =
        [Color32::from_rgb(226, 92, 84), Color32::from_rgb(96, 196, 120), Color32::from_rgb(226, 196, 84)];
}

/// The colours of a look.
pub fn tokens(look: Look) -> Tokens {
    match (look.dark, look.high_contrast) {
        (true, false) => DARK,
        (false, false) => LIGHT,
        (true, true) => DARK_STRONG,
        (false, true) => LIGHT_STRONG,
    }
}

/// The colours in which `ui` is drawn.
pub fn of(ui: &egui::Ui) -> Tokens {
    let visuals = ui.visuals();
    let strong = tokens(Look { dark: visuals.dark_mode, high_contrast: true });
    // egui keeps the style, not where it came from.
    let high_contrast = visuals.panel_fill == strong.panel;
    tokens(Look { dark: visuals.dark_mode, high_contrast })
}

/// Sets style and theme of the whole program.
pub fn apply(ctx: &egui::Context, look: Look, font_scale: f32) {
    for (theme, dark) in [(Theme::Dark, true), (Theme::Light, false)] {
        let tokens = tokens(Look { dark, ..look });
        ctx.style_mut_of(theme, |style| restyle(style, &tokens, look.high_contrast, font_scale));
    }
    ctx.set_theme(if look.dark { Theme::Dark } else { Theme::Light });
}

fn restyle(style: &mut Style, t: &Tokens, high_contrast: bool, font_scale: f32) {
    let size = |points: f32| FontId::new(points * font_scale, FontFamily::Proportional);
    style.text_styles = [
        (TextStyle::Heading, size(17.0)),
        (TextStyle::Body, size(13.0)),
        (TextStyle::Button, size(13.0)),
        (TextStyle::Small, size(11.0)),
        (TextStyle::Monospace, FontId::new(12.0 * font_scale, FontFamily::Monospace)),
    ]
    .into();
    style.spacing.item_spacing = Vec2::new(8.0, 6.0);
    style.spacing.button_padding = Vec2::new(8.0, 4.0);
    style.spacing.menu_margin = Margin::same(6);
    style.spacing.window_margin = Margin::same(14);
    style.spacing.slider_width = 110.0;
    style.spacing.interact_size.y = 24.0;
    let visuals = &mut style.visuals;
    visuals.panel_fill = t.panel;
    visuals.window_fill = t.bar;
    visuals.window_stroke = Stroke::new(1.0, t.line);
    visuals.window_corner_radius = CornerRadius::same(8);
    visuals.menu_corner_radius = CornerRadius::same(6);
    visuals.window_shadow =
        Shadow { offset: [0, 8], blur: 24, spread: 0, color: Color32::from_black_alpha(110) };
    visuals.popup_shadow =
        Shadow { offset: [0, 4], blur: 12, spread: 0, color: Color32::from_black_alpha(90) };
    visuals.extreme_bg_color = if visuals.dark_mode { Color32::from_rgb(16, 18, 22) } else { Color32::WHITE };
    visuals.faint_bg_color = t.bar;
    visuals.warn_fg_color = t.warning;
    visuals.error_fg_color = t.error;
    visuals.hyperlink_color = t.accent;
    visuals.weak_text_color = Some(t.weak);
    visuals.selection.bg_fill = t.accent.gamma_multiply(if visuals.dark_mode { 0.45 } else { 0.30 });
    visuals.selection.stroke = Stroke::new(1.0, t.text);
    visuals.slider_trailing_fill = true;
    restyle_widgets(visuals, t);
    if high_contrast {
        // Every control has an outline, not only the one under the mouse.
        visuals.widgets.inactive.bg_stroke = Stroke::new(1.0, t.line);
        visuals.widgets.hovered.bg_stroke = Stroke::new(2.0, t.text);
        visuals.selection.stroke = Stroke::new(2.0, t.text);
    }
}

fn restyle_widgets(visuals: &mut egui::Visuals, t: &Tokens) {
    let mid = |share: f32| t.bar.lerp_to_gamma(t.text, share);
    let widgets = &mut visuals.widgets;
    widgets.noninteractive.bg_fill = t.panel;
    widgets.noninteractive.weak_bg_fill = t.panel;
    widgets.noninteractive.bg_stroke = Stroke::new(1.0, t.line);
    widgets.noninteractive.fg_stroke = Stroke::new(1.0, t.text);
    for (widget, fill, stroke) in [
        (&mut widgets.inactive, mid(0.08), Stroke::NONE),
        (&mut widgets.hovered, mid(0.16), Stroke::new(1.0, mid(0.3))),
        (&mut widgets.active, mid(0.24), Stroke::new(1.0, t.accent)),
        (&mut widgets.open, mid(0.12), Stroke::new(1.0, t.line)),
    ] {
        widget.bg_fill = fill;
        widget.weak_bg_fill = fill;
        widget.bg_stroke = stroke;
        widget.fg_stroke = Stroke::new(1.2, t.text);
        widget.corner_radius = CornerRadius::same(5);
        widget.expansion = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance after WCAG 2.1.
    fn luminance(color: Color32) -> f64 {
        let linear = |c: u8| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(color.r()) + 0.7152 * linear(color.g()) + 0.0722 * linear(color.b())
    }

    fn contrast(a: Color32, b: Color32) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_of_all_themes_has_the_contrast_that_wcag_asks_for() {
        let themes = [(DARK, 4.5), (LIGHT, 4.5), (DARK_STRONG, 7.0), (LIGHT_STRONG, 7.0)];
        for (t, least) in themes {
            for text in [t.text, t.weak, t.warning, t.error, t.good] {
                assert!(contrast(text, t.panel) >= least, "{text:?} on {:?}", t.panel);
                assert!(contrast(text, t.bar) >= least, "{text:?} on {:?}", t.bar);
            }
            assert!(contrast(t.on_accent, t.accent) >= least);
        }
    }
}
