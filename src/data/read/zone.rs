//! Time zones: the clock that times are told by.
//!
//! Knows zones by their names in the IANA database and by their distance from UTC.

use chrono::{DateTime, FixedOffset, Offset, TimeZone};
use chrono_tz::Tz;

/// A zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// At a fixed distance from UTC.
    Fixed(FixedOffset),
    /// A place, with its summer times.
    Place(Tz),
}

/// Advice for whoever named a zone that doesn't exist.
pub const NAMES: &str = "use a name such as `Europe/Berlin` or a distance from UTC such as `+02:00`";

impl Zone {
    /// UTC.
    pub fn utc() -> Self {
        Self::Fixed(chrono::Utc.fix())
    }

    /// Reads `UTC`, `+02:00` or `Europe/Berlin`.
    pub fn parse(name: &str) -> Option<Self> {
        if name == "UTC" || name == "Z" {
            return Some(Self::utc());
        }
        if name.starts_with(['+', '-']) {
            return name.parse().ok().map(Self::Fixed);
        }
        name.parse().ok().map(Self::Place)
    }

    /// Whether its clock is that of UTC.
    pub fn is_utc(self) -> bool {
        self == Self::utc()
    }

    /// What its clock says, in microseconds since 1970, at so many microseconds UTC.
    pub fn clock(self, utc: i64) -> i64 {
        let east = match self {
            Self::Fixed(offset) => offset,
            Self::Place(place) => match DateTime::from_timestamp_micros(utc) {
                Some(time) => place.offset_from_utc_datetime(&time.naive_utc()).fix(),
                None => return utc,
            },
        };
        utc.saturating_add(i64::from(east.local_minus_utc()) * 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_names_and_summers() {
        let clock = |zone: &str, utc: &str| {
            let utc = DateTime::parse_from_rfc3339(utc).unwrap().timestamp_micros();
            let clock = Zone::parse(zone).unwrap().clock(utc);
            DateTime::from_timestamp_micros(clock).unwrap().format("%F %T").to_string()
        };
        assert_eq!(clock("UTC", "2023-07-01T12:00:00Z"), "2023-07-01 12:00:00");
        assert_eq!(clock("-05:30", "2023-07-01T12:00:00Z"), "2023-07-01 06:30:00");
        assert_eq!(clock("Europe/Berlin", "2023-07-01T12:00:00Z"), "2023-07-01 14:00:00");
        assert_eq!(clock("Europe/Berlin", "2023-01-01T12:00:00Z"), "2023-01-01 13:00:00");
        for wrong in ["", "Berlin", "+25:00", "MEZ"] {
            assert_eq!(Zone::parse(wrong), None, "{wrong}");
        }
        assert!(Zone::parse("UTC").unwrap().is_utc() && !Zone::parse("Europe/London").unwrap().is_utc());
    }
}
