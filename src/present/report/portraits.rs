//! Portraits: each segment in a sentence, from what it differs in most, in the units of the data.

use anyhow::Result;
use maud::{Markup, html};

use super::parts::name;
use crate::data::Table;
use crate::data::columns::float_vec;
use crate::present::chart::read;
use crate::present::format::{Unit, percent, words};

/// Differences in standard deviations below which a segment is like all others.
const LIKE: f64 = 0.3;

/// Features that a portrait names.
const NAMED: usize = 3;

/// Mean number of purchases below which most customers bought once.
const ONCE: f64 = 1.5;

/// Features that only customers with several purchases have: of a segment whose customers mostly
/// bought once they tell of the few who didn't.
const OF_SEVERAL: [&str; 3] = ["mean_gap_days", "std_gap_days", "std_amount"];

/// Segments beyond this number have no portrait.
const MOST: usize = 12;

/// A feature in a segment.
#[derive(Clone, Debug)]
struct Cell {
    segment: String,
    feature: String,
    mean: f64,
    overall: f64,
    difference: f64,
}

/// One sentence a segment; `column` names the segments.
///
/// # Errors
/// When a column doesn't exist or isn't a number.
pub fn portraits(differences: &Table, column: &str, money: &Unit) -> Result<Markup> {
    let cells = cells(differences, column)?;
    let mut segments: Vec<&str> = Vec::new();
    for cell in &cells {
        if !segments.contains(&cell.segment.as_str()) {
            segments.push(&cell.segment);
        }
    }
    let own = |segment: &str| cells.iter().filter(|cell| cell.segment == segment).collect::<Vec<_>>();
    Ok(html! {
        p { "What sets each segment apart, with the average over all customers in brackets:" }
        ul.plain {
            @for segment in segments.into_iter().take(MOST) {
                li { (name(segment)) ": " (portrait(&own(segment), money)) "." }
            }
        }
    })
}

fn cells(table: &Table, column: &str) -> Result<Vec<Cell>> {
    let batch = read::gather(table, &[column, "feature", "mean", "overall_mean", "difference"])?;
    let labels = read::labels(&batch, column)?.into_iter().zip(read::labels(&batch, "feature")?);
    let means = float_vec(&batch, "mean")?.into_iter().zip(float_vec(&batch, "overall_mean")?);
    let numbers = means.zip(float_vec(&batch, "difference")?);
    let cell = |((segment, feature), ((mean, overall), difference))| Cell {
        segment,
        feature,
        mean,
        overall,
        difference,
    };
    Ok(labels.zip(numbers).map(cell).collect())
}

fn portrait(cells: &[&Cell], money: &Unit) -> Markup {
    let purchases = cells.iter().find(|cell| cell.feature == "frequency").map(|cell| cell.mean);
    let once = purchases.is_some_and(|purchases| purchases < ONCE);
    let told = |cell: &&&Cell| {
        cell.difference.abs() >= LIKE
            && !(once && OF_SEVERAL.contains(&cell.feature.as_str()))
            && [cell.difference, cell.mean, cell.overall].iter().all(|v| v.is_finite())
    };
    let mut strongest: Vec<_> = cells.iter().filter(told).collect();
    strongest.sort_by(|a, b| b.difference.abs().total_cmp(&a.difference.abs()));
    strongest.truncate(NAMED);
    html! {
        @if strongest.is_empty() { "close to the average customer in everything" }
        @for (at, cell) in strongest.iter().enumerate() {
            @if at > 0 { "; " }
            (trait_of(cell, money))
        }
    }
}

/// A mean and the overall mean in words: `12 purchases (60)`.
fn trait_of(cell: &Cell, money: &Unit) -> Markup {
    let (unit, before, after) = match cell.feature.as_str() {
        "recency_days" => (Unit::Number, "last bought", "days ago"),
        "frequency" => (Unit::Number, "", "purchases"),
        "monetary" => (money.clone(), "", "spent"),
        "mean_amount" => (money.clone(), "", "a purchase"),
        "std_amount" => (money.clone(), "amounts that vary by", ""),
        "tenure_days" => (Unit::Number, "customers for", "days"),
        "mean_gap_days" => (Unit::Number, "", "days between purchases"),
        "std_gap_days" => (Unit::Number, "gaps that vary by", "days"),
        "local_share" => (Unit::Percent, "", "of purchases local"),
        "returns" => (Unit::Number, "", "refunds"),
        other => return share_of(cell, other),
    };
    let number = |value: f64| match unit {
        Unit::Number if value.abs() >= 10.0 => unit.long(value.round()),
        Unit::Number => crate::present::format::fixed(value, 1),
        _ => unit.short(value),
    };
    html! {
        @if !before.is_empty() { (before) " " }
        (number(cell.mean))
        @if !after.is_empty() { " " (after) }
        " (" (number(cell.overall)) ")"
    }
}

/// The same for shares of purchases, and for features that only their owner knows.
fn share_of(cell: &Cell, feature: &str) -> Markup {
    let part = [("channel_", "via"), ("category_", "in")].into_iter().find_map(|(start, link)| {
        let part = feature.strip_prefix(start).filter(|part| !part.is_empty())?;
        Some((link, part.replace('_', " ")))
    });
    match part {
        Some((link, part)) => html! {
            (percent(cell.mean)) " of purchases " (link) " " (name(&part)) " (" (percent(cell.overall)) ")"
        },
        None => html! {
            (name(&words(feature))) " " (Unit::Number.short(cell.mean)) " (" (Unit::Number.short(cell.overall)) ")"
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::report::example::{floats, table, texts};

    #[test]
    fn a_portrait_names_what_differs_most_in_its_units() {
        let table = table(vec![
            ("name", texts(["rich", "rich", "rich", "rich", "rich", "plain"])),
            (
                "feature",
                texts(["monetary", "recency_days", "channel_in_store", "age", "frequency", "frequency"]),
            ),
            ("mean", floats([7_294.0, 4.84, 0.34, 51.0, 100.0, 60.0])),
            ("overall_mean", floats([2_887.0, 295.2, 0.2, 40.0, 99.0, 60.0])),
            ("difference", floats([2.0, -0.5, 0.4, 1.0, 0.29, 0.0])),
        ]);
        let html = portraits(&table, "name", &Unit::Money("€".to_owned())).unwrap().into_string();
        let text = html.replace("<bdi>", "").replace("</bdi>", "");
        assert!(
            text.contains(
                "<li>rich: €7,294 spent (€2,887); age 51 (40); last bought 4.8 days ago (295).</li>"
            ),
            "{text}"
        );
        assert!(text.contains("<li>plain: close to the average customer in everything.</li>"), "{text}");
    }

    #[test]
    fn one_timers_have_no_gaps_between_purchases() {
        let said = |purchases: f64| {
            let features = ["frequency", "mean_gap_days", "std_amount", "mean_amount"];
            let cells = features.map(|feature| Cell {
                segment: String::new(),
                feature: feature.to_owned(),
                mean: if feature == "frequency" { purchases } else { 48.0 },
                overall: 30.0,
                difference: if feature == "frequency" { 0.0 } else { 1.0 },
            });
            let text = portrait(&cells.iter().collect::<Vec<_>>(), &Unit::Number).into_string();
            text.replace("<bdi>", "").replace("</bdi>", "")
        };
        assert_eq!(said(1.4), "48 a purchase (30)");
        assert_eq!(
            said(1.5),
            "48 days between purchases (30); amounts that vary by 48 (30); 48 a purchase (30)"
        );
    }

    #[test]
    fn shares_are_of_purchases() {
        let cell = |feature: &str| Cell {
            segment: String::new(),
            feature: feature.to_owned(),
            mean: 0.34,
            overall: 0.2,
            difference: 1.0,
        };
        let said = |feature: &str| {
            let text = trait_of(&cell(feature), &Unit::Number).into_string();
            text.replace("<bdi>", "").replace("</bdi>", "")
        };
        assert_eq!(said("channel_web"), "34% of purchases via web (20%)");
        assert_eq!(said("category_home"), "34% of purchases in home (20%)");
        assert_eq!(said("local_share"), "34% of purchases local (20%)");
        assert_eq!(said("shoe_size"), "shoe size 0.340 (0.200)");
    }
}
