//! Where a number or a file comes from, for the terminal.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;
use unicode_width::UnicodeWidthStr;

use crate::diagnostic::{plural, shown};
use crate::engine::cause::short;

/// Where something comes from.
#[derive(Debug, Serialize)]
pub struct Lineage {
    /// What is traced, in a line.
    pub title: String,
    /// What is wrong with it, where something is.
    pub amiss: Option<String>,
    /// The run that it is traced in.
    pub run: String,
    /// The artifact that it is, `STAGE.port`; nothing for a metric.
    pub artifact: Option<String>,
    /// The stages that it comes from, its own first.
    pub steps: Vec<Step>,
    /// A row of it.
    pub row: Option<Row>,
}

/// A stage that something comes from.
#[derive(Debug, Serialize)]
pub struct Step {
    /// The stage.
    pub stage: String,
    /// Its kind.
    pub kind: String,
    /// Its key.
    pub key: String,
    /// The run in which it was computed; nothing when no record tells.
    pub computed_in: Option<String>,
    /// The values that are written down for it: path, value, place.
    pub written: Vec<(String, String, String)>,
    /// The digests of what it took, by parameter.
    pub inputs: Json,
    /// The digests of what it gave, by port.
    pub outputs: BTreeMap<String, String>,
    /// How many files from outside it read.
    pub files: u64,
    /// Their digests, and whether they are as they were, by name.
    pub sources: BTreeMap<String, (String, String)>,
}

/// A row of a file.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What was asked for.
    pub id: String,
    /// The column that has it.
    pub column: String,
    /// Its values by column.
    pub values: Vec<(String, String)>,
    /// Rows about the same before it.
    pub before: Vec<Before>,
}

/// Rows of an artifact or a file that a row comes from.
#[derive(Debug, Serialize)]
pub struct Before {
    /// The artifact or the file.
    pub what: String,
    /// How many of its rows have the value; nothing when that can't be told.
    pub rows: Option<usize>,
    /// Which, or why it can't be told.
    pub more: String,
}

/// The text of a lineage.
pub fn lineage(found: &Lineage) -> String {
    let mut text = String::new();
    if let Some(amiss) = &found.amiss {
        text += &format!("{amiss}\n");
    }
    text += &format!("{}\n", found.title);
    if let Some(row) = &found.row {
        text += &row_text(row);
    }
    let width = found.steps.iter().map(|step| step.stage.width()).max().unwrap_or(0);
    for step in &found.steps {
        let computed = step.computed_in.as_deref().map_or_else(
            || "no record tells when it was computed".to_owned(),
            |run| format!("computed in run {run}"),
        );
        text += &format!("  {:width$}  {:11}  {}  {computed}\n", step.stage, step.kind, short(&step.key));
        let wide =
            |of: fn(&(String, String, String)) -> usize| step.written.iter().map(of).max().unwrap_or(0);
        let (paths, values) = (wide(|one| one.0.width()), wide(|one| shown(&one.1).width()));
        for (path, value, place) in &step.written {
            text += &format!("      {path:paths$}  {:values$}  {place}\n", shown(value));
        }
        for (name, (digest, state)) in &step.sources {
            text += &format!("      reads {name}  {}  {state}\n", short(digest));
        }
        let more = step.files.saturating_sub(step.sources.len() as u64);
        if more > 0 {
            text += &format!(
                "      reads {} more\n",
                plural(usize::try_from(more).unwrap_or(usize::MAX), "file")
            );
        }
    }
    text
}

fn row_text(row: &Row) -> String {
    let width = row.values.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let mut text = format!("row with {} = {}\n", row.column, row.id);
    for (name, value) in &row.values {
        text += &format!("      {name:width$}  {}\n", shown(value));
    }
    let width = row.before.iter().map(|one| one.what.width()).max().unwrap_or(0);
    for one in &row.before {
        let count = one.rows.map(|rows| plural(rows, "row")).unwrap_or_default();
        let blank = if count.is_empty() || one.more.is_empty() { "" } else { "  " };
        text += &format!("      in {:width$}  {count}{blank}{}\n", one.what, one.more);
    }
    text
}
