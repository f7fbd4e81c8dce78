//! The resolved pipeline as TOML: every default spelled out, every layer applied, ready to rerun.

use anyhow::Result;

use super::document::{self, Node};
use super::{Draft, Pipeline, Variant, schedule};

/// The text of the whole pipeline, or of one variant of its sweep.
///
/// # Errors
/// When a value doesn't fit TOML.
pub fn text(pipeline: &Pipeline, variant: Option<&Variant>) -> Result<String> {
    let mut top = toml::Table::new();
    top.insert("pipeline".to_owned(), head(pipeline, variant).into());
    if let Some(resources) = pipeline.document.get("resources") {
        top.insert("resources".to_owned(), resources.to_toml());
    }
    top.insert("stages".to_owned(), stages(pipeline, variant)?.into());
    let sweep = pipeline.document.get("sweep").and_then(Node::table).map(document::table_to_toml);
    if let (Some(sweep), None) = (sweep, variant) {
        top.insert("sweep".to_owned(), sweep.into());
    }
    Ok(toml::to_string(&top)?)
}

fn head(pipeline: &Pipeline, variant: Option<&Variant>) -> toml::Table {
    let swept = variant.zip(pipeline.sweep.as_ref()).and_then(|(variant, sweep)| {
        let axis = sweep.axes.iter().position(|axis| axis == "pipeline.seed")?;
        variant.values.get(axis).cloned().flatten()
    });
    let seed = swept.unwrap_or_else(|| i64::try_from(pipeline.seed).unwrap_or(i64::MAX).into());
    [("name".to_owned(), pipeline.name.clone().into()), ("seed".to_owned(), seed)].into_iter().collect()
}

/// The stages as a variant has them; those that need the leaderboard make no sense in one variant.
fn stages(pipeline: &Pipeline, variant: Option<&Variant>) -> Result<toml::Table> {
    match variant {
        None => pipeline.base.iter().map(|draft| stage(draft)).collect(),
        Some(variant) => variant.tasks.iter().map(|task| stage(&pipeline.tasks[*task].draft)).collect(),
    }
}

fn stage(draft: &Draft) -> Result<(String, toml::Value)> {
    let mut table = toml::Table::new();
    table.insert("kind".to_owned(), draft.kind.name.into());
    if let Some(seed) = draft.seed {
        table.insert("seed".to_owned(), i64::try_from(seed).unwrap_or(i64::MAX).into());
    }
    for key in ["save"].into_iter().chain(schedule::KEYS) {
        table.extend(draft.node.get(key).map(|node| (key.to_owned(), node.to_toml())));
    }
    table.extend(draft.params()?);
    Ok((draft.name.clone(), table.into()))
}
