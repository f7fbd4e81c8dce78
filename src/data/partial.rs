//! Partial results as files: whoever counts part by part saves what came of a part, and loads it again.
//!
//! Does not know who keeps them, nor what was counted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::partition::{Partition, Partitions};

/// Grows when partial results are saved in another form.
const FORM: &str = "form 1";

/// Writes a file at a path.
pub type Make<'m> = &'m mut dyn FnMut(&Path) -> Result<()>;

/// Gives the file that follows from these parts, made where it isn't kept yet.
pub type Keep<'a> = &'a (dyn Fn(&[&str], Make<'_>) -> Result<PathBuf> + Sync);

/// What came of a partition: loaded where it is kept, else computed and saved. It follows from the partition
/// and `parts`.
///
/// # Errors
/// When it can't be computed, saved or loaded.
pub fn of_partition<T: Serialize + DeserializeOwned>(
    partition: &Partition,
    parts: &[&str],
    keep: Keep<'_>,
    compute: &dyn Fn() -> Result<T>,
) -> Result<T> {
    let mut all = vec![FORM, partition.digest.as_str()];
    all.extend(parts);
    let mut made = None;
    let mut make = |path: &Path| {
        let state = compute()?;
        fs_err::write(path, postcard::to_stdvec(&state)?)?;
        made = Some(state);
        Ok(())
    };
    let path = keep(&all, &mut make)?;
    match made {
        Some(state) => Ok(state),
        None => postcard::from_bytes(&fs_err::read(path)?).context("a partial result can't be read"),
    }
}

/// The partitions of a table, if they are by the time column.
pub fn by_time(table: &super::Table, time: &str) -> Option<Partitions> {
    Partitions::of(table).filter(|partitions| partitions.time == time)
}

/// Ids of customers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ids {
    /// Integers.
    Integers(Vec<i64>),
    /// Texts.
    Texts(Vec<String>),
}

impl Ids {
    /// The ids of a column without gaps.
    ///
    /// # Errors
    /// When the column can't be turned into text.
    pub fn of(column: &ArrayRef) -> Result<Self> {
        if column.data_type().is_integer() {
            let integers = cast(column, &DataType::Int64)?;
            return Ok(Self::Integers(integers.as_primitive::<Int64Type>().values().to_vec()));
        }
        let texts = cast(column, &DataType::Utf8)?;
        Ok(Self::Texts(
            texts.as_string::<i32>().iter().map(|text| text.unwrap_or_default().to_owned()).collect(),
        ))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Integers(ids) => ids.len(),
            Self::Texts(ids) => ids.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids as a column.
    pub fn column(&self) -> ArrayRef {
        match self {
            Self::Integers(ids) => Arc::new(Int64Array::from(ids.clone())),
            Self::Texts(ids) => Arc::new(StringArray::from_iter_values(ids)),
        }
    }
}
