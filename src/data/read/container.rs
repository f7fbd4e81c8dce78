//! Files that name and type their columns: Parquet, and Arrow's own files and streams.
//!
//! Knows how to open them; what becomes of their columns is up to `columnar`.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::{FileReader, StreamReader};

use crate::data::parquet;
use crate::data::table::{Batches, CHUNK};

/// A format that names and types its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// Parquet.
    Parquet,
    /// Arrow's own format: a file (Feather) or a stream.
    Arrow,
}

impl Container {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Arrow => "Arrow",
        }
    }

    /// Schema and row count of a file. Of an Arrow file all batches are passed over for the count.
    ///
    /// # Errors
    /// When it can't be opened or isn't whole.
    pub fn footer(self, path: &Path) -> Result<(SchemaRef, usize)> {
        match self {
            Self::Parquet => parquet::footer(path),
            Self::Arrow => {
                let (schema, _) = arrow(path, None)?;
                let (_, batches) = arrow(path, Some(Vec::new()))?;
                let mut rows = 0;
                for batch in batches {
                    rows += batch?.num_rows();
                }
                Ok((schema, rows))
            }
        }
    }

    /// The first rows of columns; nothing where there is none.
    ///
    /// # Errors
    /// When the file can't be opened, or is damaged.
    pub fn head(self, path: &Path, indices: Vec<usize>, rows: usize) -> Result<Option<RecordBatch>> {
        match self {
            Self::Parquet => parquet::head(path, indices, rows),
            Self::Arrow => {
                let first = arrow(path, Some(indices))?.1.find(|batch| {
                    let is_some = |batch: &RecordBatch| batch.num_rows() > 0;
                    batch.as_ref().map_or(true, is_some)
                });
                Ok(first.transpose()?.map(|batch| batch.slice(0, rows.min(batch.num_rows()))))
            }
        }
    }
}

/// The batches of an Arrow file or stream, of at most [`CHUNK`] rows each; of all columns or of those at `indices`, in
/// that order.
///
/// # Errors
/// When it can't be opened, or is neither.
pub fn arrow(path: &Path, indices: Option<Vec<usize>>) -> Result<(SchemaRef, Batches<'static>)> {
    let mut file = BufReader::with_capacity(1 << 20, fs_err::File::open(path)?);
    let mut magic = [0; 6];
    let is_file = file.read_exact(&mut magic).is_ok() && magic == *b"ARROW1";
    file.seek(SeekFrom::Start(0))?;
    if is_file {
        let reader = FileReader::try_new(file, indices)?;
        return Ok((reader.schema(), chunks(reader)));
    }
    let reader = StreamReader::try_new(file, indices)?;
    Ok((reader.schema(), chunks(reader)))
}

/// Batches cut into pieces, without copies.
fn chunks<E: Into<anyhow::Error> + 'static>(
    batches: impl Iterator<Item = Result<RecordBatch, E>> + Send + 'static,
) -> Batches<'static> {
    Box::new(batches.flat_map(|batch| -> Batches<'static> {
        match batch {
            Ok(batch) => {
                let starts = (0..batch.num_rows()).step_by(CHUNK);
                Box::new(starts.map(move |start| Ok(batch.slice(start, CHUNK.min(batch.num_rows() - start)))))
            }
            Err(error) => Box::new(std::iter::once(Err(error.into()))),
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use arrow::ipc::CompressionType;
    use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
    use fs_err::File;

    use super::*;

    fn batch(rows: usize) -> RecordBatch {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row as i64)));
        let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("n{row}"))));
        RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap()
    }

    #[test]
    fn files_and_streams_are_read_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (one, rows) = (batch(CHUNK + 7), CHUNK + 7);
        let mut stream = StreamWriter::try_new(File::create(path("s")).unwrap(), &one.schema()).unwrap();
        stream.write(&one).unwrap();
        stream.finish().unwrap();
        for (name, packed) in [("lz4", CompressionType::LZ4_FRAME), ("zstd", CompressionType::ZSTD)] {
            let options = IpcWriteOptions::default().try_with_compression(Some(packed)).unwrap();
            let file = File::create(path(name)).unwrap();
            let mut writer = FileWriter::try_new_with_options(file, &one.schema(), options).unwrap();
            writer.write(&batch(0)).unwrap();
            writer.write(&one).unwrap();
            writer.finish().unwrap();
        }
        for name in ["s", "lz4", "zstd"] {
            let (schema, found) = Container::Arrow.footer(&path(name)).unwrap();
            assert_eq!((schema, found), (one.schema(), rows), "{name}");
            let all: Vec<_> = arrow(&path(name), None).unwrap().1.map(Result::unwrap).collect();
            assert_eq!(all.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [CHUNK, 7]);
            let head = Container::Arrow.head(&path(name), vec![1], 2).unwrap().unwrap();
            assert_eq!(head, one.project(&[1]).unwrap().slice(0, 2));
        }
    }
}
