//! Bars: one or more measures for each of some names, with the value at each bar's end.
//!
//! The bars lie, so that names are read without turning the head and any number of them fits.

use super::Chart;
use super::axes::{legend, widest};
use super::drawing::{Anchor, Drawing, Label, PADDING};
use super::scale::{Scale, extent};
use super::text;
use crate::present::format::{Unit, percent, sentence};
use crate::present::theme::{self, AXIS, INK, REST, Rgb, size};

/// Names beyond this number are left out, and the subtitle says so.
const MOST: usize = 40;

/// Height of a line of a name.
const LINE: f64 = 1.2 * size::LABEL;

/// One value a name.
#[derive(Clone, Debug)]
pub struct Measure {
    /// What it is: `customers`.
    pub name: String,
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
    /// One or more measures in the same unit.
    pub measures: Vec<Measure>,
    /// What the values count.
    pub unit: Unit,
    /// Whether the values of all names make a meaningful total.
    pub additive: bool,
    /// The name to draw attention to; all of them where there is none.
    pub focus: Option<usize>,
}

impl Chart for Bars {
    fn finding(&self) -> String {
        let Some((at, top)) = self.measures.last().and_then(|measure| greatest(&measure.values)) else {
            return "No values".to_owned();
        };
        let name = self.names.get(at).map_or("", String::as_str);
        match self.measures.as_slice() {
            [one] if self.unit == Unit::Percent => {
                format!("{name}: {} of {}", self.unit.short(top), one.name)
            }
            [one] => {
                let most = if self.additive { "Most" } else { "Highest" };
                format!("{most} {}: {name}, {}{}", one.name, self.unit.short(top), self.part(top))
            }
            many => {
                let value = |measure: &Measure| measure.values.get(at).copied().unwrap_or(f64::NAN);
                let of = |measure: &Measure| match self.unit {
                    Unit::Percent => format!("{} of {}", self.unit.short(value(measure)), measure.name),
                    _ => format!("{} {}", measure.name, self.unit.short(value(measure))),
                };
                format!("{name}: {}", many.iter().map(of).collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn draw(&self, width: f64) -> Drawing {
        let title = self.title.clone().unwrap_or_else(|| self.finding());
        let values = self.measures.iter().flat_map(|measure| measure.values.iter().take(MOST).copied());
        let Some((low, high)) = extent(values) else {
            return Drawing::nothing(width, &title, "There are no values to show.");
        };
        let mut drawing = Drawing::titled(width, &title, &self.subtitle());
        if self.measures.len() > 1 {
            let color = |at| if at == 0 { theme::MAIN } else { theme::series(at) };
            let entries =
                self.measures.iter().enumerate().map(|(at, measure)| (text::clean(&measure.name), color(at)));
            legend(&mut drawing, &entries.collect::<Vec<_>>());
        }
        self.rows(&mut drawing, (low.min(0.0), high.max(0.0)));
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

    fn subtitle(&self) -> String {
        let measures: Vec<_> = self.measures.iter().map(|measure| measure.name.as_str()).collect();
        let rest = self.names.len().saturating_sub(MOST);
        let cut =
            if rest > 0 { format!("; the first {MOST} of {}", self.names.len()) } else { String::new() };
        let share = if self.unit == Unit::Percent { "share of " } else { "" };
        let names = format!("{share}{}", measures.join(" and "));
        // A metric such as `segments.silhouette` is a name, not the start of a sentence.
        let names = if names.contains('.') { names } else { sentence(&names) };
        format!("{names}{}{cut}", self.unit.suffix())
    }

    fn rows(&self, drawing: &mut Drawing, (low, high): (f64, f64)) {
        let names = self.names.iter().take(MOST).map(|name| text::clean(name));
        // Two bars leave the height for a name of two lines.
        let (lines, room) = if self.measures.len() > 1 { (2, 0.36) } else { (1, 0.42) };
        let room = drawing.width * room;
        let names: Vec<_> = names.map(|name| text::wrap(&name, size::LABEL, false, room, lines)).collect();
        let texts: Vec<_> = self.measures.iter().map(|measure| self.unit.alike(&measure.values)).collect();
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
            self.bars(drawing, at, (drawing.height + gap / 2.0, thick), &scale, texts);
            drawing.height += gap + high;
        }
        drawing.line(vec![(scale.at(0.0), top), (scale.at(0.0), drawing.height)], 1.0, AXIS);
    }

    /// The bars of one name, each with its value at its end.
    fn bars<'a>(
        &self,
        drawing: &mut Drawing,
        at: usize,
        (top, thick): (f64, f64),
        scale: &Scale,
        texts: impl Iterator<Item = &'a str>,
    ) {
        for ((place, measure), text) in self.measures.iter().enumerate().zip(texts) {
            let value = measure.values.get(at).copied().unwrap_or(f64::NAN);
            let y = top + thick * place as f64;
            let (zero, end) = (scale.at(0.0), scale.at(if value.is_finite() { value } else { 0.0 }));
            drawing.rect((zero, y + 1.0), (end, y + thick - 1.0), self.color(at, place));
            let (anchor, gap) = if value < 0.0 { (Anchor::End, -5.0) } else { (Anchor::Start, 5.0) };
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

/// The first of the greatest finite values with its place.
pub fn greatest(values: &[f64]) -> Option<(usize, f64)> {
    let finite = values.iter().copied().enumerate().filter(|(_, value)| value.is_finite());
    finite.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::chart::drawing::legible;
    use crate::present::chart::{NARROW, WIDE};

    fn bars(names: &[&str], values: &[f64]) -> Bars {
        Bars {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            measures: vec![Measure { name: "customers".to_owned(), values: values.to_vec() }],
            additive: true,
            ..Bars::default()
        }
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
        let measure = |name: &str, values: &[f64]| Measure { name: name.to_owned(), values: values.to_vec() };
        let mut chart = bars(&["a", "b"], &[]);
        chart.measures = vec![measure("customers", &[0.6, 0.4]), measure("revenue", &[0.1, 0.9])];
        chart.unit = Unit::Percent;
        assert_eq!(chart.finding(), "b: 40% of customers, 90% of revenue");
        assert_eq!(chart.subtitle(), "Share of customers and revenue");
    }

    #[test]
    fn two_and_twenty_long_names_fit() {
        for count in [2, 20, 60] {
            let names: Vec<_> = (0..count)
                .map(|at| format!("{at} customers with a very long name who buy rarely but much"))
                .collect();
            let values = (0..count).map(|at| f64::from(at) * 1e11 - 3e11).collect();
            let measures = vec![
                Measure { name: "revenue".to_owned(), values },
                Measure { name: "cost".to_owned(), values: vec![f64::NAN; 60] },
            ];
            let unit = Unit::Money("CHF".to_owned());
            let chart = Bars { names, measures, unit, ..Bars::default() };
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
