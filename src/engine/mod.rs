//! engine
pub mod digest;
