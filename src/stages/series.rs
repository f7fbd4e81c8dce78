//! The kind `series`: weekly revenue, orders and customers, in total and by segment.
//!
//! Knows which columns mean what; counting is done in `data::series`. Does not know what the series
//! are for.

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::columns::{self, Holds, Wanted};
use crate::data::series::{self, Columns, Groups, Request, UNSEGMENTED, Weekly};
use crate::data::{Table, partial};
use crate::diagnostic::plural;
use crate::stage::{Context, Failure, Layer, Make, MetricName, Mistake, Need, Outcome, Port, Ref, Stage};

/// Weekly revenue, orders and customers, in total and by segment
///
/// Weeks start on Monday. Revenue is the sum of all amounts, net of refunds; an order is a row with
/// an amount above zero. The series `all` has every row; with segments there is one series for each
/// of them, and `unsegmented` for everybody else, if they bought or returned anything. Weeks in
/// which nothing happened are 0.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Series {
    /// The transactions.
    pub input: Ref,
    /// Assignments of customers to segments, for one series a segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<Ref>,
    /// A profile of the segments, for their names; without it they are `segment 0` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Ref>,
    /// The column with the customer's id: integers or text.
    pub customer: String,
    /// The column with the date or timestamp.
    pub time: String,
    /// The column with the amount.
    pub amount: String,
    /// What becomes of a first or last week that the transactions cover only in part.
    pub partial: Partial,
}

/// What becomes of half weeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Partial {
    /// They are left out, because their low sums would look like a fall in sales.
    Drop,
    /// They are kept.
    Keep,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            input: Ref::default(),
            segments: None,
            profile: None,
            customer: "customer_id".to_owned(),
            time: "txn_timestamp".to_owned(),
            amount: "amount".to_owned(),
            partial: Partial::Drop,
        }
    }
}

impl Stage for Series {
    const KIND: &'static str = "series";
    const VERSION: u32 = 2;
    const LAYER: Layer = Layer::Model;

    fn needs(&self) -> Vec<Need> {
        let mut needs = vec![Need::table("input", &self.input)];
        needs.extend(self.segments.as_ref().map(|from| Need::table("segments", from)));
        needs.extend(self.profile.as_ref().map(|from| Need::table("profile", from)));
        needs
    }

    fn gives(&self) -> Vec<Port> {
        vec![Port::table("series", "One row a series and week: revenue, orders and customers.")]
    }

    fn metrics(&self) -> Vec<MetricName> {
        MetricName::list([
            ("series", "How many series there are."),
            ("weeks", "How many weeks each of them has."),
            ("rows_skipped", "Rows that could not be used."),
            ("unsegmented", "Customers without a segment."),
        ])
    }

    fn check(&self) -> Vec<Mistake> {
        if self.profile.is_some() && self.segments.is_none() {
            let message = "`profile` only names segments, and there are no `segments`";
            return vec![Mistake::new("profile", message).hint("add `segments`, or take `profile` out")];
        }
        Vec::new()
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let table = ctx.table("input")?;
        columns::require(table.schema(), &self.needed())?;
        let request = Request {
            columns: self.columns(),
            groups: self.groups(ctx)?,
            partial: self.partial.into(),
            alive: &|| ctx.alive(),
        };
        let made = match partial::by_time(&table, &self.time) {
            None => series::weekly(&table, &request)?,
            Some(partitions) => {
                let unit = partitions.by.name();
                let keep = |parts: &[&str], make: Make<'_>| ctx.memo(unit, parts, make);
                series::weekly_in_parts(&table, &partitions, &request, &keep)?
            }
        };
        let made = made.ok_or_else(|| self.nothing())?;
        Ok(outcome(made))
    }
}

impl Series {
    /// The columns that there must be, by parameter.
    fn needed(&self) -> [Wanted<'_>; 3] {
        [
            Wanted::new("customer", &self.customer, Holds::Anything),
            Wanted::new("time", &self.time, Holds::Moments),
            Wanted::new("amount", &self.amount, Holds::Numbers),
        ]
    }

    fn columns(&self) -> Columns {
        Columns { customer: self.customer.clone(), time: self.time.clone(), amount: self.amount.clone() }
    }

    fn nothing(&self) -> Failure {
        let hint =
            format!("series are made from `{}` and `{}`: look at what `input` holds", self.time, self.amount);
        Failure::new("there is no row with a time and an amount").hint(hint).at("input")
    }

    fn groups(&self, ctx: &Context<'_>) -> Result<Option<Groups>> {
        if self.segments.is_none() {
            return Ok(None);
        }
        let profile = self.profile.as_ref().map(|_| ctx.table("profile")).transpose()?;
        Groups::new(&ctx.table("segments")?, profile.as_ref(), &self.customer).map(Some)
    }
}

impl From<Partial> for series::Partial {
    fn from(partial: Partial) -> Self {
        match partial {
            Partial::Drop => Self::Drop,
            Partial::Keep => Self::Keep,
        }
    }
}

fn outcome(made: Weekly) -> Outcome {
    let mut outcome = Outcome::new(format!("{} series x {}", made.series, plural(made.weeks, "week")))
        .metric("series", made.series as f64)
        .metric("weeks", made.weeks as f64)
        .metric("rows_skipped", made.skipped as f64)
        .metric("unsegmented", made.unsegmented as f64);
    if made.skipped > 0 {
        let (have, are) = if made.skipped == 1 { ("has", "is") } else { ("have", "are") };
        let rows = plural(made.skipped, "row");
        outcome = outcome.warn(format!("{rows} {have} no time or no amount and {are} skipped"));
    }
    if !made.dropped.is_empty() {
        let mondays: Vec<_> = made.dropped.iter().map(|monday| series::date(*monday)).collect();
        let message =
            format!("left out, because it is covered only in part: the week of {}", mondays.join(" and "));
        outcome = outcome.warn_at("partial", message);
    }
    if made.all_partial {
        let message = "no week is covered from Monday to Sunday: the half weeks are kept";
        outcome = outcome.warn_at("partial", message);
    }
    if let Some(message) = left_over(&made) {
        outcome = outcome.warn_at("segments", message);
    }
    outcome.table("series", Table::from_batch(made.table))
}

/// Who belongs to no segment, and where that counts.
fn left_over(made: &Weekly) -> Option<String> {
    let have = |count: usize| if count == 1 { "has" } else { "have" };
    let said = |count: usize, who: &str, what: &str| {
        (count > 0).then(|| format!("{} {} no {what}", plural(count, who), have(count)))
    };
    let customers = said(made.unsegmented, "customer", "segment");
    let parts: Vec<_> = customers.into_iter().chain(said(made.anonymous, "row", "customer")).collect();
    let series = if made.rest {
        format!("their series is `{UNSEGMENTED}`")
    } else {
        "there is no series of them, because no purchase or refund of theirs lies in these weeks".to_owned()
    };
    (!parts.is_empty()).then(|| format!("{}: {series}", parts.join(" and ")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Arc;

    use arrow::array::TimestampMicrosecondArray;
    use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};

    use super::*;
    use crate::data::columns;
    use crate::stage::{Artifact, Input, Progress, Stop};

    struct Silent;

    impl Progress for Silent {
        fn progress(&self, _: f64, _: &str) {}
        fn step(&self, _: &str, _: u64, _: f64) {}
    }

    fn run(stage: &Series, inputs: &[(&str, RecordBatch)]) -> Result<Outcome> {
        let input = |batch: &RecordBatch| Input::Table(Table::from_batch(batch.clone()));
        let inputs = inputs.iter().map(|(key, batch)| ((*key).to_owned(), input(batch)));
        stage.run(&Context {
            inputs: BTreeMap::from_iter(inputs),
            sources: Vec::new(),
            seed: 0,
            scratch: Path::new("."),
            progress: &Silent,
            stop: Stop::never(),
            memos: None,
        })
    }

    /// Customers 1, 2, 3 in turn, one purchase of 10 a day from 2024-01-01, a Monday.
    fn purchases(days: i64) -> RecordBatch {
        let times = (0..days).map(|day| (19_723 + day) * 86_400_000_000);
        RecordBatch::try_from_iter([
            (
                "customer_id",
                Arc::new(Int64Array::from_iter_values((0..days).map(|day| day % 3 + 1))) as ArrayRef,
            ),
            ("txn_timestamp", Arc::new(TimestampMicrosecondArray::from_iter_values(times))),
            ("amount", Arc::new(Float64Array::from_iter_values((0..days).map(|_| 10.0)))),
        ])
        .unwrap()
    }

    #[test]
    fn named_segments_and_a_half_week_left_out() {
        let stage: Series = toml::from_str("input = 't'\nsegments = 's'\nprofile = 'p'").unwrap();
        let assignments = RecordBatch::try_from_iter([
            ("customer_id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
            ("segment", Arc::new(Int32Array::from(vec![0, 1]))),
        ]);
        let profile = RecordBatch::try_from_iter([
            ("segment", Arc::new(Int32Array::from(vec![0, 1])) as ArrayRef),
            ("name", Arc::new(StringArray::from(vec!["loyal", "new"]))),
        ]);
        let inputs =
            [("input", purchases(15)), ("segments", assignments.unwrap()), ("profile", profile.unwrap())];
        let outcome = run(&stage, &inputs).unwrap();
        assert_eq!(outcome.summary, "4 series x 2 weeks");
        let messages: Vec<_> = outcome.warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "left out, because it is covered only in part: the week of 2024-01-15",
                "1 customer has no segment: their series is `unsegmented`"
            ]
        );
        let Artifact::Table(table) = &outcome.artifacts[0].1 else { panic!("no table") };
        let batch = table.to_batch().unwrap();
        let names = columns::strings(&batch, "series").unwrap();
        let names: Vec<_> = names.iter().flatten().collect();
        assert_eq!(names, ["all", "all", "loyal", "loyal", "new", "new", "unsegmented", "unsegmented"]);
        // Days 0, 3, 6 and 9, 12 are those of customer 1.
        let revenue = columns::float_vec(&batch, "revenue").unwrap();
        assert_eq!(revenue, [70.0, 70.0, 30.0, 20.0, 20.0, 30.0, 20.0, 20.0]);
    }

    /// Customers without a segment are counted whether or not they bought anything that counts.
    #[test]
    fn the_warning_speaks_of_the_series_that_exist() {
        let stage: Series = toml::from_str("input = 't'\nsegments = 's'").unwrap();
        let told = |customers: [Option<i64>; 3], amounts: [f64; 3], days: [i64; 3]| {
            let times = days.map(|day| (19_723 + day) * 86_400_000_000);
            let input = RecordBatch::try_from_iter([
                ("customer_id", Arc::new(Int64Array::from(customers.to_vec())) as ArrayRef),
                ("txn_timestamp", Arc::new(TimestampMicrosecondArray::from(times.to_vec()))),
                ("amount", Arc::new(Float64Array::from(amounts.to_vec()))),
            ]);
            let assignments = RecordBatch::try_from_iter([
                ("customer_id", Arc::new(Int64Array::from(vec![1])) as ArrayRef),
                ("segment", Arc::new(Int32Array::from(vec![0]))),
            ]);
            let inputs = [("input", input.unwrap()), ("segments", assignments.unwrap())];
            let outcome = run(&stage, &inputs).unwrap();
            let warning = outcome.warnings.iter().find(|warning| warning.key.as_deref() == Some("segments"));
            (outcome.metrics["series"], warning.map(|warning| warning.message.clone()))
        };
        let none =
            ": there is no series of them, because no purchase or refund of theirs lies in these weeks";
        let days = [0, 1, 6];
        assert_eq!(told([Some(1); 3], [5.0; 3], days), (2.0, None));
        let zero = format!("2 customers have no segment{none}");
        assert_eq!(told([Some(1), Some(2), Some(3)], [5.0, 0.0, 0.0], days), (2.0, Some(zero)));
        // The only purchase lies in a week that is left out.
        let late = format!("1 customer has no segment{none}");
        assert_eq!(told([Some(1), Some(1), Some(2)], [5.0; 3], [0, 6, 7]), (2.0, Some(late)));
        let both = "1 customer has no segment and 1 row has no customer: their series is `unsegmented`";
        assert_eq!(told([Some(1), Some(2), None], [5.0; 3], days), (3.0, Some(both.to_owned())));
        let rows = "2 rows have no customer: their series is `unsegmented`";
        assert_eq!(told([Some(1), None, None], [5.0; 3], days), (3.0, Some(rows.to_owned())));
    }

    #[test]
    fn nothing_to_count_is_a_failure_and_a_lone_profile_a_mistake() {
        let failure = run(&Series::default(), &[("input", purchases(0))]).unwrap_err();
        let failure = failure.downcast::<Failure>().unwrap();
        assert_eq!(failure.message, "there is no row with a time and an amount");
        assert!(failure.hint.is_some());
        let stage: Series = toml::from_str("input = 't'\nprofile = 'p'").unwrap();
        assert_eq!(stage.check()[0].key, "profile");
    }
}
