//! What a stage gives back: artifacts on ports, metrics, warnings and a line for the terminal.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Histogram, Usage};
use crate::data::Table;

/// The type of an artifact; an input says which ones it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PortType {
    /// An Arrow table, stored as Parquet.
    Table,
    /// A fitted model, stored as JSON.
    Model,
    /// A picture: SVG or PNG.
    Image,
    /// A self-contained HTML page.
    Page,
    /// Named numbers, stored as JSON; every stage gives them on its port `metrics`.
    Metrics,
    /// Any other file.
    File,
}

impl PortType {
    /// The word for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Model => "model",
            Self::Image => "image",
            Self::Page => "page",
            Self::Metrics => "metrics",
            Self::File => "file",
        }
    }

    /// The word with its article, for messages.
    pub fn described(self) -> &'static str {
        match self {
            Self::Table => "a table",
            Self::Model => "a model",
            Self::Image => "an image",
            Self::Page => "a page",
            Self::Metrics => "metrics",
            Self::File => "a file",
        }
    }
}

/// The bytes on an output port, in whichever form the stage has them.
#[derive(Clone, Debug)]
pub enum Artifact {
    /// A table in memory; the engine writes it as Parquet and hands it to stages that need it at once.
    Table(Table),
    /// Bytes in memory.
    Bytes(Vec<u8>),
    /// A finished file in the stage's scratch folder, which the engine takes over.
    File(PathBuf),
    /// The very bytes that came in on an input port.
    Same(String),
}

/// Named numbers, sorted by name.
pub type Metrics = BTreeMap<String, f64>;

/// Something the user should know that does not stop the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// A lowercase sentence without a full stop, names in backticks.
    pub message: String,
    /// The parameter that it is about, such as `rules.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// All that a stage gives back.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What the terminal says behind the stage's name: `k=5, silhouette 0.301`.
    pub summary: String,
    /// Artifacts by port.
    pub artifacts: Vec<(String, Artifact)>,
    /// Finite numbers by name.
    pub metrics: Metrics,
    /// What the user should know.
    pub warnings: Vec<Warning>,
    /// How numbers that it computed lie, by name.
    pub histograms: BTreeMap<String, Histogram>,
    /// What it took of the machine, where the stage knows better than the process that it ran in.
    pub usage: Option<Usage>,
}

impl Outcome {
    /// An outcome with its line for the terminal.
    pub fn new(summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), ..Self::default() }
    }

    /// Adds an artifact.
    #[must_use]
    pub fn with(mut self, port: &str, artifact: Artifact) -> Self {
        self.artifacts.push((port.to_owned(), artifact));
        self
    }

    /// Adds a table.
    #[must_use]
    pub fn table(self, port: &str, table: Table) -> Self {
        self.with(port, Artifact::Table(table))
    }

    /// Adds bytes.
    #[must_use]
    pub fn bytes(self, port: &str, bytes: Vec<u8>) -> Self {
        self.with(port, Artifact::Bytes(bytes))
    }

    /// Adds a metric. A value that isn't finite is no number and is left out.
    #[must_use]
    pub fn metric(mut self, name: impl Into<String>, value: f64) -> Self {
        if value.is_finite() {
            self.metrics.insert(name.into(), value);
        }
        self
    }

    /// Adds how numbers lie, for trackers to draw; nothing where none of them is finite.
    #[must_use]
    pub fn histogram(mut self, name: impl Into<String>, values: &[f64]) -> Self {
        self.histograms.extend(Histogram::of(values).map(|histogram| (name.into(), histogram)));
        self
    }

    /// Adds a warning.
    #[must_use]
    pub fn warn(mut self, message: impl Into<String>) -> Self {
        self.warnings.push(Warning { message: message.into(), key: None });
        self
    }

    /// Adds a warning about a parameter.
    #[must_use]
    pub fn warn_at(mut self, key: impl Into<String>, message: impl Into<String>) -> Self {
        self.warnings.push(Warning { message: message.into(), key: Some(key.into()) });
        self
    }
}
