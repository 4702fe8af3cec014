//! Opens projects whose journal, snapshot, description or chain of provenance is anything: the first byte says which.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((choice, rest)) = bytes.split_first() {
        hilum_fuzz::open_project(*choice, rest);
    }
});
