//! The members of segments: customers' features joined with their assignments.
//!
//! Knows two tables by customer; knows nothing of names or of how segments were found.

use std::collections::BTreeMap;
use std::hash::Hash;

use anyhow::Result;
use arrow::array::{Array, Int64Array, RecordBatch};
use arrow::datatypes::DataType;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use rayon::prelude::*;

use crate::data::columns;
use crate::model::cluster::LARGEST;
use crate::stage::Failure;

/// Column that names a customer.
const CUSTOMER: &str = "customer_id";

/// Columns that the profile has beside the features.
const TAKEN: [&str; 6] = ["segment", "name", "customers", "customer_share", "revenue", "revenue_share"];

/// Customers that have both features and a segment.
pub(super) struct Members {
    /// The segments' numbers, ascending.
    pub segments: Vec<i32>,
    /// Members of each segment, at least 1.
    pub sizes: Vec<usize>,
    /// The numeric columns, in the order of the table.
    pub features: Vec<Feature>,
    /// Numeric columns that can't stand in a profile.
    pub hidden: Vec<String>,
    /// Customers with features but no segment.
    pub unassigned: usize,
    /// Customers with a segment but no features.
    pub unknown: usize,
    /// The position in `segments` of each member's segment.
    places: Vec<usize>,
}

/// A numeric column.
pub(super) struct Feature {
    /// Its name.
    pub name: String,
    /// The value of each member, NaN where missing.
    pub values: Vec<f64>,
    /// How many values are there, but too large to compute with, and count as missing.
    pub beyond: usize,
}

impl Feature {
    /// The largest of its values; below all numbers where there are none.
    pub fn largest(&self) -> f64 {
        self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

impl Members {
    /// Joins both tables.
    ///
    /// # Errors
    /// When a customer has several rows, or no customer is in both tables.
    pub fn join(features: &RecordBatch, assignments: &RecordBatch) -> Result<Self> {
        let pairs = Pairs::of(features, assignments)?;
        if pairs.rows.is_empty() {
            let failure = Failure::new("no customer has both features and a segment");
            let hint = "`features` should be the table that the segments were made from";
            return Err(failure.hint(hint).at("segments").into());
        }
        let (segments, sizes, places) = numbered(&pairs.numbers);
        let (features, hidden) = numeric(features, &pairs.rows)?;
        let (unassigned, unknown) = (pairs.unassigned, pairs.unknown);
        Ok(Self { segments, sizes, features, hidden, unassigned, unknown, places })
    }

    /// Number of members of all segments.
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// A numeric column.
    pub fn feature(&self, name: &str) -> Option<&Feature> {
        self.features.iter().find(|feature| feature.name == name)
    }

    /// For each segment the sum of its members' known values and how many these are.
    pub fn sums(&self, values: impl Iterator<Item = f64>) -> Vec<(f64, usize)> {
        let mut sums = vec![(0.0, 0); self.segments.len()];
        for (place, value) in self.places.iter().zip(values) {
            if !value.is_nan() {
                sums[*place].0 += value;
                sums[*place].1 += 1;
            }
        }
        sums
    }

    /// For each segment the mean of its members' known values; none where there are none.
    pub fn means(&self, values: impl Iterator<Item = f64>) -> Vec<Option<f64>> {
        let mean = |(sum, count): (f64, usize)| (count > 0).then(|| sum / count as f64);
        self.sums(values).into_iter().map(mean).collect()
    }
}

/// Which rows of the features belong to which segment.
#[derive(Default)]
struct Pairs {
    /// Rows of the features, ascending.
    rows: Vec<usize>,
    /// The segment of each.
    numbers: Vec<i32>,
    unassigned: usize,
    unknown: usize,
}

impl Pairs {
    /// Joins by number where both tables have numbers, else by text.
    fn of(features: &RecordBatch, assignments: &RecordBatch) -> Result<Self> {
        let numbers = columns::integers(assignments, "segment")?;
        let integer = |batch: &RecordBatch| -> Result<bool> {
            let kind = columns::column(batch, CUSTOMER)?.data_type();
            // Some of the largest numbers without a sign have no counterpart with one.
            Ok(kind.is_integer() && *kind != DataType::UInt64)
        };
        if integer(assignments)? && integer(features)? {
            let ids = (columns::integers(features, CUSTOMER)?, columns::integers(assignments, CUSTOMER)?);
            let said = |id: Option<i64>| id.map(|id| id.to_string()).unwrap_or_default();
            return Self::join(ids.0.iter(), ids.1.iter(), &numbers, said);
        }
        let ids = (columns::strings(features, CUSTOMER)?, columns::strings(assignments, CUSTOMER)?);
        let text = Option::unwrap_or_default;
        Self::join(ids.0.iter().map(text), ids.1.iter().map(text), &numbers, str::to_owned)
    }

    fn join<K: Copy + Eq + Hash>(
        customers: impl Iterator<Item = K>,
        assigned: impl ExactSizeIterator<Item = K>,
        numbers: &Int64Array,
        said: impl Fn(K) -> String,
    ) -> Result<Self> {
        let mut segment_of = segments_by_customer(assigned, numbers, &said)?;
        let mut pairs = Self::default();
        for (row, customer) in customers.enumerate() {
            match segment_of.get_mut(&customer) {
                Some((_, true)) => return Err(repeated(&said(customer), "features")),
                Some((number, known)) => {
                    *known = true;
                    pairs.rows.push(row);
                    pairs.numbers.push(*number);
                }
                None => pairs.unassigned += 1,
            }
        }
        pairs.unknown = segment_of.len() - pairs.rows.len();
        Ok(pairs)
    }
}

/// The segment of every customer, and whether its features have been seen.
fn segments_by_customer<K: Copy + Eq + Hash>(
    customers: impl ExactSizeIterator<Item = K>,
    numbers: &Int64Array,
    said: &impl Fn(K) -> String,
) -> Result<HashMap<K, (i32, bool)>> {
    let mut segment_of = HashMap::with_capacity(customers.len());
    for (customer, number) in customers.zip(numbers) {
        let Some(number) = number.and_then(|number| i32::try_from(number).ok()) else {
            let failure = Failure::new(format!("customer `{}` has no segment", said(customer)));
            return Err(failure.at("segments").into());
        };
        match segment_of.entry(customer) {
            Entry::Vacant(place) => place.insert((number, false)),
            Entry::Occupied(_) => return Err(repeated(&said(customer), "segments")),
        };
    }
    Ok(segment_of)
}

fn repeated(customer: &str, input: &str) -> anyhow::Error {
    let failure = Failure::new(format!("customer `{customer}` has more than one row in `{input}`"));
    failure.hint("both tables have one row for each customer").at(input).into()
}

/// The different segments ascending, the size of each, and the position of each member's one.
fn numbered(numbers: &[i32]) -> (Vec<i32>, Vec<usize>, Vec<usize>) {
    let mut places: BTreeMap<i32, usize> = numbers.iter().map(|number| (*number, 0)).collect();
    for (next, place) in places.values_mut().enumerate() {
        *place = next;
    }
    let of: Vec<usize> = numbers.iter().filter_map(|number| places.get(number).copied()).collect();
    let mut sizes = vec![0; places.len()];
    for place in &of {
        sizes[*place] += 1;
    }
    (places.into_keys().collect(), sizes, of)
}

/// The numeric columns at the rows, and the names of those that can't stand in a profile.
///
/// Columns are read in parallel and put together in their order.
fn numeric(table: &RecordBatch, rows: &[usize]) -> Result<(Vec<Feature>, Vec<String>)> {
    let empty = table.slice(0, 0);
    let names = table.schema_ref().fields().iter().map(|field| field.name());
    let numeric = names.filter(|name| *name != CUSTOMER && columns::floats(&empty, name).is_ok());
    let (hidden, shown): (Vec<&String>, Vec<&String>) =
        numeric.partition(|name| TAKEN.contains(&name.as_str()));
    let features = shown.into_par_iter().map(|name| feature(table, name, rows)).collect::<Result<_>>()?;
    Ok((features, hidden.into_iter().cloned().collect()))
}

fn feature(table: &RecordBatch, name: &str, rows: &[usize]) -> Result<Feature> {
    let all = columns::floats(table, name)?;
    let known = |row: &usize| {
        let value = if all.is_valid(*row) { all.value(*row) } else { f64::NAN };
        if value.abs() <= LARGEST { value } else { f64::NAN }
    };
    let is_beyond = |row: &&usize| all.is_valid(**row) && all.value(**row).abs() > LARGEST;
    let beyond = rows.iter().filter(is_beyond).count();
    Ok(Feature { name: name.to_owned(), values: rows.iter().map(known).collect(), beyond })
}
