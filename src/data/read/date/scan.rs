//! The grammar of dates: a value read from left to right, piece by piece.
//!
//! Knows nothing of what comes of the pieces; `super` puts them together.

use super::super::votes::Lean;
use super::{Clock, DateLayout, Order, SECOND, day_number, number};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The rest of a value that is being read.
pub(super) struct Scan<'a> {
    pub(super) rest: &'a [u8],
}

/// A day and how it was written.
pub(super) struct Date {
    pub(super) days: i64,
    pub(super) lean: Lean,
    pub(super) layout: DateLayout,
}

impl Scan<'_> {
    /// The day at the start.
    pub(super) fn date(&mut self, order: Order) -> Option<Date> {
        let run = self.run();
        match run {
            0 => self.named_first(),
            4 => self.year_first(),
            8 | 12 | 14 => self.compact(),
            1 | 2 => self.short_first(order),
            _ => None,
        }
    }

    /// `2023-01-31`, `2023/1/31`, `2023-Jan-31`
    fn year_first(&mut self) -> Option<Date> {
        let year = self.digits(4, 4)?;
        let sign = self.separator()?;
        let named = self.run() == 0;
        let month = if named { self.month()? } else { self.digits(1, 2)? };
        self.sign(sign)?;
        let day = self.digits(1, 2)?;
        let layout = if named { DateLayout::YearName } else { DateLayout::YearFirst };
        let layout = layout(char::from(sign));
        Some(Date { days: day_number(year, month, day)?, lean: Lean::Silent, layout })
    }

    /// `20230131`; the time may follow without a gap
    fn compact(&mut self) -> Option<Date> {
        let (year, month, day) = (self.exactly(4)?, self.exactly(2)?, self.exactly(2)?);
        Some(Date { days: day_number(year, month, day)?, lean: Lean::Silent, layout: DateLayout::Compact })
    }

    /// `31/01/2023`, `1/31/2023`, `31.1.23`, `31-Jan-2023`, `31 January 2023`, `31JAN2023`
    fn short_first(&mut self, order: Order) -> Option<Date> {
        let first = self.digits(1, 2)?;
        let sign = self.separator();
        if self.run() == 0 {
            let month = self.month()?;
            let _ = self.separator();
            let year = self.year()?;
            return Some(Date {
                days: day_number(year, month, first)?,
                lean: Lean::Silent,
                layout: DateLayout::DayName(sign.map(char::from)),
            });
        }
        let sign = sign.filter(|sign| *sign != b' ')?;
        let second = self.digits(1, 2)?;
        self.sign(sign)?;
        let year = self.year()?;
        let (order, lean) = settle(first, second, order);
        let (day, month) = if order == Order::Day { (first, second) } else { (second, first) };
        let sign = char::from(sign);
        let layout =
            if order == Order::Day { DateLayout::DayFirst(sign) } else { DateLayout::MonthFirst(sign) };
        Some(Date { days: day_number(year, month, day)?, lean, layout })
    }

    /// `Jan 31, 2023`, `Tue, 31 Jan 2023`
    fn named_first(&mut self) -> Option<Date> {
        if self.name(&WEEKDAYS).is_some() {
            self.skip(|byte| matches!(byte, b',' | b'.' | b' '));
            return match self.run() {
                0 => self.named_first(),
                1 | 2 => self.short_first(Order::Day),
                _ => None,
            };
        }
        let month = self.month()?;
        self.skip(|byte| matches!(byte, b' ' | b'-' | b'.'));
        let day = self.digits(1, 2)?;
        self.skip(|byte| matches!(byte, b',' | b' ' | b'-'));
        let year = self.year()?;
        Some(Date { days: day_number(year, month, day)?, lean: Lean::Silent, layout: DateLayout::NameDay })
    }

    /// Microseconds since midnight; nothing left means midnight.
    pub(super) fn time(&mut self) -> Option<(i64, Clock)> {
        match self.rest {
            [b'T' | b't', rest @ ..] => self.rest = rest,
            [b',' | b' ', ..] => self.skip(|byte| matches!(byte, b',' | b' ')),
            // After a compact date the digits of the time may follow at once.
            [byte, ..] if byte.is_ascii_digit() => {}
            _ => return Some((0, Clock::None)),
        }
        let (mut hour, minute, second, clock) = match self.run() {
            0 => return Some((0, Clock::None)),
            1 | 2 => self.clock()?,
            4 => (self.exactly(2)?, self.exactly(2)?, 0, Clock::Minutes),
            6 => (self.exactly(2)?, self.exactly(2)?, self.exactly(2)?, Clock::Seconds),
            _ => return None,
        };
        let (fraction, clock) = if clock == Clock::Seconds { self.fraction()? } else { (0, clock) };
        if let Some(afternoon) = self.afternoon() {
            if !(1..=12).contains(&hour) {
                return None;
            }
            hour = hour % 12 + if afternoon { 12 } else { 0 };
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        Some(((hour * 3600 + minute * 60 + second) * SECOND + fraction, clock))
    }

    fn clock(&mut self) -> Option<(i64, i64, i64, Clock)> {
        let hour = self.digits(1, 2)?;
        self.sign(b':')?;
        let minute = self.digits(2, 2)?;
        if self.rest.first() != Some(&b':') {
            return Some((hour, minute, 0, Clock::Minutes));
        }
        self.sign(b':')?;
        Some((hour, minute, self.digits(2, 2)?, Clock::Seconds))
    }

    /// `.123456789`: digits behind the sixth are cut off.
    fn fraction(&mut self) -> Option<(i64, Clock)> {
        let [b'.' | b',', rest @ ..] = self.rest else { return Some((0, Clock::Seconds)) };
        self.rest = rest;
        let length = self.run();
        let mut micros = 0;
        for place in 0..length.max(6) {
            let digit = if place < length { self.exactly(1)? } else { 0 };
            if place < 6 {
                micros = micros * 10 + digit;
            }
        }
        (length > 0).then_some((micros, Clock::Fraction))
    }

    fn afternoon(&mut self) -> Option<bool> {
        let blanks = self.rest.iter().take_while(|byte| **byte == b' ').count();
        let (half, rest) = self.rest.get(blanks..)?.split_at_checked(2)?;
        let afternoon = half.eq_ignore_ascii_case(b"pm");
        (afternoon || half.eq_ignore_ascii_case(b"am")).then(|| {
            self.rest = rest;
            afternoon
        })
    }

    /// Microseconds east of UTC, and whether a zone is given at all.
    pub(super) fn zone(&mut self) -> Option<(i64, bool)> {
        self.skip(|byte| byte == b' ');
        let sign = match self.rest {
            [] => return Some((0, false)),
            [b'Z' | b'z'] | b"UTC" | b"GMT" => {
                self.rest = &[];
                return Some((0, true));
            }
            [b'+', ..] => 1,
            [b'-', ..] => -1,
            _ => return None,
        };
        self.rest = self.rest.get(1..)?;
        let hours = self.exactly(2)?;
        if self.rest.first() == Some(&b':') {
            self.sign(b':')?;
        }
        let minutes = if self.rest.is_empty() { 0 } else { self.exactly(2)? };
        (hours <= 15 && minutes <= 59).then_some((sign * (hours * 3600 + minutes * 60) * SECOND, true))
    }

    fn year(&mut self) -> Option<i64> {
        match self.run() {
            4 => self.digits(4, 4),
            // As in POSIX: 69 to 99 are of the last century.
            2 => self.digits(2, 2).map(|year| if year >= 69 { 1900 + year } else { 2000 + year }),
            _ => None,
        }
    }

    fn month(&mut self) -> Option<i64> {
        self.name(&MONTHS).and_then(|at| i64::try_from(at + 1).ok())
    }

    /// A name or its beginning of at least three letters, with an optional full stop.
    fn name(&mut self, names: &[&str]) -> Option<usize> {
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (word, rest) = self.rest.split_at_checked(length)?;
        let at = names.iter().position(|name| {
            length >= 3 && name.as_bytes().get(..length).is_some_and(|start| start.eq_ignore_ascii_case(word))
        })?;
        self.rest = rest.strip_prefix(b".").filter(|_| length <= 4).unwrap_or(rest);
        Some(at)
    }

    fn run(&self) -> usize {
        self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    /// A whole run of digits, of a length between the two.
    fn digits(&mut self, least: usize, most: usize) -> Option<i64> {
        let run = self.run();
        if run < least || run > most { None } else { self.exactly(run) }
    }

    fn exactly(&mut self, length: usize) -> Option<i64> {
        let (digits, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        number(digits)
    }

    fn separator(&mut self) -> Option<u8> {
        let sign = *self.rest.first()?;
        matches!(sign, b'-' | b'/' | b'.' | b' ').then(|| {
            self.rest = self.rest.get(1..).unwrap_or(&[]);
            sign
        })
    }

    fn sign(&mut self, sign: u8) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        (*first == sign).then(|| self.rest = rest)
    }

    fn skip(&mut self, blank: impl Fn(u8) -> bool) {
        let length = self.rest.iter().take_while(|byte| blank(**byte)).count();
        self.rest = self.rest.get(length..).unwrap_or(&[]);
    }
}

/// Day or month first, by the value itself where it can only be one.
fn settle(first: i64, second: i64, order: Order) -> (Order, Lean) {
    if first > 12 {
        (Order::Day, Lean::First)
    } else if second > 12 {
        (Order::Month, Lean::Second)
    } else {
        (order, if first == second { Lean::Silent } else { Lean::Open })
    }
}
