//! What the user may say about files to read; everything has a default that looks at the file.
//!
//! Knows no file yet: names of columns are checked when the header is known.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::zone::Zone;

/// How to read files into one table.
#[derive(Clone, Debug)]
pub struct Options {
    /// What separates columns.
    pub delimiter: Delimiter,
    /// Whether the first line names the columns.
    pub header: bool,
    /// Names of all columns, in place of the header or for files without one.
    pub names: Vec<String>,
    /// The label of the encoding; found out where it isn't given.
    pub encoding: Option<String>,
    /// Our name to theirs; theirs may be a product `A * B`.
    pub columns: BTreeMap<String, String>,
    /// Which unmapped columns stay.
    pub keep: Keep,
    /// Our name to the type that it must have.
    pub types: BTreeMap<String, Type>,
    /// The decimal sign, where values leave it open.
    pub decimal: DecimalSign,
    /// Day or month first, where values leave it open.
    pub dates: DateOrder,
    /// Our name to the format of its dates, as strftime writes it.
    pub date_formats: BTreeMap<String, String>,
    /// Whose clock times are told by: those with a zone are turned into it, others taken as they are.
    pub time_zone: Option<Zone>,
    /// The only currency that numbers may be written with.
    pub currency: Option<String>,
    /// Columns of ours in which a missing value makes a bad row.
    pub require: Vec<String>,
    /// What happens to bad rows.
    pub bad_rows: BadRows,
    /// Share of bad rows above which reading fails.
    pub max_bad: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            delimiter: Delimiter::Auto,
            header: true,
            names: Vec::new(),
            encoding: None,
            columns: BTreeMap::new(),
            keep: Keep::All,
            types: BTreeMap::new(),
            decimal: DecimalSign::Auto,
            dates: DateOrder::Auto,
            date_formats: BTreeMap::new(),
            time_zone: None,
            currency: None,
            require: Vec::new(),
            bad_rows: BadRows::Reject,
            max_bad: 0.05,
        }
    }
}

/// What separates columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimiter {
    /// Whichever of comma, semicolon, tab, bar and blanks cuts the lines evenly.
    Auto,
    /// One ASCII character.
    Byte(u8),
    /// Runs of blanks and tabs; quotes mean nothing.
    Whitespace,
}

impl Delimiter {
    /// Reads `auto`, `whitespace`, `tab` or a single character.
    pub fn parse(text: &str) -> Option<Self> {
        match (text, text.as_bytes()) {
            ("auto", _) => Some(Self::Auto),
            ("whitespace", _) => Some(Self::Whitespace),
            ("tab" | "\\t", _) => Some(Self::Byte(b'\t')),
            (_, [byte])
                if byte.is_ascii()
                    && !matches!(byte, b'"' | b'\n' | b'\r')
                    && !byte.is_ascii_alphanumeric() =>
            {
                Some(Self::Byte(*byte))
            }
            _ => None,
        }
    }

    /// As a parameter spells it.
    pub fn name(self) -> String {
        match self {
            Self::Auto => "auto".to_owned(),
            Self::Whitespace => "whitespace".to_owned(),
            Self::Byte(b'\t') => "tab".to_owned(),
            Self::Byte(byte) => char::from(byte).to_string(),
        }
    }
}

/// Which unmapped columns stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All of them.
    All,
    /// None of them.
    None,
    /// Those of that name.
    These(Vec<String>),
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// Whole numbers of 64 bits.
    Integer,
    /// Numbers of 64 bits.
    Float,
    /// True or false; also yes/no, y/n, t/f and 1/0.
    Boolean,
    /// A date with an optional time.
    Timestamp,
    /// Any text.
    Text,
    /// Text of few different values.
    Category,
}

/// The decimal sign of numbers such as `1,234` that leave it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecimalSign {
    /// By the other values of the column, then of the file; else the dot.
    Auto,
    /// `1,234` is one thousand.
    Dot,
    /// `1,234` is one and a bit.
    Comma,
}

/// The order of dates such as `01/02/2023` that leave it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    /// By the other values of the column, then of the file; else the day.
    Auto,
    /// `01/02/2023` is the first of February.
    DayFirst,
    /// `01/02/2023` is the second of January.
    MonthFirst,
}

/// What happens to rows that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BadRows {
    /// They go to the table `rejected`, up to a share of `max_bad`.
    Reject,
    /// The first one stops the run.
    Fail,
}

#[cfg(test)]
mod tests {
    use super::Delimiter;

    #[test]
    fn delimiters_have_names() {
        for (text, delimiter) in [
            ("auto", Some(Delimiter::Auto)),
            ("whitespace", Some(Delimiter::Whitespace)),
            ("tab", Some(Delimiter::Byte(b'\t'))),
            ("\t", Some(Delimiter::Byte(b'\t'))),
            (";", Some(Delimiter::Byte(b';'))),
            ("^", Some(Delimiter::Byte(b'^'))),
            ("", None),
            ("::", None),
            ("a", None),
            ("\"", None),
            ("é", None),
        ] {
            assert_eq!(Delimiter::parse(text), delimiter, "{text}");
        }
    }
}
