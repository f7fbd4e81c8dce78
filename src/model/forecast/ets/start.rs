//! Where a fit begins: a level, a slope and a season read off the first values.

use super::{Form, Season, State, Trend};
use crate::model::forecast::line;

/// The state that a fit begins with; `None` where the values are too few or don't suit the form.
///
/// A season is what is left of each place when a moving average over a season (or, with fewer than three seasons, a
/// straight line) is taken off; level and slope are a straight line through the first values without it, ten or two
/// seasons of them.
///
/// Reference: Hyndman et al. (2008), section 2.6.1.
pub(super) fn state(form: Form, season: usize, values: &[f64]) -> Option<State> {
    let season = if form.season == Season::None { 1 } else { season };
    if values.len() < 3 || (season > 1 && values.len() < 2 * season) {
        return None;
    }
    let places = if season > 1 { seasonal(form.season, season, values)? } else { Vec::new() };
    let adjusted = |(at, value): (usize, &f64)| match (form.season, places.get(at % season)) {
        (Season::Additive, Some(place)) => value - place,
        (Season::Multiplicative, Some(place)) => value / place.max(0.01),
        _ => *value,
    };
    let first = values.len().min((2 * season).max(10));
    let first: Vec<f64> = values.iter().enumerate().take(first).map(adjusted).collect();
    let (level, slope) = line(&first);
    let state = if form.trend == Trend::None {
        State { level: first.iter().sum::<f64>() / first.len() as f64, slope: 0.0, season: places }
    } else {
        State { level, slope, season: places }
    };
    let positive = !form.is_for_positive_values() || state.level + state.slope > 0.0;
    if positive { Some(state) } else { flat(state, &first) }
}

/// The same without a slope, where one would make the first forecast negative.
fn flat(state: State, first: &[f64]) -> Option<State> {
    let level = first.iter().sum::<f64>() / first.len() as f64;
    (level > 0.0).then_some(State { level, slope: 0.0, ..state })
}

/// What each place of the season has beyond its surroundings, in amounts (sum 0) or factors (mean 1).
fn seasonal(form: Season, season: usize, values: &[f64]) -> Option<Vec<f64>> {
    let around = |at: usize| -> Option<f64> {
        if values.len() < 3 * season {
            return None;
        }
        let half = season / 2;
        let window = values.get(at.checked_sub(half)?..=at + half)?;
        let sum: f64 = window.iter().sum();
        let ends = if season.is_multiple_of(2) { 0.5 * (window.first()? + window.last()?) } else { 0.0 };
        Some((sum - ends) / season as f64)
    };
    let (level, slope) = line(values);
    let short = values.len() < 3 * season;
    let (mut sums, mut counts) = (vec![0.0; season], vec![0.0; season]);
    for (at, value) in values.iter().enumerate() {
        let surroundings = if short { Some(level + slope * (at as f64 + 1.0)) } else { around(at) };
        let Some(surroundings) = surroundings else { continue };
        let beyond = if form == Season::Additive { value - surroundings } else { value / surroundings };
        if let (Some(sum), Some(count)) = (sums.get_mut(at % season), counts.get_mut(at % season)) {
            *sum += beyond;
            *count += 1.0;
        }
    }
    let mut places: Vec<f64> = sums.iter().zip(&counts).map(|(sum, count)| sum / count).collect();
    let mean = places.iter().sum::<f64>() / season as f64;
    for place in &mut places {
        if form == Season::Additive { *place -= mean } else { *place = (*place / mean).max(0.01) }
    }
    if form == Season::Multiplicative {
        let mean = places.iter().sum::<f64>() / season as f64;
        places.iter_mut().for_each(|place| *place /= mean);
    }
    places.iter().all(|place| place.is_finite()).then_some(places)
}
