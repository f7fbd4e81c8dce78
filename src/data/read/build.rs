//! Arrow columns from text, value by value, with a tally of what the values said.
//!
//! Knows nothing of files: cells come from an iterator, misfits leave as row numbers.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int32Array, Int32Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use hashbrown::HashMap;

use super::column::{Column, Kind, Tally};
use super::date::{self, Layout, Pattern};
use super::number;
use super::votes::Lean;
use crate::diagnostic::shown;

/// A filled column.
pub struct Built {
    /// Its values; misfits are null.
    pub cells: Cells,
    /// What the values said.
    pub tally: Tally,
    /// Values that don't fit, by row.
    pub bad: Vec<Misfit>,
}

/// The values of a column.
pub enum Cells {
    /// As they are stored.
    Plain(ArrayRef),
    /// Positions in a list of texts that is still to be merged with those of other parts.
    Keys(Int32Array, Vec<String>),
}

/// A value that doesn't fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The row within the part.
    pub row: usize,
    /// The value, shortened.
    pub value: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Why a row is bad whose value isn't there.
pub const MISSING: &str = "missing";
/// Why a row is bad whose value is in another currency than the one that the user gives.
const FOREIGN: &str = "of another currency";

/// Fills a column with text.
pub fn column<'a>(cells: impl Iterator<Item = &'a str>, spec: &Column) -> Built {
    match spec.kind {
        Kind::Id | Kind::Integer => integers(cells, spec),
        Kind::Float => floats(cells, spec),
        Kind::Boolean => booleans(cells, spec),
        Kind::Timestamp => timestamps(cells, spec),
        Kind::Text => texts(cells, spec),
        Kind::Category => categories(cells, spec),
    }
}

/// Whether a value of a typed column stands for none.
pub fn is_missing(text: &str) -> bool {
    match text.len() {
        0 => true,
        1 => matches!(text, "-" | "?"),
        2..=5 => ["na", "n/a", "#n/a", "nan", "null", "none", "\\n", "nat"]
            .iter()
            .any(|word| word.eq_ignore_ascii_case(text)),
        _ => false,
    }
}

/// Whether a text stands for none; `NA` may well be a name.
pub fn is_missing_text(text: &str) -> bool {
    matches!(text, "" | "NULL" | "null" | "\\N" | "NaN" | "nan")
}

/// Reads true or false as people and programs write it.
pub fn boolean(text: &str) -> Option<bool> {
    let is = |word: &str| word.eq_ignore_ascii_case(text);
    match text.len() {
        1 if text == "1" || is("t") || is("y") => Some(true),
        1 if text == "0" || is("f") || is("n") => Some(false),
        4 if is("true") => Some(true),
        5 if is("false") => Some(false),
        3 if is("yes") => Some(true),
        2 if is("no") => Some(false),
        _ => None,
    }
}

/// A whole number that identifies somebody; other programs print `17850.0` where ids are missing.
pub fn id(text: &str) -> Option<i64> {
    number::strict_integer(text).or_else(|| number::strict_integer(text.strip_suffix(".0")?))
}

/// Counts values and keeps misfits while a column is filled.
struct Watch<'a> {
    spec: &'a Column,
    tally: Tally,
    bad: Vec<Misfit>,
    layout: Option<(Layout, u64)>,
    currency: Option<(&'static str, u64)>,
}

impl<'a> Watch<'a> {
    fn new(spec: &'a Column) -> Self {
        Self { spec, tally: Tally::default(), bad: Vec::new(), layout: None, currency: None }
    }

    fn missing(&mut self, row: usize, text: &str) {
        self.tally.missing += 1;
        if self.spec.required {
            self.bad.push(Misfit { row, value: shown(text), reason: MISSING });
        }
    }

    fn misfit(&mut self, row: usize, text: &str) {
        self.tally.values += 1;
        self.tally.misfits += 1;
        self.tally.numbers += u64::from(number::float(text, self.spec.decimal).is_some());
        self.tally.coded += u64::from(text.bytes().any(|byte| byte.is_ascii_digit()));
        self.bad.push(Misfit { row, value: shown(text), reason: self.spec.kind.misfit() });
    }

    /// A value that can't be read: there is none, or it doesn't fit.
    fn unread(&mut self, row: usize, text: &str) {
        if is_missing(text) {
            self.missing(row, text);
        } else {
            self.misfit(row, text);
        }
    }

    /// Whether a number has none but the currency that it may have.
    fn is_at_home(&mut self, row: usize, text: &str) -> bool {
        let Some(currency) = number::currency(text) else { return true };
        if self.spec.currency.as_ref().is_some_and(|only| only != currency) {
            self.bad.push(Misfit { row, value: shown(text), reason: FOREIGN });
            return false;
        }
        match &mut self.currency {
            Some((last, times)) if *last == currency => *times += 1,
            _ => {
                self.flush();
                self.currency = Some((currency, 1));
            }
        }
        true
    }

    fn lean(&mut self, text: &str, lean: Lean, decimal: bool) {
        if lean == Lean::Silent {
            return;
        }
        let votes = if decimal { &mut self.tally.decimal } else { &mut self.tally.order };
        votes.add(lean);
        if lean == Lean::Open && self.tally.open.is_none() {
            self.tally.open = Some(shown(text));
        }
    }

    /// Values of a column mostly look alike, so runs are counted.
    fn layout(&mut self, layout: Layout) {
        match &mut self.layout {
            Some((last, times)) if *last == layout => *times += 1,
            _ => {
                self.flush();
                self.layout = Some((layout, 1));
            }
        }
    }

    fn flush(&mut self) {
        if let Some((layout, times)) = self.layout.take() {
            *self.tally.layouts.entry(layout).or_default() += times;
        }
        if let Some((currency, times)) = self.currency.take() {
            *self.tally.currencies.entry(currency.to_owned()).or_default() += times;
        }
    }

    fn done(mut self, cells: Cells) -> Built {
        self.flush();
        Built { cells, tally: self.tally, bad: self.bad }
    }
}

fn integers<'a>(cells: impl Iterator<Item = &'a str>, spec: &Column) -> Built {
    let mut watch = Watch::new(spec);
    let mut values = Int64Builder::with_capacity(cells.size_hint().0);
    let is_id = spec.kind == Kind::Id;
    for (row, text) in cells.enumerate() {
        let read = if is_id {
            id(text).map(|value| (value, Lean::Silent))
        } else {
            number::integer(text, spec.decimal)
        };
        if let Some((value, lean)) = read {
            watch.tally.values += 1;
            if !is_id && !watch.is_at_home(row, text) {
                values.append_null();
                continue;
            }
            watch.tally.zero_led += u64::from(text.starts_with(['0', '-']) && number::zero_led(text));
            watch.lean(text, lean, true);
            values.append_value(value);
        } else {
            watch.unread(row, text);
            values.append_null();
        }
    }
    watch.done(Cells::Plain(Arc::new(values.finish())))
}

fn floats<'a>(cells: impl Iterator<Item = &'a str>, spec: &Column) -> Built {
    let mut watch = Watch::new(spec);
    let mut values = Float64Builder::with_capacity(cells.size_hint().0);
    for (row, text) in cells.enumerate() {
        if let Some((value, lean)) = number::float(text, spec.decimal) {
            watch.tally.values += 1;
            if !watch.is_at_home(row, text) {
                values.append_null();
                continue;
            }
            watch.lean(text, lean, true);
            values.append_value(value);
        } else {
            watch.unread(row, text);
            values.append_null();
        }
    }
    watch.done(Cells::Plain(Arc::new(values.finish())))
}

fn booleans<'a>(cells: impl Iterator<Item = &'a str>, spec: &Column) -> Built {
    let mut watch = Watch::new(spec);
    let mut values = BooleanBuilder::with_capacity(cells.size_hint().0);
    for (row, text) in cells.enumerate() {
        let value = boolean(text);
        match value {
            Some(_) => watch.tally.values += 1,
            None => watch.unread(row, text),
        }
        values.append_option(value);
    }
    watch.done(Cells::Plain(Arc::new(values.finish())))
}

fn timestamps<'a>(cells: impl Iterator<Item = &'a str>, spec: &Column) -> Built {
    let mut watch = Watch::new(spec);
    let mut values = TimestampMicrosecondBuilder::with_capacity(cells.size_hint().0);
    let pattern = spec.format.as_deref().and_then(Pattern::new);
    for (row, text) in cells.enumerate() {
        let read = match &pattern {
            Some(pattern) => pattern.read(text),
            None => date::timestamp(text, spec.order),
        };
        if let Some(stamp) = read {
            watch.tally.values += 1;
            watch.lean(text, stamp.lean, false);
            watch.layout(stamp.layout);
            let absolute = stamp.layout.is_absolute();
            watch.tally.zoned += u64::from(absolute);
            let zone = spec.zone.filter(|_| absolute);
            values.append_value(zone.map_or(stamp.micros, |zone| zone.clock(stamp.micros)));
        } else {
            watch.unread(row, text);
            values.append_null();
        }
    }
    watch.done(Cells::Plain(Arc::new(values.finish())))
}

fn texts<'a>(cells: impl Iterator<Item = &'a str>, spec: &Column) -> Built {
    let mut watch = Watch::new(spec);
    let mut values = StringBuilder::with_capacity(cells.size_hint().0, 0);
    for (row, text) in cells.enumerate() {
        if is_missing_text(text) {
            watch.missing(row, text);
            values.append_null();
        } else {
            watch.tally.values += 1;
            values.append_value(text);
        }
    }
    watch.done(Cells::Plain(Arc::new(values.finish())))
}

fn categories<'a>(cells: impl Iterator<Item = &'a str>, spec: &Column) -> Built {
    let mut watch = Watch::new(spec);
    let mut keys = Int32Builder::with_capacity(cells.size_hint().0);
    let mut known: HashMap<&str, i32> = HashMap::new();
    let mut names = Vec::new();
    for (row, text) in cells.enumerate() {
        if is_missing_text(text) {
            watch.missing(row, text);
            keys.append_null();
            continue;
        }
        watch.tally.values += 1;
        let key = *known.entry(text).or_insert_with(|| {
            names.push(text.to_owned());
            i32::try_from(names.len() - 1).unwrap_or(i32::MAX)
        });
        keys.append_value(key);
    }
    watch.done(Cells::Keys(keys.finish(), names))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Int64Type;

    use super::super::column::Origin;
    use super::*;

    fn fill(kind: Kind, required: bool, cells: &[&str]) -> Built {
        let mut spec = Column::new("x", Origin::Of(0), kind);
        spec.required = required;
        column(cells.iter().copied(), &spec)
    }

    #[test]
    fn misfits_are_null_and_named() {
        let built = fill(Kind::Integer, true, &["1", "x7", "", "1,000", "2.5", "007"]);
        let Cells::Plain(values) = built.cells else { panic!("integers are plain") };
        let values: Vec<_> = values.as_primitive::<Int64Type>().iter().collect();
        assert_eq!(values, [Some(1), None, None, Some(1000), None, Some(7)]);
        assert_eq!(
            built.bad,
            [
                Misfit { row: 1, value: "x7".into(), reason: "not a whole number" },
                Misfit { row: 2, value: String::new(), reason: "missing" },
                Misfit { row: 4, value: "2.5".into(), reason: "not a whole number" },
            ]
        );
        let tally = built.tally;
        assert_eq!(
            (tally.values, tally.misfits, tally.numbers, tally.coded, tally.zero_led),
            (5, 2, 1, 2, 1)
        );
        assert_eq!(tally.open.as_deref(), Some("1,000"));
    }

    #[test]
    fn categories_are_numbered_as_they_come() {
        let built = fill(Kind::Category, false, &["web", "store", "", "web"]);
        let Cells::Keys(keys, names) = built.cells else { panic!("categories are keys") };
        assert_eq!(keys.iter().collect::<Vec<_>>(), [Some(0), Some(1), None, Some(0)]);
        assert_eq!(names, ["web", "store"]);
    }

    #[test]
    fn ids_lose_the_point_that_other_programs_add() {
        let built = fill(Kind::Id, false, &["17850.0", "17850", "1,000", "C12"]);
        let Cells::Plain(values) = built.cells else { panic!("ids are plain") };
        let values: Vec<_> = values.as_primitive::<Int64Type>().iter().collect();
        assert_eq!(values, [Some(17850), Some(17850), None, None]);
    }

    #[test]
    fn a_missing_word_is_missing_only_where_it_is_no_name() {
        let Cells::Plain(values) = fill(Kind::Text, false, &["NA", "", "NULL", "a"]).cells else {
            panic!("plain")
        };
        assert_eq!(values.null_count(), 2);
        let Cells::Plain(values) = fill(Kind::Float, false, &["NA", "", "NULL", "nan", "1"]).cells else {
            panic!("plain")
        };
        assert_eq!(values.null_count(), 4);
        let Cells::Plain(values) = fill(Kind::Boolean, false, &["Yes", "f", "n/a", "1"]).cells else {
            panic!("plain")
        };
        assert_eq!(
            values.as_boolean().iter().collect::<Vec<_>>(),
            [Some(true), Some(false), None, Some(true)]
        );
    }
}
