//! Whether segments are apart: their silhouette, and whether another number of them does better.
//!
//! Knows measures by number of segments, no segments.

use anyhow::Result;
use maud::{Markup, html};

use super::parts::{care, figure};
use crate::data::Table;
use crate::present::chart::bars::greatest;
use crate::present::chart::{Selection, read};
use crate::present::format::{fixed, sentence};

/// Below this mean silhouette there is no substantial structure, below the next one it is weak.
///
/// Reference: Kaufman & Rousseeuw (1990), "Finding groups in data", table 4.
const OVERLAPPING: f64 = 0.25;
const CLEAR: f64 = 0.5;

/// Fewer segments than this are no segmentation to act on, however far they are apart.
const FEWEST: f64 = 3.0;

/// A gain in silhouette from which another number of segments is worth a try.
const BETTER: f64 = 0.01;

/// Whether the segments are apart, from the measures at their number.
///
/// # Errors
/// When there is no column `k` or a measure isn't a number.
pub fn separation(table: &Table, number: usize) -> Result<Markup> {
    let chosen = (number > 0).then_some(number as f64);
    let selection = read::selection(table, chosen)?;
    let drawn = if selection.numbers.len() > 1 {
        figure(&selection)?
    } else {
        html! {}
    };
    let judgement = silhouette(&selection).map(|(k, value)| judge(k, value));
    let halves = halves(&selection).filter(|_| selection.numbers.len() > 1);
    Ok(html! {
        h3 { "Are they really apart?" }
        @if let Some(judgement) = judgement { (judgement) }
        (drawn)
        @if let Some(halves) = halves { p.under { (halves) } }
    })
}

/// The silhouette at the number of segments in use, else the best one.
fn silhouette(selection: &Selection) -> Option<(f64, f64)> {
    let curve = selection.curves.iter().find(|curve| curve.name.starts_with("silhouette"))?;
    let used = selection.numbers.iter().position(|number| Some(*number) == selection.chosen);
    let at = used.or_else(|| greatest(&curve.values).map(|(at, _)| at))?;
    let value = curve.values.get(at).copied().filter(|value| value.is_finite())?;
    Some((*selection.numbers.get(at)?, value))
}

fn judge(number: f64, value: f64) -> Markup {
    let measured = format!("with {} segments the mean silhouette is {}", fixed(number, 0), fixed(value, 3));
    if value < OVERLAPPING {
        return care(&html! {
            (measured) ", below " (fixed(OVERLAPPING, 2)) ": the segments overlap. Read them as a way to cut a continuum, "
            "not as kinds of customers; those near a border could as well be in the next segment"
        });
    }
    let words = if value < CLEAR {
        "the segments differ, but not sharply: customers near a border resemble both sides."
    } else {
        "the segments are clearly apart."
    };
    html! { p { (sentence(&measured)) ": " (words) " It reaches from −1 to 1; below " (fixed(OVERLAPPING, 2)) " segments overlap, from " (fixed(CLEAR, 1)) " on they are clearly apart." } }
}

/// Another number of segments to try, where it is clearly better.
///
/// # Errors
/// When there is no column `k` or a measure isn't a number.
pub fn advice(table: &Table, number: usize) -> Result<Option<Markup>> {
    let selection = read::selection(table, Some(number as f64))?;
    Ok(apart(&selection).map(|(other, own, value)| {
        html! {
            "Try " (fixed(other, 0)) " segments instead of " (number) ": of all numbers from " (fixed(FEWEST, 0))
            " on they are furthest apart (silhouette " (fixed(value, 3)) " instead of " (fixed(own, 3)) ")."
        }
    }))
}

/// A number of segments that is clearly further apart than the one in use, with both silhouettes.
fn apart(selection: &Selection) -> Option<(f64, f64, f64)> {
    let (used, own) = silhouette(selection).filter(|(used, _)| Some(*used) == selection.chosen)?;
    let curve = selection.curves.iter().find(|curve| curve.name.starts_with("silhouette"))?;
    let few = |number: &f64| *number < FEWEST;
    let values: Vec<_> = selection
        .numbers
        .iter()
        .zip(&curve.values)
        .map(|(number, value)| if few(number) { f64::NAN } else { *value })
        .collect();
    let (at, best) = greatest(&values)?;
    let number = selection.numbers.get(at).copied()?;
    (number != used && best - own >= BETTER).then_some((number, own, best))
}

/// That the number of segments which are furthest apart is too small to be advised, where it is so.
fn halves(selection: &Selection) -> Option<Markup> {
    let curve = selection.curves.iter().find(|curve| curve.name.starts_with("silhouette"))?;
    let best = greatest(&curve.values).and_then(|(at, _)| selection.numbers.get(at).copied())?;
    let more = selection.numbers.iter().any(|number| *number >= FEWEST);
    (best < FEWEST && more && selection.chosen != Some(best)).then(|| {
        html! { "Customers cut into " (fixed(best, 0)) " are nearly always furthest apart, but that is too coarse to act on: it isn't advised." }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_number_is_advised_where_it_is_clearly_better() {
        let curve = |values: [f64; 3]| {
            let curves =
                vec![crate::present::chart::Curve { name: "silhouette".to_owned(), values: values.to_vec() }];
            apart(&Selection { title: None, numbers: vec![2.0, 3.0, 4.0], curves, chosen: Some(3.0) })
        };
        assert_eq!(curve([0.2, 0.25, 0.26]), Some((4.0, 0.25, 0.26)));
        assert_eq!(curve([0.2, 0.25, 0.255]), None);
        assert_eq!(curve([0.2, 0.3, 0.25]), None);
        // Two halves are nearly always furthest apart.
        assert_eq!(curve([0.5, 0.3, 0.25]), None);
        let told = |values: [f64; 3], chosen| {
            let curves =
                vec![crate::present::chart::Curve { name: "silhouette".to_owned(), values: values.to_vec() }];
            let numbers = vec![2.0, 3.0, 4.0];
            halves(&Selection { title: None, numbers, curves, chosen }).map(|text| text.0)
        };
        let why = "Customers cut into 2 are nearly always furthest apart, but that is too coarse to act on: it isn't advised.";
        assert_eq!(told([0.345, 0.339, 0.263], Some(4.0)).as_deref(), Some(why));
        assert_eq!(told([0.345, 0.339, 0.263], Some(2.0)), None);
        assert_eq!(told([0.3, 0.339, 0.263], Some(4.0)), None);
    }

    #[test]
    fn overlap_is_a_caution() {
        assert!(judge(5.0, 0.2).into_string().contains("the segments overlap"));
        assert!(judge(5.0, 0.25).into_string().contains("not sharply"));
        assert!(judge(5.0, 0.5).into_string().contains("clearly apart"));
    }
}
