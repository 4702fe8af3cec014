//! Flipping through photographs: what goes with a copied file, what stays chosen, and the list of the pictures.

use hilum::command::UiCommand;
use hilum::state::Dialog;

use egui_kittest::kittest::NodeT as _;

use super::eye::*;
use super::*;

/// How much of the height of the view the disc takes.
fn disc_share(window: &Window<'_>) -> f32 {
    let disc = window.disc();
    let [x, top, bottom] = [disc.center[0], disc.top as f64, (disc.top + disc.height_px) as f64];
    let view = window.harness.get_by_role_and_label(Role::Canvas, "Image view").rect();
    window.pixel_position([x, top]).distance(window.pixel_position([x, bottom])) / view.height()
}

#[test]
fn a_copied_photograph_brings_its_state_and_no_question() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = photographs(folder.path(), &["a.png", "b.png"]);
    let mut window = Window::open(folder.path(), vec![pictures.clone()]);
    window.until_outlined("a.png");
    let proposed = vertical(window.state());
    window.press(Modifiers::NONE, Key::O);
    let [x, y] = window.disc().center;
    let (from, to) = (window.pixel_position([x, y]), window.pixel_position([x + 8.0, y]));
    window.drag(from, to);
    assert_eq!(review_state(window.state()), ReviewState::Corrected);
    window.press(CTRL, Key::Z);
    window.press(Modifiers::NONE, Key::M);
    assert_eq!(review_state(window.state()), ReviewState::Reviewed);
    window.press(Modifiers::NONE, Key::ArrowRight);
    window.until_outlined("b.png");
    eframe::App::on_exit(window.harness.state_mut());
    drop(window);

    let copies = folder.path().join("copies");
    std::fs::create_dir(&copies).unwrap();
    for name in ["a.png", "b.png"] {
        std::fs::copy(pictures.join(name), copies.join(name)).unwrap();
    }
    let mut window = Window::open(folder.path(), vec![copies]);
    // Of the kept work: that of the network has no undone step.
    let is_back =
        |s: &AppState, steps| s.session.as_ref().is_some_and(|s| s.document.history().len() == steps);
    window.until("the work on a is there", |s| name(s) == "a.png" && is_back(s, 2));
    window.until_outlined("a.png");
    assert!(matches!(window.state().dialog, Dialog::None));
    assert_eq!((review_state(window.state()), vertical(window.state())), (ReviewState::Reviewed, proposed));
    assert_eq!(photo(window.state()).unwrap().models, ["disc-test"], "who outlined it");
    assert!(window.session().labelling.is_empty(), "nobody outlines what is outlined");
    window.press(CTRL_SHIFT, Key::Z);
    assert_eq!(review_state(window.state()), ReviewState::Corrected, "the drag, made again");
    // The next one may have been outlined before it was looked at: that gives way without a question.
    window.press(Modifiers::NONE, Key::ArrowRight);
    window.until_outlined("b.png");
    for _ in 0..20 {
        window.harness.step();
        std::thread::sleep(Duration::from_millis(10));
        assert!(matches!(window.state().dialog, Dialog::None), "nothing interrupts flipping");
    }
    assert_eq!(review_state(window.state()), ReviewState::Proposed);
}

#[test]
fn what_is_chosen_for_one_picture_stays_for_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = photographs(folder.path(), &["a.png", "b.png"]);
    let mut window = Window::open(folder.path(), vec![pictures]);
    window.until_outlined("a.png");
    let whole = disc_share(&window);
    window.press(Modifiers::NONE, Key::F);
    window.press(Modifiers::NONE, Key::K);
    window.until("a is green", |s| photo(s).unwrap().seen_as() == Enhancement::Green);
    let large = disc_share(&window);
    assert!(large > 1.5 * whole, "{large} after {whole}");

    window.press(Modifiers::NONE, Key::ArrowRight);
    window.until_outlined("b.png");
    window.until("b is green", |s| photo(s).unwrap().seen_as() == Enhancement::Green);
    assert!((disc_share(&window) - large).abs() < 0.1 * large, "its own disc is large");
    window.press(Modifiers::NONE, Key::R);

    window.press(Modifiers::NONE, Key::ArrowLeft);
    window.until_outlined("a.png");
    window.until("its history is there", |s| s.session.as_ref().unwrap().document.can_undo());
    let again = disc_share(&window);
    assert!((again - whole).abs() < 0.1 * whole, "whole, as was chosen last: {again}, {whole}");
    assert_eq!(photo(window.state()).unwrap().enhancement(), Enhancement::Green);
}

#[test]
fn the_list_follows_the_picture_that_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (10..30).map(|n| format!("p{n}.png")).collect();
    let pictures = photographs(folder.path(), &names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut window = Window::open(folder.path(), vec![pictures]);
    window.until_outlined("p10.png");
    let is_listed = |window: &Window<'_>, name: &str| {
        window
            .harness
            .query_all_by_label_contains(name)
            .any(|node| node.accesskit_node().role() == Role::Button)
    };
    assert!(is_listed(&window, "p10.png") && !is_listed(&window, "p27.png"));
    window.harness.state().send(PhotoAction::Show(16));
    window.until_outlined("p26.png");
    window.press(Modifiers::NONE, Key::ArrowRight);
    window.until_outlined("p27.png");
    // It glides there.
    let has_moved = |window: &Window<'_>| is_listed(window, "p27.png") && !is_listed(window, "p10.png");
    let begun = Instant::now();
    while !has_moved(&window) && begun.elapsed() < LONGEST_WAIT {
        window.harness.step();
    }
    let listed: Vec<&String> = names.iter().filter(|name| is_listed(&window, name)).collect();
    assert!(has_moved(&window), "{listed:?}, at {}", window.state().album.as_ref().unwrap().at);
}

#[test]
fn models_that_label_images_are_reached_by_the_keyboard() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = photographs(folder.path(), &["a.png"]);
    let mut window = Window::open(folder.path(), vec![pictures.join("a.png")]);
    window.until_outlined("a.png");
    let steps = |window: &Window<'_>| -> Vec<String> {
        window.session().document.history().steps().map(str::to_owned).collect()
    };
    window.press(CTRL_SHIFT, Key::P);
    window.harness.event(Event::Text("label image with vessel-t".into()));
    window.harness.run_ok();
    window.harness.key_press(Key::Enter);
    window.until("it is labelled", |s| s.session.as_ref().unwrap().document.history().len() == 2);
    assert_eq!(steps(&window), ["Outline disc and cup", "Label with vessel-test"]);
    assert_eq!(review_state(window.state()), ReviewState::Proposed, "by networks alone");

    window.press(CTRL, Key::Z);
    window.harness.state().send(UiCommand::LabelImage);
    window.harness.run_ok();
    assert!(matches!(window.state().dialog, Dialog::Palette(_)));
    window.harness.get_by_label("Label image with vessel-test");
    // What was typed goes on behind what the palette begins with.
    window.harness.event(Event::Text("vessel-t".into()));
    window.harness.run_ok();
    window.harness.key_press(Key::Enter);
    window.until("it is labelled again", |s| {
        s.session.as_ref().unwrap().document.undo_name() == Some("Label with vessel-test")
    });
}
