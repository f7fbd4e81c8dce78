//! The commands under `track`, and their flags.

use clap::{Args, Subcommand, ValueEnum};

/// The commands under `track`.
#[derive(Debug, Subcommand)]
pub enum Track {
    /// Send recorded runs to a tracker; a sweep with all its variants
    ///
    /// Project, tags, notes and place are those of each run's pipeline, as far as no flag says otherwise. Sending a run
    /// again completes it; nothing is there twice.
    Push(Push),
}

/// Flags of `track push`.
#[derive(Debug, Args)]
pub struct Push {
    /// The runs: their names, their numbers or `last`
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    /// The tracker
    #[arg(long, value_enum)]
    pub to: Tracker,
    /// The project there [default: the run's own, else its pipeline's name]
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// The server to send to (trackio, mlflow)
    #[arg(long, value_name = "URL", conflicts_with = "dir")]
    pub url: Option<String>,
    /// The folder to write to (trackio, wandb), from the project's
    #[arg(long, value_name = "DIR")]
    pub dir: Option<String>,
}

/// The trackers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tracker {
    /// Trackio
    Trackio,
    /// Weights & Biases, as an offline run for `wandb sync`
    Wandb,
    /// An MLflow tracking server
    Mlflow,
}

impl Tracker {
    /// Its name in `[track]`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trackio => "trackio",
            Self::Wandb => "wandb",
            Self::Mlflow => "mlflow",
        }
    }
}
