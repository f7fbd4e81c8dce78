//! Numbers, money, shares and dates as people read them.
//!
//! Knows no tables and no pictures. A number that isn't finite is a dash, never `NaN`.

use chrono::{Datelike, NaiveDate};

use crate::diagnostic::grouped;

/// What stands for a missing value.
pub const MISSING: &str = "–";

/// What a number counts.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Unit {
    /// A count or a plain number.
    #[default]
    Number,
    /// A share, 1 being all of it.
    Percent,
    /// An amount of money in a currency, given by its symbol; empty when it isn't known.
    Money(String),
}

impl Unit {
    /// At most four digits and a letter for the scale: `€1.24M`, `12.3%`, `0.301`.
    pub fn short(&self, value: f64) -> String {
        match self {
            _ if !value.is_finite() => MISSING.to_owned(),
            Self::Percent => percent(value),
            Self::Number => short(value),
            Self::Money(symbol) => money(symbol, value, short),
        }
    }

    /// With separators and without a scale: `€1,240,512`, `12.3%`.
    pub fn long(&self, value: f64) -> String {
        match self {
            _ if !value.is_finite() => MISSING.to_owned(),
            Self::Percent => percent(value),
            Self::Number => plain(value),
            Self::Money(symbol) => money(symbol, value, plain),
        }
    }

    /// Values that stand under each other: small numbers have the same decimals.
    pub fn alike(&self, values: &[f64]) -> Vec<String> {
        let largest = values.iter().filter(|v| v.is_finite()).fold(0.0_f64, |top, v| top.max(v.abs()));
        let fractions = values.iter().any(|value| value.fract() != 0.0);
        let decimals = if largest < 1.0 { 3 } else { 2 };
        let small = *self == Self::Number && fractions && (0.001..10.0).contains(&largest);
        let whole = matches!(self, Self::Money(_)) && (100.0..100_000.0).contains(&largest);
        let one = |value: f64| match self {
            _ if small => fixed(value, decimals),
            Self::Money(symbol) if whole && value.is_finite() => money(symbol, value, |v| fixed(v, 0)),
            _ => self.short(value),
        };
        values.iter().map(|value| one(*value)).collect()
    }

    /// The labels of an axis: one scale and one number of decimals for all of them.
    pub fn axis(&self, ticks: &[f64]) -> Vec<String> {
        let largest = ticks.iter().fold(0.0_f64, |top, tick| top.max(tick.abs()));
        let (factor, letter) = match self {
            Self::Percent => (0.01, "%"),
            _ => scale(largest),
        };
        let decimals = decimals_for(ticks, factor);
        let number = |tick: f64| match tick {
            0.0 if *self != Self::Percent => "0".to_owned(),
            _ => fixed(tick / factor, decimals) + letter,
        };
        let label = |tick: &f64| match self {
            Self::Money(symbol) => money(symbol, *tick, number),
            _ => number(*tick),
        };
        ticks.iter().map(label).collect()
    }

    /// What stands behind the name of an axis: ` (€)`, or nothing.
    pub fn suffix(&self) -> String {
        match self {
            Self::Money(symbol) if !symbol.is_empty() => format!(" ({symbol})"),
            _ => String::new(),
        }
    }
}

/// A whole number with separators: `1,240,512`.
pub fn count(value: u64) -> String {
    grouped(value)
}

/// A number with a fixed number of decimals and separators; zero has no sign.
pub fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return MISSING.to_owned();
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let sign = if value < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) { "−" } else { "" };
    format!("{sign}{}{rest}", grouped(whole))
}

/// A share: one decimal below 10 %, none above; what rounds to nothing or all without being so says it.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    let size = value.abs();
    match size {
        _ if !value.is_finite() => MISSING.to_owned(),
        _ if size > 0.0 && size < 0.05 => format!("{}<0.1%", if value < 0.0 { "−" } else { "" }),
        _ if (99.95..100.0).contains(&size) => ">99.9%".to_owned(),
        _ if size < 9.95 || (99.5..100.0).contains(&size) => fixed(value, 1) + "%",
        _ => fixed(value, 0) + "%",
    }
}

/// A change with its sign: `+8.2%`, `−3.0%`, `±0.0%`.
pub fn change(part: f64) -> String {
    match percent(part) {
        text if part > 0.0 && part.is_finite() => format!("+{text}"),
        text if part == 0.0 => format!("±{text}"),
        text => text,
    }
}

/// Three or four digits: `1,240,512` is `1.24M`, `0.30112` is `0.301`.
pub fn short(value: f64) -> String {
    let (factor, letter) = scale(value.abs());
    let scaled = value / factor;
    match scaled.abs() {
        size if !size.is_finite() => MISSING.to_owned(),
        size if size >= 1e5 => format!("{value:.2e}").replace('-', "−"),
        size if letter.is_empty() && value.fract() == 0.0 && size < 1e4 => fixed(value, 0),
        size if size >= 99.95 => fixed(scaled, 0) + letter,
        size if size >= 9.995 => fixed(scaled, 1) + letter,
        size if size >= 0.9995 => fixed(scaled, 2) + letter,
        size => fixed(scaled, decimals_of_small(size)),
    }
}

/// A date as `5 Jan 2026`, from days since 1970-01-01.
pub fn date(days: i64) -> String {
    day(days).map_or_else(|| MISSING.to_owned(), |date| date.format("%-d %b %Y").to_string())
}

/// A calendar date from days since 1970-01-01, where the calendar reaches.
pub fn day(days: i64) -> Option<NaiveDate> {
    let from_common_era = days.checked_add(719_163)?;
    let date = NaiveDate::from_num_days_from_ce_opt(i32::try_from(from_common_era).ok()?)?;
    (1..=9999).contains(&date.year()).then_some(date)
}

/// A count with its noun: `1 segment`, `5 segments`.
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number as u64), if number == 1 { one } else { many })
}

/// A column's name as words: `mean_amount` is `amount per purchase`, `channel_web` is `channel: web`,
/// `age_days` is `age in days`.
pub fn words(column: &str) -> String {
    let known = match column {
        "recency_days" => "days since last purchase",
        "frequency" => "purchases",
        "monetary" => "total spend",
        "mean_amount" => "amount per purchase",
        "std_amount" => "spread of amounts",
        "tenure_days" => "days as a customer",
        "mean_gap_days" => "days between purchases",
        "std_gap_days" => "spread of days between",
        "local_share" => "local purchases",
        _ => return unknown(column),
    };
    known.to_owned()
}

fn unknown(column: &str) -> String {
    let spaced = |text: &str| text.replace('_', " ");
    let value = |start: &str| column.strip_prefix(start).filter(|value| !value.is_empty());
    match (value("channel_"), value("category_"), column.strip_suffix("_days")) {
        (Some(channel), ..) => format!("channel: {}", spaced(channel)),
        (_, Some(category), _) => format!("category: {}", spaced(category)),
        (.., Some(start)) => format!("{} in days", spaced(start)),
        _ => spaced(column),
    }
}

/// The text with its first letter in upper case.
pub fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn money(symbol: &str, value: f64, number: impl Fn(f64) -> String) -> String {
    let text = number(value);
    let (sign, digits) = text.strip_prefix('−').map_or(("", text.as_str()), |digits| ("−", digits));
    let gap = if symbol.ends_with(char::is_alphabetic) { "\u{a0}" } else { "" };
    format!("{sign}{symbol}{gap}{digits}")
}

/// Without a scale: whole above 100, two decimals above 1.
fn plain(value: f64) -> String {
    match value.abs() {
        size if size >= 1e15 => short(value),
        size if value.fract() == 0.0 || size >= 99.995 => fixed(value, 0),
        size if size >= 1.0 => fixed(value, 2),
        size => fixed(value, decimals_of_small(size)),
    }
}

fn scale(size: f64) -> (f64, &'static str) {
    match size {
        size if size >= 999.5e9 => (1e12, "tn"),
        size if size >= 999.5e6 => (1e9, "bn"),
        size if size >= 999.5e3 => (1e6, "M"),
        size if size >= 9_999.5 => (1e3, "k"),
        _ => (1.0, ""),
    }
}

/// Three digits behind the leading zeros of a number below 1.
fn decimals_of_small(size: f64) -> usize {
    [(0.1, 3), (0.01, 4), (0.001, 5)]
        .into_iter()
        .find(|(from, _)| size >= *from)
        .map_or(if size == 0.0 { 0 } else { 6 }, |(_, decimals)| decimals)
}

/// The decimals that keep neighbouring ticks apart.
fn decimals_for(ticks: &[f64], factor: f64) -> usize {
    let exact = |decimals: &usize| {
        let shift = 10_f64.powi(i32::try_from(*decimals).unwrap_or(6));
        ticks.iter().all(|tick| {
            let value = tick / factor * shift;
            (value - value.round()).abs() <= 1e-6 * value.abs().max(1.0)
        })
    };
    (0..6).find(exact).unwrap_or(6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_have_few_digits() {
        let cases = [
            (0.0, "0"),
            (5.0, "5"),
            (-4.25, "−4.25"),
            (0.301_12, "0.301"),
            (0.012_345, "0.0123"),
            (1_234.0, "1,234"),
            (1_234.6, "1,235"),
            (9_999.7, "10.0k"),
            (12_345.0, "12.3k"),
            (999_600.0, "1.00M"),
            (1_240_512.0, "1.24M"),
            (-3.4e9, "−3.40bn"),
            (1e12, "1.00tn"),
            (5e15, "5,000tn"),
            (1e30, "1.00e30"),
            (f64::NAN, "–"),
            (f64::INFINITY, "–"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text, "{value}");
        }
    }

    #[test]
    fn money_has_its_sign_before_the_symbol() {
        let euro = Unit::Money("€".to_owned());
        assert_eq!(euro.short(-1_240_512.0), "−€1.24M");
        assert_eq!(euro.long(1_240_512.4), "€1,240,512");
        assert_eq!(Unit::Money("CHF".to_owned()).long(12.5), "CHF\u{a0}12.50");
        assert_eq!(Unit::Money(String::new()).long(12.5), "12.50");
        assert_eq!(euro.long(f64::NAN), "–");
    }

    #[test]
    fn shares_never_pretend_to_be_nothing_or_all() {
        let cases = [
            (0.0, "0.0%"),
            (0.000_1, "<0.1%"),
            (0.012_3, "1.2%"),
            (0.456, "46%"),
            (0.996, "99.6%"),
            (0.999_9, ">99.9%"),
            (1.0, "100%"),
            (-0.034, "−3.4%"),
        ];
        for (value, text) in cases {
            assert_eq!(percent(value), text, "{value}");
        }
        assert_eq!(change(0.082), "+8.2%");
        assert_eq!(change(-0.082), "−8.2%");
        assert_eq!(change(0.0), "±0.0%");
    }

    #[test]
    fn an_axis_has_one_scale_and_one_number_of_decimals() {
        let euro = Unit::Money("€".to_owned());
        assert_eq!(euro.axis(&[0.0, 500_000.0, 1_000_000.0]), ["€0", "€0.5M", "€1.0M"]);
        assert_eq!(Unit::Percent.axis(&[0.0, 0.05, 0.1]), ["0%", "5%", "10%"]);
        assert_eq!(Unit::Number.axis(&[-0.25, 0.0, 0.25]), ["−0.25", "0", "0.25"]);
        assert_eq!(Unit::Number.axis(&[0.0, 0.1, 0.2, 0.300_000_000_000_000_04]), ["0", "0.1", "0.2", "0.3"]);
    }

    #[test]
    fn values_under_each_other_have_the_same_decimals() {
        assert_eq!(Unit::Number.alike(&[0.41, 0.08, f64::NAN]), ["0.410", "0.080", "–"]);
        assert_eq!(Unit::Number.alike(&[4.0, 1_200.0]), ["4", "1,200"]);
        assert_eq!(Unit::Money("€".to_owned()).alike(&[74.5, 3_312.0]), ["€74", "€3,312"]);
    }

    #[test]
    fn dates_are_written_out() {
        assert_eq!(date(0), "1 Jan 1970");
        assert_eq!(date(20_458), "5 Jan 2026");
        assert_eq!(date(i64::MAX), "–");
        assert_eq!(date(i64::from(i32::MAX)), "–");
    }

    #[test]
    fn columns_become_words() {
        assert_eq!(words("mean_gap_days"), "days between purchases");
        assert_eq!(words("channel_in_store"), "channel: in store");
        assert_eq!(words("channel_"), "channel ");
        assert_eq!(words("shelf_days"), "shelf in days");
        assert_eq!(words("recency_days"), "days since last purchase");
        assert_eq!(sentence("élan"), "Élan");
    }

    #[test]
    fn nouns_follow_their_number() {
        assert_eq!(counted(1, "segment", "segments"), "1 segment");
        assert_eq!(counted(1_200, "segment", "segments"), "1,200 segments");
    }
}
