//! Parallel coordinates: every variant of a sweep as a line over its values and its result, the best in colour.

use super::drawing::{Anchor, Area, Drawing, Label, PADDING};
use super::scale::{Scale, extent};
use super::{Chart, text};
use crate::present::chart::axes::Axis;
use crate::present::format::{Unit, counted};
use crate::present::theme::{ACCENT, AXIS, INK, PAPER, REST, size};

/// The part of the variants that is drawn in colour.
const BEST: usize = 10;

/// Height of the lines.
const HEIGHT: f64 = 260.0;

/// Variants beyond this number are left out, the worst first.
const MOST: usize = 500;

/// Variants as lines.
#[derive(Clone, Debug)]
pub struct Parallel {
    /// The title; the finding where there is none.
    pub title: Option<String>,
    /// The swept parameters.
    pub sides: Vec<Side>,
    /// What was to be best.
    pub objective: String,
    /// The results, best first; not finite where a variant failed.
    pub results: Vec<f64>,
}

/// A swept parameter.
#[derive(Clone, Debug)]
pub struct Side {
    /// Its name.
    pub name: String,
    /// Its different values, in their order.
    pub values: Vec<String>,
    /// The number of each variant's value among them; none where it has none.
    pub places: Vec<Option<usize>>,
}

impl Parallel {
    /// Variants that have a result, the best first.
    fn shown(&self) -> Vec<usize> {
        (0..self.results.len()).filter(|at| self.results[*at].is_finite()).take(MOST).collect()
    }

    fn best(&self) -> usize {
        self.shown().len().div_ceil(BEST)
    }

    /// Parameters of which all of the best have one value, with it.
    fn agreed(&self) -> Vec<String> {
        let best: Vec<_> = self.shown().into_iter().take(self.best()).collect();
        let of = |side: &Side| {
            let first = side.places[*best.first()?]?;
            let alike = best.iter().all(|at| side.places[*at] == Some(first)) && side.values.len() > 1;
            alike.then(|| format!("{} {}", last(&side.name), side.values[first]))
        };
        self.sides.iter().filter_map(of).collect()
    }
}

impl Chart for Parallel {
    fn finding(&self) -> String {
        let (count, agreed) = (self.best(), self.agreed());
        match (count, agreed.as_slice()) {
            (0, _) => "No variant has a result".to_owned(),
            (1, [_, ..]) => format!("The best variant has {}", agreed.join(", ")),
            (_, []) => format!("The best {} agree in no parameter", counted(count, "variant", "variants")),
            (_, _) => {
                format!("The best {} all have {}", counted(count, "variant", "variants"), agreed.join(", "))
            }
        }
    }

    fn draw(&self, width: f64) -> Drawing {
        let title = self.title.clone().unwrap_or_else(|| self.finding());
        let shown = self.shown();
        let Some(ends) = extent(shown.iter().map(|at| self.results[*at])) else {
            return Drawing::nothing(width, &title, "There are no results to show.");
        };
        let of = counted(shown.len(), "variant", "variants");
        let subtitle =
            format!("One line a variant, of {of}; those of the best tenth by {} in colour", self.objective);
        let mut drawing = Drawing::titled(width, &title, &subtitle);
        let axis = Axis::linear("", &Unit::Number, ends, 6.0);
        let right = width - PADDING - axis.widest() - 6.0;
        let frame = Area {
            left: PADDING + 6.0,
            top: drawing.height + 44.0,
            right,
            bottom: drawing.height + 44.0 + HEIGHT,
        };
        let scale = axis.scale(frame.bottom, frame.top);
        let x = |side: usize| frame.left + frame.width() * side as f64 / self.sides.len().max(1) as f64;
        let line = |at: usize| {
            let points = self
                .sides
                .iter()
                .enumerate()
                .filter_map(|(number, side)| Some((x(number), y(side, side.places[at]?, frame))));
            points.chain([(frame.right, scale.at(self.results[at]))]).collect::<Vec<_>>()
        };
        let best = self.best();
        for (rank, at) in shown.iter().enumerate().rev() {
            let (thick, color) = if rank < best { (1.8, ACCENT) } else { (1.0, REST.towards(PAPER, 0.45)) };
            drawing.line(line(*at), thick, color);
        }
        let room = frame.width() / self.sides.len().max(1) as f64;
        for (number, side) in self.sides.iter().enumerate() {
            upright(&mut drawing, side, x(number), room, frame);
        }
        result_axis(&mut drawing, &axis, &scale, frame);
        // Above the names of the parameters, which it would meet where it is long.
        let name = text::fit(&text::clean(last(&self.objective)), size::LABEL, true, frame.width() * 0.8);
        let label = Label::new(width - PADDING, frame.top - 28.0, name).bold().colored(INK);
        drawing.put(label.anchored(Anchor::End));
        drawing.height = frame.bottom + PADDING;
        drawing
    }
}

/// Where a value lies on its line.
fn y(side: &Side, place: usize, frame: Area) -> f64 {
    let count = side.values.len().max(1) as f64;
    frame.bottom - (frame.bottom - frame.top) * (place as f64 + 0.5) / count
}

/// The line of a parameter with its name and as many of its values as there is room for.
fn upright(drawing: &mut Drawing, side: &Side, x: f64, room: f64, frame: Area) {
    drawing.line(vec![(x, frame.top), (x, frame.bottom)], 1.0, AXIS);
    let name = text::fit(&text::clean(last(&side.name)), size::LABEL, true, room - 8.0);
    drawing.put(Label::new(x, frame.top - 12.0, name).bold().colored(INK));
    let mut free = f64::INFINITY;
    for (place, value) in side.values.iter().enumerate() {
        let y = y(side, place, frame);
        if y > free {
            continue;
        }
        free = y - 1.5 * size::LABEL;
        let value = text::fit(&text::clean(value), size::LABEL, false, room - 12.0);
        let long = text::width(&value, size::LABEL, false);
        // Paper behind it, so that it can be read over lines.
        drawing.rect((x + 3.0, y - 7.0), (x + 7.0 + long, y + 7.0), PAPER);
        drawing.put(Label::new(x + 5.0, y + 0.36 * size::LABEL, value).colored(INK));
    }
}

fn result_axis(drawing: &mut Drawing, axis: &Axis, scale: &Scale, frame: Area) {
    drawing.line(vec![(frame.right, frame.top), (frame.right, frame.bottom)], 1.0, AXIS);
    for (tick, label) in axis.ticks.iter().zip(&axis.labels) {
        let label = Label::new(frame.right + 6.0, scale.at(*tick) + 0.36 * size::LABEL, label.as_str());
        drawing.put(label);
    }
}

/// The last part of a path.
fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::chart::drawing::legible;
    use crate::present::chart::{NARROW, WIDE};

    fn parallel(variants: usize, sides: usize) -> Parallel {
        let side = |at: usize| Side {
            name: format!("segments.parameter_{at}"),
            values: (0..12).map(|value| format!("a long value {value}")).collect(),
            places: (0..variants)
                .map(|variant| (variant % 7 != 3).then_some((variant * (at + 1)) % 12))
                .collect(),
        };
        Parallel {
            title: None,
            sides: (0..sides).map(side).collect(),
            objective: "segments.silhouette".to_owned(),
            results: (0..variants).map(|at| 1.0 / (at + 1) as f64).collect(),
        }
    }

    #[test]
    fn any_number_of_variants_and_parameters_fits() {
        for (variants, sides) in [(0, 1), (1, 1), (30, 3), (1000, 8)] {
            for width in [WIDE, NARROW] {
                legible::check(&parallel(variants, sides).draw(width));
            }
        }
    }

    #[test]
    fn the_finding_is_what_the_best_share() {
        let mut chart = parallel(20, 2);
        chart.sides[0].places[..2].copy_from_slice(&[Some(4), Some(4)]);
        chart.sides[1].places[..2].copy_from_slice(&[Some(1), Some(2)]);
        assert_eq!(chart.finding(), "The best 2 variants all have parameter_0 a long value 4");
        chart.sides[0].places[1] = None;
        assert_eq!(chart.finding(), "The best 2 variants agree in no parameter");
        assert_eq!(parallel(0, 1).finding(), "No variant has a result");
    }
}
