//! Opens NIfTI files, one or two, packed or not.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hilum_fuzz::open_image("a.nii", bytes));
