//! What sets a segment apart from others of its name, in words.
//!
//! Knows portraits of segments; does not know how names are put together.

use super::names::Portrait;

/// A smaller difference between two scores sets nothing apart.
const SAME: f64 = 0.01;

/// What sets a segment apart from others of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trait {
    /// A word before the noun.
    Adjective(String),
    /// Words behind the noun.
    With(String),
}

/// The feature in which a segment differs most from the mean of the others in its group, and
/// whether it lies above them: by their scores, where their means say the same.
pub(super) fn most_apart(
    portraits: &[Portrait],
    group: &[usize],
    segment: usize,
    used: &[usize],
) -> Option<(usize, bool)> {
    let mut best = None;
    let mut most = SAME;
    for (feature, score) in portraits[segment].scores.iter().enumerate() {
        if used.contains(&feature) {
            continue;
        }
        let others = group.iter().filter(|other| **other != segment);
        let sum: f64 = others.map(|other| portraits[*other].scores[feature]).sum();
        let apart = score - sum / (group.len() - 1) as f64;
        if apart.abs() > most && is_so(portraits, group, segment, feature, apart > 0.0) {
            most = apart.abs();
            best = Some((feature, apart > 0.0));
        }
    }
    best
}

/// Whether the segment's mean lies on that side of the others', where means are known.
fn is_so(portraits: &[Portrait], group: &[usize], segment: usize, feature: usize, high: bool) -> bool {
    let mean = |at: usize| portraits.get(at)?.plain.get(feature).copied().flatten();
    let others: Option<Vec<f64>> =
        group.iter().filter(|other| **other != segment).map(|other| mean(*other)).collect();
    let (Some(own), Some(others)) = (mean(segment), others) else { return true };
    let middle = others.iter().sum::<f64>() / others.len().max(1) as f64;
    if high { own > middle } else { own < middle }
}

/// A trait in words, high or low.
pub(super) fn in_words(feature: &str, high: bool) -> Trait {
    let (above, below) = match feature {
        "recency_days" => ("an older last purchase", "a recent purchase"),
        "frequency" => ("more purchases", "fewer purchases"),
        "monetary" => ("higher spend", "lower spend"),
        "std_amount" => ("varied baskets", "even baskets"),
        "mean_gap_days" => ("long gaps", "short gaps"),
        _ => return adjective(feature, high),
    };
    Trait::With((if high { above } else { below }).to_owned())
}

/// A trait that fits into a word before the noun; else what is more or less of something.
fn adjective(feature: &str, high: bool) -> Trait {
    let (above, below) = match feature {
        "mean_amount" => ("large-basket", "small-basket"),
        "std_gap_days" => ("unsteady", "steady"),
        "tenure_days" => ("long-standing", "newer"),
        "local_share" => ("local", "visiting"),
        other => return Trait::With(share_in_words(other, high)),
    };
    Trait::Adjective((if high { above } else { below }).to_owned())
}

fn share_in_words(feature: &str, high: bool) -> String {
    let share = feature.strip_prefix("channel_").or_else(|| feature.strip_prefix("category_"));
    let spaced = share.unwrap_or(feature).replace('_', " ");
    match (share, high) {
        (Some(_), true) => format!("more {spaced} purchases"),
        (Some(_), false) => format!("fewer {spaced} purchases"),
        (None, true) => format!("high {spaced}"),
        (None, false) => format!("low {spaced}"),
    }
}
