//! Queries over tables: the one place that knows DataFusion, behind the cargo feature `sql`.
//!
//! Read-only, one partition, rows always in a stated order, nothing that depends on the clock or on chance:
//! equal inputs give equal bytes.

use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::pin;
use std::task::Poll;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext, col};

use crate::data::Table;
use crate::diagnostic::Failure;

/// Whether to go on: why not, where it is to stop.
type Alive<'a> = &'a dyn Fn() -> anyhow::Result<()>;

/// Runs a query over Parquet files by name.
///
/// # Errors
/// When the query is wrong, a file can't be read, or `alive` says so.
pub fn query(query: &str, tables: &[(&str, PathBuf)], alive: Alive<'_>) -> anyhow::Result<Table> {
    let fails = |message: String| Failure::new(format!("the query fails: {message}")).at("query");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| fails(error.to_string()))?;
    let answer = runtime.block_on(while_alive(run(query, tables), alive))?;
    answer.map_err(|error| fails(message(&error)).into())
}

/// Waits for work that lets others have their turn now and then: `alive` is asked before each of its own.
async fn while_alive<T>(work: impl Future<Output = T>, alive: Alive<'_>) -> anyhow::Result<T> {
    let mut work = pin!(work);
    poll_fn(|context| match alive() {
        Ok(()) => work.as_mut().poll(context).map(Ok),
        Err(error) => Poll::Ready(Err(error)),
    })
    .await
}

async fn run(query: &str, tables: &[(&str, PathBuf)]) -> Result<Table, DataFusionError> {
    // One partition keeps float sums in row order, so results don't depend on the core count.
    let mut config = SessionConfig::new().with_target_partitions(1);
    config.options_mut().execution.parquet.schema_force_view_types = false;
    let context = SessionContext::new_with_config(config);
    for (name, path) in tables {
        let options = ParquetReadOptions::default().file_extension("");
        context.register_parquet(format!("\"{name}\""), path.to_string_lossy(), options).await?;
    }
    let read_only =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let mut frame = context.sql_with_options(query, read_only).await?;
    if let Some(name) = unsteady(frame.logical_plan())? {
        let message = format!("`{name}` gives another value each time, so its result can't be kept");
        return Err(DataFusionError::Plan(message));
    }
    if !ordered(frame.logical_plan()) {
        let columns: Vec<_> = frame.schema().columns();
        let sort = columns.into_iter().map(|column| col(column).sort(true, true)).collect();
        frame = frame.sort(sort)?;
    }
    let schema = frame.schema().as_arrow().clone();
    let batches = frame.collect().await?;
    let schema = batches.first().map_or_else(|| std::sync::Arc::new(plain(&schema)), |batch| batch.schema());
    Ok(Table::from_batches(schema, batches))
}

fn ordered(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Limit(limit) => ordered(&limit.input),
        LogicalPlan::Projection(projection) => ordered(&projection.input),
        _ => false,
    }
}

/// A function in the query whose value depends on the clock or on chance.
fn unsteady(plan: &LogicalPlan) -> Result<Option<String>, DataFusionError> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| match part {
                Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
                    found = Some(call.func.name().to_owned());
                    Ok(TreeNodeRecursion::Stop)
                }
                _ => Ok(TreeNodeRecursion::Continue),
            })
        })
    })?;
    Ok(found)
}

/// An empty result still has columns that Parquet can hold.
fn plain(schema: &Schema) -> Schema {
    let field = |field: &std::sync::Arc<Field>| match field.data_type() {
        DataType::Null => Field::new(field.name(), DataType::Utf8, true),
        ty => Field::new(field.name(), ty.clone(), field.is_nullable()),
    };
    Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>())
}

/// The innermost message, without the names of DataFusion's layers.
fn message(error: &DataFusionError) -> String {
    error.strip_backtrace().lines().next().unwrap_or_default().to_owned()
}
