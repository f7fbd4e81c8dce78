//! stages

pub mod features;
