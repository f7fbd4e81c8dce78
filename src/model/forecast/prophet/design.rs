//! The columns of a model: what trend and seasons are made of, day by day.

use std::f64::consts::TAU;

use super::{Cycle, Growth, Options, Scaling, Seasons};

/// How days and values become numbers to fit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Design {
    first: f64,
    span: f64,
    floor: f64,
    scale: f64,
    growth: Growth,
    seasons: Seasons,
    cycles: Vec<Cycle>,
    holidays: Vec<Vec<f64>>,
    /// Where the slope may change, as parts of the span.
    changes: Vec<f64>,
}

impl Design {
    pub fn new(days: &[f64], values: &[f64], options: &Options) -> Option<Self> {
        let (first, last) = (*days.first()?, *days.last()?);
        let span = last - first;
        if span <= 0.0 || days.len() != values.len() {
            return None;
        }
        let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::NEG_INFINITY, f64::max);
        let (floor, scale) = match options.scaling {
            Scaling::AbsMax => (0.0, largest(&mut values.iter().map(|value| value.abs()))),
            Scaling::MinMax => {
                let floor = -largest(&mut values.iter().map(|value| -value));
                (floor, largest(&mut values.iter().copied()) - floor)
            }
        };
        let scale = if scale > 0.0 { scale } else { 1.0 };
        let changes =
            if options.growth == Growth::Flat { Vec::new() } else { changes(days, options, first, span) };
        Some(Self {
            first,
            span,
            floor,
            scale,
            growth: options.growth,
            seasons: options.seasons,
            cycles: options.cycles.clone(),
            holidays: options.holidays.clone(),
            changes,
        })
    }

    /// How many changes the slope may have.
    pub fn changes(&self) -> usize {
        self.changes.len()
    }

    /// The trend's columns on a day: time, one, and the time since each change, where that has been; of a flat trend, one alone.
    pub fn trend(&self, day: f64) -> Vec<f64> {
        let time = (day - self.first) / self.span;
        match self.growth {
            Growth::Flat => vec![1.0],
            Growth::Linear => {
                let since = self.changes.iter().map(|change| (time - change).max(0.0));
                [time, 1.0].into_iter().chain(since).collect()
            }
        }
    }

    /// The seasons' columns on a day, sine and cosine in turn, then one for each list of holidays.
    pub fn seasonal(&self, day: f64) -> Vec<f64> {
        let waves = self.cycles.iter().flat_map(|cycle| {
            (1..=cycle.order).flat_map(move |order| {
                let (sine, cosine) = libm::sincos(TAU * order as f64 * day / cycle.period);
                [sine, cosine]
            })
        });
        let special = self.holidays.iter().map(|days| f64::from(u8::from(days.contains(&day))));
        waves.chain(special).collect()
    }

    /// A scaled value of its parts.
    pub fn together(&self, trend: f64, seasonal: f64) -> f64 {
        match self.seasons {
            Seasons::Additive => trend + seasonal,
            Seasons::Multiplicative => trend * (1.0 + seasonal),
        }
    }

    pub fn scaled(&self, value: f64) -> f64 {
        (value - self.floor) / self.scale
    }

    pub fn unscaled(&self, value: f64) -> f64 {
        value * self.scale + self.floor
    }
}

/// Days of the history at even distances, as Prophet picks them; the first day is none.
fn changes(days: &[f64], options: &Options, first: f64, span: f64) -> Vec<f64> {
    // Positions are far below 2^53; the rounding is NumPy's, half to even.
    let known = (days.len() as f64 * options.range).floor();
    let count = options.changepoints.min((known - 1.0).max(0.0) as usize);
    let place = |number: usize| ((known - 1.0) * number as f64 / count as f64).round_ties_even() as usize;
    (1..=count).filter_map(|number| Some((days.get(place(number))? - first) / span)).collect()
}
