//! A sweep whose variants come in waves: the pipeline of those that there are so far, to which more are added.

use std::sync::Arc;

use petgraph::graph::DiGraph;

use super::weave::Loom;
use super::{Axes, Pipeline, Point};
use crate::diagnostic::{Diagnostic, Problems};

/// A pipeline that grows by variants.
pub struct Growing {
    /// The pipeline so far.
    pub pipeline: Pipeline,
    loom: Loom,
}

impl Pipeline {
    /// A pipeline without variants yet, where its sweep comes in waves.
    pub fn growing(&self) -> Option<Growing> {
        let loom = self.loom.clone()?;
        let pipeline = Self {
            name: self.name.clone(),
            seed: self.seed,
            resources: self.resources,
            file: self.file.clone(),
            tasks: Vec::new(),
            graph: DiGraph::new(),
            sweep: loom.sweep(),
            remote: self.remote.clone(),
            base: self.base.iter().map(Arc::clone).collect(),
            document: self.document.clone(),
            layers: Vec::new(),
            loom: None,
        };
        Some(Growing { pipeline, loom })
    }
}

impl Growing {
    /// The axes, on which more values may be taken into use.
    pub fn axes(&mut self) -> Option<&mut Axes> {
        self.loom.axes()
    }

    /// Adds a variant: its number among all of them.
    ///
    /// # Errors
    /// When it is wrong, which leaves everything as it was.
    pub fn add(&mut self, point: Point) -> Result<usize, Vec<Diagnostic>> {
        let made = self.loom.add(point)?;
        self.loom.drain(&mut self.pipeline.tasks, &mut self.pipeline.graph);
        let Some(sweep) = &mut self.pipeline.sweep else { return Ok(0) };
        sweep.variants.extend(made);
        Ok(sweep.variants.len() - 1)
    }

    /// Adds the leaderboard, and what needs it.
    ///
    /// # Errors
    /// When a stage doesn't fit it.
    pub fn close(&mut self) -> Result<(), Problems> {
        self.loom.close().map_err(Problems)?;
        self.loom.drain(&mut self.pipeline.tasks, &mut self.pipeline.graph);
        Ok(())
    }
}
