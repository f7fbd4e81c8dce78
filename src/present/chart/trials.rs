//! The variants of a sweep as charts take them, read from its leaderboard.

use std::collections::HashMap;

use anyhow::Result;

use super::parallel::Side;
use super::read::{gather, labels};
use super::{Landscape, Parallel};
use crate::data::Table;
use crate::data::columns::float_vec;

/// The columns of swept parameters: what stands behind the variant's name and before its results.
pub fn swept(table: &Table, objective: &str) -> Vec<String> {
    let names = table.schema().fields().iter().map(|field| field.name().as_str());
    let behind = names.skip_while(|name| *name != "variant").skip(1);
    behind.take_while(|name| !["front", "seeds", objective].contains(name)).map(str::to_owned).collect()
}

/// Every variant with its values and its result.
///
/// # Errors
/// When a column doesn't exist or the result isn't a number.
pub fn parallel(table: &Table, objective: &str) -> Result<Parallel> {
    let results = float_vec(&gather(table, &[objective])?, objective)?;
    let side = |name: &String| {
        let (values, places) = numbered(column(table, name)?);
        Ok(Side { name: name.clone(), values, places })
    };
    let sides = swept(table, objective).iter().map(side).collect::<Result<_>>()?;
    Ok(Parallel { title: None, sides, objective: objective.to_owned(), results })
}

/// Results over two parameters, means over all others.
///
/// # Errors
/// When a column doesn't exist or the result isn't a number.
pub fn landscape(table: &Table, x: &str, y: &str, objective: &str) -> Result<Landscape> {
    let results = float_vec(&gather(table, &[objective])?, objective)?;
    let (across, columns) = numbered(column(table, x)?);
    let (down, rows) = numbered(column(table, y)?);
    let mut cells = vec![vec![(0.0, 0.0); across.len()]; down.len()];
    let mut best = None;
    for ((row, column), result) in rows.iter().zip(&columns).zip(results) {
        if let (Some(row), Some(column)) = (*row, *column)
            && result.is_finite()
        {
            cells[row][column].0 += result;
            cells[row][column].1 += 1.0;
            best = best.or(Some((row, column)));
        }
    }
    let mean = |(sum, count): &(f64, f64)| sum / count;
    let values = cells.iter().map(|row| row.iter().map(mean).collect()).collect();
    let (across, down) = ((x.to_owned(), across), (y.to_owned(), down));
    Ok(Landscape { title: None, across, down, objective: objective.to_owned(), values, best })
}

/// The values of a column as texts; none where there is none.
fn column(table: &Table, name: &str) -> Result<Vec<Option<String>>> {
    use arrow::array::Array;
    let batch = gather(table, &[name])?;
    let labels = labels(&batch, name)?;
    Ok(labels
        .into_iter()
        .enumerate()
        .map(|(row, label)| batch.column(0).is_valid(row).then_some(label))
        .collect())
}

/// The different values in their order, numbers by size, and the number of each among them.
fn numbered(values: Vec<Option<String>>) -> (Vec<String>, Vec<Option<usize>>) {
    let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
    let mut kinds: Vec<String> = values.iter().flatten().cloned().collect();
    kinds.sort_by(|a, b| number(a).total_cmp(&number(b)).then(a.cmp(b)));
    kinds.dedup();
    let place: HashMap<_, _> = kinds.iter().enumerate().map(|(at, kind)| (kind.as_str(), at)).collect();
    let places = values.iter().map(|value| value.as_ref().map(|value| place[value.as_str()])).collect();
    (kinds, places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::report::example;

    #[test]
    fn parameters_stand_between_the_name_and_the_results() {
        let table = example::sweep();
        let found = swept(&table, "segments.silhouette");
        assert_eq!(found, ["segments.k", "segments.tolerance", "segments.scale"]);
        let map = landscape(&table, "segments.tolerance", "segments.k", "segments.silhouette").unwrap();
        assert_eq!((map.down.1.len(), map.across.1.len()), (8, 4));
        assert_eq!(map.best, Some((3, 1)), "k = 5, tolerance = 1e-4");
        assert!((map.values[3][1] - 0.395).abs() < 1e-12, "the mean over both scales");
    }

    #[test]
    fn numbers_are_in_their_order_and_nothing_is_nowhere() {
        let values = ["10", "2", "10"].map(|text| Some(text.to_owned()));
        let (kinds, places) = numbered([&values[..], &[None]].concat());
        assert_eq!(kinds, ["2", "10"]);
        assert_eq!(places, [Some(1), Some(0), Some(1), None]);
    }
}
