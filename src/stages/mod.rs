//! The stage kinds: one file a kind, one line in the registry.
//!
//! A kind holds parameters and ports and calls into a layer. Listing, docs, the editor schema and
//! the conformance tests come from [`KINDS`].

mod command;
mod leaderboard;
mod sql;

use crate::stage::Kind;

/// All kinds, in the order of their layers and of a typical pipeline.
pub static KINDS: &[Kind] =
    &[Kind::of::<sql::Sql>(), Kind::of::<command::Command>(), Kind::of::<leaderboard::Leaderboard>()];
