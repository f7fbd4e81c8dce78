//! The commands under `runs`, and their flags.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// The commands under `runs`.
#[derive(Debug, Subcommand)]
pub enum Runs {
    /// List recorded runs, newest first
    List(RunsList),
    /// Show a run: its stages, metrics and warnings
    Show {
        /// The run: its name, its number or `last`
        #[arg(default_value = "last")]
        run: String,
        /// Print what the program of this stage printed
        #[arg(long, value_name = "STAGE", conflicts_with = "json")]
        output: Option<String>,
        /// Print its record, one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Tell what two runs differ in: values of the pipeline, stages that reran because of each, artifacts, metrics
    Diff(RunsDiff),
    /// Rank runs by a metric
    Best(RunsBest),
    /// Tell in which runs a metric moved, and which lines of the pipeline had been changed
    Bisect(RunsBisect),
    /// Run the resolved pipeline of a run again, and compare the bytes that it gives
    Rerun {
        /// The run: its name, its number or `last`
        run: String,
        /// Print one JSON object a line, as `run` does
        #[arg(long)]
        json: bool,
    },
    /// Remove the records of runs; `custem cache gc` then removes what only they name
    Rm {
        /// The runs: their names, numbers or `last`
        #[arg(required = true, value_name = "RUN")]
        runs: Vec<String>,
        /// Remove also one that may be going on
        #[arg(long)]
        force: bool,
    },
    /// Print parameters and metrics of runs as a table, one row a run, oldest first
    Export(RunsExport),
    /// Add a note to a run's record
    Note {
        /// The run: its name, its number or `last`
        run: String,
        /// What to say
        #[arg(required = true, value_name = "TEXT")]
        text: Vec<String>,
    },
    /// Print a run as a trace that Perfetto and Chrome open: when each stage ran, and beside which others
    Trace {
        /// The run: its name, its number or `last`
        #[arg(default_value = "last")]
        run: String,
        /// Write it to this file instead
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// Which runs are meant.
#[derive(Debug, Args)]
pub struct Which {
    /// Only runs for which this holds: `metrics.segments.silhouette > 0.4 and status = done`
    #[arg(long = "where", value_name = "CONDITION")]
    pub condition: Option<String>,
    /// The variants of sweeps too, each a run of its own
    #[arg(long)]
    pub variants: bool,
}

/// Flags of `runs list`.
#[derive(Debug, Args)]
pub struct RunsList {
    /// How many
    #[arg(short = 'n', long, default_value_t = 20)]
    pub count: usize,
    /// Which runs.
    #[command(flatten)]
    pub which: Which,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}

/// Flags of `runs diff`.
#[derive(Debug, Args)]
pub struct RunsDiff {
    /// The run before: its name, its number or `last`
    pub old: String,
    /// The run after
    pub new: String,
    /// Run each single change alone, with all that the cache has, and split every metric's difference among the changes;
    /// `=shapley` shares out what several do together, with one run for each combination
    #[arg(long, value_enum, value_name = "METHOD", num_args = 0..=1, require_equals = true,
          default_missing_value = "alone")]
    pub attribute: Option<Method>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// How a metric's difference is split among changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// Each change alone; what is left is interaction
    Alone,
    /// The mean over all orders in which the changes could have been made
    Shapley,
}

impl Method {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Shapley => "shapley",
        }
    }
}

/// Flags of `runs best`.
#[derive(Debug, Args)]
pub struct RunsBest {
    /// The metric: STAGE.metric
    pub metric: String,
    /// Which end of it is best
    #[arg(long, value_enum, default_value_t = End::Max)]
    pub goal: End,
    /// How many runs to list
    #[arg(short = 'n', long, default_value_t = 5)]
    pub count: usize,
    /// Which runs.
    #[command(flatten)]
    pub which: Which,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// An end of a metric's range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum End {
    /// The highest value
    Max,
    /// The lowest value
    Min,
}

/// Flags of `runs bisect`.
#[derive(Debug, Args)]
pub struct RunsBisect {
    /// The metric: STAGE.metric
    pub metric: String,
    /// The first run to look at [default: the first one of the pipeline that has the metric]
    #[arg(long, value_name = "RUN")]
    pub from: Option<String>,
    /// The last run to look at
    #[arg(long, value_name = "RUN", default_value = "last")]
    pub to: String,
    /// A metric has moved when it differs by more than this
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0)]
    pub tolerance: f64,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Flags of `runs export`.
#[derive(Debug, Args)]
pub struct RunsExport {
    /// Which runs.
    #[command(flatten)]
    pub which: Which,
    /// The form
    #[arg(long, value_enum, default_value_t = ExportForm::Csv)]
    pub format: ExportForm,
    /// Write it to this file instead
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Forms of a table of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportForm {
    /// Comma-separated values
    Csv,
    /// One JSON object a line
    Json,
    /// Parquet, to a file
    Parquet,
}
