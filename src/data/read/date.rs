//! Dates and times as people write them, to microseconds since 1970-01-01.
//!
//! Knows one value at a time and whether the column usually has the day or the month first; knows
//! nothing of columns or files. A value with a zone is turned into UTC, one without is taken as it is.

mod given;
mod scan;

pub use given::Pattern;

use serde::{Deserialize, Serialize};

use super::votes::Lean;
use scan::Scan;

/// What comes first in `01/02/2023`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// 1 February
    Day,
    /// 2 January
    Month,
}

/// A point in time and how it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Microseconds since 1970-01-01.
    pub micros: i64,
    /// First: day first; second: month first.
    pub lean: Lean,
    /// The spelling.
    pub layout: Layout,
}

/// The spelling of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Layout {
    date: DateLayout,
    clock: Clock,
    zone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum DateLayout {
    YearFirst(char),
    DayFirst(char),
    MonthFirst(char),
    DayName(Option<char>),
    YearName(char),
    NameDay,
    Compact,
    Epoch,
    Given,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Clock {
    None,
    Minutes,
    Seconds,
    Fraction,
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Reads a date with an optional time and zone; `order` settles what `01/02/2023` means.
pub fn timestamp(text: &str, order: Order) -> Option<Stamp> {
    if let Some(stamp) = iso(text.as_bytes()).or_else(|| epoch(text.as_bytes())) {
        return Some(stamp);
    }
    let mut scan = Scan { rest: text.as_bytes() };
    let date = scan.date(order)?;
    let (time, clock) = scan.time()?;
    let (east, zone) = scan.zone()?;
    let micros = date.days * DAY + time - east;
    let layout = Layout { date: date.layout, clock, zone };
    scan.rest.is_empty().then_some(Stamp { micros, lean: date.lean, layout })
}

/// Whether text is a plausible `yyyymmdd`; most numbers of eight digits aren't.
pub fn is_compact(text: &str) -> bool {
    text.len() == 8
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(text.get(..4).and_then(|year| year.parse().ok()), Some(1900..=2100))
        && timestamp(text, Order::Day).is_some()
}

/// The day number of a calendar day (proleptic Gregorian, 0 is 1970-01-01).
///
/// Howard Hinnant, "chrono-compatible low-level date algorithms".
pub fn day_number(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || day < 1 || day > month_length(year, month)
    {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

impl Layout {
    /// The same with the month in front of the day, where either may be: in a column that has the month
    /// first, a value that could be read both ways is one of its own.
    #[must_use]
    pub fn month_first(self) -> Self {
        match self.date {
            DateLayout::DayFirst(sign) => Self { date: DateLayout::MonthFirst(sign), ..self },
            _ => self,
        }
    }

    /// Whether it says which instant is meant, whatever the zone of whoever reads it.
    pub fn is_absolute(self) -> bool {
        self.zone || self.date == DateLayout::Epoch
    }

    /// The spelling in words that people use: `dd/mm/yyyy hh:mm`.
    pub fn name(self) -> String {
        let date = match self.date {
            DateLayout::YearFirst(sign) => format!("yyyy{sign}mm{sign}dd"),
            DateLayout::DayFirst(sign) => format!("dd{sign}mm{sign}yyyy"),
            DateLayout::MonthFirst(sign) => format!("mm{sign}dd{sign}yyyy"),
            DateLayout::DayName(sign) => {
                let sign = sign.map(String::from).unwrap_or_default();
                format!("dd{sign}Mon{sign}yyyy")
            }
            DateLayout::YearName(sign) => format!("yyyy{sign}Mon{sign}dd"),
            DateLayout::NameDay => "Mon dd, yyyy".to_owned(),
            DateLayout::Compact => "yyyymmdd".to_owned(),
            DateLayout::Epoch => "seconds since 1970".to_owned(),
            DateLayout::Given => "as given".to_owned(),
        };
        let clock = match self.clock {
            Clock::None => "",
            Clock::Minutes => " hh:mm",
            Clock::Seconds => " hh:mm:ss",
            Clock::Fraction => " hh:mm:ss.fff",
        };
        format!("{date}{clock}{}", if self.zone { " zone" } else { "" })
    }
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The usual spellings, `2023-01-31` and `2023-01-31 14:05:06`, without detours.
fn iso(text: &[u8]) -> Option<Stamp> {
    let (date, clock) = text.split_at_checked(10)?;
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else { return None };
    let days = day_number(pair(y1, y2)? * 100 + pair(y3, y4)?, pair(m1, m2)?, pair(d1, d2)?)?;
    let (time, clock) = match *clock {
        [] => (0, Clock::None),
        [b' ' | b'T', h1, h2, b':', m1, m2, b':', s1, s2, ref rest @ ..] => {
            let (hour, minute, second) = (pair(h1, h2)?, pair(m1, m2)?, pair(s1, s2)?);
            if hour > 23 || minute > 59 || second > 59 {
                return None;
            }
            let (fraction, clock) = match *rest {
                [] => (0, Clock::Seconds),
                // Programs write milliseconds or microseconds.
                [b'.', a, b, c] => (number(&[a, b, c])? * 1000, Clock::Fraction),
                [b'.', a, b, c, d, e, f] => (number(&[a, b, c, d, e, f])?, Clock::Fraction),
                _ => return None,
            };
            ((hour * 3600 + minute * 60 + second) * SECOND + fraction, clock)
        }
        _ => return None,
    };
    let layout = Layout { date: DateLayout::YearFirst('-'), clock, zone: false };
    Some(Stamp { micros: days * DAY + time, lean: Lean::Silent, layout })
}

fn pair(tens: u8, ones: u8) -> Option<i64> {
    (tens.is_ascii_digit() && ones.is_ascii_digit())
        .then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

/// Seconds (ten digits) or milliseconds (thirteen) since 1970, as machines write them.
fn epoch(text: &[u8]) -> Option<Stamp> {
    if !matches!(text.len(), 10 | 13) {
        return None;
    }
    let value = number(text)?;
    let micros = if text.len() == 10 { value * SECOND } else { value * 1000 };
    let layout = Layout { date: DateLayout::Epoch, clock: Clock::None, zone: false };
    Some(Stamp { micros, lean: Lean::Silent, layout })
}

fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0_i64, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate};

    use super::*;

    fn iso(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros()
    }

    fn day_first(text: &str) -> Option<i64> {
        timestamp(text, Order::Day).map(|stamp| stamp.micros)
    }

    #[test]
    fn every_spelling_of_a_day() {
        for text in [
            "2023-01-31",
            "2023/01/31",
            "2023.1.31",
            "31/01/2023",
            "31.01.2023",
            "31-01-2023",
            "31/1/23",
            "1/31/2023",
            "20230131",
            "31-Jan-2023",
            "31 January 2023",
            "31-jan-23",
            "31JAN2023",
            "2023-Jan-31",
            "Jan 31, 2023",
            "January 31 2023",
            "Tue, 31 Jan 2023",
            "Tuesday, January 31, 2023",
            "2023-01-31T00:00:00Z",
            "2023-01-31 00:00",
        ] {
            assert_eq!(day_first(text), Some(iso("2023-01-31T00:00:00Z")), "{text}");
        }
    }

    #[test]
    fn every_spelling_of_a_time() {
        let spellings = [
            ("2023-01-31T14:05:06Z", "2023-01-31T14:05:06Z"),
            ("2023-01-31 14:05:06.25", "2023-01-31T14:05:06.25Z"),
            ("2023-01-31 14:05:06.012", "2023-01-31T14:05:06.012Z"),
            ("2023-01-31 14:05:06.000012", "2023-01-31T14:05:06.000012Z"),
            ("2023-01-31T14:05:06.123456789Z", "2023-01-31T14:05:06.123456Z"),
            ("2023-01-31T14:05:06+02:00", "2023-01-31T12:05:06Z"),
            ("2023-01-31 14:05:06 -0530", "2023-01-31T19:35:06Z"),
            ("2023-01-31 14:05:06+00", "2023-01-31T14:05:06Z"),
            ("2023-01-31 14:05:06 UTC", "2023-01-31T14:05:06Z"),
            ("31/01/2023 14:05", "2023-01-31T14:05:00Z"),
            ("1/31/2023 2:05 PM", "2023-01-31T14:05:00Z"),
            ("1/31/2023 12:05:06 AM", "2023-01-31T00:05:06Z"),
            ("20230131T140506", "2023-01-31T14:05:06Z"),
            ("20230131140506", "2023-01-31T14:05:06Z"),
            ("202301311405", "2023-01-31T14:05:00Z"),
            ("1675173906", "2023-01-31T14:05:06Z"),
            ("1675173906250", "2023-01-31T14:05:06.25Z"),
        ];
        for (text, expected) in spellings {
            assert_eq!(day_first(text), Some(iso(expected)), "{text}");
        }
    }

    #[test]
    fn no_timestamps() {
        for text in [
            "",
            "abc",
            "2023",
            "2023-13-01",
            "2023-02-29",
            "31/02/2023",
            "13/13/2023",
            "32/01/2023",
            "2023-01-31 25:00",
            "2023-01-31 14:60",
            "2023-01-31x",
            "1/2",
            "1.2.3",
            "12.10",
            "20231301",
            "14:05",
            "2023-01-31T14:05:06Q",
            "Janu 2023",
            "1/31/2023 13:05 PM",
            "2023-01-31 14:05:06 +25:00",
            "31/01-2023",
            "é",
            "2023-01-é1",
        ] {
            assert_eq!(day_first(text), None, "{text}");
        }
    }

    #[test]
    fn only_open_values_follow_the_column() {
        let read = |text, order| timestamp(text, order).map(|stamp| (stamp.micros, stamp.lean)).unwrap();
        let february = iso("2023-02-01T00:00:00Z");
        let january = iso("2023-01-02T00:00:00Z");
        assert_eq!(read("01/02/2023", Order::Day), (february, Lean::Open));
        assert_eq!(read("01/02/2023", Order::Month), (january, Lean::Open));
        assert_eq!(read("13/02/2023", Order::Month), (iso("2023-02-13T00:00:00Z"), Lean::First));
        assert_eq!(read("02/13/2023", Order::Day), (iso("2023-02-13T00:00:00Z"), Lean::Second));
        assert_eq!(read("02/02/2023", Order::Day).1, Lean::Silent);
    }

    #[test]
    fn layouts_have_names() {
        let name = |text| timestamp(text, Order::Day).unwrap().layout.name();
        assert_eq!(name("2023-01-31 14:05:06"), "yyyy-mm-dd hh:mm:ss");
        assert_eq!(name("31.01.2023"), "dd.mm.yyyy");
        assert_eq!(name("1/31/2023 8:26"), "mm/dd/yyyy hh:mm");
        assert_eq!(name("31-Jan-2023"), "dd-Mon-yyyy");
        assert_eq!([name("21 Sep 2023"), name("21SEP2023")], ["dd Mon yyyy", "ddMonyyyy"]);
        assert_eq!(name("2023-Sep-21"), "yyyy-Mon-dd");
        let turned = |text| timestamp(text, Order::Day).unwrap().layout.month_first().name();
        assert_eq!([turned("1/2/2023"), turned("2023-01-02")], ["mm/dd/yyyy", "yyyy-mm-dd"]);
        assert_eq!(name("2023-01-31T14:05:06.1Z"), "yyyy-mm-dd hh:mm:ss.fff zone");
    }

    #[test]
    fn day_numbers_agree_with_chrono() {
        for year in [1, 1600, 1700, 1899, 1970, 2000, 2023, 2024, 2100, 9999] {
            for month in 1..=12 {
                for day in 1..=31 {
                    let expected = NaiveDate::from_ymd_opt(year, month, day)
                        .map(|date| date.signed_duration_since(NaiveDate::default()).num_days());
                    assert_eq!(day_number(i64::from(year), i64::from(month), i64::from(day)), expected);
                }
            }
        }
    }

    #[test]
    fn compact_dates_are_told_from_numbers() {
        assert!(is_compact("19970101") && is_compact("20231231"));
        assert!(
            !is_compact("12345678")
                && !is_compact("19971301")
                && !is_compact("99991231")
                && !is_compact("1997-1-1")
        );
    }
}
