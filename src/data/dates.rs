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

/// The day of the year (from 1) of a day since 1970-01-01; 1 beyond all calendars.
pub fn ordinal(day: i32) -> u32 {
    let date = day.checked_add(EPOCH).and_then(NaiveDate::from_num_days_from_ce_opt);
    date.map_or(1, |date| date.ordinal())
}

/// The weekday of a day since 1970-01-01, from Monday (0) to Sunday (6).
pub fn weekday(day: i32) -> usize {
    // 1970-01-01 was a Thursday.
    (i64::from(day) + 3).rem_euclid(7) as usize
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
    fn weekdays_and_days_of_the_year() {
        let monday = day(&date(2023, 1, 2)).unwrap();
        assert_eq!((weekday(monday), weekday(monday - 1), weekday(-4)), (0, 6, 6));
        assert_eq!((ordinal(monday), ordinal(monday - 2), ordinal(i32::MAX)), (2, 365, 1));
    }

    #[test]
    fn times_are_shown_as_dates() {
        assert_eq!(show(11_017 * DAY + DAY - 1), "2000-03-01");
        assert_eq!(show(-1), "1969-12-31");
        assert_eq!(show(i64::MAX), "a time beyond all calendars");
    }
}
