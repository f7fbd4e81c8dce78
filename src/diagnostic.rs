//! How every problem is shown: what is wrong, where, and what to do about it.
//!
//! A diagnostic is a value; [`render`] turns it into text, [`Diagnostic::problem`] into what programs read.
//! Nothing here prints, and nothing here knows which part of the house is complaining.

mod failure;
mod remedy;
mod words;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use failure::Failure;
pub use remedy::remedy;
pub use words::{
    count, did_you_mean, grouped, listing, meant, meant_as, percent, plural, quoted, shown, were,
};

/// A text that the user wrote, with the name to show for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    /// A path as the user spelled it, or a flag such as `--set`.
    pub name: String,
    /// The whole text; copies of a source share it.
    pub text: Arc<String>,
}

impl SourceText {
    /// A text and its name.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: Arc::new(text.into()) }
    }
}

/// A stretch of a source text.
#[derive(Clone, Debug)]
pub struct Location {
    /// The text that it lies in.
    pub source: Arc<SourceText>,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Location {
    /// A stretch of a text; texts end at 4 GiB.
    pub fn new(source: &Arc<SourceText>, span: Range<usize>) -> Self {
        let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { source: Arc::clone(source), start: clamp(span.start), end: clamp(span.end) }
    }

    /// Line and column of its start, both from 1; the column counts characters.
    pub fn line_column(&self) -> (usize, usize) {
        let before = self.source.text.get(..self.start as usize).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let last = before.rsplit('\n').next().unwrap_or_default();
        (line, last.chars().count() + 1)
    }

    /// `file:line`, for one-line messages.
    pub fn file_line(&self) -> String {
        if self.source.name.starts_with("--") {
            return format!("{} {}", self.source.name, self.source.text);
        }
        format!("{}:{}", self.source.name, self.line_column().0)
    }

    /// Whether it lies within another stretch of the same text.
    pub fn lies_in(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.source.text, &other.source.text)
            && self.start >= other.start
            && self.end <= other.end
    }

    /// The text of the stretch.
    pub fn text(&self) -> &str {
        self.source.text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The command can't do what was asked.
    Error,
    /// It goes on, but the user should know.
    Warning,
}

/// A problem and what to do about it.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A lowercase sentence without a full stop, names in backticks.
    pub message: String,
    /// Where it is.
    pub at: Option<Location>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A diagnostic for programs.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// A lowercase sentence without a full stop, names in backticks.
    pub message: String,
    /// The file that it is in, or the flag.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The column, from 1, in characters.
    pub column: Option<usize>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), at: None, hint: None }
    }

    /// A warning.
    pub fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    /// Points at a stretch of a text.
    #[must_use]
    pub fn at(mut self, at: &Location) -> Self {
        self.at = Some(at.clone());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds advice where there is any.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// What tells it from other problems: its message and its place.
    pub fn identity(&self) -> (String, Option<(String, u32)>) {
        let place = self.at.as_ref().map(|at| (at.source.name.clone(), at.start));
        (self.message.clone(), place)
    }

    /// It as `--json` prints it.
    pub fn problem(&self) -> Problem {
        let place = self.at.as_ref().map(Location::line_column);
        Problem {
            severity: self.severity,
            message: self.message.clone(),
            file: self.at.as_ref().map(|at| at.source.name.clone()),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            hint: self.hint.clone(),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render(self, false))
    }
}

/// Problems that end a command because what the user wrote is wrong (exit code 2).
#[derive(Debug)]
pub struct Problems(pub Vec<Diagnostic>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        write!(f, "{}", plural(self.0.len(), "error"))
    }
}

impl std::error::Error for Problems {}

impl From<Diagnostic> for Problems {
    fn from(problem: Diagnostic) -> Self {
        Self(vec![problem])
    }
}

/// The text of a diagnostic: message, place with source line and caret, what else the message says (its
/// further lines, such as the complaint of a program), hint. No trailing newline.
pub fn render(diagnostic: &Diagnostic, colour: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let (message, details) = diagnostic.message.split_once('\n').unwrap_or((&diagnostic.message, ""));
    let message = one_line(message);
    let title = level.primary_title(message.as_str());
    let hint = diagnostic.hint.as_deref().map(one_line);
    let hint = hint
        .as_ref()
        .map(|hint| Group::with_title(Level::HELP.with_name("hint").secondary_title(hint.as_str())));
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut parts: Vec<String> = match &diagnostic.at {
        Some(at) => {
            let mut groups = vec![title.element(snippet(at))];
            if details.is_empty() {
                groups.extend(hint.clone());
            }
            vec![renderer.render(&groups)]
        }
        None => vec![renderer.render(&[Group::with_title(title)])],
    };
    let lines = details.lines().map(str::trim_end).filter(|line| !line.is_empty());
    parts.extend(lines.map(|line| format!("    {line}")));
    // Rendered together they would be joined by the margin of a source line that isn't there.
    if diagnostic.at.is_none() || !details.is_empty() {
        parts.extend(hint.map(|hint| renderer.render(&[hint])));
    }
    parts.join("\n")
}

fn snippet(at: &Location) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
    let end = (at.end.max(at.start + 1) as usize).min(at.source.text.len());
    let start = (at.start as usize).min(end);
    let start = first_line_only(&at.source.text, start..end);
    Snippet::source(at.source.text.as_str())
        .path(at.source.name.as_str())
        .annotation(AnnotationKind::Primary.span(start))
}

/// A span over several lines would draw a bracket; its first line says enough.
fn first_line_only(text: &str, span: Range<usize>) -> Range<usize> {
    let first = text.get(span.clone()).and_then(|part| part.lines().next()).unwrap_or_default();
    span.start..span.start + first.trim_end().len()
}

/// A message that carries a foreign text stays on its line.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Diagnostic, Location, SourceText, render};

    #[test]
    fn without_a_place_the_hint_follows_at_once() {
        let shown = render(&Diagnostic::error("there is no run `5`").hint("list them"), false);
        assert_eq!(shown, "error: there is no run `5`\nhint: list them");
    }

    #[test]
    fn further_lines_of_a_message_follow_it() {
        let shown = render(&Diagnostic::error("`sh` ended with 3\none\n\n  two").hint("look"), false);
        assert_eq!(shown, "error: `sh` ended with 3\n    one\n      two\nhint: look");
    }

    #[test]
    fn a_diagnostic_shows_place_line_caret_and_hint() {
        let source = Arc::new(SourceText::new("p.toml", "a = 1\ncuttoff = 2\n"));
        let shown = render(
            &Diagnostic::error("unknown key `cuttoff`")
                .at(&Location::new(&source, 6..13))
                .hint("did you mean `cutoff`?"),
            false,
        );
        let expected = "\
error: unknown key `cuttoff`
 --> p.toml:2:1
  |
2 | cuttoff = 2
  | ^^^^^^^
  |
hint: did you mean `cutoff`?";
        assert_eq!(shown, expected);
    }
}
