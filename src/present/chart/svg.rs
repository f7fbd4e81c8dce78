//! A drawing as SVG.
//!
//! Knows no charts. The text stays text, so that it can be searched, read aloud and set in the
//! reader's font; every colour stands in its own attribute, so that a page can restyle it.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use plotters::prelude::{IntoDrawingArea, SVGBackend};

use super::drawing::Drawing;
use super::paint::{Medium, grid_size, paint};
use super::text::FAMILY;

/// plotters divides a font's size by 1.24 and moves the baseline down by `dy="0.76em"`.
const MEDIUM: Medium = Medium { em: 1.24, baseline: 0.76, pieces: false };

/// The drawing as a whole SVG document.
///
/// # Errors
/// When plotters fails to paint it.
pub fn svg(drawing: &Drawing) -> Result<String> {
    painted(drawing, true)
}

/// The drawing, a `whole` document or a part of a page.
fn painted(drawing: &Drawing, whole: bool) -> Result<String> {
    let mut painted = String::new();
    let size = grid_size(drawing);
    {
        let area = SVGBackend::with_string(&mut painted, size).into_drawing_area();
        paint(&area, drawing, MEDIUM)?;
    }
    let (_, body) = painted.split_once('\n').context("plotters wrote no SVG")?;
    let mut svg = head(drawing, size, whole);
    svg.reserve(body.len());
    push_lighter(&mut svg, body);
    Ok(svg)
}

/// The drawing as an element of a page, which has its words once for the ear (`aria-label`) and
/// shows none when the pointer rests on it.
///
/// # Errors
/// When plotters fails to paint it.
pub fn inline(drawing: &Drawing) -> Result<String> {
    painted(drawing, false)
}

/// An opening tag in pixels, with a title (of a part of a page: a label) for those who can't see
/// the picture.
fn head(drawing: &Drawing, (wide, high): (u32, u32), whole: bool) -> String {
    let (width, height) = (drawing.width.ceil(), drawing.height.ceil());
    let title = escape(&drawing.title);
    let label = if whole { String::new() } else { format!(" aria-label=\"{title}\"") };
    let title = if whole { format!("<title>{title}</title>\n") } else { String::new() };
    let mut head = String::new();
    let _ = write!(
        head,
        "<svg{label} xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {wide} {high}\" \
         role=\"img\" font-family=\"{FAMILY}\" stroke-linejoin=\"round\">\n{title}"
    );
    head
}

/// Appends a body without attributes that say what is the default or stands in the opening tag.
/// None of them can be part of a text, where a quotation mark is written `&quot;`.
fn push_lighter(svg: &mut String, body: &str) {
    let family = format!(" font-family=\"{FAMILY}\"");
    let defaults = [" opacity=\"1\"", " stroke=\"none\"", family.as_str()];
    let mut rest = body;
    while let Some((before, after)) = rest.find(' ').and_then(|at| rest.split_at_checked(at)) {
        svg.push_str(before);
        let skipped = defaults.iter().find_map(|attribute| after.strip_prefix(attribute));
        rest = skipped.unwrap_or_else(|| {
            svg.push(' ');
            after.strip_prefix(' ').unwrap_or(after)
        });
    }
    svg.push_str(rest);
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::chart::drawing::{Anchor, Label};
    use crate::present::theme::INK;

    #[test]
    fn names_from_data_stay_text() {
        let mut drawing = Drawing::titled(300.0, "<script>alert(1)</script> & \"co\"", "");
        drawing.put(Label::new(10.0, 90.0, "a\" onload=\"x").anchored(Anchor::Start));
        let svg = svg(&drawing).unwrap();
        assert!(!svg.contains("<script"));
        assert!(!svg.contains("onload=\"x"));
        assert!(svg.contains("&lt;script&gt;"));
    }

    #[test]
    fn a_part_of_a_page_has_its_title_as_a_label() {
        let inline = inline(&Drawing::titled(300.0, "\"<b>\"", "")).unwrap();
        assert!(inline.starts_with("<svg aria-label=\"&quot;&lt;b&gt;&quot;\" xmlns"));
        assert!(!inline.contains("<title>"));
    }

    #[test]
    fn the_same_drawing_gives_the_same_bytes() {
        let mut drawing = Drawing::titled(300.0, "title", "subtitle");
        drawing.line(vec![(0.0, 0.0), (10.5, 20.25)], 1.5, INK);
        assert_eq!(svg(&drawing).unwrap(), svg(&drawing).unwrap());
    }

    #[test]
    fn the_picture_is_measured_in_pixels() {
        let mut drawing = Drawing::titled(300.0, "t", "");
        drawing.height = 120.0;
        assert!(svg(&drawing).unwrap().contains("width=\"300\" height=\"120\" viewBox=\"0 0 1200 480\""));
    }
}
