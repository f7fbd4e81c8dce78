//! All that is measured of a synthetic table.

use anyhow::Result;

use super::Fidelity;
use crate::data::mixed::{Mixed, in_nanoseconds};
use crate::model::fidelity::privacy::{Nearest, Space, closer, exact_matches, idle, quantile};
use crate::model::fidelity::utility::{Task, drawn, tasks, two_sample};
use crate::model::fidelity::{Quality, Thresholds, bootstrapped, quality, shuffled};
use crate::model::mixed::{Column, rows, take};
use crate::stage::{Context, Outcome};

/// Columns of which it is tried how well others predict them.
const TASKS: usize = 8;

/// Rows learnt from among which the nearest is looked for, in samples.
const AMONG: usize = 4;

/// A table's likeness, with the pairs that count and with all pairs.
pub(super) struct Likeness {
    pub counted: Quality,
    pub all: Quality,
}

impl Likeness {
    fn of(real: &[Column], other: &[Column], thresholds: Thresholds) -> Self {
        let none = Thresholds { correlation: 0.0, association: 0.0 };
        Self { counted: quality(real, other, thresholds), all: quality(real, other, none) }
    }

    /// The overall score: of the pairs that count where there are such, else of all.
    pub fn overall(&self) -> f64 {
        if self.counted.trends.is_nan() { self.all.overall() } else { self.counted.overall() }
    }
}

/// Distances of rows to the rows learnt from.
pub(super) struct Privacy {
    /// Of synthetic rows.
    pub synthetic: Nearest,
    /// Of held-out rows, where there are such.
    pub holdout: Option<Nearest>,
    /// The share of synthetic rows nearer to rows learnt from than to held-out ones.
    pub closer: Option<f64>,
    /// The share of synthetic and of held-out rows that are rows learnt from.
    pub matches: (f64, Option<f64>),
}

/// All of it.
pub(super) struct Measured {
    pub synthetic: Likeness,
    pub floor: Likeness,
    pub ceiling: Likeness,
    /// Of synthetic rows, and of shuffled ones.
    pub two_sample: (Option<f64>, Option<f64>),
    pub tasks: Vec<Task>,
    pub privacy: Privacy,
}

impl Measured {
    pub fn of(params: &Fidelity, ctx: &Context<'_>, mixed: &Mixed) -> Result<Self> {
        let (seed, sample) = (ctx.seed(), params.sample);
        let thresholds = Thresholds {
            correlation: params.correlation_threshold,
            association: params.association_threshold,
        };
        let exact = in_nanoseconds(mixed);
        let (real, made) = (&exact[0], &exact[1]);
        let shuffle = shuffled(real, seed);
        ctx.progress(0.05, "column shapes and pair trends")?;
        let synthetic = Likeness::of(real, made, thresholds);
        ctx.alive()?;
        let floor = Likeness::of(real, &shuffle, thresholds);
        ctx.alive()?;
        let ceiling = Likeness::of(real, &bootstrapped(real, rows(made), seed), thresholds);
        ctx.progress(0.3, "telling rows apart")?;
        let two = (two_sample(real, made, sample, seed), two_sample(real, &shuffle, sample, seed));
        ctx.progress(0.5, "learning from synthetic rows")?;
        let tasks = usefulness(&exact, sample, seed);
        ctx.progress(0.7, "distances to rows learnt from")?;
        let privacy = Privacy::of(&mixed.tables, sample, seed, ctx)?;
        Ok(Self { synthetic, floor, ceiling, two_sample: two, tasks, privacy })
    }

    /// Where the overall score lies between floor and ceiling; NaN where these are equal.
    pub fn position(&self) -> f64 {
        let (floor, ceiling) = (self.floor.overall(), self.ceiling.overall());
        if ceiling - floor < 1e-3 { f64::NAN } else { (self.synthetic.overall() - floor) / (ceiling - floor) }
    }

    /// The mean AUC learnt from synthetic rows over that learnt from real ones; NaN where nothing is predictable.
    pub fn utility(&self) -> f64 {
        let sum = |of: fn(&Task) -> f64| self.tasks.iter().map(of).sum::<f64>();
        sum(|task| task.synthetic) / sum(|task| task.real)
    }

    pub fn metrics(&self, outcome: Outcome) -> Outcome {
        let (counted, all) = (&self.synthetic.counted, &self.synthetic.all);
        let privacy = &self.privacy;
        let median = |values: &[f64]| quantile(values, 0.5);
        let holdout = |of: fn(&Nearest) -> &Vec<f64>| {
            privacy.holdout.as_ref().map_or(f64::NAN, |nearest| quantile(of(nearest), 0.5))
        };
        let values = [
            ("column_shapes", counted.shapes),
            ("pair_trends", counted.trends),
            ("pair_trends_all", all.trends),
            ("overall", counted.overall()),
            ("overall_all", all.overall()),
            ("floor", self.floor.overall()),
            ("ceiling", self.ceiling.overall()),
            ("position", self.position()),
            ("two_sample_auc", self.two_sample.0.unwrap_or(f64::NAN)),
            ("utility_ratio", self.utility()),
            ("closer_to_train", privacy.closer.unwrap_or(f64::NAN)),
            ("distance", median(&privacy.synthetic.first)),
            ("distance_holdout", holdout(|nearest| &nearest.first)),
            ("neighbour_ratio", median(&privacy.synthetic.ratio)),
            ("neighbour_ratio_holdout", holdout(|nearest| &nearest.ratio)),
            ("exact_matches", privacy.matches.0),
            ("exact_matches_holdout", privacy.matches.1.unwrap_or(f64::NAN)),
        ];
        values.into_iter().fold(outcome, |outcome, (name, value)| outcome.metric(name, value))
    }
}

/// Trains on real and on synthetic rows, and tests on held-out ones, or on a third of the real rows where none are.
fn usefulness(tables: &[Vec<Column>], sample: usize, seed: u64) -> Vec<Task> {
    let (real, made) = (&tables[0], &tables[1]);
    let order = drawn(rows(real), sample, seed, "fidelity usefulness");
    let (train, test) = match tables.get(2) {
        Some(holdout) => {
            (take(real, &order), take(holdout, &drawn(rows(holdout), sample, seed, "fidelity test")))
        }
        None => (take(real, &order[order.len() / 3..]), take(real, &order[..order.len() / 3])),
    };
    let columns: Vec<usize> = (0..real.len()).filter(|at| !idle(&real[*at])).take(TASKS).collect();
    if rows(&test) == 0 { Vec::new() } else { tasks(&train, &test, made, &columns, seed) }
}

impl Privacy {
    fn of(tables: &[Vec<Column>], sample: usize, seed: u64, ctx: &Context<'_>) -> Result<Self> {
        let (real, made, holdout) = (&tables[0], &tables[1], tables.get(2));
        let space = Space::of(real);
        let some =
            |table: &[Column], most, purpose| space.points(table, &drawn(rows(table), most, seed, purpose));
        let train = some(real, AMONG * sample, "fidelity train");
        let synthetic = some(made, sample, "fidelity synthetic");
        let nearest = space.nearest(&synthetic, &train);
        ctx.alive()?;
        let (mut held, mut share) = (None, None);
        if let Some(holdout) = holdout {
            let most = AMONG * sample;
            let points = some(holdout, most, "fidelity holdout");
            // As many rows learnt from as held out, so that chance alone gives a half.
            let as_many = some(real, rows(holdout).min(most), "fidelity train");
            share = Some(closer(&space.nearest(&synthetic, &as_many), &space.nearest(&synthetic, &points)));
            ctx.alive()?;
            held = Some(space.nearest(&some(holdout, sample, "fidelity holdout"), &train));
        }
        ctx.alive()?;
        let matches = (exact_matches(made, real), holdout.map(|holdout| exact_matches(holdout, real)));
        Ok(Self { synthetic: nearest, holdout: held, closer: share, matches })
    }
}
