//! Names of runs: a number that grows, and two words that people can say.

use crate::engine::digest::Digest;

const QUALITIES: [&str; 32] = [
    "amber", "bold", "brisk", "calm", "clear", "crisp", "deft", "eager", "early", "fair", "fleet", "fond",
    "glad", "keen", "kind", "late", "lean", "light", "mellow", "mild", "neat", "pale", "plain", "proud",
    "quick", "quiet", "ready", "sharp", "still", "swift", "warm", "wise",
];

const ANIMALS: [&str; 32] = [
    "badger", "bear", "crane", "crow", "deer", "dove", "eagle", "egret", "falcon", "finch", "fox", "gull",
    "hare", "hawk", "heron", "ibis", "jay", "kite", "lark", "lynx", "marten", "mole", "newt", "otter", "owl",
    "plover", "raven", "robin", "seal", "stork", "swan", "wren",
];

/// The name of the run with that number. It depends on nothing else, so that two processes that want
/// the same number also want the same file name, and only one gets it.
pub fn of(number: u64) -> String {
    let digest = Digest::of(&number.to_le_bytes());
    let word =
        |words: &[&'static str; 32], at: usize| words[usize::from(digest.as_bytes()[at]) % words.len()];
    format!("{number:04}-{}-{}", word(&QUALITIES, 0), word(&ANIMALS, 1))
}

/// The number in a run's name.
pub fn number(name: &str) -> Option<u64> {
    name.split(['-', '.']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{number, of};

    #[test]
    fn names_carry_their_number() {
        assert_eq!(number(&of(7)), Some(7));
        assert_eq!(number(&of(123_456)), Some(123_456));
        assert_eq!(number("notes"), None);
        assert_eq!(of(7), of(7));
    }
}
