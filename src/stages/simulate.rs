//! The `simulate` kind: customers of an invented shop and what they buy.

use anyhow::Result;
use arrow::array::RecordBatch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::value::Datetime;

use crate::data::parquet::Writer;
use crate::data::simulate::{self, Dirt, Ids, Persona, Settings, Simulation, Weights};
use crate::data::{Table, dates};
use crate::diagnostic::{count, plural};
use crate::stage::{Artifact, Context, Layer, MetricName, Mistake, Need, Outcome, Port, Stage};

/// Simulates customers of a shop, what they buy, and the truth about them.
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

    fn needs(&self) -> Vec<Need> {
        Vec::new()
    }

    fn gives(&self) -> Vec<Port> {
        vec![
            Port::table(
                "transactions",
                "One row a purchase, by time: customer, time, amount, channel, category, `is_local`.",
            ),
            Port::table(
                "customers",
                "One row a customer: when they were acquired, and whether they live nearby.",
            ),
            Port::table(
                "truth",
                "What only the simulation knows of each customer: persona, rate, when they were lost.",
            ),
        ]
    }

    fn metrics(&self) -> Vec<MetricName> {
        MetricName::list([
            ("rows", "How many purchases there are."),
            ("customers", "How many customers there are."),
            ("revenue", "The sum of all amounts."),
        ])
    }

    fn check(&self) -> Vec<Mistake> {
        let mut mistakes = self.period_mistakes();
        mistakes.extend(self.persona_mistakes());
        for (category, price) in &self.prices {
            if !(0.001..=1e6).contains(price) {
                let message = format!("`{category}` must be between 0.001 and 1000000, not {price}");
                let mistake = Mistake::new(format!("prices.{category}"), message);
                mistakes.push(mistake.hint("1 is an average price, 2 twice as much"));
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
        let mistakes: Vec<_> = undated.map(|(key, date)| no_date(key, date)).collect();
        if !mistakes.is_empty() {
            return mistakes;
        }
        match self.settings().days {
            0 => {
                let message = format!("`end` {} is before `start` {}", self.end, self.start);
                vec![Mistake::new("end", message).hint("exchange them, or choose a later `end`")]
            }
            days if days > simulate::MOST_DAYS => {
                let mistake = Mistake::new("end", "the period is longer than a hundred years");
                vec![mistake.hint("choose an `end` nearer to `start`")]
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
                    .hint("`custem kinds simulate` says what it does")
            })
            .collect()
    }
}

fn no_date(key: &str, date: &Datetime) -> Mistake {
    Mistake::new(key, format!("`{date}` is no date")).hint("write a day, such as 2025-12-28")
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
    let customers = made.customers.rows();
    let summary = format!("{}, {}", count(made.rows, "row"), plural(customers, "customer"));
    let mut outcome = Outcome::new(summary)
        .metric("rows", made.rows as f64)
        .metric("customers", customers as f64)
        .metric("revenue", made.revenue);
    if made.rows == 0 {
        outcome = outcome.warn("not one order fell into the period");
    }
    outcome.with("transactions", transactions).table("customers", made.customers).table("truth", made.truth)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::data::columns;
    use crate::stage::{Kind, Progress, Stop};

    struct Silent;

    impl Progress for Silent {
        fn progress(&self, _: f64, _: &str) {}
        fn step(&self, _: &str, _: u64, _: f64) {}
    }

    fn within<T>(scratch: &Path, act: impl FnOnce(&Context<'_>) -> T) -> T {
        act(&Context {
            inputs: BTreeMap::new(),
            sources: Vec::new(),
            seed: 3,
            scratch,
            progress: &Silent,
            stop: Stop::never(),
            memos: None,
        })
    }

    fn small() -> Simulate {
        Simulate { customers: 500, ..Simulate::default() }
    }

    fn mistakes(params: &str) -> Vec<(String, String)> {
        let stage: Simulate = toml::from_str(params).unwrap();
        stage.check().into_iter().map(|mistake| (mistake.key, mistake.message)).collect()
    }

    #[test]
    fn three_tables_and_three_metrics() {
        let outcome = within(Path::new("."), |ctx| small().run(ctx)).unwrap();
        let ports: Vec<_> = outcome.artifacts.iter().map(|(port, _)| port.as_str()).collect();
        assert_eq!(ports, ["transactions", "customers", "truth"]);
        let Artifact::Table(table) = &outcome.artifacts[0].1 else { panic!("no table") };
        let amounts = columns::float_vec(&table.to_batch().unwrap(), "amount").unwrap();
        assert_eq!(outcome.metrics["rows"], amounts.len() as f64);
        assert!((outcome.metrics["revenue"] - amounts.iter().sum::<f64>()).abs() < 0.01);
        assert_eq!(outcome.summary, format!("{}, 500 customers", plural(amounts.len(), "row")));
    }

    #[test]
    fn a_file_has_the_bytes_that_memory_would_give() {
        let dir = tempfile::tempdir().unwrap();
        // More than two batches.
        let settings = Simulate { customers: 2_500, ..Simulate::default() }.settings();
        let (memory, file) = within(dir.path(), |ctx| {
            (to_memory(&settings, ctx).unwrap().1, to_file(&settings, ctx).unwrap().1)
        });
        let (Artifact::Table(table), Artifact::File(path)) = (memory, file) else {
            panic!("other artifacts")
        };
        let written = dir.path().join("memory.parquet");
        table.write(&written).unwrap();
        assert_eq!(fs_err::read(written).unwrap(), fs_err::read(path).unwrap());
    }

    #[test]
    fn parameters_survive_being_written_and_read() {
        let text = toml::to_string(&small()).unwrap();
        assert!(text.contains("start = 2023-01-02\nend = 2025-12-28\n"));
        let read: Simulate = toml::from_str(&text).unwrap();
        assert_eq!(toml::to_string(&read).unwrap(), text);
        let kind = Kind::of::<Simulate>();
        assert!(kind.seeded && (kind.build)(toml::from_str(&text).unwrap()).is_ok());
    }

    #[test]
    fn mistakes_point_at_the_parameter() {
        assert_eq!(mistakes(""), []);
        let period = mistakes("start = 2024-05-02\nend = 2024-05-01");
        assert_eq!(period, [("end".into(), "`end` 2024-05-01 is before `start` 2024-05-02".into())]);
        assert_eq!(mistakes("start = 10:00:00")[0].0, "start");
        assert_eq!(mistakes("start = 1800-01-01")[0].1, "the period is longer than a hundred years");
        assert_eq!(mistakes("start = 2025-01-01\nend = 2025-01-01"), []);
        assert_eq!(mistakes("personas = []")[0].0, "personas");
        let persona = mistakes("personas = [{ name = 'a' }, { name = 'b', local = 1.5 }]");
        assert_eq!(persona, [("personas.1.local".into(), "`local` must be between 0 and 1, not 1.5".into())]);
        assert_eq!(mistakes("prices = { tea = 0.0 }")[0].0, "prices.tea");
    }

    #[test]
    fn nobody_ordering_is_a_warning() {
        let rare = "personas = [{ orders_per_week = 0.001, established = 1.0 }]";
        let params = format!("customers = 1\nstart = 2025-01-01\nend = 2025-01-01\n{rare}");
        let stage: Simulate = toml::from_str(&params).unwrap();
        let outcome = within(Path::new("."), |ctx| stage.run(ctx)).unwrap();
        assert_eq!(outcome.summary, "0 rows, 1 customer");
        assert_eq!(outcome.warnings[0].message, "not one order fell into the period");
    }

    /// Other bytes for the same parameters and seed need a new [`Stage::VERSION`].
    #[test]
    fn the_first_version_gave_these_orders() {
        let outcome = within(Path::new("."), |ctx| small().run(ctx)).unwrap();
        let Artifact::Table(table) = &outcome.artifacts[0].1 else { panic!("no table") };
        let rows = table.to_batch().unwrap();
        let mut hasher = blake3::Hasher::new();
        for column in ["customer_id", "txn_timestamp", "amount", "channel", "category", "is_local"] {
            for text in columns::strings(&rows, column).unwrap().iter().flatten() {
                hasher.update(text.as_bytes()).update(b"\n");
            }
        }
        assert_eq!((Simulate::VERSION, &hasher.finalize().to_hex()[..16]), (1, "e4c6c473198d50d0"));
    }
}
