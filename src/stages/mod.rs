//! stages

pub mod check;
pub mod read;
