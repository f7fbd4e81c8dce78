//! The exponential of several numbers side by side, from additions and multiplications alone, so that its bits are the
//! same on every processor; it does not know what they mean.

/// Added and subtracted, it rounds to a whole number and leaves that number in the lowest bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// The two parts of ln 2; a multiple of the first by a number below 2^20 is exact.
const LN_2: (f64, f64) = (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10);

/// Below it the exponential counts as 0: it leaves the range of normal numbers.
const LEAST: f64 = -708.0;

/// `1 / n!` from n = 13 down to 0.
const TERMS: [f64; 14] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
    1.0,
    1.0,
];

/// `e^x` for each `x <= 0`, within 2 units in the last place; 0 below -708 and for minus infinity.
///
/// `x = n ln 2 + r` with `|r| <= ln 2 / 2`; `e^r` by its series to the 13th power, whose rest is below 1e-17.
#[inline(always)]
pub(super) fn exponentials<const N: usize>(values: &mut [f64; N]) {
    for value in values {
        let x = if *value > LEAST { *value } else { LEAST };
        let shifted = x * std::f64::consts::LOG2_E + ROUND;
        let n = shifted - ROUND;
        let r = (x - n * LN_2.0) - n * LN_2.1;
        let mut power = TERMS[0];
        for term in &TERMS[1..] {
            power = power * r + term;
        }
        let scale = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
        *value = if *value > LEAST { power * scale } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::exponentials;

    #[test]
    fn as_good_as_the_library() {
        for step in 0..200_000 {
            let x = -f64::from(step) * 0.003_53;
            let mut found = [x];
            exponentials(&mut found);
            let wanted = libm::exp(x);
            assert!((found[0] - wanted).abs() <= 2.0 * f64::EPSILON * wanted, "{x}: {} {wanted}", found[0]);
        }
    }

    #[test]
    fn the_ends() {
        let mut values = [0.0, -0.0, -708.5, -1e300, f64::NEG_INFINITY];
        exponentials(&mut values);
        assert_eq!(values, [1.0, 1.0, 0.0, 0.0, 0.0]);
    }
}
