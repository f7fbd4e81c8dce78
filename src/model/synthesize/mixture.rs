//! Variational mixtures of normal distributions in one dimension: the modes of a column of numbers.

use super::normal::quantile;

/// Values that a mixture is fitted to at most: means of equally many neighbours where there are more.
const MOST: usize = 512;

/// Rounds after which the fit ends.
const ROUNDS: usize = 100;

/// The concentration of the Dirichlet process: the smaller, the fewer components.
const CONCENTRATION: f64 = 0.001;

/// Components of less weight are dropped.
const LIGHTEST: f64 = 0.005;

/// One component.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Component {
    /// Its share.
    pub weight: f64,
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation.
    pub deviation: f64,
}

/// Fits up to `most` components to values without NaN; those that the data don't need have hardly any weight and are dropped.
/// None of no values. O(n log n + 512 most rounds).
///
/// The updates are those of scikit-learn's `BayesianGaussianMixture` with a Dirichlet process and its default priors; values are
/// standardised and, where there are many, put together in groups of neighbours first.
///
/// References: Blei and Jordan (2006), Variational inference for Dirichlet process mixtures; Bishop (2006), section 10.2.
pub(super) fn fit(values: &[f64], most: usize) -> Vec<Component> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if sorted.is_empty() {
        return Vec::new();
    }
    sorted.sort_unstable_by(f64::total_cmp);
    let count = sorted.len() as f64;
    let mean = sorted.iter().sum::<f64>() / count;
    let variance = sorted.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
    if variance <= 1e-24 * (mean * mean).max(1e-300) {
        return vec![Component {
            weight: 1.0,
            mean,
            deviation: variance.sqrt().max(1e-9 * mean.abs()).max(1e-12),
        }];
    }
    let scale = variance.sqrt();
    let points: Vec<(f64, f64)> =
        grouped(&sorted).into_iter().map(|(value, weight)| ((value - mean) / scale, weight)).collect();
    let fitted = variational(&points, most.min(points.len()));
    let kept: Vec<Component> = fitted.into_iter().filter(|one| one.weight > LIGHTEST).collect();
    let total: f64 = kept.iter().map(|one| one.weight).sum();
    let back = |one: Component| Component {
        weight: one.weight / total,
        mean: mean + scale * one.mean,
        deviation: scale * one.deviation,
    };
    kept.into_iter().map(back).collect()
}

/// Means of groups of neighbours, with their numbers.
fn grouped(sorted: &[f64]) -> Vec<(f64, f64)> {
    let size = sorted.len().div_ceil(MOST);
    sorted
        .chunks(size)
        .map(|group| (group.iter().sum::<f64>() / group.len() as f64, group.len() as f64))
        .collect()
}

/// The state of a fit, one entry a component.
struct State {
    /// Beta parameters of the sticks.
    sticks: Vec<(f64, f64)>,
    mean_precision: Vec<f64>,
    means: Vec<f64>,
    freedom: Vec<f64>,
    variances: Vec<f64>,
}

fn variational(points: &[(f64, f64)], most: usize) -> Vec<Component> {
    let mut shares = nearest_centres(points, most);
    let mut state = State::of(points, &shares);
    for _ in 0..ROUNDS {
        let before = state.means.clone();
        state.expect(points, &mut shares);
        state = State::of(points, &shares);
        let moved =
            state.means.iter().zip(&before).map(|(now, before)| (now - before).abs()).fold(0.0, f64::max);
        if moved < 1e-4 {
            break;
        }
    }
    state.components()
}

impl State {
    /// The maximisation step: priors are a mean of 0 and a variance of 1, each worth one observation.
    fn of(points: &[(f64, f64)], shares: &[Vec<f64>]) -> Self {
        let most = shares.first().map_or(0, Vec::len);
        let mut state = Self {
            sticks: Vec::new(),
            mean_precision: Vec::new(),
            means: Vec::new(),
            freedom: Vec::new(),
            variances: Vec::new(),
        };
        let mut counts = Vec::new();
        for k in 0..most {
            let of = |f: &dyn Fn(f64) -> f64| -> f64 {
                points.iter().zip(shares).map(|((value, weight), share)| weight * share[k] * f(*value)).sum()
            };
            let count = of(&|_| 1.0) + 10.0 * f64::EPSILON;
            let centre = of(&|value| value) / count;
            let spread = of(&|value| (value - centre) * (value - centre)) / count + 1e-6;
            let precision = 1.0 + count;
            state.mean_precision.push(precision);
            state.means.push(count * centre / precision);
            state.freedom.push(1.0 + count);
            let variance = (1.0 + count * spread + count / precision * centre * centre) / (1.0 + count);
            state.variances.push(variance);
            counts.push(count);
        }
        let mut above = 0.0;
        for count in counts.iter().rev() {
            state.sticks.push((1.0 + count, CONCENTRATION + above));
            above += count;
        }
        state.sticks.reverse();
        state
    }

    /// The expectation step: what share of each point belongs to each component.
    fn expect(&self, points: &[(f64, f64)], shares: &mut [Vec<f64>]) {
        let mut left = 0.0;
        let constants: Vec<f64> = (0..self.means.len())
            .map(|k| {
                let (a, b) = self.sticks[k];
                let total = digamma(a + b);
                let log_weight = digamma(a) - total + left;
                left += digamma(b) - total;
                let freedom = self.freedom[k];
                let log_lambda = std::f64::consts::LN_2 + digamma(0.5 * freedom);
                let precision = -0.5 * libm::log(self.variances[k]) - 0.5 * libm::log(freedom);
                log_weight + precision + 0.5 * (log_lambda - 1.0 / self.mean_precision[k])
            })
            .collect();
        for ((value, _), share) in points.iter().zip(shares) {
            for (k, share) in share.iter_mut().enumerate() {
                let gap = value - self.means[k];
                *share = constants[k] - 0.5 * gap * gap / self.variances[k];
            }
            let most = share.iter().fold(f64::NEG_INFINITY, |most, value| most.max(*value));
            share.iter_mut().for_each(|value| *value = libm::exp(*value - most));
            let total: f64 = share.iter().sum();
            share.iter_mut().for_each(|value| *value /= total);
        }
    }

    fn components(&self) -> Vec<Component> {
        let mut left = 1.0;
        let one = |k: usize| {
            let (a, b) = self.sticks[k];
            let weight = left * a / (a + b);
            left *= b / (a + b);
            Component { weight, mean: self.means[k], deviation: self.variances[k].sqrt() }
        };
        (0..self.means.len()).map(one).collect()
    }
}

/// To start with, points belong to the nearest of centres at even quantiles, moved by k-means.
fn nearest_centres(points: &[(f64, f64)], most: usize) -> Vec<Vec<f64>> {
    let total: f64 = points.iter().map(|(_, weight)| weight).sum();
    let at_quantile = |share: f64| {
        let mut seen = 0.0;
        let found = points.iter().find(|(_, weight)| {
            seen += weight;
            seen >= share * total
        });
        found.or(points.last()).map_or(0.0, |(value, _)| *value)
    };
    let mut centres: Vec<f64> = (0..most).map(|k| at_quantile((k as f64 + 0.5) / most as f64)).collect();
    // Ties of quantiles are pulled apart.
    for k in 1..most {
        if centres[k] <= centres[k - 1] {
            centres[k] = centres[k - 1] + 1e-3 * (1.0 + quantile((k as f64 + 0.5) / most as f64).abs());
        }
    }
    let nearest = |centres: &[f64], value: f64| {
        let gaps = centres.iter().map(|centre| (centre - value).abs());
        gaps.enumerate().min_by(|one, two| one.1.total_cmp(&two.1)).map_or(0, |(k, _)| k)
    };
    for _ in 0..20 {
        let mut sums = vec![(0.0, 0.0); most];
        for (value, weight) in points {
            let (sum, count) = &mut sums[nearest(&centres, *value)];
            *sum += value * weight;
            *count += weight;
        }
        let moved = centres.iter_mut().zip(sums).filter(|(_, (_, count))| *count > 0.0);
        moved.for_each(|(centre, (sum, count))| *centre = sum / count);
    }
    let share = |(value, _): &(f64, f64)| {
        let own = nearest(&centres, *value);
        (0..most).map(|k| f64::from(u8::from(k == own))).collect()
    };
    points.iter().map(share).collect()
}

/// The logarithmic derivative of the gamma function, for `x > 0`; absolute error below 1e-12.
///
/// Reference: Abramowitz and Stegun (1964), 6.3.5 and 6.3.18.
fn digamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 8.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = square
        * (1.0 / 12.0
            - square * (1.0 / 120.0 - square * (1.0 / 252.0 - square * (1.0 / 240.0 - square / 132.0))));
    sum + libm::log(x) - 0.5 / x - series
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::random::Streams;
    use crate::model::synthesize::normal::draw;

    /// scipy 1.17.1, `scipy.special.digamma`.
    #[test]
    fn digamma_agrees_with_scipy() {
        for (x, expected) in [
            (0.001, -1_000.575_571_9),
            (0.5, -1.963_510_026_021),
            (1.0, -0.577_215_664_902),
            (25.0, 3.198_742_512_852),
        ] {
            assert!((digamma(x) - expected).abs() < 1e-6, "{x}: {}", digamma(x));
        }
    }

    #[test]
    fn two_modes_are_found_and_no_more() {
        let mut rng = Streams::new(1, "mixture test").of(0);
        let values: Vec<f64> = (0..3_000)
            .map(|row| if row % 3 == 0 { 100.0 + 2.0 * draw(&mut rng) } else { 20.0 + 5.0 * draw(&mut rng) })
            .collect();
        // Two components may share a mode, but no component lies elsewhere.
        let found = fit(&values, 10);
        let near = |mode: f64| -> f64 {
            found.iter().filter(|one| (one.mean - mode).abs() < 3.0).map(|one| one.weight).sum()
        };
        assert!(found.len() <= 5 && (near(20.0) - 2.0 / 3.0).abs() < 0.03, "{found:?}");
        assert!((near(100.0) - 1.0 / 3.0).abs() < 0.03, "{found:?}");
    }

    #[test]
    fn hardly_any_values() {
        assert!(fit(&[], 10).is_empty() && fit(&[f64::NAN], 10).is_empty());
        let constant = fit(&[7.0; 5], 10);
        assert_eq!((constant.len(), constant[0].mean), (1, 7.0));
        let two = fit(&[0.0, 1.0], 10);
        assert!(
            !two.is_empty() && two.iter().all(|one| one.deviation > 0.0 && (-0.1..=1.1).contains(&one.mean))
        );
    }
}
