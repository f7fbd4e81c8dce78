//! Queries over tables: the one place that knows DataFusion, behind the cargo feature `sql`.

use std::fmt;
use std::path::PathBuf;

use crate::data::Table;

/// Why a query gave nothing.
#[derive(Debug)]
pub enum Error {
    /// This custem was built without the feature `sql`.
    NotBuilt,
    /// The query is wrong, or a table can't be read.
    Query(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBuilt => f.write_str("built without SQL"),
            Self::Query(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

/// Runs a query over Parquet files by name.
///
/// # Errors
/// When SQL isn't built in, or the query is wrong.
#[cfg(not(feature = "sql"))]
pub fn query(_query: &str, _tables: &[(&str, PathBuf)]) -> Result<Table, Error> {
    Err(Error::NotBuilt)
}

/// Runs a query over Parquet files by name.
///
/// # Errors
/// When the query is wrong or a file can't be read.
#[cfg(feature = "sql")]
pub fn query(query: &str, tables: &[(&str, PathBuf)]) -> Result<Table, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Query(error.to_string()))?;
    runtime.block_on(engine::run(query, tables)).map_err(|error| Error::Query(engine::message(&error)))
}

#[cfg(feature = "sql")]
mod engine {
    //! DataFusion itself: read-only, one partition, rows always in a stated order.

    use std::path::PathBuf;

    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::common::DataFusionError;
    use datafusion::execution::context::SQLOptions;
    use datafusion::logical_expr::LogicalPlan;
    use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext, col};

    use crate::data::Table;

    pub async fn run(query: &str, tables: &[(&str, PathBuf)]) -> Result<Table, DataFusionError> {
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
        if !ordered(frame.logical_plan()) {
            let columns: Vec<_> = frame.schema().columns();
            let sort = columns.into_iter().map(|column| col(column).sort(true, true)).collect();
            frame = frame.sort(sort)?;
        }
        let schema = frame.schema().as_arrow().clone();
        let batches = frame.collect().await?;
        let schema =
            batches.first().map_or_else(|| std::sync::Arc::new(plain(&schema)), |batch| batch.schema());
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

    /// An empty result still has columns that Parquet can hold.
    fn plain(schema: &Schema) -> Schema {
        let field = |field: &std::sync::Arc<Field>| match field.data_type() {
            DataType::Null => Field::new(field.name(), DataType::Utf8, true),
            ty => Field::new(field.name(), ty.clone(), field.is_nullable()),
        };
        Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>())
    }

    /// The innermost message, without the names of DataFusion's layers.
    pub fn message(error: &DataFusionError) -> String {
        error.strip_backtrace().lines().next().unwrap_or_default().to_owned()
    }
}
