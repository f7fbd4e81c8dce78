//! A drawing: shapes in the order in which they are painted, in CSS pixels from the top left.
//!
//! Knows no data and no backend. Charts make drawings; [`super::svg`] and [`super::png`] paint
//! them; the tests ask a drawing whether any of its texts overlap or leave the picture.

use super::text;
use crate::present::theme::{INK, MUTED, Rgb, size};

/// Space between the picture's edge and what is in it.
pub const PADDING: f64 = 14.0;

/// Lines that a title has at most: its number stands at its end, and mustn't be cut.
const TITLE_LINES: usize = 8;

/// Lines that the explanation of a title has at most.
const LINES: usize = 4;

/// Which point of a text its position is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The left end.
    Start,
    /// The middle.
    Middle,
    /// The right end.
    End,
}

/// A line of text on its baseline.
#[derive(Clone, Debug)]
pub struct Label {
    /// Position of the anchor.
    pub x: f64,
    /// Position of the baseline; of a turned text, the anchor's height on the upright baseline.
    pub y: f64,
    /// The text.
    pub text: String,
    /// Font size in pixels.
    pub size: f64,
    /// Whether it is bold.
    pub bold: bool,
    /// Which point `x` is.
    pub anchor: Anchor,
    /// Whether it reads upwards.
    pub turned: bool,
    /// Its colour.
    pub color: Rgb,
}

/// A part of a drawing.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A filled rectangle: left, top, width, height.
    Rect(f64, f64, f64, f64, Rgb),
    /// A line through points, of a width in pixels.
    Line(Vec<(f64, f64)>, f64, Rgb),
    /// A filled polygon.
    Area(Vec<(f64, f64)>, Rgb),
    /// A filled circle: centre, radius, colour, opacity.
    Dot((f64, f64), f64, Rgb, f64),
    /// A text.
    Text(Label),
}

/// Shapes on paper.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// Width in pixels.
    pub width: f64,
    /// Height in pixels; grows while the drawing is made.
    pub height: f64,
    /// What the picture says, for those who can't see it.
    pub title: String,
    /// Whether it only says that there is nothing to show.
    pub empty: bool,
    /// What is painted, first to last.
    pub shapes: Vec<Shape>,
}

/// A rectangle that something is drawn in.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Right edge.
    pub right: f64,
    /// Lower edge.
    pub bottom: f64,
}

impl Area {
    /// Its width, at least one pixel.
    pub fn width(&self) -> f64 {
        (self.right - self.left).max(1.0)
    }
}

impl Label {
    /// A plain label in muted ink that starts at a point.
    pub fn new(x: f64, y: f64, text: impl Into<String>) -> Self {
        let (size, color) = (size::LABEL, MUTED);
        Self { x, y, text: text.into(), size, bold: false, anchor: Anchor::Start, turned: false, color }
    }

    /// With another anchor.
    #[must_use]
    pub fn anchored(mut self, anchor: Anchor) -> Self {
        self.anchor = anchor;
        self
    }

    /// In another colour.
    #[must_use]
    pub fn colored(mut self, color: Rgb) -> Self {
        self.color = color;
        self
    }

    /// At another size.
    #[must_use]
    pub fn sized(mut self, size: f64) -> Self {
        self.size = size;
        self
    }

    /// In bold.
    #[must_use]
    pub fn bold(mut self) -> Self {
        self.bold = true;
        self
    }

    /// Reading upwards.
    #[must_use]
    pub fn turned(mut self) -> Self {
        self.turned = true;
        self
    }

    /// The box that it fills: left, top, right, bottom.
    pub fn bounds(&self) -> Area {
        let long = text::width(&self.text, self.size, self.bold);
        let before = match self.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => long / 2.0,
            Anchor::End => long,
        };
        let (up, down) = (text::CAPITALS * self.size, text::DESCENT * self.size);
        let Self { x, y, .. } = *self;
        if self.turned {
            Area { left: x - up, top: y + before - long, right: x + down, bottom: y + before }
        } else {
            Area { left: x - before, top: y - up, right: x - before + long, bottom: y + down }
        }
    }
}

impl Drawing {
    /// A drawing that so far has a finding and a line that explains it.
    pub fn titled(width: f64, title: &str, subtitle: &str) -> Self {
        let mut drawing = Self {
            width,
            height: PADDING,
            title: text::clean_title(title),
            empty: false,
            shapes: Vec::new(),
        };
        let lines = text::wrap(&drawing.title, size::TITLE, true, drawing.room(), TITLE_LINES);
        drawing.paragraph(lines, size::TITLE, true, INK);
        if !subtitle.is_empty() {
            let lines = text::wrap(&text::clean(subtitle), size::SUBTITLE, false, drawing.room(), LINES);
            drawing.paragraph(lines, size::SUBTITLE, false, MUTED);
        }
        drawing.height += 6.0;
        drawing
    }

    /// A drawing that says that there is nothing to show.
    pub fn nothing(width: f64, title: &str, why: &str) -> Self {
        let mut drawing = Self::titled(width, title, "");
        drawing.empty = true;
        drawing.height += 36.0;
        for line in text::wrap(&text::clean(why), size::SUBTITLE, false, drawing.room(), 3) {
            let label = Label::new(width / 2.0, drawing.height, line).sized(size::SUBTITLE);
            drawing.put(label.anchored(Anchor::Middle));
            drawing.height += 1.5 * size::SUBTITLE;
        }
        drawing.height += 24.0;
        drawing
    }

    /// Adds a text.
    pub fn put(&mut self, label: Label) {
        self.shapes.push(Shape::Text(label));
    }

    /// Adds a filled rectangle, given by two opposite corners.
    pub fn rect(&mut self, from: (f64, f64), to: (f64, f64), color: Rgb) {
        let (left, top) = (from.0.min(to.0), from.1.min(to.1));
        self.shapes.push(Shape::Rect(left, top, (from.0 - to.0).abs(), (from.1 - to.1).abs(), color));
    }

    /// Adds a line.
    pub fn line(&mut self, points: Vec<(f64, f64)>, width: f64, color: Rgb) {
        self.shapes.push(Shape::Line(points, width, color));
    }

    /// Adds a line of dashes between two points.
    pub fn dashes(&mut self, from: (f64, f64), to: (f64, f64), width: f64, color: Rgb) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let pairs = (libm::hypot(dx, dy) / 8.0).ceil().clamp(1.0, 400.0);
        let at = |part: f64| (from.0 + dx * part, from.1 + dy * part);
        let mut start = 0.0;
        while start < pairs {
            self.line(vec![at(start / pairs), at((start + 0.55) / pairs)], width, color);
            start += 1.0;
        }
    }

    /// Adds a filled circle.
    pub fn dot(&mut self, center: (f64, f64), radius: f64, color: Rgb, opacity: f64) {
        self.shapes.push(Shape::Dot(center, radius, color, opacity));
    }

    /// Width between the paddings.
    fn room(&self) -> f64 {
        self.width - 2.0 * PADDING
    }

    /// Adds lines of text below what is there.
    fn paragraph(&mut self, lines: Vec<String>, size: f64, bold: bool, color: Rgb) {
        for line in lines {
            self.height += 1.3 * size;
            let label = Label::new(PADDING, self.height - 0.35 * size, line).sized(size).colored(color);
            self.put(if bold { label.bold() } else { label });
        }
    }
}

/// What the tests of every chart ask.
#[cfg(test)]
pub mod legible {
    use super::*;

    /// All texts of a drawing.
    pub fn labels(drawing: &Drawing) -> Vec<&Label> {
        drawing.shapes.iter().filter_map(text).collect()
    }

    fn text(shape: &Shape) -> Option<&Label> {
        match shape {
            Shape::Text(label) => Some(label),
            _ => None,
        }
    }

    /// Fails when a text is cut by the picture's edge, two texts overlap, or a number isn't finite.
    pub fn check(drawing: &Drawing) {
        let labels = labels(drawing);
        for (at, label) in labels.iter().enumerate() {
            let own = label.bounds();
            assert!(own.left >= 0.0 && own.top >= 0.0, "{label:?} is cut: {own:?}");
            assert!(
                own.right <= drawing.width + 0.5 && own.bottom <= drawing.height,
                "{label:?} is cut: {own:?}"
            );
            for other in labels.iter().skip(at + 1) {
                assert!(!overlap(own, other.bounds()), "{label:?} overlaps {other:?}");
            }
        }
        for shape in &drawing.shapes {
            assert!(is_finite(shape), "{shape:?}");
        }
        let text = format!("{:?}", labels.iter().map(|label| &label.text).collect::<Vec<_>>());
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }

    fn overlap(a: Area, b: Area) -> bool {
        a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
    }

    fn is_finite(shape: &Shape) -> bool {
        let points = |points: &[(f64, f64)]| points.iter().all(|(x, y)| x.is_finite() && y.is_finite());
        match shape {
            Shape::Rect(x, y, w, h, _) => [x, y, w, h].iter().all(|v| v.is_finite()),
            Shape::Line(line, ..) | Shape::Area(line, _) => points(line),
            Shape::Dot(center, radius, ..) => points(&[*center]) && radius.is_finite(),
            Shape::Text(label) => label.x.is_finite() && label.y.is_finite(),
        }
    }
}
