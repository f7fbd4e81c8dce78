//! Section: the variants of a sweep, best first.

use std::collections::HashMap;

use anyhow::Result;
use arrow::array::Array;
use arrow::util::display::array_value_to_string;
use maud::{Markup, html};

use super::parts::{Chapter, Column, Grid, Tile, care, figure, listed, name, plain};
use super::{Inputs, Misfit, of};
use crate::data::Table;
use crate::data::columns::float_vec;
use crate::present::chart::{Leaderboard, incomparable, read};
use crate::present::format::{MISSING, counted, fixed, percent, short};

/// Variants whose result is this close to the best can't be told from it by eye.
const CLOSE: f64 = 0.01;

/// The section, where a leaderboard is given.
pub fn chapter(inputs: &Inputs) -> Result<Option<Chapter>, Misfit> {
    let Some(table) = &inputs.leaderboard else { return Ok(None) };
    write(table).map(Some).map_err(of("leaderboard"))
}

fn write(table: &Table) -> Result<Chapter> {
    let objective = read::objective(table)?;
    let board = read::leaderboard(table, "variant", &objective)?;
    let spread = Spread::read(table, &objective)?;
    let brief = html! { "Of " (counted(board.variants.len(), "variant", "variants")) ", " (best(&board)) " is best by " (objective) "." };
    let body = html! {
        p { "Variants are ranked by " code { (objective) } ". " (lead(&board, &spread)) }
        (figure(&board)?)
        (grid(&board, &spread).render())
        (spaces(table, &objective)?)
    };
    let result = board.variants.iter().map(|(_, value)| *value).find(|value| value.is_finite());
    let tile = Tile {
        label: format!("Best of {}", counted(board.variants.len(), "variant", "variants")),
        value: short(result.unwrap_or(f64::NAN)),
        note: html! { (objective) " of " (best(&board)) },
    };
    let brief =
        if board.variants.iter().all(|(_, value)| !value.is_finite()) { Vec::new() } else { vec![brief] };
    Ok(Chapter { heading: "Variants compared", tiles: vec![tile], brief, advice: Vec::new(), body })
}

fn best(board: &Leaderboard) -> Markup {
    name(board.variants.iter().find(|(_, value)| value.is_finite()).map_or("none", |(variant, _)| variant))
}

/// How far the results of variants scatter over their seeds: both ends of the 95% interval of the mean, and of how many
/// it is. Empty where variants ran with one seed.
#[derive(Default)]
struct Spread(HashMap<String, [f64; 3]>);

impl Spread {
    fn read(table: &Table, objective: &str) -> Result<Self> {
        let (low, high) = (format!("{objective}.low"), format!("{objective}.high"));
        if !["seeds", &low, &high].into_iter().all(|column| table.has(column)) {
            return Ok(Self::default());
        }
        let batch = read::gather(table, &["variant", "seeds", &low, &high])?;
        let column = |name: &str| float_vec(&batch, name);
        let (low, high, seeds) = (column(&low)?, column(&high)?, column("seeds")?);
        let ends = low.into_iter().zip(high).zip(seeds).map(|((low, high), seeds)| [low, high, seeds]);
        Ok(Self(read::labels(&batch, "variant")?.into_iter().zip(ends).collect()))
    }

    fn of(&self, variant: &str) -> Option<[f64; 3]> {
        self.0.get(variant).copied()
    }

    /// How many variants have an interval that meets that of the best one.
    fn level(&self, board: &Leaderboard) -> Option<usize> {
        let mut ends = board.variants.iter().filter(|(_, value)| value.is_finite());
        let ends = ends.by_ref().map(|(variant, _)| self.of(variant).filter(|[low, ..]| low.is_finite()));
        let ends = ends.collect::<Option<Vec<_>>>()?;
        let ([best_low, best_high, _], rest) = ends.split_first()?;
        Some(rest.iter().filter(|[low, high, _]| low <= best_high && high >= best_low).count())
    }
}

/// That results along some axes can't be compared.
fn spaces(table: &Table, objective: &str) -> Result<Markup> {
    let names: Vec<_> = table.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut varied = Vec::new();
    for axis in incomparable(objective, names.iter().map(String::as_str)) {
        // The objective's own columns are no axes.
        if axis != objective && !axis.starts_with(&format!("{objective}.")) && differs(table, axis)? {
            varied.push(axis.to_owned());
        }
    }
    Ok(html! {
        @if !varied.is_empty() {
            (care(&html! {
                "along " (listed(&varied)) ", " code { (objective) }
                " is measured in other spaces; compare variants only where these are equal"
            }))
        }
    })
}

/// Whether a column has more than one value.
fn differs(table: &Table, column: &str) -> Result<bool> {
    let batch = read::gather(table, &[column])?;
    let values = batch.column(0);
    let text = |row: usize| Ok::<_, anyhow::Error>(array_value_to_string(values, row)?);
    for row in 1..values.len() {
        if text(row)? != text(0)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How far ahead the best one is.
fn lead(board: &Leaderboard, spread: &Spread) -> Markup {
    let results: Vec<_> =
        board.variants.iter().map(|(_, value)| *value).filter(|value| value.is_finite()).collect();
    let failed = board.variants.len() - results.len();
    let Some(best) = results.first().copied() else { return html! { "None of them has a result." } };
    let close = results.iter().skip(1).filter(|value| (*value - best).abs() <= CLOSE * best.abs()).count();
    html! {
        @if let Some(level) = spread.level(board).filter(|_| results.len() > 1) {
            @if level == 0 {
                "Over its seeds, the best one is ahead of every other: no 95% interval meets its own. "
            } @else {
                "Over their seeds, " (level) @if level == 1 { " other" } @else { " others" }
                " can't be told from the best: " @if level == 1 { "its 95% interval meets" } @else { "their 95% intervals meet" }
                " that of the best one. "
            }
        } @else if close > 0 {
            (close) @if close == 1 { " other lies" } @else { " others lie" }
            " within " (percent(CLOSE)) " of the best: choose the simplest of them. "
        } @else if let Some(second) = results.get(1) {
            "The best one leads by " (fixed((best - second).abs(), 4)) ". "
        }
        @if failed > 0 { (failed) " gave no result." }
    }
}

fn grid(board: &Leaderboard, spread: &Spread) -> Grid {
    let row = |(at, (variant, value)): (usize, &(String, f64))| {
        let rank = if value.is_finite() { (at + 1).to_string() } else { MISSING.to_owned() };
        let mut cells = vec![name(variant), plain(rank), plain(fixed(*value, 4))];
        if let Some([low, high, seeds]) = spread.of(variant) {
            let known = low.is_finite() && high.is_finite();
            let range = || format!("{} to {}", fixed(low, 4), fixed(high, 4));
            let range = if known { range() } else { MISSING.to_owned() };
            cells.extend([plain(range), plain(fixed(seeds, 0))]);
        }
        cells
    };
    let mut columns = vec![Column::Text("Variant"), Column::Number("Rank"), Column::Number("Result")];
    if !spread.0.is_empty() {
        columns[2] = Column::Number("Mean");
        columns.extend([Column::Number("95% interval"), Column::Number("Seeds")]);
    }
    Grid {
        caption: "All variants".to_owned(),
        columns,
        rows: board.variants.iter().enumerate().map(row).collect(),
        marked: board.variants.iter().take(1).filter(|(_, value)| value.is_finite()).map(|_| 0).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};

    use super::*;

    #[test]
    fn a_variant_without_a_result_has_no_rank() {
        let variants = vec![("k=3".to_owned(), 0.5), ("k=4".to_owned(), f64::NAN)];
        let board = Leaderboard { title: None, objective: "s.x".to_owned(), variants, intervals: Vec::new() };
        let rows: Vec<Vec<String>> = grid(&board, &Spread::default())
            .rows
            .into_iter()
            .map(|row| row.into_iter().map(|cell| cell.0).collect())
            .collect();
        assert_eq!(rows[0][1..], ["1", "0.5000"]);
        assert_eq!(rows[1][1..], ["–", "–"]);
    }

    /// A leaderboard of means over seeds: variant, mean, half of its interval.
    fn seeded(rows: &[(&str, f64, f64)]) -> Table {
        let floats = |of: fn(&(&str, f64, f64)) -> f64| -> ArrayRef {
            Arc::new(
                rows.iter()
                    .map(|row| Some(of(row)).filter(|value| value.is_finite()))
                    .collect::<Float64Array>(),
            )
        };
        let ranks: ArrayRef = Arc::new((1..=3).take(rows.len()).collect::<Int32Array>());
        let scale: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0)));
        let columns = [
            ("rank", ranks),
            ("variant", Arc::clone(&scale)),
            ("s.scale", scale),
            ("seeds", Arc::new(Int64Array::from(vec![5; rows.len()])) as ArrayRef),
            ("s.silhouette.low", floats(|row| row.1 - row.2)),
            ("s.silhouette.high", floats(|row| row.1 + row.2)),
            ("s.silhouette", floats(|row| row.1)),
        ];
        Table::from_batch(
            RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
                .unwrap(),
        )
    }

    #[test]
    fn means_over_seeds_have_their_intervals() {
        let text = |rows: &[(&str, f64, f64)]| write(&seeded(rows)).unwrap().body.into_string();
        let apart = text(&[("robust", 0.5, 0.01), ("standard", 0.4, 0.02)]);
        for part in ["95% interval", "0.4900 to 0.5100", "0.3800 to 0.4200", "no 95% interval meets its own"]
        {
            assert!(apart.contains(part), "{part}: {apart}");
        }
        let level = text(&[("robust", 0.5, 0.01), ("standard", 0.485, 0.02), ("none", 0.2, 0.1)]);
        assert!(
            level.contains("Over their seeds, 1 other can't be told from the best: its 95% interval meets"),
            "{level}"
        );
        let one = text(&[("robust", 0.5, f64::NAN), ("standard", 0.4, f64::NAN)]);
        assert!(one.contains("The best one leads by 0.1000") && !one.contains(" to "), "{one}");
    }

    #[test]
    fn silhouettes_of_other_scalings_are_a_caution() {
        let caution = "measured in other spaces";
        let text = |rows: &[(&str, f64, f64)]| write(&seeded(rows)).unwrap().body.into_string();
        assert!(text(&[("robust", 0.5, 0.01), ("standard", 0.4, 0.02)]).contains(caution));
        assert!(!text(&[("robust", 0.5, 0.01), ("robust", 0.4, 0.02)]).contains(caution));
    }
}
