//! How each customer's purchases spread over the values of a column.
//!
//! Counts are dense, customers by values. A column with more values than allowed would make
//! that table huge: it is then only counted overall, and a second pass counts the most frequent
//! values by customer, all others together.

use anyhow::Result;
use arrow::array::{Array, ArrayRef, StringArray};
use arrow::datatypes::DataType;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::habits::entropy;
use super::ids::{NOBODY, encoded};
use super::rows::{Rows, Tally};
use crate::data::columns;

/// The name under which rare values are counted together.
pub const REST: &str = "other";

/// Values of a column by code, in order of first sight.
#[derive(Debug, Default)]
struct Values {
    codes: HashMap<Box<str>, u32>,
    names: Vec<String>,
    /// The code of every value that has none of its own.
    rest: Option<u32>,
}

impl Values {
    fn code(&mut self, value: &str) -> u32 {
        if let Some(code) = self.codes.get(value) {
            return *code;
        }
        self.rest.unwrap_or_else(|| self.open(value))
    }

    fn open(&mut self, value: &str) -> u32 {
        let code = u32::try_from(self.names.len()).unwrap_or(NOBODY);
        self.codes.insert(value.into(), code);
        self.names.push(value.to_owned());
        code
    }
}

/// Purchases by customer and value of a column.
#[derive(Debug)]
pub struct Shares {
    /// The column.
    pub column: String,
    limit: usize,
    values: Values,
    /// Room for values a customer; at least the number of values.
    stride: usize,
    counts: Vec<u32>,
    /// Purchases by value, once there are more values than the limit.
    totals: Option<Vec<u64>>,
}

impl Shares {
    /// Nothing counted yet; at most `limit` values are told apart.
    pub fn new(column: &str, limit: usize) -> Self {
        Self {
            column: column.to_owned(),
            limit,
            values: Values::default(),
            stride: 4,
            counts: Vec::new(),
            totals: None,
        }
    }

    /// How many values the column had.
    pub fn distinct(&self) -> usize {
        self.values.names.len()
    }

    /// What a second pass has to count, if there were more values than the limit: the `limit`
    /// most frequent ones (of equally frequent ones the alphabetically first) and the rest.
    pub fn narrowed(&self) -> Option<Self> {
        let totals = self.totals.as_ref()?;
        let mut ranked: Vec<_> = self.values.names.iter().zip(totals).collect();
        ranked.sort_unstable_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let mut narrow = Self::new(&self.column, usize::MAX);
        for (name, _) in ranked.into_iter().take(self.limit) {
            narrow.values.open(name);
        }
        let own = narrow.values.codes.get(REST).copied();
        narrow.values.rest = Some(own.unwrap_or_else(|| narrow.values.open(REST)));
        Some(narrow)
    }

    /// Values and their codes in alphabetical order, the rest last.
    pub fn values(&self) -> Vec<(&str, usize)> {
        let mut values: Vec<_> =
            self.values.names.iter().enumerate().map(|(code, name)| (name.as_str(), code)).collect();
        let rest = self.values.rest.map(|code| code as usize);
        values.sort_unstable_by_key(|(name, code)| (Some(*code) == rest, *name));
        values
    }

    /// The share of a customer's purchases with that value, among those where it is known.
    pub fn share(&self, customer: usize, code: usize) -> Option<f64> {
        let counts = self.counts.get(customer * self.stride..(customer + 1) * self.stride)?;
        let known: u64 = counts.iter().map(|count| u64::from(*count)).sum();
        (known > 0).then(|| f64::from(counts[code]) / known as f64)
    }

    /// Shannon's entropy of a customer's shares, in nats.
    pub fn entropy(&self, customer: usize) -> Option<f64> {
        entropy(self.counts.get(customer * self.stride..(customer + 1) * self.stride)?)
    }

    /// Codes by row; [`NOBODY`] where the row is no purchase or the value is missing.
    fn codes(&mut self, rows: &Rows) -> Result<Vec<u32>> {
        let column = columns::column(&rows.batch, &self.column)?;
        if matches!(column.data_type(), DataType::Dictionary(..)) {
            return self.encoded_codes(column, &rows.who);
        }
        let texts: StringArray = columns::strings(&rows.batch, &self.column)?;
        let code = |(row, who): (usize, &u32)| {
            if *who == NOBODY || texts.is_null(row) { NOBODY } else { self.code(texts.value(row)) }
        };
        Ok(rows.who.iter().enumerate().map(code).collect())
    }

    /// Looks each dictionary value up once, and only those that a purchase has.
    fn encoded_codes(&mut self, column: &ArrayRef, who: &[u32]) -> Result<Vec<u32>> {
        let (keys, values) = encoded(column)?;
        let nulls = column.logical_nulls();
        let mut known = vec![None; values.len()];
        let code = |(row, who): (usize, &u32)| {
            if *who == NOBODY || nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                return NOBODY;
            }
            let at = keys[row] as usize;
            *known[at].get_or_insert_with(|| self.code(values.value(at)))
        };
        Ok(who.iter().enumerate().map(code).collect())
    }

    /// Empty text is a missing value.
    fn code(&mut self, value: &str) -> u32 {
        if value.is_empty() { NOBODY } else { self.values.code(value) }
    }

    /// Makes room for customers and values that are new.
    fn grow(&mut self, customers: usize) {
        let needed = self.values.names.len().next_power_of_two().max(self.stride);
        if needed > self.stride {
            let mut wider = vec![0; self.counts.len() / self.stride * needed];
            for (old, new) in self.counts.chunks(self.stride).zip(wider.chunks_mut(needed)) {
                new[..old.len()].copy_from_slice(old);
            }
            self.counts = wider;
            self.stride = needed;
        }
        self.counts.resize(customers * self.stride, 0);
    }

    /// Gives the counts by customer up and keeps their totals.
    fn overflow(&mut self) -> Vec<u64> {
        let mut totals = vec![0; self.values.names.len()];
        for counts in self.counts.chunks(self.stride) {
            for (total, count) in totals.iter_mut().zip(counts) {
                *total += u64::from(*count);
            }
        }
        self.counts = Vec::new();
        totals
    }
}

impl Shares {
    /// Opens the values that all purchases have, given with how many each has, those of a part together; where
    /// they are more than the limit, the most frequent ones and the rest, and it says how many there were.
    pub fn open_all<'t>(&mut self, totals: impl Iterator<Item = &'t (String, u64)>) -> Option<usize> {
        let mut sums: Vec<u64> = Vec::new();
        for (name, total) in totals {
            let code = self.values.code(name) as usize;
            sums.resize(self.values.names.len(), 0);
            sums[code] += total;
        }
        if self.distinct() <= self.limit {
            return None;
        }
        self.totals = Some(sums);
        let narrow = self.narrowed()?;
        let distinct = self.distinct();
        *self = narrow;
        Some(distinct)
    }

    /// Adds counts of the customers of these numbers.
    pub fn join(&mut self, customers: usize, who: &[u32], later: &Spread) {
        self.grow(customers);
        let codes: Vec<u32> = later.names.iter().map(|name| self.values.code(name)).collect();
        for (customer, code, count) in &later.counts {
            let at = who[*customer as usize] as usize * self.stride;
            self.counts[at + codes[*code as usize] as usize] += count;
        }
    }
}

/// Purchases by customer and value, only those that there are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spread {
    names: Vec<String>,
    counts: Vec<(u32, u32, u32)>,
}

impl Spread {
    /// The values with their purchases.
    pub fn totals(&self) -> Vec<(String, u64)> {
        let mut totals: Vec<_> = self.names.iter().map(|name| (name.clone(), 0)).collect();
        for (_, code, count) in &self.counts {
            totals[*code as usize].1 += u64::from(*count);
        }
        totals
    }
}

/// Purchases by customer and value, in as much memory as there are purchases.
#[derive(Debug)]
pub struct Pairs {
    shares: Shares,
    pairs: Vec<(u32, u32)>,
}

impl Pairs {
    /// Nothing counted yet.
    pub fn new(column: &str) -> Self {
        Self { shares: Shares::new(column, usize::MAX), pairs: Vec::new() }
    }

    /// What was counted.
    pub fn finish(mut self) -> Spread {
        self.pairs.sort_unstable();
        let count = |run: &[(u32, u32)]| (run[0].0, run[0].1, u32::try_from(run.len()).unwrap_or(u32::MAX));
        let counts = self.pairs.chunk_by(|one, two| one == two).map(count).collect();
        Spread { names: self.shares.values.names, counts }
    }
}

impl Tally for Pairs {
    fn add(&mut self, rows: &Rows, _: usize) -> Result<()> {
        let codes = self.shares.codes(rows)?;
        let pairs = rows.who.iter().copied().zip(codes);
        self.pairs.extend(pairs.filter(|(_, code)| *code != NOBODY));
        Ok(())
    }
}

impl Tally for Shares {
    fn add(&mut self, rows: &Rows, customers: usize) -> Result<()> {
        let codes = self.codes(rows)?;
        if self.totals.is_none() && self.values.names.len() > self.limit {
            self.totals = Some(self.overflow());
        }
        if let Some(totals) = &mut self.totals {
            totals.resize(self.values.names.len(), 0);
            codes.iter().filter(|code| **code != NOBODY).for_each(|code| totals[*code as usize] += 1);
            return Ok(());
        }
        self.grow(customers);
        for (who, code) in rows.who.iter().zip(&codes) {
            if *code != NOBODY {
                self.counts[*who as usize * self.stride + *code as usize] += 1;
            }
        }
        Ok(())
    }
}
