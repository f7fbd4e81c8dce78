//! What stages may take together, and what each of them takes.

use super::machine::Machine;
use crate::pipeline::quantity;
use crate::pipeline::schedule::Resources;

/// Cores and memory: all there are, those that are left, or those that a stage takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Budget {
    /// Cores; a stage takes at least one.
    pub cores: usize,
    /// Bytes of memory; a stage that doesn't say takes none.
    pub memory: u64,
}

impl Budget {
    /// What there is: the machine, a pipeline's own limits below that, or as many cores as a flag says.
    pub fn new(machine: Machine, limits: Resources, jobs: Option<usize>) -> Self {
        let cores = jobs.unwrap_or_else(|| limits.cores.unwrap_or(usize::MAX).min(machine.cores));
        let memory = limits.memory.unwrap_or(u64::MAX).min(machine.memory.unwrap_or(u64::MAX));
        Self { cores, memory }
    }

    /// What a stage takes of it: all, where it wants more than there is of anything.
    pub fn part(self, wanted: Resources) -> Self {
        let part = Self { cores: wanted.cores.unwrap_or(1), memory: wanted.memory.unwrap_or(0) };
        if part.fits(self) { part } else { self }
    }

    /// Whether so much is left.
    pub fn fits(self, left: Self) -> bool {
        self.cores <= left.cores && self.memory <= left.memory
    }

    /// What is left when a part of it is taken.
    #[must_use]
    pub fn without(self, part: Self) -> Self {
        Self { cores: self.cores - part.cores, memory: self.memory - part.memory }
    }

    /// What is left when a part of it is given back.
    #[must_use]
    pub fn with(self, part: Self) -> Self {
        Self { cores: self.cores + part.cores, memory: self.memory + part.memory }
    }

    /// The cores of it.
    #[must_use]
    pub fn cores_alone(self) -> Self {
        Self { memory: 0, ..self }
    }

    /// The memory of it.
    #[must_use]
    pub fn memory_alone(self) -> Self {
        Self { cores: 0, ..self }
    }

    /// What a stage wants more of than there is: the key that says so, and the two amounts in words.
    pub fn exceeded(self, wanted: Resources) -> Option<(&'static str, String)> {
        if let Some(cores) = wanted.cores.filter(|cores| *cores > self.cores) {
            let there =
                if self.cores == 1 { "there is 1".to_owned() } else { format!("there are {}", self.cores) };
            return Some(("resources.cores", format!("{cores} cores, and {there}")));
        }
        let memory = wanted.memory.filter(|memory| *memory > self.memory)?;
        let (wants, has) = (quantity::size(memory), quantity::size(self.memory));
        Some(("resources.memory", format!("{wants} of memory, and there are {has}")))
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Machine, Resources};

    const MACHINE: Machine = Machine { cores: 4, memory: Some(1000) };

    #[test]
    fn a_pipeline_narrows_the_machine_and_a_flag_has_the_last_word_on_cores() {
        let of = |cores, memory, jobs| {
            let budget = Budget::new(MACHINE, Resources { cores, memory }, jobs);
            (budget.cores, budget.memory)
        };
        assert_eq!(of(None, None, None), (4, 1000));
        assert_eq!(of(Some(2), Some(10), None), (2, 10));
        assert_eq!(of(Some(9), Some(9999), None), (4, 1000));
        assert_eq!(of(Some(2), None, Some(8)), (8, 1000));
        let unknown = Machine { memory: None, ..MACHINE };
        assert_eq!(Budget::new(unknown, Resources::default(), None).memory, u64::MAX);
    }

    #[test]
    fn who_wants_more_than_there_is_takes_all() {
        let all = Budget { cores: 2, memory: 3_000_000_000 };
        let wants = |cores, memory| Resources { cores, memory };
        assert_eq!(all.part(wants(None, None)), Budget { cores: 1, memory: 0 });
        assert_eq!(all.part(wants(Some(2), Some(7))), Budget { cores: 2, memory: 7 });
        assert_eq!(all.part(wants(Some(3), None)), all);
        assert_eq!(all.part(wants(None, Some(4_000_000_000))), all);
        assert_eq!(all.exceeded(wants(Some(2), Some(7))), None);
        let told = |wanted| all.exceeded(wanted).unwrap();
        let cores = ("resources.cores", "3 cores, and there are 2".to_owned());
        assert_eq!(told(wants(Some(3), None)), cores);
        let memory = ("resources.memory", "4 GB of memory, and there are 3 GB".to_owned());
        assert_eq!(told(wants(None, Some(4_000_000_000))), memory);
    }
}
