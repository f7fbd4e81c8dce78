//! A table of weekly series read back as numbers.
//!
//! Does not know where the table comes from, nor what becomes of the numbers.

use anyhow::{Result, bail};
use arrow::array::Array;

use super::calendar::{date, day_of};
use crate::data::{Table, columns};
use crate::model::forecast::{STEP_DAYS, Series};

/// Weekly series with their names, sorted by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// What the series are of.
    pub target: String,
    /// One name for each series.
    pub names: Vec<String>,
    /// The series.
    pub series: Vec<Series>,
    /// Weeks that were absent, or had no finite value, and count as 0.
    pub filled: usize,
}

impl Panel {
    /// The series that `keep` says yes to, and the others.
    #[must_use]
    pub fn part(self, keep: impl Fn(&Series) -> bool) -> (Self, Self) {
        let target = self.target.clone();
        let empty = |filled| Self { target: target.clone(), names: Vec::new(), series: Vec::new(), filled };
        let (mut kept, mut others) = (empty(self.filled), empty(0));
        for (name, series) in self.names.into_iter().zip(self.series) {
            let of = if keep(&series) { &mut kept } else { &mut others };
            of.names.push(name);
            of.series.push(series);
        }
        (kept, others)
    }
}

/// Two hundred years of weeks: whatever has a longer gap has a wrong date in it.
const LONGEST_GAP: i64 = 10_440;

/// Reads the columns `series`, `period` and `target` of a table of weekly series, in any row order.
///
/// # Errors
/// When a column is missing or has an unusable type, when a row lacks its period, or when the
/// periods of a series are not whole weeks apart.
pub fn panel(table: &Table, target: &str) -> Result<Panel> {
    let mut rows = rows(table, target)?;
    rows.sort_by(|one, two| (&one.0, one.1).cmp(&(&two.0, two.1)));
    let target = target.to_owned();
    let mut panel = Panel { target, names: Vec::new(), series: Vec::new(), filled: 0 };
    for rows in rows.chunk_by(|one, two| one.0 == two.0) {
        if let Some((name, first, _)) = rows.first() {
            let values = consecutive(rows, &mut panel.filled)?;
            panel.series.push(Series { start: i32::try_from(*first)?, values });
            panel.names.push(name.clone());
        }
    }
    Ok(panel)
}

/// Series, day and value of every row.
fn rows(table: &Table, target: &str) -> Result<Vec<(String, i64, Option<f64>)>> {
    let mut rows = Vec::with_capacity(table.rows());
    for batch in table.select(&["series", "period", target])? {
        let batch = batch?;
        let names = columns::strings(&batch, "series")?;
        let periods = columns::timestamps(&batch, "period")?;
        let values = columns::floats(&batch, target)?;
        if periods.null_count() > 0 {
            bail!("there are rows without a `period`");
        }
        for ((name, period), value) in names.iter().zip(periods.values()).zip(&values) {
            let value = value.filter(|value| value.is_finite());
            rows.push((name.unwrap_or("").to_owned(), day_of(*period), value));
        }
    }
    Ok(rows)
}

/// The values of one series, with 0 for weeks between its rows.
fn consecutive(rows: &[(String, i64, Option<f64>)], filled: &mut usize) -> Result<Vec<f64>> {
    let week = i64::from(STEP_DAYS);
    let mut values = Vec::with_capacity(rows.len());
    let mut last: Option<i64> = None;
    for (name, day, value) in rows {
        let gap = last.map_or(week, |last| day - last);
        if gap <= 0 || gap % week != 0 || gap / week > LONGEST_GAP {
            bail!("series `{name}` isn't weekly: {} follows {}", date(*day), date(day - gap));
        }
        let absent = usize::try_from(gap / week - 1)?;
        values.extend(std::iter::repeat_n(0.0, absent));
        *filled += absent + usize::from(value.is_none());
        values.push(value.unwrap_or(0.0));
        last = Some(*day);
    }
    Ok(values)
}
