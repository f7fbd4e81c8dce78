//! The mean of a few numbers and an interval for it.

/// A mean and where it may lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean; NaN of no numbers.
    pub mean: f64,
    /// The lower end of the interval; NaN where one number says nothing of how they scatter.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How many numbers there are.
    pub count: usize,
}

/// The mean with its two-sided 95% interval by Student's t: `mean ± t(0.975, n-1) · s / √n`.
pub fn estimate(values: &[f64]) -> Estimate {
    let count = values.len();
    let mean = values.iter().sum::<f64>() / count as f64;
    if count < 2 {
        return Estimate { mean, low: f64::NAN, high: f64::NAN, count };
    }
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    let error = (squares / (count - 1) as f64 / count as f64).sqrt();
    let reach = t_quantile(count - 1) * error;
    Estimate { mean, low: mean - reach, high: mean + reach, count }
}

/// The quantile of Student's t at 0.975 with so many degrees of freedom.
fn t_quantile(freedom: usize) -> f64 {
    let (mut below, mut above) = (0.0, 13.0);
    for _ in 0..60 {
        let middle = 0.5 * (below + above);
        if student_within(middle, freedom) < 0.95 { below = middle } else { above = middle }
    }
    0.5 * (below + above)
}

/// `P(|T| < t)`, finite sums for whole degrees of freedom: Abramowitz and Stegun (1964), 26.7.3 and 26.7.4.
pub fn student_within(t: f64, freedom: usize) -> f64 {
    let angle = libm::atan(t / (freedom as f64).sqrt());
    let (sine, cosine) = (libm::sin(angle), libm::cos(angle));
    let odd = !freedom.is_multiple_of(2);
    let (mut term, mut sum) = if odd { (cosine, 0.0) } else { (1.0, 0.0) };
    let terms = if odd { (freedom - 1) / 2 } else { freedom / 2 };
    for at in 0..terms {
        sum += term;
        let step = (2 * at + if odd { 2 } else { 1 }) as f64;
        term *= step / (step + 1.0) * cosine * cosine;
    }
    if odd { std::f64::consts::FRAC_2_PI * (angle + sine * sum) } else { sine * sum }
}

#[cfg(test)]
mod tests {
    use super::{estimate, t_quantile};

    /// `scipy.stats.t.ppf(0.975, n)` of scipy 1.17.
    #[test]
    fn quantiles_are_those_of_tables() {
        let table = [
            (1, 12.706_204_736),
            (2, 4.302_652_730),
            (3, 3.182_446_305),
            (4, 2.776_445_105),
            (9, 2.262_157_163),
            (30, 2.042_272_456),
            (999, 1.962_341_461),
        ];
        for (freedom, quantile) in table {
            let found = t_quantile(freedom);
            assert!((found - quantile).abs() < 1e-8, "{freedom}: {found} is not {quantile}");
        }
    }

    #[test]
    fn none_one_and_many() {
        assert!(estimate(&[]).mean.is_nan());
        let one = estimate(&[2.0]);
        assert!(one.mean == 2.0 && one.low.is_nan() && one.high.is_nan());
        let same = estimate(&[2.0; 5]);
        assert_eq!((same.mean, same.low, same.high, same.count), (2.0, 2.0, 2.0, 5));
        // s = 1, so the ends are 2 ± 4.3027 / √3.
        let three = estimate(&[1.0, 2.0, 3.0]);
        assert!((three.low - (2.0 - 4.302_652_730 / 3.0_f64.sqrt())).abs() < 1e-8, "{three:?}");
    }
}
