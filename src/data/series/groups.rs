//! Which series a customer's purchases count in, and what that series is called.
//!
//! Does not know how segments were found.

use std::collections::BTreeMap;

use anyhow::Result;
use arrow::datatypes::DataType;

use super::customers::Customers;
use super::weekly::{TOTAL, UNSEGMENTED};
use crate::data::{Table, columns};

/// The column of segment numbers in assignments and profiles.
const SEGMENT: &str = "segment";

/// Segments by customer, with a name for each segment.
#[derive(Clone, Debug)]
pub struct Groups {
    assignments: Table,
    customer: String,
    names: BTreeMap<i64, String>,
}

/// Segments by the number of a customer in an index.
pub struct Members {
    /// The series' names; a customer's group is a position in it.
    pub names: Vec<String>,
    /// The group of each customer number.
    pub of: Vec<Option<usize>>,
}

impl Groups {
    /// Reads segment names from a profile, where there is one.
    ///
    /// The customers' column in `assignments` is `customer`, or `customer_id` when it has no such
    /// column. Segments without a name are called `segment 0`; names that several segments (or
    /// the total) share get their number behind them.
    ///
    /// # Errors
    /// When a table lacks a column or can't be read.
    pub fn new(assignments: &Table, profile: Option<&Table>, customer: &str) -> Result<Self> {
        let customer = if assignments.has(customer) { customer } else { "customer_id" };
        assignments.index_of(customer)?;
        let mut names = profile.map_or_else(|| Ok(BTreeMap::new()), names_of)?;
        for segment in segments_of(assignments)? {
            names.entry(segment).or_insert_with(|| plain(segment));
        }
        Ok(Self { assignments: assignments.clone(), customer: customer.to_owned(), names: distinct(&names) })
    }

    /// The type of the customers' ids.
    ///
    /// # Errors
    /// When the column doesn't exist.
    pub fn id_type(&self) -> Result<&DataType> {
        let index = self.assignments.index_of(&self.customer)?;
        Ok(self.assignments.schema().field(index).data_type())
    }

    /// The group of every assigned customer, by its number in `customers`; the first assignment of
    /// a customer counts.
    ///
    /// # Errors
    /// When the assignments can't be read.
    pub fn members(&self, customers: &mut Customers) -> Result<Members> {
        let position: BTreeMap<i64, usize> = self.names.keys().copied().zip(0..).collect();
        let mut of = Vec::new();
        for batch in self.assignments.select(&[&self.customer, SEGMENT])? {
            let batch = batch?;
            let segments = columns::integers(&batch, SEGMENT)?;
            for (number, segment) in customers.numbers(&batch, &self.customer)?.into_iter().zip(&segments) {
                if number.is_some_and(|number| number as usize == of.len()) {
                    of.push(segment.and_then(|segment| position.get(&segment).copied()));
                }
            }
        }
        Ok(Members { names: self.names.values().cloned().collect(), of })
    }
}

fn segments_of(assignments: &Table) -> Result<Vec<i64>> {
    let mut segments = Vec::new();
    for batch in assignments.select(&[SEGMENT])? {
        segments.extend(columns::integers(&batch?, SEGMENT)?.iter().flatten());
        segments.sort_unstable();
        segments.dedup();
    }
    Ok(segments)
}

fn names_of(profile: &Table) -> Result<BTreeMap<i64, String>> {
    let mut names = BTreeMap::new();
    for batch in profile.select(&[SEGMENT, "name"])? {
        let batch = batch?;
        let segments = columns::integers(&batch, SEGMENT)?;
        for (segment, name) in segments.iter().zip(&columns::strings(&batch, "name")?) {
            if let (Some(segment), Some(name)) = (segment, name.filter(|name| !name.trim().is_empty())) {
                names.insert(segment, name.to_owned());
            }
        }
    }
    Ok(names)
}

/// Segments below zero are what a clustering leaves out.
fn plain(segment: i64) -> String {
    if segment < 0 { "noise".to_owned() } else { format!("segment {segment}") }
}

fn distinct(names: &BTreeMap<i64, String>) -> BTreeMap<i64, String> {
    let reserved = [TOTAL, UNSEGMENTED];
    let taken =
        |name: &str| reserved.contains(&name) || names.values().filter(|other| *other == name).count() > 1;
    let rename = |(segment, name): (&i64, &String)| {
        let name = if taken(name) { format!("{name} (segment {segment})") } else { name.clone() };
        (*segment, name)
    };
    names.iter().map(rename).collect()
}
