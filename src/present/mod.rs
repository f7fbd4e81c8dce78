//! Layer 4, presentation: records and artifacts turned into bytes for people.
//!
//! Nothing here reads the disk.

pub mod chart;
pub mod format;
pub mod report;
pub mod terminal;
pub mod theme;
pub mod trace;
