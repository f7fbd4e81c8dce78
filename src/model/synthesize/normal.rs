//! The standard normal distribution: density, distribution function, its inverse, and draws from a part of it.

use rand::{Rng, RngExt};

const ROOT_HALF: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// `1 / sqrt(2 pi)`.
const DENSITY_AT_ZERO: f64 = 0.398_942_280_401_432_7;

/// The density at `z`; 0 at infinity.
pub(super) fn density(z: f64) -> f64 {
    DENSITY_AT_ZERO * libm::exp(-0.5 * z * z)
}

/// `P(Z < z)`.
pub(super) fn below(z: f64) -> f64 {
    0.5 * libm::erfc(-z * ROOT_HALF)
}

/// The `z` below which a share `p` lies; infinite at 0 and 1. Relative error about 1e-16.
///
/// Reference: Wichura (1988), Algorithm AS 241: the percentage points of the normal distribution (PPND16).
pub(super) fn quantile(p: f64) -> f64 {
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * polynomial(&CENTRE.0, r) / polynomial(&CENTRE.1, r);
    }
    let r = (-libm::log(if q < 0.0 { p } else { 1.0 - p })).sqrt();
    let z = if r <= 5.0 {
        polynomial(&MIDDLE.0, r - 1.6) / polynomial(&MIDDLE.1, r - 1.6)
    } else {
        polynomial(&TAIL.0, r - 5.0) / polynomial(&TAIL.1, r - 5.0)
    };
    if q < 0.0 { -z } else { z }
}

fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

/// Numerator and denominator, constants first.
type Ratio = ([f64; 8], [f64; 8]);

const CENTRE: Ratio = (
    [
        3.387_132_872_796_366_5,
        1.331_416_678_917_843_8e2,
        1.971_590_950_306_551_3e3,
        1.373_169_376_550_946e4,
        4.592_195_393_154_987e4,
        6.726_577_092_700_87e4,
        3.343_057_558_358_813e4,
        2.509_080_928_730_122_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091e1,
        6.871_870_074_920_579e2,
        5.394_196_021_424_751e3,
        2.121_379_430_158_659_7e4,
        3.930_789_580_009_271e4,
        2.872_908_573_572_194_3e4,
        5.226_495_278_852_854e3,
    ],
);

const MIDDLE: Ratio = (
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
);

const TAIL: Ratio = (
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        5.998_322_065_558_88e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
);

/// A number in `(0, 1)`, both ends left out.
pub(super) fn open(rng: &mut impl Rng) -> f64 {
    // 52 bits in the middle of their cells.
    ((rng.next_u64() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
}

/// A draw.
pub(super) fn draw(rng: &mut impl Rng) -> f64 {
    quantile(open(rng))
}

/// A draw from the part between `low` and `high` of a normal distribution with this mean and deviation.
pub(super) fn draw_between(rng: &mut impl Rng, mean: f64, deviation: f64, (low, high): (f64, f64)) -> f64 {
    if low == high {
        return low;
    }
    let (a, b) = ((low - mean) / deviation, (high - mean) / deviation);
    // In the upper tail the distribution function has no digits left: its mirror image has.
    let (a, b, sign) = if a > 0.0 { (-b, -a, -1.0) } else { (a, b, 1.0) };
    let (from, to) = (below(a), below(b));
    let share: f64 = rng.random();
    let z = quantile(from + (to - from) * share).clamp(a, b);
    let z = if z.is_finite() { z } else { a.max(-40.0).min(b) };
    (mean + deviation * sign * z).clamp(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::random::Streams;

    /// scipy 1.17.1, `norm.ppf` and `norm.cdf`.
    #[test]
    fn agrees_with_scipy() {
        let table = [
            (1e-300, -37.047_096_299_361_2),
            (1e-10, -6.361_340_902_404_056),
            (0.01, -2.326_347_874_040_841),
            (0.2, -0.841_621_233_572_914_3),
            (0.5, 0.0),
            (0.9, 1.281_551_565_544_600_8),
            (0.999_999, 4.753_424_308_817_087),
        ];
        for (p, z) in table {
            assert!((quantile(p) - z).abs() <= 1e-13 * z.abs(), "{p}: {}", quantile(p));
            assert!((below(z) - p).abs() <= 1e-12 * p, "{z}: {}", below(z));
        }
        assert_eq!((quantile(0.0), quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    }

    #[test]
    fn draws_from_a_part_stay_in_it_and_have_its_mean() {
        let mut rng = Streams::new(1, "part").of(0);
        for (low, high, mean) in [
            (1.0, f64::INFINITY, 1.525_135),
            (-0.5, 0.5, 0.0),
            (8.0, 9.0, 8.121_189),
            (-9.0, -8.0, -8.121_189),
        ] {
            let draws: Vec<f64> =
                (0..20_000).map(|_| draw_between(&mut rng, 0.0, 1.0, (low, high))).collect();
            assert!(draws.iter().all(|draw| (low..=high).contains(draw)));
            let found = draws.iter().sum::<f64>() / draws.len() as f64;
            assert!((found - mean).abs() < 0.02, "{low}..{high}: {found}");
        }
        assert_eq!(draw_between(&mut rng, 0.0, 1.0, (2.0, 2.0)), 2.0);
        assert!((45.0..=46.0).contains(&draw_between(&mut rng, 0.0, 1.0, (45.0, 46.0))));
    }
}
