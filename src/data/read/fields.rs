//! The fields of a part of a file: spans of text in rows of equal length.
//!
//! Text is cut where delimiters and line ends stand, also where quotes do nothing but enclose whole fields; where they
//! do more (doubled ones, text behind them) the `csv` crate reads it. Knows nothing of types.

use std::borrow::Cow;

use memchr::{memchr, memchr2_iter};

use super::options::Delimiter;

/// The fields of whole rows.
pub struct Fields<'a> {
    text: Cow<'a, str>,
    spans: Vec<[u32; 2]>,
    width: usize,
    /// The line that each row starts in, from 0.
    pub lines: Vec<u32>,
    /// Rows that don't have the right number of fields.
    pub torn: Vec<Torn>,
    /// Rows that can't be cut into fields: the line, from 0, and why.
    pub unread: Vec<(u32, String)>,
}

/// A row with another number of fields than the header.
#[derive(Debug, PartialEq, Eq)]
pub struct Torn {
    /// The line that it starts in, from 0.
    pub line: u32,
    /// How many fields it has.
    pub fields: usize,
}

impl<'a> Fields<'a> {
    /// Cuts a part into rows of `width` fields. Blank lines are skipped, and so are empty fields
    /// behind the last column. The part must be shorter than 4 GiB.
    pub fn of(part: &'a str, delimiter: Delimiter, width: usize) -> Self {
        let mut fields = Self::made(Cow::Borrowed(part), Vec::new(), width, Vec::new(), Vec::new());
        match delimiter {
            Delimiter::Whitespace => fields.blanks(part),
            Delimiter::Byte(byte) if memchr(b'"', part.as_bytes()).is_some() => {
                if !fields.enclosed(part.as_bytes(), byte) {
                    fields = Self::made(Cow::Borrowed(part), Vec::new(), width, Vec::new(), Vec::new());
                    fields.quoted(part, byte);
                }
            }
            Delimiter::Byte(byte) => fields.plain(part, byte),
            Delimiter::Auto => fields.plain(part, b','),
        }
        fields
    }

    /// Rows that have been cut already: `width` spans of the text a row.
    pub fn made(
        text: Cow<'a, str>,
        spans: Vec<[u32; 2]>,
        width: usize,
        lines: Vec<u32>,
        unread: Vec<(u32, String)>,
    ) -> Self {
        Self { text, spans, width, lines, torn: Vec::new(), unread }
    }

    /// The number of whole rows.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// The fields of a column, blanks around them taken off.
    pub fn column(&self, at: usize) -> impl Iterator<Item = &str> {
        let text: &str = &self.text;
        self.spans.chunks_exact(self.width.max(1)).map(move |row| {
            let [start, end] = row.get(at).copied().unwrap_or_default();
            trimmed(text.get(start as usize..end as usize).unwrap_or_default())
        })
    }

    fn plain(&mut self, part: &'a str, delimiter: u8) {
        let bytes = part.as_bytes();
        self.spans.reserve(bytes.len() / 8);
        let (mut line, mut start, mut row) = (0, 0, 0);
        for at in memchr2_iter(delimiter, b'\n', bytes) {
            if bytes.get(at) == Some(&delimiter) {
                self.push(start, at);
            } else {
                self.push(start, at - usize::from(at > start && bytes.get(at - 1) == Some(&b'\r')));
                row = self.end_row(row, line);
                line += 1;
            }
            start = at + 1;
        }
        if start < bytes.len() || self.spans.len() > row {
            self.push(start, bytes.len());
            self.end_row(row, line);
        }
    }

    /// Cuts text whose quotes do nothing but enclose whole fields; stops at the first one that does more.
    fn enclosed(&mut self, bytes: &[u8], delimiter: u8) -> bool {
        self.spans.reserve(bytes.len() / 8);
        let (mut line, mut first, mut start, mut row) = (0, 0, 0, 0);
        // Delimiters and line ends, of which those within quotes are passed over.
        let mut ends = memchr2_iter(delimiter, b'\n', bytes);
        loop {
            let (from, upto, end) = if bytes.get(start) == Some(&b'"') {
                let inner = start + 1;
                let Some(close) = bytes.get(inner..).and_then(|rest| memchr(b'"', rest)) else {
                    return false;
                };
                let close = inner + close;
                let behind = close + 1 + usize::from(bytes.get(close + 1..close + 3) == Some(b"\r\n"));
                if bytes.get(behind).is_some_and(|byte| *byte != delimiter && *byte != b'\n') {
                    return false;
                }
                let mut end = ends.next();
                while let Some(at) = end.filter(|at| *at < close) {
                    line += u32::from(bytes.get(at) == Some(&b'\n'));
                    end = ends.next();
                }
                (inner, close, end)
            } else {
                let end = ends.next();
                let upto = end.unwrap_or(bytes.len());
                let wound = end.is_some_and(|at| bytes.get(at) == Some(&b'\n'));
                let carriage = wound && upto > start && bytes.get(upto - 1) == Some(&b'\r');
                (start, upto - usize::from(carriage), end)
            };
            let Some(end) = end else {
                // What follows the last line end is a row only where anything does.
                if start < bytes.len() || self.spans.len() > row {
                    self.push(from, upto);
                    self.end_row(row, first);
                }
                return true;
            };
            self.push(from, upto);
            start = end + 1;
            if bytes.get(end) == Some(&b'\n') {
                row = self.end_row(row, first);
                line += 1;
                first = line;
            }
        }
    }

    fn blanks(&mut self, part: &'a str) {
        let mut row = 0;
        let mut offset = 0;
        for (line, text) in (0_u32..).zip(part.split_inclusive('\n')) {
            let mut at = offset;
            for word in text.split_ascii_whitespace() {
                at += part.get(at..).and_then(|rest| rest.find(word)).unwrap_or(0);
                self.push(at, at + word.len());
                at += word.len();
            }
            offset += text.len();
            if self.spans.len() > row {
                row = self.end_row(row, line);
            }
        }
    }

    fn quoted(&mut self, part: &'a str, delimiter: u8) {
        let mut reader = records(part, delimiter);
        let mut record = csv::StringRecord::new();
        let mut text = String::with_capacity(part.len());
        let mut row = 0;
        // The text is valid and rows may have any length, so reading can't fail.
        while reader.read_record(&mut record).unwrap_or(false) {
            for field in &record {
                let start = text.len();
                text.push_str(field);
                self.push(start, text.len() - usize::from(field.ends_with('\r')));
            }
            row = self.end_row(row, start_line(&record, part));
        }
        self.text = Cow::Owned(text);
    }

    fn push(&mut self, start: usize, end: usize) {
        // Parts are shorter than 4 GiB.
        self.spans.push([start as u32, end as u32]);
    }

    /// Ends the row that started at that span; returns where the next one starts.
    fn end_row(&mut self, start: usize, line: u32) -> usize {
        let found = self.spans.len() - start;
        let row = self.spans.get(start..).unwrap_or_default();
        let blank = |spans: &[[u32; 2]]| spans.iter().all(|[start, end]| start == end);
        if found == self.width && !(found == 1 && blank(row)) {
            self.lines.push(line);
        } else if found > self.width && row.get(self.width..).is_some_and(blank) {
            self.spans.truncate(start + self.width);
            self.lines.push(line);
        } else {
            if !(found == 1 && blank(row)) {
                self.torn.push(Torn { line, fields: found });
            }
            self.spans.truncate(start);
        }
        self.spans.len()
    }
}

/// All fields of some text, whatever their number: for samples.
pub fn rows(text: &str, delimiter: Delimiter) -> Vec<Vec<String>> {
    let trimmed = |fields: &mut dyn Iterator<Item = &str>| -> Vec<String> {
        fields.map(|field| field.trim().to_owned()).collect()
    };
    let mut rows: Vec<Vec<String>> = match delimiter {
        Delimiter::Whitespace => {
            text.lines().map(|line| trimmed(&mut line.split_ascii_whitespace())).collect()
        }
        Delimiter::Auto => return rows(text, Delimiter::Byte(b',')),
        Delimiter::Byte(byte) if memchr(b'"', text.as_bytes()).is_none() => {
            text.split('\n').map(|line| trimmed(&mut line.split(char::from(byte)))).collect()
        }
        Delimiter::Byte(byte) => {
            records(text, byte).records().flatten().map(|record| trimmed(&mut record.iter())).collect()
        }
    };
    rows.retain(|row| !row.iter().all(String::is_empty) || row.len() > 1);
    rows
}

fn records(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(text.as_bytes())
}

/// The line of a record: its position counts from the blank lines before it.
fn start_line(record: &csv::StringRecord, part: &str) -> u32 {
    let Some(position) = record.position() else { return 0 };
    let from = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let blank = part.get(from..).unwrap_or_default();
    let skipped = blank.bytes().take_while(|byte| *byte == b'\n').count();
    let line = position.line() - 1 + skipped as u64;
    u32::try_from(line).unwrap_or(u32::MAX)
}

/// Most fields have no blanks around them.
fn trimmed(field: &str) -> &str {
    let solid = |byte: Option<&u8>| byte.is_some_and(|byte| (b'!'..0x80).contains(byte));
    let bytes = field.as_bytes();
    if solid(bytes.first()) && solid(bytes.last()) { field } else { field.trim() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str, delimiter: Delimiter, width: usize) -> (Vec<Vec<String>>, Vec<u32>, Vec<Torn>) {
        let fields = Fields::of(text, delimiter, width);
        let columns: Vec<Vec<&str>> = (0..width).map(|at| fields.column(at).collect()).collect();
        let rows = (0..fields.rows())
            .map(|row| columns.iter().map(|column| column[row].to_owned()).collect())
            .collect();
        (rows, fields.lines.clone(), fields.torn)
    }

    const COMMA: Delimiter = Delimiter::Byte(b',');

    #[test]
    fn plain_text_is_cut_at_delimiters() {
        let (rows, lines, torn) = table("1, a \r\n\n2,\r\n3\n4,x,\n5,x,y\n6,z", COMMA, 2);
        assert_eq!(rows, [["1", "a"], ["2", ""], ["4", "x"], ["6", "z"]]);
        assert_eq!(lines, [0, 2, 4, 6]);
        assert_eq!(torn, [Torn { line: 3, fields: 1 }, Torn { line: 5, fields: 3 }]);
    }

    #[test]
    fn a_sample_without_quotes_is_cut_as_the_crate_cuts_it() {
        let texts = [
            "",
            "\n",
            "a,b\n1,2",
            "a,b\r\n\r\n1, 2 ,\r\n",
            "\n\n a \n,\n \n,,\n",
            "a;b\n",
            "ä,b\r",
            "a\tb,c\n\n\n1",
        ];
        for text in texts {
            let mut reader = records(text, b',');
            let cut = reader.records().flatten();
            let mut theirs: Vec<Vec<_>> =
                cut.map(|record| record.iter().map(|field| field.trim().to_owned()).collect()).collect();
            theirs.retain(|row| !row.iter().all(String::is_empty) || row.len() > 1);
            assert_eq!(super::rows(text, COMMA), theirs, "{text:?}");
        }
    }

    #[test]
    fn quoted_text_may_hold_delimiters_and_line_ends() {
        let (rows, lines, torn) =
            table("\"1,5\",\"a\n\"\"b\"\"\"\r\n\r\n2,\"x\"\r\n\n\n\"3\"\n4,5\" pipe\n", COMMA, 2);
        assert_eq!(rows, [["1,5", "a\n\"b\""], ["2", "x"], ["4", "5\" pipe"]]);
        assert_eq!(lines, [0, 3, 7]);
        assert_eq!(torn, [Torn { line: 6, fields: 1 }]);
    }

    #[test]
    fn runs_of_blanks_separate() {
        let (rows, lines, torn) = table(" 00001  1 1\n\n00004\t2 1  \n7 7\n", Delimiter::Whitespace, 3);
        assert_eq!(rows, [["00001", "1", "1"], ["00004", "2", "1"]]);
        assert_eq!(lines, [0, 2]);
        assert_eq!(torn, [Torn { line: 3, fields: 2 }]);
    }

    /// Whatever is cut without the crate is cut as the crate cuts it.
    #[test]
    fn enclosed_fields_are_cut_as_the_crate_cuts_them() {
        let mut state = 11_u64;
        let mut cut = 0;
        for _ in 0..20_000 {
            let text: String = (0..14)
                .map(|_| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    ["a", ",", "\r\n", "\"x,\"", "\"é\n\"", ",", "\"", "\n"][(state >> 61) as usize]
                })
                .collect();
            let empty = || Fields::made(Cow::Borrowed(text.as_str()), vec![], 2, vec![], vec![]);
            let (mut own, mut theirs) = (empty(), empty());
            if !own.enclosed(text.as_bytes(), b',') {
                continue;
            }
            cut += 1;
            theirs.quoted(&text, b',');
            for at in 0..2 {
                assert!(own.column(at).eq(theirs.column(at)), "{text:?}");
            }
            assert_eq!((&own.lines, &own.torn), (&theirs.lines, &theirs.torn), "{text:?}");
        }
        assert!(cut > 1000, "{cut}");
    }

    #[test]
    fn both_ways_to_cut_agree() {
        let mut state = 3_u64;
        for _ in 0..2000 {
            let text: String = (0..30)
                .map(|_| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    ["a", ",", "\r\n", "\n", "é", ",", " ", "c"][(state >> 61) as usize]
                })
                .collect();
            let plain = Fields::of(&text, COMMA, 2);
            let mut quoted = Fields::made(Cow::Borrowed(""), vec![], 2, vec![], vec![]);
            quoted.quoted(&text, b',');
            for at in 0..2 {
                assert!(plain.column(at).eq(quoted.column(at)), "{text:?}");
            }
            assert_eq!((&plain.lines, &plain.torn), (&quoted.lines, &quoted.torn), "{text:?}");
        }
    }
}
