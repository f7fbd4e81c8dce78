//! `custem sweep`: a sweep given on the command line, run as one that stands in the file.

use std::process::ExitCode;

use anyhow::Result;

use super::run;
use crate::cli;
use crate::engine::Project;
use crate::pipeline::Flag;

pub fn sweep(flags: &cli::Sweep, project: &Project) -> Result<ExitCode> {
    run::run_swept(&flags.run, &given(flags), project)
}

/// The flags that say what `[sweep]` would.
fn given(flags: &cli::Sweep) -> Vec<Flag> {
    let several = [
        ("--axis", &flags.axis),
        ("--objective", &flags.objective),
        ("--goal", &flags.goal),
        ("--budget", &flags.budget),
    ];
    let one = [
        ("--strategy", flags.strategy.clone()),
        ("--max-variants", flags.max_variants.map(|count| count.to_string())),
        ("--max-time", flags.max_time.clone()),
        ("--repeat", flags.repeat.clone()),
        ("--eta", flags.eta.map(|eta| eta.to_string())),
        ("--best", flags.best.clone()),
    ];
    let several =
        several.into_iter().flat_map(|(name, texts)| texts.iter().map(move |text| (name, text.clone())));
    let one = one.into_iter().filter_map(|(name, text)| Some((name, text?)));
    several.chain(one).map(|(name, text)| Flag { name, text }).collect()
}
