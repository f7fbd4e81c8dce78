//! Calendar dates as parameters spell them, in days and microseconds since 1970-01-01.
//!
//! Knows no time zones: a date is midnight UTC, as timestamps without a zone are.

use chrono::{DateTime, Datelike, NaiveDate};
use toml::value::{Date, Datetime};

/// Microseconds in a day.
pub const DAY: i64 = 86_400_000_000;

/// Days from the common era's first day to 1970-01-01.
const EPOCH: i32 = 719_163;

/// The day of a date; nothing where the value has only a time, or the date doesn't exist.
pub fn day(date: &Datetime) -> Option<i32> {
    let date = date.date?;
    let date = NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into())?;
    Some(date.num_days_from_ce() - EPOCH)
}

/// A date as a parameter's default.
pub fn date(year: u16, month: u8, day: u8) -> Datetime {
    Datetime { date: Some(Date { year, month, day }), time: None, offset: None }
}

/// A time in microseconds as its date: `2025-12-28`.
pub fn show(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros)
        .map_or_else(|| "a time beyond all calendars".to_owned(), |time| time.date_naive().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_since_1970() {
        assert_eq!(day(&date(1970, 1, 1)), Some(0));
        assert_eq!(day(&date(2000, 3, 1)), Some(11_017));
        assert_eq!(day(&date(1969, 12, 31)), Some(-1));
        assert_eq!(day(&date(2023, 2, 29)), None);
        assert_eq!(day(&Datetime { date: None, time: None, offset: None }), None);
    }

    #[test]
    fn times_are_shown_as_dates() {
        assert_eq!(show(11_017 * DAY + DAY - 1), "2000-03-01");
        assert_eq!(show(-1), "1969-12-31");
        assert_eq!(show(i64::MAX), "a time beyond all calendars");
    }
}
