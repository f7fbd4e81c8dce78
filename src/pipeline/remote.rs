//! The table `[remote]`: where results are shared, and whether they are taken from there and given to it.
//!
//! Knows how such a place is written, not how it is reached. It is no part of any manifest.

use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use super::document::{Entry, Value};
use super::head::known_keys;
use super::shape::Shape;
use crate::diagnostic::{Diagnostic, did_you_mean, quoted, shown};

const SECRETS: &str =
    "keys and passwords come from the environment (docs/remote.md) and are never written down";

/// What a place may start with; anything without `://` is the path of a folder.
const SCHEMES: [&str; 6] = ["s3", "gs", "az", "http", "https", "file"];

static SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::of(&schema()));

/// A place where results are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// A URL, or the path of a folder.
    pub url: String,
    /// Whether results are taken from there.
    pub pull: bool,
    /// Whether results are given to it.
    pub push: bool,
}

/// The schema of `[remote]`.
pub(super) fn schema() -> Json {
    json!({ "type": "object", "properties": {
        "url": {
            "type": "string", "x-required": true,
            "description": "Where results are shared: `s3://BUCKET/PREFIX`, `gs://`, `az://`, `http(s)://`, `file://`, or the path of a folder.",
        },
        "pull": {
            "type": "boolean", "default": true,
            "description": "Whether a run takes results from there instead of computing them.",
        },
        "push": {
            "type": "boolean", "default": true,
            "description": "Whether a run gives what it has computed to it.",
        },
    }})
}

/// Reads the table `[remote]`.
pub(super) fn read(entry: &Entry, problems: &mut Vec<Diagnostic>) -> Option<Remote> {
    let url = entry.node.get("url").and_then(|node| Some((node.text()?, &node.at)));
    // Its line must not be shown, so nothing else of the table is.
    if let Some((url, at)) = url
        && has_secret(url)
    {
        let place = if at.source.name.starts_with("--") { at.source.name.clone() } else { at.file_line() };
        let message = format!("`remote.url` ({place}) must not hold a user, a password or a key");
        problems.push(Diagnostic::error(message).hint(SECRETS));
        return None;
    }
    let before = problems.len();
    known_keys("remote", &SHAPE, entry, problems);
    if let Some((url, at)) = url
        && let Some((message, hint)) = mistake(url)
    {
        problems.push(Diagnostic::error(message).at(at).hint(hint));
    }
    let (url, _) = url.filter(|_| problems.len() == before)?;
    let is_on =
        |key: &str| !matches!(entry.node.get(key), Some(node) if matches!(node.value, Value::Boolean(false)));
    Some(Remote { url: url.to_owned(), pull: is_on("pull"), push: is_on("push") })
}

/// Whether a URL has a part that could be secret: `user:password@`, or `?key=...`.
pub fn has_secret(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    host.contains('@') || rest.contains('?')
}

/// What is wrong with a place, and what to do about it.
fn mistake(url: &str) -> Option<(String, String)> {
    if url.trim().is_empty() {
        return Some(("`remote.url` is empty".to_owned(), forms()));
    }
    let (scheme, rest) = url.split_once("://")?;
    if !SCHEMES.contains(&scheme) {
        let hint = did_you_mean(scheme, SCHEMES).map(|near| format!("did you mean `{near}://`?"));
        let message = format!("`remote.url` starts with `{}://`, which custem doesn't know", shown(scheme));
        return Some((message, hint.unwrap_or_else(forms)));
    }
    let host = rest.split('/').next().unwrap_or_default();
    let what = match scheme {
        "file" if !rest.starts_with('/') => "the whole path of a folder, from `/` on",
        "file" => return None,
        "http" | "https" if host.is_empty() => "a host",
        _ if host.is_empty() => "a bucket",
        _ => return None,
    };
    Some((format!("`remote.url` lacks {what} behind `{scheme}://`"), forms()))
}

fn forms() -> String {
    let schemes = SCHEMES.map(|scheme| format!("{scheme}://"));
    format!(
        "write `url = \"s3://BUCKET/PREFIX\"`; a URL starts with {}, and anything else is the path of a folder",
        quoted(schemes.iter().map(String::as_str), "or")
    )
}

#[cfg(test)]
mod tests {
    use super::{has_secret, mistake};

    #[test]
    fn places_are_told_from_mistakes() {
        for fine in ["s3://b", "gs://b/p/q", "az://c/p", "http://h:80/x", "file:///tmp/x", "../shared", "/x"]
        {
            assert_eq!(mistake(fine), None, "{fine}");
        }
        let message = |url: &str| mistake(url).unwrap().0;
        assert_eq!(message(" "), "`remote.url` is empty");
        assert_eq!(message("s4://b"), "`remote.url` starts with `s4://`, which custem doesn't know");
        assert_eq!(message("s3:///p"), "`remote.url` lacks a bucket behind `s3://`");
        assert_eq!(message("https://"), "`remote.url` lacks a host behind `https://`");
        assert_eq!(
            message("file://x"),
            "`remote.url` lacks the whole path of a folder, from `/` on behind `file://`"
        );
        assert_eq!(mistake("s33://b").unwrap().1, "did you mean `s3://`?");
    }

    #[test]
    fn what_could_be_secret_is_seen() {
        for secret in ["s3://id:key@b/p", "https://user@h/p", "az://c/p?sig=abc", "http://h?token=x"] {
            assert!(has_secret(secret), "{secret}");
        }
        for fine in ["s3://b/a@b", "../what?", "file:///tmp/a@b"] {
            assert!(!has_secret(fine), "{fine}");
        }
    }
}
