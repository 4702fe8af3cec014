//! Opens weights: safetensors and the containers of PyTorch.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hilum_fuzz::models::open_weights(bytes));
