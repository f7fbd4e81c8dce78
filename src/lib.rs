//! custem: customer segmentation, benchmarking and forecasting as a pipeline of cached stages.
//!
//! Values flow one way, and so does this list:
//!
//! ```text
//! TOML text -> pipeline -> engine (plan, execution) -> observe (record) -> present
//!                             |
//!                          stages -> data, model, present
//! ```
//!
//! `ARCHITECTURE.md` draws the house; `tests/it/tidy.rs` enforces who may import whom.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests make and spoil files of their own"))]

mod abreast;
pub mod cli;
pub mod commands;
pub mod data;
pub mod diagnostic;
pub mod engine;
pub mod model;
pub mod observe;
pub mod pipeline;
pub mod present;
pub mod stage;
pub mod stages;
