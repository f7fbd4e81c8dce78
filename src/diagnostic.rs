//! How every problem is shown: what is wrong, where, and what to do about it.
//!
//! A diagnostic is a value; [`render`] turns it into text, [`Diagnostic::to_json`] into an object.
//! Nothing here prints, and nothing here knows which part of the house is complaining.

mod failure;
mod remedy;
mod words;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

pub use failure::Failure;
pub use remedy::remedy;
pub use words::{count, did_you_mean, grouped, listing, percent, plural, quoted, shown, were};

/// A text that the user wrote, with the name to show for it.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceText {
    /// A path as the user spelled it, or a flag such as `--set`.
    pub name: String,
    /// The whole text.
    pub text: String,
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

    /// The text of the stretch.
    pub fn text(&self) -> &str {
        self.source.text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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

    /// The object that `--json` prints: severity, message, file, line, column, hint.
    pub fn to_json(&self) -> serde_json::Value {
        let place = self.at.as_ref().map(|at| (at.source.name.clone(), at.line_column()));
        serde_json::json!({
            "severity": self.severity,
            "message": self.message,
            "file": place.as_ref().map(|(file, _)| file),
            "line": place.as_ref().map(|(_, (line, _))| line),
            "column": place.as_ref().map(|(_, (_, column))| column),
            "hint": self.hint,
        })
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

/// The text of a diagnostic: message, place with source line and caret, hint. No trailing newline.
pub fn render(diagnostic: &Diagnostic, colour: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = listed(&diagnostic.message);
    let title = level.primary_title(message.as_str());
    let mut groups = vec![match &diagnostic.at {
        Some(at) => title.element(snippet(at)),
        None => Group::with_title(title),
    }];
    let hint = diagnostic.hint.as_deref().map(one_line);
    if let Some(hint) = &hint {
        let title = Level::HELP.with_name("hint").secondary_title(hint.as_str());
        groups.push(Group::with_title(title));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    if diagnostic.at.is_some() {
        return renderer.render(&groups);
    }
    // Together they would be joined by the margin of a source line that isn't there.
    groups.iter().map(|group| renderer.render(std::slice::from_ref(group))).collect::<Vec<_>>().join("\n")
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

/// What opens each line of a list in a message.
pub const ITEM: &str = "  - ";

/// A message with a list below it; all else stays on its line.
fn listed(text: &str) -> String {
    let at = text.find(&format!("\n{ITEM}")).unwrap_or(text.len());
    let (head, items) = text.split_at(at);
    let items = items.lines().map(str::trim_end).filter(|line| !line.is_empty());
    std::iter::once(one_line(head)).chain(items.map(str::to_owned)).collect::<Vec<_>>().join("\n")
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
    fn a_list_stands_below_its_message() {
        let shown = |message: &str| render(&Diagnostic::error(message), false);
        assert_eq!(shown("two:\n  - one\n  - two"), "error: two:\n         - one\n         - two");
        assert_eq!(shown("foreign\n text\n\n"), "error: foreign; text");
    }

    #[test]
    fn a_diagnostic_shows_place_line_caret_and_hint() {
        let text = "a = 1\ncuttoff = 2\n".to_owned();
        let source = Arc::new(SourceText { name: "p.toml".to_owned(), text });
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
