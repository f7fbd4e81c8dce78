//! Starting centres by greedy k-means++; it does not know how they are improved.

use pulp::{Arch, Simd, WithSimd};
use rand::Rng;
use rayon::prelude::*;

use super::chunks::chunk_rows;
use super::distance::{LANES, Panel, squared};
use super::draw::{below, unit};
use super::{Error, Points, Stop};

/// The rows of `k` starting centres, all different.
///
/// The first is drawn uniformly. For each further one, `2 + floor(ln k)` candidates are drawn with
/// probability proportional to the squared distance to the nearest centre so far, and the one that
/// lowers the sum of these distances most is taken.
///
/// # Errors
/// When there are fewer than `k` different rows, or `stop` says so.
///
/// O(n d k log k); Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding" (2007).
pub(super) fn greedy(
    points: &Points,
    k: usize,
    rng: &mut impl Rng,
    stop: Stop<'_>,
) -> Result<Vec<usize>, Error> {
    let trials = 2 + libm::log(k as f64).floor() as usize;
    let mut centers = vec![below(rng, points.rows())];
    let mut potential = Potential::around(points, centers[0]);
    while centers.len() < k {
        if stop() {
            return Err(Error::Stopped);
        }
        let total = potential.total();
        if total <= 0.0 {
            return Err(Error::TooFewDistinct { k, distinct: centers.len() });
        }
        let candidates: Vec<usize> = (0..trials).map(|_| potential.pick(unit(rng) * total)).collect();
        let best = potential.best(&candidates);
        potential.add(best);
        centers.push(best);
    }
    Ok(centers)
}

/// The squared distance of every row to its nearest centre so far, with the sum of each chunk.
struct Potential<'a> {
    points: &'a Points,
    chunk: usize,
    closest: Vec<f64>,
    sums: Vec<f64>,
}

impl<'a> Potential<'a> {
    fn around(points: &'a Points, center: usize) -> Self {
        let closest = vec![f64::INFINITY; points.rows()];
        let mut potential = Self { points, chunk: chunk_rows(points.rows()), closest, sums: Vec::new() };
        potential.add(center);
        potential
    }

    fn total(&self) -> f64 {
        self.sums.iter().sum()
    }

    /// The row at which the running sum of squared distances passes `target`. Never a row at
    /// distance zero, so that no centre is taken twice even where rounding runs past the end.
    fn pick(&self, target: f64) -> usize {
        let mut left = target;
        let mut last = 0;
        for (chunk, sum) in self.sums.iter().enumerate() {
            if left < *sum {
                return self.pick_within(chunk, left);
            }
            left -= sum;
            if *sum > 0.0 {
                last = chunk;
            }
        }
        self.pick_within(last, f64::INFINITY)
    }

    fn pick_within(&self, chunk: usize, target: f64) -> usize {
        let start = chunk * self.chunk;
        let mut left = target;
        let mut last = start;
        for (row, distance) in self.closest.iter().enumerate().skip(start).take(self.chunk) {
            if *distance > 0.0 {
                if left < *distance {
                    return row;
                }
                left -= distance;
                last = row;
            }
        }
        last
    }

    /// The candidate that leaves the smallest potential; the first one among equals.
    fn best(&self, candidates: &[usize]) -> usize {
        let features = self.points.features();
        let panel = Panel::new(features, candidates.iter().map(|row| self.points.padded(*row)));
        let (groups, arch) = (candidates.len().div_ceil(LANES), Arch::new());
        let parts: Vec<Vec<[f64; LANES]>> = self
            .points
            .values()
            .par_chunks(self.chunk * self.points.stride())
            .zip(self.closest.par_chunks(self.chunk))
            .map(|(rows, closest)| arch.dispatch(Trying { panel: &panel, groups, rows, closest }))
            .collect();
        let mut sums = vec![[0.0; LANES]; groups];
        for part in &parts {
            sums.iter_mut().zip(part).for_each(|(sum, part)| add(sum, part));
        }
        let mut best = (candidates[0], f64::INFINITY);
        for (candidate, sum) in candidates.iter().zip(sums.as_flattened()) {
            if *sum < best.1 {
                best = (*candidate, *sum);
            }
        }
        best.0
    }

    fn add(&mut self, center: usize) {
        let (points, center, arch) = (self.points, self.points.padded(center), Arch::new());
        self.sums = points
            .values()
            .par_chunks(self.chunk * points.stride())
            .zip(self.closest.par_chunks_mut(self.chunk))
            .map(|(rows, closest)| arch.dispatch(Nearing { rows, closest, center }))
            .collect();
    }
}

/// Finds the potential of a chunk with each candidate added.
struct Trying<'a> {
    panel: &'a Panel,
    groups: usize,
    rows: &'a [f64],
    closest: &'a [f64],
}

impl WithSimd for Trying<'_> {
    type Output = Vec<[f64; LANES]>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let mut sums = vec![[0.0; LANES]; self.groups];
        let rows = self.rows.chunks_exact(self.rows.len() / self.closest.len());
        for (row, closest) in rows.zip(self.closest) {
            for (sum, distances) in sums.iter_mut().zip(self.panel.distances(row)) {
                add(sum, &distances.map(|distance| if distance < *closest { distance } else { *closest }));
            }
        }
        sums
    }
}

/// Lowers the squared distances of a chunk to those to a centre where it is nearer; gives their sum.
struct Nearing<'a> {
    rows: &'a [f64],
    closest: &'a mut [f64],
    center: &'a [f64],
}

impl WithSimd for Nearing<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let mut sum = 0.0;
        for (row, closest) in self.rows.chunks_exact(self.center.len()).zip(self.closest) {
            let distance = squared(row, self.center);
            *closest = if distance < *closest { distance } else { *closest };
            sum += *closest;
        }
        sum
    }
}

#[inline(always)]
fn add(sum: &mut [f64; LANES], more: &[f64; LANES]) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

#[cfg(test)]
mod tests {
    use super::{Potential, Stop, greedy};
    use crate::model::cluster::{Error, Points};
    use crate::model::random::Streams;

    const GO: Stop<'_> = &|| false;

    #[test]
    fn centers_are_different_rows() {
        let points = Points::from_rows(1, &[0.0, 0.0, 1.0, 1.0, 1.0, 7.0]).unwrap();
        for restart in 0..50 {
            let mut rng = Streams::new(3, "test").of(restart);
            let mut values: Vec<f64> =
                greedy(&points, 3, &mut rng, GO).unwrap().iter().map(|row| points.row(*row)[0]).collect();
            values.sort_by(f64::total_cmp);
            assert_eq!(values, [0.0, 1.0, 7.0]);
        }
    }

    #[test]
    fn too_few_different_rows_are_counted() {
        let points = Points::from_rows(1, &[0.0, 0.0, 1.0, 1.0]).unwrap();
        let mut rng = Streams::new(3, "test").of(0);
        assert_eq!(
            greedy(&points, 3, &mut rng, GO).unwrap_err(),
            Error::TooFewDistinct { k: 3, distinct: 2 }
        );
    }

    #[test]
    fn picking_follows_the_distances_and_never_takes_a_center() {
        // Squared distances to the row at 0: 0, 1, 0, 9, 0.
        let points = Points::from_rows(1, &[0.0, 1.0, 0.0, 3.0, 0.0]).unwrap();
        let potential = Potential::around(&points, 0);
        assert_eq!(potential.total(), 10.0);
        let picked = [0.0, 0.999, 1.0, 9.999, 10.0, 11.0].map(|target| potential.pick(target));
        assert_eq!(picked, [1, 1, 3, 3, 3, 3]);
        // With 3 as a centre 1 is left of the potential, with 1 as a centre 4.
        assert_eq!(potential.best(&[1, 3]), 3);
    }

    #[test]
    fn a_raised_flag_stops_it() {
        let points = Points::from_rows(1, &[0.0, 1.0]).unwrap();
        let mut rng = Streams::new(3, "test").of(0);
        assert_eq!(greedy(&points, 2, &mut rng, &|| true).unwrap_err(), Error::Stopped);
    }
}
