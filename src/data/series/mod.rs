//! Weekly series: made from transactions, read back for forecasting, and what a forecast writes.
//!
//! Knows columns and calendars. Does not know how a forecast is made: see [`crate::model::forecast`].

mod calendar;
mod customers;
mod groups;
mod output;
mod panel;
mod partial;
#[cfg(test)]
mod tests;
mod weekly;

pub use calendar::date;
pub use groups::Groups;
pub use output::{Member, backtest_table, comparison_table, forecast_table, horizons_table, scores_table};
pub use panel::{Panel, panel};
pub use partial::weekly_in_parts;
pub use weekly::{Columns, Partial, Request, TOTAL, UNSEGMENTED, Weekly, weekly};
