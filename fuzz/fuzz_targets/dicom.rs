//! Opens DICOM images in every transfer syntax.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hilum_fuzz::open_image("a.dcm", bytes));
