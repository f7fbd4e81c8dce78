//! What the user demands of a table: rules, each with one or more checks.
//!
//! Knows no table yet: whether columns exist and have the right type is up to `check`.

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::demand::{Direction, Drift, Fence, Habit, Length, Reference};
use super::label;
use super::value::{Bound, Scalar};
use crate::data::expression;
use crate::diagnostic::Failure;

/// Demands on a column or on the whole table; each of them becomes a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// The column that the rule is about; `duplicates` and `rows` are about the whole table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Largest share of missing values; in numbers, NaN and infinity are missing too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub missing: Option<f64>,
    /// Smallest value: a number or a date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Bound>,
    /// Largest value: a number or a date; a date without a time includes that day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Bound>,
    /// All values that may occur.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<Scalar>>,
    /// A regular expression that texts must match, anywhere unless it has `^` and `$`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// How many letters texts must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<Length>,
    /// How values must follow each other from row to row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monotone: Option<Direction>,
    /// A condition on the columns of a row in the words of SQL: `amount >= 0 or channel = 'return'`; where a missing
    /// value leaves it open, the row isn't looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// The column of another table (of `inputs`) in which values must occur: a foreign key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub references: Option<Reference>,
    /// Most days from the last timestamp to the stage's `as_of`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freshness: Option<u32>,
    /// How far the column may have moved from that of the stage's table `earlier`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// What a retailer knows to look for, in the columns that the stage's `retail` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retail: Option<Habit>,
    /// Whether no value may occur twice.
    pub unique: bool,
    /// The type that the column must have.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub ty: Option<ColumnType>,
    /// Largest share of rows that are copies of earlier rows, in all columns or in `columns`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub duplicates: Option<f64>,
    /// The columns in which `duplicates` compares rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Largest share of values far from the median: more than 6 robust standard deviations
    /// (1.4826 times the median absolute deviation), or 3 interquartile ranges beyond the quartiles
    /// where most values are equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub outliers: Option<f64>,
    /// Beyond which limits `outliers` finds a value far: `{ robust_z = 6.0 }` or `{ iqr = 3.0 }`; both in turn when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fence: Option<Fence>,
    /// How many rows the table must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Volume>,
    /// How evenly a column of timestamps must cover its span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// Share of values (of rows, with `expression` and `retail`) that must satisfy the other checks; `missing`,
    /// `duplicates` and `outliers` say their own.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub mostly: f64,
    /// What it means when the rule is broken.
    pub severity: Severity,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            column: None,
            missing: None,
            min: None,
            max: None,
            allowed: None,
            regex: None,
            length: None,
            monotone: None,
            expression: None,
            references: None,
            freshness: None,
            drift: None,
            retail: None,
            unique: false,
            ty: None,
            duplicates: None,
            columns: Vec::new(),
            outliers: None,
            fence: None,
            rows: None,
            coverage: None,
            mostly: 1.0,
            severity: Severity::Error,
        }
    }
}

/// What it means when a rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The data must not be used.
    Error,
    /// The user should know.
    Warn,
    /// It is only written down.
    Info,
}

impl Severity {
    /// The word in the findings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
        }
    }
}

/// The type that a column must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Any numbers.
    Number,
    /// Whole numbers, also those that are stored as floats.
    Integer,
    /// Text, of few or many different values.
    Text,
    /// Dates or points in time.
    Timestamp,
    /// True or false.
    Boolean,
}

/// How many rows a table must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Volume {
    /// At least that many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// At most that many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

/// How evenly timestamps must cover their span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Coverage {
    /// Most days in a row without any row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_gap_days: Option<u32>,
    /// Fewest rows in any whole week, Monday to Sunday.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_weekly_rows: Option<u64>,
    /// Whether the last week must be whole: reach its Sunday.
    pub whole_last_week: bool,
}

impl Rule {
    /// What is wrong with the rule itself, whatever the table; `at` is its position from 0.
    pub fn mistakes(&self, at: usize) -> Vec<Failure> {
        let problem = |(key, what, hint): Mistake| {
            let key = if key.is_empty() { format!("rules.{at}") } else { format!("rules.{at}.{key}") };
            Failure::new(format!("{}: {what}", label(at))).hint(hint).at(key)
        };
        let found = [
            self.idle(),
            self.stray(),
            self.empty(),
            self.range(),
            self.volume(),
            self.pattern(),
            self.condition(),
            self.lengths(),
            self.drifting(),
            self.fenced(),
        ];
        found.into_iter().flatten().map(problem).collect()
    }

    /// Checks and columns that don't meet.
    fn idle(&self) -> Option<Mistake> {
        let needy = self.column_checks();
        let of_table = self.duplicates.is_some()
            || self.rows.is_some()
            || self.expression.is_some()
            || self.retail.is_some();
        let add = "add a check such as `missing = 0.0`";
        match (needy.first(), &self.column) {
            (None, _) if !of_table => Some(("", "no check is given".to_owned(), add)),
            (None, Some(_)) => Some(("column", "none of its checks looks at `column`".to_owned(), add)),
            (Some(check), None) => {
                Some(("", format!("`{check}` needs a column"), "add `column = \"amount\"`"))
            }
            _ => None,
        }
    }

    fn stray(&self) -> Option<Mistake> {
        let stray = !self.columns.is_empty() && self.duplicates.is_none();
        let hint = "add `duplicates = 0.0`, or use `column`";
        stray.then(|| ("columns", "`columns` is for `duplicates` alone".to_owned(), hint))
    }

    fn empty(&self) -> Option<Mistake> {
        if self.allowed.as_ref().is_some_and(Vec::is_empty) {
            let hint = "list the values: `allowed = [\"web\", \"store\"]`";
            return Some(("allowed", "`allowed` lists no value".to_owned(), hint));
        }
        let empty = self.coverage == Some(Coverage::default());
        let hint = "say `coverage = { max_gap_days = 7 }`";
        empty.then(|| ("coverage", "`coverage` has no limit".to_owned(), hint))
    }

    fn range(&self) -> Option<Mistake> {
        let (low, high) = (self.min?, self.max?);
        let ordered = match (low, high) {
            (Bound::Number(low), Bound::Number(high)) => low <= high,
            (Bound::Date(_), Bound::Date(_)) => low.micros(false) <= high.micros(true),
            _ => {
                let what = "`min` and `max` are not both numbers or both dates".to_owned();
                return Some(("max", what, "a column is one or the other"));
            }
        };
        (!ordered).then(|| ("max", format!("`min` {low} is above `max` {high}"), "exchange them"))
    }

    fn pattern(&self) -> Option<Mistake> {
        let error = Regex::new(self.regex.as_ref()?).err()?;
        let told = match &error {
            // The last line says what is wrong, those above show where.
            regex::Error::Syntax(text) => {
                text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
            other => other.to_string(),
        };
        Some(("regex", format!("`regex` is no regular expression: {told}"), "write it as `^[0-9]{6}$`"))
    }

    fn condition(&self) -> Option<Mistake> {
        let text = self.expression.as_ref()?;
        let wrong = expression::parse(text).err()?;
        let at = text.get(..wrong.at.start).unwrap_or_default().chars().count() + 1;
        let what = format!("`expression`, character {at}: {}", wrong.message);
        Some(("expression", what, "write something like `amount >= 0 or channel = 'return'`"))
    }

    fn lengths(&self) -> Option<Mistake> {
        match self.length? {
            Length { min: None, max: None } => {
                Some(("length", "`length` has no limit".to_owned(), "say `length = { max = 20 }`"))
            }
            Length { min: Some(min), max: Some(max) } if min > max => {
                Some(("length", format!("`min` {min} is above `max` {max}"), "exchange them"))
            }
            _ => None,
        }
    }

    fn drifting(&self) -> Option<Mistake> {
        let empty = self.drift == Some(Drift::default());
        let hint = "say `drift = { psi = 0.25 }`";
        empty.then(|| ("drift", "`drift` has no limit".to_owned(), hint))
    }

    fn fenced(&self) -> Option<Mistake> {
        let fence = self.fence?;
        if self.outliers.is_none() {
            let what = "`fence` is for `outliers` alone".to_owned();
            return Some(("fence", what, "add `outliers = 0.01`"));
        }
        let (Fence::RobustZ(reach) | Fence::Iqr(reach)) = fence;
        let fine = reach.is_finite() && reach > 0.0;
        (!fine).then(|| ("fence", format!("{reach} is no distance"), "give a number above zero"))
    }

    fn volume(&self) -> Option<Mistake> {
        match self.rows? {
            Volume { min: None, max: None } => {
                Some(("rows", "`rows` has no limit".to_owned(), "say `rows = { min = 1 }`"))
            }
            Volume { min: Some(min), max: Some(max) } if min > max => {
                Some(("rows", format!("`min` {min} is above `max` {max}"), "exchange them"))
            }
            _ => None,
        }
    }

    /// The checks of the rule that need a column.
    fn column_checks(&self) -> Vec<&'static str> {
        [
            ("missing", self.missing.is_some()),
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("allowed", self.allowed.is_some()),
            ("regex", self.regex.is_some()),
            ("length", self.length.is_some()),
            ("monotone", self.monotone.is_some()),
            ("references", self.references.is_some()),
            ("freshness", self.freshness.is_some()),
            ("drift", self.drift.is_some()),
            ("unique", self.unique),
            ("type", self.ty.is_some()),
            ("outliers", self.outliers.is_some()),
            ("coverage", self.coverage.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, there)| there.then_some(name))
        .collect()
    }
}

/// The key within the rule, what is wrong, and advice.
type Mistake = (&'static str, String, &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        toml::from_str(text).unwrap()
    }

    fn mistakes(text: &str) -> Vec<(String, String)> {
        let mistakes = rule(text).mistakes(1);
        mistakes.into_iter().map(|problem| (problem.key.unwrap(), problem.message)).collect()
    }

    #[test]
    fn rules_that_can_not_be_meant() {
        let one = |text: &str, key: &str, message: &str| {
            assert_eq!(mistakes(text), [(key.to_owned(), message.to_owned())], "{text}");
        };
        one("column = \"a\"", "rules.1", "rule 2 (`rules.1`): no check is given");
        let unused = "rule 2 (`rules.1`): none of its checks looks at `column`";
        one("column = \"a\"\nrows = { min = 1 }", "rules.1.column", unused);
        one("", "rules.1", "rule 2 (`rules.1`): no check is given");
        one("min = 1", "rules.1", "rule 2 (`rules.1`): `min` needs a column");
        one(
            "columns = [\"a\"]\nrows = { min = 1 }",
            "rules.1.columns",
            "rule 2 (`rules.1`): `columns` is for `duplicates` alone",
        );
        one(
            "column = \"a\"\nallowed = []",
            "rules.1.allowed",
            "rule 2 (`rules.1`): `allowed` lists no value",
        );
        one(
            "column = \"a\"\nmin = 2\nmax = 1.5",
            "rules.1.max",
            "rule 2 (`rules.1`): `min` 2 is above `max` 1.5",
        );
        one(
            "column = \"a\"\nmin = 2\nmax = 2023-01-01",
            "rules.1.max",
            "rule 2 (`rules.1`): `min` and `max` are not both numbers or both dates",
        );
        one("rows = {}", "rules.1.rows", "rule 2 (`rules.1`): `rows` has no limit");
        one("rows = { min = 3, max = 2 }", "rules.1.rows", "rule 2 (`rules.1`): `min` 3 is above `max` 2");
        one(
            "column = \"a\"\ncoverage = {}",
            "rules.1.coverage",
            "rule 2 (`rules.1`): `coverage` has no limit",
        );
        assert_eq!(mistakes("column = \"a\"\nmin = 2023-01-01\nmax = 2023-01-01"), []);
        one(
            "column = \"a\"\nregex = \"a(b\"",
            "rules.1.regex",
            "rule 2 (`rules.1`): `regex` is no regular expression: unclosed group",
        );
        one(
            "expression = \"amount >\"",
            "rules.1.expression",
            "rule 2 (`rules.1`): `expression`, character 9: the end can't be read: a value, a column or a comparison is expected",
        );
        one(
            "column = \"a\"\nlength = { min = 3, max = 2 }",
            "rules.1.length",
            "rule 2 (`rules.1`): `min` 3 is above `max` 2",
        );
        one("column = \"a\"\ndrift = {}", "rules.1.drift", "rule 2 (`rules.1`): `drift` has no limit");
        one(
            "column = \"a\"\nmin = 1\nfence = { iqr = 3 }",
            "rules.1.fence",
            "rule 2 (`rules.1`): `fence` is for `outliers` alone",
        );
    }

    #[test]
    fn rules_come_back_as_they_were_written() {
        let text = "column = \"a\"\nmin = 0.5\nmax = 2.0\nallowed = [\"x\", 1.0, true]\nunique = false\ntype = \"integer\"\nmostly = 0.9\nseverity = \"warn\"\n";
        let written: toml::Table = toml::from_str(text).unwrap();
        assert_eq!(toml::Table::try_from(rule(text)).unwrap(), written);
        let dated = toml::Table::try_from(rule("min = 2023-01-31")).unwrap();
        assert_eq!(
            dated.get("min").unwrap().as_str(),
            None,
            "a date in quotes would be refused when it is read"
        );
        assert_eq!(dated.try_into::<Rule>().unwrap(), rule("min = 2023-01-31"));
    }
}
