//! What a column holds, by its values: guessed from a sample, revised when more has been seen.
//!
//! Kinds only ever grow more general, so revising ends. Knows nothing of files or mappings.

use hashbrown::HashSet;

use super::build;
use super::column::{Column, Kind, Tally};
use super::date::{self, Order};
use super::number::{self, Decimal};
use super::options::{DateOrder, DecimalSign, Options};
use super::votes::{Lean, Votes};
use crate::diagnostic::{grouped, listing, were};

/// Share of values that must fit a kind before the others count as mistakes.
const MAJORITY: f64 = 0.99;
/// Text is a category when a sample has at most that many different values ...
const FEW: usize = 1000;
/// ... and each stands there at least that often on average.
const REPEATS: usize = 2;

/// What a sample of a column looks like.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Values that aren't missing.
    pub values: usize,
    /// Values that stand for none.
    pub missing: usize,
    /// Different values.
    pub distinct: usize,
    /// Values that could identify somebody as whole numbers.
    pub ids: usize,
    /// Whole numbers.
    pub wholes: usize,
    /// Numbers.
    pub numbers: usize,
    /// True or false, in words.
    pub booleans: usize,
    /// Points in time.
    pub dates: usize,
    /// Whole numbers that are days, such as `20230131`.
    pub compact: usize,
    /// Values that are no numbers but have digits.
    pub coded: usize,
    /// Evidence for a decimal dot (first) or comma (second).
    pub decimal: Votes,
    /// Evidence for the day (first) or the month (second) in front.
    pub order: Votes,
    /// The spellings of dates.
    pub layouts: std::collections::BTreeMap<date::Layout, u64>,
}

impl Look {
    /// Looks at the values of a sample.
    pub fn at<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut look = Self::default();
        let mut known = HashSet::new();
        for value in values {
            if build::is_missing(value) {
                look.missing += 1;
            } else {
                look.see(value);
                known.insert(value);
            }
        }
        look.distinct = known.len();
        look
    }

    fn see(&mut self, value: &str) {
        self.values += 1;
        let digits = value.bytes().any(|byte| byte.is_ascii_digit());
        if !digits {
            self.booleans +=
                usize::from(value.len() < 6 && build::boolean(value).is_some() && !is_gender(value));
        }
        let whole = number::integer(value, Decimal::Dot).is_some() && !number::zero_led(value);
        self.wholes += usize::from(whole);
        self.ids += usize::from(build::id(value).is_some() && !number::zero_led(value));
        match number::float(value, Decimal::Dot) {
            Some((_, lean)) => {
                self.numbers += usize::from(!number::zero_led(value));
                self.decimal.add(lean);
                self.compact += usize::from(date::is_compact(value));
            }
            None => self.coded += usize::from(digits),
        }
        if let Some(stamp) = date::timestamp(value, Order::Day) {
            self.dates += 1;
            self.order.add(stamp.lean);
            *self.layouts.entry(stamp.layout).or_default() += 1;
        }
    }

    /// The spellings of dates with their times, values that could be read both ways counted with the others:
    /// in a column where only the month can be first, it is.
    pub fn spellings(&self) -> std::collections::BTreeMap<date::Layout, u64> {
        let months = self.order.first == 0 && self.order.second > 0;
        let mut settled = std::collections::BTreeMap::new();
        for (layout, times) in &self.layouts {
            let layout = if months { layout.month_first() } else { *layout };
            *settled.entry(layout).or_default() += times;
        }
        settled
    }

    /// What a column of that name most likely holds.
    pub fn kind(&self, name: &str) -> Kind {
        let all = |count: usize| self.values > 0 && count == self.values;
        // Shares of a sample of a few thousand values are exact in a float.
        let most = |count: usize| self.values > 0 && count as f64 >= MAJORITY * self.values as f64;
        let whole = all(self.wholes);
        if whole && all(self.compact) && (self.distinct > 2 || sounds_like_a_date(name)) {
            Kind::Timestamp
        } else if most(self.booleans) {
            Kind::Boolean
        } else if whole || most(self.wholes) && self.numbers == self.wholes && self.coded == 0 {
            Kind::Integer
        } else if all(self.numbers) || most(self.numbers) && self.wholes < self.numbers {
            Kind::Float
        } else if most(self.dates) && self.dates > self.wholes {
            Kind::Timestamp
        } else {
            self.text()
        }
    }

    /// Text of few or of many different values.
    pub fn text(&self) -> Kind {
        let few = self.distinct <= FEW && self.distinct * REPEATS <= self.values;
        if few { Kind::Category } else { Kind::Text }
    }
}

/// Whether the name of a column promises points in time.
pub fn sounds_like_a_date(name: &str) -> bool {
    let name = name.to_lowercase();
    ["date", "time", "day", "datum", "fecha", "stamp", "_at", "when"].iter().any(|word| name.contains(word))
}

/// `F` alone rather means female than false.
fn is_gender(value: &str) -> bool {
    value.eq_ignore_ascii_case("f") || value.eq_ignore_ascii_case("t")
}

/// Settles how open values are read: by the user, the column, or the other columns.
pub fn settle(columns: &mut [Column], looks: &[Look], options: &Options) {
    let sum = |part: fn(&Look) -> Votes| {
        looks.iter().fold(Votes::default(), |mut all, look| {
            all.merge(part(look));
            all
        })
    };
    let (decimals, orders) = (sum(|look| look.decimal), sum(|look| look.order));
    for (column, look) in columns.iter_mut().zip(looks) {
        column.decimal = match options.decimal {
            DecimalSign::Dot => Decimal::Dot,
            DecimalSign::Comma => Decimal::Comma,
            DecimalSign::Auto => {
                decimal_of(look.decimal.winner().or(decimals.winner())).unwrap_or(Decimal::Dot)
            }
        };
        column.order = match options.dates {
            DateOrder::DayFirst => Order::Day,
            DateOrder::MonthFirst => Order::Month,
            DateOrder::Auto => order_of(look.order.winner().or(orders.winner())).unwrap_or(Order::Day),
        };
    }
}

fn decimal_of(lean: Option<Lean>) -> Option<Decimal> {
    lean.map(|lean| if lean == Lean::Second { Decimal::Comma } else { Decimal::Dot })
}

fn order_of(lean: Option<Lean>) -> Option<Order> {
    lean.map(|lean| if lean == Lean::Second { Order::Month } else { Order::Day })
}

/// Columns as they must be after what has been seen, if that is something else than they are.
///
/// Before everything has been seen (`finished`), only what no further value could undo counts.
pub fn revise(
    columns: &[Column],
    tallies: &[Tally],
    options: &Options,
    finished: bool,
) -> Option<Vec<Column>> {
    let mut revised = columns.to_vec();
    for (column, tally) in revised.iter_mut().zip(tallies) {
        if !column.firm {
            column.kind = revised_kind(column.kind, tally, finished);
        }
        if finished && tally.decimal.open > 0 && options.decimal == DecimalSign::Auto {
            column.decimal = decimal_of(tally.decimal.winner()).unwrap_or(column.decimal);
        }
        if finished && tally.order.open > 0 && options.dates == DateOrder::Auto {
            column.order = order_of(tally.order.winner()).unwrap_or(column.order);
        }
    }
    (revised != columns).then_some(revised)
}

fn revised_kind(kind: Kind, tally: &Tally, finished: bool) -> Kind {
    // Counts of rows are far below 2^53.
    let too_many = finished && tally.misfits as f64 > (1.0 - MAJORITY) * tally.values as f64;
    match kind {
        Kind::Id if tally.misfits > 0 || tally.zero_led > 0 => Kind::Text,
        Kind::Integer if tally.zero_led > 0 || tally.coded > tally.numbers => Kind::Text,
        Kind::Integer if tally.numbers > 0 => Kind::Float,
        Kind::Category if tally.crowded => Kind::Text,
        Kind::Integer | Kind::Float | Kind::Boolean | Kind::Timestamp if too_many => Kind::Text,
        other => other,
    }
}

/// What the user should know about values that could be read in two ways.
pub fn notes(columns: &[Column], tallies: &[Tally], options: &Options) -> Vec<String> {
    let mut notes = Vec::new();
    for (column, tally) in columns.iter().zip(tallies) {
        let example = tally.open.as_deref().unwrap_or_default();
        if options.dates == DateOrder::Auto {
            notes.extend(order_note(column, tally.order, example));
        }
        if options.decimal == DecimalSign::Auto {
            notes.extend(decimal_note(column, tally.decimal, example));
        }
        notes.extend(zone_note(column, tally));
        notes.extend(currency_note(column, tally));
    }
    notes
}

/// That only some times say which instant they mean.
fn zone_note(column: &Column, tally: &Tally) -> Option<String> {
    let bare = tally.values.saturating_sub(tally.misfits + tally.zoned);
    if column.kind != Kind::Timestamp || tally.zoned == 0 || bare == 0 {
        return None;
    }
    let (zoned, were, name) = (grouped(tally.zoned), were(tally.zoned), &column.name);
    let (rest, are) = (grouped(bare), if bare == 1 { "is" } else { "are" });
    let (into, own, advice) = match column.zone {
        Some(_) => ("the time of `time_zone`", "such time", ""),
        None => ("UTC", "UTC", "; `time_zone` names another clock"),
    };
    Some(format!(
        "`{name}` mixes times with and without a zone: {zoned} with one {were} turned into {into}, {rest} without {are} taken to be {own}{advice}"
    ))
}

/// That numbers of one column are money of several countries.
fn currency_note(column: &Column, tally: &Tally) -> Option<String> {
    if tally.currencies.len() < 2 || !matches!(column.kind, Kind::Integer | Kind::Float) {
        return None;
    }
    let parts: Vec<String> = tally
        .currencies
        .iter()
        .map(|(currency, times)| format!("{} in `{currency}`", grouped(*times)))
        .collect();
    Some(format!(
        "`{}` mixes currencies: {}; they were read as plain numbers, and `currency` leaves out those of others",
        column.name,
        listing(&parts, "and")
    ))
}

fn order_note(column: &Column, votes: Votes, example: &str) -> Option<String> {
    let (name, first) = (&column.name, if column.order == Order::Day { "day" } else { "month" });
    if votes.first > 0 && votes.second > 0 {
        let (open, were) = (grouped(votes.open), were(votes.open));
        let open = format!("; {open} that could be either {were} read with the {first} first");
        return Some(format!(
            "`{name}` mixes date orders: {} with the day first, {} with the month first{}",
            grouped(votes.first),
            grouped(votes.second),
            if votes.open > 0 { open } else { String::new() }
        ));
    }
    (votes.open > 0 && votes.winner().is_none()).then(|| {
        format!(
            "`{name}` never says whether the day or the month comes first: `{example}` was read with the {first} first; `dates` settles it"
        )
    })
}

fn decimal_note(column: &Column, votes: Votes, example: &str) -> Option<String> {
    let (name, sign) = (&column.name, if column.decimal == Decimal::Dot { "dot" } else { "comma" });
    if votes.first > 0 && votes.second > 0 {
        return Some(format!(
            "`{name}` mixes decimal signs: {} with a dot, {} with a comma; what could be either was read with a {sign}",
            grouped(votes.first),
            grouped(votes.second),
        ));
    }
    // Without a comma anywhere nobody doubts what `1.234` means.
    let doubtful = votes.open > 0 && votes.winner().is_none() && example.contains(',');
    doubtful.then(|| {
        format!(
            "`{name}` never says whether `{example}` has a decimal comma: it was read with a decimal {sign}; `decimal` settles it"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(values: &[&str]) -> Kind {
        Look::at(values.iter().copied()).kind("x")
    }

    #[test]
    fn kinds_by_example() {
        assert_eq!(kind(&["1", "2", "", "3,000"]), Kind::Integer);
        assert_eq!(kind(&["1", "2.5"]), Kind::Float);
        assert_eq!(kind(&["$1", "-$2.50"]), Kind::Float);
        assert_eq!(kind(&["01234", "99999"]), Kind::Text);
        assert_eq!(kind(&["85123A", "71053"]), Kind::Text);
        assert_eq!(kind(&["true", "FALSE"]), Kind::Boolean);
        assert_eq!(kind(&["Y", "N", "n"]), Kind::Boolean);
        assert_eq!(kind(&["1", "0"]), Kind::Integer);
        assert_eq!(kind(&["F", "F", "F"]), Kind::Category);
        assert_eq!(kind(&["2023-01-01", "31/12/2023 10:00"]), Kind::Timestamp);
        assert_eq!(kind(&["19970101", "19970118", "19970802"]), Kind::Timestamp);
        assert_eq!(kind(&["19970101"]), Kind::Integer);
        assert_eq!(Look::at(["19970101"].into_iter()).kind("order_date"), Kind::Timestamp);
        assert_eq!(kind(&["web", "web", "store", "store"]), Kind::Category);
        assert_eq!(kind(&["a", "b", "c"]), Kind::Text);
        assert_eq!(kind(&["", ""]), Kind::Category);
    }

    #[test]
    fn a_few_mistakes_among_many_numbers_are_mistakes() {
        let mut values = vec!["1"; 200];
        values.push("unknown");
        assert_eq!(kind(&values), Kind::Integer);
        values.push("C17");
        assert_eq!(kind(&values), Kind::Category, "digits make a code");
        let mut values = vec!["1.5"; 200];
        values.push("n.n.");
        assert_eq!(kind(&values), Kind::Float);
    }

    #[test]
    fn kinds_only_grow_more_general() {
        let tally =
            |misfits, numbers, coded| Tally { values: 1000, misfits, numbers, coded, ..Tally::default() };
        assert_eq!(revised_kind(Kind::Integer, &tally(1, 1, 1), false), Kind::Float);
        assert_eq!(revised_kind(Kind::Integer, &tally(2, 1, 2), false), Kind::Text);
        assert_eq!(revised_kind(Kind::Integer, &tally(1, 0, 0), true), Kind::Integer);
        assert_eq!(revised_kind(Kind::Integer, &tally(11, 0, 0), false), Kind::Integer);
        assert_eq!(revised_kind(Kind::Integer, &tally(11, 0, 0), true), Kind::Text);
        assert_eq!(revised_kind(Kind::Float, &tally(10, 0, 10), true), Kind::Float);
        assert_eq!(revised_kind(Kind::Id, &tally(1, 0, 0), false), Kind::Text);
    }
}
