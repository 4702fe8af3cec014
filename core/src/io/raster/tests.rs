use std::io::Cursor;
use std::path::PathBuf;

use ::tiff::encoder::{TiffEncoder, colortype};
use image::{DynamicImage, ImageBuffer, Luma, LumaA, Rgb, Rgba};

use super::*;
use crate::testing::shared_data;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn opened(bytes: &[u8]) -> Result<Opened, OpenError> {
    let folder = Folder::new();
    crate::io::open(&folder.write("picture", bytes), &OpenOptions::default(), &())
}

fn voxels(bytes: &[u8]) -> Voxels {
    opened(bytes).unwrap().volume.voxels().clone()
}

/// 3 × 2 pixels with different values.
fn gray8() -> DynamicImage {
    DynamicImage::ImageLuma8(ImageBuffer::from_fn(3, 2, |x, y| Luma([(10 * y + x) as u8])))
}

fn rgb8() -> DynamicImage {
    DynamicImage::ImageRgb8(ImageBuffer::from_fn(3, 2, |x, y| Rgb([x as u8, y as u8, 200])))
}

#[test]
fn gray_and_colour_keep_their_values_in_every_lossless_format() {
    let colors: Vec<[u8; 3]> = (0..6).map(|i| [i % 3, i / 3, 200]).collect();
    for format in [ImageFormat::Png, ImageFormat::Tiff, ImageFormat::Bmp] {
        assert_eq!(voxels(&encoded(&rgb8(), format)), Voxels::Rgb8(colors.clone()), "{format:?}");
    }
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        assert_eq!(voxels(&encoded(&gray8(), format)), Voxels::U8(vec![0, 1, 2, 10, 11, 12]), "{format:?}");
        let deep = ImageBuffer::from_fn(3, 2, |x, y| Luma([(x * 30_000 + y) as u16]));
        let deep = voxels(&encoded(&DynamicImage::ImageLuma16(deep), format));
        assert_eq!(deep, Voxels::U16(vec![0, 30_000, 60_000, 1, 30_001, 60_001]), "{format:?}");
    }
}

#[test]
fn a_picture_has_no_place_in_a_patient_and_says_so() {
    let opened = opened(&encoded(&rgb8(), ImageFormat::Png)).unwrap();
    assert_eq!(opened.warnings, [Warning::NoSpacing]);
    let meta = opened.volume.meta();
    assert_eq!(
        (meta.modality, meta.has_physical_spacing, meta.title.as_str()),
        (Modality::Photograph, false, "picture")
    );
    assert_eq!(opened.volume.grid(), &Grid::from_spacing([3, 2, 1], [1.0; 3]).unwrap());
    let gray = super::tests::opened(&encoded(&gray8(), ImageFormat::Png)).unwrap();
    assert_eq!(gray.volume.meta().modality, Modality::Other);
}

#[test]
fn transparency_and_deep_colour_are_reduced_with_a_note() {
    let note = |bytes: &[u8]| {
        opened(bytes).unwrap().warnings[1..].iter().map(ToString::to_string).collect::<String>()
    };
    let with_alpha = |alpha| DynamicImage::ImageRgba8(ImageBuffer::from_pixel(2, 1, Rgba([1, 2, 3, alpha])));
    assert_eq!(voxels(&encoded(&with_alpha(9), ImageFormat::Png)), Voxels::Rgb8(vec![[1, 2, 3]; 2]));
    assert!(note(&encoded(&with_alpha(9), ImageFormat::Png)).contains("transparen"));
    assert_eq!(note(&encoded(&with_alpha(255), ImageFormat::Png)), "");
    let gray = DynamicImage::ImageLumaA16(ImageBuffer::from_pixel(2, 1, LumaA([4000, 65_535])));
    assert_eq!(voxels(&encoded(&gray, ImageFormat::Png)), Voxels::U16(vec![4000; 2]));
    let deep = DynamicImage::ImageRgb16(ImageBuffer::from_pixel(2, 1, Rgb([0, 32_896, 65_535])));
    assert_eq!(voxels(&encoded(&deep, ImageFormat::Png)), Voxels::Rgb8(vec![[0, 128, 255]; 2]));
    assert!(note(&encoded(&deep, ImageFormat::Tiff)).contains("16-bit"));
}

/// A TIFF of 3 × 2 bytes with an orientation tag.
fn tiff_with_orientation(orientation: u16) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes).unwrap();
    let mut page = encoder.new_image::<colortype::Gray8>(3, 2).unwrap();
    page.encoder().write_tag(::tiff::tags::Tag::Orientation, orientation).unwrap();
    page.write_data(&[1, 2, 3, 4, 5, 6]).unwrap();
    bytes.into_inner()
}

/// The figures of the TIFF 6.0 tag: where the first row and the first column of the file lie in the picture.
#[test]
fn all_eight_orientations_turn_the_picture_upright() {
    for (orientation, dims, want) in [
        (1, [3, 2, 1], [1, 2, 3, 4, 5, 6]),
        (2, [3, 2, 1], [3, 2, 1, 6, 5, 4]),
        (3, [3, 2, 1], [6, 5, 4, 3, 2, 1]),
        (4, [3, 2, 1], [4, 5, 6, 1, 2, 3]),
        (5, [2, 3, 1], [1, 4, 2, 5, 3, 6]),
        (6, [2, 3, 1], [4, 1, 5, 2, 6, 3]),
        (7, [2, 3, 1], [6, 3, 5, 2, 4, 1]),
        (8, [2, 3, 1], [3, 6, 2, 5, 1, 4]),
    ] {
        let volume = opened(&tiff_with_orientation(orientation)).unwrap().volume;
        assert_eq!(volume.grid().dims(), dims, "orientation {orientation}");
        assert_eq!(volume.voxels(), &Voxels::U8(want.to_vec()), "orientation {orientation}");
    }
}

#[test]
fn the_exif_orientation_of_a_jpeg_is_respected() {
    let wide =
        DynamicImage::ImageLuma8(ImageBuffer::from_fn(32, 16, |x, _| Luma([if x < 16 { 0 } else { 255 }])));
    let plain = encoded(&wide, ImageFormat::Jpeg);
    // An APP1 segment after the start marker: TIFF header and one entry, orientation 6.
    let entry = [0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0];
    let tiff = [&b"II*\0\x08\0\0\0\x01\0"[..], &entry, &[0; 4]].concat();
    let segment = [&[0xff, 0xe1, 0, (2 + 6 + tiff.len()) as u8][..], b"Exif\0\0", &tiff].concat();
    let turned = [&plain[..2], &segment, &plain[2..]].concat();
    let volume = opened(&turned).unwrap().volume;
    assert_eq!(volume.grid().dims(), [16, 32, 1]);
    assert!(volume.value([8, 2, 0]).unwrap() < 30.0 && volume.value([8, 29, 0]).unwrap() > 225.0);
}

type Pages<'a> = TiffEncoder<&'a mut Cursor<Vec<u8>>>;

#[test]
fn scientific_tiffs_keep_their_numbers() {
    let page = |write: &dyn Fn(&mut Pages)| {
        let mut bytes = Cursor::new(Vec::new());
        write(&mut TiffEncoder::new(&mut bytes).unwrap());
        bytes.into_inner()
    };
    let float = page(&|e| e.write_image::<colortype::Gray32Float>(2, 1, &[0.25, -7.5]).unwrap());
    assert_eq!(voxels(&float), Voxels::F32(vec![0.25, -7.5]));
    let signed = page(&|e| e.write_image::<colortype::GrayI16>(2, 1, &[-1000, 40]).unwrap());
    assert_eq!(voxels(&signed), Voxels::I16(vec![-1000, 40]));
    let two = page(&|e| {
        e.write_image::<colortype::Gray8>(1, 1, &[7]).unwrap();
        e.write_image::<colortype::Gray8>(1, 1, &[8]).unwrap();
    });
    let opened = opened(&two).unwrap();
    assert_eq!(opened.volume.voxels(), &Voxels::U8(vec![7]));
    assert!(opened.warnings[1].to_string().contains("2 pages or resolutions"));
}

/// A little-endian TIFF of one strip whose photometric interpretation is YCbCr without subsampling.
fn ycbcr_tiff(width: u16, height: u16, compression: u16, strip: &[u8]) -> Vec<u8> {
    let entries: [(u16, u16, u32, u32); 11] = [
        (256, 3, 1, width.into()),
        (257, 3, 1, height.into()),
        (258, 3, 3, 8 + 2 + 11 * 12 + 4),
        (259, 3, 1, compression.into()),
        (262, 3, 1, 6),
        (273, 4, 1, 8 + 2 + 11 * 12 + 4 + 6),
        (277, 3, 1, 3),
        (278, 3, 1, height.into()),
        (279, 4, 1, strip.len() as u32),
        (284, 3, 1, 1),
        (530, 3, 2, 1 | 1 << 16),
    ];
    let mut bytes = b"II*\0\x08\0\0\0\x0b\0".to_vec();
    for (tag, kind, count, value) in entries {
        bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        bytes.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    bytes.extend([0, 0, 0, 0, 8, 0, 8, 0, 8, 0]);
    bytes.extend(strip);
    bytes
}

#[test]
fn ycbcr_tiffs_have_their_colours_plain_and_as_jpeg() {
    let near = |bytes: &[u8], want: [u8; 3]| {
        let Voxels::Rgb8(pixels) = voxels(bytes) else { panic!("no colour") };
        let close = pixels.iter().all(|p| p.iter().zip(want).all(|(got, want)| got.abs_diff(want) <= 3));
        assert!(close, "{:?} is not {want:?}", pixels[0]);
    };
    // Pure red by BT.601.
    near(&ycbcr_tiff(2, 1, 1, &[76, 85, 255, 76, 85, 255]), [254, 0, 0]);
    let blue = DynamicImage::ImageRgb8(ImageBuffer::from_pixel(16, 16, Rgb([40, 30, 100])));
    near(&ycbcr_tiff(16, 16, 7, &encoded(&blue, ImageFormat::Jpeg)), [40, 30, 100]);
}

/// 8 × 8 pixels of pure cyan ink, as a CMYK JPEG with an Adobe marker.
const CYAN_JPEG: &str = "ffd8ffee000e41646f626500640000000000ffdb00430002010101010102010101020202020204030202020205\
    04040304060506060605060606070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a0affc00014080008000804\
    4311004d11005911004b1100ffc400150001010000000000000000000000000000090affc40014100100000000000000000000000000000000\
    ffda000e0443004d0059004b00003f009ff3f87f0fe3ffd9";

#[test]
fn a_cmyk_jpeg_has_the_colour_of_its_ink() {
    let digits: Vec<u32> = CYAN_JPEG.chars().filter_map(|c| c.to_digit(16)).collect();
    let bytes: Vec<u8> =
        digits.as_chunks::<2>().0.iter().map(|[high, low]| (16 * high + low) as u8).collect();
    let Voxels::Rgb8(pixels) = voxels(&bytes) else { panic!("no colour") };
    assert_eq!(pixels.len(), 64);
    assert!(pixels.iter().all(|[r, g, b]| *r < 10 && *g > 245 && *b > 245), "{:?}", pixels[0]);
}

#[test]
fn damaged_and_lying_pictures_are_refused() {
    let refused = |bytes: &[u8], reason: &str| {
        let message = opened(bytes).unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
    };
    let png = encoded(&rgb8(), ImageFormat::Png);
    refused(&png[..png.len() / 2], "damaged or cut off");
    // Width 100,000 and a matching checksum of the header chunk.
    let mut wide = png.clone();
    wide[16..24].copy_from_slice(&[0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0]);
    let mut crc = flate2::Crc::new();
    crc.update(&wide[12..29]);
    wide[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    refused(&wide, "100000 × 100000");
    let mut tall = encoded(&rgb8(), ImageFormat::Bmp);
    tall[18..26].copy_from_slice(&[0, 0x40, 0, 0, 0, 0x40, 0, 0]);
    refused(&tall, "16384 × 16384");
    let jpeg = encoded(&rgb8(), ImageFormat::Jpeg);
    refused(&jpeg[..20], "damaged or cut off");
    refused(b"II*\0\xff\xff\xff\xff", "damaged or cut off");
}

#[test]
fn a_photograph_that_is_cut_off_is_refused_and_one_that_is_followed_by_more_is_not() {
    let noise = ImageBuffer::from_fn(160, 120, |x, y| Rgb([(x * 37 + y * 91) as u8, (x * y) as u8, 90]));
    let mut photographs = vec![encoded(&DynamicImage::ImageRgb8(noise), ImageFormat::Jpeg)];
    if let Some(real) = shared_data("data/fundus_disc_cup_drishti/images/drishtiGS_002.jpg") {
        photographs.push(std::fs::read(real).unwrap());
    }
    for whole in photographs {
        for length in
            [whole.len() / 10, whole.len() / 2, whole.len() * 4 / 5, whole.len() - 2, whole.len() - 1]
        {
            let message = opened(&whole[..length]).unwrap_err().to_string();
            assert!(message.contains("damaged or cut off"), "{length}: {message}");
        }
        let followed = [&whole[..], b"a note of the camera"].concat();
        assert_eq!(voxels(&followed), voxels(&whole));
    }
}

#[test]
fn mutated_pictures_never_panic() {
    let sources: Vec<Vec<u8>> = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff, ImageFormat::Bmp]
        .into_iter()
        .map(|format| encoded(&rgb8(), format))
        .collect();
    let folder = Folder::new();
    let mut state = 1u64;
    let mut refused = 0;
    for round in 0..400 {
        let mut bytes = sources[round % sources.len()].clone();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % bytes.len();
            bytes[at] = (state >> 24) as u8;
        }
        refused += usize::from(open(&folder.write("m", &bytes), &OpenOptions::default(), &()).is_err());
    }
    assert!(refused > 50, "{refused}");
}

#[test]
fn real_pictures_open_at_their_size() {
    let Some(folder) = shared_data("data/fundus_vessel_drive") else { return };
    let mut files = Vec::new();
    collect(&folder, &mut files);
    let mut seen = 0;
    for path in files.iter().take(12) {
        let opened = crate::io::open(path, &OpenOptions::default(), &()).unwrap();
        assert_eq!(opened.volume.grid().dims(), [565, 584, 1], "{}", path.display());
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn real_photographs_are_whole() {
    let folders = [
        "ct2d_lung",
        "fundus_disc_cup_drishti",
        "fundus_disc_idrid",
        "fundus_vessel_chase",
        "histology_glomeruli",
    ];
    for folder in folders {
        let Some(folder) = shared_data(&format!("data/{folder}")) else { return };
        let mut files = Vec::new();
        collect(&folder, &mut files);
        files.retain(|path| format_of(&std::fs::read(path).unwrap()) == Some(ImageFormat::Jpeg));
        assert!(!files.is_empty(), "{}", folder.display());
        for path in files {
            let mut stream = BufReader::new(File::open(&path).unwrap());
            assert!(jpeg::is_whole(&mut stream).unwrap(), "{}", path.display());
        }
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, files);
        } else if ["png", "tif", "jpg", "jpeg"].contains(&name.as_str()) {
            files.push(path);
        }
    }
}
