//! The kind `chart`: one picture of one table, as SVG and PNG.

mod choice;
mod draw;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnostic::plural;
use crate::present::chart::{png, svg};
use crate::stage::{Context, Failure, Layer, MetricName, Mistake, Need, Outcome, Port, PortType, Ref, Stage};

/// Draws a table as a picture: bars, lines, a heat map and more.
///
/// Columns that aren't named are chosen by their usual names; the title is made from the numbers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Chart {
    /// The table to draw.
    pub input: Ref,
    /// The kind of picture.
    #[serde(rename = "type")]
    #[schemars(extend("x-required" = true))]
    pub shape: Shape,
    /// The column along the level axis; for bars, the names.
    pub x: String,
    /// The column along the upright axis; for bars, their lengths.
    pub y: String,
    /// A second column of lengths, drawn beside `y` (bars only); on a scale of its own where it counts
    /// something else.
    pub y2: String,
    /// The column of the lower ends of `y`'s intervals, drawn as whiskers (bars only); by default `Y.low` or `Y_low` for a
    /// `y` named Y, where the table has it.
    pub low: String,
    /// The column of their upper ends; by default `Y.high` or `Y_high`.
    pub high: String,
    /// The column that tells groups apart (lines, scatter, histogram), or the values of a heat map, of lines of
    /// variants and of a landscape.
    pub color: String,
    /// Assignments of customers to segments, to colour a scatter of customers by.
    pub segments: Option<Ref>,
    /// The series that a forecast continues.
    pub history: Option<Ref>,
    /// The title; empty for one made from the numbers.
    pub title: String,
    /// How values are written.
    pub format: Format,
    /// The currency's symbol.
    pub currency: String,
    /// Whether equal factors have equal distances on the level axis (scatter only).
    pub log_x: bool,
    /// Whether equal factors have equal distances on the upright axis (scatter only).
    pub log_y: bool,
    /// Stretches of a histogram.
    #[schemars(range(min = 2, max = 200))]
    pub bins: usize,
    /// Width in pixels; the PNG has two dots a pixel. The height follows from the content.
    #[schemars(range(min = 280, max = 2400))]
    pub width: u32,
}

/// Kinds of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// One bar a row.
    Bars,
    /// One line a series, over dates or numbers.
    Lines,
    /// History, forecast and interval, one panel a series.
    Forecast,
    /// One point a row, of at most a thousand rows.
    Scatter,
    /// One cell a row: differences of segments by feature.
    Heatmap,
    /// Quality by number of segments.
    Selection,
    /// How many values lie where.
    Histogram,
    /// Predicted against observed probabilities.
    Reliability,
    /// Features by importance.
    Importance,
    /// Variants of a sweep, best first.
    Leaderboard,
    /// Variants of a sweep as lines over their values and results.
    Parallel,
    /// The result of a sweep over two of its parameters, `x` and `y`, as a heat map.
    Landscape,
}

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// By the column's name: money for revenue, percent for shares and probabilities, else numbers.
    Auto,
    /// Plain numbers.
    Number,
    /// Shares, 1 being 100 %.
    Percent,
    /// Amounts in `currency`; `y2` by its name.
    Money,
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Self::Bars => "bars",
            Self::Lines => "lines",
            Self::Forecast => "forecast",
            Self::Scatter => "scatter",
            Self::Heatmap => "heatmap",
            Self::Selection => "selection",
            Self::Histogram => "histogram",
            Self::Reliability => "reliability",
            Self::Importance => "importance",
            Self::Leaderboard => "leaderboard",
            Self::Parallel => "parallel",
            Self::Landscape => "landscape",
        }
    }
}

impl Default for Chart {
    fn default() -> Self {
        Self {
            input: Ref::default(),
            shape: Shape::Bars,
            x: String::new(),
            y: String::new(),
            y2: String::new(),
            low: String::new(),
            high: String::new(),
            color: String::new(),
            segments: None,
            history: None,
            title: String::new(),
            format: Format::Auto,
            currency: String::new(),
            log_x: false,
            log_y: false,
            bins: 24,
            width: 880,
        }
    }
}

impl Stage for Chart {
    const KIND: &'static str = "chart";
    const VERSION: u32 = 6;
    const LAYER: Layer = Layer::Present;

    fn needs(&self) -> Vec<Need> {
        let input = Need::table("input", &self.input);
        let segments = self.segments.as_ref().map(|segments| Need::table("segments", segments));
        let history = self.history.as_ref().map(|history| Need::table("history", history));
        std::iter::once(input).chain(segments).chain(history).collect()
    }

    fn gives(&self) -> Vec<Port> {
        vec![
            Port::new("svg", PortType::Image, "The picture as SVG."),
            Port::new("png", PortType::Image, "The picture as PNG, two dots a pixel."),
        ]
    }

    fn metrics(&self) -> Vec<MetricName> {
        MetricName::list([("rows", "How many rows the table has.")])
    }

    /// What is set but would not be looked at.
    fn check(&self) -> Vec<Mistake> {
        let only = |key: &str, set: bool, shapes: &[Shape]| {
            let idle = set && !shapes.contains(&self.shape);
            idle.then(|| {
                let names = shapes.iter().map(|shape| shape.name());
                let names = crate::diagnostic::quoted(names, "and");
                Mistake::new(key, format!("`{key}` does nothing for a chart of type `{}`", self.shape.name()))
                    .hint(format!("it is for {names}; remove it or choose another `type`"))
            })
        };
        use Shape::{
            Bars, Forecast, Heatmap, Histogram, Importance, Landscape, Leaderboard, Lines, Parallel, Scatter,
        };
        let named = [Bars, Lines, Scatter, Heatmap, Importance, Leaderboard, Landscape];
        let mistakes = [
            only("x", !self.x.is_empty(), &[&named[..], &[Histogram]].concat()),
            only("y", !self.y.is_empty(), &[&named[..], &[Forecast]].concat()),
            only("y2", !self.y2.is_empty(), &[Bars]),
            only("low", !self.low.is_empty(), &[Bars]),
            only("high", !self.high.is_empty(), &[Bars]),
            only("color", !self.color.is_empty(), &[Lines, Scatter, Heatmap, Histogram, Landscape, Parallel]),
            only("segments", self.segments.is_some(), &[Scatter]),
            only("history", self.history.is_some(), &[Forecast]),
            only("log_x", self.log_x, &[Scatter]),
            only("log_y", self.log_y, &[Scatter]),
        ];
        let lone = match (self.low.is_empty(), self.high.is_empty()) {
            (false, true) => Some(("low", "high")),
            (true, false) => Some(("high", "low")),
            _ => None,
        };
        let lone = lone.filter(|_| self.shape == Bars).map(|(key, other)| {
            Mistake::new(key, format!("`{key}` is one end of an interval, and the other one isn't named"))
                .hint(format!("name its column with `{other}`"))
        });
        mistakes.into_iter().chain([lone]).flatten().collect()
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let table = ctx.table("input")?;
        let picture = draw::chart(self, ctx, &table)?;
        ctx.alive()?;
        let drawing = picture.draw(f64::from(self.width));
        ctx.alive()?;
        let vector = svg(&drawing)?;
        ctx.alive()?;
        let pixels = png(&drawing)?;
        let outcome = Outcome::new(format!("{}, {}", self.shape.name(), plural(table.rows(), "row")));
        let outcome = outcome.bytes("svg", vector.into_bytes()).bytes("png", pixels);
        let outcome = outcome.metric("rows", table.rows() as f64);
        Ok(match (drawing.empty, table.rows()) {
            (false, _) => outcome,
            (true, 0) => outcome.warn_at("input", "the table is empty, so the chart shows nothing"),
            (true, _) => {
                outcome.warn_at("input", "the table has no values to draw, so the chart shows nothing")
            }
        })
    }
}

/// A table that this chart can't be drawn from.
fn unfit(shape: Shape, error: &anyhow::Error) -> Failure {
    Failure::new(format!("`input` can't be drawn as `{}`: {error}", shape.name()))
        .hint("`custem kinds chart` says which table each type takes")
        .at("input")
}

#[cfg(test)]
mod tests;
