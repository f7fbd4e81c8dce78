//! Listings for the terminal: plans, reasons, runs, tables.

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::Value as Json;
use unicode_width::UnicodeWidthStr;

use super::sinks::cause;
use super::{bytes, seconds};
use crate::data::{Table, columns};
use crate::diagnostic::plural;
use crate::engine::cause::Cause;
use crate::engine::events::Ranked;
use crate::engine::plan::{Planned, Verdict};
use crate::model::rank;
use crate::observe::runs::{Overview, Run};
use crate::pipeline::{Goal, Pipeline, Sweep};

/// The variants of a sweep ranked by the values of their objective; NaN for one that failed.
pub fn leaderboard(sweep: &Sweep, values: &[f64]) -> Vec<Ranked> {
    let ranked = |at: usize| Ranked {
        variant: sweep.variants[at].label.clone(),
        number: at + 1,
        value: values[at].is_finite().then_some(values[at]),
    };
    rank::order(values, sweep.goal == Goal::Max).into_iter().map(ranked).collect()
}

/// A plan: what must run, what may, what is put back, how much is up to date.
pub fn plan(pipeline: &Pipeline, planned: &[Planned]) -> String {
    let label = |task: usize| pipeline.tasks[task].label.as_str();
    let width = planned.iter().map(|planned| label(planned.task).width()).max().unwrap_or(0);
    let mut text = String::new();
    let mut up_to_date = 0;
    for one in planned {
        let name = label(one.task);
        let about = one.seconds.map(|time| format!("   about {}", seconds(time))).unwrap_or_default();
        match &one.verdict {
            Verdict::UpToDate(_) => up_to_date += 1,
            Verdict::MustRun(causes) => {
                let causes: Vec<_> = causes.iter().map(|one| cause(name, one)).collect();
                text += &format!("  must run   {name:width$}   {}{about}\n", causes.join("; "));
            }
            Verdict::MayRun(on) => {
                let on: Vec<_> = on.iter().map(|task| format!("`{}`", label(*task))).collect();
                text += &format!(
                    "  may run    {name:width$}   if {} gives other bytes{about}\n",
                    on.join(" or ")
                );
            }
            Verdict::Broken(message) => text += &format!("  broken     {name:width$}   {message}\n"),
        }
        for (path, standing, size) in &one.restore {
            text += &format!("  restore    {} ({})   {}\n", path.display(), standing.name(), bytes(*size));
        }
    }
    text + &format!("  up to date {}\n", plural(up_to_date, "stage"))
}

/// Why a stage ran or didn't, from the line that recorded its end.
pub fn why(end: &Json, run: &Run) -> String {
    let stage = end["stage"].as_str().unwrap_or_default();
    match end["outcome"].as_str() {
        Some("hit") => did_not_run(end, stage, run),
        Some("skipped") => {
            let reason = end["error"]["message"].as_str().unwrap_or("the run ended before it");
            format!("{stage} was skipped in run {}: {reason}\n", run.name)
        }
        outcome => {
            let word = if outcome == Some("failed") { "ran (and failed)" } else { "ran" };
            let causes: Vec<Cause> = serde_json::from_value(end["because"].clone()).unwrap_or_default();
            let lines: String = causes.iter().map(|one| format!("  {}\n", cause(stage, one))).collect();
            let lines = if lines.is_empty() { format!("  {}\n", reason(end)) } else { lines };
            format!("{stage} {word} in run {} because\n{lines}", run.name)
        }
    }
}

fn reason(end: &Json) -> &str {
    end["error"]["message"].as_str().unwrap_or("no reason is recorded")
}

fn did_not_run(end: &Json, stage: &str, run: &Run) -> String {
    let mut text =
        format!("{stage} did not run in run {}: the cache has its result for this key\n", run.name);
    let short = |digest: &Json| digest.as_str().unwrap_or_default().chars().take(8).collect::<String>();
    text += &format!("  key     {}\n", short(&end["key"]));
    for (name, digest) in end["inputs"].as_object().into_iter().flatten() {
        text += &format!("  {name:7} {}  unchanged\n", short(digest));
    }
    text
}

/// Runs, one a line.
pub fn runs(overviews: &[Overview]) -> String {
    if overviews.is_empty() {
        return "no run is recorded yet\n".to_owned();
    }
    let width = overviews.iter().map(|one| one.run.width()).max().unwrap_or(0);
    let name = overviews.iter().map(|one| one.pipeline.width()).max().unwrap_or(0);
    let line = |one: &Overview| {
        let time = one.time.map(when).unwrap_or_default();
        let took = one.seconds.map(seconds).unwrap_or_default();
        format!(
            "{:width$}  {time:16}  {:name$}  {:11}  {:>3} ran {:>3} cached {:>2} failed  {took:>9}\n",
            one.run, one.pipeline, one.status, one.ran, one.hit, one.failed
        )
    };
    overviews.iter().map(line).collect()
}

/// A time in UTC, to the minute.
fn when(time: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 fit for a long while")]
    let time = chrono::DateTime::from_timestamp(time as i64, 0);
    time.map(|time| time.format("%Y-%m-%d %H:%M").to_string()).unwrap_or_default()
}

/// One run with its stages, metrics and warnings.
pub fn run(run: &Run) -> String {
    let overview = run.overview();
    let mut text = format!("run {}  {}  {}\n", run.name, overview.pipeline, overview.status);
    text += &format!("pipeline {}\n", overview.file);
    if let Some(time) = overview.time {
        text += &format!("started {} UTC\n", when(time));
    }
    let ends: Vec<_> = run.of("stage_done").collect();
    let of = |end: &Json, key: &str| end[key].as_str().unwrap_or_default().to_owned();
    let width = ends.iter().map(|end| of(end, "stage").width()).max().unwrap_or(0);
    for end in &ends {
        let (stage, kind, outcome) = (of(end, "stage"), of(end, "kind"), of(end, "outcome"));
        let key: String = of(end, "key").chars().take(8).collect();
        let time = seconds(end["seconds"].as_f64().unwrap_or_default());
        text +=
            format!("  {stage:width$}  {kind:11}  {outcome:7}  {key:8}  {time:>9}  {}", of(end, "summary"))
                .trim_end();
        text.push('\n');
        for (metric, value) in end["metrics"].as_object().into_iter().flatten() {
            text += &format!("      {metric} = {value}\n");
        }
        for warning in end["warnings"].as_array().into_iter().flatten() {
            text += &format!("      warning: {}\n", of(warning, "message"));
        }
        if let Some(message) = end["error"]["message"].as_str() {
            text += &format!("      {message}\n");
        }
    }
    text
}

/// The first rows of a table in columns, and what it has in all.
///
/// # Errors
/// When the table can't be read.
pub fn table(table: &Table, rows: usize) -> Result<String> {
    let first = table.batches()?.next().transpose()?.map(|batch| batch.slice(0, rows.min(batch.num_rows())));
    let names: Vec<_> = table.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut cells: Vec<Vec<String>> = names.iter().map(|name| vec![name.clone()]).collect();
    if let Some(batch) = &first {
        fill(&mut cells, batch)?;
    }
    let right: Vec<_> = table.schema().fields().iter().map(|field| field.data_type().is_numeric()).collect();
    let height = cells.first().map_or(0, Vec::len);
    let mut text = String::new();
    for row in 0..height {
        let line: Vec<_> =
            cells.iter().zip(&right).map(|(column, right)| pad(&column[row], column, *right)).collect();
        text += line.join("  ").trim_end();
        text.push('\n');
    }
    let types: Vec<_> =
        table.schema().fields().iter().map(|field| columns::type_name(field.data_type())).collect();
    text += &format!("{}: {}\n", plural(names.len(), "column"), named(&names, &types));
    Ok(text + &format!("{}\n", plural(table.rows(), "row")))
}

fn named(names: &[String], types: &[String]) -> String {
    names.iter().zip(types).map(|(name, ty)| format!("{name} ({ty})")).collect::<Vec<_>>().join(", ")
}

fn fill(cells: &mut [Vec<String>], batch: &RecordBatch) -> Result<()> {
    let options = FormatOptions::default().with_null("-");
    for (column, array) in cells.iter_mut().zip(batch.columns()) {
        let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
        column.extend((0..array.len()).map(|row| short(&formatter.value(row).to_string())));
    }
    Ok(())
}

/// Long text is cut and long fractions are rounded, so that a row fits a line.
fn short(text: &str) -> String {
    if let (Ok(number), true) = (text.parse::<f64>(), text.contains('.') && text.len() > 10) {
        return format!("{number:.4}");
    }
    if text.chars().count() <= 40 {
        return text.to_owned();
    }
    text.chars().take(39).chain(['…']).collect()
}

fn pad(text: &str, column: &[String], right: bool) -> String {
    let width = column.iter().map(|cell| cell.width()).max().unwrap_or(0);
    let blanks = " ".repeat(width - text.width().min(width));
    if right { blanks + text } else { text.to_owned() + &blanks }
}
