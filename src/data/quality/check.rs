//! Checks: rules that have met a table, so that each knows its column's place and type.
//!
//! Knows the schema; knows nothing of rows.

use anyhow::Result;
use arrow::datatypes::{DataType, Schema};
use regex::Regex;

use super::demand::{Direction, Drift, Fence, Length, Reference};
use super::ground::{self, Ground, Keys};
use super::rule::{ColumnType, Rule, Severity};
use super::value::{Bound, Scalar};
use super::{label, retail};
use crate::data::columns::type_name;
use crate::data::expression;
use crate::diagnostic::{Failure, quoted};

/// A single check on a table.
#[derive(Clone, Debug)]
pub struct Check {
    /// The position of its rule, from 0.
    pub rule: usize,
    /// The key in the rule, such as `min`.
    pub name: &'static str,
    /// The column, unless it is about the whole table.
    pub column: Option<String>,
    /// What it means when it fails.
    pub severity: Severity,
    /// Share of failing values that is allowed.
    pub allowed: f64,
    /// What is looked at.
    pub test: Test,
}

/// What a check looks at. Columns are positions in the table.
#[derive(Clone, Debug)]
pub enum Test {
    /// Whether values are there.
    Missing(usize),
    /// Whether numbers are at least (or at most) that.
    Number {
        /// The column.
        at: usize,
        /// The limit.
        limit: f64,
        /// Whether it is the largest value, not the smallest.
        most: bool,
    },
    /// Whether timestamps are at least (or at most) that, in microseconds.
    Time {
        /// The column.
        at: usize,
        /// The limit.
        limit: i64,
        /// Whether it is the largest value, not the smallest.
        most: bool,
        /// The limit as the user wrote it.
        shown: String,
    },
    /// Whether texts are among these.
    Texts(usize, Vec<String>),
    /// Whether numbers are among these.
    Numbers(usize, Vec<f64>),
    /// Whether flags are among these.
    Flags(usize, Vec<bool>),
    /// Whether values came before.
    Unique(usize),
    /// Whether floats are whole.
    Whole(usize),
    /// Whether the column has the type; that is known before any row is.
    Type {
        /// Whether it has.
        fits: bool,
        /// What it is.
        is: String,
        /// What it should be.
        wanted: ColumnType,
    },
    /// Whether rows came before, compared in these columns.
    Duplicates(Vec<usize>),
    /// Whether numbers lie near the others.
    Outliers(usize, Option<Fence>),
    /// Whether texts match, or (not wanted) don't.
    Pattern {
        /// The column.
        at: usize,
        /// What they match.
        regex: Regex,
        /// Whether they must.
        wanted: bool,
    },
    /// Whether texts have so many letters.
    Length(usize, Length),
    /// Whether values follow each other so.
    Monotone(usize, Direction),
    /// Whether a condition holds for rows, and what those do for which it doesn't.
    Holds {
        /// The condition.
        bound: expression::Bound,
        /// What a row does for which it doesn't: `breaks ...`, `has ...`.
        one: String,
        /// What several do.
        many: String,
    },
    /// Whether values occur in a column of another table, in words.
    Known(usize, Keys, String),
    /// Whether no more is taken back than was bought: how much, and the columns that tell by whom of what.
    Returns(usize, Vec<usize>),
    /// Whether the last day is at most so many days before that one.
    Fresh(usize, u32, i64),
    /// Whether the last week is whole.
    LastWeek(usize),
    /// Whether the distribution lies near that of an earlier table.
    Drift {
        /// The column.
        at: usize,
        /// Whether it is compared as texts, not as numbers or times.
        texts: bool,
        /// Whether by the population stability index, else by the distance of Kolmogorov and Smirnov.
        psi: bool,
        /// The largest value.
        most: f64,
    },
    /// Whether there are enough rows, and not too many.
    Rows(Option<u64>, Option<u64>),
    /// Nothing: the column that the rule names isn't there. What there is instead, in words.
    Absent(String),
    /// Whether days in a row have no row.
    Gaps(usize, u32),
    /// Whether whole weeks have enough rows.
    Weeks(usize, u64),
}

impl Check {
    /// Whether single rows are to blame where it fails.
    pub fn is_of_rows(&self) -> bool {
        !matches!(
            self.test,
            Test::Type { .. }
                | Test::Absent(_)
                | Test::Rows(..)
                | Test::Gaps(..)
                | Test::Weeks(..)
                | Test::Fresh(..)
                | Test::LastWeek(_)
                | Test::Drift { .. }
        )
    }
}

/// The checks of rules on a table with that schema; a column that isn't there is a check that fails.
///
/// # Errors
/// When a column can't be compared with what a rule says.
pub fn checks(rules: &[Rule], schema: &Schema, ground: &Ground) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (number, rule) in rules.iter().enumerate() {
        let meet = Meet { rule, number, schema, ground };
        if let Some(name) = &rule.column {
            match schema.index_of(name) {
                Ok(at) => meet.column(name, at, &mut checks)?,
                Err(_) => checks.push(meet.absent(name, "column")),
            }
        }
        meet.whole_table(&mut checks)?;
    }
    Ok(checks)
}

/// A rule that meets a table.
struct Meet<'a> {
    rule: &'a Rule,
    number: usize,
    schema: &'a Schema,
    ground: &'a Ground,
}

impl Meet<'_> {
    /// What a rule comes to whose column isn't there.
    fn absent(&self, name: &str, key: &'static str) -> Check {
        let known = self.schema.fields().iter().map(|field| field.name().as_str());
        let advice = Failure::unknown("", name, known).hint.unwrap_or_default();
        self.check(key, Some(name), 0.0, Test::Absent(advice))
    }

    fn check(&self, name: &'static str, column: Option<&str>, allowed: f64, test: Test) -> Check {
        let column = column.map(str::to_owned);
        Check { rule: self.number, name, column, severity: self.rule.severity, allowed, test }
    }

    fn column(&self, name: &str, at: usize, checks: &mut Vec<Check>) -> Result<()> {
        let rule = self.rule;
        let rest = 1.0 - rule.mostly;
        let mut add = |check, allowed, test| checks.push(self.check(check, Some(name), allowed, test));
        if let Some(ty) = rule.ty {
            add("type", rest, self.type_test(at, ty));
        }
        if let Some(share) = rule.missing {
            add("missing", share, Test::Missing(at));
        }
        if let Some(bound) = rule.min {
            add("min", rest, self.limit(at, name, bound, false)?);
        }
        if let Some(bound) = rule.max {
            add("max", rest, self.limit(at, name, bound, true)?);
        }
        if let Some(values) = &rule.allowed {
            add("allowed", rest, self.among(at, name, values)?);
        }
        if rule.unique {
            add("unique", rest, Test::Unique(at));
        }
        if let Some(share) = rule.outliers {
            self.demand(at, name, "outliers", is_number, "numbers")?;
            add("outliers", share, Test::Outliers(at, rule.fence));
        }
        if let Some(pattern) = &rule.regex {
            self.demand(at, name, "regex", is_text, "text")?;
            add("regex", rest, Test::Pattern { at, regex: Regex::new(pattern)?, wanted: true });
        }
        if let Some(length) = rule.length {
            self.demand(at, name, "length", is_text, "text")?;
            add("length", rest, Test::Length(at, length));
        }
        if let Some(direction) = rule.monotone {
            let ordered = |ty: &DataType| is_number(ty) || is_time(ty);
            self.demand(at, name, "monotone", ordered, "numbers and timestamps")?;
            add("monotone", rest, Test::Monotone(at, direction));
        }
        if let Some(reference) = &rule.references {
            let (keys, what) = self.reference(name, reference)?;
            add("references", rest, Test::Known(at, keys, what));
        }
        if let Some(days) = rule.freshness {
            self.demand(at, name, "freshness", is_time, "timestamps")?;
            // The stage has seen to it that there is a day.
            add("freshness", 0.0, Test::Fresh(at, days, self.ground.as_of.unwrap_or_default()));
        }
        if let Some(drift) = rule.drift {
            self.drift(at, name, drift, &mut add)?;
        }
        if let Some(coverage) = rule.coverage {
            self.demand(at, name, "coverage", is_time, "timestamps")?;
            if let Some(days) = coverage.max_gap_days {
                add("max_gap_days", rest, Test::Gaps(at, days));
            }
            if let Some(rows) = coverage.min_weekly_rows {
                add("min_weekly_rows", rest, Test::Weeks(at, rows));
            }
            if coverage.whole_last_week {
                add("whole_last_week", 0.0, Test::LastWeek(at));
            }
        }
        Ok(())
    }

    /// The values of the column that a rule refers to.
    fn reference(&self, name: &str, reference: &Reference) -> Result<(Keys, String)> {
        let key = |part: &str| format!("rules.{}.references.{part}", self.number);
        let rule = label(self.number);
        let Some(table) = self.ground.others.get(&reference.input) else {
            let message = format!("{rule}: there is no input `{}`", reference.input);
            let known = self.ground.others.keys().map(String::as_str);
            return Err(Failure::unknown(message, &reference.input, known).at(key("input")).into());
        };
        let column = reference.column.as_deref().unwrap_or(name);
        if !table.has(column) {
            let message = format!("{rule}: input `{}` has no column `{column}`", reference.input);
            let schema = table.schema();
            let known = schema.fields().iter().map(|field| field.name().as_str());
            return Err(Failure::unknown(message, column, known).at(key("column")).into());
        }
        Ok((ground::keys(table, column)?, format!("`{column}` of `{}`", reference.input)))
    }

    fn drift(
        &self,
        at: usize,
        name: &str,
        drift: Drift,
        add: &mut impl FnMut(&'static str, f64, Test),
    ) -> Result<()> {
        let ty = self.ty(at);
        let texts = is_text(ty) || *ty == DataType::Boolean;
        if !texts {
            let fits = |ty: &DataType| is_number(ty) || is_time(ty);
            self.demand(at, name, "drift", fits, "numbers, timestamps, text and true/false")?;
        }
        let earlier = self.ground.earlier.as_ref().filter(|table| table.has(name));
        if earlier.is_none() {
            let message = format!("{}: the table `earlier` has no column `{name}`", label(self.number));
            let hint = "take `drift` off, or name another table";
            return Err(Failure::new(message).hint(hint).at(format!("rules.{}.drift", self.number)).into());
        }
        if let Some(most) = drift.psi {
            add("psi", 0.0, Test::Drift { at, texts, psi: true, most });
        }
        if let Some(most) = drift.ks {
            let fits = |ty: &DataType| is_number(ty) || is_time(ty);
            self.demand(at, name, "drift", fits, "numbers and timestamps with `ks`")?;
            add("ks", 0.0, Test::Drift { at, texts, psi: false, most });
        }
        Ok(())
    }

    fn whole_table(&self, checks: &mut Vec<Check>) -> Result<()> {
        if let Some(text) = &self.rule.expression {
            checks.push(self.check("expression", None, 1.0 - self.rule.mostly, self.condition(text)?));
        }
        if let Some(habit) = self.rule.retail {
            match retail::checks(habit, &self.ground.retail, self.schema) {
                Ok(made) => checks.extend(made.into_iter().map(|(column, test)| {
                    self.check(habit.name(), column.as_deref(), 1.0 - self.rule.mostly, test)
                })),
                Err(column) => {
                    let advice = retail::absent(habit, &column, self.schema);
                    checks.push(self.check("column", Some(&column), 0.0, Test::Absent(advice)));
                }
            }
        }
        if let Some(share) = self.rule.duplicates {
            let names = &self.rule.columns;
            let absent = names.iter().filter(|name| self.schema.index_of(name).is_err());
            let absent: Vec<Check> = absent.map(|name| self.absent(name, "columns")).collect();
            if absent.is_empty() {
                checks.push(self.check("duplicates", None, share, Test::Duplicates(self.compared())));
            }
            checks.extend(absent);
        }
        if let Some(volume) = self.rule.rows {
            checks.push(self.check("rows", None, 0.0, Test::Rows(volume.min, volume.max)));
        }
        Ok(())
    }

    fn condition(&self, text: &str) -> Result<Test> {
        let bound = expression::Bound::new(text, self.schema).map_err(|wrong| {
            let at = text.get(..wrong.at.start).unwrap_or_default().chars().count() + 1;
            let message = format!("{}: `expression`, character {at}: {}", label(self.number), wrong.message);
            let names = self.schema.fields().iter().map(|field| field.name().as_str());
            let hint = wrong.hint.unwrap_or_else(|| format!("there are {}", quoted(names, "and")));
            Failure::new(message).hint(hint).at(format!("rules.{}.expression", self.number))
        })?;
        let text = crate::diagnostic::shown(text);
        Ok(Test::Holds { bound, one: format!("breaks `{text}`"), many: format!("break `{text}`") })
    }

    /// The columns in which rows are compared: those that the rule names, else all.
    fn compared(&self) -> Vec<usize> {
        let names = &self.rule.columns;
        if names.is_empty() {
            return (0..self.schema.fields().len()).collect();
        }
        names.iter().filter_map(|name| self.schema.index_of(name).ok()).collect()
    }

    fn ty(&self, at: usize) -> &DataType {
        self.schema.fields().get(at).map_or(&DataType::Null, |field| field.data_type())
    }

    fn demand(
        &self,
        at: usize,
        name: &str,
        key: &str,
        fits: impl Fn(&DataType) -> bool,
        what: &str,
    ) -> Result<(), Failure> {
        if fits(self.ty(at)) {
            return Ok(());
        }
        let (rule, is) = (label(self.number), type_name(self.ty(at)));
        let message = format!("{rule}: `{key}` is for {what}, but `{name}` is {is}");
        Err(Failure::new(message)
            .hint("take it off, or correct `column`")
            .at(format!("rules.{}.{key}", self.number)))
    }

    fn limit(&self, at: usize, name: &str, bound: Bound, most: bool) -> Result<Test, Failure> {
        let key = if most { "max" } else { "min" };
        match bound {
            Bound::Number(limit) if is_number(self.ty(at)) => Ok(Test::Number { at, limit, most }),
            Bound::Date(_) if is_time(self.ty(at)) => {
                let limit = bound.micros(most).unwrap_or(if most { i64::MAX } else { i64::MIN });
                Ok(Test::Time { at, limit, most, shown: bound.to_string() })
            }
            _ => {
                let bounds = if matches!(bound, Bound::Number(_)) { "a number" } else { "a date" };
                let (rule, is) = (label(self.number), type_name(self.ty(at)));
                let message = format!("{rule}: `{key}` is {bounds}, but `{name}` is {is}");
                let key = format!("rules.{}.{key}", self.number);
                Err(Failure::new(message)
                    .hint("compare numbers with numbers and timestamps with dates")
                    .at(key))
            }
        }
    }

    fn among(&self, at: usize, name: &str, values: &[Scalar]) -> Result<Test, Failure> {
        let ty = self.ty(at);
        let test = if is_text(ty) {
            let text =
                |value: &Scalar| if let Scalar::Text(text) = value { Some(text.clone()) } else { None };
            values.iter().map(text).collect::<Option<_>>().map(|texts| Test::Texts(at, texts))
        } else if is_number(ty) {
            let number =
                |value: &Scalar| if let Scalar::Number(number) = value { Some(*number) } else { None };
            values.iter().map(number).collect::<Option<_>>().map(|numbers| Test::Numbers(at, numbers))
        } else if *ty == DataType::Boolean {
            let flag = |value: &Scalar| if let Scalar::Flag(flag) = value { Some(*flag) } else { None };
            values.iter().map(flag).collect::<Option<_>>().map(|flags| Test::Flags(at, flags))
        } else {
            None
        };
        test.ok_or_else(|| {
            let message = format!(
                "{}: `allowed` lists other values than `{name}` can have: it is {}",
                label(self.number),
                type_name(ty)
            );
            Failure::new(message)
                .hint("list text in quotes, numbers and true or false without")
                .at(format!("rules.{}.allowed", self.number))
        })
    }

    fn type_test(&self, at: usize, wanted: ColumnType) -> Test {
        let ty = self.ty(at);
        let fits = match wanted {
            ColumnType::Number => is_number(ty),
            ColumnType::Integer if ty.is_floating() => return Test::Whole(at),
            ColumnType::Integer => ty.is_integer(),
            ColumnType::Text => is_text(ty),
            ColumnType::Timestamp => is_time(ty),
            ColumnType::Boolean => *ty == DataType::Boolean,
        };
        Test::Type { fits, is: type_name(ty), wanted }
    }
}

/// Whether values of that type are numbers.
pub fn is_number(ty: &DataType) -> bool {
    ty.is_numeric()
}

/// Whether values of that type are points in time.
pub fn is_time(ty: &DataType) -> bool {
    matches!(ty, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
}

/// Whether values of that type are text.
pub fn is_text(ty: &DataType) -> bool {
    match ty {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}
