//! Numbers as people write them: thousands separators, decimal commas, currencies, trailing minus.
//!
//! Knows one value at a time and the column's usual decimal sign; knows nothing of columns or files.

use serde::{Deserialize, Serialize};

use super::votes::Lean;

/// The sign between the whole and the fractional part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decimal {
    /// `1,234.50`
    Dot,
    /// `1.234,50`
    Comma,
}

const SYMBOLS: &str = "$€£¥₹₽₺₩₪฿₫₴₦";
const CODES: [&str; 26] = [
    "USD", "EUR", "GBP", "CHF", "JPY", "CAD", "AUD", "NZD", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "INR",
    "CNY", "BRL", "MXN", "ZAR", "TRY", "SGD", "HKD", "Kč", "kr", "zł", "R$",
];
/// Longest text that the fast path takes: 15 digits fit a float exactly.
const PLAIN: usize = 16;
const POWERS: [f64; PLAIN] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Reads a finite number; `decimal` settles what `1,234` and `1.234` mean, everything else says so itself.
pub fn float(text: &str, decimal: Decimal) -> Option<(f64, Lean)> {
    plain(text.as_bytes(), decimal).or_else(|| {
        let (digits, lean) = normal(text, decimal)?;
        let value: f64 = digits.parse().ok()?;
        value.is_finite().then_some((value, lean))
    })
}

/// Reads a whole number, thousands separators allowed; `12.0` is none.
pub fn integer(text: &str, decimal: Decimal) -> Option<(i64, Lean)> {
    strict_integer(text).map(|value| (value, Lean::Silent)).or_else(|| {
        let (digits, lean) = normal(text, decimal)?;
        Some((digits.parse().ok()?, lean))
    })
}

/// Reads digits with an optional minus and nothing else, such as an id.
pub fn strict_integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    text.parse().ok()
}

/// The currency that a number is written with: a sign or a code.
pub fn currency(text: &str) -> Option<&'static str> {
    let bare = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_digit());
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    if bare(digits.first()) && bare(digits.last()) {
        return None;
    }
    let sign = || SYMBOLS.char_indices().find(|(_, sign)| text.contains(*sign));
    let code = CODES.into_iter().find(|code| text.contains(code));
    code.or_else(|| sign().and_then(|(at, sign)| SYMBOLS.get(at..at + sign.len_utf8())))
}

/// Whether a text is a currency that numbers may be written with.
pub fn is_currency(text: &str) -> bool {
    CODES.contains(&text) || SYMBOLS.chars().any(|sign| text.chars().eq([sign]))
}

/// Whether digits start with a zero that an integer would lose: `00123`, but not `0`.
pub fn zero_led(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    digits.len() > 1 && digits.first() == Some(&b'0') && digits.iter().all(u8::is_ascii_digit)
}

/// `-12.50` or `12,50`: a minus, digits, at most one separator, digits, and nothing else.
fn plain(text: &[u8], decimal: Decimal) -> Option<(f64, Lean)> {
    let (digits, sign) = match text {
        [b'-', rest @ ..] => (rest, -1.0),
        rest => (rest, 1.0),
    };
    if digits.is_empty() || digits.len() > PLAIN {
        return None;
    }
    let mut mantissa = 0_u64;
    let mut separator = None;
    for (at, &byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa * 10 + u64::from(byte - b'0'),
            b'.' | b',' if separator.is_none() && at > 0 => separator = Some((at, byte)),
            _ => return None,
        }
    }
    // A u64 below 10^16 becomes the nearest float; with a separator it is below 10^15, thus exact.
    let mantissa = mantissa as f64;
    let Some((at, byte)) = separator else { return Some((sign * mantissa, Lean::Silent)) };
    let fraction = digits.len() - at - 1;
    if fraction == 0 {
        return None;
    }
    let (is_decimal, lean) = judge(at, fraction, digits.first() == Some(&b'0'), byte, decimal);
    let divisor = if is_decimal { POWERS.get(fraction)? } else { &1.0 };
    Some((sign * (mantissa / divisor), lean))
}

/// Whether a number's only separator is its decimal sign, and what that says about the column.
///
/// One to three digits, a separator and three digits may be either: the column decides.
fn judge(before: usize, after: usize, zero: bool, separator: u8, decimal: Decimal) -> (bool, Lean) {
    let own = if separator == b'.' { Decimal::Dot } else { Decimal::Comma };
    if after == 3 && (1..=3).contains(&before) && !zero {
        (own == decimal, Lean::Open)
    } else {
        (true, lean(own))
    }
}

fn lean(decimal: Decimal) -> Lean {
    if decimal == Decimal::Dot { Lean::First } else { Lean::Second }
}

/// Any other spelling, rewritten as `-1234.5`.
fn normal(text: &str, decimal: Decimal) -> Option<(String, Lean)> {
    let (body, negative) = strip(text)?;
    let sign = if negative { "-" } else { "" };
    if body.contains(['e', 'E']) {
        let exponent =
            body.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'-' | b'+'));
        return exponent.then(|| (format!("{sign}{body}"), Lean::Silent));
    }
    let (whole, fraction, lean) = halves(body, decimal)?;
    let mut digits = String::with_capacity(body.len() + 1);
    digits.push_str(sign);
    digits.push_str(&ungroup(whole)?);
    if let Some(fraction) = fraction {
        if whole.is_empty() && fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        digits.push('.');
        digits.push_str(fraction);
    }
    Some((digits, lean))
}

/// Takes off blanks, currencies, signs and parentheses; says whether the number is negative.
fn strip(text: &str) -> Option<(&str, bool)> {
    let mut body = text;
    let mut negative = None;
    loop {
        let before = body.len();
        body = without_currency(body.trim());
        if let Some(inner) = body.strip_prefix('(').and_then(|body| body.strip_suffix(')')) {
            set(&mut negative, true)?;
            body = inner;
        }
        if let Some(rest) = body.strip_prefix(['-', '\u{2212}']).or(body.strip_suffix(['-', '\u{2212}'])) {
            set(&mut negative, true)?;
            body = rest;
        } else if let Some(rest) = body.strip_prefix('+') {
            set(&mut negative, false)?;
            body = rest;
        }
        if body.len() == before {
            break;
        }
    }
    let starts_well = body.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '.' | ','));
    starts_well.then_some((body, negative.unwrap_or(false)))
}

/// A number has one sign at most.
fn set(sign: &mut Option<bool>, negative: bool) -> Option<()> {
    sign.replace(negative).is_none().then_some(())
}

fn without_currency(text: &str) -> &str {
    let text = text.trim_start_matches(|c| SYMBOLS.contains(c)).trim_end_matches(|c| SYMBOLS.contains(c));
    let code = CODES.iter().find_map(|code| text.strip_prefix(code).or_else(|| text.strip_suffix(code)));
    code.unwrap_or(text)
}

/// Splits at the decimal sign, where there is one.
fn halves(body: &str, decimal: Decimal) -> Option<(&str, Option<&str>, Lean)> {
    let count = |sign: char| body.matches(sign).count();
    let cut = |at: usize| Some((body.get(..at)?, Some(body.get(at + 1..)?)));
    let (last, sign) = match (body.rfind('.'), body.rfind(',')) {
        (None, None) => return Some((body, None, Lean::Silent)),
        (Some(dot), comma) if comma.is_none_or(|comma| dot > comma) => (dot, '.'),
        (_, Some(comma)) => (comma, ','),
        (Some(dot), None) => (dot, '.'),
    };
    let own = if sign == '.' { Decimal::Dot } else { Decimal::Comma };
    let other = if sign == '.' { Decimal::Comma } else { Decimal::Dot };
    let mixed = count('.') > 0 && count(',') > 0;
    if count(sign) > 1 {
        // `1,234,567`: what stands twice groups digits, so the other one is the decimal sign.
        return (!mixed).then(|| (body, None, lean(other)));
    }
    let spaced = body.contains([' ', '\u{a0}', '\u{202f}', '\'', '’']);
    let (is_decimal, says) = if mixed || spaced {
        (true, lean(own))
    } else {
        judge(
            last,
            body.len() - last - 1,
            body.starts_with('0'),
            if sign == '.' { b'.' } else { b',' },
            decimal,
        )
    };
    if !is_decimal {
        return Some((body, None, says));
    }
    let (whole, fraction) = cut(last)?;
    Some((whole, fraction, says))
}

/// Joins groups of digits: three to nine-hundred-ninety-nine, then two (Indian) or three, the last of three.
fn ungroup(whole: &str) -> Option<String> {
    let separator = whole.chars().find(|c| !c.is_ascii_digit());
    let Some(separator) = separator else { return Some(whole.to_owned()) };
    if !matches!(separator, '.' | ',' | ' ' | '\u{a0}' | '\u{202f}' | '\'' | '’') {
        return None;
    }
    let groups: Vec<&str> = whole.split(separator).collect();
    let digits = groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_digit()));
    let (first, rest) = groups.split_first()?;
    let (last, middle) = rest.split_last()?;
    let sizes = (1..=3).contains(&first.len())
        && last.len() == 3
        && middle.iter().all(|group| matches!(group.len(), 2 | 3));
    (digits && sizes).then(|| groups.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(text: &str) -> Option<f64> {
        float(text, Decimal::Dot).map(|(value, _)| value)
    }

    fn comma(text: &str) -> Option<f64> {
        float(text, Decimal::Comma).map(|(value, _)| value)
    }

    #[test]
    fn every_spelling_of_a_number() {
        let spellings = [
            ("12.5", 12.5),
            ("-12.5", -12.5),
            ("+3", 3.0),
            ("12,5", 12.5),
            ("1,234.50", 1234.5),
            ("1.234,50", 1234.5),
            ("1.234.567", 1_234_567.0),
            ("1,234,567.8", 1_234_567.8),
            ("12,34,567.80", 1_234_567.8),
            ("1 234,50", 1234.5),
            ("1\u{a0}234,50", 1234.5),
            ("1'234.50", 1234.5),
            ("$12.30", 12.3),
            ("-$12.30", -12.3),
            ("$-12.30", -12.3),
            ("12,30 €", 12.3),
            ("EUR 12.30", 12.3),
            ("12.30 kr", 12.3),
            ("(1,234.50)", -1234.5),
            ("($1,234.50)", -1234.5),
            ("12.30-", -12.3),
            ("\u{2212}5", -5.0),
            (".5", 0.5),
            ("12.", 12.0),
            ("1e3", 1000.0),
            ("1.5E-3", 0.0015),
            ("0,125", 0.125),
            ("12345678901234567890", 12_345_678_901_234_567_890.0),
        ];
        for (text, value) in spellings {
            assert_eq!(dot(text), Some(value), "{text}");
        }
    }

    #[test]
    fn currencies_are_seen() {
        let seen = ["12.30", "-5", "£12.30", "(£5)", "12,30 €", "EUR 7", "R$ 3", "3 kr", "5-"].map(currency);
        assert_eq!(
            seen,
            [None, None, Some("£"), Some("£"), Some("€"), Some("EUR"), Some("R$"), Some("kr"), None]
        );
        assert!(is_currency("£") && is_currency("USD") && !is_currency("") && !is_currency("££"));
    }

    #[test]
    fn no_numbers() {
        for text in [
            "", "-", "abc", "1-2", "--5", "(-5)", "12%", "1,23,4.5", "1.2.3", "1,2,3", "inf", "NaN", "1e999",
            ".", "$", "A12", "12A",
        ] {
            assert_eq!(dot(text), None, "{text}");
        }
    }

    #[test]
    fn the_column_settles_what_a_value_leaves_open() {
        assert_eq!((dot("1,234"), comma("1,234")), (Some(1234.0), Some(1.234)));
        assert_eq!((dot("1.234"), comma("1.234")), (Some(1.234), Some(1234.0)));
        assert_eq!((dot("-1,234"), comma("-$1,234")), (Some(-1234.0), Some(-1.234)));
        assert_eq!(float("1,234", Decimal::Dot).map(|(_, lean)| lean), Some(Lean::Open));
        assert_eq!(float("1,23", Decimal::Dot), Some((1.23, Lean::Second)));
        assert_eq!(float("1.23", Decimal::Comma), Some((1.23, Lean::First)));
        assert_eq!(float("1.234,5", Decimal::Dot), Some((1234.5, Lean::Second)));
        assert_eq!(float("1.234.567", Decimal::Dot), Some((1_234_567.0, Lean::Second)));
        assert_eq!(float("1234", Decimal::Dot), Some((1234.0, Lean::Silent)));
    }

    #[test]
    fn the_fast_path_agrees_with_the_standard_library() {
        let mut state = 1_u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let places = (state >> 60) as usize % 9;
            let text = format!("{:.places$}", f64::from((state >> 33) as u32) / 997.0);
            let silent = float(&text, Decimal::Dot).map(|(value, _)| value);
            assert_eq!(silent, text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn integers_keep_all_their_digits() {
        assert_eq!(integer("9007199254740993", Decimal::Dot), Some((9_007_199_254_740_993, Lean::Silent)));
        assert_eq!(integer("1,234", Decimal::Dot), Some((1234, Lean::Open)));
        assert_eq!(integer("12.0", Decimal::Dot), None);
        assert_eq!(integer("99999999999999999999", Decimal::Dot), None);
        assert!(zero_led("00123") && zero_led("01") && !zero_led("0") && !zero_led("0.5") && !zero_led("10"));
    }
}
