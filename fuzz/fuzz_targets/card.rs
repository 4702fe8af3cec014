//! Opens models by their cards.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hilum_fuzz::models::open_model(bytes));
