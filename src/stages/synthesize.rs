//! The kind `synthesize`: learns a table and draws a new one like it.
//!
//! Parameters and ports only: models are `model::synthesize`, constraints and types `data::synthesize`.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Table;
use crate::data::mixed::{Described, Hints};
use crate::data::synthesize::transactions::{self, Named};
use crate::data::synthesize::{Condition, Constraint, Learning, Request, rows_of};
use crate::diagnostic::{count, grouped, plural};
use crate::model::fidelity::utility::drawn;
use crate::model::synthesize::deep::{self, Settings, Watch};
use crate::model::synthesize::{Model, copula, ctgan, tvae};
use crate::stage::{Context, Failure, Layer, MetricName, Mistake, Need, Outcome, Port, Ref, Stage};

/// Tables of fewer rows have no holdout.
const SMALL: usize = 20;

/// Learns a table and draws a new one: columns, and how they hang together
///
/// Numbers, dates, true/false and text with few different values are learnt; that a value is missing is learnt
/// too. Columns that identify rows are not: new rows get new ids (text with different values in more than half of the rows, and
/// columns named `id` or `..._id` whose values all differ). What `fidelity` says of the result rests on rows that were not
/// learnt from, which is why some are held out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Synthesize {
    /// The table to learn.
    pub input: Ref,
    /// The model.
    pub method: Method,
    /// Rows to draw without conditions; as many as were learnt from when left out, none beside `conditions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub rows: Option<usize>,
    /// Share of rows that are not learnt from, so that privacy can be judged; none of fewer than 20 rows.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub holdout: f64,
    /// Passes of `tvae` and `ctgan` over all rows.
    #[schemars(range(min = 1, max = 100_000))]
    pub epochs: usize,
    /// Rows of a step of `tvae` and `ctgan`; for `ctgan` a multiple of 10.
    #[schemars(range(min = 1, max = 100_000))]
    pub batch: usize,
    /// Width of hidden layers: 128 in `tvae` and 256 in `ctgan` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8_192))]
    pub width: Option<usize>,
    /// Numbers that `tvae` and `ctgan` make a row from.
    #[schemars(range(min = 1, max = 8_192))]
    pub latent: usize,
    /// The column with the customer's id, for `transactions`.
    pub customer: String,
    /// The column with the date or timestamp, for `transactions`.
    pub time: String,
    /// Customers that `transactions` draws; as many as were learnt from when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub customers: Option<usize>,
    /// What must hold in every row.
    pub constraints: Vec<Constraint>,
    /// Rows with fixed values, which come first.
    pub conditions: Vec<Condition>,
    /// Columns whose numbers are names of categories.
    pub categories: Vec<String>,
    /// Columns that identify rows.
    pub ids: Vec<String>,
    /// Columns that are not learnt, and that the synthetic table doesn't have.
    pub leave_out: Vec<String>,
}

/// Models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Columns as they are distributed, tied together by correlations of normal variables behind them: quick, and good on
    /// small tables.
    GaussianCopula,
    /// A variational autoencoder: learns relations of any form.
    Tvae,
    /// A generative adversarial network that rows can be conditioned on: learns relations of any form, and rare categories.
    Ctgan,
    /// Each customer as a process of purchases: rates, gaps and habits are learnt, and dates come in order.
    Transactions,
}

impl Default for Synthesize {
    fn default() -> Self {
        Self {
            input: Ref::default(),
            method: Method::GaussianCopula,
            rows: None,
            holdout: 0.1,
            epochs: 300,
            batch: 500,
            width: None,
            latent: 128,
            customer: "customer_id".to_owned(),
            time: "txn_timestamp".to_owned(),
            customers: None,
            constraints: Vec::new(),
            conditions: Vec::new(),
            categories: Vec::new(),
            ids: Vec::new(),
            leave_out: Vec::new(),
        }
    }
}

impl Stage for Synthesize {
    const KIND: &'static str = "synthesize";
    const VERSION: u32 = 1;
    const LAYER: Layer = Layer::Data;
    const SEEDED: bool = true;

    fn needs(&self) -> Vec<Need> {
        vec![Need::table("input", &self.input)]
    }

    fn gives(&self) -> Vec<Port> {
        vec![
            Port::table("rows", "The synthetic rows, with the columns of the input."),
            Port::table("train", "The rows of the input that were learnt from."),
            Port::table("holdout", "The rows of the input that were not learnt from."),
            Port::table("columns", "One row a column: what it holds, and how often it is missing."),
        ]
    }

    fn metrics(&self) -> Vec<MetricName> {
        MetricName::list([
            ("rows", "How many rows were drawn."),
            ("columns", "How many columns were learnt."),
            ("train_rows", "Rows that were learnt from."),
            ("holdout_rows", "Rows that were held out."),
            ("customers", "Customers that `transactions` drew."),
            ("loss", "The last epoch's loss of `tvae`."),
            ("generator_loss", "The last epoch's loss of the generator of `ctgan`."),
            ("critic_loss", "The last epoch's loss of the critic of `ctgan`."),
        ])
    }

    fn check(&self) -> Vec<Mistake> {
        let mut mistakes = self.idle();
        if self.method == Method::Ctgan && !self.batch.is_multiple_of(ctgan::PAC) {
            let message = format!("`batch` is {}, not a multiple of {}", self.batch, ctgan::PAC);
            mistakes.push(Mistake::new("batch", message).hint("the critic of `ctgan` sees ten rows at once"));
        }
        for (at, constraint) in self.constraints.iter().enumerate() {
            if let Some((field, message, hint)) = constraint.problem() {
                let key = if field.is_empty() {
                    format!("constraints.{at}")
                } else {
                    format!("constraints.{at}.{field}")
                };
                mistakes.push(Mistake::new(key, message).hint(hint));
            }
        }
        for (at, _) in self.conditions.iter().enumerate().filter(|(_, condition)| condition.values.is_empty())
        {
            let mistake = Mistake::new(format!("conditions.{at}"), "the condition fixes no column");
            mistakes.push(mistake.hint("write `where = { column = value }`, or ask for `rows` alone"));
        }
        mistakes
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let table = ctx.table("input")?.to_batch()?;
        if table.num_rows() == 0 {
            return Err(Failure::new("there are no rows to learn from")
                .hint("look at the stage before")
                .at("input")
                .into());
        }
        let (train, holdout) = self.divided(ctx, &table)?;
        if self.method == Method::Transactions {
            return self.transactions(ctx, train, holdout);
        }
        let learning = Learning::new(&train, self.hints(), &self.constraints)?;
        let (model, losses) = self.learnt(ctx, &learning)?;
        ctx.progress(0.95, "drawing")?;
        let rows = self.rows.unwrap_or(if self.conditions.is_empty() { train.num_rows() } else { 0 });
        let request =
            Request { rows, conditions: &self.conditions, seed: ctx.seed(), alive: &|| ctx.alive() };
        let made = learning.draw(&model, request)?;
        let columns = columns_table(learning.described(), &train, &made)?;
        let summary =
            format!("{} from {}", count(made.num_rows() as u64, "row"), plural(train.num_rows(), "row"));
        let outcome = Outcome::new(summary)
            .metric("rows", made.num_rows() as f64)
            .metric("columns", learning.columns().len() as f64)
            .metric("train_rows", train.num_rows() as f64)
            .metric("holdout_rows", holdout.num_rows() as f64);
        let outcome = losses.iter().fold(outcome, |outcome, (name, loss)| outcome.metric(*name, *loss));
        let outcome = self.warned(outcome, &learning, &train);
        self.finished(outcome, made, &train, &holdout, columns)
    }
}

/// Losses by name.
type Losses = Vec<(&'static str, f64)>;

impl Synthesize {
    fn hints(&self) -> Hints<'_> {
        Hints { categories: &self.categories, ids: &self.ids, leave_out: &self.leave_out }
    }

    fn named(&self) -> Named<'_> {
        Named { customer: &self.customer, time: &self.time }
    }

    /// What only other methods look at.
    fn idle(&self) -> Vec<Mistake> {
        let transactions = self.method == Method::Transactions;
        let keys = [
            (
                "rows",
                transactions && self.rows.is_some(),
                "say with `customers` how many customers are drawn",
            ),
            (
                "constraints",
                transactions && !self.constraints.is_empty(),
                "take them out, or choose another method",
            ),
            (
                "conditions",
                transactions && !self.conditions.is_empty(),
                "take them out, or choose another method",
            ),
            (
                "customers",
                !transactions && self.customers.is_some(),
                "say with `rows` how many rows are drawn",
            ),
        ];
        let set = keys.into_iter().filter(|(_, set, _)| *set);
        set.map(|(key, _, hint)| {
            Mistake::new(key, format!("`{key}` does nothing with this `method`")).hint(hint)
        })
        .collect()
    }

    /// Learns and draws transactions.
    fn transactions(&self, ctx: &Context<'_>, train: RecordBatch, holdout: RecordBatch) -> Result<Outcome> {
        ctx.progress(0.1, "learning")?;
        let Some(learnt) = transactions::learn(&train, self.named(), self.hints())? else {
            let failure = Failure::new("no row has both a customer and a time");
            return Err(failure.hint("look at these columns, or name others").at("customer").into());
        };
        ctx.progress(0.6, "drawing")?;
        let customers = self.customers.unwrap_or(learnt.customers);
        let made = learnt.draw(customers, ctx.seed())?;
        ctx.alive()?;
        let summary = format!(
            "{} of {} from {}",
            count(made.num_rows() as u64, "row"),
            plural(customers, "customer"),
            plural(train.num_rows(), "row")
        );
        let columns = columns_table(learnt.described(), &train, &made)?;
        let outcome = Outcome::new(summary)
            .metric("rows", made.num_rows() as f64)
            .metric("columns", learnt.columns() as f64)
            .metric("customers", customers as f64)
            .metric("train_rows", train.num_rows() as f64)
            .metric("holdout_rows", holdout.num_rows() as f64);
        let outcome = match learnt.left_out {
            0 => outcome,
            rows => outcome.warn_at(
                "input",
                format!("{} without a customer or a time are left out", count(rows as u64, "row")),
            ),
        };
        self.finished(outcome, made, &train, &holdout, columns)
    }

    fn finished(
        &self,
        outcome: Outcome,
        made: RecordBatch,
        train: &RecordBatch,
        holdout: &RecordBatch,
        columns: Table,
    ) -> Result<Outcome> {
        Ok(outcome
            .table("rows", Table::from_batch(made))
            .table("train", Table::from_batch(self.without_left_out(train)?))
            .table("holdout", Table::from_batch(self.without_left_out(holdout)?))
            .table("columns", columns))
    }

    /// Rows to learn from and rows held out, each in their order; of transactions all of a customer are on one side.
    fn divided(&self, ctx: &Context<'_>, table: &RecordBatch) -> Result<(RecordBatch, RecordBatch)> {
        let customers = match self.method {
            Method::Transactions => Some(transactions::customers(table, self.named())?),
            _ => None,
        };
        let rows = table.num_rows();
        let units = match &customers {
            Some(customers) => customers.iter().flatten().max().map_or(0, |most| *most as usize + 1),
            None => rows,
        };
        let out = if units < SMALL { 0 } else { (units as f64 * self.holdout) as usize };
        let mut chosen = vec![false; units];
        drawn(units, out, ctx.seed(), "synthesize holdout").into_iter().for_each(|unit| chosen[unit] = true);
        let is_held = |row: &usize| match &customers {
            Some(customers) => customers[*row].is_some_and(|customer| chosen[customer as usize]),
            None => chosen[*row],
        };
        let (held, kept): (Vec<usize>, Vec<usize>) = (0..rows).partition(is_held);
        Ok((rows_of(table, &kept)?, rows_of(table, &held)?))
    }

    /// The columns that the synthetic table has too.
    fn without_left_out(&self, table: &RecordBatch) -> Result<RecordBatch> {
        let schema = table.schema();
        let fields = schema.fields().iter().enumerate();
        let kept = fields.filter(|(_, field)| !self.leave_out.contains(field.name()));
        Ok(table.project(&kept.map(|(at, _)| at).collect::<Vec<_>>())?)
    }

    /// The model, and the losses of its last epoch.
    fn learnt(&self, ctx: &Context<'_>, learning: &Learning) -> Result<(Model, Losses)> {
        ctx.progress(0.0, "learning")?;
        let width = self.width.unwrap_or(if self.method == Method::Tvae { 128 } else { 256 });
        let (epochs, batch, latent) = (self.epochs, self.batch, self.latent);
        let settings = Settings { epochs, batch, width, latent, seed: ctx.seed() };
        let (start, last) = (Instant::now(), std::cell::RefCell::new(Losses::new()));
        let told = |epoch: usize, losses: &deep::Losses| {
            losses.iter().for_each(|(name, loss)| ctx.step(name, epoch as u64, *loss));
            *last.borrow_mut() = losses.to_vec();
            let done = epoch as f64 / epochs as f64;
            let left = start.elapsed().as_secs_f64() * (1.0 / done - 1.0);
            ctx.progress(0.95 * done, &format!("epoch {epoch} of {epochs}, {left:.0} s left"))
        };
        let watch = Watch { alive: &|| ctx.alive(), told: &told };
        let columns = learning.columns();
        let model = match self.method {
            Method::GaussianCopula | Method::Transactions => Model::Copula(copula::fit(columns)),
            Method::Tvae => Model::Tvae(Box::new(tvae::fit(columns, settings, &watch)?)),
            Method::Ctgan => Model::Ctgan(Box::new(ctgan::fit(columns, settings, &watch)?)),
        };
        Ok((model, last.into_inner()))
    }

    /// Adds what the user should know of the input.
    fn warned(&self, mut outcome: Outcome, learning: &Learning, train: &RecordBatch) -> Outcome {
        for (at, rows) in &learning.broken {
            let message = format!(
                "{} of the input break this constraint: they were learnt as if they just kept to it",
                count(*rows as u64, "row")
            );
            outcome = outcome.warn_at(format!("constraints.{at}"), message);
        }
        let empty = train
            .schema()
            .fields()
            .iter()
            .zip(train.columns())
            .filter(|(field, column)| {
                column.null_count() == column.len() && !self.leave_out.contains(field.name())
            })
            .map(|(field, _)| field.name().clone())
            .collect::<Vec<_>>();
        for name in empty {
            outcome = outcome.warn_at("input", format!("column `{name}` has no values, and gets none"));
        }
        if train.num_rows() < SMALL {
            let rows = grouped(train.num_rows());
            outcome = outcome
                .warn_at("input", format!("{rows} rows teach little, and what is drawn may give them away"));
        }
        outcome
    }
}

/// What each column holds, and how often it is missing in either table.
fn columns_table(described: &[Described], train: &RecordBatch, made: &RecordBatch) -> Result<Table> {
    let share = |table: &RecordBatch| -> Float64Array {
        let missing = |one: &Described| {
            let column = table.column_by_name(one.name())?;
            Some(column.null_count() as f64 / column.len() as f64).filter(|share| share.is_finite())
        };
        described.iter().map(missing).collect()
    };
    let levels = |one: &Described| (one.role_name() == "category").then(|| one.levels().len() as i64);
    let batch = RecordBatch::try_from_iter_with_nullable([
        (
            "column",
            Arc::new(StringArray::from_iter_values(described.iter().map(Described::name))) as ArrayRef,
            false,
        ),
        ("holds", Arc::new(StringArray::from_iter_values(described.iter().map(Described::role_name))), false),
        ("categories", Arc::new(described.iter().map(levels).collect::<Int64Array>()), true),
        ("missing", Arc::new(share(train)), true),
        ("missing_synthetic", Arc::new(share(made)), true),
    ])?;
    Ok(Table::from_batch(batch))
}
