//! What the data can and can't tell, in words.
//!
//! Does not know tables.

use super::Value;
use super::tried::Tried;
use super::worth::Worth;
use crate::model::value::Finding;
use crate::stage::Outcome;

/// A correlation of frequency and spend from which on Gamma-Gamma's values are doubtful.
const RELATED: f64 = 0.3;

/// What a check found.
pub struct Verdict {
    /// The model, or `gamma_gamma`.
    pub model: &'static str,
    /// What was checked.
    pub check: &'static str,
    /// `ok`, `doubtful` or `failed`.
    pub verdict: &'static str,
    /// Why.
    pub reason: String,
}

/// All verdicts, models in their order, then spend.
pub fn verdicts(tried: &[Tried], worth: &Worth) -> Vec<Verdict> {
    let mut all: Vec<Verdict> = tried.iter().flat_map(of_model).collect();
    all.extend(of_spend(worth));
    all
}

fn of_model(one: &Tried) -> Vec<Verdict> {
    let model = one.model.name();
    let mut verdicts = Vec::new();
    if let Some(test) = one.no_dropout {
        let figures = format!("likelihood ratio {:.1}, p {}", test.ratio.max(0.0), chance(test.p_value));
        let (verdict, reason) = if one.is_sound() {
            (
                "ok",
                format!(
                    "customers leave: `nbd`, in which nobody does, explains the purchases worse ({figures})"
                ),
            )
        } else {
            let told = "drop-out can't be told from these purchases: `nbd`, in which nobody leaves, explains them as well";
            ("failed", format!("{told} ({figures})"))
        };
        verdicts.push(Verdict { model, check: "dropout", verdict, reason });
    }
    let found: Vec<Verdict> = one.findings.iter().map(|finding| of_finding(one, finding)).collect();
    if found.is_empty() {
        let reason = "every parameter is known within a factor of seven or better".to_owned();
        verdicts.push(Verdict { model, check: "parameters", verdict: "ok", reason });
    }
    verdicts.extend(found);
    verdicts
}

fn chance(p: f64) -> String {
    if p < 0.001 { "below 0.001".to_owned() } else { format!("{p:.3}") }
}

fn of_finding(one: &Tried, finding: &Finding) -> Verdict {
    let name = |at: usize| one.fitted.family.parameters()[at];
    let reason = match finding {
        Finding::Bound { parameter, grows } => {
            let way = if *grows { "grows" } else { "falls" };
            format!("the likelihood has no maximum: it rises as long as `{}` {way}", name(*parameter))
        }
        Finding::Ridge { parameter, error, with: Some((other, correlation)) } => {
            let one = name(*parameter);
            format!(
                "`{one}` and `{}` are only known together (correlation {correlation:.3}): `{one}` alone within a factor of {:.0}",
                name(*other),
                factor(*error)
            )
        }
        Finding::Ridge { parameter, error, with: None } => {
            format!("`{}` is only known within a factor of {:.0}", name(*parameter), factor(*error))
        }
        Finding::Flat => "the likelihood is flat at its maximum: there are no standard errors".to_owned(),
        Finding::Unfinished => "the search for the maximum did not end".to_owned(),
    };
    let verdict = if matches!(finding, Finding::Unfinished) { "failed" } else { "doubtful" };
    Verdict { model: one.model.name(), check: "parameters", verdict, reason }
}

/// How far a 95 % interval reaches whose logarithm has this standard error.
fn factor(error: f64) -> f64 {
    libm::exp(1.96 * error).min(1e9)
}

fn of_spend(worth: &Worth) -> Vec<Verdict> {
    let spending = &worth.spending;
    let mut verdicts = Vec::new();
    if let Some(why) = &spending.instead {
        let reason = format!("{why}: the mean of all repeat purchases stands in for each customer's own");
        verdicts.push(Verdict { model: "gamma_gamma", check: "spend", verdict: "failed", reason });
    }
    if let Some(correlation) = spending.correlation {
        let figure = format!("correlation {correlation:.2}");
        let (verdict, reason) = if correlation.abs() < RELATED {
            ("ok", format!("how much customers spend hardly depends on how often they buy ({figure})"))
        } else {
            let told = "how much customers spend depends on how often they buy, which the model of spend takes for independent";
            ("doubtful", format!("{told} ({figure})"))
        };
        verdicts.push(Verdict { model: "gamma_gamma", check: "independence", verdict, reason });
    }
    verdicts
}

/// Warns of what touches the values that are given.
pub fn warned(mut outcome: Outcome, stage: &Value, tried: &[Tried], best: usize, worth: &Worth) -> Outcome {
    let chosen = &tried[best];
    if !chosen.competes {
        let names: Vec<&str> = stage.models.iter().map(|model| model.name()).collect();
        let message = format!(
            "drop-out can't be told from these purchases by {}: `nbd` stands in, which takes everybody for a customer still",
            crate::diagnostic::quoted(names, "or")
        );
        outcome = outcome.warn_at("models", message);
    }
    let own = of_model(chosen).into_iter().chain(of_spend(worth));
    for verdict in own.filter(|verdict| verdict.verdict != "ok") {
        outcome = outcome.warn(format!("{}: {}", verdict.model, verdict.reason));
    }
    outcome
}
