//! As of which day customers are described, and as of which their chances are.
//!
//! Knows the days that tables note, and how they are said.

use super::Inputs;
use crate::data::as_of;
use crate::present::format::date;

/// The days of features and of probabilities of churn, where the tables note them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// Features know what came before that day.
    pub features: Option<i64>,
    /// Customers are scored as of that day.
    pub churn: Option<i64>,
}

impl When {
    /// The days of the tables.
    pub fn of(inputs: &Inputs) -> Self {
        let day = |table: &Option<crate::data::Table>| table.as_ref().and_then(as_of::of);
        Self { features: day(&inputs.features), churn: day(&inputs.churn) }
    }

    /// Both days, where they are known and differ.
    pub fn apart(self) -> Option<(i64, i64)> {
        self.features.zip(self.churn).filter(|(features, churn)| features != churn)
    }

    /// The stretch that ends with the features: `the last half year`, or, where chances are of
    /// another day, `the half year before 28 Jun 2025`.
    pub fn half_year(self) -> String {
        match self.apart() {
            Some((features, _)) => format!("the half year before {}", date(features)),
            None => "the last half year".to_owned(),
        }
    }
}
