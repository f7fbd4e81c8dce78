//! What the terminal shows: events as lines or live bars, and listings as text.
//!
//! Listings are pure functions from values to text; sinks write to standard error, so that standard
//! output stays free for data.

mod board;
mod compare;
mod echo;
mod lineage;
mod listing;
mod out;
mod sinks;
mod was;
mod wave;
mod wrap;

pub use compare::{Move, Shares, best, difference, moves};
pub use echo::echo_again;
pub use lineage::{Before, Lineage, Row, Step, lineage};
pub use listing::{Since, elsewhere, later, plan, run, runs, summary, table, why};
pub use out::{print, tell};
pub use sinks::{Json, Live, Past, Plain, pages};
pub use was::Metrics;
pub use wave::{Wave, clock};
pub use wrap::wrap;

/// How much to show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Stages from the cache too.
    pub verbose: bool,
    /// Only errors.
    pub quiet: bool,
}

/// The width of the terminal that standard output is; none where it is a file or a pipe.
pub fn width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Columns that a text gets beyond which lines are hard to read, and where no width is known.
const COLUMNS: (usize, usize) = (120, 100);

/// Columns for running text: what `COLUMNS` says, else the terminal's, else a hundred.
pub fn columns() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|said| said.trim().parse().ok());
    said.or_else(width).unwrap_or(COLUMNS.1).clamp(40, COLUMNS.0)
}

/// Seconds for people: `0.4 s`, `2 min 5 s`.
pub fn seconds(seconds: f64) -> String {
    if seconds < 99.95 {
        return format!("{seconds:.1} s");
    }
    format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0)
}

/// Bytes for people: `812 B`, `11 MB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && size < 9.95);
    format!("{size:.digits$} {}", UNITS[unit])
}
