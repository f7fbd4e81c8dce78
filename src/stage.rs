//! The contract between the engine and every stage kind.
//!
//! A kind is a parameter struct that says what it needs and gives, and computes it. It has no side
//! effects: it doesn't know its own name, the store, the clock or other stages.

mod artifact;
mod context;
mod kind;

pub use artifact::{Artifact, Metrics, Outcome, PortType, Warning};
pub use context::{Context, Input, Progress, SourceFile};
pub use kind::{AnyStage, Kind, Layer, Mistake, Need, Port, Ref, Source, Stage};

/// A stage's own failure, with advice: what is wrong, what to do, and which parameter is meant.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong: a lowercase sentence without a full stop, names in backticks.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The parameter to point at, such as `k` or `rules.2.min`.
    pub key: Option<String>,
}

impl Failure {
    /// A failure that only has a message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, key: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Points at a parameter.
    #[must_use]
    pub fn at(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
