//! Constraints with the columns of a table behind their names.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;

use super::constraint::Constraint;
use super::shape::{Difference, Low};
use crate::data::columns::type_name;
use crate::data::mixed::{Described, Mixed, Role};
use crate::data::quality::value::Bound;
use crate::diagnostic::Failure;

/// Constraints by column.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Columns with their smallest and largest value.
    pub ranges: Vec<(usize, f64, f64)>,
    /// Inequalities, each low before it is used.
    pub differences: Vec<Difference>,
    /// The position among the constraints of the first inequality of each difference.
    pub inequalities: Vec<usize>,
    /// Columns that no two rows share.
    pub unique: Vec<Vec<usize>>,
    /// Columns of which only known combinations occur.
    pub combinations: Vec<Vec<usize>>,
}

/// The position among the learnt columns of the column of that name.
pub(super) fn learnt(mixed: &Mixed, name: &str, key: String) -> Result<usize, Failure> {
    let found = mixed.learnt.iter().position(|at| mixed.described[*at].name() == name);
    found.ok_or_else(|| {
        if mixed.described.iter().any(|one| one.name() == name) {
            let message = format!("column `{name}` holds ids, which aren't learnt");
            return Failure::new(message)
                .hint("list it in `categories` if its values mean something")
                .at(key);
        }
        let names = mixed.described.iter().map(Described::name);
        Failure::unknown(format!("there is no column `{name}`"), name, names).at(key)
    })
}

impl Rules {
    pub fn new(mixed: &Mixed, constraints: &[Constraint]) -> Result<Self, Failure> {
        let mut rules = Self::default();
        let mut taken = BTreeMap::new();
        let mut differences: BTreeMap<usize, (usize, Vec<Low>)> = BTreeMap::new();
        for (at, constraint) in constraints.iter().enumerate() {
            let key = |field: &str| format!("constraints.{at}.{field}");
            let list = |field: &str, names: &[String]| -> Result<Vec<usize>, Failure> {
                let places =
                    names.iter().enumerate().filter(|(_, name)| !(field == "unique" && is_id(mixed, name)));
                places.map(|(place, name)| learnt(mixed, name, format!("{}.{place}", key(field)))).collect()
            };
            if !constraint.unique.is_empty() {
                let members = list("unique", &constraint.unique)?;
                // Ids are unique by themselves, and so is whatever stands beside them.
                if members.len() == constraint.unique.len() {
                    rules.unique.push(members);
                }
            }
            if !constraint.combination.is_empty() {
                let members = list("combination", &constraint.combination)?;
                for member in &members {
                    claim(&mut taken, mixed, *member, key("combination"))?;
                }
                rules.combinations.push(members);
            }
            let Some(name) = &constraint.column else { continue };
            let column = learnt(mixed, name, key("column"))?;
            if constraint.min.is_some() || constraint.max.is_some() {
                let one = &mixed.described[mixed.learnt[column]];
                let low =
                    bound(one, constraint.min, false, f64::NEG_INFINITY).map_err(|why| why.at(key("min")))?;
                let high =
                    bound(one, constraint.max, true, f64::INFINITY).map_err(|why| why.at(key("max")))?;
                rules.ranges.push((column, low, high));
            }
            if let Some((other, strict)) = constraint.relation() {
                let field = if strict { "above" } else { "at_least" };
                let low = relation(mixed, column, learnt(mixed, other, key(field))?, strict)
                    .map_err(|why| why.at(key(field)))?;
                if !differences.contains_key(&column) {
                    claim(&mut taken, mixed, column, key("column"))?;
                }
                differences.entry(column).or_insert((at, Vec::new())).1.push(low);
            }
        }
        rules.order(differences)?;
        Ok(rules)
    }

    /// Puts inequalities in an order in which lows are known.
    fn order(&mut self, mut left: BTreeMap<usize, (usize, Vec<Low>)>) -> Result<(), Failure> {
        let mut done = BTreeSet::new();
        while !left.is_empty() {
            let ready = |(_, lows): &(usize, Vec<Low>), left: &BTreeMap<usize, _>| {
                lows.iter().all(|low| done.contains(&low.column) || !left.contains_key(&low.column))
            };
            let Some(high) = left.iter().find(|(_, one)| ready(one, &left)).map(|(high, _)| *high) else {
                let at = left.values().map(|(at, _)| *at).min().unwrap_or_default();
                let failure = Failure::new("columns are at least each other in a circle");
                return Err(failure
                    .hint("take one of these constraints out")
                    .at(format!("constraints.{at}")));
            };
            if let Some((at, lows)) = left.remove(&high) {
                done.insert(high);
                self.inequalities.push(at);
                self.differences.push(Difference { high, lows });
            }
        }
        Ok(())
    }
}

fn is_id(mixed: &Mixed, name: &str) -> bool {
    mixed.described.iter().any(|one| one.name() == name && matches!(one.role, Role::Id))
}

/// A column may be part of one combination or one difference.
fn claim(
    taken: &mut BTreeMap<usize, String>,
    mixed: &Mixed,
    column: usize,
    key: String,
) -> Result<(), Failure> {
    match taken.insert(column, key.clone()) {
        None => Ok(()),
        Some(_) => {
            let name = mixed.described[mixed.learnt[column]].name();
            let failure =
                Failure::new(format!("column `{name}` is in two constraints that exclude each other"));
            Err(failure.hint("a column is in one combination, or at least others").at(key))
        }
    }
}

/// A bound in the unit that a column is learnt in.
fn bound(one: &Described, bound: Option<Bound>, last: bool, none: f64) -> Result<f64, Failure> {
    let Some(bound) = bound else { return Ok(none) };
    let kind = type_name(one.field.data_type());
    let value = match (&one.role, bound) {
        (Role::Number, Bound::Number(number)) => Some(number),
        (Role::Moment { .. }, bound) => bound.micros(last).and_then(|micros| one.from_micros(micros)),
        _ => None,
    };
    value.ok_or_else(|| {
        let failure = Failure::new(format!("column `{}` is {kind}, which `{bound}` isn't", one.name()));
        failure.hint("numbers are compared with numbers, dates with dates")
    })
}

/// How a column is compared with another.
fn relation(mixed: &Mixed, high: usize, low: usize, strict: bool) -> Result<Low, Failure> {
    let (one, two) = (&mixed.described[mixed.learnt[high]], &mixed.described[mixed.learnt[low]]);
    let whole = |kind: &DataType| type_name(kind);
    match (&one.role, &two.role) {
        (Role::Number, Role::Number) => Ok(Low { column: low, strict, scale: 1.0, shift: 0.0 }),
        (Role::Moment { origin, step }, Role::Moment { origin: from, step: other })
            if one.field.data_type() == two.field.data_type() =>
        {
            let shift = (i128::from(*from) - i128::from(*origin)) as f64 / *step as f64;
            Ok(Low { column: low, strict, scale: *other as f64 / *step as f64, shift })
        }
        _ => {
            let (name, other) = (one.name(), two.name());
            let (kind, of) = (whole(one.field.data_type()), whole(two.field.data_type()));
            let failure = Failure::new(format!("column `{name}` is {kind} and `{other}` is {of}"));
            Err(failure.hint("numbers are compared with numbers, and dates with dates of the same type"))
        }
    }
}
