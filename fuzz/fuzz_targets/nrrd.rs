//! Opens NRRD files with or without a header of their own.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hilum_fuzz::open_image("a.nrrd", bytes));
