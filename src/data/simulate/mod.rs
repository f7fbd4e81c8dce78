//! Simulated customers: who they are, when they buy what, and the truth about them.
//!
//! Every customer has a random stream of its own, so one customer more leaves all others' rows
//! as they were, and threads can't change a byte. Rows come in order of time, in batches, slice
//! by slice of the period, so that memory is bounded by a slice. Does not know where rows go.

mod clock;
mod ids;
mod layout;
mod market;
mod orders;
mod person;
mod persona;
#[cfg(test)]
mod tests;
mod timeline;

use std::ops::Range;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use rayon::prelude::*;

use crate::data::Table;
use crate::data::table::CHUNK;

use self::ids::Roster;
use self::layout::{Entry, Layout};
use self::market::Market;
use self::orders::{Block, Mark, Sources};
use self::timeline::Timeline;

pub use self::ids::Ids;
pub use self::persona::{Dropout, Persona, Weights, built_in, built_in_prices, weights_problem};
pub use self::timeline::{Alive, Sink};

/// The longest period, in days: a hundred years, so that seconds fit 32 bits.
pub const MOST_DAYS: u32 = 36_525;

/// Customers are generated in blocks of so many, whatever the number of threads.
const BLOCK: usize = 2_048;

/// Orders that are held at once, about sixteen bytes each.
const SLICE: f64 = 48e6;

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Number of customers.
    pub customers: u32,
    /// The period's first day, since 1970-01-01.
    pub first_day: i32,
    /// The period's length in days.
    pub days: u32,
    /// What customer ids look like.
    pub ids: Ids,
    /// The kinds of customers.
    pub personas: Vec<Persona>,
    /// Price levels of categories against an average one; those left out have 1.
    pub prices: Weights,
    /// Growth of everybody's order rate a year: 0.04 is 4 %.
    pub growth: f64,
    /// What is wrong with the rows.
    pub dirt: Dirt,
}

/// Shares of rows with something wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dirt {
    /// Share of orders whose amount is missing.
    pub missing_amounts: f64,
    /// Share of orders that are stored twice.
    pub duplicates: f64,
    /// Share of orders whose amount is 20 to 100 times what it should be.
    pub outliers: f64,
}

impl Dirt {
    fn any(&self) -> bool {
        self.missing_amounts > 0.0 || self.duplicates > 0.0 || self.outliers > 0.0
    }
}

/// What was simulated, besides the transactions themselves.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// Number of transactions.
    pub rows: u64,
    /// Sum of their amounts.
    pub revenue: f64,
    /// `customer_id`, `acquired`, `is_local`: one row a customer, in order of id.
    pub customers: Table,
    /// `customer_id`, `persona`, `orders_per_week`, `alive_until`, `alive_at_end`, `mean_spend`; and
    /// `dropout` if a persona has one.
    pub truth: Table,
}

/// At most so many transactions are to be expected; usually somewhat fewer come.
///
/// # Errors
/// When no customer can be drawn from the settings.
pub fn most_rows(settings: &Settings) -> Result<f64> {
    let market = Market::new(settings)?;
    let orders = market.most_orders(settings.customers, 0..settings.days as usize);
    Ok((orders + f64::from(settings.customers)) * (1.0 + settings.dirt.duplicates))
}

/// The columns of the transactions: `customer_id`, `txn_timestamp`, `amount`, `channel`,
/// `category`, `is_local`.
///
/// # Errors
/// When no customer can be drawn from the settings.
pub fn schema(settings: &Settings) -> Result<SchemaRef> {
    let market = Market::new(settings)?;
    let roster = Roster::new(settings.ids, 0, 0, &|| Ok(()))?;
    Ok(Layout::new(&market, &roster).schema().clone())
}

/// Simulates, and hands the transactions to `sink` in batches, sorted by time, then customer,
/// then as they came.
///
/// - Persona by share; orders a week ~ Gamma; time until lost ~ Exponential, or the chance to be
///   lost after a repeat order ~ Beta.
/// - Orders are a Poisson process whose rate follows weekday, season, hour and growth.
/// - Amounts ~ Gamma around the customer's mean, which is inverse gamma distributed, scaled by
///   the category's price level; channel and category by preferences ~ Dirichlet.
///
/// `alive` is asked every few milliseconds whether to go on. O(rows log rows a day).
///
/// # Errors
/// When no customer can be drawn from the settings, `sink` fails, or `alive` does.
pub fn simulate(settings: &Settings, seed: u64, sink: Sink<'_>, alive: Alive<'_>) -> Result<Simulation> {
    let market = Market::new(settings)?;
    let slices = slices(&market, settings.customers, SLICE);
    in_slices(settings, &market, &slices, seed, sink, alive)
}

fn in_slices(
    settings: &Settings,
    market: &Market,
    slices: &[Range<u32>],
    seed: u64,
    sink: Sink<'_>,
    alive: Alive<'_>,
) -> Result<Simulation> {
    let roster = Roster::new(settings.ids, settings.customers, seed, alive)?;
    let layout = Layout::new(market, &roster);
    let sources = Sources::new(seed, settings.dirt);
    let mut timeline = Timeline::new(&layout, sink, alive);
    let mut marks = blank_marks(settings.customers as usize, alive)?;
    let mut people = Vec::new();
    for days in slices {
        let generate = |(at, marks): (usize, &mut [Mark])| {
            alive()?;
            Ok(block(market, &roster, &sources, days, at * BLOCK, marks))
        };
        let generated: Vec<_> =
            marks.par_chunks_mut(BLOCK).enumerate().map(generate).collect::<Result<_>>()?;
        let (blocks, entries): (Vec<Block>, Vec<Vec<Entry>>) = generated.into_iter().unzip();
        for entries in entries {
            alive()?;
            people.extend(entries);
        }
        timeline.slice(&blocks, days.len())?;
    }
    timeline.finish()?;
    Ok(Simulation {
        rows: timeline.rows,
        revenue: timeline.cents as f64 / 100.0,
        customers: chunked(&people, alive, |from, people| layout.customers(from, people))?,
        truth: chunked(&people, alive, |from, people| layout.truth(from, people))?,
    })
}

/// A mark a customer, before the first slice.
fn blank_marks(customers: usize, alive: Alive<'_>) -> Result<Vec<Mark>> {
    let mut marks = Vec::with_capacity(customers);
    while marks.len() < customers {
        alive()?;
        marks.resize(customers.min(marks.len() + 16 * CHUNK), Mark::default());
    }
    Ok(marks)
}

/// A table of people, made chunk by chunk; `make` is given the rank of a chunk's first.
fn chunked(
    people: &[Entry],
    alive: Alive<'_>,
    make: impl Fn(u32, &[Entry]) -> Result<RecordBatch> + Sync,
) -> Result<Table> {
    let one = |(at, people): (usize, &[Entry])| {
        alive()?;
        // There are fewer than 2^32 customers.
        make((at * CHUNK) as u32, people)
    };
    let batches: Vec<RecordBatch> = people.par_chunks(CHUNK).enumerate().map(one).collect::<Result<_>>()?;
    let schema = match batches.first() {
        Some(batch) => batch.schema(),
        None => make(0, &[])?.schema(),
    };
    Ok(Table::from_batches(schema, batches))
}

/// The orders of some customers within a slice of days; and who they are, with the last slice.
fn block(
    market: &Market,
    roster: &Roster,
    sources: &Sources,
    days: &Range<u32>,
    first: usize,
    marks: &mut [Mark],
) -> (Block, Vec<Entry>) {
    let mut orders = Vec::new();
    let mut people = Vec::new();
    for (rank, mark) in (first as u32..).zip(marks) {
        let customer = (roster.entity(rank), rank);
        let person = orders::append(&mut orders, market, sources, customer, days.end, mark);
        if days.end == market.days {
            people.push(Entry::from(&person));
        }
    }
    (Block::new(&orders, days), people)
}

/// Cuts the period so that no slice is expected to have more orders than that.
fn slices(market: &Market, customers: u32, most: f64) -> Vec<Range<u32>> {
    let mut slices = Vec::new();
    let (mut from, mut orders) = (0, 0.0);
    for day in 0..market.days {
        let more = market.most_orders(customers, day as usize..day as usize + 1);
        if orders + more > most && day > from {
            slices.push(from..day);
            (from, orders) = (day, 0.0);
        }
        orders += more;
    }
    slices.push(from..market.days);
    slices
}
