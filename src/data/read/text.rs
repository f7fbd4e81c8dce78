//! Text files to one table: looked at, mapped, read, and read again where a guess was wrong.
//!
//! Knows what all files have in common; how one is cut and parsed is up to `delimited`.

use std::path::Path;

use anyhow::{Result, bail};
use indexmap::IndexSet;
use rayon::prelude::*;

use super::charset::Charset;
use super::collect::Collector;
use super::column::{Column, Kind, Origin};
use super::delimited::{self, End};
use super::infer::{self, Look};
use super::options::Options;
use super::report::{FileTold, Told};
use super::source::{self, File, Source};
use super::{Gathered, Kept, Progress, json, kept, mapping};
use crate::diagnostic::grouped;

/// Passes after which the columns are taken as they are; kinds grow at most three times.
const PASSES: usize = 8;

/// Reads text files.
///
/// # Errors
/// When a file can't be read or the options don't go with it.
pub fn read(
    files: &[File],
    options: &Options,
    large: Option<&Path>,
    keep: Option<Kept<'_>>,
    progress: Progress,
) -> Result<Gathered> {
    // All of them are opened, so that of several mistakes the first one is told.
    let opened: Vec<_> = files.par_iter().map(|file| Source::open(file, options)).collect();
    let mut sources = opened.into_iter().collect::<Result<Vec<_>>>()?;
    name_lines(&mut sources)?;
    let mut job = Job::new(&sources, options)?;
    let mut passes = 0;
    loop {
        let mut out = Collector::new(&job.columns, large)?;
        passes += 1;
        let again = match job.pass(&mut sources, &mut out, options, keep, progress)? {
            End::NotText => true,
            End::Stopped => job.revise(&out, options, false),
            End::Done => passes < PASSES && job.revise(&out, options, true),
        };
        if !again {
            let told = job.told(&sources);
            let notes = job.notes(&sources, &out, options);
            return Ok(Gathered { collector: out, notes, told });
        }
    }
}

/// Gives files of JSON lines the names of all their members, wherever they come: a row that lacks one has no value
/// there.
fn name_lines(sources: &mut [Source]) -> Result<()> {
    let Some(lines) = sources.iter().find(|source| source.json) else { return Ok(()) };
    if let Some(other) = sources.iter().find(|source| !source.json) {
        return Err(super::different(&lines.file, &other.file).into());
    }
    let mut all: IndexSet<String> = sources.iter().flat_map(|source| source.names.clone()).collect();
    for source in sources.iter() {
        all.extend(json::names(&source.file.path, source.charset)?);
    }
    let all: Vec<String> = all.into_iter().collect();
    sources.iter_mut().for_each(|source| source.rename(&all));
    Ok(())
}

/// What is to be read.
struct Job {
    columns: Vec<Column>,
    positions: Vec<Vec<usize>>,
    notes: Vec<String>,
    bytes: u64,
}

impl Job {
    fn new(sources: &[Source], options: &Options) -> Result<Self> {
        let mut job = Self { columns: Vec::new(), positions: Vec::new(), notes: Vec::new(), bytes: 0 };
        let Some(first) = sources.first() else { return Ok(job) };
        (job.columns, job.notes) = mapping::columns(&first.names, options, &first.file.name)?;
        let needed = mapping::needed(&job.columns);
        for source in sources {
            let (name, first_name) = (&source.file.name, &first.file.name);
            job.positions.push(mapping::positions(&first.names, &needed, &source.names, name, first_name)?);
            job.notes.extend(mapping::surplus(&first.names, &source.names, name, first_name));
            job.bytes += source.bytes;
        }
        guess(&mut job.columns, sources, &job.positions, options);
        Ok(job)
    }

    fn pass(
        &self,
        sources: &mut [Source],
        out: &mut Collector,
        options: &Options,
        keep: Option<Kept<'_>>,
        progress: Progress,
    ) -> Result<End> {
        let mut before = 0;
        for (number, (source, positions)) in sources.iter_mut().zip(&self.positions).enumerate() {
            if let Some(keep) = keep {
                self.kept(source, (number, positions), out, options, keep)?;
                before += source.bytes;
                // Byte counts are far below 2^53.
                progress((before as f64 / self.bytes.max(1) as f64).min(1.0))?;
                continue;
            }
            let mut watch = |out: &Collector, done: u64| {
                // Byte counts are far below 2^53.
                progress(((before + done) as f64 / self.bytes.max(1) as f64).min(1.0))?;
                Ok(infer::revise(&self.columns, &out.tallies, options, false).is_none())
            };
            let end = delimited::read(source, (number, positions), &self.columns, out, &mut watch)?;
            if end == End::NotText {
                source.charset = Charset::survey(&source.file.path)?;
            }
            if end != End::Done {
                return Ok(end);
            }
            before += source.bytes;
        }
        Ok(End::Done)
    }

    /// Takes what came of a file, which is read to its end where that isn't kept.
    fn kept(
        &self,
        source: &mut Source,
        (number, positions): (usize, &[usize]),
        out: &mut Collector,
        options: &Options,
        keep: Kept<'_>,
    ) -> Result<()> {
        let Options { delimiter, header, names, encoding, .. } = options;
        let mut how =
            format!("{:?} {delimiter:?} {header} {names:?} {encoding:?} {positions:?}", self.columns);
        if source.json {
            how += &format!(" JSON lines {:?}", source.names);
        }
        let file = source.file.clone();
        let path = &file.path;
        let is_surveyed = kept::file((&file, number), &self.columns, &how, keep, out, &mut |own| {
            let mut end = delimited::read(source, (0, positions), &self.columns, own, &mut |_, _| Ok(true))?;
            let is_surveyed = end == End::NotText;
            if is_surveyed {
                *own = Collector::new(&self.columns, None)?;
                source.charset = Charset::survey(path)?;
                end = delimited::read(source, (0, positions), &self.columns, own, &mut |_, _| Ok(true))?;
            }
            if end == End::NotText {
                bail!("`{}` can't be read as text", file.name)
            }
            Ok(is_surveyed)
        })?;
        if is_surveyed {
            source.charset = Charset::survey(path)?;
        }
        Ok(())
    }

    /// Takes over what has been seen; whether that changed anything.
    fn revise(&mut self, out: &Collector, options: &Options, finished: bool) -> bool {
        match infer::revise(&self.columns, &out.tallies, options, finished) {
            Some(columns) => {
                self.columns = columns;
                true
            }
            None => false,
        }
    }

    /// What was found out, apart from what the values said.
    fn told(&self, sources: &[Source]) -> Told {
        let file = |source: &Source| FileTold {
            name: source.file.name.clone(),
            format: if source.json { "JSON lines" } else { "delimited text" },
            packing: None,
            encoding: Some(source.charset.name().to_lowercase()),
            delimiter: (!source.json).then(|| source.delimiter.name()),
            header: (!source.json).then_some(source.header),
        };
        let names = sources.first().map(|source| source.names.clone()).unwrap_or_default();
        Told { columns: self.columns.clone(), names, files: sources.iter().map(file).collect() }
    }

    fn notes(mut self, sources: &[Source], out: &Collector, options: &Options) -> Vec<String> {
        for source in sources {
            let name = &source.file.name;
            if options.encoding.is_none() {
                self.notes.extend(encoding_note(name, source.charset));
            }
            if source.header_looks_like_data() {
                self.notes.push(format!(
                    "the first line of `{name}` looks like a row ({}), not a header; `header = false` reads it as one",
                    source::some(&source.names)
                ));
            }
        }
        self.notes.extend(infer::notes(&self.columns, &out.tallies, options));
        self.notes
    }
}

/// How a file that isn't UTF-8 was read, and the line to look at.
fn encoding_note(name: &str, charset: Charset) -> Option<String> {
    let line = charset.broken_line().map_or(String::new(), |line| format!(" in line {}", grouped(line)));
    if charset.is_damaged_utf8() {
        return Some(format!(
            "`{name}` has bytes that aren't UTF-8, the first{line}; they became `\u{fffd}`"
        ));
    }
    let line = if line.is_empty() { line } else { format!(" (first{line})") };
    let label = charset.name();
    let message =
        format!("`{name}` isn't UTF-8{line}; it was read as {label}: if that is wrong, set `encoding`");
    (!charset.is_plain()).then_some(message)
}

/// Guesses what columns hold from samples of all files.
fn guess(columns: &mut [Column], sources: &[Source], positions: &[Vec<usize>], options: &Options) {
    let looks: Vec<Look> = columns.iter().map(|column| look(column, sources, positions)).collect();
    for (column, look) in columns.iter_mut().zip(&looks).filter(|(column, _)| !column.firm) {
        column.kind = match column.kind {
            Kind::Id if look.ids == look.values => Kind::Id,
            Kind::Id => Kind::Text,
            _ => look.kind(&column.name),
        };
    }
    infer::settle(columns, &looks, options);
}

fn look(column: &Column, sources: &[Source], positions: &[Vec<usize>]) -> Look {
    let origins = match &column.origin {
        Origin::Of(at) => std::slice::from_ref(at),
        Origin::Product(factors) => factors,
    };
    let files = sources.iter().zip(positions);
    Look::at(files.flat_map(|(source, positions)| {
        source.sample.iter().flat_map(move |row| {
            origins.iter().filter_map(move |at| row.get(*positions.get(*at)?).map(String::as_str))
        })
    }))
}
