//! Icons drawn as lines, so that they follow theme and scale and need no font.

use egui::{
    Color32, Painter, Pos2, Rect, Response, Role, Sense, Shape, Stroke, Ui, Vec2, WidgetInfo, pos2, vec2,
};

use super::EditIcon;

/// What an icon shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// An arrow pointer.
    Pointer,
    /// Cross hairs with a plus.
    Point,
    /// A brush.
    Brush,
    /// An eraser.
    Eraser,
    /// A round outline in another one, with handles.
    Ellipse,
    /// A line with marks at its ends.
    Distance,
    /// Two lines from a corner.
    Angle,
    /// An arrow turning left.
    Undo,
    /// An arrow turning right.
    Redo,
    /// An open eye.
    Eye,
    /// A crossed eye.
    EyeOff,
    /// A closed lock.
    Lock,
    /// An open lock.
    LockOpen,
    /// A folder.
    Folder,
    /// An arrow into a tray.
    Save,
    /// Four arrows, or a frame: fit the image to the view.
    Fit,
    /// A plus.
    Add,
    /// A waste bin.
    Remove,
    /// A tick.
    Accept,
    /// A cross.
    Reject,
    /// A triangle with an exclamation mark.
    Warning,
    /// A half-filled circle: window and level.
    Contrast,
    /// A tool that changes labels.
    Edit(EditIcon),
}

/// Side of the square, in units of the drawings below.
const UNITS: f32 = 24.0;

/// Draws an icon in the middle of a rectangle.
pub fn paint_icon(painter: &Painter, rect: Rect, icon: Icon, color: Color32) {
    let side = rect.width().min(rect.height());
    let origin = rect.center() - Vec2::splat(side / 2.0);
    let scale = side / UNITS;
    let at = |x: f32, y: f32| origin + vec2(x, y) * scale;
    let pen = Pen { painter, stroke: Stroke::new((1.6 * scale).max(1.1), color), at: &at, scale };
    match icon {
        Icon::Pointer => {
            pen.closed(&[(6., 3.), (18., 13.), (12., 13.5), (15., 20.), (12.5, 21.), (9.7, 14.8), (6., 18.)])
        }
        Icon::Point => {
            pen.circle(11., 13., 5.5);
            pen.lines(&[&[(11., 3.5), (11., 9.)], &[(11., 17.), (11., 22.5)], &[(1.5, 13.), (7., 13.)]]);
            pen.lines(&[&[(15., 13.), (20.5, 13.)], &[(16., 5.), (22., 5.)], &[(19., 2.), (19., 8.)]]);
        }
        Icon::Ellipse => {
            pen.circle(12., 12., 8.);
            pen.circle(12., 12., 3.5);
            [4., 20.].into_iter().for_each(|y| pen.circle(12., y, 1.4));
        }
        Icon::Distance | Icon::Angle => pen.ruler(icon),
        Icon::Brush => {
            pen.lines(&[&[(20.5, 3.5), (11.5, 12.5)], &[(18., 2.5), (9.5, 11.), (13., 14.5), (21.5, 6.)]]);
            pen.lines(&[&[
                (9.5, 11.),
                (6., 13.),
                (5., 17.),
                (2.5, 20.),
                (8., 20.5),
                (11.5, 18.5),
                (13., 14.5),
            ]]);
        }
        Icon::Eraser => {
            pen.closed(&[(13., 4.), (21., 12.), (13., 20.), (8., 20.), (3., 15.)]);
            pen.lines(&[&[(8., 9.), (16.5, 17.)], &[(8., 20.), (21., 20.)]]);
        }
        Icon::Undo => pen.lines(&[
            &[(8., 4.), (3.5, 8.5), (8., 13.)],
            &[(3.5, 8.5), (15., 8.5), (19., 10.5), (20.5, 14.), (19., 17.5), (15., 19.5), (10., 19.5)],
        ]),
        Icon::Redo => pen.lines(&[
            &[(16., 4.), (20.5, 8.5), (16., 13.)],
            &[(20.5, 8.5), (9., 8.5), (5., 10.5), (3.5, 14.), (5., 17.5), (9., 19.5), (14., 19.5)],
        ]),
        Icon::Eye => pen.eye(),
        Icon::EyeOff => {
            pen.eye();
            pen.lines(&[&[(4., 20.), (20., 4.)]]);
        }
        Icon::Lock => pen.lock(&[(8., 7.), (9.5, 4.5), (12., 3.5), (14.5, 4.5), (16., 7.), (16., 11.)]),
        Icon::LockOpen => pen.lock(&[(8., 6.5), (9.5, 4.), (12., 3.), (14.5, 4.), (16., 6.)]),
        Icon::Folder => pen.closed(&[(3., 5.), (9.5, 5.), (11.5, 7.5), (21., 7.5), (21., 19.), (3., 19.)]),
        Icon::Save => {
            pen.lines(&[&[(12., 3.), (12., 15.)], &[(7., 10.), (12., 15.), (17., 10.)]]);
            pen.lines(&[&[(4., 15.), (4., 20.5), (20., 20.5), (20., 15.)]]);
        }
        Icon::Fit => {
            pen.lines(&[&[(3., 8.), (3., 3.), (8., 3.)], &[(16., 3.), (21., 3.), (21., 8.)]]);
            pen.lines(&[&[(21., 16.), (21., 21.), (16., 21.)], &[(8., 21.), (3., 21.), (3., 16.)]]);
        }
        Icon::Add => pen.lines(&[&[(12., 5.), (12., 19.)], &[(5., 12.), (19., 12.)]]),
        Icon::Remove => {
            pen.lines(&[&[(4., 6.5), (20., 6.5)], &[(9., 6.5), (9.5, 3.5), (14.5, 3.5), (15., 6.5)]]);
            pen.lines(&[&[(6., 6.5), (7., 20.5), (17., 20.5), (18., 6.5)], &[(10., 10.), (10.3, 17.)]]);
            pen.lines(&[&[(14., 10.), (13.7, 17.)]]);
        }
        Icon::Accept => pen.lines(&[&[(4., 12.5), (9.5, 18.), (20., 6.)]]),
        Icon::Reject => pen.lines(&[&[(6., 6.), (18., 18.)], &[(18., 6.), (6., 18.)]]),
        Icon::Warning => {
            pen.closed(&[(12., 3.5), (22., 20.5), (2., 20.5)]);
            pen.lines(&[&[(12., 9.5), (12., 15.)], &[(12., 17.), (12., 18.2)]]);
        }
        Icon::Contrast => pen.contrast(color),
        Icon::Edit(icon) => pen.edit(icon),
    }
}

pub(super) struct Pen<'a> {
    painter: &'a Painter,
    stroke: Stroke,
    at: &'a dyn Fn(f32, f32) -> Pos2,
    scale: f32,
}

impl Pen<'_> {
    /// A padlock with this bow.
    fn lock(&self, bow: &[(f32, f32)]) {
        self.closed(&[(5., 11.), (19., 11.), (19., 20.5), (5., 20.5)]);
        let bow: Vec<(f32, f32)> = [(8., 11.)].into_iter().chain(bow.iter().copied()).collect();
        self.lines(&[&bow]);
    }

    fn points(&self, line: &[(f32, f32)]) -> Vec<Pos2> {
        line.iter().map(|(x, y)| (self.at)(*x, *y)).collect()
    }

    pub(super) fn lines(&self, lines: &[&[(f32, f32)]]) {
        for line in lines {
            self.painter.add(Shape::line(self.points(line), self.stroke));
        }
    }

    pub(super) fn closed(&self, line: &[(f32, f32)]) {
        self.painter.add(Shape::closed_line(self.points(line), self.stroke));
    }

    pub(super) fn circle(&self, x: f32, y: f32, radius: f32) {
        self.painter.circle_stroke((self.at)(x, y), radius * self.scale, self.stroke);
    }

    fn ruler(&self, icon: Icon) {
        if icon == Icon::Angle {
            self.lines(&[&[(20.5, 20.), (3.5, 20.), (15.5, 4.)]]);
            self.lines(&[&[(9., 12.8), (11.4, 15.6), (12.2, 20.)]]);
            return;
        }
        self.lines(&[&[(4.5, 19.5), (19.5, 4.5)], &[(1.5, 16.5), (7.5, 22.5)], &[(16.5, 1.5), (22.5, 7.5)]]);
    }

    fn eye(&self) {
        self.closed(&[
            (2., 12.),
            (6., 7.5),
            (12., 5.5),
            (18., 7.5),
            (22., 12.),
            (18., 16.5),
            (12., 18.5),
            (6., 16.5),
        ]);
        self.circle(12., 12., 3.);
    }

    fn contrast(&self, color: Color32) {
        self.circle(12., 12., 8.5);
        let half: Vec<Pos2> = (0..=16u8)
            .map(|i| {
                let angle = (f32::from(i) / 16.0 - 0.5) * std::f32::consts::PI;
                (self.at)(12. + 8.5 * angle.cos(), 12. + 8.5 * angle.sin())
            })
            .collect();
        self.painter.add(Shape::convex_polygon(half, color, Stroke::NONE));
    }
}

/// A square button that shows an icon; `name` is what a screen reader says.
pub fn icon_button(
    ui: &mut Ui,
    icon: Icon,
    name: &str,
    side: f32,
    selected: bool,
    enabled: bool,
) -> Response {
    let sense = if enabled { Sense::click() } else { Sense::hover() };
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(side), sense);
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::Button, enabled, name);
        info.selected = selected.then_some(true);
        info
    });
    if ui.is_rect_visible(rect) {
        let tokens = super::of(ui);
        let visuals = ui.style().interact(&response);
        if selected {
            ui.painter().rect_filled(rect, 5.0, tokens.accent);
        } else if enabled && (response.hovered() || response.has_focus()) {
            ui.painter().rect(rect, 5.0, visuals.weak_bg_fill, visuals.bg_stroke, egui::StrokeKind::Inside);
        }
        let color = match (selected, enabled) {
            (true, _) => tokens.on_accent,
            (false, true) => tokens.text,
            (false, false) => tokens.weak.gamma_multiply(0.5),
        };
        let inner = Rect::from_center_size(pos2(rect.center().x, rect.center().y), Vec2::splat(side * 0.62));
        paint_icon(ui.painter(), inner, icon, color);
    }
    response
}
