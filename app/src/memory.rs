//! How freed memory is kept.

/// Most bytes that stay with the process after they were freed, and the largest block that is reused.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT_BYTES: i32 = 1 << 30;

/// Lets the C library reuse large freed blocks instead of handing each back to the system: networks free and
/// allocate tensors of many megabytes all the time, and having the system clear them anew took longer than the
/// arithmetic on them. Call it first in `main`; without glibc it does nothing.
#[cfg_attr(all(target_os = "linux", target_env = "gnu"), expect(unsafe_code, reason = "a C library setting"))]
pub fn keep_freed_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` only stores two numbers, and no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
    }
}
