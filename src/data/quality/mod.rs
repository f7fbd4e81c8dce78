//! Quality of a table: rules, and what looking at every row once finds.
//!
//! Says what is so; what follows from it is up to the caller. Knows nothing of stages.

pub mod check;
pub mod coverage;
pub mod defaults;
pub mod demand;
pub mod drift;
pub mod finding;
pub mod ground;
pub mod infer;
pub mod outliers;
pub mod retail;
pub mod returns;
pub mod rule;
pub mod scan;
pub mod sift;
pub mod value;

use anyhow::Result;

pub use defaults::defaults;
pub use finding::Finding;
pub use ground::Ground;
pub use rule::{Rule, Severity};

use crate::data::Table;

/// What messages call a rule, by its position from 0: people count from 1, keys from 0.
pub fn label(at: usize) -> String {
    format!("rule {} (`rules.{at}`)", at + 1)
}

/// What an examination has seen: the checks, what each of them saw, and what it found.
pub struct Examined {
    /// The checks that the rules came to.
    pub checks: Vec<check::Check>,
    /// What they saw, in their order.
    pub seen: Vec<scan::Seen>,
    /// What they found, in their order.
    pub findings: Vec<Finding>,
}

/// Holds a table against rules: one finding a check, in the order of the rules. The table is passed over once; with
/// `mark`, every failing row is noted.
///
/// # Errors
/// A [`crate::diagnostic::Failure`] when a rule compares a column with what it can't hold; else when a
/// table can't be read or `progress` fails.
pub fn examine(
    table: &Table,
    rules: &[Rule],
    ground: &Ground,
    mark: bool,
    progress: &mut (dyn FnMut(f64) -> Result<()> + Send),
) -> Result<Examined> {
    let checks = check::checks(rules, table.schema(), ground)?;
    let mut seen = scan::scan(table, &checks, mark, progress)?;
    for (seen, check) in seen.iter_mut().zip(&checks) {
        if let (check::Test::Drift { .. }, Some(earlier), Some(column)) =
            (&check.test, &ground.earlier, &check.column)
        {
            seen.compare(earlier, column, check)?;
        }
    }
    let findings = checks.iter().zip(&seen).map(|(check, seen)| finding::finding(check, seen)).collect();
    Ok(Examined { checks, seen, findings })
}

#[cfg(test)]
mod tests;
