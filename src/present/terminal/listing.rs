//! Listings for the terminal: plans, reasons, runs, tables.

use std::collections::BTreeSet;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::Value as Json;
use unicode_width::UnicodeWidthStr;

use super::sinks::cause;
use super::{bytes, seconds};
use crate::data::Table;
use crate::data::summary::{CROWD, Glance};
use crate::diagnostic::{grouped, listing, percent, plural, quoted, shown};
use crate::engine::cause::{Cause, short};
use crate::engine::plan::{Planned, Verdict};
use crate::observe::runs::{Overview, Run};
use crate::pipeline::Pipeline;

/// A stage that took less time than this, in seconds, takes none worth a word.
const NOTICEABLE: f64 = 0.05;

/// Outputs of fewer bytes than this, neither.
const SIZABLE: u64 = 100_000;

/// So many stages that a sweep waits for are named.
const OPEN: usize = 3;

/// A plan: what must run, what may, what is fetched or put back, how much is up to date.
pub fn plan(pipeline: &Pipeline, planned: &[Planned], open: &[String]) -> String {
    let label = |task: usize| pipeline.tasks[task].label.as_str();
    let width = planned.iter().map(|planned| label(planned.task).width()).max().unwrap_or(0);
    let path = |one: &Planned| one.restore.iter().map(|(path, ..)| path.display().to_string().width()).max();
    let longest = planned.iter().filter_map(path).max().unwrap_or(0);
    let mut text = String::new();
    let mut up_to_date = 0;
    for one in planned {
        let name = label(one.task);
        let about = predicted(one.seconds, one.bytes).map(|about| format!("   {about}")).unwrap_or_default();
        match &one.verdict {
            Verdict::UpToDate(_) => up_to_date += 1,
            Verdict::MustRun(causes) => {
                let causes: Vec<_> = causes.iter().map(|one| cause(name, one)).collect();
                text += &format!("  must run   {name:width$}   {}{about}\n", causes.join("; "));
            }
            Verdict::MayRun(on) => {
                // A stage that gives several ports is one stage.
                let on: BTreeSet<_> = on.iter().copied().collect();
                let on = quoted(on.into_iter().map(label), "or");
                text += &format!("  may run    {name:width$}   if {on} gives other bytes{about}\n");
            }
            Verdict::MayFetch(on) => {
                let on: BTreeSet<_> = on.iter().copied().collect();
                let give = if on.len() == 1 { "gives" } else { "give" };
                let on = quoted(on.into_iter().map(label), "and");
                let unless = format!("unless the remote cache has its result for what {on} {give}");
                text += &format!("  may run    {name:width$}   {unless}{about}\n");
            }
            Verdict::Fetch { bytes: size, .. } => {
                text += &format!("  fetch      {name:width$}   {} from the remote cache\n", bytes(*size));
            }
            Verdict::Broken(message) => text += &format!("  broken     {name:width$}   {message}\n"),
        }
        for (path, standing, size) in &one.restore {
            let (path, standing) = (path.display().to_string(), standing.name());
            text += &format!("  restore    {path:longest$}   {standing:9}   {:>7}\n", bytes(*size));
        }
    }
    text.extend(later(open).map(|later| format!("  later      {later}\n")));
    let to_do: Vec<_> = planned
        .iter()
        .filter(|one| matches!(one.verdict, Verdict::MustRun(_) | Verdict::MayRun(_) | Verdict::MayFetch(_)))
        .collect();
    let known = |one: &&Planned| one.seconds.is_some();
    let all = predicted(
        Some(to_do.iter().filter_map(|one| one.seconds).sum()),
        Some(to_do.iter().filter_map(|one| one.bytes).sum()),
    );
    if let Some(all) = all.filter(|_| to_do.len() > 1) {
        let unknown = to_do.iter().filter(|one| !known(one)).count();
        let but = if unknown > 0 {
            format!(", and {} never measured", plural(unknown, "stage"))
        } else {
            String::new()
        };
        text += &format!("  to do      {}, {all} of work{but}\n", plural(to_do.len(), "stage"));
    }
    text + &format!("  up to date {}\n", plural(up_to_date, "stage"))
}

/// What a stage took and gave the last time, where that is worth a word.
fn predicted(time: Option<f64>, size: Option<u64>) -> Option<String> {
    let time = time.filter(|time| *time >= NOTICEABLE).map(seconds);
    let size = size.filter(|size| *size >= SIZABLE).map(bytes);
    let parts: Vec<String> = time.into_iter().chain(size).collect();
    (!parts.is_empty()).then(|| format!("about {}", parts.join(", ")))
}

/// What a sweep waits for that comes in waves: the stages whose results say which variants are tried next.
pub fn later(open: &[String]) -> Option<String> {
    let shown = &open[..open.len().min(OPEN)];
    let mut names: Vec<_> = shown.iter().map(|stage| format!("`{stage}`")).collect();
    let more = open.len() - shown.len();
    names.extend((more > 0).then(|| format!("{more} more")));
    let give = if open.len() == 1 { "gives" } else { "give" };
    let names = listing(&names, "and");
    (!open.is_empty()).then(|| format!("which variants come next depends on what {names} {give}"))
}

/// Why a stage ran or didn't, from the line that recorded its end.
pub fn why(end: &Json, run: &Run, since: Option<&Since>) -> String {
    let stage = end["stage"].as_str().unwrap_or_default();
    match end["outcome"].as_str() {
        Some("hit") => did_not_run(end, stage, run, since),
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

/// What has changed for a stage since an earlier run.
#[derive(Clone, Debug)]
pub struct Since {
    /// The earlier run.
    pub run: String,
    /// Nothing where its key is the same.
    pub changed: Vec<Cause>,
}

/// Columns that names of inputs take at least.
const LEAST: usize = 7;

fn did_not_run(end: &Json, stage: &str, run: &Run, since: Option<&Since>) -> String {
    let start = format!("{stage} did not run in run {}", run.name);
    let cache = if end["from"] == "remote" { "the remote cache" } else { "the cache" };
    let names = end["inputs"].as_object().into_iter().flatten().map(|(name, _)| name.width());
    let wide = names.max().unwrap_or(0).max(LEAST);
    let key = |wide: usize| format!("  {:wide$} {}\n", "key", abridged(&end["key"]));
    match since {
        None => format!("{start}: {cache} had its result for this key\n{}", key(LEAST)),
        Some(Since { run: earlier, changed }) if changed.is_empty() => {
            let inputs = end["inputs"].as_object().into_iter().flatten();
            let inputs: String = inputs.map(|(name, digest)| unchanged(name, wide, digest, run)).collect();
            let key = key(wide);
            format!("{start}: nothing that it depends on has changed since run {earlier}\n{key}{inputs}")
        }
        Some(Since { run: earlier, changed }) => {
            let lines: String =
                changed.iter().map(|one| format!("  {}\n", cause(stage, one).trim_end())).collect();
            format!(
                "{start}: {cache} had its result for what has changed since run {earlier}\n{lines}{}",
                key(LEAST)
            )
        }
    }
}

/// An input that is as it was, also where the stage that gives it ran.
fn unchanged(name: &str, wide: usize, digest: &Json, run: &Run) -> String {
    let gave = |end: &&Json| {
        end["outcome"] == "ran"
            && end["outputs"]
                .as_object()
                .is_some_and(|ports| ports.values().any(|port| port["digest"] == *digest))
    };
    let giver = run.of("stage_done").find(gave).and_then(|end| end["stage"].as_str());
    let although = giver.map_or(String::new(), |giver| format!(": `{giver}` ran and gave the same bytes"));
    let gap = " ".repeat(wide.saturating_sub(name.width()));
    format!("  {name}{gap} {}  unchanged{although}\n", abridged(digest))
}

/// A digest as people see it.
fn abridged(digest: &Json) -> String {
    digest.as_str().unwrap_or_default().chars().take(8).collect()
}

/// Runs, one a line, and how many older ones there are; `none` is what to say where there is none.
pub fn runs(overviews: &[Overview], older: usize, none: Option<&str>) -> String {
    if overviews.is_empty() {
        return format!("{}\n", none.unwrap_or("no run is recorded yet"));
    }
    let width = overviews.iter().map(|one| one.run.width()).max().unwrap_or(0);
    let name = overviews.iter().map(|one| one.pipeline.width()).max().unwrap_or(0);
    let line = |one: &Overview| {
        let time = one.time.map(when).unwrap_or_default();
        let took = one.seconds.map(seconds).unwrap_or_default();
        let more = match (&one.variant, one.variants) {
            (Some(variant), _) => format!("   {variant}"),
            (None, 0) => String::new(),
            (None, count) => format!("   {}", plural(count, "variant")),
        };
        let note = one.note.as_ref().map(|note| format!("   {}", shown(note))).unwrap_or_default();
        format!(
            "{:width$}  {time:16}  {:name$}  {:11}  {:>3} ran {:>3} cached {:>2} failed  {took:>9}{more}{note}\n",
            one.run,
            one.pipeline,
            one.status.name(),
            one.ran,
            one.hit,
            one.failed
        )
    };
    let mut text: String = overviews.iter().map(line).collect();
    if older > 0 {
        text +=
            &format!("and {}: custem runs list -n {}\n", plural(older, "older run"), overviews.len() + older);
    }
    if overviews.iter().any(|one| one.variants > 0) && overviews.iter().all(|one| one.variant.is_none()) {
        text += "the variants of sweeps are listed with --variants\n";
    }
    text
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
    let mut text = format!("run {}  {}  {}\n", run.name, overview.pipeline, overview.status.name());
    if let Some(variant) = &overview.variant {
        text += &format!("variant {variant}\n");
    }
    text += &format!("pipeline {}\n", overview.file);
    if let Some(time) = overview.time {
        text += &format!("started {} UTC\n", when(time));
    }
    text += &rests_on(run, &overview);
    let ends: Vec<_> = run.of("stage_done").collect();
    let of = |end: &Json, key: &str| end[key].as_str().unwrap_or_default().to_owned();
    let width = ends.iter().map(|end| of(end, "stage").width()).max().unwrap_or(0);
    for end in &ends {
        let (stage, kind) = (of(end, "stage"), of(end, "kind"));
        let outcome = match (of(end, "outcome").as_str(), of(end, "from").as_str()) {
            ("hit", "remote") => "fetched".to_owned(),
            ("hit", _) => "cached".to_owned(),
            (other, _) => other.to_owned(),
        };
        let key: String = of(end, "key").chars().take(8).collect();
        let time = seconds(end["seconds"].as_f64().unwrap_or_default());
        text +=
            format!("  {stage:width$}  {kind:11}  {outcome:7}  {key:8}  {time:>9}  {}", of(end, "summary"))
                .trim_end();
        text.push('\n');
        for (metric, value) in end["metrics"].as_object().into_iter().flatten() {
            let value = value.as_f64().map_or_else(|| value.to_string(), self::metric);
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

/// What a run rests on, as far as it was recorded, and what was said about it.
fn rests_on(run: &Run, overview: &Overview) -> String {
    let mut text = String::new();
    for flag in run.of("provenance").filter_map(|event| event["set"].as_object()).flat_map(|set| set.values())
    {
        text += &format!("with --set {}\n", shown(flag.as_str().unwrap_or_default()));
    }
    if let Some(commit) = &overview.commit {
        let state = match overview.dirty {
            Some(true) => ", with changed files",
            Some(false) => ", with no changed files",
            None => "",
        };
        text += &format!("commit {commit}{state}\n");
    }
    if let Some(data) = &overview.data {
        text += &format!("data {}\n", short(data));
    }
    for note in run.of("run_note") {
        let time = note["time"].as_f64().map(when).unwrap_or_default();
        text += &format!("note of {time}: {}\n", shown(note["text"].as_str().unwrap_or_default()));
    }
    text
}

/// A metric with six digits; whole numbers with all of theirs.
pub(super) fn metric(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e15).contains(&size) {
        return format!("{value:e}");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from -4 to 14")]
    let decimals = if size == 0.0 { 0 } else { (5.0 - libm::log10(size).floor()).max(0.0) as usize };
    let text = format!("{size:.decimals$}");
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text.as_str() };
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    format!("{}{}{rest}", if value < 0.0 { "-" } else { "" }, grouped(whole))
}

/// What to do with bytes that are not for a terminal.
pub fn elsewhere(artifact: &str, what: &str, size: u64) -> String {
    format!(
        "`{artifact}` is {what} of {}, which isn't for a terminal: custem show {artifact} > FILE",
        bytes(size)
    )
}

/// The first rows of a table in columns. Columns that don't fit into the width go below, each block beginning with
/// the first column.
///
/// # Errors
/// When the table can't be read.
pub fn table(table: &Table, rows: usize, width: Option<usize>) -> Result<String> {
    let first = table.batches()?.next().transpose()?.map(|batch| batch.slice(0, rows.min(batch.num_rows())));
    let names: Vec<_> = table.schema().fields().iter().map(|field| field.name().clone()).collect();
    let names: Vec<_> = names.iter().map(|name| on_one_line(name)).collect();
    let mut cells: Vec<Vec<String>> = names.iter().map(|name| vec![name.clone()]).collect();
    if let Some(batch) = &first {
        fill(&mut cells, batch)?;
    }
    let right: Vec<_> = table.schema().fields().iter().map(|field| field.data_type().is_numeric()).collect();
    let columns: Vec<_> = cells.iter().zip(right).map(|(cells, right)| padded(cells, right)).collect();
    let blocks = blocks(&columns, width.unwrap_or(usize::MAX));
    Ok(blocks.iter().map(|block| lines(block)).collect::<Vec<_>>().join("\n"))
}

/// What a table holds: a line a column with its type, gaps, different values, ends, mean and usual value, then how many
/// rows there are, of which so many have been shown.
pub fn summary(glances: &[Glance], rows: usize, first: usize) -> String {
    let heads = ["column", "type", "missing", "distinct", "least", "mean", "most", "usual"];
    let mut cells: Vec<Vec<String>> = heads.iter().map(|head| vec![(*head).to_owned()]).collect();
    for glance in glances {
        let distinct = glance.distinct.map_or_else(|| format!("> {}", grouped(CROWD)), grouped);
        let usual = glance.most.as_ref().map(|(text, times)| {
            // Counts of rows are far below 2^53.
            format!("{} ({})", short_text(text), percent(*times as f64 / rows.max(1) as f64))
        });
        let end = |end: &Option<String>| end.as_deref().map(short_number).map(|text| short_text(&text));
        let line = [
            Some(on_one_line(&glance.name)),
            Some(glance.ty.clone()),
            Some(grouped(glance.missing)),
            Some(distinct),
            end(&glance.low),
            glance.mean.map(metric),
            end(&glance.high),
            usual,
        ];
        cells.iter_mut().zip(line).for_each(|(cells, cell)| cells.push(cell.unwrap_or_default()));
    }
    let columns: Vec<_> =
        cells.iter().enumerate().map(|(at, cells)| padded(cells, matches!(at, 2 | 3))).collect();
    let text = lines(&columns.iter().collect::<Vec<_>>());
    let shown = match first {
        first if first >= rows => String::new(),
        1 => ", the first of which is shown".to_owned(),
        first => format!(", the first {} of which are shown", grouped(first)),
    };
    text + &format!("{} in {}{shown}\n", plural(rows, "row"), plural(glances.len(), "column"))
}

/// Columns side by side that fit into a width; the first one is in every block.
fn blocks(columns: &[Vec<String>], width: usize) -> Vec<Vec<&Vec<String>>> {
    let wide = |column: &Vec<String>| column.first().map_or(0, |cell| cell.width());
    let Some((first, rest)) = columns.split_first() else { return Vec::new() };
    let mut blocks = vec![vec![first]];
    let mut used = wide(first);
    for column in rest {
        let more = 2 + wide(column);
        if used + more > width && blocks.last().is_some_and(|block| block.len() > 1) {
            blocks.push(vec![first]);
            used = wide(first);
        }
        blocks.last_mut().into_iter().for_each(|block| block.push(column));
        used += more;
    }
    blocks
}

fn lines(block: &[&Vec<String>]) -> String {
    let height = block.first().map_or(0, |column| column.len());
    let line = |row: usize| {
        let cells: Vec<_> = block.iter().filter_map(|column| column.get(row)).map(String::as_str).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    (0..height).map(line).collect()
}

fn fill(cells: &mut [Vec<String>], batch: &RecordBatch) -> Result<()> {
    let options = FormatOptions::default().with_null("-");
    for (column, array) in cells.iter_mut().zip(batch.columns()) {
        let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
        let short = if array.data_type().is_floating() { short_number } else { short_text };
        column.extend((0..array.len()).map(|row| short(&formatter.value(row).to_string())));
    }
    Ok(())
}

/// Long fractions are rounded to four places, below 0.1 to four digits; zero has no sign.
fn short_number(text: &str) -> String {
    let number = text.parse::<f64>().ok().filter(|_| text.contains('.') && text.len() > 10);
    let text = number.map_or_else(
        || text.to_owned(),
        |number| match number.abs() {
            size if size > 0.0 && size < 1e-4 => format!("{number:.3e}"),
            size if size > 0.0 && size < 1e-3 => format!("{number:.7}"),
            size if size > 0.0 && size < 1e-2 => format!("{number:.6}"),
            size if size > 0.0 && size < 1e-1 => format!("{number:.5}"),
            _ => format!("{number:.4}"),
        },
    );
    match text.strip_prefix('-') {
        Some(zero) if zero.contains('0') && zero.chars().all(|c| matches!(c, '0' | '.')) => zero.to_owned(),
        _ => text,
    }
}

/// Long text is cut, so that a row fits a line.
fn short_text(text: &str) -> String {
    let line = on_one_line(text);
    if line.chars().count() <= 40 {
        return line;
    }
    line.chars().take(39).chain(['…']).collect()
}

/// Text with what would break or paint over a line written as in a program: `\n`, `\t`, `\u{1b}`.
fn on_one_line(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if !text.chars().any(breaks) {
        return text.to_owned();
    }
    let mut line = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if breaks(c) { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// Cells of the same width.
fn padded(cells: &[String], right: bool) -> Vec<String> {
    let width = cells.iter().map(|cell| cell.width()).max().unwrap_or(0);
    let pad = |cell: &String| {
        let blanks = " ".repeat(width - cell.width().min(width));
        if right { blanks + cell } else { cell.clone() + &blanks }
    };
    cells.iter().map(pad).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn columns_that_do_not_fit_go_below() {
        let names: ArrayRef = Arc::new(StringArray::from(vec!["anna", "bo"]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 1_000]));
        let batch = RecordBatch::try_from_iter([
            ("name", names),
            ("orders", Arc::clone(&numbers)),
            ("returns", numbers),
        ]);
        let given = Table::from_batch(batch.unwrap());
        let wide = "name  orders  returns\nanna       1        1\nbo      1000     1000\n";
        let narrow =
            "name  orders\nanna       1\nbo      1000\n\nname  returns\nanna        1\nbo       1000\n";
        assert_eq!(table(&given, 10, None).unwrap(), wide);
        assert_eq!(table(&given, 10, Some(21)).unwrap(), wide);
        assert_eq!(table(&given, 10, Some(20)).unwrap(), narrow);
        // A column wider than the terminal stands alone rather than not at all.
        assert_eq!(table(&given, 10, Some(3)).unwrap(), narrow);
    }

    #[test]
    fn a_summary_has_a_line_a_column() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("web"), None, Some("app"), Some("web")]));
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, 4.0, 1_000.5]));
        let batch = RecordBatch::try_from_iter([("channel", texts), ("paid", numbers)]);
        let given = Table::from_batch(batch.unwrap());
        let glances = crate::data::summary::glances(&given).unwrap();
        let expected = "column   type      missing  distinct  least  mean     most    usual\n\
                        channel  text            1         2  app             web     web (50 %)\n\
                        paid     a number        0         4  1      251.875  1000.5\n\
                        4 rows in 2 columns, the first 3 of which are shown\n";
        assert_eq!(summary(&glances, 4, 3), expected);
        assert!(summary(&glances, 4, 10).ends_with("\n4 rows in 2 columns\n"));
    }

    #[test]
    fn values_and_names_stay_on_their_line() {
        let texts: ArrayRef =
            Arc::new(StringArray::from(vec!["two\nlines", "a\ttab\u{1b}[31m", "é\u{2028}"]));
        let batch = RecordBatch::try_from_iter([("a\r\nname", texts)]);
        let expected =
            "a\\r\\nname         \ntwo\\nlines         \na\\ttab\\u{1b}[31m\né\\u{2028}           \n";
        let expected: Vec<_> = expected.lines().map(str::trim_end).collect();
        let shown = table(&Table::from_batch(batch.unwrap()), 10, None).unwrap();
        assert_eq!(shown, format!("{}\n", expected.join("\n")));
    }

    #[test]
    fn zero_has_no_sign_and_text_is_no_number() {
        let numbers: ArrayRef =
            Arc::new(Float64Array::from(vec![-1.234_567_890_1e-9, -0.0, -0.5, 1.234_567_890_1]));
        let small = ["0.0000353191", "0.00770939123", "-0.000123456", "0.0999999999"].map(short_number);
        assert_eq!(small, ["3.532e-5", "0.007709", "-0.0001235", "0.10000"]);
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["-0.0", "1.23456789012", "x", "y"]));
        let batch = RecordBatch::try_from_iter([("n", numbers), ("t", texts)]);
        let shown = table(&Table::from_batch(batch.unwrap()), 10, None).unwrap();
        let expected =
            "        n  t\n-1.235e-9  -0.0\n      0.0  1.23456789012\n     -0.5  x\n   1.2346  y\n";
        assert_eq!(shown, expected);
    }

    #[test]
    fn metrics_are_for_people() {
        let shown = [20_000.0, 56_538_683.9, 0.940_606_475, 1_379.5, 1e-9, -0.5].map(metric);
        assert_eq!(shown, ["20,000", "56,538,684", "0.940606", "1,379.5", "1e-9", "-0.5"]);
    }
}
