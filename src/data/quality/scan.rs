//! One ordered pass over a table in which all checks see every row.
//!
//! Batches are looked at in parallel and added up in order, so that row numbers and everything
//! that depends on what came before are the same at any number of threads.

use anyhow::Result;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, TimeUnit, TimestampMicrosecondType};
use arrow::row::{RowConverter, SortField};
use arrow::util::display::array_value_to_string;
use hashbrown::HashSet;
use rayon::prelude::*;
use twox_hash::XxHash3_128;

use super::check::{Check, Test, is_text};
use super::coverage::Days;
use super::outliers;
use crate::data::Table;
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
    known: Vec<HashSet<u128>>,
    values: Vec<f64>,
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
}

/// Looks at all rows; one result a check.
///
/// Memory grows with what a check must remember: 16 bytes a row for `unique` and `duplicates`, 8
/// for `outliers` (and as much again for a scratch copy), a count a day for coverage.
///
/// # Errors
/// When the table can't be read.
pub fn scan(
    table: &Table,
    checks: &[Check],
    progress: &mut (dyn FnMut(f64) -> Result<()> + Send),
) -> Result<Vec<Seen>> {
    let mut all = vec![Seen::default(); checks.len()];
    let needed = needed(checks);
    let names: Vec<&str> = needed
        .iter()
        .filter_map(|at| table.schema().fields().get(*at))
        .map(|field| field.name().as_str())
        .collect();
    let mut before = 0_u64;
    windows(table, &names, |window| {
        let glances: Vec<Result<Vec<Glance>>> =
            window.par_iter().map(|batch| look(batch, checks, &needed)).collect();
        for (batch, glances) in window.iter().zip(glances) {
            all.par_iter_mut().zip(glances?).for_each(|(seen, glance)| seen.add(glance, before));
            before += batch.num_rows() as u64;
        }
        // Counts of rows are far below 2^53.
        progress(before as f64 / table.rows().max(1) as f64)
    })?;
    for (seen, check) in all.iter_mut().zip(checks) {
        match check.test {
            Test::Outliers(_) => seen.find_outliers(),
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
        | Test::Outliers(at)
        | Test::Gaps(at, _)
        | Test::Weeks(at, _) => vec![*at],
        Test::Duplicates(columns) => columns.clone(),
        Test::Type { .. } | Test::Absent(_) | Test::Rows(..) => Vec::new(),
    }
}

impl Seen {
    fn add(&mut self, glance: Glance, before: u64) {
        self.checked += glance.checked;
        self.failing += glance.failing;
        for row in glance.rows {
            self.name(before + row as u64 + 1);
        }
        self.example = self.example.take().or(glance.example);
        for (day, rows) in glance.days {
            *self.days.entry(day).or_default() += rows;
        }
        self.find_copies(&glance.fingerprints, before);
        self.values.extend(glance.values);
    }

    /// Takes in fingerprints; those that are known already are copies.
    fn find_copies(&mut self, fingerprints: &[Vec<(u128, usize)>], before: u64) {
        self.known.resize_with(fingerprints.len().max(self.known.len()), HashSet::new);
        let copies = |(known, prints): (&mut HashSet<u128>, &Vec<(u128, usize)>)| -> Vec<usize> {
            prints.iter().filter(|(print, _)| !known.insert(*print)).map(|(_, row)| *row).collect()
        };
        let mut rows: Vec<usize> =
            self.known.par_iter_mut().zip(fingerprints).flat_map_iter(copies).collect();
        rows.sort_unstable();
        self.failing += rows.len() as u64;
        rows.iter().take(NAMED).for_each(|row| self.name(before + *row as u64 + 1));
    }

    fn name(&mut self, row: u64) {
        if self.rows.len() < NAMED {
            self.rows.push(row);
        }
    }

    fn find_outliers(&mut self) {
        let values = std::mem::take(&mut self.values);
        self.checked = values.iter().filter(|value| !value.is_nan()).count() as u64;
        self.limits = outliers::limits(&values);
        let Some((low, high)) = self.limits else { return };
        for (row, value) in (1_u64..).zip(values) {
            if value < low || value > high {
                self.failing += 1;
                self.name(row);
                self.example.get_or_insert_with(|| value.to_string());
            }
        }
    }
}

fn look(batch: &RecordBatch, checks: &[Check], needed: &[usize]) -> Result<Vec<Glance>> {
    checks.iter().map(|check| glance(batch, &check.test, needed)).collect()
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
        Test::Outliers(_) => Glance {
            values: floats(array)?.iter().map(|value| value.unwrap_or(f64::NAN)).collect(),
            ..Glance::default()
        },
        Test::Gaps(..) | Test::Weeks(..) => days(array)?,
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
            if glance.rows.len() < NAMED {
                glance.rows.push(row);
            }
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
