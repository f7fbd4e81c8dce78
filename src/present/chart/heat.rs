//! Heat map: how each segment differs from the average customer, feature by feature.
//!
//! Features are rows, so that their names are read level and any number of them fits; segments
//! are columns, turned where they are too narrow for their names.

use super::drawing::{Anchor, Drawing, Label, PADDING};
use super::{Chart, text};
use crate::present::format::{counted, fixed};
use crate::present::theme::{self, INK, MUTED, PAPER, size};

/// Rows that a picture has room for.
pub const MOST: usize = 30;

/// Differences at which the colour is full, in standard deviations.
const FULL: f64 = 2.0;

/// Narrowest column whose turned name can be read.
const NARROWEST: f64 = 15.0;

/// Height of a line of a name.
const LINE: f64 = 1.3 * size::LABEL;

/// A grid of differences.
#[derive(Clone, Debug)]
pub struct Heat {
    /// The title; the finding where there is none.
    pub title: Option<String>,
    /// Names of the rows.
    pub rows: Vec<String>,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Values by row, then column.
    pub values: Vec<Vec<f64>>,
    /// Rows beyond this number are left out, those that differ least first.
    pub most: usize,
}

impl Chart for Heat {
    fn finding(&self) -> String {
        let size = |value: f64| if value.is_finite() { value.abs() } else { -1.0 };
        let cells = self.rows.iter().zip(&self.values).flat_map(|(row, values)| {
            self.columns.iter().zip(values).map(move |(column, value)| (column, row, *value))
        });
        match cells.reduce(|best, next| if size(next.2) > size(best.2) { next } else { best }) {
            Some((column, row, value)) if value.is_finite() => {
                let side = if value < 0.0 { "below" } else { "above" };
                let by = fixed(value.abs(), 1);
                format!("Most different: {column}, {row} {by} standard deviations {side} average")
            }
            _ => "No differences".to_owned(),
        }
    }

    fn draw(&self, width: f64) -> Drawing {
        let title = self.title.clone().unwrap_or_else(|| self.finding());
        if self.values.iter().flatten().all(|value| !value.is_finite()) {
            return Drawing::nothing(width, &title, "There are no differences to show.");
        }
        let rows = self.strongest();
        let names: Vec<_> =
            rows.iter().map(|(name, _)| text::fit(name, size::LABEL, false, width * 0.4)).collect();
        let left = PADDING + super::axes::widest(&names) + 8.0;
        let room = width - PADDING - left;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of columns that fit"
        )]
        let columns = self.columns.len().min((room / NARROWEST).max(1.0) as usize);
        let mut drawing = Drawing::titled(width, &title, &self.subtitle(rows.len(), columns));
        let cell = (room / columns as f64).min(150.0);
        let heads: Vec<_> = self.columns.iter().take(columns).cloned().collect();
        self::heads(&heads, &mut drawing, left, cell);
        for ((_, values), name) in rows.iter().zip(names) {
            let y = drawing.height;
            let label = Label::new(left - 8.0, y + 11.0 + 0.36 * size::LABEL, name);
            drawing.put(label.anchored(Anchor::End).colored(INK));
            for (at, value) in values.iter().take(columns).enumerate() {
                paint_cell(&mut drawing, (left + cell * at as f64, y), cell, *value);
            }
            drawing.height += 22.0;
        }
        key(&mut drawing, left);
        drawing
    }
}

impl Heat {
    /// The rows with the largest differences, in their own order; a row without a value has none.
    fn strongest(&self) -> Vec<(String, &[f64])> {
        let strength =
            |values: &[f64]| values.iter().filter(|v| v.is_finite()).fold(0.0_f64, |top, v| top.max(v.abs()));
        let known = |values: &[f64]| values.iter().any(|value| value.is_finite());
        let mut order: Vec<_> =
            self.rows.iter().zip(&self.values).enumerate().filter(|(_, row)| known(row.1)).collect();
        order.sort_by(|a, b| strength(b.1.1).total_cmp(&strength(a.1.1)));
        order.truncate(self.most);
        order.sort_by_key(|(place, _)| *place);
        order.into_iter().map(|(_, (name, values))| (text::clean(name), values.as_slice())).collect()
    }

    fn subtitle(&self, rows: usize, columns: usize) -> String {
        let part = |shown: usize, all: usize, one: &str, many: &str| {
            if shown < all {
                format!("{shown} of {}", counted(all, one, many))
            } else {
                counted(all, one, many)
            }
        };
        let rows = part(rows, self.rows.len(), "feature", "features");
        let columns = part(columns, self.columns.len(), "segment", "segments");
        format!("Difference from the average customer in standard deviations; {rows}, {columns}")
    }
}

/// Names over columns: level where all fit, else turned.
pub(super) fn heads(columns: &[String], drawing: &mut Drawing, left: f64, cell: f64) {
    let names: Vec<_> = columns.iter().map(|name| text::clean(name)).collect();
    let wrapped: Vec<_> =
        names.iter().map(|name| text::wrap(name, size::LABEL, false, cell - 8.0, 2)).collect();
    let centers = (0..columns.len()).map(|at| left + cell * (at as f64 + 0.5));
    if wrapped.iter().zip(&names).all(|(lines, name)| lines.join(" ") == *name) {
        drawing.height += wrapped.iter().map(Vec::len).max().unwrap_or(1) as f64 * LINE + 6.0;
        centers.zip(wrapped).for_each(|(x, lines)| level_head(drawing, x, lines));
    } else {
        let names: Vec<_> = names.iter().map(|name| text::fit(name, size::LABEL, false, 110.0)).collect();
        drawing.height += super::axes::widest(&names) + 6.0;
        for (x, name) in centers.zip(names) {
            let label = Label::new(x + 0.36 * size::LABEL, drawing.height - 5.0, name);
            drawing.put(label.turned().colored(INK));
        }
    }
}

/// The lines of a name, the last one just above the cells.
fn level_head(drawing: &mut Drawing, x: f64, lines: Vec<String>) {
    let top = drawing.height - 5.0 - LINE * (lines.len() as f64 - 1.0);
    for (at, line) in lines.into_iter().enumerate() {
        let label = Label::new(x, top + LINE * at as f64, line);
        drawing.put(label.anchored(Anchor::Middle).colored(INK));
    }
}

fn paint_cell(drawing: &mut Drawing, (x, y): (f64, f64), wide: f64, value: f64) {
    let color = if value.is_finite() { theme::diverging(value / FULL) } else { PAPER };
    drawing.rect((x + 0.5, y + 0.5), (x + wide - 0.5, y + 21.5), color);
    let number = fixed(value, 1);
    if value.is_finite() && text::width(&number, size::SMALL, false) <= wide - 6.0 {
        let label = Label::new(x + wide / 2.0, y + 11.0 + 0.36 * size::SMALL, number).sized(size::SMALL);
        drawing.put(label.anchored(Anchor::Middle).colored(theme::text_on(color)));
    }
}

/// The scale of colours with its ends.
fn key(drawing: &mut Drawing, left: f64) {
    let y = drawing.height + 10.0;
    let left = left.min(drawing.width - 240.0).max(PADDING);
    let below = Label::new(left, y + 9.0, "below").colored(MUTED);
    let from = left + text::width("below", size::LABEL, false) + 6.0;
    for step in 0..=20 {
        let part = f64::from(step);
        drawing.rect(
            (from + part * 5.0, y),
            (from + (part + 1.0) * 5.0, y + 10.0),
            theme::diverging(part / 10.0 - 1.0),
        );
    }
    drawing.put(below);
    drawing.put(Label::new(from + 111.0, y + 9.0, "above average").colored(MUTED));
    drawing.height = y + 10.0 + PADDING;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::chart::drawing::legible;
    use crate::present::chart::{NARROW, WIDE};

    fn heat(rows: usize, columns: usize) -> Heat {
        let value = |row: usize, column: usize| (row as f64 - column as f64) / 3.0;
        Heat {
            title: None,
            rows: (0..rows).map(|at| format!("share of category number {at}")).collect(),
            columns: (0..columns).map(|at| format!("segment {at} with a long name")).collect(),
            values: (0..rows).map(|row| (0..columns).map(|column| value(row, column)).collect()).collect(),
            most: MOST,
        }
    }

    #[test]
    fn the_finding_is_the_largest_difference() {
        let finding = heat(2, 4).finding();
        assert!(
            finding.starts_with("Most different: segment 3 with a long name, share of category number 0 1.0")
        );
        assert!(finding.ends_with("below average"));
        assert_eq!(heat(0, 0).finding(), "No differences");
    }

    #[test]
    fn one_and_thirty_segments_fit() {
        for (rows, columns) in [(1, 1), (2, 2), (12, 5), (60, 30)] {
            for width in [WIDE, NARROW] {
                legible::check(&heat(rows, columns).draw(width));
            }
        }
    }

    #[test]
    fn missing_values_stay_blank() {
        let mut chart = heat(3, 3);
        chart.values[1] = vec![f64::NAN, f64::INFINITY, 9.0];
        legible::check(&chart.draw(WIDE));
        assert_eq!(chart.strongest().len(), 3);
        chart.values[2] = vec![f64::NAN; 3];
        assert_eq!(chart.strongest().len(), 2);
        let drawing = chart.draw(WIDE);
        assert!(legible::labels(&drawing).iter().any(|label| label.text.contains("2 of 3 features")));
        assert!(chart.finding().contains("9.0"));
        legible::check(&heat(0, 3).draw(WIDE));
    }

    #[test]
    fn what_differs_least_is_left_out_first() {
        let mut chart = heat(31, 1);
        chart.values = (0..31).map(|row| vec![if row == 7 { 0.0 } else { 1.0 }]).collect();
        let names: Vec<_> = chart.strongest().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 30);
        assert!(!names.contains(&"share of category number 7".to_owned()));
    }
}
