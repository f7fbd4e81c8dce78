//! What rules meet besides the table: other tables, an earlier one, a day, and the names of a retailer's columns.
//!
//! Knows tables; knows nothing of rows one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use hashbrown::HashSet;
use twox_hash::XxHash3_128;

use super::demand::Retail;
use crate::data::Table;
use crate::data::scan::windows;

/// What rules meet.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    /// Other tables by name.
    pub others: BTreeMap<String, Table>,
    /// The table that distributions are compared with.
    pub earlier: Option<Table>,
    /// The day that freshness is measured from, in days since 1970.
    pub as_of: Option<i64>,
    /// The columns of a retailer.
    pub retail: Retail,
}

/// Values of a column as fingerprints: those of one text have one, whatever type holds it.
pub type Keys = Arc<HashSet<u128>>;

/// The values of a column.
///
/// Memory: 16 bytes a value.
///
/// # Errors
/// When the table can't be read.
pub fn keys(table: &Table, column: &str) -> Result<Keys> {
    let mut keys = HashSet::new();
    windows(table, &[column], |window| {
        for array in window.iter().flat_map(|batch| batch.columns().first()) {
            keys.extend(prints(array)?.into_iter().flatten());
        }
        Ok(())
    })?;
    Ok(Arc::new(keys))
}

/// The fingerprint of each value; none of a missing one.
///
/// # Errors
/// When the values have no text.
pub fn prints(array: &ArrayRef) -> Result<Vec<Option<u128>>> {
    if let Some(keyed) = array.as_any_dictionary_opt() {
        // Every different text is hashed once, not every row.
        let names = prints(keyed.values())?;
        let keys = cast(keyed.keys(), &DataType::Int32)?;
        let keys = keys.as_primitive::<arrow::datatypes::Int32Type>();
        let print = |key: Option<i32>| names.get(usize::try_from(key?).ok()?).copied().flatten();
        return Ok(keys.iter().map(print).collect());
    }
    // An id that another program made a float is the same id.
    let whole =
        if array.data_type().is_floating() { cast(array, &DataType::Int64)? } else { Arc::clone(array) };
    let texts = cast(&whole, &DataType::Utf8)?;
    Ok(texts
        .as_string::<i32>()
        .iter()
        .map(|text| text.map(|text| XxHash3_128::oneshot(text.as_bytes())))
        .collect())
}
