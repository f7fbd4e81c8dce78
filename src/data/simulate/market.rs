//! The market: personas made ready for drawing, for one period.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use rand_distr::Gamma;

use super::Settings;
use super::clock::{Clock, DAY};
use super::persona::{Dropout, Persona, Weights};

/// Seconds in a week.
pub const WEEK: f64 = 7.0 * DAY as f64;

/// One as a threshold: a 32-bit random number is always below it.
pub const ONE: u64 = 1 << 32;

/// All that customers of a period are drawn from.
#[derive(Clone, Debug)]
pub struct Market {
    /// Names of the channels, sorted; rows refer to them by position.
    pub channels: Vec<String>,
    /// Names of the categories, sorted.
    pub categories: Vec<String>,
    /// Names and distributions of the personas.
    pub molds: Vec<Mold>,
    /// Thresholds for drawing a persona.
    pub shares: Vec<u64>,
    /// The period's first day, since 1970-01-01.
    pub first_day: i32,
    /// The period's length in days.
    pub days: u32,
}

/// A persona, made ready for drawing.
#[derive(Clone, Debug)]
pub struct Mold {
    /// As it was given.
    pub persona: Persona,
    /// When its orders come.
    pub clock: Clock,
    /// Orders a week.
    pub rate: Gamma<f64>,
    /// Amount of an order, in units of the customer's scale.
    pub spend: Gamma<f64>,
    /// The inverse of a customer's mean spend, in units of the persona's.
    pub thrift: Gamma<f64>,
    /// A beta distribution of chances to be lost after a repeat order, as two gamma distributions.
    pub dropout: Option<[Gamma<f64>; 2]>,
    /// Preferences for channels before normalisation, with their means.
    pub channels: Vec<(Option<Gamma<f64>>, f64)>,
    /// Preferences for categories before normalisation, with their means.
    pub categories: Vec<(Option<Gamma<f64>>, f64)>,
    /// Price levels of the categories.
    pub prices: Vec<f64>,
    /// The load from which on customers are acquired.
    pub acquired_from: f64,
}

impl Market {
    /// Checks the settings and makes them ready.
    ///
    /// # Errors
    /// When no customer can be drawn from them; the message names the field.
    pub fn new(settings: &Settings) -> Result<Self> {
        check(settings)?;
        let channels = names(settings.personas.iter().map(|persona| &persona.channels));
        let categories = names(settings.personas.iter().map(|persona| &persona.categories));
        if channels.len().max(categories.len()) > usize::from(u8::MAX) {
            bail!("there are more than {} channels or categories", u8::MAX);
        }
        let mold = |persona| Mold::new(persona, settings, &channels, &categories);
        let molds = settings.personas.iter().map(mold).collect::<Result<_>>()?;
        let shares: Vec<f64> = settings.personas.iter().map(|persona| persona.share).collect();
        Ok(Self {
            channels,
            categories,
            molds,
            shares: thresholds(&shares),
            first_day: settings.first_day,
            days: settings.days,
        })
    }

    /// The period's length in seconds.
    pub fn seconds(&self) -> f64 {
        f64::from(self.days) * f64::from(DAY)
    }

    /// Orders that are expected of a number of customers from day to day if none is ever lost:
    /// an upper bound of what comes.
    pub fn most_orders(&self, customers: u32, days: std::ops::Range<usize>) -> f64 {
        let shares: f64 = self.molds.iter().map(|mold| mold.persona.share).sum();
        let orders = self.molds.iter().map(|mold| {
            let load = mold.clock.before(days.end) - mold.clock.before(days.start);
            mold.persona.share / shares * mold.persona.orders_per_week / 7.0 * load
        });
        f64::from(customers) * orders.sum::<f64>()
    }
}

impl Mold {
    fn new(
        persona: &Persona,
        settings: &Settings,
        channels: &[String],
        categories: &[String],
    ) -> Result<Self> {
        let clock = Clock::new(settings.first_day, settings.days, persona.season, settings.growth);
        let spread = persona.spend_spread;
        let from = f64::from(settings.days) * f64::from(DAY) * persona.acquired_from;
        let price = |name: &String| settings.prices.get(name).copied().unwrap_or(1.0);
        Ok(Self {
            rate: Gamma::new(persona.rate_shape, persona.orders_per_week / persona.rate_shape)?,
            spend: Gamma::new(persona.spend_shape, 1.0 / persona.spend_shape)?,
            thrift: Gamma::new(spread, 1.0 / (spread - 1.0))?,
            dropout: match persona.dropout {
                Some(Dropout { a, b }) => Some([Gamma::new(a, 1.0)?, Gamma::new(b, 1.0)?]),
                None => None,
            },
            channels: preferences(&persona.channels, channels, persona.concentration)?,
            categories: preferences(&persona.categories, categories, persona.concentration)?,
            prices: categories.iter().map(price).collect(),
            acquired_from: clock.load(from),
            clock,
            persona: persona.clone(),
        })
    }
}

/// Thresholds for drawing by weight: the first one above a 32-bit random number is drawn.
pub fn thresholds(weights: &[f64]) -> Vec<u64> {
    let total: f64 = weights.iter().sum();
    let last = weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0);
    let mut before = 0.0;
    let threshold = |(at, weight): (usize, &f64)| {
        before += weight;
        if at >= last { ONE } else { (before / total * ONE as f64) as u64 }
    };
    weights.iter().enumerate().map(threshold).collect()
}

/// Draws from thresholds with a 32-bit random number.
pub fn pick(thresholds: &[u64], random: u32) -> usize {
    thresholds.iter().filter(|threshold| u64::from(random) >= **threshold).count()
}

fn check(settings: &Settings) -> Result<()> {
    if let Some((field, problem)) = settings.personas.iter().flat_map(Persona::problems).next() {
        bail!("`{field}` {problem}");
    }
    if let Some(price) = settings.prices.values().find(|price| !(0.001..=1e6).contains(*price)) {
        bail!("a price level must be between 0.001 and 1000000, not {price}");
    }
    if !settings.personas.iter().any(|persona| persona.share > 0.0) {
        bail!("at least one persona must have a share above 0");
    }
    if !(1..=super::MOST_DAYS).contains(&settings.days) {
        bail!("the period must have between 1 and {} days, not {}", super::MOST_DAYS, settings.days);
    }
    Ok(())
}

fn names<'a>(weights: impl Iterator<Item = &'a Weights>) -> Vec<String> {
    weights.flat_map(Weights::keys).collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

/// One gamma distribution a name: normalised, they are a Dirichlet distribution.
fn preferences(
    weights: &Weights,
    names: &[String],
    concentration: f64,
) -> Result<Vec<(Option<Gamma<f64>>, f64)>> {
    let total: f64 = weights.values().sum();
    let preference = |name: &String| {
        let mean = weights.get(name).copied().unwrap_or(0.0) / total;
        let shape = mean * concentration;
        Ok(((shape > 0.0).then(|| Gamma::new(shape, 1.0)).transpose()?, mean))
    };
    names.iter().map(preference).collect()
}
