//! The search for segments: one clustering for each `k` to try, and how good it is.
//!
//! Knows points and the parameters of the stage; knows nothing of tables or customers.

use std::collections::BTreeSet;

use anyhow::Result;

use super::Segment;
use super::found::Found;
use crate::diagnostic::plural;
use crate::model::cluster::{
    Algorithm, Error, GaussianMixture, KMeans, Partition, Points, calinski_harabasz, davies_bouldin,
    gaussian_mixture, kmeans, silhouettes_sampled,
};
use crate::stage::{Context, Failure, Outcome};

/// What to do with data that can't be divided.
const TOO_FEW: &str = "segments need several customers who differ: without them leave this stage out";

/// All that was found.
pub(super) struct Tried {
    quality: Quality,
    /// The segments for the chosen `k`.
    pub found: Found,
    /// How good each `k` is, ascending.
    pub qualities: Vec<Quality>,
    /// Different customers, where the scan asked for more segments than that.
    ended: Option<usize>,
    /// The regularisation that was asked for.
    regularisation: f64,
}

/// How good the segments are for one `k`.
#[derive(Clone, Debug)]
pub(super) struct Quality {
    /// Number of segments.
    pub k: usize,
    /// Sum of squared distances to the centres.
    pub inertia: f64,
    /// Mean silhouette, of a sample where there are many customers.
    pub silhouette: Option<f64>,
    /// Davies-Bouldin index.
    pub davies_bouldin: Option<f64>,
    /// Calinski-Harabasz index.
    pub calinski_harabasz: Option<f64>,
    /// How likely a mixture is.
    pub likelihood: Option<Likelihood>,
    converged: bool,
}

/// How likely a mixture is, and what is left of that once its parameters are counted.
#[derive(Clone, Debug)]
pub(super) struct Likelihood {
    pub log_likelihood: f64,
    pub bic: f64,
    pub aic: f64,
    pub icl: f64,
    mean_share: f64,
}

impl Likelihood {
    fn of(found: &Found) -> Option<Self> {
        let Found::Mixture(fit) = found else { return None };
        let mean_share = fit.shares.iter().sum::<f64>() / fit.shares.len() as f64;
        let (bic, aic, icl) = (fit.bic(), fit.aic(), fit.icl());
        Some(Self { log_likelihood: fit.log_likelihood, bic, aic, icl, mean_share })
    }
}

impl Quality {
    /// Reports the measures as curves over `k`.
    fn step(&self, ctx: &Context<'_>) {
        ctx.step("scan_inertia", self.k as u64, self.inertia);
        if let Some(silhouette) = self.silhouette {
            ctx.step("scan_silhouette", self.k as u64, silhouette);
        }
        if let Some(likelihood) = &self.likelihood {
            ctx.step("scan_bic", self.k as u64, likelihood.bic);
        }
    }
}

impl Tried {
    /// The line for the terminal.
    pub fn summary(&self) -> String {
        match self.quality.silhouette {
            Some(silhouette) => format!("k={}, silhouette {silhouette:.3}", self.quality.k),
            None => format!("k={}", self.quality.k),
        }
    }

    /// Adds metrics, and warnings about the search.
    pub fn report(&self, outcome: Outcome) -> Outcome {
        let quality = &self.quality;
        let mut outcome = outcome.metric("k", quality.k as f64).metric("inertia", quality.inertia);
        let measures = [
            ("silhouette", quality.silhouette),
            ("davies_bouldin", quality.davies_bouldin),
            ("calinski_harabasz", quality.calinski_harabasz),
        ];
        for (name, value) in measures {
            outcome = match value {
                Some(value) => outcome.metric(name, value),
                None => outcome
                    .warn_at("k", format!("the {} of these segments is undefined", name.replace('_', "-"))),
            };
        }
        if let Some(likelihood) = &quality.likelihood {
            outcome = outcome
                .metric("log_likelihood", likelihood.log_likelihood)
                .metric("bic", likelihood.bic)
                .metric("aic", likelihood.aic)
                .metric("icl", likelihood.icl)
                .metric("mean_share", likelihood.mean_share);
        }
        outcome = self.found.warn(self.regularisation, outcome);
        if !quality.converged {
            outcome =
                outcome.warn_at("max_iterations", "the best start ended before its segments were stable");
        }
        match self.ended {
            Some(distinct) => outcome
                .warn_at("scan.to", format!("the scan ends at {distinct}: customers differ in no more ways")),
            None => outcome,
        }
    }
}

impl Segment {
    /// Checks that there are at least `k` customers.
    ///
    /// # Errors
    /// When there are fewer.
    pub(super) fn enough(&self, customers: usize) -> Result<(), Failure> {
        if self.k <= customers {
            return Ok(());
        }
        let are = if customers == 1 { "is" } else { "are" };
        let message = format!("`k` is {}, but there {are} only {}", self.k, plural(customers, "customer"));
        let hint = if customers < 3 { TOO_FEW } else { "`k` must be far below the number of customers" };
        Err(Failure::new(message).hint(hint).at("k"))
    }

    /// Clusters for `k` and for every `k` of the scan.
    ///
    /// # Errors
    /// When customers don't differ in `k` ways, or the run was interrupted.
    pub(super) fn try_out(&self, ctx: &Context<'_>, points: &Points) -> Result<Tried> {
        let counts = self.counts();
        let mut clusterings = Vec::new();
        let mut ended = None;
        for (at, k) in counts.iter().enumerate() {
            let clustering = match self.cluster(ctx, points, *k, (at, counts.len())) {
                Err(Error::TooFewDistinct { distinct, .. }) if *k != self.k => {
                    ended = Some(distinct);
                    continue;
                }
                found => found.map_err(|error| explain(ctx, error))?,
            };
            clusterings.push(clustering);
        }
        let qualities = self.judge(ctx, points, &clusterings)?;
        if self.scan.is_some() {
            qualities.iter().for_each(|quality| quality.step(ctx));
        }
        let chosen = qualities.iter().zip(clusterings).find(|(quality, _)| quality.k == self.k);
        let (quality, found) = chosen.ok_or_else(|| Failure::new("`k` was never tried").at("k"))?;
        let (name, curve) = found.curve();
        (1..).zip(curve).for_each(|(step, value)| ctx.step(name, step, *value));
        let regularisation = self.gmm.regularisation;
        Ok(Tried { quality: quality.clone(), found, qualities, ended, regularisation })
    }

    /// Every `k` to try, ascending.
    fn counts(&self) -> Vec<usize> {
        let scanned = self.scan.iter().flat_map(|scan| scan.from..=scan.to);
        scanned.chain([self.k]).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn cluster(
        &self,
        ctx: &Context<'_>,
        points: &Points,
        k: usize,
        (at, of): (usize, usize),
    ) -> Result<Found, Error> {
        let starts = match self.algorithm {
            Algorithm::Kmeans => self.n_init,
            Algorithm::Gmm => self.gmm.n_init,
        };
        let report = |done: usize| {
            let fraction = (at as f64 + done as f64 / starts as f64) / of as f64;
            // Whether to go on is asked by the kernel itself.
            let _ = ctx.progress(fraction, &format!("k = {k}, start {done} of {starts}"));
        };
        let stop = || ctx.alive().is_err();
        if self.algorithm == Algorithm::Gmm {
            let request = mixture_of(self, k, ctx.seed());
            return gaussian_mixture(points, &request, &stop, &report).map(Found::Mixture);
        }
        let config = KMeans {
            k,
            restarts: starts,
            max_iterations: self.max_iterations,
            tolerance: self.tolerance,
            seed: ctx.seed(),
        };
        kmeans(points, &config, &stop, &report).map(Found::Centers)
    }

    fn judge(&self, ctx: &Context<'_>, points: &Points, clusterings: &[Found]) -> Result<Vec<Quality>> {
        let partitions: Vec<Partition> =
            clusterings.iter().map(|clustering| Partition::of(clustering.labels())).collect();
        let sample = self.silhouette_sample;
        let stop = || ctx.alive().is_err();
        let silhouettes = silhouettes_sampled(points, &partitions, sample, ctx.seed(), &stop);
        ctx.alive()?;
        let quality =
            |((clustering, partition), silhouette): ((&Found, &Partition), Result<f64, Error>)| Quality {
                k: clustering.k(),
                inertia: clustering.inertia(points),
                silhouette: silhouette.ok(),
                davies_bouldin: davies_bouldin(points, partition).ok(),
                calinski_harabasz: calinski_harabasz(points, partition).ok(),
                likelihood: Likelihood::of(clustering),
                converged: clustering.converged(),
            };
        Ok(clusterings.iter().zip(&partitions).zip(silhouettes?).map(quality).collect())
    }
}

/// What the kernel could not do, in the user's words.
fn explain(ctx: &Context<'_>, error: Error) -> anyhow::Error {
    match error {
        Error::Stopped => ctx.alive().err().unwrap_or_else(|| error.into()),
        Error::TooFewDistinct { k, distinct } => {
            let message = format!("`k` is {k}, but customers differ in only {}", plural(distinct, "way"));
            let hint =
                if distinct < 2 { TOO_FEW.to_owned() } else { format!("set `k` to at most {distinct}") };
            Failure::new(message).hint(hint).at("k").into()
        }
        other => other.into(),
    }
}

/// What a mixture of `k` segments is asked for.
pub(super) fn mixture_of(stage: &Segment, k: usize, seed: u64) -> GaussianMixture {
    GaussianMixture {
        k,
        covariance: stage.gmm.covariance,
        starts: stage.gmm.n_init,
        init: stage.gmm.init,
        max_iterations: stage.max_iterations,
        tolerance: stage.gmm.tolerance,
        regularisation: stage.gmm.regularisation,
        seed,
    }
}
