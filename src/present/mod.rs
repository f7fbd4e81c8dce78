//! Layer 4, presentation: records and artifacts turned into bytes for people.
//!
//! Nothing here reads the disk.

pub mod terminal;
