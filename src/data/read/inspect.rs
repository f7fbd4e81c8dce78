//! What a file looks like, for somebody who writes a pipeline for it.
//!
//! Looks at a sample only, and changes nothing. Knows nothing of pipelines.

use anyhow::{Context as _, Result};

use super::column::Kind;
use super::container::Container;
use super::infer::Look;
use super::options::Options;
use super::pack::{self, Packing};
use super::propose::{self, Proposal};
use super::source::{File, HEAD, Source, looks_like_data};
use super::{Format, columnar, format, json};

/// Sample values that are shown of each column.
const SAMPLES: usize = 3;

/// What a file looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// Its format.
    pub format: Format,
    /// Whether it is of JSON lines.
    pub json: bool,
    /// How it is compressed.
    pub packing: Option<Packing>,
    /// What separates its columns, as the parameter `delimiter` spells it; nothing where columns have names of their own.
    pub delimiter: Option<String>,
    /// Its encoding; nothing for Parquet and Arrow.
    pub encoding: Option<String>,
    /// Whether it names its columns.
    pub header: bool,
    /// Its columns; without a header they are called `column_1`, `column_2`, ...
    pub columns: Vec<Seen>,
    /// Which of its columns seem to be the ones that stages look for, in the order of the roles.
    pub mapping: Vec<Proposal>,
}

/// A column of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// What it holds, as the parameter `types` spells it.
    pub kind: &'static str,
    /// Its first different values.
    pub samples: Vec<String>,
    /// Share of missing values in the sample.
    pub missing: f64,
    /// Different values in the sample.
    pub distinct: usize,
    /// How its dates are written, the most frequent way first.
    pub dates: Vec<String>,
    /// Whether all values are different, in a sample of more than one.
    pub unique: bool,
    /// Whether some value has a fractional part.
    pub fractions: bool,
}

/// Looks at a file.
///
/// # Errors
/// When it can't be read, or has no rows.
pub fn inspect(file: &File) -> Result<Inspection> {
    let scratch = tempfile::tempdir()?;
    let unpacked = pack::unpacked(std::slice::from_ref(file), scratch.path())?.pop();
    let (file, packing) = unpacked.context("there is no file")?;
    let seen = match format(&file)? {
        Format::Text => text(&file)?,
        Format::Parquet => columns(&file, Container::Parquet)?,
        Format::Arrow => columns(&file, Container::Arrow)?,
    };
    Ok(Inspection { packing, ..seen })
}

fn text(file: &File) -> Result<Inspection> {
    let mut source = Source::open(file, &Options { header: false, ..Options::default() })?;
    if source.json {
        source.rename(&json::names(&file.path, source.charset)?);
    } else if !source.sample.first().is_some_and(|row| looks_like_data(row)) {
        source = Source::open(file, &Options::default())?;
    }
    if source.sample.is_empty() && source.bytes <= HEAD as u64 {
        return Err(super::no_rows(std::slice::from_ref(file), Format::Text, &Options::default()).into());
    }
    let columns = source.names.iter().enumerate().map(|(at, name)| {
        let values: Vec<&str> =
            source.sample.iter().filter_map(|row| row.get(at).map(String::as_str)).collect();
        seen(name, &values, None)
    });
    let columns: Vec<Seen> = columns.collect();
    Ok(Inspection {
        format: Format::Text,
        json: source.json,
        packing: None,
        delimiter: (!source.json).then(|| source.delimiter.name()),
        encoding: Some(source.charset.name().to_lowercase()),
        header: source.header,
        mapping: propose::mapping(&columns),
        columns,
    })
}

fn columns(file: &File, container: Container) -> Result<Inspection> {
    let format = if container == Container::Arrow { Format::Arrow } else { Format::Parquet };
    let (rows, sample) = columnar::sample(file, container)?;
    if rows == 0 {
        return Err(super::no_rows(std::slice::from_ref(file), format, &Options::default()).into());
    }
    let columns: Vec<Seen> = sample
        .iter()
        .map(|(name, kind, values)| {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            seen(name, &values, Some(*kind))
        })
        .collect();
    Ok(Inspection {
        format,
        json: false,
        packing: None,
        delimiter: None,
        encoding: None,
        header: true,
        mapping: propose::mapping(&columns),
        columns,
    })
}

fn seen(name: &str, values: &[&str], kind: Option<Kind>) -> Seen {
    let look = Look::at(values.iter().copied());
    let mut samples: Vec<String> = Vec::new();
    for value in values.iter().filter(|value| !value.is_empty()) {
        if samples.len() < SAMPLES && !samples.iter().any(|sample| sample == value) {
            samples.push((*value).to_owned());
        }
    }
    let kind = match kind {
        // Low or high cardinality is a matter of values, not of what the file calls its text.
        None | Some(Kind::Text | Kind::Category) => look.kind(name),
        Some(kind) => kind,
    };
    let mut dates: Vec<(u64, String)> =
        look.spellings().iter().map(|(layout, times)| (*times, layout.name())).collect();
    dates.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    // Counts of a sample are exact in a float.
    let missing = look.missing as f64 / values.len().max(1) as f64;
    Seen {
        name: name.to_owned(),
        kind: kind.name(),
        samples,
        missing,
        distinct: look.distinct,
        dates: if kind == Kind::Timestamp {
            dates.into_iter().map(|(_, name)| name).collect()
        } else {
            Vec::new()
        },
        unique: look.values > 1 && look.distinct == look.values,
        fractions: look.numbers > look.wholes,
    }
}
