//! The seasonal naive forecast: what was seen a season ago is seen again.
//!
//! The baseline that every other method has to beat. Does not know dates.

/// The season that a history can use: the asked-for one, or 1 (the last value) when the history is
/// shorter than it.
pub fn usable_season(values: usize, season: usize) -> usize {
    if season >= 1 && values >= season { season } else { 1 }
}

/// The seasonal naive forecast, `y[n + h] = y[n + h - m * ceil(h / m)]`, for `h` from 1 to `horizon`.
///
/// `history` has shape `(n,)`, the result `(horizon,)`. The season `m` is [`usable_season`]; with
/// 1 it is the naive forecast. An empty history gives zeros. O(horizon).
///
/// Reference: Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 5.2.
pub fn seasonal(history: &[f64], season: usize, horizon: usize) -> Vec<f64> {
    let season = usable_season(history.len(), season);
    let last = history.get(history.len().saturating_sub(season)..).unwrap_or_default();
    if last.is_empty() {
        return vec![0.0; horizon];
    }
    last.iter().copied().cycle().take(horizon).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_the_last_season() {
        let history = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(seasonal(&history, 3, 7), [3.0, 4.0, 5.0, 3.0, 4.0, 5.0, 3.0]);
        assert_eq!(seasonal(&history, 5, 2), [1.0, 2.0]);
    }

    #[test]
    fn repeats_the_last_value_of_a_short_history() {
        assert_eq!(seasonal(&[1.0, 2.0], 3, 3), [2.0, 2.0, 2.0]);
        assert_eq!(seasonal(&[1.0, 2.0], 0, 1), [2.0]);
        assert_eq!(seasonal(&[], 3, 2), [0.0, 0.0]);
        assert!(seasonal(&[1.0], 1, 0).is_empty());
    }
}
