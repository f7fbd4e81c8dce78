//! The runs that a command is about: all of them, or those for which a condition holds.

use std::path::Path;

use anyhow::Result;

use crate::cli::Which;
use crate::diagnostic::{Diagnostic, Problems, did_you_mean, shown};
use crate::observe::filter;
use crate::observe::index::{Index, Wanted};
use crate::observe::runs;

/// Runs by their places in the index, newest first.
pub struct Chosen {
    /// All runs.
    pub index: Index,
    /// Those that are meant.
    pub places: Vec<usize>,
}

/// Finds the runs that are meant.
///
/// # Errors
/// When the condition is wrong.
pub fn chosen(experiments: &Path, which: &Which, wanted: Wanted) -> Result<Chosen> {
    let text = which.condition.as_deref();
    let condition = text.map(filter::parse).transpose()?;
    let asks = |prefix| condition.as_ref().is_some_and(|condition| condition.asks(prefix));
    let wanted =
        Wanted { metrics: wanted.metrics || asks("metrics."), params: wanted.params || asks("params.") };
    let index = Index::of(experiments, wanted);
    if let (Some(condition), Some(text)) = (&condition, text)
        && !index.runs.is_empty()
    {
        condition.check(text, "metrics.", &index.metric_names())?;
        condition.check(text, "params.", &index.param_names())?;
    }
    let meant = |at: &usize| {
        let listed = which.variants || runs::sweep_of(&index.runs[*at].run).is_none();
        listed && condition.as_ref().is_none_or(|condition| condition.holds(&|field| index.field(*at, field)))
    };
    let places = (0..index.runs.len()).rev().filter(meant).collect();
    Ok(Chosen { index, places })
}

/// Refuses a metric that no run has.
///
/// # Errors
/// With the nearest one that there is.
pub fn known_metric(index: &Index, metric: &str) -> Result<(), Problems> {
    let names = index.metric_names();
    if names.contains(&metric) {
        return Ok(());
    }
    let problem = Diagnostic::error(format!("no run has a metric `{}`", shown(metric)));
    let hint = match did_you_mean(metric, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "run a pipeline first: `custem run FILE`".to_owned(),
        None => "write `STAGE.metric`; `custem runs show` lists those of the last run".to_owned(),
    };
    Err(problem.hint(hint).into())
}
