//! The kind `sql`: a query over named tables.

use std::collections::BTreeMap;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::relational;
use crate::diagnostic::plural;
use crate::stage::{Context, Failure, Layer, Need, Outcome, Port, PortType, Ref, Stage};

/// Runs a SQL query over named tables (needs a custem built with `--features sql`).
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
        vec![Port::new("rows", PortType::Table)]
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let mut tables = Vec::with_capacity(self.inputs.len());
        for name in self.inputs.keys() {
            tables.push((name.as_str(), ctx.path(&format!("inputs.{name}"))?));
        }
        let rows = relational::query(&self.query, &tables).map_err(|error| match error {
            relational::Error::NotBuilt => Failure::new("this custem was built without SQL")
                .hint("build it with `cargo build --release --features sql`")
                .at("kind"),
            relational::Error::Query(message) => {
                Failure::new(format!("the query fails: {message}")).at("query")
            }
        })?;
        let summary = format!("{} x {}", plural(rows.rows(), "row"), rows.schema().fields().len());
        let count = rows.rows();
        #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
        let metric = count as f64;
        Ok(Outcome::new(summary).table("rows", rows).metric("rows", metric))
    }
}
