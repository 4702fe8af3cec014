//! How much memory this process takes, where the system tells (Linux).

/// Most bytes of memory taken since [`forget_peak`], or since the process began.
pub(super) fn peak_bytes() -> Option<u64> {
    status_bytes("VmHWM:")
}

/// Bytes of memory taken now.
pub(super) fn present_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

/// Begins to count the peak anew; without effect where the system has no such counter.
pub(super) fn forget_peak() {
    // proc(5): 5 resets the peak resident set size of the process itself, and nothing else.
    std::fs::write("/proc/self/clear_refs", "5").ok();
}

/// Bytes that the system can still give.
pub(super) fn available_bytes() -> Option<u64> {
    kilobytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

fn status_bytes(field: &str) -> Option<u64> {
    kilobytes(&std::fs::read_to_string("/proc/self/status").ok()?, field)
}

fn kilobytes(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_status_is_read_in_bytes() {
        assert_eq!(kilobytes("VmPeak: 9 kB\nVmHWM:\t  123 kB\n", "VmHWM:"), Some(123 * 1024));
        assert_eq!(kilobytes("VmPeak: 9 kB\n", "VmHWM:"), None);
    }
}
