//! Orders in order of time: merges blocks day by day and hands on whole batches.
//!
//! Does not know how orders came about, nor where the batches go.

use std::ops::Range;

use anyhow::Result;
use arrow::array::RecordBatch;
use rayon::prelude::*;

use super::clock::DAY;
use super::layout::Layout;
use super::orders::{Block, Order};
use crate::data::table::CHUNK;

/// Days are merged together until they have so many orders: work for all cores, little memory.
const GROUP: usize = 16 * CHUNK;

/// Orders of a day above which they are cut by minute, so that sorting them can be interrupted.
const LARGE_DAY: usize = 4 * CHUNK;

/// Minutes of a day.
const MINUTES: usize = 24 * 60;

/// Asked every few milliseconds whether to go on; an error ends the simulation.
pub type Alive<'a> = &'a (dyn Fn() -> Result<()> + Sync);

/// Where batches of transactions go, in order.
pub type Sink<'a> = &'a mut (dyn FnMut(RecordBatch) -> Result<()> + Send);

/// Turns blocks into batches of [`CHUNK`] rows, the last one shorter.
pub struct Timeline<'a> {
    layout: &'a Layout<'a>,
    sink: Sink<'a>,
    alive: Alive<'a>,
    /// Sorted orders that don't fill a batch yet.
    pending: Vec<Order>,
    /// Rows so far.
    pub rows: u64,
    /// Hundredths so far, missing amounts left out.
    pub cents: u64,
}

impl<'a> Timeline<'a> {
    /// Nothing handed on yet.
    pub fn new(layout: &'a Layout<'a>, sink: Sink<'a>, alive: Alive<'a>) -> Self {
        Self { layout, sink, alive, pending: Vec::new(), rows: 0, cents: 0 }
    }

    /// Merges the blocks of a slice of so many days, which follow those seen before.
    ///
    /// Within a second, orders stay as the blocks have them: by customer, then as they came.
    ///
    /// # Errors
    /// When a batch can't be handed on, or the simulation is not to go on.
    pub fn slice(&mut self, blocks: &[Block], days: usize) -> Result<()> {
        let sizes: Vec<usize> =
            (0..days).map(|day| blocks.iter().map(|block| block.day(day).len()).sum()).collect();
        let mut from = 0;
        while from < days {
            let to = group(&sizes, from);
            self.merge(blocks, from..to, &sizes[from..to])?;
            from = to;
        }
        Ok(())
    }

    /// Hands the last, shorter batch on.
    ///
    /// # Errors
    /// When it can't be handed on.
    pub fn finish(&mut self) -> Result<()> {
        let rest = std::mem::take(&mut self.pending);
        if rest.is_empty() { Ok(()) } else { self.emit(&rest) }
    }

    fn merge(&mut self, blocks: &[Block], days: Range<usize>, sizes: &[usize]) -> Result<()> {
        let mut orders = std::mem::take(&mut self.pending);
        let held = orders.len();
        orders.resize(held + sizes.iter().sum::<usize>(), Order::default());
        let mut parts = Vec::with_capacity(days.len());
        let mut rest = &mut orders[held..];
        for (day, size) in days.zip(sizes) {
            let (part, others) = rest.split_at_mut(*size);
            parts.push((day, part));
            rest = others;
        }
        let alive = self.alive;
        parts.into_par_iter().try_for_each(|(day, part)| gather(blocks, day, part, alive))?;
        let whole = orders.len() / CHUNK * CHUNK;
        self.emit(&orders[..whole])?;
        orders.drain(..whole);
        self.pending = orders;
        Ok(())
    }

    fn emit(&mut self, orders: &[Order]) -> Result<()> {
        let (layout, alive) = (self.layout, self.alive);
        let batch = |orders| {
            alive()?;
            layout.transactions(orders)
        };
        let batches: Vec<_> = orders.par_chunks(CHUNK).map(batch).collect::<Result<_>>()?;
        self.rows += orders.len() as u64;
        self.cents +=
            orders.iter().filter(|order| !order.missing).map(|order| u64::from(order.cents)).sum::<u64>();
        batches.into_iter().try_for_each(|batch| {
            alive()?;
            (self.sink)(batch)
        })
    }
}

/// The end of the group of days that begins at `from`.
fn group(sizes: &[usize], from: usize) -> usize {
    let mut orders = 0;
    let more = sizes[from..].iter().take_while(|size| {
        let room = orders < GROUP;
        orders += **size;
        room
    });
    from + more.count()
}

/// One day's orders of all blocks, sorted by time.
fn gather(blocks: &[Block], day: usize, into: &mut [Order], alive: Alive<'_>) -> Result<()> {
    alive()?;
    if into.len() > LARGE_DAY {
        return gather_by_minute(blocks, day, into, alive);
    }
    let mut rest = &mut *into;
    for block in blocks {
        let orders = block.day(day);
        let (part, others) = rest.split_at_mut(orders.len());
        part.copy_from_slice(orders);
        rest = others;
    }
    into.sort_by_key(|order| order.time);
    Ok(())
}

/// The same for a day of very many orders: first into minutes, in the order of the blocks, then each
/// minute by itself.
fn gather_by_minute(blocks: &[Block], day: usize, into: &mut [Order], alive: Alive<'_>) -> Result<()> {
    let minute = |order: &Order| (order.time % DAY / 60) as usize;
    let mut sizes = [0; MINUTES];
    for block in blocks {
        alive()?;
        block.day(day).iter().for_each(|order| sizes[minute(order)] += 1);
    }
    let mut ends = [0; MINUTES];
    let mut before = 0;
    for (end, size) in ends.iter_mut().zip(&sizes) {
        *end = before;
        before += size;
    }
    for block in blocks {
        alive()?;
        for order in block.day(day) {
            let end = &mut ends[minute(order)];
            into[*end] = *order;
            *end += 1;
        }
    }
    let mut rest = into;
    let mut parts = Vec::with_capacity(MINUTES);
    for size in sizes {
        let (part, others) = rest.split_at_mut(size);
        parts.push(part);
        rest = others;
    }
    parts.into_par_iter().try_for_each(|part| {
        alive()?;
        part.sort_by_key(|order| order.time);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_day_is_sorted_as_a_small_one() {
        let order = |number: u32| Order {
            time: 3 * DAY + number.wrapping_mul(2_654_435_761) % DAY,
            customer: number,
            ..Order::default()
        };
        let orders: Vec<Order> = (0..9_000).map(order).collect();
        let blocks: Vec<Block> = orders.chunks(1_000).map(|part| Block::new(part, &(3..4))).collect();
        let (mut one, mut other) = (vec![Order::default(); 9_000], vec![Order::default(); 9_000]);
        gather(&blocks, 0, &mut one, &|| Ok(())).unwrap();
        gather_by_minute(&blocks, 0, &mut other, &|| Ok(())).unwrap();
        assert!(one == other && one.is_sorted_by_key(|order| order.time));
        assert!(gather_by_minute(&blocks, 0, &mut other, &|| anyhow::bail!("interrupted")).is_err());
    }
}
