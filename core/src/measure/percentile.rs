//! Percentiles.

/// The percentile `share` (0 to 1) of ascending values, linear between neighbours: definition 7 of Hyndman
/// and Fan, "Sample Quantiles in Statistical Packages" (1996), as NumPy and R use by default.
/// `None` for no values.
pub fn percentile_of_sorted(ascending: &[f64], share: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let at = share.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    let (low, high) = (ascending[below], ascending[above]);
    // Equal neighbours are taken as they are: infinity minus infinity is not a number.
    Some(if low == high { low } else { low + (high - low) * at.fract() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_between_neighbours_are_interpolated() {
        let values = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(percentile_of_sorted(&values, 0.5), Some(3.0));
        assert_eq!(percentile_of_sorted(&values, 0.75), Some(5.0));
        assert_eq!(percentile_of_sorted(&values, 0.0), Some(1.0));
        assert_eq!(percentile_of_sorted(&values, 1.0), Some(8.0));
        assert_eq!(percentile_of_sorted(&[], 0.5), None);
    }
}
