//! stages

pub mod features;
pub mod simulate;
