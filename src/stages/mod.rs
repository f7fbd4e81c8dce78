//! stages

pub mod profile;
pub mod segment;
