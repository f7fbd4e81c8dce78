//! The leaderboard of a sweep in lines.

use crate::engine::events::{Outcome, Ranked};

/// Variants that are listed; the table has them all.
const MOST: usize = 50;

/// The variants of a sweep, the best first, and where the best one stands as a pipeline.
pub fn leaderboard(objective: &str, others: &[String], best: Option<&str>, rows: &[Ranked]) -> Vec<String> {
    let shown = &rows[..rows.len().min(MOST)];
    let width = shown.iter().map(|row| row.variant.chars().count()).max().unwrap_or(0).max("variant".len());
    let several = !others.is_empty();
    let front = if several { "front  " } else { "" };
    let results: Vec<_> = shown.iter().map(result).collect();
    let first = results.iter().map(|result| result.chars().count()).max().unwrap_or(0).max(objective.len());
    let names = others.iter().map(|name| format!("  {name}")).collect::<String>();
    let head = format!("  {:>4}  {front}{:width$}  {objective:first$}{names}", "rank", "variant");
    let mut lines = vec![head.trim_end().to_owned()];
    for (at, (row, result)) in shown.iter().zip(&results).enumerate() {
        let rank = if row.value.is_some() { (at + 1).to_string() } else { "-".to_owned() };
        let mark = match row.front {
            Some(true) => "*      ",
            Some(false) => "       ",
            None => "",
        };
        let other = |(name, value): (&String, &Option<f64>)| {
            let value = value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
            format!("  {value:width$}", width = name.len())
        };
        let more: String = others.iter().zip(&row.others).map(other).collect();
        let line = format!("  {rank:>4}  {mark}{:width$}  {result:first$}{more}", row.variant);
        lines.push(line.trim_end().to_owned());
    }
    if rows.len() > MOST {
        lines.push(format!("        and {} more: custem show sweep -n {}", rows.len() - MOST, rows.len()));
    }
    lines.extend(best.map(|best| format!("  the best as a pipeline: {best}")));
    lines
}

/// What a variant came to: a number, the mean over its seeds with half of its interval, or why there is none.
fn result(row: &Ranked) -> String {
    match (row.value, row.outcome) {
        (Some(value), _) => {
            let reach = row.high.map(|high| format!(" ± {:.4}", high - value)).unwrap_or_default();
            let seeds =
                row.seeds.map(|count| format!(" ({count} {})", if count == 1 { "seed" } else { "seeds" }));
            format!("{value:.4}{reach}{}", seeds.unwrap_or_default())
        }
        (None, Some(Outcome::Failed)) => "failed".to_owned(),
        (None, Some(Outcome::Ran | Outcome::Hit)) => "no value".to_owned(),
        (None, _) => "skipped".to_owned(),
    }
}
