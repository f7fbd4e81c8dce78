//! Special functions that the models of value need, without cancellation and without overflow.
//!
//! From the crate `libm` alone, so that the last digit is the same on every processor, which crates
//! with such functions don't promise (`puruspe` and `statrs` call the C library).

use std::sync::OnceLock;

/// From here on the asymptotic series have all digits.
const LARGE: f64 = 12.0;

/// The digamma function, `d/dz ln Gamma(z)`, for `z > 0`.
///
/// Recurrence up to 12, then the asymptotic series: Abramowitz and Stegun (1964), 6.3.5 and 6.3.18.
pub fn digamma(mut z: f64) -> f64 {
    let mut below = 0.0;
    while z < LARGE {
        below += 1.0 / z;
        z += 1.0;
    }
    let square = 1.0 / (z * z);
    let series = square
        * (1.0 / 12.0
            - square
                * (1.0 / 120.0
                    - square
                        * (1.0 / 252.0
                            - square * (1.0 / 240.0 - square * (1.0 / 132.0 - square * 691.0 / 32_760.0)))));
    libm::log(z) - 0.5 / z - series - below
}

/// The trigamma function, the derivative of [`digamma`], for `z > 0`.
///
/// Abramowitz and Stegun (1964), 6.4.6 and 6.4.12.
pub fn trigamma(mut z: f64) -> f64 {
    let mut below = 0.0;
    while z < LARGE {
        below += 1.0 / (z * z);
        z += 1.0;
    }
    let square = 1.0 / (z * z);
    let series = square
        * (1.0 / 6.0
            - square
                * (1.0 / 30.0
                    - square
                        * (1.0 / 42.0
                            - square * (1.0 / 30.0 - square * (5.0 / 66.0 - square * 691.0 / 2_730.0)))));
    1.0 / z + 0.5 * square + series / z + below
}

/// `ln Gamma(z)` with its first two derivatives, for `z > 0`.
pub fn log_gamma(z: f64) -> [f64; 3] {
    [libm::lgamma(z), digamma(z), trigamma(z)]
}

/// Up to so many factors a rising factorial is summed one by one.
const FACTORS: usize = 40;

/// The logarithm of the rising factorial `z (z + 1) ... (z + n - 1) = Gamma(z + n) / Gamma(z)` with
/// its first two derivatives in `z > 0`; 0 for `n = 0`.
///
/// O(1) for large `n`; see [`Rising`] for many `n` at once.
pub fn log_rising(z: f64, n: usize) -> [f64; 3] {
    let mut sum = [0.0; 3];
    for at in 0..n.min(FACTORS) {
        add_factor(&mut sum, z + at as f64);
    }
    if n > FACTORS {
        let (low, high) = (log_gamma(z + FACTORS as f64), log_gamma(z + n as f64));
        (0..3).for_each(|at| sum[at] += high[at] - low[at]);
    }
    sum
}

fn add_factor(sum: &mut [f64; 3], factor: f64) {
    let inverse = 1.0 / factor;
    sum[0] += libm::log(factor);
    sum[1] += inverse;
    sum[2] -= inverse * inverse;
}

/// [`log_rising`] of one `z` for all `n` up to a largest one.
#[derive(Clone, Debug)]
pub struct Rising(Vec<[f64; 3]>);

impl Rising {
    /// For `n` from 0 to `largest`. O(largest).
    pub fn up_to(z: f64, largest: usize) -> Self {
        let mut sum = [0.0; 3];
        let mut sums = Vec::with_capacity(largest + 1);
        sums.push(sum);
        for at in 0..largest {
            add_factor(&mut sum, z + at as f64);
            sums.push(sum);
        }
        Self(sums)
    }

    /// The logarithm and its derivatives; `None` beyond the largest `n`.
    pub fn at(&self, n: usize) -> Option<[f64; 3]> {
        self.0.get(n).copied()
    }
}

/// Terms after which a series is taken to have ended.
const TERMS: usize = 200_000;

/// A term so small beside the sum that the rest is below rounding.
const LAST: f64 = 1e-17;

/// `sum over n >= 1 of (d)_n (e + 1)_(n-1) / ((c)_(n-1) n!) z^n` for positive `e + 1` and `c`, `0 <= z < 1`.
///
/// What is left of `2F1(d, e; c - 1; z) - 1` when `e / (c - 1)` is taken out of every term, which is
/// finite where that is not.
pub fn reduced_hypergeometric(d: f64, e: f64, c: f64, z: f64) -> f64 {
    let (mut term, mut sum) = (d * z, d * z);
    for at in 1..TERMS {
        let n = at as f64;
        let ratio = (d + n) * (e + n) / ((c + n - 1.0) * (n + 1.0)) * z;
        term *= ratio;
        sum += term;
        if term == 0.0 || (ratio.abs() < 1.0 && n > -d && term.abs() < LAST * sum.abs() * (1.0 - ratio)) {
            break;
        }
    }
    sum
}

/// Points of Gauss-Legendre quadrature on a panel.
pub const POINTS: usize = 16;

/// Points for what is nearly a polynomial.
const FEW: usize = 6;

/// Positions (from 0 to 1) and weights (which sum to 1) of Gauss-Legendre quadrature.
///
/// Zeros of the Legendre polynomial by Newton's method: Press and others, Numerical Recipes (2007), 4.6.
pub fn gauss() -> &'static [(f64, f64); POINTS] {
    static RULE: OnceLock<[(f64, f64); POINTS]> = OnceLock::new();
    RULE.get_or_init(|| std::array::from_fn(|at| gauss_point(at, POINTS)))
}

/// The same with six points.
pub fn few() -> &'static [(f64, f64); FEW] {
    static RULE: OnceLock<[(f64, f64); FEW]> = OnceLock::new();
    RULE.get_or_init(|| std::array::from_fn(|at| gauss_point(at, FEW)))
}

fn gauss_point(at: usize, points: usize) -> (f64, f64) {
    let n = points as f64;
    let mut x = libm::cos(std::f64::consts::PI * (at as f64 + 0.75) / (n + 0.5));
    let mut slope = 1.0;
    for _ in 0..20 {
        let (mut one, mut two) = (1.0, 0.0);
        for degree in 0..points {
            let degree = degree as f64;
            (one, two) = (((2.0 * degree + 1.0) * x * one - degree * two) / (degree + 1.0), one);
        }
        slope = n * (x * one - two) / (x * x - 1.0);
        x -= one / slope;
    }
    (0.5 * (1.0 - x), 1.0 / ((1.0 - x * x) * slope * slope))
}

/// The chance that a chi-squared variable with 1 or 2 degrees of freedom exceeds a value.
pub fn chi_squared_tail(value: f64, freedom: usize) -> f64 {
    let value = value.max(0.0);
    if freedom == 1 { libm::erfc((0.5 * value).sqrt()) } else { libm::exp(-0.5 * value) }
}

/// The standard normal quantile at 0.975: half the width of a 95 % interval in standard errors.
pub const NORMAL_95: f64 = 1.959_963_984_540_054;

#[cfg(test)]
#[expect(clippy::excessive_precision, reason = "digits as they were published")]
mod tests {
    use super::*;

    fn close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() <= 2e-14 * wanted.abs().max(1.0), "{found} is not {wanted}");
    }

    /// `loggamma`, `digamma` and `psi(1, z)` of mpmath 1.4.1 at 40 digits.
    #[test]
    fn gamma_functions_are_those_of_mpmath() {
        let wanted = [
            (1e-5, [11.512919692895826, -100000.57719921568, 10000000001.64491]),
            (0.2425945, [1.3198094463562368, -4.3584619455183624, 18.198988174693143]),
            (1.0, [0.0, -0.57721566490153286, 1.6449340668482264]),
            (3.7, [1.4280723266653879, 1.1671535393615114, 0.31003785767003832]),
            (11.9, [17.258477450595521, 2.4339335368825375, 0.087663201190004186]),
            (12.1, [17.74700727079874, 2.4513143481743373, 0.086153646470986283]),
            (2468.75, [16812.822959402439, 7.8112646833308401, 0.0004051453403510334]),
        ];
        for (z, [value, first, second]) in wanted {
            let found = log_gamma(z);
            close(found[0], value);
            close(found[1], first);
            close(found[2] / second, 1.0);
        }
    }

    #[test]
    fn rising_factorials_by_factors_tables_and_gamma_functions_agree() {
        for z in [1e-4, 0.25, 3.0, 125.0] {
            let table = Rising::up_to(z, 300);
            for n in [0, 1, 2, 40, 41, 300] {
                let (one, two) = (log_rising(z, n), table.at(n).unwrap());
                let (low, high) = (log_gamma(z), log_gamma(z + n as f64));
                for at in 0..3 {
                    let (size, wanted) = (1.0 + one[at].abs(), high[at] - low[at]);
                    assert!((one[at] - two[at]).abs() < 1e-12 * size, "{z} {n}");
                    assert!((one[at] - wanted).abs() < 1e-12 * size.max(low[at].abs()), "{z} {n}");
                }
            }
        }
    }

    /// The sum itself by mpmath 1.4.1 at 40 digits.
    #[test]
    fn hypergeometric_sums_are_those_of_mpmath() {
        let wanted = [
            (reduced_hypergeometric(1.976, -0.207, 3.218829, 0.9217), 3.5400150418176369),
            (reduced_hypergeometric(-3.4, 0.6, 31.2, 0.6), -1.9663686899777928),
            (reduced_hypergeometric(2.5, 0.0, 4.1, 0.5), 1.6377959569844878),
        ];
        for (found, wanted) in wanted {
            assert!((found - wanted).abs() < 1e-12 * wanted.abs().max(1.0), "{found} is not {wanted}");
        }
    }

    #[test]
    fn quadrature_is_exact_for_polynomials_and_close_for_others() {
        for rule in [gauss().as_slice(), few()] {
            close(rule.iter().map(|(_, weight)| weight).sum(), 1.0);
            close(rule.iter().map(|(at, weight)| weight * at.powi(11)).sum(), 1.0 / 12.0);
        }
        let decay: f64 = gauss().iter().map(|(at, weight)| weight * libm::exp(-3.0 * at)).sum();
        close(3.0 * decay, 1.0 - libm::exp(-3.0));
    }

    /// `pchisq(3.841459, 1, lower.tail = FALSE)` and the definition.
    #[test]
    fn tails_of_chi_squared() {
        assert!((chi_squared_tail(3.841_458_820_694_124, 1) - 0.05).abs() < 1e-12);
        assert!((chi_squared_tail(5.991_464_547_107_979, 2) - 0.05).abs() < 1e-12);
        assert_eq!((chi_squared_tail(-1.0, 1), chi_squared_tail(0.0, 2)), (1.0, 1.0));
    }
}
