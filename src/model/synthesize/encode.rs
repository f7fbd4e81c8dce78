//! Rows as networks see them: numbers as a mode and a place within it, categories as one-hot vectors.
//!
//! Knows columns; knows nothing of networks.

use rand::RngExt;
use rayon::prelude::*;

use super::dense::Matrix;
use super::marginal::{decimals, round};
use super::mixture::{self, Component};
use crate::model::mixed::{Column, MISSING, rows};
use crate::model::random::Streams;

/// Modes of a column of numbers at most.
const MODES: usize = 10;

/// A value with at least this share of a column's rows is a mode of its own.
const ATOM: f64 = 0.05;

/// Rows drawn from one random stream.
const CHUNK: usize = 512;

/// A stretch of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Where it starts.
    pub from: usize,
    /// How long it is.
    pub count: usize,
    /// Whether it is a choice among as many, or else a number from -1 to 1.
    pub choice: bool,
}

/// A mode of a column of numbers.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// A normal distribution.
    Spread(Component),
    /// One value.
    Atom(f64),
    /// No value.
    Missing,
}

#[derive(Clone, Debug)]
enum Coder {
    Numbers {
        modes: Vec<Mode>,
        decimals: Option<i32>,
        range: (f64, f64),
    },
    /// The level of each choice.
    Levels {
        levels: Vec<u32>,
        count: u32,
    },
}

/// How a table is encoded.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    coders: Vec<Coder>,
    /// The stretches of a row, in order.
    pub spans: Vec<Span>,
    /// The stretch of the choice of each column of categories, with the column.
    pub discrete: Vec<(usize, Span)>,
    /// How long a row is.
    pub width: usize,
}

impl Encoder {
    /// Learns how to encode: modes of numbers by a variational mixture, those values that occur often apart; categories that
    /// occur.
    pub fn fit(columns: &[Column]) -> Self {
        let coders: Vec<Coder> = columns.par_iter().map(coder).collect();
        let mut encoder = Self { coders, spans: Vec::new(), discrete: Vec::new(), width: 0 };
        for (column, coder) in encoder.coders.iter().enumerate() {
            let (numbers, choices) = match coder {
                Coder::Numbers { modes, .. } => (true, modes.len()),
                Coder::Levels { levels, .. } => (false, levels.len()),
            };
            if numbers {
                encoder.spans.push(Span { from: encoder.width, count: 1, choice: false });
                encoder.width += 1;
            }
            let span = Span { from: encoder.width, count: choices, choice: true };
            encoder.spans.push(span);
            encoder.width += choices;
            if !numbers {
                encoder.discrete.push((column, span));
            }
        }
        encoder
    }

    /// Encodes rows. The mode of a number is drawn by how likely each is, once.
    pub fn encode(&self, columns: &[Column], seed: u64) -> Matrix {
        let count = rows(columns);
        let mut out = Matrix::zeros(count, self.width);
        let streams = Streams::new(seed, "modes of rows");
        let width = self.width.max(1);
        out.data.par_chunks_mut(width * CHUNK).enumerate().for_each(|(chunk, cells)| {
            let mut rng = streams.of(chunk as u64);
            for (at, cells) in cells.chunks_exact_mut(width).enumerate() {
                let (row, mut place) = (chunk * CHUNK + at, 0);
                for (coder, column) in self.coders.iter().zip(columns) {
                    place += coder.encode(column, row, &mut cells[place..], rng.random());
                }
            }
        });
        out
    }

    /// Decodes rows. `noise` adds to the number of a stretch before it is placed in its mode, by the stretch.
    pub fn decode(&self, encoded: &Matrix) -> Vec<Column> {
        let mut place = 0;
        let decode = |coder: &Coder| {
            let column = coder.decode(encoded, place);
            place += coder.width();
            column
        };
        self.coders.iter().map(decode).collect()
    }

    /// The choice that stands for a level of a column of categories.
    pub fn choice(&self, column: usize, level: u32) -> Option<usize> {
        let Coder::Levels { levels, .. } = &self.coders[column] else { return None };
        levels.iter().position(|one| *one == level)
    }

    /// Whether a column holds numbers.
    pub fn is_numbers(&self, column: usize) -> bool {
        matches!(self.coders[column], Coder::Numbers { .. })
    }
}

fn coder(column: &Column) -> Coder {
    match column {
        Column::Levels { codes, count } => {
            let mut seen = vec![false; *count as usize];
            codes.iter().filter(|code| **code != MISSING).for_each(|code| seen[*code as usize] = true);
            let mut levels: Vec<u32> = (0..*count).filter(|level| seen[*level as usize]).collect();
            if codes.contains(&MISSING) {
                levels.push(MISSING);
            }
            Coder::Levels { levels, count: *count }
        }
        Column::Numbers(values) => {
            let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            let often = (ATOM * values.len() as f64).max(2.0);
            let tied = sorted.chunk_by(|one, two| one == two);
            let atoms: Vec<f64> =
                tied.filter(|tied| tied.len() as f64 >= often).map(|tied| tied[0]).collect();
            let rest: Vec<f64> = sorted.iter().copied().filter(|value| !atoms.contains(value)).collect();
            let mut modes: Vec<Mode> = mixture::fit(&rest, MODES).into_iter().map(Mode::Spread).collect();
            modes.extend(atoms.iter().copied().map(Mode::Atom));
            if sorted.len() < values.len() {
                modes.push(Mode::Missing);
            }
            let range =
                (sorted.first().copied().unwrap_or(f64::NAN), sorted.last().copied().unwrap_or(f64::NAN));
            Coder::Numbers { modes, decimals: decimals(&sorted), range }
        }
    }
}

impl Coder {
    fn width(&self) -> usize {
        match self {
            Self::Numbers { modes, .. } => 1 + modes.len(),
            Self::Levels { levels, .. } => levels.len(),
        }
    }

    fn encode(&self, column: &Column, row: usize, cells: &mut [f32], share: f64) -> usize {
        match (self, column) {
            (Self::Numbers { modes, .. }, Column::Numbers(values)) => {
                let mode = mode_of(modes, values[row], share);
                if let Some(Mode::Spread(one)) = modes.get(mode) {
                    let place = (values[row] - one.mean) / (4.0 * one.deviation);
                    cells[0] = place.clamp(-0.99, 0.99) as f32;
                }
                if let Some(cell) = cells[1..].get_mut(mode).filter(|_| !modes.is_empty()) {
                    *cell = 1.0;
                }
            }
            (Self::Levels { levels, .. }, Column::Levels { codes, .. }) => {
                if let Some(choice) = levels.iter().position(|level| *level == codes[row]) {
                    cells[choice] = 1.0;
                }
            }
            _ => {}
        }
        self.width()
    }

    fn decode(&self, encoded: &Matrix, place: usize) -> Column {
        match self {
            Self::Numbers { modes, decimals, range } => {
                let value = |row: &[f32]| match modes.get(chosen(&row[place + 1..][..modes.len()])) {
                    Some(Mode::Spread(one)) => {
                        let value = one.mean + 4.0 * one.deviation * f64::from(row[place]);
                        round(value.clamp(range.0, range.1), *decimals)
                    }
                    Some(Mode::Atom(value)) => *value,
                    Some(Mode::Missing) | None => f64::NAN,
                };
                Column::Numbers(encoded.rows().map(value).collect())
            }
            Self::Levels { levels, count } => {
                let level = |row: &[f32]| {
                    levels.get(chosen(&row[place..][..levels.len()])).copied().unwrap_or(MISSING)
                };
                Column::Levels { codes: encoded.rows().map(level).collect(), count: *count }
            }
        }
    }
}

/// The largest of some cells.
fn chosen(cells: &[f32]) -> usize {
    let mut best = 0;
    for (at, cell) in cells.iter().enumerate() {
        if *cell > cells[best] {
            best = at;
        }
    }
    best
}

/// The mode of a value: its own, or one drawn by how likely each is.
fn mode_of(modes: &[Mode], value: f64, share: f64) -> usize {
    let own = modes.iter().position(|mode| match mode {
        Mode::Atom(atom) => *atom == value,
        Mode::Missing => value.is_nan(),
        Mode::Spread(_) => false,
    });
    if let Some(own) = own {
        return own;
    }
    let likely = |mode: &Mode| match mode {
        Mode::Spread(one) => {
            let z = (value - one.mean) / one.deviation;
            one.weight / one.deviation * libm::exp(-0.5 * z * z) + 1e-300
        }
        _ => 0.0,
    };
    let weights: Vec<f64> = modes.iter().map(likely).collect();
    let mut left = share * weights.iter().sum::<f64>();
    for (at, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        left -= weight;
        if left <= 0.0 {
            return at;
        }
    }
    weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_from_their_encoding() {
        let columns = vec![
            Column::Numbers(vec![0.0, 0.0, 3.25, 9.5, f64::NAN, 4.75, 5.0, 5.25]),
            Column::Levels { codes: vec![0, 2, 2, MISSING, 0, 0, 2, 0], count: 3 },
            Column::Numbers(vec![f64::NAN; 8]),
            Column::Levels { codes: vec![0; 8], count: 1 },
        ];
        let encoder = Encoder::fit(&columns);
        let encoded = encoder.encode(&columns, 1);
        assert_eq!((encoded.rows, encoded.columns), (8, encoder.width));
        for span in encoder.spans.iter().filter(|span| span.choice) {
            for row in encoded.rows() {
                assert_eq!(row[span.from..][..span.count].iter().sum::<f32>(), 1.0);
            }
        }
        let back = encoder.decode(&encoded);
        assert_eq!(back[1], columns[1]);
        assert_eq!((back[2].missing(), &back[3]), (8, &columns[3]));
        let (Column::Numbers(found), Column::Numbers(values)) = (&back[0], &columns[0]) else {
            panic!("no numbers")
        };
        for (found, value) in found.iter().zip(values) {
            assert!((found - value).abs() < 0.011 || (found.is_nan() && value.is_nan()), "{found} {value}");
        }
        assert_eq!(
            (encoder.choice(1, 2), encoder.choice(1, 1), encoder.is_numbers(0)),
            (Some(1), None, true)
        );
    }
}
