//! Did-you-mean, and lists and plurals for messages.

/// The candidate nearest to a misspelt word, when it is near enough to be meant.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.len().max(word.len()).max(3))
        .min()
        .map(|(_, candidate)| candidate)
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

/// `1 stage`, `2 stages`.
pub fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::{did_you_mean, listing, plural, quoted};

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        assert_eq!(did_you_mean("cuttoff", ["columns", "cutoff"]), Some("cutoff"));
        assert_eq!(did_you_mean("k", ["features"]), None);
        assert_eq!(did_you_mean("segmnet", ["segment", "segments"]), Some("segment"));
    }

    #[test]
    fn lists_and_plurals_read_as_sentences() {
        assert_eq!(quoted(["a", "b", "c"], "or"), "`a`, `b` or `c`");
        assert_eq!(listing(&[], "and"), "none");
        assert_eq!(plural(1, "error"), "1 error");
        assert_eq!(plural(2, "error"), "2 errors");
    }
}
