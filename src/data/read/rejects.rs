//! Rows that can't be read: when they are too many, how they are told, and the table of them.
//!
//! Knows what was wrong with a row, not how it was found.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use indexmap::IndexMap;

use super::Format;
use super::collect::Bad;
use super::options::{BadRows, Options};
use super::source::File;
use crate::data::Table;
use crate::diagnostic::Failure;
use crate::diagnostic::{count, grouped, percent, were};

/// Lines that a message names, where all rows have the same mistake and where they have several.
const NAMED: usize = 5;
const NAMED_EACH: usize = 3;

/// Mistakes that a message names.
const MISTAKES: usize = 3;

/// What is wrong with a row: the column, if it is one, and the reason.
type Mistake<'a> = (Option<&'a str>, &'a str);

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
        if self.bad.is_empty() {
            return Ok(None);
        }
        let bad = self.bad.len() as u64;
        let all = bad + self.kept;
        let why = self.why();
        if options.bad_rows == BadRows::Fail {
            let message = format!("{} can't be read: {why}", count(bad, "row"));
            return Err(Failure::new(message)
                .hint("`bad_rows = \"reject\"` leaves such rows out")
                .at("bad_rows"));
        }
        // Counts of rows are far below 2^53.
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

    /// The mistakes in the order in which they first come, each with its first lines.
    fn why(&self) -> String {
        let mut mistakes: IndexMap<Mistake<'_>, Vec<&(usize, Bad)>> = IndexMap::new();
        for one in self.bad {
            mistakes.entry((one.1.column.as_deref(), &one.1.reason)).or_default().push(one);
        }
        let named = if mistakes.len() == 1 { NAMED } else { NAMED_EACH };
        let told = mistakes.values().take(MISTAKES);
        let mut parts: Vec<String> =
            told.map(|rows| format!("{}: {}", self.lines(rows, named), describe(rows))).collect();
        let others: usize = mistakes.values().skip(MISTAKES).map(Vec::len).sum();
        if others > 0 {
            parts.push(format!("{} for other reasons", count(others as u64, "row")));
        }
        parts.join("; ")
    }

    /// The first of some bad lines, file by file: "lines 3, 9 and 12 of `a.csv`".
    fn lines(&self, bad: &[&(usize, Bad)], named: usize) -> String {
        let unit = if self.format == Format::Text { "line" } else { "row" };
        let shown = bad.get(..named.min(bad.len())).unwrap_or_default();
        let mut parts = Vec::new();
        for run in shown.chunk_by(|a, b| a.0 == b.0) {
            let file = run.first().and_then(|one| self.files.get(one.0));
            let name = file.map_or("", |file| file.name.as_str());
            let lines: Vec<String> = run.iter().map(|one| grouped(one.1.line)).collect();
            let plural = if lines.len() == 1 { unit.to_owned() } else { format!("{unit}s") };
            parts.push(format!("{plural} {} of `{name}`", lines.join(", ")));
        }
        let more = if bad.len() > shown.len() { " and more" } else { "" };
        format!("{}{more}", parts.join(", "))
    }
}

/// What is wrong with rows that have the same mistake: "`amount` is `abc`, not a number".
fn describe(rows: &[&(usize, Bad)]) -> String {
    let Some((_, first)) = rows.first() else { return String::new() };
    let alike = rows.iter().all(|(_, one)| one.value == first.value);
    match (&first.column, &first.value) {
        (Some(column), Some(value)) if alike => format!("`{column}` is `{value}`, {}", first.reason),
        (Some(column), Some(value)) => format!("`{column}` is {}, such as `{value}`", first.reason),
        (Some(column), None) => format!("`{column}` is {}", first.reason),
        (None, _) => first.reason.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(line: u64, column: &str, value: &str, reason: &str) -> (usize, Bad) {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (0, Bad { line, column: some(column), value: some(value), reason: reason.to_owned() })
    }

    fn told(bad: &[(usize, Bad)]) -> String {
        let files = [File { name: "o.csv".to_owned(), path: "o.csv".into() }];
        let report = Report { bad, files: &files, format: Format::Text, kept: 990 };
        report.judge(&Options { max_bad: 1.0, ..Options::default() }).unwrap().unwrap()
    }

    #[test]
    fn each_mistake_has_its_own_lines() {
        let rows = [
            bad(4_226, "when", "notadate", "not a date"),
            bad(4_227, "when", "notadate", "not a date"),
            bad(4_229, "", "", "5 fields instead of 3"),
            bad(4_230, "", "", "5 fields instead of 3"),
            bad(4_231, "amount", "abc", "not a number"),
            bad(4_232, "amount", "x", "not a number"),
            bad(4_233, "amount", "y", "not a number"),
            bad(4_234, "amount", "z", "not a number"),
            bad(4_235, "customer_id", "", "missing"),
            bad(4_236, "", "", "2 fields instead of 3"),
        ];
        assert_eq!(
            told(&rows),
            "10 of 1,000 rows (1 %) were left out: lines 4,226, 4,227 of `o.csv`: `when` is `notadate`, not a date; \
             lines 4,229, 4,230 of `o.csv`: 5 fields instead of 3; \
             lines 4,231, 4,232, 4,233 of `o.csv` and more: `amount` is not a number, such as `abc`; \
             2 rows for other reasons"
        );
        assert_eq!(
            told(&rows[8..9]),
            "1 of 991 rows (0.1 %) was left out: line 4,235 of `o.csv`: `customer_id` is missing"
        );
    }
}
