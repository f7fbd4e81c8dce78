//! What the user demands of a table: rules, each with one or more checks.
//!
//! Knows no table yet: whether columns exist and have the right type is up to `check`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::value::{Datetime, Offset};

use crate::data::read::date;
use crate::data::read::problem::Problem;

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
    /// How many rows the table must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Volume>,
    /// How evenly a column of timestamps must cover its span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// Share of values that must satisfy `min`, `max`, `allowed`, `unique`, `type` and `coverage`.
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
            unique: false,
            ty: None,
            duplicates: None,
            columns: Vec::new(),
            outliers: None,
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
}

/// The smallest or largest value of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Of numbers; a whole number is the same as one with `.0`.
    Number(f64),
    /// Of dates and timestamps.
    Date(Datetime),
}

impl Bound {
    /// Microseconds since 1970 of a date; a day alone stands for its first or, with `last`, its last.
    pub fn micros(self, last: bool) -> Option<i64> {
        let Self::Date(Datetime { date: Some(date), time, offset }) = self else { return None };
        let days = date::day_number(date.year.into(), date.month.into(), date.day.into())?;
        let Some(time) = time else {
            return Some((days + i64::from(last)) * 86_400_000_000 - i64::from(last));
        };
        let seconds =
            i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0));
        let east = match offset {
            Some(Offset::Custom { minutes }) => i64::from(minutes) * 60,
            Some(Offset::Z) | None => 0,
        };
        let micros = i64::from(time.nanosecond.unwrap_or(0) / 1000);
        Some((days * 86_400 + seconds - east) * 1_000_000 + micros)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Date(date) => date.fmt(f),
        }
    }
}

impl Serialize for Bound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => number.serialize(serializer),
            // As text: `toml::Table::try_from` would make a table with a private key of a date.
            Self::Date(date) => serializer.collect_str(date),
        }
    }
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || serde::de::Error::custom("expected a number or a date such as 2023-01-31");
        match toml::Value::deserialize(deserializer)? {
            // Whole numbers that a rule compares with are far below 2^53.
            #[allow(clippy::cast_precision_loss)]
            toml::Value::Integer(number) => Ok(Self::Number(number as f64)),
            toml::Value::Float(number) if number.is_finite() => Ok(Self::Number(number)),
            toml::Value::Datetime(date) if date.date.is_some() => Ok(Self::Date(date)),
            toml::Value::String(text) => {
                let date: Datetime = text.parse().map_err(|_| wrong())?;
                if date.date.is_some() { Ok(Self::Date(date)) } else { Err(wrong()) }
            }
            _ => Err(wrong()),
        }
    }
}

impl JsonSchema for Bound {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Bound".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "type": "number" }, { "type": "string", "format": "date" }] })
    }
}

/// A value that a column may have.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Text.
    Text(String),
    /// A number; a whole number is the same as one with `.0`.
    Number(f64),
    /// True or false.
    Flag(bool),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
        }
    }
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Number(number) => number.serialize(serializer),
            Self::Flag(flag) => flag.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self::Text(text)),
            // Whole numbers that a rule lists are far below 2^53.
            #[allow(clippy::cast_precision_loss)]
            toml::Value::Integer(number) => Ok(Self::Number(number as f64)),
            toml::Value::Float(number) => Ok(Self::Number(number)),
            toml::Value::Boolean(flag) => Ok(Self::Flag(flag)),
            _ => Err(serde::de::Error::custom("expected text, a number, or true or false")),
        }
    }
}

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "type": "string" }, { "type": "number" }, { "type": "boolean" }] })
    }
}

impl Rule {
    /// What is wrong with the rule itself, whatever the table; `at` is its position from 0.
    pub fn mistakes(&self, at: usize) -> Vec<Problem> {
        let mut mistakes = Vec::new();
        let mut wrong = |key: &str, what: &str, hint: &str| {
            let key = if key.is_empty() { format!("rules.{at}") } else { format!("rules.{at}.{key}") };
            mistakes.push(Problem::new(format!("rule {}: {what}", at + 1)).hint(hint).at(key));
        };
        let needy = self.column_checks();
        let of_table = self.duplicates.is_some() || self.rows.is_some();
        match (needy.first(), &self.column) {
            (None, _) if !of_table => wrong("", "it checks nothing", "add a check such as `missing = 0.0`"),
            (None, Some(_)) => {
                wrong("column", "none of its checks looks at `column`", "add a check such as `missing = 0.0`")
            }
            (Some(check), None) => {
                wrong("", &format!("`{check}` needs a column"), "add `column = \"amount\"`")
            }
            _ => {}
        }
        if !self.columns.is_empty() && self.duplicates.is_none() {
            wrong(
                "columns",
                "`columns` is for `duplicates` alone",
                "add `duplicates = 0.0`, or use `column`",
            );
        }
        if self.allowed.as_ref().is_some_and(Vec::is_empty) {
            wrong("allowed", "`allowed` lists no value", "list the values: `allowed = [\"web\", \"store\"]`");
        }
        if let (Some(low), Some(high)) = (self.min, self.max) {
            match (low, high) {
                (Bound::Number(low), Bound::Number(high)) if low <= high => {}
                (Bound::Date(_), Bound::Date(_)) if low.micros(false) <= high.micros(true) => {}
                (Bound::Number(_), Bound::Date(_)) | (Bound::Date(_), Bound::Number(_)) => {
                    wrong(
                        "max",
                        "`min` and `max` are not both numbers or both dates",
                        "a column is one or the other",
                    );
                }
                _ => wrong("max", &format!("`min` {low} is above `max` {high}"), "exchange them"),
            }
        }
        match self.rows {
            Some(Volume { min: None, max: None }) => {
                wrong("rows", "`rows` has no limit", "say `rows = { min = 1 }`")
            }
            Some(Volume { min: Some(min), max: Some(max) }) if min > max => {
                wrong("rows", &format!("`min` {min} is above `max` {max}"), "exchange them");
            }
            _ => {}
        }
        if self.coverage == Some(Coverage::default()) {
            wrong("coverage", "`coverage` has no limit", "say `coverage = { max_gap_days = 7 }`");
        }
        mistakes
    }

    /// The checks of the rule that need a column.
    fn column_checks(&self) -> Vec<&'static str> {
        [
            ("missing", self.missing.is_some()),
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("allowed", self.allowed.is_some()),
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

/// Rules for a table of transactions, as far as it has their columns.
pub fn defaults(has: impl Fn(&str) -> bool) -> Vec<Rule> {
    let of = |column: &str| Rule { column: Some(column.to_owned()), ..Rule::default() };
    let mut rules = vec![Rule { rows: Some(Volume { min: Some(1), max: None }), ..Rule::default() }];
    for column in ["customer_id", "txn_timestamp", "amount"].into_iter().filter(|column| has(column)) {
        let ty = match column {
            "txn_timestamp" => Some(ColumnType::Timestamp),
            "amount" => Some(ColumnType::Number),
            _ => None,
        };
        rules.push(Rule { missing: Some(0.0), ty, ..of(column) });
    }
    rules.push(Rule { duplicates: Some(0.0), severity: Severity::Warn, ..Rule::default() });
    if has("txn_timestamp") {
        let coverage = Some(Coverage { max_gap_days: None, min_weekly_rows: Some(1) });
        rules.push(Rule { coverage, severity: Severity::Warn, ..of("txn_timestamp") });
    }
    rules
}

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
        one("column = \"a\"", "rules.1", "rule 2: it checks nothing");
        let unused = "rule 2: none of its checks looks at `column`";
        one("column = \"a\"\nrows = { min = 1 }", "rules.1.column", unused);
        one("", "rules.1", "rule 2: it checks nothing");
        one("min = 1", "rules.1", "rule 2: `min` needs a column");
        one(
            "columns = [\"a\"]\nrows = { min = 1 }",
            "rules.1.columns",
            "rule 2: `columns` is for `duplicates` alone",
        );
        one("column = \"a\"\nallowed = []", "rules.1.allowed", "rule 2: `allowed` lists no value");
        one("column = \"a\"\nmin = 2\nmax = 1.5", "rules.1.max", "rule 2: `min` 2 is above `max` 1.5");
        one(
            "column = \"a\"\nmin = 2\nmax = 2023-01-01",
            "rules.1.max",
            "rule 2: `min` and `max` are not both numbers or both dates",
        );
        one("rows = {}", "rules.1.rows", "rule 2: `rows` has no limit");
        one("rows = { min = 3, max = 2 }", "rules.1.rows", "rule 2: `min` 3 is above `max` 2");
        one("column = \"a\"\ncoverage = {}", "rules.1.coverage", "rule 2: `coverage` has no limit");
        assert_eq!(mistakes("column = \"a\"\nmin = 2023-01-01\nmax = 2023-01-01"), []);
    }

    #[test]
    fn bounds_are_numbers_or_dates() {
        assert_eq!(rule("min = 1").min, rule("min = 1.0").min);
        assert_eq!(rule("min = \"2023-01-31\"").min, rule("min = 2023-01-31").min);
        let micros = |text: &str, last| rule(text).max.unwrap().micros(last);
        let day = 86_400_000_000;
        assert_eq!(micros("max = 1970-01-02", false), Some(day));
        assert_eq!(micros("max = 1970-01-02", true), Some(2 * day - 1));
        assert_eq!(micros("max = 1970-01-01T01:00:01.5+01:00", true), Some(1_500_000));
        assert_eq!(micros("max = 1970-01-02T00:00:00", true), Some(day));
        for wrong in ["min = \"soon\"", "min = true", "min = nan", "min = 10:00:00", "min = \"10:00:00\""] {
            let error = toml::from_str::<Rule>(wrong).unwrap_err();
            assert_eq!(error.message(), "expected a number or a date such as 2023-01-31", "{wrong}");
        }
    }

    #[test]
    fn rules_come_back_as_they_were_written() {
        let text = "column = \"a\"\nmin = 0.5\nmax = 2.0\nallowed = [\"x\", 1.0, true]\nunique = false\ntype = \"integer\"\nmostly = 0.9\nseverity = \"warn\"\n";
        let written: toml::Table = toml::from_str(text).unwrap();
        assert_eq!(toml::Table::try_from(rule(text)).unwrap(), written);
        let dated = toml::Table::try_from(rule("min = 2023-01-31")).unwrap();
        assert_eq!(dated.get("min").unwrap().as_str(), Some("2023-01-31"));
        assert_eq!(dated.try_into::<Rule>().unwrap(), rule("min = 2023-01-31"));
    }
}
