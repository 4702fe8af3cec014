//! Marker segments that JPEG and JPEG-LS share (ITU-T T.81, B.1.1).

/// One segment of an image.
pub(super) struct Segment<'a> {
    /// Second byte of the marker.
    pub marker: u8,
    /// What stands behind the length.
    pub body: &'a [u8],
    /// The rest of the image.
    pub rest: &'a [u8],
}

impl<'a> Segment<'a> {
    /// The next segment with a body; padding and restart markers are passed over. `None` at the end of the image.
    pub fn next(bytes: &'a [u8]) -> Result<Option<Self>, String> {
        let mut rest = bytes;
        while !matches!(rest, [0xFF, 0xC0..=0xCF | 0xD9..=0xFE, ..]) {
            match rest.split_first() {
                Some((_, tail)) => rest = tail,
                None => return Ok(None),
            }
        }
        let marker = rest[1];
        if marker == 0xD9 {
            return Ok(None);
        }
        let length = rest.get(2..4).map(|l| usize::from(u16::from_be_bytes([l[0], l[1]])));
        let end = length.filter(|length| *length >= 2).map(|length| length + 2);
        let body = end.and_then(|end| rest.get(4..end)).ok_or("a JPEG segment is cut off")?;
        Ok(Some(Self { marker, body, rest: &rest[4 + body.len()..] }))
    }
}
