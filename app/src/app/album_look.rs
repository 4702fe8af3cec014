//! How the pictures of an album are looked at: what is chosen for one of them stays for the next.

use std::sync::Arc;

use hilum_core::fundus::Enhancement;

use super::HilumApp;
use crate::jobs::{EnhanceRequest, IoRequest};
use crate::state::{AlbumFraming, Photo, Session, ViewId};

/// Side of the square around a disc, in diameters of the disc.
const DISC_SQUARE: f64 = 2.2;

impl HilumApp {
    pub(super) fn next_enhancement(&mut self) {
        let order = [Enhancement::None, Enhancement::Green, Enhancement::GreenClahe, Enhancement::Clahe];
        let Some(now) = self.state.session.as_ref().and_then(|s| s.photo.as_ref()).map(Photo::enhancement)
        else {
            return;
        };
        let at = order.iter().position(|how| *how == now).unwrap_or(0);
        self.enhance(order[(at + 1) % order.len()]);
    }

    /// A person chose how to see the picture, and all others of the album.
    pub(super) fn enhance(&mut self, how: Enhancement) {
        if let Some(album) = &mut self.state.album {
            album.enhancement = how;
        }
        self.see(how);
    }

    fn see(&mut self, how: Enhancement) {
        let Some(session) = &mut self.state.session else { return };
        let (volume, id) = (Arc::clone(session.volume()), session.id);
        let Some(photo) = session.photo.as_mut().filter(|_| Photo::can_enhance(&volume)) else { return };
        let must_ask = photo.want(how);
        let facts = Arc::clone(&photo.facts);
        session.redraw();
        if must_ask
            && self.io.ask(IoRequest::Enhance(EnhanceRequest { session: id, volume, facts, how })).is_err()
        {
            self.state.messages.error("the thread that reads files is busy; try again in a moment");
        }
    }

    /// A person chose what of the picture, and of all others of the album, fills the view.
    pub(super) fn frame(&mut self, framing: AlbumFraming) {
        if let Some(album) = &mut self.state.album {
            album.framing = Some(framing);
        }
        match (framing, &mut self.state.session) {
            (AlbumFraming::Disc, Some(session)) => drop(look_at_disc(session)),
            (AlbumFraming::Whole, Some(session)) => {
                let volume = Arc::clone(session.volume());
                session.views.reset(&volume);
            }
            (_, None) => {}
        }
    }

    /// Shows a picture that has just come as those before it.
    pub(super) fn look_as_chosen(&mut self) {
        let Some(album) = &self.state.album else { return };
        let how = album.enhancement;
        let Some(photo) = self.state.session.as_mut().and_then(|session| session.photo.as_mut()) else {
            return;
        };
        photo.is_framing_due = true;
        if how != Enhancement::None {
            self.see(how);
        }
    }

    /// Frames a picture as those before it, as soon as it is known where its disc is.
    pub(super) fn frame_when_due(&mut self) {
        let framing = self.state.album.as_ref().and_then(|album| album.framing);
        let Some(session) = &mut self.state.session else { return };
        if !session.photo.as_ref().is_some_and(|photo| photo.is_framing_due) {
            return;
        }
        let is_done = match framing {
            None => true,
            Some(AlbumFraming::Disc) => look_at_disc(session),
            Some(AlbumFraming::Whole) => {
                let volume = Arc::clone(session.volume());
                session.views.reset(&volume);
                true
            }
        };
        if let Some(photo) = session.photo.as_mut().filter(|_| is_done) {
            photo.is_framing_due = false;
        }
    }
}

/// Fills the view with the disc; `false` where none is known.
fn look_at_disc(session: &mut Session) -> bool {
    let Some(figures) = session.photo.as_ref().and_then(Photo::figures).and_then(|r| r.figures()) else {
        return false;
    };
    let grid = *session.document.image().grid();
    let ([x, y], side_px) = (figures.disc.center, figures.disc.width_px.max(figures.disc.height_px));
    let center = grid.affine().world_from_voxel(nalgebra::Point3::new(x, y, 0.0));
    let side_mm = side_px as f64 * grid.spacing_mm()[0] * DISC_SQUARE;
    session.views.look_at(ViewId::Flat, center, side_mm);
    true
}
