//! Kinds: the trait that a stage kind implements, and the registry entry made from it.

use std::borrow::Cow;

use anyhow::Result;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Context, Outcome, PortType};

/// The layer that a kind belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// Makes, reads, checks or summarises data.
    Data,
    /// Fits, scores or compares models.
    Model,
    /// Draws or writes for people.
    Present,
}

/// A stage kind: its parameters (with their defaults), ports and computation.
///
/// The doc comments of the struct and its fields are what `custem kinds` shows; their ranges come
/// from `#[schemars(range(..))]`; a field without a sensible default carries
/// `#[schemars(extend("x-required" = true))]`.
pub trait Stage: Serialize + DeserializeOwned + JsonSchema + Default + Send + Sync + 'static {
    /// The word after `kind =`.
    const KIND: &'static str;
    /// Grows whenever equal manifests could give other bytes than before.
    const VERSION: u32;
    /// The layer that the kind belongs to.
    const LAYER: Layer;
    /// Whether the seed is part of what identifies a run of it.
    const SEEDED: bool = false;
    /// The parameters that its outputs follow from; none where it always has the same ones.
    const OUTPUTS_FROM: &'static [&'static str] = &[];

    /// Its inputs, as the parameters name them.
    fn needs(&self) -> Vec<Need>;

    /// Its outputs; the first one is the main output.
    fn gives(&self) -> Vec<Port>;

    /// The metrics that it may give; a run may leave some of them out, but gives no others.
    fn metrics(&self) -> Vec<MetricName>;

    /// Files outside the pipeline that it reads.
    fn sources(&self) -> Vec<Source> {
        Vec::new()
    }

    /// Rules between parameters, beyond each one's type and range.
    fn check(&self) -> Vec<Mistake> {
        Vec::new()
    }

    /// Computes the outputs.
    ///
    /// # Errors
    /// A [`super::Failure`] where there is advice to give, else any error.
    fn run(&self, ctx: &Context<'_>) -> Result<Outcome>;
}

/// A reference to a stage's output: `stage` (its main output) or `stage.port`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ref(pub String);

impl Ref {
    /// The stage's name.
    pub fn stage(&self) -> &str {
        self.0.split_once('.').map_or(&self.0, |(stage, _)| stage)
    }

    /// The port's name, where one is given.
    pub fn port(&self) -> Option<&str> {
        self.0.split_once('.').map(|(_, port)| port)
    }
}

impl JsonSchema for Ref {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Ref".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "x-ref": true, "x-required": true })
    }
}

/// An input of a stage.
#[derive(Clone, Debug)]
pub struct Need {
    /// Where the reference stands among the parameters: `input`, `inputs.rows`, `charts.0`.
    pub key: String,
    /// What it refers to.
    pub from: Ref,
    /// The types it takes.
    pub accepts: &'static [PortType],
    /// Whether the stage goes on without it when whatever gives it has failed.
    pub optional: bool,
}

impl Need {
    /// An input; the stage finds it in its context under the same key.
    pub fn new(key: impl Into<String>, from: &Ref, accepts: &'static [PortType]) -> Self {
        Self { key: key.into(), from: from.clone(), accepts, optional: false }
    }

    /// Lets the stage go on without it when whatever gives it has failed.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// An input that takes a table.
    pub fn table(key: impl Into<String>, from: &Ref) -> Self {
        Self::new(key, from, &[PortType::Table])
    }
}

/// An output of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name behind the dot: `features.rejected`.
    pub name: String,
    /// Its type.
    pub ty: PortType,
    /// What it holds, in a sentence for `custem kinds`.
    pub doc: &'static str,
}

impl Port {
    /// An output.
    pub fn new(name: impl Into<String>, ty: PortType, doc: &'static str) -> Self {
        Self { name: name.into(), ty, doc }
    }

    /// The output that every stage has besides its own.
    pub fn metrics() -> Self {
        Self::new("metrics", PortType::Metrics, "The stage's named numbers, as JSON.")
    }

    /// An output that holds a table.
    pub fn table(name: &str, doc: &'static str) -> Self {
        Self::new(name, PortType::Table, doc)
    }
}

/// A metric that a stage may give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricName {
    /// Its name: `auc`, `auc.logistic`; [`MetricName::ANY`] for whichever the run brings.
    pub name: String,
    /// What it measures, in a sentence for `custem kinds`.
    pub doc: &'static str,
}

impl MetricName {
    /// Stands for metrics whose names only the run can tell.
    pub const ANY: &'static str = "*";

    /// A metric.
    pub fn new(name: impl Into<String>, doc: &'static str) -> Self {
        Self { name: name.into(), doc }
    }

    /// Metrics by name and doc.
    pub fn list<const N: usize>(metrics: [(&'static str, &'static str); N]) -> Vec<Self> {
        metrics.into_iter().map(|(name, doc)| Self::new(name, doc)).collect()
    }

    /// Metrics whose names only the run can tell.
    pub fn any(doc: &'static str) -> Self {
        Self::new(Self::ANY, doc)
    }

    /// Whether it may be the one with this name.
    pub fn covers(&self, metric: &str) -> bool {
        self.name == metric || self.name == Self::ANY
    }
}

/// Files that a stage reads from outside the pipeline.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where the pattern stands among the parameters: `path`, `files.0`.
    pub key: String,
    /// A path or glob, relative to the project root.
    pub pattern: String,
}

/// A rule between parameters that is broken.
#[derive(Clone, Debug)]
pub struct Mistake {
    /// The parameter to point at.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Mistake {
    /// A broken rule without advice.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A stage with its parameters, its kind forgotten.
pub trait AnyStage: Send + Sync {
    /// See [`Stage::needs`].
    fn needs(&self) -> Vec<Need>;
    /// See [`Stage::gives`].
    fn gives(&self) -> Vec<Port>;
    /// See [`Stage::metrics`].
    fn metrics(&self) -> Vec<MetricName>;
    /// See [`Stage::sources`].
    fn sources(&self) -> Vec<Source>;
    /// See [`Stage::check`].
    fn check(&self) -> Vec<Mistake>;
    /// The parameters with every default filled in.
    ///
    /// # Errors
    /// When a number doesn't fit TOML.
    fn params(&self) -> Result<toml::Table>;
    /// See [`Stage::run`].
    ///
    /// # Errors
    /// See [`Stage::run`].
    fn run(&self, ctx: &Context<'_>) -> Result<Outcome>;
}

impl<S: Stage> AnyStage for S {
    fn needs(&self) -> Vec<Need> {
        Stage::needs(self)
    }

    fn gives(&self) -> Vec<Port> {
        Stage::gives(self)
    }

    fn metrics(&self) -> Vec<MetricName> {
        Stage::metrics(self)
    }

    fn sources(&self) -> Vec<Source> {
        Stage::sources(self)
    }

    fn check(&self) -> Vec<Mistake> {
        Stage::check(self)
    }

    fn params(&self) -> Result<toml::Table> {
        let mut table = toml::Table::try_from(self)?;
        table.iter_mut().for_each(|(_, value)| restore_dates(value));
        Ok(table)
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        Stage::run(self, ctx)
    }
}

/// A registry entry: all that the rest of the house knows about a kind.
pub struct Kind {
    /// The word after `kind =`.
    pub name: &'static str,
    /// See [`Stage::VERSION`].
    pub version: u32,
    /// The layer that the kind belongs to.
    pub layer: Layer,
    /// Whether the seed is part of what identifies a run of it.
    pub seeded: bool,
    /// The parameters that its outputs follow from.
    pub outputs_from: &'static [&'static str],
    /// The JSON Schema of its parameters.
    pub schema: fn() -> Schema,
    /// Reads parameters that have passed the schema.
    pub build: fn(toml::Table) -> Result<Box<dyn AnyStage>, toml::de::Error>,
}

impl Kind {
    /// The entry for a kind.
    pub const fn of<S: Stage>() -> Self {
        Self {
            name: S::KIND,
            version: S::VERSION,
            layer: S::LAYER,
            seeded: S::SEEDED,
            outputs_from: S::OUTPUTS_FROM,
            schema: schema_of::<S>,
            build: build::<S>,
        }
    }
}

/// Written into a value, a date comes out as a table with this one key.
const DATE: &str = "$__toml_private_datetime";

/// Makes dates of tables that stand for them.
fn restore_dates(value: &mut toml::Value) {
    match value {
        toml::Value::Array(items) => items.iter_mut().for_each(restore_dates),
        toml::Value::Table(table) => {
            let date = table.get(DATE).and_then(toml::Value::as_str).and_then(|text| text.parse().ok());
            match date {
                Some(date) => *value = toml::Value::Datetime(date),
                None => table.iter_mut().for_each(|(_, value)| restore_dates(value)),
            }
        }
        _ => {}
    }
}

/// The same in a schema, where a date is text.
fn plain_dates(value: &mut Json) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(plain_dates),
        Json::Object(table) => match table.get(DATE) {
            Some(Json::String(date)) => *value = Json::String(date.clone()),
            _ => table.values_mut().for_each(plain_dates),
        },
        _ => {}
    }
}

fn schema_of<S: Stage>() -> Schema {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<S>();
    schema.ensure_object().values_mut().for_each(plain_dates);
    schema
}

fn build<S: Stage>(params: toml::Table) -> Result<Box<dyn AnyStage>, toml::de::Error> {
    Ok(Box::new(params.try_into::<S>()?))
}
