//! Forecast errors: RMSE, MAE, MASE and WAPE.
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
    pub scale: f64,
}

/// Errors over many forecasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// `sqrt(mean(e^2))`, in units of the series.
    pub rmse: f64,
    /// `mean(|e|)`, in units of the series.
    pub mae: f64,
    /// `mean(|e| / scale)`; none where every history is constant.
    pub mase: Option<f64>,
    /// `sum(|e|) / sum(|y|)`; none where nothing but zeros happened.
    pub wape: Option<f64>,
}

/// The errors of `e = predicted - actual`; none without a forecast.
///
/// Sums are made in the order given. A value that overflows is none or infinite, never NaN. O(n).
///
/// Reference: Hyndman and Koehler (2006), Another look at measures of forecast accuracy.
pub fn scores(pairs: impl IntoIterator<Item = Pair>) -> Option<Scores> {
    let mut sums = Sums::default();
    pairs.into_iter().for_each(|pair| sums.add(pair));
    (sums.count > 0.0).then(|| Scores {
        rmse: (sums.squared / sums.count).sqrt(),
        mae: sums.absolute / sums.count,
        mase: (sums.scaled_count > 0.0).then(|| sums.scaled / sums.scaled_count),
        wape: (sums.actual > 0.0).then(|| sums.absolute / sums.actual).filter(|wape| wape.is_finite()),
    })
}

/// The scale of MASE: the mean absolute in-sample error of the *seasonal* naive forecast,
/// `mean(|y[t] - y[t - m]|)`.
///
/// Where the history has no more values than the season `m`, the error of the lag-1 naive
/// forecast; 0 where there is no such error either. O(n).
pub fn scale(history: &[f64], season: usize) -> f64 {
    let lag = usable_season(history.len().saturating_sub(1), season);
    let errors = history.iter().skip(lag).zip(history).map(|(now, then)| (now - then).abs());
    let count = history.len().saturating_sub(lag);
    if count == 0 { 0.0 } else { errors.sum::<f64>() / count as f64 }
}

#[derive(Default)]
struct Sums {
    count: f64,
    squared: f64,
    absolute: f64,
    actual: f64,
    scaled: f64,
    scaled_count: f64,
}

impl Sums {
    fn add(&mut self, pair: Pair) {
        let error = (pair.predicted - pair.actual).abs();
        self.count += 1.0;
        self.squared += error * error;
        self.absolute += error;
        self.actual += pair.actual.abs();
        if pair.scale > 0.0 {
            self.scaled += error / pair.scale;
            self.scaled_count += 1.0;
        }
    }
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
        scores(pairs.map(|(predicted, actual)| Pair { actual: *actual, predicted, scale })).unwrap()
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
        let pair = |actual, predicted| Pair { actual, predicted, scale: 2.0 };
        let scores = scores([pair(10.0, 13.0), pair(-10.0, -9.0), pair(0.0, 0.0)]).unwrap();
        close(scores.rmse, (10.0_f64 / 3.0).sqrt(), 1e-15);
        close(scores.mae, 4.0 / 3.0, 1e-15);
        close(scores.mase.unwrap(), 2.0 / 3.0, 1e-15);
        close(scores.wape.unwrap(), 0.2, 1e-15);
    }

    #[test]
    fn what_is_undefined_is_none() {
        assert_eq!(scores([]), None);
        let scores = scores([Pair { actual: 0.0, predicted: 1.0, scale: 0.0 }]).unwrap();
        assert_eq!((scores.mase, scores.wape), (None, None));
    }

    #[test]
    fn the_scale_is_seasonal_where_the_history_is_longer_than_a_season() {
        assert_eq!(scale(&[1.0, 5.0, 2.0, 9.0], 2), 2.5);
        assert_eq!(scale(&[1.0, 5.0], 2), 4.0);
        assert_eq!(scale(&[1.0], 2), 0.0);
        assert_eq!(scale(&[], 2), 0.0);
        assert_eq!(scale(&[3.0; 9], 2), 0.0);
    }
}
