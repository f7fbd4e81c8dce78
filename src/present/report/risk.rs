//! Who is at risk: customers by band of risk and by segment, and which of them can still be reached.
//!
//! Knows tables, no pages.

use anyhow::Result;
use arrow::array::Array;
use hashbrown::HashMap;

use super::assigned::{Rows, places, rows};
use super::when::When;
use crate::data::Table;
use crate::data::columns::{float_vec, strings};

/// Bands of risk, lowest first.
pub const BANDS: [&str; 3] = ["low", "medium", "high"];

/// Days without a purchase beyond which a customer has most likely left: half a year.
pub const GONE: f64 = 182.0;

/// Customers counted, with the sums of what is known about them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Count {
    /// How many.
    pub customers: u64,
    /// The sum of their probabilities of leaving.
    pub probability: f64,
    /// What they have spent; NaN where it isn't known.
    pub spend: f64,
}

/// The risk within a segment.
#[derive(Clone, Debug)]
pub struct Part {
    /// The segment.
    pub name: String,
    /// All its customers.
    pub all: Count,
    /// Those at high risk.
    pub high: Count,
    /// Those at high risk who bought within the last half year.
    pub reachable: Count,
}

/// The risk of all customers.
#[derive(Clone, Debug)]
pub struct Risk {
    /// Customers by band, in the order of [`BANDS`].
    pub bands: [Count; 3],
    /// Customers at high risk who bought within the last half year; none where that isn't known.
    pub reachable: Option<Count>,
    /// The same by segment, in the order of the profile; empty where segments aren't known.
    pub segments: Vec<Part>,
    /// Customers of whom features say nothing, though there are features: they first bought later.
    pub strangers: u64,
    /// Those of them at high risk.
    pub high_strangers: u64,
    /// As of when features and probabilities are.
    pub when: When,
}

/// What else is known about a customer.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// Whether the features have the customer.
    described: bool,
    spend: f64,
    days: f64,
    segment: Option<usize>,
}

/// A customer of whom nothing is known.
const STRANGER: Known = Known { described: false, spend: 0.0, days: f64::NAN, segment: None };

impl Count {
    fn add(&mut self, probability: f64, spend: f64) {
        self.customers += 1;
        self.probability += if probability.is_finite() { probability } else { 0.0 };
        self.spend += spend;
    }
}

impl Risk {
    /// The risk in a table of churn, with what features, segments and their profile add to it.
    ///
    /// # Errors
    /// When a table lacks a column or a column has another type.
    pub fn of(
        churn: &Table,
        features: Option<&Table>,
        segments: Option<&Table>,
        names: &[(String, String)],
        when: When,
    ) -> Result<Self> {
        let spent = features.is_some_and(|table| table.has("customer_id") && table.has("monetary"));
        let dated = features.is_some_and(|table| table.has("customer_id") && table.has("recency_days"));
        let nobody = Count { spend: if spent { 0.0 } else { f64::NAN }, ..Count::default() };
        let described = spent || dated;
        let features = rows(features.filter(|_| described), &["customer_id"])?;
        let assigned = rows(segments, &["customer_id", "segment"])?;
        let known = known(&features, &assigned, names)?;
        let part = |(_, name): &(String, String)| Part {
            name: name.clone(),
            all: nobody,
            high: nobody,
            reachable: nobody,
        };
        let mut risk = Self {
            bands: [nobody; 3],
            reachable: dated.then_some(nobody),
            segments: names.iter().filter(|_| segments.is_some()).map(part).collect(),
            strangers: 0,
            high_strangers: 0,
            when,
        };
        for batch in churn.select(&["customer_id", "probability", "band"])? {
            let batch = batch?;
            let (ids, bands) = (strings(&batch, "customer_id")?, strings(&batch, "band")?);
            let probabilities = float_vec(&batch, "probability")?;
            for ((id, band), probability) in ids.iter().zip(&bands).zip(probabilities) {
                let Some(band) = BANDS.iter().position(|known| band == Some(known)) else { continue };
                let who = id.and_then(|id| known.get(id)).copied().unwrap_or(STRANGER);
                risk.add(band, probability, who);
                if described && !who.described {
                    risk.strangers += 1;
                    risk.high_strangers += u64::from(band + 1 == BANDS.len());
                }
            }
        }
        Ok(risk)
    }

    fn add(&mut self, band: usize, probability: f64, who: Known) {
        let high = band + 1 == BANDS.len();
        let near = self.reachable.is_some() && who.days <= GONE;
        if let Some(count) = self.bands.get_mut(band) {
            count.add(probability, who.spend);
        }
        if let Some(count) = self.reachable.as_mut().filter(|_| high && near) {
            count.add(probability, who.spend);
        }
        let Some(part) = who.segment.and_then(|segment| self.segments.get_mut(segment)) else { return };
        part.all.add(probability, who.spend);
        if high {
            part.high.add(probability, who.spend);
        }
        if high && near {
            part.reachable.add(probability, who.spend);
        }
    }

    /// Customers at high risk.
    pub fn high(&self) -> Count {
        let [.., high] = self.bands;
        high
    }

    /// All customers that are scored.
    pub fn customers(&self) -> u64 {
        self.bands.iter().map(|band| band.customers).sum()
    }

    /// Customers at high risk whose last purchase, as far as features know it, was longer ago than
    /// half a year.
    pub fn gone(&self) -> Option<u64> {
        let known = self.high().customers.saturating_sub(self.high_strangers);
        self.reachable.map(|near| known.saturating_sub(near.customers))
    }

    /// What segments leave out: customers without one.
    pub fn rest(&self) -> Part {
        let less = |whole: Count, of: fn(&Part) -> &Count| {
            let rest = self.segments.iter().map(of).fold(whole, |left, part| Count {
                customers: left.customers.saturating_sub(part.customers),
                probability: left.probability - part.probability,
                spend: left.spend - part.spend,
            });
            // What is left of sums of nobody is rounding.
            if rest.customers == 0 { Count::default() } else { rest }
        };
        let all = self.bands.iter().fold(Count::default(), |sum, band| Count {
            customers: sum.customers + band.customers,
            probability: sum.probability + band.probability,
            spend: sum.spend + band.spend,
        });
        Part {
            name: "without a segment".to_owned(),
            all: less(all, |part| &part.all),
            high: less(self.high(), |part| &part.high),
            reachable: less(self.reachable.unwrap_or_default(), |part| &part.reachable),
        }
    }

    /// The share of all customers and of all spend that some of them are.
    pub fn shares(&self, count: &Count) -> (f64, f64) {
        let customers = self.customers();
        let spend: f64 = self.bands.iter().map(|band| band.spend).sum();
        (count.customers as f64 / customers as f64, if spend > 0.0 { count.spend / spend } else { f64::NAN })
    }
}

/// What features and segments say about each customer; an unknown spend counts as nothing.
fn known<'a>(
    features: &'a Rows,
    assigned: &'a Rows,
    names: &[(String, String)],
) -> Result<HashMap<&'a str, Known>> {
    let customers = features.iter().map(|(ids, _)| ids.len()).sum();
    let mut known: HashMap<&str, Known> = HashMap::with_capacity(customers);
    for (ids, batch) in features {
        let of = |name: &str| {
            if batch.column_by_name(name).is_some() { float_vec(batch, name) } else { Ok(Vec::new()) }
        };
        let (spend, days) = (of("monetary")?, of("recency_days")?);
        for (row, id) in ids.iter().enumerate() {
            let Some(id) = id else { continue };
            let spend = spend.get(row).copied().filter(|spend| spend.is_finite()).unwrap_or(0.0);
            let days = days.get(row).copied().unwrap_or(f64::NAN);
            known.insert(id, Known { described: true, spend, days, segment: None });
        }
    }
    for (ids, batch) in assigned {
        for (id, place) in ids.iter().zip(places(batch, names)?) {
            if let Some(id) = id {
                known.entry(id).or_insert(STRANGER).segment = place;
            }
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::report::example::{floats, small, table, texts};

    fn churn() -> Table {
        table(vec![
            ("customer_id", texts(["a", "b", "c", "d"])),
            ("probability", floats([0.9, 0.1, 0.8, f64::NAN])),
            ("band", texts(["high", "low", "high", "odd"])),
        ])
    }

    #[test]
    fn customers_at_risk_are_counted_by_band_reach_and_segment() {
        let features = table(vec![
            ("customer_id", texts(["a", "b", "c", "z"])),
            ("monetary", floats([30.0, 60.0, f64::NAN, 1e9])),
            ("recency_days", floats([182.0, 5.0, 183.0, 1.0])),
        ]);
        let segments = table(vec![("customer_id", texts(["a", "b", "c"])), ("segment", small([1, 1, 0]))]);
        let names = [("segment 0", "zero"), ("segment 1", "one")].map(|(k, n)| (k.to_owned(), n.to_owned()));
        let risk = Risk::of(&churn(), Some(&features), Some(&segments), &names, When::default()).unwrap();
        assert_eq!((risk.high().customers, risk.high().spend), (2, 30.0));
        assert_eq!(risk.shares(&risk.high()), (2.0 / 3.0, 1.0 / 3.0));
        // Half a year is 182 days: `a` can be reached, `c` has left.
        assert_eq!(risk.reachable.unwrap(), Count { customers: 1, probability: 0.9, spend: 30.0 });
        let counts = risk.segments.iter().map(|part| {
            (part.name.as_str(), part.all.customers, part.high.customers, part.reachable.customers)
        });
        assert_eq!(counts.collect::<Vec<_>>(), [("zero", 1, 1, 0), ("one", 2, 1, 1)]);
        assert_eq!((risk.strangers, risk.gone(), risk.rest().all.customers), (0, Some(1), 0));
    }

    /// Who first bought after the features' cutoff has no spend, no last purchase and no segment: such
    /// customers are counted, and not among those who have long been gone.
    #[test]
    fn customers_without_features_are_not_taken_for_gone() {
        let features = table(vec![
            ("customer_id", texts(["b", "c"])),
            ("monetary", floats([60.0, 10.0])),
            ("recency_days", floats([5.0, 300.0])),
        ]);
        let segments = table(vec![("customer_id", texts(["b", "c"])), ("segment", small([0, 0]))]);
        let names = [("segment 0".to_owned(), "zero".to_owned())];
        let risk = Risk::of(&churn(), Some(&features), Some(&segments), &names, When::default()).unwrap();
        assert_eq!((risk.customers(), risk.strangers, risk.high_strangers), (3, 1, 1));
        assert_eq!((risk.high().customers, risk.gone()), (2, Some(1)));
        let rest = risk.rest();
        assert_eq!((rest.all.customers, rest.high.customers, rest.reachable), (1, 1, Count::default()));
    }

    #[test]
    fn without_features_spend_and_reach_are_unknown() {
        let risk = Risk::of(&churn(), None, None, &[], When::default()).unwrap();
        assert_eq!((risk.strangers, risk.gone()), (0, None));
        assert!(risk.high().spend.is_nan() && risk.reachable.is_none() && risk.segments.is_empty());
        assert!(risk.shares(&risk.high()).1.is_nan());
    }
}
