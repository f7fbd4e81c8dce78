//! Layer 2, the models: pure kernels on arrays.
//!
//! No input or output, no clock, no printing, no stage names; nothing of ours but itself.

pub mod cluster;
pub mod fidelity;
pub mod forecast;
pub mod mixed;
pub mod optimise;
pub mod predict;
pub mod random;
pub mod rank;
pub mod search;
pub mod stats;
pub mod symmetric;
pub mod synthesize;
pub mod value;
