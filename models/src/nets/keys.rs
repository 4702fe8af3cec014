//! Helpers that turn field paths into the reference's keys.

/// The number and the rest of a path into the list `list`: of `list.3.conv.weight`, 3 and `conv.weight`.
pub(super) fn entry<'a>(path: &'a str, list: &str) -> Option<(usize, &'a str)> {
    let (number, rest) = path.strip_prefix(list)?.strip_prefix('.')?.split_once('.')?;
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::entry;

    #[test]
    fn an_entry_is_a_number_behind_the_whole_name_of_its_list() {
        assert_eq!(entry("dsv.10.conv.weight", "dsv"), Some((10, "conv.weight")));
        for path in ["dsv1.weight", "dsv.weight", "dsvs.1.weight", "head.1.weight"] {
            assert_eq!(entry(path, "dsv"), None, "{path}");
        }
    }
}
