//! Forecast errors: RMSE, MAE, MASE, RMSSE, sMAPE, WAPE, bias, and how intervals did.
//!
//! Do not know which method or series they judge.

use super::naive::usable_season;

/// One forecast value beside what happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// What happened.
    pub actual: f64,
    /// What was forecast.
    pub predicted: f64,
    /// The series' [`scale`] in the history that the forecast was made from.
    pub scale: Scale,
    /// The ends of the interval that was known at the forecast's origin; none where nothing was known of errors yet.
    pub interval: Option<(f64, f64)>,
}

/// Errors over many forecasts of `y` by `f`, with `e = f - y`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// `sqrt(mean(e^2))`, in units of the series.
    pub rmse: f64,
    /// `mean(|e|)`, in units of the series.
    pub mae: f64,
    /// `mean(|e| / scale)`; none where every history is constant.
    pub mase: Option<f64>,
    /// `sqrt(mean(e^2 / squared scale))`; none where every history is constant.
    pub rmsse: Option<f64>,
    /// `mean(2 |e| / (|y| + |f|))`, from 0 to 2; a right forecast of 0 counts as 0.
    pub smape: Option<f64>,
    /// `sum(|e|) / sum(|y|)`; none where nothing but zeros happened.
    pub wape: Option<f64>,
    /// `sum(e) / sum(|y|)`: above 0 where forecasts were too high.
    pub bias: Option<f64>,
    /// The share of what happened that lay in its interval, of those that have one.
    pub coverage: Option<f64>,
    /// The mean width of intervals, in units of the series.
    pub width: Option<f64>,
    /// The mean pinball loss of both ends of the intervals, in units of the series: smaller is better.
    pub pinball: Option<f64>,
}

/// The errors of forecasts with intervals of a `level`; none without a forecast.
///
/// Sums are made in the order given. A value that overflows is none or infinite, never NaN. O(n).
///
/// Reference: Hyndman and Koehler (2006), Another look at measures of forecast accuracy; for the pinball loss Koenker and
/// Bassett (1978), Regression quantiles.
pub fn scores(pairs: impl IntoIterator<Item = Pair>, level: f64) -> Option<Scores> {
    let mut sums = Sums::default();
    pairs.into_iter().for_each(|pair| sums.add(pair, level));
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    let scaled = |sum: f64| (sums.scaled_count > 0.0).then(|| sum / sums.scaled_count);
    let of_intervals = |sum: f64| (sums.intervals > 0.0).then(|| sum / sums.intervals).and_then(finite);
    let of_actual = |sum: f64| (sums.actual > 0.0).then(|| sum / sums.actual).and_then(finite);
    (sums.count > 0.0).then(|| Scores {
        rmse: (sums.squared / sums.count).sqrt(),
        mae: sums.absolute / sums.count,
        mase: scaled(sums.scaled),
        rmsse: scaled(sums.scaled_squared).map(f64::sqrt),
        smape: finite(sums.symmetric / sums.count),
        wape: of_actual(sums.absolute),
        bias: of_actual(sums.signed),
        coverage: of_intervals(sums.inside),
        width: of_intervals(sums.width),
        pinball: of_intervals(sums.pinball),
    })
}

/// What errors of a series are measured against.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scale {
    /// The mean absolute error of the naive forecast in the history.
    pub absolute: f64,
    /// Its mean squared error.
    pub squared: f64,
}

/// The scales of MASE and RMSSE: the mean in-sample errors of the *seasonal* naive forecast, `|y[t] - y[t - m]|` and its
/// square.
///
/// Where the history has no more values than the season `m`, the errors of the lag-1 naive
/// forecast; 0 where there is no such error either. O(n).
pub fn scale(history: &[f64], season: usize) -> Scale {
    let lag = usable_season(history.len().saturating_sub(1), season);
    let errors = || history.iter().skip(lag).zip(history).map(|(now, then)| (now - then).abs());
    let count = history.len().saturating_sub(lag);
    if count == 0 {
        return Scale::default();
    }
    let mean = |sum: f64| sum / count as f64;
    Scale { absolute: mean(errors().sum()), squared: mean(errors().map(|error| error * error).sum()) }
}

#[derive(Default)]
struct Sums {
    count: f64,
    squared: f64,
    absolute: f64,
    signed: f64,
    symmetric: f64,
    actual: f64,
    scaled: f64,
    scaled_squared: f64,
    scaled_count: f64,
    intervals: f64,
    inside: f64,
    width: f64,
    pinball: f64,
}

impl Sums {
    fn add(&mut self, pair: Pair, level: f64) {
        let error = (pair.predicted - pair.actual).abs();
        self.count += 1.0;
        self.squared += error * error;
        self.absolute += error;
        self.signed += pair.predicted - pair.actual;
        self.actual += pair.actual.abs();
        if error > 0.0 {
            // Halves, so that the sum of two large numbers is one.
            self.symmetric += error / (0.5 * pair.actual.abs() + 0.5 * pair.predicted.abs());
        }
        if pair.scale.absolute > 0.0 {
            self.scaled += error / pair.scale.absolute;
            self.scaled_squared += error * error / pair.scale.squared;
            self.scaled_count += 1.0;
        }
        if let Some((lower, upper)) = pair.interval {
            self.intervals += 1.0;
            self.inside += f64::from(u8::from(lower <= pair.actual && pair.actual <= upper));
            self.width += upper - lower;
            let chance = 0.5 * (1.0 - level);
            self.pinball +=
                0.5 * (pinball(pair.actual, lower, chance) + pinball(pair.actual, upper, 1.0 - chance));
        }
    }
}

/// The loss of a quantile that was forecast: what is above it counts with its chance, what is below with the rest.
fn pinball(actual: f64, quantile: f64, chance: f64) -> f64 {
    if actual >= quantile { chance * (actual - quantile) } else { (1.0 - chance) * (quantile - actual) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::forecast::naive::seasonal;

    /// Airline passengers a month, 1949 to 1960: Box and Jenkins (1976), Series G; the list is
    /// that of statsforecast 2.1.1, `statsforecast/utils.py`.
    #[rustfmt::skip]
    pub const AIR_PASSENGERS: [f64; 144] = [
        112.0, 118.0, 132.0, 129.0, 121.0, 135.0, 148.0, 148.0, 136.0, 119.0, 104.0, 118.0,
        115.0, 126.0, 141.0, 135.0, 125.0, 149.0, 170.0, 170.0, 158.0, 133.0, 114.0, 140.0,
        145.0, 150.0, 178.0, 163.0, 172.0, 178.0, 199.0, 199.0, 184.0, 162.0, 146.0, 166.0,
        171.0, 180.0, 193.0, 181.0, 183.0, 218.0, 230.0, 242.0, 209.0, 191.0, 172.0, 194.0,
        196.0, 196.0, 236.0, 235.0, 229.0, 243.0, 264.0, 272.0, 237.0, 211.0, 180.0, 201.0,
        204.0, 188.0, 235.0, 227.0, 234.0, 264.0, 302.0, 293.0, 259.0, 229.0, 203.0, 229.0,
        242.0, 233.0, 267.0, 269.0, 270.0, 315.0, 364.0, 347.0, 312.0, 274.0, 237.0, 278.0,
        284.0, 277.0, 317.0, 313.0, 318.0, 374.0, 413.0, 405.0, 355.0, 306.0, 271.0, 306.0,
        315.0, 301.0, 356.0, 348.0, 355.0, 422.0, 465.0, 467.0, 404.0, 347.0, 305.0, 336.0,
        340.0, 318.0, 362.0, 348.0, 363.0, 435.0, 491.0, 505.0, 404.0, 359.0, 310.0, 337.0,
        360.0, 342.0, 406.0, 396.0, 420.0, 472.0, 548.0, 559.0, 463.0, 407.0, 362.0, 405.0,
        417.0, 391.0, 419.0, 461.0, 472.0, 535.0, 622.0, 606.0, 508.0, 461.0, 390.0, 432.0,
    ];

    fn close(value: f64, published: f64, digits: f64) {
        assert!((value - published).abs() <= digits, "{value} is not {published}");
    }

    fn held_out(season: usize) -> Scores {
        let (history, actual) = AIR_PASSENGERS.split_at(132);
        let scale = scale(history, 12);
        let pairs = seasonal(history, season, 12).into_iter().zip(actual);
        scores(
            pairs.map(|(predicted, actual)| Pair { actual: *actual, predicted, scale, interval: None }),
            0.9,
        )
        .unwrap()
    }

    #[test]
    fn the_list_is_whole() {
        assert_eq!(AIR_PASSENGERS.iter().sum::<f64>(), 40_363.0);
    }

    /// statsforecast 2.1.1 on the last 12 months: MAE 76.000, RMSE 102.977.
    #[test]
    fn naive_on_air_passengers() {
        let naive = held_out(1);
        close(naive.mae, 76.0, 5e-4);
        close(naive.rmse, 102.977, 5e-4);
    }

    /// statsforecast 2.1.1: MAE 47.8333, RMSE 50.7083, MASE 1.57088 (season 12), WAPE 0.10046.
    #[test]
    fn seasonal_naive_on_air_passengers() {
        let seasonal = held_out(12);
        close(seasonal.mae, 47.8333, 5e-5);
        close(seasonal.rmse, 50.7083, 5e-5);
        close(seasonal.mase.unwrap(), 1.57088, 5e-6);
        close(seasonal.wape.unwrap(), 0.10046, 5e-6);
    }

    #[test]
    fn errors_by_hand() {
        let scale = Scale { absolute: 2.0, squared: 5.0 };
        let pair = |actual, predicted| Pair { actual, predicted, scale, interval: None };
        let scores = scores([pair(10.0, 13.0), pair(-10.0, -9.0), pair(0.0, 0.0)], 0.9).unwrap();
        close(scores.rmse, (10.0_f64 / 3.0).sqrt(), 1e-15);
        close(scores.mae, 4.0 / 3.0, 1e-15);
        close(scores.mase.unwrap(), 2.0 / 3.0, 1e-15);
        close(scores.wape.unwrap(), 0.2, 1e-15);
        close(scores.bias.unwrap(), 0.2, 1e-15);
        close(scores.rmsse.unwrap(), (2.0_f64 / 3.0).sqrt(), 1e-15);
        close(scores.smape.unwrap(), (6.0 / 23.0 + 2.0 / 19.0) / 3.0, 1e-15);
        assert_eq!((scores.coverage, scores.width, scores.pinball), (None, None, None));
    }

    /// `sklearn.metrics.mean_pinball_loss` of scikit-learn 1.9 on the same ends: 0.333333 at 0.1 and 0.966667 at 0.9.
    #[test]
    fn intervals_by_hand() {
        let pair = |actual, interval| Pair { actual, predicted: 0.0, scale: Scale::default(), interval };
        let known =
            [(3.0, Some((0.0, 4.0))), (8.0, Some((1.0, 5.0))), (9.0, None), (-1.0, Some((-1.0, 0.0)))];
        let scores = scores(known.map(|(actual, interval)| pair(actual, interval)), 0.8).unwrap();
        close(scores.coverage.unwrap(), 2.0 / 3.0, 1e-15);
        close(scores.width.unwrap(), 3.0, 1e-15);
        close(scores.pinball.unwrap(), 0.5 * (0.333_333 + 0.966_667), 1e-6);
    }

    #[test]
    fn what_is_undefined_is_none() {
        assert_eq!(scores([], 0.9), None);
        let pair = Pair { actual: 0.0, predicted: 1.0, scale: Scale::default(), interval: None };
        let scores = scores([pair], 0.9).unwrap();
        assert_eq!((scores.mase, scores.rmsse, scores.wape, scores.bias), (None, None, None, None));
        assert_eq!(scores.smape, Some(2.0));
    }

    #[test]
    fn the_scale_is_seasonal_where_the_history_is_longer_than_a_season() {
        assert_eq!(scale(&[1.0, 5.0, 2.0, 9.0], 2), Scale { absolute: 2.5, squared: 8.5 });
        assert_eq!(scale(&[1.0, 5.0], 2), Scale { absolute: 4.0, squared: 16.0 });
        assert_eq!(scale(&[1.0], 2), Scale::default());
        assert_eq!(scale(&[], 2), Scale::default());
        assert_eq!(scale(&[3.0; 9], 2), Scale::default());
    }
}
