//! The page of a check: what was found in a table, drawn and told.
//!
//! Knows what checks saw; knows nothing of stages.

use anyhow::Result;
use maud::html;

use super::parts::{Chapter, Tile, figure, name, plain};
use super::{Inputs, page, quality};
use crate::data::quality::check::Test;
use crate::data::quality::{Examined, coverage, finding};
use crate::present::chart::{Across, Bars, Lines, Measure, Series};
use crate::present::format::{Unit, count, counted};

/// Checks whose failing shares are drawn.
const DRAWN: usize = 12;
/// Parts of a distribution that are drawn.
const PARTS: usize = 15;

/// What the page is about.
pub struct Checked<'a> {
    /// The page's title.
    pub title: &'a str,
    /// The rows of the table.
    pub rows: u64,
    /// What was seen of them.
    pub examined: &'a Examined,
    /// How many rows were set apart, where they were.
    pub quarantined: Option<u64>,
}

/// The page: one HTML file that needs nothing but itself.
///
/// # Errors
/// When a chart can't be painted.
pub fn findings(checked: &Checked<'_>) -> Result<String> {
    let table = finding::table(&checked.examined.findings)?;
    let inputs = Inputs { quality: Some(table), ..Inputs::default() };
    let mut chapters = Vec::new();
    if let Some(mut chapter) = quality::chapter(&inputs)? {
        // The sections of a report stand where they stand; here this one is the first.
        for tile in chapter.tiles.iter_mut().filter(|tile| tile.label == "Data checks passed") {
            tile.note = plain("all of them stand below");
        }
        chapter.tiles.push(Tile {
            label: "Rows".to_owned(),
            value: count(checked.rows),
            note: plain(match checked.quarantined {
                Some(0) => "none of them set apart".to_owned(),
                Some(bad) => format!("{} of them set apart", count(bad)),
                None => "all of them looked at once".to_owned(),
            }),
        });
        chapters.push(chapter);
    }
    chapters.extend(shares(checked)?);
    chapters.extend(weeks(checked)?);
    chapters.extend(drifts(checked)?);
    Ok(page::page(checked.title, "", &chapters))
}

fn chapter(heading: &'static str, body: maud::Markup) -> Chapter {
    Chapter { heading, tiles: Vec::new(), brief: Vec::new(), advice: Vec::new(), body }
}

/// How much fails, where a part of many does.
fn shares(checked: &Checked<'_>) -> Result<Option<Chapter>> {
    let findings = checked.examined.findings.iter();
    let mut failing: Vec<_> = findings.filter(|one| one.failing > 0 && one.checked > 1).collect();
    failing.sort_by(|a, b| b.share.total_cmp(&a.share));
    failing.truncate(DRAWN);
    if failing.is_empty() {
        return Ok(None);
    }
    let name = |one: &&crate::data::quality::Finding| {
        let check = one.check.replace('_', " ");
        one.column.as_ref().map_or_else(|| check.clone(), |column| format!("{column}: {check}"))
    };
    let values = failing.iter().map(|one| one.share).collect();
    let measure = Measure { name: "what was looked at".to_owned(), unit: Unit::Percent, values };
    let bars = Bars { names: failing.iter().map(name).collect(), measures: vec![measure], ..Bars::default() };
    let lead = counted(failing.len(), "check found", "checks found");
    let body = html! { p { (lead) " something; this is how much of what each looked at." } (figure(&bars)?) };
    Ok(Some(chapter("How much fails", body)))
}

/// Rows a week, where a check looked at days.
fn weeks(checked: &Checked<'_>) -> Result<Option<Chapter>> {
    let both = checked.examined.checks.iter().zip(&checked.examined.seen);
    let Some((check, seen)) = both.into_iter().find(|(_, seen)| !seen.days.is_empty()) else {
        return Ok(None);
    };
    let weeks = coverage::weeks(&seen.days);
    if weeks.len() < 2 {
        return Ok(None);
    }
    // Days and counts are far below 2^53.
    let points = weeks.iter().map(|(monday, rows)| (*monday as f64, *rows as f64)).collect();
    let lines = Lines {
        title: None,
        measure: "rows a week".to_owned(),
        unit: Unit::Number,
        across: Across::Dates(String::new()),
        series: vec![Series { name: "rows".to_owned(), points }],
        order: Vec::new(),
    };
    let column = check.column.as_deref().unwrap_or_default();
    let body = html! { p { "Whole weeks by " (name(column)) ", from Monday to Sunday." } (figure(&lines)?) };
    Ok(Some(chapter("Rows a week", body)))
}

/// What has moved since the earlier table.
fn drifts(checked: &Checked<'_>) -> Result<Option<Chapter>> {
    let mut figures = Vec::new();
    for (check, seen) in checked.examined.checks.iter().zip(&checked.examined.seen) {
        let Test::Drift { psi: true, .. } = check.test else { continue };
        let column = check.column.as_deref().unwrap_or_default();
        let parts = seen.parts.iter().zip(&seen.shares).take(PARTS);
        let (names, shares): (Vec<String>, Vec<(f64, f64)>) =
            parts.map(|(name, share)| (name.clone(), *share)).unzip();
        if names.is_empty() {
            continue;
        }
        let measure = |name: &str, values| Measure { name: name.to_owned(), unit: Unit::Percent, values };
        let measures = vec![
            measure("earlier", shares.iter().map(|(earlier, _)| *earlier).collect()),
            measure("now", shares.iter().map(|(_, now)| *now).collect()),
        ];
        let title = Some(format!("{column}: shares of the earlier table and of this one"));
        let more = seen.parts.len().saturating_sub(PARTS);
        let bars = figure(&Bars { title, names, measures, ..Bars::default() })?;
        figures.push(html! { (bars) @if more > 0 { p.under { (more) " more parts not shown" } } });
    }
    if figures.is_empty() {
        return Ok(None);
    }
    let body = html! {
        p { "Numbers and times are cut into tenths of the earlier table; the stability index compares their shares." }
        @for figure in &figures { (figure) }
    };
    Ok(Some(chapter("What has moved", body)))
}
