//! `custem runs diff`: what two runs differ in, and how much of it each change did.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::json;
use toml::Table;

use super::attribute::{self, Attribution};
use crate::cli::RunsDiff;
use crate::diagnostic::{Diagnostic, Problems};
use crate::engine::Project;
use crate::observe::compare::{DEFAULT, Difference, Side, compare};
use crate::observe::journal::config_path;
use crate::observe::runs::{self, Run};
use crate::pipeline::places::Places;
use crate::present::terminal::{self, print};

/// Compares two runs, and runs their changes one by one where it is asked for.
pub fn diff(flags: &RunsDiff, project: &Project) -> Result<ExitCode> {
    let experiments = project.experiments();
    let old = Recorded::find(&experiments, &flags.old)?;
    let new = Recorded::find(&experiments, &flags.new)?;
    let difference = old.compared_with(&new);
    let names = [old.run.overview().pipeline, new.run.overview().pipeline];
    let same = names[0] == names[1];
    let attribution = match flags.attribute {
        Some(_) if !same => {
            let message = format!(
                "run {} ran `{}` and run {} ran `{}`",
                old.run.name, names[0], new.run.name, names[1]
            );
            let hint = "changes can be told apart between runs of one pipeline";
            return Err(Problems::from(Diagnostic::error(message).hint(hint)).into());
        }
        Some(method) => match attribute::attribute(method, [&old, &new], &difference, project)? {
            Some(attribution) => Some(attribution),
            None => return Ok(ExitCode::from(crate::commands::INTERRUPTED)),
        },
        None => None,
    };
    show(flags, [&old, &new], &names, &difference, attribution.as_ref())?;
    Ok(ExitCode::SUCCESS)
}

fn show(
    flags: &RunsDiff,
    [old, new]: [&Recorded; 2],
    names: &[String; 2],
    difference: &Difference,
    attribution: Option<&Attribution>,
) -> Result<()> {
    if flags.json {
        let mut told = json!({ "old": old.run.name, "new": new.run.name, "pipelines": names });
        let parts = serde_json::to_value(difference)?;
        parts.as_object().into_iter().flatten().for_each(|(key, value)| told[key] = value.clone());
        if let Some(attribution) = attribution {
            told["attribution"] = serde_json::to_value(attribution)?;
        }
        return print(format_args!("{told}\n"));
    }
    let mut text = String::new();
    if names[0] != names[1] {
        text += &format!("these are runs of two pipelines: `{}` and `{}`\n", names[0], names[1]);
    }
    let shares = attribution.map(|attribution| terminal::Shares {
        names: &attribution.parts,
        of: &attribution.shares,
        note: attribution.note(),
    });
    text += &terminal::difference([&old.run.name, &new.run.name], difference, shares.as_ref());
    print(format_args!("{text}"))
}

/// A recorded run with its resolved pipeline and the places of its values.
pub struct Recorded {
    /// Its record.
    pub run: Run,
    /// Its resolved pipeline.
    pub config: Table,
    /// Nothing where they aren't recorded.
    places: Option<Places>,
}

impl Recorded {
    /// The run that the user means.
    ///
    /// # Errors
    /// When there is none, or its files can't be read.
    pub fn find(experiments: &Path, wanted: &str) -> Result<Self> {
        Self::read(experiments, &runs::find(experiments, wanted)?)
    }

    /// Reads a run by its exact name.
    ///
    /// # Errors
    /// When its files can't be read.
    pub fn read(experiments: &Path, name: &str) -> Result<Self> {
        let run = Run::outline(experiments, name)?;
        let path = config_path(experiments, name);
        let text = fs_err::read_to_string(&path)?;
        let config = text.parse().with_context(|| format!("`{}` is damaged", path.display()))?;
        let places = match runs::sweep_of(name) {
            // A variant's values stand in the pipeline of its sweep.
            Some(sweep) => Run::outline(experiments, sweep).ok().and_then(|sweep| places(&sweep)),
            None => places(&run),
        };
        Ok(Self { run, config, places })
    }

    /// What this run and a later one differ in.
    pub fn compared_with(&self, new: &Self) -> Difference {
        let (was, is) = (|path: &str| self.place(path), |path: &str| new.place(path));
        let old = Side { run: &self.run, config: &self.config, place: &was };
        compare(&old, &Side { run: &new.run, config: &new.config, place: &is })
    }

    /// Where a value stands, an axis of a sweep first, or `default`; nothing where that isn't recorded.
    pub fn place(&self, path: &str) -> Option<String> {
        let places = self.places.as_ref()?;
        let axis = format!("sweep.axes.{path}");
        if runs::sweep_of(&self.run.name).is_some() && places.lists(&axis) {
            return places.of(&axis);
        }
        let whole_stage = !path.contains('.');
        let written = whole_stage || places.has(path);
        if written { places.of(path) } else { Some(DEFAULT.to_owned()) }
    }

    /// Whether a value is written down rather than left to its default.
    pub fn is_written(&self, path: &str) -> bool {
        self.places.as_ref().is_some_and(|places| places.has(path))
    }
}

/// Where the values of a run stood, as far as it was recorded.
fn places(run: &Run) -> Option<Places> {
    serde_json::from_value(run.of("provenance").next()?.clone()).ok()
}
