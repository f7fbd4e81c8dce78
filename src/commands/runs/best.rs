//! `custem runs best`: runs ranked by a metric.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::chosen::{chosen, known_metric};
use crate::cli::{End, RunsBest};
use crate::observe::index::Wanted;
use crate::present::terminal::{self, print};

/// Prints the best runs; of equal ones the oldest first.
pub fn best(flags: &RunsBest, experiments: &Path) -> Result<()> {
    let found = chosen(experiments, &flags.which, Wanted { metrics: true, params: false })?;
    known_metric(&found.index, &flags.metric)?;
    let value = |at: &usize| Some((*at, found.index.metric(*at, &flags.metric)?));
    let mut ranked: Vec<_> = found.places.iter().rev().filter_map(value).collect();
    ranked.sort_by(|(_, one), (_, two)| match flags.goal {
        End::Max => two.total_cmp(one),
        End::Min => one.total_cmp(two),
    });
    let ranked: Vec<_> =
        ranked.into_iter().take(flags.count).map(|(at, value)| (&found.index.runs[at], value)).collect();
    if flags.json {
        for (run, value) in ranked {
            let mut line = serde_json::to_value(run)?;
            line["value"] = json!(value);
            print(format_args!("{line}\n"))?;
        }
        return Ok(());
    }
    let end = if flags.goal == End::Max { "highest" } else { "lowest" };
    print(format_args!("{}", terminal::best(&flags.metric, end, &ranked)))
}
