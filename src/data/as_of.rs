//! The day as of which a table's rows are, noted beside them in its file.
//!
//! Knows notes and days; does not know what rows are of. The note stays with these rows alone: what
//! is made of them has none.

use chrono::{DateTime, NaiveDate};
use serde::{Deserialize, Serialize};

use super::Table;
use super::dates::DAY;

/// The note.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    /// Rows know what came before the start of this day, and nothing later.
    as_of: String,
}

/// The table with a note that its rows are as of a time, in microseconds since 1970-01-01; without one
/// where that lies beyond all calendars.
#[must_use]
pub fn noted(table: Table, micros: i64) -> Table {
    let day = DateTime::from_timestamp_micros(micros).map(|time| time.date_naive().to_string());
    match day.and_then(|as_of| serde_json::to_string(&Note { as_of }).ok()) {
        Some(note) => table.with_note(note),
        None => table,
    }
}

/// The day as of which the rows are, in days since 1970-01-01, where the table says so.
pub fn of(table: &Table) -> Option<i64> {
    let note: Note = serde_json::from_str(table.note()?).ok()?;
    let date = NaiveDate::parse_from_str(&note.as_of, "%Y-%m-%d").ok()?;
    let midnight = date.and_hms_opt(0, 0, 0)?.and_utc();
    Some(midnight.timestamp_micros().div_euclid(DAY))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};

    use super::*;

    fn rows() -> Table {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        Table::from_batch(RecordBatch::try_from_iter([("n", numbers)]).unwrap())
    }

    #[test]
    fn the_day_survives_a_file_and_stays_with_its_rows() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let noted = noted(rows(), 20_267 * DAY + 5);
        assert_eq!((of(&noted), noted.note()), (Some(20_267), Some(r#"{"as_of":"2025-06-28"}"#)));
        noted.write(&one).unwrap();
        noted.write(&two).unwrap();
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
        let read = Table::open(&one).unwrap();
        assert_eq!(of(&read), Some(20_267));
        assert_eq!(of(&Table::from_batch(read.to_batch().unwrap())), None);
    }

    #[test]
    fn tables_without_a_day_have_none() {
        assert_eq!(of(&rows()), None);
        assert_eq!(of(&noted(rows(), i64::MAX)), None);
        assert_eq!(of(&rows().with_note("{\"parts\":[]}".to_owned())), None);
        assert_eq!(of(&noted(rows(), -1)), Some(-1));
    }
}
