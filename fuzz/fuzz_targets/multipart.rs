//! Reads bodies of several parts, in pieces of any size: the first byte says of which.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hilum_fuzz::read_parts(bytes));
