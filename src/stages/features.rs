//! The `features` kind: one row of numbers a customer, from the transactions before a cutoff.

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::value::Datetime;

use crate::data::columns::{self, Holds, Wanted};
use crate::data::features::{self, Columns, Counts, Extra, REST, Request};
use crate::data::{Table, as_of, dates, partial};
use crate::diagnostic::{count, grouped, plural};
use crate::stage::{Context, Failure, Layer, Make, MetricName, Mistake, Need, Outcome, Port, Ref, Stage};

/// Days between the last transaction and a cutoff beyond which it is said that there are none.
const LATE: i64 = 2;

/// Recency, frequency, spend and habits of every customer.
///
/// A purchase is a row with an amount above zero; refunds (below zero) lower `monetary` and are
/// counted in `returns`. Only rows strictly before the cutoff count, so nothing that happens
/// later can leak into a model.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Features {
    /// The transactions.
    pub input: Ref,
    /// Features are as of the start of this day; the day after the last transaction when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    pub cutoff: Option<Datetime>,
    /// The column with the customer's id: integers or text.
    pub customer: String,
    /// The column with the date or timestamp.
    pub time: String,
    /// The column with the amount.
    pub amount: String,
    /// Columns whose values become shares of a customer's purchases.
    pub shares: Vec<String>,
    /// True/false columns that become a share of a customer's purchases.
    pub flags: Vec<String>,
    /// More distinct values of a share column than this are counted together as `other`.
    #[schemars(range(min = 1, max = 1000))]
    pub max_categories: usize,
    /// Windows of so many days that end at the cutoff: purchases, spend, and the trend against the window before.
    #[schemars(inner(range(min = 1, max = 36_525)))]
    pub windows: Vec<u32>,
    /// Whether there are shares of weekends and of parts of the day, and entropies of weekdays and hours.
    pub patterns: bool,
    /// Whether each share column gets the entropy of a customer's shares, in nats.
    pub entropy: bool,
    /// Whether features of a sample are made again with all rows from the `cutoff` on scrambled: they may not change.
    pub audit: bool,
}

impl Default for Features {
    fn default() -> Self {
        let columns = Columns::default();
        Self {
            input: Ref::default(),
            cutoff: None,
            customer: columns.customer,
            time: columns.time,
            amount: columns.amount,
            shares: columns.shares,
            flags: columns.flags,
            max_categories: features::MAX_CATEGORIES,
            windows: Vec::new(),
            patterns: false,
            entropy: false,
            audit: true,
        }
    }
}

impl Stage for Features {
    const KIND: &'static str = "features";
    const VERSION: u32 = 2;
    const LAYER: Layer = Layer::Data;

    fn needs(&self) -> Vec<Need> {
        vec![Need::table("input", &self.input)]
    }

    fn gives(&self) -> Vec<Port> {
        vec![Port::table(
            "features",
            "One row a customer, by id: recency, frequency, spend, rhythm and shares.",
        )]
    }

    fn metrics(&self) -> Vec<MetricName> {
        MetricName::list([
            ("customers", "How many customers there are."),
            ("rows_used", "Rows that went into the features."),
            ("rows_skipped", "Rows that could not be used."),
            ("rows_audited", "Rows of the sample that was audited for leaks."),
        ])
    }

    fn check(&self) -> Vec<Mistake> {
        let undated = self.cutoff.as_ref().filter(|cutoff| dates::day(cutoff).is_none());
        let mistake = |cutoff| Mistake::new("cutoff", format!("`{cutoff}` is no date"));
        let undated = undated.map(|cutoff| mistake(cutoff).hint("write a day, such as 2025-12-28"));
        undated.into_iter().chain(self.window_mistakes()).collect()
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let table = ctx.table("input")?;
        columns::require(table.schema(), &self.needed(&table))?;
        let cutoff = self.cutoff.as_ref().and_then(dates::day).map(|day| i64::from(day) * dates::DAY);
        let request = Request {
            cutoff,
            max_categories: self.max_categories,
            extra: self.extra(),
            audit: self.audit,
            alive: &|| ctx.alive(),
        };
        let made = match partial::by_time(&table, &self.time) {
            None => features::make(&table, &self.columns(), &request)?,
            Some(partitions) => {
                let unit = partitions.by.name();
                let keep = |parts: &[&str], make: Make<'_>| ctx.memo(unit, parts, make);
                features::make_in_parts(&table, &partitions, &self.columns(), &request, &keep)?
            }
        };
        if made.table.num_rows() == 0 {
            return Err(self.nothing(&table, cutoff)?.into());
        }
        let late = self.late(&table, &made)?;
        let outcome = self.outcome(&table, made);
        Ok(match late {
            Some(message) => outcome.warn_at("cutoff", message),
            None => outcome,
        })
    }
}

impl Features {
    /// The columns that there must be, by parameter.
    fn needed(&self, table: &Table) -> Vec<Wanted<'_>> {
        let flags = self.flags.iter().enumerate().filter(|(_, name)| table.has(name));
        let flags = flags.map(|(at, name)| Wanted::new(format!("flags.{at}"), name, Holds::Numbers));
        let mut needed = vec![
            Wanted::new("customer", &self.customer, Holds::Anything),
            Wanted::new("time", &self.time, Holds::Moments),
            Wanted::new("amount", &self.amount, Holds::Numbers),
        ];
        needed.extend(flags);
        needed
    }

    fn columns(&self) -> Columns {
        Columns {
            customer: self.customer.clone(),
            time: self.time.clone(),
            amount: self.amount.clone(),
            shares: self.shares.clone(),
            flags: self.flags.clone(),
        }
    }

    /// A window is a name in the table, so there can be only one of a length.
    fn window_mistakes(&self) -> Option<Mistake> {
        let again = |(at, days): &(usize, &u32)| self.windows[..*at].contains(days);
        let (at, days) = self.windows.iter().enumerate().find(again)?;
        let mistake =
            Mistake::new(format!("windows.{at}"), format!("the window of {days} days is there twice"));
        Some(mistake.hint("leave one of them out"))
    }

    fn extra(&self) -> Extra {
        Extra { windows: self.windows.clone(), patterns: self.patterns, entropy: self.entropy }
    }

    /// Why there is not one customer.
    fn nothing(&self, table: &Table, cutoff: Option<i64>) -> Result<Failure> {
        let span = features::span(table, &self.columns())?;
        Ok(match (span, cutoff) {
            (Some((first, last)), Some(cutoff)) => {
                Failure::new(format!("there is no purchase before {}", dates::show(cutoff)))
                    .hint(format!(
                        "the transactions run from {} to {}",
                        dates::show(first),
                        dates::show(last)
                    ))
                    .at("cutoff")
            }
            _ => Failure::new("there is no purchase among the transactions")
                .hint("a purchase has a customer, a time and an amount above zero")
                .at("input"),
        })
    }

    /// That the cutoff lies behind the transactions, where it does.
    fn late(&self, table: &Table, made: &features::Features) -> Result<Option<String>> {
        let recent = columns::floats(&made.table, "recency_days")?;
        let recent = arrow::compute::min(&recent).unwrap_or(0.0);
        // Transactions are looked at again only where the features don't rule it out.
        if self.cutoff.is_none() || recent <= LATE as f64 {
            return Ok(None);
        }
        let last = features::span(table, &self.columns())?.map_or(made.cutoff, |(_, last)| last);
        Ok((made.cutoff.saturating_sub(last) > LATE * dates::DAY).then(|| {
            format!(
                "the last transaction is of {}, and the cutoff is {}: the days between count as if \
                 nobody had bought",
                dates::show(last),
                dates::show(made.cutoff)
            )
        }))
    }

    fn outcome(&self, table: &Table, made: features::Features) -> Outcome {
        let cutoff = made.cutoff;
        let (customers, width) = (made.table.num_rows(), made.table.num_columns());
        let mut outcome = Outcome::new(format!("{} x {width}", plural(customers, "customer")))
            .metric("customers", customers as f64)
            .metric("rows_used", made.counts.used as f64)
            .metric("rows_skipped", made.counts.skipped() as f64)
            .metric("rows_audited", made.audited as f64);
        for (key, column) in self.absent(table) {
            outcome = outcome.warn_at(key, format!("there is no column `{column}`"));
        }
        if made.counts.skipped() > 0 {
            outcome = outcome.warn(skipped(&made.counts));
        }
        if made.without_purchase > 0 {
            outcome = outcome.warn(left_out(made.without_purchase));
        }
        for folded in &made.folded {
            let message = format!(
                "`{}` has {} values: the {} most frequent are kept, all others are `{REST}`",
                folded.column,
                grouped(folded.distinct as u64),
                self.max_categories
            );
            outcome = outcome.warn_at("max_categories", message);
        }
        outcome.table("features", as_of::noted(Table::from_batch(made.table), cutoff))
    }

    /// Columns that were asked for (beyond the defaults) and don't exist.
    fn absent<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = (&'static str, &'a String)> {
        let defaults = Columns::default();
        let shares = self.shares.iter().map(|column| ("shares", column));
        let flags = self.flags.iter().map(|column| ("flags", column));
        shares.chain(flags).filter(move |(_, column)| {
            !table.has(column) && !defaults.shares.contains(column) && !defaults.flags.contains(column)
        })
    }
}

/// What happened to the rows that could not be used.
fn skipped(counts: &Counts) -> String {
    let mut reasons = vec![
        (counts.without_time, "a time"),
        (counts.without_id, "a customer"),
        (counts.without_amount, "an amount"),
    ];
    reasons.retain(|(count, _)| *count > 0);
    let all = count(counts.skipped() + counts.used, "row");
    let are = if counts.skipped() == 1 { "is" } else { "are" };
    let part = format!("{} of {all}", grouped(counts.skipped()));
    if let [(_, what)] = reasons.as_slice() {
        return format!("{part} without {what} {are} skipped");
    }
    let reason = |(count, what): &(_, &str)| format!("{} without {what}", grouped(*count));
    format!("{part} {are} skipped: {}", reasons.iter().map(reason).collect::<Vec<_>>().join(", "))
}

fn left_out(customers: usize) -> String {
    let (who, verb) = if customers == 1 { ("customer has", "is") } else { ("customers have", "are") };
    format!("{} {who} only refunds or zero amounts and {verb} left out", grouped(customers as u64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    };

    use super::*;
    use crate::stage::{Artifact, Input, Progress, Stop};

    struct Silent;

    impl Progress for Silent {
        fn progress(&self, _: f64, _: &str) {}
        fn step(&self, _: &str, _: u64, _: f64) {}
    }

    fn run(stage: &Features, rows: &[(Option<i64>, i64, f64)]) -> Result<Outcome> {
        let days = rows.iter().map(|row| Some(row.1 * dates::DAY));
        let stores = rows.iter().map(|row| Some(format!("s{}", row.1)));
        let columns: [(&str, ArrayRef); 4] = [
            ("customer_id", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>())),
            ("txn_timestamp", Arc::new(days.collect::<TimestampMicrosecondArray>())),
            ("amount", Arc::new(rows.iter().map(|row| Some(row.2)).collect::<Float64Array>())),
            ("store", Arc::new(stores.collect::<StringArray>())),
        ];
        let table = Table::from_batch(RecordBatch::try_from_iter(columns)?);
        let ctx = Context {
            inputs: BTreeMap::from([("input".to_owned(), Input::Table(table))]),
            sources: Vec::new(),
            seed: 0,
            scratch: Path::new("."),
            progress: &Silent,
            stop: Stop::never(),
            memos: None,
        };
        stage.run(&ctx)
    }

    fn built(params: &str) -> Features {
        toml::from_str(params).unwrap()
    }

    const ROWS: [(Option<i64>, i64, f64); 6] = [
        (Some(1), 10, 5.0),
        (Some(2), 11, 5.0),
        (None, 12, 5.0),
        (Some(2), 13, f64::NAN),
        (Some(3), 14, -5.0),
        (Some(1), 15, 5.0),
    ];

    #[test]
    fn a_table_metrics_and_warnings() {
        let stage = built("input = 'x'\nshares = ['store', 'stroe']\nmax_categories = 2");
        let outcome = run(&stage, &ROWS).unwrap();
        // The id, the eight basic features, and two stores and the rest of them.
        assert_eq!(outcome.summary, "2 customers x 12");
        let metrics: Vec<_> = outcome.metrics.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(
            metrics,
            [("customers", 2.0), ("rows_audited", 0.0), ("rows_skipped", 2.0), ("rows_used", 4.0)]
        );
        let warnings: Vec<_> = outcome.warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(
            warnings,
            [
                "there is no column `stroe`",
                "2 of 6 rows are skipped: 1 without a customer, 1 without an amount",
                "1 customer has only refunds or zero amounts and is left out",
                "`store` has 3 values: the 2 most frequent are kept, all others are `other`",
            ]
        );
        assert!(matches!(&outcome.artifacts[..], [(port, Artifact::Table(_))] if port == "features"));
    }

    #[test]
    fn no_customer_is_a_failure_that_says_why() {
        let failure = |stage: &Features, rows| {
            let failure = run(stage, rows).unwrap_err().downcast::<Failure>().unwrap();
            (failure.message.clone(), failure.key.clone().unwrap(), failure.hint.unwrap())
        };
        let (message, key, hint) = failure(&built("input = 'x'\ncutoff = 1970-01-11"), &ROWS);
        assert_eq!((message.as_str(), key.as_str()), ("there is no purchase before 1970-01-11", "cutoff"));
        assert_eq!(hint, "the transactions run from 1970-01-11 to 1970-01-16");
        let (message, key, _) = failure(&built("input = 'x'"), &[]);
        assert_eq!(
            (message.as_str(), key.as_str()),
            ("there is no purchase among the transactions", "input")
        );
    }

    #[test]
    fn the_cutoff_is_strict_and_defaults_to_the_day_after() {
        let recency = |params: &str| {
            let outcome = run(&built(params), &ROWS).unwrap();
            let Artifact::Table(table) = &outcome.artifacts[0].1 else { panic!("no table") };
            crate::data::columns::float_vec(&table.to_batch().unwrap(), "recency_days").unwrap()
        };
        assert_eq!(recency("input = 'x'"), [1.0, 5.0]);
        assert_eq!(recency("input = 'x'\ncutoff = 1970-01-16"), [5.0, 4.0]);
    }

    /// A cutoff behind the transactions makes everybody look as if they had stayed away.
    #[test]
    fn a_cutoff_behind_the_transactions_is_warned_of() {
        let warnings = |params: &str| {
            let notes = run(&built(params), &ROWS[..2]).unwrap().warnings;
            notes.into_iter().map(|note| (note.key, note.message)).collect::<Vec<_>>()
        };
        let said = "the last transaction is of 1970-01-12, and the cutoff is 2099-01-01: \
                    the days between count as if nobody had bought";
        assert_eq!(
            warnings("input = 'x'\ncutoff = 2099-01-01"),
            [(Some("cutoff".to_owned()), said.to_owned())]
        );
        for params in ["input = 'x'", "input = 'x'\ncutoff = 1970-01-14", "input = 'x'\ncutoff = 1970-01-12"]
        {
            assert!(warnings(params).is_empty(), "{params}");
        }
        // A quiet stretch in the middle of the transactions is none of it.
        let quiet = [(Some(1), 10, 5.0), (Some(1), 90, 5.0)];
        assert!(run(&built("input = 'x'\ncutoff = 1970-03-01"), &quiet).unwrap().warnings.is_empty());
    }

    #[test]
    fn the_table_notes_its_cutoff() {
        let day = |params: &str| {
            let outcome = run(&built(params), &ROWS).unwrap();
            let Artifact::Table(table) = &outcome.artifacts[0].1 else { panic!("no table") };
            as_of::of(table)
        };
        assert_eq!((day("input = 'x'"), day("input = 'x'\ncutoff = 1970-01-13")), (Some(16), Some(12)));
    }

    #[test]
    fn a_time_is_no_cutoff() {
        assert_eq!(built("cutoff = 10:00:00").check()[0].message, "`10:00:00` is no date");
        assert!(built("cutoff = 2025-09-28").check().is_empty());
    }

    #[test]
    fn counts_have_separators() {
        assert_eq!([0, 999, 1_000, 1_204_118].map(grouped), ["0", "999", "1,000", "1,204,118"]);
    }
}
