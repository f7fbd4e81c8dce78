//! Synthetic tables: a table is read as numbers and categories, brought into a form in which constraints hold, learnt, drawn
//! from, and written again.
//!
//! Models are `model::synthesize`; what there is to say about a wrong pipeline is said here.

pub mod constraint;
mod draw;
mod rules;
mod shape;
pub mod transactions;

use anyhow::Result;
use arrow::array::RecordBatch;

pub use self::constraint::{Condition, Constraint};
use self::rules::Rules;
use self::shape::Shape;
use super::mixed::{self, Hints, Mixed};
use crate::diagnostic::Failure;
use crate::model::mixed::{Column, take};
use crate::model::synthesize::Model;

/// A table that is to be learnt.
#[derive(Debug)]
pub struct Learning {
    mixed: Mixed,
    rules: Rules,
    shape: Shape,
    shaped: Vec<Column>,
    /// How many rows of the input break each inequality, with its position among the constraints.
    pub broken: Vec<(usize, usize)>,
}

/// What is wanted of the model.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Rows without conditions.
    pub rows: usize,
    /// Rows with conditions.
    pub conditions: &'a [Condition],
    /// The seed.
    pub seed: u64,
    /// Asks whether to go on.
    pub alive: &'a dyn Fn() -> Result<()>,
}

impl Learning {
    /// Reads a table, with what must hold in its rows.
    ///
    /// # Errors
    /// A [`Failure`] at the parameter that doesn't fit the table.
    pub fn new(table: &RecordBatch, hints: Hints<'_>, constraints: &[Constraint]) -> Result<Self> {
        let mixed = mixed::read(std::slice::from_ref(table), &["input"], hints)?;
        let rules = Rules::new(&mixed, constraints)?;
        let columns = &mixed.tables[0];
        let shape = Shape::of(columns, rules.differences.clone(), &rules.combinations);
        let (shaped, broken) = shape.apply(columns);
        let broken = rules.inequalities.iter().copied().zip(broken).filter(|(_, count)| *count > 0).collect();
        Ok(Self { mixed, rules, shape, shaped, broken })
    }

    /// The columns that a model learns.
    pub fn columns(&self) -> &[Column] {
        &self.shaped
    }

    /// What each column of the table holds.
    pub fn described(&self) -> &[mixed::Described] {
        &self.mixed.described
    }

    /// Draws rows from a model that has learnt [`Self::columns`]: those with conditions first.
    ///
    /// # Errors
    /// A [`Failure`] at `conditions` or `constraints` when not enough rows are found that keep to them.
    pub fn draw(&self, model: &Model, request: Request<'_>) -> Result<RecordBatch> {
        let columns = draw::draw(self, model, request)?;
        let rows = request.rows + request.conditions.iter().map(|condition| condition.rows).sum::<usize>();
        mixed::write(&self.mixed.described, &columns, rows)
    }

    /// The position among the learnt columns of the column of that name.
    fn learnt(&self, name: &str, key: String) -> Result<usize, Failure> {
        rules::learnt(&self.mixed, name, key)
    }
}

/// The rows of a table at these places.
///
/// # Errors
/// When a column has a type that can't be taken from.
pub fn rows_of(table: &RecordBatch, places: &[usize]) -> Result<RecordBatch> {
    let places: arrow::array::UInt64Array = places.iter().map(|place| *place as u64).collect();
    Ok(arrow::compute::take_record_batch(table, &places)?)
}

/// The columns of rows that are kept.
fn kept(columns: &[Column], places: &[usize]) -> Vec<Column> {
    take(columns, places)
}

#[cfg(test)]
mod tests;
