//! The commands under `cache`, and their flags.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::Target;
use crate::pipeline::quantity;

/// The commands under `cache`.
#[derive(Debug, Subcommand)]
pub enum Cache {
    /// Hash every object anew and move damaged ones away; exits with 1 when something was wrong
    Verify(CacheVerify),
    /// Tell how much room artifacts take: by stage of the last run, by kind, and what nobody needs
    Du {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Make room: what no recorded run names goes, and more where it is asked for
    Gc(Gc),
    /// Give what a pipeline's stages have given to its remote cache
    Push(Exchange),
    /// Take what a pipeline's stages would give from its remote cache
    Pull(Exchange),
    /// Count what is here and what is in the remote cache
    Status(Exchange),
}

/// Flags of `cache push`, `pull` and `status`.
#[derive(Debug, Args)]
pub struct Exchange {
    /// Which pipeline.
    #[command(flatten)]
    pub target: Target,
    /// All that is in the cache, or in the remote cache, not only what this pipeline's plan names
    #[arg(long)]
    pub all: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Flags of `cache gc`.
#[derive(Debug, Args)]
pub struct Gc {
    /// Keep what the newest N runs of each pipeline name; earlier runs are kept no longer
    #[arg(long, value_name = "N")]
    pub keep_runs: Option<usize>,
    /// Runs older than this are kept no longer: 30d, 12h, 2w (those of `--keep-runs` are)
    #[arg(long, value_name = "TIME", value_parser = quantity::span)]
    pub older_than: Option<Duration>,
    /// Then evict what is cheapest to compute for its size, until no more is left than this: 20GB, 1.5GiB
    #[arg(long, value_name = "SIZE", value_parser = quantity::bytes)]
    pub max_size: Option<u64>,
    /// Only list what would go, and why
    #[arg(long)]
    pub dry_run: bool,
    /// Wait until no run uses the cache, instead of giving up
    #[arg(long)]
    pub wait: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Flags of `cache verify`.
#[derive(Debug, Args)]
pub struct CacheVerify {
    /// Run this pipeline afterwards, which computes what it has lost
    #[arg(long, value_name = "PIPELINE")]
    pub heal: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
