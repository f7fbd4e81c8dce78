//! Kernels of customer value: how often customers buy, whether they still do, and what they spend.
//!
//! Know counts of purchases and times in any one unit. Don't know what is sold, nor when on the calendar.

mod beta_binomial;
mod beta_geometric;
mod family;
mod fit;
mod local;
mod newton;
mod objective;
mod outlook;
mod pareto;
mod range;
mod special;
mod spend;
mod verdict;

#[cfg(test)]
#[expect(clippy::excessive_precision, reason = "digits as they were published")]
mod published;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod samples;

use std::fmt;

pub use family::{Family, Link};
pub use fit::{Covariates, Estimate, Fitted, Request, fit};
pub use outlook::{Ahead, Outlook};
pub use spend::{Buyer, Spend};
pub use verdict::{Finding, NoDropout, correlation, no_dropout};

/// Whether to stop: a long computation asks now and then.
pub type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// Histories computed in one task; sums are combined in this grain whatever the number of threads.
const CHUNK: usize = 2_048;

/// What a model needs to know of a customer, or of several with the same history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct History {
    /// Repeat purchases `x`: purchases after the first one.
    pub repeats: u32,
    /// Time from the first purchase to the last one, `t_x`; 0 without a repeat purchase.
    pub last: f64,
    /// Time from the first purchase to now, `T`.
    pub age: f64,
    /// How many customers have this history.
    pub customers: f64,
}

impl History {
    /// A customer at their first purchase.
    pub const NEW: Self = Self { repeats: 0, last: 0.0, age: 0.0, customers: 1.0 };
}

/// Why a model can't be fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// There are no customers.
    Nobody,
    /// A time is negative or no number, or the last purchase lies behind the end.
    Times {
        /// Its position among the histories.
        row: usize,
    },
    /// Nobody bought again, so nothing tells how often customers buy.
    NoRepeats,
    /// All customers made their first purchase at the very end.
    NoTime,
    /// The computation broke down, which takes numbers of extreme size.
    Numbers,
    /// It was told to stop.
    Stopped,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => write!(f, "there are no customers"),
            Self::Times { row } => write!(f, "history {row} has times that can't be"),
            Self::NoRepeats => write!(f, "no customer bought a second time"),
            Self::NoTime => write!(f, "no time has passed since the first purchases"),
            Self::Numbers => write!(f, "the numbers are too large or too small to compute with"),
            Self::Stopped => write!(f, "interrupted"),
        }
    }
}

impl std::error::Error for Unfit {}
