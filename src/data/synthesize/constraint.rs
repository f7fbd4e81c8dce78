//! What must hold in every synthetic row: ranges, inequalities, uniqueness and combinations, as TOML says them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::quality::value::{Bound, Scalar};

/// Something that must hold in every row: a range or an inequality of `column`, or `unique`, or `combination`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Constraint {
    /// The column that `min`, `max`, `at_least` and `above` are about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Smallest value: a number or a date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Bound>,
    /// Largest value: a number or a date; a date without a time includes that day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Bound>,
    /// A column that `column` is never below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<String>,
    /// A column that `column` is always above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above: Option<String>,
    /// Columns whose values, taken together, no two rows share.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unique: Vec<String>,
    /// Columns of whose values only combinations occur that occur in the input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub combination: Vec<String>,
}

/// Rows in which some columns are fixed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Condition {
    /// How many rows.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub rows: usize,
    /// The value of each fixed column: `{ channel = "web" }`.
    #[serde(rename = "where")]
    pub values: std::collections::BTreeMap<String, Scalar>,
}

impl Default for Condition {
    fn default() -> Self {
        Self { rows: 100, values: std::collections::BTreeMap::new() }
    }
}

/// A mistake in a constraint: the field that it is about, what is wrong, and what to do.
pub type Problem = (String, String, &'static str);

impl Constraint {
    /// What is wrong with it by itself.
    pub fn problem(&self) -> Option<Problem> {
        let about_column = self.min.is_some() || self.max.is_some() || self.relation().is_some();
        let kinds = [about_column, !self.unique.is_empty(), !self.combination.is_empty()];
        let said = |field: &str, message: &str, hint| Some((field.to_owned(), message.to_owned(), hint));
        match kinds.iter().filter(|kind| **kind).count() {
            0 => {
                return said(
                    "",
                    "the constraint demands nothing",
                    "give it `min`, `max`, `at_least`, `above`, `unique` or `combination`",
                );
            }
            1 => {}
            _ => return said("", "the constraint demands several things", "write one constraint for each"),
        }
        match (&self.column, about_column) {
            (None, true) => said("", "the constraint has no `column`", "name the column that it is about"),
            (Some(_), false) => {
                said("column", "`column` does nothing here", "list the columns in `unique` or `combination`")
            }
            (Some(column), true) if self.relation().is_some_and(|(other, _)| other == column) => {
                said("column", "a column is compared with itself", "name another column")
            }
            _ if self.at_least.is_some() && self.above.is_some() => {
                said("above", "`at_least` and `above` exclude each other", "keep one of them")
            }
            _ if self.combination.len() == 1 => {
                said("combination", "a combination is of several columns", "name two columns or more")
            }
            _ => None,
        }
    }

    /// The column that `column` is compared with, and whether it must be above.
    pub fn relation(&self) -> Option<(&String, bool)> {
        let at_least = self.at_least.as_ref().map(|other| (other, false));
        at_least.or_else(|| self.above.as_ref().map(|other| (other, true)))
    }
}

#[cfg(test)]
mod tests {
    use super::Constraint;

    fn problem(toml: &str) -> Option<String> {
        let constraint: Constraint = toml::from_str(toml).unwrap();
        constraint.problem().map(|(field, message, _)| format!("{field}: {message}"))
    }

    #[test]
    fn a_constraint_demands_one_thing() {
        assert_eq!(problem("column = 'a'\nmin = 0\nmax = 1"), None);
        assert_eq!(problem("column = 'a'\nmin = 2020-01-01\nat_least = 'b'"), None);
        assert_eq!(problem("unique = ['a']"), None);
        assert_eq!(problem("column = 'a'").unwrap(), ": the constraint demands nothing");
        assert_eq!(problem("min = 1").unwrap(), ": the constraint has no `column`");
        assert_eq!(
            problem("unique = ['a']\ncombination = ['a', 'b']").unwrap(),
            ": the constraint demands several things"
        );
        assert_eq!(
            problem("combination = ['a']").unwrap(),
            "combination: a combination is of several columns"
        );
        assert_eq!(problem("column = 'a'\nabove = 'a'").unwrap(), "column: a column is compared with itself");
        assert_eq!(problem("column = 'a'\nunique = ['b']").unwrap(), "column: `column` does nothing here");
        assert_eq!(
            problem("column = 'a'\nabove = 'b'\nat_least = 'c'").unwrap(),
            "above: `at_least` and `above` exclude each other"
        );
    }
}
