//! The table that comes out of reading: parts in order, in memory or straight to a Parquet file.
//!
//! Knows columns and rows; knows nothing of where they come from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{Array, ArrayRef, BooleanArray, DictionaryArray, Int32Array, RecordBatch, StringArray};
use arrow::compute::filter;
use arrow::datatypes::{Int32Type, SchemaRef};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::build::Cells;
use super::column::{self, Column, Tally};
use crate::data::Table;
use crate::data::parquet::Writer;
use crate::data::table::CHUNK;

/// A category with more different texts than this is no category.
const CROWD: usize = 65_536;

/// A row that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bad {
    /// The line in its file, from 1; in a Parquet file the row.
    pub line: u64,
    /// The column, unless the row as a whole is wrong.
    pub column: Option<String>,
    /// The value.
    pub value: Option<String>,
    /// What is wrong.
    pub reason: String,
}

/// Rows of some part of a file.
pub struct Part {
    /// How many there are, bad ones included.
    pub rows: usize,
    /// Their values, one entry a column.
    pub cells: Vec<Cells>,
    /// What the values said, one entry a column.
    pub tallies: Vec<Tally>,
    /// Which rows are left out.
    pub skip: Vec<usize>,
    /// Why, by line; also rows that never became cells.
    pub bad: Vec<Bad>,
}

/// The table so far.
pub struct Collector {
    schema: SchemaRef,
    texts: Vec<Option<Texts>>,
    batches: Vec<RecordBatch>,
    waiting: usize,
    file: Option<(Writer, PathBuf)>,
    /// What the values said, one entry a column.
    pub tallies: Vec<Tally>,
    /// Rows that are kept.
    pub rows: u64,
    /// The same of each file, by its number.
    pub by_file: Vec<u64>,
    /// Rows that are left out, with the number of their file.
    pub rejected: Vec<(usize, Bad)>,
}

/// The finished table.
pub enum Collected {
    /// In memory.
    Memory(Table),
    /// In a file, too large for memory.
    File(PathBuf),
}

impl Collector {
    /// An empty table of such columns, in memory unless a file is given.
    ///
    /// # Errors
    /// When the file can't be made.
    pub fn new(columns: &[Column], file: Option<&Path>) -> Result<Self> {
        let schema = column::schema(columns);
        let texts = columns
            .iter()
            .map(|column| (column.kind == column::Kind::Category).then(Texts::default))
            .collect();
        let file = match file {
            Some(path) => Some((Writer::create(path, schema.clone())?, path.to_path_buf())),
            None => None,
        };
        let tallies = vec![Tally::default(); columns.len()];
        Ok(Self {
            schema,
            texts,
            batches: Vec::new(),
            waiting: 0,
            file,
            tallies,
            rows: 0,
            by_file: Vec::new(),
            rejected: Vec::new(),
        })
    }

    /// Appends rows of the file of that number.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn add(&mut self, part: Part, file: usize) -> Result<()> {
        self.rejected.extend(part.bad.into_iter().map(|bad| (file, bad)));
        let mut arrays = Vec::with_capacity(part.cells.len());
        for (at, (cells, tally)) in part.cells.into_iter().zip(part.tallies).enumerate() {
            let texts = self.texts.get_mut(at).and_then(Option::as_mut);
            arrays.push(match (cells, texts) {
                (Cells::Plain(array), _) => array,
                (Cells::Keys(keys, names), Some(texts)) => texts.take(&keys, &names)?,
                (Cells::Keys(keys, _), None) => Arc::new(keys),
            });
            if let Some(all) = self.tallies.get_mut(at) {
                all.merge(tally);
                all.crowded |=
                    self.texts.get(at).is_some_and(|texts| texts.as_ref().is_some_and(Texts::crowded));
            }
        }
        let arrays = without(arrays, part.rows, &part.skip)?;
        let batch = RecordBatch::try_new(self.schema.clone(), arrays)?;
        self.rows += batch.num_rows() as u64;
        self.by_file.resize(self.by_file.len().max(file + 1), 0);
        self.by_file.get_mut(file).into_iter().for_each(|rows| *rows += batch.num_rows() as u64);
        self.waiting += batch.num_rows();
        self.batches.push(batch);
        self.flush(false)
    }

    /// The whole table. Texts of a column are shared by all its batches.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn finish(mut self) -> Result<Collected> {
        self.flush(true)?;
        if let Some((writer, path)) = self.file {
            writer.finish()?;
            return Ok(Collected::File(path));
        }
        let all: Vec<Option<ArrayRef>> =
            self.texts.iter_mut().map(|texts| texts.as_mut().map(Texts::array)).collect();
        let shared = self.batches.iter().map(|batch| share(batch, &all)).collect::<Result<Vec<_>>>()?;
        Ok(Collected::Memory(Table::from_batches(self.schema, shared)))
    }

    /// Writes what fills whole chunks, so that the file has the bytes that the table in memory would get.
    fn flush(&mut self, last: bool) -> Result<()> {
        let Some((writer, _)) = &mut self.file else { return Ok(()) };
        if self.waiting < CHUNK && !last {
            return Ok(());
        }
        let all: Vec<Option<ArrayRef>> =
            self.texts.iter_mut().map(|texts| texts.as_mut().map(Texts::array)).collect();
        let shared = self.batches.drain(..).map(|batch| share(&batch, &all)).collect::<Result<Vec<_>>>()?;
        self.waiting = 0;
        for batch in Table::from_batches(self.schema.clone(), shared).batches()? {
            let batch = batch?;
            if batch.num_rows() == CHUNK || last {
                writer.write(&batch)?;
            } else {
                self.waiting = batch.num_rows();
                self.batches.push(batch);
            }
        }
        Ok(())
    }
}

/// The different texts of a column, in the order in which they first came.
#[derive(Default)]
struct Texts {
    known: HashMap<String, i32>,
    names: Vec<String>,
    array: Option<ArrayRef>,
}

impl Texts {
    /// Renumbers keys into the texts of a part.
    fn take(&mut self, keys: &Int32Array, names: &[String]) -> Result<ArrayRef> {
        let mut numbers = Vec::with_capacity(names.len());
        for name in names {
            numbers.push(match self.known.get(name.as_str()) {
                Some(number) => *number,
                None => self.learn(name)?,
            });
        }
        if numbers.iter().copied().eq(0..) {
            return Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys.clone(), self.array())?));
        }
        let number =
            |key: i32| usize::try_from(key).ok().and_then(|key| numbers.get(key).copied()).unwrap_or(0);
        let keys: Int32Array = keys.unary(number);
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, self.array())?))
    }

    fn learn(&mut self, name: &str) -> Result<i32> {
        let number = i32::try_from(self.names.len())?;
        self.known.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        self.array = None;
        Ok(number)
    }

    fn array(&mut self) -> ArrayRef {
        let names = &self.names;
        let array = self.array.get_or_insert_with(|| Arc::new(StringArray::from_iter_values(names)));
        Arc::clone(array)
    }

    fn crowded(&self) -> bool {
        self.names.len() > CROWD
    }
}

/// Gives categories the texts that all batches have together: keys stay as they are.
fn share(batch: &RecordBatch, texts: &[Option<ArrayRef>]) -> Result<RecordBatch> {
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, texts) in batch.columns().iter().zip(texts) {
        let keyed = column.as_any().downcast_ref::<DictionaryArray<Int32Type>>();
        columns.push(match (keyed, texts) {
            // Most parts came when all texts were known, and have them already.
            (Some(keyed), Some(texts)) if !Arc::ptr_eq(keyed.values(), texts) => {
                let keys = keyed.keys().clone();
                Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(texts))?) as ArrayRef
            }
            _ => Arc::clone(column),
        });
    }
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

fn without(arrays: Vec<ArrayRef>, rows: usize, skip: &[usize]) -> Result<Vec<ArrayRef>> {
    if skip.is_empty() {
        return Ok(arrays);
    }
    let mut keep = vec![true; rows];
    for row in skip {
        if let Some(keep) = keep.get_mut(*row) {
            *keep = false;
        }
    }
    let keep = BooleanArray::from(keep);
    arrays.iter().map(|array| Ok(filter(array, &keep)?)).collect()
}
