//! Layer 1, the data: tables, and the ways to make, read, check and summarise them.
//!
//! Knows Arrow and Parquet; knows nothing of stages, keys or caches.

pub mod as_of;
pub mod columns;
pub mod dates;
pub mod expression;
pub mod features;
pub mod mixed;
pub mod parquet;
pub mod partial;
pub mod partition;
pub mod purchases;
pub mod quality;
pub mod read;
#[cfg(feature = "sql")]
pub mod relational;
pub mod scan;
pub mod series;
pub mod simulate;
pub mod summary;
pub mod synthesize;
pub mod table;

pub use table::Table;
