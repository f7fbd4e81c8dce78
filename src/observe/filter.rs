//! Which runs are meant: `metrics.segments.silhouette > 0.4 and not status = failed`.
//!
//! Comparisons of what a run has with values, joined by `and`, `or`, `not` and parentheses. Knows nothing of
//! where runs come from.

use std::ops::Range;
use std::sync::Arc;

use winnow::combinator::{alt, cut_err, delimited, preceded, repeat, terminated};
use winnow::error::{StrContext, StrContextValue};
use winnow::prelude::*;
use winnow::token::{literal, take_till, take_while};
use winnow::{LocatingSlice, ascii::multispace0};

use crate::diagnostic::{Diagnostic, Location, Problems, SourceText, did_you_mean, quoted, shown};

/// What a run has besides `params.` and `metrics.`.
pub const FIELDS: [&str; 14] = [
    "run", "pipeline", "file", "status", "time", "seconds", "ran", "hit", "failed", "variant", "note",
    "commit", "dirty", "data",
];

/// A condition on runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// All of these hold.
    All(Vec<Condition>),
    /// One of these holds.
    Any(Vec<Condition>),
    /// This doesn't hold.
    Not(Box<Condition>),
    /// What a run has compares so with a value.
    Compare(Comparison),
}

/// A comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What a run has: `metrics.segments.silhouette`, `status`.
    pub field: String,
    operator: Operator,
    value: Value,
    at: Range<usize>,
    value_at: Range<usize>,
}

/// A value of a run, or one to compare it with.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// Yes or no.
    Truth(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Reads a condition, given with the flag `--where`.
///
/// # Errors
/// When it isn't one, with the place.
pub fn parse(text: &str) -> Result<Condition, Problems> {
    let source = Arc::new(SourceText::new("--where", text));
    let found =
        delimited(multispace0, any, multispace0).parse(LocatingSlice::new(text)).map_err(|error| {
            let expected = error.inner().context().find_map(|context| match context {
                StrContext::Expected(StrContextValue::Description(what)) => Some(*what),
                _ => None,
            });
            let rest = text.get(error.offset()..).unwrap_or_default();
            let what = if rest.trim().is_empty() { "the end" } else { "this" };
            let message =
                format!("{what} can't be read: {} is expected", expected.unwrap_or("`and`, `or` or the end"));
            let end =
                rest.find(char::is_whitespace).map_or(text.len(), |length| error.offset() + length.max(1));
            Diagnostic::error(message).at(&Location::new(&source, error.offset()..end)).hint(EXAMPLE)
        })?;
    let mut problems = Vec::new();
    found.each(&mut |comparison| problems.extend(comparison.problem(&source)));
    if problems.is_empty() { Ok(found) } else { Err(Problems(problems)) }
}

const EXAMPLE: &str = "write something like `metrics.segments.silhouette > 0.4 and status = done`; text with blanks goes in quotes";

impl Condition {
    /// Whether it holds for a run, given what that has.
    pub fn holds(&self, run: &dyn Fn(&str) -> Option<Value>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(run)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(run)),
            Self::Not(part) => !part.holds(run),
            Self::Compare(comparison) => comparison.holds(run(&comparison.field)),
        }
    }

    /// Visits every comparison.
    pub fn each(&self, visit: &mut dyn FnMut(&Comparison)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.each(visit)),
            Self::Not(part) => part.each(visit),
            Self::Compare(comparison) => visit(comparison),
        }
    }

    /// Whether something in it begins so.
    pub fn asks(&self, prefix: &str) -> bool {
        let mut asks = false;
        self.each(&mut |comparison| asks |= comparison.field.starts_with(prefix));
        asks
    }

    /// Refuses what no run has, by the names of all that there is below a prefix (`metrics.`).
    ///
    /// # Errors
    /// For each of them, with the nearest name.
    pub fn check(&self, text: &str, prefix: &str, names: &[&str]) -> Result<(), Problems> {
        let source = Arc::new(SourceText::new("--where", text));
        let mut problems = Vec::new();
        self.each(&mut |comparison| {
            if let Some(name) = comparison.field.strip_prefix(prefix)
                && !names.contains(&name)
            {
                let message = format!("no run has `{}`", shown(&comparison.field));
                let problem = Diagnostic::error(message).at(&Location::new(&source, comparison.at.clone()));
                let near = did_you_mean(name, names.iter().copied());
                problems.push(problem.maybe_hint(near.map(|near| format!("did you mean `{prefix}{near}`?"))));
            }
        });
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    }
}

impl Comparison {
    /// What is wrong with it whatever runs there are.
    fn problem(&self, source: &Arc<SourceText>) -> Option<Diagnostic> {
        let known = |field: &str| FIELDS.contains(&field);
        let field = self.field.as_str();
        if field == "time" && self.moment().is_none() {
            let problem =
                Diagnostic::error("this is no time").at(&Location::new(source, self.value_at.clone()));
            return Some(problem.hint("write a day as 2026-11-25, or a moment in UTC as 2026-11-25T14:30"));
        }
        if known(field) || field.starts_with("params.") || field.starts_with("metrics.") {
            return None;
        }
        let problem = Diagnostic::error(format!("a run has no `{}`", shown(field)));
        let hint = match did_you_mean(field, FIELDS) {
            Some(near) => format!("did you mean `{near}`?"),
            None if field.contains('.') => format!("did you mean `metrics.{field}` or `params.{field}`?"),
            None => format!(
                "it has {}, `params.STAGE.parameter` and `metrics.STAGE.metric`",
                quoted(FIELDS, "and")
            ),
        };
        Some(problem.at(&Location::new(source, self.at.clone())).hint(hint))
    }

    /// Whether it holds for what a run has; never where it has nothing.
    fn holds(&self, has: Option<Value>) -> bool {
        let value =
            if self.field == "time" { self.moment().map(Value::Number) } else { Some(self.value.clone()) };
        let order = match (has, value) {
            (Some(Value::Number(one)), Some(Value::Number(two))) => one.partial_cmp(&two),
            (Some(Value::Truth(one)), Some(Value::Truth(two))) => Some(one.cmp(&two)),
            (Some(Value::Text(one)), Some(two)) => Some(one.as_str().cmp(&two.text())),
            (Some(one), Some(Value::Text(two))) => Some(one.text().as_str().cmp(two.as_str())),
            _ => None,
        };
        order.is_some_and(|order| match self.operator {
            Operator::Equal => order.is_eq(),
            Operator::Unequal => order.is_ne(),
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
        })
    }

    /// The value as seconds since 1970.
    fn moment(&self) -> Option<f64> {
        let text = match &self.value {
            Value::Number(seconds) => return Some(*seconds),
            Value::Text(text) => text,
            Value::Truth(_) => return None,
        };
        let forms = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"];
        let day = || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
        let exact = |form: &&str| chrono::NaiveDateTime::parse_from_str(text, form).ok();
        let moment = forms.iter().find_map(exact).or_else(day)?;
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit for a long while")]
        Some(moment.and_utc().timestamp() as f64)
    }
}

impl Value {
    /// It as text.
    pub fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Truth(truth) => truth.to_string(),
        }
    }
}

type Input<'i> = LocatingSlice<&'i str>;

fn expected(what: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::Description(what))
}

fn any(input: &mut Input<'_>) -> ModalResult<Condition> {
    let first = all.parse_next(input)?;
    let more: Vec<_> = repeat(0.., preceded(keyword("or"), cut_err(all))).parse_next(input)?;
    Ok(joined(first, more, Condition::Any))
}

fn all(input: &mut Input<'_>) -> ModalResult<Condition> {
    let first = one.parse_next(input)?;
    let more: Vec<_> = repeat(0.., preceded(keyword("and"), cut_err(one))).parse_next(input)?;
    Ok(joined(first, more, Condition::All))
}

fn joined(first: Condition, more: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    if more.is_empty() {
        return first;
    }
    join(std::iter::once(first).chain(more).collect())
}

fn one(input: &mut Input<'_>) -> ModalResult<Condition> {
    let not = preceded(keyword("not"), cut_err(one)).map(|part| Condition::Not(Box::new(part)));
    let close = cut_err(preceded(multispace0, literal(")"))).context(expected("`)`"));
    let group = delimited(preceded(multispace0, literal("(")), cut_err(any), close);
    alt((not, group, comparison)).context(expected("a comparison")).parse_next(input)
}

fn comparison(input: &mut Input<'_>) -> ModalResult<Condition> {
    let (field, at) = preceded(multispace0, field.with_span()).parse_next(input)?;
    let operator =
        cut_err(operator).context(expected("`=`, `!=`, `<`, `<=`, `>` or `>=`")).parse_next(input)?;
    let (value, value_at) =
        cut_err(preceded(multispace0, value.with_span())).context(expected("a value")).parse_next(input)?;
    Ok(Condition::Compare(Comparison { field, operator, value, at, value_at }))
}

/// A path; a part in quotes may have any letters: `metrics."segments[k=3].inertia"`.
fn field(input: &mut Input<'_>) -> ModalResult<String> {
    let plain = take_while(1.., |letter: char| letter.is_alphanumeric() || "_-.".contains(letter));
    let part = alt((plain, in_quotes));
    let parts: Vec<&str> = repeat(1.., part).parse_next(input)?;
    Ok(parts.concat())
}

fn operator(input: &mut Input<'_>) -> ModalResult<Operator> {
    let operator = alt((
        literal("==").value(Operator::Equal),
        literal("=").value(Operator::Equal),
        literal("!=").value(Operator::Unequal),
        literal("<=").value(Operator::LessOrEqual),
        literal("<").value(Operator::Less),
        literal(">=").value(Operator::GreaterOrEqual),
        literal(">").value(Operator::Greater),
    ));
    preceded(multispace0, operator).parse_next(input)
}

fn value(input: &mut Input<'_>) -> ModalResult<Value> {
    let bare = take_while(1.., |letter: char| !letter.is_whitespace() && !"()'\"=<>!".contains(letter));
    let bare = bare.map(|word: &str| match (word, word.parse::<f64>()) {
        ("true" | "false", _) => Value::Truth(word == "true"),
        (_, Ok(number)) => Value::Number(number),
        _ => Value::Text(word.to_owned()),
    });
    alt((in_quotes.map(|text: &str| Value::Text(text.to_owned())), bare)).parse_next(input)
}

fn in_quotes<'i>(input: &mut Input<'i>) -> ModalResult<&'i str> {
    alt((
        delimited(literal("'"), take_till(0.., '\''), literal("'")),
        delimited(literal("\""), take_till(0.., '"'), literal("\"")),
    ))
    .parse_next(input)
}

/// A word that stands by itself.
fn keyword<'i>(word: &'static str) -> impl ModalParser<Input<'i>, (), winnow::error::ContextError> {
    let ends = winnow::combinator::not(take_while(1, |letter: char| {
        letter.is_alphanumeric() || "_-.".contains(letter)
    }));
    terminated(preceded(multispace0, literal(word)), ends).void()
}

#[cfg(test)]
mod tests {
    use super::{Condition, Value, parse};

    fn run(field: &str) -> Option<Value> {
        Some(match field {
            "metrics.segments.silhouette" => Value::Number(0.42),
            "metrics.segments[k=3].inertia" => Value::Number(7.0),
            "params.segments.scale" => Value::Text("robust".to_owned()),
            "status" => Value::Text("done".to_owned()),
            "dirty" => Value::Truth(true),
            "time" => Value::Number(1_764_000_000.0),
            "run" => Value::Text("0007-brisk-heron".to_owned()),
            _ => return None,
        })
    }

    fn holds(text: &str) -> bool {
        parse(text).map(|condition| condition.holds(&run)).unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn comparisons_are_joined_as_one_reads_them() {
        for (text, holding) in [
            ("metrics.segments.silhouette > 0.4", true),
            ("metrics.segments.silhouette<=0.4", false),
            ("  status = done and dirty = true ", true),
            ("status = failed or status = done and dirty = false", false),
            ("(status = failed or status = done) and dirty = true", true),
            ("not status = failed", true),
            ("not (status = done and dirty = true)", false),
            ("params.segments.scale != 'standard'", true),
            ("params.segments.scale = \"robust\"", true),
            ("metrics.\"segments[k=3].inertia\" == 7", true),
            ("time > 2025-11-01 and time < '2025-11-24 16:00:01'", true),
            ("time >= 2025-11-25", false),
            // What a run doesn't have compares with nothing.
            ("metrics.other > 0 or metrics.other <= 0 or metrics.other != 0", false),
            ("not metrics.other > 0", true),
            ("notes = 1 or android = 2", false),
        ] {
            if text.starts_with("notes") {
                assert!(parse(text).is_err());
            } else {
                assert_eq!(holds(text), holding, "{text}");
            }
        }
    }

    fn refused(text: &str) -> String {
        match parse(text) {
            Ok(condition) => panic!("{condition:?}"),
            Err(problems) => problems.0[0].to_string(),
        }
    }

    #[test]
    fn mistakes_are_shown_where_they_are() {
        assert_eq!(
            refused("metrics.a.b >"),
            "error: the end can't be read: a value is expected\n --> --where:1:14\n  |\n1 | metrics.a.b >\n  |              ^\n  |\nhint: write something like `metrics.segments.silhouette > 0.4 and status = done`; text with blanks goes in quotes"
        );
        let starts = |text: &str, start: &str| {
            let told = refused(text);
            assert!(told.starts_with(start), "{told}");
        };
        starts(
            "status done",
            "error: this can't be read: `=`, `!=`, `<`, `<=`, `>` or `>=` is expected\n --> --where:1:8",
        );
        starts(
            "status = done dirty = true",
            "error: this can't be read: `and`, `or` or the end is expected\n --> --where:1:15",
        );
        starts("(status = done", "error: the end can't be read: `)` is expected\n --> --where:1:15");
        starts(
            "status = done and",
            "error: the end can't be read: a comparison is expected\n --> --where:1:18",
        );
        starts("", "error: the end can't be read: a comparison is expected\n");
        starts("time > soon", "error: this is no time\n --> --where:1:8");
        starts("statsu = done", "error: a run has no `statsu`\n --> --where:1:1");
        assert!(refused("statsu = done").ends_with("hint: did you mean `status`?"));
        assert!(
            refused("segments.silhouette > 1").ends_with(
                "hint: did you mean `metrics.segments.silhouette` or `params.segments.silhouette`?"
            )
        );
    }

    #[test]
    fn what_no_run_has_is_refused_with_the_nearest_name() {
        let text = "metrics.segments.silhuette > 0.4";
        let told =
            parse(text).unwrap().check(text, "metrics.", &["segments.silhouette", "churn.auc"]).unwrap_err();
        assert_eq!(
            told.0[0].to_string(),
            "error: no run has `metrics.segments.silhuette`\n --> --where:1:1\n  |\n1 | metrics.segments.silhuette > 0.4\n  | ^^^^^^^^^^^^^^^^^^^^^^^^^^\n  |\nhint: did you mean `metrics.segments.silhouette`?"
        );
        assert!(matches!(parse("status = done").unwrap(), Condition::Compare(_)));
    }
}
