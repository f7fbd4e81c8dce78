//! Series that are 0 most of the time: how much is asked for when something is, and how often that is.
//!
//! Knows values alone, no dates.

/// How often something is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Croston: by the gaps between demands; nothing changes while there are none.
    Croston,
    /// Teunter, Syntetos and Babai: by a chance that falls with each period without demand, so that
    /// what has gone out of use is forecast less and less.
    Tsb,
}

/// Smoothing of Croston's amounts and gaps, the value of his paper.
const CROSTON: f64 = 0.1;
/// Smoothing of TSB's amounts and chances.
const TSB: f64 = 0.2;

/// The forecast of an intermittent series: the same value for every period ahead.
///
/// `history` has shape `(n,)`, values of 0 are periods without demand. A history without any demand is forecast as 0.
/// Croston: smoothed amount over smoothed gap; TSB: smoothed amount times smoothed chance. Smoothing begins with the first
/// demand (Croston) or the first period (TSB). O(n).
///
/// References: Croston (1972), Forecasting and stock control for intermittent demands; Teunter, Syntetos and Babai (2011).
pub fn forecast(way: Way, history: &[f64]) -> f64 {
    match way {
        Way::Croston => croston(history),
        Way::Tsb => tsb(history),
    }
}

fn croston(history: &[f64]) -> f64 {
    let mut known: Option<(f64, f64)> = None;
    let mut gap = 0.0;
    for value in history {
        gap += 1.0;
        if *value != 0.0 {
            let smooth = |(amount, between): (f64, f64)| {
                (amount + CROSTON * (value - amount), between + CROSTON * (gap - between))
            };
            known = Some(known.map_or((*value, gap), smooth));
            gap = 0.0;
        }
    }
    known.map_or(0.0, |(amount, between)| amount / between)
}

fn tsb(history: &[f64]) -> f64 {
    let mut amount: Option<f64> = None;
    let mut chance: Option<f64> = None;
    for value in history {
        let asked = f64::from(u8::from(*value != 0.0));
        chance = Some(chance.map_or(asked, |chance| chance + TSB * (asked - chance)));
        if *value != 0.0 {
            amount = Some(amount.map_or(*value, |amount| amount + TSB * (value - amount)));
        }
    }
    amount.unwrap_or(0.0) * chance.unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `CrostonClassic()` and `TSB(0.2, 0.2)` of statsforecast 2.1.1.
    #[test]
    fn as_statsforecast_has_them() {
        let demand = [0.0, 0.0, 3.0, 0.0, 4.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 5.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        assert!((forecast(Way::Croston, &demand) - 1.058_331_26).abs() < 1e-8);
        assert!((forecast(Way::Tsb, &demand) - 0.589_156_34).abs() < 1e-8);
    }

    #[test]
    fn without_demand_there_is_none_to_come() {
        for way in [Way::Croston, Way::Tsb] {
            assert_eq!(forecast(way, &[0.0; 9]), 0.0);
            assert_eq!(forecast(way, &[]), 0.0);
        }
        assert_eq!(forecast(Way::Croston, &[0.0, 6.0]), 3.0);
    }

    /// Croston's forecast stays when demand ends; the other one falls.
    #[test]
    fn what_has_gone_out_of_use_fades() {
        let short = [2.0, 2.0, 0.0];
        let long = [2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(forecast(Way::Croston, &short), forecast(Way::Croston, &long));
        assert!(forecast(Way::Tsb, &long) < 0.5 * forecast(Way::Tsb, &short));
    }
}
