//! What the system tells of this process (Linux).

/// The most memory the process has held (or since `forget_peak_memory`), where the system tells.
pub fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

/// Sets the peak to what is held now, so that preparations do not count. Elsewhere than on Linux, or where the system
/// forbids it, the peak stays that of the whole process.
pub(super) fn forget_peak_memory() {
    if std::fs::write("/proc/self/clear_refs", "5").is_err() {
        tracing::debug!("the peak of memory includes the preparations");
    }
}
