//! `custem graph`: the graph of stages as text, for Graphviz or for Markdown.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::Result;

use super::foresee;
use crate::cli::{self, GraphForm};
use crate::engine::Project;
use crate::pipeline::{Pipeline, Task};
use crate::present::terminal::print;

pub fn graph(flags: &cli::Graph, project: &Project) -> Result<ExitCode> {
    let pipeline = foresee::read(&flags.target, project)?.pipeline;
    let text = match flags.format {
        GraphForm::Text => text(&pipeline),
        GraphForm::Dot => dot(&pipeline),
        GraphForm::Mermaid => mermaid(&pipeline),
    };
    print(format_args!("{text}"))?;
    Ok(ExitCode::SUCCESS)
}

fn text(pipeline: &Pipeline) -> String {
    let widest = |of: fn(&Task) -> &str| pipeline.tasks.iter().map(|task| of(task).chars().count()).max();
    let (name, kind) = (widest(|task| &task.label), widest(|task| task.draft.kind.name));
    let (name, kind) = (name.unwrap_or(0), kind.unwrap_or(0));
    let line = |task: &Task| {
        let mut from: Vec<_> =
            task.inputs.iter().map(|edge| pipeline.tasks[edge.task].label.as_str()).collect();
        from.dedup();
        let arrow = if from.is_empty() { "" } else { "  <- " };
        let line = format!("{:name$}  {:kind$}{arrow}{}", task.label, task.draft.kind.name, from.join(", "));
        format!("{}\n", line.trim_end())
    };
    pipeline.tasks.iter().map(line).collect()
}

/// Who gives to whom, each pair once however many ports pass between them.
fn edges(pipeline: &Pipeline) -> BTreeSet<(usize, usize)> {
    let ends = pipeline.graph.edge_indices().filter_map(|edge| pipeline.graph.edge_endpoints(edge));
    ends.map(|(from, to)| (from.index(), to.index())).collect()
}

fn dot(pipeline: &Pipeline) -> String {
    let mut text = String::from("digraph {\n  node [shape=box]\n");
    for (at, task) in pipeline.tasks.iter().enumerate() {
        text += &format!("  s{at} [label=\"{}\\n{}\"]\n", task.label, task.draft.kind.name);
    }
    for (from, to) in edges(pipeline) {
        text += &format!("  s{from} -> s{to}\n");
    }
    text + "}\n"
}

fn mermaid(pipeline: &Pipeline) -> String {
    let mut text = String::from("graph TD\n");
    for (at, task) in pipeline.tasks.iter().enumerate() {
        text += &format!("  s{at}[\"{}<br/>{}\"]\n", task.label, task.draft.kind.name);
    }
    for (from, to) in edges(pipeline) {
        text += &format!("  s{from} --> s{to}\n");
    }
    text
}
