//! Quality of a table: rules, and what looking at every row once finds.
//!
//! Says what is so; what follows from it is up to the caller. Knows nothing of stages.

pub mod check;
pub mod coverage;
pub mod defaults;
pub mod finding;
pub mod outliers;
pub mod rule;
pub mod scan;
pub mod value;

use anyhow::Result;

pub use defaults::defaults;
pub use finding::Finding;
pub use rule::{Rule, Severity};

use crate::data::Table;

/// What messages call a rule, by its position from 0: people count from 1, keys from 0.
pub fn label(at: usize) -> String {
    format!("rule {} (`rules.{at}`)", at + 1)
}

/// Holds a table against rules: one finding a check, in the order of the rules.
///
/// # Errors
/// A [`crate::diagnostic::Failure`] when a rule compares a column with what it can't hold; else when the
/// table can't be read or `progress` fails.
pub fn examine(
    table: &Table,
    rules: &[Rule],
    progress: &mut (dyn FnMut(f64) -> Result<()> + Send),
) -> Result<Vec<Finding>> {
    let checks = check::checks(rules, table.schema())?;
    let seen = scan::scan(table, &checks, progress)?;
    Ok(checks.iter().zip(&seen).map(|(check, seen)| finding::finding(check, seen)).collect())
}

#[cfg(test)]
mod tests;
