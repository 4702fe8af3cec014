//! Moments as dates.

/// A moment in Greenwich by the calendar, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Year.
    pub year: u64,
    /// Month, from 1.
    pub month: u64,
    /// Day of the month, from 1.
    pub day: u64,
    /// Hour, 0 to 23.
    pub hour: u64,
    /// Minute, 0 to 59.
    pub minute: u64,
    /// Second, 0 to 59.
    pub second: u64,
}

impl Moment {
    /// The moment so many seconds after 1970 began (days to date after Hinnant, "chrono-Compatible Low-Level Date
    /// Algorithms").
    pub fn from_unix_secs(unix_secs: u64) -> Self {
        let (days, secs) = (unix_secs / 86_400 + 719_468, unix_secs % 86_400);
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: secs / 3600,
            minute: secs / 60 % 60,
            second: secs % 60,
        }
    }

    /// This moment, by the computer's clock.
    pub fn now() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self::from_unix_secs(now.map_or(0, |since| since.as_secs()))
    }

    /// `2026-11-21`.
    pub fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl std::fmt::Display for Moment {
    /// `2026-11-21 09:30 UTC`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:02}:{:02} UTC", self.date(), self.hour, self.minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_as_dates() {
        let told = |secs| Moment::from_unix_secs(secs).to_string();
        assert_eq!(told(0), "1970-01-01 00:00 UTC");
        assert_eq!(told(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(told(1_795_253_459), "2026-11-21 09:30 UTC");
        for (days, expected) in
            [(59, "1970-03-01"), (11_016, "2000-02-29"), (19_782, "2024-02-29"), (20_454, "2026-01-01")]
        {
            assert_eq!(Moment::from_unix_secs(days * 86_400).date(), expected);
        }
        assert_eq!(Moment::from_unix_secs(59).second, 59);
    }
}
