//! Draws until there are as many rows as are wanted that keep to all constraints and conditions.

use std::collections::BTreeSet;

use anyhow::Result;
use rand::Rng;

use super::shape::{cell, cells};
use super::{Condition, Learning, Request, kept};
use crate::data::mixed::{Described, Role};
use crate::data::quality::value::Scalar;
use crate::diagnostic::{Failure, grouped, plural};
use crate::model::mixed::Column;
use crate::model::random::Streams;
use crate::model::synthesize::{Given, Model, Unable};

/// Rounds after which it is given up.
const ROUNDS: u64 = 60;

/// Rows of a round at most, as a multiple of those that are wanted.
const MOST: usize = 20;

/// Rows of one kind: with the same columns fixed.
struct Part<'a> {
    rows: usize,
    /// Columns that are fixed.
    given: Vec<(usize, Given)>,
    /// Where the condition stands, for messages.
    key: Option<String>,
    condition: Option<&'a Condition>,
}

/// Draws the learnt columns of all rows.
pub(super) fn draw(learning: &Learning, model: &Model, request: Request<'_>) -> Result<Vec<Column>> {
    let mut parts = Vec::new();
    for (at, condition) in request.conditions.iter().enumerate() {
        let key = format!("conditions.{at}");
        let given = given(learning, condition, &key)?;
        parts.push(Part { rows: condition.rows, given, key: Some(key), condition: Some(condition) });
    }
    parts.push(Part { rows: request.rows, given: Vec::new(), key: None, condition: None });
    let mut seen = vec![BTreeSet::new(); learning.rules.unique.len()];
    let mut all: Option<Vec<Column>> = None;
    let mut seeds = Streams::new(request.seed, "synthesize rounds").of(0);
    for part in parts.iter().filter(|part| part.rows > 0) {
        let drawn = draw_part(learning, model, part, &mut seen, &mut seeds, request.alive)?;
        match &mut all {
            None => all = Some(drawn),
            Some(all) => all.iter_mut().zip(&drawn).for_each(|(column, more)| column.append(more)),
        }
    }
    Ok(all.unwrap_or_else(|| kept(&learning.mixed.tables[0], &[])))
}

fn draw_part(
    learning: &Learning,
    model: &Model,
    part: &Part<'_>,
    seen: &mut [BTreeSet<Vec<u64>>],
    seeds: &mut impl Rng,
    alive: &dyn Fn() -> Result<()>,
) -> Result<Vec<Column>> {
    let passed: Vec<(usize, Given)> =
        part.given.iter().filter(|(column, _)| learning.shape.leaves(*column)).copied().collect();
    let like = &learning.mixed.tables[0];
    let mut columns = kept(like, &[]);
    let (mut drawn, mut found) = (0, 0);
    for _ in 0..ROUNDS {
        alive()?;
        let left = part.rows - found;
        // As many as are left, by what share was found so far.
        let share = if drawn == 0 { 1.0 } else { (found as f64 / drawn as f64).max(1.0 / MOST as f64) };
        let wanted = if share >= 1.0 { left } else { (left as f64 / share * 1.05) as usize + 16 };
        let shaped =
            model.sample(wanted, seeds.next_u64(), &passed).map_err(|why| unable(learning, part, &why))?;
        let fresh = learning.shape.undo(shaped, like);
        let mut places: Vec<usize> =
            (0..wanted).filter(|row| fits(learning, &fresh, *row, &part.given)).collect();
        places.retain(|row| is_new(learning, &fresh, *row, seen));
        drawn += wanted;
        places.truncate(left);
        found += places.len();
        let fresh = kept(&fresh, &places);
        columns.iter_mut().zip(&fresh).for_each(|(column, more)| column.append(more));
        if found == part.rows {
            return Ok(columns);
        }
    }
    Err(too_few(part, found, drawn).into())
}

fn too_few(part: &Part<'_>, found: usize, drawn: usize) -> Failure {
    let of = format!("{} of {} wanted", grouped(found), plural(part.rows, "row"));
    let message = format!("only {of} keep to all constraints, of {} drawn", grouped(drawn));
    match &part.key {
        Some(key) => Failure::new(message).hint("ask for fewer rows, or fix fewer columns").at(key.clone()),
        None => {
            let hint = "ask for fewer rows, or loosen `constraints`: what hardly ever holds in the input can't be drawn";
            Failure::new(message).hint(hint).at("constraints")
        }
    }
}

/// Whether a row keeps to all ranges and conditions.
fn fits(learning: &Learning, columns: &[Column], row: usize, given: &[(usize, Given)]) -> bool {
    let within = |(column, low, high): &(usize, f64, f64)| match &columns[*column] {
        Column::Numbers(values) => values[row].is_nan() || (*low..=*high).contains(&values[row]),
        Column::Levels { .. } => true,
    };
    let holds = |(column, value): &(usize, Given)| match (value, &columns[*column]) {
        (Given::Number(number), Column::Numbers(values)) => values[row] == *number,
        (Given::Level(level), Column::Levels { codes, .. }) => codes[row] == *level,
        (Given::Missing, column) => matches!(cell(column, row), u64::MAX | 0xFFFF_FFFF),
        _ => false,
    };
    learning.rules.ranges.iter().all(within) && given.iter().all(holds)
}

/// Whether no earlier row has the same values where they must be unique; then it is known from now on.
fn is_new(learning: &Learning, columns: &[Column], row: usize, seen: &mut [BTreeSet<Vec<u64>>]) -> bool {
    let keys: Vec<Vec<u64>> =
        learning.rules.unique.iter().map(|members| cells(columns, members, row)).collect();
    if keys.iter().zip(seen.iter()).any(|(key, seen)| seen.contains(key)) {
        return false;
    }
    keys.into_iter().zip(seen).for_each(|(key, seen)| {
        seen.insert(key);
    });
    true
}

/// The fixed columns of a condition.
fn given(learning: &Learning, condition: &Condition, key: &str) -> Result<Vec<(usize, Given)>, Failure> {
    let mut given = Vec::new();
    for (name, value) in &condition.values {
        let key = format!("{key}.where.{name}");
        let column = learning.learnt(name, key.clone())?;
        let one = &learning.mixed.described[learning.mixed.learnt[column]];
        if learning.shape.is_difference(column) {
            let failure = Failure::new(format!(
                "column `{name}` can't be fixed: it is made from the one that it is at least"
            ));
            return Err(failure.hint("fix the smaller column, or take the constraint out").at(key));
        }
        given.push((column, value_of(one, value).ok_or_else(|| unknown(one, value, &key))?));
    }
    Ok(given)
}

fn value_of(one: &Described, value: &Scalar) -> Option<Given> {
    match (&one.role, value) {
        (Role::Category { .. }, value) => {
            let found = one.level(&value.to_string());
            // `1` is the level `1.0` of numbers with decimals, too.
            let found = found.or_else(|| one.level(&format!("{value}.0")));
            found.map(Given::Level)
        }
        (Role::Number, Scalar::Number(number)) if number.is_finite() => Some(Given::Number(*number)),
        (Role::Moment { .. }, Scalar::Text(text)) => {
            let date = text.parse().ok()?;
            let micros = crate::data::quality::value::Bound::Date(date).micros(false)?;
            Some(Given::Number(one.from_micros(micros)?))
        }
        _ => None,
    }
}

fn unknown(one: &Described, value: &Scalar, key: &str) -> Failure {
    let message = format!("column `{}` never is `{value}`", one.name());
    match one.role {
        Role::Category { .. } => {
            let (levels, word) = (one.levels(), value.to_string());
            Failure::unknown(message, &word, levels.iter().map(String::as_str)).at(key)
        }
        _ => Failure::new(message).hint(format!("it holds a {}", one.role_name())).at(key),
    }
}

fn unable(learning: &Learning, part: &Part<'_>, why: &Unable) -> Failure {
    let name = |column: usize| learning.mixed.described[learning.mixed.learnt[column]].name();
    let key = part.key.clone().unwrap_or_default();
    let value = |column: usize| {
        let values = part.condition.map(|condition| &condition.values);
        values.and_then(|values| values.get(name(column))).map(ToString::to_string).unwrap_or_default()
    };
    match why {
        Unable::Unseen { column } => {
            let message =
                format!("column `{}` never is `{}` in the rows learnt from", name(*column), value(*column));
            Failure::new(message)
                .hint("fix it to a value that occurs")
                .at(format!("{key}.where.{}", name(*column)))
        }
        Unable::Number { column } => {
            let message = format!("column `{}` holds numbers, which this method can't fix", name(*column));
            let hint = "`method = \"gaussian_copula\"` can";
            Failure::new(message).hint(hint).at(format!("{key}.where.{}", name(*column)))
        }
        Unable::Rare => {
            Failure::new("what is fixed hardly ever goes together").hint("fix fewer columns").at(key)
        }
    }
}
