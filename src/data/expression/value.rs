//! The values of an expression, a batch at a time.
//!
//! Numbers are floats, times microseconds since 1970. NaN is unknown, as null is.

use std::sync::Arc;

use anyhow::{Result, bail};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Datum, Float64Array, Int64Array, RecordBatch, Scalar, StringArray,
};
use arrow::compute::kernels::cmp;
use arrow::compute::kernels::numeric::{add_wrapping, div, mul_wrapping, neg_wrapping, rem, sub_wrapping};
use arrow::compute::{and_kleene, cast, is_null, not, or_kleene};
use arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMicrosecondType};

use super::{Function, Kind, Operator, Part};

/// A value that stands in the text.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    Number(f64),
    Text(String),
    Moment(i64),
    Truth(bool),
    Nothing,
}

/// A value a row, or one for all.
pub enum Value {
    Each(ArrayRef),
    All(Scalar<ArrayRef>),
    /// Null, of whichever kind is needed.
    Nothing,
}

impl Value {
    fn datum(&self) -> Option<&dyn Datum> {
        match self {
            Self::Each(array) => Some(array),
            Self::All(scalar) => Some(scalar),
            Self::Nothing => None,
        }
    }

    /// Keeps whether it is one for all.
    fn made(array: ArrayRef, scalar: bool) -> Self {
        if scalar { Self::All(Scalar::new(array)) } else { Self::Each(array) }
    }

    fn is_scalar(&self) -> bool {
        matches!(self, Self::All(_))
    }

    /// The same with an array made of its own.
    fn map(self, make: impl FnOnce(&ArrayRef) -> Result<ArrayRef>) -> Result<Self> {
        Ok(match self {
            Self::Each(array) => Self::Each(make(&array)?),
            Self::All(scalar) => Self::All(Scalar::new(make(&scalar.into_inner())?)),
            Self::Nothing => Self::Nothing,
        })
    }

    /// As true or false for each of so many rows.
    ///
    /// # Errors
    /// When it is something else.
    pub fn truths(self, rows: usize) -> Result<BooleanArray> {
        let (array, is_one) = match self {
            Self::Each(array) => (array, false),
            Self::All(scalar) => (scalar.into_inner(), true),
            Self::Nothing => return Ok(BooleanArray::new_null(rows)),
        };
        let Some(truths) = array.as_boolean_opt() else { bail!("an expression gives no true or false") };
        if !is_one {
            return Ok(truths.clone());
        }
        let one = (truths.len() == 1 && truths.is_valid(0)).then(|| truths.value(0));
        Ok((0..rows).map(|_| one).collect())
    }
}

/// The values of a part.
pub fn of(part: &Part, batch: &RecordBatch) -> Result<Value> {
    let rows = batch.num_rows();
    Ok(match part {
        Part::Constant(constant) => self::constant(constant),
        Part::Column(at, kind) => Value::Each(column(batch.column(*at), *kind)?),
        Part::Not(inner) => Value::Each(Arc::new(not(&of(inner, batch)?.truths(rows)?)?)),
        Part::Minus(inner) => of(inner, batch)?.map(|array| Ok(neg_wrapping(array)?))?,
        Part::Missing(inner) => match of(inner, batch)? {
            Value::Each(array) => Value::Each(Arc::new(is_null(&array)?)),
            Value::All(scalar) => Value::All(Scalar::new(Arc::new(is_null(&scalar.into_inner())?))),
            Value::Nothing => self::constant(&Constant::Truth(true)),
        },
        Part::Among(inner, list) => {
            let mut found = BooleanArray::from(vec![false; rows]);
            for one in list {
                let equal = compare(Operator::Equal, &of(inner, batch)?, &of(one, batch)?)?.truths(rows)?;
                found = or_kleene(&found, &equal)?;
            }
            Value::Each(Arc::new(found))
        }
        Part::Call(function, arguments) => call(*function, arguments, batch)?,
        Part::Binary(operator, left, right) if operator.is_logical() => {
            let (one, two) = (of(left, batch)?.truths(rows)?, of(right, batch)?.truths(rows)?);
            let join = if *operator == Operator::And { and_kleene } else { or_kleene };
            Value::Each(Arc::new(join(&one, &two)?))
        }
        Part::Binary(operator, left, right) => {
            let (one, two) = (of(left, batch)?, of(right, batch)?);
            if operator.is_arithmetic() {
                compute(*operator, &one, &two)?
            } else {
                compare(*operator, &one, &two)?
            }
        }
    })
}

fn constant(constant: &Constant) -> Value {
    let array: ArrayRef = match constant {
        Constant::Number(number) => Arc::new(Float64Array::from(vec![*number])),
        Constant::Text(text) => Arc::new(StringArray::from(vec![text.as_str()])),
        Constant::Moment(micros) => Arc::new(Int64Array::from(vec![*micros])),
        Constant::Truth(truth) => Arc::new(BooleanArray::from(vec![*truth])),
        Constant::Nothing => return Value::Nothing,
    };
    Value::All(Scalar::new(array))
}

fn column(array: &ArrayRef, kind: Kind) -> Result<ArrayRef> {
    Ok(match kind {
        Kind::Number => known(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>()),
        Kind::Text | Kind::Nothing => cast(array, &DataType::Utf8)?,
        Kind::Truth => Arc::clone(array),
        Kind::Moment => {
            let zone = if let DataType::Timestamp(_, zone) = array.data_type() { zone.clone() } else { None };
            let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone))?;
            let micros: Int64Array = micros.as_primitive::<TimestampMicrosecondType>().reinterpret_cast();
            Arc::new(micros)
        }
    })
}

/// Numbers with NaN as null, and without a zero below zero: the kernels would find it smaller than the other.
fn known(numbers: &Float64Array) -> ArrayRef {
    if numbers.values().iter().all(|value| !value.is_nan()) {
        return Arc::new(numbers.unary::<_, Float64Type>(|value| value + 0.0));
    }
    Arc::new(numbers.unary_opt::<_, Float64Type>(|value| (!value.is_nan()).then_some(value + 0.0)))
}

fn compute(operator: Operator, one: &Value, two: &Value) -> Result<Value> {
    let (Some(left), Some(right)) = (one.datum(), two.datum()) else { return Ok(Value::Nothing) };
    let made = match operator {
        Operator::Plus => add_wrapping(left, right)?,
        Operator::Minus => sub_wrapping(left, right)?,
        Operator::Times => mul_wrapping(left, right)?,
        Operator::Over => div(left, right)?,
        _ => rem(left, right)?,
    };
    // Nothing over nothing is unknown.
    Ok(Value::made(known(made.as_primitive::<Float64Type>()), one.is_scalar() && two.is_scalar()))
}

fn compare(operator: Operator, one: &Value, two: &Value) -> Result<Value> {
    let (Some(left), Some(right)) = (one.datum(), two.datum()) else { return Ok(Value::Nothing) };
    let made = match operator {
        Operator::Equal => cmp::eq(left, right)?,
        Operator::Unequal => cmp::neq(left, right)?,
        Operator::Less => cmp::lt(left, right)?,
        Operator::LessOrEqual => cmp::lt_eq(left, right)?,
        Operator::Greater => cmp::gt(left, right)?,
        _ => cmp::gt_eq(left, right)?,
    };
    Ok(Value::made(Arc::new(made), one.is_scalar() && two.is_scalar()))
}

fn call(function: Function, arguments: &[Part], batch: &RecordBatch) -> Result<Value> {
    let mut values = arguments.iter().map(|part| of(part, batch)).collect::<Result<Vec<_>>>()?.into_iter();
    let first = values.next().unwrap_or(Value::Nothing);
    match function {
        Function::Abs => first
            .map(|array| Ok(Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(f64::abs)))),
        Function::Lower => first.map(|array| {
            let texts = array.as_string::<i32>().iter();
            Ok(Arc::new(texts.map(|text| text.map(str::to_lowercase)).collect::<StringArray>()))
        }),
        Function::Length => first.map(|array| {
            // No text has 2^53 letters.
            let length = |text: &str| text.chars().count() as f64;
            Ok(Arc::new(
                array.as_string::<i32>().iter().map(|text| text.map(length)).collect::<Float64Array>(),
            ))
        }),
        Function::StartsWith => {
            let begin = match values.next() {
                Some(Value::All(scalar)) => scalar.into_inner(),
                Some(Value::Each(array)) => array,
                _ => return Ok(Value::Nothing),
            };
            first.map(|array| {
                let (texts, begins) = (array.as_string::<i32>(), begin.as_string::<i32>());
                let begin = |row: usize| {
                    let row = if begins.len() == 1 { 0 } else { row };
                    begins.is_valid(row).then(|| begins.value(row))
                };
                let starts = |(row, text): (usize, Option<&str>)| Some(text?.starts_with(begin(row)?));
                Ok(Arc::new(texts.iter().enumerate().map(starts).collect::<BooleanArray>()))
            })
        }
    }
}
