use super::*;
use proptest::prelude::*;

/// Gives at most so many bytes at once, as a network does.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(self.0.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

type Parts = Vec<(String, Vec<u8>)>;

fn parse(body: &[u8], boundary: &str, drip: usize) -> Result<Parts, WebError> {
    let mut reader = MultipartReader::new(Drip(body, drip), boundary);
    let mut parts = Vec::new();
    while let Some(kind) = reader.next_part()? {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        parts.push((kind, bytes));
    }
    Ok(parts)
}

fn dicom(bytes: &[u8]) -> (String, Vec<u8>) {
    ("application/dicom".to_owned(), bytes.to_vec())
}

#[test]
fn parts_come_out_however_the_bytes_arrive() {
    let body = b"ignored\r\n--b\r\nContent-Type: application/dicom; transfer-syntax=1.2\r\nContent-Length: 99999999999999\r\n\r\none\r\n--bx\r\n--b \t\r\n\r\n\r\n--b\r\nContent-Type:  Application/DICOM\r\n\r\n\r\n--b--\r\nafter";
    let expected = [dicom(b"one\r\n--bx"), dicom(b""), dicom(b"")];
    for drip in [1, 2, 3, 7, 1000] {
        // A boundary that begins with another one is the other one with something behind it.
        let text = parse(body, "b", drip).unwrap_err().to_string();
        assert!(text.contains("behind a boundary"), "{text}");
        let body = String::from_utf8_lossy(body).replace("--bx", "-bx");
        let mut expected = expected.clone();
        expected[0].1 = b"one\r\n-bx".to_vec();
        assert_eq!(parse(body.as_bytes(), "b", drip).unwrap(), expected, "{drip}");
    }
}

#[test]
fn a_part_may_be_passed_over() {
    let body = b"--b\r\nContent-Type: text/plain\r\n\r\nno\r\n--b\r\n\r\nyes\r\n--b--";
    let mut reader = MultipartReader::new(&body[..], "b");
    assert_eq!(reader.next_part().unwrap().as_deref(), Some("text/plain"));
    assert_eq!(reader.next_part().unwrap().as_deref(), Some("application/dicom"));
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"yes");
    assert_eq!(reader.next_part().unwrap(), None);
    assert_eq!(reader.next_part().unwrap(), None);
}

/// An endless source: every hostile body must be refused before it fills memory.
struct Endless(Vec<u8>, usize);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 += buffer.len();
        assert!(self.1 < 4 << 20, "megabytes were read of what should have been refused");
        let start = std::mem::take(&mut self.0);
        let count = start.len().min(buffer.len());
        buffer[..count].copy_from_slice(&start[..count]);
        buffer[count..].fill(b'x');
        Ok(buffer.len())
    }
}

#[test]
fn hostile_bodies_are_refused() {
    for (start, why) in [
        ("", "before the first part"),
        ("--b\r\nX: ", "headers of a part"),
        ("--b", "behind a boundary"),
        ("--b\r\nContent-Type: multipart/related; boundary=c\r\n\r\n--c", "multipart itself"),
    ] {
        let mut reader = MultipartReader::new(Endless(start.as_bytes().to_vec(), 0), "b");
        let text = reader.next_part().unwrap_err().to_string();
        assert!(text.contains(why), "{start:?}: {text}");
    }
    for (cut, why) in [
        ("", "before the first part"),
        ("--b", "line of a boundary"),
        ("--b\r\nContent-Type: application/dicom\r\n", "headers of a part"),
        ("--b\r\n\r\nhalf", "middle of a part"),
        ("--b\r\n\r\nwhole\r\n--", "middle of a part"),
        ("--c\r\n\r\nother boundary\r\n--c--", "before the first part"),
    ] {
        match parse(cut.as_bytes(), "b", 4) {
            Err(WebError::Broken(text)) => assert!(text.contains(why), "{cut:?}: {text}"),
            other => panic!("{cut:?}: {other:?}"),
        }
    }
    let many = format!("--b\r\n{}\r\n\r\n", "A: b\r\n".repeat(10_000));
    assert!(matches!(parse(many.as_bytes(), "b", 512), Err(WebError::Malformed(_))));
}

#[test]
fn boundaries_of_content_types() {
    for (text, expected) in [
        ("multipart/related; type=\"application/dicom\"; boundary=abc", "abc"),
        ("Multipart/Related;boundary=\"a;b=c \";type=\"x\"", "a;b=c "),
        ("multipart/related; x=\"; boundary=no\"; BOUNDARY=\"y\\\"es\"", "y\"es"),
    ] {
        assert_eq!(boundary_of(text).unwrap(), expected);
    }
    let long = format!("multipart/related; boundary={}", "x".repeat(201));
    for wrong in [
        "",
        "text/html",
        "multipart/related",
        "multipart/related; boundary=",
        "multipart/related; boundary=\"",
        &long,
    ] {
        let quoted = boundary_of(wrong);
        assert!(quoted.is_err() || quoted.is_ok_and(|b| b == "\""), "{wrong}");
    }
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let contents: [&[u8]; 3] = [b"", b"\r\n--hilum", &[7; 200_000]];
    let files: Vec<(PathBuf, u64)> = contents
        .iter()
        .enumerate()
        .map(|(i, bytes)| {
            let path = folder.path().join(i.to_string());
            std::fs::write(&path, bytes).unwrap();
            (path, bytes.len() as u64)
        })
        .collect();
    let boundary = new_boundary();
    assert_ne!(boundary, new_boundary());
    let (mut body, length) = MultipartBody::new(&files, &boundary);
    let mut bytes = Vec::new();
    body.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, length);
    let parts = parse(&bytes, &boundary, 997).unwrap();
    assert_eq!(parts, contents.map(dicom));
}

proptest! {
    /// Never a panic, never more bytes out than in, whatever comes.
    #[test]
    fn any_bytes_are_parts_or_an_error(
        pieces in prop::collection::vec(
            prop_oneof![
                Just(b"\r\n--b".to_vec()), Just(b"--b".to_vec()), Just(b"\r\n".to_vec()), Just(b"--".to_vec()),
                Just(b"Content-Type: a\r\n\r\n".to_vec()), prop::collection::vec(any::<u8>(), 0..20),
            ],
            0..40,
        ),
        drip in 1_usize..50,
    ) {
        let body = pieces.concat();
        if let Ok(parts) = parse(&body, "b", drip) {
            let out: usize = parts.iter().map(|(_, bytes)| bytes.len()).sum();
            prop_assert!(out <= body.len());
            prop_assert_eq!(parse(&body, "b", 1 << 16).unwrap(), parts);
        }
    }

    #[test]
    fn payloads_survive(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..5),
        drip in 1_usize..80,
    ) {
        let mut body = Vec::new();
        for payload in &payloads {
            body.extend(b"\r\n--boundary-of-37-characters-0123456789\r\nContent-Type: application/dicom\r\n\r\n");
            body.extend(payload);
        }
        body.extend(b"\r\n--boundary-of-37-characters-0123456789--");
        let parts = parse(&body, "boundary-of-37-characters-0123456789", drip).unwrap();
        let expected: Parts = payloads.iter().map(|p| dicom(p)).collect();
        prop_assert_eq!(parts, expected);
    }
}
