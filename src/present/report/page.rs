//! The page around the sections: title, key figures, summary, contents, style.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::parts::{Chapter, Tile};
use crate::present::chart::text;
use crate::present::theme;

/// What a browser may load: nothing but the page itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// The whole page.
pub fn page(title: &str, span: &str, chapters: &[Chapter]) -> String {
    let title = text::clean(title);
    let dark = format!("@media screen and (prefers-color-scheme:dark){{{}}}", theme::dark_rules(".chart"));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) (PreEscaped(dark)) }
            }
            body { main {
                h1 { (title) }
                p.sub { (span) }
                (tiles(chapters))
                (brief(chapters))
                @for (at, chapter) in chapters.iter().enumerate() {
                    section.card id=(anchor(at)) { h2 { (chapter.heading) } (chapter.body) }
                }
            } }
        }
    };
    page.into_string()
}

fn tiles(chapters: &[Chapter]) -> Markup {
    let tiles: Vec<&Tile> = chapters.iter().flat_map(|chapter| &chapter.tiles).collect();
    html! {
        @if !tiles.is_empty() {
            dl.tiles {
                @for tile in tiles {
                    div.tile {
                        dt { (tile.label) }
                        dd.value { (tile.value) }
                        dd.note { (tile.note) }
                    }
                }
            }
        }
    }
}

/// One sentence or more a section, and links to all of them.
fn brief(chapters: &[Chapter]) -> Markup {
    let sentences: Vec<_> = chapters.iter().flat_map(|chapter| &chapter.brief).collect();
    html! {
        @if !sentences.is_empty() {
            section.card.brief {
                h2 { "In short" }
                ul { @for sentence in sentences { li { (sentence) } } }
                (advice(chapters))
                @if chapters.len() > 1 {
                    nav aria-label="Sections" {
                        @for (at, chapter) in chapters.iter().enumerate() {
                            a href={ "#" (anchor(at)) } { (chapter.heading) }
                        }
                    }
                }
            }
        }
    }
}

/// What the numbers suggest, section by section.
fn advice(chapters: &[Chapter]) -> Markup {
    let steps: Vec<_> = chapters.iter().flat_map(|chapter| &chapter.advice).collect();
    html! {
        @if !steps.is_empty() {
            h3 { "What to do" }
            ol { @for step in steps { li { (step) } } }
        }
    }
}

fn anchor(place: usize) -> String {
    format!("section-{}", place + 1)
}
