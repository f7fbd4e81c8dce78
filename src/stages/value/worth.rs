//! What customers are worth: purchases to come times what they are worth each, with intervals.
//!
//! Does not know how the model was chosen.

use anyhow::Result;
use rayon::prelude::*;

use super::Value;
use super::cohort::Cohort;
use super::tried::Tried;
use crate::model::value::{Ahead, Buyer, Outlook, Spend, Unfit, correlation};
use crate::stage::{Context, Failure};

/// Half the width of a 95 % interval in standard errors.
const REACH: f64 = 1.959_963_984_540_054;

/// Days in a year.
const YEAR: f64 = 365.25;

/// Fewer customers with repeat purchases say nothing of how spends differ.
const FEW: usize = 10;

/// What a purchase to come is worth.
pub struct Spending {
    /// Gamma-Gamma, where it can be used.
    pub model: Option<Spend>,
    /// Why it can't.
    pub instead: Option<String>,
    /// The mean over all repeat purchases, or over all purchases where there is none, in its stead.
    mean: f64,
    /// Correlation of how often and how much customers buy.
    pub correlation: Option<f64>,
}

/// A number with a 95 % interval, where there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimated {
    /// The number.
    pub value: f64,
    /// The interval's ends.
    pub interval: Option<(f64, f64)>,
}

/// What all customers are worth.
pub struct Worth {
    /// What each is expected to do.
    pub outlooks: Vec<Outlook>,
    /// What a purchase of each is expected to be worth.
    pub spends: Vec<f64>,
    /// What each is worth.
    pub values: Vec<Estimated>,
    /// What all are worth together.
    pub total: Estimated,
    /// The mean chance of still being a customer.
    pub alive: f64,
    /// Expected purchases of all.
    pub purchases: f64,
    /// What a purchase is worth.
    pub spending: Spending,
}

/// Values every customer by a model.
pub fn value(stage: &Value, ctx: &Context<'_>, cohort: &Cohort, chosen: &Tried) -> Result<Worth> {
    let spending = spending(ctx, cohort)?;
    let units = f64::from(stage.horizon_days) / cohort.clock.days();
    let discount = libm::log1p(stage.discount) * cohort.clock.days() / YEAR;
    let ahead = Ahead { time: units, discount };
    let outlook = |at: usize| {
        if ctx.alive().is_err() {
            return None;
        }
        Some(chosen.fitted.outlook(&cohort.histories[at], cohort.known(at), &ahead))
    };
    let outlooks: Vec<Option<Outlook>> = (0..cohort.histories.len()).into_par_iter().map(outlook).collect();
    ctx.alive()?;
    let outlooks: Vec<Outlook> = outlooks.into_iter().flatten().collect();
    let spends: Vec<f64> = cohort.buyers.iter().map(|buyer| spending.expected(buyer)).collect();
    let worth = |at: usize| stage.margin * outlooks[at].discounted * spends[at];
    let one = |at: usize| estimated(worth(at), uncertainty(chosen, &spending, cohort, &outlooks, at));
    let values: Vec<Estimated> = (0..outlooks.len()).into_par_iter().map(one).collect();
    if values.iter().any(|value| !value.value.is_finite()) {
        let failure = Failure::new("some amounts are too large or too small to compute with");
        return Err(failure.hint("check the amounts in the transactions").at("input").into());
    }
    let count = outlooks.len() as f64;
    Ok(Worth {
        total: total(chosen, &spending, cohort, &outlooks, &values),
        alive: outlooks.iter().map(|outlook| outlook.alive).sum::<f64>() / count,
        purchases: outlooks.iter().map(|outlook| outlook.expected).sum(),
        outlooks,
        spends,
        values,
        spending,
    })
}

fn spending(ctx: &Context<'_>, cohort: &Cohort) -> Result<Spending> {
    let paying: Vec<&Buyer> = cohort.buyers.iter().filter(|buyer| buyer.purchases > 0).collect();
    let (purchases, sum) = paying.iter().fold((0.0, 0.0), |(purchases, sum), buyer| {
        let count = f64::from(buyer.purchases);
        (purchases + count, sum + count * buyer.mean)
    });
    let pairs: Vec<(f64, f64)> =
        paying.iter().map(|buyer| (f64::from(buyer.purchases), buyer.mean)).collect();
    let fitted = Spend::fit(&cohort.buyers, &|| ctx.alive().is_err());
    ctx.alive()?;
    let usable = paying.iter().filter(|buyer| buyer.mean > 0.0).count();
    let (model, instead) = match fitted {
        _ if usable < FEW => {
            (None, Some(format!("only {usable} customers have spent anything on repeat purchases")))
        }
        Err(Unfit::Nobody) => (None, Some("no repeat purchase was worth anything".to_owned())),
        Err(why) => (None, Some(why.to_string())),
        Ok(spend) if spend.bound.contains(&true) || spend.covariance.is_none() => {
            (None, Some("customers' mean spends differ too little, or too strangely, to fit it".to_owned()))
        }
        Ok(spend) if spend.expected(0, 0.0).is_none() => {
            (None, Some("it takes the mean spend of a new customer for infinite".to_owned()))
        }
        Ok(spend) => (Some(spend), None),
    };
    let mean = if purchases > 0.0 { sum / purchases } else { 0.0 };
    Ok(Spending { model, instead, mean, correlation: correlation(&pairs) })
}

impl Spending {
    fn expected(&self, buyer: &Buyer) -> f64 {
        let of_model = self.model.as_ref().and_then(|model| model.expected(buyer.purchases, buyer.mean));
        of_model.unwrap_or(self.mean)
    }

    fn slope(&self, buyer: &Buyer) -> [f64; 3] {
        self.model.as_ref().map_or([0.0; 3], |model| model.slope(buyer.purchases, buyer.mean))
    }

    /// The variance of the logarithm of a spend with such a slope: 0 for a mean of all, which many
    /// purchases tell closely.
    fn variance(&self, slope: &[f64; 3]) -> Option<f64> {
        self.model.as_ref().map_or(Some(0.0), |model| model.variance(slope))
    }
}

/// The variance of the logarithm of a customer's value.
fn uncertainty(
    chosen: &Tried,
    spending: &Spending,
    cohort: &Cohort,
    outlooks: &[Outlook],
    at: usize,
) -> Option<f64> {
    let slopes = chosen.fitted.pulled_back(&outlooks[at].discounted_slope, cohort.known(at));
    Some(chosen.fitted.variance(&slopes)? + spending.variance(&spending.slope(&cohort.buyers[at]))?)
}

/// A positive number whose logarithm has a variance.
fn estimated(value: f64, variance: Option<f64>) -> Estimated {
    let reach = variance.map(|variance| libm::exp(REACH * variance.sqrt())).filter(|reach| reach.is_finite());
    Estimated { value, interval: reach.map(|reach| (value / reach, value * reach)) }
}

/// The sum over customers; their errors come from the same parameters and so go together.
fn total(
    chosen: &Tried,
    spending: &Spending,
    cohort: &Cohort,
    outlooks: &[Outlook],
    values: &[Estimated],
) -> Estimated {
    let sum: f64 = values.iter().map(|value| value.value).sum();
    let (mut slopes, mut of_spend) = (vec![0.0; chosen.fitted.degrees()], [0.0; 3]);
    for (at, value) in values.iter().enumerate().filter(|(_, value)| value.value > 0.0) {
        let share = value.value / sum;
        let own = chosen.fitted.pulled_back(&outlooks[at].discounted_slope, cohort.known(at));
        slopes.iter_mut().zip(own).for_each(|(slope, own)| *slope += share * own);
        of_spend
            .iter_mut()
            .zip(spending.slope(&cohort.buyers[at]))
            .for_each(|(slope, own)| *slope += share * own);
    }
    let variance = chosen.fitted.variance(&slopes).and_then(|one| Some(one + spending.variance(&of_spend)?));
    estimated(sum, variance)
}
