//! Tables with a row a customer: their rows by id, and which segment each belongs to.
//!
//! Knows no pages.

use anyhow::Result;
use arrow::array::{Array, RecordBatch, StringArray};
use hashbrown::HashMap;

use crate::data::Table;
use crate::data::columns::{column, strings};

/// Batches with the customer of each row; the ids are kept beside them because maps borrow them.
pub type Rows = Vec<(StringArray, RecordBatch)>;

/// The batches of a table that has some columns; none where it lacks one of them.
pub fn rows(table: Option<&Table>, needed: &[&str]) -> Result<Rows> {
    let Some(table) = table.filter(|table| needed.iter().all(|column| table.has(column))) else {
        return Ok(Vec::new());
    };
    let with_ids = |batch: Result<RecordBatch>| {
        let batch = batch?;
        Ok((strings(&batch, "customer_id")?, batch))
    };
    table.batches()?.map(with_ids).collect()
}

/// The place of each row's segment among labels with their names.
pub fn places(batch: &RecordBatch, names: &[(String, String)]) -> Result<Vec<Option<usize>>> {
    let numbered = column(batch, "segment")?.data_type().is_integer();
    let segments = strings(batch, "segment")?;
    let mut seen: HashMap<&str, Option<usize>> = HashMap::new();
    let find = |text: &str| {
        let label = if numbered { format!("segment {text}") } else { text.to_owned() };
        names.iter().position(|(known, _)| *known == label)
    };
    let mut places = Vec::with_capacity(segments.len());
    for text in &segments {
        places.push(text.and_then(|text| *seen.entry(text).or_insert_with(|| find(text))));
    }
    Ok(places)
}
