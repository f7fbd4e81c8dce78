//! Parquet and Arrow files to one table: projected, renamed, and turned into the types that stages know.
//!
//! Types come from the file; text is only parsed where a column must hold something else.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, FieldRef, Float64Type, Int32Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use rayon::prelude::*;

use super::build::{self, Built, Cells, Misfit};
use super::collect::{Collector, Part};
use super::column::{Column, Kind, Origin, Tally};
use super::container::{self, Container};
use super::delimited::{Faults, factor, product};
use super::infer::{self, Look};
use super::mapping;
use super::options::Options;
use super::report::{FileTold, Told};
use super::source::File;
use super::{Gathered, Kept, Progress, kept};
use crate::data::parquet;
use crate::data::scan::side_by_side;
use crate::data::table::Batches;
use crate::diagnostic::{Failure, shown};

const PASSES: usize = 8;

/// A file whose footer has been read.
struct Source {
    file: File,
    container: Container,
    schema: SchemaRef,
    names: Vec<String>,
    rows: usize,
    positions: Vec<usize>,
}

/// Reads files of one format.
///
/// # Errors
/// When a file can't be read or the options don't go with it.
pub fn read(
    files: &[File],
    container: Container,
    options: &Options,
    large: Option<&Path>,
    keep: Option<Kept<'_>>,
    progress: Progress,
) -> Result<Gathered> {
    let mut sources = files.iter().map(|file| open(file, container)).collect::<Result<Vec<_>>>()?;
    let (mut columns, mut notes) = plan(&mut sources, options)?;
    let rows: usize = sources.iter().map(|source| source.rows).sum();
    for last in (0..PASSES).map(|pass| pass + 1 == PASSES) {
        let mut out = Collector::new(&columns, large)?;
        for (number, source) in sources.iter().enumerate() {
            // Counts of rows are far below 2^53.
            let mut done = |read: u64| progress(((read as f64) / rows.max(1) as f64).min(1.0));
            if let Some(keep) = keep {
                let how = format!("{columns:?} {:?}", source.positions);
                kept::file((&source.file, number), &columns, &how, keep, &mut out, &mut |own| {
                    scan(source, &columns, |part| own.add(part, 0)).map(|()| false)
                })?;
                done(out.rows)?;
                continue;
            }
            scan(source, &columns, |part| {
                out.add(part, number)?;
                done(out.rows)
            })?;
        }
        match infer::revise(&columns, &out.tallies, options, true) {
            Some(revised) if !last => columns = revised,
            _ => {
                notes.extend(infer::notes(&columns, &out.tallies, options));
                return Ok(Gathered { collector: out, notes, told: told(&sources, columns) });
            }
        }
    }
    Err(Failure::new("the files can't be read as one table").into())
}

fn told(sources: &[Source], columns: Vec<Column>) -> Told {
    let file = |source: &Source| FileTold {
        name: source.file.name.clone(),
        format: source.container.name(),
        ..FileTold::default()
    };
    let names = sources.first().map(|source| source.names.clone()).unwrap_or_default();
    Told { columns, names, files: sources.iter().map(file).collect() }
}

fn open(file: &File, container: Container) -> Result<Source> {
    let damaged = |error: anyhow::Error| {
        let (cause, what) = (error.root_cause().to_string(), container.name());
        let message = format!("`{}` is not a whole {what} file: {}", file.name, shown(&cause));
        Failure::new(message).hint("make or copy it again").at("path")
    };
    let (schema, rows) = container.footer(&file.path).map_err(damaged)?;
    let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    for (at, name) in names.iter().enumerate() {
        if names.iter().take(at).any(|other| other == name) {
            let message = format!("`{}` has two columns named `{name}`", file.name);
            return Err(Failure::new(message).hint("rename one in the file").at("path").into());
        }
    }
    Ok(Source { file: file.clone(), container, schema, names, rows, positions: Vec::new() })
}

fn plan(sources: &mut [Source], options: &Options) -> Result<(Vec<Column>, Vec<String>)> {
    let Some(first) = sources.first() else { return Ok(Default::default()) };
    if !options.names.is_empty() {
        let what = first.container.name();
        let message = format!("`names` is for text files: {what} files name their own columns");
        return Err(Failure::new(message).hint("use `columns` to rename them").at("names").into());
    }
    let (names, first_name) = (first.names.clone(), first.file.name.clone());
    let (mut columns, mut notes) = mapping::columns(&names, options, &first_name)?;
    let needed = mapping::needed(&columns);
    for source in sources.iter_mut() {
        let name = &source.file.name;
        source.positions = mapping::positions(&names, &needed, &source.names, name, &first_name)?;
        notes.extend(mapping::surplus(&names, &source.names, name, &first_name));
        refuse_nested(source, &needed)?;
    }
    let head = sources.iter().find(|source| source.rows > 0).map(|source| Head::of(source, &needed));
    let mut looks = Vec::with_capacity(columns.len());
    for column in &mut columns {
        let types: Vec<&DataType> = sources.iter().filter_map(|source| source.type_of(column)).collect();
        let look = head.as_ref().map(|head| head.look(column)).unwrap_or_default();
        settle_kind(column, &types, &look);
        looks.push(look);
    }
    infer::settle(&mut columns, &looks, options);
    Ok((columns, notes))
}

impl Source {
    fn position(&self, at: usize) -> usize {
        self.positions.get(at).copied().unwrap_or(usize::MAX)
    }

    /// A reader of a column alone, and the type that it gives.
    fn column(&self, at: usize, columns: &[Column]) -> Result<(FieldRef, Batches<'static>)> {
        let (path, place) = (&self.file.path, self.position(at));
        let field = self.schema.fields().get(place).context("a column is gone")?;
        if self.is_keyed(at, columns)
            && let Ok(batches) = parquet::read_keyed(path, place)
        {
            let keyed = field.as_ref().clone().with_data_type(Kind::Category.data_type());
            return Ok((Arc::new(keyed), batches));
        }
        Ok((Arc::clone(field), parquet::read(path, Some(vec![place]))?))
    }

    /// Whether text is better read with its dictionary: nothing but categories are made of it.
    fn is_keyed(&self, at: usize, columns: &[Column]) -> bool {
        let text = self.schema.fields().get(self.position(at)).map(|field| field.data_type());
        let made = |column: &&Column| match &column.origin {
            Origin::Of(from) => *from == at,
            Origin::Product(factors) => factors.contains(&at),
        };
        matches!(text, Some(DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View))
            && columns.iter().filter(made).all(|column| column.kind == Kind::Category)
    }

    /// The type of the column that a column is made of; nothing for a product.
    fn type_of(&self, column: &Column) -> Option<&DataType> {
        let Origin::Of(at) = column.origin else { return None };
        self.schema.fields().get(self.position(at)).map(|field| field.data_type())
    }
}

fn refuse_nested(source: &Source, needed: &[usize]) -> Result<(), Failure> {
    for field in needed.iter().filter_map(|at| source.schema.fields().get(source.position(*at))) {
        if kind_of(field.data_type()).is_some() {
            continue;
        }
        let what = match field.data_type() {
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => "lists",
            DataType::Struct(_) => "records",
            DataType::Map(..) => "maps",
            DataType::Binary
            | DataType::LargeBinary
            | DataType::FixedSizeBinary(_)
            | DataType::BinaryView => "raw bytes",
            DataType::Time32(_) | DataType::Time64(_) => "times without a day",
            _ => "values of a type that tables here don't have",
        };
        let message = format!("column `{}` of `{}` holds {what}", field.name(), source.file.name);
        let leave = "or name the columns to read with `keep` and `columns`";
        let hint = match what {
            "times without a day" => format!("write it as a timestamp with its day, {leave}"),
            "raw bytes" => format!("write it as text, {leave}"),
            "lists" | "records" | "maps" => format!("flatten it before, {leave}"),
            _ => format!("write it as numbers, text or timestamps, {leave}"),
        };
        return Err(Failure::new(message).hint(hint).at("path"));
    }
    Ok(())
}

/// What a column of that type holds; nothing where no stage could use it.
fn kind_of(ty: &DataType) -> Option<Kind> {
    match ty {
        DataType::Boolean => Some(Kind::Boolean),
        ty if ty.is_integer() => Some(Kind::Integer),
        ty if ty.is_numeric() => Some(Kind::Float),
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Some(Kind::Timestamp),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Some(Kind::Text),
        DataType::Dictionary(_, value) => match kind_of(value)? {
            Kind::Text => Some(Kind::Category),
            other => Some(other),
        },
        _ => None,
    }
}

/// What a column holds: as its role or the user says, else as the files say.
fn settle_kind(column: &mut Column, types: &[&DataType], look: &Look) {
    if column.firm {
        return;
    }
    let kinds: Vec<Kind> = types.iter().filter_map(|ty| kind_of(ty)).collect();
    let agreed = kinds.iter().copied().reduce(|a, b| match (a, b) {
        (a, b) if a == b => a,
        (Kind::Integer, Kind::Float) | (Kind::Float, Kind::Integer) => Kind::Float,
        (Kind::Text | Kind::Category, Kind::Text | Kind::Category) => Kind::Category,
        _ => Kind::Text,
    });
    column.kind = match (column.kind, agreed.unwrap_or(Kind::Text)) {
        // Programs turn ids with gaps into floats; ids of text stay text.
        (Kind::Id, Kind::Integer | Kind::Float) => Kind::Id,
        (Kind::Id, _) => Kind::Text,
        (_, Kind::Text) => look.text(),
        (_, agreed) => agreed,
    };
}

/// The first rows of a file's text: what it holds is up to its values.
struct Head {
    /// Where the columns stand among those of the first file.
    texts: Vec<usize>,
    batch: Option<RecordBatch>,
}

impl Head {
    fn of(source: &Source, needed: &[usize]) -> Self {
        const ROWS: usize = 4096;
        let is_text = |at: &usize| {
            let field = source.schema.fields().get(source.position(*at));
            field.is_some_and(|field| matches!(kind_of(field.data_type()), Some(Kind::Text | Kind::Category)))
        };
        let texts: Vec<usize> = needed.iter().copied().filter(is_text).collect();
        let places: Vec<usize> = texts.iter().map(|at| source.position(*at)).collect();
        // What is damaged is told by whoever reads all of it.
        let read = || source.container.head(&source.file.path, places, ROWS).ok().flatten();
        let batch = if texts.is_empty() { None } else { read() };
        Self { texts, batch }
    }

    /// Looks at the text from which a column is made; columns with a type of their own need no look.
    fn look(&self, column: &Column) -> Look {
        let origins = match &column.origin {
            Origin::Of(at) => std::slice::from_ref(at),
            Origin::Product(factors) => factors,
        };
        let array = |at: &usize| self.batch.as_ref()?.columns().get(self.texts.binary_search(at).ok()?);
        let texts: Vec<StringArray> =
            origins.iter().filter_map(array).filter_map(|array| text_of(array).ok()).collect();
        Look::at(texts.iter().flat_map(|text| text.iter().map(Option::unwrap_or_default)))
    }
}

fn scan(source: &Source, columns: &[Column], mut take: impl FnMut(Part) -> Result<()> + Send) -> Result<()> {
    let needed = mapping::needed(columns);
    let damaged = |error: &anyhow::Error| {
        let message =
            format!("`{}` is damaged: {}", source.file.name, shown(&error.root_cause().to_string()));
        Failure::new(message).hint("make or copy it again").at("path")
    };
    if source.container == Container::Arrow {
        let places = needed.iter().map(|at| source.position(*at)).collect();
        let mut row = 0;
        for batch in container::arrow(&source.file.path, Some(places)).map_err(|error| damaged(&error))?.1 {
            let batch = batch.map_err(|error| damaged(&error))?;
            take(part(&batch, &needed, columns, source, row)?)?;
            row += batch.num_rows() as u64;
        }
        return Ok(());
    }
    let mut fields = Vec::with_capacity(needed.len());
    let mut readers: Vec<Batches<'_>> = Vec::with_capacity(needed.len());
    for at in &needed {
        let (field, batches) = source.column(*at, columns).map_err(|error| damaged(&error))?;
        fields.push(field);
        readers.push(Box::new(batches.map(|batch| batch.map_err(|error| damaged(&error).into()))));
    }
    let schema = Arc::new(Schema::new(fields));
    let mut row = 0;
    side_by_side(&schema, readers, |window| {
        for batch in window {
            take(part(batch, &needed, columns, source, row)?)?;
            row += batch.num_rows() as u64;
        }
        Ok(())
    })
}

fn part(
    batch: &RecordBatch,
    needed: &[usize],
    columns: &[Column],
    source: &Source,
    before: u64,
) -> Result<Part> {
    let array = |at: &usize| needed.binary_search(at).ok().and_then(|at| batch.columns().get(at));
    let filled =
        |at: &usize, column: &Column| array(at).map_or_else(|| Ok(nothing()), |array| fill(array, column));
    let of_column = |column: &Column| -> Result<Vec<Built>> {
        match &column.origin {
            Origin::Of(at) => Ok(vec![filled(at, column)?]),
            Origin::Product(factors) => factors.iter().map(|at| filled(at, &factor(column))).collect(),
        }
    };
    let all: Vec<Result<Vec<Built>>> = columns.par_iter().map(of_column).collect();
    let mut faults = Faults::default();
    let (mut cells, mut tallies) = (Vec::with_capacity(columns.len()), Vec::with_capacity(columns.len()));
    for (column, all) in columns.iter().zip(all) {
        let mut all = all?;
        let built = match (&column.origin, all.pop()) {
            (Origin::Of(_), Some(mut built)) => {
                faults.add(&column.name, std::mem::take(&mut built.bad));
                built
            }
            (Origin::Product(factors), Some(last)) => {
                all.push(last);
                let name = |at: &usize| source.names.get(source.position(*at)).map_or("", String::as_str);
                product(factors.iter().map(name).zip(all), &mut faults)
            }
            (_, None) => nothing(),
        };
        cells.push(built.cells);
        tallies.push(built.tally);
    }
    let (skip, bad) = faults.rows(|row| before + row as u64 + 1);
    Ok(Part { rows: batch.num_rows(), cells, tallies, skip, bad })
}

fn nothing() -> Built {
    let empty: ArrayRef = Arc::new(StringArray::from(Vec::<Option<&str>>::new()));
    Built { cells: Cells::Plain(empty), tally: Tally::default(), bad: Vec::new() }
}

/// Turns an array into what the column must hold: by a cast that loses nothing, else through text.
fn fill(array: &ArrayRef, column: &Column) -> Result<Built> {
    let ty = array.data_type();
    let exact = match column.kind {
        Kind::Float if ty.is_numeric() => return Ok(finite(&cast(array, &DataType::Float64)?, column)),
        Kind::Category if matches!(kind_of(ty), Some(Kind::Category)) => {
            let keyed = cast(array, &Kind::Category.data_type())?;
            return Ok(keyed_texts(keyed.as_dictionary(), column));
        }
        Kind::Id | Kind::Integer => ty.is_integer() && *ty != DataType::UInt64,
        Kind::Boolean => *ty == DataType::Boolean,
        Kind::Timestamp => matches!(ty, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64),
        Kind::Float | Kind::Text | Kind::Category => false,
    };
    if !exact {
        let text = text_of(array)?;
        return Ok(build::column(text.iter().map(Option::unwrap_or_default), column));
    }
    let cells: ArrayRef = match column.kind {
        Kind::Timestamp => Arc::new(instants(array, column)?),
        kind => cast(array, &kind.data_type())?,
    };
    let missing = if column.required { gaps(cells.as_ref()) } else { Vec::new() };
    let mut tally = tally(cells.as_ref());
    if matches!(ty, DataType::Timestamp(_, Some(_))) {
        tally.zoned = tally.values;
    }
    Ok(Built { cells: Cells::Plain(cells), tally, bad: missing })
}

/// Text of an array; whole floats lose their point, as ids with gaps have one.
fn text_of(array: &ArrayRef) -> Result<StringArray> {
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}

/// How many values there are, and how many are missing.
fn tally(cells: &dyn Array) -> Tally {
    let missing = cells.null_count() as u64;
    Tally { values: cells.len() as u64 - missing, missing, ..Tally::default() }
}

/// Points in time without a zone: those with one are in UTC already, and are told by the column's clock.
fn instants(array: &ArrayRef, column: &Column) -> Result<TimestampMicrosecondArray> {
    let zone = match array.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let clock = column.zone.filter(|_| zone.is_some());
    let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone))?;
    let micros =
        micros.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<Arc<str>>);
    Ok(match clock {
        Some(clock) => micros.unary(|utc| clock.clock(utc)),
        None => micros,
    })
}

fn gaps(cells: &dyn Array) -> Vec<Misfit> {
    let rows = (0..cells.len()).filter(|row| cells.is_null(*row));
    rows.map(|row| Misfit { row, value: String::new(), reason: build::MISSING }).collect()
}

/// Texts by their place in a dictionary, numbered anew in the order in which they first come.
pub fn keyed_texts(keyed: &DictionaryArray<Int32Type>, column: &Column) -> Built {
    const UNSEEN: i32 = -1;
    const NONE: i32 = -2;
    let texts = keyed.values().as_string::<i32>();
    let is_none = |text: Option<&str>| text.is_none_or(build::is_missing_text);
    let mut numbers: Vec<i32> = texts.iter().map(|text| if is_none(text) { NONE } else { UNSEEN }).collect();
    let mut names = Vec::new();
    let mut number = |key: i32| {
        let place = usize::try_from(key).unwrap_or_default();
        let Some(number) = numbers.get_mut(place) else { return NONE };
        if *number == UNSEEN {
            *number = i32::try_from(names.len()).unwrap_or(i32::MAX);
            names.push(texts.value(place).to_owned());
        }
        *number
    };
    let keys: Int32Array = if keyed.null_count() == 0 && !texts.iter().any(is_none) {
        keyed.keys().values().iter().map(|key| number(*key)).collect::<Vec<i32>>().into()
    } else {
        keyed.keys().iter().map(|key| Some(number(key?)).filter(|number| *number != NONE)).collect()
    };
    let bad = if column.required { gaps(&keys) } else { Vec::new() };
    let tally = tally(&keys);
    Built { cells: Cells::Keys(keys, names), tally, bad }
}

/// Floats in which NaN is a gap and infinity a mistake.
fn finite(array: &ArrayRef, column: &Column) -> Built {
    let floats = array.as_primitive::<Float64Type>();
    if floats.null_count() == 0 && floats.values().iter().all(|value| value.is_finite()) {
        let tally = tally(floats);
        return Built { cells: Cells::Plain(Arc::clone(array)), tally, bad: Vec::new() };
    }
    let mut bad = Vec::new();
    let mut tally = Tally::default();
    let cells: Float64Array = floats
        .iter()
        .enumerate()
        .map(|(row, value)| match value.filter(|value| !value.is_nan()) {
            Some(value) if value.is_finite() => {
                tally.values += 1;
                Some(value)
            }
            Some(value) => {
                bad.push(Misfit { row, value: value.to_string(), reason: column.kind.misfit() });
                None
            }
            None => {
                tally.missing += 1;
                if column.required {
                    bad.push(Misfit { row, value: String::new(), reason: build::MISSING });
                }
                None
            }
        })
        .collect();
    Built { cells: Cells::Plain(Arc::new(cells)), tally, bad }
}

/// A column of a sample: its name, what it holds, its values as text.
pub type Sampled = (String, Kind, Vec<String>);

/// The number of rows of a file, and the beginning of all its columns that a table can have.
///
/// # Errors
/// When the file can't be read.
pub fn sample(file: &File, container: Container) -> Result<(usize, Vec<Sampled>)> {
    const ROWS: usize = 4096;
    let source = open(file, container)?;
    let fields = source.schema.fields().iter().enumerate();
    let usable: Vec<(usize, Kind)> =
        fields.filter_map(|(at, field)| kind_of(field.data_type()).map(|kind| (at, kind))).collect();
    let indices = usable.iter().map(|(at, _)| *at).collect();
    let batch = container.head(&file.path, indices, ROWS)?;
    let mut columns = Vec::with_capacity(usable.len());
    for (place, (at, kind)) in usable.iter().enumerate() {
        let values = match batch.as_ref().and_then(|batch| batch.columns().get(place)) {
            Some(array) => text_of(array)?,
            None => StringArray::from(Vec::<Option<&str>>::new()),
        };
        let values = values.iter().map(|value| value.unwrap_or_default().to_owned()).collect();
        columns.push((source.names.get(*at).cloned().unwrap_or_default(), *kind, values));
    }
    Ok((source.rows, columns))
}
