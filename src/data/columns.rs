//! Typed access to the columns of a batch, with errors that name what is there instead.

use anyhow::{Result, bail};
use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, TimeUnit};

use crate::diagnostic::{Failure, quoted};

/// Position of a column.
///
/// # Errors
/// When it doesn't exist; the message lists those that do.
pub fn index_of(schema: &Schema, name: &str) -> Result<usize> {
    match schema.index_of(name) {
        Ok(index) => Ok(index),
        Err(_) => bail!("there is no column `{name}`; there are {}", names(schema)),
    }
}

/// Checks that a table has the columns that parameters name, given as pairs of parameter and column.
///
/// # Errors
/// A [`Failure`] that points at the parameter of the first column that is missing.
pub fn require(schema: &Schema, wanted: &[(&str, &str)]) -> Result<(), Failure> {
    let Some((key, name)) = wanted.iter().find(|(_, name)| schema.index_of(name).is_err()) else {
        return Ok(());
    };
    let there = names(schema);
    let hint =
        format!("say with `{key}` which of {there} it is, or rename it with `columns` of a `read` stage");
    Err(Failure::new(format!("there is no column `{name}`")).hint(hint).at(*key))
}

/// The column of that name.
///
/// # Errors
/// When it doesn't exist.
pub fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    Ok(batch.column(index_of(batch.schema_ref(), name)?))
}

/// A numeric or boolean column as `f64`; nulls stay null.
///
/// # Errors
/// When the column doesn't exist or isn't numeric.
pub fn floats(batch: &RecordBatch, name: &str) -> Result<Float64Array> {
    let column = column(batch, name)?;
    let kind = column.data_type();
    if !(kind.is_numeric() || *kind == DataType::Boolean) {
        bail!("column `{name}` is {}, not a number", type_name(kind));
    }
    Ok(cast(column, &DataType::Float64)?.as_primitive().clone())
}

/// A numeric column as a vector, nulls as NaN.
///
/// # Errors
/// When the column doesn't exist or isn't numeric.
pub fn float_vec(batch: &RecordBatch, name: &str) -> Result<Vec<f64>> {
    Ok(floats(batch, name)?.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

/// An integer column as `i64`.
///
/// # Errors
/// When the column doesn't exist or isn't an integer.
pub fn integers(batch: &RecordBatch, name: &str) -> Result<Int64Array> {
    let column = column(batch, name)?;
    if !column.data_type().is_integer() {
        bail!("column `{name}` is {}, not an integer", type_name(column.data_type()));
    }
    Ok(cast(column, &DataType::Int64)?.as_primitive().clone())
}

/// Any column as text (dictionary-encoded text is decoded, numbers are printed).
///
/// # Errors
/// When the column doesn't exist or has no text form.
pub fn strings(batch: &RecordBatch, name: &str) -> Result<StringArray> {
    Ok(cast(column(batch, name)?, &DataType::Utf8)?.as_string().clone())
}

/// A date or timestamp column in microseconds since 1970-01-01 (UTC where no zone is given).
///
/// # Errors
/// When the column doesn't exist or isn't a date or timestamp.
pub fn timestamps(batch: &RecordBatch, name: &str) -> Result<TimestampMicrosecondArray> {
    let column = column(batch, name)?;
    if !matches!(column.data_type(), DataType::Timestamp(..) | DataType::Date32 | DataType::Date64) {
        bail!("column `{name}` is {}, not a date or timestamp", type_name(column.data_type()));
    }
    let micros = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    Ok(micros.as_primitive().clone())
}

/// The names of a schema's columns for a message: `a`, `b` and `c`.
pub fn names(schema: &Schema) -> String {
    quoted(schema.fields().iter().map(|field| field.name().as_str()), "and")
}

/// A data type in words that an analyst knows.
pub fn type_name(kind: &DataType) -> String {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Dictionary(_, value) => type_name(value),
        DataType::Boolean => "true/false".to_owned(),
        DataType::Date32 | DataType::Date64 => "a date".to_owned(),
        DataType::Timestamp(..) => "a timestamp".to_owned(),
        kind if kind.is_integer() => "an integer".to_owned(),
        kind if kind.is_numeric() => "a number".to_owned(),
        other => other.to_string(),
    }
}
