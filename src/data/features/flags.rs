//! How often a true/false column is true among each customer's purchases.

use anyhow::Result;
use arrow::array::{Array, AsArray, BooleanArray};
use arrow::datatypes::DataType;

use super::ids::NOBODY;
use super::rows::{Rows, Tally};
use crate::data::columns;

/// Purchases where the flag is set, and where it is known at all, by customer.
#[derive(Debug)]
pub struct Flags {
    /// The column.
    pub column: String,
    customers: Vec<[u32; 2]>,
}

impl Flags {
    /// Nothing counted yet.
    pub fn new(column: &str) -> Self {
        Self { column: column.to_owned(), customers: Vec::new() }
    }

    /// What was counted, by customer.
    pub fn into_counts(self) -> Vec<[u32; 2]> {
        self.customers
    }

    /// Adds counts of the customers of these numbers.
    pub fn join(&mut self, customers: usize, who: &[u32], later: &[[u32; 2]]) {
        self.customers.resize(customers, [0; 2]);
        for (at, later) in who.iter().zip(later) {
            let [set, known] = &mut self.customers[*at as usize];
            *set += later[0];
            *known += later[1];
        }
    }

    /// The share of a customer's purchases where the flag is set, among those where it is known.
    pub fn share(&self, customer: usize) -> Option<f64> {
        let [set, known] = *self.customers.get(customer)?;
        (known > 0).then(|| f64::from(set) / f64::from(known))
    }

    /// The feature's name: `is_local` gives `local_share`.
    pub fn feature(&self) -> String {
        let stem = self.column.strip_prefix("is_").or_else(|| self.column.strip_prefix("has_"));
        format!("{}_share", stem.filter(|stem| !stem.is_empty()).unwrap_or(&self.column))
    }
}

impl Tally for Flags {
    fn add(&mut self, rows: &Rows, customers: usize) -> Result<()> {
        self.customers.resize(customers, [0; 2]);
        let flags = truths(rows, &self.column)?;
        let nulls = flags.nulls();
        for (row, who) in rows.who.iter().enumerate() {
            if *who != NOBODY && nulls.is_none_or(|nulls| nulls.is_valid(row)) {
                let [set, known] = &mut self.customers[*who as usize];
                *set += u32::from(flags.value(row));
                *known += 1;
            }
        }
        Ok(())
    }
}

/// The column as true/false; a number is true unless it is zero, and unknown when it is NaN.
fn truths(rows: &Rows, name: &str) -> Result<BooleanArray> {
    let column = columns::column(&rows.batch, name)?;
    if *column.data_type() == DataType::Boolean {
        return Ok(column.as_boolean().clone());
    }
    let numbers = columns::floats(&rows.batch, name)?;
    Ok(numbers.iter().map(|number| number.filter(|n| !n.is_nan()).map(|n| n != 0.0)).collect())
}
