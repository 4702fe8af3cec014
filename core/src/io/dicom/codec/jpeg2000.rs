//! JPEG 2000 (ISO/IEC 15444-1) through `openjp2`, after a look at the codestream's own header.

use super::{Decoded, Expected};

/// Size and transform as the main header states them.
struct CodestreamInfo {
    columns: usize,
    rows: usize,
    components: usize,
    tiles: u64,
    /// Wavelet 9-7, which does not restore every value.
    irreversible: bool,
    multi_component: bool,
}

/// Decodes a codestream or a JP2 file.
pub(super) fn decode(bytes: &[u8], expected: Expected) -> Result<Decoded, String> {
    let info = read_main_header(bytes).ok_or("the JPEG 2000 header is damaged")?;
    expected.check(info.columns, info.rows, info.components)?;
    if info.tiles > 65_535 {
        return Err(format!("the JPEG 2000 image claims {} tiles", info.tiles));
    }
    let image = jpeg2k::Image::from_bytes(bytes).map_err(|e| format!("JPEG 2000: {e}"))?;
    let components = image.components();
    let pixels = expected.columns * expected.rows;
    if components.len() != expected.samples || components.iter().any(|c| c.data().len() != pixels) {
        return Err(
            "the JPEG 2000 image has components of different sizes, which is not supported".to_owned()
        );
    }
    let words = match components {
        [grey] => grey.data().to_vec(),
        _ => (0..pixels).flat_map(|i| components.iter().map(move |c| c.data()[i])).collect(),
    };
    let lossy = info.irreversible.then(|| "JPEG 2000, irreversible".to_owned());
    Ok(Decoded { words, is_rgb: info.multi_component, lossy })
}

/// Markers from SOC to the first tile part (annex A): SIZ and COD.
fn read_main_header(bytes: &[u8]) -> Option<CodestreamInfo> {
    let start = bytes.windows(4).take(4096).position(|w| w == [0xFF, 0x4F, 0xFF, 0x51])?;
    let mut rest = &bytes[start + 2..];
    let mut info: Option<CodestreamInfo> = None;
    loop {
        let marker = [*rest.first()?, *rest.get(1)?];
        let length = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
        let body = rest.get(4..2 + length)?;
        match marker {
            [0xFF, 0x51] => info = Some(size_of(body)?),
            [0xFF, 0x52] => {
                let info = info.as_mut()?;
                info.multi_component = *body.get(4)? == 1;
                info.irreversible = *body.get(9)? == 0;
            }
            [0xFF, 0x90] => return info,
            [0xFF, _] => {}
            _ => return None,
        }
        rest = &rest[2 + length..];
    }
}

fn size_of(body: &[u8]) -> Option<CodestreamInfo> {
    let word = |at: usize| Some(u32::from_be_bytes(body.get(at..at + 4)?.try_into().ok()?));
    let (right, bottom, left, top) = (word(2)?, word(6)?, word(10)?, word(14)?);
    let (tile_width, tile_height, tile_left, tile_top) = (word(18)?, word(22)?, word(26)?, word(30)?);
    if tile_width == 0 || tile_height == 0 {
        return None;
    }
    let tiles = |end: u32, start: u32, size: u32| Some(u64::from(end.checked_sub(start)?.div_ceil(size)));
    Some(CodestreamInfo {
        columns: right.checked_sub(left)? as usize,
        rows: bottom.checked_sub(top)? as usize,
        components: usize::from(u16::from_be_bytes([*body.get(34)?, *body.get(35)?])),
        tiles: tiles(right, tile_left, tile_width)? * tiles(bottom, tile_top, tile_height)?,
        irreversible: false,
        multi_component: false,
    })
}
