//! `custem runs rerun`: the resolved pipeline of a run once more, and whether it gives the same bytes.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::{self, Target};
use crate::commands::run;
use crate::diagnostic::{Diagnostic, Problems, plural, quoted};
use crate::engine::Project;
use crate::observe::compare::{self, ends};
use crate::observe::journal::config_path;
use crate::observe::runs::{self, Run};
use crate::present::terminal::tell;

/// Runs it and compares.
pub fn rerun(run: &str, json: bool, project: &Project) -> Result<ExitCode> {
    let experiments = project.experiments();
    let name = runs::find(&experiments, run)?;
    let config = config_path(&experiments, &name);
    if !config.is_file() {
        let problem =
            Diagnostic::error(format!("run {name} has no pipeline: `{}` isn't there", config.display()));
        return Err(Problems::from(problem.hint("`custem run` runs the pipeline's own file")).into());
    }
    let before = Run::outline(&experiments, &name)?;
    let target = Target { pipeline: Some(config), set: Vec::new() };
    let code = run::run(&cli::Run { json, ..cli::Run::of(target) }, project)?;
    let after = Run::outline(&experiments, &runs::find(&experiments, "last")?)?;
    tell(format_args!("{}", compared(&before, &after)));
    Ok(code)
}

/// Which artifacts have other bytes, and which files from outside have changed.
fn compared(before: &Run, after: &Run) -> String {
    let (none, nowhere) = (toml::Table::new(), |_: &str| None);
    let side = |run| compare::Side { run, config: &none, place: &nowhere };
    let difference = compare::compare(&side(before), &side(after));
    let had: Vec<_> =
        difference.artifacts.iter().filter(|one| one.old.is_some() && one.new.is_some()).collect();
    if had.is_empty() {
        let outputs = |(_, end): &(String, &serde_json::Value)| {
            end["outputs"].as_object().map_or(0, |ports| ports.len())
        };
        let count: usize = ends(before).iter().map(outputs).sum();
        return format!("{} as in run {}, byte by byte\n", plural(count, "artifact"), before.name);
    }
    let names = quoted(had.iter().map(|one| one.artifact.as_str()), "and");
    let mut text = format!("{names} differ from run {}\n", before.name);
    let sources = difference.changes.iter().filter(|change| change.what == compare::What::Source);
    for source in sources {
        text += &format!("  `{}` has changed since\n", source.name);
    }
    text
}
