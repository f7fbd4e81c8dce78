//! Reliability curve: predicted probabilities against what happened, with 95% intervals.

use super::Chart;
use super::axes::{Axis, begin, level, upright};
use super::drawing::{Area, Drawing, PADDING};
use crate::present::format::{Unit, fixed};
use crate::present::theme::{ACCENT, MAIN, MUTED};

/// The two-sided 95% quantile of the normal distribution.
const Z: f64 = 1.959_964;

/// Customers with about the same prediction.
#[derive(Clone, Copy, Debug)]
pub struct Bin {
    /// Their mean prediction.
    pub predicted: f64,
    /// The share to whom it happened.
    pub observed: f64,
    /// How many they are.
    pub customers: f64,
}

/// Neighbouring bins that miss to the same side by more than chance explains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Miss {
    /// The lowest and the highest mean prediction among them.
    pub between: (f64, f64),
    /// By how much predictions are too high, over all their customers; negative where too low.
    pub over: f64,
    /// How many customers they are.
    pub customers: f64,
}

/// Predictions against outcomes.
#[derive(Clone, Debug)]
pub struct Reliability {
    /// The title; the finding where there is none.
    pub title: Option<String>,
    /// Bins by ascending prediction.
    pub bins: Vec<Bin>,
}

impl Bin {
    fn is_usable(&self) -> bool {
        self.predicted.is_finite() && self.observed.is_finite() && self.customers > 0.0
    }

    /// Whether chance alone may have kept the outcome from the prediction.
    pub fn covers(&self) -> bool {
        let (low, high) = self.interval();
        (low..=high).contains(&self.predicted)
    }

    /// The 95% interval of the observed share.
    ///
    /// Reference: Wilson (1927), "Probable inference, the law of succession, and statistical
    /// inference", JASA 22.
    pub fn interval(&self) -> (f64, f64) {
        let (n, p, zz) = (self.customers, self.observed, Z * Z);
        let middle = (p + zz / (2.0 * n)) / (1.0 + zz / n);
        let half = Z / (1.0 + zz / n) * (p * (1.0 - p) / n + zz / (4.0 * n * n)).max(0.0).sqrt();
        ((middle - half).max(0.0), (middle + half).min(1.0))
    }
}

impl Reliability {
    /// The expected calibration error: the mean distance of prediction and outcome over customers.
    ///
    /// Reference: Naeini, Cooper & Hauskrecht (2015), "Obtaining well calibrated probabilities
    /// using Bayesian binning".
    pub fn error(&self) -> Option<f64> {
        let bins = || self.bins.iter().filter(|bin| bin.is_usable());
        let customers: f64 = bins().map(|bin| bin.customers).sum();
        let apart: f64 = bins().map(|bin| bin.customers * (bin.predicted - bin.observed).abs()).sum();
        (customers > 0.0).then(|| apart / customers)
    }

    /// The bins of at least `customers`.
    pub fn filled(&self, customers: f64) -> impl Iterator<Item = &Bin> {
        self.bins.iter().filter(move |bin| bin.is_usable() && bin.customers >= customers)
    }

    /// To how many it happened, and to how many it didn't.
    pub fn outcomes(&self) -> (f64, f64) {
        let sum = |of: fn(&Bin) -> f64| self.filled(0.0).map(of).sum::<f64>().round();
        (sum(|bin| bin.customers * bin.observed), sum(|bin| bin.customers * (1.0 - bin.observed)))
    }

    /// Where bins of at least `customers` miss by more than `limit` and than chance explains;
    /// neighbours that miss to the same side are one.
    pub fn misses(&self, limit: f64, customers: f64) -> Vec<Miss> {
        let bins: Vec<_> = self.filled(customers).collect();
        let side = |bin: &Bin| {
            let over = bin.predicted - bin.observed;
            if bin.covers() || over.abs() <= limit { 0.0 } else { over.signum() }
        };
        let runs = bins.chunk_by(|one, next| side(one) == side(next)).filter(|run| side(run[0]) != 0.0);
        let miss = |run: &[&Bin]| {
            let customers: f64 = run.iter().map(|bin| bin.customers).sum();
            let over: f64 = run.iter().map(|bin| bin.customers * (bin.predicted - bin.observed)).sum();
            let between = (run[0].predicted, run[run.len() - 1].predicted);
            Miss { between, over: over / customers, customers }
        };
        runs.map(miss).collect()
    }

    /// The share of all customers to whom it happened.
    pub fn base_rate(&self) -> Option<f64> {
        let bins = || self.bins.iter().filter(|bin| bin.is_usable());
        let customers: f64 = bins().map(|bin| bin.customers).sum();
        let happened: f64 = bins().map(|bin| bin.customers * bin.observed).sum();
        (customers > 0.0).then(|| happened / customers)
    }
}

impl Chart for Reliability {
    fn finding(&self) -> String {
        match self.error() {
            None => "No predictions".to_owned(),
            Some(error) => format!(
                "Predicted and observed churn differ by {} points on average",
                fixed(100.0 * error, 1)
            ),
        }
    }

    fn draw(&self, width: f64) -> Drawing {
        let title = self.title.clone().unwrap_or_else(|| self.finding());
        let bins: Vec<_> = self.bins.iter().filter(|bin| bin.is_usable()).collect();
        if bins.is_empty() {
            return Drawing::nothing(width, &title, "There are no predictions to show.");
        }
        let subtitle = "Dots are customers with like predictions, bars their 95% intervals; red ones miss the dashes, which are perfect";
        let mut drawing = Drawing::titled(width, &title, subtitle);
        let upright_axis = Axis::linear("observed share that churned", &Unit::Percent, (0.0, 1.0), 5.0);
        let top = begin(&mut drawing, (PADDING, width - PADDING), &upright_axis.name);
        let left = PADDING + upright_axis.widest() + 6.0;
        let frame = Area { left, top, right: width - PADDING - 12.0, bottom: top + 260.0 };
        let y = upright(&mut drawing, &upright_axis, frame);
        let level_axis = Axis::linear("predicted probability of churn", &Unit::Percent, (0.0, 1.0), 5.0);
        let x = level(&mut drawing, &level_axis, frame, true);
        drawing.dashes((x.at(0.0), y.at(0.0)), (x.at(1.0), y.at(1.0)), 1.25, MUTED);
        for bin in &bins {
            let (low, high) = bin.interval();
            let at = x.at(bin.predicted);
            drawing.line(vec![(at, y.at(low)), (at, y.at(high))], 1.5, MAIN);
        }
        let path: Vec<_> = bins.iter().map(|bin| (x.at(bin.predicted), y.at(bin.observed))).collect();
        drawing.line(path.clone(), 1.25, MAIN);
        for (bin, point) in bins.iter().zip(path) {
            drawing.dot(point, 4.0, if bin.covers() { MAIN } else { ACCENT }, 1.0);
        }
        drawing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::chart::drawing::legible;
    use crate::present::chart::{NARROW, WIDE};

    fn bin(predicted: f64, observed: f64, customers: f64) -> Bin {
        Bin { predicted, observed, customers }
    }

    #[test]
    fn the_interval_matches_published_values() {
        // Newcombe (1998), Statistics in Medicine 17, table I, method 3: 81/263 and 0/20.
        let (low, high) = bin(0.0, 81.0 / 263.0, 263.0).interval();
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5, "{low} {high}");
        let (low, high) = bin(0.0, 0.0, 20.0).interval();
        assert!(low.abs() < 5e-5 && (high - 0.1611).abs() < 5e-5, "{low} {high}");
    }

    #[test]
    fn error_and_base_rate_weigh_customers() {
        let chart = Reliability {
            title: None,
            bins: vec![bin(0.1, 0.2, 300.0), bin(0.8, 0.8, 100.0), bin(f64::NAN, 0.5, 9.0)],
        };
        assert!((chart.error().unwrap() - 0.075).abs() < 1e-12);
        assert!((chart.base_rate().unwrap() - 0.35).abs() < 1e-12);
        assert_eq!(chart.finding(), "Predicted and observed churn differ by 7.5 points on average");
    }

    #[test]
    fn neighbours_that_miss_to_one_side_are_one_miss() {
        let bins = vec![
            bin(0.05, 0.05, 900.0),
            bin(0.15, 0.45, 3.0),
            bin(0.25, 0.22, 5_000.0),
            bin(0.65, 0.45, 100.0),
            bin(0.75, 0.65, 300.0),
            bin(0.85, 0.95, 200.0),
        ];
        let misses = Reliability { title: None, bins }.misses(0.05, 20.0);
        let found: Vec<_> = misses.iter().map(|miss| (miss.between, miss.customers)).collect();
        assert_eq!(found, [((0.65, 0.75), 400.0), ((0.85, 0.85), 200.0)]);
        assert!((misses[0].over - 0.125).abs() < 1e-12 && (misses[1].over + 0.1).abs() < 1e-12);
    }

    #[test]
    fn outcomes_are_counted() {
        let bins = vec![bin(0.1, 0.02, 300.0), bin(0.2, f64::NAN, 7.0), bin(0.9, 1.0, 2.0)];
        assert_eq!(Reliability { title: None, bins }.outcomes(), (8.0, 294.0));
    }

    #[test]
    fn any_bins_fit() {
        for bins in [
            vec![],
            vec![bin(0.5, 0.5, 1.0)],
            vec![bin(0.0, 1.0, 0.0)],
            vec![bin(1.0, 1.0, 1e9), bin(0.0, 0.0, 3.0)],
        ] {
            for width in [WIDE, NARROW] {
                legible::check(&Reliability { title: None, bins: bins.clone() }.draw(width));
            }
        }
    }
}
