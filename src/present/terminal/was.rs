//! What a stage's line says beside its numbers: `silhouette 0.264 (was 0.301)`.
//!
//! Knows the line and the metrics, no kinds: a number in the line is a metric's when the metric's
//! name stands beside it and its value reads the same.

use std::collections::BTreeMap;

use crate::diagnostic::grouped;

/// Named numbers of a stage.
pub type Metrics = BTreeMap<String, f64>;

/// A number in a line, as it is written there.
struct Number<'a> {
    text: &'a str,
    /// Where it ends, a percent sign included.
    end: usize,
    decimals: usize,
    percent: bool,
    /// The words just before and just after.
    before: &'a str,
    after: &'a str,
}

/// The line with what each of its metrics was before, where that reads differently.
pub fn was(line: &str, now: &Metrics, before: &Metrics) -> String {
    let mut out = String::with_capacity(line.len());
    let mut copied = 0;
    for number in numbers(line) {
        let metric = now.iter().find(|(name, value)| number.is(name, **value));
        let old = metric.and_then(|(name, _)| before.get(name)).map(|old| number.write(*old));
        if let Some(old) = old.filter(|old| old != number.text) {
            // A noun stays with its number: `20,000 customers (was 19,000)`.
            let noun = metric.is_some_and(|(name, _)| name_is(name, number.after));
            let end = if noun { number.end + 1 + number.after.len() } else { number.end };
            let percent = if number.percent { " %" } else { "" };
            out += line.get(copied..end).unwrap_or_default();
            out += &format!(" (was {old}{percent})");
            copied = end;
        }
    }
    out + line.get(copied..).unwrap_or_default()
}

impl Number<'_> {
    /// Whether it is the value of a metric whose name stands beside it.
    fn is(&self, name: &str, value: f64) -> bool {
        (name_is(name, self.before) || name_is(name, self.after)) && self.write(value) == self.text
    }

    /// A value in the same form.
    fn write(&self, value: f64) -> String {
        let value = if self.percent { 100.0 * value } else { value };
        let text = format!("{:.*}", self.decimals, value.abs());
        let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
        format!("{}{}{rest}", if value < 0.0 { "-" } else { "" }, grouped(whole))
    }
}

/// Whether a word names a metric, whatever its case and number.
fn name_is(name: &str, word: &str) -> bool {
    let many = |word: &str| format!("{word}s");
    !word.is_empty() && (name.eq_ignore_ascii_case(word) || name.eq_ignore_ascii_case(&many(word)))
}

/// The numbers of a line that stand as words of their own or behind `name=`.
fn numbers(line: &str) -> Vec<Number<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut before = "";
    for token in line.split(' ') {
        let start = at;
        at += token.len() + 1;
        let word = token.trim_matches([',', ':', ';']);
        let (name, text) = word.split_once('=').unwrap_or((before, word));
        before = word;
        if !is_number(text) {
            continue;
        }
        let end = start + token.find(text).unwrap_or(0) + text.len();
        let rest = line.get(end..).unwrap_or_default();
        let percent = rest.starts_with(" %");
        let after =
            rest.strip_prefix(' ').and_then(|rest| rest.split([' ', ',', ';']).next()).unwrap_or_default();
        found.push(Number {
            text,
            end: end + if percent { 2 } else { 0 },
            decimals: text.split_once('.').map_or(0, |(_, rest)| rest.len()),
            percent,
            before: name,
            after,
        });
    }
    found
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && text.ends_with(|c: char| c.is_ascii_digit())
        && text.chars().skip(1).all(|c| c.is_ascii_digit() || matches!(c, '.' | ','))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(metrics: &[(&str, f64)]) -> Metrics {
        metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn a_metric_that_moved_says_what_it_was() {
        let now = metrics(&[("k", 6.0), ("silhouette", 0.264_4), ("inertia", 5.0)]);
        let old = metrics(&[("k", 5.0), ("silhouette", 0.301_2), ("inertia", 9.0)]);
        let line = "k=6, silhouette 0.264";
        assert_eq!(was(line, &now, &old), "k=6 (was 5), silhouette 0.264 (was 0.301)");
        assert_eq!(was(line, &now, &now), line);
        assert_eq!(was(line, &now, &Metrics::new()), line);
    }

    #[test]
    fn numbers_below_nothing_keep_their_sign() {
        let (now, old) = (metrics(&[("gain", -1_234.5)]), metrics(&[("gain", -123.0)]));
        assert_eq!(was("gain -1,234.5", &now, &old), "gain -1,234.5 (was -123.0)");
    }

    #[test]
    fn a_change_too_small_for_the_line_is_none() {
        let (now, old) = (metrics(&[("auc", 0.981)]), metrics(&[("auc", 0.984)]));
        assert_eq!(was("boosted: AUC 0.98, Brier 0.04", &now, &old), "boosted: AUC 0.98, Brier 0.04");
    }

    #[test]
    fn shares_thousands_and_nouns_keep_their_form() {
        let now =
            metrics(&[("wape", 0.077_1), ("customers", 20_000.0), ("rows", 1_174_936.0), ("folds", 5.0)]);
        let old = metrics(&[("wape", 0.101), ("customers", 19_000.0), ("rows", 1_100_000.0), ("folds", 1.0)]);
        assert_eq!(
            was("ridge best: WAPE 7.7 % over 5 folds", &now, &old),
            "ridge best: WAPE 7.7 % (was 10.1 %) over 5 folds (was 1)"
        );
        assert_eq!(
            was("1,174,936 rows, 20,000 customers", &now, &old),
            "1,174,936 rows (was 1,100,000), 20,000 customers (was 19,000)"
        );
        assert_eq!(was("1 fold", &metrics(&[("folds", 1.0)]), &now), "1 fold (was 5)");
    }

    #[test]
    fn a_number_of_another_meaning_is_left_alone() {
        let (now, old) = (metrics(&[("segments", 5.0)]), metrics(&[("segments", 4.0)]));
        // The number beside the name isn't the metric's value, or another word stands beside it.
        for line in ["7 segments", "5 stages", "segments-5", "v5 segments", "", "5"] {
            assert_eq!(was(line, &now, &old), line);
        }
        assert_eq!(was("5 segments, \"A 5\" bring", &now, &old), "5 segments (was 4), \"A 5\" bring");
    }
}
