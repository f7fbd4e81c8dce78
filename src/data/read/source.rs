//! A text file before it is read: its encoding, delimiter, header or names, and a sample of its rows.
//!
//! Knows nothing of types or mappings.

use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result};
use indexmap::IndexSet;

use super::charset::{Blocks, Charset, LABELS};
use super::options::{Delimiter, Options};
use super::{date, fields, json, number, split};
use crate::diagnostic::Failure;
use crate::diagnostic::{count, quoted};

/// A file to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name in messages and outputs.
    pub name: String,
    /// Where to open it.
    pub path: PathBuf,
}

/// A text file whose beginning has been looked at.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file.
    pub file: File,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its encoding.
    pub charset: Charset,
    /// What separates its columns.
    pub delimiter: Delimiter,
    /// Whether carriage returns alone end its lines.
    pub old_mac: bool,
    /// The names of its columns.
    pub names: Vec<String>,
    /// Bytes of text before the first row.
    pub skip: usize,
    /// Lines before the first row.
    pub lines: u64,
    /// Rows from its beginning, and from all over a large file.
    pub sample: Vec<Vec<String>>,
    /// Whether its first line names its columns.
    pub header: bool,
    /// Whether it is of JSON lines: no delimiter and no header, but a name before every value.
    pub json: bool,
}

/// What files may be.
const TAKES: &str = "`read` takes delimited text, JSON lines, Parquet and Arrow files";

/// Bytes at the beginning of a file that are looked at.
pub const HEAD: usize = 64 << 10;
const SPOT: usize = 16 << 10;
const SPOTS: u64 = 8;

/// The beginning of a file as text.
struct Head {
    text: String,
    charset: Charset,
    old_mac: bool,
    bytes: u64,
    whole: bool,
}

impl Source {
    /// Looks at a file.
    ///
    /// # Errors
    /// When it is empty or can't be read, or doesn't go with the options.
    pub fn open(file: &File, options: &Options) -> Result<Self> {
        let head = head(file, options)?;
        if json::is_lines(&head.text) {
            return Self::of_lines(file, head, options);
        }
        let (declared, skip) = declaration(&head.text);
        let body = head.text.get(skip..).unwrap_or_default();
        let delimiter = match options.delimiter {
            Delimiter::Auto => declared.unwrap_or_else(|| delimiter(body)),
            known => known,
        };
        let (end, header) = if options.header { header(body, delimiter, file)? } else { (0, None) };
        let start = skip + end;
        let rest = head.text.get(start..).unwrap_or_default();
        let mut sample = fields::rows(rest, delimiter);
        if !head.whole {
            sample.pop();
        }
        let names = names(header.as_deref(), &sample, options, file)?;
        let mut source = Self {
            file: file.clone(),
            bytes: head.bytes,
            charset: head.charset,
            delimiter,
            old_mac: head.old_mac,
            names,
            skip: start,
            lines: split::lines(head.text.get(..start).unwrap_or_default().as_bytes()),
            sample,
            header: header.is_some(),
            json: false,
        };
        source.look_around()?;
        let width = source.names.len();
        source.sample.retain(|row| row.len() >= width);
        Ok(source)
    }

    /// A file of JSON lines. Names that only come further down are found by whoever reads all of it.
    fn of_lines(file: &File, head: Head, options: &Options) -> Result<Self> {
        if !options.names.is_empty() {
            let message = "`names` is for delimited text: JSON lines name their own columns";
            return Err(Failure::new(message).hint("use `columns` to rename them").at("names").into());
        }
        let mut names = IndexSet::new();
        // The last line may be cut off.
        let whole = if head.whole { head.text.len() } else { head.text.rfind('\n').unwrap_or(0) };
        let sample = json::rows(head.text.get(..whole).unwrap_or_default(), &mut names);
        let mut source = Self {
            file: file.clone(),
            bytes: head.bytes,
            charset: head.charset,
            delimiter: json::LINES,
            old_mac: false,
            names: names.into_iter().collect(),
            skip: 0,
            lines: 0,
            sample,
            header: false,
            json: true,
        };
        source.look_around()?;
        source.widen();
        Ok(source)
    }

    /// Gives every sampled row all columns.
    fn widen(&mut self) {
        let width = self.names.len();
        self.sample.iter_mut().for_each(|row| row.resize(width, String::new()));
    }

    /// Gives JSON lines the columns of all files, these in front.
    pub fn rename(&mut self, all: &[String]) {
        let place: Vec<Option<usize>> =
            all.iter().map(|name| self.names.iter().position(|own| own == name)).collect();
        let cell = |row: &Vec<String>, at: &Option<usize>| at.and_then(|at| row.get(at).cloned());
        let moved = |row: &Vec<String>| place.iter().map(|at| cell(row, at).unwrap_or_default()).collect();
        self.sample = self.sample.iter().map(moved).collect();
        self.names = all.to_vec();
    }

    /// Whether the first line, taken for the header, rather is a row.
    pub fn header_looks_like_data(&self) -> bool {
        self.header && looks_like_data(&self.names)
    }

    /// Adds rows from all over a large file: sorted by time, its beginning says little.
    fn look_around(&mut self) -> Result<()> {
        if self.bytes < 2 * SPOTS * HEAD as u64 || !self.charset.is_ascii_compatible() || self.old_mac {
            return Ok(());
        }
        let mut file = fs_err::File::open(&self.file.path)?;
        for spot in 1..=SPOTS {
            let at = (self.bytes - SPOT as u64) / SPOTS * spot;
            file.seek(SeekFrom::Start(at))?;
            let mut bytes = Vec::with_capacity(SPOT);
            file.by_ref().take(SPOT as u64).read_to_end(&mut bytes)?;
            let (Some(start), Some(end)) = (memchr::memchr(b'\n', &bytes), memchr::memrchr(b'\n', &bytes))
            else {
                continue;
            };
            let text = self.charset.decode(bytes.get(start + 1..=end).unwrap_or_default());
            if self.json {
                let mut names: IndexSet<String> = self.names.drain(..).collect();
                self.sample.extend(json::rows(&text, &mut names));
                self.names = names.into_iter().collect();
                continue;
            }
            let width = self.names.len();
            self.sample
                .extend(fields::rows(&text, self.delimiter).into_iter().filter(|row| row.len() == width));
        }
        Ok(())
    }
}

/// The first cells, for messages.
pub fn some(cells: &[String]) -> String {
    let cells: Vec<&str> = cells.iter().take(3).map(String::as_str).collect();
    quoted(cells, "and")
}

/// Whether cells rather are values than names: half of them are numbers or dates.
pub fn looks_like_data(cells: &[String]) -> bool {
    let value = |cell: &&String| {
        number::float(cell, number::Decimal::Dot).is_some()
            || date::timestamp(cell, date::Order::Day).is_some()
    };
    !cells.is_empty() && cells.iter().filter(value).count() * 2 >= cells.len()
}

fn head(file: &File, options: &Options) -> Result<Head> {
    let mut raw = Vec::with_capacity(HEAD);
    let handle = fs_err::File::open(&file.path)?;
    let bytes = handle.metadata()?.len();
    handle.take(HEAD as u64).read_to_end(&mut raw)?;
    let charset = match &options.encoding {
        Some(label) => Charset::labelled(label).ok_or_else(|| unknown_encoding(label))?,
        None => Charset::of_head(&raw, &file.path)?,
    };
    if charset.is_ascii_compatible() && raw.contains(&0) {
        let message = format!("`{}` is not a text file: it has NUL bytes", file.name);
        return Err(Failure::new(message).hint(TAKES).at("path").into());
    }
    let old_mac = charset.is_ascii_compatible() && !raw.contains(&b'\n') && raw.contains(&b'\r');
    let mut blocks = Blocks::open(&file.path, charset, old_mac)?;
    blocks.fill(HEAD)?;
    let whole = bytes <= HEAD as u64;
    let text = String::from_utf8_lossy(blocks.pending()).into_owned();
    if text.trim().is_empty() {
        return Err(super::empty(&file.name).into());
    }
    Ok(Head { text, charset, old_mac, bytes, whole })
}

/// The line `sep=;` with which spreadsheets declare a delimiter, and where it ends.
fn declaration(text: &str) -> (Option<Delimiter>, usize) {
    let Some((first, _)) = text.split_once('\n') else { return (None, 0) };
    match first.trim_end_matches('\r').strip_prefix("sep=").map(Delimiter::parse) {
        Some(Some(delimiter)) => (Some(delimiter), first.len() + 1),
        _ => (None, 0),
    }
}

fn unknown_encoding(label: &str) -> Failure {
    Failure::new(format!("there is no encoding `{label}`")).hint(LABELS).at("encoding")
}

/// The header, and where it ends.
fn header(text: &str, delimiter: Delimiter, file: &File) -> Result<(usize, Option<Vec<String>>)> {
    let blank: usize =
        text.split_inclusive('\n').take_while(|line| line.trim().is_empty()).map(str::len).sum();
    let body = text.get(blank..).unwrap_or_default();
    let end = split::record_end(body.as_bytes(), delimiter).unwrap_or(body.len());
    let rows = fields::rows(body.get(..end).unwrap_or_default(), delimiter);
    let header = rows.into_iter().next().with_context(|| format!("`{}` has no header", file.name))?;
    Ok((blank + end, Some(header)))
}

fn names(
    header: Option<&[String]>,
    sample: &[Vec<String>],
    options: &Options,
    file: &File,
) -> Result<Vec<String>, Failure> {
    let width = header.map_or_else(|| usual_width(sample), <[String]>::len);
    if !options.names.is_empty() {
        if options.names.len() != width {
            let message = format!(
                "`names` has {}, but `{}` has {}",
                count(options.names.len() as u64, "name"),
                file.name,
                count(width as u64, "column")
            );
            return Err(Failure::new(message).at("names"));
        }
        return unique(options.names.clone(), file);
    }
    let number = |at: usize| format!("column_{}", at + 1);
    let names = match header {
        Some(header) => {
            let named =
                |(at, name): (usize, &String)| if name.is_empty() { number(at) } else { name.clone() };
            header.iter().enumerate().map(named).collect()
        }
        None => (0..width).map(number).collect(),
    };
    unique(names, file)
}

/// Refuses columns of the same name.
fn unique(names: Vec<String>, file: &File) -> Result<Vec<String>, Failure> {
    for (at, name) in names.iter().enumerate() {
        if names.iter().take(at).any(|other| other == name) && looks_like_data(&names) {
            let message = format!(
                "the first line of `{}` looks like a row ({}), not a header",
                file.name,
                some(&names)
            );
            return Err(Failure::new(message).hint("`header = false` reads it as one").at("header"));
        }
        if let Some(first) = names.iter().take(at).position(|other| other == name) {
            let message = format!(
                "`{}` has two columns named `{name}`: the {} and the {}",
                file.name,
                nth(first),
                nth(at)
            );
            return Err(Failure::new(message)
                .hint("rename one in the file, or name all columns with `names`")
                .at("path"));
        }
    }
    Ok(names)
}

fn nth(at: usize) -> String {
    let number = at + 1;
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// The number of fields that most rows have.
fn usual_width(sample: &[Vec<String>]) -> usize {
    let mut widths: Vec<usize> = sample.iter().map(Vec::len).collect();
    widths.sort_unstable();
    let runs = widths.chunk_by(|a, b| a == b);
    runs.max_by_key(|run| run.len()).and_then(|run| run.first().copied()).unwrap_or(0)
}

/// The delimiter that cuts the lines evenly, into cells that make sense.
pub fn delimiter(text: &str) -> Delimiter {
    const ROWS: usize = 200;
    let end = memchr::memchr_iter(b'\n', text.as_bytes()).nth(ROWS - 1).map_or(text.len(), |at| at + 1);
    let text = text.get(..end).unwrap_or(text);
    let (mut best, mut top) = (Delimiter::Byte(b','), 0.0);
    for candidate in [b',', b';', b'\t', b'|'].map(Delimiter::Byte).into_iter().chain([Delimiter::Whitespace])
    {
        let score = evenness(&fields::rows(text, candidate));
        // Blanks also stand between words: they only count where nothing else does.
        if score > top && !(candidate == Delimiter::Whitespace && top > 0.0) {
            (best, top) = (candidate, score);
        }
    }
    best
}

/// How well rows fit a table: share of equally long rows, the first among them, then typed cells.
fn evenness(rows: &[Vec<String>]) -> f64 {
    let width = usual_width(rows);
    let even = rows.iter().filter(|row| row.len() == width).count();
    if width < 2 || rows.first().is_none_or(|row| row.len() != width) || even * 10 < rows.len() * 8 {
        return 0.0;
    }
    let cells = || rows.iter().skip(1).flatten();
    let typed = cells().filter(|cell| looks_like_data(std::slice::from_ref(cell))).count();
    // Counts within a sample of 200 rows.
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    share(even, rows.len()) + share(typed, cells().count()) + share(width, 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_found_out() {
        let byte = Delimiter::Byte;
        assert_eq!(delimiter("id,amount\n1,2\n"), byte(b','));
        assert_eq!(delimiter("id;preis\n1;12,50\n2;3,20\n"), byte(b';'));
        assert_eq!(delimiter("1;12,50;x\n2;3,20;y\n"), byte(b';'));
        assert_eq!(delimiter("id\tname\n1\ta, b\n2\tc, d\n"), byte(b'\t'));
        assert_eq!(delimiter("id|name\n1|a;b\n"), byte(b'|'));
        assert_eq!(delimiter("id,note\n1,\"a;b;c\"\n2,\"d;e;f\"\n"), byte(b','));
        assert_eq!(
            delimiter("00001 1 19970101  2  29.33\n00001 1 19970118  2  29.73\n"),
            Delimiter::Whitespace
        );
        assert_eq!(delimiter("id\n1\n2\n"), byte(b','));
        assert_eq!(delimiter("date,note\n2023-01-01,a b\n2023-01-02,c d\n"), byte(b','));
    }

    #[test]
    fn numbers_have_endings() {
        let endings: Vec<_> = [0, 1, 2, 3, 10, 11, 12, 20, 21].map(nth).into();
        assert_eq!(endings, ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd"]);
    }
}
