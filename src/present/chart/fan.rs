//! Fan: what has been, what is expected, and the interval around it; one panel a series.

use super::axes::{Axis, begin, calendar, upright};
use super::drawing::{Area, Drawing, Label, PADDING, Shape};
use super::scale::{Scale, extent};
use super::{Chart, text};
use crate::present::format::{Unit, change, counted, sentence};
use crate::present::theme::{ACCENT, BAND, MAIN, MUTED, size};

/// Weeks of history that a panel shows.
const HISTORY: usize = 104;

/// Weeks after which a season comes back.
const YEAR: usize = 52;

/// Panels beyond this number are left out, and a line says so.
const MOST: usize = 8;

/// An expected value.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Days since 1970-01-01.
    pub day: i64,
    /// What is expected.
    pub mean: f64,
    /// Lower end of the interval.
    pub lower: f64,
    /// Upper end of the interval.
    pub upper: f64,
    /// Both ends of the interval of the sum from the first step to this one, where that is known.
    pub total: Option<(f64, f64)>,
}

/// A series with its forecast.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What the series is.
    pub name: String,
    /// Days and values, ascending.
    pub history: Vec<(i64, f64)>,
    /// Expected values, ascending.
    pub steps: Vec<Step>,
}

/// Forecasts of one or more series.
#[derive(Clone, Debug)]
pub struct Fan {
    /// The title; the finding where there is none.
    pub title: Option<String>,
    /// What the values are: `revenue a week`.
    pub measure: String,
    /// What the values count.
    pub unit: Unit,
    /// The series.
    pub panels: Vec<Panel>,
}

/// A forecast summed up and set against as many periods before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// Periods summed.
    pub steps: usize,
    /// The last periods of history; `None` where it is shorter than the sum.
    pub before: Option<f64>,
    /// The same weeks a year earlier; `None` where history doesn't reach so far.
    pub year_ago: Option<f64>,
    /// Their expected sum.
    pub mean: f64,
    /// Lower end of the sum's interval.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
    /// Whether the interval is the sum's own. Else the ends of the single periods are added up: the
    /// sum falls outside only if all of them err to the same side.
    pub own: bool,
}

impl Outlook {
    /// The expected change on the same weeks a year earlier.
    pub fn yearly(&self) -> Option<f64> {
        self.year_ago.filter(|base| *base > 0.0).map(|base| self.mean / base - 1.0)
    }

    /// The interval; `None` where it isn't known or has no width.
    pub fn range(&self) -> Option<(f64, f64)> {
        let known = self.lower.is_finite() && self.upper.is_finite() && self.lower < self.upper;
        known.then_some((self.lower, self.upper))
    }

    /// The expected change, and the change at both ends of the interval.
    pub fn changes(&self) -> Option<(f64, f64, f64)> {
        let base = self.before.filter(|base| *base > 0.0)?;
        Some((self.mean / base - 1.0, self.lower / base - 1.0, self.upper / base - 1.0))
    }
}

impl Panel {
    /// The sum of at most `most` steps against as many periods of history.
    pub fn outlook(&self, most: usize) -> Option<Outlook> {
        let steps: Vec<_> = self.steps.iter().filter(|step| step.mean.is_finite()).take(most).collect();
        if steps.is_empty() {
            return None;
        }
        let sum = |value: fn(&Step) -> f64| steps.iter().map(|step| value(step)).sum::<f64>();
        let past = |back: usize| {
            let from = self.history.len().checked_sub(back)?;
            let stretch = self.history.get(from..from + steps.len())?;
            Some(stretch.iter().map(|(_, value)| value).filter(|value| value.is_finite()).sum())
        };
        let (before, year_ago) = (past(steps.len()), past(YEAR));
        let own = steps.last().and_then(|step| step.total);
        let (lower, upper) = own.unwrap_or_else(|| (sum(|s| s.lower), sum(|s| s.upper)));
        let (mean, own) = (sum(|s| s.mean), own.is_some());
        Some(Outlook { steps: steps.len(), before, year_ago, mean, lower, upper, own })
    }
}

impl Fan {
    /// The outlook of the series called `all`, else of all series together.
    pub fn outlook(&self, most: usize) -> Option<Outlook> {
        if let Some(all) = self.panels.iter().find(|panel| panel.name == "all") {
            return all.outlook(most);
        }
        let outlooks: Option<Vec<_>> = self.panels.iter().map(|panel| panel.outlook(most)).collect();
        outlooks?.into_iter().reduce(|a, b| Outlook {
            steps: a.steps.max(b.steps),
            before: a.before.zip(b.before).map(|(a, b)| a + b),
            year_ago: a.year_ago.zip(b.year_ago).map(|(a, b)| a + b),
            mean: a.mean + b.mean,
            lower: a.lower + b.lower,
            upper: a.upper + b.upper,
            own: false,
        })
    }

    fn panel(&self, drawing: &mut Drawing, panel: &Panel, place: Area) {
        let history: Vec<_> =
            last(&panel.history, HISTORY).iter().filter(|point| point.1.is_finite()).copied().collect();
        let values =
            history.iter().map(|p| p.1).chain(panel.steps.iter().flat_map(|s| [s.mean, s.lower, s.upper]));
        let days = history.iter().map(|p| p.0).chain(panel.steps.iter().map(|s| s.day));
        let (Some((low, high)), Some((first, last))) = (extent(values), ends(days)) else { return };
        drawing.height = place.top;
        let axis = Axis::linear(&self.measure, &self.unit, (low.min(0.0), high), 4.0);
        let single = self.panels.len() == 1;
        let name = if single { axis.name.clone() } else { text::clean(&panel.name) };
        let top = begin(drawing, (place.left, place.right), &name);
        let frame = Area { left: place.left + axis.widest() + 6.0, top, ..place };
        let y = upright(drawing, &axis, frame);
        let x = calendar(drawing, (first, last), frame, if single { "week beginning" } else { "" });
        curves(drawing, &history, panel, &x, &y);
    }

    /// Names of what the panels show.
    fn key(drawing: &mut Drawing, panels: &[&Panel]) {
        let past = panels.iter().any(|panel| !panel.history.is_empty());
        let ranged = |step: &Step| step.lower.is_finite() && step.upper.is_finite();
        let banded = panels.iter().any(|panel| panel.steps.iter().any(ranged));
        let entries = [("so far", MAIN, past), ("expected", ACCENT, true), ("interval", BAND, banded)];
        let shown = entries.into_iter().filter(|(.., there)| *there);
        super::axes::legend(
            drawing,
            &shown.map(|(name, color, _)| (name.to_owned(), color)).collect::<Vec<_>>(),
        );
        drawing.height += 4.0;
    }
}

impl Chart for Fan {
    fn finding(&self) -> String {
        let Some(outlook) = self.outlook(super::trend::QUARTER) else {
            return "No forecast".to_owned();
        };
        let weeks = counted(outlook.steps, "week", "weeks");
        let short = |value| self.unit.short(value);
        let range = outlook
            .range()
            .map_or_else(String::new, |(lower, upper)| format!(" ({} to {})", short(lower), short(upper)));
        let mean = short(outlook.mean);
        let against = outlook
            .changes()
            .map_or_else(String::new, |(part, ..)| format!(", {} on the {weeks} before", change(part)));
        format!("The next {weeks}: {mean} expected{range}{against}")
    }

    fn draw(&self, width: f64) -> Drawing {
        let title = self.title.clone().unwrap_or_else(|| self.finding());
        let drawable = |panel: &&Panel| panel.steps.iter().any(|step| step.mean.is_finite());
        let panels: Vec<_> = self.panels.iter().filter(drawable).take(MOST).collect();
        if panels.is_empty() {
            return Drawing::nothing(width, &title, "There is no forecast to show.");
        }
        let what = format!("{}{}", sentence(&self.measure), self.unit.suffix());
        let mut drawing = Drawing::titled(width, &title, if self.panels.len() > 1 { &what } else { "" });
        Self::key(&mut drawing, &panels);
        let columns = if panels.len() == 1 || width < 560.0 { 1 } else { 2 };
        let high = if panels.len() == 1 { 250.0 } else { 150.0 };
        let wide = (width - 2.0 * PADDING - 24.0 * (columns as f64 - 1.0)) / columns as f64;
        for row in panels.chunks(columns) {
            let top = drawing.height;
            for (column, panel) in row.iter().enumerate() {
                let left = PADDING + column as f64 * (wide + 24.0);
                self.panel(&mut drawing, panel, Area { left, top, right: left + wide, bottom: top + high });
            }
            drawing.height += 6.0;
        }
        let rest = self.panels.len().saturating_sub(panels.len());
        if rest > 0 {
            let note = format!("{} not shown", counted(rest, "more series", "more series"));
            drawing.put(Label::new(PADDING, drawing.height + size::LABEL, note).colored(MUTED));
            drawing.height += 2.0 * size::LABEL;
        }
        drawing
    }
}

fn curves(drawing: &mut Drawing, history: &[(i64, f64)], panel: &Panel, x: &Scale, y: &Scale) {
    let at = |day: i64, value: f64| (x.at(day as f64), y.at(value));
    let steps: Vec<_> = panel.steps.iter().filter(|step| step.mean.is_finite()).collect();
    let banded = steps.iter().filter(|step| step.lower.is_finite() && step.upper.is_finite());
    let joint = history.last().map(|(day, value)| at(*day, *value));
    let mut upper: Vec<_> = joint.into_iter().collect();
    let mut lower = upper.clone();
    for step in banded {
        upper.push(at(step.day, step.upper));
        lower.push(at(step.day, step.lower));
    }
    // One shape, so that no seam shows between its steps.
    if upper.len() > 1 {
        upper.extend(lower.into_iter().rev());
        drawing.shapes.push(Shape::Area(upper, BAND));
    }
    let expected: Vec<_> =
        joint.into_iter().chain(steps.iter().map(|step| at(step.day, step.mean))).collect();
    drawing.line(history.iter().map(|(day, value)| at(*day, *value)).collect(), 1.5, MAIN);
    drawing.line(expected, 2.0, ACCENT);
}

fn ends(days: impl Iterator<Item = i64> + Clone) -> Option<(i64, i64)> {
    Some((days.clone().min()?, days.max()?))
}

fn last<T>(all: &[T], most: usize) -> &[T] {
    all.get(all.len().saturating_sub(most)..).unwrap_or(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::chart::drawing::legible;
    use crate::present::chart::{NARROW, WIDE};

    fn panel(name: &str, weeks: i64, ahead: i64, value: f64) -> Panel {
        let history = (0..weeks).map(|week| (19_723 + 7 * week, value)).collect();
        let step = |week| Step {
            day: 19_723 + 7 * week,
            mean: value * 1.1,
            lower: value * 0.9,
            upper: value * 1.3,
            total: None,
        };
        Panel { name: name.to_owned(), history, steps: (weeks..weeks + ahead).map(step).collect() }
    }

    fn fan(panels: Vec<Panel>) -> Fan {
        Fan { title: None, measure: "revenue a week".to_owned(), unit: Unit::Money("€".to_owned()), panels }
    }

    #[test]
    fn the_outlook_sums_a_quarter_against_the_last_one() {
        let outlook = fan(vec![panel("a", 30, 12, 100.0), panel("b", 30, 12, 50.0)]).outlook(13).unwrap();
        assert_eq!(outlook.steps, 12);
        assert_eq!(outlook.before, Some(1_800.0));
        assert!((outlook.mean - 1_980.0).abs() < 1e-9);
        let (mean, lower, upper) = outlook.changes().unwrap();
        assert!((mean - 0.1).abs() < 1e-9 && (lower + 0.1).abs() < 1e-9 && (upper - 0.3).abs() < 1e-9);
    }

    /// The sum has its own interval where the table has one; else the weeks' ends are added up.
    #[test]
    fn the_outlook_has_the_interval_of_the_sum() {
        let mut panel = panel("all", 30, 3, 100.0);
        let range = |panel: &Panel| panel.outlook(13).map(|outlook| (outlook.range().unwrap(), outlook.own));
        let ((lower, upper), own) = range(&panel).unwrap();
        assert!((lower - 270.0).abs() < 1e-9 && (upper - 390.0).abs() < 1e-9 && !own);
        panel.steps[2].total = Some((300.0, 350.0));
        assert_eq!(range(&panel), Some(((300.0, 350.0), true)));
        // The first two weeks alone have another one, which isn't known here.
        assert!(!panel.outlook(2).unwrap().own);
    }

    #[test]
    fn a_series_called_all_is_not_counted_twice() {
        let both = fan(vec![panel("a", 30, 12, 100.0), panel("all", 30, 12, 100.0)]);
        assert_eq!(both.outlook(13), panel("all", 30, 12, 100.0).outlook(13));
    }

    #[test]
    fn without_history_there_is_no_change() {
        let outlook = panel("a", 3, 12, 1.0).outlook(13).unwrap();
        assert_eq!((outlook.before, outlook.changes()), (None, None));
        let open = Outlook { lower: f64::NAN, ..outlook };
        assert_eq!((open.range(), Outlook { lower: 5.0, upper: 5.0, ..outlook }.range()), (None, None));
        let mut panel = panel("a", 3, 2, 10.0);
        panel.steps.iter_mut().for_each(|step| step.upper = f64::NAN);
        assert_eq!(fan(vec![panel]).finding(), "The next 2 weeks: €22 expected, +10% on the 2 weeks before");
        assert_eq!(fan(vec![]).finding(), "No forecast");
    }

    #[test]
    fn one_and_thirty_panels_fit() {
        for count in [1, 2, 30] {
            let panels: Vec<_> = (0..count)
                .map(|at| panel(&format!("segment {at} with a long name <b>"), 156, 12, 1e11))
                .collect();
            for width in [WIDE, NARROW] {
                legible::check(&fan(panels.clone()).draw(width));
            }
        }
    }

    #[test]
    fn the_interval_is_one_shape_a_panel() {
        let bands = |fan: Fan| {
            let shapes = fan.draw(WIDE).shapes;
            let areas = shapes.into_iter().filter_map(|shape| match shape {
                Shape::Area(corners, BAND) => Some(corners.len()),
                _ => None,
            });
            areas.collect::<Vec<_>>()
        };
        // The last value of the history and both ends of twelve weeks.
        assert_eq!(bands(fan(vec![panel("a", 30, 12, 9.0), panel("b", 30, 12, 5.0)])), [26, 26]);
        let mut open = panel("a", 30, 12, 9.0);
        open.steps.iter_mut().for_each(|step| step.lower = f64::NAN);
        assert!(bands(fan(vec![open])).is_empty());
    }

    #[test]
    fn missing_values_leave_no_trace() {
        let mut broken = panel("a", 10, 4, 5.0);
        broken.steps[1].lower = f64::NAN;
        broken.steps[2].mean = f64::INFINITY;
        broken.history[3].1 = f64::NAN;
        legible::check(&fan(vec![broken]).draw(WIDE));
        legible::check(&fan(vec![panel("a", 0, 1, 0.0)]).draw(NARROW));
        legible::check(&fan(vec![panel("a", 10, 0, 0.0)]).draw(NARROW));
    }
}
