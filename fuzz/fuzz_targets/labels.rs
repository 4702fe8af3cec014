//! Opens label maps of every format: the first byte chooses the ending.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((choice, rest)) = bytes.split_first() {
        hilum_fuzz::open_labels(*choice, rest);
    }
});
