//! Words for messages: did-you-mean, lists, counts and shares.

/// The candidate nearest to a misspelt word, when it is near enough to be meant.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.len().max(word.len()).max(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Advice for a name that isn't there: the nearest one that is, else all of them after words such as
/// `the stages are`.
pub fn meant<'a>(word: &str, names: impl IntoIterator<Item = &'a str>, all: &str) -> String {
    meant_as(word, names, str::to_owned, all)
}

/// As [`meant`], with the nearest name written as one would write it in the place of the word.
pub fn meant_as<'a>(
    word: &str,
    names: impl IntoIterator<Item = &'a str>,
    written: impl Fn(&str) -> String,
    all: &str,
) -> String {
    let names: Vec<_> = names.into_iter().collect();
    match did_you_mean(word, names.iter().copied()) {
        Some(near) => format!("did you mean `{}`?", written(near)),
        None => format!("{all} {}", quoted(names, "and")),
    }
}

/// Names for a message, in backticks: `` `a`, `b` and `c` ``.
pub fn quoted<'a>(names: impl IntoIterator<Item = &'a str>, last: &str) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    listing(&names, last)
}

/// A list for a message: `a, b and c` with `last` as the word before the last one.
pub fn listing(items: &[String], last: &str) -> String {
    match items {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [start @ .., end] => format!("{} {last} {end}", start.join(", ")),
    }
}

/// `1 stage`, `69,659 rows`.
pub fn plural(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// A count with its noun, as [`plural`] for counts of rows.
pub fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// What a count of things did: `1 was`, `3 were`.
pub fn were(number: u64) -> &'static str {
    if number == 1 { "was" } else { "were" }
}

/// A whole number with thousands separators: `1,240,512`.
pub fn grouped(number: impl std::fmt::Display) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share as a percentage with as many places as it needs: `12 %`, `0.4 %`, `0.0012 %`, and `99.88 %`
/// where it isn't quite all.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    // Two significant digits of what is there, or of what lacks; the logarithm of a share of rows is
    // a small number.
    let two = |part: f64| usize::try_from(1 - libm::log10(part).floor() as i32).unwrap_or(0);
    let places = match percent {
        percent if percent > 0.0 && percent < 10.0 => two(percent),
        percent if percent > 99.0 && percent < 100.0 => two(100.0 * (1.0 - share)).min(12),
        _ => 0,
    };
    let text = format!("{percent:.places$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} %")
}

/// A value for a message: on one line and not too long.
pub fn shown(value: &str) -> String {
    const LONGEST: usize = 60;
    let line: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::{count, did_you_mean, grouped, listing, meant, percent, plural, quoted, shown};

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        assert_eq!(did_you_mean("cuttoff", ["columns", "cutoff"]), Some("cutoff"));
        assert_eq!(did_you_mean("k", ["features"]), None);
        assert_eq!(did_you_mean("segmnet", ["segment", "segments"]), Some("segment"));
    }

    #[test]
    fn a_name_that_is_not_there_is_a_near_one_or_any() {
        assert_eq!(meant("segmnts", ["rows", "segments"], "the stages are"), "did you mean `segments`?");
        assert_eq!(
            meant("x", ["rows", "segments"], "the stages are"),
            "the stages are `rows` and `segments`"
        );
    }

    #[test]
    fn lists_and_plurals_read_as_sentences() {
        assert_eq!(quoted(["a", "b", "c"], "or"), "`a`, `b` or `c`");
        assert_eq!(listing(&[], "and"), "none");
        assert_eq!(plural(1, "error"), "1 error");
        assert_eq!(plural(2, "error"), "2 errors");
        assert_eq!(plural(1_000, "stage"), "1,000 stages");
    }

    #[test]
    fn counts_and_shares_read_as_words() {
        assert_eq!(count(1, "row"), "1 row");
        assert_eq!(count(69_659, "row"), "69,659 rows");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(0), "0");
        assert_eq!(percent(0.123), "12 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.004), "0.4 %");
        assert_eq!(percent(0.000_012_3), "0.0012 %");
        assert_eq!(percent(0.05), "5 %");
        // What isn't all never reads as all.
        assert_eq!(percent(15_634.0 / 15_653.0), "99.88 %");
        assert_eq!(percent(0.995), "99.5 %");
        assert_eq!(percent(1.0 - 1e-9), "99.9999999 %");
        assert_eq!(percent(0.99), "99 %");
    }

    #[test]
    fn values_are_shown_on_one_line() {
        assert_eq!(shown("a\nb"), "a b");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 61);
    }
}
