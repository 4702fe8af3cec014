use super::results::result_of;
use super::*;
use crate::teach::TeachError;
use crate::train::recipe::Recipe;

#[test]
fn corrections_are_counted_by_the_rule() {
    // Two regions of wrong voxels: a bar through three slices, and a single voxel.
    let dims = [10, 10, 3];
    let mut truth = vec![0; 300];
    for z in 0..3 {
        (0..5).for_each(|x| truth[z * 100 + 20 + x] = 1);
    }
    truth[77] = 2;
    assert_eq!(correction_cost(&vec![0; 300], &truth, dims), [1, 3]);
    assert_eq!(correction_cost(&truth, &truth, dims), [0, 0]);
}

/// A simulation of the project before its numbers are checked.
fn of_project(name: &str) -> (Simulation, std::path::PathBuf) {
    let folder = hilum_core::testing::in_package("../resources/recipes");
    let mut table: toml::Table = std::fs::read_to_string(folder.join(name)).unwrap().parse().unwrap();
    table.remove("kind");
    (table.try_into().unwrap(), folder)
}

#[test]
fn the_simulations_of_the_project_are_understood() {
    for (name, states) in [("simulate-hippocampus.toml", 4), ("simulate-sarcoma-teaching.toml", 5)] {
        let (simulation, folder) = of_project(name);
        let simulation = simulation.resolved(&folder).unwrap();
        assert!(Recipe::read(&simulation.recipe).is_ok());
        assert!(simulation.read_recipe().is_ok(), "{name}");
        assert_eq!(simulation.states_of_run(), states, "{name}");
    }
}

#[test]
fn numbers_that_make_no_sense_are_named() {
    let refused = |change: fn(&mut Simulation)| {
        let (mut simulation, folder) = of_project("simulate-sarcoma-teaching.toml");
        change(&mut simulation);
        simulation.resolved(&folder).unwrap_err().to_string()
    };
    let clicks = |enough_dice, most| Some(ClickRule { enough_dice, most });
    assert!(refused(|s| s.start = 0).contains("start is 0"));
    assert!(refused(|s| s.start = 11).contains("start is 11, pool 10"));
    assert!(refused(|s| s.round_rate = f64::NAN).contains("round_rate must be positive"));
    assert!(refused(|s| s.replay_share = 1.0).contains("replay_share is 1; it must lie in 0 to 0.9"));
    assert!(refused(|s| s.seeds = vec![1, 2, 1]).contains("seeds name 1 twice"));
    assert!(refused(|s| s.strategies.push(Strategy::Entropy)).contains("strategies name entropy twice"));
    let (simulation, folder) = of_project("simulate-sarcoma-teaching.toml");
    for (rule, text) in [
        (clicks(1.2, 5), "enough_dice is 1.2"),
        (clicks(0.7, 0), "most is 0"),
        (clicks(0.7, 101), "most is 101"),
    ] {
        let refused = Simulation { clicks: rule, ..simulation.clone() }.resolved(&folder).unwrap_err();
        assert!(refused.to_string().contains(text), "{refused}");
    }
}

#[test]
fn clicks_are_for_networks_that_answer_them() {
    let (click, folder) = of_project("simulate-sarcoma-teaching.toml");
    let refused =
        |simulation: Simulation| simulation.resolved(&folder).unwrap().read_recipe().unwrap_err().to_string();
    let text = refused(Simulation { clicks: None, ..click.clone() });
    assert!(text.contains("lesion-small answers clicks") && text.contains("enough_dice"), "{text}");
    let text = refused(Simulation { recipe: "lesion-coarse.toml".into(), ..click.clone() });
    assert!(text.contains("lesion-coarse is of a first stage"), "{text}");
    let (dense, _) = of_project("simulate-hippocampus.toml");
    let text = refused(Simulation { clicks: click.clicks, ..dense });
    assert!(text.contains("labels whole images; remove that table"), "{text}");
}

fn state(strategy: Strategy, share: f64, dice: f64) -> SimulatedState {
    SimulatedState {
        strategy,
        seed: 1,
        labelled: (share * 10.0) as usize,
        share,
        dice,
        clicks: 3,
        strokes: 40,
        added: vec!["a, b".into(), "c".into()],
    }
}

#[test]
fn the_share_at_which_enough_is_reached_is_the_first() {
    let states = [
        state(Strategy::Random, 0.1, 0.5),
        state(Strategy::Random, 0.2, 0.7),
        state(Strategy::Entropy, 0.1, 0.5),
        state(Strategy::Entropy, 0.2, 0.77),
    ];
    let entropy = result_of(Strategy::Entropy, &states, &[(1, 0.8)]);
    assert_eq!((entropy.share_to_95.unwrap().mean, entropy.never), (0.2, 0));
    assert!((entropy.gain.unwrap().mean - 0.07).abs() < 1e-9);
    assert_eq!((entropy.gains.len(), entropy.gains[0].gain.n), (1, 1), "a round of one seed is one value");
    let chance = result_of(Strategy::Random, &states, &[(1, 0.8)]);
    assert_eq!((chance.share_to_95.unwrap().mean, chance.never), (1.0, 1));
}

#[test]
fn what_was_measured_is_read_again_as_it_was_written() {
    let states = vec![state(Strategy::Random, 0.1, 1.0 / 3.0), state(Strategy::Divergence, 0.2, 0.7)];
    let measured = Measured { states, full: vec![(1, 2.0 / 3.0)] };
    let csv = measured.to_csv(10);
    assert!(
        csv.contains("\nall,1,10,1,0.666") && csv.contains("\ndivergence,1,2,0.2,0.7,3,40,a, b/c"),
        "{csv}"
    );
    let again = Measured::from_csv(&csv).unwrap();
    assert_eq!((again.to_csv(10), again.full.clone()), (csv.clone(), measured.full));
    assert_eq!(again.states[0].added, ["a, b", "c"]);
    let refused = |text: &str| match Measured::from_csv(text) {
        Err(TeachError::Unsuitable(text)) => text,
        other => panic!("{other:?}"),
    };
    assert!(refused("seed,dice\n").contains("line 1 "));
    assert!(refused(&csv.replace("0.7,3", "NaN,3")).contains("line 4 "));
    assert!(refused(&csv[..csv.len() - 20]).contains("line 4 "), "a table that was cut off");
    // A state that is measured again takes its own place.
    let mut twice = again;
    twice.keep(state(Strategy::Divergence, 0.2, 0.8));
    assert_eq!((twice.states.len(), twice.states[1].dice), (2, 0.8));
}
