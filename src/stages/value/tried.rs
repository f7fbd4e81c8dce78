//! Models fitted to all that is known and, for the holdout, to what was known before it.
//!
//! Does not know what a purchase is worth.

use anyhow::Result;
use rayon::prelude::*;

use super::cohort::Cohort;
use super::holdout::{Holdout, Scores};
use super::{Model, Value};
use crate::model::value::{Finding, Fitted, NoDropout, Request, Unfit, fit, no_dropout};
use crate::stage::{Context, Failure};

/// A chance below which a test's result is taken for real.
const SIGNIFICANT: f64 = 0.05;

/// A model with how well it did.
pub struct Tried {
    /// The model.
    pub model: Model,
    /// Whether it competes; `nbd` may be there for comparison only.
    pub competes: bool,
    /// Fitted to everybody.
    pub fitted: Fitted,
    /// What is wrong with that fit.
    pub findings: Vec<Finding>,
    /// Whether dropout is told from none.
    pub no_dropout: Option<NoDropout>,
    /// Fitted to what was known before the holdout.
    pub before: Option<Fitted>,
    /// Purchases expected of each customer on the holdout.
    pub expected: Option<Vec<f64>>,
    /// How close that was.
    pub scores: Option<Scores>,
}

impl Tried {
    /// Whether the data tell that customers leave; models that suppose nothing of the kind are sound.
    pub fn is_sound(&self) -> bool {
        self.no_dropout.is_none_or(|test| test.p_value < SIGNIFICANT)
    }
}

/// Fits all models.
pub fn all(
    stage: &Value,
    ctx: &Context<'_>,
    everybody: &Cohort,
    judged: Option<&Holdout>,
) -> Result<Vec<Tried>> {
    let models = stage.all_models();
    let one = |model: &Model| try_out(stage, ctx, *model, everybody, judged);
    let tried: Vec<Result<Tried>> = models.par_iter().map(one).collect();
    let mut tried: Vec<Tried> = tried.into_iter().collect::<Result<_>>()?;
    let nbd = tried.iter().find(|one| one.model == Model::Nbd).map(|one| one.fitted.clone());
    for one in &mut tried {
        one.no_dropout = nbd.as_ref().and_then(|nbd| no_dropout(&one.fitted, nbd));
    }
    Ok(tried)
}

fn try_out(
    stage: &Value,
    ctx: &Context<'_>,
    model: Model,
    everybody: &Cohort,
    judged: Option<&Holdout>,
) -> Result<Tried> {
    let fitted = fitted(stage, ctx, model, everybody)?;
    let mut tried = Tried {
        model,
        competes: stage.models.contains(&model),
        findings: fitted.findings(),
        fitted,
        no_dropout: None,
        before: None,
        expected: None,
        scores: None,
    };
    if let Some(holdout) = judged {
        let before = fitted_before(stage, ctx, model, holdout)?;
        let expected = |at: usize| {
            let cohort = &holdout.before;
            before.expected(&cohort.histories[at], cohort.known(at), holdout.times[at])
        };
        let expected: Vec<f64> = (0..holdout.made.len()).into_par_iter().map(expected).collect();
        tried.scores = Some(holdout.scores(&expected));
        (tried.before, tried.expected) = (Some(before), Some(expected));
    }
    Ok(tried)
}

fn fitted(stage: &Value, ctx: &Context<'_>, model: Model, cohort: &Cohort) -> Result<Fitted> {
    fit_to(stage, ctx, model, cohort)?.map_err(|why| unfit(model, why, "input").into())
}

fn fitted_before(stage: &Value, ctx: &Context<'_>, model: Model, holdout: &Holdout) -> Result<Fitted> {
    let hint = "choose fewer `holdout_days`, or 0 for none";
    let failed = |why: Unfit| {
        let message = format!("`{}` can't be fitted to the time before the holdout: {why}", model.name());
        Failure::new(message).hint(hint).at("holdout_days")
    };
    fit_to(stage, ctx, model, &holdout.before)?.map_err(|why| failed(why).into())
}

fn fit_to(stage: &Value, ctx: &Context<'_>, model: Model, cohort: &Cohort) -> Result<Result<Fitted, Unfit>> {
    let fitted = fit(&Request {
        family: model.family(),
        histories: &cohort.histories,
        covariates: (cohort.covariates.ncols() > 0).then(|| cohort.covariates.view()),
        penalty: stage.penalty,
        stop: &|| ctx.alive().is_err(),
    });
    ctx.alive()?;
    Ok(fitted)
}

fn unfit(model: Model, why: Unfit, key: &str) -> Failure {
    let hint = match why {
        Unfit::NoRepeats | Unfit::NoTime | Unfit::Nobody => {
            "value needs customers who came back: without them leave this stage out"
        }
        _ => "look at the days that the stage behind `input` gives, or choose other `models`",
    };
    Failure::new(format!("`{}` can't be fitted: {why}", model.name())).hint(hint).at(key)
}

/// The position of the model that is chosen: of those that compete and are sound the one with the lowest error
/// on the holdout, or without one the lowest AIC; where there is none, `nbd`, or the first one.
pub fn best(tried: &[Tried]) -> usize {
    let rank = |one: &Tried| one.scores.map_or_else(|| one.fitted.aic(), |scores| scores.rmse);
    let sound = tried.iter().enumerate().filter(|(_, one)| one.competes && one.is_sound());
    let best = sound.min_by(|one, two| rank(one.1).total_cmp(&rank(two.1))).map(|(at, _)| at);
    best.or_else(|| tried.iter().position(|one| one.model == Model::Nbd)).unwrap_or(0)
}
