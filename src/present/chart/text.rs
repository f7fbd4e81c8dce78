//! Text in charts: the font, its measures, and how a label is cleaned, cut and wrapped to fit.
//!
//! Knows nothing of shapes or backends. The font is DejaVu Sans, which comes with the program;
//! a browser without it takes Verdana (of the same widths) or a narrower one, so that what fits
//! here fits there.

use std::sync::LazyLock;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The font's name for plotters, and the list of families for a browser.
pub const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";

/// Pixels that ab_glyph calls the size of DejaVu Sans at one pixel an em: ascent plus descent of
/// the font's `hhea` table, (1901 + 483) / 2048.
pub const EM: f64 = 2384.0 / 2048.0;

/// Height of capitals above the baseline in ems.
pub const CAPITALS: f64 = 0.73;

/// Depth of descenders below the baseline in ems.
pub const DESCENT: f64 = 0.24;

/// Characters that a label keeps at most.
const LONGEST: usize = 160;

/// Characters that a title keeps at most.
const TITLE: usize = 320;

/// Characters of a name in a title, so that there is room for the number behind it.
const BRIEF: usize = 48;

/// Labels are measured at this size and scaled, because plotters measures in whole pixels.
const MEASURED_AT: f64 = 1000.0;

/// Makes the font known to plotters, once.
static READY: LazyLock<bool> = LazyLock::new(|| {
    register_font(FAMILY, FontStyle::Normal, dejavu::sans::regular()).is_ok()
        && register_font(FAMILY, FontStyle::Bold, dejavu::sans::bold()).is_ok()
});

/// The font at a size in plotters' units.
pub fn font(size: f64, bold: bool) -> FontDesc<'static> {
    LazyLock::force(&READY);
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    FontDesc::new(FontFamily::Name(FAMILY), size, style)
}

/// Width of a line of text in pixels, at a font size in pixels.
pub fn width(text: &str, size: f64, bold: bool) -> f64 {
    static RULERS: LazyLock<[FontDesc<'static>; 2]> =
        LazyLock::new(|| [false, true].map(|bold| font(MEASURED_AT * EM, bold)));
    let [plain, heavy] = &*RULERS;
    let wide = text.chars().filter(|c| c.width() == Some(2)).count();
    let ems = match (if bold { heavy } else { plain }).layout_box(text) {
        Ok(((left, _), (right, _))) => f64::from(right - left) / MEASURED_AT,
        Err(_) => 0.7 * text.width() as f64,
    };
    // Characters that the font lacks are measured as its empty box; those that fill two columns
    // (emoji, Chinese) are twice as wide in the font that a browser falls back to.
    (ems + 0.7 * wide as f64) * size
}

/// A name from data as a label: one line, no control or direction characters, never empty.
pub fn clean(name: &str) -> String {
    clean_to(name, LONGEST)
}

/// A title as [`clean`] gives a label, of twice the length.
pub fn clean_title(title: &str) -> String {
    clean_to(title, TITLE)
}

/// A name to stand in a title: as a label, and a long one cut, so that what follows it is read.
pub fn brief(name: &str) -> String {
    let name = clean(name);
    if name.chars().count() <= BRIEF {
        return name;
    }
    let start: String = name.chars().take(BRIEF - 1).collect();
    format!("{}…", start.trim_end())
}

fn clean_to(name: &str, most: usize) -> String {
    let kept =
        name.chars().take(most * 4).map(|c| if is_space(c) { ' ' } else { c }).filter(|c| !is_hidden(*c));
    let spaced: String = kept.collect();
    let words: Vec<_> = spaced.split(' ').filter(|word| !word.is_empty()).collect();
    let joined = words.join(" ");
    let label = if joined.chars().count() <= most {
        joined
    } else {
        let start: String = joined.chars().take(most - 1).collect();
        format!("{}…", start.trim_end())
    };
    if label.is_empty() { "(no name)".to_owned() } else { label }
}

/// The text, or as much of its start as fits with an ellipsis.
pub fn fit(text: &str, size: f64, bold: bool, room: f64) -> String {
    if width(text, size, bold) <= room {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let cut = |kept: usize| chars.iter().take(kept).collect::<String>().trim_end().to_owned() + "…";
    let (mut fits, mut too_long) = (0, chars.len());
    while too_long - fits > 1 {
        let middle = usize::midpoint(fits, too_long);
        if width(&cut(middle), size, bold) <= room { fits = middle } else { too_long = middle }
    }
    cut(fits)
}

/// The text in lines of at most `room`; what is left for the last of `most` lines is cut to fit.
pub fn wrap(text: &str, size: f64, bold: bool, room: f64, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let last = lines.len() >= most;
        match lines.last_mut() {
            Some(line) if last || width(&format!("{line} {word}"), size, bold) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| fit(line, size, bold, room)).collect()
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// Characters that draw nothing but change what stands around them, and what XML forbids.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_the_font() {
        // Advance widths in `hmtx` of DejaVu Sans 2.37 (units of 1/2048 em): i 569, m 1995; Bold: m 2134.
        assert!((width("i", 2048.0, false) - 569.0).abs() < 3.0);
        assert!((width("mm", 2048.0, false) - 3990.0).abs() < 3.0);
        assert!((width("m", 2048.0, true) - 2134.0).abs() < 3.0);
        assert_eq!(width("", 12.0, false), 0.0);
    }

    #[test]
    fn an_emoji_is_never_measured_too_narrow() {
        assert!(width("🦀", 10.0, false) >= 12.0);
        assert!(width("客户", 10.0, false) >= 20.0);
    }

    #[test]
    fn labels_lose_what_would_break_a_picture() {
        assert_eq!(clean("a\u{0}b\n c\u{1b}[31m"), "a b c [31m");
        assert_eq!(clean("\u{202e}evil\u{202c}"), "evil");
        assert_eq!(clean(" \t "), "(no name)");
        assert_eq!(clean(&"x".repeat(10_000)), format!("{}…", "x".repeat(159)));
        assert_eq!(clean(&"x".repeat(160)), "x".repeat(160));
        let title = clean_title(&"word ".repeat(100));
        assert!(title.ends_with("word word…") && title.chars().count() <= 320, "{title}");
        assert_eq!(clean("שלום 👩\u{200d}👩"), "שלום 👩\u{200d}👩");
    }

    #[test]
    fn a_long_name_in_a_title_is_cut() {
        assert_eq!(brief("Frequent buyers"), "Frequent buyers");
        let cut = brief("Frequent long-standing large-basket local big spenders with short gaps");
        assert_eq!(cut, "Frequent long-standing large-basket local big s…");
        assert_eq!(cut.chars().count(), BRIEF);
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        let long = "a label that is much too long for its place";
        let cut = fit(long, 12.0, false, 100.0);
        assert!(cut.ends_with('…') && width(&cut, 12.0, false) <= 100.0);
        assert!(width(&format!("{}x…", cut.trim_end_matches('…')), 12.0, false) > 95.0);
        assert_eq!(fit("ok", 12.0, false, 100.0), "ok");
        assert_eq!(fit("wide", 12.0, false, 1.0), "…");
    }

    #[test]
    fn wrapping_keeps_all_words_or_cuts_the_last_line() {
        let text = "one two three four five six seven eight nine ten";
        let lines = wrap(text, 12.0, false, 120.0, 9);
        assert_eq!(lines.join(" "), text);
        assert!(lines.iter().all(|line| width(line, 12.0, false) <= 120.0));
        let two = wrap(text, 12.0, false, 120.0, 2);
        assert!(two.len() == 2 && two[1].ends_with('…'));
        assert_eq!(wrap("", 12.0, false, 120.0, 2), [""]);
    }
}
