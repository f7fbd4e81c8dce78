//! Rules that a table satisfies as it is, for somebody who writes down what should stay so.
//!
//! Knows what columns look like at a glance; knows nothing of what they mean.

use anyhow::Result;
use arrow::datatypes::{DataType, Schema};
use toml::Value;

use super::check::{is_number, is_text, is_time};
use super::demand::Length;
use super::rule::{ColumnType, Coverage, Rule, Severity, Volume};
use super::value::{Bound, Scalar};
use super::{Ground, examine};
use crate::data::Table;
use crate::data::summary::{Glance, glances};
use crate::diagnostic::grouped;

/// More different texts than this aren't listed.
const LISTED: usize = 20;
/// Values of which each stands at least that often on average are a list.
const REPEATS: u64 = 5;
/// Of so many rows as there are, that many must come again.
const ROWS: f64 = 0.5;

/// Proposes rules that hold for a table: types, gaps, ranges, lists of texts, lengths, keys, days without rows.
///
/// # Errors
/// When the table can't be read.
pub fn infer(table: &Table, progress: &mut (dyn FnMut(f64) -> Result<()> + Send)) -> Result<Vec<Rule>> {
    let glances = glances(table)?;
    let rows = table.rows() as u64;
    // Counts of rows are far below 2^53.
    let least = (rows as f64 * ROWS).floor() as u64;
    let mut rules =
        vec![Rule { rows: Some(Volume { min: Some(least.max(1)), max: None }), ..Rule::default() }];
    let schema = table.schema();
    let mut first_time = true;
    for (glance, field) in glances.iter().zip(schema.fields()) {
        let ty = field.data_type();
        let mut rule = of_column(glance, ty, rows);
        if is_time(ty) && std::mem::take(&mut first_time) {
            rule.coverage = Some(Coverage { min_weekly_rows: Some(1), ..Coverage::default() });
        }
        rules.push(rule);
    }
    // What can only be known of all rows: keys, copies, days without rows.
    let mut tried: Vec<Rule> = rules.iter().filter(|rule| may_be_key(rule, schema)).map(unique).collect();
    tried.push(Rule { duplicates: Some(0.0), ..Rule::default() });
    let covered = rules.iter().filter(|rule| rule.coverage.is_some());
    tried.extend(covered.map(|rule| Rule {
        coverage: rule.coverage,
        column: rule.column.clone(),
        ..Rule::default()
    }));
    let findings = examine(table, &tried, &Ground::default(), false, progress)?.findings;
    for finding in findings {
        let rule = rules.iter_mut().find(|rule| finding.column.is_some() && rule.column == finding.column);
        match (finding.check, rule) {
            ("unique", Some(rule)) => rule.unique = finding.passed && finding.checked > 1,
            ("min_weekly_rows", Some(rule)) if !finding.passed => rule.coverage = None,
            ("duplicates", _) => {
                let (duplicates, severity) = (Some(above(finding.share)), Severity::Warn);
                rules.push(Rule { duplicates, severity, ..Rule::default() });
            }
            _ => {}
        }
    }
    Ok(rules)
}

fn of_column(glance: &Glance, ty: &DataType, rows: u64) -> Rule {
    let column = Some(glance.name.clone());
    // Counts of rows are far below 2^53.
    let missing = Some(above(glance.missing as f64 / rows.max(1) as f64));
    let mut rule = Rule { column, missing, ty: type_of(ty), ..Rule::default() };
    let values = rows - glance.missing.min(rows);
    if values == 0 {
        return rule;
    }
    let number = |end: &Option<String>| end.as_ref().and_then(|end| end.parse::<f64>().ok());
    let day = |end: &Option<String>| end.as_ref().and_then(|end| end.parse().ok()).map(Bound::Date);
    match ty {
        ty if is_number(ty) => {
            // That nothing is below zero is a rule; how much there is at most changes.
            rule.min = number(&glance.low)
                .filter(|low| *low >= 0.0)
                .map(|low| Bound::Number(if low > 0.0 && low < 1.0 { low } else { 0.0 }));
        }
        ty if is_time(ty) => rule.min = day(&glance.low),
        ty if is_text(ty) => of_texts(&mut rule, glance, values),
        _ => {}
    }
    rule
}

fn of_texts(rule: &mut Rule, glance: &Glance, values: u64) {
    if let Some(texts) = &glance.texts {
        let few = texts.len() <= LISTED && texts.len() as u64 * REPEATS <= values;
        if few {
            rule.allowed = Some(texts.iter().cloned().map(Scalar::Text).collect());
            return;
        }
    }
    if let Some((min, max)) = glance.letters {
        rule.length = Some(Length { min: Some(min).filter(|min| *min > 0), max: Some(max) });
    }
}

fn type_of(ty: &DataType) -> Option<ColumnType> {
    match ty {
        ty if ty.is_integer() => Some(ColumnType::Integer),
        ty if is_number(ty) => Some(ColumnType::Number),
        ty if is_time(ty) => Some(ColumnType::Timestamp),
        ty if is_text(ty) => Some(ColumnType::Text),
        DataType::Boolean => Some(ColumnType::Boolean),
        _ => None,
    }
}

/// Ids and codes may be keys; amounts that differ are so by chance.
fn may_be_key(rule: &Rule, schema: &Schema) -> bool {
    let field = rule.column.as_ref().and_then(|column| schema.field_with_name(column).ok());
    field.is_some_and(|field| {
        field.data_type().is_integer() || is_text(field.data_type()) && rule.allowed.is_none()
    })
}

fn unique(rule: &Rule) -> Rule {
    Rule { column: rule.column.clone(), unique: true, ..Rule::default() }
}

/// A share rounded up to what one would write down: none stays none.
fn above(share: f64) -> f64 {
    let steps = if share >= 0.1 { 100.0 } else { 1000.0 };
    ((share * steps - 1e-9).ceil() / steps).clamp(0.0, 1.0) + 0.0
}

/// Rules as the TOML that goes under a stage, one a line.
///
/// # Errors
/// When a number doesn't fit TOML.
pub fn written(rules: &[Rule], rows: u64) -> Result<String> {
    let mut text = format!("# Proposed from {} rows: keep what should stay so.\nrules = [\n", grouped(rows));
    for rule in rules {
        text += &format!("  {{ {} }},\n", pairs(rule)?.join(", "));
    }
    Ok(text + "]\n")
}

/// What a rule says beyond the defaults.
fn pairs(rule: &Rule) -> Result<Vec<String>> {
    let usual = toml::Table::try_from(Rule::default())?;
    let mut said = toml::Table::try_from(rule)?;
    let (min, max) = (rule.min, rule.max);
    for (key, bound) in [("min", min), ("max", max)] {
        // A date in a table of TOML is written as one only by its own name.
        if let Some(Bound::Date(date)) = bound {
            said.insert(key.to_owned(), Value::Datetime(date));
        }
    }
    let first = ["column", "type", "missing"];
    let place = |key: &String| first.iter().position(|one| one == key).unwrap_or(first.len());
    let mut said: Vec<(String, Value)> =
        said.into_iter().filter(|(key, value)| usual.get(key) != Some(value)).collect();
    said.sort_by_key(|(key, _)| place(key));
    Ok(said.iter().map(|(key, value)| format!("{key} = {}", spelled(value))).collect())
}

/// A value in one line, whole numbers without a point.
fn spelled(value: &Value) -> String {
    match value {
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
        Value::Array(values) => format!("[{}]", values.iter().map(spelled).collect::<Vec<_>>().join(", ")),
        Value::Table(table) => {
            let usual = |value: &Value| *value == Value::Boolean(false);
            let pairs = table.iter().filter(|(_, value)| !usual(value));
            let pairs: Vec<String> =
                pairs.map(|(key, value)| format!("{key} = {}", spelled(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}
