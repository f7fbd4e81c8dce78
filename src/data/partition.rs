//! Tables divided by time: the rows of each month one behind the other, with a digest of what they hold.
//!
//! The digest is of values, whatever encodes them and whatever stands beside them, so a partition is
//! known again in a table to which others were added. Knows nothing of what is counted.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::Result;
use arrow::array::{
    Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch, TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::{max, min, take_record_batch};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use chrono::{DateTime, Datelike};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::columns::{self, type_name};
use super::{Table, dates};

/// What a partition spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// A day.
    Day,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Span {
    /// The word for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// A number for the span that a time lies in; later spans have greater ones.
    fn number(self, micros: i64) -> i64 {
        let day = micros.div_euclid(dates::DAY);
        let date = || DateTime::from_timestamp(day * 86_400, 0).map(|time| time.date_naive());
        // Beyond all calendars years are made of 365 days.
        let (year, month) = match (self, date()) {
            (Self::Day, _) => return day,
            (_, Some(date)) => (i64::from(date.year()), i64::from(date.month0())),
            (_, None) => (1970 + day / 365, 0),
        };
        if self == Self::Year { year } else { year * 12 + month }
    }
}

/// A part of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// How many rows it has.
    pub rows: usize,
    /// Its first and its last time, in microseconds since 1970-01-01; none for rows without a time.
    pub times: Option<(i64, i64)>,
    /// A digest of the values of its rows.
    pub digest: String,
}

/// The parts of a table, in the order of its rows: by time, rows without one last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partitions {
    /// What each spans.
    pub by: Span,
    /// The column with the time.
    pub time: String,
    /// The parts.
    pub parts: Vec<Partition>,
}

impl Partitions {
    /// The parts of a table, if it is divided.
    pub fn of(table: &Table) -> Option<Self> {
        let found: Self = serde_json::from_str(table.note()?).ok()?;
        (found.ends().last().copied().unwrap_or(0) == table.rows()).then_some(found)
    }

    /// Where each part ends.
    pub fn ends(&self) -> Vec<usize> {
        let end = |row: &mut usize, part: &Partition| {
            *row += part.rows;
            Some(*row)
        };
        self.parts.iter().scan(0, end).collect()
    }

    /// The rows of a part.
    pub fn rows(&self, at: usize) -> Range<usize> {
        let before = self.parts.iter().take(at).map(|part| part.rows).sum();
        before..before + self.parts.get(at).map_or(0, |part| part.rows)
    }
}

/// Pieces of a table by the span that they are of; rows without a time come last.
type Pieces = BTreeMap<(bool, i64), Vec<RecordBatch>>;

/// Orders a table by the spans that its rows lie in; inside of one they keep their order.
///
/// # Errors
/// When the column is missing or holds no times.
pub fn divide(table: &Table, by: Span, time: &str) -> Result<Table> {
    let batches = table.batches()?.collect::<Result<Vec<_>>>()?;
    let cut = |batch: &RecordBatch| pieces(batch, by, time);
    let mut all = Pieces::new();
    for pieces in batches.par_iter().map(cut).collect::<Vec<_>>() {
        for (span, piece) in pieces? {
            all.entry(span).or_default().extend(piece);
        }
    }
    let whole: Vec<Vec<RecordBatch>> = all.into_values().collect();
    let parts = whole.par_iter().map(|pieces| partition(pieces, time)).collect::<Vec<_>>();
    let parts = parts.into_iter().collect::<Result<_>>()?;
    let partitions = Partitions { by, time: time.to_owned(), parts };
    let rows = whole.into_iter().flatten().collect();
    Ok(Table::from_batches(table.schema().clone(), rows).with_note(serde_json::to_string(&partitions)?))
}

fn pieces(batch: &RecordBatch, by: Span, time: &str) -> Result<Pieces> {
    let times = columns::timestamps(batch, time)?;
    let mut rows: BTreeMap<(bool, i64), Vec<u32>> = BTreeMap::new();
    for (row, span) in (0..).zip(spans(&times, by)) {
        rows.entry(span).or_default().push(row);
    }
    if rows.len() == 1 {
        return Ok(rows.into_keys().map(|span| (span, vec![batch.clone()])).collect());
    }
    let piece =
        |(span, rows): (_, Vec<u32>)| Ok((span, vec![take_record_batch(batch, &UInt32Array::from(rows))?]));
    rows.into_iter().map(piece).collect()
}

/// The span of each row. Neighbours mostly lie in the same day.
fn spans(times: &TimestampMicrosecondArray, by: Span) -> impl Iterator<Item = (bool, i64)> + '_ {
    let mut known = (i64::MIN, 0);
    times.iter().map(move |time| {
        let Some(time) = time else { return (true, 0) };
        let day = time.div_euclid(dates::DAY);
        if known.0 != day {
            known = (day, by.number(time));
        }
        (false, known.1)
    })
}

fn partition(pieces: &[RecordBatch], time: &str) -> Result<Partition> {
    let mut times: Option<(i64, i64)> = None;
    for piece in pieces {
        let all = columns::timestamps(piece, time)?;
        if let (Some(low), Some(high)) = (min(&all), max(&all)) {
            times = Some(times.map_or((low, high), |(first, last)| (first.min(low), last.max(high))));
        }
    }
    let rows = pieces.iter().map(RecordBatch::num_rows).sum();
    Ok(Partition { rows, times, digest: digest(pieces)? })
}

/// A digest of the names, types and values of columns, each value framed, row by row.
fn digest(pieces: &[RecordBatch]) -> Result<String> {
    let mut whole = blake3::Hasher::new_derive_key("custem partition");
    let Some(first) = pieces.first() else { return Ok(whole.finalize().to_hex().to_string()) };
    for (at, field) in first.schema().fields().iter().enumerate() {
        let mut hasher = blake3::Hasher::new();
        let head = format!("{} {}", field.name(), type_name(field.data_type()));
        hasher.update(&(head.len() as u64).to_le_bytes());
        hasher.update(head.as_bytes());
        for piece in pieces {
            let mut bytes = Vec::with_capacity(piece.num_rows() * 9);
            values(piece.column(at), &mut bytes)?;
            hasher.update(&bytes);
        }
        whole.update(hasher.finalize().as_bytes());
    }
    Ok(whole.finalize().to_hex().to_string())
}

/// The values of a column as bytes.
fn values(column: &ArrayRef, bytes: &mut Vec<u8>) -> Result<()> {
    match column.data_type() {
        DataType::Int64 => numbers::<Int64Type, 8>(column.as_primitive(), i64::to_le_bytes, bytes),
        DataType::Float64 => numbers::<Float64Type, 8>(column.as_primitive(), f64::to_le_bytes, bytes),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            numbers::<TimestampMicrosecondType, 8>(column.as_primitive(), i64::to_le_bytes, bytes);
        }
        DataType::Boolean => {
            column.as_boolean().iter().for_each(|value| put(value.map(|value| [u8::from(value)]), bytes));
        }
        DataType::Dictionary(key, value) if **key == DataType::Int32 && **value == DataType::Utf8 => {
            let keyed = column.as_dictionary::<Int32Type>();
            let texts = keyed.values().as_string::<i32>();
            for key in keyed.keys() {
                let text = key.and_then(|key| usize::try_from(key).ok()).map(|key| texts.value(key));
                put_text(text, bytes);
            }
        }
        _ => {
            let texts = arrow::compute::cast(column, &DataType::Utf8)?;
            texts.as_string::<i32>().iter().for_each(|text| put_text(text, bytes));
        }
    }
    Ok(())
}

fn numbers<T: ArrowPrimitiveType, const N: usize>(
    array: &PrimitiveArray<T>,
    bytes_of: fn(T::Native) -> [u8; N],
    bytes: &mut Vec<u8>,
) {
    array.iter().for_each(|value| put(value.map(bytes_of), bytes));
}

fn put<const N: usize>(value: Option<[u8; N]>, bytes: &mut Vec<u8>) {
    bytes.push(u8::from(value.is_some()));
    bytes.extend(value.into_iter().flatten());
}

fn put_text(text: Option<&str>, bytes: &mut Vec<u8>) {
    put(text.map(|text| (text.len() as u64).to_le_bytes()), bytes);
    bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, Float64Array, StringArray};

    use super::*;

    fn table(days: &[Option<i64>], amounts: &[f64], channels: &[Option<&str>]) -> Table {
        let times =
            days.iter().map(|day| day.map(|day| day * dates::DAY)).collect::<TimestampMicrosecondArray>();
        let channels: DictionaryArray<Int32Type> = channels.iter().copied().collect();
        let columns: [(&str, ArrayRef); 3] = [
            ("when", Arc::new(times)),
            ("amount", Arc::new(Float64Array::from(amounts.to_vec()))),
            ("channel", Arc::new(channels)),
        ];
        Table::from_batch(RecordBatch::try_from_iter(columns).unwrap())
    }

    /// Rows of February and January 1970 and one without a time, in no order.
    fn mixed() -> Table {
        let days = [Some(40), Some(3), None, Some(31), Some(30)];
        table(&days, &[1.0, 2.0, 3.0, 4.0, 5.0], &[Some("a"), None, Some("b"), Some("a"), Some("c")])
    }

    #[test]
    fn rows_are_ordered_by_month_and_keep_their_order_inside() {
        let divided = divide(&mixed(), Span::Month, "when").unwrap();
        let amounts = columns::float_vec(&divided.to_batch().unwrap(), "amount").unwrap();
        assert_eq!(amounts, [2.0, 5.0, 1.0, 4.0, 3.0]);
        let partitions = Partitions::of(&divided).unwrap();
        let told: Vec<_> = partitions.parts.iter().map(|part| (part.rows, part.times)).collect();
        let day = |day: i64| day * dates::DAY;
        assert_eq!(told, [(2, Some((day(3), day(30)))), (2, Some((day(31), day(40)))), (1, None)]);
        assert_eq!(partitions.ends(), [2, 4, 5]);
    }

    #[test]
    fn the_digest_of_a_partition_is_of_its_values_alone() {
        let all = Partitions::of(&divide(&mixed(), Span::Month, "when").unwrap()).unwrap();
        let alone = table(&[Some(40), Some(31)], &[1.0, 4.0], &[Some("a"), Some("a")]);
        let alone = Partitions::of(&divide(&alone, Span::Month, "when").unwrap()).unwrap();
        assert_eq!(all.parts[1], alone.parts[0]);
        let other = table(&[Some(40), Some(31)], &[1.0, 4.0], &[Some("a"), Some("b")]);
        let other = Partitions::of(&divide(&other, Span::Month, "when").unwrap()).unwrap();
        assert_ne!(all.parts[1].digest, other.parts[0].digest);
        let swapped = table(&[Some(31), Some(40)], &[4.0, 1.0], &[Some("a"), Some("a")]);
        let swapped = Partitions::of(&divide(&swapped, Span::Month, "when").unwrap()).unwrap();
        assert_ne!(all.parts[1].digest, swapped.parts[0].digest);
    }

    #[test]
    fn a_file_gives_the_partitions_that_memory_gives() {
        let divided = divide(&mixed(), Span::Month, "when").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        divided.write(&path).unwrap();
        let read = Table::open(&path).unwrap();
        let partitions = Partitions::of(&divided).unwrap();
        assert_eq!(Partitions::of(&read), Some(partitions.clone()));
        assert_eq!(read.schema(), divided.schema());
        assert_eq!(read.to_batch().unwrap(), divided.to_batch().unwrap());
        for at in 0..3 {
            let [one, two] =
                [&read, &divided].map(|table| table.partition(&partitions, at).to_batch().unwrap());
            assert_eq!(one.num_rows(), partitions.parts[at].rows);
            let texts = |batch| columns::strings(batch, "channel").unwrap();
            assert_eq!((one.column(1), texts(&one)), (two.column(1), texts(&two)));
            // What is made of some of the rows isn't taken for divided.
            assert!(read.partition(&partitions, at).note().is_none());
        }
        assert!(Table::from_batch(read.to_batch().unwrap()).note().is_none());
    }

    #[test]
    fn spans_have_numbers_in_order() {
        let day =
            |year, month, day| i64::from(dates::day(&dates::date(year, month, day)).unwrap()) * dates::DAY;
        let (before, after) = (day(2023, 12, 31), day(2024, 1, 1));
        for span in [Span::Day, Span::Month, Span::Year] {
            assert_eq!(span.number(before) + 1, span.number(after), "{span:?}");
            assert_eq!(span.number(after), span.number(after + dates::DAY - 1));
            assert!(span.number(i64::MIN) < span.number(0) && span.number(0) < span.number(i64::MAX));
        }
    }

    #[test]
    fn texts_of_both_encodings_have_one_digest() {
        let keyed: DictionaryArray<Int32Type> = [Some("x"), None].into_iter().collect();
        let (mut one, mut two) = (Vec::new(), Vec::new());
        values(&(Arc::new(keyed) as ArrayRef), &mut one).unwrap();
        values(&(Arc::new(StringArray::from(vec![Some("x"), None])) as ArrayRef), &mut two).unwrap();
        assert_eq!(one, two);
    }
}
