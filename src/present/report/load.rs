//! The tables of a report in memory, each read once, with customers' ids as text.
//!
//! Knows which columns the sections look at, not what they say.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use rayon::prelude::*;

use super::{Inputs, Misfit, of};
use crate::data::Table;

/// The column that sections join by.
const ID: &str = "customer_id";

/// The features that sections look at; a table of features may have many more.
const FEATURES: [&str; 7] =
    [ID, "recency_days", "frequency", "monetary", "mean_amount", "tenure_days", "returns"];

impl Inputs {
    /// The same inputs, read into memory in parallel.
    ///
    /// # Errors
    /// When a table can't be read: the first of them in the order of the fields.
    pub(super) fn loaded(&self) -> Result<Self, Misfit> {
        let mut loaded = self.clone();
        let read = |(name, table): (&'static str, &mut Option<Table>)| match table {
            Some(whole) => load(name, whole).map(|read| *table = Some(read)).map_err(of(name)),
            None => Ok(()),
        };
        let done: Vec<Result<(), Misfit>> = loaded.tables().into_par_iter().map(read).collect();
        done.into_iter().collect::<Result<(), Misfit>>()?;
        Ok(loaded)
    }

    /// Every table with its name.
    pub(super) fn tables(&mut self) -> [(&'static str, &mut Option<Table>); 18] {
        [
            ("quality", &mut self.quality),
            ("features", &mut self.features),
            ("selection", &mut self.selection),
            ("segments", &mut self.segments),
            ("profile", &mut self.profile),
            ("differences", &mut self.differences),
            ("series", &mut self.series),
            ("forecast", &mut self.forecast),
            ("backtest", &mut self.backtest),
            ("scores", &mut self.scores),
            ("churn", &mut self.churn),
            ("churn_models", &mut self.churn_models),
            ("importance", &mut self.importance),
            ("reliability", &mut self.reliability),
            ("value", &mut self.value),
            ("value_models", &mut self.value_models),
            ("value_verdicts", &mut self.value_verdicts),
            ("leaderboard", &mut self.leaderboard),
        ]
    }
}

fn load(name: &str, table: &Table) -> Result<Table> {
    let known: Vec<&str> = FEATURES.into_iter().filter(|column| table.has(column)).collect();
    let batches =
        if name == "features" && !known.is_empty() { table.select(&known)? } else { table.batches()? };
    let batches = batches.map(|batch| with_text_ids(&batch?)).collect::<Result<Vec<_>>>()?;
    // Without a row there is no batch that has the schema.
    Ok(match (batches.first().map(RecordBatch::schema), table.note()) {
        (Some(schema), Some(note)) => Table::from_batches(schema, batches).with_note(note.to_owned()),
        (Some(schema), None) => Table::from_batches(schema, batches),
        (None, _) => table.clone(),
    })
}

/// The batch with the customers' ids as text, where they have a text form.
fn with_text_ids(batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema_ref();
    let Some((index, field)) = schema.column_with_name(ID) else { return Ok(batch.clone()) };
    let Ok(ids) = cast(batch.column(index), &DataType::Utf8) else { return Ok(batch.clone()) };
    let mut columns = batch.columns().to_vec();
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    if let (Some(column), Some(place)) = (columns.get_mut(index), fields.get_mut(index)) {
        *column = ids;
        *place = Arc::new(Field::new(ID, DataType::Utf8, field.is_nullable()));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
