//! Conditions on the columns of a row: `amount > 0 or channel = 'return' and not is_local`.
//!
//! A small language with the words and the nulls of SQL: what isn't known is neither true nor false. `parse` knows the
//! text, [`Bound`] the columns of a table. Knows nothing of rules.

mod parse;
mod value;

use std::ops::Range;

use anyhow::Result;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Schema};

use crate::data::columns::type_name;
use crate::data::read::date;
use crate::diagnostic::{Failure, quoted, shown};
use parse::{Node, Term};
pub use parse::{Operator, parse};
use value::Constant;

/// What is wrong with an expression, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The bytes that it is about.
    pub at: Range<usize>,
    /// A lowercase sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Wrong {
    fn new(at: &Range<usize>, message: impl Into<String>) -> Self {
        Self { at: at.clone(), message: message.into(), hint: None }
    }
}

/// What a part of an expression gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Moment,
    Truth,
    /// `null`, which is of any kind.
    Nothing,
}

impl Kind {
    fn of(ty: &DataType) -> Option<Self> {
        match ty {
            ty if ty.is_numeric() => Some(Self::Number),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Some(Self::Text),
            DataType::Dictionary(_, value) => Self::of(value),
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Some(Self::Moment),
            DataType::Boolean => Some(Self::Truth),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Text => "text",
            Self::Moment => "a time",
            Self::Truth => "true/false",
            Self::Nothing => "null",
        }
    }
}

/// A condition that has met a table: its columns are positions.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    root: Part,
    columns: Vec<usize>,
}

/// A part of a condition; columns are positions among those of the condition.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Column(usize, Kind),
    Constant(Constant),
    Not(Box<Part>),
    Minus(Box<Part>),
    Binary(Operator, Box<Part>, Box<Part>),
    Missing(Box<Part>),
    Among(Box<Part>, Vec<Part>),
    Call(Function, Vec<Part>),
}

/// What can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Abs,
    Length,
    Lower,
    StartsWith,
}

impl Function {
    const ALL: [(&'static str, Self); 4] = [
        ("abs", Self::Abs),
        ("length", Self::Length),
        ("lower", Self::Lower),
        ("starts_with", Self::StartsWith),
    ];

    /// What it takes and what it gives.
    fn kinds(self) -> (&'static [Kind], Kind) {
        match self {
            Self::Abs => (&[Kind::Number], Kind::Number),
            Self::Length => (&[Kind::Text], Kind::Number),
            Self::Lower => (&[Kind::Text], Kind::Text),
            Self::StartsWith => (&[Kind::Text, Kind::Text], Kind::Truth),
        }
    }
}

impl Bound {
    /// Reads a condition on the rows of a table with that schema.
    ///
    /// # Errors
    /// When it isn't one, names a column that isn't there, or puts together what doesn't go together.
    pub fn new(text: &str, schema: &Schema) -> Result<Self, Wrong> {
        let term = parse(text)?;
        let mut binding = Binding { schema, columns: Vec::new() };
        let (root, kind) = binding.part(&term)?;
        if !matches!(kind, Kind::Truth | Kind::Nothing) {
            let message = format!("this gives {}, not true or false", kind.name());
            return Err(Wrong { hint: Some(EXAMPLE.to_owned()), ..Wrong::new(&term.at, message) });
        }
        Ok(Self { root, columns: binding.columns })
    }

    /// The columns that it looks at, as positions in the table, in the order in which [`Bound::holds`] takes them.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Whether it holds for each row of a batch of its columns; null where that can't be known.
    ///
    /// # Errors
    /// When a column can't be read as what it was bound to.
    pub fn holds(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        value::of(&self.root, batch)?.truths(batch.num_rows())
    }
}

const EXAMPLE: &str = "write a comparison, such as `amount > 0`";

/// An expression that meets a table.
struct Binding<'a> {
    schema: &'a Schema,
    columns: Vec<usize>,
}

impl Binding<'_> {
    fn part(&mut self, term: &Term) -> Result<(Part, Kind), Wrong> {
        Ok(match &term.node {
            Node::Number(number) => (Part::Constant(Constant::Number(*number)), Kind::Number),
            Node::Text(text) => (Part::Constant(Constant::Text(text.clone())), Kind::Text),
            Node::Truth(truth) => (Part::Constant(Constant::Truth(*truth)), Kind::Truth),
            Node::Null => (Part::Constant(Constant::Nothing), Kind::Nothing),
            Node::Column(name) => self.column(name, term)?,
            Node::Not(inner) => (Part::Not(Box::new(self.wanted(inner, Kind::Truth)?)), Kind::Truth),
            Node::Minus(inner) => (Part::Minus(Box::new(self.wanted(inner, Kind::Number)?)), Kind::Number),
            Node::Missing(inner) => (Part::Missing(Box::new(self.part(inner)?.0)), Kind::Truth),
            Node::Among(inner, list) => self.among(inner, list)?,
            Node::Call(name, arguments) => self.call(name, arguments, term)?,
            Node::Binary(operator, left, right) => self.binary(*operator, left, right)?,
        })
    }

    fn column(&mut self, name: &str, term: &Term) -> Result<(Part, Kind), Wrong> {
        let Ok(at) = self.schema.index_of(name) else {
            let known = self.schema.fields().iter().map(|field| field.name().as_str());
            let failure = Failure::unknown(format!("there is no column `{}`", shown(name)), name, known);
            return Err(Wrong { hint: failure.hint, ..Wrong::new(&term.at, failure.message) });
        };
        let ty = self.schema.field(at).data_type();
        let Some(kind) = Kind::of(ty) else {
            let message = format!("`{}` is {}, which can't be compared", shown(name), type_name(ty));
            return Err(Wrong::new(&term.at, message));
        };
        let place = self.columns.iter().position(|known| *known == at).unwrap_or_else(|| {
            self.columns.push(at);
            self.columns.len() - 1
        });
        Ok((Part::Column(place, kind), kind))
    }

    fn wanted(&mut self, term: &Term, wanted: Kind) -> Result<Part, Wrong> {
        let (part, kind) = self.part(term)?;
        if kind == wanted || kind == Kind::Nothing {
            return Ok(part);
        }
        Err(Wrong::new(&term.at, format!("this is {}, and {} is needed here", kind.name(), wanted.name())))
    }

    fn binary(&mut self, operator: Operator, left: &Term, right: &Term) -> Result<(Part, Kind), Wrong> {
        let both = |parts: (Part, Part)| Part::Binary(operator, Box::new(parts.0), Box::new(parts.1));
        if operator.is_logical() {
            let parts = (self.wanted(left, Kind::Truth)?, self.wanted(right, Kind::Truth)?);
            return Ok((both(parts), Kind::Truth));
        }
        if operator.is_arithmetic() {
            let parts = (self.wanted(left, Kind::Number)?, self.wanted(right, Kind::Number)?);
            return Ok((both(parts), Kind::Number));
        }
        Ok((both(self.comparable(left, right)?), Kind::Truth))
    }

    /// Two things of one kind; text that stands for a time is one beside a time.
    fn comparable(&mut self, left: &Term, right: &Term) -> Result<(Part, Part), Wrong> {
        let ((one, kind), (two, other)) = (self.part(left)?, self.part(right)?);
        match (kind, other) {
            (Kind::Moment, Kind::Text) => Ok((one, moment(two, right)?)),
            (Kind::Text, Kind::Moment) => Ok((moment(one, left)?, two)),
            (kind, other) if kind == other || kind == Kind::Nothing || other == Kind::Nothing => {
                Ok((one, two))
            }
            _ => {
                let message =
                    format!("this compares {} with {}, which never are equal", kind.name(), other.name());
                Err(Wrong::new(&(left.at.start..right.at.end), message))
            }
        }
    }

    fn among(&mut self, inner: &Term, list: &[Term]) -> Result<(Part, Kind), Wrong> {
        let mut parts = Vec::with_capacity(list.len());
        let mut one = self.part(inner)?.0;
        for term in list {
            let (left, right) = self.comparable(inner, term)?;
            one = left;
            parts.push(right);
        }
        Ok((Part::Among(Box::new(one), parts), Kind::Truth))
    }

    fn call(&mut self, name: &str, arguments: &[Term], term: &Term) -> Result<(Part, Kind), Wrong> {
        let found = Function::ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let Some((name, function)) = found else {
            let known = || Function::ALL.iter().map(|(known, _)| *known);
            let message = format!("there is no function `{}`", shown(name));
            let hint = Some(format!("there are {}", quoted(known(), "and")));
            return Err(Wrong { hint, ..Wrong::new(&term.at, message) });
        };
        let (takes, gives) = function.kinds();
        if takes.len() != arguments.len() {
            let takes = crate::diagnostic::plural(takes.len(), "value");
            return Err(Wrong::new(&term.at, format!("`{name}` takes {takes}, not {}", arguments.len())));
        }
        let wanted = |(term, kind): (&Term, &Kind)| self.wanted(term, *kind);
        let parts = arguments.iter().zip(takes).map(wanted).collect::<Result<_, _>>()?;
        Ok((Part::Call(*function, parts), gives))
    }
}

/// A text as the time that it stands for.
fn moment(part: Part, term: &Term) -> Result<Part, Wrong> {
    let Part::Constant(Constant::Text(text)) = &part else {
        return Err(Wrong::new(&term.at, "this is text, and a time is needed here"));
    };
    match date::timestamp(text, date::Order::Day) {
        Some(stamp) => Ok(Part::Constant(Constant::Moment(stamp.micros))),
        None => {
            let hint = Some("write it as `'2024-12-31'` or `'2024-12-31 14:05:06'`".to_owned());
            Err(Wrong { hint, ..Wrong::new(&term.at, format!("`{}` is no time", shown(text))) })
        }
    }
}

#[cfg(test)]
mod tests;
