//! What a forecast says in words.

use super::Model;
use crate::diagnostic::plural;
use crate::model::forecast::contest::Against;

/// How sure it is that a model errs more than the best one, in words.
pub fn verdict(model: &str, best: &str, (mae, least): (f64, f64), against: &Against) -> String {
    let more = match mae / least - 1.0 {
        more if !more.is_finite() => "more".to_owned(),
        more => format!("{:.1} % more", 100.0 * more),
    };
    let chance = match against.p_adjusted {
        p if p < 0.001 => "p < 0.001".to_owned(),
        p => format!("p = {p:.3}"),
    };
    match against {
        _ if mae <= least => format!("`{model}` errs as much as `{best}`"),
        Against { p_adjusted, .. } if *p_adjusted < SURE => {
            format!("`{best}` is better: `{model}` errs {more}, which is hardly by chance ({chance})")
        }
        _ => format!("no telling: `{model}` errs {more} than `{best}`, which may be by chance ({chance})"),
    }
}

/// Below this chance, a difference counts as one.
const SURE: f64 = 0.05;

/// Names in backticks; of many, the first three.
pub fn first_three(names: &[&str]) -> String {
    let first: Vec<_> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > 3 { format!(" and {} more", names.len() - 3) } else { String::new() };
    format!("{}{more}", first.join(", "))
}

/// What scores of a method are about where it could not be used in some of its tests.
pub fn tested_otherwise(model: Model, tests: usize) -> String {
    let tests = plural(tests, "test");
    match model {
        Model::SeasonalNaive => format!(
            "`{}` repeats the last value in {tests} on the past, where less than a season lies before",
            model.name()
        ),
        _ => format!(
            "the seasonal naive forecast stands in for `{}` in {tests} on the past, where the history is too short",
            model.name()
        ),
    }
}

/// What stands in for a method where a series is too short for it.
pub fn stand_in(model: Model, short: &[&str]) -> String {
    let simpler = match model {
        Model::SeasonalNaive => "their last value is repeated",
        _ => "the seasonal naive forecast stands in",
    };
    format!("too short for `{}`, so that {simpler}: {}", model.name(), first_three(short))
}
