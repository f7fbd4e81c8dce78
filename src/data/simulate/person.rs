//! A customer, drawn from the market: what stays the same from order to order.

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, Gamma};

use super::clock::DAY;
use super::market::{Market, Mold, WEEK, pick, thresholds};

/// Customers acquired before the period came within so many days before it.
const ESTABLISHED_WITHIN: f64 = 3.0 * 365.0;

/// Nobody lives longer than a hundred years beyond the period, so that times stay representable.
const CENTURY: f64 = 36_525.0 * DAY as f64;

/// What stays the same from order to order.
#[derive(Clone, Debug)]
pub struct Person {
    /// Position among the personas.
    pub persona: usize,
    /// Orders a week in a neutral week at the start.
    pub orders_per_week: f64,
    /// The day of acquisition, since 1970-01-01.
    pub acquired: i32,
    /// When the customer was lost or will be, in seconds since the start.
    pub alive_until: f64,
    /// The chance to be lost after a repeat order, and how many orders come in the period until that
    /// happens; where customers are lost after a time, nothing.
    pub dropout: Option<(f64, u32)>,
    /// Whether the customer lives near a store.
    pub local: bool,
    /// Expected amount of an order.
    pub mean_spend: f64,
    /// Where the first order comes, in load; it is the acquisition itself if that is in the period.
    pub first_order: f64,
    /// Orders come before this load.
    pub end: f64,
    /// Thresholds for drawing a channel.
    pub channels: Vec<u64>,
    /// Thresholds for drawing a category.
    pub categories: Vec<u64>,
    /// Scale of the amount by category, in cents.
    pub cents: Vec<f64>,
}

impl Person {
    /// Draws a customer; what is drawn depends on the stream alone, and always comes first in it.
    ///
    /// Rates are gamma distributed, lifetimes exponential (which has no memory, so the rest of an
    /// established customer's life is, too), mean spends inverse gamma, preferences Dirichlet:
    /// Fader, Hardie & Lee (2005) for the first two, Fader & Hardie (2013) for the third. Where a
    /// persona has a drop-out, chances to be lost after a repeat order are beta distributed instead
    /// of lifetimes exponential (Fader, Hardie & Lee 2005), and `alive_until` isn't known yet.
    pub fn draw(market: &Market, rng: &mut ChaCha8Rng) -> Self {
        let persona = pick(&market.shares, rng.next_u32());
        let mold = &market.molds[persona];
        let orders_per_week = mold.rate.sample(rng);
        let entry = Entry::draw(market, mold, rng);
        let lifetime: f64 = rng.sample::<f64, _>(Exp1) * mold.persona.lifetime_weeks * WEEK;
        let lifetime = if mold.dropout.is_some() { CENTURY } else { lifetime };
        let alive_until = (entry.seconds + lifetime).min(market.seconds() + CENTURY);
        let local = rng.random::<f64>() < mold.persona.local;
        let mean_spend = mold.persona.mean_spend / mold.thrift.sample(rng).max(1e-9);
        let channels = shares(&mold.channels, rng);
        let categories = shares(&mold.categories, rng);
        let end = mold.clock.load(alive_until);
        let wait = rng.sample::<f64, _>(Exp1) * 7.0 / orders_per_week;
        let dropout = mold.dropout.as_ref().map(|shapes| {
            let chance = chance(shapes, rng);
            // The order that the acquisition was is no repeat order.
            let first = u32::from(entry.order.is_some());
            (chance, repeats(chance, rng.random()).saturating_add(first))
        });
        Self {
            persona,
            orders_per_week,
            acquired: entry.day,
            alive_until,
            dropout,
            local,
            mean_spend,
            first_order: entry.order.unwrap_or(wait),
            end: entry.order.map_or(end, |order| end.max(order.next_up())),
            cents: cents(mold, &categories, mean_spend),
            channels: thresholds(&channels),
            categories: thresholds(&categories),
        }
    }

    /// When the customer will be lost after the end, in seconds since the start: the orders still to
    /// come follow in neutral weeks, the next one at a load of `next`, after `orders` so far.
    pub fn lost_after_end(&self, market: &Market, next: f64, orders: u32, rng: &mut ChaCha8Rng) -> f64 {
        let last = self.dropout.map_or(u32::MAX, |(_, last)| last);
        let more = f64::from(last.saturating_sub(orders).saturating_sub(1));
        let gaps = Gamma::new(more, 1.0).map_or(0.0, |gaps| gaps.sample(rng));
        let past = next - market.molds[self.persona].clock.total() + gaps * 7.0 / self.orders_per_week;
        market.seconds() + (past.max(0.0) * f64::from(DAY)).min(CENTURY)
    }
}

/// A beta distributed chance.
fn chance([lost, kept]: &[Gamma<f64>; 2], rng: &mut ChaCha8Rng) -> f64 {
    let (lost, kept) = (lost.sample(rng), kept.sample(rng));
    // Tiny shapes can underflow to nothing but zeros: then either is as good.
    if lost + kept > 0.0 { lost / (lost + kept) } else { f64::from(u8::from(rng.random::<bool>())) }
}

/// Repeat orders up to the last one, at least one: geometrically distributed, by inversion of `uniform` in [0, 1).
fn repeats(chance: f64, uniform: f64) -> u32 {
    let repeats = (libm::log1p(-uniform) / libm::log1p(-chance)).ceil();
    // A cast saturates: where the chance is nothing, the customer is never lost.
    if chance > 0.0 { repeats.max(1.0) as u32 } else { u32::MAX }
}

/// How a customer came.
struct Entry {
    /// The day of acquisition, since 1970-01-01.
    day: i32,
    /// From when on orders can come, in seconds since the start.
    seconds: f64,
    /// The load of the order that the acquisition was, if it was in the period.
    order: Option<f64>,
}

impl Entry {
    fn draw(market: &Market, mold: &Mold, rng: &mut ChaCha8Rng) -> Self {
        let (established, when) = (rng.random::<f64>() < mold.persona.established, rng.random::<f64>());
        if established {
            let before = 1 + (when * ESTABLISHED_WITHIN) as i32;
            return Self { day: market.first_day - before, seconds: 0.0, order: None };
        }
        let load = mold.acquired_from + when * (mold.clock.total() - mold.acquired_from);
        let second = mold.clock.second(load);
        let day = market.first_day.saturating_add_unsigned(second / DAY);
        Self { day, seconds: f64::from(second), order: Some(load) }
    }
}

/// Shares that sum to one.
fn shares(preferences: &[(Option<Gamma<f64>>, f64)], rng: &mut ChaCha8Rng) -> Vec<f64> {
    let draw = |(gamma, _): &(Option<Gamma<f64>>, f64)| gamma.map_or(0.0, |gamma| gamma.sample(rng));
    let draws: Vec<f64> = preferences.iter().map(draw).collect();
    let total: f64 = draws.iter().sum();
    // Tiny shapes can underflow to nothing but zeros.
    if total > 0.0 && total.is_finite() {
        draws.iter().map(|draw| draw / total).collect()
    } else {
        preferences.iter().map(|(_, mean)| *mean).collect()
    }
}

/// Scales such that amounts follow the price levels and still average to the mean spend.
fn cents(mold: &Mold, categories: &[f64], mean_spend: f64) -> Vec<f64> {
    let level: f64 = categories.iter().zip(&mold.prices).map(|(share, price)| share * price).sum();
    mold.prices.iter().map(|price| 100.0 * mean_spend * price / level).collect()
}
