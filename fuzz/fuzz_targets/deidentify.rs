//! De-identifies DICOM files: whatever stands in them, the copies open as the originals do.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hilum_fuzz::deidentify(bytes));
