//! `custem show`: an artifact of a run, on the terminal or as CSV or JSON.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Map, Value as Json};

use super::ended;
use super::history::stage_of;
use crate::cli;
use crate::data::{Table, summary};
use crate::diagnostic::{Diagnostic, Problems, plural, quoted, shown};
use crate::engine::Project;
use crate::engine::store::{Amiss, Output, Store};
use crate::observe::runs::Run;
use crate::present::terminal;
use crate::present::terminal::print;
use crate::stage::PortType;

pub fn show(flags: &cli::Show, project: &Project) -> Result<ExitCode> {
    let experiments = project.experiments();
    let stage = flags.artifact.rsplit_once('.').map_or(flags.artifact.as_str(), |(stage, _)| stage);
    let run = ended::run(&experiments, &flags.run, &[&flags.artifact, stage])?;
    let output = output(&run, &flags.artifact)?;
    if let Some(problem) = no_table(flags, output.ty) {
        return Err(Problems::from(problem).into());
    }
    let store = Store::open(&project.cache())?;
    let path = match store.verify(&output.digest) {
        Ok(path) => path,
        Err(Amiss::Lost(loss)) => {
            bail!("`{}` is {} in the cache: run the pipeline again", flags.artifact, loss.name())
        }
        Err(Amiss::Unread(error)) => return Err(error),
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    if output.ty != PortType::Table {
        let bytes = fs_err::read(path)?;
        if std::io::stdout().is_terminal() && !(output.ty == PortType::File && is_short_text(&bytes)) {
            let what = output.ty.described();
            print(format_args!("{}\n", terminal::elsewhere(&flags.artifact, what, output.bytes)))?;
            return Ok(ExitCode::SUCCESS);
        }
        out.write_all(&bytes)?;
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    let table = Table::open(&path)?;
    if flags.csv {
        csv(&table, &mut out)?;
    } else if flags.json {
        json(&table, &mut out)?;
    } else {
        let head = terminal::table(&table, flags.rows, terminal::width())?;
        let summary = terminal::summary(&summary::glances(&table)?, table.rows(), flags.rows);
        write!(out, "{head}\n{summary}")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Whether bytes are for a terminal after all: plain text of a few pages.
fn is_short_text(bytes: &[u8]) -> bool {
    const PAGES: usize = 32 << 10;
    let plain = |text: &str| text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    bytes.len() <= PAGES && std::str::from_utf8(bytes).is_ok_and(plain)
}

/// Only tables can be printed as CSV or as rows of JSON; a model and metrics are JSON already.
fn no_table(flags: &cli::Show, ty: PortType) -> Option<Diagnostic> {
    let flag = match ty {
        PortType::Table => None,
        _ if flags.csv => Some("--csv"),
        PortType::Model | PortType::Metrics => None,
        _ => flags.json.then_some("--json"),
    }?;
    let message = format!("`{}` is {}, and `{flag}` prints tables", flags.artifact, ty.described());
    Some(
        Diagnostic::error(message).hint(format!("leave `{flag}` out: custem show {} > FILE", flags.artifact)),
    )
}

fn output(run: &Run, artifact: &str) -> Result<Output> {
    let exact = run.stage(artifact).map(|end| (end, None));
    let split = artifact.rsplit_once('.').and_then(|(stage, port)| Some((run.stage(stage)?, Some(port))));
    let problem = |message: String, hint: String| Problems::from(Diagnostic::error(message).hint(hint));
    let Some((end, port)) = exact.or(split) else {
        let (stage, port) = artifact.split_once('.').unwrap_or((artifact, ""));
        return Err(several(run, stage, port).unwrap_or_else(|| ended::no_stage(run, stage)).into());
    };
    let stage = end["stage"].as_str().unwrap_or_default();
    if let Some(word @ ("failed" | "skipped")) = end["outcome"].as_str() {
        let was = if word == "failed" { "failed" } else { "was skipped" };
        let message = format!("stage `{stage}` {was} in run {}, so it gave nothing", run.name);
        return Err(problem(message, format!("`custem runs show {}` says why", run.name)).into());
    }
    let outputs = end["outputs"].as_object().cloned().unwrap_or_default();
    let main = crate::stages::main_port(end["kind"].as_str().unwrap_or_default(), &outputs);
    let port = port.map(str::to_owned).or(main).unwrap_or_default();
    match outputs.get(&port) {
        Some(output) => Ok(serde_json::from_value(output.clone())?),
        None => {
            let ports = quoted(outputs.keys().map(String::as_str), "and");
            let message = format!("stage `{stage}` gave no port `{}` in run {}", shown(&port), run.name);
            Err(problem(message, format!("it gave {ports}")).into())
        }
    }
}

/// That a stage has variants, one of which must be named.
fn several(run: &Run, stage: &str, port: &str) -> Option<Problems> {
    let mut variants: Vec<_> = ended::labels(run).filter(|label| stage_of(label) == stage).collect();
    // As they are written, not as they happened to end.
    variants.sort_by_key(|label| (label.len(), *label));
    let dot = if port.is_empty() { "" } else { "." };
    let first = variants.first()?;
    let (count, name) = (plural(variants.len(), "variant"), &run.name);
    let problem =
        Diagnostic::error(format!("stage `{stage}` has {count} in run {name}, and one is shown at a time"));
    let names = quoted(variants.iter().copied(), "and");
    Some(
        problem
            .hint(format!("name one, such as `custem show '{first}{dot}{port}'`: there are {names}"))
            .into(),
    )
}

fn csv(table: &Table, out: &mut impl Write) -> Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(table.schema().fields().iter().map(|field| field.name())).map_err(system)?;
    for batch in table.batches()? {
        let batch = batch?;
        let options = FormatOptions::default();
        let columns = formatters(&batch, &options)?;
        for row in 0..batch.num_rows() {
            writer
                .write_record(columns.iter().map(|column| column.value(row).to_string()))
                .map_err(system)?;
        }
    }
    writer.flush()?;
    Ok(())
}

/// The system's error, which the CSV writer keeps to itself instead of naming it as its cause.
fn system(error: csv::Error) -> anyhow::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        kind => anyhow!("can't write CSV: {kind:?}"),
    }
}

fn formatters<'a>(batch: &'a RecordBatch, options: &'a FormatOptions<'a>) -> Result<Vec<ArrayFormatter<'a>>> {
    let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), options));
    Ok(columns.collect::<Result<_, _>>()?)
}

fn json(table: &Table, out: &mut impl Write) -> Result<()> {
    for batch in table.batches()? {
        let batch = batch?;
        let options = FormatOptions::default();
        let columns = formatters(&batch, &options)?;
        for row in 0..batch.num_rows() {
            let mut object = Map::new();
            for (column, field) in columns.iter().zip(batch.schema().fields()) {
                object.insert(field.name().clone(), cell(column.value(row).to_string(), field.data_type()));
            }
            writeln!(out, "{}", Json::Object(object))?;
        }
    }
    Ok(())
}

/// A small table's rows as JSON.
///
/// # Errors
/// When it can't be read.
pub fn rows(table: &Table) -> Result<Vec<Vec<Json>>> {
    let mut rows = Vec::with_capacity(table.rows());
    for batch in table.batches()? {
        let batch = batch?;
        let options = FormatOptions::default();
        let columns = formatters(&batch, &options)?;
        let schema = batch.schema();
        let kinds = || schema.fields().iter().map(|field| field.data_type());
        let cells = |row: usize| {
            columns.iter().zip(kinds()).map(move |(c, kind)| cell(c.value(row).to_string(), kind))
        };
        rows.extend((0..batch.num_rows()).map(|row| cells(row).collect()));
    }
    Ok(rows)
}

/// A value as JSON, from how it is shown.
fn cell(text: String, kind: &DataType) -> Json {
    let number = || kind.is_numeric().then(|| text.parse::<f64>().ok().map(Json::from)).flatten();
    let exact = || kind.is_integer().then(|| text.parse::<i64>().ok().map(Json::from)).flatten();
    let value = if text.is_empty() { Some(Json::Null) } else { exact().or_else(number) };
    value.unwrap_or(Json::String(text))
}
