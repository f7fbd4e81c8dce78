//! Section: whether the data can be trusted, from the findings of a check.

use anyhow::Result;
use arrow::array::{Array, AsArray};
use maud::{Markup, html};

use super::parts::{Chapter, Column, Grid, Tile, listed, name, plain, ticked};
use super::{Inputs, Misfit, of};
use crate::data::Table;
use crate::data::columns::{column, float_vec};
use crate::present::chart::read::{gather, labels};
use crate::present::format::{counted, percent};

/// A failed check of less than this share of the rows changes no decision.
const TRIFLE: f64 = 0.01;

/// The outcome of one check.
#[derive(Clone, Debug)]
struct Finding {
    check: String,
    column: String,
    severity: String,
    passed: bool,
    share: f64,
    message: String,
}

/// The section, where findings are given.
pub fn chapter(inputs: &Inputs) -> Result<Option<Chapter>, Misfit> {
    let Some(table) = &inputs.quality else { return Ok(None) };
    let mut findings = findings(table).map_err(of("quality"))?;
    findings.sort_by_key(|finding| finding.passed);
    let failed: Vec<_> = findings.iter().filter(|finding| !finding.passed).collect();
    let all = counted(findings.len(), "check", "checks");
    let summary = if findings.is_empty() {
        html! { "No checks were made: nothing is known about the quality of the data." }
    } else if failed.is_empty() {
        html! { "All " (all) " of the data passed." }
    } else {
        html! { (failed.len()) " of " (all) " of the data failed: " (worst(&failed)) }
    };
    let body = html! {
        p { (summary) }
        @if !findings.is_empty() { (grid(&findings).render()) }
    };
    let value = format!("{} of {}", findings.len() - failed.len(), findings.len());
    let note = if failed.is_empty() { "none failed" } else { "what failed stands at the end of the report" };
    let tile = Tile { label: "Data checks passed".to_owned(), value, note: plain(note) };
    let advice = advice(&failed).into_iter().collect();
    let tiles = if findings.is_empty() { Vec::new() } else { vec![tile] };
    Ok(Some(Chapter { heading: "Data quality", tiles, brief: vec![summary], advice, body }))
}

fn findings(table: &Table) -> Result<Vec<Finding>> {
    let batch = gather(table, &["check", "column", "severity", "passed", "share", "message"])?;
    let passed = column(&batch, "passed")?;
    let passed =
        passed.as_boolean_opt().ok_or_else(|| anyhow::anyhow!("column `passed` is not true/false"))?;
    let (checks, columns) = (labels(&batch, "check")?, labels(&batch, "column")?);
    let (severities, messages) = (labels(&batch, "severity")?, labels(&batch, "message")?);
    let shares = float_vec(&batch, "share")?;
    let texts = checks.into_iter().zip(columns).zip(severities).zip(messages);
    let numbers = shares.into_iter().enumerate();
    let finding = |((((check, column), severity), message), (row, share))| {
        let passed = passed.is_valid(row) && passed.value(row);
        Finding { check, column, severity, passed, share, message }
    };
    Ok(texts.zip(numbers).map(finding).collect())
}

/// To look at the data first, where more than a trifle of it is in doubt.
fn advice(failed: &[&Finding]) -> Option<Markup> {
    let mut columns: Vec<String> = Vec::new();
    for finding in failed.iter().filter(|finding| finding.share >= TRIFLE && !finding.column.is_empty()) {
        if !columns.contains(&finding.column) {
            columns.push(finding.column.clone());
        }
    }
    columns.truncate(3);
    (!columns.is_empty()).then(|| {
        html! { "Have the data looked at before acting on figures that rest on " (listed(&columns)) ": checks of it failed." }
    })
}

/// The failed checks that concern the largest shares, without the rows they found.
fn worst(failed: &[&Finding]) -> Markup {
    let mut ranked = failed.to_vec();
    ranked.sort_by(|a, b| b.share.total_cmp(&a.share));
    html! {
        @for (at, finding) in ranked.iter().take(3).enumerate() {
            @if at > 0 { "; " }
            (ticked(finding.message.split_once(": row").map_or(finding.message.as_str(), |(what, _)| what)))
        }
        @if ranked.len() > 3 { "; …" } @else { "." }
    }
}

fn grid(findings: &[Finding]) -> Grid {
    let row = |finding: &Finding| {
        let outcome = match (finding.passed, finding.severity.as_str()) {
            (true, _) => "passed",
            (false, "warn" | "warning") => "warning",
            (false, _) => "failed",
        };
        let check = html! {
            @if !finding.column.is_empty() { (name(&finding.column)) ": " }
            (name(&finding.check.replace('_', " ")))
        };
        vec![check, plain(outcome), plain(percent(finding.share)), ticked(&finding.message)]
    };
    Grid {
        caption: "Checks, failed ones first".to_owned(),
        columns: vec![
            Column::Text("Check"),
            Column::Text("Outcome"),
            Column::Number("Failing"),
            Column::Text("Finding"),
        ],
        rows: findings.iter().map(row).collect(),
        marked: findings.iter().enumerate().filter(|(_, f)| !f.passed).map(|(at, _)| at).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(column: &str, share: f64) -> Finding {
        Finding {
            check: "min".to_owned(),
            column: column.to_owned(),
            severity: "warn".to_owned(),
            passed: false,
            share,
            message: "8 values of `amount` are below 0.01: rows 226, 449".to_owned(),
        }
    }

    #[test]
    fn rows_stay_out_of_the_summary() {
        let text = worst(&[&failed("amount", 0.1)]).into_string();
        assert_eq!(text, "<bdi class=\"said\">8 values of <code>amount</code> are below 0.01</bdi>.");
    }

    #[test]
    fn a_trifle_needs_no_action() {
        assert!(advice(&[&failed("amount", 0.009)]).is_none());
        let (one, two) = (failed("amount", 0.02), failed("channel", 0.5));
        let text = advice(&[&one, &two, &one]).unwrap().into_string();
        assert!(text.contains("<bdi>amount</bdi> and <bdi>channel</bdi>"), "{text}");
    }
}
