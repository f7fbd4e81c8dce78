//! The tables of a simulation: orders and people as Arrow columns.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit};

use super::ids::Roster;
use super::market::Market;
use super::orders::Order;
use super::person::Person;
use crate::data::dates::DAY;

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// Turns orders and people into batches.
#[derive(Debug)]
pub struct Layout<'a> {
    market: &'a Market,
    roster: &'a Roster,
    schema: SchemaRef,
    channels: ArrayRef,
    categories: ArrayRef,
}

/// What the tables say of a person.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    persona: usize,
    orders_per_week: f64,
    acquired: i32,
    alive_until: f64,
    local: bool,
    mean_spend: f64,
    dropout: Option<f64>,
}

impl From<&Person> for Entry {
    fn from(person: &Person) -> Self {
        Self {
            persona: person.persona,
            orders_per_week: person.orders_per_week,
            acquired: person.acquired,
            alive_until: person.alive_until,
            local: person.local,
            mean_spend: person.mean_spend,
            dropout: person.dropout.map(|(chance, _)| chance),
        }
    }
}

impl<'a> Layout<'a> {
    /// The layout for a market's customers.
    pub fn new(market: &'a Market, roster: &'a Roster) -> Self {
        let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let schema = Arc::new(Schema::new(vec![
            Field::new("customer_id", roster.data_type(), false),
            Field::new("txn_timestamp", DataType::Timestamp(TimeUnit::Microsecond, None), false),
            Field::new("amount", DataType::Float64, true),
            Field::new("channel", text.clone(), false),
            Field::new("category", text, false),
            Field::new("is_local", DataType::Boolean, false),
        ]));
        let channels = Arc::new(StringArray::from_iter_values(&market.channels));
        let categories = Arc::new(StringArray::from_iter_values(&market.categories));
        Self { market, roster, schema, channels, categories }
    }

    /// The columns of the transactions.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// One batch of transactions.
    pub fn transactions(&self, orders: &[Order]) -> Result<RecordBatch> {
        let start = i64::from(self.market.first_day) * DAY;
        let time = |order: &Order| start + i64::from(order.time) * SECOND;
        let amount = |order: &Order| (!order.missing).then(|| f64::from(order.cents) / 100.0);
        let columns: Vec<ArrayRef> = vec![
            self.roster.column(orders.iter().map(|order| order.customer)),
            Arc::new(TimestampMicrosecondArray::from_iter_values(orders.iter().map(time))),
            Arc::new(orders.iter().map(amount).collect::<Float64Array>()),
            encoded(orders.iter().map(|order| order.channel.into()), &self.channels)?,
            encoded(orders.iter().map(|order| order.category.into()), &self.categories)?,
            Arc::new(orders.iter().map(|order| Some(order.local)).collect::<BooleanArray>()),
        ];
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    /// What an analyst would know of customers, from one rank on: one row each, in order of id.
    pub fn customers(&self, from: u32, people: &[Entry]) -> Result<RecordBatch> {
        let acquired = Date32Array::from_iter_values(people.iter().map(|entry| entry.acquired));
        let local = people.iter().map(|entry| Some(entry.local)).collect::<BooleanArray>();
        table(vec![
            ("customer_id", self.ids(from, people)),
            ("acquired", Arc::new(acquired)),
            ("is_local", Arc::new(local)),
        ])
    }

    /// What only the simulation knows of them; the chances to be lost after a repeat order only where
    /// some persona has them.
    pub fn truth(&self, from: u32, people: &[Entry]) -> Result<RecordBatch> {
        let names = self.market.molds.iter().map(|mold| &mold.persona.name);
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(names));
        let start = i64::from(self.market.first_day) * DAY;
        let until = |entry: &Entry| start + (entry.alive_until * SECOND as f64) as i64;
        let alive = |entry: &Entry| Some(entry.alive_until >= self.market.seconds());
        let rates = Float64Array::from_iter_values(people.iter().map(|entry| entry.orders_per_week));
        let spends = Float64Array::from_iter_values(people.iter().map(|entry| entry.mean_spend));
        let truth = table(vec![
            ("customer_id", self.ids(from, people)),
            ("persona", encoded(people.iter().map(|entry| entry.persona as i32), &names)?),
            ("orders_per_week", Arc::new(rates)),
            ("alive_until", Arc::new(TimestampMicrosecondArray::from_iter_values(people.iter().map(until)))),
            ("alive_at_end", Arc::new(people.iter().map(alive).collect::<BooleanArray>())),
            ("mean_spend", Arc::new(spends)),
        ])?;
        if self.market.molds.iter().all(|mold| mold.dropout.is_none()) {
            return Ok(truth);
        }
        let chances: ArrayRef = Arc::new(people.iter().map(|entry| entry.dropout).collect::<Float64Array>());
        let mut fields: Vec<_> = truth.schema().fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new("dropout", DataType::Float64, true)));
        let mut columns = truth.columns().to_vec();
        columns.push(chances);
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }

    fn ids(&self, from: u32, people: &[Entry]) -> ArrayRef {
        self.roster.column((from..).take(people.len()))
    }
}

/// A dictionary-encoded column.
fn encoded(keys: impl Iterator<Item = i32>, values: &ArrayRef) -> Result<ArrayRef> {
    let keys = Int32Array::from_iter_values(keys);
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values.clone())?))
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let columns = columns.into_iter().map(|(name, column)| (name, column, false));
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}
