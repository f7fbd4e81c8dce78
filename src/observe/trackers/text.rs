//! Texts that trackers want in their own way: numbers that JSON lacks, moments, ids made from what they stand for.

use chrono::{DateTime, Utc};

use crate::engine::digest::Digest;

/// The name of a number that JSON can't hold.
pub fn unusual(number: f64) -> Option<&'static str> {
    match number {
        _ if number.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

/// A number of an event: one that JSON can't hold stands there as its name, or as null.
pub fn number(json: &serde_json::Value) -> Option<f64> {
    match json {
        serde_json::Value::Null => Some(f64::NAN),
        serde_json::Value::String(name) => match name.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        number => number.as_f64(),
    }
}

/// A moment in ISO 8601, in UTC, with six places: `2026-11-22T21:33:13.332672+00:00`.
pub fn moment(seconds: f64) -> String {
    date(seconds).format("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}

/// A moment from seconds since 1970.
pub fn date(seconds: f64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros(seconds)).unwrap_or_default()
}

/// Whole microseconds since 1970.
pub fn micros(seconds: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "a cast of a float stops at the ends")]
    let micros = (seconds * 1e6).round() as i64;
    micros
}

/// An id of 32 hexadecimal digits for what the parts stand for, in the form of a random UUID.
pub fn id(parts: &[&str]) -> String {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    let mut id = Digest::of(&bytes).hex();
    id.truncate(32);
    id.replace_range(12..13, "4");
    id.replace_range(16..17, "a");
    id
}

/// A path as a `file://` address.
pub fn address(path: &std::path::Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let escaped = |byte: &u8| {
        if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }
    };
    let path: String = path.as_os_str().as_encoded_bytes().iter().map(escaped).collect();
    format!("file://{path}")
}

/// A name for a file: letters, digits, dots, dashes and underscores stay.
pub fn file_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = name.chars().map(|c| if plain(c) { c } else { '-' }).take(100).collect();
    if name.chars().all(|c| c == '.') { "-".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{address, file_name, id, moment, number, unusual};

    #[test]
    fn numbers_that_json_lacks_go_there_and_back() {
        for value in [f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(number(&unusual(value).unwrap().into()), Some(value));
        }
        assert!(number(&unusual(f64::NAN).unwrap().into()).unwrap().is_nan());
        assert!(number(&serde_json::Value::Null).unwrap().is_nan());
        assert_eq!((unusual(1.5), number(&1.5.into()), number(&"x".into())), (None, Some(1.5), None));
    }

    #[test]
    fn moments_have_six_places_also_when_they_are_noughts() {
        assert_eq!(moment(1_700_000_000.0), "2023-11-14T22:13:20.000000+00:00");
        assert_eq!(moment(1_700_000_000.25), "2023-11-14T22:13:20.250000+00:00");
    }

    #[test]
    fn ids_differ_with_their_parts_and_are_in_form() {
        let one = id(&["ab", "c"]);
        assert_eq!((one.len(), &one[12..13], &one[16..17]), (32, "4", "a"));
        assert_ne!(one, id(&["a", "bc"]));
        assert_eq!(one, id(&["ab", "c"]));
    }

    #[test]
    fn paths_become_addresses_and_names_files() {
        assert_eq!(address(Path::new("/a b/ä.csv")), "file:///a%20b/%C3%A4.csv");
        assert_eq!((file_name("a/b[k=3]"), file_name("..")), ("a-b-k-3-".to_owned(), "-".to_owned()));
    }
}
