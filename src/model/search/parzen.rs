//! The Parzen estimator of one parameter: a mixture of a kernel an observation and a wide one for what nobody
//! has tried.
//!
//! Kernels, their widths and weights are those of Bergstra et al., "Algorithms for Hyper-Parameter Optimization"
//! (2011), as optuna computes them: `consider_magic_clip`, not `consider_endpoints`, `prior_weight = 1`.

use rand::Rng;

/// What a parameter's coordinates may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dimension {
    /// One of `0..n`, without an order.
    Choices(usize),
    /// One of `0..n`, neighbours alike.
    Steps(usize),
    /// Any number from 0 to 1.
    Interval,
}

/// Observations beyond this number, the newest not counted, weigh less the older they are.
const FRESH: usize = 25;

/// The smallest width of a kernel is this part of the whole at most.
const NARROWEST: f64 = 100.0;

/// A density over one parameter.
#[derive(Clone, Debug)]
pub struct Parzen {
    weights: Vec<f64>,
    kernels: Kernels,
}

#[derive(Clone, Debug)]
enum Kernels {
    /// Probabilities of each choice, one list a kernel.
    Choices(Vec<Vec<f64>>),
    /// Normal distributions cut off at `low` and `high`, added up over steps of length 1 where there are any.
    Normal { centers: Vec<f64>, widths: Vec<f64>, low: f64, high: f64, stepped: bool },
}

impl Parzen {
    /// The density of observed coordinates, the oldest first.
    pub fn of(dimension: Dimension, observed: &[f64]) -> Self {
        let mut weights = weights(observed.len());
        weights.push(1.0);
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= total);
        let kernels = match dimension {
            Dimension::Choices(count) => Kernels::Choices(choices(count, observed)),
            Dimension::Steps(count) => normal(observed, -0.5, count as f64 - 0.5, true),
            Dimension::Interval => normal(observed, 0.0, 1.0, false),
        };
        Self { weights, kernels }
    }

    /// `ln p(x)`; a probability for choices and steps.
    pub fn log_density(&self, x: f64) -> f64 {
        let sum: f64 = self.weights.iter().enumerate().map(|(at, weight)| weight * self.density(at, x)).sum();
        libm::log(sum)
    }

    fn density(&self, at: usize, x: f64) -> f64 {
        match &self.kernels {
            Kernels::Choices(kernels) => kernels[at].get(place(x)).copied().unwrap_or(0.0),
            Kernels::Normal { centers, widths, low, high, stepped } => {
                let (center, width) = (centers[at], widths[at]);
                let z = |x: f64| (x - center) / width;
                let whole = mass(z(*low), z(*high));
                if *stepped {
                    return mass(z(x - 0.5), z(x + 0.5)) / whole;
                }
                const ROOT_TAU: f64 = 2.506_628_274_631_000_2;
                libm::exp(-0.5 * z(x) * z(x)) / (ROOT_TAU * width * whole)
            }
        }
    }

    /// A draw: a kernel by its weight, then a coordinate of it.
    pub fn draw(&self, random: &mut impl Rng) -> f64 {
        let at = pick(&self.weights, part(random));
        let part = part(random);
        match &self.kernels {
            Kernels::Choices(kernels) => pick(&kernels[at], part) as f64,
            Kernels::Normal { centers, widths, low, high, stepped } => {
                let x = cut_normal(centers[at], widths[at], (*low, *high), part);
                if *stepped { x.round().clamp(low + 0.5, high - 0.5) } else { x }
            }
        }
    }
}

/// The weights of observations: all alike while they are few, then a ramp up to the newest ones.
fn weights(count: usize) -> Vec<f64> {
    if count < FRESH {
        return vec![1.0; count];
    }
    let old = count - FRESH;
    let first = 1.0 / count as f64;
    let ramp = |at: usize| {
        if old < 2 { first } else { first + (1.0 - first) * at as f64 / (old - 1) as f64 }
    };
    (0..old).map(ramp).chain(std::iter::repeat_n(1.0, FRESH)).collect()
}

fn choices(count: usize, observed: &[f64]) -> Vec<Vec<f64>> {
    let others = 1.0 / (observed.len() + 1) as f64;
    let kernel = |seen: Option<usize>| {
        let total = others * count as f64 + f64::from(u8::from(seen.is_some()));
        let one = |choice: usize| (others + f64::from(u8::from(seen == Some(choice)))) / total;
        (0..count).map(one).collect::<Vec<_>>()
    };
    observed.iter().map(|x| Some(place(*x))).chain([None]).map(kernel).collect()
}

/// A kernel an observation, as wide as the larger distance to its neighbours, and one over the whole.
fn normal(observed: &[f64], low: f64, high: f64, stepped: bool) -> Kernels {
    let whole = high - low;
    let narrowest = whole / NARROWEST.min(2.0 + observed.len() as f64);
    let mut order: Vec<usize> = (0..observed.len()).collect();
    order.sort_by(|a, b| observed[*a].total_cmp(&observed[*b]));
    let mut widths = vec![whole; observed.len()];
    for (rank, at) in order.iter().enumerate() {
        let below = rank.checked_sub(1).map(|rank| observed[order[rank]]);
        let above = order.get(rank + 1).map(|at| observed[*at]);
        let x = observed[*at];
        // The ends count as neighbours of a lone observation only.
        let width = match (below, above) {
            (Some(below), Some(above)) => f64::max(x - below, above - x),
            (Some(below), None) => x - below,
            (None, Some(above)) => above - x,
            (None, None) => f64::max(x - low, high - x),
        };
        widths[*at] = width.clamp(narrowest, whole);
    }
    widths.push(whole);
    let centers = observed.iter().copied().chain([0.5 * (low + high)]).collect();
    Kernels::Normal { centers, widths, low, high, stepped }
}

/// `Φ(b) - Φ(a)`, from the side on which nothing is lost.
fn mass(a: f64, b: f64) -> f64 {
    const ROOT_HALF: f64 = std::f64::consts::FRAC_1_SQRT_2;
    let upper = |z: f64| 0.5 * libm::erfc(z * ROOT_HALF);
    if a > 0.0 { upper(a) - upper(b) } else { upper(-b) - upper(-a) }
}

/// The coordinate below which a part of a normal distribution lies that is cut off at both ends.
fn cut_normal(center: f64, width: f64, (low, high): (f64, f64), part: f64) -> f64 {
    let z = |x: f64| (x - center) / width;
    let whole = mass(z(low), z(high));
    let (mut below, mut above) = (low, high);
    // Each step halves the stretch: after 60 no double lies between its ends.
    for _ in 0..60 {
        let middle = 0.5 * (below + above);
        if mass(z(low), z(middle)) < part * whole { below = middle } else { above = middle }
    }
    0.5 * (below + above)
}

/// Where a part of the whole falls among weights that sum to 1.
fn pick(weights: &[f64], part: f64) -> usize {
    let mut sum = 0.0;
    let found = weights.iter().position(|weight| {
        sum += weight;
        part < sum
    });
    found.unwrap_or(weights.len().saturating_sub(1))
}

/// A number from 0 to 1, of the 53 bits that a double holds.
fn part(random: &mut impl Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// The number of a choice.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the number of a choice")]
fn place(x: f64) -> usize {
    x.max(0.0).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::random::Streams;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9 * expected.abs().max(1.0), "{found} is not {expected}");
    }

    fn check(dimension: Dimension, observed: &[f64], expected: &[(f64, f64)]) {
        let parzen = Parzen::of(dimension, observed);
        expected.iter().for_each(|(x, density)| near(parzen.log_density(*x), *density));
    }

    /// `_ParzenEstimator(...).log_pdf` of optuna 5.0.0 with its default weights.
    #[test]
    fn densities_are_those_of_optuna() {
        let four = [0.1, 0.4, 0.35, 0.8];
        let expected = [
            (0.0, -0.039_740_024_072_286_27),
            (0.2, 0.234_601_725_311_283_65),
            (0.37, 0.223_530_910_051_837_9),
            (0.9, -0.456_796_513_663_648_93),
        ];
        check(Dimension::Interval, &four, &expected);
        let one = [(0.1, 0.032_755_554_544_202_425), (0.9, -0.141_562_338_823_621_46)];
        check(Dimension::Interval, &[0.25], &one);
        check(Dimension::Interval, &[], &[(0.1, -0.039_022_199_509_050_504)]);
        let steps = [
            (0.0, -2.526_373_849_915_802),
            (3.0, -1.867_347_729_693_298_3),
            (5.0, -2.269_695_980_534_54),
            (9.0, -2.947_466_225_158_41),
        ];
        check(Dimension::Steps(10), &[2.0, 3.0, 3.0, 7.0], &steps);
        let choices = [
            (0.0, -1.232_143_681_292_632_3),
            (1.0, -1.791_759_469_228_054_5),
            (2.0, -0.613_104_472_886_408_8),
        ];
        check(Dimension::Choices(3), &[0.0, 2.0, 2.0, 2.0], &choices);
    }

    #[test]
    fn old_observations_weigh_less_as_in_optuna() {
        let thirty: Vec<f64> = (0..30).map(|at| (f64::from(at * 7 % 30) + 0.5) / 30.0).collect();
        let expected = [
            (0.05, -0.209_614_807_552_363_17),
            (0.5, -0.097_157_842_498_965_2),
            (0.77, 0.055_030_641_374_142_375),
        ];
        check(Dimension::Interval, &thirty, &expected);
        let parzen = Parzen::of(Dimension::Interval, &thirty);
        near(parzen.weights[0], 0.001_166_180_758_017_492_7);
        near(parzen.weights[1], 0.009_620_991_253_644_314);
        near(parzen.weights[5], 0.034_985_422_740_524_776);
    }

    #[test]
    fn draws_follow_the_density() {
        let mut random = Streams::new(1, "test").of(0);
        let steps = Parzen::of(Dimension::Steps(10), &[2.0, 3.0, 3.0, 7.0]);
        let draws: Vec<_> = (0..20_000).map(|_| steps.draw(&mut random)).collect();
        for x in [0.0, 3.0, 5.0, 9.0] {
            let share = draws.iter().filter(|draw| **draw == x).count() as f64 / 20_000.0;
            let expected = libm::exp(steps.log_density(x));
            assert!((share - expected).abs() < 0.01, "{share} of draws are {x}, not {expected}");
        }
        let interval = Parzen::of(Dimension::Interval, &[0.1, 0.4]);
        assert!((0..1000).all(|_| (0.0..=1.0).contains(&interval.draw(&mut random))));
    }
}
