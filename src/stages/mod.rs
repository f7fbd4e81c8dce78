//! stages

pub mod segment;
