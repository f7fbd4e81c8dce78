//! Histograms from tables: where the ends lie, and whether rows are customers.
//!
//! Knows columns of numbers, no stages.

use anyhow::Result;
use arrow::array::StringArray;
use hashbrown::HashSet;

use super::Histogram;
use super::scale::{extent, log_ends, ticks};
use crate::data::Table;
use crate::data::columns::{float_vec, strings};
use crate::present::format::{Unit, words};

/// Bands of a probability, lowest first.
const BANDS: [&str; 3] = ["low", "medium", "high"];

/// The greatest value over the median, beyond which an axis is logarithmic.
const SKEWED: f64 = 20.0;

/// Counts of a column by the bands low, medium and high; shares lie between 0 and 1, other numbers
/// between round ends around all of them, on a logarithmic scale where few values are far above the
/// others. Where not all are above zero, which such a scale can't show, the last stretch holds
/// those far above.
///
/// # Errors
/// When a column doesn't exist or isn't a number.
pub fn histogram(
    table: &Table,
    x: &str,
    band: Option<&str>,
    unit: Unit,
    stretches: usize,
) -> Result<Histogram> {
    let (mut values, mut groups) = (Vec::new(), Vec::new());
    for batch in table.select(&[&[x], band.as_slice()].concat())? {
        let batch = batch?;
        values.extend(float_vec(&batch, x)?);
        if let Some(band) = band {
            let names = strings(&batch, band)?;
            groups.extend(
                names.iter().map(|name| BANDS.iter().position(|band| name == Some(band)).unwrap_or(0)),
            );
        }
    }
    let mut finite: Vec<_> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let share = unit == Unit::Percent;
    let skewed = !share && is_skewed(&finite);
    let log = skewed && band.is_none() && wants_log(&finite);
    let edges = match extent(finite.iter().copied()) {
        _ if share => vec![0.0, 1.0],
        None => ticks(0.0, 1.0, stretches as f64),
        Some((low, high)) if log => <[f64; 2]>::from(log_ends(low, high)).to_vec(),
        Some((low, _)) if skewed => ticks(low, most(&mut finite), stretches as f64),
        Some((low, high)) => ticks(low, high, stretches as f64),
    };
    let ends = extent(edges.iter().copied()).unwrap_or((0.0, 1.0));
    let stretches = if share || log { stretches } else { edges.len().saturating_sub(1) };
    let names: &[&str] = if band.is_some() { &["low risk", "medium risk", "high risk"] } else { &[] };
    let mut histogram = Histogram::new(&words(x), unit, ends, names, stretches);
    histogram.log = log;
    for (row, value) in values.into_iter().enumerate() {
        let group = groups.get(row).copied().unwrap_or(0);
        if share { histogram.add(value, group) } else { histogram.add_or_above(value, group) }
    }
    histogram.median = median(&mut finite);
    Ok(histogram)
}

/// Whether a table has one row a customer: the column `customer_id`, in which nobody is missing or
/// comes twice.
///
/// # Errors
/// When the table can't be read.
pub fn of_customers(table: &Table) -> Result<bool> {
    if !table.has("customer_id") {
        return Ok(false);
    }
    let mut parts: Vec<StringArray> = Vec::new();
    for batch in table.select(&["customer_id"])? {
        parts.push(strings(&batch?, "customer_id")?);
    }
    let mut seen: HashSet<&str> = HashSet::new();
    Ok(parts.iter().flatten().all(|id| id.is_some_and(|id| seen.insert(id))))
}

/// Whether few values are far above the rest, so that round ends around all of them would show
/// little of the rest.
fn is_skewed(values: &[f64]) -> bool {
    let mut finite: Vec<_> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let highest = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let middle = ranked(&mut finite, |len| len / 2).unwrap_or(0.0);
    middle > 0.0 && highest > SKEWED * middle
}

/// Whether a logarithmic axis shows values better: few are far above the rest, all above zero.
pub fn wants_log(values: &[f64]) -> bool {
    let finite = || values.iter().filter(|value| value.is_finite());
    finite().all(|value| *value > 0.0) && is_skewed(values)
}

/// The value that a hundredth of all lie above.
fn most(values: &mut [f64]) -> f64 {
    ranked(values, |len| len.saturating_sub(1) * 99 / 100).unwrap_or(1.0)
}

/// The middle value, or the mean of the two middle ones.
fn median(values: &mut [f64]) -> Option<f64> {
    let low = ranked(values, |len| len.saturating_sub(1) / 2)?;
    Some(f64::midpoint(low, ranked(values, |len| len / 2)?))
}

/// The value of a rank, given the number of values; their order is lost. O(n).
fn ranked(values: &mut [f64], rank: impl Fn(usize) -> usize) -> Option<f64> {
    let rank = rank(values.len());
    (rank < values.len()).then(|| *values.select_nth_unstable_by(rank, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::report::example::{floats, ints, table, texts};

    #[test]
    fn rows_are_customers_where_each_has_one() {
        let amounts = || ("amount", floats([1.0, 2.0, 3.0]));
        assert!(of_customers(&table(vec![("customer_id", texts(["a", "b", "c"])), amounts()])).unwrap());
        assert!(!of_customers(&table(vec![("customer_id", texts(["a", "b", "a"])), amounts()])).unwrap());
        assert!(!of_customers(&table(vec![("order_id", texts(["a", "b", "c"])), amounts()])).unwrap());
        assert!(of_customers(&table(vec![("customer_id", ints([1, 2, 3])), amounts()])).unwrap());
    }

    #[test]
    fn a_log_histogram_ends_next_to_its_values() {
        let spend = table(vec![("monetary", floats([1.5, 10.0, 12.0, 15.0, 101_000.0]))]);
        let histogram = histogram(&spend, "monetary", None, Unit::Number, 20).unwrap();
        assert!(histogram.log);
        assert_eq!((histogram.ends, histogram.total()), ((1.0, 200_000.0), 5));
    }
}
