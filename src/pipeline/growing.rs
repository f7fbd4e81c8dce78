//! A sweep whose variants come in waves: the pipeline of those that there are so far, to which more are added.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use petgraph::graph::DiGraph;

use super::saves::{Ground, Taken};
use super::weave::Loom;
use super::{Axes, Pipeline, Point, Task};
use crate::diagnostic::{Diagnostic, Problems};

/// A pipeline that grows by variants.
pub struct Growing {
    /// The pipeline so far.
    pub pipeline: Pipeline,
    loom: Loom,
    ground: Ground,
    /// Where outputs of the tasks so far lead, and what they read.
    taken: Taken,
}

impl Pipeline {
    /// Whether it has a sweep that comes in waves.
    pub fn comes_in_waves(&self) -> bool {
        self.loom.is_some()
    }

    /// A pipeline without variants yet, where its sweep comes in waves; `root` is the project's.
    pub fn growing(&self, root: &Path) -> Option<Growing> {
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
            track: self.track.clone(),
            base: self.base.iter().map(Arc::clone).collect(),
            document: self.document.clone(),
            layers: Arc::clone(&self.layers),
            loom: None,
        };
        let (mut ground, mut taken) = (Ground::new(root, Arc::clone(&self.layers)), Taken::default());
        // What needs the leaderboard comes last, but its places are no variant's.
        ground.take(&self.beside_variants(), &mut taken);
        Some(Growing { pipeline, loom, ground, taken })
    }

    /// The tasks that are no variant's: the leaderboard and what needs it.
    fn beside_variants(&self) -> Vec<Task> {
        let variants = self.sweep.iter().flat_map(|sweep| &sweep.variants);
        let own: HashSet<usize> = variants.flat_map(|variant| variant.tasks.iter().copied()).collect();
        let tasks = self.tasks.iter().enumerate().filter(|(at, _)| !own.contains(at));
        tasks.map(|(_, task)| task.clone()).collect()
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
        let before = self.loom.mark();
        let made = match self.loom.add(point) {
            Ok(made) => made,
            Err(problems) => {
                self.loom.back_to(before);
                return Err(problems);
            }
        };
        let problems = self.ground.take(self.loom.fresh(), &mut self.taken);
        if !problems.is_empty() {
            self.loom.back_to(before);
            return Err(problems);
        }
        self.loom.drain(&mut self.pipeline.tasks, &mut self.pipeline.graph);
        let Some(sweep) = &mut self.pipeline.sweep else { return Ok(0) };
        sweep.variants.extend(made);
        Ok(sweep.variants.len() - 1)
    }

    /// Adds the leaderboard, and what needs it.
    ///
    /// # Errors
    /// When a stage doesn't fit it, or would save where a variant has.
    pub fn close(&mut self) -> Result<(), Problems> {
        self.loom.close().map_err(Problems)?;
        let problems = self.ground.take(self.loom.fresh(), &mut self.taken);
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        self.loom.drain(&mut self.pipeline.tasks, &mut self.pipeline.graph);
        Ok(())
    }
}
