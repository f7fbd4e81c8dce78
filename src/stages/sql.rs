//! The kind `sql`: a query over named tables.

use std::collections::BTreeMap;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(feature = "sql")]
use crate::data::relational::query;
use crate::diagnostic::plural;
use crate::stage::{Context, Layer, MetricName, Mistake, Need, Outcome, Port, Ref, Stage};

const NOT_BUILT: &str = "this custem was built without SQL";
const HOW_TO_BUILD: &str = "build it with `cargo build --release --features sql`";

/// Runs a SQL query over named tables (cargo feature `sql`).
///
/// Rows come in the order of the query's `ORDER BY`; without one they are sorted by all columns, so
/// that equal inputs give equal bytes.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sql {
    /// The tables of the query by name.
    pub inputs: BTreeMap<String, Ref>,
    /// The query, in DataFusion's dialect of SQL.
    #[schemars(extend("x-required" = true))]
    pub query: String,
}

impl Stage for Sql {
    const KIND: &'static str = "sql";
    const VERSION: u32 = 1;
    const LAYER: Layer = Layer::Data;

    fn needs(&self) -> Vec<Need> {
        self.inputs.iter().map(|(name, from)| Need::table(format!("inputs.{name}"), from)).collect()
    }

    fn gives(&self) -> Vec<Port> {
        vec![Port::table("rows", "The rows that the query gives.")]
    }

    fn metrics(&self) -> Vec<MetricName> {
        MetricName::list([("rows", "How many rows the query gave.")])
    }

    fn check(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if !cfg!(feature = "sql") {
            mistakes.push(Mistake::new("kind", NOT_BUILT).hint(HOW_TO_BUILD));
        }
        if self.query.trim().is_empty() {
            mistakes.push(
                Mistake::new("query", "the query is empty")
                    .hint("write one, such as `query = \"select * from rows\"`"),
            );
        }
        mistakes
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let mut tables = Vec::with_capacity(self.inputs.len());
        for name in self.inputs.keys() {
            tables.push((name.as_str(), ctx.path(&format!("inputs.{name}"))?));
        }
        let rows = query(&self.query, &tables, &|| ctx.alive())?;
        let summary =
            format!("{} x {}", plural(rows.rows(), "row"), plural(rows.schema().fields().len(), "column"));
        let count = rows.rows();
        #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
        let metric = count as f64;
        Ok(Outcome::new(summary).table("rows", rows).metric("rows", metric))
    }
}

/// Where SQL isn't built in, `check` has refused the stage already.
#[cfg(not(feature = "sql"))]
fn query(
    _query: &str,
    _tables: &[(&str, std::path::PathBuf)],
    _alive: &dyn Fn() -> Result<()>,
) -> Result<crate::data::Table> {
    Err(crate::stage::Failure::new(NOT_BUILT).hint(HOW_TO_BUILD).at("kind").into())
}
