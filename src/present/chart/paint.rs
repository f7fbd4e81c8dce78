//! A drawing painted through a plotters backend.
//!
//! Knows no charts and no file formats. Both media are painted on the same grid of quarter pixels,
//! so that a picture looks the same in both.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::{
    Circle, Color, DrawingArea, DrawingBackend, FontTransform, PathElement, Polygon, RGBColor, Rectangle,
    Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::drawing::{Anchor, Drawing, Label, Shape};
use super::text;
use crate::present::theme::{PAPER, Rgb};

/// Grid points a pixel.
pub const GRAIN: f64 = 4.0;

/// How a backend differs from another.
#[derive(Clone, Copy, Debug)]
pub struct Medium {
    /// What plotters calls the size of a font of one pixel an em.
    pub em: f64,
    /// How far below the top of a text its baseline comes out, in ems.
    pub baseline: f64,
    /// Whether a bent line has to be painted piece by piece: the polygon that plotters makes of
    /// a thick line gets holes where it crosses itself.
    pub pieces: bool,
}

/// Width and height on the grid.
pub fn grid_size(drawing: &Drawing) -> (u32, u32) {
    let points = |pixels: f64| grid(pixels.clamp(1.0, 8_000.0).ceil()).unsigned_abs();
    (points(drawing.width), points(drawing.height))
}

/// Paints all shapes on paper.
///
/// # Errors
/// When the backend fails.
pub fn paint<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    drawing: &Drawing,
    medium: Medium,
) -> Result<()> {
    area.fill(&color(PAPER)).map_err(|err| anyhow!("can't paint the paper: {err}"))?;
    for shape in &drawing.shapes {
        paint_shape(area, shape, medium).map_err(|err| anyhow!("can't paint a shape: {err}"))?;
    }
    area.present().map_err(|err| anyhow!("can't finish the picture: {err}"))
}

type Painted<B> = Result<(), plotters::drawing::DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

fn paint_shape<B: DrawingBackend>(area: &DrawingArea<B, Shift>, shape: &Shape, medium: Medium) -> Painted<B> {
    match shape {
        Shape::Rect(x, y, w, h, fill) => {
            area.draw(&Rectangle::new([point((*x, *y)), point((x + w, y + h))], color(*fill).filled()))
        }
        Shape::Line(points, width, stroke) if medium.pieces => paint_pieces(area, points, *width, *stroke),
        Shape::Line(points, width, stroke) => {
            let style = color(*stroke).stroke_width(grid(*width).unsigned_abs().max(1));
            area.draw(&PathElement::new(points.iter().copied().map(point).collect::<Vec<_>>(), style))
        }
        Shape::Area(points, fill) => {
            area.draw(&Polygon::new(points.iter().copied().map(point).collect::<Vec<_>>(), color(*fill)))
        }
        Shape::Dot(center, radius, fill, opacity) => {
            let style = color(*fill).mix(*opacity).filled();
            area.draw(&Circle::new(point(*center), grid(*radius), style))
        }
        Shape::Text(label) => paint_text(area, label, medium),
    }
}

/// A bent line as one rectangle a piece, with a round joint between them.
fn paint_pieces<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    points: &[(f64, f64)],
    width: f64,
    stroke: Rgb,
) -> Painted<B> {
    for (from, to) in points.iter().zip(points.iter().skip(1)) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let half = width / 2.0 / libm::hypot(dx, dy).max(1e-9);
        let (ox, oy) = (-dy * half, dx * half);
        let corners = [
            (from.0 + ox, from.1 + oy),
            (to.0 + ox, to.1 + oy),
            (to.0 - ox, to.1 - oy),
            (from.0 - ox, from.1 - oy),
        ];
        area.draw(&Polygon::new(corners.map(point).to_vec(), color(stroke)))?;
    }
    let inner = points.len().saturating_sub(2);
    for joint in points.iter().skip(1).take(inner) {
        area.draw(&Circle::new(point(*joint), grid(width / 2.0), color(stroke).filled()))?;
    }
    Ok(())
}

fn paint_text<B: DrawingBackend>(area: &DrawingArea<B, Shift>, label: &Label, medium: Medium) -> Painted<B> {
    let (turn, (x, y)) = if label.turned {
        (FontTransform::Rotate270, (label.x - medium.baseline * label.size, label.y))
    } else {
        (FontTransform::None, (label.x, label.y - medium.baseline * label.size))
    };
    let side = match label.anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    let font = text::font(label.size * GRAIN * medium.em, label.bold).transform(turn);
    let style = font.color(&color(label.color)).pos(Pos::new(side, VPos::Top));
    area.draw(&Text::new(label.text.as_str(), point((x, y)), style))
}

fn point((x, y): (f64, f64)) -> (i32, i32) {
    (grid(x), grid(y))
}

#[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
fn grid(pixels: f64) -> i32 {
    (pixels * GRAIN).round() as i32
}

fn color(rgb: Rgb) -> RGBColor {
    RGBColor(rgb.0, rgb.1, rgb.2)
}
