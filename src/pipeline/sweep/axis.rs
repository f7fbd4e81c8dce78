//! One axis of a sweep: the parameter that it changes and the values that it may take.

use std::sync::Arc;

use super::super::document::{Entry, Node, Value};
use super::super::draft::Draft;
use super::super::{head, layers, schedule};
use super::plain;
use crate::diagnostic::{Diagnostic, Location, shown};

/// A swept parameter and its values.
#[derive(Clone)]
pub struct Axis {
    /// The parameter as written.
    pub name: String,
    /// What it changes.
    pub target: Target,
    /// Which values it may take.
    pub domain: Domain,
    /// Those that are in use, in the order of their positions.
    pub values: Vec<Node>,
    /// Where its name stands.
    pub key: Location,
    /// Where its values stand.
    pub at: Location,
    /// When it is there at all: other axes with the values that they must have one of.
    pub when: Vec<(usize, Vec<String>)>,
}

/// What an axis changes.
#[derive(Clone)]
pub enum Target {
    /// A parameter of a stage: the stage's number and the path below it.
    Parameter(usize, Vec<String>),
    /// The seed of the pipeline.
    Seed,
}

/// Which values an axis may take.
#[derive(Clone)]
pub enum Domain {
    /// Those that are listed; their order means nothing.
    List,
    /// Those from one number to another.
    Range(Range),
}

/// Numbers from one end to the other.
#[derive(Clone)]
pub struct Range {
    from: f64,
    to: f64,
    /// How many values there are; none where any number may be taken.
    count: Option<u64>,
    /// The distance between two values, where it was given.
    step: Option<f64>,
    whole: bool,
    log: bool,
    /// Where the ends stand.
    ends: [Location; 2],
}

impl Axis {
    /// How many values it may take; none where any number within a range may be taken.
    pub fn size(&self) -> Option<u64> {
        match &self.domain {
            Domain::List => Some(self.values.len() as u64),
            Domain::Range(range) => range.count,
        }
    }

    /// Whether its values have an order, so that neighbours are alike.
    pub fn is_ordered(&self) -> bool {
        matches!(self.domain, Domain::Range(_))
    }

    /// Takes every value of a range into use; values that round to the same are one.
    pub fn fill(&mut self) {
        let Domain::Range(range) = &self.domain else { return };
        let mut values: Vec<Node> = Vec::new();
        for value in (0..range.count.unwrap_or(0)).map(|at| range.value(at)) {
            let at = range.place(&value).unwrap_or(&self.at).clone();
            let node = Node { at, value };
            if values.last().is_none_or(|last| plain(last) != plain(&node)) {
                values.push(node);
            }
        }
        self.values = values;
    }

    /// The position of the value a part of the way through the axis, between 0 and 1.
    pub fn at_part(&mut self, part: f64) -> usize {
        match self.domain.clone() {
            Domain::List => floor(part, self.values.len() as u64),
            Domain::Range(range) => self.position(range.at_part(part)),
        }
    }

    /// The position of the n-th value: of a list, or of a range with a count.
    pub fn nth(&mut self, at: usize) -> usize {
        match self.domain.clone() {
            Domain::List => at,
            Domain::Range(range) if range.count == Some(self.values.len() as u64) => at,
            Domain::Range(range) => self.position(range.value(at as u64)),
        }
    }

    /// How far through the axis a value in use lies: from 0 to 1 in a range that takes any number, else its
    /// place among the values that there are.
    pub fn coordinate(&self, position: usize) -> f64 {
        let Domain::Range(range) = &self.domain else { return position as f64 };
        let value = number(&self.values[position]).unwrap_or(range.from);
        match range.count {
            Some(count) => range.part(value) * (count.max(2) - 1) as f64,
            None => range.part(value),
        }
    }

    /// Takes the ends of a range into use, before what lies between them.
    pub fn take_ends(&mut self) {
        if let Domain::Range(range) = self.domain.clone() {
            let others = std::mem::take(&mut self.values);
            self.take(range.number(range.from, 12));
            self.take(range.number(range.to, 12));
            let known: Vec<_> = self.values.iter().map(plain).collect();
            self.values.extend(others.into_iter().filter(|node| !known.contains(&plain(node))));
        }
    }

    /// Takes a value into use.
    pub fn take(&mut self, value: Value) {
        self.position(value);
    }

    /// The position of a value, which is in use from now on.
    fn position(&mut self, value: Value) -> usize {
        let at = match &self.domain {
            Domain::Range(range) => range.place(&value).unwrap_or(&self.at),
            Domain::List => &self.at,
        };
        let node = Node { at: at.clone(), value };
        let text = plain(&node);
        let found = self.values.iter().position(|other| plain(other) == text);
        found.unwrap_or_else(|| {
            self.values.push(node);
            self.values.len() - 1
        })
    }
}

impl Range {
    /// The value with a number, from 0.
    fn value(&self, at: u64) -> Value {
        let last = self.count.unwrap_or(2).max(2) - 1;
        match self.step {
            Some(step) => self.number(step.mul_add(at as f64, self.from), 12),
            None => self.number(self.between(at as f64 / last as f64), 12),
        }
    }

    /// The budgets of successive halving: the largest one, and each the part `1/eta` of the next one, down to
    /// the smallest.
    pub fn rungs(&self, eta: f64) -> Vec<Value> {
        let mut budgets = vec![self.to];
        while let Some(last) = budgets.last().copied().filter(|last| last / eta >= self.from * (1.0 - 1e-9)) {
            budgets.push(last / eta);
        }
        budgets.into_iter().rev().map(|budget| self.number(budget, 6)).collect()
    }

    /// The value a part of the way from one end to the other.
    fn at_part(&self, part: f64) -> Value {
        match self.count {
            Some(count) => self.value(floor(part, count) as u64),
            None => self.number(self.between(part), 6),
        }
    }

    fn between(&self, part: f64) -> f64 {
        if self.log {
            let (low, high) = (libm::log(self.from), libm::log(self.to));
            return libm::exp(low + (high - low) * part);
        }
        self.from + (self.to - self.from) * part
    }

    /// How far a value is on the way from one end to the other.
    fn part(&self, value: f64) -> f64 {
        let ends = if self.log {
            (libm::log(value) - libm::log(self.from), libm::log(self.to) - libm::log(self.from))
        } else {
            (value - self.from, self.to - self.from)
        };
        (ends.0 / ends.1).clamp(0.0, 1.0)
    }

    /// Where one of the ends stands, when a value is one.
    fn place(&self, value: &Value) -> Option<&Location> {
        let is = |end: f64| match value {
            Value::Integer(number) => *number as f64 == end,
            Value::Float(number) => *number == end,
            _ => false,
        };
        if is(self.from) { Some(&self.ends[0]) } else { Some(&self.ends[1]).filter(|_| is(self.to)) }
    }

    /// A number with so many digits, whole where all of them are.
    #[expect(clippy::cast_possible_truncation, reason = "within the ends, which are integers of 64 bits")]
    fn number(&self, value: f64, digits: usize) -> Value {
        let value = value.clamp(self.from, self.to);
        if self.whole {
            return Value::Integer(value.round() as i64);
        }
        let places = digits - 1;
        Value::Float(format!("{value:.places$e}").parse().unwrap_or(value))
    }
}

/// Which of so many equal stretches a part between 0 and 1 lies in.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the count")]
fn floor(part: f64, count: u64) -> usize {
    ((part * count as f64) as u64).min(count.saturating_sub(1)) as usize
}

/// What an axis is read with.
pub struct Ground<'a> {
    /// The whole document.
    pub document: &'a Node,
    /// The stages as written.
    pub base: &'a [Arc<Draft>],
}

impl Ground<'_> {
    /// Reads an axis: its parameter is the key, its values a list or a range.
    pub fn axis(&self, name: &str, entry: &Entry, problems: &mut Vec<Diagnostic>) -> Option<Axis> {
        let (domain, values) = domain(name, &entry.node, problems)?;
        let steps = match layers::resolve(self.document, name, &entry.key) {
            Ok(steps) => steps,
            Err(problem) => {
                problems.push(problem);
                return None;
            }
        };
        problems.extend(twice(name, &values));
        problems.extend(held(name, &steps, self.document));
        let target = self.target(name, &steps, &entry.key, problems)?;
        if matches!(target, Target::Seed) {
            values.iter().for_each(|value| head::seed_problems(value, problems));
        }
        let (key, at) = (entry.key.clone(), entry.node.at.clone());
        Some(Axis { name: name.to_owned(), target, domain, values, key, at, when: Vec::new() })
    }

    fn target(
        &self,
        name: &str,
        steps: &[String],
        key: &Location,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Target> {
        let target = target(steps, self.base);
        if target.is_none() {
            // A stage whose kind isn't known is reported at its own place.
            let known = |stage: &String| self.base.iter().any(|draft| draft.name == *stage);
            if !matches!(steps, [table, stage, _, ..] if table == "stages" && !known(stage)) {
                let message = format!("`{}` can't be swept", shown(name));
                let hint = "sweep a stage's parameter (`segments.k`) or `pipeline.seed`";
                problems.push(Diagnostic::error(message).at(key).hint(hint));
            }
        }
        target
    }
}

fn target(steps: &[String], base: &[Arc<Draft>]) -> Option<Target> {
    match steps {
        [table, key] if table == "pipeline" && key == "seed" => Some(Target::Seed),
        [table, stage, path @ ..] if table == "stages" && !path.is_empty() => {
            let at = base.iter().position(|draft| draft.name == *stage)?;
            // Variants that differ in how they are run would all give the same.
            let fixed = ["kind", "save"].into_iter().chain(schedule::KEYS);
            let sweepable = !fixed.into_iter().any(|key| path[0] == key);
            sweepable.then(|| Target::Parameter(at, path.to_vec()))
        }
        _ => None,
    }
}

/// The values of an axis as they are written; what has the wrong type is reported by whoever knows the shape.
fn domain(name: &str, node: &Node, problems: &mut Vec<Diagnostic>) -> Option<(Domain, Vec<Node>)> {
    let table = match &node.value {
        Value::Array(values) => return Some((Domain::List, values.clone())),
        Value::Table(table) => table,
        _ => return None,
    };
    let mut wrong = |message: String, at: &Location, hint: &str| {
        problems.push(Diagnostic::error(message).at(at).hint(hint));
    };
    if let Some(entry) = table.get("values") {
        let mut idle = ["from", "to", "step", "count", "scale"].into_iter();
        if let Some((key, idle)) = idle.find_map(|key| Some((key, table.get(key)?))) {
            let message = format!("`{}` has `values` and `{key}`", shown(name));
            wrong(message, &idle.key, "an axis is either a list of values or a range");
        }
        let Value::Array(values) = &entry.node.value else { return None };
        return Some((Domain::List, values.clone()));
    }
    let (Some(from), Some(to)) = (node.get("from"), node.get("to")) else {
        let message = format!("the axis `{}` has neither `values` nor both `from` and `to`", shown(name));
        wrong(message, &node.at, "write a list, `{ values = [...] }` or `{ from = 2, to = 10 }`");
        return None;
    };
    range(name, node, from, to, &mut wrong)
}

/// Says what is wrong: the message, where, and the hint.
type Wrong<'a> = dyn FnMut(String, &Location, &str) + 'a;

fn range(
    name: &str,
    node: &Node,
    from: &Node,
    to: &Node,
    wrong: &mut Wrong<'_>,
) -> Option<(Domain, Vec<Node>)> {
    let (low, high) = (number(from)?, number(to)?);
    let name = shown(name);
    if !(low < high && low.is_finite() && high.is_finite()) {
        wrong(format!("`{name}` goes from {low} to {high}"), &to.at, "`to` must be above `from`");
        return None;
    }
    let log = node.get("scale").and_then(Node::text) == Some("log");
    if log && low <= 0.0 {
        wrong(format!("`{name}` can't start at {low} on a log scale"), &from.at, "`from` must be above 0");
        return None;
    }
    let step = node.get("step");
    if let Some(count) = node.get("count").filter(|_| step.is_some()) {
        wrong(
            format!("`{name}` has `step` and `count`"),
            &count.at,
            "either of them says which values there are",
        );
        return None;
    }
    if let Some(step) = step.filter(|_| log) {
        wrong(
            format!("`{name}` has a `step` on a log scale"),
            &step.at,
            "say how many values there are: `count = 5`",
        );
        return None;
    }
    let is_whole = |node: &Node| matches!(node.value, Value::Integer(_));
    let whole = is_whole(from) && is_whole(to) && step.is_none_or(is_whole);
    let step = match step {
        Some(step) => Some(number(step)?),
        None => (whole && !log && node.get("count").is_none()).then_some(1.0),
    };
    if step.is_some_and(|step| step <= 0.0) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count above zero")]
    let stepped = step.map(|step| ((high - low) / step + 1e-9).floor() as u64 + 1);
    let counted = match node.get("count").map(|count| &count.value) {
        Some(Value::Integer(count)) => u64::try_from(*count).ok(),
        _ => None,
    };
    let (ends, count) = ([from.at.clone(), to.at.clone()], stepped.or(counted));
    Some((Domain::Range(Range { from: low, to: high, count, step, whole, log, ends }), Vec::new()))
}

/// A number, whole or not.
fn number(node: &Node) -> Option<f64> {
    match node.value {
        #[expect(clippy::cast_precision_loss, reason = "ends of ranges of parameters")]
        Value::Integer(number) => Some(number as f64),
        Value::Float(number) => Some(number),
        _ => None,
    }
}

/// Values that an axis has already.
fn twice(name: &str, values: &[Node]) -> Vec<Diagnostic> {
    let mut seen = std::collections::BTreeSet::new();
    let again = values.iter().filter(|value| !seen.insert(plain(value)));
    let problem = |value: &Node| {
        let message = format!("`{}` has the value {} twice", shown(name), shown(value.at.text()));
        Diagnostic::error(message).at(&value.at).hint("take one of them out: both would be the same variant")
    };
    again.map(problem).collect()
}

/// A flag that sets what is swept would do nothing.
fn held(name: &str, steps: &[String], document: &Node) -> Option<Diagnostic> {
    let set = document.get(&steps.join(".")).filter(|node| node.at.source.name == "--set")?;
    let value = set.to_toml();
    let message = format!("`{name}` is swept, so `--set` can't give it a value");
    let hint = format!("give the axis this one value: --set 'sweep.axes.\"{name}\"=[{value}]'");
    Some(Diagnostic::error(message).at(&set.at).hint(hint))
}
