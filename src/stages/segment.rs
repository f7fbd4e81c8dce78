//! The kind `segment`: groups customers by their features.
//!
//! Knows which columns describe a customer; knows nothing of how these were made or of what a
//! segment is called.

pub(super) mod features;
mod found;
mod search;
mod stable;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::features::{CUSTOMER, Features};
use self::found::Found;
use self::search::{Likelihood, Quality};
use self::stable::Stable;
use crate::data::{Table, columns};
use crate::model::cluster::{Algorithm, Centroids, Covariance, Init, Scale};
use crate::stage::{Context, Layer, MetricName, Mistake, Need, Outcome, Port, PortType, Ref, Stage};

/// Groups customers by their features into segments, the largest first
///
/// With `algorithm = "gmm"` customers belong to every segment in part; `distance` is then Mahalanobis' distance, in units
/// of the segment's own spread.
/// Missing values (and infinite ones) are replaced by the median; skewed features without negative
/// values are put on a logarithmic scale; constant features are left out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Segment {
    /// Features: a table with `customer_id` and one numeric column a feature.
    pub input: Ref,
    /// How segments are found.
    pub algorithm: Algorithm,
    /// Number of segments.
    #[schemars(range(min = 2, max = 1000))]
    pub k: usize,
    /// Columns to segment by; when empty, those of `recency_days`, `frequency`, `monetary`,
    /// `mean_amount`, `tenure_days`, `mean_gap_days`, `std_gap_days` and `local_share` that exist.
    pub features: Vec<String>,
    /// How features are made comparable.
    pub scale: Scale,
    /// Starts of k-means from different centres; the one with the lowest inertia wins.
    #[schemars(range(min = 1, max = 10_000))]
    pub n_init: usize,
    /// Steps after which a start ends even if centres still move.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_iterations: usize,
    /// A start of k-means ends when the centres' squared moves sum to less than this share of the features'
    /// mean variance.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub tolerance: f64,
    /// What a Gaussian mixture (`algorithm = "gmm"`) is fitted with.
    pub gmm: Gmm,
    /// Customers among whom the silhouette is computed; exact where there are no more.
    #[schemars(range(min = 10, max = 1_000_000))]
    pub silhouette_sample: usize,
    /// Draws customers anew many times, and lists on the port `stability` how far each segment comes back.
    pub stability: Option<Bootstrap>,
    /// Also tries every `k` of a range and lists how good each one is on the port `selection`.
    pub scan: Option<Scan>,
}

/// How customers are drawn anew.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bootstrap {
    /// Samples, each of as many customers, drawn with replacement.
    #[schemars(range(min = 2, max = 10_000))]
    pub samples: usize,
    /// Starts for each sample.
    #[schemars(range(min = 1, max = 10_000))]
    pub n_init: usize,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { samples: 100, n_init: 2 }
    }
}

/// How a Gaussian mixture is fitted.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gmm {
    /// Which shapes segments may have.
    pub covariance: Covariance,
    /// Starts; the one with the highest likelihood wins, but one with fewer segments without extent goes first.
    #[schemars(range(min = 1, max = 10_000))]
    pub n_init: usize,
    /// Where starts come from.
    pub init: Init,
    /// A start ends when the log-likelihood of a customer grows by less than this.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub tolerance: f64,
    /// Added to every variance, on the scale of the prepared features, so that segments of equal customers keep an extent.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub regularisation: f64,
}

impl Default for Gmm {
    fn default() -> Self {
        let (covariance, init) = (Covariance::Full, Init::Kmeans);
        Self { covariance, n_init: 2, init, tolerance: 1e-4, regularisation: 1e-6 }
    }
}

/// A range of `k`, both ends included.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Scan {
    /// The smallest `k`.
    #[schemars(range(min = 2, max = 1000))]
    pub from: usize,
    /// The largest `k`.
    #[schemars(range(min = 2, max = 1000))]
    pub to: usize,
}

impl Default for Scan {
    fn default() -> Self {
        Self { from: 2, to: 10 }
    }
}

impl Default for Segment {
    fn default() -> Self {
        Self {
            input: Ref::default(),
            algorithm: Algorithm::Kmeans,
            k: 5,
            features: Vec::new(),
            scale: Scale::Standard,
            n_init: 10,
            max_iterations: 300,
            tolerance: 1e-4,
            gmm: Gmm::default(),
            silhouette_sample: 10_000,
            stability: None,
            scan: None,
        }
    }
}

impl Stage for Segment {
    const KIND: &'static str = "segment";
    const VERSION: u32 = 3;
    const LAYER: Layer = Layer::Model;
    const SEEDED: bool = true;

    fn needs(&self) -> Vec<Need> {
        vec![Need::table("input", &self.input)]
    }

    fn gives(&self) -> Vec<Port> {
        vec![
            Port::table("assignments", "One row a customer: segment, and distance to its centre."),
            Port::table(
                "centers",
                "One row a segment: its size, and its centre in the units of the features.",
            ),
            Port::table("selection", "One row for each `k` that was tried, with measures of how good it is."),
            Port::new(
                "model",
                PortType::Model,
                "The centres, and how features are prepared for them, as JSON.",
            ),
            Port::table(
                "memberships",
                "With `algorithm = \"gmm\"` one row a customer: its share in every segment. No rows otherwise.",
            ),
            Port::table(
                "stability",
                "With `stability` one row a segment: how far it comes back when customers are drawn anew. No rows otherwise.",
            ),
        ]
    }

    fn metrics(&self) -> Vec<MetricName> {
        MetricName::list([
            ("k", "How many segments there are."),
            ("inertia", "Sum of squared distances to the centres: smaller is tighter."),
            ("silhouette", "How well segments are apart, from -1 to 1: larger is better."),
            ("davies_bouldin", "Davies-Bouldin index: smaller is better."),
            ("calinski_harabasz", "Calinski-Harabasz index: larger is better."),
            (
                "stability",
                "`stability`: the least mean Jaccard similarity of a segment to what comes back of it, up to 1.",
            ),
            (
                "permuted_stability",
                "`stability`: the same where the features have been shuffled, each by itself.",
            ),
            (
                "bootstrap_agreement",
                "`stability`: mean adjusted Rand index of all pairs of samples, up to 1.",
            ),
            ("log_likelihood", "`gmm`: logarithm of the density of all customers: larger is better."),
            ("bic", "`gmm`: Bayesian information criterion: smaller is better."),
            ("aic", "`gmm`: Akaike's information criterion: smaller is better."),
            (
                "icl",
                "`gmm`: integrated completed likelihood, which prefers segments apart: smaller is better.",
            ),
            ("mean_share", "`gmm`: mean share of customers in their segment: 1 where none is in doubt."),
        ])
    }

    fn check(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if let Some(scan) = self.scan.as_ref().filter(|scan| scan.from > scan.to) {
            let message = format!("`scan.from` is {}, above `scan.to`, which is {}", scan.from, scan.to);
            mistakes.push(Mistake::new("scan.from", message).hint("exchange them"));
        }
        let numbers = [
            ("tolerance", self.tolerance, "its default is 0.0001"),
            ("gmm.tolerance", self.gmm.tolerance, "its default is 0.0001"),
            ("gmm.regularisation", self.gmm.regularisation, "its default is 0.000001"),
        ];
        for (name, _, hint) in numbers.iter().filter(|(_, value, _)| !value.is_finite()) {
            mistakes.push(Mistake::new(*name, format!("`{name}` must be a finite number")).hint(*hint));
        }
        let mut seen = BTreeSet::new();
        for (at, name) in self.features.iter().enumerate() {
            if !seen.insert(name) {
                let mistake = Mistake::new(format!("features.{at}"), format!("`{name}` is listed twice"));
                mistakes.push(mistake.hint("take one of them out"));
            }
        }
        mistakes
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let rows = features::by_customer(&ctx.table("input")?)?;
        self.enough(rows.num_rows())?;
        let features = Features::read(&rows, &self.features)?;
        let preparation = features.preparation(self.scale);
        let points = features.points(&preparation)?;
        let tried = self.try_out(ctx, &points)?;
        let outcome = features.warn(Outcome::new(tried.summary()), &preparation);
        let model = tried.found.model(preparation);
        let outcome = tried.report(outcome);
        let stable = self.stability.as_ref().map(|asked| self.stable(ctx, &points, &tried.found, asked));
        let stable = stable.transpose()?;
        let outcome = stable.iter().fold(outcome, |outcome, stable| stable.report(outcome));
        let outcome = outcome
            .table("assignments", assignments(&rows, &tried.found)?)
            .table("centers", centers(&model)?)
            .table("selection", selection(&tried.qualities)?)
            .bytes("model", serde_json::to_vec_pretty(&model)?);
        let shares = model.mixture.as_ref().map(|mixture| mixture.memberships(&points)).transpose()?;
        Ok(outcome
            .table("memberships", found::memberships(&rows, model.centers.len(), shares.as_deref())?)
            .table("stability", Stable::table(stable.as_ref())?))
    }
}

fn assignments(rows: &RecordBatch, found: &Found) -> Result<Table> {
    let segments = found.labels().iter().map(|label| i32::try_from(*label)).collect::<Result<Vec<_>, _>>()?;
    let mut fields = vec![
        (CUSTOMER, columns::column(rows, CUSTOMER)?.clone()),
        ("segment", Arc::new(Int32Array::from(segments)) as ArrayRef),
        ("distance", Arc::new(Float64Array::from(found.distances().to_vec()))),
    ];
    if let Some(shares) = found.shares() {
        fields.push(("share", Arc::new(Float64Array::from(shares.to_vec()))));
    }
    Ok(Table::from_batch(RecordBatch::try_from_iter(fields)?))
}

fn centers(model: &Centroids) -> Result<Table> {
    let numbers = numbers(model.centers.len())?;
    let sizes = model.sizes.iter().map(|size| i64::try_from(*size)).collect::<Result<Vec<_>, _>>()?;
    let mut fields: Vec<(&str, ArrayRef)> =
        vec![("segment", numbers), ("customers", Arc::new(Int64Array::from(sizes)))];
    let centers = model.in_own_units();
    for (at, name) in model.preparation.names().enumerate() {
        let column: Float64Array = centers.iter().map(|center| center.get(at).copied()).collect();
        fields.push((name, Arc::new(column)));
    }
    Ok(Table::from_batch(RecordBatch::try_from_iter(fields)?))
}

fn numbers(count: usize) -> Result<ArrayRef> {
    Ok(Arc::new(Int32Array::from_iter_values(0..i32::try_from(count)?)))
}

fn selection(qualities: &[Quality]) -> Result<Table> {
    let counts = qualities.iter().map(|quality| i32::try_from(quality.k)).collect::<Result<Vec<_>, _>>()?;
    let column = |of: fn(&Quality) -> Option<f64>| -> ArrayRef {
        Arc::new(qualities.iter().map(of).collect::<Float64Array>())
    };
    let mut fields = vec![
        ("k", Arc::new(Int32Array::from(counts)) as ArrayRef, false),
        ("inertia", column(|quality| Some(quality.inertia)), false),
        ("silhouette", column(|quality| quality.silhouette), true),
        ("davies_bouldin", column(|quality| quality.davies_bouldin), true),
        ("calinski_harabasz", column(|quality| quality.calinski_harabasz), true),
    ];
    if qualities.iter().any(|quality| quality.likelihood.is_some()) {
        let column = |of: fn(&Likelihood) -> f64| -> ArrayRef {
            let values = qualities.iter().map(|quality| quality.likelihood.as_ref().map(of));
            Arc::new(values.collect::<Float64Array>())
        };
        fields.push(("log_likelihood", column(|found| found.log_likelihood), true));
        fields.push(("bic", column(|found| found.bic), true));
        fields.push(("aic", column(|found| found.aic), true));
        fields.push(("icl", column(|found| found.icl), true));
    }
    Ok(Table::from_batch(RecordBatch::try_from_iter_with_nullable(fields)?))
}

#[cfg(test)]
mod tests;
