//! The kind `assign`: puts customers into the segments that a model of `segment` knows.
//!
//! Knows the model as its file says it; knows nothing of how it was fitted.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::segment::features::{CUSTOMER, by_customer, check_number};
use crate::data::{Table, columns};
use crate::diagnostic::{grouped, plural};
use crate::model::cluster::{Assigned, Centroids};
use crate::stage::{Context, Failure, Layer, MetricName, Need, Outcome, Port, PortType, Ref, Stage};

/// Puts customers into segments that were found before
///
/// Features are prepared exactly as they were when the model was fitted: its medians replace missing values, its
/// logarithms and scales are applied. Segments keep their numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Assign {
    /// Features: a table with `customer_id` and the columns that the model was fitted on.
    pub input: Ref,
    /// The output `model` of a stage of kind `segment`.
    pub model: Ref,
}

impl Stage for Assign {
    const KIND: &'static str = "assign";
    const VERSION: u32 = 1;
    const LAYER: Layer = Layer::Model;

    fn needs(&self) -> Vec<Need> {
        vec![Need::table("input", &self.input), Need::new("model", &self.model, &[PortType::Model])]
    }

    fn gives(&self) -> Vec<Port> {
        vec![
            Port::table(
                "assignments",
                "One row a customer: segment, distance to its centre, and with a mixture its share.",
            ),
            Port::table(
                "sizes",
                "One row a segment: its customers, their share, and its share when the model was fitted.",
            ),
        ]
    }

    fn metrics(&self) -> Vec<MetricName> {
        MetricName::list([
            ("customers", "How many customers there are."),
            ("mean_distance", "Mean distance of customers to the centre of their segment."),
            ("shift", "How far the shares of segments have moved since the model was fitted: from 0 to 1."),
        ])
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let rows = by_customer(&ctx.table("input")?)?;
        let model = read(&ctx.bytes("model")?)?;
        ctx.alive()?;
        for name in model.preparation.names() {
            check_number(&rows, name).map_err(|failure| failure.at("input"))?;
        }
        let points = model.preparation.apply(|name| columns::float_vec(&rows, name))?;
        let assigned = model.assign(&points)?;
        let mut sizes = vec![0; model.centers.len()];
        assigned.labels.iter().for_each(|label| sizes[*label as usize] += 1);
        let shares = Shares::of(&sizes, &model.sizes);
        let customers = rows.num_rows();
        let mean = assigned.distances.iter().sum::<f64>() / customers as f64;
        let summary = format!("{} in {}", plural(customers, "customer"), plural(sizes.len(), "segment"));
        let outcome = warn(Outcome::new(summary), &model, &rows)?
            .metric("customers", customers as f64)
            .metric("mean_distance", mean)
            .metric("shift", shares.shift());
        Ok(outcome.table("assignments", assignments(&rows, &assigned)?).table("sizes", shares.table(&sizes)?))
    }
}

fn read(bytes: &[u8]) -> Result<Centroids> {
    let model: Option<Centroids> = serde_json::from_slice(bytes).ok();
    let fits = |model: &Centroids| {
        !model.centers.is_empty() && model.sizes.len() == model.centers.len() && model.preparation.is_sound()
    };
    model.filter(fits).ok_or_else(|| {
        let failure = Failure::new("this is no model that a stage of kind `segment` has fitted");
        failure.hint("take the output `model` of one: `model = \"segments.model\"`").at("model").into()
    })
}

/// Warns of features that are mostly made up.
fn warn(mut outcome: Outcome, model: &Centroids, rows: &RecordBatch) -> Result<Outcome> {
    for feature in &model.preparation.features {
        let values = columns::float_vec(rows, &feature.name)?;
        let missing = values.iter().filter(|value| feature.misses(**value)).count();
        if 2 * missing > values.len() {
            let (missing, of) = (grouped(missing), plural(values.len(), "customer"));
            let message = format!(
                "`{}` is missing for {missing} of {of}; the median of the model's customers stands in",
                feature.name
            );
            outcome = outcome.warn_at("input", message);
        }
    }
    Ok(outcome)
}

fn assignments(rows: &RecordBatch, assigned: &Assigned) -> Result<Table> {
    let segments = assigned.labels.iter().map(|label| i32::try_from(*label));
    let segments = Int32Array::from(segments.collect::<Result<Vec<_>, _>>()?);
    let mut fields = vec![
        (CUSTOMER, columns::column(rows, CUSTOMER)?.clone()),
        ("segment", Arc::new(segments) as ArrayRef),
        ("distance", Arc::new(Float64Array::from(assigned.distances.clone()))),
    ];
    if let Some(shares) = &assigned.shares {
        fields.push(("share", Arc::new(Float64Array::from(shares.clone()))));
    }
    Ok(Table::from_batch(RecordBatch::try_from_iter(fields)?))
}

/// The shares of segments now and when the model was fitted.
struct Shares {
    now: Vec<f64>,
    fitted: Vec<f64>,
}

impl Shares {
    fn of(now: &[usize], fitted: &[usize]) -> Self {
        let shares = |sizes: &[usize]| {
            let all = sizes.iter().sum::<usize>().max(1) as f64;
            sizes.iter().map(|size| *size as f64 / all).collect()
        };
        Self { now: shares(now), fitted: shares(fitted) }
    }

    fn shift(&self) -> f64 {
        0.5 * self.now.iter().zip(&self.fitted).map(|(now, fitted)| (now - fitted).abs()).sum::<f64>()
    }

    fn table(self, sizes: &[usize]) -> Result<Table> {
        let customers = sizes.iter().map(|size| i64::try_from(*size)).collect::<Result<Vec<_>, _>>()?;
        let batch = RecordBatch::try_from_iter([
            ("segment", Arc::new(Int32Array::from_iter_values(0..i32::try_from(sizes.len())?)) as ArrayRef),
            ("customers", Arc::new(Int64Array::from(customers))),
            ("share", Arc::new(Float64Array::from(self.now))),
            ("fitted_share", Arc::new(Float64Array::from(self.fitted))),
        ])?;
        Ok(Table::from_batch(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::{Shares, read};
    use crate::stage::Failure;

    #[test]
    fn the_shift_by_hand() {
        assert_eq!(Shares::of(&[2, 2], &[10, 10]).shift(), 0.0);
        assert_eq!(Shares::of(&[3, 1], &[1, 3]).shift(), 0.5);
        assert_eq!(Shares::of(&[4, 0], &[0, 9]).shift(), 1.0);
    }

    #[test]
    fn what_is_no_model_is_refused() {
        let sound = r#"{"algorithm":"kmeans","preparation":{"scale":"standard","features":[{"name":"a","log":false,"fill":0.0,"center":0.0,"spread":1.0,"missing":0}],"dropped":[]},"centers":[[1.0]],"sizes":[1]}"#;
        assert_eq!(read(sound.as_bytes()).unwrap().centers, [[1.0]]);
        let flat = sound.replace("\"spread\":1.0", "\"spread\":0.0");
        let short = sound.replace("\"sizes\":[1]", "\"sizes\":[1,2]");
        for text in ["", "{}", "no JSON", flat.as_str(), short.as_str()] {
            let failure = read(text.as_bytes()).unwrap_err().downcast::<Failure>().unwrap();
            assert_eq!(failure.key.as_deref(), Some("model"));
        }
    }
}
