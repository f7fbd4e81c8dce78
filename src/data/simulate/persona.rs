//! Personas: the kinds of customers that a simulated shop has, as numbers.
//!
//! Does not know how customers are drawn from them: see [`super::person`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Weights by name; what is left out weighs nothing.
pub type Weights = BTreeMap<String, f64>;

/// A kind of customers: how often, how much, how long, when, and what they buy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Persona {
    /// Its name in the table `truth`.
    pub name: String,
    /// Weight among the personas; they need not sum to one.
    #[schemars(range(min = 0.0))]
    pub share: f64,
    /// Mean orders a week, in a neutral week at the start.
    #[schemars(range(min = 0.001, max = 100.0))]
    pub orders_per_week: f64,
    /// Shape of the gamma distribution of customers' own rates: the larger, the more alike.
    #[schemars(range(min = 0.1, max = 1000.0))]
    pub rate_shape: f64,
    /// Mean amount of an order.
    #[schemars(range(min = 0.05, max = 100_000.0))]
    pub mean_spend: f64,
    /// Shape of the gamma distribution of one customer's amounts: the larger, the more regular.
    #[schemars(range(min = 0.1, max = 1000.0))]
    pub spend_shape: f64,
    /// Shape of the inverse gamma distribution of customers' mean amounts: the larger, the more alike.
    #[schemars(range(min = 1.1, max = 1000.0))]
    pub spend_spread: f64,
    /// Mean of the exponential time until a customer is lost, in weeks.
    #[schemars(range(min = 0.1, max = 100_000.0))]
    pub lifetime_weeks: f64,
    /// Customers are lost by a chance after each repeat order, instead of after a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<Dropout>,
    /// Share of customers that were acquired before the start.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub established: f64,
    /// The others are acquired after this part of the period: 0.75 is the last quarter.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub acquired_from: f64,
    /// How strongly the yearly season moves orders: 0 not at all, 1 as the shop's average.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub season: f64,
    /// Share of local customers.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub local: f64,
    /// How alike customers' preferences are: the sum of a Dirichlet distribution's parameters.
    #[schemars(range(min = 0.1, max = 10_000.0))]
    pub concentration: f64,
    /// Mean preferences for channels.
    pub channels: Weights,
    /// Mean preferences for categories.
    pub categories: Weights,
}

/// The beta distribution of customers' chances to be lost after a repeat order: the drop-out of BG/NBD.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// First shape; the mean chance is `a / (a + b)`.
    #[schemars(range(min = 0.01, max = 10_000.0))]
    pub a: f64,
    /// Second shape.
    #[schemars(range(min = 0.01, max = 10_000.0))]
    pub b: f64,
}

impl Default for Persona {
    fn default() -> Self {
        Self {
            name: "customer".to_owned(),
            share: 1.0,
            orders_per_week: 0.5,
            rate_shape: 2.0,
            mean_spend: 40.0,
            spend_shape: 3.0,
            spend_spread: 5.0,
            lifetime_weeks: 200.0,
            dropout: None,
            established: 0.5,
            acquired_from: 0.0,
            season: 1.0,
            local: 0.65,
            concentration: 10.0,
            channels: weights(&CHANNELS, &[0.30, 0.05, 0.30, 0.35]),
            categories: weights(&CATEGORIES, &[0.12, 0.12, 0.12, 0.16, 0.20, 0.12, 0.10, 0.06]),
        }
    }
}

const CHANNELS: [&str; 4] = ["app", "phone", "store", "web"];
const CATEGORIES: [&str; 8] =
    ["beauty", "books", "electronics", "fashion", "grocery", "home", "sports", "travel"];
const PRICES: [f64; 8] = [0.8, 0.5, 3.0, 1.4, 0.6, 1.5, 1.2, 4.0];

/// The built-in personas: about sixty orders a customer in three years.
///
/// | persona | share | orders a week | mean order | weeks until lost | peculiarity |
/// |---|---|---|---|---|---|
/// | vip | 5 % | 2.1 | 85 | 500 | buys everything, mostly in the app |
/// | loyal | 20 % | 1.05 | 42 | 400 | local, in the store |
/// | bargain | 25 % | 0.45 | 18 | 160 | cheap categories on the web, follows sales |
/// | seasonal | 15 % | 0.40 | 55 | 260 | mostly before the holidays |
/// | new | 15 % | 0.60 | 30 | 80 | acquired in the last quarter of the period |
/// | lapsed | 20 % | 0.90 | 33 | 24 | soon lost |
pub fn built_in() -> Vec<Persona> {
    vec![vip(), loyal(), bargain(), seasonal(), new(), lapsed()]
}

/// Price levels of the built-in categories, against an average category.
pub fn built_in_prices() -> Weights {
    weights(&CATEGORIES, &PRICES)
}

fn vip() -> Persona {
    Persona {
        name: "vip".to_owned(),
        share: 0.05,
        orders_per_week: 2.1,
        rate_shape: 4.0,
        mean_spend: 85.0,
        spend_spread: 6.0,
        lifetime_weeks: 500.0,
        established: 0.8,
        season: 0.6,
        local: 0.6,
        channels: weights(&CHANNELS, &[0.45, 0.05, 0.20, 0.30]),
        categories: weights(&CATEGORIES, &[0.12, 0.08, 0.18, 0.20, 0.10, 0.12, 0.08, 0.12]),
        ..Persona::default()
    }
}

fn loyal() -> Persona {
    Persona {
        name: "loyal".to_owned(),
        share: 0.20,
        orders_per_week: 1.05,
        rate_shape: 3.0,
        mean_spend: 42.0,
        lifetime_weeks: 400.0,
        established: 0.7,
        season: 0.6,
        local: 0.8,
        concentration: 14.0,
        channels: weights(&CHANNELS, &[0.30, 0.05, 0.40, 0.25]),
        categories: weights(&CATEGORIES, &[0.12, 0.08, 0.06, 0.14, 0.34, 0.14, 0.09, 0.03]),
        ..Persona::default()
    }
}

fn bargain() -> Persona {
    Persona {
        name: "bargain".to_owned(),
        share: 0.25,
        orders_per_week: 0.45,
        rate_shape: 1.5,
        mean_spend: 18.0,
        spend_shape: 2.0,
        lifetime_weeks: 160.0,
        season: 1.4,
        local: 0.7,
        channels: weights(&CHANNELS, &[0.20, 0.05, 0.25, 0.50]),
        categories: weights(&CATEGORIES, &[0.16, 0.20, 0.03, 0.22, 0.24, 0.08, 0.06, 0.01]),
        ..Persona::default()
    }
}

fn seasonal() -> Persona {
    Persona {
        name: "seasonal".to_owned(),
        share: 0.15,
        orders_per_week: 0.40,
        mean_spend: 55.0,
        spend_shape: 2.0,
        lifetime_weeks: 260.0,
        established: 0.6,
        season: 3.0,
        local: 0.5,
        channels: weights(&CHANNELS, &[0.15, 0.10, 0.35, 0.40]),
        categories: weights(&CATEGORIES, &[0.14, 0.16, 0.16, 0.16, 0.05, 0.14, 0.13, 0.06]),
        ..Persona::default()
    }
}

fn new() -> Persona {
    Persona {
        name: "new".to_owned(),
        share: 0.15,
        orders_per_week: 0.60,
        rate_shape: 1.5,
        mean_spend: 30.0,
        lifetime_weeks: 80.0,
        established: 0.0,
        acquired_from: 0.75,
        channels: weights(&CHANNELS, &[0.60, 0.02, 0.08, 0.30]),
        categories: weights(&CATEGORIES, &[0.16, 0.08, 0.14, 0.26, 0.10, 0.08, 0.14, 0.04]),
        ..Persona::default()
    }
}

fn lapsed() -> Persona {
    Persona {
        name: "lapsed".to_owned(),
        share: 0.20,
        orders_per_week: 0.90,
        rate_shape: 1.5,
        mean_spend: 33.0,
        spend_shape: 2.5,
        lifetime_weeks: 24.0,
        established: 0.75,
        channels: weights(&CHANNELS, &[0.10, 0.20, 0.45, 0.25]),
        ..Persona::default()
    }
}

fn weights(names: &[&str], weights: &[f64]) -> Weights {
    names.iter().map(|name| (*name).to_owned()).zip(weights.iter().copied()).collect()
}

impl Persona {
    /// Fields with a value that no customer can be drawn from, and what is wrong.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let ranges = [
            ("share", self.share, 0.0, f64::MAX),
            ("orders_per_week", self.orders_per_week, 0.001, 100.0),
            ("rate_shape", self.rate_shape, 0.1, 1000.0),
            ("mean_spend", self.mean_spend, 0.05, 100_000.0),
            ("spend_shape", self.spend_shape, 0.1, 1000.0),
            ("spend_spread", self.spend_spread, 1.1, 1000.0),
            ("lifetime_weeks", self.lifetime_weeks, 0.1, 100_000.0),
            ("established", self.established, 0.0, 1.0),
            ("acquired_from", self.acquired_from, 0.0, 1.0),
            ("season", self.season, 0.0, 10.0),
            ("local", self.local, 0.0, 1.0),
            ("concentration", self.concentration, 0.1, 10_000.0),
        ];
        let outside = ranges.into_iter().filter(|(_, value, low, high)| !(low..=high).contains(&value));
        let mut problems: Vec<_> =
            outside.map(|(field, value, low, high)| (field, range(value, low, high))).collect();
        if let Some(Dropout { a, b }) = self.dropout {
            let outside = [("dropout.a", a), ("dropout.b", b)].into_iter();
            let outside = outside.filter(|(_, shape)| !(0.01..=10_000.0).contains(shape));
            problems.extend(outside.map(|(field, shape)| (field, range(shape, 0.01, 10_000.0))));
        }
        for (field, weights) in [("channels", &self.channels), ("categories", &self.categories)] {
            problems.extend(weights_problem(weights).map(|problem| (field, problem)));
        }
        problems
    }
}

fn range(value: f64, low: f64, high: f64) -> String {
    if high < f64::MAX {
        format!("must be between {low} and {high}, not {value}")
    } else {
        format!("must be at least {low}, not {value}")
    }
}

/// What is wrong with weights, if anything.
pub fn weights_problem(weights: &Weights) -> Option<String> {
    if let Some((name, weight)) = weights.iter().find(|(_, weight)| !(0.0..=1e9).contains(*weight)) {
        return Some(format!("`{name}` must weigh between 0 and 1000000000, not {weight}"));
    }
    weights.values().all(|weight| *weight == 0.0).then(|| "at least one weight must be above 0".to_owned())
}
