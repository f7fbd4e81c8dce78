//! Texts set in lines that fit.
//!
//! Knows words and their widths, nothing of what they say.

use unicode_width::UnicodeWidthStr;

/// A text in lines of at most `width` columns; a longer word has a line of its own.
///
/// Lines that follow each other are one paragraph. Empty lines stay, and so do the beginnings of lines
/// that are indented or begin with `- `.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let own = line.starts_with([' ', '\t']) || line.starts_with("- ");
        if line.trim().is_empty() {
            lines.push(String::new());
            inside = false;
        } else if inside && !own {
            line.split_whitespace().for_each(|word| add(&mut lines, word, width));
        } else {
            let indent = line.len() - line.trim_start().len();
            let mut words = line.split_whitespace();
            lines.push(line.get(..indent).unwrap_or_default().to_owned() + words.next().unwrap_or_default());
            words.for_each(|word| add(&mut lines, word, width));
            inside = true;
        }
    }
    lines
}

/// Puts a word behind the last line, or below it where it doesn't fit.
fn add(lines: &mut Vec<String>, word: &str, width: usize) {
    match lines.last_mut() {
        Some(line) if line.width() + 1 + word.width() <= width => {
            line.push(' ');
            line.push_str(word);
        }
        _ => lines.push(word.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn paragraphs_are_set_anew() {
        let text = "a short line\nand one that is rather long\n\nanother paragraph";
        let lines = ["a short line and one", "that is rather long", "", "another paragraph"];
        assert_eq!(wrap(text, 20), lines);
        assert_eq!(wrap(text, 80), ["a short line and one that is rather long", "", "another paragraph"]);
    }

    #[test]
    fn items_and_long_words_have_lines_of_their_own() {
        assert_eq!(wrap("of:\n- one\n- two\n  three", 80), ["of:", "- one", "- two", "  three"]);
        assert_eq!(wrap("a incomprehensibilities b", 10), ["a", "incomprehensibilities", "b"]);
        assert_eq!(wrap("", 10), Vec::<String>::new());
        // Characters of two columns count as two.
        assert_eq!(wrap("客户 客户", 8), ["客户", "客户"]);
    }
}
