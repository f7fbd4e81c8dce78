//! A series taken apart into a season and the rest, in the classical way.
//!
//! Doesn't know how the rest is forecast.

/// How a season enters the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As amounts that are added.
    Additive,
    /// As factors.
    Multiplicative,
}

/// A season: what each of its places adds to, or multiplies, the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Seasonal {
    /// How it enters.
    pub kind: Kind,
    /// One value for each place, beginning with that of a series' first value; sum 0, or mean 1.
    pub places: Vec<f64>,
}

/// The probability, one-sided, that [`is_seasonal`] asks for: that of R's `thetaf`.
const NORMAL_95: f64 = 1.644_853_626_951_472_7;

/// Whether a series repeats itself after a season of `season` values: its autocorrelation at that lag lies more than 1.645
/// standard errors (Bartlett's) from 0. Never where there aren't more than two seasons, or all values are equal. O(n season).
///
/// Reference: Assimakopoulos and Nikolopoulos (2000); the test as in R's `forecast::thetaf`.
pub fn is_seasonal(values: &[f64], season: usize) -> bool {
    let n = values.len();
    if season < 2 || n <= 2 * season {
        return false;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let gaps: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let whole: f64 = gaps.iter().map(|gap| gap * gap).sum();
    if whole <= 0.0 || !whole.is_finite() {
        return false;
    }
    let correlation = |lag: usize| {
        let late = gaps.iter().skip(lag);
        gaps.iter().zip(late).map(|(early, late)| early * late).sum::<f64>() / whole
    };
    let squares: f64 = (1..season).map(|lag| correlation(lag) * correlation(lag)).sum();
    correlation(season).abs() / ((1.0 + 2.0 * squares) / n as f64).sqrt() > NORMAL_95
}

impl Seasonal {
    /// The season of a series by classical decomposition: the mean, place by place, of what the values have beyond a moving
    /// average over one season. `None` with fewer than two seasons, or where factors aren't all above 0.0001. O(n).
    ///
    /// Reference: R's `stats::decompose`.
    pub fn of(values: &[f64], season: usize, kind: Kind) -> Option<Self> {
        if season < 2 || values.len() < 2 * season {
            return None;
        }
        let (half, even) = (season / 2, season.is_multiple_of(2));
        let (mut sums, mut counts) = (vec![0.0; season], vec![0.0; season]);
        for (at, value) in values.iter().enumerate().take(values.len() - half).skip(half) {
            let window = values.get(at - half..=at + half)?;
            let ends = if even { 0.5 * (window.first()? + window.last()?) } else { 0.0 };
            let average = (window.iter().sum::<f64>() - ends) / season as f64;
            *sums.get_mut(at % season)? += match kind {
                Kind::Additive => value - average,
                Kind::Multiplicative => value / average,
            };
            *counts.get_mut(at % season)? += 1.0;
        }
        let mut places: Vec<f64> = sums.iter().zip(&counts).map(|(sum, count)| sum / count).collect();
        let mean = places.iter().sum::<f64>() / season as f64;
        for place in &mut places {
            match kind {
                Kind::Additive => *place -= mean,
                Kind::Multiplicative => *place /= mean,
            }
        }
        let usable = |place: &f64| place.is_finite() && (kind == Kind::Additive || *place >= 1e-4);
        places.iter().all(usable).then_some(Self { kind, places })
    }

    /// Values without the season; the first one has the position 0.
    pub fn adjust(&self, values: &[f64]) -> Vec<f64> {
        let one = |(at, value): (usize, &f64)| match self.kind {
            Kind::Additive => value - self.place(at),
            Kind::Multiplicative => value / self.place(at),
        };
        values.iter().enumerate().map(one).collect()
    }

    /// Values with the season; the first one has the position `from`.
    pub fn restore(&self, values: &[f64], from: usize) -> Vec<f64> {
        let one = |(at, value): (usize, &f64)| match self.kind {
            Kind::Additive => value + self.place(from + at),
            Kind::Multiplicative => value * self.place(from + at),
        };
        values.iter().enumerate().map(one).collect()
    }

    fn place(&self, at: usize) -> f64 {
        self.places.get(at % self.places.len().max(1)).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::forecast::scores::tests::AIR_PASSENGERS;

    /// `seasonal_decompose(x, model="multiplicative", period=12)` of statsmodels 0.15.0 and, the same, R's `decompose`.
    #[test]
    fn airline_passengers() {
        let seasonal = Seasonal::of(&AIR_PASSENGERS, 12, Kind::Multiplicative).unwrap();
        #[rustfmt::skip]
        let published = [
            0.9102303674, 0.8836253207, 1.0073662876, 0.9759060123, 0.9813780275, 1.1127758267,
            1.2265555429, 1.2199109694, 1.0604919326, 0.9217572404, 0.8011780824, 0.8988243900,
        ];
        for (place, published) in seasonal.places.iter().zip(published) {
            assert!((place - published).abs() < 1e-9, "{:?}", seasonal.places);
        }
        let adjusted = seasonal.adjust(&AIR_PASSENGERS);
        for (one, other) in seasonal.restore(&adjusted, 0).iter().zip(AIR_PASSENGERS) {
            assert!((one - other).abs() < 1e-9);
        }
        let additive = Seasonal::of(&AIR_PASSENGERS, 12, Kind::Additive).unwrap();
        assert!((additive.places[0] - (-24.7487373737)).abs() < 1e-9, "{:?}", additive.places);
        assert!(additive.places.iter().sum::<f64>().abs() < 1e-9);
    }

    #[test]
    fn a_season_must_show() {
        assert!(is_seasonal(&AIR_PASSENGERS, 12));
        assert!(!is_seasonal(&AIR_PASSENGERS[..24], 12));
        assert!(!is_seasonal(&[4.0; 60], 12));
        let noise: Vec<f64> = (0_u32..60).map(|at| f64::from(at.wrapping_mul(2_654_435_761) >> 20)).collect();
        assert!(!is_seasonal(&noise, 7));
    }

    #[test]
    fn too_little_or_too_near_zero() {
        assert_eq!(Seasonal::of(&[1.0; 7], 4, Kind::Additive), None);
        assert_eq!(Seasonal::of(&[1.0; 7], 1, Kind::Additive), None);
        let gone: Vec<f64> = (0..16).map(|at| f64::from(at % 4)).collect();
        assert_eq!(Seasonal::of(&gone, 4, Kind::Multiplicative), None);
        assert!(Seasonal::of(&gone, 4, Kind::Additive).is_some());
    }
}
