//! The parts that a report is made of: tiles, tables, figures, cautions.
//!
//! Knows HTML, no customers. maud escapes all that comes from data; names stand in `bdi`, so that
//! one written from right to left doesn't turn the sentence around it.

use anyhow::Result;
use maud::{Markup, PreEscaped, html};

use crate::present::chart::{Chart, NARROW, WIDE, inline, text};
use crate::present::format::{change, count, percent, sentence};

/// A change below this part rounds to nothing.
const NOTHING: f64 = 0.0005;

/// Characters of all headings beyond which a table is too wide for a narrow screen.
const STACKED: usize = 30;

/// Characters of a row's figures, with a gap before each, beyond which a table is too wide for a
/// narrow screen.
const FIGURES: usize = 24;

/// Characters of the gap before a figure.
const BEFORE: usize = 2;

/// Characters from which a cell takes a line of its own on a narrow screen.
const LONG: usize = 30;

/// Characters of a figure with its heading from which they take a line of their own there.
const LONG_FIGURE: usize = 21;

/// Rows that a table shows at most.
pub const ROWS: usize = 40;

/// A key figure.
#[derive(Clone, Debug)]
pub struct Tile {
    /// What it is.
    pub label: String,
    /// The figure.
    pub value: String,
    /// What else to know about it.
    pub note: Markup,
}

/// A section with what the summary takes from it.
#[derive(Clone, Debug)]
pub struct Chapter {
    /// The section's heading.
    pub heading: &'static str,
    /// Key figures.
    pub tiles: Vec<Tile>,
    /// Sentences for the summary.
    pub brief: Vec<Markup>,
    /// What the reader may do about it, as the numbers suggest.
    pub advice: Vec<Markup>,
    /// What stands under the heading.
    pub body: Markup,
}

/// How a column of a table is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Words.
    Text(&'static str),
    /// Aligned figures.
    Number(&'static str),
}

impl Column {
    /// Characters of its heading.
    fn long(&self) -> usize {
        let (Self::Text(heading) | Self::Number(heading)) = self;
        heading.len()
    }
}

/// Rows under headings.
#[derive(Clone, Debug)]
pub struct Grid {
    /// What the table shows.
    pub caption: String,
    /// The columns; the first one names the rows.
    pub columns: Vec<Column>,
    /// The cells, row by row.
    pub rows: Vec<Vec<Markup>>,
    /// Rows to draw attention to.
    pub marked: Vec<usize>,
}

/// A name from data.
pub fn name(text: &str) -> Markup {
    html! { bdi { (text::clean(text)) } }
}

/// A sentence from data, with what stands in backticks set as code.
pub fn ticked(text: &str) -> Markup {
    let text = text::clean(text);
    let parts: Vec<_> = text.split('`').collect();
    html! {
        bdi.said {
            @if parts.len() % 2 == 0 { (text) }
            @else { @for (at, part) in parts.iter().enumerate() {
                @if at % 2 == 1 { code { (part) } } @else { (part) }
            } }
        }
    }
}

/// A plain text as a cell or a note.
pub fn plain(text: impl AsRef<str>) -> Markup {
    html! { (text.as_ref()) }
}

/// A change with its sign, coloured by its direction; none where it rounds to nothing.
pub fn signed(part: f64) -> Markup {
    if part.abs() < NOTHING {
        return plain(change(0.0));
    }
    let class = if part > 0.0 { "up" } else { "down" };
    html! { span class=(class) { (change(part)) } }
}

/// A change in words: `15% more than a year earlier`, `as much as a year earlier`.
pub fn than(part: f64, base: &str) -> String {
    match part {
        part if part.abs() < NOTHING => format!("as much as {base}"),
        part if part > 0.0 => format!("{} more than {base}", percent(part)),
        part => format!("{} less than {base}", percent(-part)),
    }
}

/// A sentence that begins with a capital letter.
pub fn capital(text: &Markup) -> Markup {
    PreEscaped(sentence(&text.0))
}

/// What the reader has to be careful about.
pub fn care(text: &Markup) -> Markup {
    html! { div.care { b { "Caution: " } (text) "." } }
}

/// Names as a list in a sentence: a, b and c.
pub fn listed(names: &[String]) -> Markup {
    let last = names.len().saturating_sub(1);
    html! {
        @for (at, each) in names.iter().enumerate() {
            @if at > 0 && at == last { " and " } @else if at > 0 { ", " }
            (name(each))
        }
    }
}

/// A chart at two widths, of which the page shows the one that fits.
///
/// # Errors
/// When the chart can't be painted.
pub fn figure(chart: &(dyn Chart + Sync)) -> Result<Markup> {
    let (wide, narrow) = rayon::join(|| inline(&chart.draw(WIDE)), || inline(&chart.draw(NARROW)));
    let (wide, narrow) = (wide?, narrow?);
    Ok(html! {
        figure.chart {
            div.wide { (PreEscaped(wide)) }
            div.narrow { (PreEscaped(narrow)) }
        }
    })
}

impl Grid {
    /// The table; a long one is cut and says so. On a narrow screen a wide one becomes a list of its
    /// rows, whose roles are given because the style takes them away.
    pub fn render(&self) -> Markup {
        let rest = self.rows.len().saturating_sub(ROWS);
        html! {
            div.scroll {
                table.stack[self.is_wide()] role="table" {
                    caption { (self.caption) }
                    thead role="rowgroup" { tr role="row" {
                        @for column in &self.columns {
                            @match column {
                                Column::Text(head) => { th scope="col" role="columnheader" { (head) } }
                                Column::Number(head) => { th.n scope="col" role="columnheader" { (head) } }
                            }
                        }
                    } }
                    tbody role="rowgroup" {
                        @for (at, row) in self.rows.iter().take(ROWS).enumerate() {
                            tr.mark[self.marked.contains(&at)] role="row" { (self.cells(row)) }
                        }
                    }
                }
                @if rest > 0 { p.under { (count(rest as u64)) " more not shown" } }
            }
        }
    }

    /// Whether it is too wide for a narrow screen: by its headings, by words in its cells, or by its
    /// figures, which don't wrap.
    fn is_wide(&self) -> bool {
        let worded = self.columns.iter().skip(1).any(|column| matches!(column, Column::Text(_)));
        worded || self.columns.iter().map(Column::long).sum::<usize>() > STACKED || self.figures() > FIGURES
    }

    /// Characters that the columns of figures take.
    fn figures(&self) -> usize {
        let cells = |at: usize| self.rows.iter().filter_map(move |row| row.get(at)).map(letters);
        let wide = |(at, column): (usize, &Column)| cells(at).max().unwrap_or(0).max(column.long()) + BEFORE;
        self.columns.iter().enumerate().skip(1).map(wide).sum()
    }

    fn cells(&self, row: &[Markup]) -> Markup {
        html! {
            @for (at, (cell, column)) in row.iter().zip(&self.columns).enumerate() {
                @match column {
                    _ if at == 0 => { th scope="row" role="rowheader" { (cell) } }
                    Column::Text(head) => { td.t.long[cell.0.len() > LONG] role="cell" data-head=(head) { (cell) } }
                    Column::Number(head) => { td.n.long[letters(cell) + head.len() > LONG_FIGURE] role="cell" data-head=(head) { (cell) } }
                }
            }
        }
    }
}

/// Characters of a cell, without its tags.
fn letters(cell: &Markup) -> usize {
    let texts = cell.0.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    texts.map(|text| text.chars().count()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_escaped_and_set_apart() {
        assert_eq!(name("<script>").into_string(), "<bdi>&lt;script&gt;</bdi>");
        assert_eq!(ticked("a `<b>` c").into_string(), "<bdi class=\"said\">a <code>&lt;b&gt;</code> c</bdi>");
        assert_eq!(ticked("a ` b").into_string(), "<bdi class=\"said\">a ` b</bdi>");
        let names = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(listed(&names).into_string(), "<bdi>a</bdi>, <bdi>b</bdi> and <bdi>c</bdi>");
        assert_eq!(listed(&names[..1]).into_string(), "<bdi>a</bdi>");
    }

    #[test]
    fn changes_are_said_in_words() {
        assert_eq!(than(0.152, "before"), "15% more than before");
        assert_eq!(than(-0.35, "before"), "35% less than before");
        assert_eq!(than(0.000_1, "before"), "as much as before");
        assert_eq!(signed(0.0).into_string(), "±0.0%");
        assert_eq!(signed(-0.02).into_string(), "<span class=\"down\">−2.0%</span>");
    }

    #[test]
    fn figures_that_do_not_wrap_make_a_table_wide() {
        let columns = || ["25%", "50%", "75%", "95%"].into_iter().map(Column::Number);
        let wide = |figure: &str| {
            let columns = std::iter::once(Column::Text("Measure")).chain(columns()).collect();
            let row = std::iter::once(plain("Days")).chain([(); 4].map(|()| plain(figure))).collect();
            Grid { caption: "c".to_owned(), columns, rows: vec![row], marked: Vec::new() }.is_wide()
        };
        assert!(!wide("1,09") && wide("€12,905"));
        assert_eq!(letters(&signed(-0.02)), 5);
    }

    /// On a narrow screen two figures share a line, and a longer one would be cut by its end.
    #[test]
    fn a_long_figure_has_a_line_of_its_own() {
        let columns = vec![
            Column::Text("Segment"),
            Column::Number("Of revenue (WAPE)"),
            Column::Number("Change"),
            Column::Number("Interval"),
        ];
        let row = vec![name("all"), plain("7.7%"), plain("+3.0%"), plain("€4.07M to €5.22M")];
        let grid = Grid { caption: "c".to_owned(), columns, rows: vec![row], marked: Vec::new() };
        let html = grid.render().into_string();
        assert!(
            html.contains(r#"<td class="n long" role="cell" data-head="Interval">€4.07M to €5.22M</td>"#)
        );
        assert!(html.contains(r#"<td class="n" role="cell" data-head="Of revenue (WAPE)">7.7%</td>"#));
        let style = include_str!("style.css");
        assert!(style.contains(".stack tbody td.n.long{grid-column:1/-1}"));
        assert!(style.contains("max-width:none;white-space:normal}"));
    }

    #[test]
    fn long_tables_say_what_they_leave_out() {
        let rows = (0..100).map(|at| vec![plain(at.to_string()), plain("x")]).collect();
        let columns = vec![Column::Text("row"), Column::Number("value")];
        let html = Grid { caption: "c".to_owned(), columns, rows, marked: vec![3] }.render().into_string();
        assert_eq!(html.matches("<tr").count(), 41);
        assert_eq!(html.matches("class=\"mark\"").count(), 1);
        assert!(html.contains("60 more not shown"));
    }
}
