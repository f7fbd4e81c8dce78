//! A problem with what is read or checked, with advice and the parameter that it is about.
//!
//! Doesn't know how it is shown: a stage turns it into its own failure.

use std::fmt;

/// What is wrong, what to do about it, and which parameter is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A lowercase sentence without a full stop, names in backticks.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The parameter to point at, such as `columns.amount`.
    pub key: Option<String>,
}

impl Problem {
    /// A problem that only has a message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, key: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Points at a parameter.
    #[must_use]
    pub fn at(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// A name that doesn't exist: suggests the closest one that does, or lists them all.
    pub fn unknown<'a>(
        message: impl Into<String>,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let hint = match closest(name, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", list(&known)),
        };
        Self::new(message).hint(hint)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// Names for a sentence: `a`, `b` and `c`.
pub fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [start @ .., last] => format!("{} and {last}", start.join(", ")),
    }
}

/// A count with its noun and thousands separators: `1 row`, `69,659 rows`.
pub fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// What a count of things did: `1 was`, `3 were`.
pub fn were(number: u64) -> &'static str {
    if number == 1 { "was" } else { "were" }
}

/// A number with thousands separators: `69,659`.
pub fn grouped(number: u64) -> String {
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

/// A share as a percentage with as many places as it needs: `12 %`, `0.4 %`, `0.0012 %`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let places = if percent == 0.0 || percent >= 10.0 {
        0
    } else {
        // Two significant digits; the logarithm of a share of rows is a small number.
        #[allow(clippy::cast_possible_truncation)]
        let magnitude = percent.log10().floor() as i32;
        usize::try_from(1 - magnitude).unwrap_or(0)
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

fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let squeezed = squeeze(name);
    let near = |other: &str| strsim::normalized_damerau_levenshtein(&squeezed, &squeeze(other));
    let mut best: Option<(f64, &str)> = None;
    for other in known {
        let score = near(other);
        if score >= 0.6 && best.is_none_or(|(top, _)| score > top) {
            best = Some((score, other));
        }
    }
    best.map(|(_, other)| other)
}

/// Case, blanks and underscores rarely are what makes two names differ.
fn squeeze(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_suggested() {
        let known = ["Customer ID", "InvoiceDate", "Total"];
        let hint = |name| Problem::unknown("no", name, known).hint.unwrap();
        assert_eq!(hint("customer_id"), "did you mean `Customer ID`?");
        assert_eq!(hint("InvoiceDat"), "did you mean `InvoiceDate`?");
        assert_eq!(hint("xyz"), "there are `Customer ID`, `InvoiceDate` and `Total`");
    }

    #[test]
    fn counts_and_shares_in_words() {
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
        assert_eq!(shown("a\nb"), "a b");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 61);
    }
}
