//! The report: one HTML page that says what the tables say, for people who decide.
//!
//! Each section turns its tables into facts, the facts into sentences, tables and charts. Nothing
//! but the tables and the options gets into the page: no clock, no names of stages, no network.

mod accuracy;
mod assigned;
mod calibration;
mod churn;
mod customers;
mod findings;
mod forecast;
mod images;
mod leaderboard;
mod load;
mod outlooks;
mod page;
mod parts;
mod portraits;
mod quality;
mod reach;
mod revenue;
mod risk;
mod segments;
mod separation;
mod spend;
mod target;
mod when;
mod worth;

#[cfg(test)]
pub mod example;
#[cfg(test)]
mod tests;

use std::fmt;

use anyhow::Result;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Table;
use crate::present::format::{Unit, date};
pub use findings::{Checked, findings};
use parts::Chapter;

/// A section of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// Who the customers are.
    Customers,
    /// The segments and how they differ.
    Segments,
    /// Revenue so far.
    Revenue,
    /// Revenue to expect.
    Forecast,
    /// Who is likely to leave.
    Churn,
    /// What customers are worth.
    Value,
    /// The variants of a sweep.
    Leaderboard,
    /// Further charts.
    Charts,
    /// Whether the data can be trusted.
    Quality,
}

/// All sections in the order of the report.
pub const SECTIONS: [Section; 9] = [
    Section::Customers,
    Section::Segments,
    Section::Revenue,
    Section::Forecast,
    Section::Churn,
    Section::Value,
    Section::Leaderboard,
    Section::Charts,
    Section::Quality,
];

/// The tables that the report is made from; a section without its tables is left out.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The findings of a check.
    pub quality: Option<Table>,
    /// One row a customer.
    pub features: Option<Table>,
    /// Measures by number of segments.
    pub selection: Option<Table>,
    /// The segment of each customer.
    pub segments: Option<Table>,
    /// One row a segment.
    pub profile: Option<Table>,
    /// How segments differ.
    pub differences: Option<Table>,
    /// Revenue by segment and week.
    pub series: Option<Table>,
    /// Expected revenue by segment and week.
    pub forecast: Option<Table>,
    /// Predictions of weeks that are known.
    pub backtest: Option<Table>,
    /// Errors of the forecast models.
    pub scores: Option<Table>,
    /// The probability of churn of each customer.
    pub churn: Option<Table>,
    /// Scores of the churn models.
    pub churn_models: Option<Table>,
    /// Importance of features for churn.
    pub importance: Option<Table>,
    /// Predicted against observed churn.
    pub reliability: Option<Table>,
    /// What each customer is worth.
    pub value: Option<Table>,
    /// Scores of the models of value.
    pub value_models: Option<Table>,
    /// What the data can tell of value.
    pub value_verdicts: Option<Table>,
    /// The variants of a sweep.
    pub leaderboard: Option<Table>,
    /// Further pictures: SVG or PNG.
    pub charts: Vec<Vec<u8>>,
}

/// What the user may choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// The report's title.
    pub title: String,
    /// The currency's symbol; empty when it isn't known.
    pub currency: String,
    /// The sections in order; all of them where there is none.
    pub sections: Vec<Section>,
}

/// A finished report.
#[derive(Clone, Debug)]
pub struct Report {
    /// The page.
    pub html: String,
    /// Number of sections in it.
    pub sections: usize,
}

/// An input that isn't what its section needs.
#[derive(Debug)]
pub struct Misfit {
    /// The input's name.
    pub input: &'static str,
    /// What is wrong with it.
    pub error: anyhow::Error,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.input, self.error)
    }
}

impl std::error::Error for Misfit {}

/// Writes the report: sections in parallel, put together in their order; each asks first whether to go on.
///
/// # Errors
/// When `alive` says so; a [`Misfit`] when a table lacks a column, a column has another type, or a table can't be read.
pub fn report(inputs: &Inputs, options: &Options, alive: &(dyn Fn() -> Result<()> + Sync)) -> Result<Report> {
    let money = Unit::Money(options.currency.clone());
    let order = if options.sections.is_empty() { &SECTIONS[..] } else { &options.sections };
    let inputs = inputs.loaded()?;
    let write = |section: &Section| {
        alive()?;
        Ok(chapter(*section, &inputs, &money)?)
    };
    let written: Vec<Result<_>> = order.par_iter().map(write).collect();
    let chapters: Vec<Chapter> = written.into_iter().filter_map(Result::transpose).collect::<Result<_>>()?;
    alive()?;
    let html = page::page(&options.title, &span(&inputs)?, &chapters);
    Ok(Report { html, sections: chapters.len() })
}

fn chapter(section: Section, inputs: &Inputs, money: &Unit) -> Result<Option<Chapter>, Misfit> {
    match section {
        Section::Customers => customers::chapter(inputs, money),
        Section::Segments => segments::chapter(inputs, money),
        Section::Revenue => revenue::chapter(inputs, money),
        Section::Forecast => forecast::chapter(inputs, money),
        Section::Churn => churn::chapter(inputs, money),
        Section::Value => worth::chapter(inputs, money),
        Section::Leaderboard => leaderboard::chapter(inputs),
        Section::Charts => images::chapter(inputs),
        Section::Quality => quality::chapter(inputs),
    }
}

/// What the data covers, under the title.
fn span(inputs: &Inputs) -> Result<String, Misfit> {
    let days = inputs.series.as_ref().map(revenue::days).transpose().map_err(of("series"))?.flatten();
    Ok(days.map_or_else(String::new, |(first, last)| {
        let (from, to) = (date(first), date(last));
        if first == last {
            format!("The week beginning {from}")
        } else {
            format!("Weeks beginning {from} to {to}")
        }
    }))
}

/// Names the input that an error comes from.
fn of(input: &'static str) -> impl Fn(anyhow::Error) -> Misfit {
    move |error| Misfit { input, error }
}
