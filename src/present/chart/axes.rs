//! Axes: a frame with round ticks, grid lines and names, its margins taken from the longest label.
//!
//! Knows scales and drawings, no kinds of charts.

use super::drawing::{Anchor, Area, Drawing, Label, PADDING};
use super::scale::{APART, Scale, dates, log_ends, log_ticks, ticks};
use super::text;
use crate::present::format::Unit;
use crate::present::theme::{AXIS, GRID, Rgb, size};

/// Space between a tick label and the frame.
const GAP: f64 = 6.0;

/// Space between a label under a frame and the picture's edge.
const EDGE: f64 = 2.0;

/// An axis of numbers: which ones, and what they are called.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What the values are, with their unit.
    pub name: String,
    /// Tick values, round and ascending.
    pub ticks: Vec<f64>,
    /// Their labels.
    pub labels: Vec<String>,
    /// The values at its ends.
    pub ends: (f64, f64),
    /// Whether equal factors have equal distances.
    pub log: bool,
}

impl Axis {
    /// An axis that covers the values from `low` to `high` with about `count` ticks.
    pub fn linear(name: &str, unit: &Unit, (low, high): (f64, f64), count: f64) -> Self {
        Self::with(name, unit, ticks(low, high, count), false)
    }

    /// The same for whole numbers, between which there is no tick.
    pub fn whole(name: &str, unit: &Unit, (low, high): (f64, f64), count: f64) -> Self {
        Self::linear(name, unit, (low, high), count.min((high - low).max(1.0)))
    }

    /// An axis of powers of ten that ends next to the values, which lie above zero.
    pub fn log(name: &str, unit: &Unit, (low, high): (f64, f64)) -> Self {
        let ends = log_ends(low, high);
        let ticks = log_ticks(ends.0, ends.1);
        let labels = ticks.iter().flat_map(|tick| unit.axis(&[*tick])).collect();
        Self { name: format!("{name}{}, log scale", unit.suffix()), ticks, labels, ends, log: true }
    }

    /// Width of the longest label.
    pub fn widest(&self) -> f64 {
        widest(&self.labels)
    }

    /// The scale that lays it between two pixels.
    pub fn scale(&self, from: f64, to: f64) -> Scale {
        let (low, high) = self.ends;
        if self.log { Scale::log(low, high, from, to) } else { Scale::linear(low, high, from, to) }
    }

    fn with(name: &str, unit: &Unit, ticks: Vec<f64>, log: bool) -> Self {
        let labels = unit.axis(&ticks);
        let ends = ticks.first().copied().zip(ticks.last().copied()).unwrap_or((0.0, 1.0));
        Self { name: format!("{name}{}", unit.suffix()), ticks, labels, ends, log }
    }
}

/// Width of the longest of some labels.
pub fn widest(labels: &[String]) -> f64 {
    labels.iter().map(|label| text::width(label, size::LABEL, false)).fold(0.0, f64::max)
}

/// Starts a frame below what is drawn: the name of the upright axis, and where the frame's top is.
pub fn begin(drawing: &mut Drawing, place: (f64, f64), name: &str) -> f64 {
    let (left, right) = place;
    let top = drawing.height;
    let label = text::fit(&text::clean(name), size::LABEL, false, right - left);
    drawing.put(Label::new(left, top + size::LABEL, label));
    top + 2.2 * size::LABEL
}

/// Draws an upright axis along the left of a frame: labels, grid lines.
pub fn upright(drawing: &mut Drawing, axis: &Axis, frame: Area) -> Scale {
    let scale = axis.scale(frame.bottom, frame.top);
    for (tick, label) in axis.ticks.iter().zip(&axis.labels) {
        let y = scale.at(*tick);
        let color = if *tick == 0.0 { AXIS } else { GRID };
        drawing.line(vec![(frame.left, y), (frame.right, y)], 1.0, color);
        let label = Label::new(frame.left - GAP, y + 0.36 * size::LABEL, label.as_str());
        drawing.put(label.anchored(Anchor::End));
    }
    scale
}

/// Draws a level axis of numbers under a frame; labels that would touch the one before are left out.
pub fn level(drawing: &mut Drawing, axis: &Axis, frame: Area, grid: bool) -> Scale {
    let scale = axis.scale(frame.left, frame.right);
    if grid {
        for tick in &axis.ticks {
            let color = if *tick == 0.0 { AXIS } else { GRID };
            drawing.line(vec![(scale.at(*tick), frame.top), (scale.at(*tick), frame.bottom)], 1.0, color);
        }
    }
    let places = axis.ticks.iter().map(|tick| scale.at(*tick)).zip(axis.labels.iter().cloned());
    under(drawing, places, frame);
    below(drawing, &axis.name, frame);
    scale
}

/// Draws a level axis of dates (days since 1970-01-01) under a frame.
pub fn calendar(drawing: &mut Drawing, (first, last): (i64, i64), frame: Area, name: &str) -> Scale {
    let scale = Scale::linear(first as f64, last as f64, frame.left, frame.right);
    let beyond = (frame.left - EDGE, drawing.width - frame.right - EDGE);
    let ticks = dates(first, last, frame.width(), beyond);
    for (day, _) in &ticks {
        let x = scale.at(*day as f64);
        drawing.line(vec![(x, frame.bottom), (x, frame.bottom + 4.0)], 1.0, AXIS);
    }
    under(drawing, ticks.into_iter().map(|(day, label)| (scale.at(day as f64), label)), frame);
    below(drawing, name, frame);
    scale
}

/// Labels under a frame, moved inwards at the picture's edges and left out where they would touch.
fn under(drawing: &mut Drawing, places: impl Iterator<Item = (f64, String)>, frame: Area) {
    let mut free_from = 0.0;
    for (x, label) in places {
        let half = text::width(&label, size::LABEL, false) / 2.0;
        let x = x.min(drawing.width - half - EDGE).max(half + EDGE);
        if x - half >= free_from {
            free_from = x + half + APART;
            let label = Label::new(x, frame.bottom + GAP + size::LABEL, label);
            drawing.put(label.anchored(Anchor::Middle));
        }
    }
}

/// The name of a level axis, under its labels.
fn below(drawing: &mut Drawing, name: &str, frame: Area) {
    if name.is_empty() {
        drawing.height = frame.bottom + 2.4 * size::LABEL;
        return;
    }
    let y = frame.bottom + 3.2 * size::LABEL;
    let name = text::fit(&text::clean(name), size::LABEL, false, drawing.width - frame.left - PADDING);
    drawing.put(Label::new(frame.left, y, name));
    drawing.height = y + 1.2 * size::LABEL;
}

/// A row of names with their colours, wrapped where the picture ends.
pub fn legend(drawing: &mut Drawing, entries: &[(String, Rgb)]) {
    legend_of(drawing, entries, |drawing, _, color, (x, y)| {
        drawing.rect((x - 5.0, y - 5.0), (x + 5.0, y + 5.0), color);
    });
}

/// A row of names with marks of their own, each drawn around a point.
pub fn legend_of(
    drawing: &mut Drawing,
    entries: &[(String, Rgb)],
    mark: impl Fn(&mut Drawing, usize, Rgb, (f64, f64)),
) {
    let (mut x, mut y) = (PADDING, drawing.height + size::LABEL);
    let room = drawing.width - 2.0 * PADDING - 16.0;
    for (at, (name, color)) in entries.iter().enumerate() {
        let label = text::fit(name, size::LABEL, false, room);
        let long = 16.0 + text::width(&label, size::LABEL, false);
        if x > PADDING && x + long > drawing.width - PADDING {
            (x, y) = (PADDING, y + 1.7 * size::LABEL);
        }
        mark(drawing, at, *color, (x + 5.0, y - 4.0));
        drawing.put(Label::new(x + 16.0, y, label));
        x += long + 16.0;
    }
    drawing.height = y + size::LABEL;
}
