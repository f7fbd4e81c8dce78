//! Scales: from values to pixels, with round tick values and dates that don't crowd.
//!
//! Knows no shapes.

use chrono::{Datelike, NaiveDate};

use super::text;
use crate::present::format;
use crate::present::theme::size;

/// Space between two labels of an axis.
pub const APART: f64 = 8.0;

/// A line of values laid along pixels.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    log: bool,
}

impl Scale {
    /// `low` lies at pixel `from`, `high` at pixel `to`.
    pub fn linear(low: f64, high: f64, from: f64, to: f64) -> Self {
        Self { low, high, from, to, log: false }
    }

    /// The same with equal factors at equal distances; both ends are above zero.
    pub fn log(low: f64, high: f64, from: f64, to: f64) -> Self {
        Self { low: libm::log10(low), high: libm::log10(high), from, to, log: true }
    }

    /// The pixel of a value.
    pub fn at(&self, value: f64) -> f64 {
        let value = if self.log { libm::log10(value) } else { value };
        let span = self.high - self.low;
        let part = if span == 0.0 { 0.5 } else { (value - self.low) / span };
        self.from + part * (self.to - self.from)
    }
}

/// The least and the greatest finite value.
pub fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|value| value.is_finite()).fold(None, |ends, value| {
        let (low, high) = ends.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

/// About `count` round values (1, 2 or 5 times a power of ten apart), the first at or below `low`,
/// the last at or above `high`.
pub fn ticks(low: f64, high: f64, count: f64) -> Vec<f64> {
    // A range that is nothing beside its own size can't be told apart in a double.
    let blur = low.abs().max(high.abs()) * 1e-9;
    let (low, high) = match high - low {
        span if span > blur => (low, high),
        _ if low == 0.0 => (0.0, 1.0),
        _ => (low.min(0.0), high.max(0.0)),
    };
    let step = round_step((high - low) / count.max(1.0));
    let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
    let mut out = Vec::new();
    let mut at = first;
    while at <= last && out.len() < 64 {
        out.push(clean_product(at, step));
        at += 1.0;
    }
    out
}

/// The values 1, 2 and 5 times powers of ten next to the values from `low` to `high`, which lie above
/// zero: the ends of a logarithmic axis.
pub fn log_ends(low: f64, high: f64) -> (f64, f64) {
    let usable = |end: &f64| end.is_finite() && *end > 0.0;
    let steps = |value: f64| {
        let power = libm::exp10(libm::log10(value).floor());
        [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power)
    };
    let below = steps(low).into_iter().rfind(|step| *step <= low * (1.0 + 1e-9) && usable(step));
    let start = below.unwrap_or(low);
    // One value alone has a step of its own above it.
    let reached = |step: &f64| *step >= high * (1.0 - 1e-9) && *step > start * (1.0 + 1e-9);
    let above = steps(high).into_iter().chain([20.0 * libm::exp10(libm::log10(high).floor())]);
    (start, above.filter(reached).find(usable).unwrap_or(high))
}

/// Values 1, 2 and 5 times powers of ten from one end of a logarithmic axis to the other; powers of
/// ten alone where that would be more than eight.
pub fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let inside = |tick: &f64| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(tick);
    let (first, last) = (libm::log10(low).floor(), libm::log10(high).ceil());
    let powers = |step: f64| {
        let powers = (0..700).map(move |at| first + step * f64::from(at));
        powers.take_while(move |power| *power <= last).map(libm::exp10)
    };
    let fine = powers(1.0).flat_map(|power| [1.0, 2.0, 5.0].map(|factor| factor * power));
    let fine: Vec<_> = fine.filter(inside).take(9).collect();
    let step = ((last - first) / 6.0).ceil().max(1.0);
    if fine.len() <= 8 { fine } else { powers(step).filter(inside).collect() }
}

/// Days since 1970-01-01 with their labels, as many as fit into `room` pixels and the space
/// `beyond` its left and right end, into which labels may reach.
pub fn dates(first: i64, last: i64, room: f64, beyond: (f64, f64)) -> Vec<(i64, String)> {
    let fits = |ticks: &Vec<(i64, String)>| {
        let span = (last - first).max(1) as f64;
        let ends = |(day, label): &(i64, String)| {
            let half = text::width(label, size::LABEL, false) / 2.0;
            let middle = (day - first) as f64 / span * room;
            let middle = middle.min(room + beyond.1 - half).max(half - beyond.0);
            (middle - half, middle + half)
        };
        let ends: Vec<_> = ticks.iter().map(ends).collect();
        ends.iter().zip(ends.iter().skip(1)).all(|(a, b)| b.0 - a.1 >= APART)
    };
    let weeks: &[i64] = if last - first <= 70 { &[1, 2, 4] } else { &[] };
    let months = [1, 2, 3, 6, 12, 24, 60, 120, 600, 1200, 6000];
    let by_week = weeks.iter().map(|weeks| weekly(first, last, *weeks));
    let by_month = months.into_iter().map(|months| monthly(first, last, months));
    let rows = by_week.chain(by_month).find(|ticks| ticks.len() > 1 && fits(ticks));
    rows.unwrap_or_else(|| vec![(first, format::date(first))])
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least the value.
fn round_step(rough: f64) -> f64 {
    let power = libm::exp10(libm::log10(rough).floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// `count * step` without the digits that only rounding left behind.
fn clean_product(count: f64, step: f64) -> f64 {
    let value = count * step;
    if value == 0.0 { 0.0 } else { format!("{value:.12e}").parse().unwrap_or(value) }
}

fn weekly(first: i64, last: i64, weeks: i64) -> Vec<(i64, String)> {
    let days = std::iter::successors(Some(first), |day| day.checked_add(7 * weeks));
    let label = |day| format::day(day).map(|date| (day, date.format("%-d %b").to_string()));
    days.take_while(|day| *day <= last).filter_map(label).collect()
}

/// The first days of every so many months; the year is named where it begins.
fn monthly(first: i64, last: i64, months: i64) -> Vec<(i64, String)> {
    let Some(start) = format::day(first) else { return Vec::new() };
    let month_of = |date: NaiveDate| i64::from(date.year()) * 12 + i64::from(date.month0());
    let earliest = month_of(start) + i64::from(start.day() > 1);
    let mut month = earliest.div_euclid(months) * months;
    let mut out: Vec<(i64, String)> = Vec::new();
    while let Some((day, date)) = first_of(month).filter(|(day, _)| *day <= last && out.len() < 200) {
        if day >= first {
            let named = out.is_empty() || date.month() == 1 || months > 6;
            let label = if months >= 12 {
                "%Y"
            } else if named {
                "%b %Y"
            } else {
                "%b"
            };
            out.push((day, date.format(label).to_string()));
        }
        month += months;
    }
    out
}

/// The first day of a month counted from year 0.
fn first_of(month: i64) -> Option<(i64, NaiveDate)> {
    let year = i32::try_from(month.div_euclid(12)).ok()?;
    let date = NaiveDate::from_ymd_opt(year, u32::try_from(month.rem_euclid(12)).ok()? + 1, 1)?;
    Some((i64::from(date.num_days_from_ce()) - 719_163, date))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_maps_its_ends_and_its_middle() {
        let scale = Scale::linear(10.0, 20.0, 100.0, 0.0);
        assert_eq!((scale.at(10.0), scale.at(15.0), scale.at(20.0)), (100.0, 50.0, 0.0));
        assert_eq!(Scale::log(1.0, 100.0, 0.0, 10.0).at(10.0), 5.0);
        assert_eq!(Scale::linear(3.0, 3.0, 0.0, 10.0).at(3.0), 5.0);
    }

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        assert_eq!(ticks(0.0, 97.0, 5.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(-0.3, 0.25, 5.0), [-0.4, -0.2, 0.0, 0.2, 0.4]);
        assert_eq!(ticks(0.0, 0.0, 5.0), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(ticks(0.0, 0.3, 3.0), [0.0, 0.1, 0.2, 0.3]);
        assert_eq!(ticks(5.0, 5.0, 5.0), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(ticks(0.0, 3e12, 3.0), [0.0, 1e12, 2e12, 3e12]);
    }

    #[test]
    fn ticks_of_any_range_are_finite_and_few() {
        for (low, high) in [(1e300, 1.1e300), (-1e-300, 1e-300), (1e15, 1e15 + 1.0), (-5.0, -5.0)] {
            let ticks = ticks(low, high, 5.0);
            assert!(ticks.len() >= 2 && ticks.len() < 20, "{ticks:?}");
            assert!(ticks.iter().all(|tick| tick.is_finite()));
        }
    }

    #[test]
    fn powers_of_ten_have_whole_logarithms() {
        for power in -15..=15 {
            let value: f64 = format!("1e{power}").parse().unwrap();
            assert_eq!((libm::log10(value), libm::exp10(f64::from(power))), (f64::from(power), value));
        }
    }

    #[test]
    fn log_ticks_are_round() {
        let around = |low, high| {
            let ends = log_ends(low, high);
            log_ticks(ends.0, ends.1)
        };
        assert_eq!(around(3.0, 150.0), [2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0]);
        assert_eq!(around(3.0, 40_000.0), [10.0, 100.0, 1000.0, 10_000.0]);
        assert_eq!(around(10.0, 10.0), [10.0, 20.0]);
        assert_eq!(around(0.1, 90_000.0), [0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0, 100_000.0]);
        for (low, high) in [(1e-9, 1e12), (1e-300, 1e300), (5e-324, 1.7e308), (1e-320, 1e-319)] {
            let ticks = around(low, high);
            assert!(ticks.len() <= 8 && ticks.iter().all(|tick| tick.is_finite()), "{ticks:?}");
        }
    }

    /// The picture ends where the values do, however many powers of ten the axis has.
    #[test]
    fn a_log_axis_ends_next_to_the_values() {
        assert_eq!(log_ends(3.0, 40_000.0), (2.0, 50_000.0));
        assert_eq!(log_ends(0.15, 101_000.0), (0.1, 200_000.0));
        assert_eq!(log_ends(1.0, 1_000.0), (1.0, 1_000.0));
        assert_eq!((log_ends(7.0, 7.0), log_ends(5.0, 5.0)), ((5.0, 10.0), (5.0, 10.0)));
        let ends = log_ends(5e-324, 1.7e308);
        assert!(ends.0 > 0.0 && ends.1.is_finite());
    }

    #[test]
    fn dates_name_months_and_years() {
        // 2024-01-01 is day 19723, 2024-12-30 day 20087.
        let wide = (50.0, 50.0);
        let labels: Vec<_> = dates(19_723, 20_087, 700.0, wide).into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels[..3], ["Jan 2024", "Feb", "Mar"]);
        assert_eq!(dates(19_723, 20_087, 200.0, wide)[1].1, "Apr");
        let years: Vec<_> = dates(0, 20_087, 500.0, wide).into_iter().map(|(_, label)| label).collect();
        assert_eq!(years[0], "1970");
    }

    /// At the right edge a label is moved inwards, where it must not touch the one before.
    #[test]
    fn every_date_has_room_for_its_label() {
        let labels = |beyond| dates(19_723, 19_723 + 92, 150.0, beyond).into_iter().map(|tick| tick.1);
        assert_eq!(labels((30.0, 30.0)).collect::<Vec<_>>(), ["Jan 2024", "Feb", "Mar", "Apr"]);
        assert_eq!(labels((30.0, -20.0)).collect::<Vec<_>>(), ["Jan 2024", "Mar"]);
    }

    #[test]
    fn dates_of_one_day_or_no_calendar_are_one_label() {
        let none = (0.0, 0.0);
        assert_eq!(dates(19_723, 19_723, 300.0, none), [(19_723, "1 Jan 2024".to_owned())]);
        assert_eq!(dates(i64::from(i32::MIN), i64::from(i32::MAX), 300.0, none).len(), 1);
    }
}
