//! Which bytes of an encapsulated file belong to which frame (PS3.5 annex A.4).

use std::io::{self, Read, Seek, SeekFrom};

/// A piece of a frame in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub offset: u64,
    pub length: u64,
}

const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];

/// Splits the fragments that begin at `offset` among `frames` frames. A file that ends early gives fewer
/// frames. The error says what is wrong.
pub(super) fn frames(
    file: &mut (impl Read + Seek),
    offset: u64,
    frames: usize,
) -> io::Result<Result<Vec<Vec<Fragment>>, String>> {
    let file_len = file.seek(SeekFrom::End(0))?;
    let mut at = offset;
    let Some(table) = next_item(file, &mut at, file_len)? else {
        return Ok(Err("the compressed pixels have no offset table".to_owned()));
    };
    let mut fragments = Vec::new();
    while let Some(fragment) = next_item(file, &mut at, file_len)? {
        fragments.push(fragment);
    }
    if fragments.is_empty() {
        return Ok(Err("the file has no compressed pixels; it is cut off".to_owned()));
    }
    if frames == 1 {
        return Ok(Ok(vec![fragments]));
    }
    if fragments.len() <= frames {
        return Ok(Ok(fragments.into_iter().map(|fragment| vec![fragment]).collect()));
    }
    let first_item = table.offset + table.length;
    let starts = if table.length == 4 * frames as u64 {
        let mut raw = vec![0; 4 * frames];
        file.seek(SeekFrom::Start(table.offset))?;
        file.read_exact(&mut raw)?;
        let offsets = raw.chunks_exact(4).map(|o| u64::from(u32::from_le_bytes([o[0], o[1], o[2], o[3]])));
        // An offset points at the item header of the frame's first fragment, eight bytes before its data.
        offsets.map(|offset| fragments.iter().position(|f| f.offset == first_item + offset + 8)).collect()
    } else {
        Some(starts_by_content(file, &fragments)?)
    };
    let ascending =
        |starts: &Vec<usize>| starts.len() == frames && starts[0] == 0 && starts.is_sorted_by(|a, b| a < b);
    let Some(starts) = starts.filter(ascending) else {
        let what = format!("{} fragments cannot be told apart as {frames} frames", fragments.len());
        return Ok(Err(what));
    };
    let ends = starts[1..].iter().copied().chain([fragments.len()]);
    Ok(Ok(starts.iter().zip(ends).map(|(start, end)| fragments[*start..end].to_vec()).collect()))
}

/// The item at `at`, which moves behind it; `None` at the delimiter, the end or what is no item. An item that
/// reaches beyond the file is cut there.
fn next_item(file: &mut (impl Read + Seek), at: &mut u64, file_len: u64) -> io::Result<Option<Fragment>> {
    if *at + 8 > file_len {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(*at))?;
    let mut header = [0; 8];
    file.read_exact(&mut header)?;
    let [a, b, c, d, length @ ..] = header;
    if [a, b, c, d] != ITEM {
        return Ok(None);
    }
    let offset = *at + 8;
    let length = u64::from(u32::from_le_bytes(length)).min(file_len - offset);
    *at = offset + length;
    Ok(Some(Fragment { offset, length }))
}

/// Fragments that begin like a JPEG, JPEG-LS or JPEG 2000 image.
fn starts_by_content(file: &mut (impl Read + Seek), fragments: &[Fragment]) -> io::Result<Vec<usize>> {
    let mut starts = Vec::new();
    for (index, fragment) in fragments.iter().enumerate() {
        let mut head = [0; 3];
        if fragment.length >= 3 {
            file.seek(SeekFrom::Start(fragment.offset))?;
            file.read_exact(&mut head)?;
        }
        // Start of image; start of codestream; signature box of JP2.
        if matches!(head, [0xFF, 0xD8, 0xFF] | [0xFF, 0x4F, 0xFF] | [0, 0, 0]) {
            starts.push(index);
        }
    }
    Ok(starts)
}
