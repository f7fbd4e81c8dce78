//! The contract between the engine and every stage kind.
//!
//! A kind is a parameter struct that says what it needs and gives, and computes it. It has no side
//! effects: it doesn't know its own name, the store, the clock or other stages.

mod artifact;
mod context;
mod histogram;
mod kind;
mod stop;
mod usage;

pub use crate::diagnostic::Failure;
pub use artifact::{Artifact, Metrics, Outcome, PortType, Warning};
pub use context::{Context, Input, Make, Memos, Progress, SourceFile, Stream};
pub use histogram::Histogram;
pub use kind::{AnyStage, Kind, Layer, MetricName, Mistake, Need, Port, Ref, Source, Stage};
pub use stop::{Stop, Stopped};
pub use usage::{Usage, Used};
