//! Features of a divided table: counted partition by partition, and put together in their order.
//!
//! What came of a partition is kept; one that has changed is counted alone. Partitions follow one another in
//! time, so what lies between two of them is one gap a customer.

use anyhow::Result;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::audit::{self, Sample};
use super::flags::Flags;
use super::ids::Index;
use super::money::{Ledger, Money};
use super::rhythm::{Calendar, Rhythm};
use super::rows::{Counts, Tally};
use super::shares::{Pairs, Spread};
use super::{Columns, Features, Folded, Request, Scan, Tallies, assembled, midnight_after};
use crate::data::Table;
use crate::data::partial::{Ids, Keep, of_partition};
use crate::data::partition::{Partition, Partitions};

/// What came of a partition: each customer's numbers stand at the place of the id.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    ids: Ids,
    money: Vec<Money>,
    rhythms: Vec<Rhythm>,
    flags: Vec<Vec<[u32; 2]>>,
    spreads: Vec<Spread>,
    counts: Counts,
}

/// Features of a table that is divided by the time column; the same as [`super::make`] gives, but that
/// sums are made partition by partition.
///
/// # Errors
/// As [`super::make`], and when what came of a partition can't be kept.
pub fn make_in_parts(
    table: &Table,
    partitions: &Partitions,
    names: &Columns,
    request: &Request<'_>,
    keep: Keep<'_>,
) -> Result<Features> {
    let scan = Scan::new(table, names, i64::MIN..i64::MAX, request.alive)?;
    let parts = Parts { table, partitions, names: &scan.columns, request, keep };
    let mut counts = Counts::default();
    let mut wanted = Vec::new();
    for (at, part) in partitions.parts.iter().enumerate() {
        match part.times {
            None => counts.without_time += part.rows as u64,
            Some((first, _)) if request.cutoff.is_some_and(|cutoff| first >= cutoff) => {
                counts.outside += part.rows as u64;
            }
            Some(_) => wanted.push(at),
        }
    }
    // Only what is counted over all customers stays in memory: states are loaded again one by one.
    let totals = wanted.par_iter().map(|at| parts.state(*at).map(|state| totals(&state)));
    let totals: Vec<Result<Vec<Totals>>> = totals.collect();
    let totals = totals.into_iter().collect::<Result<Vec<_>>>()?;
    let mut whole = Whole::new(scan.index, &scan.columns, &totals, request.max_categories);
    let nearest = wanted.last().copied();
    for at in wanted {
        (request.alive)()?;
        whole.add(parts.state(at)?, &mut counts)?;
    }
    let Whole { index, mut tallies, folded } = whole;
    let last = partitions.parts.iter().filter_map(|part| part.times.map(|(_, last)| last)).max();
    let cutoff = request.cutoff.unwrap_or_else(|| midnight_after(last));
    // Windows move with the cutoff, so nothing of them can be kept from one cutoff to the next.
    let mut scan = Scan { index, ..Scan::new(table, names, i64::MIN..cutoff, request.alive)? };
    tallies.entropy = request.extra.entropy;
    tallies.habits = scan.habits(&request.extra, cutoff)?;
    let mut features = assembled(&scan.index, &tallies, cutoff, counts, folded)?;
    features.audited = match nearest.filter(|_| request.audit && request.cutoff.is_some()) {
        Some(at) => parts.audit(at)?,
        None => 0,
    };
    Ok(features)
}

struct Parts<'a> {
    table: &'a Table,
    partitions: &'a Partitions,
    names: &'a Columns,
    request: &'a Request<'a>,
    keep: Keep<'a>,
}

impl Parts<'_> {
    /// What came of a partition. The cutoff only matters to one that it lies in.
    fn state(&self, at: usize) -> Result<State> {
        let part: &Partition = &self.partitions.parts[at];
        let ends = part.times.map_or(i64::MAX, |(_, last)| last);
        let cutoff = self.request.cutoff.filter(|cutoff| *cutoff <= ends);
        let names = self.names;
        let said = format!(
            "{:?} {:?} {:?} {:?} {:?} {cutoff:?}",
            names.customer, names.time, names.amount, names.shares, names.flags
        );
        let compute = || self.count(at, cutoff.unwrap_or(i64::MAX));
        of_partition(part, &[&said], self.keep, &compute)
    }

    /// Audits the partition nearest to the cutoff: reading all of them would cost what keeping them saves.
    fn audit(&self, at: usize) -> Result<usize> {
        let table = self.table.partition(self.partitions, at);
        let mut sample = Sample::new(table.rows());
        let mut scan = Scan::new(&table, self.names, i64::MIN..i64::MAX, self.request.alive)?;
        scan.pass(&mut [&mut sample])?;
        audit::leaks(Some(sample), self.names, self.request)
    }

    fn count(&self, at: usize, end: i64) -> Result<State> {
        let table = self.table.partition(self.partitions, at);
        let mut scan = Scan::new(&table, self.names, i64::MIN..end, self.request.alive)?;
        let mut money = Ledger::default();
        let mut calendar = Calendar::default();
        let mut flags: Vec<_> = self.names.flags.iter().map(|column| Flags::new(column)).collect();
        let mut pairs: Vec<_> = self.names.shares.iter().map(|column| Pairs::new(column)).collect();
        let mut tallies: Vec<&mut dyn Tally> = vec![&mut money, &mut calendar];
        tallies.extend(flags.iter_mut().map(|flags| flags as &mut dyn Tally));
        tallies.extend(pairs.iter_mut().map(|pairs| pairs as &mut dyn Tally));
        scan.pass(&mut tallies)?;
        let counts = scan.counts.clone();
        if let Some(mut times) = calendar.unsorted() {
            scan.pass(&mut [&mut times])?;
            calendar.settle(times);
        }
        let all: Vec<u32> = (0..).take(scan.index.len()).collect();
        Ok(State {
            ids: Ids::of(&scan.index.column(&all)?)?,
            money: money.customers,
            rhythms: calendar.customers,
            flags: flags.into_iter().map(Flags::into_counts).collect(),
            spreads: pairs.into_iter().map(Pairs::finish).collect(),
            counts,
        })
    }
}

/// The values of a share column with their purchases.
type Totals = Vec<(String, u64)>;

fn totals(state: &State) -> Vec<Totals> {
    state.spreads.iter().map(Spread::totals).collect()
}

/// What has been put together.
struct Whole {
    index: Index,
    tallies: Tallies,
    folded: Vec<Folded>,
}

impl Whole {
    /// Nothing yet; which values are told apart is known from all partitions.
    fn new(index: Index, names: &Columns, totals: &[Vec<Totals>], limit: usize) -> Self {
        let mut tallies = Tallies::new(names, limit);
        let mut folded = Vec::new();
        for (place, shares) in tallies.shares.iter_mut().enumerate() {
            let all = totals.iter().filter_map(|totals| totals.get(place)).flatten();
            if let Some(distinct) = shares.open_all(all) {
                folded.push(Folded { column: shares.column.clone(), distinct });
            }
        }
        Self { index, tallies, folded }
    }

    /// Adds the partition that follows.
    fn add(&mut self, state: State, counts: &mut Counts) -> Result<()> {
        let mut who = vec![0; state.ids.len()];
        self.index.assign(&state.ids.column(), &mut who)?;
        let customers = self.index.len();
        let Tallies { money, calendar, flags, shares, .. } = &mut self.tallies;
        money.customers.resize(customers, Money::default());
        calendar.customers.resize(customers, Rhythm::default());
        for (at, (later, rhythm)) in who.iter().zip(state.money.iter().zip(&state.rhythms)) {
            money.customers[*at as usize].join(later);
            calendar.customers[*at as usize].join(rhythm);
        }
        for (flags, later) in flags.iter_mut().zip(&state.flags) {
            flags.join(customers, &who, later);
        }
        for (shares, later) in shares.iter_mut().zip(&state.spreads) {
            shares.join(customers, &who, later);
        }
        counts.join(&state.counts);
        Ok(())
    }
}
