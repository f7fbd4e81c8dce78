//! The kind `read`: files of other programs into one table.
//!
//! Parameters and ports only; how files are read is up to `data::read`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use arrow::datatypes::DataType;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::data::columns::{self, Holds, Wanted};
use crate::data::read::options::{BadRows, DateOrder, DecimalSign, Delimiter, Keep, Options, Type};
use crate::data::read::zone::{self, Zone};
use crate::data::read::{self, File, Ingested, Kept, Rows};
use crate::data::{Table, partition};
use crate::diagnostic::{count, grouped, quoted};
use crate::stage::{
    Artifact, Context, Failure, Layer, Make, MetricName, Mistake, Need, Outcome, Port, Source, Stage,
};

/// Reads CSV, JSON lines, Parquet, Arrow or other text files into a table.
///
/// Format, gzip or zstd, encoding, delimiter, types, date formats, time zones, decimal signs and currencies are found out
/// by looking at the files: `files` and `columns` tell what was found, a warning what could have been read otherwise.
/// Rows that can't be read go to `rejected`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Read {
    /// A path or glob, or a list of them, relative to the project root; also a URL of object storage or the web (feature
    /// `remote`). Files are put together in the order of their names.
    #[schemars(extend("x-required" = true))]
    pub path: Paths,
    /// What separates columns of text files: `auto`, a character such as `;`, `tab`, or `whitespace` for runs of blanks.
    pub delimiter: String,
    /// Whether the first line of text files names the columns.
    pub header: bool,
    /// Names of all columns, for text files without a header or in place of it.
    pub names: Vec<String>,
    /// The encoding of text files, such as `windows-1252`; found out where it isn't given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Columns to rename, ours to theirs: `{ customer_id = "CustomerID", amount = "Quantity * UnitPrice" }`.
    ///
    /// Stages look for `customer_id`, `txn_timestamp`, `amount`, `channel`, `category` and `is_local`, and for `order_id`
    /// (text), whose rows are one purchase.
    pub columns: BTreeMap<String, String>,
    /// Whether unmapped columns stay under their own names, or a list of those that do.
    #[schemars(extend("default" = true))]
    pub keep: KeptColumns,
    /// Types of columns, by our names, where the values don't say it: `{ customer_id = "text" }`.
    pub types: BTreeMap<String, Type>,
    /// The decimal sign of numbers such as `1,234` that leave it open.
    pub decimal: DecimalSign,
    /// The order of dates such as `01/02/2023` that leave it open.
    pub dates: DateOrder,
    /// Formats of dates in the words of strftime, by our names, where they aren't found out: `{ txn_timestamp = "%d.%m.%Y %H:%M" }`.
    pub date_formats: BTreeMap<String, String>,
    /// Whose clock times are told by, such as `Europe/Berlin` or `+02:00`: those with a zone are turned into it, those
    /// without one are taken to be its; UTC when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The only currency that numbers may be written with, such as `£` or `EUR`: one of another is a bad row. Any when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Columns, by our names, in which a missing value makes a bad row.
    pub require: Vec<String>,
    /// What happens to rows that can't be read.
    pub bad_rows: BadRows,
    /// Share of rows that may be rejected before the stage fails.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_bad: f64,
    /// Orders the rows by day, month or year, so that appended files cost only themselves and the spans that
    /// their rows fall into: what is known of other files and spans is kept, here and in the stages that count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_by: Option<partition::Span>,
    /// The column, by our names, with the time for `partition_by`: `txn_timestamp` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_time: Option<String>,
}

/// The column with the time, where none is named.
const TIME: &str = "txn_timestamp";

impl Default for Read {
    fn default() -> Self {
        let options = Options::default();
        Self {
            path: Paths(Vec::new()),
            delimiter: options.delimiter.name(),
            header: options.header,
            names: options.names,
            encoding: options.encoding,
            columns: options.columns,
            keep: KeptColumns(options.keep),
            types: options.types,
            decimal: options.decimal,
            dates: options.dates,
            date_formats: options.date_formats,
            time_zone: None,
            currency: None,
            require: options.require,
            bad_rows: options.bad_rows,
            max_bad: options.max_bad,
            partition_by: None,
            partition_time: None,
        }
    }
}

/// One path or glob, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths(pub Vec<String>);

/// A string, a list of strings, or a boolean, before it is known what it is for.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string, a list of strings, or true or false")]
enum Loose {
    Flag(bool),
    One(String),
    Many(Vec<String>),
}

impl Serialize for Paths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.serialize_str(one),
            many => many.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Loose::deserialize(deserializer)? {
            Loose::One(path) => Ok(Self(vec![path])),
            Loose::Many(paths) => Ok(Self(paths)),
            Loose::Flag(_) => Err(serde::de::Error::custom("expected a path or a list of paths")),
        }
    }
}

impl JsonSchema for Paths {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Paths".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [
            { "type": "string", "minLength": 1 },
            { "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1 }
        ] })
    }
}

/// Which unmapped columns stay: all, none, or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptColumns(pub Keep);

impl Serialize for KeptColumns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Keep::All => serializer.serialize_bool(true),
            Keep::None => serializer.serialize_bool(false),
            Keep::These(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for KeptColumns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Loose::deserialize(deserializer)? {
            Loose::Flag(true) => Ok(Self(Keep::All)),
            Loose::Flag(false) => Ok(Self(Keep::None)),
            Loose::Many(names) => Ok(Self(Keep::These(names))),
            Loose::One(_) => Err(serde::de::Error::custom("expected true, false or a list of columns")),
        }
    }
}

impl JsonSchema for KeptColumns {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "KeptColumns".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "type": "boolean" }, { "type": "array", "items": { "type": "string" } }] })
    }
}

impl Stage for Read {
    const KIND: &'static str = "read";
    const VERSION: u32 = 4;
    const LAYER: Layer = Layer::Data;

    fn needs(&self) -> Vec<Need> {
        Vec::new()
    }

    fn gives(&self) -> Vec<Port> {
        vec![
            Port::table("rows", "The rows, in the order of files and lines."),
            Port::table("rejected", "Rows that were left out: file, line, column, value and reason."),
            Port::table(
                "columns",
                "How each column was read: from which one, type, gaps, decimal sign, currency, dates, zones.",
            ),
            Port::table(
                "files",
                "What each file is: format, compression, encoding, delimiter, header, rows, rejected rows.",
            ),
        ]
    }

    fn metrics(&self) -> Vec<MetricName> {
        MetricName::list([
            ("rows", "Rows that were read."),
            ("rejected", "Rows that were left out."),
            ("files", "How many files there were."),
        ])
    }

    fn sources(&self) -> Vec<Source> {
        self.path
            .0
            .iter()
            .map(|pattern| Source { key: "path".to_owned(), pattern: pattern.clone() })
            .collect()
    }

    fn check(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if self.path.0.is_empty() || self.path.0.iter().any(String::is_empty) {
            mistakes.push(
                Mistake::new("path", "`path` names no file")
                    .hint("give a path or glob: `path = \"orders.csv\"`"),
            );
        }
        if Delimiter::parse(&self.delimiter).is_none() {
            let message = format!("`{}` is no delimiter", self.delimiter.escape_default());
            mistakes.push(
                Mistake::new("delimiter", message)
                    .hint("use `auto`, `tab`, `whitespace` or one character such as `;`"),
            );
        }
        if let Some(label) = self.encoding.as_ref().filter(|label| !read::charset::is_label(label)) {
            let message = format!("there is no encoding `{label}`");
            mistakes.push(Mistake::new("encoding", message).hint(read::charset::LABELS));
        }
        if let Some(zone) = self.time_zone.as_ref().filter(|zone| Zone::parse(zone).is_none()) {
            let message = format!("there is no time zone `{zone}`");
            mistakes.push(Mistake::new("time_zone", message).hint(zone::NAMES));
        }
        if let Some(currency) = self.currency.as_ref().filter(|one| !read::number::is_currency(one)) {
            let message = format!("`{currency}` is no currency that numbers are written with");
            mistakes.push(
                Mistake::new("currency", message).hint("use a sign such as `£` or a code such as `GBP`"),
            );
        }
        for (name, format) in &self.date_formats {
            if read::date::Pattern::new(format).is_none() {
                let message = format!("`{}` is no format of a date", format.escape_default());
                let hint = "write it as strftime does: `%d.%m.%Y %H:%M`";
                mistakes.push(Mistake::new(format!("date_formats.{name}"), message).hint(hint));
            }
        }
        if self.partition_time.is_some() && self.partition_by.is_none() {
            mistakes.push(
                Mistake::new(
                    "partition_time",
                    "`partition_time` only says by which column, and there is no `partition_by`",
                )
                .hint("add `partition_by = \"month\"`, or take `partition_time` out"),
            );
        }
        mistakes
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let mut files: Vec<File> = ctx
            .sources("path")
            .map(|source| File { name: source.name.clone(), path: source.path.clone() })
            .collect();
        // Two patterns may match the same file.
        files.sort_by(|a, b| a.name.cmp(&b.name));
        files.dedup();
        if files.is_empty() {
            let patterns: Vec<&str> = self.path.0.iter().map(String::as_str).collect();
            let message = format!("no file matches {}", quoted(patterns, "and"));
            return Err(Failure::new(message)
                .hint("paths are relative to the project root")
                .at("path")
                .into());
        }
        let mut progress = |fraction: f64| ctx.progress(fraction, "reading");
        let ingested = match self.partition_by {
            None => read::read(&files, &self.options(), ctx.scratch(), &mut progress)?,
            Some(by) => self.divided(by, &files, ctx)?,
        };
        let (rows, rejected, number) = (ingested.count, ingested.rejected.rows(), files.len());
        let summary = format!(
            "{} from {}, {} rejected",
            count(rows, "row"),
            count(number as u64, "file"),
            grouped(rejected)
        );
        let main = match ingested.rows {
            Rows::Memory(table) => Artifact::Table(table),
            Rows::File(path) => Artifact::File(path),
        };
        // Counts are far below 2^53.
        let outcome = Outcome::new(summary)
            .with("rows", main)
            .table("rejected", ingested.rejected)
            .table("columns", ingested.columns)
            .table("files", ingested.files)
            .metric("rows", rows as f64)
            .metric("rejected", rejected as f64)
            .metric("files", number as f64);
        Ok(ingested.notes.into_iter().fold(outcome, Outcome::warn))
    }
}

impl Read {
    /// Reads the files that aren't known yet, and orders all rows by time.
    fn divided(&self, by: partition::Span, files: &[File], ctx: &Context<'_>) -> Result<Ingested> {
        let digests: HashMap<_, _> =
            ctx.sources("path").map(|source| (source.name.clone(), source.digest.hex())).collect();
        let keep = |parts: &[&str], make: Make<'_>| ctx.memo("file", parts, make);
        let kept = Kept { digests: &digests, keep: &keep };
        let mut progress = |fraction: f64| ctx.progress(fraction, "reading");
        let ingested = read::read_each(files, &self.options(), ctx.scratch(), kept, &mut progress)?;
        let Rows::Memory(table) = &ingested.rows else { return Ok(ingested) };
        let rows = Rows::Memory(self.divide(by, table)?);
        Ok(Ingested { rows, ..ingested })
    }

    fn divide(&self, by: partition::Span, table: &Table) -> Result<Table> {
        let time = self.partition_time.as_deref().unwrap_or(TIME);
        columns::require(table.schema(), &[Wanted::new("partition_time", time, Holds::Anything)])?;
        let kind = table.schema().field(table.index_of(time)?).data_type();
        if !matches!(kind, DataType::Timestamp(..)) {
            let message = format!("column `{time}` is {}, not a date or timestamp", columns::type_name(kind));
            let hint = format!("name a column with times, or say `types = {{ {time} = \"timestamp\" }}`");
            return Err(Failure::new(message).hint(hint).at("partition_time").into());
        }
        partition::divide(table, by, time)
    }

    fn options(&self) -> Options {
        Options {
            delimiter: Delimiter::parse(&self.delimiter).unwrap_or(Delimiter::Auto),
            header: self.header,
            names: self.names.clone(),
            encoding: self.encoding.clone(),
            columns: self.columns.clone(),
            keep: self.keep.0.clone(),
            types: self.types.clone(),
            decimal: self.decimal,
            dates: self.dates,
            date_formats: self.date_formats.clone(),
            time_zone: self.time_zone.as_deref().and_then(Zone::parse).filter(|zone| !zone.is_utc()),
            currency: self.currency.clone(),
            require: self.require.clone(),
            bad_rows: self.bad_rows,
            max_bad: self.max_bad,
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::engine::digest::Digest;
    use crate::stage::{AnyStage, Kind, Progress, SourceFile, Stop};

    struct Silent;

    impl Progress for Silent {
        fn progress(&self, _: f64, _: &str) {}
        fn step(&self, _: &str, _: u64, _: f64) {}
    }

    fn stage(params: &str) -> Read {
        toml::from_str(params).unwrap()
    }

    fn run(params: &str, files: &[(&str, &str)]) -> Result<Outcome> {
        let folder = tempfile::tempdir().unwrap();
        let mut sources = Vec::new();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs_err::write(&path, text).unwrap();
            let digest = Digest::of(text.as_bytes());
            sources.push(SourceFile { key: "path".into(), name: (*name).to_owned(), path, digest });
        }
        let ctx = Context {
            inputs: BTreeMap::new(),
            sources,
            seed: 0,
            scratch: folder.path(),
            progress: &Silent,
            stop: Stop::never(),
            memos: None,
        };
        Stage::run(&stage(params), &ctx)
    }

    #[test]
    fn rows_and_rejects_come_out() {
        let params =
            "path = \"*.csv\"\nmax_bad = 0.5\ncolumns = { customer_id = \"Id\", amount = \"Total\" }";
        let files = [("b.csv", "Id,Total\n3,x\n"), ("a.csv", "Id,Total\n1,2\n2,3\n")];
        let outcome = run(params, &files).unwrap();
        assert_eq!(outcome.summary, "2 rows from 2 files, 1 rejected");
        assert_eq!(
            outcome.metrics,
            [("files", 2.0), ("rejected", 1.0), ("rows", 2.0)].map(|(k, v)| (k.to_owned(), v)).into()
        );
        let warnings: Vec<_> = outcome.warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(
            warnings,
            ["1 of 3 rows (33 %) was left out: line 2 of `b.csv`: `amount` is `x`, not a number"]
        );
        let ports: Vec<_> = outcome.artifacts.iter().map(|(port, _)| port.as_str()).collect();
        assert_eq!(ports, ["rows", "rejected", "columns", "files"]);
    }

    #[test]
    fn problems_become_failures_with_advice() {
        let failure = |params: &str, files: &[(&str, &str)]| {
            let failure = run(params, files).map(|_| ()).unwrap_err().downcast::<Failure>().unwrap();
            (failure.message, failure.hint, failure.key)
        };
        let files = [("a.csv", "CustomerID,Total\n1,2\n")];
        assert_eq!(
            failure("path = \"a.csv\"\ncolumns = { customer_id = \"CustomerId\" }", &files),
            (
                "`a.csv` has no column `CustomerId`".to_owned(),
                Some("did you mean `CustomerID`?".to_owned()),
                Some("columns.customer_id".to_owned())
            )
        );
        assert_eq!(
            failure("path = [\"x.csv\", \"y/*.csv\"]", &[]),
            (
                "no file matches `x.csv` and `y/*.csv`".to_owned(),
                Some("paths are relative to the project root".to_owned()),
                Some("path".to_owned())
            )
        );
    }

    #[test]
    fn parameters_are_checked_before_any_file_is_read() {
        let mistakes = |params: &str| -> Vec<_> {
            Stage::check(&stage(params)).into_iter().map(|mistake| (mistake.key, mistake.message)).collect()
        };
        assert_eq!(mistakes("path = \"a.csv\"\ndelimiter = \"tab\""), []);
        assert_eq!(mistakes("path = []"), [("path".to_owned(), "`path` names no file".to_owned())]);
        assert_eq!(
            mistakes("path = \"a\"\ndelimiter = \"::\"\nencoding = \"x\""),
            [
                ("delimiter".to_owned(), "`::` is no delimiter".to_owned()),
                ("encoding".to_owned(), "there is no encoding `x`".to_owned())
            ]
        );
    }

    #[test]
    fn loose_parameters_come_back_as_they_were_written() {
        let kind = Kind::of::<Read>();
        for params in ["path = \"a.csv\"\nkeep = false", "path = [\"a.csv\", \"b.csv\"]\nkeep = [\"x\"]"] {
            let written: toml::Table = toml::from_str(params).unwrap();
            let built = (kind.build)(written.clone()).map_err(|error| error.to_string()).unwrap();
            let resolved = AnyStage::params(built.as_ref()).unwrap();
            for (key, value) in written {
                assert_eq!(resolved.get(&key), Some(&value));
            }
        }
        let error = toml::from_str::<Read>("path = 7").unwrap_err();
        assert_eq!(error.message(), "expected a string, a list of strings, or true or false");
        let patterns: Vec<_> = Stage::sources(&stage("path = [\"a\", \"b\"]"))
            .into_iter()
            .map(|source| source.pattern)
            .collect();
        assert_eq!(patterns, ["a", "b"]);
    }

    #[test]
    fn the_schema_lists_what_can_be_given() {
        let schema = (Kind::of::<Read>().schema)();
        let properties = schema.get("properties").unwrap();
        assert_eq!(properties["path"]["x-required"], true);
        assert_eq!(properties["path"]["oneOf"][0]["type"], "string");
        assert_eq!(properties["bad_rows"]["default"], "reject");
        assert_eq!(properties["max_bad"]["maximum"], 1.0);
    }
}
