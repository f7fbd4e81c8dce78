//! What a check found, as a row of the findings and as a sentence.
//!
//! Knows what was seen, not how.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};

use super::check::{Check, Test};
use super::coverage;
use super::demand::Length;
use super::rule::{ColumnType, Severity};
use super::scan::Seen;
use crate::data::Table;
use crate::diagnostic::{count, grouped, listing, percent};

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The position of its rule, from 0.
    pub rule: usize,
    /// The key in the rule, such as `min`; `column` (or `columns`) where the column isn't there.
    pub check: &'static str,
    /// The column, unless it is about the whole table.
    pub column: Option<String>,
    /// What it means when it fails.
    pub severity: Severity,
    /// Whether the table satisfies it.
    pub passed: bool,
    /// Values, rows, gaps between days, or weeks that were looked at.
    pub checked: u64,
    /// Those that fail.
    pub failing: u64,
    /// Their share.
    pub share: f64,
    /// What was measured, where that isn't a count: how far a distribution has moved, how old the data is in days.
    pub value: Option<f64>,
    /// All of it in a sentence.
    pub message: String,
}

impl Finding {
    /// Whether the rule names a column that isn't there.
    pub fn is_absent(&self) -> bool {
        matches!(self.check, "column" | "columns")
    }
}

/// What a check found, given what it has seen.
pub fn finding(check: &Check, seen: &Seen) -> Finding {
    let (checked, failing, what) = tell(check, seen);
    // Counts of rows are far below 2^53.
    let (share, most) = (failing as f64 / checked.max(1) as f64, check.allowed * checked as f64);
    // Half a row of slack, so that 1 - 0.95 allows 5 of 100.
    let (passed, value) = match check.test {
        Test::Drift { most, .. } => (seen.distance.unwrap_or(0.0) <= most, seen.distance),
        Test::Fresh(_, _, as_of) => (failing == 0, age(seen, as_of)),
        _ => (failing as f64 <= most + 1e-6, None),
    };
    let shares = match () {
        () if failing == 0 || !counts_shares(&check.test) => String::new(),
        () if check.allowed > 0.0 => format!(" ({}, allowed {})", percent(share), percent(check.allowed)),
        () => format!(" ({})", percent(share)),
    };
    let rows = if seen.rows.is_empty() { String::new() } else { format!(": {}", rows(seen)) };
    let message = format!("{what}{shares}{rows}");
    let Check { rule, name, severity, .. } = *check;
    Finding {
        rule,
        check: name,
        column: check.column.clone(),
        severity,
        passed,
        checked,
        failing,
        share,
        value,
        message,
    }
}

/// Days from the last one to a day.
fn age(seen: &Seen, as_of: i64) -> Option<f64> {
    // Numbers of days are far below 2^53.
    seen.days.last_key_value().map(|(last, _)| (as_of - last) as f64)
}

/// The table of findings: `rule` (from 1), `check`, `column`, `severity`, `passed`, `checked`,
/// `failing`, `share`, `message`, `value`.
///
/// # Errors
/// When a count is beyond 63 bits.
pub fn table(findings: &[Finding]) -> Result<Table> {
    let text = |part: fn(&Finding) -> Option<&str>| -> ArrayRef {
        Arc::new(findings.iter().map(part).collect::<StringArray>())
    };
    let number = |part: fn(&Finding) -> u64| -> Result<ArrayRef> {
        let counts =
            findings.iter().map(|finding| Ok(i64::try_from(part(finding))?)).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(Int64Array::from(counts)))
    };
    let rules =
        findings.iter().map(|finding| Ok(i32::try_from(finding.rule + 1)?)).collect::<Result<Vec<_>>>()?;
    let passed: BooleanArray = findings.iter().map(|finding| Some(finding.passed)).collect();
    let shares: Float64Array = findings.iter().map(|finding| Some(finding.share)).collect();
    let values: Float64Array = findings.iter().map(|finding| finding.value).collect();
    let columns: [(&str, ArrayRef, bool); 10] = [
        ("rule", Arc::new(Int32Array::from(rules)), false),
        ("check", text(|finding| Some(finding.check)), false),
        ("column", text(|finding| finding.column.as_deref()), true),
        ("severity", text(|finding| Some(finding.severity.name())), false),
        ("passed", Arc::new(passed), false),
        ("checked", number(|finding| finding.checked)?, false),
        ("failing", number(|finding| finding.failing)?, false),
        ("share", Arc::new(shares), false),
        ("message", text(|finding| Some(&finding.message)), false),
        ("value", Arc::new(values), true),
    ];
    Ok(Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns)?))
}

/// Whether the failing things are a part of many, so that their share says something.
fn counts_shares(test: &Test) -> bool {
    !matches!(
        test,
        Test::Type { .. }
            | Test::Absent(_)
            | Test::Rows(..)
            | Test::Gaps(..)
            | Test::Drift { .. }
            | Test::Fresh(..)
            | Test::LastWeek(_)
    )
}

/// What was looked at, what of it fails, and that in words.
fn tell(check: &Check, seen: &Seen) -> (u64, u64, String) {
    let name = check.column.as_deref().unwrap_or_default();
    let (checked, failing) = (seen.checked, seen.failing);
    let of = |what: &str| {
        let are = if failing == 1 { "is" } else { "are" };
        format!("{} of {} of `{name}` {are} {what}", grouped(failing), count(checked, "value"))
    };
    let such = seen.example.as_deref().map(|example| format!(", such as `{example}`")).unwrap_or_default();
    let text = match &check.test {
        Test::Missing(_) => of("missing"),
        Test::Number { limit, most, .. } => of(&format!("{} {limit}{such}", side(*most))),
        Test::Time { most, shown, .. } => {
            of(&format!("{} {shown}{such}", if *most { "after" } else { "before" }))
        }
        Test::Texts(_, allowed) => of(&format!("not among {}{such}", some(allowed))),
        Test::Numbers(_, allowed) => of(&format!("not among {}{such}", some(allowed))),
        Test::Flags(_, allowed) => of(&format!("not among {}{such}", some(allowed))),
        Test::Whole(_) => of(&format!("not whole{such}")),
        Test::Unique(_) => of("repeated"),
        Test::Pattern { regex, wanted: true, .. } => of(&format!("not like `{regex}`{such}")),
        Test::Pattern { wanted: false, .. } => of(&format!("there for tests{such}")),
        Test::Length(_, length) => of(&format!("not {} long{such}", letters(*length))),
        Test::Monotone(_, direction) => of(&format!("{}{such}", direction.broken())),
        Test::Known(_, _, what) => of(&format!("not in {what}{such}")),
        Test::Holds { one, many, .. } => {
            let what = if failing == 1 { one } else { many };
            format!("{} of {} {what}", grouped(failing), count(checked, "row"))
        }
        Test::Returns(..) => {
            let back = if failing == 1 { "takes back" } else { "take back" };
            format!(
                "{} of {} of `{name}` {back} more than was bought",
                grouped(failing),
                count(checked, "return")
            )
        }
        Test::Fresh(_, most, as_of) => return fresh(name, seen, *most, *as_of),
        Test::LastWeek(_) => return last_week(name, seen),
        Test::Drift { texts, psi, most, .. } => return drifted(name, seen, (*texts, *psi, *most)),
        Test::Outliers(..) => match seen.limits {
            Some((low, high)) => of(&format!("outside {} to {}{such}", short(low), short(high))),
            None => format!("the values of `{name}` are too much alike to have outliers"),
        },
        Test::Duplicates(_) => {
            let copies =
                if failing == 1 { "is a copy of an earlier one" } else { "are copies of earlier ones" };
            format!("{} of {} {copies}", grouped(failing), count(checked, "row"))
        }
        Test::Type { fits, is, wanted } => {
            let failing = if *fits { 0 } else { checked.max(1) };
            let but = if *fits { String::new() } else { format!(", not {}", type_words(*wanted)) };
            return (checked.max(1), failing, format!("`{name}` is {is}{but}"));
        }
        Test::Absent(instead) => {
            let text = match check.column {
                Some(_) => format!("there is no column `{name}`; {instead}"),
                None => instead.clone(),
            };
            return (checked.max(1), checked.max(1), text);
        }
        Test::Rows(min, max) => return volume(checked, *min, *max),
        Test::Gaps(_, most) => return gaps(name, seen, *most),
        Test::Weeks(_, least) => return weeks(name, seen, *least),
    };
    (checked, failing, text)
}

/// `5 to 9 letters`
fn letters(length: Length) -> String {
    match (length.min, length.max) {
        (Some(min), Some(max)) if min == max => count(min, "letter"),
        (Some(min), Some(max)) => format!("{min} to {}", count(max, "letter")),
        (Some(min), None) => format!("at least {}", count(min, "letter")),
        (None, max) => format!("at most {}", count(max.unwrap_or_default(), "letter")),
    }
}

fn fresh(name: &str, seen: &Seen, most: u32, as_of: i64) -> (u64, u64, String) {
    let Some((last, _)) = seen.days.last_key_value() else { return (0, 0, format!("`{name}` has no day")) };
    let age = as_of - last;
    let old = age > i64::from(most);
    let allowed = if old { format!("; {} are allowed", count(most.into(), "day")) } else { String::new() };
    let text = match age {
        1.. => format!(
            "`{name}` ends on {}, {} before {}{allowed}",
            day(*last),
            count(age.unsigned_abs(), "day"),
            day(as_of)
        ),
        _ => format!("`{name}` ends on {}", day(*last)),
    };
    (1, u64::from(old), text)
}

fn last_week(name: &str, seen: &Seen) -> (u64, u64, String) {
    let Some((monday, passed)) = coverage::last_week(&seen.days) else {
        return (0, 0, format!("`{name}` has no week"));
    };
    if passed == 7 {
        return (1, 0, format!("the last week of `{name}`, from {}, is whole", day(monday)));
    }
    (1, 1, format!("the last week of `{name}`, from {}, has {passed} of 7 days", day(monday)))
}

fn drifted(name: &str, seen: &Seen, (texts, psi, most): (bool, bool, f64)) -> (u64, u64, String) {
    let distance = seen.distance.unwrap_or(0.0);
    let what = if psi { "population stability index" } else { "distance of Kolmogorov and Smirnov" };
    let than = if distance > most { format!(", more than {most}") } else { String::new() };
    let of = if texts { "texts" } else { "values" };
    let text =
        format!("the {of} of `{name}` have moved from the earlier ones by a {what} of {distance:.3}{than}");
    (1, u64::from(distance > most), text)
}

fn side(most: bool) -> &'static str {
    if most { "above" } else { "below" }
}

/// A limit that was computed: four significant digits are plenty.
fn short(value: f64) -> String {
    let digits = if value == 0.0 {
        0
    } else {
        // The logarithm of a float is between -324 and 308.
        let magnitude = libm::log10(value.abs()).floor() as i32;
        usize::try_from(3 - magnitude).unwrap_or(0)
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The first values of a list for a message.
fn some<T: ToString>(values: &[T]) -> String {
    const SHOWN: usize = 6;
    let mut texts: Vec<String> =
        values.iter().take(SHOWN).map(|value| format!("`{}`", value.to_string())).collect();
    if values.len() > SHOWN {
        texts.push(format!("{} more", values.len() - SHOWN));
    }
    listing(&texts, "and")
}

fn type_words(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Number => "a number",
        ColumnType::Integer => "an integer",
        ColumnType::Text => "text",
        ColumnType::Timestamp => "a timestamp",
        ColumnType::Boolean => "true/false",
    }
}

fn rows(seen: &Seen) -> String {
    let numbers: Vec<String> = seen.rows.iter().map(|row| grouped(*row)).collect();
    let noun = if numbers.len() == 1 { "row" } else { "rows" };
    let more = if seen.failing > seen.rows.len() as u64 { " and more" } else { "" };
    format!("{noun} {}{more}", numbers.join(", "))
}

fn volume(rows: u64, min: Option<u64>, max: Option<u64>) -> (u64, u64, String) {
    let has = format!("the table has {}", count(rows, "row"));
    match (min, max) {
        (Some(1), _) if rows == 0 => (1, 1, "the table has no row".to_owned()),
        (Some(min), _) if rows < min => (1, 1, format!("{has}, fewer than {}", grouped(min))),
        (_, Some(max)) if rows > max => (1, 1, format!("{has}, more than {}", grouped(max))),
        _ => (1, 0, has),
    }
}

fn gaps(name: &str, seen: &Seen, most: u32) -> (u64, u64, String) {
    let gaps = coverage::gaps(&seen.days, most);
    let checked = (seen.days.len() as u64).saturating_sub(1);
    let limit = count(most.into(), "day");
    let text = match gaps.iter().rev().max_by_key(|gap| gap.days) {
        None => format!("`{name}` has no gap of more than {limit}"),
        Some(longest) => format!(
            "`{name}` has {} of more than {limit}, the longest of {} from {}",
            count(gaps.len() as u64, "gap"),
            grouped(longest.days),
            day(longest.from)
        ),
    };
    (checked, gaps.len() as u64, text)
}

fn weeks(name: &str, seen: &Seen, least: u64) -> (u64, u64, String) {
    let weeks = coverage::weeks(&seen.days);
    let thin: Vec<_> = weeks.iter().filter(|(_, rows)| *rows < least).collect();
    let have = if thin.len() == 1 { "has" } else { "have" };
    let few = if least == 1 { "no row".to_owned() } else { format!("fewer than {}", count(least, "row")) };
    let first =
        thin.first().map(|(monday, _)| format!(", the first from {}", day(*monday))).unwrap_or_default();
    let text = format!(
        "{} of {} of `{name}` {have} {few}{first}",
        grouped(thin.len() as u64),
        count(weeks.len() as u64, "whole week")
    );
    (weeks.len() as u64, thin.len() as u64, text)
}

fn day(number: i64) -> String {
    let micros = number.checked_mul(86_400_000_000);
    let time = micros.and_then(chrono::DateTime::from_timestamp_micros);
    time.map_or_else(|| "a far day".to_owned(), |time| time.format("%Y-%m-%d").to_string())
}
