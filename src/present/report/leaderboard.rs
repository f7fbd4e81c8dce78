//! Section: the variants of a sweep, best first.

use anyhow::Result;
use maud::{Markup, html};

use super::parts::{Chapter, Column, Grid, Tile, figure, name, plain};
use super::{Inputs, Misfit, of};
use crate::data::Table;
use crate::present::chart::{Leaderboard, read};
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
    let brief = html! { "Of " (counted(board.variants.len(), "variant", "variants")) ", " (best(&board)) " is best by " (objective) "." };
    let body = html! {
        p { "Variants are ranked by " code { (objective) } ". " (lead(&board)) }
        (figure(&board)?)
        (grid(&board).render())
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

/// How far ahead the best one is.
fn lead(board: &Leaderboard) -> Markup {
    let results: Vec<_> =
        board.variants.iter().map(|(_, value)| *value).filter(|value| value.is_finite()).collect();
    let failed = board.variants.len() - results.len();
    let Some(best) = results.first().copied() else { return html! { "None of them has a result." } };
    let close = results.iter().skip(1).filter(|value| (*value - best).abs() <= CLOSE * best.abs()).count();
    html! {
        @if close > 0 {
            (close) @if close == 1 { " other lies" } @else { " others lie" }
            " within " (percent(CLOSE)) " of the best: choose the simplest of them. "
        } @else if let Some(second) = results.get(1) {
            "The best one leads by " (fixed((best - second).abs(), 4)) ". "
        }
        @if failed > 0 { (failed) " gave no result." }
    }
}

fn grid(board: &Leaderboard) -> Grid {
    let row = |(at, (variant, value)): (usize, &(String, f64))| {
        let rank = if value.is_finite() { (at + 1).to_string() } else { MISSING.to_owned() };
        vec![name(variant), plain(rank), plain(fixed(*value, 4))]
    };
    Grid {
        caption: "All variants".to_owned(),
        columns: vec![Column::Text("Variant"), Column::Number("Rank"), Column::Number("Result")],
        rows: board.variants.iter().enumerate().map(row).collect(),
        marked: board.variants.iter().take(1).filter(|(_, value)| value.is_finite()).map(|_| 0).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_without_a_result_has_no_rank() {
        let variants = vec![("k=3".to_owned(), 0.5), ("k=4".to_owned(), f64::NAN)];
        let board = Leaderboard { title: None, objective: "s.x".to_owned(), variants };
        let rows: Vec<Vec<String>> =
            grid(&board).rows.into_iter().map(|row| row.into_iter().map(|cell| cell.0).collect()).collect();
        assert_eq!(rows[0][1..], ["1", "0.5000"]);
        assert_eq!(rows[1][1..], ["–", "–"]);
    }
}
