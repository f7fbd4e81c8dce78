//! Lines: one or more series over time or over numbers.
//!
//! Each line's name stands at its end; on a narrow picture the names stand above.

use super::axes::{Axis, begin, calendar, legend, level, upright, widest};
use super::drawing::{Area, Drawing, Label, PADDING};
use super::scale::{Scale, extent};
use super::trend::{is_weekly, trend};
use super::{Chart, text};
use crate::present::format::{Unit, change, counted, date};
use crate::present::theme::{self, INK, REST, Rgb, SERIES, size};

/// Below this width names stand above the lines.
const ROOM_FOR_NAMES: f64 = 560.0;

/// Part of the width that names beside the lines take at most.
const NAMES: f64 = 0.26;

/// Points kept for each pixel of width.
const POINTS_A_PIXEL: f64 = 2.0;

/// What the level axis measures.
#[derive(Clone, Debug)]
pub enum Across {
    /// Days since 1970-01-01, with the axis's name.
    Dates(String),
    /// Numbers, with the axis's name.
    Numbers(String),
}

/// A line.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it is.
    pub name: String,
    /// Places and values, ascending by place; a value that isn't finite is a gap.
    pub points: Vec<(f64, f64)>,
}

/// Lines over a common axis.
#[derive(Clone, Debug)]
pub struct Lines {
    /// The title; the finding where there is none.
    pub title: Option<String>,
    /// What the values are: `revenue a week`.
    pub measure: String,
    /// What the values count.
    pub unit: Unit,
    /// What the level axis measures.
    pub across: Across,
    /// The lines.
    pub series: Vec<Series>,
    /// Names in the order of the colours, so that charts of the same groups agree; where there are
    /// none, the largest line comes first.
    pub order: Vec<String>,
}

impl Chart for Lines {
    fn finding(&self) -> String {
        let total = self.total();
        let values: Vec<_> = total.iter().map(|(_, value)| *value).collect();
        let (Some(first), Some(last)) = (values.first(), values.last()) else {
            return "No values".to_owned();
        };
        if let [(place, value)] = total.as_slice() {
            return format!("{}, {}", self.unit.short(*value), self.place(*place));
        }
        let weekly =
            matches!(self.across, Across::Dates(_)) && is_weekly(total.iter().map(|(x, _)| days(*x)));
        match trend(&values) {
            Some(trend) if weekly => {
                let sum = self.unit.short(trend.recent);
                format!("{} in the last {}, {}", sum, counted(trend.weeks, "week", "weeks"), trend.words())
            }
            _ if *first > 0.0 => {
                let part = change(last / first - 1.0);
                format!("From {} to {} ({part})", self.unit.short(*first), self.unit.short(*last))
            }
            _ => format!("From {} to {}", self.unit.short(*first), self.unit.short(*last)),
        }
    }

    fn draw(&self, width: f64) -> Drawing {
        let title = self.title.clone().unwrap_or_else(|| self.finding());
        let shown = self.ranked();
        let all = || self.series.iter().flat_map(|series| &series.points).filter(|point| point.1.is_finite());
        let (Some(x), Some((low, high))) = (extent(all().map(|p| p.0)), extent(all().map(|p| p.1))) else {
            return Drawing::nothing(width, &title, "There are no values to show.");
        };
        let mut drawing = Drawing::titled(width, &title, "");
        let names: Vec<_> = shown
            .iter()
            .filter(|(_, color)| *color != REST)
            .map(|(s, c)| (text::clean(&s.name), *c))
            .collect();
        let beside = width >= ROOM_FOR_NAMES && names.len() > 1;
        if names.len() > 1 && !beside {
            legend(&mut drawing, &names.iter().rev().cloned().collect::<Vec<_>>());
        }
        let margin = if beside { name_room(&names, width) } else { 0.0 };
        let axis = Axis::linear(&self.measure, &self.unit, (low.min(0.0), high), 5.0);
        let scales = self.frame(&mut drawing, &axis, x, margin);
        self.lines(&mut drawing, &shown, &scales);
        if beside {
            self.names(&mut drawing, &shown, &scales);
        }
        drawing
    }
}

impl Lines {
    /// The series called `all`, else the sum of all series at each place.
    pub fn total(&self) -> Vec<(f64, f64)> {
        if let Some(all) = self.series.iter().find(|series| series.name == "all") {
            return all.points.clone();
        }
        let mut points: Vec<_> =
            self.series.iter().flat_map(|series| series.points.iter().copied()).collect();
        points.retain(|(x, y)| x.is_finite() && y.is_finite());
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.into_iter().fold(Vec::new(), |mut sums: Vec<(f64, f64)>, (x, y)| {
            match sums.last_mut() {
                Some(last) if last.0 == x => last.1 += y,
                _ => sums.push((x, y)),
            }
            sums
        })
    }

    /// A place in words: `week beginning 1 Jan 2024`.
    fn place(&self, place: f64) -> String {
        match &self.across {
            Across::Dates(name) => format!("{name} {}", date(days(place))),
            Across::Numbers(name) => format!("{name} {}", Unit::Number.short(place)),
        }
    }

    /// The series with their colours, the largest last so that it is painted on top.
    fn ranked(&self) -> Vec<(&Series, Rgb)> {
        let size = |series: &Series| series.points.iter().map(|p| p.1).filter(|v| v.is_finite()).sum::<f64>();
        let mut ranked: Vec<_> = self.series.iter().collect();
        ranked.sort_by(|a, b| size(b).total_cmp(&size(a)));
        let parts = ranked.iter().filter(|series| !self.is_whole(series)).map(|series| series.name.as_str());
        let order: Vec<_> =
            self.order.iter().map(String::as_str).filter(|name| parts.clone().any(|p| p == *name)).collect();
        let rest: Vec<_> = parts.filter(|name| !order.contains(name)).collect();
        let order = [order, rest].concat();
        let color = |series: &Series| match order.iter().position(|name| *name == series.name) {
            Some(place) => theme::series(place),
            None => INK,
        };
        ranked.into_iter().rev().map(|series| (series, color(series))).collect()
    }

    /// Whether a line is the whole that the other lines are parts of.
    fn is_whole(&self, series: &Series) -> bool {
        series.name == "all" && self.series.len() > 1
    }

    fn frame(&self, drawing: &mut Drawing, axis: &Axis, x: (f64, f64), margin: f64) -> (Scale, Scale) {
        let top = begin(drawing, (PADDING, drawing.width - PADDING), &axis.name);
        let left = PADDING + axis.widest() + 6.0;
        let bottom = top + if drawing.width < ROOM_FOR_NAMES { 190.0 } else { 260.0 };
        let frame = Area { left, top, right: drawing.width - PADDING - margin, bottom };
        let upright = upright(drawing, axis, frame);
        let level = match &self.across {
            Across::Dates(name) => calendar(drawing, (days(x.0), days(x.1)), frame, name),
            Across::Numbers(name) => level(drawing, &Axis::linear(name, &Unit::Number, x, 6.0), frame, false),
        };
        (level, upright)
    }

    fn lines(&self, drawing: &mut Drawing, shown: &[(&Series, Rgb)], (x, y): &(Scale, Scale)) {
        for (series, color) in shown {
            let most = (drawing.width * POINTS_A_PIXEL) as usize;
            let stroke = if *color == REST { 1.0 } else { 1.75 };
            for part in thinned(&series.points, most).split(|(_, value)| !value.is_finite()) {
                let points: Vec<_> = part.iter().map(|(px, py)| (x.at(*px), y.at(*py))).collect();
                match points.as_slice() {
                    [] => {}
                    [one] => drawing.dot(*one, 2.5, *color, 1.0),
                    _ => drawing.line(points, stroke, *color),
                }
            }
        }
    }

    /// Names at the ends of the lines, pushed apart where they would overlap.
    fn names(&self, drawing: &mut Drawing, shown: &[(&Series, Rgb)], (x, y): &(Scale, Scale)) {
        let room = drawing.width * NAMES;
        let end = |series: &Series| series.points.iter().rev().find(|point| point.1.is_finite()).copied();
        let named = shown.iter().filter(|(_, color)| *color != REST);
        let mut ends: Vec<_> =
            named.filter_map(|(s, c)| end(s).map(|p| (y.at(p.1), x.at(p.0), s, *c))).collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        let right = ends.iter().map(|end| end.1).fold(0.0, f64::max);
        let heights = spread(&ends.iter().map(|end| end.0).collect::<Vec<_>>(), 15.0, y.at(0.0));
        for ((from, at, series, color), height) in ends.into_iter().zip(heights) {
            drawing.line(vec![(at + 3.0, from), (right + 14.0, height)], 0.75, color);
            let name = text::fit(&text::clean(&series.name), size::LABEL, true, room);
            drawing.put(Label::new(right + 18.0, height + 0.36 * size::LABEL, name).colored(color).bold());
        }
        let rest = self.series.len().saturating_sub(SERIES.len());
        if rest > 0 {
            drawing.put(Label::new(right + 18.0, drawing.height - 14.0, format!("{rest} more in grey")));
        }
    }
}

/// Days from a place on an axis of dates.
#[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
fn days(x: f64) -> i64 {
    x as i64
}

fn name_room(names: &[(String, Rgb)], width: f64) -> f64 {
    let names: Vec<_> = names.iter().map(|(name, _)| name.clone()).collect();
    // Names are bold, which is wider by about an eighth.
    (widest(&names) * 1.15).clamp(90.0, width * NAMES) + 20.0
}

/// Heights at least `gap` apart and not below `floor`, as near as possible to the wanted ones,
/// which ascend.
fn spread(wanted: &[f64], gap: f64, floor: f64) -> Vec<f64> {
    let mut heights: Vec<f64> = Vec::new();
    for height in wanted {
        let least = heights.last().map_or(f64::NEG_INFINITY, |above| above + gap);
        heights.push(height.max(least));
    }
    let mut most = floor;
    for height in heights.iter_mut().rev() {
        *height = height.min(most);
        most = *height - gap;
    }
    heights
}

/// At most about `most` points: of each stretch, its lowest and its highest value.
fn thinned(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    if points.len() <= most.max(4) {
        return points.to_vec();
    }
    let stretch = (2 * points.len()).div_ceil(most.max(4));
    let ends = |part: &[(f64, f64)]| {
        let by = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let mut ends: Vec<_> =
            part.iter().min_by(by).into_iter().chain(part.iter().max_by(by)).copied().collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        ends
    };
    points.chunks(stretch).flat_map(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::chart::drawing::legible;
    use crate::present::chart::{NARROW, WIDE};

    fn weekly(name: &str, weeks: i32, value: impl Fn(f64) -> f64) -> Series {
        let points =
            (0..weeks).map(|week| (19_723.0 + 7.0 * f64::from(week), value(f64::from(week)))).collect();
        Series { name: name.to_owned(), points }
    }

    fn lines(series: Vec<Series>) -> Lines {
        let across = Across::Dates("week beginning".to_owned());
        Lines {
            title: None,
            measure: "revenue a week".to_owned(),
            unit: Unit::Money("€".to_owned()),
            across,
            series,
            order: Vec::new(),
        }
    }

    #[test]
    fn colours_follow_the_order_and_the_whole_has_none() {
        let named = |name: &str, size| weekly(name, 3, move |_| size);
        let mut chart = lines(vec![named("all", 9.0), named("a", 1.0), named("b", 5.0), named("c", 3.0)]);
        chart.order = ["c", "gone", "a"].map(str::to_owned).to_vec();
        let colors: Vec<_> = chart.ranked().into_iter().map(|(s, color)| (s.name.as_str(), color)).collect();
        let expected = [("a", SERIES[1]), ("c", SERIES[0]), ("b", SERIES[2]), ("all", INK)];
        assert_eq!(colors, expected);
    }

    #[test]
    fn the_finding_compares_quarters() {
        let chart = lines(vec![
            weekly("a", 26, |week| if week < 13.0 { 60.0 } else { 66.0 }),
            weekly("b", 26, |_| 40.0),
        ]);
        assert_eq!(chart.finding(), "€1,378 in the last 13 weeks, +6.0% on the 13 weeks before");
        assert_eq!(lines(vec![]).finding(), "No values");
        assert_eq!(lines(vec![weekly("a", 1, |_| 40.0)]).finding(), "€40, week beginning 1 Jan 2024");
    }

    #[test]
    fn two_and_thirty_series_with_long_names_fit() {
        for count in [1, 2, 7, 30] {
            let name = |at| format!("segment {at} with a long and winding name");
            let series = (0..count).map(|at| weekly(&name(at), 156, |week| 1e12 + week * f64::from(at % 3)));
            let chart = lines(series.collect());
            for width in [WIDE, NARROW] {
                legible::check(&chart.draw(width));
            }
        }
    }

    #[test]
    fn gaps_and_single_points_are_drawn() {
        let gap = weekly("a", 5, |week| if week == 1.0 { f64::NAN } else { week });
        let drawing = lines(vec![gap]).draw(WIDE);
        legible::check(&drawing);
        assert!(
            drawing
                .shapes
                .iter()
                .any(|shape| matches!(shape, crate::present::chart::drawing::Shape::Dot(..)))
        );
        legible::check(&lines(vec![weekly("a", 1, |_| 5.0)]).draw(NARROW));
        legible::check(&lines(vec![weekly("a", 3, |_| f64::NAN)]).draw(NARROW));
    }

    #[test]
    fn pushed_names_keep_their_order_and_distance() {
        let heights = spread(&[10.0, 12.0, 95.0, 99.0], 15.0, 100.0);
        assert_eq!(heights, [10.0, 25.0, 85.0, 100.0]);
    }

    #[test]
    fn thinning_keeps_the_extremes() {
        let points: Vec<_> =
            (0..10_000).map(|at| (f64::from(at), f64::from((at * 7_919) % 10_007))).collect();
        let thin = thinned(&points, 500);
        assert!(thin.len() <= 520);
        let top = |points: &[(f64, f64)]| points.iter().map(|p| p.1).fold(0.0, f64::max);
        assert_eq!(top(&thin), top(&points));
    }
}
