//! What a layer or a stage says when it can't go on: the message, advice, and the parameter that is meant.
//!
//! It knows no file: whoever knows the pipeline turns the parameter into a place.

use super::quoted;

/// A failure with advice: what is wrong, what to do, and which parameter is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong: a lowercase sentence without a full stop, names in backticks.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The parameter to point at, such as `k` or `rules.2.min`.
    pub key: Option<String>,
}

impl Failure {
    /// A failure that only has a message.
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
            None => format!("there are {}", quoted(known, "and")),
        };
        Self::new(message).hint(hint)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

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
    use super::Failure;

    #[test]
    fn the_closest_name_is_suggested() {
        let known = ["Customer ID", "InvoiceDate", "Total"];
        let hint = |name| Failure::unknown("no", name, known).hint.unwrap();
        assert_eq!(hint("customer_id"), "did you mean `Customer ID`?");
        assert_eq!(hint("InvoiceDat"), "did you mean `InvoiceDate`?");
        assert_eq!(hint("xyz"), "there are `Customer ID`, `InvoiceDate` and `Total`");
    }
}
