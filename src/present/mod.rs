//! Layer 4, the presentation: pictures, pages and words from tables and records.
//!
//! Turns values into bytes and never reads the disk.

pub mod chart;
pub mod format;
pub mod report;
pub mod theme;
