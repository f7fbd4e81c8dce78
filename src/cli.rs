//! Commands and flags; no behaviour.

mod cache;
mod runs;
mod track;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub use cache::{Cache, CacheVerify, Exchange, Gc};
pub use runs::{End, ExportForm, Method, Runs, RunsBest, RunsBisect, RunsDiff, RunsExport, RunsList, Which};
pub use track::{Push, Track, Tracker};

/// Customer segmentation, benchmarking and forecasting: run a TOML pipeline, rerun only what changed.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// The project's folder: paths in pipelines start there, and data/, cache/ and experiments/ are made there
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    pub root: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a pipeline: only what changed since the last run runs again
    Run(Run),
    /// Run a pipeline for many values of its parameters, and rank what comes out
    ///
    /// What the table `[sweep]` says (docs/sweeps.md), the flags add to or say otherwise: a sweep without editing.
    Sweep(Box<Sweep>),
    /// Run a pipeline, and again whenever one of its files changes
    ///
    /// Runs it, and again after every change of its own files, of those that it extends, of its stages' sources and
    /// of what it saves: one line a wave, once nothing has changed for a moment. A pipeline with mistakes is told and
    /// waited for. Ctrl-C ends it, with exit code 130.
    Watch(Watch),
    /// Tell what a run would do, without running
    Plan(Plan),
    /// Check a pipeline without running it
    Check(Check),
    /// Tell why a stage ran in the last run, or why it didn't
    Why(Why),
    /// Print the graph of stages
    Graph(Graph),
    /// List the kinds of stages, or all parameters of one
    Kinds(Kinds),
    /// Print the language as a JSON Schema, for editors
    Schema {
        /// Print that of the lines of `run --json` and of a run's log instead
        #[arg(long)]
        events: bool,
    },
    /// Print an artifact of the last run
    Show(Show),
    /// Open the report of the last run, or of another one
    Open(Open),
    /// Tell where a number or a saved file comes from: stages, keys, lines of the pipeline, source files
    Trace(Trace),
    /// List, show and compare recorded runs
    #[command(subcommand)]
    Runs(Runs),
    /// Send recorded runs to trackers
    #[command(subcommand)]
    Track(Track),
    /// Compute stages again beside the cache and compare their bytes with what it has
    Verify(Verify),
    /// Write down what a pipeline gives, for `run --locked` to compare with
    Lock(Target),
    /// Check, measure and tidy up the cache
    #[command(subcommand)]
    Cache(Cache),
    /// Start a project, or a pipeline for a file of your own
    Init(Init),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Which pipeline, and what to change in it.
#[derive(Debug, Args)]
pub struct Target {
    /// The pipeline; without it, that of the last run
    pub pipeline: Option<PathBuf>,
    /// Change a parameter: STAGE.parameter=value (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Flags of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Which pipeline.
    #[command(flatten)]
    pub target: Target,
    /// Run only what this stage needs, and the stage (repeatable)
    #[arg(long, value_name = "STAGE")]
    pub until: Vec<String>,
    /// Run this stage whatever the cache has (repeatable)
    #[arg(long, value_name = "STAGE")]
    pub force: Vec<String>,
    /// Only tell what would run; exits with 10 when something would
    #[arg(long)]
    pub dry_run: bool,
    /// Fail where a stage gives other bytes than the lock beside the pipeline says (`custem lock` writes it)
    #[arg(long, conflicts_with = "dry_run")]
    pub locked: bool,
    /// Compute stages that were put together of kept partial results again without them; other bytes are a failure
    #[arg(long, conflicts_with = "dry_run")]
    pub check_incremental: bool,
    /// Neither take results from the remote cache nor give any to it
    #[arg(long)]
    pub no_remote: bool,
    /// How many cores to use, and so stages at once [default: all, or those of `[resources]`]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Go on with branches that don't need a failed stage; `--keep-going=false` ends the run
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_value_t = true, default_missing_value = "true")]
    pub keep_going: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// List stages that came from the cache too, and what programs print
    #[arg(long, short)]
    pub verbose: bool,
    /// Print only errors
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
}

impl Run {
    /// A run as it is when no flag is given.
    pub fn of(target: Target) -> Self {
        Self {
            target,
            until: Vec::new(),
            force: Vec::new(),
            dry_run: false,
            locked: false,
            no_remote: false,
            check_incremental: false,
            jobs: None,
            keep_going: true,
            json: false,
            verbose: false,
            quiet: false,
        }
    }
}

/// Flags of `sweep`.
#[derive(Debug, Args)]
pub struct Sweep {
    /// What there is to say of any run.
    #[command(flatten)]
    pub run: Run,
    /// Try these values: STAGE.parameter=2..10, =2..10:2 (step), =0.001..1:log:5 (count), =a,b or what an axis is in
    /// a file (repeatable)
    #[arg(long, value_name = "KEY=VALUES", help_heading = "Sweep")]
    pub axis: Vec<String>,
    /// Compare variants by this metric: STAGE.metric (several: the best compromises are marked)
    #[arg(long, value_name = "METRIC", help_heading = "Sweep")]
    pub objective: Vec<String>,
    /// Which end of it is best: max or min [default: max]
    #[arg(long, value_name = "GOAL", help_heading = "Sweep")]
    pub goal: Vec<String>,
    /// How variants are chosen: grid, random, sobol, halving or tpe [default: grid]
    #[arg(long, value_name = "NAME", help_heading = "Sweep")]
    pub strategy: Option<String>,
    /// The most points to try
    #[arg(long, value_name = "N", help_heading = "Sweep")]
    pub max_variants: Option<usize>,
    /// Start no more variants after this time: 30m
    #[arg(long, value_name = "TIME", help_heading = "Sweep")]
    pub max_time: Option<String>,
    /// Repeat each point over so many seeds of the pipeline, or over [1, 2, 3]
    #[arg(long, value_name = "SEEDS", help_heading = "Sweep")]
    pub repeat: Option<String>,
    /// The parameter that grows from rung to rung: KEY=10..270 (halving)
    #[arg(long, value_name = "KEY=RANGE", help_heading = "Sweep")]
    pub budget: Vec<String>,
    /// Of so many variants one goes on (halving)
    #[arg(long, value_name = "N", help_heading = "Sweep")]
    pub eta: Option<f64>,
    /// Write the best variant there as a pipeline
    #[arg(long, value_name = "FILE", help_heading = "Sweep")]
    pub best: Option<String>,
}

/// Flags of `watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// Which pipeline.
    #[command(flatten)]
    pub target: Target,
    /// Run only what this stage needs, and the stage (repeatable)
    #[arg(long, value_name = "STAGE")]
    pub until: Vec<String>,
    /// How many cores to use [default: all]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Go on with branches that don't need a failed stage; `--keep-going=false` ends the run
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_value_t = true, default_missing_value = "true")]
    pub keep_going: bool,
    /// Print one JSON object a line, as `run` does
    #[arg(long)]
    pub json: bool,
}

/// Flags of `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// Which pipeline.
    #[command(flatten)]
    pub target: Target,
    /// Plan only what this stage needs, and the stage (repeatable)
    #[arg(long, value_name = "STAGE")]
    pub until: Vec<String>,
    /// Plan as if this stage were to run whatever the cache has (repeatable)
    #[arg(long, value_name = "STAGE")]
    pub force: Vec<String>,
    /// Plan without the remote cache
    #[arg(long)]
    pub no_remote: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Which pipeline.
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Flags of `why`.
#[derive(Debug, Args)]
pub struct Why {
    /// The stage
    pub stage: String,
    /// The run: its name, its number or `last`
    #[arg(long, default_value = "last")]
    pub run: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Flags of `graph`.
#[derive(Debug, Args)]
pub struct Graph {
    /// Which pipeline.
    #[command(flatten)]
    pub target: Target,
    /// The form
    #[arg(long, value_enum, default_value_t = GraphForm::Text)]
    pub format: GraphForm,
}

/// Forms of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphForm {
    /// For reading on a terminal
    Text,
    /// For Graphviz
    Dot,
    /// For Markdown
    Mermaid,
}

/// Flags of `kinds`.
#[derive(Debug, Args)]
pub struct Kinds {
    /// One kind, with all its parameters
    pub kind: Option<String>,
    /// Print a JSON list of objects, one a kind
    #[arg(long)]
    pub json: bool,
    /// Print a page of Markdown
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
}

/// Flags of `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The stage, or `stage.port`
    pub artifact: String,
    /// The run: its name, its number or `last`
    #[arg(long, default_value = "last")]
    pub run: String,
    /// How many rows to print
    #[arg(long, short = 'n', default_value_t = 10, conflicts_with_all = ["csv", "json"])]
    pub rows: usize,
    /// Print the whole table as CSV
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Print the whole table as JSON, one object a line; a model or metrics as the JSON that they are
    #[arg(long)]
    pub json: bool,
}

/// Flags of `open`.
#[derive(Debug, Args)]
pub struct Open {
    /// The run: its name, its number or `last`, or the file of a pipeline for its last run
    #[arg(value_name = "RUN|PIPELINE", default_value = "last")]
    pub of: String,
    /// Only print where it is
    #[arg(long)]
    pub path: bool,
}

/// Flags of `trace`.
#[derive(Debug, Args)]
pub struct Trace {
    /// A metric (STAGE.metric), or a saved file, with `#ID` for one of its rows
    pub what: String,
    /// The run of a metric: its name, its number or `last`
    #[arg(long, default_value = "last")]
    pub run: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Flags of `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The pipeline
    pub pipeline: PathBuf,
    /// The stages to compute again [default: all]
    #[arg(value_name = "STAGE")]
    pub stages: Vec<String>,
    /// Change a parameter: STAGE.parameter=value (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Compute each stage with so many threads, once for every number: 1,2
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Vec<u16>,
    /// Compute each stage twice
    #[arg(long)]
    pub twice: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Flags of `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// A CSV or Parquet file of transactions to make a pipeline for
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// Where the pipeline goes [default: pipelines/NAME.toml]
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
}
