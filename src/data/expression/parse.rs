//! The text of an expression as a tree.
//!
//! From loose to tight: `or`, `and`, `not`; comparisons, `in`, `between`, `is null`; `+ -`, `* / %`, a minus. Names in
//! double quotes or backticks may have any letters, text stands in single ones.

use std::ops::Range;

use winnow::combinator::{alt, cut_err, delimited, opt, preceded, repeat, separated, terminated};
use winnow::error::{ContextError, StrContext, StrContextValue};
use winnow::prelude::*;
use winnow::token::{any, literal, take_till, take_while};
use winnow::{LocatingSlice, ascii::multispace0};

use super::Wrong;

/// A part of an expression and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    pub node: Node,
    pub at: Range<usize>,
}

/// What a part is.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    Number(f64),
    Text(String),
    Truth(bool),
    Null,
    Column(String),
    Not(Box<Term>),
    Minus(Box<Term>),
    Binary(Operator, Box<Term>, Box<Term>),
    Missing(Box<Term>),
    Among(Box<Term>, Vec<Term>),
    Call(String, Vec<Term>),
}

/// What joins two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `or`
    Or,
    /// `and`
    And,
    /// `=`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`
    Over,
    /// `%`
    Rest,
}

impl Operator {
    /// Whether it joins conditions.
    pub fn is_logical(self) -> bool {
        matches!(self, Self::Or | Self::And)
    }

    /// Whether it computes a number.
    pub fn is_arithmetic(self) -> bool {
        matches!(self, Self::Plus | Self::Minus | Self::Times | Self::Over | Self::Rest)
    }
}

/// How deep parts may lie within each other.
const DEEPEST: usize = 100;

/// Reads an expression.
///
/// # Errors
/// When it isn't one, with the place.
pub fn parse(text: &str) -> Result<Term, Wrong> {
    if depth(text) > DEEPEST {
        return Err(Wrong::new(&(0..text.len()), "this is nested too deeply"));
    }
    delimited(multispace0, either, multispace0).parse(LocatingSlice::new(text)).map_err(|error| {
        let expected = error.inner().context().find_map(|context| match context {
            StrContext::Expected(StrContextValue::Description(what)) => Some(*what),
            _ => None,
        });
        let rest = text.get(error.offset()..).unwrap_or_default();
        let blank = rest.len() - rest.trim_start().len();
        let start = if rest.trim().is_empty() { error.offset() } else { error.offset() + blank };
        let what = if rest.trim().is_empty() { "the end" } else { "this" };
        let word = rest.trim_start().find(char::is_whitespace);
        let end = word.map_or(text.len(), |length| start + length.max(1));
        let expected = expected.unwrap_or("a comparison, `and`, `or` or the end");
        Wrong::new(&(start..end), format!("{what} can't be read: {expected} is expected"))
    })
}

/// How deep parentheses and prefixes may nest at most, by counting them.
fn depth(text: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' => open += 1,
            b')' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    let words = text.split(|c: char| !c.is_alphanumeric());
    let nots = words.filter(|word| word.eq_ignore_ascii_case("not")).count();
    deepest.max(nots).max(text.matches("--").count() * 2).max(text.matches("- -").count() * 2)
}

type Input<'i> = LocatingSlice<&'i str>;

fn expected(what: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::Description(what))
}

fn joined(operator: Operator, left: Term, right: Term) -> Term {
    let at = left.at.start..right.at.end;
    Term { node: Node::Binary(operator, Box::new(left), Box::new(right)), at }
}

fn either(input: &mut Input<'_>) -> ModalResult<Term> {
    let first = every.parse_next(input)?;
    let more: Vec<Term> = repeat(0.., preceded(keyword("or"), cut_err(every))).parse_next(input)?;
    Ok(more.into_iter().fold(first, |left, right| joined(Operator::Or, left, right)))
}

fn every(input: &mut Input<'_>) -> ModalResult<Term> {
    let first = negated.parse_next(input)?;
    let more: Vec<Term> = repeat(0.., preceded(keyword("and"), cut_err(negated))).parse_next(input)?;
    Ok(more.into_iter().fold(first, |left, right| joined(Operator::And, left, right)))
}

fn negated(input: &mut Input<'_>) -> ModalResult<Term> {
    let not = preceded(keyword("not"), cut_err(negated)).with_span();
    alt((not.map(|(term, at)| not_of(term, at)), compared)).parse_next(input)
}

fn not_of(term: Term, at: Range<usize>) -> Term {
    Term { node: Node::Not(Box::new(term)), at }
}

/// What may follow the first part of a comparison.
enum Tail {
    Compare(Operator, Term),
    Among(Vec<Term>, bool),
    Between(Term, Term, bool),
    Missing(bool),
}

fn compared(input: &mut Input<'_>) -> ModalResult<Term> {
    let left = sum.parse_next(input)?;
    let value = || cut_err(sum).context(expected("a value"));
    let compare = (comparison, value()).map(|(operator, right)| Tail::Compare(operator, right));
    let not = || opt(keyword("not")).map(|not| not.is_some());
    let list =
        delimited(sign("("), separated(1.., sum, sign(",")), cut_err(sign(")")).context(expected("`)`")));
    let list = cut_err(list).context(expected("a list such as `(1, 2)`"));
    let among = (terminated(not(), keyword("in")), list).map(|(not, list)| Tail::Among(list, not));
    let between =
        (terminated(not(), keyword("between")), value(), preceded(cut_err(keyword("and")), value()))
            .map(|(not, low, high)| Tail::Between(low, high, not));
    let missing =
        preceded(keyword("is"), cut_err(terminated(not(), keyword("null"))).context(expected("`null`")))
            .map(Tail::Missing);
    let (tail, end) = opt(alt((compare, among, between, missing))).with_span().parse_next(input)?;
    let Some(tail) = tail else { return Ok(left) };
    let at = left.at.start..end.end;
    let (term, not) = match tail {
        Tail::Compare(operator, right) => (joined(operator, left, right), false),
        Tail::Among(list, not) => (Term { node: Node::Among(Box::new(left), list), at: at.clone() }, not),
        Tail::Missing(not) => (Term { node: Node::Missing(Box::new(left)), at: at.clone() }, not),
        Tail::Between(low, high, not) => {
            let above = joined(Operator::GreaterOrEqual, left.clone(), low);
            (joined(Operator::And, above, joined(Operator::LessOrEqual, left, high)), not)
        }
    };
    Ok(if not { not_of(term, at) } else { term })
}

fn comparison(input: &mut Input<'_>) -> ModalResult<Operator> {
    let operator = alt((
        literal("==").value(Operator::Equal),
        literal("=").value(Operator::Equal),
        literal("!=").value(Operator::Unequal),
        literal("<>").value(Operator::Unequal),
        literal("<=").value(Operator::LessOrEqual),
        literal("<").value(Operator::Less),
        literal(">=").value(Operator::GreaterOrEqual),
        literal(">").value(Operator::Greater),
    ));
    preceded(multispace0, operator).parse_next(input)
}

fn sum(input: &mut Input<'_>) -> ModalResult<Term> {
    let operator = alt((sign("+").value(Operator::Plus), sign("-").value(Operator::Minus)));
    let first = product.parse_next(input)?;
    let more: Vec<_> =
        repeat(0.., (operator, cut_err(product).context(expected("a value")))).parse_next(input)?;
    Ok(more.into_iter().fold(first, |left, (operator, right)| joined(operator, left, right)))
}

fn product(input: &mut Input<'_>) -> ModalResult<Term> {
    let operator = alt((
        sign("*").value(Operator::Times),
        sign("/").value(Operator::Over),
        sign("%").value(Operator::Rest),
    ));
    let first = signed.parse_next(input)?;
    let more: Vec<_> =
        repeat(0.., (operator, cut_err(signed).context(expected("a value")))).parse_next(input)?;
    Ok(more.into_iter().fold(first, |left, (operator, right)| joined(operator, left, right)))
}

fn signed(input: &mut Input<'_>) -> ModalResult<Term> {
    let minus = preceded(sign("-"), cut_err(signed).context(expected("a value"))).with_span();
    alt((minus.map(|(term, at)| Term { node: Node::Minus(Box::new(term)), at }), atom)).parse_next(input)
}

fn atom(input: &mut Input<'_>) -> ModalResult<Term> {
    let _ = multispace0.parse_next(input)?;
    let close = cut_err(sign(")")).context(expected("`)`"));
    let group = delimited(literal("("), cut_err(either), close);
    let node = alt((number, text, word));
    let single = node.with_span().map(|(node, at)| Term { node, at });
    alt((group, single)).context(expected("a value, a column or a comparison")).parse_next(input)
}

fn number(input: &mut Input<'_>) -> ModalResult<Node> {
    let digits = || take_while(1.., |letter: char| letter.is_ascii_digit() || letter == '_');
    let fraction = opt((literal("."), digits()));
    let exponent = opt((alt((literal("e"), literal("E"))), opt(alt((literal("-"), literal("+")))), digits()));
    let whole = (digits(), fraction, exponent).take();
    whole.verify_map(|text: &str| text.replace('_', "").parse().ok().map(Node::Number)).parse_next(input)
}

/// Text in single quotes, in which two stand for one.
fn text(input: &mut Input<'_>) -> ModalResult<Node> {
    let part = || take_till(0.., '\'');
    let _ = literal("'").parse_next(input)?;
    let first: &str = part().parse_next(input)?;
    let _ = cut_err(literal("'")).context(expected("a closing `'`")).parse_next(input)?;
    let more: Vec<&str> = repeat(0.., delimited(literal("'"), part(), literal("'"))).parse_next(input)?;
    Ok(Node::Text(std::iter::once(first).chain(more).collect::<Vec<_>>().join("'")))
}

/// A word: `true`, `false`, `null`, a call, or a column.
fn word(input: &mut Input<'_>) -> ModalResult<Node> {
    let in_quotes = alt((
        delimited(literal("\""), take_till(1.., '"'), literal("\"")),
        delimited(literal("`"), take_till(1.., '`'), literal("`")),
    ));
    if let Some(name) = opt(in_quotes).parse_next(input)? {
        let name: &str = name;
        return Ok(Node::Column(name.to_owned()));
    }
    let plain =
        (any.verify(|letter: &char| letter.is_alphabetic() || *letter == '_'), take_while(0.., is_of_word));
    let name: &str = plain.take().verify(|name: &str| !is_reserved(name)).parse_next(input)?;
    match () {
        () if name.eq_ignore_ascii_case("true") => return Ok(Node::Truth(true)),
        () if name.eq_ignore_ascii_case("false") => return Ok(Node::Truth(false)),
        () if name.eq_ignore_ascii_case("null") => return Ok(Node::Null),
        () => {}
    }
    let list = separated(0.., sum, sign(","));
    let close = cut_err(sign(")")).context(expected("`)`"));
    let arguments: Option<Vec<Term>> = opt(delimited(sign("("), list, close)).parse_next(input)?;
    Ok(match arguments {
        Some(arguments) => Node::Call(name.to_owned(), arguments),
        None => Node::Column(name.to_owned()),
    })
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn is_reserved(word: &str) -> bool {
    ["and", "or", "not", "in", "is", "between"].iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

fn sign<'i>(sign: &'static str) -> impl ModalParser<Input<'i>, (), ContextError> {
    preceded(multispace0, literal(sign)).void()
}

/// A word that stands by itself, in small or capital letters.
fn keyword<'i>(word: &'static str) -> impl ModalParser<Input<'i>, (), ContextError> {
    let own = take_while(1.., is_of_word).verify(move |found: &str| found.eq_ignore_ascii_case(word));
    preceded(multispace0, own).void()
}
