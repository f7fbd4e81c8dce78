//! Preparation of features for distances: filling, logarithms and scaling, fitted once and kept.
//!
//! Knows columns of numbers with names; knows nothing of tables or clusters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Error, Points};
use crate::model::stats::{Moments, Quantiles, middle_and_range};

/// Skewness above which a feature without negative values is put on a logarithmic scale.
const SKEWED: f64 = 1.0;

/// A larger value counts as missing: its square would leave the range of numbers.
pub const LARGEST: f64 = 1e100;

/// A range below this share of the largest value is rounding, not variation.
const ROUNDING: f64 = 1e-12;

/// How features are made comparable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Minus the mean, divided by the standard deviation.
    #[default]
    Standard,
    /// Minus the median, divided by the interquartile range (by the standard deviation where that
    /// range is 0): outliers weigh less.
    Robust,
}

/// A fitted preparation: what to do to each feature that is kept, in the order of the points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preparation {
    /// How features were made comparable.
    pub scale: Scale,
    /// The features that are used.
    pub features: Vec<Feature>,
    /// The features that say nothing and are left out.
    pub dropped: Vec<Dropped>,
}

/// What is done to a feature: `(t(x) - center) / spread`, where `t` is the identity or
/// `ln(1 + x)`, after a missing value has been replaced by `fill`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// The column's name.
    pub name: String,
    /// Whether it is put on a logarithmic scale.
    pub log: bool,
    /// What replaces a missing value, in the feature's own unit: the median.
    pub fill: f64,
    /// What is subtracted, on the scale of `t`.
    pub center: f64,
    /// What is divided by, on the scale of `t`; greater than 0.
    pub spread: f64,
    /// Missing values (null, NaN, infinite or above 1e100) among the rows it was fitted on.
    pub missing: usize,
}

/// A feature that is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropped {
    /// The column's name.
    pub name: String,
    /// Why it says nothing.
    pub reason: Reason,
}

/// Why a feature says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// All its values are equal.
    Constant,
    /// It has no values.
    Missing,
}

impl Preparation {
    /// Fits a preparation to named columns, in which NaN stands for a missing value.
    ///
    /// A feature without negative values and with a skewness above 1 is put on a logarithmic scale.
    /// O(n log n) a feature.
    pub fn fit<'a>(columns: impl IntoIterator<Item = (&'a str, &'a [f64])>, scale: Scale) -> Self {
        let mut preparation = Self { scale, features: Vec::new(), dropped: Vec::new() };
        for (name, values) in columns {
            match Feature::fit(name, values, scale) {
                Ok(feature) => preparation.features.push(feature),
                Err(reason) => preparation.dropped.push(Dropped { name: name.to_owned(), reason }),
            }
        }
        preparation
    }

    /// The names of the features that are used, in the order of the points.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.features.iter().map(|feature| feature.name.as_str())
    }

    /// Whether it can be applied: it may have been read from anywhere.
    pub fn is_sound(&self) -> bool {
        let sound = |feature: &Feature| {
            feature.spread > 0.0
                && [feature.spread, feature.fill, feature.center].iter().all(|value| value.is_finite())
        };
        !self.features.is_empty() && self.features.iter().all(sound)
    }

    /// Prepares rows, the ones it was fitted on or new ones; `column` gives the values of a feature
    /// by its name, NaN where missing.
    ///
    /// # Errors
    /// When no feature is used, there are no rows, columns differ in length, or `column` fails.
    pub fn apply<E: From<Error>>(
        &self,
        mut column: impl FnMut(&str) -> Result<Vec<f64>, E>,
    ) -> Result<Points, E> {
        let mut columns = Vec::with_capacity(self.features.len());
        for feature in &self.features {
            let mut values = column(&feature.name)?;
            for value in &mut values {
                *value = feature.forward(*value);
            }
            columns.push(values);
        }
        Ok(Points::from_columns(&columns)?)
    }
}

impl Feature {
    fn fit(name: &str, values: &[f64], scale: Scale) -> Result<Self, Reason> {
        let known: Vec<f64> = values.iter().copied().filter(|value| is_known(*value)).collect();
        let missing = values.len() - known.len();
        let (fill, (low, high)) = middle_and_range(&known).ok_or(Reason::Missing)?;
        if high - low <= ROUNDING * low.abs().max(high.abs()) {
            return Err(Reason::Constant);
        }
        let moments = Moments::of(&known);
        let log = low >= 0.0 && moments.is_some_and(|moments| moments.skewness > SKEWED);
        let mut feature = Self { name: name.to_owned(), log, fill, center: 0.0, spread: 1.0, missing };
        let all: Vec<f64> = values.iter().map(|value| feature.forward(*value)).collect();
        // Without a gap to fill and a logarithm, the values are what they were.
        let moments = if log || missing > 0 { Moments::of(&all) } else { moments };
        (feature.center, feature.spread) = center_and_spread(&all, moments, scale).ok_or(Reason::Constant)?;
        Ok(feature)
    }

    /// Whether a value counts as missing.
    pub fn misses(&self, value: f64) -> bool {
        !is_known(value)
    }

    /// A value in its own unit, NaN where missing, to its prepared one.
    pub fn forward(&self, value: f64) -> f64 {
        let value = if is_known(value) { value } else { self.fill };
        (if self.log { log(value) } else { value } - self.center) / self.spread
    }

    /// A prepared value back to its own unit.
    pub fn backward(&self, prepared: f64) -> f64 {
        let value = prepared * self.spread + self.center;
        if self.log { libm::expm1(value.abs()).copysign(value) } else { value }
    }
}

fn is_known(value: f64) -> bool {
    value.abs() <= LARGEST
}

/// `ln(1 + x)`, mirrored for negative values, which only rows that a preparation wasn't fitted on have.
fn log(value: f64) -> f64 {
    libm::log1p(value.abs()).copysign(value)
}

fn center_and_spread(values: &[f64], moments: Option<Moments>, scale: Scale) -> Option<(f64, f64)> {
    let moments = moments?;
    let (center, spread) = match scale {
        Scale::Standard => (moments.mean, moments.std),
        Scale::Robust => {
            let quantiles = Quantiles::of(values)?;
            let range = quantiles.interquartile_range();
            (quantiles.median(), if range > 0.0 { range } else { moments.std })
        }
    };
    (spread > 0.0).then_some((center, spread))
}

#[cfg(test)]
mod tests {
    use super::{Dropped, Error, Preparation, Reason, Scale};

    fn fit(columns: &[(&str, &[f64])], scale: Scale) -> Preparation {
        Preparation::fit(columns.iter().copied(), scale)
    }

    fn prepared(columns: &[(&str, &[f64])], scale: Scale) -> Vec<Vec<f64>> {
        let preparation = fit(columns, scale);
        let find = |name: &str| columns.iter().find(|column| column.0 == name).unwrap().1.to_vec();
        let points = preparation.apply::<Error>(|name| Ok(find(name))).unwrap();
        (0..points.rows()).map(|row| points.row(row).to_vec()).collect()
    }

    #[test]
    fn standard_scale_by_hand() {
        let rows = prepared(&[("a", &[1.0, 3.0, f64::NAN, 2.0, 4.0, 0.0])], Scale::Standard);
        // The median 2 of the known values fills the gap: mean 2, variance 10 / 6.
        let std = (10.0_f64 / 6.0).sqrt();
        for (row, value) in rows.iter().zip([1.0, 3.0, 2.0, 2.0, 4.0, 0.0]) {
            assert!((row[0] - (value - 2.0) / std).abs() < 1e-15);
        }
    }

    #[test]
    fn robust_scale_by_hand_and_its_fallback() {
        let values: &[f64] = &[-1.0, 0.0, 1.0, 2.0, 3.0];
        assert_eq!(prepared(&[("a", values)], Scale::Robust).concat(), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        // Quartiles both 0: the standard deviation 4 instead; negative values forbid the logarithm.
        let values: &[f64] = &[0.0, 0.0, 0.0, 0.0, -10.0];
        assert_eq!(prepared(&[("a", values)], Scale::Robust).concat(), [0.0, 0.0, 0.0, 0.0, -2.5]);
    }

    #[test]
    fn only_skewed_features_without_negatives_become_logarithms() {
        let skewed: &[f64] = &[0.0, 0.0, 0.0, 0.0, 0.0, 100.0];
        let negative: &[f64] = &[-1.0, 0.0, 0.0, 0.0, 0.0, 100.0];
        let even: &[f64] = &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let preparation = fit(&[("s", skewed), ("n", negative), ("e", even)], Scale::Standard);
        let logs: Vec<bool> = preparation.features.iter().map(|feature| feature.log).collect();
        assert_eq!(logs, [true, false, false]);
        for feature in &preparation.features {
            for value in [0.0, 0.3, 7.0, 1e6] {
                let there_and_back = feature.backward(feature.forward(value));
                assert!((there_and_back - value).abs() <= 1e-9 * (1.0 + value));
            }
        }
    }

    #[test]
    fn new_rows_may_have_what_was_never_seen() {
        let preparation = fit(&[("s", &[0.0, 1.0, 1.0, 1.0, 1.0, 100.0])], Scale::Standard);
        let feature = &preparation.features[0];
        assert_eq!(feature.forward(f64::NAN), feature.forward(1.0));
        assert_eq!(feature.forward(f64::INFINITY), feature.forward(1.0));
        assert_eq!(feature.forward(1e200), feature.forward(1.0));
        assert!(feature.forward(-5.0) < feature.forward(0.0));
        assert!((feature.backward(feature.forward(-5.0)) + 5.0).abs() < 1e-9);
    }

    #[test]
    fn what_says_nothing_is_dropped() {
        let preparation = fit(
            &[
                ("same", &[0.1, 0.1, f64::NAN]),
                ("none", &[f64::NAN; 3]),
                ("jitter", &[0.3, 0.1 + 0.2, 0.3]),
                ("good", &[1.0, 2.0, f64::INFINITY]),
            ],
            Scale::Robust,
        );
        let dropped = |name: &str, reason| Dropped { name: name.to_owned(), reason };
        assert_eq!(
            preparation.dropped,
            [
                dropped("same", Reason::Constant),
                dropped("none", Reason::Missing),
                dropped("jitter", Reason::Constant)
            ]
        );
        assert_eq!(preparation.names().collect::<Vec<_>>(), ["good"]);
        assert_eq!(preparation.features[0].missing, 1);
    }

    #[test]
    fn no_feature_is_no_matrix() {
        let preparation = fit(&[("same", &[1.0, 1.0])], Scale::Standard);
        let error = preparation.apply::<Error>(|_| Ok(vec![1.0])).unwrap_err();
        assert_eq!(error, Error::NoFeatures);
    }

    #[test]
    fn huge_values_give_finite_points() {
        let rows = prepared(&[("a", &[1e99, -1e99, 5.0, 1e300])], Scale::Standard);
        assert!(rows.concat().iter().all(|value| value.is_finite()));
    }

    #[test]
    fn json_keeps_every_bit() {
        let preparation = fit(&[("s", &[0.1, 0.2, 7.3, 100.7]), ("c", &[1.0; 4])], Scale::Robust);
        let json = serde_json::to_string(&preparation).unwrap();
        assert_eq!(serde_json::from_str::<Preparation>(&json).unwrap(), preparation);
    }
}
