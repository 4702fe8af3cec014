//! Reads recipes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hilum_fuzz::models::read_recipe(bytes));
