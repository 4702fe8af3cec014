//! Which model is looked into where nobody chose.
#![expect(clippy::unwrap_used, reason = "a helper of a test that fails says so by panicking")]

use std::sync::Arc;

use hilum::jobs::{ModelInfo, OpenedPhoto, VersionList};
use hilum::state::{AppState, OpenWorklist, Photo, Session};
use hilum_core::document::{Document, EditCommand, NewLabel};
use hilum_core::geometry::Grid;
use hilum_core::label::{LabelMap, LabelTable};
use hilum_core::volume::{ImageMeta, Volume, Voxels};
use hilum_core::worklist::Worklist;
use hilum_models::catalog::Catalog;

const VOLUMES: &str = "hippocampus-attention-unet";
const SLICES: &str = "lung-hanet";

fn image(depth: usize, spacing_mm: f64) -> Volume {
    let grid = Grid::from_spacing([6, 5, depth], [spacing_mm; 3]).unwrap();
    let voxels = Voxels::I16((0..grid.voxel_count() as i16).collect());
    Volume::new(grid, voxels, ImageMeta::default()).unwrap()
}

fn state(volume: Volume) -> AppState {
    let models = Catalog::new(None).unwrap();
    let info = |card| ModelInfo { card, is_embedded: true };
    let models = models.models().iter().map(|model| info(model.card.clone())).collect();
    let session = Session::new(1, Document::new(Arc::new(volume)), Vec::new(), false);
    AppState { models, models_known: true, session: Some(session), ..AppState::default() }
}

/// Labels one voxel, as a step of this name.
fn label(state: &mut AppState, voxel: usize, name: &str) {
    let document = &mut state.session.as_mut().unwrap().document;
    let mut values = vec![0; document.labels().grid().voxel_count()];
    values[voxel] = 1;
    let labels = LabelMap::from_voxels(*document.labels().grid(), values).unwrap();
    let names = vec![NewLabel::named(1, "part")];
    document.apply(EditCommand::ReplaceLabels { name: name.into(), labels, names }).unwrap();
}

#[test]
fn the_model_that_made_the_labels_is_looked_into() {
    let mut state = state(image(1, 1.0));
    assert_eq!(state.attention_model().as_deref(), Some(SLICES), "nothing is labelled: what suits");
    label(&mut state, 3, "Label with hippocampus-attention-unet");
    assert_eq!(state.attention_model().as_deref(), Some(VOLUMES), "whatever suits better");
    label(&mut state, 4, "Outline something");
    let session = state.session.as_mut().unwrap();
    session.credit_step("Outline something", "disc-cup");
    assert_eq!(state.attention_model().as_deref(), Some("disc-cup"));
    state.session.as_mut().unwrap().document.apply(EditCommand::Undo).unwrap();
    assert_eq!(state.attention_model().as_deref(), Some(VOLUMES), "its labels are those on the screen again");
    state.models.retain(|model| model.card.id != VOLUMES);
    assert_eq!(state.attention_model().as_deref(), Some(SLICES), "a model that is gone is not asked");
}

#[test]
fn what_was_kept_of_a_picture_tells_its_model() {
    let volume = image(1, 1.0);
    let opened = OpenedPhoto::of(&volume, None, None).unwrap();
    let mut state = state(volume);
    label(&mut state, 3, "Opened");
    let mut photo = Photo::new(&opened, None);
    photo.models = vec!["disc-locate".into(), "disc-cup".into()];
    state.session.as_mut().unwrap().photo = Some(photo);
    assert_eq!(state.attention_model().as_deref(), Some("disc-cup"));
}

#[test]
fn versions_are_looked_into_as_versions() {
    let mut state = state(image(1, 1.0));
    let list = Worklist::new("list", LabelTable::default(), Some(SLICES.into()));
    state.worklist = Some(OpenWorklist::new("list".into(), list));
    label(&mut state, 3, "Label with lung-hanet@0002");
    assert_eq!(state.attention_model().as_deref(), Some("lung-hanet@0002"));
    // A version that is gone gives way to the one in use.
    let versions = VersionList {
        base: SLICES.into(),
        current: "lung-hanet@0001".into(),
        previous: None,
        versions: Vec::new(),
    };
    state.worklist.as_mut().unwrap().teaching.versions = Some(versions);
    assert_eq!(state.attention_model().as_deref(), Some("lung-hanet@0001"));
    // Nor is the model of the worklist taken for an image that it has doubts about.
    state.worklist.as_mut().unwrap().list.model = Some(VOLUMES.into());
    assert_eq!(state.attention_model().as_deref(), Some(SLICES), "that of volumes has doubts");
}

#[test]
fn without_labels_the_model_suits_the_image() {
    assert_eq!(state(image(4, 8.0)).attention_model().as_deref(), Some(VOLUMES), "a piece of its size");
    assert_eq!(state(image(4, 80.0)).attention_model().as_deref(), Some(SLICES), "a whole body");
    let state = state(image(1, 1.0));
    let volume = state.session.as_ref().unwrap().volume();
    assert!(state.doubts_about(SLICES, volume).is_empty());
    assert!(state.doubts_about("hippocampus-attention-unet@0003", volume)[0].contains("volumes"));
    let doubts = state.doubts_about("disc-cup", volume);
    assert!(doubts.iter().any(|doubt| doubt.contains("photographs of the fundus")), "{doubts:?}");
}
