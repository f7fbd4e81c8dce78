//! Section: whether the data can be trusted, from the findings of a check.

use std::collections::BTreeSet;

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
    let rules = rules(table).map_err(of("quality"))?;
    findings.sort_by_key(|finding| finding.passed);
    let failed: Vec<_> = findings.iter().filter(|finding| !finding.passed).collect();
    let all = counted(findings.len(), "check", "checks");
    let made = rules.map(|rules| format!("{} made {all} of the data", counted(rules, "rule", "rules")));
    let made = made.unwrap_or_else(|| format!("The data went through {all}"));
    let (brief, lead) = if findings.is_empty() {
        let none = html! { "No checks were made: nothing is known about the quality of the data." };
        (none.clone(), none)
    } else if failed.is_empty() {
        (html! { "All " (all) " of the data passed." }, html! { (made) ": nothing was found." })
    } else {
        let outcome = outcome(&failed);
        (
            html! { (failed.len()) " of " (all) " of the data " (outcome) ": " (worst(&failed)) },
            html! { (made) ": " (failed.len()) " " (outcome) "." },
        )
    };
    let body = html! {
        p { (lead) }
        @if !findings.is_empty() { (grid(&findings).render()) }
    };
    let value = format!("{} of {}", findings.len() - failed.len(), findings.len());
    let note = if failed.is_empty() { "none failed" } else { "the others stand at the end of the report" };
    let note = rules
        .map_or_else(|| note.to_owned(), |rules| format!("of {}; {note}", counted(rules, "rule", "rules")));
    let tile = Tile { label: "Data checks passed".to_owned(), value, note: plain(note) };
    let advice = advice(&failed).into_iter().collect();
    let tiles = if findings.is_empty() { Vec::new() } else { vec![tile] };
    Ok(Some(Chapter { heading: "Data quality", tiles, brief: vec![brief], advice, body }))
}

/// How many rules the checks belong to, where the table says so.
fn rules(table: &Table) -> Result<Option<usize>> {
    if !table.has("rule") || table.rows() == 0 {
        return Ok(None);
    }
    let rules = labels(&gather(table, &["rule"])?, "rule")?;
    Ok(Some(rules.iter().collect::<BTreeSet<_>>().len()))
}

/// What became of checks that didn't pass, by their severity.
fn outcome(failed: &[&Finding]) -> String {
    let number = |word: &str| failed.iter().filter(|finding| said(finding) == word).count();
    match (number("failed"), number("warning"), number("noted")) {
        (_, 0, 0) => "failed".to_owned(),
        (0, _, 0) => "gave a warning".to_owned(),
        (0, 0, _) => "found something to note".to_owned(),
        (failed, warned, noted) => {
            let parts = [(failed, "failed"), (warned, "with a warning"), (noted, "noted")];
            let parts = parts.iter().filter(|(number, _)| *number > 0);
            let parts: Vec<_> = parts.map(|(number, what)| format!("{number} {what}")).collect();
            format!("didn't pass ({})", parts.join(", "))
        }
    }
}

/// The outcome of a check in a word.
fn said(finding: &Finding) -> &'static str {
    match (finding.passed, finding.severity.as_str()) {
        (true, _) => "passed",
        (false, "warn" | "warning") => "warning",
        (false, "info") => "noted",
        (false, _) => "failed",
    }
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
        html! { "Have the data looked at before acting on figures that rest on " (listed(&columns)) ": checks of it didn't pass." }
    })
}

/// The failed checks that concern the largest shares, without the rows they found.
fn worst(failed: &[&Finding]) -> Markup {
    let mut ranked = failed.to_vec();
    ranked.sort_by(|a, b| b.share.total_cmp(&a.share));
    html! {
        @for (at, finding) in ranked.iter().take(3).enumerate() {
            @if at > 0 { "; " }
            (ticked(&shares(finding.message.split_once(": row").map_or(finding.message.as_str(), |(what, _)| what))))
        }
        @if ranked.len() > 3 { "; …" } @else { "." }
    }
}

/// A message with its percentages, such as `0.12 %`, as all others in the report; those in backticks
/// come from the data and stay.
fn shares(message: &str) -> String {
    let part = |(at, part): (usize, &str)| if at % 2 == 1 { part.to_owned() } else { shortened(part) };
    message.split('`').enumerate().map(part).collect::<Vec<_>>().join("`")
}

/// A text with each number before ` %` as the report writes shares.
fn shortened(text: &str) -> String {
    let (before, last) = text.rsplit_once(" %").map_or(("", text), |(before, last)| (before, last));
    if before.is_empty() {
        return text.to_owned();
    }
    let share = |part: &str| {
        let words = part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let value = part.get(words.len()..).and_then(|number| number.parse::<f64>().ok());
        value.map_or_else(|| format!("{part} %"), |value| format!("{words}{}", percent(value / 100.0)))
    };
    before.split(" %").map(share).collect::<String>() + last
}

fn grid(findings: &[Finding]) -> Grid {
    let row = |finding: &Finding| {
        let check = html! {
            @if !finding.column.is_empty() { (name(&finding.column)) ": " }
            (name(&finding.check.replace('_', " ")))
        };
        let message = ticked(&shares(&finding.message));
        vec![check, plain(said(finding)), plain(percent(finding.share)), message]
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
    fn percentages_are_written_as_everywhere_in_the_report() {
        let message = "15 of 12,345 values of `a 0.12 %` are odd (0.12 %, allowed 0.04 %): rows 1, 2";
        let expected = "15 of 12,345 values of `a 0.12 %` are odd (0.1%, allowed <0.1%): rows 1, 2";
        assert_eq!(shares(message), expected);
        let most = "15,634 of 15,653 values of `a` are repeated (99.88 %)";
        assert_eq!(shares(most), "15,634 of 15,653 values of `a` are repeated (99.9%)");
        assert_eq!(shares("é % of 100 % all"), "é % of 100% all");
        let grid = grid(&[Finding { message: message.to_owned(), ..failed("a", 0.001_2) }]);
        assert!(grid.rows[0][3].0.contains("are odd (0.1%, allowed &lt;0.1%)"), "{}", grid.rows[0][3].0);
    }

    /// The terminal counts rules, the report checks: it says how many of both.
    #[test]
    fn rules_are_told_from_checks() {
        use crate::present::report::example::quality;
        let inputs = Inputs { quality: Some(quality()), ..Inputs::default() };
        let chapter = chapter(&inputs).unwrap().unwrap();
        let body = chapter.body.into_string();
        assert!(body.starts_with("<p>3 rules made 4 checks of the data: 1 gave a warning.</p>"), "{body}");
        assert!(chapter.brief[0].0.starts_with("1 of 4 checks of the data gave a warning: "));
        assert_eq!(chapter.tiles[0].note.0, "of 3 rules; the others stand at the end of the report");
    }

    #[test]
    fn outcomes_are_told_by_severity() {
        let with = |severities: &[&str]| {
            let of = |severity: &&str| Finding { severity: (*severity).to_owned(), ..failed("amount", 0.1) };
            let findings: Vec<_> = severities.iter().map(of).collect();
            outcome(&findings.iter().collect::<Vec<_>>())
        };
        assert_eq!(with(&["error", "error"]), "failed");
        assert_eq!(with(&["warn"]), "gave a warning");
        assert_eq!(with(&["info"]), "found something to note");
        assert_eq!(with(&["error", "warn", "info"]), "didn't pass (1 failed, 1 with a warning, 1 noted)");
    }

    #[test]
    fn a_trifle_needs_no_action() {
        assert!(advice(&[&failed("amount", 0.009)]).is_none());
        let (one, two) = (failed("amount", 0.02), failed("channel", 0.5));
        let text = advice(&[&one, &two, &one]).unwrap().into_string();
        assert!(text.contains("<bdi>amount</bdi> and <bdi>channel</bdi>"), "{text}");
    }
}
