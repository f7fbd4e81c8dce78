//! Layer 1, the data: tables, and the ways to make, read, check and summarise them.
//!
//! Knows Arrow and Parquet; knows nothing of stages, keys or caches.

pub mod columns;
pub mod parquet;
pub mod relational;
pub mod quality;
pub mod read;
pub mod table;

pub use table::Table;
