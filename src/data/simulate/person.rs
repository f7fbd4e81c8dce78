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
    /// Fader, Hardie & Lee (2005) for the first two, Fader & Hardie (2013) for the third.
    pub fn draw(market: &Market, rng: &mut ChaCha8Rng) -> Self {
        let persona = pick(&market.shares, rng.next_u32());
        let mold = &market.molds[persona];
        let orders_per_week = mold.rate.sample(rng);
        let entry = Entry::draw(market, mold, rng);
        let lifetime: f64 = rng.sample::<f64, _>(Exp1) * mold.persona.lifetime_weeks * WEEK;
        let alive_until = (entry.seconds + lifetime).min(market.seconds() + CENTURY);
        let local = rng.random::<f64>() < mold.persona.local;
        let mean_spend = mold.persona.mean_spend / mold.thrift.sample(rng).max(1e-9);
        let channels = shares(&mold.channels, rng);
        let categories = shares(&mold.categories, rng);
        let end = mold.clock.load(alive_until);
        let wait = rng.sample::<f64, _>(Exp1) * 7.0 / orders_per_week;
        Self {
            persona,
            orders_per_week,
            acquired: entry.day,
            alive_until,
            local,
            mean_spend,
            first_order: entry.order.unwrap_or(wait),
            end: entry.order.map_or(end, |order| end.max(order.next_up())),
            cents: cents(mold, &categories, mean_spend),
            channels: thresholds(&channels),
            categories: thresholds(&categories),
        }
    }
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
