//! Typed access to the columns of a batch, with errors that name what is there instead.

use std::borrow::Cow;

use anyhow::{Result, bail};
use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, TimeUnit};

use crate::diagnostic::{Failure, did_you_mean, quoted};

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

/// What a column must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Whatever it is.
    Anything,
    /// Numbers, or true/false.
    Numbers,
    /// Dates or timestamps.
    Moments,
}

/// A column that a parameter names.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    key: Cow<'a, str>,
    name: &'a str,
    holds: Holds,
}

impl<'a> Wanted<'a> {
    /// The column `name`, which the parameter `key` names: `amount`, `flags.0`.
    pub fn new(key: impl Into<Cow<'a, str>>, name: &'a str, holds: Holds) -> Self {
        Self { key: key.into(), name, holds }
    }
}

impl Holds {
    fn fits(self, kind: &DataType) -> bool {
        match self {
            Self::Anything => true,
            Self::Numbers => kind.is_numeric() || *kind == DataType::Boolean,
            Self::Moments => matches!(kind, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64),
        }
    }

    fn described(self) -> &'static str {
        match self {
            Self::Anything => "a value",
            Self::Numbers => "a number",
            Self::Moments => "a date or timestamp",
        }
    }
}

/// Checks that a table has the columns that parameters name, and that they hold what is needed of them.
///
/// # Errors
/// A [`Failure`] that points at the parameter of the first column that doesn't.
pub fn require(schema: &Schema, wanted: &[Wanted<'_>]) -> Result<(), Failure> {
    for one in wanted {
        let message = match schema.field_with_name(one.name) {
            Err(_) => format!("there is no column `{}`", one.name),
            Ok(field) if one.holds.fits(field.data_type()) => continue,
            Ok(field) => {
                let (is, what) = (type_name(field.data_type()), one.holds.described());
                format!("column `{}` is {is}, not {what}", one.name)
            }
        };
        let key = one.key.as_ref();
        return Err(Failure::new(message).hint(instead(schema, one, wanted)).at(key));
    }
    Ok(())
}

/// Which other column could be meant: those that no other parameter takes and that hold what is needed.
fn instead(schema: &Schema, wanted: &Wanted<'_>, all: &[Wanted<'_>]) -> String {
    let taken = |name: &str| all.iter().any(|other| other.name == name);
    let fields = schema.fields().iter().filter(|field| !taken(field.name()));
    let free: Vec<_> = fields
        .filter(|field| wanted.holds.fits(field.data_type()))
        .map(|field| field.name().as_str())
        .collect();
    let lacks = schema.field_with_name(wanted.name).is_err();
    if let Some(near) = did_you_mean(wanted.name, free.iter().copied()).filter(|_| lacks) {
        return format!("did you mean `{near}`?");
    }
    let key = wanted.key.split('.').next().unwrap_or_default();
    match free.as_slice() {
        [] => format!(
            "no other column holds {}: `columns` and `types` of a `read` stage say what a file's columns are",
            wanted.holds.described()
        ),
        [one] => {
            format!("say with `{key}` that it is `{one}`, or rename it with `columns` of a `read` stage")
        }
        _ => {
            let names = quoted(free.iter().copied(), "and");
            format!("say with `{key}` which of {names} it is, or rename it with `columns` of a `read` stage")
        }
    }
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
    if !Holds::Numbers.fits(kind) {
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
    if !Holds::Moments.fits(column.data_type()) {
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

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};

    use super::{Holds, Wanted, require};
    use crate::diagnostic::Failure;

    fn schema(columns: &[(&str, DataType)]) -> Schema {
        Schema::new(
            columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn a_column_is_offered_that_is_free_and_of_the_right_type() {
        let orders =
            schema(&[("who", DataType::Int64), ("when", DataType::Date32), ("paid", DataType::Float64)]);
        let ask = |amount, flag| {
            let wanted = [
                Wanted::new("customer", "who", Holds::Anything),
                Wanted::new("time", "when", Holds::Moments),
                Wanted::new("amount", amount, Holds::Numbers),
                Wanted::new("flags.0", flag, Holds::Numbers),
            ];
            require(&orders, &wanted)
        };
        assert_eq!(ask("paid", "paid"), Ok(()));
        assert_eq!(
            ask("amount", "who"),
            Err(Failure::new("there is no column `amount`")
                .hint("say with `amount` that it is `paid`, or rename it with `columns` of a `read` stage")
                .at("amount"))
        );
        assert_eq!(
            ask("paid", "when"),
            Err(Failure::new("column `when` is a date, not a number")
                .hint("no other column holds a number: `columns` and `types` of a `read` stage say what a file's columns are")
                .at("flags.0"))
        );
    }
}
