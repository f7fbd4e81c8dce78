//! What each customer spent: purchases, refunds, and how much purchases vary.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::ids::NOBODY;
use super::moments::Moments;
use super::rows::{Rows, Tally};

/// What one customer spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Money {
    /// Amounts of the purchases (above zero).
    pub amounts: Moments,
    /// Sum of the purchases.
    pub spent: f64,
    /// Sum of the refunds: zero or below.
    pub refunded: f64,
    /// Number of refunds (amounts below zero).
    pub returns: u32,
}

impl Money {
    /// Adds what the customer spent later.
    pub fn join(&mut self, later: &Self) {
        self.amounts.join(&later.amounts);
        self.spent += later.spent;
        self.refunded += later.refunded;
        self.returns += later.returns;
    }
}

/// Money by customer.
#[derive(Debug, Default)]
pub struct Ledger {
    /// One entry a customer.
    pub customers: Vec<Money>,
}

impl Tally for Ledger {
    fn add(&mut self, rows: &Rows, customers: usize) -> Result<()> {
        self.customers.resize(customers, Money::default());
        for (who, amount) in rows.who.iter().zip(rows.amounts.values()) {
            if *who != NOBODY {
                let money = &mut self.customers[*who as usize];
                money.spent += amount;
                money.amounts.push(*amount);
            }
        }
        for other in &rows.others {
            let money = &mut self.customers[other.who as usize];
            money.refunded += other.amount;
            money.returns += u32::from(other.amount < 0.0);
        }
        Ok(())
    }
}
