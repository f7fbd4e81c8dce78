//! Descriptive statistics of one variable: moments, quantiles, a mean with its interval.
//!
//! Knows plain slices of finite numbers; knows nothing of tables, missing values or clusters.

mod interval;
mod moments;
mod quantile;

pub use interval::{Estimate, estimate, student_within};
pub use moments::Moments;
pub use quantile::{Quantiles, middle_and_range};
