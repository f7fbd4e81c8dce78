//! Weeks that start on Monday, and how a day is written. Does not know what is counted in a week.

use chrono::NaiveDate;

/// Microseconds in a day.
pub const DAY: i64 = 86_400_000_000;

/// Days between 0001-01-01 and 1970-01-01, as chrono counts them.
const EPOCH: i32 = 719_163;

/// The day of a time in microseconds since 1970-01-01, as days since then.
pub fn day_of(micros: i64) -> i64 {
    micros.div_euclid(DAY)
}

/// The week of a day; week 0 starts on Monday, 1969-12-29.
pub fn week_of(day: i64) -> i64 {
    (day + 3).div_euclid(7)
}

/// The Monday that starts a week, as days since 1970-01-01.
pub fn monday(week: i64) -> i64 {
    week * 7 - 3
}

/// The Sunday that ends a week, as days since 1970-01-01.
pub fn sunday(week: i64) -> i64 {
    monday(week) + 6
}

/// A day (since 1970-01-01) as `2025-12-28`.
pub fn date(day: i64) -> String {
    let known = i32::try_from(day).ok().and_then(|day| day.checked_add(EPOCH));
    match known.and_then(NaiveDate::from_num_days_from_ce_opt) {
        Some(date) => date.to_string(),
        None => format!("day {day}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_start_on_monday() {
        // 1970-01-01 was a Thursday; 2024-01-01 (day 19,723) a Monday.
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(monday(week_of(0))), "1969-12-29");
        assert_eq!(date(19_723), "2024-01-01");
        assert_eq!(monday(week_of(19_723)), 19_723);
        assert_eq!(sunday(week_of(19_723)), 19_729);
        assert_eq!(week_of(19_729), week_of(19_723));
        assert_eq!(week_of(19_730), week_of(19_723) + 1);
    }

    #[test]
    fn times_before_1970_belong_to_their_own_day() {
        assert_eq!(day_of(-1), -1);
        assert_eq!(day_of(DAY - 1), 0);
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(i64::MAX), format!("day {}", i64::MAX));
    }
}
