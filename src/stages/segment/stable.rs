//! Whether segments come back when customers are drawn anew, and whether shuffled features give segments as stable.
//!
//! Knows labels and the parameters of the stage; knows nothing of customers.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};

use super::found::Found;
use super::search::mixture_of;
use super::{Bootstrap, Segment};
use crate::data::Table;
use crate::model::cluster::{
    Algorithm, Error, GaussianMixture, KMeans, Points, Stability, gaussian_mixture, kmeans, permuted,
    stability,
};
use crate::stage::{Context, Outcome};

/// The least mean Jaccard similarity of a segment that is there.
const VALID: f64 = 0.75;

/// What the samples told.
pub(super) struct Stable {
    sizes: Vec<usize>,
    found: Stability,
    /// The same of customers with shuffled features.
    permuted: Stability,
}

impl Segment {
    /// Draws customers anew and segments them, and those with shuffled features, too.
    ///
    /// # Errors
    /// When the run was interrupted, or shuffled customers can't be segmented.
    pub(super) fn stable(
        &self,
        ctx: &Context<'_>,
        points: &Points,
        found: &Found,
        asked: &Bootstrap,
    ) -> Result<Stable> {
        let stop = || ctx.alive().is_err();
        let clusterer = |sample: &Points, all: &Points, seed: u64| match self.algorithm {
            Algorithm::Kmeans => {
                let (k, restarts) = (self.k, asked.n_init);
                let (max_iterations, tolerance) = (self.max_iterations, self.tolerance);
                kmeans(sample, &KMeans { k, restarts, max_iterations, tolerance, seed }, &stop, &|_| ())?
                    .assign(all)
            }
            Algorithm::Gmm => {
                let request =
                    GaussianMixture { starts: asked.n_init, seed, ..mixture_of(self, self.k, seed) };
                Ok(gaussian_mixture(sample, &request, &stop, &|_| ())?.mixture.assign(all)?.labels)
            }
        };
        let draw = |points: &Points, labels: &[u32]| -> Result<Stability, Error> {
            stability(points, labels, asked.samples, ctx.seed(), &clusterer, &stop)
        };
        let both = || -> Result<(Stability, Stability), Error> {
            let _ = ctx.progress(1.0, "drawing customers anew");
            let found = draw(points, found.labels())?;
            let shuffled = permuted(points, ctx.seed())?;
            let labels = clusterer(&shuffled, &shuffled, ctx.seed())?;
            Ok((found, draw(&shuffled, &labels)?))
        };
        let told = both();
        ctx.alive()?;
        let (stable, permuted) = told?;
        let mut sizes = vec![0; stable.jaccard.len()];
        found.labels().iter().for_each(|label| sizes[*label as usize] += 1);
        Ok(Stable { sizes, found: stable, permuted })
    }
}

impl Stable {
    /// Adds metrics, and a warning where segments don't come back.
    pub fn report(&self, outcome: Outcome) -> Outcome {
        let least = |stability: &Stability| stability.jaccard.iter().copied().fold(1.0, f64::min);
        let (own, shuffled) = (least(&self.found), least(&self.permuted));
        let mut outcome = outcome.metric("stability", own).metric("permuted_stability", shuffled);
        if let Some(agreement) = self.found.agreement {
            outcome = outcome.metric("bootstrap_agreement", agreement);
        }
        let (count, k) =
            (self.found.jaccard.iter().filter(|jaccard| **jaccard >= VALID).count(), self.sizes.len());
        let told = if count < k {
            format!("no stable structure: {count} of {k} segments come back when customers are drawn anew")
        } else if shuffled >= own {
            "no stable structure: customers with shuffled features give segments that are as stable"
                .to_owned()
        } else {
            return outcome;
        };
        outcome.warn_at("k", told)
    }

    /// One row a segment; none where nobody asked.
    ///
    /// # Errors
    /// When there are more segments or customers than a table can count.
    pub fn table(stable: Option<&Self>) -> Result<Table> {
        let none =
            Stability { jaccard: Vec::new(), dissolved: Vec::new(), recovered: Vec::new(), agreement: None };
        let (sizes, found) =
            stable.map_or((&[][..], &none), |stable| (stable.sizes.as_slice(), &stable.found));
        let counts = |counts: &[usize]| -> Result<ArrayRef> {
            let counts = counts.iter().map(|count| i64::try_from(*count)).collect::<Result<Vec<_>, _>>()?;
            Ok(Arc::new(Int64Array::from(counts)))
        };
        let verdicts = found.jaccard.iter().map(|jaccard| verdict(*jaccard));
        let batch = RecordBatch::try_from_iter([
            ("segment", Arc::new(Int32Array::from_iter_values(0..i32::try_from(sizes.len())?)) as ArrayRef),
            ("customers", counts(sizes)?),
            ("jaccard", Arc::new(Float64Array::from(found.jaccard.clone()))),
            ("dissolved", counts(&found.dissolved)?),
            ("recovered", counts(&found.recovered)?),
            ("verdict", Arc::new(StringArray::from_iter_values(verdicts))),
        ])?;
        Ok(Table::from_batch(batch))
    }
}

/// Hennig's reading of a mean Jaccard similarity.
fn verdict(jaccard: f64) -> &'static str {
    match jaccard {
        jaccard if jaccard >= 0.85 => "highly stable",
        jaccard if jaccard >= VALID => "stable",
        jaccard if jaccard >= 0.6 => "a pattern only",
        jaccard if jaccard > 0.5 => "doubtful",
        _ => "dissolved",
    }
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn as_hennig_reads_it() {
        let told = [0.9, 0.85, 0.75, 0.7, 0.55, 0.5, 0.0].map(verdict);
        let wanted = [
            "highly stable",
            "highly stable",
            "stable",
            "a pattern only",
            "doubtful",
            "dissolved",
            "dissolved",
        ];
        assert_eq!(told, wanted);
    }
}
