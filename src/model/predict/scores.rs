//! How good chances are: AUC, average precision, accuracy, Brier score and log-loss.
//!
//! Do not know where the chances come from.

/// Chances are moved this far from 0 and 1 before a logarithm is taken.
const SMALLEST: f64 = 1e-15;

/// Scores of chances against what happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// The probability that a random positive is ranked above a random negative, ties counting half.
    pub auc: f64,
    /// The mean precision over all positives, from the highest chance down.
    pub average_precision: f64,
    /// The share of rows whose chance lies on the right side of a half.
    pub accuracy: f64,
    /// `mean((p - y)^2)`: 0 is perfect, 0.25 is a coin.
    pub brier: f64,
    /// `-mean(y ln p + (1 - y) ln(1 - p))`, in nats.
    pub log_loss: f64,
    /// The share of positives.
    pub base_rate: f64,
}

/// Scores chances against labels of the same length; none unless both labels occur. O(n log n).
pub fn scores(labels: &[bool], chances: &[f64]) -> Option<Scores> {
    let ranked = ranked(labels, chances);
    let count = ranked.len() as f64;
    let mean = |of: &dyn Fn(f64, f64) -> f64| {
        labels
            .iter()
            .zip(chances)
            .map(|(label, chance)| of(f64::from(u8::from(*label)), *chance))
            .sum::<f64>()
            / count
    };
    Some(Scores {
        auc: auc(&ranked)?,
        average_precision: average_precision(&ranked)?,
        accuracy: mean(&|label, chance| f64::from(u8::from((chance > 0.5) == (label > 0.5)))),
        brier: mean(&|label, chance| (chance - label).powi(2)),
        log_loss: mean(&|label, chance| {
            let right = if label > 0.5 { chance } else { 1.0 - chance };
            -libm::log(right.clamp(SMALLEST, 1.0))
        }),
        base_rate: mean(&|label, _| label),
    })
}

/// Labels and chances by ascending chance.
fn ranked(labels: &[bool], chances: &[f64]) -> Vec<(bool, f64)> {
    let mut ranked: Vec<(bool, f64)> = labels.iter().copied().zip(chances.iter().copied()).collect();
    ranked.sort_by(|one, two| one.1.total_cmp(&two.1));
    ranked
}

/// The rank statistic of Mann and Whitney: `(sum of the positives' ranks - n1 (n1 + 1) / 2) / (n1 n0)`
/// with the mean rank for ties.
///
/// Reference: Hanley and McNeil (1982), The meaning and use of the area under a ROC curve.
fn auc(ranked: &[(bool, f64)]) -> Option<f64> {
    let (mut below, mut wins, mut positives) = (0.0, 0.0, 0.0);
    for ties in ranked.chunk_by(|one, two| one.1 == two.1) {
        let (yes, no) = split(ties);
        wins += yes * (below + no / 2.0);
        below += no;
        positives += yes;
    }
    (positives > 0.0 && below > 0.0).then(|| wins / (positives * below))
}

/// `sum((R[n] - R[n - 1]) P[n])` over distinct chances from the highest down, without interpolation.
fn average_precision(ranked: &[(bool, f64)]) -> Option<f64> {
    let (mut seen, mut hits, mut sum) = (0.0, 0.0, 0.0);
    let groups: Vec<_> = ranked.chunk_by(|one, two| one.1 == two.1).map(split).collect();
    for (yes, no) in groups.into_iter().rev() {
        seen += yes + no;
        hits += yes;
        sum += yes * hits / seen;
    }
    (hits > 0.0).then(|| sum / hits)
}

fn split(rows: &[(bool, f64)]) -> (f64, f64) {
    let yes = rows.iter().filter(|(label, _)| *label).count();
    (yes as f64, (rows.len() - yes) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-12, "{value} is not {expected}");
    }

    /// scikit-learn's documentation, `roc_auc_score` and `average_precision_score`: .75 and .8333.
    /// By hand: of four pairs three are in order; precision is 1 at recall 1/2 and 2/3 at 1.
    #[test]
    fn four_rows_by_hand() {
        let scores = scores(&[false, false, true, true], &[0.1, 0.4, 0.35, 0.8]).unwrap();
        close(scores.auc, 0.75);
        close(scores.average_precision, 5.0 / 6.0);
        close(scores.accuracy, 0.75);
        close(scores.brier, (0.01 + 0.16 + 0.4225 + 0.04) / 4.0);
        close(scores.log_loss, -(0.9_f64 * 0.6 * 0.35 * 0.8).ln() / 4.0);
        close(scores.base_rate, 0.5);
    }

    #[test]
    fn ties_count_half() {
        let all_equal = scores(&[true, false, false, true], &[0.5; 4]).unwrap();
        close(all_equal.auc, 0.5);
        close(all_equal.average_precision, 0.5);
        // Pairs: 0.3 against 0.3 (half) and 0.1 (one), 0.9 against both (two): 3.5 of 4.
        close(scores(&[false, false, true, true], &[0.1, 0.3, 0.3, 0.9]).unwrap().auc, 0.875);
    }

    #[test]
    fn turning_the_order_around_turns_the_auc_around() {
        let labels: Vec<bool> = (0..50).map(|row| row * 17 % 7 < 3).collect();
        let chances: Vec<f64> = (0..50).map(|row| f64::from(row * 31 % 23) / 23.0).collect();
        let turned: Vec<f64> = chances.iter().map(|chance| 1.0 - chance).collect();
        close(scores(&labels, &chances).unwrap().auc + scores(&labels, &turned).unwrap().auc, 1.0);
    }

    #[test]
    fn certainty_costs_but_not_infinitely() {
        let wrong = scores(&[true, false], &[0.0, 1.0]).unwrap();
        close(wrong.auc, 0.0);
        assert!(wrong.log_loss.is_finite() && wrong.log_loss > 30.0);
        let right = scores(&[true, false], &[1.0, 0.0]).unwrap();
        assert_eq!((right.auc, right.brier, right.log_loss), (1.0, 0.0, 0.0));
    }

    #[test]
    fn one_label_alone_has_no_scores() {
        assert_eq!(scores(&[true, true], &[0.2, 0.3]), None);
        assert_eq!(scores(&[false], &[0.2]), None);
        assert_eq!(scores(&[], &[]), None);
    }
}
