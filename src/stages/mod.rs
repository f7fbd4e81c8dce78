//! The stage kinds: one file a kind, one line in the registry.
//!
//! A kind holds parameters and ports and calls into a layer. Listing, docs, the editor schema and
//! the conformance tests come from [`KINDS`].

mod assign;
mod chart;
mod check;
mod churn;
mod command;
mod features;
mod fidelity;
mod forecast;
mod leaderboard;
mod profile;
mod read;
mod report;
mod segment;
mod series;
mod simulate;
mod sql;
mod synthesize;
mod value;

pub use command::{end_all, guard};

use crate::stage::Kind;

/// All kinds, in the order of their layers and of a typical pipeline.
pub static KINDS: &[Kind] = &[
    Kind::of::<simulate::Simulate>(),
    Kind::of::<synthesize::Synthesize>(),
    Kind::of::<fidelity::Fidelity>(),
    Kind::of::<read::Read>(),
    Kind::of::<check::Check>(),
    Kind::of::<sql::Sql>(),
    Kind::of::<features::Features>(),
    Kind::of::<segment::Segment>(),
    Kind::of::<assign::Assign>(),
    Kind::of::<profile::Profile>(),
    Kind::of::<series::Series>(),
    Kind::of::<forecast::Forecast>(),
    Kind::of::<churn::Churn>(),
    Kind::of::<value::Value>(),
    Kind::of::<chart::Chart>(),
    Kind::of::<report::Report>(),
    Kind::of::<command::Command>(),
    Kind::of::<leaderboard::Leaderboard>(),
];

/// The main port of a recorded stage: the first that its kind declares, or the only one there is.
pub fn main_port(kind: &str, outputs: &serde_json::Map<String, serde_json::Value>) -> Option<String> {
    let entry = KINDS.iter().find(|entry| entry.name == kind)?;
    let declared = (entry.build)(toml::Table::new()).map(|stage| stage.gives()).unwrap_or_default();
    let main = declared.into_iter().map(|port| port.name).find(|name| outputs.contains_key(name));
    main.or_else(|| outputs.keys().find(|name| *name != "metrics").cloned())
}
