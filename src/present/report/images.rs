//! Section: further pictures, as they come from `chart` stages.
//!
//! A picture stands in an `img`, never in the page itself: scripts in it don't run and its styles
//! don't leak.

use std::fmt::Write as _;

use maud::html;

use super::parts::Chapter;
use super::{Inputs, Misfit, of};

/// The section, where pictures are given.
pub fn chapter(inputs: &Inputs) -> Result<Option<Chapter>, Misfit> {
    if inputs.charts.is_empty() {
        return Ok(None);
    }
    let pictures = inputs.charts.iter().map(|bytes| picture(bytes)).collect::<anyhow::Result<Vec<_>>>();
    let pictures = pictures.map_err(of("charts"))?;
    let body = html! {
        @for (source, title) in &pictures { figure { img src=(source) alt=(title); } }
    };
    let (tiles, brief, advice) = (Vec::new(), Vec::new(), Vec::new());
    Ok(Some(Chapter { heading: "Further charts", tiles, brief, advice, body }))
}

/// A picture's address with its content, and its title.
fn picture(bytes: &[u8]) -> anyhow::Result<(String, String)> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok((format!("data:image/png;base64,{}", base64(bytes)), "Chart".to_owned()));
    }
    match std::str::from_utf8(bytes) {
        Ok(svg) if svg.contains("<svg") => Ok((format!("data:image/svg+xml,{}", percent(svg)), title(svg))),
        _ => anyhow::bail!("a picture is neither SVG nor PNG"),
    }
}

/// The content of the first `title` element.
fn title(svg: &str) -> String {
    let inner = svg.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let text = inner.map_or("Chart", |(title, _)| title);
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// Percent-encoding of all that an address can't hold as it is.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b' '
            | b','
            | b'-'
            | b'.'
            | b'/'
            | b':'
            | b'='
            | b'\'' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// Base 64 of RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |value: u32| DIGITS.get((value & 63) as usize).map_or('=', |digit| char::from(*digit));
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        out.extend([18, 12, 6, 0].into_iter().take(three.len() + 1).map(|shift| digit(bits >> shift)));
        out.extend(std::iter::repeat_n('=', 3 - three.len()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_matches_the_test_vectors_of_rfc_4648() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (text, encoded) in vectors {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }

    #[test]
    fn an_svg_becomes_an_address_without_markup() {
        let (source, title) = picture(b"<svg><title>a &lt; b</title><script>x</script>\"#%</svg>").unwrap();
        assert!(source.starts_with("data:image/svg+xml,%3Csvg%3E"));
        assert!(!source.contains(['<', '>', '"', '#']));
        assert_eq!(title, "a < b");
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(picture(b"GIF89a").is_err());
        assert!(picture(&[0xFF, 0xFE]).is_err());
    }
}
