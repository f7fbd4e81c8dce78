//! Tasks in waves: those of one need only tasks of waves before it, so they can be asked about at once.

use crate::pipeline::Pipeline;

/// The tasks of a pipeline by how many stand one behind the other before them; those of a wave by number.
pub fn waves(pipeline: &Pipeline) -> Vec<Vec<usize>> {
    waves_from(pipeline, 0)
}

/// The same for the tasks from a number on, where those before it have been asked about.
pub fn waves_from(pipeline: &Pipeline, first: usize) -> Vec<Vec<usize>> {
    let inputs =
        pipeline.tasks[first..].iter().map(|task| task.inputs.iter().map(|edge| edge.task).collect());
    of(&inputs.collect::<Vec<Vec<usize>>>(), first)
}

/// The same for tasks by the numbers of those that they need, which are lower than theirs.
fn of(inputs: &[Vec<usize>], first: usize) -> Vec<Vec<usize>> {
    let mut depths: Vec<usize> = Vec::with_capacity(inputs.len());
    let mut waves: Vec<Vec<usize>> = Vec::new();
    for (at, before) in inputs.iter().enumerate() {
        let fresh = before.iter().filter(|from| **from >= first);
        let depth = fresh.map(|from| depths[*from - first] + 1).max().unwrap_or(0);
        depths.push(depth);
        if waves.len() == depth {
            waves.push(Vec::new());
        }
        waves[depth].push(first + at);
    }
    waves
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_task_is_in_the_wave_after_the_last_that_it_needs() {
        let none: [[usize; 0]; 0] = [];
        assert_eq!(of(&[], 0), none);
        let tasks = [vec![], vec![0], vec![], vec![1, 2], vec![2], vec![2, 2]];
        assert_eq!(of(&tasks, 0), [vec![0, 2], vec![1, 4, 5], vec![3]]);
        // Those before the first one count as none.
        assert_eq!(of(&tasks[2..], 2), [vec![2], vec![3, 4, 5]]);
    }
}
