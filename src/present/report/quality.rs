//! Section: whether the data can be trusted, from the findings of a check.

use anyhow::Result;
use arrow::array::{Array, AsArray};
use maud::{Markup, html};

use super::parts::{Chapter, Column, Grid, Tile, name, plain};
use super::{Inputs, Misfit, of};
use crate::data::Table;
use crate::data::columns::{column, float_vec};
use crate::present::chart::read::{gather, labels};
use crate::present::format::{Unit, counted, percent};

/// The outcome of one check.
#[derive(Clone, Debug)]
struct Finding {
    check: String,
    column: String,
    severity: String,
    passed: bool,
    failing: f64,
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
    let note = if failed.is_empty() { "none failed" } else { "see the end of the report" };
    let tile = Tile { label: "Data checks passed".to_owned(), value, note: plain(note) };
    let tiles = if findings.is_empty() { Vec::new() } else { vec![tile] };
    Ok(Some(Chapter { heading: "Data quality", tiles, brief: vec![summary], body }))
}

fn findings(table: &Table) -> Result<Vec<Finding>> {
    let batch = gather(table, &["check", "column", "severity", "passed", "failing", "share", "message"])?;
    let passed = column(&batch, "passed")?;
    let passed =
        passed.as_boolean_opt().ok_or_else(|| anyhow::anyhow!("column `passed` is not true/false"))?;
    let (checks, columns) = (labels(&batch, "check")?, labels(&batch, "column")?);
    let (severities, messages) = (labels(&batch, "severity")?, labels(&batch, "message")?);
    let (failing, shares) = (float_vec(&batch, "failing")?, float_vec(&batch, "share")?);
    let texts = checks.into_iter().zip(columns).zip(severities).zip(messages);
    let numbers = failing.into_iter().zip(shares).enumerate();
    let finding = |((((check, column), severity), message), (row, (failing, share)))| {
        let passed = passed.is_valid(row) && passed.value(row);
        Finding { check, column, severity, passed, failing, share, message }
    };
    Ok(texts.zip(numbers).map(finding).collect())
}

/// The failed checks that concern the largest shares.
fn worst(failed: &[&Finding]) -> Markup {
    let mut ranked = failed.to_vec();
    ranked.sort_by(|a, b| b.share.total_cmp(&a.share));
    html! {
        @for (at, finding) in ranked.iter().take(3).enumerate() {
            @if at > 0 { "; " }
            (name(&finding.message))
        }
        @if ranked.len() > 3 { "; …" } @else { "." }
    }
}

fn grid(findings: &[Finding]) -> Grid {
    let row = |finding: &Finding| {
        let outcome = if finding.passed { "passed" } else { finding.severity.as_str() };
        let column = if finding.column.is_empty() { plain("–") } else { name(&finding.column) };
        let check = html! { (name(&finding.check)) " of " (column) };
        let failing = plain(Unit::Number.long(finding.failing));
        vec![check, plain(outcome), failing, plain(percent(finding.share)), name(&finding.message)]
    };
    Grid {
        caption: "Checks, failed ones first",
        columns: vec![
            Column::Text("Check"),
            Column::Text("Outcome"),
            Column::Number("Rows failing"),
            Column::Number("Share"),
            Column::Text("Finding"),
        ],
        rows: findings.iter().map(row).collect(),
        marked: findings.iter().enumerate().filter(|(_, f)| !f.passed).map(|(at, _)| at).collect(),
    }
}
