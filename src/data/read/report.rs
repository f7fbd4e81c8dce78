//! What was found out about files and how their columns were read, as tables.
//!
//! Knows what readers say; knows nothing of how they came to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};

use super::collect::Collector;
use super::column::{Column, Kind, Origin, Tally};
use super::number::Decimal;
use super::pack::Packing;
use crate::data::Table;

/// What readers say of the files and their columns.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The columns as they were read in the end.
    pub columns: Vec<Column>,
    /// The names of the first file's columns.
    pub names: Vec<String>,
    /// The files, in order.
    pub files: Vec<FileTold>,
}

/// What was found out about a file.
#[derive(Clone, Debug, Default)]
pub struct FileTold {
    /// Its name in messages.
    pub name: String,
    /// `delimited text`, `JSON lines`, `Parquet` or `Arrow`.
    pub format: &'static str,
    /// How it is compressed as a whole.
    pub packing: Option<Packing>,
    /// The encoding of its text.
    pub encoding: Option<String>,
    /// What separates its columns.
    pub delimiter: Option<String>,
    /// Whether its first line names its columns.
    pub header: Option<bool>,
}

impl Told {
    /// One row a file: `file`, `format`, `compression`, `encoding`, `delimiter`, `header`, `rows`, `rejected`.
    ///
    /// # Errors
    /// When a count is beyond 63 bits.
    pub fn files(&self, collector: &Collector) -> Result<Table> {
        let text = |part: fn(&FileTold) -> Option<&str>| -> ArrayRef {
            Arc::new(self.files.iter().map(part).collect::<StringArray>())
        };
        let mut rejected = vec![0_u64; self.files.len()];
        for (file, _) in &collector.rejected {
            rejected.get_mut(*file).into_iter().for_each(|count| *count += 1);
        }
        let kept = |at: usize| collector.by_file.get(at).copied().unwrap_or(0);
        let header: BooleanArray = self.files.iter().map(|file| file.header).collect();
        let columns: [(&str, ArrayRef, bool); 8] = [
            ("file", text(|file| Some(&file.name)), false),
            ("format", text(|file| Some(file.format)), false),
            ("compression", text(|file| file.packing.map(Packing::name)), true),
            ("encoding", text(|file| file.encoding.as_deref()), true),
            ("delimiter", text(|file| file.delimiter.as_deref()), true),
            ("header", Arc::new(header), true),
            ("rows", counts((0..self.files.len()).map(kept))?, false),
            ("rejected", counts(rejected)?, false),
        ];
        Ok(Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns)?))
    }

    /// One row a column: `column`, `from`, `type`, `values`, `missing`, `decimal`, `currency`, `dates`, `zoned`.
    ///
    /// # Errors
    /// When a count is beyond 63 bits.
    pub fn columns(&self, tallies: &[Tally]) -> Result<Table> {
        let all = || self.columns.iter().zip(tallies);
        let text = |part: &dyn Fn(&Column, &Tally) -> Option<String>| -> ArrayRef {
            Arc::new(all().map(|(column, tally)| part(column, tally)).collect::<StringArray>())
        };
        let columns: [(&str, ArrayRef, bool); 9] = [
            ("column", text(&|column, _| Some(column.name.clone())), false),
            ("from", text(&|column, _| Some(self.from(column))), false),
            ("type", text(&|column, _| Some(column.kind.name().to_owned())), false),
            ("values", counts(all().map(|(_, tally)| tally.values))?, false),
            ("missing", counts(all().map(|(_, tally)| tally.missing))?, false),
            ("decimal", text(&decimal), true),
            ("currency", text(&|_, tally| listed(&tally.currencies)), true),
            ("dates", text(&dates), true),
            ("zoned", text(&zoned), true),
        ];
        Ok(Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns)?))
    }

    fn from(&self, column: &Column) -> String {
        let name = |at: &usize| self.names.get(*at).map_or("", String::as_str);
        match &column.origin {
            Origin::Of(at) => name(at).to_owned(),
            Origin::Product(factors) => factors.iter().map(name).collect::<Vec<_>>().join(" * "),
        }
    }
}

fn counts(counts: impl IntoIterator<Item = u64>) -> Result<ArrayRef> {
    let counts = counts.into_iter().map(|count| Ok(i64::try_from(count)?)).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(Int64Array::from(counts)))
}

/// The decimal sign, where a number had a separator.
fn decimal(column: &Column, tally: &Tally) -> Option<String> {
    let votes = tally.decimal;
    if votes.first > 0 && votes.second > 0 {
        return Some("dot and comma".to_owned());
    }
    let sign = match column.decimal {
        _ if votes.first > 0 => "dot",
        _ if votes.second > 0 => "comma",
        Decimal::Dot => "dot",
        Decimal::Comma => "comma",
    };
    (votes.first + votes.second + votes.open > 0).then(|| sign.to_owned())
}

/// The spellings of dates, or the format that the user gave.
fn dates(column: &Column, tally: &Tally) -> Option<String> {
    if let Some(format) = &column.format {
        return Some(format.clone());
    }
    listed(&tally.layouts.iter().map(|(layout, times)| (layout.name(), *times)).collect())
}

/// What became of times with a zone.
fn zoned(column: &Column, tally: &Tally) -> Option<String> {
    if column.kind != Kind::Timestamp || tally.values == 0 {
        return None;
    }
    let rest = tally.values - tally.zoned.min(tally.values);
    Some(match (tally.zoned, rest) {
        (0, _) => "none".to_owned(),
        (_, 0) => "all".to_owned(),
        (some, _) => format!("{some} of {}", tally.values),
    })
}

/// What there is, the most frequent first: `£ 120, € 3`; without its count where it is the only one.
fn listed(times: &BTreeMap<String, u64>) -> Option<String> {
    let mut times: Vec<(&String, &u64)> = times.iter().collect();
    times.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    match times.as_slice() {
        [] => None,
        [(only, _)] => Some((*only).clone()),
        many => {
            Some(many.iter().map(|(name, times)| format!("{name} {times}")).collect::<Vec<_>>().join(", "))
        }
    }
}
