//! Tables as kernels see them: columns of numbers and categories, and the way back.
//!
//! Knows Arrow types and which columns are ids; knows nothing of what is computed with the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    UInt32Array,
};
use arrow::compute::{cast, interleave, take};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use super::columns::type_name;
use crate::diagnostic::Failure;
use crate::model::mixed::{Column, MISSING};

/// Text of more different values than this, and than half of the rows, identifies rows.
const FEW: usize = 20;

/// What the user says of columns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'a> {
    /// Columns whose numbers are names of categories.
    pub categories: &'a [String],
    /// Columns that identify rows.
    pub ids: &'a [String],
    /// Columns that aren't looked at.
    pub leave_out: &'a [String],
}

/// What a column holds.
#[derive(Clone, Debug)]
pub enum Role {
    /// Numbers.
    Number,
    /// Dates or timestamps, as so many steps since an origin, both in units of the column's type.
    Moment {
        /// The first moment.
        origin: i64,
        /// The largest step that all moments are apart by.
        step: i64,
    },
    /// Categories, or true/false.
    Category {
        /// The value of each level, in the column's type.
        levels: ArrayRef,
    },
    /// What identifies rows: it isn't learnt, and new rows get new ones.
    Id,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Described {
    /// Its name, type and whether it may be missing.
    pub field: Arc<Field>,
    /// What it holds.
    pub role: Role,
}

/// Tables with the same columns.
#[derive(Clone, Debug)]
pub struct Mixed {
    /// All columns that were looked at.
    pub described: Vec<Described>,
    /// The places in `described` of the columns that are no ids.
    pub learnt: Vec<usize>,
    /// Those columns of each table.
    pub tables: Vec<Vec<Column>>,
}

impl Described {
    /// Its name.
    pub fn name(&self) -> &str {
        self.field.name()
    }

    /// What it holds, in a word.
    pub fn role_name(&self) -> &'static str {
        match self.role {
            Role::Number => "number",
            Role::Moment { .. } => "date",
            Role::Category { .. } => "category",
            Role::Id => "id",
        }
    }

    /// How many units of the column's type a microsecond or part of it is: to convert dates of parameters.
    pub fn from_micros(&self, micros: i64) -> Option<f64> {
        let Role::Moment { origin, step } = self.role else { return None };
        let units = micros as f64 * (seconds(self.field.data_type())? / 1e6);
        Some((units - origin as f64) / step as f64)
    }

    /// How many steps a day has, and how many of them lie between midnight and the origin.
    pub fn day(&self) -> (f64, f64) {
        let Role::Moment { origin, step } = self.role else { return (1.0, 0.0) };
        let units = (86_400.0 * seconds(self.field.data_type()).unwrap_or(1.0)).round().max(1.0);
        let past = origin.rem_euclid(units as i64) as f64;
        (units / step as f64, past / step as f64)
    }

    /// The level of a category that is written so.
    pub fn level(&self, text: &str) -> Option<u32> {
        let Role::Category { levels } = &self.role else { return None };
        let texts = cast(levels, &DataType::Utf8).ok()?;
        let found = texts.as_string::<i32>().iter().position(|level| level == Some(text))?;
        u32::try_from(found).ok()
    }

    /// Its levels as text.
    pub fn levels(&self) -> Vec<String> {
        let Role::Category { levels } = &self.role else { return Vec::new() };
        let texts =
            cast(levels, &DataType::Utf8).unwrap_or_else(|_| Arc::new(StringArray::new_null(levels.len())));
        texts.as_string::<i32>().iter().map(|level| level.unwrap_or_default().to_owned()).collect()
    }
}

/// Units of a type of moments in a second.
fn seconds(kind: &DataType) -> Option<f64> {
    match kind {
        DataType::Date32 => Some(1.0 / 86_400.0),
        DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => Some(1e3),
        DataType::Timestamp(TimeUnit::Second, _) => Some(1.0),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Some(1e6),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Some(1e9),
        _ => None,
    }
}

/// Steps that moments may be apart by, the largest first.
fn steps(kind: &DataType) -> Vec<i64> {
    let unit = seconds(kind).unwrap_or(1.0);
    let whole = [86_400.0, 3_600.0, 60.0, 1.0, 1e-3, 1e-6].map(|step| step * unit);
    whole.into_iter().filter(|step| *step >= 1.0).map(|step| step as i64).chain([1]).collect()
}

/// Reads tables; the first one says what columns hold, the others must have its columns.
///
/// # Errors
/// A [`Failure`] at `keys[i]` when table `i` lacks a column or has values of another type, at `leave_out` for a column that can't be
/// looked at, and at `categories`, `ids` or `leave_out` for a name that no column has.
pub fn read(tables: &[RecordBatch], keys: &[&str], hints: Hints<'_>) -> Result<Mixed> {
    let schema = tables[0].schema();
    known(&schema, hints)?;
    let mut mixed =
        Mixed { described: Vec::new(), learnt: Vec::new(), tables: vec![Vec::new(); tables.len()] };
    for field in schema.fields().iter().filter(|field| !hints.leave_out.contains(field.name())) {
        let arrays = same_column(tables, keys, field)?;
        let role = role(field, &arrays, hints)?;
        if !matches!(role, Role::Id) {
            mixed.learnt.push(mixed.described.len());
            for (table, array) in mixed.tables.iter_mut().zip(&arrays) {
                table.push(encode(array, &role)?);
            }
        }
        mixed.described.push(Described { field: field.clone(), role });
    }
    Ok(mixed)
}

/// Checks that all names are those of columns.
fn known(schema: &Schema, hints: Hints<'_>) -> Result<(), Failure> {
    for (key, names) in [("categories", hints.categories), ("ids", hints.ids), ("leave_out", hints.leave_out)]
    {
        let unknown = names.iter().enumerate().find(|(_, name)| schema.index_of(name).is_err());
        if let Some((at, name)) = unknown {
            let columns = schema.fields().iter().map(|field| field.name().as_str());
            let failure = Failure::unknown(format!("there is no column `{name}`"), name, columns);
            return Err(failure.at(format!("{key}.{at}")));
        }
    }
    Ok(())
}

/// The column of that name in all tables, in the type that it has in the first one.
fn same_column(tables: &[RecordBatch], keys: &[&str], field: &Field) -> Result<Vec<ArrayRef>> {
    let mut arrays = Vec::new();
    for (table, key) in tables.iter().zip(keys) {
        let Some(array) = table.column_by_name(field.name()) else {
            let message = format!("there is no column `{}`, which `{}` has", field.name(), keys[0]);
            let hint = "both tables must have the same columns: `leave_out` names those that don't count";
            return Err(Failure::new(message).hint(hint).at(*key).into());
        };
        let cast = cast(array, field.data_type()).ok().filter(|cast| cast.null_count() == array.null_count());
        let Some(array) = cast else {
            let (is, other) = (type_name(array.data_type()), type_name(field.data_type()));
            let message = format!("column `{}` is {is}, but {other} in `{}`", field.name(), keys[0]);
            let hint = "`types` of a `read` stage say what columns are";
            return Err(Failure::new(message).hint(hint).at(*key).into());
        };
        arrays.push(array);
    }
    Ok(arrays)
}

fn role(field: &Field, arrays: &[ArrayRef], hints: Hints<'_>) -> Result<Role> {
    let (kind, first) = (field.data_type(), &arrays[0]);
    if hints.ids.contains(field.name()) {
        return Ok(Role::Id);
    }
    let category = kind == &DataType::Boolean || hints.categories.contains(field.name()) || is_text(kind);
    if category {
        let texts = texts(arrays)?;
        let distinct = texts[0].iter().flatten().collect::<BTreeSet<_>>().len();
        let many = distinct > FEW && distinct > first.len() / 2;
        let identifies = many || (named_id(field.name()) && distinct == first.len());
        if is_text(kind) && identifies && !hints.categories.contains(field.name()) {
            return Ok(Role::Id);
        }
        return Ok(Role::Category { levels: levels(arrays, &texts)? });
    }
    if seconds(kind).is_some() {
        return moment(first);
    }
    if kind.is_numeric() {
        let distinct = kind.is_integer() && named_id(field.name()) && first.null_count() == 0 && {
            let values = cast(first, &DataType::Float64)?;
            let values: BTreeSet<u64> = values
                .as_primitive::<arrow::datatypes::Float64Type>()
                .values()
                .iter()
                .map(|value| value.to_bits())
                .collect();
            values.len() == first.len()
        };
        return Ok(if distinct { Role::Id } else { Role::Number });
    }
    let message = format!(
        "column `{}` is {}, neither a number, a date, text nor true/false",
        field.name(),
        type_name(kind)
    );
    Err(Failure::new(message)
        .hint(format!("leave it out: `leave_out = [\"{}\"]`", field.name()))
        .at("leave_out")
        .into())
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

/// Whether a name is one of ids.
fn named_id(name: &str) -> bool {
    let name = name.to_lowercase();
    name == "id" || name.ends_with("_id")
}

fn texts(arrays: &[ArrayRef]) -> Result<Vec<StringArray>> {
    arrays.iter().map(|array| Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())).collect()
}

/// One value a level, by their text.
fn levels(arrays: &[ArrayRef], texts: &[StringArray]) -> Result<ArrayRef> {
    let mut first: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (table, texts) in texts.iter().enumerate() {
        for (row, text) in texts.iter().enumerate() {
            if let Some(text) = text {
                first.entry(text).or_insert((table, row));
            }
        }
    }
    let places: Vec<_> = first.into_values().collect();
    let arrays: Vec<&dyn Array> = arrays.iter().map(|array| array.as_ref()).collect();
    Ok(interleave(&arrays, &places)?)
}

fn moment(array: &ArrayRef) -> Result<Role> {
    let raw = raw(array)?;
    let Some(origin) = raw.iter().flatten().min() else { return Ok(Role::Moment { origin: 0, step: 1 }) };
    let mut steps = steps(array.data_type());
    // Days count from midnight, so that they stay days.
    let fits = |step: &i64| raw.iter().flatten().all(|value| value.rem_euclid(*step) == 0);
    let step = steps.drain(..).find(fits).unwrap_or(1);
    Ok(Role::Moment { origin, step })
}

/// Moments in units of their type.
fn raw(array: &ArrayRef) -> Result<Int64Array> {
    let whole = match array.data_type() {
        DataType::Date32 => cast(array, &DataType::Int32)?,
        _ => array.clone(),
    };
    Ok(cast(&whole, &DataType::Int64)?.as_primitive().clone())
}

fn encode(array: &ArrayRef, role: &Role) -> Result<Column> {
    Ok(match role {
        Role::Number | Role::Id => {
            let values = cast(array, &DataType::Float64)?;
            let values: &Float64Array = values.as_primitive();
            let number = |value: Option<f64>| value.filter(|value| value.is_finite()).unwrap_or(f64::NAN);
            Column::Numbers(values.iter().map(number).collect())
        }
        Role::Moment { origin, step } => {
            let place = |value: i64| {
                let past = i128::from(value) - i128::from(*origin);
                past as f64 / *step as f64
            };
            Column::Numbers(raw(array)?.iter().map(|value| value.map_or(f64::NAN, place)).collect())
        }
        Role::Category { levels } => {
            let known = texts(std::slice::from_ref(levels))?;
            let known: BTreeMap<&str, u32> = known[0].iter().flatten().zip(0..).collect();
            let texts = texts(std::slice::from_ref(array))?;
            let code = |text: Option<&str>| text.and_then(|text| known.get(text)).copied().unwrap_or(MISSING);
            Column::Levels { codes: texts[0].iter().map(code).collect(), count: known.len() as u32 }
        }
    })
}

/// Columns as a table again; ids are numbered from 1.
///
/// # Errors
/// When a value doesn't fit the type of its column.
pub fn write(described: &[Described], columns: &[Column], rows: usize) -> Result<RecordBatch> {
    let mut learnt = columns.iter();
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for one in described {
        let array = match &one.role {
            Role::Id => ids(one.field.data_type(), 1..=rows, rows)?,
            role => match learnt.next() {
                Some(column) => decode(column, role, one.field.data_type())?,
                None => arrow::array::new_null_array(one.field.data_type(), rows),
            },
        };
        let nullable = one.field.is_nullable() || array.null_count() > 0;
        fields.push(Field::new(one.name(), one.field.data_type().clone(), nullable));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
}

/// A table whose ids in one column are those of these numbers, of `most` at most.
///
/// # Errors
/// When a number doesn't fit the type of the column.
pub fn with_ids(table: RecordBatch, column: usize, numbers: &[usize], most: usize) -> Result<RecordBatch> {
    let (schema, mut arrays, _) = table.into_parts();
    arrays[column] = ids(schema.field(column).data_type(), numbers.iter().copied(), most)?;
    Ok(RecordBatch::try_new(schema, arrays)?)
}

fn ids(kind: &DataType, numbers: impl Iterator<Item = usize>, most: usize) -> Result<ArrayRef> {
    let numbers: ArrayRef = if is_text(kind) {
        let width = most.to_string().len();
        Arc::new(StringArray::from_iter_values(numbers.map(|number| format!("synthetic-{number:0width$}"))))
    } else {
        Arc::new(Int64Array::from_iter_values(numbers.map(|number| number as i64)))
    };
    Ok(cast(&numbers, kind)?)
}

fn decode(column: &Column, role: &Role, kind: &DataType) -> Result<ArrayRef> {
    Ok(match (column, role) {
        (Column::Levels { codes, .. }, Role::Category { levels }) => {
            let places: UInt32Array = codes.iter().map(|code| (*code != MISSING).then_some(*code)).collect();
            cast(&take(levels, &places, None)?, kind)?
        }
        (Column::Numbers(values), Role::Moment { origin, step }) => {
            let moment = |value: &f64| {
                (!value.is_nan()).then(|| origin.saturating_add((value.round() as i64).saturating_mul(*step)))
            };
            let raw: Int64Array = values.iter().map(moment).collect();
            let raw: ArrayRef =
                if kind == &DataType::Date32 { cast(&raw, &DataType::Int32)? } else { Arc::new(raw) };
            cast(&raw, kind)?
        }
        (Column::Numbers(values), _) => {
            let numbers: Float64Array =
                values.iter().map(|value| (!value.is_nan()).then_some(*value)).collect();
            cast(&numbers, kind)?
        }
        (Column::Levels { codes, .. }, _) => arrow::array::new_null_array(kind, codes.len()),
    })
}

/// The columns of tables for scores that depend on the unit of moments: these become nanoseconds since 1970, as pandas
/// counts.
pub fn in_nanoseconds(mixed: &Mixed) -> Vec<Vec<Column>> {
    let convert = |table: &Vec<Column>| -> Vec<Column> {
        let pairs = table.iter().zip(&mixed.learnt);
        pairs
            .map(|(column, at)| {
                let one = &mixed.described[*at];
                match (column, &one.role) {
                    (Column::Numbers(values), Role::Moment { origin, step }) => {
                        let unit = (1e9 / seconds(one.field.data_type()).unwrap_or(1e9)) as i128;
                        let moment = |value: &f64| {
                            let raw = i128::from(*origin) + value.round() as i128 * i128::from(*step);
                            if value.is_nan() { f64::NAN } else { (raw * unit) as f64 }
                        };
                        Column::Numbers(values.iter().map(moment).collect())
                    }
                    _ => column.clone(),
                }
            })
            .collect()
    };
    mixed.tables.iter().map(convert).collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, Date32Array, Int32Array, TimestampMicrosecondArray};

    use super::*;

    fn table() -> RecordBatch {
        let columns: [(&str, ArrayRef); 6] = [
            ("customer_id", Arc::new(Int64Array::from(vec![11, 12, 13]))),
            ("age", Arc::new(Int32Array::from(vec![Some(30), None, Some(50)]))),
            ("day", Arc::new(Date32Array::from(vec![Some(19_000), Some(19_010), None]))),
            (
                "at",
                Arc::new(
                    TimestampMicrosecondArray::from(vec![3_600_000_000, 7_200_000_000, 0])
                        .with_timezone("+02:00"),
                ),
            ),
            ("city", Arc::new(StringArray::from(vec![Some("Köln"), None, Some("Bonn")]))),
            ("local", Arc::new(BooleanArray::from(vec![true, false, true]))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn a_table_comes_back_with_new_ids() {
        let mixed = read(&[table()], &["input"], Hints::default()).unwrap();
        let roles: Vec<_> = mixed.described.iter().map(Described::role_name).collect();
        assert_eq!(roles, ["id", "number", "date", "date", "category", "category"]);
        let columns = &mixed.tables[0];
        assert_eq!(columns[3], Column::Levels { codes: vec![1, MISSING, 0], count: 2 });
        assert_eq!(columns[2], Column::Numbers(vec![1.0, 2.0, 0.0]), "hours");
        let back = write(&mixed.described, columns, 3).unwrap();
        for name in ["age", "day", "at", "city", "local"] {
            assert_eq!(back.column_by_name(name), table().column_by_name(name), "{name}");
        }
        let ids = back.column_by_name("customer_id").unwrap();
        assert_eq!(ids.as_primitive::<arrow::datatypes::Int64Type>().values(), &[1, 2, 3]);
        assert_eq!(mixed.described[2].from_micros(19_010 * 86_400_000_000), Some(10.0));
        assert_eq!(mixed.described[4].level("Köln"), Some(1));
    }

    #[test]
    fn nanoseconds_are_those_of_pandas() {
        let mixed = read(&[table()], &["input"], Hints::default()).unwrap();
        let converted = in_nanoseconds(&mixed);
        let Column::Numbers(days) = &converted[0][1] else { panic!("no numbers") };
        assert_eq!(days[0], 19_000.0 * 86_400e9);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let hints = Hints { categories: &["aeg".to_owned()], ..Hints::default() };
        let error = read(&[table()], &["input"], hints).unwrap_err();
        assert_eq!(error.to_string(), "there is no column `aeg`");
        let less = table().project(&[0, 1]).unwrap();
        let error = read(&[table(), less], &["real", "synthetic"], Hints::default()).unwrap_err();
        assert_eq!(error.to_string(), "there is no column `day`, which `real` has");
        let hints = Hints { leave_out: &["day".to_owned()], ids: &["city".to_owned()], ..Hints::default() };
        let mixed = read(&[table()], &["input"], hints).unwrap();
        assert_eq!(mixed.described.len(), 5);
        assert_eq!(mixed.learnt, [1, 2, 4]);
    }
}
