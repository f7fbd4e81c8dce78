//! The table `[track]`: which trackers a run is mirrored in, under which project, and where these are.
//!
//! Knows what trackers take and refuse, not how they are written. It is no part of any manifest.

use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use super::document::{Entry, Node, Value, table_to_toml};
use super::head::known_keys;
use super::quantity;
use super::remote::has_secret;
use super::shape::Shape;
use crate::diagnostic::{Diagnostic, Location, shown};

/// The trackers that there are.
const TRACKERS: [&str; 3] = ["trackio", "wandb", "mlflow"];

/// How long a run waits for its trackers when it doesn't say.
const WAIT: &str = "10s";

/// Beginnings and ends of project names that Trackio keeps for its own files.
const RESERVED: [&str; 8] = [
    "_system",
    "_configs",
    "_traces",
    "_artifacts",
    "_artifact_versions",
    "_artifact_aliases",
    "_run_artifact_links",
    "_external_run_artifact_links",
];

const SECRETS: &str =
    "tokens and passwords come from the environment (docs/trackers.md) and are never written down";

static SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::of(&schema()));

/// The schema of `[track]`.
pub(super) fn schema() -> Json {
    let text = |doc: &str| json!({ "type": "string", "description": doc });
    json!({ "type": "object", "properties": {
        "to": {
            "type": "array", "items": { "type": "string", "enum": TRACKERS }, "x-required": true,
            "description": "The trackers that a run is mirrored in; none when empty.",
        },
        "project": text("The project in each of them; by default the pipeline's name."),
        "group": text("What the run belongs to; the variants of a sweep are a group of their own."),
        "tags": { "type": "array", "items": { "type": "string" }, "description": "Words to find the run by." },
        "notes": text("What the run is about."),
        "wait": {
            "type": "string", "x-span": true, "default": WAIT,
            "description": "How long the end of a run waits for trackers that haven't taken everything.",
        },
        "trackio": { "type": "object", "description": "Where Trackio is.", "properties": {
            "dir": text("Its folder; by default what TRACKIO_DIR says, else `experiments/trackio`."),
            "url": text("A running server or a Space to send to, instead of a folder."),
            "store": {
                "type": "string", "enum": ["auto", "sqlite", "jsonl"], "default": "auto",
                "description": "A database, or files that its server imports: by itself on network disks.",
            },
        }},
        "wandb": { "type": "object", "description": "Where Weights & Biases is.", "properties": {
            "dir": text("The folder of its folder `wandb`; by default what WANDB_DIR says, else `experiments`."),
            "entity": text("The user or team that runs are uploaded to; by default the account's."),
        }},
        "mlflow": { "type": "object", "description": "Where MLflow is.", "properties": {
            "url": text("Its tracking server; by default what MLFLOW_TRACKING_URI says, else http://127.0.0.1:5000."),
        }},
    }})
}

/// Reads the table `[track]`: as plain TOML, its defaults spelled out.
pub(super) fn read(entry: &Entry, pipeline: &str, problems: &mut Vec<Diagnostic>) -> Option<toml::Table> {
    let before = problems.len();
    // A line that holds a secret must not be shown, so nothing else of the table is.
    for tracker in ["trackio", "mlflow"] {
        problems.extend(secret(entry, tracker));
    }
    if problems.len() > before {
        return None;
    }
    known_keys("track", &SHAPE, entry, problems);
    if problems.len() > before {
        return None;
    }
    let to = listed(&entry.node, "to");
    problems.extend(twice(&to));
    problems.extend(refused_project(entry, pipeline, &to));
    problems.extend(listed(&entry.node, "tags").into_iter().filter_map(|(tag, at)| refused_tag(tag, at)));
    problems.extend(["trackio", "mlflow"].into_iter().filter_map(|tracker| refused_url(entry, tracker)));
    problems.extend(two_places(entry));
    (problems.len() == before).then(|| resolved(&entry.node, pipeline))
}

/// The texts of a list with their places.
fn listed<'a>(node: &'a Node, key: &str) -> Vec<(&'a str, &'a Location)> {
    let Some(Value::Array(items)) = node.get(key).map(|list| &list.value) else { return Vec::new() };
    items.iter().filter_map(|item| Some((item.text()?, &item.at))).collect()
}

fn twice(to: &[(&str, &Location)]) -> Option<Diagnostic> {
    let again =
        to.iter().enumerate().find(|(at, (name, _))| to[..*at].iter().any(|(other, _)| other == name));
    let (_, (name, at)) = again?;
    let message = format!("`track.to` names `{name}` twice");
    Some(Diagnostic::error(message).at(at).hint("take one of them out: a run is mirrored once"))
}

/// A project's name that one of the trackers doesn't take.
fn refused_project(entry: &Entry, pipeline: &str, to: &[(&str, &Location)]) -> Option<Diagnostic> {
    let written = entry.node.get("project").and_then(|node| Some((node.text()?, &node.at)));
    let name = written.map_or(pipeline, |(name, _)| name);
    let (tracker, why) = to.iter().find_map(|(tracker, _)| Some((*tracker, refusal(tracker, name)?)))?;
    let (what, at) = match written {
        Some((_, at)) => ("`track.project`", at),
        None => ("the pipeline's name, which is its project,", &entry.key),
    };
    let message = format!("{what} can't be `{}`: {tracker} {why}", shown(name));
    Some(Diagnostic::error(message).at(at).hint(format!("write `project = \"{}\"`", plain(name))))
}

/// Why a tracker doesn't take a project's name.
fn refusal(tracker: &str, name: &str) -> Option<String> {
    let long = name.chars().count();
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match tracker {
        _ if name.trim().is_empty() => Some("takes no empty name".to_owned()),
        "trackio" if !name.chars().all(letter) => Some("takes letters, digits, `-` and `_`".to_owned()),
        "trackio" if name.starts_with("registry-") => {
            Some("keeps names that begin with `registry-`".to_owned())
        }
        "trackio" => {
            let end = RESERVED.into_iter().find(|end| name.ends_with(end) && name.len() > end.len())?;
            Some(format!("keeps names that end in `{end}`"))
        }
        "wandb" if name.contains(['/', '\\', '#', '?', '%', ':']) => {
            Some("takes none of `/ \\ # ? % :`".to_owned())
        }
        "wandb" if long > 128 => Some(format!("takes at most 128 characters, not {long}")),
        "mlflow" if long > 500 => Some(format!("takes at most 500 characters, not {long}")),
        _ => None,
    }
}

/// A name like another one that every tracker takes.
fn plain(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let mut plain: String = name.trim().chars().map(letter).take(100).collect();
    plain = plain.trim_start_matches("registry-").trim_matches('-').to_owned();
    while let Some(start) = RESERVED.into_iter().find_map(|end| plain.strip_suffix(end)) {
        plain = start.to_owned();
    }
    if plain.is_empty() { "runs".to_owned() } else { plain }
}

fn refused_tag(tag: &str, at: &Location) -> Option<Diagnostic> {
    let long = tag.chars().count();
    let fits = (1..=64).contains(&long) && !tag.trim().is_empty();
    let message = format!("a tag has 1 to 64 characters, and not only blanks: this one has {long}");
    (!fits).then(|| Diagnostic::error(message).at(at).hint("what takes more words goes into `notes`"))
}

fn url<'a>(entry: &'a Entry, tracker: &str) -> Option<(&'a str, &'a Location)> {
    let node = entry.node.get(&format!("{tracker}.url"))?;
    Some((node.text()?, &node.at))
}

fn secret(entry: &Entry, tracker: &str) -> Option<Diagnostic> {
    let (_, at) = url(entry, tracker).filter(|(url, _)| has_secret(url))?;
    let place = if at.source.name.starts_with("--") { at.source.name.clone() } else { at.file_line() };
    let message = format!("`track.{tracker}.url` ({place}) must not hold a user, a password or a key");
    Some(Diagnostic::error(message).hint(SECRETS))
}

fn refused_url(entry: &Entry, tracker: &str) -> Option<Diagnostic> {
    let (url, at) = url(entry, tracker)?;
    no_server(&format!("track.{tracker}.url"), url).map(|problem| problem.at(at))
}

/// What is wrong with the address of a server, which `key` names: nothing where it may be one.
pub fn no_server(key: &str, url: &str) -> Option<Diagnostic> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    if !matches!(scheme, "http" | "https") {
        let message = format!("`{key}` must start with `http://` or `https://`, not `{}`", shown(url));
        let hint = "write the address of a server, such as `http://127.0.0.1:5000`";
        return Some(Diagnostic::error(message).hint(hint));
    }
    if rest.split('/').next().unwrap_or_default().is_empty() {
        let message = format!("`{key}` lacks a host behind `{scheme}://`");
        return Some(Diagnostic::error(message).hint("add the server's name"));
    }
    if let Some(port) = no_port(rest) {
        let message = format!("`{key}` has the port `{}`", shown(port));
        return Some(Diagnostic::error(message).hint("a port is a number from 1 to 65535"));
    }
    let message = "this custem was built without https for trackers";
    let hint = "build it with `cargo build --release --features https`, or name an `http://` address";
    (scheme == "https" && !cfg!(feature = "https")).then(|| Diagnostic::error(message).hint(hint))
}

/// What stands as the port of an address behind its scheme, and is none.
fn no_port(rest: &str) -> Option<&str> {
    let authority = rest.split(['/', '?', '#']).next()?;
    let behind = authority.rsplit_once(']').map_or(authority, |(_, behind)| behind);
    let (_, port) = behind.rsplit_once(':')?;
    let whole = port.bytes().all(|byte| byte.is_ascii_digit());
    let fits = whole && port.parse::<u16>().is_ok_and(|port| port > 0);
    (!fits).then_some(port)
}

fn two_places(entry: &Entry) -> Option<Diagnostic> {
    let trackio = entry.node.get("trackio")?;
    let (dir, url) = (trackio.get("dir")?, trackio.get("url")?);
    let message = "`track.trackio` has both a `dir` and a `url`";
    let last = if dir.at.start > url.at.start { dir } else { url };
    Some(
        Diagnostic::error(message)
            .at(&last.at)
            .hint("runs are written into a folder or sent to a server: keep one"),
    )
}

/// The table with what it leaves to defaults.
fn resolved(node: &Node, pipeline: &str) -> toml::Table {
    let mut table = node.table().map(table_to_toml).unwrap_or_default();
    table.entry("project").or_insert_with(|| pipeline.into());
    let wait = node.get("wait").and_then(Node::text).unwrap_or(WAIT);
    let seconds = quantity::span(wait).map_or(10.0, |span| span.as_secs_f64());
    table.insert("wait".to_owned(), format!("{seconds}s").into());
    table
}

#[cfg(test)]
mod tests {
    use super::{no_port, plain, refusal};

    #[test]
    fn names_are_refused_by_the_tracker_that_minds_them() {
        for fine in ["full", "a-b_c", "9", "_system"] {
            assert_eq!(refusal("trackio", fine), None, "{fine}");
        }
        let said = |tracker: &str, name: &str| refusal(tracker, name).unwrap();
        assert_eq!(said("trackio", "a b"), "takes letters, digits, `-` and `_`");
        assert_eq!(said("trackio", "ä"), "takes letters, digits, `-` and `_`");
        assert_eq!(said("trackio", "registry-x"), "keeps names that begin with `registry-`");
        assert_eq!(said("trackio", "x_configs"), "keeps names that end in `_configs`");
        assert_eq!(said("wandb", "a/b"), "takes none of `/ \\ # ? % :`");
        assert_eq!(said("wandb", &"x".repeat(129)), "takes at most 128 characters, not 129");
        assert_eq!(said("mlflow", " "), "takes no empty name");
        assert_eq!(refusal("wandb", "a b"), None);
    }

    #[test]
    fn a_port_is_a_number_of_16_bits() {
        for fine in ["a", "a:1", "a:65535/x:y", "[::1]", "[::1]:80", "a?b:c"] {
            assert_eq!(no_port(fine), None, "{fine}");
        }
        for (address, port) in
            [("a:99999", "99999"), ("a:0/", "0"), ("a:", ""), ("[::1]:+5", "+5"), ("a:b", "b")]
        {
            assert_eq!(no_port(address), Some(port), "{address}");
        }
    }

    #[test]
    fn the_name_that_is_advised_is_taken() {
        for name in
            ["a b", "registry-x", "x_configs", "ä/ö", "", "x_artifacts_system", "registry-registry-a b"]
        {
            for tracker in super::TRACKERS {
                assert_eq!(refusal(tracker, &plain(name)), None, "{name} -> {}", plain(name));
            }
        }
        assert_eq!(plain("my runs"), "my-runs");
    }
}
