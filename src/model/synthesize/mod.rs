//! Synthesizers: learn how the columns of a table are distributed together, and draw new rows.
//!
//! Know numbers and categories; know nothing of column names, dates, constraints or files.

pub mod copula;
mod correlation;
pub mod ctgan;
pub mod deep;
mod dense;
mod encode;
mod marginal;
mod mixture;
mod normal;
pub mod process;
#[cfg(test)]
mod samples;
pub mod tvae;

use std::fmt;

use crate::model::mixed::Column;
pub use marginal::{decimals, round as rounded};

/// A synthesizer that has learnt a table.
#[derive(Clone, Debug)]
pub enum Model {
    /// See [`copula`].
    Copula(copula::Copula),
    /// See [`tvae`].
    Tvae(Box<tvae::Tvae>),
    /// See [`ctgan`].
    Ctgan(Box<ctgan::Ctgan>),
}

impl Model {
    /// Draws so many rows, with some columns fixed. The same seed gives the same rows.
    ///
    /// # Errors
    /// See [`Unable`].
    pub fn sample(&self, rows: usize, seed: u64, given: &[(usize, Given)]) -> Result<Vec<Column>, Unable> {
        match self {
            Self::Copula(copula) => copula.sample(rows, seed, given),
            Self::Tvae(tvae) => tvae.sample(rows, seed, given),
            Self::Ctgan(ctgan) => ctgan.sample(rows, seed, given),
        }
    }
}

/// What a column is fixed to while rows are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Given {
    /// This number.
    Number(f64),
    /// This level.
    Level(u32),
    /// No value.
    Missing,
}

/// Why rows can't be drawn as wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unable {
    /// The column is fixed to what it never was in the rows learnt from.
    Unseen {
        /// The column's position.
        column: usize,
    },
    /// This model can't hold a column of numbers fixed.
    Number {
        /// The column's position.
        column: usize,
    },
    /// What columns are fixed to goes together so rarely that not enough rows were found.
    Rare,
}

impl fmt::Display for Unable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unseen { column } => write!(f, "column {column} never has this value"),
            Self::Number { column } => write!(f, "column {column} holds numbers, which can't be fixed"),
            Self::Rare => write!(f, "these values hardly ever go together"),
        }
    }
}

impl std::error::Error for Unable {}
