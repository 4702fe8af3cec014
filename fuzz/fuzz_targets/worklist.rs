//! Opens worklists whose file is anything.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hilum_fuzz::open_worklist(bytes));
