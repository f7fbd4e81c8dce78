//! Parquet files, written so that equal tables give equal bytes, and read in order.
//!
//! Fixed settings: Snappy, one million rows a row group, no timestamps, no writer version.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::data::table::{Batches, CHUNK};

/// Rows in a row group: a multiple of [`CHUNK`], so that chunks never straddle two groups.
const ROW_GROUP: usize = 16 * CHUNK;

/// A Parquet file being written, batch by batch, with bounded memory.
pub struct Writer {
    inner: ArrowWriter<File>,
}

impl Writer {
    /// Creates (or truncates) the file.
    ///
    /// # Errors
    /// When it can't be created, or the schema has a type that Parquet lacks.
    pub fn create(path: &Path, schema: SchemaRef) -> Result<Self> {
        let file = fs_err::File::create(path)?.into_parts().0;
        let inner = ArrowWriter::try_new(file, schema, Some(properties()))?;
        Ok(Self { inner })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// When the batch has another schema or the disk is full.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.inner.write(batch).map_err(cause)
    }

    /// Writes the footer; without it the file is no Parquet file.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn finish(self) -> Result<()> {
        self.inner.close().map_err(cause)?;
        Ok(())
    }
}

/// A failed write as the system reports it, without the wrapping that says it a second time.
fn cause(error: ParquetError) -> anyhow::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => (*io).into(),
            Err(inner) => ParquetError::External(inner).into(),
        },
        other => other.into(),
    }
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by("custem".to_owned())
        .build()
}

/// Schema and row count of a Parquet file.
///
/// # Errors
/// When the file can't be opened, is empty, or isn't (a whole) Parquet file.
pub fn footer(path: &Path) -> Result<(SchemaRef, usize)> {
    let metadata = metadata(&open(path)?, path)?;
    let rows = metadata.metadata().file_metadata().num_rows();
    Ok((metadata.schema().clone(), usize::try_from(rows)?))
}

/// Reads columns (all, or those at `indices`, in that order) in row order.
///
/// # Errors
/// When the file can't be opened or isn't Parquet.
pub fn read(path: &Path, indices: Option<Vec<usize>>) -> Result<Batches<'static>> {
    let file = open(path)?;
    let metadata = metadata(&file, path)?;
    let mut builder =
        ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone()).with_batch_size(CHUNK);
    let order = indices.as_deref().map(projected_order);
    if let Some(indices) = indices {
        let mask = ProjectionMask::roots(metadata.parquet_schema(), indices);
        builder = builder.with_projection(mask);
    }
    let shown = path.display().to_string();
    let reader = builder.build()?;
    Ok(Box::new(reader.map(move |batch| {
        let batch = batch.with_context(|| format!("`{shown}` is damaged"))?;
        match &order {
            None => Ok(batch),
            Some(order) => Ok(batch.project(order)?),
        }
    })))
}

/// Parquet gives projected columns in file order; this finds each asked-for one among them.
fn projected_order(indices: &[usize]) -> Vec<usize> {
    let mut sorted = indices.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    indices.iter().map(|index| sorted.partition_point(|other| other < index)).collect()
}

fn open(path: &Path) -> Result<File> {
    let file = fs_err::File::open(path)?;
    if file.metadata()?.len() == 0 {
        bail!("`{}` is empty", path.display());
    }
    Ok(file.into_parts().0)
}

fn metadata(file: &File, path: &Path) -> Result<ArrowReaderMetadata> {
    ArrowReaderMetadata::load(file, ArrowReaderOptions::default())
        .with_context(|| format!("`{}` is not a whole Parquet file", path.display()))
}
