//! Scatter: points by two measures, groups apart by colour and by shape.

use std::f64::consts::FRAC_1_SQRT_2;

use super::axes::{Axis, begin, legend_of, level, upright};
use super::drawing::{Area, Drawing, PADDING, Shape};
use super::scale::extent;
use super::{Chart, text};
use crate::present::format::{Unit, count, counted, fixed, sentence};
use crate::present::theme::{self, REST, Rgb, SERIES};

/// Points that look alike.
#[derive(Clone, Debug)]
pub struct Group {
    /// What they are.
    pub name: String,
    /// Their places.
    pub points: Vec<(f64, f64)>,
}

/// What is measured along a side.
#[derive(Clone, Debug)]
pub struct Side {
    /// Its name.
    pub name: String,
    /// What it counts.
    pub unit: Unit,
    /// Whether equal factors have equal distances; only values above zero are shown then.
    pub log: bool,
}

/// Points in groups.
#[derive(Clone, Debug)]
pub struct Scatter {
    /// The title; the finding where there is none.
    pub title: Option<String>,
    /// Along the level side.
    pub x: Side,
    /// Along the upright side.
    pub y: Side,
    /// The groups, most important first.
    pub groups: Vec<Group>,
    /// Rows that the points are a sample of.
    pub of: usize,
}

impl Chart for Scatter {
    fn finding(&self) -> String {
        let points: Vec<_> = self.groups.iter().flat_map(|group| group.points.iter().copied()).collect();
        let (x, y) = (&self.x.name, &self.y.name);
        match rank_correlation(&points) {
            None => sentence(&format!("{x} and {y}")),
            Some(r) => sentence(&format!("{x} and {y} {} (rank correlation {})", how(r), fixed(r, 2))),
        }
    }

    fn draw(&self, width: f64) -> Drawing {
        let title = self.title.clone().unwrap_or_else(|| self.finding());
        let groups = self.visible();
        let all = || groups.iter().flat_map(|(_, points, ..)| points);
        let (Some(x), Some(y)) = (extent(all().map(|p| p.0)), extent(all().map(|p| p.1))) else {
            return Drawing::nothing(width, &title, "There are no points to show.");
        };
        let shown = all().count();
        let sampled =
            format!("{} of {}, drawn at random", count(shown as u64), counted(self.of, "row", "rows"));
        let mut drawing = Drawing::titled(width, &title, if shown < self.of { &sampled } else { "" });
        if groups.len() > 1 {
            let shape = |at: usize| groups.get(at).map_or(0, |group| group.3);
            legend_of(&mut drawing, &key(&groups), |drawing, at, color, point| {
                mark(drawing, point, color, shape(at))
            });
        }
        let whole = |side: fn(&(f64, f64)) -> f64| all().all(|point| side(point).fract() == 0.0);
        let (x, y) = (axis(&self.x, x, whole(|p| p.0)), axis(&self.y, y, whole(|p| p.1)));
        let top = begin(&mut drawing, (PADDING, width - PADDING), &y.name);
        let frame = Area {
            left: PADDING + y.widest() + 6.0,
            top,
            right: width - PADDING,
            bottom: top + (width * 0.75).clamp(220.0, 340.0),
        };
        let up = upright(&mut drawing, &y, frame);
        let along = level(&mut drawing, &x, frame, true);
        for (_, points, color, shape) in &groups {
            for (x, y) in points {
                mark(&mut drawing, (along.at(*x), up.at(*y)), *color, *shape);
            }
        }
        drawing
    }
}

type Visible = (String, Vec<(f64, f64)>, Rgb, usize);

impl Scatter {
    /// The points that can be drawn, group by group; groups beyond the palette become one.
    fn visible(&self) -> Vec<Visible> {
        let keep = |(x, y): &(f64, f64)| {
            x.is_finite() && y.is_finite() && (!self.x.log || *x > 0.0) && (!self.y.log || *y > 0.0)
        };
        let named = if self.groups.len() > SERIES.len() { SERIES.len() - 1 } else { SERIES.len() };
        let mut out: Vec<Visible> = Vec::new();
        for (at, group) in self.groups.iter().enumerate() {
            let points = group.points.iter().copied().filter(keep);
            match out.get_mut(named) {
                Some(rest) => rest.1.extend(points),
                None if at < named => {
                    out.push((text::clean(&group.name), points.collect(), theme::series(at), at))
                }
                None => {
                    let name = format!("{} more", self.groups.len() - named);
                    out.push((name, points.collect(), REST, MARKS - 1));
                }
            }
        }
        out
    }
}

/// The axis of a side, with whole ticks where all values are `whole`.
fn axis(side: &Side, range: (f64, f64), whole: bool) -> Axis {
    match (side.log, whole) {
        (true, _) => Axis::log(&side.name, &side.unit, range),
        (false, true) => Axis::whole(&side.name, &side.unit, range, 5.0),
        (false, false) => Axis::linear(&side.name, &side.unit, range, 5.0),
    }
}

fn key(groups: &[Visible]) -> Vec<(String, Rgb)> {
    groups.iter().map(|(name, _, color, _)| (name.clone(), *color)).collect()
}

/// Different marks: one for each colour, and one for the groups that share the last one.
const MARKS: usize = SERIES.len() + 1;

/// The corners of a plus sign around the middle.
const PLUS: [(f64, f64); 12] = [
    (-1.0, -3.25),
    (1.0, -3.25),
    (1.0, -1.0),
    (3.25, -1.0),
    (3.25, 1.0),
    (1.0, 1.0),
    (1.0, 3.25),
    (-1.0, 3.25),
    (-1.0, 1.0),
    (-3.25, 1.0),
    (-3.25, -1.0),
    (-1.0, -1.0),
];

/// A circle, square, diamond, triangle, plus sign, triangle on its tip, cross or bar of about the same area.
fn mark(drawing: &mut Drawing, (x, y): (f64, f64), color: Rgb, shape: usize) {
    let turned = |(dx, dy): (f64, f64)| ((dx - dy) * FRAC_1_SQRT_2, (dx + dy) * FRAC_1_SQRT_2);
    let corners: Vec<(f64, f64)> = match shape % MARKS {
        0 => return drawing.dot((x, y), 2.5, color, 0.65),
        1 => vec![(-2.25, -2.25), (2.25, -2.25), (2.25, 2.25), (-2.25, 2.25)],
        2 => vec![(0.0, -3.25), (3.25, 0.0), (0.0, 3.25), (-3.25, 0.0)],
        3 => vec![(0.0, -3.0), (3.0, 2.25), (-3.0, 2.25)],
        4 => PLUS.to_vec(),
        5 => vec![(0.0, 3.0), (3.0, -2.25), (-3.0, -2.25)],
        6 => PLUS.into_iter().map(turned).collect(),
        _ => vec![(-3.75, -1.25), (3.75, -1.25), (3.75, 1.25), (-3.75, 1.25)],
    };
    let corners = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
    drawing.shapes.push(Shape::Area(corners, color));
}

fn how(r: f64) -> &'static str {
    match r {
        r if r >= 0.7 => "rise together closely",
        r if r >= 0.3 => "rise together",
        r if r <= -0.7 => "move closely in opposite directions",
        r if r <= -0.3 => "move in opposite directions",
        _ => "are hardly related",
    }
}

/// Spearman's rank correlation; `None` below three points or where a side is constant.
pub fn rank_correlation(points: &[(f64, f64)]) -> Option<f64> {
    let points: Vec<_> = points.iter().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    if points.len() < 3 {
        return None;
    }
    let x = ranks(&points.iter().map(|p| p.0).collect::<Vec<_>>());
    let y = ranks(&points.iter().map(|p| p.1).collect::<Vec<_>>());
    let middle = (points.len() as f64 + 1.0) / 2.0;
    let product =
        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - middle) * (b - middle)).sum::<f64>();
    let spread = product(&x, &x) * product(&y, &y);
    (spread > 0.0).then(|| product(&x, &y) / spread.sqrt())
}

/// Ranks from 1; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<_> = values.iter().copied().enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut ranks: Vec<(usize, f64)> = Vec::with_capacity(order.len());
    for equal in order.chunk_by(|a, b| a.1 == b.1) {
        let rank = ranks.len() as f64 + (equal.len() as f64 + 1.0) / 2.0;
        ranks.extend(equal.iter().map(|(place, _)| (*place, rank)));
    }
    ranks.sort_by_key(|(place, _)| *place);
    ranks.into_iter().map(|(_, rank)| rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::chart::drawing::legible;
    use crate::present::chart::{NARROW, WIDE};

    fn side(name: &str, log: bool) -> Side {
        Side { name: name.to_owned(), unit: Unit::Number, log }
    }

    fn scatter(groups: usize, log: bool) -> Scatter {
        let point = |at: usize| (at as f64, (at * at) as f64 * 1e10);
        let group = |at| Group {
            name: format!("group {at} with a long name"),
            points: (at..at + 9).map(point).collect(),
        };
        Scatter {
            title: None,
            x: side("frequency", log),
            y: side("monetary", log),
            groups: (0..groups).map(group).collect(),
            of: 5_000,
        }
    }

    #[test]
    fn rank_correlation_matches_the_textbook() {
        // Spearman's worked example of IQ and hours of television (Wikipedia): -29/165.
        let iq = [106.0, 100.0, 86.0, 101.0, 99.0, 103.0, 97.0, 113.0, 112.0, 110.0];
        let tv = [7.0, 27.0, 2.0, 50.0, 28.0, 29.0, 20.0, 12.0, 6.0, 17.0];
        let points: Vec<_> = iq.into_iter().zip(tv).collect();
        assert!((rank_correlation(&points).unwrap() + 29.0 / 165.0).abs() < 1e-12);
        assert_eq!(ranks(&[5.0, 1.0, 5.0, 9.0]), [2.5, 1.0, 2.5, 4.0]);
        assert_eq!(rank_correlation(&[(1.0, 1.0), (2.0, 1.0), (3.0, 1.0)]), None);
    }

    #[test]
    fn one_and_thirty_groups_fit() {
        for groups in [1, 7, 8, 30] {
            for (width, log) in [(WIDE, false), (NARROW, true)] {
                legible::check(&scatter(groups, log).draw(width));
            }
        }
    }

    /// No two groups look alike without their colours: each has a mark of its own.
    #[test]
    fn every_group_has_a_mark_of_its_own() {
        let marks: Vec<String> = (0..MARKS)
            .map(|shape| {
                let mut drawing = Drawing::titled(100.0, "t", "");
                drawing.shapes.clear();
                mark(&mut drawing, (0.0, 0.0), REST, shape);
                format!("{:?}", drawing.shapes)
            })
            .collect();
        assert_eq!(MARKS, 8);
        assert_eq!(marks.iter().collect::<std::collections::BTreeSet<_>>().len(), MARKS);
        for (groups, visible) in [(5, 5), (7, 7), (8, 7), (30, 7)] {
            let shapes: Vec<usize> =
                scatter(groups, false).visible().into_iter().map(|group| group.3 % MARKS).collect();
            assert_eq!(shapes.iter().collect::<std::collections::BTreeSet<_>>().len(), visible, "{groups}");
        }
    }

    #[test]
    fn points_that_a_log_scale_cannot_show_are_left_out() {
        let mut chart = scatter(1, true);
        chart.groups[0].points.extend([(0.0, 5.0), (-1.0, 5.0), (f64::NAN, 1.0)]);
        legible::check(&chart.draw(WIDE));
        chart.groups[0].points = vec![(0.0, 0.0)];
        assert!(legible::labels(&chart.draw(WIDE)).iter().any(|label| label.text.contains("no points")));
    }

    #[test]
    fn there_is_no_tick_between_whole_numbers() {
        let side = Side { name: "purchases".to_owned(), unit: Unit::Number, log: false };
        assert_eq!(axis(&side, (1.0, 3.0), true).labels, ["1", "2", "3"]);
        assert_eq!(axis(&side, (1.0, 1.0), true).labels, ["0", "1"]);
        assert_eq!(axis(&side, (1.0, 3.0), false).labels, ["1.0", "1.5", "2.0", "2.5", "3.0"]);
    }

    #[test]
    fn the_finding_says_how_the_two_move() {
        assert!(scatter(1, false).finding().starts_with("Frequency and monetary rise together closely"));
    }
}
