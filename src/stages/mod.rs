//! stages

pub mod read;
