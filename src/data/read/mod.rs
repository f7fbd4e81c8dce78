//! Files of other programs, read into one table: delimited text, JSON lines, Parquet and Arrow files, also compressed.
//!
//! Nearly everything is found out by looking at the files; what was found, and what could have been
//! read otherwise, is reported. Knows nothing of stages, keys or caches.

pub mod build;
pub mod charset;
pub mod collect;
pub mod column;
pub mod columnar;
pub mod container;
pub mod date;
pub mod delimited;
pub mod fields;
pub mod infer;
pub mod inspect;
pub mod json;
pub mod kept;
pub mod mapping;
pub mod number;
pub mod options;
pub mod pack;
pub mod propose;
pub mod rejects;
pub mod report;
pub mod source;
pub mod split;
pub mod text;
pub mod votes;
pub mod zone;

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
use container::Container;

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
    /// How each column was read, see [`report::Told::columns`].
    pub columns: Table,
    /// What was found out about each file, see [`report::Told::files`].
    pub files: Table,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What a reader of one format gives.
pub struct Gathered {
    /// The rows.
    collector: Collector,
    /// What the user should know.
    notes: Vec<String>,
    /// What was found out.
    told: report::Told,
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
    /// Delimited text or JSON lines.
    Text,
    /// Parquet.
    Parquet,
    /// Arrow's own format: a file (Feather) or a stream.
    Arrow,
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
    let packed = files.iter().any(pack::is_packed);
    let large = scratch.join("rows.parquet");
    // What a compressed file holds is not known before it is unpacked; it is many times as much.
    let large = (bytes > LARGE / if packed { 8 } else { 1 }).then_some(large.as_path());
    read_by(files, options, (scratch, large), None, progress)
}

/// The same, file by file: those whose rows are kept aren't read again. The table is in memory, compressed files are
/// unpacked into `scratch` all the same.
///
/// # Errors
/// As [`read`], and when what came of a file can't be kept.
pub fn read_each(
    files: &[File],
    options: &Options,
    scratch: &Path,
    kept: Kept<'_>,
    progress: Progress,
) -> Result<Ingested> {
    read_by(files, options, (scratch, None), Some(kept), progress)
}

fn read_by(
    files: &[File],
    options: &Options,
    (scratch, large): (&Path, Option<&Path>),
    kept: Option<Kept<'_>>,
    progress: Progress,
) -> Result<Ingested> {
    let mut files = files.to_vec();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let (files, packings): (Vec<File>, Vec<_>) = pack::unpacked(&files, scratch)?.into_iter().unzip();
    let formats = files.iter().map(format).collect::<Result<Vec<_>>>()?;
    let Some((first, format)) = files.first().zip(formats.first()) else {
        return Err(Failure::new("there is no file to read").at("path").into());
    };
    if let Some((other, _)) = files.iter().zip(&formats).find(|(_, other)| *other != format) {
        return Err(different(first, other).into());
    }
    let mut gathered = match format {
        Format::Text => text::read(&files, options, large, kept, progress)?,
        Format::Parquet => columnar::read(&files, Container::Parquet, options, large, kept, progress)?,
        Format::Arrow => columnar::read(&files, Container::Arrow, options, large, kept, progress)?,
    };
    for (file, packing) in gathered.told.files.iter_mut().zip(packings) {
        file.packing = packing;
    }
    finish(gathered, &files, *format, options)
}

fn different(one: &File, other: &File) -> Failure {
    let message = format!("`{}` and `{}` are of different formats", one.name, other.name);
    Failure::new(message).hint("read them in two stages").at("path")
}

fn finish(gathered: Gathered, files: &[File], format: Format, options: &Options) -> Result<Ingested> {
    let Gathered { mut collector, mut notes, told } = gathered;
    let (of_columns, of_files) = (told.columns(&collector.tallies)?, told.files(&collector)?);
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
    Ok(Ingested { rows, count, rejected, columns: of_columns, files: of_files, notes })
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
    handle.by_ref().take(6).read_to_end(&mut magic)?;
    let refuse =
        |what: &str, hint: &str| Err(Failure::new(format!("`{name}` {what}")).hint(hint).at("path").into());
    match magic.get(..4).unwrap_or(&magic) {
        b"PAR1" if ends_with_magic(&mut handle)? => Ok(Format::Parquet),
        b"PAR1" => {
            refuse("is a Parquet file that has been cut off: its end is missing", "make or copy it again")
        }
        b"PARE" => refuse("is an encrypted Parquet file", "write it without encryption"),
        b"PK\x03\x04" => {
            refuse("is a zip archive or an Excel workbook", "save it as CSV, or unpack it first")
        }
        [0xd0, 0xcf, 0x11, 0xe0] => refuse("is an Excel workbook", "save it as CSV"),
        [b'B', b'Z', b'h', b'1'..=b'9'] => refuse("is compressed with bzip2", "unpack it first: `bunzip2`"),
        [0xfd, b'7', b'z', b'X'] => refuse("is compressed with xz", "unpack it first: `unxz`"),
        _ if magic == b"ARROW1" || magic.starts_with(&[0xff; 4]) => Ok(Format::Arrow),
        b"FEA1" => refuse("is a Feather file of the first version", "write it as Parquet or Feather 2"),
        b"SQLi" => refuse("is an SQLite database", "export the table as CSV"),
        _ if name.to_lowercase().ends_with(".parquet") => {
            refuse("is no Parquet file", "give a text file another ending, such as `.csv`")
        }
        [b'[', ..] if name.to_lowercase().ends_with(".json") => {
            refuse("is one JSON list", "write one object a line: `jq -c '.[]'`")
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
