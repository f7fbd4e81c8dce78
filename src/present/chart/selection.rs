//! Selection curves: how well each number of segments does, one small panel a measure.

use super::axes::{Axis, begin, level, upright};
use super::drawing::{Area, Drawing, PADDING};
use super::scale::extent;
use super::{Chart, text};
use crate::present::format::{Unit, fixed, sentence};
use crate::present::theme::{ACCENT, MAIN};

/// A measure for each number of segments.
#[derive(Clone, Debug)]
pub struct Curve {
    /// What it is, with what is better: `silhouette (higher is better)`.
    pub name: String,
    /// The values in the order of the numbers of segments.
    pub values: Vec<f64>,
}

/// Measures over numbers of segments.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The title; the finding where there is none.
    pub title: Option<String>,
    /// Numbers of segments, ascending.
    pub numbers: Vec<f64>,
    /// The measures; the first one is the one that the title speaks of.
    pub curves: Vec<Curve>,
    /// The number of segments in use.
    pub chosen: Option<f64>,
}

impl Chart for Selection {
    fn finding(&self) -> String {
        let Some(curve) = self.curves.first() else { return "No measures".to_owned() };
        let name = curve.name.split(" (").next().unwrap_or_default();
        let best =
            super::bars::greatest(&curve.values).and_then(|(at, top)| Some((*self.numbers.get(at)?, top)));
        match (best, self.chosen) {
            (Some((k, top)), _) if self.numbers.len() == 1 => {
                sentence(&format!("{name} {} with {k} segments", fixed(top, 3)))
            }
            (None, _) => "No measures".to_owned(),
            (Some((k, top)), Some(chosen)) if chosen != k => {
                let own = self.numbers.iter().zip(&curve.values).find(|(number, _)| **number == chosen);
                let own = own.map_or_else(String::new, |(_, value)| {
                    format!("; at {chosen}, in use, {}", fixed(*value, 3))
                });
                format!("Best separated at {k} segments: {name} {}{own}", fixed(top, 3))
            }
            (Some((k, top)), _) => format!("Best separated at {k} segments: {name} {}", fixed(top, 3)),
        }
    }

    fn draw(&self, width: f64) -> Drawing {
        let title = self.title.clone().unwrap_or_else(|| self.finding());
        let drawable = |curve: &&Curve| curve.values.iter().any(|value| value.is_finite());
        let curves: Vec<_> = self.curves.iter().filter(drawable).take(6).collect();
        if curves.is_empty() {
            return Drawing::nothing(width, &title, "There are no measures to show.");
        }
        let note = if self.chosen.is_some() { "The dot marks the number in use" } else { "" };
        let mut drawing = Drawing::titled(width, &title, note);
        let columns = if width < 560.0 { 1 } else { curves.len().min(3) };
        let wide = (width - 2.0 * PADDING - 20.0 * (columns as f64 - 1.0)) / columns as f64;
        for row in curves.chunks(columns) {
            let top = drawing.height;
            for (column, curve) in row.iter().enumerate() {
                let left = PADDING + column as f64 * (wide + 20.0);
                drawing.height = top;
                self.panel(&mut drawing, curve, Area { left, top, right: left + wide, bottom: top + 150.0 });
            }
            drawing.height += 4.0;
        }
        drawing
    }
}

impl Selection {
    fn panel(&self, drawing: &mut Drawing, curve: &Curve, place: Area) {
        let points: Vec<_> = self.numbers.iter().copied().zip(curve.values.iter().copied()).collect();
        let points: Vec<_> =
            points.into_iter().filter(|(k, value)| k.is_finite() && value.is_finite()).collect();
        let (Some(x), Some((low, high))) =
            (extent(points.iter().map(|p| p.0)), extent(points.iter().map(|p| p.1)))
        else {
            return;
        };
        let low = if low > 0.0 { 0.0 } else { low };
        let axis = Axis::linear(&text::clean(&curve.name), &Unit::Number, (low, high), 4.0);
        let top = begin(drawing, (place.left, place.right), &axis.name);
        let frame = Area { left: place.left + axis.widest() + 6.0, top, ..place };
        let y = upright(drawing, &axis, frame);
        let inner = Area { left: frame.left + 10.0, right: frame.right - 8.0, ..frame };
        let x = level(drawing, &numbers_axis(x), inner, false);
        let path: Vec<_> = points.iter().map(|(k, value)| (x.at(*k), y.at(*value))).collect();
        path.iter().for_each(|point| drawing.dot(*point, 2.0, MAIN, 1.0));
        drawing.line(path, 1.75, MAIN);
        for (k, value) in points.iter().filter(|(k, _)| Some(*k) == self.chosen) {
            drawing.dot((x.at(*k), y.at(*value)), 5.0, ACCENT, 1.0);
        }
    }
}

/// An axis with a tick at whole numbers only.
fn numbers_axis((low, high): (f64, f64)) -> Axis {
    let step = ((high - low) / 8.0).ceil().max(1.0);
    let mut ticks = vec![low];
    while let Some(next) =
        ticks.last().map(|last| last + step).filter(|next| *next <= high && ticks.len() < 32)
    {
        ticks.push(next);
    }
    let labels = ticks.iter().map(|tick| fixed(*tick, 0)).collect();
    let mut axis = Axis { name: "segments".to_owned(), ticks, labels, ends: (low, high), log: false };
    if axis.ticks.last() != Some(&high) {
        axis.ticks.push(high);
        axis.labels.push(String::new());
    }
    axis
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::chart::drawing::legible;
    use crate::present::chart::{NARROW, WIDE};

    fn selection(values: &[f64], chosen: Option<f64>) -> Selection {
        let curve = |name: &str, factor: f64| Curve {
            name: name.to_owned(),
            values: values.iter().map(|value| value * factor).collect(),
        };
        Selection {
            title: None,
            numbers: (2..2 + values.len()).map(|k| k as f64).collect(),
            curves: vec![
                curve("silhouette (higher is better)", 1.0),
                curve("Davies-Bouldin", 4.0),
                curve("inertia", 1e12),
            ],
            chosen,
        }
    }

    #[test]
    fn the_finding_names_the_best_and_the_one_in_use() {
        let chart = selection(&[0.249, 0.292, 0.3, 0.268], Some(5.0));
        assert_eq!(chart.finding(), "Best separated at 4 segments: silhouette 0.300; at 5, in use, 0.268");
        assert_eq!(
            selection(&[0.2, 0.1], Some(2.0)).finding(),
            "Best separated at 2 segments: silhouette 0.200"
        );
        assert_eq!(selection(&[], None).finding(), "No measures");
    }

    #[test]
    fn few_and_many_numbers_fit() {
        let many: Vec<_> = (0..60).map(|at| 0.3 - f64::from(at) / 100.0).collect();
        for values in [&many[..], &many[..1], &many[..2], &[f64::NAN, 0.2], &[]] {
            for width in [WIDE, NARROW] {
                legible::check(&selection(values, Some(3.0)).draw(width));
            }
        }
    }
}
