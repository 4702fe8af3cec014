//! How many views are shown, and which one is large.

use serde::{Deserialize, Serialize};

use super::ViewId;
use crate::command::UiCommand;

/// How views share the window; each of them can be shown alone as well, see [`super::Views::single`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// The main plane and the next one beside it.
    Two,
    /// The main plane large, the other planes beside it.
    Three,
    /// The main view large, all others small beside it.
    #[default]
    Large,
    /// All four, equally large.
    Four,
}

impl Layout {
    /// Every layout with the command that chooses it.
    pub const ALL: [(Self, UiCommand); 4] = [
        (Self::Two, UiCommand::LayoutTwo),
        (Self::Three, UiCommand::LayoutAll),
        (Self::Large, UiCommand::LayoutLarge),
        (Self::Four, UiCommand::LayoutFour),
    ];

    /// The views that are shown, the large one first.
    pub fn views(self, main: ViewId) -> Vec<ViewId> {
        let [axial, coronal, sagittal] = ViewId::PLANES;
        let all = [axial, coronal, sagittal, ViewId::Scene];
        let others = |count: usize| {
            let others = all.into_iter().filter(move |view| *view != main);
            std::iter::once(main).chain(others.take(count)).collect()
        };
        match self {
            Self::Two => others(1),
            Self::Three => others(2),
            Self::Large => others(3),
            // Each stays where the hand expects it.
            Self::Four => vec![axial, ViewId::Scene, coronal, sagittal],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_shows_the_main_view_and_no_view_twice() {
        for (layout, count) in [(Layout::Two, 2), (Layout::Three, 3), (Layout::Large, 4), (Layout::Four, 4)] {
            for main in [ViewId::PLANES[0], ViewId::PLANES[2], ViewId::Scene] {
                let views = layout.views(main);
                assert_eq!(views.len(), count);
                assert!(views.contains(&main));
                assert!(views.iter().all(|view| views.iter().filter(|other| *other == view).count() == 1));
            }
        }
    }
}
