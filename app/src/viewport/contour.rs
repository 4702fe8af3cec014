//! A line of equal values over a slice.

use egui::{Pos2, Rect, pos2};

/// Distance in points of the places at which a map is looked up.
const CELL: f32 = 2.0;

/// Where a field crosses `level` in a rectangle of the screen, as short lines: marching squares over cells of two points,
/// straight between their corners. Cells with a corner at which the field is not known have no line.
pub(super) fn lines(rect: Rect, level: f32, value: impl Fn(Pos2) -> Option<f32>) -> Vec<[Pos2; 2]> {
    let cells = [rect.width(), rect.height()].map(|side| (side / CELL).ceil().max(1.0) as usize);
    let place = |x: usize, y: usize| pos2(rect.left() + x as f32 * CELL, rect.top() + y as f32 * CELL);
    let row = |y: usize| (0..=cells[0]).map(|x| value(place(x, y))).collect::<Vec<_>>();
    let mut lines = Vec::new();
    let mut above = row(0);
    for y in 0..cells[1] {
        let below = row(y + 1);
        for x in 0..cells[0] {
            let corners = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)];
            if let [Some(a), Some(b), Some(c), Some(d)] = [above[x], above[x + 1], below[x + 1], below[x]] {
                cell(corners.map(|(x, y)| place(x, y)), [a, b, c, d], level, &mut lines);
            }
        }
        above = below;
    }
    lines
}

/// The lines of one cell, whose corners go around it.
fn cell(corners: [Pos2; 4], values: [f32; 4], level: f32, lines: &mut Vec<[Pos2; 2]>) {
    let mut crossed: Vec<Pos2> = Vec::with_capacity(4);
    for edge in 0..4 {
        let (from, to) = (edge, (edge + 1) % 4);
        if (values[from] >= level) != (values[to] >= level) {
            let part = (level - values[from]) / (values[to] - values[from]);
            crossed.push(corners[from].lerp(corners[to], part.clamp(0.0, 1.0)));
        }
    }
    match crossed[..] {
        [a, b] => lines.push([a, b]),
        // A saddle: the mean says which corners belong together.
        [a, b, c, d] => {
            let is_joined = (values.iter().sum::<f32>() / 4.0 >= level) == (values[0] >= level);
            lines.extend(if is_joined { [[a, b], [c, d]] } else { [[a, d], [b, c]] });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_found_where_it_is() {
        let rect = Rect::from_min_size(pos2(30.0, 10.0), egui::vec2(200.0, 160.0));
        let middle = pos2(120.0, 90.0);
        let found = lines(rect, -50.0, |at| Some(-(at - middle).length()));
        let length: f32 = found.iter().map(|[a, b]| (*a - *b).length()).sum();
        assert!((length - std::f32::consts::TAU * 50.0).abs() < 3.0, "{length}");
        assert!(found.iter().flatten().all(|at| ((*at - middle).length() - 50.0).abs() < 0.3));
        assert!(lines(rect, 1.0, |at| Some(-(at - middle).length())).is_empty());
        let half = lines(rect, -50.0, |at| (at.x < middle.x).then(|| -(at - middle).length()));
        assert!(
            half.len() < found.len() * 2 / 3 && !half.is_empty(),
            "nothing is drawn where nothing is known"
        );
    }
}
