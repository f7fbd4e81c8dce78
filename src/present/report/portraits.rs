//! Portraits: each segment in a sentence, from what it differs in most.

use maud::{Markup, html};

use super::parts::name;
use crate::present::chart::Heat;
use crate::present::format::fixed;

/// Differences in standard deviations below which a segment is like all others.
const LIKE: f64 = 0.3;

/// Features that a portrait names.
const NAMED: usize = 3;

/// Segments beyond this number have no portrait.
const MOST: usize = 12;

/// One sentence a segment.
pub fn portraits(heat: &Heat) -> Markup {
    html! {
        ul.plain {
            @for (column, segment) in heat.columns.iter().enumerate().take(MOST) {
                li { b { (name(segment)) } ": " (portrait(heat, column)) "." }
            }
        }
    }
}

fn portrait(heat: &Heat, column: usize) -> Markup {
    let value = |values: &Vec<f64>| {
        values.get(column).copied().filter(|value| value.abs() >= LIKE && value.is_finite())
    };
    let cells = heat.rows.iter().zip(&heat.values);
    let mut strongest: Vec<_> =
        cells.filter_map(|(row, values)| value(values).map(|value| (row, value))).collect();
    strongest.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    strongest.truncate(NAMED);
    let (more, less): (Vec<_>, Vec<_>) = strongest.into_iter().partition(|(_, value)| *value > 0.0);
    html! {
        @if more.is_empty() && less.is_empty() { "close to the average customer in everything" }
        @if !more.is_empty() { "higher in " (features(&more)) }
        @if !more.is_empty() && !less.is_empty() { "; " }
        @if !less.is_empty() { "lower in " (features(&less)) }
    }
}

fn features(cells: &[(&String, f64)]) -> Markup {
    html! {
        @for (at, (feature, value)) in cells.iter().enumerate() {
            @if at > 0 { ", " }
            (name(feature)) " (" @if *value > 0.0 { "+" } (fixed(*value, 1)) ")"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portrait_names_what_differs_most() {
        let heat = Heat {
            title: None,
            rows: ["spend", "age", "days", "visits"].map(str::to_owned).to_vec(),
            columns: vec!["rich".to_owned(), "plain".to_owned()],
            values: vec![vec![2.0, 0.1], vec![-0.4, f64::NAN], vec![-1.5, 0.2], vec![0.3, -0.1]],
        };
        let said = |column| portrait(&heat, column).into_string().replace("<bdi>", "").replace("</bdi>", "");
        assert_eq!(said(0), "higher in spend (+2.0); lower in days (−1.5), age (−0.4)");
        assert_eq!(said(1), "close to the average customer in everything");
        assert_eq!(said(9), "close to the average customer in everything");
    }
}
