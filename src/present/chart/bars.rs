//! Bars: one or more measures for each of some names, with the value at each bar's end.
//!
//! The bars lie, so that names are read without turning the head and any number of them fits.
//! Measures that can't be set against each other have a scale of their own each, from a common zero.

use super::Chart;
use super::axes::{legend, widest};
use super::drawing::{Anchor, Drawing, Label, PADDING};
use super::scale::{Scale, extent};
use super::text;
use crate::present::format::{Unit, percent, sentence};
use crate::present::theme::{self, AXIS, INK, PAPER, REST, Rgb, size};

/// Names beyond this number are left out, and the subtitle says so.
const MOST: usize = 40;

/// Height of a line of a name.
const LINE: f64 = 1.2 * size::LABEL;

/// The largest value of a measure over that of another, beyond which the other's bars couldn't be
/// seen on the same scale.
const APART: f64 = 20.0;

/// One value a name.
#[derive(Clone, Debug)]
pub struct Measure {
    /// What it is: `customers`.
    pub name: String,
    /// What its values count.
    pub unit: Unit,
    /// The values in the order of the names; one that isn't finite has no bar.
    pub values: Vec<f64>,
}

/// Values by name.
#[derive(Clone, Debug, Default)]
pub struct Bars {
    /// The title; the finding where there is none.
    pub title: Option<String>,
    /// The names, from the top.
    pub names: Vec<String>,
    /// One or more measures.
    pub measures: Vec<Measure>,
    /// Whether the values of all names make a meaningful total.
    pub additive: bool,
    /// The name to draw attention to; all of them where there is none.
    pub focus: Option<usize>,
    /// The intervals of the first measure's values, drawn as whiskers; one that isn't finite has none.
    pub intervals: Vec<(f64, f64)>,
}

impl Chart for Bars {
    fn finding(&self) -> String {
        let Some((at, top)) = self.measures.last().and_then(|measure| greatest(&measure.values)) else {
            return "No values".to_owned();
        };
        let name = text::brief(self.names.get(at).map_or("", String::as_str));
        match self.measures.as_slice() {
            [one] if one.unit == Unit::Percent => {
                format!("{name}: {} of {}", one.unit.short(top), one.name)
            }
            [one] => {
                let most = if self.additive { "Most" } else { "Highest" };
                format!("{most} {}: {name}, {}{}", one.name, one.unit.short(top), self.part(top))
            }
            many => {
                let value = |measure: &Measure| measure.values.get(at).copied().unwrap_or(f64::NAN);
                let of = |measure: &Measure| match measure.unit {
                    Unit::Percent => format!("{} of {}", measure.unit.short(value(measure)), measure.name),
                    _ => format!("{} {}", measure.name, measure.unit.short(value(measure))),
                };
                format!("{name}: {}", many.iter().map(of).collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn draw(&self, width: f64) -> Drawing {
        let title = self.title.clone().unwrap_or_else(|| self.finding());
        let sizes = self.sizes();
        let lengths = self.measures.iter().zip(&sizes).flat_map(|(measure, size)| lengths(measure, *size));
        let whiskers = (0..self.names.len().min(MOST)).filter_map(|at| self.whisker(at, &sizes));
        let Some((low, high)) = extent(lengths.chain(whiskers.flat_map(|(low, high)| [low, high]))) else {
            return Drawing::nothing(width, &title, "There are no values to show.");
        };
        let mut drawing = Drawing::titled(width, &title, &self.subtitle());
        if self.measures.len() > 1 {
            let color = |at| if at == 0 { theme::MAIN } else { theme::series(at) };
            let entries =
                self.measures.iter().enumerate().map(|(at, measure)| (text::clean(&measure.name), color(at)));
            legend(&mut drawing, &entries.collect::<Vec<_>>());
        }
        self.rows(&mut drawing, (low.min(0.0), high.max(0.0)), &sizes);
        drawing.height += PADDING;
        drawing
    }
}

impl Bars {
    fn part(&self, value: f64) -> String {
        let values = self.measures.first().map_or(&[][..], |measure| &measure.values);
        let total: f64 = values.iter().filter(|value| value.is_finite()).sum();
        let shares =
            self.additive && total > 0.0 && values.len() > 1 && values.iter().all(|value| *value >= 0.0);
        if shares { format!(" ({} of all)", percent(value / total)) } else { String::new() }
    }

    /// Whether all measures count the same.
    fn alike(&self) -> bool {
        self.measures.iter().zip(self.measures.iter().skip(1)).all(|(one, next)| one.unit == next.unit)
    }

    /// Whether each measure has a scale of its own: they count different things, or the bars of one
    /// couldn't be seen beside those of another.
    fn own_scales(&self) -> bool {
        let largest = self.measures.iter().map(largest).filter(|size| *size > 0.0);
        let far = extent(largest).is_some_and(|(low, high)| high / low > APART);
        !self.alike() || far && self.measures.iter().all(|measure| measure.unit != Unit::Percent)
    }

    /// What each measure's values are divided by to become lengths.
    fn sizes(&self) -> Vec<f64> {
        let own = self.own_scales();
        let size = |measure| if own { Some(largest(measure)).filter(|size| *size > 0.0) } else { None };
        self.measures.iter().map(|measure| size(measure).unwrap_or(1.0)).collect()
    }

    fn subtitle(&self) -> String {
        let rest = self.names.len().saturating_sub(MOST);
        let cut =
            if rest > 0 { format!("; the first {MOST} of {}", self.names.len()) } else { String::new() };
        let names = self.counted();
        // A metric such as `segments.silhouette` is a name, not the start of a sentence.
        let names = if names.contains('.') { names } else { sentence(&names) };
        let own = if self.own_scales() { ", each on a scale of its own" } else { "" };
        let finite = |(low, high): &(f64, f64)| low.is_finite() && high.is_finite();
        let whiskers = if self.intervals.iter().any(finite) { ", with intervals" } else { "" };
        format!("{names}{whiskers}{own}{cut}")
    }

    /// What the bars count, with units: once where all have the same.
    fn counted(&self) -> String {
        let share = |unit: &Unit| if *unit == Unit::Percent { "share of " } else { "" };
        let unit = self.measures.first().map(|measure| measure.unit.clone()).unwrap_or_default();
        if self.alike() {
            let names: Vec<_> = self.measures.iter().map(|measure| measure.name.as_str()).collect();
            return format!("{}{}{}", share(&unit), names.join(" and "), unit.suffix());
        }
        let one = |Measure { name, unit, .. }: &Measure| format!("{}{name}{}", share(unit), unit.suffix());
        self.measures.iter().map(one).collect::<Vec<_>>().join(" and ")
    }

    fn rows(&self, drawing: &mut Drawing, (low, high): (f64, f64), sizes: &[f64]) {
        let names = self.names.iter().take(MOST).map(|name| text::clean(name));
        // Two bars leave the height for a name of two lines.
        let (lines, room) = if self.measures.len() > 1 { (2, 0.36) } else { (1, 0.42) };
        let room = drawing.width * room;
        let names: Vec<_> = names.map(|name| text::wrap(&name, size::LABEL, false, room, lines)).collect();
        let texts: Vec<_> = self.measures.iter().map(|measure| measure.unit.alike(&measure.values)).collect();
        let margin = texts.iter().map(|texts| widest(texts)).fold(0.0, f64::max) + 8.0;
        let left = PADDING + widest(&names.concat()) + 8.0;
        let from = left + if low < 0.0 { margin } else { 0.0 };
        let scale = Scale::linear(low, high, from, (drawing.width - PADDING - margin).max(from + 1.0));
        let top = drawing.height + 4.0;
        drawing.height = top;
        for (at, lines) in names.into_iter().enumerate() {
            let (thick, gap) = if self.measures.len() > 1 { (12.0, 8.0) } else { (18.0, 7.0) };
            let high = thick * self.measures.len() as f64;
            let middle = drawing.height + (gap + high) / 2.0;
            let first = middle - LINE * (lines.len() as f64 - 1.0) / 2.0;
            for (line, text) in lines.into_iter().enumerate() {
                let label = Label::new(left - 8.0, first + LINE * line as f64 + 0.36 * size::LABEL, text);
                drawing.put(label.anchored(Anchor::End).colored(INK));
            }
            let texts = texts.iter().map(|texts| texts.get(at).map_or("", String::as_str));
            let texts = texts.zip(sizes.iter().copied());
            let whisker = self.whisker(at, sizes);
            self.bars(drawing, at, (drawing.height + gap / 2.0, thick), (&scale, whisker), texts);
            drawing.height += gap + high;
        }
        drawing.line(vec![(scale.at(0.0), top), (scale.at(0.0), drawing.height)], 1.0, AXIS);
    }

    /// The ends of the first measure's interval of a name, as lengths.
    fn whisker(&self, at: usize, sizes: &[f64]) -> Option<(f64, f64)> {
        let size = sizes.first()?;
        let (low, high) = self.intervals.get(at)?;
        let ends = (low / size, high / size);
        let there = self.measures.first()?.values.get(at)?.is_finite();
        (there && ends.0.is_finite() && ends.1.is_finite()).then_some(ends)
    }

    /// The bars of one name, each with its value at its end, or behind its whisker.
    fn bars<'a>(
        &self,
        drawing: &mut Drawing,
        at: usize,
        (top, thick): (f64, f64),
        (scale, whisker): (&Scale, Option<(f64, f64)>),
        texts: impl Iterator<Item = (&'a str, f64)>,
    ) {
        for ((place, measure), (text, size)) in self.measures.iter().enumerate().zip(texts) {
            let value = measure.values.get(at).copied().unwrap_or(f64::NAN) / size;
            let y = top + thick * place as f64;
            let (zero, end) = (scale.at(0.0), scale.at(if value.is_finite() { value } else { 0.0 }));
            drawing.rect((zero, y + 1.0), (end, y + thick - 1.0), self.color(at, place));
            let (anchor, gap) = if value < 0.0 { (Anchor::End, -5.0) } else { (Anchor::Start, 5.0) };
            let ends = whisker.filter(|_| place == 0).map(|(low, high)| (scale.at(low), scale.at(high)));
            let end = match ends {
                Some((low, _)) if value < 0.0 => end.min(low),
                Some((_, high)) => end.max(high),
                None => end,
            };
            ends.iter().for_each(|ends| whiskers(drawing, *ends, y + thick / 2.0, thick / 4.0));
            let label = Label::new(end + gap, y + thick / 2.0 + 0.36 * size::LABEL, text);
            drawing.put(label.anchored(anchor).colored(INK));
        }
    }

    fn color(&self, at: usize, place: usize) -> Rgb {
        match self.focus {
            Some(focus) if focus != at => REST,
            _ => theme::series(place),
        }
    }
}

/// An interval with caps at its ends, bright at its edge so that it is seen on a dark bar.
fn whiskers(drawing: &mut Drawing, (low, high): (f64, f64), middle: f64, cap: f64) {
    let lines = [
        vec![(low, middle), (high, middle)],
        vec![(low, middle - cap), (low, middle + cap)],
        vec![(high, middle - cap), (high, middle + cap)],
    ];
    for (width, color) in [(3.5, PAPER), (1.5, INK)] {
        lines.iter().for_each(|line| drawing.line(line.clone(), width, color));
    }
}

/// The lengths of a measure's bars.
fn lengths(measure: &Measure, size: f64) -> impl Iterator<Item = f64> {
    measure.values.iter().take(MOST).map(move |value| value / size)
}

/// The largest size of a measure's finite values.
fn largest(measure: &Measure) -> f64 {
    lengths(measure, 1.0).filter(|value| value.is_finite()).fold(0.0, |top, value| value.abs().max(top))
}

/// The first of the greatest finite values with its place.
pub fn greatest(values: &[f64]) -> Option<(usize, f64)> {
    let finite = values.iter().copied().enumerate().filter(|(_, value)| value.is_finite());
    finite.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::chart::drawing::{Shape, legible};
    use crate::present::chart::{NARROW, WIDE};

    fn bars(names: &[&str], values: &[f64]) -> Bars {
        Bars {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            measures: vec![measure("customers", Unit::Number, values)],
            additive: true,
            ..Bars::default()
        }
    }

    fn measure(name: &str, unit: Unit, values: &[f64]) -> Measure {
        Measure { name: name.to_owned(), unit, values: values.to_vec() }
    }

    /// The widths of all bars in their order.
    fn widths(chart: &Bars) -> Vec<f64> {
        let shapes = chart.draw(WIDE).shapes;
        let bar = |shape| match shape {
            Shape::Rect(_, _, wide, high, _) if high == 10.0 && wide != 10.0 => Some(wide),
            _ => None,
        };
        shapes.into_iter().filter_map(bar).collect()
    }

    #[test]
    fn measures_of_different_units_have_a_scale_of_their_own() {
        let euro = Unit::Money("€".to_owned());
        let mut chart = bars(&["a", "b"], &[]);
        chart.measures = vec![
            measure("revenue", euro, &[500_000.0, 1_000_000.0]),
            measure("customers", Unit::Number, &[20.0, 10.0]),
        ];
        assert_eq!(chart.finding(), "a: revenue €500k, customers 20");
        assert_eq!(chart.subtitle(), "Revenue (€) and customers, each on a scale of its own");
        let wide = widths(&chart);
        assert!((wide[0] - wide[3]).abs() < 1e-9 && (wide[1] - wide[2]).abs() < 1e-9, "{wide:?}");
        let texts: Vec<_> = legible::labels(&chart.draw(WIDE)).iter().map(|l| l.text.clone()).collect();
        assert!(texts.ends_with(&["a", "€500k", "20", "b", "€1.00M", "10"].map(str::to_owned)), "{texts:?}");
        legible::check(&chart.draw(NARROW));
    }

    #[test]
    fn measures_that_can_be_compared_share_a_scale() {
        let mut chart = bars(&["a", "b"], &[]);
        chart.measures = vec![
            measure("orders", Unit::Number, &[40.0, 20.0]),
            measure("customers", Unit::Number, &[10.0, 5.0]),
        ];
        let wide = widths(&chart);
        assert!((wide[1] - wide[0] / 4.0).abs() < 1e-9, "{wide:?}");
        assert_eq!(chart.subtitle(), "Orders and customers");
        chart.measures[0].values = vec![4_000.0, 2_000.0];
        let wide = widths(&chart);
        assert!((wide[1] - wide[0]).abs() < 1e-9, "{wide:?}");
        assert_eq!(chart.subtitle(), "Orders and customers, each on a scale of its own");
    }

    #[test]
    fn a_long_name_leaves_the_number_in_the_title() {
        let long = "a segment with a name that winds on and on ".repeat(4);
        let chart = bars(&["short", &long], &[10.0, 30.0]);
        let texts: Vec<_> = legible::labels(&chart.draw(NARROW)).iter().map(|l| l.text.clone()).collect();
        assert!(texts.join(" ").contains("…, 30 (75% of all)"), "{texts:?}");
    }

    #[test]
    fn whiskers_reach_from_end_to_end_and_values_stand_behind_them() {
        let mut chart = bars(&["a", "b", "c"], &[40.0, 20.0, -10.0]);
        chart.additive = false;
        let plain = chart.draw(WIDE);
        chart.intervals = vec![(30.0, 60.0), (f64::NAN, f64::NAN), (-20.0, 5.0)];
        assert_eq!(chart.subtitle(), "Customers, with intervals");
        let drawing = chart.draw(WIDE);
        legible::check(&drawing);
        legible::check(&chart.draw(NARROW));
        let level: Vec<_> = drawing
            .shapes
            .iter()
            .filter_map(|shape| match shape {
                Shape::Line(points, wide, _) if *wide == 1.5 && points[0].1 == points[1].1 => {
                    Some((points[0].0, points[1].0))
                }
                _ => None,
            })
            .collect();
        // A length of 80 is what lies between the ends of the whole: -20 and 60.
        let [(a, to_a), (c, to_c)] = level.as_slice() else { panic!("{level:?}") };
        let unit = (to_a - c) / 80.0;
        for (left, right, length) in [(a, to_a, 30.0), (c, to_c, 25.0), (c, a, 50.0)] {
            assert!((right - left - length * unit).abs() < 1e-9, "{level:?}");
        }
        let place = |text: &str| {
            legible::labels(&drawing).iter().find(|label| label.text == text).map(|l| l.x).unwrap()
        };
        assert!((place("40") - to_a - 5.0).abs() < 1e-9 && (place("\u{2212}10") - c + 5.0).abs() < 1e-9);
        let lines = |drawing: &Drawing| {
            drawing.shapes.iter().filter(|shape| matches!(shape, Shape::Line(_, 1.5, _))).count()
        };
        assert_eq!(lines(&drawing) - lines(&plain), 6, "a line and two caps for each of two");
    }

    #[test]
    fn the_finding_names_the_highest_and_its_share() {
        assert_eq!(bars(&["a", "b"], &[10.0, 30.0]).finding(), "Most customers: b, 30 (75% of all)");
        assert_eq!(bars(&["a", "b"], &[-10.0, 30.0]).finding(), "Most customers: b, 30");
        let mut scores = bars(&["a", "b"], &[0.2, 0.75]);
        (scores.additive, scores.measures[0].name) = (false, "auc".to_owned());
        assert_eq!(scores.finding(), "Highest auc: b, 0.750");
        assert_eq!(bars(&["a"], &[f64::NAN]).finding(), "No values");
    }

    #[test]
    fn shares_are_said_together() {
        let mut chart = bars(&["a", "b"], &[]);
        let share = |name: &str, values: &[f64]| measure(name, Unit::Percent, values);
        chart.measures = vec![share("customers", &[0.6, 0.4]), share("revenue", &[0.1, 0.9])];
        assert_eq!(chart.finding(), "b: 40% of customers, 90% of revenue");
        assert_eq!(chart.subtitle(), "Share of customers and revenue");
    }

    #[test]
    fn two_and_twenty_long_names_fit() {
        for count in [2, 20, 60] {
            let names: Vec<_> = (0..count)
                .map(|at| format!("{at} customers with a very long name who buy rarely but much"))
                .collect();
            let values: Vec<_> = (0..count).map(|at| f64::from(at) * 1e11 - 3e11).collect();
            let unit = Unit::Money("CHF".to_owned());
            let measures =
                vec![measure("revenue", unit.clone(), &values), measure("cost", unit, &[f64::NAN; 60])];
            let chart = Bars { names, measures, ..Bars::default() };
            for width in [WIDE, NARROW] {
                legible::check(&chart.draw(width));
            }
        }
    }

    #[test]
    fn hostile_names_and_values_are_drawn() {
        let chart = bars(&["", "<b>", "\u{202e}abc", "😀😀😀"], &[f64::INFINITY, -1e300, 0.0, f64::NAN]);
        legible::check(&chart.draw(NARROW));
        legible::check(&bars(&[], &[]).draw(WIDE));
    }
}
