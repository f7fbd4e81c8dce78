//! The report.

#[cfg(test)]
pub mod example;
