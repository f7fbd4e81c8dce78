//! Files of other programs, read into one table: delimited text and Parquet.
//!
//! Nearly everything is found out by looking at the files; what was found, and what could have been
//! read otherwise, is reported. Knows nothing of stages, keys or caches.

pub mod build;
pub mod charset;
pub mod collect;
pub mod column;
pub mod columnar;
pub mod date;
pub mod delimited;
pub mod fields;
pub mod infer;
pub mod inspect;
pub mod kept;
pub mod mapping;
pub mod number;
pub mod options;
pub mod propose;
pub mod rejects;
pub mod source;
pub mod split;
pub mod text;
pub mod votes;

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Result;

pub use inspect::{Inspection, inspect};
pub use options::Options;

pub use source::File;

use crate::data::Table;
use crate::data::partial::Keep;
use crate::diagnostic::{Failure, quoted};
use collect::{Collected, Collector};

/// Files with more bytes than this together don't become a table in memory.
const LARGE: u64 = 256 << 20;

/// What to do about a file without rows.
const EXPORT: &str = "export or copy it again, or name another file";

/// The table that was read.
pub struct Ingested {
    /// Its rows, in the order of files and lines.
    pub rows: Rows,
    /// How many there are.
    pub count: u64,
    /// Rows that were left out: `file`, `line`, `column`, `value`, `reason`.
    pub rejected: Table,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Where the rows are.
pub enum Rows {
    /// In memory.
    Memory(Table),
    /// In a Parquet file in the scratch folder: too many for memory.
    File(PathBuf),
}

/// How far reading is, from 0 to 1; an error ends it.
pub type Progress<'a> = &'a mut (dyn FnMut(f64) -> Result<()> + Send);

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Delimited text.
    Text,
    /// Parquet.
    Parquet,
}

/// Keeps what came of each file.
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    /// The digests of files, by their names.
    pub digests: &'a HashMap<String, String>,
    /// Where it is kept.
    pub keep: Keep<'a>,
}

/// Reads files into one table, in the order of their names.
///
/// Large files go through `scratch` instead of memory; the bytes of the table are the same.
///
/// # Errors
/// A [`Failure`] where there is advice to give: a file that can't be read, columns that don't go
/// with the options, too many bad rows.
pub fn read(files: &[File], options: &Options, scratch: &Path, progress: Progress) -> Result<Ingested> {
    let bytes =
        files.iter().map(|file| fs_err::metadata(&file.path).map_or(0, |meta| meta.len())).sum::<u64>();
    let large = scratch.join("rows.parquet");
    let large = (bytes > LARGE).then_some(large.as_path());
    read_by(files, options, large, None, progress)
}

/// The same, file by file: those whose rows are kept aren't read again. The table is in memory.
///
/// # Errors
/// As [`read`], and when what came of a file can't be kept.
pub fn read_each(files: &[File], options: &Options, kept: Kept<'_>, progress: Progress) -> Result<Ingested> {
    read_by(files, options, None, Some(kept), progress)
}

fn read_by(
    files: &[File],
    options: &Options,
    large: Option<&Path>,
    kept: Option<Kept<'_>>,
    progress: Progress,
) -> Result<Ingested> {
    let mut files = files.to_vec();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let formats = files.iter().map(format).collect::<Result<Vec<_>>>()?;
    let Some((first, format)) = files.first().zip(formats.first()) else {
        return Err(Failure::new("there is no file to read").at("path").into());
    };
    if let Some((other, _)) = files.iter().zip(&formats).find(|(_, other)| *other != format) {
        let message = format!("`{}` and `{}` are of different formats", first.name, other.name);
        return Err(Failure::new(message).hint("read them in two stages").at("path").into());
    }
    let (collector, notes) = match format {
        Format::Text => text::read(&files, options, large, kept, progress)?,
        Format::Parquet => columnar::read(&files, options, large, kept, progress)?,
    };
    finish(collector, notes, &files, *format, options)
}

fn finish(
    mut collector: Collector,
    mut notes: Vec<String>,
    files: &[File],
    format: Format,
    options: &Options,
) -> Result<Ingested> {
    let count = collector.rows;
    let bad = std::mem::take(&mut collector.rejected);
    if count == 0 && bad.is_empty() {
        return Err(no_rows(files, format, options).into());
    }
    let report = rejects::Report { bad: &bad, files, format, kept: count };
    notes.extend(report.judge(options)?);
    let rejected = rejects::table(&bad, files)?;
    let rows = match collector.finish()? {
        Collected::Memory(table) => Rows::Memory(table),
        Collected::File(path) => Rows::File(path),
    };
    Ok(Ingested { rows, count, rejected, notes })
}

fn no_rows(files: &[File], format: Format, options: &Options) -> Failure {
    let what = if format == Format::Text && options.header { "a header but no rows" } else { "no rows" };
    let message = match files {
        [one] => format!("`{}` has {what}", one.name),
        many => {
            let have = if what.starts_with("no") { "no rows" } else { "headers but no rows" };
            format!("{} have {have}", quoted(many.iter().map(|file| file.name.as_str()), "and"))
        }
    };
    Failure::new(message).hint(EXPORT).at("path")
}

/// Finds out what kind of file it is, by its first bytes.
///
/// # Errors
/// When it is a folder, empty, cut off, or of a kind that can't be read.
pub fn format(file: &File) -> Result<Format> {
    let name = &file.name;
    let metadata = fs_err::metadata(&file.path).map_err(|_| missing(file))?;
    if metadata.is_dir() {
        let hint = format!("name the files in it: `{}/*.csv`", name.trim_end_matches('/'));
        return Err(Failure::new(format!("`{name}` is a folder, not a file")).hint(hint).at("path").into());
    }
    if !metadata.is_file() {
        let hint = "write what it gives into a file, and name that one";
        return Err(Failure::new(format!("`{name}` is not a regular file")).hint(hint).at("path").into());
    }
    if metadata.len() == 0 {
        return Err(empty(name).into());
    }
    let mut handle = fs_err::File::open(&file.path)?;
    let mut magic = Vec::new();
    handle.by_ref().take(4).read_to_end(&mut magic)?;
    let refuse =
        |what: &str, hint: &str| Err(Failure::new(format!("`{name}` {what}")).hint(hint).at("path").into());
    match magic.as_slice() {
        b"PAR1" if ends_with_magic(&mut handle)? => Ok(Format::Parquet),
        b"PAR1" => {
            refuse("is a Parquet file that has been cut off: its end is missing", "make or copy it again")
        }
        b"PARE" => refuse("is an encrypted Parquet file", "write it without encryption"),
        b"PK\x03\x04" => {
            refuse("is a zip archive or an Excel workbook", "save it as CSV, or unpack it first")
        }
        [0xd0, 0xcf, 0x11, 0xe0] => refuse("is an Excel workbook", "save it as CSV"),
        [0x1f, 0x8b, ..] => refuse("is compressed with gzip", "unpack it first: `gunzip`"),
        [0x28, 0xb5, 0x2f, 0xfd] => refuse("is compressed with zstd", "unpack it first: `unzstd`"),
        b"ARRO" => refuse("is an Arrow file", "write it as Parquet"),
        b"SQLi" => refuse("is an SQLite database", "export the table as CSV"),
        _ if name.to_lowercase().ends_with(".parquet") => {
            refuse("is no Parquet file", "give a text file another ending, such as `.csv`")
        }
        _ => Ok(Format::Text),
    }
}

/// A file in which nothing stands.
pub(super) fn empty(name: &str) -> Failure {
    Failure::new(format!("`{name}` is empty")).hint(EXPORT).at("path")
}

fn missing(file: &File) -> Failure {
    Failure::new(format!("there is no file `{}`", file.name))
        .hint("give its path from the current folder, or from the project's root")
        .at("path")
}

fn ends_with_magic(file: &mut fs_err::File) -> Result<bool> {
    if file.metadata()?.len() < 12 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-4))?;
    let mut magic = Vec::new();
    file.read_to_end(&mut magic)?;
    Ok(magic == b"PAR1")
}

#[cfg(test)]
mod tests;
