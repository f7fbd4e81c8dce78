//! What a stage run took of the machine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose numbers they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Used {
    /// The program's that the stage ran, with everything that it waited for.
    Program,
    /// The process's in which the stage ran, with those that ran beside it.
    Process,
}

/// What a stage run took of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Whose numbers they are: the program's, or those of custem's process while the stage ran.
    pub of: Used,
    /// Seconds of computing on all cores, in the system too.
    pub cpu_seconds: f64,
    /// The most memory that it held at once, in bytes: of a program from its start, of the process from its own
    /// start to the end of the stage.
    pub peak_memory: u64,
    /// How many other stages ran in the process for a part of the time.
    pub beside: usize,
}
