//! Record boundaries: where a block of text may be cut so that the parts can be read in parallel.
//!
//! Agrees with the `csv` crate on quotes: they mean something only where a field starts. Knows
//! nothing of what is in the fields.

use std::ops::Range;

use memchr::{memchr, memchr2, memrchr};

use super::options::Delimiter;

/// Bytes of a part; it depends on nothing, so that neither do the parts.
pub const PART: usize = 1 << 20;

/// A block cut at record boundaries.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// The parts, each of whole records.
    pub parts: Vec<Range<usize>>,
    /// The first byte that belongs to no part: a record that isn't whole yet.
    pub rest: usize,
    /// Where a quote was opened that isn't closed within the block.
    pub open: Option<usize>,
}

/// Cuts a block into parts of about `size` bytes; with `last`, what remains is the last record.
pub fn cut(block: &[u8], delimiter: Delimiter, last: bool, size: usize) -> Cut {
    let mut cut = match delimiter {
        Delimiter::Byte(byte) if memchr(b'"', block).is_some() => quoted(block, byte, size),
        _ => plain(block, size),
    };
    if last && cut.rest < block.len() && cut.open.is_none() {
        cut.parts.push(cut.rest..block.len());
        cut.rest = block.len();
    }
    cut
}

/// The end of the first record, its line end included.
pub fn record_end(text: &[u8], delimiter: Delimiter) -> Option<usize> {
    let cut = cut(text, delimiter, false, 1);
    cut.parts.first().map(|part| part.end)
}

/// Lines that end within bytes.
pub fn lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

fn plain(block: &[u8], size: usize) -> Cut {
    let end = memrchr(b'\n', block).map_or(0, |at| at + 1);
    let mut parts = Vec::new();
    let mut start = 0;
    while start < end {
        let from = (start + size - 1).min(end - 1);
        let stop = block.get(from..end).and_then(|tail| memchr(b'\n', tail)).map_or(end, |at| from + at + 1);
        parts.push(start..stop);
        start = stop;
    }
    Cut { parts, rest: end, open: None }
}

fn quoted(block: &[u8], delimiter: u8, size: usize) -> Cut {
    let (mut parts, mut start, mut whole, mut at) = (Vec::new(), 0, 0, 0);
    while let Some(found) = block.get(at..).and_then(|tail| memchr2(b'"', b'\n', tail)) {
        let here = at + found;
        at = here + 1;
        if block.get(here) == Some(&b'\n') {
            whole = at;
            if whole - start >= size {
                parts.push(start..whole);
                start = whole;
            }
        } else if opens(block, here, delimiter) {
            match closing(block, at) {
                Some(end) => at = end,
                None => return finish(parts, start, whole, Some(here)),
            }
        }
    }
    finish(parts, start, whole, None)
}

fn finish(mut parts: Vec<Range<usize>>, start: usize, whole: usize, open: Option<usize>) -> Cut {
    if whole > start {
        parts.push(start..whole);
    }
    Cut { parts, rest: whole, open }
}

/// Whether a quote stands where a field starts.
fn opens(block: &[u8], at: usize, delimiter: u8) -> bool {
    match at.checked_sub(1).and_then(|before| block.get(before)) {
        None => true,
        Some(&before) => before == delimiter || before == b'\n',
    }
}

/// The byte behind the quote that closes a field; doubled quotes stand for one.
fn closing(block: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr(b'"', block.get(at..)?)? + 1;
        if block.get(at) != Some(&b'"') {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMA: Delimiter = Delimiter::Byte(b',');

    fn parts(text: &str, delimiter: Delimiter, size: usize) -> Vec<&str> {
        let cut = cut(text.as_bytes(), delimiter, true, size);
        assert_eq!((cut.rest, cut.open), (text.len(), None));
        cut.parts.into_iter().map(|part| &text[part]).collect()
    }

    #[test]
    fn parts_end_where_records_end() {
        assert_eq!(parts("a,b\nc,d\ne", COMMA, 1), ["a,b\n", "c,d\n", "e"]);
        assert_eq!(parts("a,b\nc,d\ne", COMMA, 5), ["a,b\nc,d\n", "e"]);
        assert_eq!(parts("a,\"x\ny\"\nc,\"\"\"\n\"\n", COMMA, 1), ["a,\"x\ny\"\n", "c,\"\"\"\n\"\n"]);
        assert_eq!(parts("5\" pipe\n6\n", COMMA, 1), ["5\" pipe\n", "6\n"]);
        assert_eq!(parts("\"a\n\" 1\n", Delimiter::Whitespace, 1), ["\"a\n", "\" 1\n"]);
        assert_eq!(parts("", COMMA, 1), Vec::<&str>::new());
    }

    #[test]
    fn a_record_that_is_not_whole_remains() {
        let parts = || std::iter::once(0..2).collect();
        assert_eq!(cut(b"a\nb", COMMA, false, 1), Cut { parts: parts(), rest: 2, open: None });
        assert_eq!(cut(b"a\n\"b\nc", COMMA, true, 1), Cut { parts: parts(), rest: 2, open: Some(2) });
        assert_eq!(record_end(b"\"a\nb\",c\nd\n", COMMA), Some(8));
        assert_eq!(record_end(b"a", COMMA), None);
    }

    #[test]
    fn boundaries_agree_with_the_csv_crate_on_any_bytes() {
        let mut state = 7_u64;
        for _ in 0..3000 {
            let text: String = (0..24)
                .map(|_| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    ['a', ',', '"', '\n', 'b', '"', '\n', 'c'][(state >> 61) as usize]
                })
                .collect();
            let cut = cut(text.as_bytes(), COMMA, true, 1);
            if cut.open.is_some() {
                continue;
            }
            let whole = records(&text);
            let apart: Vec<_> = cut.parts.into_iter().flat_map(|part| records(&text[part])).collect();
            assert_eq!(apart, whole, "{text:?}");
        }
    }

    fn records(text: &str) -> Vec<csv::StringRecord> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(text.as_bytes());
        reader.records().map(Result::unwrap).collect()
    }
}
