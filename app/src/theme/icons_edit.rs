//! Icons of the tools that change labels.

use std::f32::consts::TAU;

use super::icons::Pen;
use crate::state::OperationKind;

/// A tool that changes labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditIcon {
    /// A brush over a scale of grey.
    Threshold,
    /// A brush in an outline.
    Adaptive,
    /// A polygon with corners.
    Polygon,
    /// A loop.
    Lasso,
    /// An operation.
    Operation(OperationKind),
}

type Line<'a> = &'a [(f32, f32)];

impl Pen<'_> {
    pub(super) fn edit(&self, icon: EditIcon) {
        match icon {
            EditIcon::Threshold => {
                self.lines(&[
                    &[(20., 3.), (13., 10.)],
                    &[(11., 8.), (15., 12.), (9., 15.), (8., 14.), (11., 8.)],
                ]);
                self.lines(&[&[(3., 21.), (9., 21.), (9., 17.5), (15., 17.5), (15., 21.), (21., 21.)]]);
            }
            EditIcon::Adaptive => {
                self.lines(&[
                    &[(20., 3.), (14., 9.)],
                    &[(12., 7.), (16., 11.), (10., 14.), (9., 13.), (12., 7.)],
                ]);
                self.closed(&[
                    (3., 14.),
                    (6., 10.),
                    (7., 16.),
                    (13., 17.),
                    (19., 15.),
                    (18., 20.),
                    (9., 21.5),
                    (4., 20.),
                ]);
            }
            EditIcon::Polygon => {
                let corners: Line<'_> = &[(5., 8.), (15., 3.5), (20.5, 13.), (13., 20.5), (4., 17.)];
                self.closed(corners);
                corners.iter().for_each(|(x, y)| self.circle(*x, *y, 1.6));
            }
            EditIcon::Lasso => {
                self.ring(12.5, 9.5, 8.5, 6.);
                self.lines(&[
                    &[(7., 14.5), (5., 16.), (5.5, 18.5), (8., 18.5), (8., 16.), (6., 15.)],
                    &[(6.5, 18.5), (6., 22.)],
                ]);
            }
            EditIcon::Operation(kind) => self.operation(kind),
        }
    }

    fn operation(&self, kind: OperationKind) {
        match kind {
            OperationKind::Grow => {
                self.circle(12., 12., 4.);
                self.closed(&[
                    (12., 2.5),
                    (17., 6.),
                    (21., 7.),
                    (19.5, 13.),
                    (20.5, 19.),
                    (13., 20.),
                    (6., 21.5),
                    (4., 14.),
                    (3., 7.),
                ]);
            }
            OperationKind::Fill => {
                self.closed(&[(10., 4.), (18., 12.), (11., 19.), (3., 11.)]);
                self.lines(&[
                    &[(4., 11.5), (17., 11.5)],
                    &[(10., 4.), (8., 2.)],
                    &[(20., 15.), (21.5, 18.5), (20., 20.5), (18.5, 18.5), (20., 15.)],
                ]);
            }
            OperationKind::Holes => {
                self.circle(12., 12., 9.);
                self.circle(12., 12., 3.5);
                self.lines(&[&[(10., 12.), (14., 12.)], &[(12., 10.), (12., 14.)]]);
            }
            OperationKind::Between => {
                self.ring(12., 5., 6., 2.4);
                self.ring(12., 19., 9., 2.8);
                self.lines(&[
                    &[(4.7, 12.), (8., 12.)],
                    &[(10.5, 12.), (13.5, 12.)],
                    &[(16., 12.), (19.3, 12.)],
                ]);
            }
            OperationKind::Islands => {
                self.circle(9., 10., 6.);
                self.circle(18.5, 17., 3.);
                self.circle(18., 6., 1.6);
            }
            OperationKind::Median => {
                self.lines(&[&[
                    (3., 17.),
                    (6., 9.),
                    (8., 13.),
                    (11., 5.),
                    (13., 12.),
                    (16., 6.),
                    (18., 13.),
                    (21., 9.),
                ]]);
                self.lines(&[&[(3., 20.5), (9., 17.), (15., 17.), (21., 20.5)]]);
            }
            OperationKind::SmoothAll => {
                self.circle(12., 12., 9.);
                self.lines(&[
                    &[(12., 3.), (10.5, 8.), (12.5, 12.), (14., 16.), (12., 21.)],
                    &[(12.5, 12.), (21., 12.)],
                ]);
            }
            OperationKind::Margin => {
                self.circle(12., 12., 4.5);
                self.circle(12., 12., 9.);
                self.lines(&[&[(15.2, 8.8), (18.3, 5.7)]]);
            }
            OperationKind::Hollow => {
                self.circle(12., 12., 9.);
                self.circle(12., 12., 6.);
            }
            OperationKind::Logic => {
                self.circle(9., 12., 6.5);
                self.circle(15., 12., 6.5);
            }
        }
    }

    /// An ellipse along the axes.
    fn ring(&self, x: f32, y: f32, half_width: f32, half_height: f32) {
        let points: Vec<(f32, f32)> = (0..24u8)
            .map(|i| {
                let angle = f32::from(i) / 24.0 * TAU;
                (x + half_width * angle.cos(), y + half_height * angle.sin())
            })
            .collect();
        self.closed(&points);
    }
}
