//! Comparisons of runs for the terminal: what two runs differ in, when a metric moved, which run is best.

use std::collections::BTreeMap;

use unicode_width::UnicodeWidthStr;

use super::listing::metric;
use crate::diagnostic::{plural, shown};
use crate::engine::cause::short;
use crate::observe::compare::{Change, DEFAULT, Difference, Metric, What};
use crate::observe::runs::Overview;

/// How the differences of metrics are made up.
pub struct Shares<'a> {
    /// What the parts are of.
    pub names: &'a [String],
    /// The parts of each metric.
    pub of: &'a BTreeMap<String, Vec<Option<f64>>>,
    /// How it was done, in lines.
    pub note: String,
}

/// A run in which a metric moved.
pub struct Move {
    /// The run before and the run itself.
    pub runs: [String; 2],
    /// What it was.
    pub old: f64,
    /// What it is.
    pub new: f64,
    /// What had been changed.
    pub changes: Vec<Change>,
}

/// What two runs differ in.
pub fn difference(runs: [&str; 2], difference: &Difference, shares: Option<&Shares<'_>>) -> String {
    let mut text = String::new();
    for change in &difference.changes {
        text += &format!("changed              {}\n", changed(change));
        if !change.stages.is_empty() {
            text += &format!("reran because of it  {}\n", change.stages.join(", "));
        }
    }
    if !difference.unexplained.is_empty() {
        text += &format!("reran, and no record tells why  {}\n", difference.unexplained.join(", "));
    }
    if !difference.artifacts.is_empty() {
        let names: Vec<_> = difference.artifacts.iter().map(|one| one.artifact.as_str()).collect();
        text += &format!("other bytes          {}\n", names.join(", "));
    }
    if !difference.metrics.is_empty() {
        text += &aligned(&metrics(runs, &difference.metrics, shares));
    }
    if let Some(shares) = shares.filter(|_| !difference.metrics.is_empty()) {
        text += &shares.note;
    }
    if text.is_empty() {
        return format!("runs {} and {} have the same values, bytes and metrics\n", runs[0], runs[1]);
    }
    text
}

/// A change in a line: where it stands, what it is of, from what to what.
fn changed(change: &Change) -> String {
    let old = change.old.as_deref();
    let new = change.new.as_deref();
    match change.what {
        What::Source => {
            let digest = |digest: Option<&str>| {
                digest.map_or_else(|| "none".to_owned(), |digest| short(digest).to_owned())
            };
            return format!("{}  {} -> {}  (source file)", change.name, digest(old), digest(new));
        }
        What::Custem => {
            return format!("custem  {} -> {}", old.unwrap_or("unknown"), new.unwrap_or("unknown"));
        }
        What::Stage | What::Value => {}
    }
    let place = |place: Option<&str>| place.map(str::to_owned);
    let (was, is) = (place(change.old_place.as_deref()), place(change.place.as_deref()));
    let is_flag = |place: &Option<String>| place.as_ref().is_some_and(|place| place.starts_with("--"));
    let value = |value: Option<&str>, is_default: bool| match value {
        None => "none".to_owned(),
        Some(value) if is_default => format!("{} (default)", shown(value)),
        Some(value) => shown(value),
    };
    let of_stage = change.what == What::Stage;
    let is_default = |place: &Option<String>| place.as_deref() == Some(DEFAULT);
    let (old, new) = (value(old, is_default(&was)), value(new, is_default(&is)));
    // The line of the file is told where there is one, and a flag behind the values.
    let line = [&is, &was].into_iter().find(|place| place.is_some() && !is_flag(place) && !is_default(place));
    let flag = [(&is, ""), (&was, "before: ")].into_iter().find(|(place, _)| is_flag(place));
    let line = line.and_then(|line| line.as_ref()).map(|line| format!("{line}  ")).unwrap_or_default();
    let flag = flag
        .and_then(|(flag, word)| flag.as_ref().map(|flag| format!("  ({word}{flag})")))
        .unwrap_or_default();
    let what = if of_stage { "stage " } else { "" };
    format!("{line}{what}{}  {old} -> {new}{flag}", change.name)
}

fn metrics(runs: [&str; 2], moved: &[Metric], shares: Option<&Shares<'_>>) -> Vec<Vec<String>> {
    let mut head = vec!["metric".to_owned(), number(runs[0]), number(runs[1]), "difference".to_owned()];
    if let Some(shares) = shares {
        head.extend(shares.names.iter().map(|name| format!("of which {name}")));
    }
    let value = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), metric);
    let row = |one: &Metric| {
        let made = one.new.zip(one.old).map(|(new, old)| new - old);
        let mut row = vec![one.metric.clone(), value(one.old), value(one.new), signed(made)];
        if let Some(shares) = shares {
            let parts = shares.of.get(&one.metric).into_iter().flatten();
            row.extend(parts.map(|part| signed(*part)));
        }
        row
    };
    std::iter::once(head).chain(moved.iter().map(row)).collect()
}

/// The number of a run, with that of its variant.
fn number(run: &str) -> String {
    let (name, variant) = run.split_once('.').map_or((run, None), |(name, variant)| (name, Some(variant)));
    let number = name.split('-').next().unwrap_or(name);
    variant.map_or_else(|| number.to_owned(), |variant| format!("{number}.{variant}"))
}

fn signed(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value > 0.0 => format!("+{}", metric(value)),
        Some(value) => metric(value),
    }
}

/// Rows in columns: the first to the left, the others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let cell = |(at, cell): (usize, &String)| {
        let blanks = " ".repeat(widths[at].saturating_sub(cell.width()));
        if at == 0 { format!("{cell}{blanks}") } else { format!("  {blanks}{cell}") }
    };
    rows.iter()
        .map(|row| row.iter().enumerate().map(cell).collect::<String>().trim_end().to_owned() + "\n")
        .collect()
}

/// In which runs a metric moved.
pub fn moves(name: &str, over: &str, last: Option<f64>, moves: &[Move]) -> String {
    if moves.is_empty() {
        let value = last.map_or_else(String::new, |last| format!(": it is {}", metric(last)));
        return format!("{name} hasn't moved in {over}{value}\n");
    }
    let mut text = format!(
        "{name} moved {} in {over}\n",
        if moves.len() == 1 { "once".to_owned() } else { plural(moves.len(), "time") }
    );
    for one in moves {
        text += &format!("{}  {} -> {}\n", one.runs[1], metric(one.old), metric(one.new));
        for change in &one.changes {
            text += &format!("  {}\n", changed(change));
        }
        if one.changes.is_empty() {
            text += &format!("  no change is recorded since run {}\n", one.runs[0]);
        }
    }
    text
}

/// Runs ranked by a metric.
pub fn best(name: &str, end: &str, ranked: &[(&Overview, f64)]) -> String {
    if ranked.is_empty() {
        return format!("none of these runs has `{name}`\n");
    }
    let row = |(run, value): &(&Overview, f64)| {
        let more = run.variant.as_ref().or(run.note.as_ref()).map(|more| shown(more)).unwrap_or_default();
        vec![run.run.clone(), metric(*value), run.pipeline.clone(), more]
    };
    let rows: Vec<_> = ranked.iter().map(row).collect();
    format!("{name}, the {end} first\n{}", aligned(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(what: What, name: &str, values: [Option<&str>; 2], places: [Option<&str>; 2]) -> Change {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Change {
            what,
            name: name.to_owned(),
            old: text(values[0]),
            new: text(values[1]),
            old_place: text(places[0]),
            place: text(places[1]),
            stages: vec!["segments".to_owned(), "profile".to_owned()],
        }
    }

    #[test]
    fn a_change_says_where_it_stands() {
        let told = |values, places| changed(&change(What::Value, "s.k", values, places));
        let both = [Some("5"), Some("6")];
        assert_eq!(told(both, [Some("p.toml:4"), Some("p.toml:5")]), "p.toml:5  s.k  5 -> 6");
        assert_eq!(
            told(both, [Some("p.toml:4"), Some("--set s.k=6")]),
            "p.toml:4  s.k  5 -> 6  (--set s.k=6)"
        );
        assert_eq!(
            told(both, [Some("--set s.k=5"), Some("p.toml:4")]),
            "p.toml:4  s.k  5 -> 6  (before: --set s.k=5)"
        );
        assert_eq!(told(both, [Some("default"), Some("p.toml:4")]), "p.toml:4  s.k  5 (default) -> 6");
        assert_eq!(told([Some("5"), None], [Some("p.toml:4"), None]), "p.toml:4  s.k  5 -> none");
        assert_eq!(told(both, [None, None]), "s.k  5 -> 6");
        let stage = change(What::Stage, "s", [None, Some("segment")], [None, Some("p.toml:3")]);
        assert_eq!(changed(&stage), "p.toml:3  stage s  none -> segment");
    }

    #[test]
    fn a_difference_is_told_with_its_parts() {
        let metric = Metric { metric: "segments.silhouette".to_owned(), old: Some(0.301), new: Some(0.264) };
        let found = Difference {
            changes: vec![change(
                What::Value,
                "segments.k",
                [Some("5"), Some("6")],
                [Some("p.toml:31"), Some("p.toml:31")],
            )],
            metrics: vec![metric],
            ..Difference::default()
        };
        let of = BTreeMap::from([("segments.silhouette".to_owned(), vec![Some(0.264 - 0.301)])]);
        let names = ["segments.k".to_owned()];
        let shares = Shares { names: &names, of: &of, note: "each change was made alone\n".to_owned() };
        assert_eq!(
            difference(["0007-brisk-heron", "0008-quiet-otter"], &found, Some(&shares)),
            "changed              p.toml:31  segments.k  5 -> 6\n\
             reran because of it  segments, profile\n\
             metric                0007   0008  difference  of which segments.k\n\
             segments.silhouette  0.301  0.264      -0.037               -0.037\n\
             each change was made alone\n"
        );
        assert_eq!(
            difference(["1", "2"], &Difference::default(), None),
            "runs 1 and 2 have the same values, bytes and metrics\n"
        );
    }
}
