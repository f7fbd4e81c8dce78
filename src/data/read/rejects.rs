//! Rows that can't be read: when they are too many, how they are told, and the table of them.
//!
//! Knows what was wrong with a row, not how it was found.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use super::Format;
use super::collect::Bad;
use super::options::{BadRows, Options};
use super::source::File;
use crate::data::Table;
use crate::diagnostic::Failure;
use crate::diagnostic::{count, grouped, percent, were};

/// Lines that a message names.
const NAMED: usize = 5;

/// The bad rows of some files.
pub struct Report<'a> {
    /// What is wrong, with the number of the file.
    pub bad: &'a [(usize, Bad)],
    /// The files.
    pub files: &'a [File],
    /// Their format: lines of text, rows of Parquet.
    pub format: Format,
    /// Rows that are fine.
    pub kept: u64,
}

impl Report<'_> {
    /// A warning about bad rows; nothing when there are none.
    ///
    /// # Errors
    /// When they are more than the options allow.
    pub fn judge(&self, options: &Options) -> Result<Option<String>, Failure> {
        let Some((_, first)) = self.bad.first() else { return Ok(None) };
        let bad = self.bad.len() as u64;
        let all = bad + self.kept;
        let why = format!("{}: {}", self.lines(), describe(first));
        if options.bad_rows == BadRows::Fail {
            let message = format!("{} can't be read: {why}", count(bad, "row"));
            return Err(Failure::new(message)
                .hint("`bad_rows = \"reject\"` leaves such rows out")
                .at("bad_rows"));
        }
        // Counts of rows are far below 2^53.
        #[allow(clippy::cast_precision_loss)]
        let share = bad as f64 / all as f64;
        if share > options.max_bad {
            let message = format!(
                "{} of {} ({}) can't be read, more than `max_bad` allows ({}): {why}",
                grouped(bad),
                count(all, "row"),
                percent(share),
                percent(options.max_bad)
            );
            let hint = "correct the file, `columns` or `types`, or raise `max_bad` to leave such rows out";
            return Err(Failure::new(message).hint(hint).at("max_bad"));
        }
        let (of, were) = (count(all, "row"), were(bad));
        Ok(Some(format!("{} of {of} ({}) {were} left out: {why}", grouped(bad), percent(share))))
    }

    /// The first bad lines, file by file: "lines 3, 9 and 12 of `a.csv`".
    fn lines(&self) -> String {
        let unit = if self.format == Format::Text { "line" } else { "row" };
        let shown = self.bad.get(..NAMED.min(self.bad.len())).unwrap_or_default();
        let mut parts = Vec::new();
        for run in shown.chunk_by(|(a, _), (b, _)| a == b) {
            let name =
                run.first().and_then(|(file, _)| self.files.get(*file)).map_or("", |file| file.name.as_str());
            let lines: Vec<String> = run.iter().map(|(_, bad)| grouped(bad.line)).collect();
            let plural = if lines.len() == 1 { unit.to_owned() } else { format!("{unit}s") };
            parts.push(format!("{plural} {} of `{name}`", lines.join(", ")));
        }
        let more = if self.bad.len() > shown.len() { " and more" } else { "" };
        format!("{}{more}", parts.join(", "))
    }
}

/// What is wrong with a row: "`amount` is `abc`, not a number".
fn describe(bad: &Bad) -> String {
    match (&bad.column, &bad.value) {
        (Some(column), Some(value)) => format!("`{column}` is `{value}`, {}", bad.reason),
        (Some(column), None) => format!("`{column}` is {}", bad.reason),
        (None, _) => bad.reason.clone(),
    }
}

/// The table of bad rows: `file`, `line`, `column`, `value`, `reason`.
///
/// # Errors
/// When a line number is beyond 64 bits.
pub fn table(bad: &[(usize, Bad)], files: &[File]) -> Result<Table> {
    let text = |part: fn(&Bad) -> Option<&str>| -> ArrayRef {
        Arc::new(bad.iter().map(|(_, bad)| part(bad)).collect::<StringArray>())
    };
    let names = bad.iter().map(|(file, _)| files.get(*file).map(|file| file.name.as_str()));
    let lines = bad.iter().map(|(_, bad)| Ok(i64::try_from(bad.line)?)).collect::<Result<Vec<_>>>()?;
    let columns: [(&str, ArrayRef, bool); 5] = [
        ("file", Arc::new(names.collect::<StringArray>()), false),
        ("line", Arc::new(Int64Array::from(lines)), false),
        ("column", text(|bad| bad.column.as_deref()), true),
        ("value", text(|bad| bad.value.as_deref()), true),
        ("reason", text(|bad| Some(&bad.reason)), false),
    ];
    Ok(Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns)?))
}
