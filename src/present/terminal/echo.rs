//! Keys that end a run, kept from the screen while bars are on it.
//!
//! A bar fills its line, so that the `^C` that a terminal shows for Ctrl-C begins another one: bars
//! would be taken away a line too low, and one would stay. Knows the terminal's modes, no bars.

use std::io::stderr;
use std::sync::Mutex;

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// The terminal's modes before they were changed.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// As long as it lives, control characters aren't shown as `^C` and the like.
pub struct Unechoed(());

/// Has the terminal behind standard error not show control characters, where it is one and this process
/// is in its foreground: whoever changes modes from the background is stopped.
pub fn unechoed() -> Unechoed {
    if is_foreground()
        && let Ok(mut before) = BEFORE.lock()
        && before.is_none()
        && let Ok(modes) = tcgetattr(stderr())
    {
        let mut changed = modes.clone();
        changed.local_modes.remove(LocalModes::ECHOCTL);
        *before = tcsetattr(stderr(), OptionalActions::Now, &changed).is_ok().then_some(modes);
    }
    Unechoed(())
}

/// Gives the terminal its modes back, also before a process that ends at once.
pub fn echo_again() {
    if let Ok(mut before) = BEFORE.lock()
        && let Some(modes) = before.take()
        && is_foreground()
    {
        let _ = tcsetattr(stderr(), OptionalActions::Now, &modes);
    }
}

impl Drop for Unechoed {
    fn drop(&mut self) {
        echo_again();
    }
}

fn is_foreground() -> bool {
    tcgetpgrp(stderr()).is_ok_and(|foreground| foreground == getpgrp())
}
