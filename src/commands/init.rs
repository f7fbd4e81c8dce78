//! `custem init`: a first project, or a pipeline for a file of the user's own.

mod choices;
mod rest;
mod survey;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use self::choices::choices;
use self::rest::rest;
use self::survey::Survey;
use crate::cli;
use crate::data::dates;
use crate::data::read::inspect::{Inspection, inspect};
use crate::data::read::{File, Options};
use crate::diagnostic::{Diagnostic, Failure, Problems, count, grouped, listing, percent, plural, render};
use crate::engine::Project;
use crate::present::terminal::{print, tell};

/// The starter pipeline, which is also in the repository.
const STARTER: &str = include_str!("../../pipelines/quickstart.toml");

/// What runs write, and can write again.
const IGNORED: &str = "\
# Written by custem run
/cache/
/experiments/
/data/raw/
/data/processed/
/data/*.html
/data/*.svg
/data/*.png
";

pub fn init(flags: &cli::Init, project: &Project) -> Result<ExitCode> {
    let (text, name, bad) = match &flags.from {
        None => (STARTER.to_owned(), "quickstart".to_owned(), None),
        Some(file) => {
            let name = name_of(flags.to.as_ref().unwrap_or(file));
            let (text, bad) = pipeline_for(file, &name, project)?;
            (text, name, bad)
        }
    };
    let to = flags.to.clone().unwrap_or_else(|| PathBuf::from("pipelines").join(format!("{name}.toml")));
    let path = project.root.join(&to);
    if path.exists() {
        let hint = "give another name with `--to FILE`";
        let problem = Diagnostic::error(format!("`{}` exists already", to.display())).hint(hint);
        return Err(Problems::from(problem).into());
    }
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    if let Err(error) = fs_err::write(&path, text) {
        // Half a pipeline would stand in the way of the next try.
        let _ = fs_err::remove_file(&path);
        return Err(error.into());
    }
    if let Some(bad) = bad {
        tell(format_args!("{}\n", render(&bad, true)));
    }
    let ignores = flags.from.is_none() && ignore_results(project)?;
    let also = if ignores { " and .gitignore" } else { "" };
    print(format_args!("wrote {}{also}; run it: custem run {}\n", to.display(), to.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Keeps what runs write out of git, in a project that has no rules of its own; whether it has done so.
fn ignore_results(project: &Project) -> Result<bool> {
    let path = project.root.join(".gitignore");
    if path.symlink_metadata().is_ok() {
        return Ok(false);
    }
    fs_err::write(&path, IGNORED)?;
    Ok(true)
}

/// A name for a pipeline: the file's, with only letters, digits, `_` and `-`.
fn name_of(file: &Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name: String =
        stem.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
    let name = name.trim_matches('-').to_lowercase();
    if name.is_empty() { "own".to_owned() } else { name }
}

/// The pipeline for a file, and what to say of its rows where many can't be read.
fn pipeline_for(file: &Path, name: &str, project: &Project) -> Result<(String, Option<Diagnostic>)> {
    let (path, shown) = place(file, project)?;
    let file = File { name: file.display().to_string(), path };
    let seen = inspect(&file)?;
    complete(&file, &seen)?;
    let survey = Survey::of(&file, &seen)?;
    let mut text = format!("# Made from {shown}: {}.\n", about(&seen, &survey));
    text += &format!("[pipeline]\nname = {}\nseed = 1\n\n", quoted(name));
    text += "[stages.rows]\nkind = \"read\"\n";
    text += &format!("path = {}\n", quoted(&shown));
    if !seen.header && seen.delimiter.is_some() {
        text += "header = false        # the first line holds values, not names\n";
    }
    text += &mapping(&seen);
    text += &bad_rows(&survey);
    text += &columns(&seen);
    let text = text + "\n" + &rest(&choices(&survey), &quoted(&format!("data/{name}.html")));
    Ok((text, unread(&shown, &survey)))
}

/// That a pipeline was written for a file of which much can't be read.
fn unread(file: &str, survey: &Survey) -> Option<Diagnostic> {
    let most = max_bad(survey)?;
    let (rows, of) = (grouped(survey.rejected), count(survey.rows + survey.rejected, "row"));
    let message = format!("{rows} of {of} of `{file}` ({}) can't be read", percent(survey.bad()));
    let hint = format!(
        "the pipeline allows it, with `max_bad = {most:.2}`; after a run, `custem show rows.rejected` lists them"
    );
    Some(Diagnostic::warning(message).hint(hint))
}

/// The share of bad rows that the pipeline allows, where there are more than is usual.
fn max_bad(survey: &Survey) -> Option<f64> {
    (survey.bad() > Options::default().max_bad).then(|| (survey.bad() * 100.0).ceil() / 100.0)
}

/// Where to open the file, and its path for the pipeline: as the user spelled it where the project
/// is the current folder, else from the project's root where it lies below that.
fn place(file: &Path, project: &Project) -> Result<(PathBuf, String)> {
    let (here, root) = (std::path::absolute(file)?, std::path::absolute(&project.root)?);
    let shown = match here.strip_prefix(&root) {
        _ if file.is_relative() && !here.exists() => {
            return Ok((root.join(file), file.display().to_string()));
        }
        Ok(_) if file.is_relative() && root == std::path::absolute(".")? => file.to_path_buf(),
        Ok(below) => below.to_path_buf(),
        Err(_) => here.clone(),
    };
    Ok((here, shown.display().to_string()))
}

/// Checks that the file has what every stage needs.
fn complete(file: &File, seen: &Inspection) -> Result<(), Failure> {
    let needed = [("customer_id", "customers"), ("txn_timestamp", "dates"), ("amount", "amounts")];
    let lacking = needed.iter().filter(|(ours, _)| !seen.mapping.iter().any(|one| one.ours == *ours));
    let lacking: Vec<String> = lacking.map(|(ours, what)| format!("{what} (`{ours}`)")).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let has = seen.columns.iter().map(|column| format!("`{}` ({})", column.name, column.kind));
    let hint = format!(
        "it has {}; where one of them is meant, write the pipeline by hand: `custem kinds read`",
        listing(&has.collect::<Vec<_>>(), "and")
    );
    let message = format!("`{}` has no column that looks like {}", file.name, listing(&lacking, "or"));
    Err(Failure::new(message).hint(hint))
}

fn about(seen: &Inspection, survey: &Survey) -> String {
    let rows = count(survey.rows + survey.rejected, "row");
    let delimiter = seen.delimiter.as_ref().map(|name| format!(", delimiter {name:?}")).unwrap_or_default();
    let delimiter = if seen.json { ", JSON lines".to_owned() } else { delimiter };
    let encoding = seen.encoding.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
    let packing = seen.packing.map(|packing| format!(", {}", packing.name())).unwrap_or_default();
    let day = |day: i64| dates::show(day.saturating_mul(dates::DAY));
    format!(
        "{rows}{delimiter}{encoding}{packing};\n# {} who bought from {} to {}",
        plural(survey.customers(), "customer"),
        day(survey.first),
        day(survey.first + survey.days - 1)
    )
}

/// What to say of rows that can't be read, where they are more than is usual.
fn bad_rows(survey: &Survey) -> String {
    let Some(most) = max_bad(survey) else { return String::new() };
    format!(
        "max_bad = {most:.2}        # {} rows ({}) can't be read: custem show rows.rejected\n",
        grouped(survey.rejected),
        percent(survey.bad())
    )
}

/// The mapping as TOML, a reason behind each column.
fn mapping(seen: &Inspection) -> String {
    let mut text = String::new();
    for proposal in &seen.mapping {
        let pair = format!("columns.{} = {}", proposal.ours, quoted(&proposal.theirs));
        text += &format!("{pair:50} # {}\n", proposal.reason);
    }
    text
}

/// All columns as a comment, so that the mapping can be mended without opening the file.
fn columns(seen: &Inspection) -> String {
    let mut text = String::from("# The file's columns:\n");
    for column in &seen.columns {
        let samples = column.samples.join(" | ").replace(['\n', '\r'], " ");
        text += &format!("#   {} ({}): {samples}\n", column.name.replace(['\n', '\r'], " "), column.kind);
    }
    text
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
