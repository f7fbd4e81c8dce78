//! Tasks in waves: those of one need only tasks of waves before it, so they can be asked about at once.

use crate::pipeline::Pipeline;

/// The tasks of a pipeline by how many stand one behind the other before them; those of a wave by number.
pub fn waves(pipeline: &Pipeline) -> Vec<Vec<usize>> {
    let inputs = pipeline.tasks.iter().map(|task| task.inputs.iter().map(|edge| edge.task).collect());
    of(&inputs.collect::<Vec<Vec<usize>>>())
}

/// The same for tasks by the numbers of those that they need, which are lower than theirs.
fn of(inputs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut depths: Vec<usize> = Vec::with_capacity(inputs.len());
    let mut waves: Vec<Vec<usize>> = Vec::new();
    for (at, before) in inputs.iter().enumerate() {
        let depth = before.iter().map(|from| depths[*from] + 1).max().unwrap_or(0);
        depths.push(depth);
        if waves.len() == depth {
            waves.push(Vec::new());
        }
        waves[depth].push(at);
    }
    waves
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_task_is_in_the_wave_after_the_last_that_it_needs() {
        let none: [[usize; 0]; 0] = [];
        assert_eq!(of(&[]), none);
        let tasks = [vec![], vec![0], vec![], vec![1, 2], vec![2], vec![2, 2]];
        assert_eq!(of(&tasks), [vec![0, 2], vec![1, 4, 5], vec![3]]);
    }
}
