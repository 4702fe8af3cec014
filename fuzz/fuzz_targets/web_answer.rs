//! Reads what a server may answer to a search or an upload.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hilum_dicomweb::testing::read_answer(bytes));
