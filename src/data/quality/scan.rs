//! One ordered pass over a table in which all checks see every row.
//!
//! Batches are looked at in parallel and added up in order, so that row numbers and everything
//! that depends on what came before are the same at any number of threads.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimeUnit, TimestampMicrosecondType};
use arrow::row::{RowConverter, SortField};
use arrow::util::display::array_value_to_string;
use hashbrown::{HashMap, HashSet};
use rayon::prelude::*;
use twox_hash::XxHash3_128;

use super::check::{Check, Test, is_text, is_time};
use super::coverage::Days;
use super::demand::{Direction, Fence, Length};
use super::{drift, ground, outliers, returns};
use crate::data::Table;
use crate::data::expression::Bound;
use crate::data::scan::windows;
use crate::diagnostic::shown;

/// Rows that a finding names.
pub const NAMED: usize = 5;
/// Lists that fingerprints are spread over, each with a set of its own that stays near the processor.
const SPREAD: usize = 16;
const DAY: i64 = 86_400_000_000;

/// What a check has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Values or rows that were looked at.
    pub checked: u64,
    /// Those that fail.
    pub failing: u64,
    /// The first failing rows, from 1.
    pub rows: Vec<u64>,
    /// The first failing value.
    pub example: Option<String>,
    /// Rows a day.
    pub days: Days,
    /// The range outside of which values were far.
    pub limits: Option<(f64, f64)>,
    /// How far the distribution lies from the earlier one.
    pub distance: Option<f64>,
    /// The shares that both distributions have, part by part.
    pub shares: drift::Shares,
    /// What the parts are called.
    pub parts: Vec<String>,
    /// All failing rows, from 0, where they are asked for.
    pub marks: Vec<u64>,
    known: Vec<HashSet<u128>>,
    values: Vec<f64>,
    times: BTreeMap<String, u64>,
    ledger: returns::Ledger,
    last: Option<f64>,
}

/// What a check sees in one batch.
#[derive(Default)]
struct Glance {
    checked: u64,
    failing: u64,
    rows: Vec<usize>,
    example: Option<String>,
    days: Days,
    /// Fingerprints with their rows, spread over lists by their own bits; no lists for most checks.
    fingerprints: Vec<Vec<(u128, usize)>>,
    values: Vec<f64>,
    times: BTreeMap<String, u64>,
    /// What was bought or taken back, by whom of what: the row, the key and how much.
    moves: Vec<(usize, u128, f64)>,
    /// The first and the last value, for what must follow the batch before.
    ends: Option<((usize, f64), f64)>,
}

/// Looks at all rows; one result a check. With `mark`, all rows that fail are noted, not only the first ones.
///
/// Memory grows with what a check must remember: 16 bytes a row for `unique` and `duplicates`, 8
/// for `outliers` and `drift` (and as much again for a scratch copy), 32 a customer and product for `returns`, a count a
/// day for coverage.
///
/// # Errors
/// When the table can't be read.
pub fn scan(
    table: &Table,
    checks: &[Check],
    mark: bool,
    progress: &mut (dyn FnMut(f64) -> Result<()> + Send),
) -> Result<Vec<Seen>> {
    let mut all = vec![Seen::default(); checks.len()];
    let needed = needed(checks);
    let most = if mark { usize::MAX } else { NAMED };
    let names: Vec<&str> = needed
        .iter()
        .filter_map(|at| table.schema().fields().get(*at))
        .map(|field| field.name().as_str())
        .collect();
    let mut before = 0_u64;
    windows(table, &names, |window| {
        let glances: Vec<Result<Vec<Glance>>> =
            window.par_iter().map(|batch| look(batch, checks, &needed, most)).collect();
        for (batch, glances) in window.iter().zip(glances) {
            let added = all.par_iter_mut().zip(glances?).zip(checks);
            added.for_each(|((seen, glance), check)| seen.add(glance, &check.test, before, mark));
            before += batch.num_rows() as u64;
        }
        // Counts of rows are far below 2^53.
        progress(before as f64 / table.rows().max(1) as f64)
    })?;
    for (seen, check) in all.iter_mut().zip(checks) {
        match check.test {
            Test::Outliers(_, fence) => seen.find_outliers(fence, mark),
            Test::Returns(..) => seen.settle_returns(mark),
            Test::Rows(..) | Test::Type { .. } | Test::Absent(_) => seen.checked = table.rows() as u64,
            _ => {}
        }
    }
    Ok(all)
}

fn needed(checks: &[Check]) -> Vec<usize> {
    let mut needed: Vec<usize> = checks.iter().flat_map(|check| columns(&check.test)).collect();
    needed.sort_unstable();
    needed.dedup();
    needed
}

fn columns(test: &Test) -> Vec<usize> {
    match test {
        Test::Missing(at)
        | Test::Number { at, .. }
        | Test::Time { at, .. }
        | Test::Texts(at, _)
        | Test::Numbers(at, _)
        | Test::Flags(at, _)
        | Test::Unique(at)
        | Test::Whole(at)
        | Test::Outliers(at, _)
        | Test::Pattern { at, .. }
        | Test::Length(at, _)
        | Test::Monotone(at, _)
        | Test::Known(at, ..)
        | Test::Fresh(at, ..)
        | Test::LastWeek(at)
        | Test::Drift { at, .. }
        | Test::Gaps(at, _)
        | Test::Weeks(at, _) => vec![*at],
        Test::Duplicates(columns) => columns.clone(),
        Test::Holds { bound, .. } => bound.columns().to_vec(),
        Test::Returns(at, keys) => std::iter::once(*at).chain(keys.iter().copied()).collect(),
        Test::Type { .. } | Test::Absent(_) | Test::Rows(..) => Vec::new(),
    }
}

impl Seen {
    fn add(&mut self, glance: Glance, test: &Test, before: u64, mark: bool) {
        self.checked += glance.checked;
        self.failing += glance.failing;
        if let (Test::Monotone(_, direction), Some((first, last))) = (test, glance.ends) {
            self.follow(*direction, first, before, mark);
            self.last = Some(last);
        }
        for row in glance.rows {
            self.note(before + row as u64, mark);
        }
        self.example = self.example.take().or(glance.example);
        for (day, rows) in glance.days {
            *self.days.entry(day).or_default() += rows;
        }
        self.find_copies(&glance.fingerprints, before, mark);
        self.values.extend(glance.values);
        for (text, times) in glance.times {
            *self.times.entry(text).or_default() += times;
        }
        for (row, key, size) in glance.moves {
            self.ledger.add(before + row as u64, key, size);
        }
    }

    /// Compares the first value of a batch with the last one before it.
    fn follow(&mut self, direction: Direction, (row, value): (usize, f64), before: u64, mark: bool) {
        if self.last.is_some_and(|last| !direction.allows(value.total_cmp(&last))) {
            self.failing += 1;
            self.note(before + row as u64, mark);
        }
    }

    /// Compares the distribution with that of the column in an earlier table.
    ///
    /// # Errors
    /// When that can't be read.
    pub fn compare(&mut self, earlier: &Table, column: &str, check: &Check) -> Result<()> {
        let Test::Drift { texts, psi, .. } = check.test else { return Ok(()) };
        let test = Test::Drift { at: 0, texts, psi, most: 0.0 };
        let of = |test| Check { test, ..check.clone() };
        let narrow = earlier.index_of(column)?;
        let schema = earlier.schema().project(&[narrow])?;
        let batches = earlier.select(&[column])?.collect::<Result<Vec<_>>>()?;
        let earlier = Table::from_batches(schema.into(), batches);
        let before = scan(&earlier, &[of(test)], false, &mut |_| Ok(()))?.pop().unwrap_or_default();
        if texts {
            self.checked = self.times.values().sum();
            let names: BTreeSet<&String> = before.times.keys().chain(self.times.keys()).collect();
            self.parts = names.into_iter().cloned().collect();
            self.shares = drift::of_texts(&before.times, &std::mem::take(&mut self.times));
            self.distance = Some(drift::psi(&self.shares));
            return Ok(());
        }
        let sorted = |values: Vec<f64>| {
            let mut values: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
            values.par_sort_unstable_by(f64::total_cmp);
            values
        };
        let (before, now) = (sorted(before.values), sorted(std::mem::take(&mut self.values)));
        self.checked = now.len() as u64;
        self.shares = drift::tenths(&before, &now);
        self.parts = (1..=self.shares.len()).map(|part| format!("part {part}")).collect();
        self.distance = Some(if psi { drift::psi(&self.shares) } else { drift::ks(&before, &now) });
        Ok(())
    }

    fn settle_returns(&mut self, mark: bool) {
        let (returned, too_much) = std::mem::take(&mut self.ledger).settled();
        self.checked = returned;
        for row in too_much {
            self.failing += 1;
            self.note(row, mark);
        }
    }

    /// Takes in fingerprints; those that are known already are copies.
    fn find_copies(&mut self, fingerprints: &[Vec<(u128, usize)>], before: u64, mark: bool) {
        self.known.resize_with(fingerprints.len().max(self.known.len()), HashSet::new);
        let copies = |(known, prints): (&mut HashSet<u128>, &Vec<(u128, usize)>)| -> Vec<usize> {
            prints.iter().filter(|(print, _)| !known.insert(*print)).map(|(_, row)| *row).collect()
        };
        let mut rows: Vec<usize> =
            self.known.par_iter_mut().zip(fingerprints).flat_map_iter(copies).collect();
        rows.sort_unstable();
        self.failing += rows.len() as u64;
        rows.iter().for_each(|row| self.note(before + *row as u64, mark));
    }

    /// Notes a failing row.
    fn note(&mut self, row: u64, mark: bool) {
        if self.rows.len() < NAMED {
            self.rows.push(row + 1);
        }
        if mark {
            self.marks.push(row);
        }
    }

    fn find_outliers(&mut self, fence: Option<Fence>, mark: bool) {
        let values = std::mem::take(&mut self.values);
        self.checked = values.iter().filter(|value| !value.is_nan()).count() as u64;
        self.limits = outliers::limits(&values, fence);
        let Some((low, high)) = self.limits else { return };
        for (row, value) in (0_u64..).zip(values) {
            if value < low || value > high {
                self.failing += 1;
                self.note(row, mark);
                self.example.get_or_insert_with(|| value.to_string());
            }
        }
    }
}

fn look(batch: &RecordBatch, checks: &[Check], needed: &[usize], most: usize) -> Result<Vec<Glance>> {
    let look = |check: &Check| {
        let mut glance = glance(batch, &check.test, needed)?;
        glance.rows.truncate(most);
        Ok(glance)
    };
    checks.iter().map(look).collect()
}

fn glance(batch: &RecordBatch, test: &Test, needed: &[usize]) -> Result<Glance> {
    let arrays: Vec<ArrayRef> = columns(test)
        .iter()
        .filter_map(|at| needed.binary_search(at).ok().and_then(|at| batch.columns().get(at)).cloned())
        .collect();
    let Some(array) = arrays.first() else { return Ok(Glance::default()) };
    Ok(match test {
        Test::Missing(_) => missing(array)?,
        Test::Number { limit, most, .. } => {
            numbers(array, |value| if *most { value <= *limit } else { value >= *limit })?
        }
        Test::Numbers(_, allowed) => numbers(array, |value| allowed.contains(&value))?,
        Test::Whole(_) => numbers(array, |value| value.fract() == 0.0)?,
        Test::Time { limit, most, .. } => {
            times(array, |value| if *most { value <= *limit } else { value >= *limit })?
        }
        Test::Texts(_, allowed) => {
            texts(array, |text| text.map(|text| !allowed.iter().any(|one| one == text)))?
        }
        Test::Flags(_, allowed) => flags(array, allowed),
        Test::Unique(_) => Glance {
            checked: (array.len() - array.null_count()) as u64,
            example: None,
            fingerprints: fingerprints(&arrays, true)?,
            ..Glance::default()
        },
        Test::Duplicates(_) => Glance {
            checked: array.len() as u64,
            fingerprints: fingerprints(&arrays, false)?,
            ..Glance::default()
        },
        Test::Outliers(..) => Glance { values: numbers_of(array)?, ..Glance::default() },
        Test::Drift { texts: true, .. } => Glance { times: times_of(array)?, ..Glance::default() },
        Test::Drift { .. } => Glance { values: numbers_of(array)?, ..Glance::default() },
        Test::Pattern { regex, wanted, .. } => {
            texts(array, |text| text.map(|text| regex.is_match(text) != *wanted))?
        }
        Test::Length(_, length) => texts(array, |text| text.map(|text| !fits(text, *length)))?,
        Test::Monotone(_, direction) => monotone(array, *direction)?,
        Test::Holds { bound, .. } => holds(&arrays, bound)?,
        Test::Known(_, keys, _) => {
            let prints = ground::prints(array)?;
            count(array, prints.into_iter().map(|print| print.map(|print| !keys.contains(&print))))
        }
        Test::Returns(..) => moves(&arrays)?,
        Test::Gaps(..) | Test::Weeks(..) | Test::Fresh(..) | Test::LastWeek(_) => days(array)?,
        Test::Type { .. } | Test::Absent(_) | Test::Rows(..) => Glance::default(),
    })
}

/// Counts the values that fail; `row` says of each row whether it fails, `None` of what isn't there.
fn count(array: &ArrayRef, fails: impl Iterator<Item = Option<bool>>) -> Glance {
    let mut glance = Glance::default();
    for (row, fails) in fails.enumerate() {
        let Some(fails) = fails else { continue };
        glance.checked += 1;
        if fails {
            glance.failing += 1;
            glance.rows.push(row);
        }
    }
    glance.example =
        glance.rows.first().and_then(|row| array_value_to_string(array, *row).ok()).map(|text| shown(&text));
    glance
}

/// What is seen where every value is there and fine.
fn all_fine(array: &ArrayRef) -> Glance {
    Glance { checked: array.len() as u64, ..Glance::default() }
}

/// Values that aren't there: null, and in floats NaN and infinity, in text nothing but blanks.
fn missing(array: &ArrayRef) -> Result<Glance> {
    let mut glance = match array.data_type() {
        ty if !ty.is_floating() && !is_text(ty) && array.null_count() == 0 => all_fine(array),
        ty if ty.is_floating() => {
            count(array, floats(array)?.iter().map(|value| Some(!value.is_some_and(f64::is_finite))))
        }
        ty if is_text(ty) => texts(array, |text| Some(text.is_none_or(|text| text.trim().is_empty())))?,
        _ => count(array, (0..array.len()).map(|row| Some(array.is_null(row)))),
    };
    glance.example = None;
    Ok(glance)
}

fn numbers(array: &ArrayRef, fine: impl Fn(f64) -> bool) -> Result<Glance> {
    let floats = floats(array)?;
    Ok(count(
        array,
        floats.iter().map(|value| value.filter(|value| !value.is_nan()).map(|value| !fine(value))),
    ))
}

/// Numbers or times as numbers, NaN where there is none.
fn numbers_of(array: &ArrayRef) -> Result<Vec<f64>> {
    if is_time(array.data_type()) {
        // Microseconds since 1970 are exact up to the year 2255.
        let micros = micros(array)?;
        return Ok(micros.iter().map(|value| value.map_or(f64::NAN, |value| value as f64)).collect());
    }
    Ok(floats(array)?.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

/// How often each text comes.
fn times_of(array: &ArrayRef) -> Result<BTreeMap<String, u64>> {
    let texts = cast(array, &DataType::Utf8)?;
    let mut times: HashMap<&str, u64> = HashMap::new();
    for text in texts.as_string::<i32>().iter().flatten() {
        *times.entry(text).or_default() += 1;
    }
    Ok(times.into_iter().map(|(text, times)| (text.to_owned(), times)).collect())
}

fn fits(text: &str, length: Length) -> bool {
    let letters = text.chars().count() as u64;
    length.min.is_none_or(|min| letters >= min) && length.max.is_none_or(|max| letters <= max)
}

/// Values that don't follow the one before them within the batch; the first one is left to whoever knows the last.
fn monotone(array: &ArrayRef, direction: Direction) -> Result<Glance> {
    let mut last: Option<f64> = None;
    let mut ends: Option<((usize, f64), f64)> = None;
    let fails = numbers_of(array)?.into_iter().enumerate().map(|(row, value)| {
        if value.is_nan() {
            return None;
        }
        let before = last.replace(value);
        ends = Some((ends.map_or((row, value), |(first, _)| first), value));
        Some(before.is_some_and(|before| !direction.allows(value.total_cmp(&before))))
    });
    let glance = count(array, fails);
    Ok(Glance { ends, ..glance })
}

fn holds(arrays: &[ArrayRef], bound: &Bound) -> Result<Glance> {
    let fields: Vec<Field> = (0..)
        .zip(arrays)
        .map(|(at, array): (usize, _)| Field::new(at.to_string(), array.data_type().clone(), true))
        .collect();
    let batch = RecordBatch::try_new(Schema::new(fields).into(), arrays.to_vec())?;
    let truths = bound.holds(&batch)?;
    let mut glance = Glance::default();
    for (row, truth) in truths.iter().enumerate() {
        glance.checked += u64::from(truth.is_some());
        if truth == Some(false) {
            glance.failing += 1;
            glance.rows.push(row);
        }
    }
    Ok(glance)
}

/// What was bought or taken back: how much, then the columns that tell by whom of what.
fn moves(arrays: &[ArrayRef]) -> Result<Glance> {
    let Some((sizes, keys)) = arrays.split_first() else { return Ok(Glance::default()) };
    let sizes = floats(sizes)?;
    let prints = keys.iter().map(ground::prints).collect::<Result<Vec<_>>>()?;
    let key = |row: usize| {
        let parts = prints.iter().map(|prints| prints.get(row).copied().flatten());
        // The order of the columns counts, and so does which of two products is whose.
        parts.enumerate().try_fold(0_u128, |key, (at, print)| {
            Some(key ^ print?.rotate_left(u32::try_from(at).unwrap_or(0) * 7 + 1))
        })
    };
    let known = sizes.iter().enumerate().filter_map(|(row, size)| Some((row, key(row)?, size?)));
    let moves = known.filter(|(_, _, size)| *size != 0.0 && !size.is_nan()).collect();
    Ok(Glance { moves, ..Glance::default() })
}

fn floats(array: &ArrayRef) -> Result<Float64Array> {
    Ok(cast(array, &DataType::Float64)?.as_primitive().clone())
}

fn times(array: &ArrayRef, fine: impl Fn(i64) -> bool) -> Result<Glance> {
    Ok(count(array, micros(array)?.iter().map(|value| value.map(|value| !fine(value)))))
}

/// Microseconds since 1970; those of a zone are in UTC already.
fn micros(array: &ArrayRef) -> Result<Int64Array> {
    let zone = if let DataType::Timestamp(_, zone) = array.data_type() { zone.clone() } else { None };
    let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone))?;
    Ok(micros.as_primitive::<TimestampMicrosecondType>().reinterpret_cast())
}

/// Every different text of a dictionary is judged once, not every row.
fn texts(array: &ArrayRef, fails: impl Fn(Option<&str>) -> Option<bool>) -> Result<Glance> {
    let Some(keyed) = array.as_any_dictionary_opt() else {
        let text = cast(array, &DataType::Utf8)?;
        return Ok(count(array, text.as_string::<i32>().iter().map(fails)));
    };
    let names = cast(keyed.values(), &DataType::Utf8)?;
    let names: Vec<Option<bool>> = names.as_string::<i32>().iter().map(&fails).collect();
    if keyed.keys().null_count() == 0 && names.iter().all(|fails| *fails == Some(false)) {
        return Ok(all_fine(array));
    }
    let keys = cast(keyed.keys(), &DataType::Int32)?;
    let keys = keys.as_primitive::<Int32Type>();
    let nothing = fails(None);
    let by_key =
        |key: i32| usize::try_from(key).ok().and_then(|key| names.get(key).copied()).unwrap_or(nothing);
    Ok(count(array, keys.iter().map(|key| key.map_or(nothing, by_key))))
}

fn flags(array: &ArrayRef, allowed: &[bool]) -> Glance {
    let flags: &BooleanArray = array.as_boolean();
    count(array, flags.iter().map(|flag| flag.map(|flag| !allowed.contains(&flag))))
}

fn days(array: &ArrayRef) -> Result<Glance> {
    let mut glance = Glance::default();
    // Rows of a day mostly stand together, so runs are counted.
    let mut run = (0, 0);
    for value in micros(array)?.iter().flatten() {
        let day = value.div_euclid(DAY);
        if day != run.0 {
            *glance.days.entry(run.0).or_default() += run.1;
            run = (day, 0);
        }
        run.1 += 1;
    }
    *glance.days.entry(run.0).or_default() += run.1;
    glance.days.retain(|_, rows| *rows > 0);
    Ok(glance)
}

/// 128 bits of the XXH3 hash of every row; with `skip_null`, none for a null in the first column.
fn fingerprints(arrays: &[ArrayRef], skip_null: bool) -> Result<Vec<Vec<(u128, usize)>>> {
    let fields = arrays.iter().map(|array| SortField::new(array.data_type().clone())).collect();
    let rows = RowConverter::new(fields)?.convert_columns(arrays)?;
    let gone = |row: usize| skip_null && arrays.first().is_some_and(|array| array.is_null(row));
    let room = rows.num_rows() / SPREAD * 9 / 8;
    let mut spread: Vec<_> = (0..SPREAD).map(|_| Vec::with_capacity(room)).collect();
    for (row, bytes) in rows.iter().enumerate().filter(|(row, _)| !gone(*row)) {
        let print = XxHash3_128::oneshot(bytes.data());
        // The cast is deliberate: only the lowest bits count.
        spread[print as usize % SPREAD].push((print, row));
    }
    Ok(spread)
}
