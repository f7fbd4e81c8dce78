//! What a user's file holds once it is read as the pipeline will read it: rows, customers, history.
//!
//! Knows nothing of stages; what follows from it is up to `choices`.

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;
use arrow::array::Array;
use hashbrown::HashMap;

use crate::data::read::inspect::Inspection;
use crate::data::read::{self, File, Options, Rows};
use crate::data::{Table, columns, dates};
use crate::diagnostic::{Failure, percent, shown};

/// Above this share of rows that can't be read, the columns are not what they seem.
const MOST_BAD: f64 = 0.5;

/// What a file holds.
#[derive(Debug, Default)]
pub struct Survey {
    /// Rows that can be read.
    pub rows: u64,
    /// Rows that can't.
    pub rejected: u64,
    /// Days from the first purchase to the last one, both included.
    pub days: i64,
    /// The first purchase, in days since 1970.
    pub first: i64,
    /// Who bought.
    customers: HashMap<String, Customer>,
}

/// What somebody bought.
#[derive(Debug, Default)]
struct Customer {
    days: Vec<i64>,
    spent: f64,
}

impl Survey {
    /// Reads a file with the proposed columns.
    ///
    /// # Errors
    /// When it can't be read so, or nobody buys anything in it.
    pub fn of(file: &File, seen: &Inspection) -> Result<Self> {
        let pairs = seen.mapping.iter().map(|one| (one.ours.to_owned(), one.theirs.clone()));
        let columns: BTreeMap<String, String> = pairs.collect();
        let options = Options { header: seen.header, columns, max_bad: 1.0, ..Options::default() };
        let scratch = tempfile::tempdir()?;
        let read = read::read(std::slice::from_ref(file), &options, scratch.path(), &mut |_| Ok(()))?;
        let mut survey = Self { rows: read.count, rejected: read.rejected.rows() as u64, ..Self::default() };
        if survey.bad() > MOST_BAD {
            return Err(survey.unreadable(file, &read.rejected).into());
        }
        let table = match read.rows {
            Rows::Memory(table) => table,
            Rows::File(path) => Table::open(&path)?,
        };
        survey.purchases(&table)?;
        if survey.customers.is_empty() {
            let message =
                format!("no row of `{}` has a customer, a date and an amount above zero", file.name);
            return Err(Failure::new(message).hint(taken(seen)).into());
        }
        Ok(survey)
    }

    /// Share of rows that can't be read.
    pub fn bad(&self) -> f64 {
        // Counts of rows are far below 2^53.
        let (bad, all) = (self.rejected as f64, (self.rows + self.rejected) as f64);
        bad / all.max(1.0)
    }

    /// How many people bought.
    pub fn customers(&self) -> usize {
        self.customers.len()
    }

    /// In how many ways they differ at least: in purchases and what was spent.
    pub fn ways(&self) -> usize {
        let way = |customer: &Customer| (customer.days.len(), customer.spent.to_bits());
        #[expect(clippy::disallowed_methods, reason = "a number")]
        let ways: HashSet<_> = self.customers.values().map(way).collect();
        ways.len()
    }

    /// Whether of those who had bought some days before the end, some came back within the next
    /// `horizon` days and some did not.
    pub fn some_left(&self, before: i64, horizon: i64) -> bool {
        let cutoff = self.first + self.days - before;
        #[expect(clippy::disallowed_methods, reason = "whether any is among them")]
        let known = self.customers.values().filter(|one| one.days.iter().any(|day| *day < cutoff));
        let back = |one: &Customer| one.days.iter().any(|day| (cutoff..cutoff + horizon).contains(day));
        let came: Vec<bool> = known.map(back).collect();
        came.contains(&true) && came.contains(&false)
    }

    fn purchases(&mut self, table: &Table) -> Result<()> {
        for batch in table.select(&["customer_id", "txn_timestamp", "amount"])? {
            let batch = batch?;
            let ids = columns::strings(&batch, "customer_id")?;
            let times = columns::timestamps(&batch, "txn_timestamp")?;
            let amounts = columns::floats(&batch, "amount")?;
            for row in 0..batch.num_rows() {
                if ids.is_valid(row)
                    && times.is_valid(row)
                    && amounts.is_valid(row)
                    && amounts.value(row) > 0.0
                {
                    let customer = self.customers.entry_ref(ids.value(row)).or_default();
                    customer.days.push(times.value(row).div_euclid(dates::DAY));
                    customer.spent += amounts.value(row);
                }
            }
        }
        #[expect(clippy::disallowed_methods, reason = "the least and the greatest")]
        let days = || self.customers.values().flat_map(|customer| customer.days.iter().copied());
        self.first = days().min().unwrap_or_default();
        self.days = days().max().map_or(0, |last| last - self.first + 1);
        Ok(())
    }

    fn unreadable(&self, file: &File, rejected: &Table) -> Failure {
        let message = format!("{} of the rows of `{}` can't be read", percent(self.bad()), file.name);
        let why = first_reason(rejected).unwrap_or_default();
        Failure::new(format!("{message}{why}"))
            .hint("write the pipeline by hand: `custem kinds read` lists what can be said of a file")
    }
}

/// What is wrong with the first bad row.
fn first_reason(rejected: &Table) -> Option<String> {
    let batch = rejected.batches().ok()?.next()?.ok()?;
    let text = |name: &str| columns::strings(&batch, name).ok().filter(|text| text.is_valid(0));
    let line = columns::integers(&batch, "line").ok()?.value(0);
    let reason = text("reason")?.value(0).to_owned();
    let what = match (text("column"), text("value")) {
        (Some(column), Some(value)) => {
            format!("`{}` is `{}`, {reason}", column.value(0), shown(value.value(0)))
        }
        _ => reason,
    };
    Some(format!(", such as {line}: {what}"))
}

/// Which columns were taken for what.
pub fn taken(seen: &Inspection) -> String {
    let pairs: Vec<String> =
        seen.mapping.iter().map(|one| format!("`{}` for `{}`", one.theirs, one.ours)).collect();
    format!("taken were {}", crate::diagnostic::listing(&pairs, "and"))
}
