//! Theta: exponential smoothing of a series without its season, and a share of its long-run line.
//!
//! Knows values alone, no dates.

use super::decompose::{Kind, Seasonal, is_seasonal};
use super::line;

/// How the share of the line is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Half of the line (theta 2), as in the method that won the M3 competition.
    Standard,
    /// The share that makes errors one step ahead smallest, found together with smoothing and start.
    Optimised,
}

/// A theta model fitted to a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Theta {
    seasonal: Option<Seasonal>,
    /// Of the level.
    pub alpha: f64,
    /// The level before the first value.
    pub level: f64,
    /// `1 - 1 / theta`: how much of the line is in the forecast.
    pub share: f64,
    /// Where the least squares line through the adjusted values meets the first one.
    pub intercept: f64,
    /// The line's slope.
    pub slope: f64,
    /// Mean square of the errors one step ahead, of the adjusted values.
    pub mse: f64,
}

/// The range of alpha in the optimised model.
const ALPHAS: (f64, f64) = (0.1, 0.99);
/// How many alphas are tried before the best one's surroundings are searched.
const GRID: u32 = 24;
/// Halvings (nearly) of those surroundings.
const REFINEMENTS: usize = 40;

/// Fits a theta model to a series.
///
/// `values` has shape `(n,)`, all finite; `season` is the season's length. A season that shows (see
/// [`is_seasonal`]) is taken off first, as factors, or as amounts where a value isn't above 0. `None` with fewer than three
/// values. O(n) a trial.
///
/// References: Assimakopoulos and Nikolopoulos (2000), The theta model; Hyndman and Billah (2003); Fiorucci, Pellegrini,
/// Louzada, Petropoulos and Koehler (2016), Models for optimising the theta method (their STM and OTM).
pub fn theta(way: Way, season: usize, values: &[f64]) -> Option<Theta> {
    if values.len() < 3 {
        return None;
    }
    let kind = if values.iter().all(|value| *value > 0.0) { Kind::Multiplicative } else { Kind::Additive };
    let seasonal = if is_seasonal(values, season) { Seasonal::of(values, season, kind) } else { None };
    let adjusted = seasonal.as_ref().map_or_else(|| values.to_vec(), |seasonal| seasonal.adjust(values));
    let (intercept, slope) = line(&adjusted);
    let fixed = (way == Way::Standard).then_some(0.5);
    let Trial { alpha, level, share, mse } =
        search(&|alpha| Trial::of(alpha, &adjusted, (intercept, slope), fixed));
    Some(Theta { seasonal, alpha, level, share, intercept, slope, mse })
}

impl Theta {
    /// The forecast after a history, which begins where that of the fit began and may be longer.
    ///
    /// `history` has shape `(n,)`, the result `(horizon,)`. O(n + horizon).
    pub fn forecast(&self, history: &[f64], horizon: usize) -> Vec<f64> {
        let adjusted = self.seasonal.as_ref().map(|seasonal| seasonal.adjust(history));
        let values = adjusted.as_deref().unwrap_or(history);
        let level = values.iter().fold(self.level, |level, value| level + self.alpha * (value - level));
        let n = values.len();
        let fade = libm::pow(1.0 - self.alpha, n as f64);
        let ahead = |step: usize| {
            let slopes = step as f64 + (1.0 - fade * (1.0 - self.alpha)) / self.alpha;
            fade * self.intercept + slopes * self.slope
        };
        let path: Vec<f64> = (0..horizon).map(|step| level + self.share * ahead(step)).collect();
        self.seasonal.as_ref().map_or(path.clone(), |seasonal| seasonal.restore(&path, n))
    }
}

/// The best start and share for one alpha.
#[derive(Clone, Copy, Debug)]
struct Trial {
    alpha: f64,
    level: f64,
    share: f64,
    mse: f64,
}

impl Trial {
    /// For a given alpha an error is a straight function of the start and of the share, where that isn't fixed: least
    /// squares with two columns, the share kept between 0 (theta 1) and 1 (theta without end).
    fn of(alpha: f64, values: &[f64], (intercept, slope): (f64, f64), fixed: Option<f64>) -> Self {
        let keep = 1.0 - alpha;
        let (mut level, mut fade) = (0.0, 1.0);
        let (mut ff, mut fg, mut gg, mut fy, mut gy, mut yy) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for value in values {
            let line = fade * intercept + slope * (1.0 - fade * keep) / alpha;
            let rest = value - level;
            ff += fade * fade;
            fg += fade * line;
            gg += line * line;
            fy += fade * rest;
            gy += line * rest;
            yy += rest * rest;
            level += alpha * (value - level);
            fade *= keep;
        }
        let determinant = ff * gg - fg * fg;
        let share = if determinant > 1e-10 * ff * gg { (ff * gy - fg * fy) / determinant } else { 0.5 };
        let share = fixed.unwrap_or(share.clamp(0.0, 1.0));
        let level = (fy - share * fg) / ff;
        let squares = yy - 2.0 * (level * fy + share * gy)
            + level * level * ff
            + share * share * gg
            + 2.0 * level * share * fg;
        Self { alpha, level, share, mse: squares.max(0.0) / values.len() as f64 }
    }
}

/// The alpha with the smallest errors: the best of a grid, then a golden section search between its neighbours.
fn search(at: &dyn Fn(f64) -> Trial) -> Trial {
    let (low, high) = ALPHAS;
    let step = (high - low) / f64::from(GRID);
    let grid = (0..=GRID).map(|place| at(low + step * f64::from(place)));
    let mut best = at(low);
    for trial in grid {
        if trial.mse < best.mse {
            best = trial;
        }
    }
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = ((best.alpha - step).max(low), (best.alpha + step).min(high));
    for _ in 0..REFINEMENTS {
        let (left, right) = (at(high - golden * (high - low)), at(low + golden * (high - low)));
        if left.mse < right.mse {
            high = right.alpha
        } else {
            low = left.alpha
        }
        for trial in [left, right] {
            if trial.mse < best.mse {
                best = trial;
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::forecast::scores::tests::AIR_PASSENGERS;

    fn close(found: &[f64], published: &[f64], share: f64) {
        for (one, other) in found.iter().zip(published) {
            assert!((one / other - 1.0).abs() < share, "{found:?} is not {published:?}");
        }
    }

    /// `Theta(12)` and `OptimizedTheta(12)` of statsforecast 2.1.1 on the first 132 months; its searches end a little before
    /// the errors are smallest. R's `thetaf` has the errors 26.301 and 30.688 on the last twelve.
    #[test]
    fn airline_passengers() {
        let (known, after) = AIR_PASSENGERS.split_at(132);
        let standard = theta(Way::Standard, 12, known).unwrap().forecast(known, 12);
        let published = [
            411.3703, 402.2747, 462.8828, 444.6749, 447.9324, 509.5951, 561.8392, 559.4581, 490.4289,
            427.2813, 371.9574, 419.0058,
        ];
        close(&standard, &published, 5e-6);
        let errors = standard.iter().zip(after).map(|(one, other)| one - other);
        let (mut absolute, mut squared) = (0.0, 0.0);
        for error in errors {
            absolute += error.abs() / 12.0;
            squared += error * error / 12.0;
        }
        close(&[absolute, squared.sqrt()], &[26.301, 30.688], 2e-5);
        let optimised = theta(Way::Optimised, 12, known).unwrap().forecast(known, 12);
        let published = [
            412.7119, 404.6405, 466.8109, 449.6004, 454.0478, 517.8578, 572.3802, 571.3717, 502.108,
            438.5272, 382.6739, 432.1162,
        ];
        close(&optimised, &published, 1e-3);
    }

    /// Mean square of errors one step ahead by the recursion of the paper.
    fn errors(values: &[f64], alpha: f64, start: f64, theta: f64) -> f64 {
        let (intercept, slope) = line(values);
        let mut level = start;
        let mut sum = 0.0;
        for (at, value) in values.iter().enumerate() {
            let fade = (1.0 - alpha).powi(i32::try_from(at).unwrap());
            let line = fade * intercept + slope * (1.0 - fade * (1.0 - alpha)) / alpha;
            sum += (value - level - (1.0 - 1.0 / theta) * line).powi(2);
            level = alpha * value + (1.0 - alpha) * level;
        }
        sum / values.len() as f64
    }

    /// Where `Theta(1)` and `OptimizedTheta(1)` of statsforecast 2.1.1 end (alpha, start, theta), errors are no smaller.
    #[test]
    fn no_other_parameters_are_better() {
        let values: Vec<f64> = (0..40).map(|at| f64::from(at * 37 % 11) + 0.5 * f64::from(at)).collect();
        let standard = theta(Way::Standard, 1, &values).unwrap();
        let optimised = theta(Way::Optimised, 1, &values).unwrap();
        for (found, theirs) in [
            (&standard, errors(&values, 0.232_842_493, 0.000_217_875, 2.0)),
            (&optimised, errors(&values, 0.1, 0.507_232_222, 54.576_394)),
        ] {
            let own = errors(&values, found.alpha, found.level, 1.0 / (1.0 - found.share).max(1e-12));
            assert!((own - found.mse).abs() < 1e-6 * own, "{own}: {found:?}");
            assert!(found.mse <= theirs, "{theirs}: {found:?}");
        }
        close(&standard.forecast(&values, 3), &[23.6051621, 23.8594773, 24.11379249], 1e-2);
        close(&optimised.forecast(&values, 3), &[24.81217828, 25.31148907, 25.81079986], 1e-2);
    }

    /// The optimised way contains the standard one.
    #[test]
    fn optimised_errors_are_no_larger() {
        for season in [1, 12] {
            let errors = |way| theta(way, season, &AIR_PASSENGERS).unwrap().mse;
            assert!(errors(Way::Optimised) <= errors(Way::Standard));
        }
    }

    #[test]
    fn values_that_say_little() {
        assert_eq!(theta(Way::Standard, 4, &[1.0, 2.0]), None);
        for way in [Way::Standard, Way::Optimised] {
            for values in [vec![3.0; 20], vec![0.0; 20]] {
                let path = theta(way, 4, &values).unwrap().forecast(&values, 4);
                assert!(path.iter().all(|value| (value - values[0]).abs() < 1e-9), "{path:?}");
            }
        }
    }
}
