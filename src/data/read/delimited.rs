//! Delimited text files, read block by block, the parts of a block in parallel.
//!
//! Memory is bounded by the block, not the file. Knows nothing of Parquet or stages.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::Result;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::kernels::numeric::mul;
use arrow::datatypes::Float64Type;
use rayon::prelude::*;

use super::build::{self, Built, Cells, MISSING, Misfit};
use super::charset::Blocks;
use super::collect::{Bad, Collector, Part};
use super::column::{Column, Kind, Origin};
use super::fields::Fields;
use super::source::Source;
use super::{json, split};
use crate::diagnostic::count;
use crate::diagnostic::{Failure, shown};

/// Bytes that are read before their parts are handed out.
const BLOCK: usize = 16 * split::PART;
/// The longest record: memory is bounded by it.
const LONGEST: usize = 64 << 20;

/// How a pass over a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All rows are read.
    Done,
    /// The bytes aren't of the encoding that was assumed.
    NotText,
    /// The pass was stopped: the columns must be something else.
    Stopped,
}

/// Reads a file into the collector. `positions` says where each column of the first file stands in
/// this one; `watch` is asked after every block, with the bytes read, whether to go on.
///
/// # Errors
/// When the file can't be read, a quote stays open, or `watch` fails.
pub fn read(
    source: &Source,
    (number, positions): (usize, &[usize]),
    columns: &[Column],
    out: &mut Collector,
    watch: &mut dyn FnMut(&Collector, u64) -> Result<bool>,
) -> Result<End> {
    let mut blocks = Blocks::open(&source.file.path, source.charset, source.old_mac)?;
    blocks.fill(BLOCK.max(source.skip))?;
    blocks.consume(source.skip);
    let (mut size, mut line, mut done) = (BLOCK, source.lines, source.skip as u64);
    let mut waiting = Vec::new();
    loop {
        blocks.fill(size)?;
        let text = blocks.pending();
        let cut = split::cut(text, source.delimiter, blocks.ended(), split::PART);
        if cut.parts.is_empty() {
            if blocks.ended() && cut.open.is_none() {
                append(waiting, number, out)?;
                return Ok(End::Done);
            }
            if blocks.ended() || size >= LONGEST {
                return Err(too_long(source, line, text, cut.open, blocks.ended()).into());
            }
            size *= 2;
            continue;
        }
        let parse = |part: &Range<usize>| parse(text.get(part.clone())?, source, positions, columns);
        let (parsed, appended) = match cut.parts.as_slice() {
            // Of many small files each is one part, which other threads would only wait for.
            [part] if waiting.is_empty() => (parse(part).map(|part| vec![part]), Ok(())),
            // While this block is parsed, the one before it is appended, which may mean writing it.
            parts => rayon::join(
                || parts.par_iter().map(parse).collect::<Option<Vec<_>>>(),
                || append(waiting, number, out),
            ),
        };
        appended?;
        let Some(parsed) = parsed else { return Ok(End::NotText) };
        waiting = parsed.into_iter().map(|part| placed(part, &mut line)).collect();
        done += cut.rest as u64;
        blocks.consume(cut.rest);
        size = BLOCK;
        if !watch(out, done)? {
            return Ok(End::Stopped);
        }
    }
}

fn append(parts: Vec<Part>, file: usize, out: &mut Collector) -> Result<()> {
    parts.into_iter().try_for_each(|part| out.add(part, file))
}

/// Counts the lines of a part's bad rows from the start of the file, and moves on behind the part.
fn placed((mut part, lines): (Part, u64), line: &mut u64) -> Part {
    part.bad.iter_mut().for_each(|bad| bad.line += *line + 1);
    *line += lines;
    part
}

/// A record without an end: as far as it was read, or in the whole rest of the file.
fn too_long(source: &Source, line: u64, text: &[u8], open: Option<usize>, ended: bool) -> Failure {
    let (name, most) = (&source.file.name, LONGEST >> 20);
    let Some(open) = open else {
        let message = format!("`{name}` line {}: a line of more than {most} MB", line + 1);
        return Failure::new(message).hint("is it a table of text?").at("path");
    };
    let above = split::lines(text.get(..open).unwrap_or_default());
    let what = if ended {
        "a quote is opened and never closed".to_owned()
    } else {
        format!("a quote is opened and not closed within {most} MB")
    };
    let message = format!("`{name}` line {}: {what}", line + above + 1);
    Failure::new(message).hint("close it, or double it where it is part of the text").at("path")
}

/// Reads a part: rows, and how many lines they took. Nothing when it isn't UTF-8.
fn parse(part: &[u8], source: &Source, positions: &[usize], columns: &[Column]) -> Option<(Part, u64)> {
    let text = std::str::from_utf8(part).ok()?;
    let width = source.names.len();
    let fields = if source.json {
        json::fields(text, &source.names)
    } else {
        Fields::of(text, source.delimiter, width)
    };
    let mut faults = Faults::default();
    let (mut cells, mut tallies) = (Vec::with_capacity(columns.len()), Vec::with_capacity(columns.len()));
    for column in columns {
        let built = fill(&fields, column, &source.names, positions, &mut faults);
        cells.push(built.cells);
        tallies.push(built.tally);
    }
    let (skip, mut bad) = faults.rows(|row| fields.lines.get(row).copied().unwrap_or(0).into());
    bad.extend(fields.torn.iter().map(|torn| Bad {
        line: torn.line.into(),
        column: None,
        value: None,
        reason: format!("{} instead of {width}", count(torn.fields as u64, "field")),
    }));
    bad.extend(fields.unread.iter().map(|(line, reason)| Bad {
        line: (*line).into(),
        column: None,
        value: None,
        reason: reason.clone(),
    }));
    bad.sort_by_key(|bad| bad.line);
    Some((Part { rows: fields.rows(), cells, tallies, skip, bad }, split::lines(part)))
}

fn fill(
    fields: &Fields,
    column: &Column,
    names: &[String],
    positions: &[usize],
    faults: &mut Faults,
) -> Built {
    let position = |at: usize| positions.get(at).copied().unwrap_or(usize::MAX);
    match &column.origin {
        Origin::Of(at) => {
            let mut built = build::column(fields.column(position(*at)), column);
            faults.add(&column.name, std::mem::take(&mut built.bad));
            built
        }
        Origin::Product(factors) => product(
            factors.iter().map(|at| {
                let at = position(*at);
                let name = names.get(at).map_or("", String::as_str);
                (name, build::column(fields.column(at), &factor(column)))
            }),
            faults,
        ),
    }
}

/// How a factor of a product is read.
pub fn factor(column: &Column) -> Column {
    Column { kind: Kind::Float, ..column.clone() }
}

/// Multiplies filled columns; a missing factor makes a missing product.
pub fn product<'a>(factors: impl Iterator<Item = (&'a str, Built)>, faults: &mut Faults) -> Built {
    let mut product: Option<Float64Array> = None;
    let mut tally = super::column::Tally::default();
    for (name, built) in factors {
        faults.add(name, built.bad);
        tally.merge(built.tally);
        let Cells::Plain(array) = built.cells else { continue };
        let values = array.as_primitive::<Float64Type>();
        product = Some(match product {
            None => values.clone(),
            // Both have the rows of the part, so multiplying can't fail.
            Some(so_far) => {
                mul(&so_far, values).map_or(so_far, |array| array.as_primitive::<Float64Type>().clone())
            }
        });
    }
    if let Some(product) = &product {
        tally.missing = product.null_count() as u64;
        tally.values = product.len() as u64 - tally.missing;
    }
    let array: ArrayRef =
        std::sync::Arc::new(product.unwrap_or_else(|| Float64Array::from(Vec::<f64>::new())));
    Built { cells: Cells::Plain(array), tally, bad: Vec::new() }
}

/// The first fault of every bad row.
#[derive(Default)]
pub struct Faults {
    rows: BTreeMap<usize, (String, Misfit)>,
}

impl Faults {
    /// Adds what didn't fit in a column.
    pub fn add(&mut self, column: &str, misfits: Vec<Misfit>) {
        for misfit in misfits {
            self.rows.entry(misfit.row).or_insert_with(|| (column.to_owned(), misfit));
        }
    }

    /// The bad rows and what is wrong with them, given the line of a row.
    pub fn rows(self, line: impl Fn(usize) -> u64) -> (Vec<usize>, Vec<Bad>) {
        let bad = self.rows.into_iter().map(|(row, (column, misfit))| {
            let value = (misfit.reason != MISSING).then(|| shown(&misfit.value));
            (row, Bad { line: line(row), column: Some(column), value, reason: misfit.reason.to_owned() })
        });
        bad.unzip()
    }
}
