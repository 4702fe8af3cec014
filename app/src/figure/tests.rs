//! Figures as files.

use hilum_core::geometry::Grid;
use hilum_core::volume::{ImageMeta, Volume, Voxels};
use hilum_models::inspect::map_grid;

use super::*;

fn map(field: &Grid, name: &str, level: usize, meaning: MapMeaning) -> FieldMap {
    let grid = map_grid(field, [1, 4, 6]).unwrap();
    let values = (0..grid.voxel_count()).map(|i| i as f32 / 23.0 - 0.25).collect();
    FieldMap {
        name: name.into(),
        layer: format!("layer{level}"),
        level,
        meaning,
        channel: String::new(),
        grid,
        values,
        query: (meaning == MapMeaning::AttentionGiven).then(|| grid.world_of([4, 1, 0])),
    }
}

fn volume() -> Volume {
    let grid = Grid::from_spacing([60, 40, 1], [0.5, 0.5, 1.0]).unwrap();
    let values = (0..grid.voxel_count()).map(|i| (i % 251) as u8).collect();
    Volume::new(grid, Voxels::U8(values), ImageMeta::default()).unwrap()
}

#[test]
fn a_figure_is_written_with_everything_that_must_be_told() {
    let volume = volume();
    let field = *volume.grid();
    let labels: Vec<u16> = (0..field.voxel_count()).map(|i| u16::from(i % 60 > 30)).collect();
    let red = |_| [255, 0, 0];
    let drawn = Drawn { labels: &labels, grid: &field, color: &red };
    let maps = [
        (MapKind::Plain, map(&field, "ha.row", 0, MapMeaning::AttentionGiven)),
        (MapKind::Row, map(&field, "ha.row hop 1", 0, MapMeaning::AttentionGiven)),
        (MapKind::Row, map(&field, "ha.row hop 2", 0, MapMeaning::AttentionGiven)),
        (MapKind::Pass, map(&field, "ha.attention", 0, MapMeaning::AttentionReceived)),
    ];
    let all: Vec<_> = maps.iter().map(|(kind, map)| Candidate { look: 0, kind: *kind, map }).collect();
    let choice = beside(&all, all[2]);
    assert_eq!(
        choice.maps.iter().map(|c| c.map.name.as_str()).collect::<Vec<_>>(),
        ["ha.row", "ha.row hop 1", "ha.row hop 2"]
    );
    let at = field.center_world();
    let mut figure = Figure::new(&volume, &field, at, [0.0, 250.0], Some(drawn));
    figure.fill(&choice, false, "a <model>");
    figure.add_note("graph: δ = 0.50, n = 2, reading: boolean".into());
    figure.add_legend([([255, 0, 0], "rim".to_owned())]);
    let folder = tempfile::tempdir().unwrap();
    let (svg, png) = (folder.path().join("f.svg"), folder.path().join("f.PNG"));
    figure.save(&svg).unwrap();
    figure.save(&png).unwrap();
    let text = std::fs::read_to_string(&svg).unwrap();
    // Five pictures, three bars, a colour of a label; two strokes of a cross in two colours for the image and each of three maps.
    assert_eq!(text.matches("data:image/png;base64,").count(), 9);
    assert_eq!(text.matches("<line ").count(), 16);
    for wanted in [
        "labels",
        "ha.row (plain self-attention)",
        "ha.row hop 2",
        "a &lt;model&gt;",
        "-0.2500",
        "0.7500",
        "δ = 0.50, n = 2",
        ">rim<",
    ] {
        assert!(text.contains(wanted), "{wanted}");
    }
    let picture = image::open(&png).unwrap().to_rgb8();
    assert!(picture.width() > 5 * 2 * 220 && picture.height() > 300);
    // The labels' panel is reddish at the right and grey at the left.
    let place = |x: f32| picture.get_pixel((2.0 * (GAP + 220.0 + GAP + x * 220.0)) as u32, 150).0;
    assert!(place(0.9)[0] > place(0.9)[2] + 60 && place(0.1)[0] == place(0.1)[2]);
    assert!(figure.save(&folder.path().join("f.gif")).unwrap_err().to_string().contains(".svg"));
}

#[test]
fn levels_of_junctions_begin_rows() {
    let volume = volume();
    let field = *volume.grid();
    let mut maps = Vec::new();
    for level in [2usize, 0] {
        let of = |name: &str, meaning| map(&field, name, level, meaning);
        maps.push(of("fine", MapMeaning::PathPrediction));
        maps.push(of("coarse", MapMeaning::PathPrediction));
        maps.push(of("attention", MapMeaning::Divergence));
        maps.push(of("features", MapMeaning::FeatureChange));
        if level == 2 {
            maps.push(of("change a", MapMeaning::AnswerChange));
            maps.push(of("change b", MapMeaning::AnswerChange));
        }
    }
    let all: Vec<_> = maps.iter().map(|map| Candidate { look: 0, kind: MapKind::Pass, map }).collect();
    let choice = beside(&all, first(&all).unwrap());
    let names: Vec<&str> = choice.maps.iter().map(|c| c.map.name.as_str()).collect();
    assert_eq!(names, ["fine", "coarse", "attention", "change a", "fine", "coarse", "attention"]);
    assert_eq!((choice.columns, choice.is_by_level), (4, true));
    let mut figure = Figure::new(&volume, &field, field.center_world(), [0.0, 250.0], None);
    figure.fill(&choice, true, "");
    // The image and three empty places, then a row for each level.
    assert_eq!(figure.panels.len(), 11);
    let ranges: Vec<_> = figure.panels.iter().filter_map(|panel| panel.bar).collect();
    assert_eq!(ranges[3], ([-0.75, 0.75], true), "signed numbers have 0 in the middle");
}

#[test]
fn who_reaches_everybody_is_told_from_who_reaches_nobody() {
    let field = *volume().grid();
    let with = |value: f32, meaning| {
        let map = map(&field, "ha.row.reach hop 2", 0, meaning);
        ends(&FieldMap { values: vec![value; map.values.len()], ..map })
    };
    assert_eq!([with(1.0, MapMeaning::Neighbours), with(0.0, MapMeaning::Neighbours)], [[0.0, 1.0]; 2]);
    assert_eq!(with(0.5, MapMeaning::Reach), [0.5, 0.5]);
}

#[test]
fn what_belongs_together_has_room_or_is_counted() {
    let field = *volume().grid();
    let mut maps = vec![(MapKind::Plain, map(&field, "plain", 0, MapMeaning::AttentionGiven))];
    for hop in 1..=9 {
        maps.push((MapKind::Row, map(&field, &format!("row hop {hop}"), 0, MapMeaning::AttentionGiven)));
        maps.push((MapKind::Row, map(&field, &format!("reach hop {hop}"), 0, MapMeaning::Neighbours)));
    }
    maps.push((MapKind::Row, map(&field, "elsewhere", 1, MapMeaning::AttentionGiven)));
    let all: Vec<_> = maps.iter().map(|(kind, map)| Candidate { look: 0, kind: *kind, map }).collect();
    let names = |chosen: usize| {
        let (choice, left_out) = together(&all, all[chosen]);
        (choice.maps.iter().map(|c| c.map.name.clone()).collect::<Vec<_>>(), left_out)
    };
    let (first, left_out) = names(1);
    assert_eq!((first.len(), left_out), (15, 4));
    assert_eq!(
        [&first[0], &first[1], &first[9], &first[10]],
        ["plain", "row hop 1", "row hop 9", "reach hop 1"]
    );
    // The chosen map is among them wherever it stands; another layer has maps of its own.
    assert_eq!(names(18).0.last().unwrap(), "reach hop 9");
    assert_eq!(names(19), (vec!["elsewhere".to_owned()], 0));
}
