//! Descriptive statistics of one variable: moments and quantiles.
//!
//! Knows plain slices of finite numbers; knows nothing of tables, missing values or clusters.

mod moments;
mod quantile;

pub use moments::Moments;
pub use quantile::{Quantiles, middle_and_range};
