//! The `simulate` kind: customers of an invented shop and what they buy.

use anyhow::Result;
use arrow::array::RecordBatch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::value::Datetime;

use crate::data::parquet::Writer;
use crate::data::simulate::{self, Dirt, Ids, Persona, Settings, Simulation, Weights};
use crate::data::{Table, dates};
use crate::stage::{Artifact, Context, Layer, Mistake, Outcome, Port, PortType, Stage};

/// Customers of an invented shop, what they buy, and the truth about them.
///
/// Every customer belongs to a persona, orders at a rate of their own until they are lost, prefers
/// some channels and categories, and follows weekdays, seasons and growth. `customers` has what
/// an analyst would know of them, `truth` what only the simulation knows.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Simulate {
    /// Number of customers; one more leaves all others' rows as they are.
    #[schemars(range(min = 1, max = 50_000_000))]
    pub customers: u32,
    /// The first day of the period.
    #[schemars(with = "String", extend("format" = "date"))]
    pub start: Datetime,
    /// The last day of the period.
    #[schemars(with = "String", extend("format" = "date"))]
    pub end: Datetime,
    /// What customer ids look like.
    pub ids: Ids,
    /// Growth of everybody's order rate a year: 0.04 is 4 %.
    #[schemars(range(min = -0.9, max = 10.0))]
    pub growth: f64,
    /// Share of orders whose amount is missing.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub missing_amounts: f64,
    /// Share of orders that are stored twice.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub duplicates: f64,
    /// Share of orders whose amount is 20 to 100 times what it should be.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub outliers: f64,
    /// Price levels of categories, against an average one.
    pub prices: Weights,
    /// The kinds of customers; given ones replace all built-in ones.
    pub personas: Vec<Persona>,
}

impl Default for Simulate {
    fn default() -> Self {
        Self {
            customers: 20_000,
            start: dates::date(2023, 1, 2),
            end: dates::date(2025, 12, 28),
            ids: Ids::Integer,
            growth: 0.04,
            missing_amounts: 0.0,
            duplicates: 0.0,
            outliers: 0.0,
            prices: simulate::built_in_prices(),
            personas: simulate::built_in(),
        }
    }
}

impl Stage for Simulate {
    const KIND: &'static str = "simulate";
    const VERSION: u32 = 1;
    const LAYER: Layer = Layer::Data;
    const SEEDED: bool = true;

    fn needs(&self) -> Vec<crate::stage::Need> {
        Vec::new()
    }

    fn gives(&self) -> Vec<Port> {
        ["transactions", "customers", "truth"].map(|name| Port::new(name, PortType::Table)).into()
    }

    fn check(&self) -> Vec<Mistake> {
        let mut mistakes = self.period_mistakes();
        mistakes.extend(self.persona_mistakes());
        for (category, price) in &self.prices {
            if !(0.001..=1e6).contains(price) {
                let message = format!("`{category}` must be between 0.001 and 1000000, not {price}");
                mistakes.push(Mistake::new(format!("prices.{category}"), message));
            }
        }
        mistakes
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let settings = self.settings();
        let (made, transactions) = if simulate::most_rows(&settings)? > IN_MEMORY {
            to_file(&settings, ctx)?
        } else {
            to_memory(&settings, ctx)?
        };
        Ok(outcome(made, transactions))
    }
}

/// More rows than this are written to a file as they come, instead of being held in memory.
const IN_MEMORY: f64 = 16e6;

impl Simulate {
    fn settings(&self) -> Settings {
        let first_day = dates::day(&self.start).unwrap_or_default();
        let last_day = dates::day(&self.end).unwrap_or_default();
        Settings {
            customers: self.customers,
            first_day,
            days: u32::try_from(i64::from(last_day) - i64::from(first_day) + 1).unwrap_or(0),
            ids: self.ids,
            personas: self.personas.clone(),
            prices: self.prices.clone(),
            growth: self.growth,
            dirt: Dirt {
                missing_amounts: self.missing_amounts,
                duplicates: self.duplicates,
                outliers: self.outliers,
            },
        }
    }

    fn period_mistakes(&self) -> Vec<Mistake> {
        let undated = [("start", &self.start), ("end", &self.end)];
        let undated = undated.into_iter().filter(|(_, date)| dates::day(date).is_none());
        let mistakes: Vec<_> =
            undated.map(|(key, date)| Mistake::new(key, format!("`{date}` is no date"))).collect();
        if !mistakes.is_empty() {
            return mistakes;
        }
        match self.settings().days {
            0 => {
                vec![Mistake::new("end", format!("`end` {} is before `start` {}", self.end, self.start))]
            }
            days if days > simulate::MOST_DAYS => {
                vec![Mistake::new("end", "the period is longer than a hundred years")]
            }
            _ => Vec::new(),
        }
    }

    fn persona_mistakes(&self) -> Vec<Mistake> {
        if !self.personas.iter().any(|persona| persona.share > 0.0) {
            let mistake = Mistake::new("personas", "at least one persona must have a share above 0");
            return vec![mistake.hint("leave `personas` out to have the built-in ones")];
        }
        let problems = self.personas.iter().enumerate().flat_map(|(at, persona)| {
            persona.problems().into_iter().map(move |(field, problem)| (at, field, problem))
        });
        problems
            .map(|(at, field, problem)| {
                Mistake::new(format!("personas.{at}.{field}"), format!("`{field}` {problem}"))
            })
            .collect()
    }
}

fn to_memory(settings: &Settings, ctx: &Context<'_>) -> Result<(Simulation, Artifact)> {
    let mut batches = Vec::new();
    let mut sink = |batch: RecordBatch| {
        batches.push(batch);
        Ok(())
    };
    let made = simulate::simulate(settings, ctx.seed(), &mut sink, &|| ctx.alive())?;
    let table = Table::from_batches(simulate::schema(settings)?, batches);
    Ok((made, Artifact::Table(table)))
}

fn to_file(settings: &Settings, ctx: &Context<'_>) -> Result<(Simulation, Artifact)> {
    let path = ctx.scratch().join("transactions.parquet");
    let mut writer = Writer::create(&path, simulate::schema(settings)?)?;
    let mut sink = |batch: RecordBatch| writer.write(&batch);
    let made = simulate::simulate(settings, ctx.seed(), &mut sink, &|| ctx.alive())?;
    writer.finish()?;
    Ok((made, Artifact::File(path)))
}

fn outcome(made: Simulation, transactions: Artifact) -> Outcome {
    let customers = made.customers.num_rows();
    let summary = format!("{} rows, {} customers", grouped(made.rows), grouped(customers as u64));
    let mut outcome = Outcome::new(summary)
        .metric("rows", made.rows as f64)
        .metric("customers", customers as f64)
        .metric("revenue", made.revenue);
    if made.rows == 0 {
        outcome = outcome.warn("not one order fell into the period");
    }
    outcome
        .with("transactions", transactions)
        .table("customers", Table::from_batch(made.customers))
        .table("truth", Table::from_batch(made.truth))
}

/// A count with separators: `1,204,118`.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(",")
}
