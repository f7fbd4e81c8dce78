//! A filter that puts `***` where a stream of bytes holds a secret, also across the blocks it comes in.
//!
//! Does not know what the secrets are for.

use std::borrow::Cow;

/// What stands in place of a secret.
const MASK: &[u8] = b"***";

/// The filter of one stream.
#[derive(Default)]
pub struct Mask {
    secrets: Vec<Vec<u8>>,
    /// The last bytes, while they could be the beginning of a secret: always fewer than the longest one has.
    held: Vec<u8>,
    /// How many of the next bytes belong to a secret that has begun.
    covered: usize,
    /// Whether the last byte was part of one.
    inside: bool,
}

impl Mask {
    /// A filter for these secrets, none of which is empty.
    pub fn new(secrets: Vec<Vec<u8>>) -> Self {
        Self { secrets, ..Self::default() }
    }

    /// Takes a block; what can be passed on, the secrets in it replaced.
    pub fn take<'b>(&mut self, block: &'b [u8]) -> Cow<'b, [u8]> {
        if self.secrets.is_empty() {
            return Cow::Borrowed(block);
        }
        self.held.extend_from_slice(block);
        self.pass(false).into()
    }

    /// Nothing more comes: what has been held back.
    pub fn finish(&mut self) -> Vec<u8> {
        self.pass(true)
    }

    fn pass(&mut self, last: bool) -> Vec<u8> {
        let bytes = std::mem::take(&mut self.held);
        let mut passed = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while at < bytes.len() && (last || !self.may_begin(&bytes[at..])) {
            let here =
                self.secrets.iter().filter(|secret| bytes[at..].starts_with(secret)).map(Vec::len).max();
            self.covered = self.covered.max(here.unwrap_or(0));
            match (self.covered, self.inside) {
                (0, _) => passed.push(bytes[at]),
                (_, false) => passed.extend_from_slice(MASK),
                (_, true) => {}
            }
            self.inside = self.covered > 0;
            self.covered = self.covered.saturating_sub(1);
            at += 1;
        }
        self.held = bytes[at..].to_vec();
        passed
    }

    /// Whether a secret begins with all of these bytes and goes on after them.
    fn may_begin(&self, rest: &[u8]) -> bool {
        self.secrets.iter().any(|secret| rest.len() < secret.len() && secret.starts_with(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::Mask;

    fn masked(secrets: &[&str], blocks: &[&str]) -> String {
        let mut mask = Mask::new(secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect());
        let mut all = Vec::new();
        for block in blocks {
            all.extend_from_slice(&mask.take(block.as_bytes()));
            assert!(mask.held.len() < secrets.iter().map(|secret| secret.len()).max().unwrap_or(1));
        }
        all.extend(mask.finish());
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn a_secret_is_masked_however_the_blocks_cut_it() {
        let text = "a hunter2 b hunterhunter2hunter2 hunter";
        for first in 0..text.len() {
            for second in first..text.len() {
                let blocks = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(masked(&["hunter2"], &blocks), "a *** b hunter*** hunter", "{blocks:?}");
            }
        }
    }

    #[test]
    fn secrets_that_overlap_leave_nothing_of_each_other() {
        let every_byte = |text: &'static str| (0..text.len()).map(|at| &text[at..=at]).collect::<Vec<_>>();
        assert_eq!(masked(&["abcd", "cdef"], &every_byte("xabcdefx")), "x***x");
        assert_eq!(masked(&["abcd", "abcdefgh"], &every_byte("abcdefghi abcdefgx")), "***i ***efgx");
        assert_eq!(masked(&["aaaa"], &every_byte("aaaaaaaaa")), "***");
    }

    #[test]
    fn without_secrets_bytes_pass_as_they_are() {
        assert_eq!(masked(&[], &["one ", "two"]), "one two");
    }
}
