//! Classification kernels: the chance that something happens, learnt from rows of numbers.
//!
//! Know columns by position and missing values as NaN. Don't know what is predicted.

pub mod boosted;
pub mod logistic;
pub mod prepare;
pub mod reliability;
pub mod scores;

use std::fmt;

use ndarray::ArrayView2;

/// A way to classify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A weighted sum of all columns: see [`logistic`].
    Logistic,
    /// Two hundred small trees: see [`boosted`].
    Boosted,
}

/// A fitted classifier.
#[derive(Clone, Debug)]
pub enum Classifier {
    /// See [`logistic`].
    Logistic(logistic::Logistic),
    /// See [`boosted`].
    Boosted(boosted::Boosted),
}

/// Fits a method: `x` has shape `(n_rows, n_columns)` with NaN for what is missing, `y` has
/// `n_rows` labels. Only [`Method::Boosted`] uses the seed.
///
/// # Errors
/// See [`Unfit`].
pub fn fit(method: Method, x: ArrayView2<'_, f64>, y: &[bool], seed: u64) -> Result<Classifier, Unfit> {
    match method {
        Method::Logistic => logistic::fit(x, y, logistic::PENALTY).map(Classifier::Logistic),
        Method::Boosted => boosted::fit(x, y, seed).map(Classifier::Boosted),
    }
}

impl Classifier {
    /// The chance of the label `true` for every row, from 0 to 1; `x` has the columns that were
    /// fitted.
    pub fn probabilities(&self, x: ArrayView2<'_, f64>) -> Vec<f64> {
        match self {
            Self::Logistic(logistic) => logistic.probabilities(x),
            Self::Boosted(boosted) => boosted.probabilities(x),
        }
    }

    /// The mean logistic loss of the rows learnt from after each step, where there are steps.
    pub fn losses(&self) -> &[f64] {
        match self {
            Self::Logistic(_) => &[],
            Self::Boosted(boosted) => &boosted.losses,
        }
    }

    /// How much each column matters, as shares of 1 (all 0 when none does): absolute standardised
    /// coefficients, or the loss that splits on the column saved.
    pub fn importance(&self) -> Vec<f64> {
        let raw = match self {
            Self::Logistic(logistic) => logistic.coefficients.iter().map(|weight| weight.abs()).collect(),
            Self::Boosted(boosted) => boosted.gains.clone(),
        };
        let total: f64 = raw.iter().sum();
        if total > 0.0 { raw.iter().map(|value| value / total).collect() } else { raw }
    }
}

/// Why a classifier can't be fitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The number of labels isn't that of rows.
    Shape {
        /// Rows of `x`.
        rows: usize,
        /// Labels in `y`.
        labels: usize,
    },
    /// All rows have the same label.
    OneClass {
        /// Rows of `x`.
        rows: usize,
    },
    /// The computation broke down, which takes numbers of extreme size.
    Numbers,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { rows, labels } => write!(f, "there are {rows} rows but {labels} labels"),
            Self::OneClass { rows } => write!(f, "all {rows} rows have the same label"),
            Self::Numbers => write!(f, "the numbers are too large or too small to compute with"),
        }
    }
}

impl std::error::Error for Unfit {}

/// Checks what every method needs: as many labels as rows, and both labels.
fn check(x: ArrayView2<'_, f64>, y: &[bool]) -> Result<(), Unfit> {
    let rows = x.nrows();
    if rows != y.len() {
        return Err(Unfit::Shape { rows, labels: y.len() });
    }
    if y.iter().all(|label| *label) || !y.iter().any(|label| *label) {
        return Err(Unfit::OneClass { rows });
    }
    Ok(())
}

/// The logistic function, `1 / (1 + exp(-score))`.
fn sigmoid(score: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-score))
}

#[cfg(test)]
pub mod samples {
    //! Rows to learn from in tests.

    use ndarray::Array2;

    /// Versicolor (false) and virginica (true), 50 each, of Fisher's iris data (1936): lengths and
    /// widths in tenths of a centimetre, two digits each, in the order of scikit-learn's `iris.csv`.
    const IRIS: &str = "\
        70324714 64324515 69314915 55234013 65284615 57284513 63334716 49243310 66294613 52273914 \
        50203510 59304215 60224010 61294714 56293613 67314414 56304515 58274110 62224515 56253911 \
        59324818 61284013 63254915 61284712 64294313 66304414 68284814 67305017 60294515 57263510 \
        55243811 55243710 58273912 60275116 54304515 60344516 67314715 63234413 56304113 55254013 \
        55264412 61304614 58264012 50233310 56274213 57304212 57294213 62294313 51253011 57284113 \
        63336025 58275119 71305921 63295618 65305822 76306621 49254517 73296318 67255818 72366125 \
        65325120 64275319 68305521 57255020 58285124 64325323 65305518 77386722 77266923 60225015 \
        69325723 56284920 77286720 63274918 67335721 72326018 62284818 61304918 64285621 72305816 \
        74286119 79386420 64285622 63285115 61265614 77306123 63345624 64315518 60304818 69315421 \
        67315624 69315123 58275119 68325923 67335725 67305223 63255019 65305220 62345423 59305118";

    /// The iris data in centimetres, shape `(100, 4)`, and whether each row is virginica.
    pub fn iris() -> (Array2<f64>, Vec<bool>) {
        let digits: Vec<u8> = IRIS.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
        let tenths = |pair: &[u8]| f64::from(pair[0] * 10 + pair[1]) / 10.0;
        let x = Array2::from_shape_vec((100, 4), digits.chunks(2).map(tenths).collect()).unwrap();
        (x, (0..100).map(|row| row >= 50).collect())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn what_cannot_be_fitted_says_why() {
        let x = Array2::zeros((3, 2));
        for method in [Method::Logistic, Method::Boosted] {
            let why = |y: &[bool]| fit(method, x.view(), y, 0).unwrap_err();
            assert_eq!(why(&[true]), Unfit::Shape { rows: 3, labels: 1 });
            assert_eq!(why(&[true; 3]).to_string(), "all 3 rows have the same label");
            assert_eq!(why(&[false; 3]), Unfit::OneClass { rows: 3 });
            let empty = fit(method, Array2::zeros((0, 2)).view(), &[], 0).unwrap_err();
            assert_eq!(empty, Unfit::OneClass { rows: 0 });
        }
    }

    #[test]
    fn without_information_the_chance_is_the_base_rate() {
        for x in [Array2::zeros((40, 2)), Array2::from_elem((40, 2), f64::NAN), Array2::zeros((40, 0))] {
            let y: Vec<bool> = (0..40).map(|row| row % 4 == 0).collect();
            for method in [Method::Logistic, Method::Boosted] {
                let fitted = fit(method, x.view(), &y, 0).unwrap();
                assert!(fitted.probabilities(x.view()).iter().all(|chance| (chance - 0.25).abs() < 1e-9));
                assert!(fitted.importance().iter().all(|share| *share == 0.0));
            }
        }
    }

    #[test]
    fn missing_and_infinite_values_give_chances_all_the_same() {
        let (mut x, y) = samples::iris();
        x[[0, 0]] = f64::NAN;
        x[[1, 1]] = f64::INFINITY;
        x[[60, 2]] = f64::NEG_INFINITY;
        x[[70, 3]] = f64::MAX;
        for method in [Method::Logistic, Method::Boosted] {
            let fitted = fit(method, x.view(), &y, 0).unwrap();
            assert!(fitted.probabilities(x.view()).iter().all(|chance| (0.0..=1.0).contains(chance)));
            assert!((fitted.importance().iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn petals_tell_virginica_from_versicolor() {
        let (x, y) = samples::iris();
        for method in [Method::Logistic, Method::Boosted] {
            let fitted = fit(method, x.view(), &y, 0).unwrap();
            assert!(scores::scores(&y, &fitted.probabilities(x.view())).unwrap().auc > 0.99);
            let importance = fitted.importance();
            assert!(importance[2] + importance[3] > 0.75, "{importance:?}");
        }
    }
}
