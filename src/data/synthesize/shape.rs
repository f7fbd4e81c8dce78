//! The form in which a table is learnt so that constraints hold by themselves: columns that are at least others become
//! differences, combinations become one column.
//!
//! Knows columns by position; knows nothing of models.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::mixed::{Column, MISSING, rows};
use crate::model::synthesize::{decimals, rounded};

/// A column that is at least others.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    /// The column.
    pub high: usize,
    /// The columns that it is at least, and whether it must be above; each with what converts its unit to that of `high`.
    pub lows: Vec<Low>,
}

/// A column that another is at least.
#[derive(Clone, Debug)]
pub(super) struct Low {
    /// The column.
    pub column: usize,
    /// Whether the other must be above it.
    pub strict: bool,
    /// `value * scale + shift` is in the unit of the other.
    pub scale: f64,
    /// See `scale`.
    pub shift: f64,
}

/// Columns that are learnt as one.
#[derive(Clone, Debug)]
struct Joint {
    members: Vec<usize>,
    /// The cells of each combination.
    combinations: Vec<Vec<u64>>,
}

/// How columns are learnt.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    differences: Vec<Learnt>,
    joints: Vec<Joint>,
}

/// A difference, with what it takes to undo it.
#[derive(Clone, Debug)]
struct Learnt {
    of: Difference,
    /// What stands for a low value that is missing.
    middles: Vec<f64>,
    /// The decimal places of the column.
    decimals: Option<i32>,
}

impl Shape {
    /// The shape for a table. Differences must come in an order in which every low is done before it is used.
    pub fn of(columns: &[Column], differences: Vec<Difference>, combinations: &[Vec<usize>]) -> Self {
        let numbers =
            |at: usize| if let Column::Numbers(values) = &columns[at] { values.as_slice() } else { &[] };
        let learnt = |of: Difference| {
            let middles = of.lows.iter().map(|low| median(numbers(low.column))).collect();
            Learnt { decimals: decimals(numbers(of.high)), middles, of }
        };
        let joint = |members: &Vec<usize>| {
            let all: BTreeSet<Vec<u64>> =
                (0..rows(columns)).map(|row| cells(columns, members, row)).collect();
            Joint { members: members.clone(), combinations: all.into_iter().collect() }
        };
        Self {
            differences: differences.into_iter().map(learnt).collect(),
            joints: combinations.iter().map(joint).collect(),
        }
    }

    /// The columns to learn: combinations stand at the place of their first member, where the others have one level only.
    /// Also says how many rows broke each difference.
    pub fn apply(&self, columns: &[Column]) -> (Vec<Column>, Vec<usize>) {
        let mut shaped = columns.to_vec();
        let mut broken = Vec::new();
        for one in &self.differences {
            let Column::Numbers(values) = &columns[one.of.high] else { continue };
            let mut count = 0;
            let differences = values.iter().enumerate().map(|(row, value)| {
                let (floor, low, strict) = one.low(columns, row);
                let breaks = low.is_some_and(|low| *value < low || (strict && *value == low));
                count += usize::from(breaks);
                let difference = one.tidy(value - floor);
                if breaks { difference.max(0.0) } else { difference }
            });
            shaped[one.of.high] = Column::Numbers(differences.collect());
            broken.push(count);
        }
        for joint in &self.joints {
            let known: BTreeMap<&Vec<u64>, u32> = joint.combinations.iter().zip(0..).collect();
            let code = |row| known.get(&cells(columns, &joint.members, row)).copied().unwrap_or(MISSING);
            let codes = (0..rows(columns)).map(code).collect();
            for member in &joint.members[1..] {
                shaped[*member] = Column::Levels { codes: vec![0; rows(columns)], count: 1 };
            }
            shaped[joint.members[0]] = Column::Levels { codes, count: joint.combinations.len() as u32 };
        }
        (shaped, broken)
    }

    /// The columns as they were before [`Self::apply`]; `like` says which of them hold numbers.
    pub fn undo(&self, shaped: Vec<Column>, like: &[Column]) -> Vec<Column> {
        let mut columns = shaped;
        for joint in &self.joints {
            let Column::Levels { codes, .. } = columns[joint.members[0]].clone() else { continue };
            for (place, member) in joint.members.iter().enumerate() {
                let cell = |code: &u32| {
                    joint.combinations.get(*code as usize).map_or(u64::MAX, |cells| cells[place])
                };
                columns[*member] = match &like[*member] {
                    Column::Numbers(_) => {
                        Column::Numbers(codes.iter().map(|code| number(cell(code))).collect())
                    }
                    Column::Levels { count, .. } => {
                        let codes =
                            codes.iter().map(|code| u32::try_from(cell(code)).unwrap_or(MISSING)).collect();
                        Column::Levels { codes, count: *count }
                    }
                };
            }
        }
        for one in &self.differences {
            let Column::Numbers(differences) = columns[one.of.high].clone() else { continue };
            let values =
                differences.iter().enumerate().map(|(row, difference)| one.high(&columns, row, *difference));
            columns[one.of.high] = Column::Numbers(values.collect());
        }
        columns
    }

    /// Whether a column is learnt as it is.
    pub fn leaves(&self, column: usize) -> bool {
        let joint = self.joints.iter().any(|joint| joint.members.contains(&column));
        !joint && !self.is_difference(column)
    }

    /// Whether a column is learnt as a difference.
    pub fn is_difference(&self, column: usize) -> bool {
        self.differences.iter().any(|one| one.of.high == column)
    }
}

impl Learnt {
    /// What a difference of a row starts from, the largest low that there is, and whether the value must be above it.
    fn low(&self, columns: &[Column], row: usize) -> (f64, Option<f64>, bool) {
        let (mut floor, mut most, mut strict) = (f64::NEG_INFINITY, None, false);
        for (low, middle) in self.of.lows.iter().zip(&self.middles) {
            let Column::Numbers(values) = &columns[low.column] else { continue };
            let convert = |value: f64| value * low.scale + low.shift;
            if values[row].is_nan() {
                floor = floor.max(convert(*middle));
                continue;
            }
            let value = convert(values[row]);
            floor = floor.max(value);
            if most.is_none_or(|most| value >= most) {
                strict = low.strict || (strict && most == Some(value));
                most = Some(value);
            }
        }
        // Of a whole step, so that differences of days are days.
        let floor = if self.decimals == Some(0) { floor.floor() } else { floor };
        (if floor.is_finite() { floor } else { 0.0 }, most, strict)
    }

    /// A value from its difference.
    fn high(&self, columns: &[Column], row: usize, difference: f64) -> f64 {
        if difference.is_nan() {
            return f64::NAN;
        }
        let (floor, low, strict) = self.low(columns, row);
        let mut value = self.tidy(floor + difference);
        let Some(low) = low else { return value };
        let step = self.decimals.map(|places| 10_f64.powi(-places));
        while value < low || (strict && value <= low) {
            value = match step {
                Some(step) => self.tidy(low.max(value) + step),
                None => low.next_up(),
            };
        }
        value
    }

    fn tidy(&self, value: f64) -> f64 {
        rounded(value, self.decimals)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut there: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    there.sort_unstable_by(f64::total_cmp);
    there.get(there.len() / 2).copied().unwrap_or(0.0)
}

/// A cell in which equal values are equal bits.
pub(super) fn cell(column: &Column, row: usize) -> u64 {
    match column {
        Column::Numbers(values) if values[row].is_nan() => u64::MAX,
        Column::Numbers(values) => (values[row] + 0.0).to_bits(),
        Column::Levels { codes, .. } => u64::from(codes[row]),
    }
}

/// The cells of some columns in a row.
pub(super) fn cells(columns: &[Column], members: &[usize], row: usize) -> Vec<u64> {
    members.iter().map(|member| cell(&columns[*member], row)).collect()
}

fn number(cell: u64) -> f64 {
    if cell == u64::MAX { f64::NAN } else { f64::from_bits(cell) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn low(column: usize, strict: bool) -> Low {
        Low { column, strict, scale: 1.0, shift: 0.0 }
    }

    #[test]
    fn differences_and_combinations_are_undone() {
        let columns = vec![
            Column::Numbers(vec![1.0, 2.0, f64::NAN]),
            Column::Numbers(vec![4.0, 2.0, 7.0]),
            Column::Levels { codes: vec![0, 1, MISSING], count: 2 },
            Column::Numbers(vec![0.5, f64::NAN, 0.5]),
        ];
        let difference = Difference { high: 1, lows: vec![low(0, false)] };
        let shape = Shape::of(&columns, vec![difference], &[vec![2, 3]]);
        let (shaped, broken) = shape.apply(&columns);
        assert_eq!(broken, [0]);
        assert_eq!(shaped[1], Column::Numbers(vec![3.0, 0.0, 5.0]));
        let Column::Levels { codes, count } = &shaped[2] else { panic!("no levels") };
        assert_eq!((codes.len(), *count), (3, 3));
        let back = shape.undo(shaped, &columns);
        assert_eq!(format!("{back:?}"), format!("{columns:?}"));
        assert!(shape.leaves(0) && !shape.leaves(1) && !shape.leaves(3) && shape.is_difference(1));
    }

    #[test]
    fn rows_that_break_an_inequality_are_counted_and_mended() {
        let columns = vec![Column::Numbers(vec![3.0, 1.0]), Column::Numbers(vec![1.0, 1.0])];
        let shape = Shape::of(&columns, vec![Difference { high: 1, lows: vec![low(0, true)] }], &[]);
        let (shaped, broken) = shape.apply(&columns);
        assert_eq!((&shaped[1], broken), (&Column::Numbers(vec![0.0, 0.0]), vec![2]));
        assert_eq!(shape.undo(shaped, &columns)[1], Column::Numbers(vec![4.0, 2.0]), "one above");
    }
}
