//! `custem graph`: the graph of stages as text, for Graphviz or for Markdown.

use std::process::ExitCode;

use anyhow::Result;
use petgraph::dot::{Config, Dot};

use super::load;
use crate::cli::{self, GraphForm};
use crate::engine::Project;
use crate::pipeline::Pipeline;

pub fn graph(flags: &cli::Graph, project: &Project) -> Result<ExitCode> {
    let pipeline = load(&flags.target, project)?;
    let text = match flags.format {
        GraphForm::Text => text(&pipeline),
        GraphForm::Dot => dot(&pipeline),
        GraphForm::Mermaid => mermaid(&pipeline),
    };
    anstream::print!("{text}");
    Ok(ExitCode::SUCCESS)
}

fn text(pipeline: &Pipeline) -> String {
    let width = pipeline.tasks.iter().map(|task| task.label.chars().count()).max().unwrap_or(0);
    let line = |task: &crate::pipeline::Task| {
        let mut from: Vec<_> =
            task.inputs.iter().map(|edge| pipeline.tasks[edge.task].label.as_str()).collect();
        from.dedup();
        let arrow = if from.is_empty() { "" } else { "  <- " };
        format!("{:width$}  {:10}{arrow}{}\n", task.label, task.draft.kind.name, from.join(", "))
    };
    pipeline.tasks.iter().map(line).collect()
}

fn dot(pipeline: &Pipeline) -> String {
    let labels = pipeline.graph.map(|node, ()| pipeline.tasks[node.index()].label.as_str(), |_, ()| "");
    format!("{:?}", Dot::with_config(&labels, &[Config::EdgeNoLabel]))
}

fn mermaid(pipeline: &Pipeline) -> String {
    let mut text = String::from("graph TD\n");
    for (at, task) in pipeline.tasks.iter().enumerate() {
        text += &format!("  s{at}[\"{}<br/>{}\"]\n", task.label, task.draft.kind.name);
    }
    for edge in pipeline.graph.edge_indices() {
        if let Some((from, to)) = pipeline.graph.edge_endpoints(edge) {
            text += &format!("  s{} --> s{}\n", from.index(), to.index());
        }
    }
    text
}
