//! Landscape: the result of a sweep over two of its parameters, as a heat map.

use super::drawing::{Anchor, Drawing, Label, PADDING};
use super::scale::extent;
use super::{Chart, heat, text};
use crate::present::format::{counted, short};
use crate::present::theme::{self, INK, MAIN, NEUTRAL, PAPER, size};

/// Narrowest cell.
const NARROWEST: f64 = 15.0;

/// Rows and columns beyond this number are left out.
const MOST: usize = 40;

/// Results over two parameters.
#[derive(Clone, Debug)]
pub struct Landscape {
    /// The title; the finding where there is none.
    pub title: Option<String>,
    /// The parameter across, and its values.
    pub across: (String, Vec<String>),
    /// The parameter down, and its values.
    pub down: (String, Vec<String>),
    /// What was to be best.
    pub objective: String,
    /// Results by row, then column: the mean over all other parameters; NaN where nothing was tried.
    pub values: Vec<Vec<f64>>,
    /// The row and the column of the best variant.
    pub best: Option<(usize, usize)>,
}

impl Chart for Landscape {
    fn finding(&self) -> String {
        match self.best.and_then(|(row, column)| Some((self.down.1.get(row)?, self.across.1.get(column)?))) {
            Some((row, column)) => {
                format!("Best at {} {column}, {} {row}", last(&self.across.0), last(&self.down.0))
            }
            None => "No variant has a result".to_owned(),
        }
    }

    fn draw(&self, width: f64) -> Drawing {
        let title = self.title.clone().unwrap_or_else(|| self.finding());
        let Some((low, high)) = extent(self.values.iter().flatten().copied()) else {
            return Drawing::nothing(width, &title, "There are no results to show.");
        };
        let rows = self.down.1.len().min(MOST);
        let names: Vec<_> = self
            .down
            .1
            .iter()
            .take(rows)
            .map(|name| text::fit(&text::clean(name), size::LABEL, false, width * 0.3))
            .collect();
        let left = PADDING + super::axes::widest(&names).max(20.0) + 8.0;
        let room = width - PADDING - left;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of columns that fit"
        )]
        let columns = self.across.1.len().min(MOST).min((room / NARROWEST).max(1.0) as usize);
        let mut drawing = Drawing::titled(width, &title, &self.subtitle(rows, columns));
        let cell = (room / columns as f64).min(110.0);
        heat::heads(&self.across.1[..columns], &mut drawing, left, cell);
        for (row, name) in names.into_iter().enumerate() {
            let y = drawing.height;
            let label = Label::new(left - 8.0, y + 11.0 + 0.36 * size::LABEL, name);
            drawing.put(label.anchored(Anchor::End).colored(INK));
            for column in 0..columns {
                let value = self.values[row][column];
                let part = if high > low { (value - low) / (high - low) } else { 0.5 };
                self.cell(&mut drawing, (left + cell * column as f64, y), cell, (value, part, (row, column)));
            }
            drawing.height += 22.0;
        }
        drawing.height += PADDING;
        drawing
    }
}

impl Landscape {
    fn subtitle(&self, rows: usize, columns: usize) -> String {
        let all = self.down.1.len() * self.across.1.len();
        let left_out = all - rows * columns;
        let more = if left_out > 0 {
            format!("; {} left out", counted(left_out, "cell", "cells"))
        } else {
            String::new()
        };
        format!(
            "{} by {} (down) and {} (across), the mean over all else; darker is larger, the best in a frame{more}",
            self.objective, self.down.0, self.across.0
        )
    }

    fn cell(
        &self,
        drawing: &mut Drawing,
        (x, y): (f64, f64),
        wide: f64,
        (value, part, at): (f64, f64, (usize, usize)),
    ) {
        let color = if value.is_finite() { NEUTRAL.towards(MAIN, part) } else { PAPER };
        if self.best == Some(at) {
            drawing.rect((x - 1.0, y - 1.0), (x + wide + 1.0, y + 23.0), INK);
        }
        drawing.rect((x + 0.5, y + 0.5), (x + wide - 0.5, y + 21.5), color);
        let number = short(value);
        if value.is_finite() && text::width(&number, size::SMALL, false) <= wide - 6.0 {
            let label = Label::new(x + wide / 2.0, y + 11.0 + 0.36 * size::SMALL, number).sized(size::SMALL);
            drawing.put(label.anchored(Anchor::Middle).colored(theme::text_on(color)));
        }
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

    fn landscape(rows: usize, columns: usize) -> Landscape {
        let names = |count: usize| (0..count).map(|at| format!("0.{at}5")).collect::<Vec<_>>();
        Landscape {
            title: None,
            across: ("segments.tolerance".to_owned(), names(columns)),
            down: ("segments.k".to_owned(), names(rows)),
            objective: "segments.silhouette".to_owned(),
            values: (0..rows).map(|row| (0..columns).map(|column| (row * column) as f64).collect()).collect(),
            best: (rows > 0 && columns > 0).then(|| (rows - 1, columns - 1)),
        }
    }

    #[test]
    fn small_and_large_grids_fit() {
        for (rows, columns) in [(0, 0), (1, 1), (5, 4), (90, 90)] {
            for width in [WIDE, NARROW] {
                legible::check(&landscape(rows, columns).draw(width));
            }
        }
        assert_eq!(landscape(3, 4).finding(), "Best at tolerance 0.35, k 0.25");
        assert_eq!(landscape(0, 0).finding(), "No variant has a result");
    }
}
