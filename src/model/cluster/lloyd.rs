//! Lloyd's iteration with exact triangle-inequality pruning; it does not know where it starts.
//!
//! Hamerly's bounds: for every row, `upper` is at least its distance to its own centre and `lower`
//! at most its distance to any other. As long as `upper < max(lower, half the distance from its
//! centre to the next one)`, no other centre can be nearer and the row needs no distances at all.
//! Hamerly, "Making k-means even faster" (2010).

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::Points;
use super::chunks::chunk_rows;
use super::distance::{Panel, squared};
use super::totals::Totals;

/// Rounding that the bounds may have gathered, in units of the largest coordinate.
const SLACK: f64 = 1e-12;

/// Attempts to end without an empty cluster; only equal rows can make all of them fail.
const ROUNDS: usize = 10;

/// Centres and the assignment of every row to its nearest one.
pub(super) struct Lloyd<'a> {
    points: &'a Points,
    chunk: usize,
    centers: Vec<f64>,
    labels: Vec<u32>,
    upper: Vec<f64>,
    lower: Vec<f64>,
    totals: Totals,
    bounds: Vec<Bounds>,
    slack: f64,
}

/// What moving the centres does to the bounds of the rows of one cluster.
#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    /// How far its own centre has moved.
    own: f64,
    /// How far any other centre has moved at most.
    others: f64,
    /// Half the distance to the nearest other centre.
    half: f64,
}

/// A finished assignment.
pub(super) struct Settled {
    /// The centres with their padding, one after the other.
    pub centers: Vec<f64>,
    /// The nearest centre of every row; the first one among equals.
    pub labels: Vec<u32>,
    /// The distance of every row to it.
    pub distances: Vec<f64>,
    /// Sum of the squared distances.
    pub inertia: f64,
}

impl<'a> Lloyd<'a> {
    /// Assigns every row to the nearest of the centres, given with their padding.
    pub fn start(points: &'a Points, centers: Vec<f64>) -> Self {
        let (rows, stride) = (points.rows(), points.stride());
        let k = centers.len() / stride;
        let mut lloyd = Self {
            points,
            chunk: chunk_rows(rows),
            centers,
            labels: vec![0; rows],
            upper: vec![0.0; rows],
            lower: vec![0.0; rows],
            totals: Totals::none(k, stride),
            bounds: vec![Bounds::default(); k],
            slack: SLACK * points.reach() * (points.features() as f64).sqrt(),
        };
        lloyd.assign();
        lloyd.totals = Totals::of(points, &lloyd.labels, k);
        lloyd
    }

    /// Moves every centre to the mean of its rows and returns the sum of the squared distances
    /// moved. An empty cluster takes the row that is farthest from its centre.
    pub fn update(&mut self) -> f64 {
        if self.totals.sizes().contains(&0) {
            self.fill_empty();
        }
        self.move_centers()
    }

    /// The sum of squared distances of rows to the means of their clusters, from the sum of all squares: right
    /// after an update, without looking at a row.
    pub fn inertia(&self, squares: f64) -> f64 {
        (squares - self.totals.explained()).max(0.0)
    }

    /// Assigns every row to its nearest centre and returns how many changed cluster.
    pub fn reassign(&mut self) -> usize {
        let stride = self.points.stride();
        let (centers, bounds, slack) = (&self.centers, &self.bounds, self.slack);
        let panel = panel(self.points, centers);
        let work = Work { centers, panel: &panel, bounds, slack, stride };
        let arch = Arch::new();
        let moves: Vec<Option<Moves>> = self
            .points
            .values()
            .par_chunks(self.chunk * stride)
            .zip(self.labels.par_chunks_mut(self.chunk))
            .zip(self.upper.par_chunks_mut(self.chunk))
            .zip(self.lower.par_chunks_mut(self.chunk))
            .map(|(((rows, labels), upper), lower)| {
                arch.dispatch(Reassigning { work: &work, chunk: Chunk { rows, labels, upper, lower } })
            })
            .collect();
        let mut count = 0;
        for moves in moves.iter().flatten() {
            self.totals.merge(&moves.change);
            count += moves.count;
        }
        count
    }

    /// Ends with centres that are means summed anew, free of the rounding of running totals, and
    /// with the nearest of them for every row.
    pub fn settle(mut self) -> Settled {
        let mut inertia = 0.0;
        // A second round only where the first one emptied a cluster.
        for _ in 0..ROUNDS {
            self.totals = Totals::of(self.points, &self.labels, self.bounds.len());
            self.update();
            inertia = self.assign();
            if !self.has_empty() {
                break;
            }
        }
        Settled { centers: self.centers, labels: self.labels, distances: self.upper, inertia }
    }

    /// Finds the nearest centre of every row without pruning; returns the sum of squared distances.
    fn assign(&mut self) -> f64 {
        let stride = self.points.stride();
        let (panel, arch) = (panel(self.points, &self.centers), Arch::new());
        let inertia: Vec<f64> = self
            .points
            .values()
            .par_chunks(self.chunk * stride)
            .zip(self.labels.par_chunks_mut(self.chunk))
            .zip(self.upper.par_chunks_mut(self.chunk))
            .zip(self.lower.par_chunks_mut(self.chunk))
            .map(|(((rows, labels), upper), lower)| {
                arch.dispatch(Assigning { panel: &panel, chunk: Chunk { rows, labels, upper, lower } })
            })
            .collect();
        inertia.iter().sum()
    }

    fn has_empty(&self) -> bool {
        let mut sizes = vec![0_usize; self.bounds.len()];
        for label in &self.labels {
            sizes[*label as usize] += 1;
        }
        sizes.contains(&0)
    }

    fn move_centers(&mut self) -> f64 {
        let stride = self.points.stride();
        let mut moved = vec![0.0; self.bounds.len()];
        let centers = self.centers.chunks_exact_mut(stride);
        for ((center, mean), moved) in centers.zip(self.totals.means()).zip(&mut moved) {
            if let Some(mean) = mean {
                *moved = squared(center, &mean);
                center.copy_from_slice(&mean);
            }
        }
        let total = moved.iter().sum();
        let moved: Vec<f64> = moved.into_iter().map(f64::sqrt).collect();
        self.bounds = bounds(&moved, &half_gaps(&self.centers, stride));
        total
    }

    /// Gives each empty cluster the row farthest from its centre, among clusters with more than one
    /// row, and forgets all bounds, which no longer hold.
    fn fill_empty(&mut self) {
        let k = self.bounds.len();
        for empty in 0..k {
            if self.totals.sizes()[empty] != 0 {
                continue;
            }
            let Some(row) = self.farthest() else { continue };
            let values = self.points.padded(row);
            self.totals.remove(self.labels[row] as usize, values);
            self.totals.insert(empty, values);
            self.labels[row] = empty as u32;
        }
        self.totals = Totals::of(self.points, &self.labels, k);
        self.upper.fill(f64::INFINITY);
        self.lower.fill(0.0);
    }

    /// The row farthest from its centre, the first one among equals; none where all are at their centres.
    fn farthest(&self) -> Option<usize> {
        let (stride, sizes) = (self.points.stride(), self.totals.sizes());
        let mut best = (None, 0.0);
        for (row, label) in self.labels.iter().enumerate() {
            let label = *label as usize;
            let center = &self.centers[label * stride..][..stride];
            let distance = squared(self.points.padded(row), center);
            if sizes[label] > 1 && distance > best.1 {
                best = (Some(row), distance);
            }
        }
        best.0
    }
}

/// Some rows with what is known of them.
struct Chunk<'a> {
    rows: &'a [f64],
    labels: &'a mut [u32],
    upper: &'a mut [f64],
    lower: &'a mut [f64],
}

/// Finds the nearest centre of every row of a chunk; gives the sum of squared distances.
struct Assigning<'a> {
    panel: &'a Panel,
    chunk: Chunk<'a>,
}

impl WithSimd for Assigning<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let Chunk { rows, labels, upper, lower } = self.chunk;
        let rows = rows.chunks_exact(rows.len() / labels.len());
        let mut inertia = 0.0;
        for (((row, label), upper), lower) in rows.zip(labels).zip(upper).zip(lower) {
            let nearest = self.panel.nearest(row);
            *label = nearest.center;
            (*upper, *lower) = (nearest.first.sqrt(), nearest.second.sqrt());
            inertia += nearest.first;
        }
        inertia
    }
}

fn panel(points: &Points, centers: &[f64]) -> Panel {
    Panel::new(points.features(), centers.chunks_exact(points.stride()))
}

/// Half the distance from each centre to the nearest other one; infinite for a single centre.
fn half_gaps(centers: &[f64], stride: usize) -> Vec<f64> {
    let gap = |at: usize| {
        let own = &centers[at * stride..][..stride];
        let others = centers.chunks_exact(stride).enumerate().filter(|(other, _)| *other != at);
        let gap = others.map(|(_, other)| squared(own, other)).fold(f64::INFINITY, f64::min);
        gap.sqrt() / 2.0
    };
    (0..centers.len() / stride).into_par_iter().with_min_len(64).map(gap).collect()
}

fn bounds(moved: &[f64], half_gaps: &[f64]) -> Vec<Bounds> {
    let (mut first, mut second, mut at) = (0.0, 0.0, 0);
    for (center, distance) in moved.iter().enumerate() {
        if *distance > first {
            (second, first, at) = (first, *distance, center);
        } else if *distance > second {
            second = *distance;
        }
    }
    let each = moved.iter().zip(half_gaps).enumerate();
    each.map(|(center, (own, half))| Bounds {
        own: *own,
        others: if center == at { second } else { first },
        half: *half,
    })
    .collect()
}

/// Rows of a chunk that changed cluster.
struct Moves {
    count: usize,
    change: Totals,
}

/// What all chunks share while rows are assigned anew.
struct Work<'a> {
    centers: &'a [f64],
    panel: &'a Panel,
    bounds: &'a [Bounds],
    slack: f64,
    stride: usize,
}

/// Assigns the rows of a chunk anew.
struct Reassigning<'a> {
    work: &'a Work<'a>,
    chunk: Chunk<'a>,
}

impl WithSimd for Reassigning<'_> {
    type Output = Option<Moves>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Option<Moves> {
        self.work.reassign(self.chunk)
    }
}

impl Work<'_> {
    #[inline(always)]
    fn reassign(&self, Chunk { rows, labels, upper, lower }: Chunk<'_>) -> Option<Moves> {
        let mut moves: Option<Moves> = None;
        for at in self.open(labels, upper, lower) {
            let row = &rows[at * self.stride..][..self.stride];
            let own = labels[at] as usize;
            upper[at] = squared(row, &self.centers[own * self.stride..][..self.stride]).sqrt();
            if upper[at] < self.safe(own, lower[at]) {
                continue;
            }
            let nearest = self.panel.nearest(row);
            (upper[at], lower[at]) = (nearest.first.sqrt(), nearest.second.sqrt());
            if nearest.center != labels[at] {
                let moves = moves.get_or_insert_with(|| self.no_moves());
                moves.count += 1;
                moves.change.remove(own, row);
                moves.change.insert(nearest.center as usize, row);
                labels[at] = nearest.center;
            }
        }
        moves
    }

    /// Moves the bounds with the centres and lists the rows that they leave open, without a branch
    /// that depends on the row.
    #[inline(always)]
    fn open(&self, labels: &[u32], upper: &mut [f64], lower: &mut [f64]) -> Vec<usize> {
        let mut open = vec![0; labels.len()];
        let mut count = 0;
        for (at, ((label, upper), lower)) in labels.iter().zip(upper).zip(lower).enumerate() {
            let own = *label as usize;
            *upper += self.bounds[own].own;
            *lower -= self.bounds[own].others;
            open[count] = at;
            count += usize::from(*upper >= self.safe(own, *lower));
        }
        open.truncate(count);
        open
    }

    /// A row nearer than this to its own centre is nearest to it.
    #[inline(always)]
    fn safe(&self, own: usize, lower: f64) -> f64 {
        let half = self.bounds[own].half;
        if lower < half { half - self.slack } else { lower - self.slack }
    }

    fn no_moves(&self) -> Moves {
        Moves { count: 0, change: Totals::none(self.bounds.len(), self.stride) }
    }
}

#[cfg(test)]
mod tests {
    use super::Lloyd;
    use crate::model::cluster::Points;
    use crate::model::cluster::draw::unit;
    use crate::model::random::Streams;

    fn cloud(rows: usize, features: usize, seed: u64) -> Points {
        let mut rng = Streams::new(seed, "cloud").of(0);
        let values: Vec<f64> = (0..rows * features).map(|_| unit(&mut rng) + unit(&mut rng)).collect();
        Points::from_rows(features, &values).unwrap()
    }

    fn start(points: &Points, k: usize) -> Lloyd<'_> {
        let centers = (0..k).flat_map(|row| points.padded(row).to_vec()).collect();
        Lloyd::start(points, centers)
    }

    /// One plain step: means of the labels, then the nearest centre of every row.
    fn plain_step(points: &Points, labels: &[u32], k: usize) -> Vec<u32> {
        let mut centers = vec![vec![0.0; points.features()]; k];
        for (center, values) in centers.iter_mut().enumerate() {
            let members: Vec<usize> = (0..labels.len()).filter(|row| labels[*row] == center as u32).collect();
            for (feature, value) in values.iter_mut().enumerate() {
                let sum: f64 = members.iter().map(|row| points.row(*row)[feature]).sum();
                *value = sum / members.len() as f64;
            }
        }
        let distance = |row: &[f64], center: &[f64]| -> f64 {
            row.iter().zip(center).map(|(a, b)| (a - b) * (a - b)).sum()
        };
        (0..labels.len())
            .map(|row| {
                let to = |center: &usize| distance(points.row(row), &centers[*center]);
                (0..k).min_by(|a, b| to(a).total_cmp(&to(b))).unwrap() as u32
            })
            .collect()
    }

    #[test]
    fn pruning_never_changes_an_assignment() {
        for (rows, features, k) in [(500, 1, 3), (700, 3, 9), (400, 8, 20), (300, 5, 2)] {
            let points = cloud(rows, features, 7);
            let mut lloyd = start(&points, k);
            let mut labels = lloyd.labels.clone();
            for _ in 0..30 {
                labels = plain_step(&points, &labels, k);
                lloyd.update();
                lloyd.reassign();
                assert_eq!(lloyd.labels, labels);
            }
        }
    }

    #[test]
    fn inertia_never_grows() {
        let points = cloud(2000, 4, 11);
        let mut last = f64::INFINITY;
        for steps in 0..12 {
            let mut lloyd = start(&points, 7);
            for _ in 0..steps {
                lloyd.update();
                lloyd.reassign();
            }
            let inertia = lloyd.settle().inertia;
            assert!(inertia <= last + 1e-9, "{inertia} after {last}");
            last = inertia;
        }
    }

    #[test]
    fn an_empty_cluster_takes_the_farthest_row() {
        // The third centre is nearest to nothing; the row at 9 is farthest from its centre.
        let points = Points::from_rows(1, &[0.0, 1.0, 2.0, 9.0]).unwrap();
        let padded = |value: f64| vec![value, 0.0, 0.0, 0.0];
        let mut lloyd = Lloyd::start(&points, [padded(0.0), padded(2.0), padded(100.0)].concat());
        assert_eq!(lloyd.labels, [0, 0, 1, 1]);
        lloyd.update();
        lloyd.reassign();
        let settled = lloyd.settle();
        assert_eq!(settled.labels, [0, 0, 1, 2]);
        assert_eq!(settled.inertia, 0.5);
        assert_eq!(settled.distances, [0.5, 0.5, 0.0, 0.0]);
    }

    #[test]
    fn equal_rows_leave_a_cluster_empty_without_harm() {
        let points = Points::from_rows(1, &[5.0, 5.0]).unwrap();
        let mut lloyd = start(&points, 2);
        assert_eq!(lloyd.update(), 0.0);
        assert_eq!(lloyd.reassign(), 0);
        let settled = lloyd.settle();
        assert_eq!((settled.labels, settled.inertia), (vec![0, 0], 0.0));
    }
}
