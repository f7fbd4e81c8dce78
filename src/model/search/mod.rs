//! Searching a space of parameters: where to look next, and which parameters matter.
//!
//! Knows coordinates and losses; doesn't know stages, pipelines or what a parameter means.

mod forest;
mod importance;
mod parzen;
mod tpe;

pub use importance::{Importance, importance};
pub use parzen::{Dimension, Parzen};
pub use tpe::{Trial, suggest};
