//! What networks that learn tables share: noise, how they are watched, and rows with fixed columns.

use rayon::prelude::*;

use super::dense::Matrix;
use super::encode::Encoder;
use super::normal::draw;
use super::{Given, Unable};
use crate::model::mixed::{Column, MISSING, rows, take};
use crate::model::random::Streams;

/// Rows of noise from one random stream.
const CHUNK: usize = 64;

/// Streams of one matrix of noise at most.
const MOST: u64 = 1 << 24;

/// Rows that are drawn for one wanted, at most, to find those with fixed columns.
const TRIES: usize = 200;

/// What a training network learns with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Passes over all rows.
    pub epochs: usize,
    /// Rows of a step.
    pub batch: usize,
    /// Width of hidden layers.
    pub width: usize,
    /// Numbers that a row is made from.
    pub latent: usize,
    /// The seed of weights, batches and noise.
    pub seed: u64,
}

/// Losses by name.
pub type Losses = [(&'static str, f64)];

/// Who watches a network learn.
pub struct Watch<'a, E> {
    /// Asked before each step whether to go on.
    pub alive: &'a dyn Fn() -> Result<(), E>,
    /// Told the losses after each epoch, counted from 1.
    pub told: &'a dyn Fn(usize, &Losses) -> Result<(), E>,
}

/// Standard normal numbers; another `index` gives others.
pub(super) fn noise(rows: usize, columns: usize, streams: &Streams, index: u64) -> Matrix {
    let mut matrix = Matrix::zeros(rows, columns);
    let size = CHUNK * columns.max(1);
    (0..).zip(matrix.data.chunks_mut(size)).collect::<Vec<(u64, _)>>().into_par_iter().for_each(
        |(chunk, cells)| {
            let mut rng = streams.of(index * MOST + chunk);
            cells.iter_mut().for_each(|cell| *cell = draw(&mut rng) as f32);
        },
    );
    matrix
}

/// Whether a network can fix these columns: categories that it has seen.
pub(super) fn can_fix(encoder: &Encoder, given: &[(usize, Given)]) -> Result<(), Unable> {
    for (column, value) in given {
        let level = match value {
            _ if encoder.is_numbers(*column) => return Err(Unable::Number { column: *column }),
            Given::Level(level) => *level,
            Given::Missing => MISSING,
            Given::Number(_) => return Err(Unable::Number { column: *column }),
        };
        encoder.choice(*column, level).ok_or(Unable::Unseen { column: *column })?;
    }
    Ok(())
}

/// Draws batches, each with its number, until so many rows have the fixed columns.
pub(super) fn until_enough(
    wanted: usize,
    batch: usize,
    given: &[(usize, Given)],
    drawn: impl Fn(u64) -> Vec<Column> + Sync,
) -> Result<Vec<Column>, Unable> {
    let holds = |columns: &[Column], row: usize| {
        given.iter().all(|(column, value)| match (value, &columns[*column]) {
            (Given::Level(level), Column::Levels { codes, .. }) => codes[row] == *level,
            (Given::Missing, Column::Levels { codes, .. }) => codes[row] == MISSING,
            _ => false,
        })
    };
    let mut all = drawn(0).iter().map(|column| column.take(&[])).collect::<Vec<_>>();
    let (mut found, mut number) = (0, 0_u64);
    while found < wanted {
        if number as usize * batch > TRIES * (wanted + batch) {
            return Err(Unable::Rare);
        }
        // As many batches at a time as rows are left, so that the order is that of their numbers.
        let next = number + (wanted - found).div_ceil(batch) as u64;
        let batches: Vec<Vec<Column>> = (number..next).into_par_iter().map(&drawn).collect();
        number = next;
        for columns in batches {
            let mut places: Vec<usize> = (0..rows(&columns)).filter(|row| holds(&columns, *row)).collect();
            places.truncate(wanted - found);
            found += places.len();
            let kept = take(&columns, &places);
            all.iter_mut().zip(&kept).for_each(|(column, more)| column.append(more));
        }
    }
    Ok(all)
}
