//! `custem init`: a first project, or a pipeline for a file of the user's own.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use crate::cli;
use crate::data::read::inspect::{Inspection, inspect};
use crate::diagnostic::{Diagnostic, Problems, count};
use crate::engine::Project;
use crate::present::terminal::print;

/// The starter pipeline, which is also in the repository.
const STARTER: &str = include_str!("../../pipelines/quickstart.toml");

/// What follows the checked rows in a pipeline for a user's file.
const REST: &str = include_str!("init/rest.toml");

pub fn init(flags: &cli::Init, project: &Project) -> Result<ExitCode> {
    let (text, name) = match &flags.from {
        None => (STARTER.to_owned(), "quickstart".to_owned()),
        Some(file) => (pipeline_for(file, project)?, name_of(file)),
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
    print(format_args!("wrote {}; run it: custem run {}\n", to.display(), to.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// A name for a pipeline: the file's, with only letters, digits, `_` and `-`.
fn name_of(file: &Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name: String =
        stem.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
    let name = name.trim_matches('-').to_lowercase();
    if name.is_empty() { "own".to_owned() } else { name }
}

fn pipeline_for(file: &Path, project: &Project) -> Result<String> {
    let path = if file.is_absolute() || file.exists() { file.to_path_buf() } else { project.root.join(file) };
    let seen = inspect(&path)?;
    let shown =
        match fs_err::canonicalize(&path).and_then(|path| Ok((path, fs_err::canonicalize(&project.root)?))) {
            Ok((path, root)) => path.strip_prefix(root).unwrap_or(&path).display().to_string(),
            Err(_) => path.display().to_string(),
        };
    let mut text = format!("# Made from {shown}: {}.\n", about(&seen));
    text += &format!("[pipeline]\nname = {}\nseed = 1\n\n", quoted(&name_of(file)));
    text += "[stages.rows]\nkind = \"read\"\n";
    text += &format!("path = {}\n", quoted(&shown));
    if !seen.header && seen.delimiter.is_some() {
        text += "header = false        # the first line holds values, not names\n";
    }
    text += &mapping(&seen);
    text += &columns(&seen);
    Ok(text + "\n" + REST)
}

fn about(seen: &Inspection) -> String {
    let rows = format!("{}{}", if seen.estimated { "about " } else { "" }, count(seen.rows, "row"));
    let delimiter = seen.delimiter.as_ref().map(|name| format!(", delimiter {name:?}")).unwrap_or_default();
    let encoding = seen.encoding.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
    format!("{rows}{delimiter}{encoding}")
}

/// The mapping as TOML, a reason behind each column.
fn mapping(seen: &Inspection) -> String {
    let mut text = String::new();
    for proposal in &seen.mapping {
        let pair = format!("columns.{} = {}", proposal.ours, quoted(&proposal.theirs));
        text += &format!("{pair:50} # {}\n", proposal.reason);
    }
    for needed in ["customer_id", "txn_timestamp", "amount"] {
        if !seen.mapping.iter().any(|proposal| proposal.ours == needed) {
            text += &format!("# columns.{needed} = \"...\"   # no column looks like it: name one\n");
        }
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
