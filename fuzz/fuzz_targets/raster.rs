//! Opens pictures: PNG, JPEG, TIFF, BMP.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hilum_fuzz::open_image("a.png", bytes));
