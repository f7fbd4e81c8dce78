//! The evidence of a column for one of two readings, such as day or month first.
//!
//! Knows counts only; what the two readings are is up to whoever counts.

use serde::{Deserialize, Serialize};

/// What a single value says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lean {
    /// It reads the same either way.
    Silent,
    /// Only the first reading makes sense.
    First,
    /// Only the second reading makes sense.
    Second,
    /// Both make sense and differ: the column decides.
    Open,
}

/// How many values lean which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Votes {
    /// Values that only the first reading fits.
    pub first: u64,
    /// Values that only the second reading fits.
    pub second: u64,
    /// Values that both readings fit with different results.
    pub open: u64,
}

impl Votes {
    /// Counts one value.
    pub fn add(&mut self, lean: Lean) {
        match lean {
            Lean::Silent => {}
            Lean::First => self.first += 1,
            Lean::Second => self.second += 1,
            Lean::Open => self.open += 1,
        }
    }

    /// Adds another count.
    pub fn merge(&mut self, other: Self) {
        self.first += other.first;
        self.second += other.second;
        self.open += other.open;
    }

    /// Which reading the majority fits; nothing without evidence or at a tie.
    pub fn winner(self) -> Option<Lean> {
        match self.first.cmp(&self.second) {
            std::cmp::Ordering::Greater => Some(Lean::First),
            std::cmp::Ordering::Less => Some(Lean::Second),
            std::cmp::Ordering::Equal => None,
        }
    }
}
