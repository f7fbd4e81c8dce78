//! `custem runs export`: parameters and metrics of runs as a table, one row a run.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use serde_json::{Map, Value as Json};

use super::chosen::{Chosen, chosen};
use crate::cli::{ExportForm, RunsExport};
use crate::data::Table;
use crate::diagnostic::{Diagnostic, Problems, plural};
use crate::engine::disk;
use crate::observe::filter::{FIELDS, Value};
use crate::observe::index::Wanted;
use crate::present::terminal::{print, tell};

/// Prints the table, or writes it to a file.
pub fn export(flags: &RunsExport, experiments: &Path) -> Result<()> {
    let mut found = chosen(experiments, &flags.which, Wanted { metrics: true, params: true })?;
    found.places.reverse();
    let columns = columns(&found);
    let bytes = match (flags.format, &flags.output) {
        (ExportForm::Csv, _) => csv(&found, &columns)?,
        (ExportForm::Json, _) => json(&found, &columns)?,
        (ExportForm::Parquet, Some(_)) => {
            let aside = tempfile::NamedTempFile::new()?;
            parquet(&found, &columns)?.write(aside.path())?;
            fs_err::read(aside.path())?
        }
        (ExportForm::Parquet, None) => {
            let problem = Diagnostic::error("Parquet isn't for a terminal");
            return Err(Problems::from(problem.hint("name a file: `--output runs.parquet`")).into());
        }
    };
    let Some(path) = &flags.output else { return print(format_args!("{}", String::from_utf8(bytes)?)) };
    disk::deliver(path, &[&bytes]).with_context(|| format!("can't write `{}`", path.display()))?;
    tell(format_args!("{}: {}\n", path.display(), plural(found.places.len(), "run")));
    Ok(())
}

/// What any of the runs has: its own fields, parameters, metrics.
fn columns(found: &Chosen) -> Vec<String> {
    let mut params = std::collections::BTreeSet::new();
    let mut metrics = std::collections::BTreeSet::new();
    for at in &found.places {
        params.extend(found.index.params(*at).map(|(name, _)| format!("params.{name}")));
        metrics.extend(found.index.metrics(*at).map(|(name, _)| format!("metrics.{name}")));
    }
    FIELDS.map(str::to_owned).into_iter().chain(params).chain(metrics).collect()
}

fn csv(found: &Chosen, columns: &[String]) -> Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(columns)?;
    for at in &found.places {
        let cell =
            |column: &String| found.index.field(*at, column).map(|value| value.text()).unwrap_or_default();
        out.write_record(columns.iter().map(cell))?;
    }
    Ok(out.into_inner()?)
}

fn json(found: &Chosen, columns: &[String]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for at in &found.places {
        let mut line = Map::new();
        let (mut params, mut metrics) = (Map::new(), Map::new());
        for column in columns {
            let Some(value) = found.index.field(*at, column) else { continue };
            let value = match value {
                Value::Number(number) => number.into(),
                Value::Text(text) => text.into(),
                Value::Truth(truth) => truth.into(),
            };
            let (table, name) = match column.split_once('.') {
                Some(("params", name)) => (&mut params, name),
                Some(("metrics", name)) => (&mut metrics, name),
                _ => (&mut line, column.as_str()),
            };
            table.insert(name.to_owned(), value);
        }
        line.insert("params".to_owned(), Json::Object(params));
        line.insert("metrics".to_owned(), Json::Object(metrics));
        serde_json::to_writer(&mut out, &line)?;
        out.push(b'\n');
    }
    Ok(out)
}

/// Numbers where a column has only numbers, truths where it has only these, else text.
fn parquet(found: &Chosen, columns: &[String]) -> Result<Table> {
    let column = |name: &String| {
        let values: Vec<_> = found.places.iter().map(|at| found.index.field(*at, name)).collect();
        let all = |fits: fn(&Value) -> bool| values.iter().flatten().all(fits);
        let array: ArrayRef =
            if name.starts_with("metrics.") || all(|value| matches!(value, Value::Number(_))) {
                let number = |value: &Option<Value>| match value {
                    Some(Value::Number(number)) => Some(*number),
                    _ => None,
                };
                Arc::new(values.iter().map(number).collect::<Float64Array>())
            } else if all(|value| matches!(value, Value::Truth(_))) {
                Arc::new(
                    values
                        .iter()
                        .map(|value| Some(*value == Some(Value::Truth(true))).filter(|_| value.is_some()))
                        .collect::<BooleanArray>(),
                )
            } else {
                Arc::new(values.iter().map(|value| value.as_ref().map(Value::text)).collect::<StringArray>())
            };
        (name.clone(), array, true)
    };
    Ok(Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns.iter().map(column))?))
}
