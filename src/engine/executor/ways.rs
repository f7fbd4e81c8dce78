//! How long it takes from each task to the end, by what tasks took before: the critical paths.

use std::collections::HashMap;

use crate::engine::plan::History;
use crate::pipeline::Pipeline;

/// What a task is taken to need of which nothing is known, nor of any other.
const UNKNOWN: f64 = 1.0;

/// Per task, the seconds until the last of all that need it is done when nothing has to wait. A task that
/// never ran counts as the median of its kind, else of all.
pub fn ways(pipeline: &Pipeline, wanted: &[bool], history: &dyn History) -> Vec<f64> {
    let seconds =
        |label: &str| history.last(label).map(|last| last.seconds).filter(|seconds| seconds.is_finite());
    let tasks = pipeline.tasks.iter().zip(wanted);
    let known: Vec<_> = tasks.map(|(task, wanted)| wanted.then(|| seconds(&task.label)).flatten()).collect();
    let usual = Usual::of(pipeline, &known);
    let mut ways = vec![0.0; known.len()];
    // Each task stands after all that it takes from.
    for (at, task) in pipeline.tasks.iter().enumerate().rev().filter(|(at, _)| wanted[*at]) {
        ways[at] += known[at].unwrap_or_else(|| usual.of_kind(task.draft.kind.name));
        for edge in &task.inputs {
            ways[edge.task] = f64::max(ways[edge.task], ways[at]);
        }
    }
    ways
}

/// What tasks usually take.
struct Usual {
    kinds: HashMap<&'static str, f64>,
    all: f64,
}

impl Usual {
    fn of(pipeline: &Pipeline, known: &[Option<f64>]) -> Self {
        let mut kinds: HashMap<_, Vec<f64>> = HashMap::new();
        for (task, seconds) in pipeline.tasks.iter().zip(known) {
            kinds.entry(task.draft.kind.name).or_default().extend(seconds);
        }
        let all = median(known.iter().flatten().copied().collect()).unwrap_or(UNKNOWN);
        let kinds = kinds.into_iter().filter_map(|(kind, seconds)| Some((kind, median(seconds)?)));
        Self { kinds: kinds.collect(), all }
    }

    fn of_kind(&self, kind: &str) -> f64 {
        self.kinds.get(kind).copied().unwrap_or(self.all)
    }
}

/// The lower of the two in the middle, where there are two.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::{median, ways};
    use crate::engine::digest::Digest;
    use crate::engine::plan::Last;
    use crate::pipeline::Pipeline;

    fn pipeline() -> Pipeline {
        let simulate = "kind = \"simulate\"\n";
        let features = |input: &str| format!("kind = \"features\"\ninput = \"{input}\"\n");
        let text = format!(
            "[stages.a]\n{simulate}[stages.b]\n{simulate}[stages.f]\n{}[stages.g]\n{}",
            features("a"),
            features("b")
        );
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("p.toml"), text).unwrap();
        let kinds = crate::stages::KINDS;
        crate::pipeline::load(folder.path(), std::path::Path::new("p.toml"), &[], kinds).unwrap()
    }

    fn told(seconds: &[(&str, f64)]) -> Vec<f64> {
        let pipeline = pipeline();
        let labels: Vec<_> = pipeline.tasks.iter().map(|task| task.label.as_str()).collect();
        assert_eq!(labels, ["a", "b", "f", "g"]);
        let last = |label: &str| {
            let found = seconds.iter().find(|(stage, _)| *stage == label)?;
            Some(Last { key: Digest::of(b""), seconds: found.1 })
        };
        ways(&pipeline, &[true; 4], &last)
    }

    #[test]
    fn a_way_is_that_of_the_slowest_behind() {
        assert_eq!(told(&[("a", 1.0), ("b", 2.0), ("f", 9.0), ("g", 3.0)]), [10.0, 5.0, 9.0, 3.0]);
    }

    #[test]
    fn what_is_not_known_is_guessed_by_kind_then_by_all() {
        assert_eq!(told(&[]), [2.0, 2.0, 1.0, 1.0]);
        assert_eq!(told(&[("a", 4.0), ("f", 6.0)]), [10.0, 10.0, 6.0, 6.0]);
        assert_eq!(told(&[("a", 4.0), ("b", 8.0)]), [8.0, 12.0, 4.0, 4.0]);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }
}
