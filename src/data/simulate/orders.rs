//! The orders of customers: blocks of compact rows, generated slice of time by slice of time.

use std::ops::Range;

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};

use super::Dirt;
use super::clock::DAY;
use super::market::{Market, pick};
use super::person::Person;
use crate::model::random::Streams;

/// An order in sixteen bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Seconds since the start of the period.
    pub time: u32,
    /// The customer, by rank of the id.
    pub customer: u32,
    /// The amount in hundredths.
    pub cents: u32,
    /// Position among the channels.
    pub channel: u8,
    /// Position among the categories.
    pub category: u8,
    /// Whether the customer is local.
    pub local: bool,
    /// Whether the amount is missing.
    pub missing: bool,
}

/// Where a customer's stream of orders stands between two slices of time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    /// Words of the stream that are used up; zero before the first slice.
    word: u64,
    /// Orders so far.
    orders: u32,
    /// When the customer was lost with an order, in seconds since the start, if `next` is infinite.
    lost: u32,
    /// Load of the next order.
    next: f64,
}

/// Random streams: one a customer, and another one for what is wrong with the customer's rows,
/// so that dirt changes no row but the dirty ones.
#[derive(Clone, Debug)]
pub struct Sources {
    people: Streams,
    spoilers: Streams,
    dirt: Dirt,
}

impl Sources {
    /// The streams of a seed.
    pub fn new(seed: u64, dirt: Dirt) -> Self {
        let people = Streams::new(seed, "simulated customer");
        let spoilers = Streams::new(seed, "simulated dirt");
        Self { people, spoilers, dirt }
    }

    /// What spoils a customer's orders from one on, if anything does.
    fn spoiler(&self, entity: u64, order: u32) -> Option<ChaCha8Rng> {
        self.dirt.any().then(|| {
            let mut rng = self.spoilers.of(entity);
            rng.set_word_pos(u128::from(u64::from(order) * DIRT_WORDS));
            rng
        })
    }
}

/// Orders of some customers within some days, in order of day; within a day by customer.
#[derive(Debug)]
pub struct Block {
    orders: Vec<Order>,
    /// Where each day's orders start, and the end of the last day's.
    starts: Vec<u32>,
}

/// Words of a dirt stream that an order takes, so that orders can be skipped.
const DIRT_WORDS: u64 = 8;

impl Block {
    /// Sorts orders, which come customer by customer, by day.
    pub fn new(orders: &[Order], days: &Range<u32>) -> Self {
        let day = |order: &Order| ((order.time / DAY).clamp(days.start, days.end - 1) - days.start) as usize;
        let mut starts = vec![0_u32; days.len() + 1];
        for order in orders {
            starts[day(order) + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut cursors = starts.clone();
        let mut sorted = orders.to_vec();
        for order in orders {
            let cursor = &mut cursors[day(order)];
            sorted[*cursor as usize] = *order;
            *cursor += 1;
        }
        Self { orders: sorted, starts }
    }

    /// The orders of a day, counted from the slice's first.
    pub fn day(&self, day: usize) -> &[Order] {
        &self.orders[self.starts[day] as usize..self.starts[day + 1] as usize]
    }
}

/// Appends a customer's orders before the end of the slice, and returns the customer; when they are
/// lost is known with the last slice.
///
/// The stream first gives the person, then for each order channel and category, amount and the
/// gap to the next one; the mark carries it over to the next slice.
pub fn append(
    orders: &mut Vec<Order>,
    market: &Market,
    sources: &Sources,
    (entity, rank): (u64, u32),
    before_day: u32,
    mark: &mut Mark,
) -> Person {
    let mut rng = sources.people.of(entity);
    let mut person = Person::draw(market, &mut rng);
    if mark.word == 0 {
        mark.next = person.first_order;
    } else {
        rng.set_word_pos(u128::from(mark.word));
    }
    let mut spoiler = sources.spoiler(entity, mark.orders);
    let clock = &market.molds[person.persona].clock;
    let end = person.end.min(clock.before(before_day as usize));
    let last = person.dropout.map_or(u32::MAX, |(_, last)| last);
    while mark.next < end {
        let order = draw(market, &person, rank, mark.next, &mut rng);
        mark.next += rng.sample::<f64, _>(Exp1) * 7.0 / person.orders_per_week;
        mark.orders = mark.orders.saturating_add(1);
        if mark.orders == last {
            (mark.next, mark.lost) = (f64::INFINITY, order.time);
        }
        match &mut spoiler {
            None => orders.push(order),
            Some(rng) => spoil(orders, order, &sources.dirt, rng),
        }
    }
    mark.word = u64::try_from(rng.get_word_pos()).unwrap_or(u64::MAX);
    if person.dropout.is_some() && before_day == market.days {
        person.alive_until = if mark.next == f64::INFINITY {
            f64::from(mark.lost)
        } else {
            person.lost_after_end(market, mark.next, mark.orders, &mut rng)
        };
    }
    person
}

fn draw(market: &Market, person: &Person, rank: u32, load: f64, rng: &mut ChaCha8Rng) -> Order {
    let mold = &market.molds[person.persona];
    let random = rng.next_u64();
    let channel = pick(&person.channels, random as u32);
    let category = pick(&person.categories, (random >> 32) as u32);
    let cents = person.cents[category] * mold.spend.sample(rng);
    Order {
        time: mold.clock.second(load),
        customer: rank,
        // Half a hundredth up, then down: rounded. Nothing costs less than a hundredth.
        cents: ((cents + 0.5) as u32).max(1),
        channel: channel as u8,
        category: category as u8,
        local: person.local,
        missing: false,
    }
}

/// Appends an order as a careless shop would have stored it.
fn spoil(orders: &mut Vec<Order>, mut order: Order, dirt: &Dirt, rng: &mut ChaCha8Rng) {
    let [missing, outlier, factor, twice]: [f64; 4] = std::array::from_fn(|_| rng.random());
    order.missing = missing < dirt.missing_amounts;
    if outlier < dirt.outliers {
        let factor = 20.0 + 80.0 * factor;
        order.cents = (f64::from(order.cents) * factor + 0.5) as u32;
    }
    orders.push(order);
    if twice < dirt.duplicates {
        orders.push(order);
    }
}
