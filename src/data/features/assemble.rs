//! The feature table from what was counted: one column a feature, customers in order of id.

use std::sync::Arc;

use anyhow::{Result, bail};
use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use rayon::prelude::*;

use super::Tallies;
use super::ids::Index;
use super::rhythm::days;

/// A feature's name and its value for a customer.
type Feature<'a> = (String, Box<dyn Fn(usize) -> Option<f64> + Sync + 'a>);

/// The table of the customers, given in order of their ids.
pub fn table(index: &Index, customers: &[u32], tallies: &Tallies, cutoff: i64) -> Result<RecordBatch> {
    let features = features(customers, tallies, cutoff);
    let columns: Vec<ArrayRef> = features.par_iter().map(|(_, value)| column(customers, value)).collect();
    let ids = ids(index, customers)?;
    let mut fields = ids.schema().fields().to_vec();
    fields.extend(features.iter().map(|(name, _)| Arc::new(Field::new(name, DataType::Float64, true))));
    distinct(&fields)?;
    let columns = ids.columns().iter().cloned().chain(columns).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// One column `customer_id`.
pub fn ids(index: &Index, customers: &[u32]) -> Result<RecordBatch> {
    let ids = index.column(customers)?;
    let field = Field::new("customer_id", ids.data_type().clone(), false);
    Ok(RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![ids])?)
}

fn features<'a>(customers: &[u32], tallies: &'a Tallies, cutoff: i64) -> Vec<Feature<'a>> {
    let mut features = basic(tallies, cutoff);
    for flags in &tallies.flags {
        features.push((flags.feature(), Box::new(|at| flags.share(at))));
    }
    for shares in &tallies.shares {
        for (value, code) in shares.values() {
            let name = format!("{}_{value}", shares.column);
            features.push((name, Box::new(move |at| shares.share(at, code))));
        }
    }
    if tallies.entropy {
        for shares in &tallies.shares {
            let name = format!("{}_entropy", shares.column);
            features.push((name, Box::new(|at| shares.entropy(at))));
        }
    }
    if let Some(habits) = &tallies.habits {
        features.extend(habits.features());
    }
    let money = &tallies.money.customers;
    if customers.iter().any(|at| money[*at as usize].returns > 0) {
        features.push(feature("returns", |at| Some(f64::from(money[at].returns))));
    }
    features
}

/// The features that every table has.
fn basic(tallies: &Tallies, cutoff: i64) -> Vec<Feature<'_>> {
    let money = &tallies.money.customers;
    let rhythm = &tallies.calendar.customers;
    vec![
        feature("recency_days", move |at| Some(days(rhythm[at].last, cutoff))),
        feature("frequency", |at| Some(f64::from(money[at].amounts.count()))),
        feature("monetary", |at| Some(money[at].spent + money[at].refunded)),
        feature("mean_amount", |at| money[at].amounts.mean()),
        feature("std_amount", |at| money[at].amounts.std()),
        feature("tenure_days", move |at| Some(days(rhythm[at].first, cutoff))),
        feature("mean_gap_days", |at| rhythm[at].mean_gap()),
        feature("std_gap_days", |at| rhythm[at].gaps.std()),
    ]
}

fn feature<'a>(name: &str, value: impl Fn(usize) -> Option<f64> + Sync + 'a) -> Feature<'a> {
    (name.to_owned(), Box::new(value))
}

/// A number that overflowed is undefined.
fn column(customers: &[u32], value: &(dyn Fn(usize) -> Option<f64> + Sync)) -> ArrayRef {
    let values = customers.iter().map(|at| value(*at as usize).filter(|value| value.is_finite()));
    Arc::new(values.collect::<Float64Array>())
}

fn distinct(fields: &[Arc<Field>]) -> Result<()> {
    let mut names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => bail!("two features would be called `{}`; leave one of their columns out", pair[0]),
        None => Ok(()),
    }
}
