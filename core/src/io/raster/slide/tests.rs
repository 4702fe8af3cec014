use ::tiff::encoder::{TiffEncoder, colortype};
use proptest::prelude::*;

use super::*;
use crate::io::{OpenOptions, Selection, raster};
use crate::testing::shared_data;
use crate::volume::Source;

fn pixel(page: u8, x: u32, y: u32) -> [u8; 3] {
    [x as u8, y as u8, page]
}

/// Pages of these sizes, in strips of seven rows, whose pixels say where they are.
fn pyramid(sizes: &[[u32; 2]]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut encoder = TiffEncoder::new(file.reopen().unwrap()).unwrap();
    for (page, [width, height]) in sizes.iter().enumerate() {
        let data: Vec<u8> =
            (0..width * height).flat_map(|i| pixel(page as u8, i % width, i / width)).collect();
        let mut image = encoder.new_image::<colortype::RGB8>(*width, *height).unwrap();
        image.rows_per_strip(7).unwrap();
        image.write_data(&data).unwrap();
    }
    file
}

fn open(path: &Path) -> Slide {
    Slide::open(path, &Limits::default()).unwrap()
}

fn colors(opened: &Opened) -> Vec<[u8; 3]> {
    match opened.volume.voxels() {
        Voxels::Rgb8(pixels) => pixels.clone(),
        other => panic!("{}", other.type_name()),
    }
}

#[test]
fn resolutions_lie_on_each_other() {
    let file = pyramid(&[[40, 30], [20, 15], [10, 7]]);
    let mut slide = open(file.path());
    let facts: Vec<_> = slide.pages().iter().map(|p| (p.role, p.downsample)).collect();
    assert_eq!(facts, [(PageRole::Level, 1.0), (PageRole::Level, 2.0), (PageRole::Level, 4.0)]);
    assert_eq!(slide.level_within(usize::MAX).index, 0);
    assert_eq!(slide.level_within(400).index, 1);
    assert_eq!(slide.level_within(3).index, 2);
    // The four finest pixels around (1, 1) have their common corner at 0.5 + 2·0.5.
    let coarse = slide.read(1, None, &()).unwrap().volume;
    assert_eq!(coarse.grid().world_of([0, 0, 0]).coords.as_slice(), [0.5, 0.5, 0.0]);
    assert_eq!(coarse.grid().world_of([19, 14, 0]).coords.as_slice(), [38.5, 28.5, 0.0]);
    let part = slide.read(1, "3,2,4,5".parse().ok(), &()).unwrap().volume;
    assert_eq!(part.grid().world_of([0, 0, 0]), coarse.grid().world_of([3, 2, 0]));
    let Source::Raster { part: Some(part), .. } = &part.meta().source else { panic!() };
    assert_eq!((part.page, part.region), (1, Some(PixelRegion { start: [3, 2], size: [4, 5] })));
}

proptest! {
    #[test]
    fn a_region_is_what_the_page_shows_there(x in 0usize..40, y in 0usize..30, w in 1usize..40, h in 1usize..30) {
        let file = pyramid(&[[40, 30], [20, 15]]);
        let region = PixelRegion { start: [x, y], size: [w.min(40 - x), h.min(30 - y)] };
        let opened = open(file.path()).read(0, Some(region), &()).unwrap();
        let expected: Vec<_> = (0..region.size[0] * region.size[1])
            .map(|i| pixel(0, (x + i % region.size[0]) as u32, (y + i / region.size[0]) as u32))
            .collect();
        prop_assert_eq!(colors(&opened), expected);
    }
}

#[test]
fn what_is_not_there_is_refused() {
    let file = pyramid(&[[40, 30]]);
    let mut slide = open(file.path());
    for (page, region, words) in [
        (1, None, "there is no page 1; the file has 1"),
        (0, Some("30,0,11,5"), "does not lie on page 0, which has 40 × 30"),
        (0, Some("0,30,1,1"), "does not lie"),
    ] {
        let region = region.map(|text| text.parse().unwrap());
        let error = slide.read(page, region, &()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let edge = PixelRegion { start: [usize::MAX, 0], size: [2, 1] };
    assert!(slide.read(0, Some(edge), &()).is_err());
    for text in ["1,2,3", "a,b,c,d", "0,0,0,4", "-1,0,4,4"] {
        assert!(text.parse::<PixelRegion>().is_err(), "{text}");
    }
}

#[test]
fn a_real_slide_opens_at_every_resolution_and_in_parts() {
    let Some(path) = shared_data("data/wsi/small_HE.svs") else { return };
    let mut slide = open(&path);
    let roles: Vec<_> = slide.pages().iter().map(|page| page.role).collect();
    assert_eq!(roles, [PageRole::Level, PageRole::Level, PageRole::Label, PageRole::Macro]);
    assert_eq!(slide.pages()[0].pixel_um, Some(0.499));
    assert!((slide.pages()[1].pixel_um.unwrap() - 0.499 * 2220.0 / 574.0).abs() < 1e-9);
    let whole = colors(&slide.read(0, None, &()).unwrap());
    let region: PixelRegion = "235,470,300,251".parse().unwrap();
    let part = colors(&slide.read(0, Some(region), &()).unwrap());
    for (i, found) in part.iter().enumerate() {
        assert_eq!(*found, whole[(470 + i / 300) * 2220 + 235 + i % 300]);
    }
    // The stain is there, and the tiles are in their places: neighbouring rows across a tile's border look alike.
    let row = |y: usize| &whole[y * 2220..(y + 1) * 2220];
    let step = |y: usize| -> u64 {
        row(y).iter().zip(row(y + 1)).map(|(a, b)| u64::from(a[0].abs_diff(b[0]))).sum()
    };
    assert!(step(239) < 3 * step(230), "{} {}", step(239), step(230));
    let options = OpenOptions::from(Selection::page(1, None));
    let thumbnail = raster::open(&path, &options, &()).unwrap();
    assert_eq!(thumbnail.volume.grid().dims(), [574, 768, 1]);
}

#[test]
fn a_real_pyramid_opens_at_every_level_and_in_parts() {
    let Some(path) = shared_data("data/wsi/small_HE_levels.tiff") else { return };
    let mut slide = open(&path);
    assert_eq!(slide.pages().len(), 4);
    assert!(slide.pages().iter().all(|page| page.role == PageRole::Level && page.pixel_um.is_none()));
    for page in 0..4 {
        let [width, height] = slide.pages()[page].size;
        let whole = colors(&slide.read(page, None, &()).unwrap());
        let region = PixelRegion { start: [width / 3, height / 4], size: [width / 2, height / 2] };
        let part = colors(&slide.read(page, Some(region), &()).unwrap());
        for (i, found) in part.iter().enumerate() {
            let (x, y) = (region.start[0] + i % region.size[0], region.start[1] + i / region.size[0]);
            assert_eq!(*found, whole[y * width + x], "page {page} at {x}, {y}");
        }
    }
}
