use proptest::prelude::*;

use super::*;
use crate::fundus::{FieldOfView, Picture};
use crate::geometry::VoxelBox;
use crate::io::{self, OpenOptions};
use crate::label::BoxMask;
use crate::testing::shared_data;
use crate::volume::Voxels;

fn ellipse(center: [f64; 2], width: f64, height: f64) -> Ellipse {
    let (semi_axes_px, angle_rad) = match width >= height {
        true => ([width / 2.0, height / 2.0], 0.0),
        false => ([height / 2.0, width / 2.0], std::f64::consts::FRAC_PI_2),
    };
    Ellipse { center, semi_axes_px, angle_rad }
}

fn eye(size: [usize; 2], disc: Ellipse, cup: Ellipse) -> DiscMask {
    DiscMask::from_masks(&disc.mask(size), &cup.mask(size), size).unwrap()
}

fn read(mask: &DiscMask) -> DiscReading {
    read_disc(mask, &ReadOptions::default())
}

fn pixels(shift: f64, motion: Motion) -> ReadOptions {
    ReadOptions { perturbation: Perturbation { shift: Shift::Pixels(shift), motion }, ..Default::default() }
}

#[test]
fn ratios_of_ellipses_are_exact_in_odd_and_even_sizes() {
    // Around a pixel's centre a diameter of 2r + 0.5 covers 2r + 1 rows, around a corner one of 2r covers 2r rows.
    let odd = eye([200, 220], ellipse([100.0, 110.0], 100.5, 120.5), ellipse([100.0, 112.0], 50.5, 60.5));
    let ratios = read(&odd).ratios.unwrap();
    assert_eq!(ratios.vertical.value, 61.0 / 121.0);
    assert_eq!(ratios.horizontal.value, 51.0 / 101.0);
    let even = eye([200, 220], ellipse([99.5, 109.5], 100.0, 120.0), ellipse([99.5, 109.5], 50.0, 60.0));
    let ratios = read(&even).ratios.unwrap();
    assert_eq!((ratios.vertical.value, ratios.horizontal.value), (0.5, 0.5));
    assert!((ratios.area.value - 0.25).abs() < 0.002, "{ratios:?}");
    assert_eq!(vertical_cdr(&even), 0.5);
}

#[test]
fn extents_are_those_of_the_ellipse() {
    let turned = Ellipse { center: [300.3, 280.7], semi_axes_px: [200.0, 120.0], angle_rad: 0.7 };
    let mask = turned.mask([700, 700]);
    let found = Extent::of(&mask);
    let area = std::f64::consts::PI * 200.0 * 120.0;
    assert!((found.area_px as f64 / area - 1.0).abs() < 2e-3);
    // Ramanujan's perimeter.
    let h: f64 = (80.0f64 / 320.0).powi(2);
    let perimeter = std::f64::consts::PI * 320.0 * (1.0 + 3.0 * h / (10.0 + (4.0 - 3.0 * h).sqrt()));
    assert!((found.perimeter_px / perimeter - 1.0).abs() < 0.02, "{} {perimeter}", found.perimeter_px);
    let fitted = Ellipse::fit(&mask).unwrap();
    assert!((fitted.angle_rad - 0.7).abs() < 1e-3 && (fitted.axis_ratio() - 0.6).abs() < 1e-3);
    for (a, b) in [(fitted.center[0], 300.3), (fitted.center[1], 280.7)] {
        assert!((a - b).abs() < 0.05);
    }
    for (a, b) in fitted.semi_axes_px.iter().zip([200.0, 120.0]) {
        assert!((a - b).abs() < 0.2, "{fitted:?}");
    }
    assert_eq!(Ellipse::fit(&BoxMask::default()), None);
}

#[test]
fn intervals_are_those_of_moved_outlines() {
    // The moved outlines of circles are circles, so the interval can be drawn and measured.
    let circle = |radius: f64| ellipse([149.5, 149.5], 2.0 * radius, 2.0 * radius);
    let size = [300, 300];
    let reading =
        read_disc(&eye(size, circle(100.0), circle(60.0)), &pixels(5.0, Motion::Apart)).ratios.unwrap();
    let drawn = |disc: f64, cup: f64| read(&eye(size, circle(disc), circle(cup))).ratios.unwrap();
    let (low, high) = (drawn(105.0, 55.0), drawn(95.0, 65.0));
    assert_eq!((reading.vertical.low, reading.vertical.high), (low.vertical.value, high.vertical.value));
    assert_eq!(
        (reading.horizontal.low, reading.horizontal.high),
        (low.horizontal.value, high.horizontal.value)
    );
    assert!((reading.area.low - low.area.value).abs() < 0.003, "{reading:?} {low:?}");
    assert!((reading.area.high - high.area.value).abs() < 0.003);
    let together =
        read_disc(&eye(size, circle(100.0), circle(60.0)), &pixels(5.0, Motion::Together)).ratios.unwrap();
    let (low, high) = (drawn(95.0, 55.0), drawn(105.0, 65.0));
    assert_eq!((together.vertical.low, together.vertical.high), (low.vertical.value, high.vertical.value));
    let narrow = together.vertical.high - together.vertical.low;
    assert!(narrow < reading.vertical.high - reading.vertical.low);
}

#[test]
fn intervals_stay_ratios_however_far_the_outlines_move() {
    let mask = eye([100, 100], ellipse([50.0, 50.0], 40.0, 40.0), ellipse([50.0, 50.0], 38.0, 38.0));
    for shift in [0.0, 3.0, 100.0, f64::INFINITY, f64::NAN, -4.0] {
        let reading = read_disc(&mask, &pixels(shift, Motion::Apart));
        let ratios = reading.ratios.unwrap();
        for ratio in [ratios.vertical, ratios.horizontal, ratios.area] {
            assert!(0.0 <= ratio.low && ratio.low <= ratio.value, "{shift}: {ratio:?}");
            assert!(ratio.value <= ratio.high && ratio.high <= 1.0, "{shift}: {ratio:?}");
        }
    }
}

#[test]
fn the_rim_is_measured_around_the_clock() {
    // The cup is 10 pixels up and 20 to the right of the disc's centre.
    let mask = eye([400, 400], ellipse([200.0, 200.0], 200.0, 200.0), ellipse([220.0, 190.0], 100.0, 100.0));
    let options = ReadOptions { laterality: Some(Laterality::Right), ..pixels(1.0, Motion::Apart) };
    let rim = read_disc(&mask, &options).rim.unwrap();
    let along = |angle_deg: f64| {
        // Where a ray from the disc's centre leaves the cup: a quadratic equation.
        let (sin, cos) = angle_deg.to_radians().sin_cos();
        let along = 20.0 * sin + 10.0 * cos;
        100.0 - (along + (along * along - 500.0 + 2500.0).sqrt())
    };
    for (ray, degrees) in [(0, 0.5), (90, 90.5), (200, 200.5), (359, 359.5)] {
        assert!((rim.profile.width_px(ray) - along(degrees)).abs() < 1.5, "{ray}");
    }
    for hour in 1..=12 {
        let expected = (0..30).map(|i| along(hour as f64 * 30.0 - 14.5 + i as f64)).sum::<f64>() / 30.0;
        let found = rim.clock_hours[hour - 1];
        assert!((found.px - expected).abs() < 0.6, "{hour} o'clock: {} {expected}", found.px);
        assert!((found.share - expected / 200.0).abs() < 0.005);
        assert_eq!((found.px_low, found.px_high), (found.px - 2.0, found.px + 2.0));
    }
    assert!(matches!(rim.narrowest.clock_hour, 2), "{:?}", rim.narrowest);
    let isnt = rim.isnt.unwrap();
    // Right eye: nasal is right, where the rim is thinnest.
    assert_eq!(isnt.order, "TISN");
    assert_eq!((isnt.holds, isnt.broken.join(", ").as_str()), (false, "N ≥ T"));
    let other = ReadOptions { laterality: Some(Laterality::Left), ..options };
    let rim = read_disc(&mask, &other).rim.unwrap();
    assert_eq!(rim.isnt.unwrap().order, "NIST");
    assert_eq!(read(&mask).rim.unwrap().isnt, None);
}

#[test]
fn the_rule_of_the_quadrants_knows_when_it_is_uncertain() {
    // Thick below, then above, then nasal, then temporal (left of a right eye).
    let mask = eye([400, 400], ellipse([200.0, 200.0], 200.0, 240.0), ellipse([190.0, 196.0], 120.0, 110.0));
    let isnt = |shift: f64| {
        let options = ReadOptions { laterality: Some(Laterality::Right), ..pixels(shift, Motion::Apart) };
        read_disc(&mask, &options).rim.unwrap().isnt.unwrap()
    };
    assert!(isnt(0.1).holds && isnt(0.1).certain, "{:?}", isnt(0.1));
    assert!(isnt(10.0).holds && !isnt(10.0).certain);
}

#[test]
fn a_cup_beside_the_middle_leaves_whole_radii_of_rim() {
    let mask = eye([300, 300], ellipse([150.0, 150.0], 200.0, 200.0), ellipse([200.0, 150.0], 40.0, 40.0));
    let rim = read(&mask).rim.unwrap();
    assert!((rim.clock_hours[8].px - 100.0).abs() < 1.0, "9 o'clock is all rim");
    assert!((rim.clock_hours[2].px - 32.0).abs() < 4.0, "{:?}", rim.clock_hours[2]);
}

#[test]
fn a_label_map_without_a_disc_is_refused_and_one_without_a_cup_has_no_ratio() {
    let names = DiscLabels::default();
    let error = DiscMask::from_labels(&[0; 100], [10, 10], names).unwrap_err();
    assert_eq!(error, CdrError::NoDisc { rim: 1, cup: 2 });
    assert!(matches!(
        DiscMask::from_labels(&[1; 99], [10, 10], names),
        Err(CdrError::Size { found: 99, .. })
    ));
    assert!(DiscMask::from_labels(&[1; 100], [10, 10], DiscLabels { rim: 3, cup: 3 }).is_err());
    assert!(DiscMask::from_labels(&[], [usize::MAX, 2], names).is_err());
    let disc = ellipse([100.0, 100.0], 90.0, 90.0).mask([200, 200]);
    let mask = DiscMask::from_masks(&disc, &BoxMask::default(), [200, 200]).unwrap();
    let reading = read(&mask);
    assert!(reading.ratios.is_none() && reading.rim.is_none() && reading.cup.is_none());
    assert_eq!(reading.quality.trust, Trust::No);
    assert_eq!(reading.quality.reasons, [QualityReason::NoCup]);
    assert_eq!(vertical_cdr(&mask), 0.0);
}

#[test]
fn a_cup_beyond_the_disc_is_cut_to_it_and_that_is_said() {
    let size = [300, 300];
    let mask = eye(size, ellipse([150.0, 150.0], 120.0, 120.0), ellipse([190.0, 150.0], 100.0, 100.0));
    assert!(mask.cup().spans().all(|s| (s.x_start..s.x_end).all(|x| mask.disc().contains([x, s.y, 0]))));
    let reading = read(&mask);
    let kinds: Vec<_> = reading.quality.reasons.iter().map(std::mem::discriminant).collect();
    for expected in [QualityReason::CupOutsideDisc { percent: 0.0 }, QualityReason::NoRim { degrees: 0.0 }] {
        assert!(kinds.contains(&std::mem::discriminant(&expected)), "{:?}", reading.quality);
    }
}

#[test]
fn the_border_specks_and_shapes_are_noticed() {
    let size = [300, 300];
    let reasons = |mask: &DiscMask, options: &ReadOptions| read_disc(mask, options).quality;
    let cut = eye(size, ellipse([20.0, 150.0], 120.0, 120.0), ellipse([20.0, 150.0], 60.0, 60.0));
    let quality = reasons(&cut, &ReadOptions::default());
    assert!(quality.reasons.contains(&QualityReason::CutByBorder { side: "left" }), "{quality:?}");
    assert_eq!((quality.trust, quality.score), (Trust::No, 0.0));
    let good = eye(size, ellipse([150.0, 150.0], 120.0, 130.0), ellipse([150.0, 150.0], 60.0, 70.0));
    let field = |radius_px: f64| ReadOptions {
        field_of_view: Some(Circle { center: [150.0, 150.0], radius_px }),
        ..ReadOptions::default()
    };
    assert_eq!(reasons(&good, &field(400.0)).trust, Trust::Good);
    assert!(matches!(reasons(&good, &field(4000.0)).reasons[..], [QualityReason::DiscTooSmall { .. }]));
    assert!(matches!(
        reasons(&good, &field(60.0)).reasons[..],
        [QualityReason::DiscTooLarge { .. }, QualityReason::CutByFieldOfView { .. }]
    ));
    let square = BoxMask::from_fn(VoxelBox::new([100, 100, 0], [200, 130, 1]), |_| true);
    let mask = DiscMask::from_masks(&square, &ellipse([150.0, 115.0], 20.0, 20.0).mask(size), size).unwrap();
    let found = reasons(&mask, &ReadOptions::default()).reasons;
    assert!(found.iter().any(|r| matches!(r, QualityReason::DiscNotElliptical { .. })), "{found:?}");
    assert!(found.iter().any(|r| matches!(r, QualityReason::DiscElongated { .. })), "{found:?}");
    assert!(found.iter().any(|r| matches!(r, QualityReason::FewPixels { rows: 30, .. })), "{found:?}");
    assert!(found.iter().all(|reason| !reason.to_string().is_empty()));
}

#[test]
fn of_several_parts_the_largest_is_measured() {
    let size = [300, 200];
    let (one, other) = (ellipse([80.0, 100.0], 100.0, 100.0), ellipse([220.0, 100.0], 60.0, 60.0));
    let cups = [ellipse([80.0, 100.0], 50.0, 50.0), ellipse([220.0, 100.0], 30.0, 30.0)];
    let mut labels = vec![0u16; 300 * 200];
    for (shape, label) in [(one, 1), (other, 1), (cups[0], 2), (cups[1], 2)] {
        for span in shape.mask(size).spans() {
            labels[span.y * 300 + span.x_start..span.y * 300 + span.x_end].fill(label);
        }
    }
    let mask = DiscMask::from_labels(&labels, size, DiscLabels::default()).unwrap();
    let left = mask.leftovers();
    assert_eq!((left.disc_parts, left.cup_parts), (2, 1));
    assert!((left.disc_share - 0.36 / 1.36).abs() < 0.01);
    let reading = read(&mask);
    assert_eq!(reading.ratios.unwrap().vertical.value, 51.0 / 101.0);
    assert!(
        matches!(
            reading.quality.reasons[..],
            [QualityReason::SeveralDiscs { parts: 2, .. }, QualityReason::CupOutsideDisc { .. }]
        ),
        "{:?}",
        reading.quality
    );
}

#[test]
fn holes_are_filled_on_request_and_labels_come_back() {
    let size = [200, 200];
    let disc = ellipse([100.0, 100.0], 100.0, 100.0).mask(size);
    let with_hole =
        BoxMask::from_fn(disc.region(), |p| disc.contains(p) && !(90..95).contains(&p[1]) | (p[0] < 70));
    let cup = ellipse([120.0, 100.0], 30.0, 30.0).mask(size);
    let mask = DiscMask::from_masks(&with_hole, &cup, size).unwrap();
    assert!(mask.disc().count() < disc.count());
    let names = DiscLabels { rim: 7, cup: 9 };
    let again = DiscMask::from_labels(&mask.labels(names), size, names).unwrap();
    assert_eq!((again.disc(), again.cup()), (mask.disc(), mask.cup()));
    let ring = BoxMask::from_fn(disc.region(), |p| disc.contains(p) && !cup.contains(p));
    let ring = DiscMask::from_masks(&ring, &BoxMask::default(), size).unwrap();
    assert_eq!(ring.without_holes().disc().count(), disc.count());
}

#[test]
fn a_contour_is_filled_as_its_ellipse_is() {
    let shape = Ellipse { center: [120.4, 90.2], semi_axes_px: [60.0, 40.0], angle_rad: 2.1 };
    let size = [200, 170];
    let (filled, drawn) = (shape.mask(size), mask_from_contour(&shape.points(2000), size));
    let differing = |a: &BoxMask, b: &BoxMask| {
        (0..170)
            .flat_map(|y| (0..200).map(move |x| [x, y, 0]))
            .filter(|p| a.contains(*p) != b.contains(*p))
            .count()
    };
    assert!(differing(&filled, &drawn) <= 2);
    let curve = closed_curve(&shape.points(16), 12);
    assert!(differing(&filled, &mask_from_contour(&curve, size)) < filled.count() / 100);
    // A square by hand: rows 2 to 5 and columns 3 to 6.
    let square = mask_from_contour(&[[2.5, 1.5], [6.5, 1.5], [6.5, 5.5], [2.5, 5.5]], [10, 10]);
    assert_eq!((square.tightened().region(), square.count()), (VoxelBox::new([3, 2, 0], [7, 6, 1]), 16));
    for bad in [
        vec![],
        vec![[1.0, 1.0]; 2],
        vec![[f64::NAN, 0.0]; 5],
        vec![[-50.0, -50.0], [-40.0, -50.0], [-40.0, -40.0]],
    ] {
        assert!(mask_from_contour(&bad, [10, 10]).is_empty());
    }
    let beyond = mask_from_contour(&[[-1e9, -1e9], [1e9, -1e9], [1e9, 1e9], [-1e9, 1e9]], [10, 10]);
    assert_eq!(beyond.count(), 100);
    assert!(Ellipse { semi_axes_px: [f64::NAN, 1.0], ..shape }.mask(size).is_empty());
    assert!(Ellipse { center: [1e9, 0.0], ..shape }.mask(size).is_empty());
}

fn turned_by_half(labels: &[u16]) -> Vec<u16> {
    labels.iter().rev().copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn half_a_turn_changes_nothing_but_the_hours(
        x in 60.0..70.0f64, y in 60.0..70.0f64, a in 30.0..45.0f64, b in 30.0..45.0f64,
        share in 0.3..0.8f64, angle in 0.0..3.1f64,
    ) {
        let size = [131, 131];
        let disc = Ellipse { center: [x, y], semi_axes_px: [a.max(b), a.min(b)], angle_rad: angle };
        let cup = Ellipse { center: [x + 3.0, y - 2.0], semi_axes_px: disc.semi_axes_px.map(|s| s * share), angle_rad: angle };
        let names = DiscLabels::default();
        let labels = eye(size, disc, cup).labels(names);
        let one = read(&DiscMask::from_labels(&labels, size, names).unwrap());
        let other = read(&DiscMask::from_labels(&turned_by_half(&labels), size, names).unwrap());
        prop_assert_eq!(one.ratios, other.ratios);
        let (one, other) = (one.rim.unwrap(), other.rim.unwrap());
        for hour in 0..12 {
            let (a, b) = (one.clock_hours[hour].px, other.clock_hours[(hour + 6) % 12].px);
            prop_assert!((a - b).abs() < 1e-6, "{} {}", a, b);
        }
    }

    #[test]
    fn scaling_by_whole_numbers_changes_no_ratio(
        width in 20.0..50.0f64, height in 20.0..50.0f64, share in 0.3..0.8f64, factor in 2usize..4,
    ) {
        let size = [70, 70];
        let names = DiscLabels::default();
        let labels = eye(size, ellipse([35.0, 34.0], width, height), ellipse([35.0, 34.0], width * share, height * share)).labels(names);
        let large = size.map(|n| n * factor);
        let scaled: Vec<u16> = (0..large[0] * large[1]).map(|i| labels[i / large[0] / factor * 70 + i % large[0] / factor]).collect();
        let one = read(&DiscMask::from_labels(&labels, size, names).unwrap());
        let other = read(&DiscMask::from_labels(&scaled, large, names).unwrap());
        // Also the intervals, since the shift is a share of the disc.
        let (a, b) = (one.ratios.unwrap(), other.ratios.unwrap());
        for (a, b) in [(a.vertical, b.vertical), (a.horizontal, b.horizontal), (a.area, b.area)] {
            for (a, b) in [(a.value, b.value), (a.low, b.low), (a.high, b.high)] {
                prop_assert!((a - b).abs() < 1e-9, "{} {}", a, b);
            }
        }
        prop_assert!((other.disc.perimeter_px - factor as f64 * one.disc.perimeter_px).abs() < 1e-6);
        for hour in 0..12 {
            let (a, b) = (one.rim.as_ref().unwrap().clock_hours[hour].share, other.rim.as_ref().unwrap().clock_hours[hour].share);
            prop_assert!((a - b).abs() < 0.02);
        }
    }
}

/// Labels of a real mask.
fn labels_of(path: &std::path::Path) -> (Vec<u16>, [usize; 2]) {
    let volume = io::open(path, &OpenOptions::default(), &()).unwrap().volume;
    let [width, height, _] = volume.grid().dims();
    let Voxels::U8(grey) = volume.voxels() else { panic!("a mask has bytes") };
    (grey.iter().map(|v| u16::from(*v)).collect(), [width, height])
}

/// Identity, the ratio of the published masks at full size, and that of four experts.
fn drishti_index() -> Option<Vec<(String, f64, Vec<f64>)>> {
    let text = std::fs::read_to_string(shared_data("data/fundus_disc_cup_drishti/index.csv")?).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let numbers: Vec<f64> = cells[4..].iter().map(|c| c.parse().unwrap()).collect();
        (cells[1].to_owned(), numbers[0], numbers[1..].to_vec())
    };
    Some(text.lines().skip(1).map(row).collect())
}

#[test]
fn real_discs_have_the_ratio_of_their_full_size_masks_and_good_quality() {
    let Some(index) = drishti_index() else { return };
    assert_eq!(index.len(), 50);
    let (mut sum, mut worst, mut good, mut covered) = (0.0, 0.0f64, 0, 0);
    for (name, ratio, experts) in index {
        let open = |folder: &str, ending: &str| {
            shared_data(&format!("data/fundus_disc_cup_drishti/{folder}/{name}.{ending}"))
        };
        let (Some(path), Some(image)) = (open("labels", "png"), open("images", "jpg")) else { return };
        let (labels, size) = labels_of(&path);
        let image = io::open(&image, &OpenOptions::default(), &()).unwrap().volume;
        let field = FieldOfView::of(&Picture::of(&image).unwrap());
        let mask = DiscMask::from_labels(&labels, size, DiscLabels::default()).unwrap();
        let options = ReadOptions { field_of_view: Some(field.circle), ..ReadOptions::default() };
        let reading = read_disc(&mask, &options);
        let found = reading.ratios.unwrap().vertical;
        // The labels here have half the resolution, so that one row is up to 1 % of the disc.
        assert!((found.value - ratio).abs() < 0.012, "{name}: {} {ratio}", found.value);
        good += usize::from(reading.quality.trust == Trust::Good);
        covered += experts.iter().filter(|e| found.low <= **e && **e <= found.high).count();
        let error = (found.value - experts.iter().sum::<f64>() / 4.0).abs();
        (sum, worst) = (sum + error, worst.max(error));
    }
    assert_eq!(good, 50, "careful outlines of real discs raise no doubt");
    // Experts read the ratio by eye, mostly without an outline.
    assert!((sum / 50.0 - 0.0247).abs() < 5e-4 && worst < 0.12, "{} {worst}", sum / 50.0);
    // The default interval holds three of four readings.
    assert!((145..=155).contains(&covered), "{covered} of 200");
}
