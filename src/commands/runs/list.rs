//! `custem runs list`.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;

use super::chosen::chosen;
use crate::cli::RunsList;
use crate::observe::index::Wanted;
use crate::observe::runs::{self, Overview, Summary};
use crate::present::terminal::{self, print};

/// So few runs are read one by one; of more the index knows.
const FEW: usize = 100;

/// Prints the newest runs; a sweep is one of them, and its variants are more where they are wanted.
pub fn list(flags: &RunsList, experiments: &Path) -> Result<()> {
    runs::readable(experiments)?;
    let (overviews, older) = if flags.which.condition.is_none() && flags.count <= FEW {
        few(flags, experiments)
    } else {
        many(flags, experiments)?
    };
    if flags.csv {
        return print(format_args!("{}", csv(&overviews)?));
    }
    if !flags.json {
        let none = flags.which.condition.as_ref().map(|_| "no run is like that");
        return print(format_args!("{}", terminal::runs(&overviews, older, none)));
    }
    let mut text = String::new();
    for overview in &overviews {
        text += &serde_json::to_string(overview)?;
        text.push('\n');
    }
    print(format_args!("{text}"))
}

/// The newest runs, read one by one, and how many older ones there are.
fn few(flags: &RunsList, experiments: &Path) -> (Vec<Overview>, usize) {
    let names = runs::names(experiments);
    let variants = variants(names.iter().map(String::as_str));
    let listed = |name: &&String| flags.which.variants || runs::sweep_of(name).is_none();
    let listed: Vec<_> = names.iter().rev().filter(listed).collect();
    let overview = |name: &&String| {
        let own = variants.get(name.as_str()).copied().unwrap_or(0);
        Some(Overview { variants: own, ..Summary::read(experiments, name).ok()?.overview })
    };
    let overviews = listed.iter().take(flags.count).filter_map(overview).collect();
    (overviews, listed.len().saturating_sub(flags.count))
}

/// The newest of the runs that are meant, and how many older ones there are.
fn many(flags: &RunsList, experiments: &Path) -> Result<(Vec<Overview>, usize)> {
    let mut found = chosen(experiments, &flags.which, Wanted::default())?;
    let older = found.places.len().saturating_sub(flags.count);
    found.places.truncate(flags.count);
    let variants = variants(found.index.runs.iter().map(|run| run.run.as_str()));
    let counts: Vec<_> =
        found.places.iter().map(|at| variants.get(found.index.runs[*at].run.as_str()).copied()).collect();
    let take = |(at, own): (&usize, Option<usize>)| Overview {
        variants: own.unwrap_or(0),
        ..std::mem::take(&mut found.index.runs[*at])
    };
    Ok((found.places.iter().zip(counts).map(take).collect(), older))
}

/// How many variants each sweep has records of.
fn variants<'n>(names: impl Iterator<Item = &'n str>) -> HashMap<&'n str, usize> {
    let mut of_sweep = HashMap::new();
    names.filter_map(runs::sweep_of).for_each(|sweep| *of_sweep.entry(sweep).or_default() += 1);
    of_sweep
}

fn csv(overviews: &[Overview]) -> Result<String> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record([
        "run", "pipeline", "file", "time", "status", "ran", "hit", "failed", "seconds", "variants",
        "variant", "note", "commit", "dirty", "data",
    ])?;
    for one in overviews {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let number = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
        out.write_record([
            one.run.clone(),
            one.pipeline.clone(),
            one.file.clone(),
            number(one.time),
            one.status.name().to_owned(),
            one.ran.to_string(),
            one.hit.to_string(),
            one.failed.to_string(),
            number(one.seconds),
            one.variants.to_string(),
            text(&one.variant),
            text(&one.note),
            text(&one.commit),
            one.dirty.map(|dirty| dirty.to_string()).unwrap_or_default(),
            text(&one.data),
        ])?;
    }
    Ok(String::from_utf8(out.into_inner()?)?)
}
