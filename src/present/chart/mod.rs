//! Charts: typed values in, a picture out, as SVG and PNG, the same bytes for the same values.
//!
//! Each kind of chart is a struct in a file of its own that says its finding and draws itself at
//! any width. None of them knows tables ([`read`] does), stages or files.

pub mod axes;
pub mod bars;
pub mod counts;
pub mod drawing;
pub mod fan;
pub mod heat;
pub mod histogram;
pub mod importance;
pub mod landscape;
pub mod leaderboard;
pub mod lines;
pub mod paint;
pub mod parallel;
pub mod read;
pub mod reliability;
pub mod sample;
pub mod scale;
pub mod scatter;
pub mod selection;
pub mod text;
pub mod trend;
pub mod trials;

mod encode;
mod png;
mod svg;

pub use bars::{Bars, Measure};
pub use drawing::Drawing;
pub use fan::{Fan, Panel, Step};
pub use heat::Heat;
pub use histogram::Histogram;
pub use importance::Importance;
pub use landscape::Landscape;
pub use leaderboard::{Leaderboard, incomparable};
pub use lines::{Across, Lines, Series};
pub use parallel::Parallel;
pub use png::png;
pub use reliability::{Bin, Miss, Reliability};
pub use scatter::{Group, Scatter};
pub use selection::{Curve, Selection};
pub use svg::{inline, svg};

/// Width of a chart on a screen or a page of paper, in CSS pixels.
pub const WIDE: f64 = 880.0;

/// Width of a chart on a telephone.
pub const NARROW: f64 = 360.0;

/// A chart that draws itself.
pub trait Chart {
    /// What the numbers say, as a title.
    fn finding(&self) -> String;

    /// The picture at a width in pixels; the height follows from what is in it.
    fn draw(&self, width: f64) -> Drawing;
}

#[cfg(test)]
mod gallery;
