//! Dates in a format that the user gives, in the words of strftime.

use chrono::format::{Item, Parsed, StrftimeItems, parse};

use super::super::votes::Lean;
use super::{Clock, DateLayout, Layout, Stamp};

/// A format.
#[derive(Clone, Debug)]
pub struct Pattern(Vec<Item<'static>>);

impl Pattern {
    /// Reads a format such as `%d.%m.%Y %H:%M`; nothing where it isn't one that gives a day.
    pub fn new(format: &str) -> Option<Self> {
        let items = StrftimeItems::new(format).parse_to_owned().ok()?;
        let pattern = Self(items);
        // What a format writes it must be able to read.
        let some = chrono::DateTime::from_timestamp(1_675_173_906, 0)?;
        pattern.read(&some.format_with_items(pattern.0.iter()).to_string()).map(|_| pattern)
    }

    /// Reads a date with an optional time and zone.
    pub fn read(&self, text: &str) -> Option<Stamp> {
        let mut parsed = Parsed::new();
        parse(&mut parsed, text, self.0.iter()).ok()?;
        let zoned = parsed.to_datetime().ok();
        let day = || parsed.to_naive_date().ok()?.and_hms_opt(0, 0, 0);
        let local = || parsed.to_naive_datetime_with_offset(0).ok().or_else(day);
        let micros = match zoned {
            Some(time) => time.timestamp_micros(),
            None => local()?.and_utc().timestamp_micros(),
        };
        let layout = Layout { date: DateLayout::Given, clock: Clock::None, zone: zoned.is_some() };
        Some(Stamp { micros, lean: Lean::Silent, layout })
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn formats_are_those_of_strftime() {
        let read = |format: &str, text: &str| {
            let stamp = Pattern::new(format)?.read(text)?;
            let time = chrono::DateTime::from_timestamp_micros(stamp.micros)?;
            Some((time.format("%F %T").to_string(), stamp.layout.is_absolute()))
        };
        let at = |text: &str, absolute| Some((text.to_owned(), absolute));
        assert_eq!(read("%d.%m.%y", "31.01.23"), at("2023-01-31 00:00:00", false));
        assert_eq!(read("%Y week %W day %u", "2023 week 05 day 2"), at("2023-01-31 00:00:00", false));
        assert_eq!(read("%H:%M %d/%m/%Y", "14:05 31/01/2023"), at("2023-01-31 14:05:00", false));
        assert_eq!(read("%Y%m%dT%H%M%S%z", "20230131T140506+0200"), at("2023-01-31 12:05:06", true));
        assert_eq!(read("%d.%m.%y", "31.02.23"), None);
        for wrong in ["", "%H:%M", "%Q", "day"] {
            assert!(Pattern::new(wrong).is_none(), "{wrong}");
        }
    }
}
