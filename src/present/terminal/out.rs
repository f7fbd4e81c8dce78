//! Standard output and standard error: data here, talk there. Colours are dropped where they aren't wanted.

use std::fmt::Arguments;
use std::io::Write;

use anyhow::{Context, Result};

/// Prints data; the caller ends where it can't be written.
///
/// # Errors
/// When standard output is a file on a full disk, or a pipe that nobody reads any more.
pub fn print(text: Arguments<'_>) -> Result<()> {
    put(text).context("can't write to standard output")
}

fn put(text: Arguments<'_>) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_fmt(text)?;
    out.flush()
}

/// Tells people something. Where standard error can't be written, nobody could be told that either.
pub fn tell(text: Arguments<'_>) {
    let _ = anstream::stderr().lock().write_fmt(text);
}
