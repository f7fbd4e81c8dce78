//! One pass over the rows: how likely each component is for each row, and the sums from which the next components follow.
//!
//! Knows densities and rows; does not know when to stop. Rows are taken in tiles, feature by feature, so that the
//! inner loops run over rows side by side; every sum has a fixed order, whatever the width of the vectors.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::density::{Density, Root};
use super::exponential::exponentials;
use crate::model::cluster::Points;
use crate::model::cluster::chunks::chunk_rows;
use crate::model::cluster::distance::LANES;

/// Rows side by side.
const WIDE: usize = 16;

/// Such blocks in a tile.
const BLOCKS: usize = 8;

/// Rows in a tile.
const TILE: usize = WIDE * BLOCKS;

type Block = [f64; WIDE];

/// What a pass gathers, for each component: the sum of the rows' shares `r`, of `r d` and of `r d d'`, where `d` is the
/// row minus the component's old mean.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    pub log_likelihood: f64,
    /// Length k.
    pub weights: Vec<f64>,
    /// Shape `(k, d)`.
    pub firsts: Vec<f64>,
    /// Shape `(k, cells)`: a lower triangle, or a diagonal.
    pub seconds: Vec<f64>,
}

/// Where shares of rows come from.
#[derive(Clone, Copy)]
pub(super) enum Shares<'a> {
    /// From the densities.
    Likely,
    /// All of a row belongs to its label.
    Labels(&'a [u32]),
}

/// The component of each row and how sure that is.
pub(super) struct Belonging {
    /// The likeliest component; the first one among equals.
    pub label: u32,
    /// Its share, from 1/k to 1.
    pub share: f64,
    /// The distance to its mean in units of its spread: `|root (x - mean)|`.
    pub distance: f64,
}

impl Sums {
    /// A pass over all points, with squares of features only where `diagonal`.
    pub fn over(points: &Points, densities: &[Density], diagonal: bool, shares: Shares<'_>) -> Self {
        let (chunk, stride, arch) = (chunk_rows(points.rows()), points.stride(), Arch::new());
        let starts: Vec<usize> = (0..points.rows()).step_by(chunk).collect();
        let part = |start: &usize| {
            let end = (start + chunk).min(points.rows());
            let rows = &points.values()[start * stride..end * stride];
            let shares = match shares {
                Shares::Labels(labels) => Shares::Labels(&labels[*start..end]),
                Shares::Likely => Shares::Likely,
            };
            let mut sums = Self::none(densities.len(), points.features(), diagonal);
            arch.dispatch(Gathering { rows, stride, densities, diagonal, shares, sums: &mut sums });
            sums
        };
        let parts: Vec<Self> = starts.par_iter().map(part).collect();
        let mut sums = Self::none(densities.len(), points.features(), diagonal);
        parts.iter().for_each(|part| sums.merge(part));
        sums
    }

    fn none(k: usize, features: usize, diagonal: bool) -> Self {
        let cells = if diagonal { features } else { features * (features + 1) / 2 };
        let (weights, firsts, seconds) = (vec![0.0; k], vec![0.0; k * features], vec![0.0; k * cells]);
        Self { log_likelihood: 0.0, weights, firsts, seconds }
    }

    fn merge(&mut self, other: &Self) {
        self.log_likelihood += other.log_likelihood;
        let add =
            |sums: &mut [f64], more: &[f64]| sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        add(&mut self.weights, &other.weights);
        add(&mut self.firsts, &other.firsts);
        add(&mut self.seconds, &other.seconds);
    }
}

/// Rows of a tile, feature by feature, and what is computed of them.
struct Tile {
    rows: usize,
    values: Vec<[Block; BLOCKS]>,
    /// The rows minus the mean of a component.
    apart: Vec<[Block; BLOCKS]>,
    /// One feature of `apart` times the shares of a component.
    weighted: [Block; BLOCKS],
    /// For each component the logarithm of its weighted density, and then its share.
    shares: Vec<[Block; BLOCKS]>,
}

const EMPTY: [Block; BLOCKS] = [[0.0; WIDE]; BLOCKS];
const ONES: [Block; BLOCKS] = [[1.0; WIDE]; BLOCKS];

impl Tile {
    fn new(features: usize, components: usize) -> Self {
        let blocks = |count| vec![EMPTY; count];
        let (values, apart) = (blocks(features), blocks(features));
        Self { rows: 0, values, apart, weighted: EMPTY, shares: blocks(components) }
    }

    #[inline(always)]
    fn load(&mut self, rows: &[f64], stride: usize) {
        self.rows = rows.len() / stride;
        for (at, row) in rows.chunks_exact(stride).enumerate() {
            for (feature, value) in self.values.iter_mut().zip(row) {
                feature[at / WIDE][at % WIDE] = *value;
            }
        }
    }

    #[inline(always)]
    fn subtract(&mut self, mean: &[f64]) {
        for ((apart, values), mean) in self.apart.iter_mut().zip(&self.values).zip(mean) {
            for (apart, value) in apart.as_flattened_mut().iter_mut().zip(values.as_flattened()) {
                *apart = value - mean;
            }
        }
    }

    /// The squared distances to a component in units of its spread.
    #[inline(always)]
    fn squares(&mut self, density: &Density) -> [Block; BLOCKS] {
        self.subtract(&density.mean);
        let mut squares = EMPTY;
        for (block, square) in squares.iter_mut().enumerate() {
            match &density.root {
                Root::Triangle(cells) => {
                    let mut start = 0;
                    for row in 0..self.apart.len() {
                        let mut sum = [0.0; WIDE];
                        for (cell, apart) in cells[start..=start + row].iter().zip(&self.apart) {
                            add_times(&mut sum, &[*cell; WIDE], &apart[block]);
                        }
                        add_times(square, &sum, &sum);
                        start += row + 1;
                    }
                }
                Root::Diagonal(roots) => {
                    for (root, apart) in roots.iter().zip(&self.apart) {
                        let mut scaled = [0.0; WIDE];
                        add_times(&mut scaled, &[*root; WIDE], &apart[block]);
                        add_times(square, &scaled, &scaled);
                    }
                }
            }
        }
        squares
    }

    /// The shares of all components; gives the summed logarithm of the rows' densities.
    #[inline(always)]
    fn share(&mut self, densities: &[Density]) -> f64 {
        for (at, density) in densities.iter().enumerate() {
            let squares = self.squares(density);
            for (share, square) in self.shares[at].as_flattened_mut().iter_mut().zip(squares.as_flattened()) {
                *share = density.constant - 0.5 * square;
            }
        }
        let full = self.rows.div_ceil(WIDE);
        let mut sum = 0.0;
        for block in 0..full {
            sum += self.normalise(block);
        }
        for share in &mut self.shares {
            share[full..].fill([0.0; WIDE]);
        }
        sum
    }

    #[inline(always)]
    fn normalise(&mut self, block: usize) -> f64 {
        let mut most = [f64::NEG_INFINITY; WIDE];
        for share in &self.shares {
            raise(&mut most, &share[block]);
        }
        let mut sums = [0.0; WIDE];
        for share in &mut self.shares {
            let mut powers = share[block];
            for (power, most) in powers.iter_mut().zip(&most) {
                *power -= most;
            }
            exponentials(&mut powers);
            for (sum, power) in sums.iter_mut().zip(&powers) {
                *sum += power;
            }
            share[block] = powers;
        }
        let rows = (self.rows - block * WIDE).min(WIDE);
        let mut inverse = [0.0; WIDE];
        for (inverse, sum) in inverse.iter_mut().zip(&sums[..rows]) {
            *inverse = 1.0 / sum;
        }
        for share in &mut self.shares {
            for (share, inverse) in share[block].iter_mut().zip(&inverse) {
                *share *= inverse;
            }
        }
        // Each sum lies between 1 and k, so their product stays in range and one logarithm does for all.
        most[..rows].iter().sum::<f64>() + libm::log(sums[..rows].iter().product())
    }

    #[inline(always)]
    fn take(&mut self, labels: &[u32]) {
        self.shares.fill(EMPTY);
        for (at, label) in labels.iter().enumerate() {
            self.shares[*label as usize][at / WIDE][at % WIDE] = 1.0;
        }
    }
}

#[inline(always)]
fn add_times(sum: &mut Block, one: &Block, other: &Block) {
    for ((sum, one), other) in sum.iter_mut().zip(one).zip(other) {
        *sum += one * other;
    }
}

/// The larger one of each lane.
#[inline(always)]
fn raise(most: &mut Block, values: &Block) {
    for (most, value) in most.iter_mut().zip(values) {
        *most = if *value > *most { *value } else { *most };
    }
}

/// Adds the products of two tiles to sums of which each takes every fourth row.
#[inline(always)]
fn add_dot(lanes: &mut [f64; LANES], one: &[Block; BLOCKS], other: &[Block; BLOCKS]) {
    let mut sum = [0.0; WIDE];
    for (one, other) in one.iter().zip(other) {
        add_times(&mut sum, one, other);
    }
    for part in sum.as_chunks::<LANES>().0 {
        for (lane, part) in lanes.iter_mut().zip(part) {
            *lane += part;
        }
    }
}

fn total(lanes: &[f64; LANES]) -> f64 {
    (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
}

/// Gathers the sums of a chunk of rows.
struct Gathering<'a> {
    rows: &'a [f64],
    stride: usize,
    densities: &'a [Density],
    diagonal: bool,
    shares: Shares<'a>,
    sums: &'a mut Sums,
}

impl WithSimd for Gathering<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (features, k) = (self.densities[0].mean.len(), self.densities.len());
        let cells = self.sums.seconds.len() / k;
        let mut tile = Tile::new(features, k);
        let zeros = |count| vec![[0.0; LANES]; count];
        let (mut weights, mut firsts, mut seconds) = (zeros(k), zeros(k * features), zeros(k * cells));
        for (at, rows) in self.rows.chunks(TILE * self.stride).enumerate() {
            tile.load(rows, self.stride);
            match self.shares {
                Shares::Likely => self.sums.log_likelihood += tile.share(self.densities),
                Shares::Labels(labels) => tile.take(&labels[at * TILE..at * TILE + tile.rows]),
            }
            for (component, density) in self.densities.iter().enumerate() {
                let mut weight = [0.0; LANES];
                add_dot(&mut weight, &tile.shares[component], &ONES);
                if weight == [0.0; LANES] {
                    continue;
                }
                add(&mut weights[component], &weight);
                tile.subtract(&density.mean);
                let firsts = &mut firsts[component * features..][..features];
                let seconds = &mut seconds[component * cells..][..cells];
                tile.gather(component, self.diagonal, firsts, seconds);
            }
        }
        self.sums.weights = weights.iter().map(total).collect();
        self.sums.firsts = firsts.iter().map(total).collect();
        self.sums.seconds = seconds.iter().map(total).collect();
    }
}

#[inline(always)]
fn add(lanes: &mut [f64; LANES], more: &[f64; LANES]) {
    lanes.iter_mut().zip(more).for_each(|(lane, more)| *lane += more);
}

impl Tile {
    /// Adds what a component has of the tile, once its mean has been subtracted.
    #[inline(always)]
    fn gather(
        &mut self,
        component: usize,
        diagonal: bool,
        firsts: &mut [[f64; LANES]],
        seconds: &mut [[f64; LANES]],
    ) {
        let Self { apart, weighted, shares, .. } = self;
        let shares = &shares[component];
        let mut start = 0;
        for (feature, first) in firsts.iter_mut().enumerate() {
            let own = &apart[feature];
            add_dot(first, shares, own);
            let products = weighted.as_flattened_mut().iter_mut();
            for ((product, share), value) in products.zip(shares.as_flattened()).zip(own.as_flattened()) {
                *product = share * value;
            }
            if diagonal {
                add_dot(&mut seconds[feature], weighted, own);
            } else {
                for (second, apart) in seconds[start..=start + feature].iter_mut().zip(&*apart) {
                    add_dot(second, weighted, apart);
                }
                start += feature + 1;
            }
        }
    }
}

/// Where every row belongs.
pub(super) fn belonging(points: &Points, densities: &[Density]) -> Vec<Belonging> {
    by_tile(points, densities, |tile, densities, found| {
        tile.share(densities);
        let mut best = vec![(0_u32, f64::NEG_INFINITY); tile.rows];
        for (component, shares) in (0_u32..).zip(&tile.shares) {
            for (best, share) in best.iter_mut().zip(shares.as_flattened()) {
                *best = if *share > best.1 { (component, *share) } else { *best };
            }
        }
        let squares: Vec<[Block; BLOCKS]> = densities.iter().map(|density| tile.squares(density)).collect();
        found.extend(best.iter().enumerate().map(|(at, (label, share))| Belonging {
            label: *label,
            share: *share,
            distance: squares[*label as usize].as_flattened()[at].sqrt(),
        }));
    })
}

/// The shares of all components in every row, shape `(n, k)`.
pub(super) fn memberships(points: &Points, densities: &[Density]) -> Vec<f64> {
    by_tile(points, densities, |tile, densities, found| {
        tile.share(densities);
        let row = |at: usize| tile.shares.iter().map(move |share| share[at / WIDE][at % WIDE]);
        found.extend((0..tile.rows).flat_map(row));
    })
}

fn by_tile<T: Send>(
    points: &Points,
    densities: &[Density],
    see: impl Fn(&mut Tile, &[Density], &mut Vec<T>) + Sync,
) -> Vec<T> {
    let (chunk, stride) = (chunk_rows(points.rows()), points.stride());
    let chunks = points.values().par_chunks(chunk * stride).map(|rows| {
        let mut tile = Tile::new(points.features(), densities.len());
        let mut found = Vec::new();
        for rows in rows.chunks(TILE * stride) {
            tile.load(rows, stride);
            see(&mut tile, densities, &mut found);
        }
        found
    });
    chunks.collect::<Vec<_>>().into_iter().flatten().collect()
}
