//! Layer 3, the run record: what each run did, kept under `experiments/` and read back.
//!
//! A run is a TOML file that can be rerun as it is (`configs/`) and a log with one JSON object a line
//! (`logs/`). The log is what the engine reported; here it is text that is appended and found again. What programs
//! printed stands there too, and in files of its own where it is much.

pub mod compare;
pub mod config;
pub mod ends;
pub mod filter;
pub mod git;
pub mod index;
pub mod journal;
mod names;
pub mod printed;
pub mod runs;
