//! Whether probabilities can be taken at their word: on the mean, and where they can't.
//!
//! Knows bins of predictions and outcomes, no models.

use anyhow::Result;
use maud::{Markup, html};

use super::parts::{care, figure};
use crate::present::chart::{Miss, Reliability};
use crate::present::format::{count, fixed, percent};

/// A distance of prediction and outcome beyond this is spoken of.
const MISCALIBRATED: f64 = 0.05;

/// Customers from which a bin says something by itself.
const ENOUGH: f64 = 20.0;

/// Places that are named at most.
const NAMED: usize = 3;

/// The question, its answer and the picture.
///
/// # Errors
/// When the chart can't be painted.
pub fn part(reliability: &Reliability) -> Result<Markup> {
    Ok(html! {
        h3 { "Can the probabilities be taken at their word?" }
        (answer(reliability))
        (figure(reliability)?)
    })
}

/// The answer, from the mean and from every bin with enough customers.
fn answer(reliability: &Reliability) -> Markup {
    let Some(error) = reliability.error() else {
        return html! { p { "There are no predictions to compare." } };
    };
    let average = format!("{} on average", points(error));
    if error > MISCALIBRATED {
        return care(
            &html! { "probabilities miss what happened by " (average) "; trust the order of customers more than the percentages" },
        );
    }
    if let Some(why) = untold(reliability) {
        return html! { p { "It can't be told: " (why) "." } };
    }
    let misses = reliability.misses(MISCALIBRATED, ENOUGH);
    if !misses.is_empty() {
        return html! { p { "Mostly: they miss what happened by " (average) ", but " (places(&misses)) "." } };
    }
    let red = reliability.filled(0.0).any(|bin| !bin.covers());
    html! {
        p {
            "Yes: they miss what happened by " (average) "."
            @if red { " The red dots are off by less than " (points(MISCALIBRATED)) ", or of fewer than " (fixed(ENOUGH, 0)) " customers." }
        }
    }
}

/// Why nothing can be told: predictions are about the same, or of too few customers.
fn untold(reliability: &Reliability) -> Option<String> {
    let customers: f64 = reliability.filled(0.0).map(|bin| bin.customers).sum();
    let mut filled = reliability.filled(ENOUGH);
    match (filled.next(), filled.next()) {
        (Some(_), Some(_)) => None,
        (Some(only), None) => {
            let everybody = if only.customers < customers { "nearly everybody" } else { "everybody" };
            let left = reliability
                .base_rate()
                .map_or_else(String::new, |rate| format!(", and {} left", percent(rate)));
            Some(format!("{everybody} gets about the same probability, {}{left}", percent(only.predicted)))
        }
        (None, _) => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
            let customers = customers as u64;
            Some(format!("the {} customers of the holdout are too few for that", count(customers)))
        }
    }
}

/// Where predictions miss and by how much, the worst places in their order.
fn places(misses: &[Miss]) -> String {
    let weight = |miss: &Miss| miss.customers * miss.over.abs();
    let mut worst = misses.to_vec();
    worst.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    worst.truncate(NAMED);
    worst.sort_by(|a, b| a.between.0.total_cmp(&b.between.0));
    let said = |miss: &Miss| {
        let side = if miss.over > 0.0 { "too high" } else { "too low" };
        format!("{} they are {} {side}", place(miss.between), points(miss.over.abs()))
    };
    let more = if misses.len() > NAMED { ", and elsewhere they miss as well" } else { "" };
    worst.iter().map(said).collect::<Vec<_>>().join(" and ") + more
}

fn place((low, high): (f64, f64)) -> String {
    let (low, high) = (percent(low), percent(high));
    if low == high { format!("around {low}") } else { format!("between {low} and {high}") }
}

/// A difference of shares: `2.1 points`.
fn points(part: f64) -> String {
    format!("{} points", fixed(100.0 * part, 1).trim_end_matches(".0"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::chart::Bin;

    fn said(bins: &[(f64, f64, f64)]) -> String {
        let bin = |(predicted, observed, customers): &(f64, f64, f64)| Bin {
            predicted: *predicted,
            observed: *observed,
            customers: *customers,
        };
        answer(&Reliability { title: None, bins: bins.iter().map(bin).collect() }).into_string()
    }

    #[test]
    fn the_answer_is_yes_where_every_bin_agrees() {
        let good = [(0.1, 0.11, 500.0), (0.5, 0.48, 200.0)];
        assert_eq!(said(&good), "<p>Yes: they miss what happened by 1.3 points on average.</p>");
        // Far more customers make a small miss more than chance, and few make a large one nothing.
        let red = [(0.1, 0.12, 50_000.0), (0.5, 0.49, 20_000.0), (0.9, 0.1, 5.0)];
        assert_eq!(
            said(&red),
            "<p>Yes: they miss what happened by 1.7 points on average. The red dots are off by less than 5 points, \
             or of fewer than 20 customers.</p>"
        );
    }

    #[test]
    fn bins_that_miss_are_named_under_a_good_mean() {
        let bins = [(0.05, 0.05, 5_000.0), (0.62, 0.45, 100.0), (0.74, 0.6, 100.0), (0.85, 0.96, 100.0)];
        assert_eq!(
            said(&bins),
            "<p>Mostly: they miss what happened by 0.8 points on average, but between 62% and 74% they are \
             15.5 points too high and around 85% they are 11 points too low.</p>"
        );
    }

    #[test]
    fn one_bin_is_no_yes() {
        assert_eq!(
            said(&[(0.031, 0.03, 400.0), (0.5, 0.5, 3.0)]),
            "<p>It can't be told: nearly everybody gets about the same probability, 3.1%, and 3.3% left.</p>"
        );
        assert_eq!(
            said(&[(0.031, 0.03, 400.0)]),
            "<p>It can't be told: everybody gets about the same probability, 3.1%, and 3.0% left.</p>"
        );
        let few = said(&[(0.3, 0.3, 10.0), (0.5, 0.5, 4.0)]);
        assert_eq!(few, "<p>It can't be told: the 14 customers of the holdout are too few for that.</p>");
    }

    #[test]
    fn a_bad_mean_and_nothing_at_all() {
        let bad = said(&[(0.1, 0.4, 500.0), (0.5, 0.52, 200.0)]);
        assert!(
            bad.contains("Caution: </b>probabilities miss what happened by 22 points on average"),
            "{bad}"
        );
        assert_eq!(said(&[]), "<p>There are no predictions to compare.</p>");
    }
}
