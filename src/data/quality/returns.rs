//! Returns against purchases: whether more of a product is taken back by somebody than was bought.
//!
//! Knows keys and numbers only.

use hashbrown::HashMap;

/// What was bought and taken back so far.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    net: HashMap<u128, f64>,
    returned: Vec<(u64, u128)>,
}

impl Ledger {
    /// Adds so much, below zero where it is taken back, in a row.
    pub fn add(&mut self, row: u64, key: u128, size: f64) {
        *self.net.entry(key).or_default() += size;
        if size < 0.0 {
            self.returned.push((row, key));
        }
    }

    /// How many rows take something back, and which of them belong to more than was bought, whenever it was.
    pub fn settled(self) -> (u64, Vec<u64>) {
        // Sums of cents don't end in zero exactly.
        let short = |key: &u128| self.net.get(key).is_some_and(|net| *net < -1e-6);
        let rows = self.returned.iter().filter(|(_, key)| short(key)).map(|(row, _)| *row).collect();
        (self.returned.len() as u64, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::Ledger;

    #[test]
    fn only_what_was_bought_can_be_taken_back() {
        let mut ledger = Ledger::default();
        for (row, key, size) in
            [(0, 1, 0.3), (1, 2, -1.0), (2, 1, -0.1), (3, 1, -0.2), (4, 2, 0.5), (5, 3, 2.0)]
        {
            ledger.add(row, key, size);
        }
        assert_eq!(ledger.settled(), (3, vec![1]));
    }
}
